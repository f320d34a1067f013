# SPDX-License-Identifier: Apache-2.0
"""Extractive question answering: finds where in a passage the answer begins and ends.

Reading order is data order:
    file -> QaExample -> QaFeatures -> logits -> Prediction -> scores
The first arrow is `reading`, the second `features`, the fourth `decoding`; this module
holds the model and its loss.

Shape suffixes: B batch, L sequence length.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints.names import SPAN_LABELS
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.qa.features import Featurizer, QaFeatures, Windows, shuffle_buffer
from biobert_tf.qa.reading import QaExample
from biobert_tf.training.records import FeatureSpec, Specs
from biobert_tf.training.task import Batch, Outputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanTask:
    """The task of a run on spans; holds no mutable state.

    Attributes:
        featurizer: Turns questions into rows.
        compat: `fixed` or `master`; see `settings.QaConfig`.
    """

    featurizer: Featurizer
    compat: Literal["fixed", "master"]

    @property
    def name(self) -> str:
        """Returns the name of the task in the results."""
        return "qa"

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the names of the head's two outputs."""
        return SPAN_LABELS

    @property
    def new_head(self) -> tuple[str, ...]:
        """Returns the variables that a starting checkpoint may lack.

        A checkpoint that was trained on questions before has them, and they are used.
        """
        scope = heads.SpanClassifier.scope
        return (f"{scope}output_weights", f"{scope}output_bias")

    # --- questions to records ---------------------------------------------------------

    @property
    def specs(self) -> Specs:
        """Returns the original's features (run_qa.py:697-706).

        Records to predict have answer positions too, which are not used.
        """
        length = self.featurizer.max_seq_length
        names = ("input_ids", "input_mask", "segment_ids")
        return {
            "unique_ids": FeatureSpec(1),
            **{name: FeatureSpec(length) for name in names},
            "start_positions": FeatureSpec(1),
            "end_positions": FeatureSpec(1),
        }

    def featurize(self, examples: Sequence[QaExample]) -> Windows:
        """Returns the rows of all questions; they are made on iteration."""
        return Windows(self.featurizer, examples)

    def windows(self, records: Iterable[QaFeatures]) -> Iterable[QaFeatures]:
        """Returns the windows of the records, which are the records themselves."""
        return records

    def counts(self, records: Iterable[QaFeatures]) -> dict[str, int]:
        """Returns no counts beyond the numbers of questions and rows."""
        return {}

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        return shuffle_buffer(num_records, self.compat)

    # --- records to numbers, on the device -------------------------------------------

    def build_model(
        self, config: EncoderConfig, seed: int, dtype: tf.DType = tf.float32
    ) -> heads.SpanClassifier:
        """Returns the encoder with two scores for every token."""
        return heads.SpanClassifier(config, seed, dtype=dtype)

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Returns the names of the losses: only the one that is minimised."""
        return ("loss",)

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the number of rows."""
        return {"rows": tf.cast(tf.shape(batch["input_ids"])[0], tf.float32)}

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns the mean cross-entropy of start and end, in nats.

        PARITY(run_qa.py:653-659): the softmax is over all positions, those of
        the question and of padding too; the released weights expect it.
        """
        nats = [
            tf.reduce_sum(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels=batch[f"{end}_positions"][:, 0],
                    logits=outputs[f"{end}_logits"],
                )
            )
            for end in ("start", "end")
        ]
        return {"loss": tf.add_n(nats) / 2 / totals["rows"]}

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `start_logits` and `end_logits`, float32 `[batch, length]`."""
        return {name: outputs[name] for name in ("start_logits", "end_logits")}

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns no metrics, because answers are scored as text."""
        return {}
