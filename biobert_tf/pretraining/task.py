# SPDX-License-Identifier: Apache-2.0
"""The pre-training task: predict masked pieces, and whether part B follows part A.

Shape suffixes: B batch, P masked positions, V vocabulary.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.model import encoder, heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.pretraining.data.masking import MASKED_FEATURES
from biobert_tf.pretraining.masking import DynamicMasking
from biobert_tf.training import records
from biobert_tf.training.records import FeatureSpec, Specs
from biobert_tf.training.task import Batch, Outputs

# run_pretraining.py:279: a batch may have no masked pieces.
_EPSILON: Final = 1e-5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingTask:
    """Everything that makes a run a pre-training; holds no mutable state.

    `masking` masks records that hold no masks; it is None for statically masked ones.
    """

    max_seq_length: int
    max_predictions_per_seq: int
    vocab_size: int
    masking: DynamicMasking | None = None

    @property
    def new_head(self) -> tuple[str, ...]:
        """Returns the variables that the initial checkpoint may lack."""
        return ("cls/predictions", "cls/seq_relationship", "bert/pooler")

    @property
    def specs(self) -> Specs:
        """Returns the features of a record; with dynamic masking, without the masks."""
        return {
            name: spec
            for name, spec in self.masked_specs.items()
            if self.masking is None or name not in MASKED_FEATURES
        }

    @property
    def masked_specs(self) -> Specs:
        """Returns the original's features (run_pretraining.py:335-350)."""
        length, most = self.max_seq_length, self.max_predictions_per_seq
        pieces = functools.partial(FeatureSpec, length, flag="--max_seq_length")
        masked = functools.partial(FeatureSpec, most, flag="--max_predictions_per_seq")
        return {
            "input_ids": pieces(below=self.vocab_size),
            "input_mask": pieces(below=2),
            "segment_ids": pieces(below=2),
            "next_sentence_labels": FeatureSpec(1, below=2),
            "masked_lm_positions": masked(below=length),
            "masked_lm_ids": masked(below=self.vocab_size),
            "masked_lm_weights": masked(dtype="float32"),
        }

    def prepare(
        self, batch: records.Batch, numbers: tf.Tensor, *, training: bool
    ) -> records.Batch:
        """Masks parsed records of these numbers; see `DynamicMasking.mask`.

        Statically masked records stay as they are.
        """
        if self.masking is None:
            return batch
        return self.masking.mask(batch, numbers, training=training)

    def build_model(
        self, config: EncoderConfig, seed: int, dtype: tf.DType = tf.float32
    ) -> heads.PretrainingModel:
        """Returns the encoder with both heads."""
        return heads.PretrainingModel(config, seed, dtype=dtype)

    @property
    def counts_padding(self) -> bool:
        """Returns false: only masked pieces and the pooled output are scored."""
        return False

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Returns the names of the loss, its two terms and both accuracies."""
        return (
            "loss",
            "masked_lm_loss",
            "masked_lm_accuracy",
            "next_sentence_loss",
            "next_sentence_accuracy",
        )

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the total weight of the masked pieces and the number of pairs."""
        return {
            "masked": tf.reduce_sum(batch["masked_lm_weights"]),
            "rows": tf.reduce_sum(encoder.is_text(batch)),
        }

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns this batch's share of each value in `loss_names`; losses in nats.

        The loss is the mean over masked pieces (run_pretraining.py:278-280) plus the
        mean over pairs (304).
        """
        sums = {
            name: tf.reduce_sum(values)
            for name, values in self.predictions(batch, outputs).items()
        }
        masked = sums["masked_lm_loss"] / (totals["masked"] + _EPSILON)
        pairs = sums["next_sentence_loss"] / totals["rows"]
        correct = tf.math.divide_no_nan(sums["masked_lm_correct"], totals["masked"])
        return {
            "loss": masked + pairs,
            "masked_lm_loss": masked,
            "masked_lm_accuracy": correct,
            "next_sentence_loss": pairs,
            "next_sentence_accuracy": sums["next_sentence_correct"] / totals["rows"],
        }

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns, per row, sums over its masked pieces and the values of its pair.

        All are float32 `[batch]`; losses are in nats.
        """
        weights_BP = batch["masked_lm_weights"]
        masked_BP = _judged(outputs["masked_lm_logits"], batch["masked_lm_ids"])
        labels_B = tf.reshape(batch["next_sentence_labels"], [-1])
        pair_B = _judged(outputs["next_sentence_logits"], labels_B)
        is_text_B = encoder.is_text(batch)
        return {
            "masked_lm_loss": tf.reduce_sum(masked_BP[0] * weights_BP, axis=1),
            "masked_lm_correct": tf.reduce_sum(masked_BP[1] * weights_BP, axis=1),
            "masked_lm_weight": tf.reduce_sum(weights_BP, axis=1),
            "next_sentence_loss": pair_B[0] * is_text_B,
            "next_sentence_correct": pair_B[1] * is_text_B,
        }

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns the original's scores (run_pretraining.py:187-220).

        PARITY(run_pretraining.py:148, 229): `loss` is the mean over batches of their
        losses, so that it depends a little on the batch size and is not quite the sum
        of the other two. A last batch that is not full counts by its rows.
        """
        values = {k: v.astype(np.float64) for k, v in predictions.items()}
        masked = max(values["masked_lm_weight"].sum(), _EPSILON)
        return {
            "loss": _batch_loss(values, batch_size),
            "masked_lm_accuracy": float(values["masked_lm_correct"].sum() / masked),
            "masked_lm_loss": float(values["masked_lm_loss"].sum() / masked),
            "next_sentence_accuracy": float(values["next_sentence_correct"].mean()),
            "next_sentence_loss": float(values["next_sentence_loss"].mean()),
        }


def _judged(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns cross-entropies in nats, and 1.0 where the best class is the label."""
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return nats, tf.cast(best == labels, tf.float32)


def _batch_loss(values: Mapping[str, np.ndarray], batch_size: int) -> float:
    """Returns the mean of the batches' losses, weighted by their numbers of rows.

    `values` are those that `predictions` returned, float64 `[rows]` per name.
    """
    num_rows = len(values["masked_lm_loss"])
    starts = np.arange(0, num_rows, batch_size)
    sums = {name: np.add.reduceat(array, starts) for name, array in values.items()}
    rows = np.minimum(starts + batch_size, num_rows) - starts
    masked = sums["masked_lm_loss"] / (sums["masked_lm_weight"] + _EPSILON)
    pairs = sums["next_sentence_loss"] / rows
    return float(np.average(masked + pairs, weights=rows))
