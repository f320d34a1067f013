# SPDX-License-Identifier: Apache-2.0
"""Dynamic masking in tf.data: draws new masked pieces whenever a record is read.

The rule is that of static masking, and so is the code, which is NumPy's. Here every
draw depends on a seed and the record's number in the stream only.

Shape suffixes: B batch, L sequence length, P masked positions.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from biobert_tf.pretraining.data.masking import MASKED_FEATURES, MaskingRule
from biobert_tf.training.records import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class DynamicMasking(MaskingRule):
    """Masks parsed records.

    Attributes:
        seed: Random seed of all draws.
    """

    seed: int

    def mask(self, batch: Batch, numbers_B: tf.Tensor, *, training: bool) -> Batch:
        """Adds the masked LM features to records that have none.

        Args:
            batch: int32 `input_ids` and `input_mask`, `[batch, length]`; other
                entries are left alone.
            numbers_B: int64 `[batch]`, the records' numbers in their stream.
            training: Whether this is training; evaluation draws from another stream.

        Returns:
            The batch with the features of `MaskingRule.masked`.
        """
        ids_BL = batch["input_ids"]
        stream = tf.constant(2 * self.seed + (not training), tf.int64)

        def draw(number: tf.Tensor) -> tf.Tensor:
            return tf.random.stateless_uniform(
                [3, ids_BL.shape[1]],
                tf.stack([stream, number]),
                dtype=tf.float64,
                alg="philox",
            )

        draws_B3L = tf.map_fn(draw, numbers_B, fn_output_signature=tf.float64)
        masked_BL, *tables_BP = tf.numpy_function(
            self._in_numpy,
            [ids_BL, batch["input_mask"], draws_B3L],
            [tf.int32, tf.int32, tf.int32, tf.float32],
            stateful=False,
        )
        shape = [ids_BL.shape[0], self.max_predictions_per_seq]
        tables = zip(MASKED_FEATURES, tables_BP, strict=True)
        return {
            **batch,
            "input_ids": tf.ensure_shape(masked_BL, ids_BL.shape),
            **{name: tf.ensure_shape(table, shape) for name, table in tables},
        }

    def _in_numpy(
        self, ids_BL: np.ndarray, input_mask_BL: np.ndarray, draws_B3L: np.ndarray
    ) -> list[np.ndarray]:
        """Returns `masked`; the draws are order, action and other piece."""
        order_BL, action_BL, other_BL = draws_B3L.swapaxes(0, 1)
        is_chosen_BL = self.choose(ids_BL, input_mask_BL > 0, order_BL)
        others = self.pieces.replacement_ids
        other_C = others[(other_BL[is_chosen_BL] * len(others)).astype(np.int32)]
        masked = self.masked(ids_BL, is_chosen_BL, action_BL[is_chosen_BL], other_C)
        return [masked[name] for name in ("input_ids", *MASKED_FEATURES)]
