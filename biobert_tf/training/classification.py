# SPDX-License-Identifier: Apache-2.0
"""The base of tasks that classify texts: relations and yes/no questions.

Besides its pieces, a record has `label_ids` and `is_real_example`, one int each.

Shape suffixes: B batch, K labels.
"""

import abc
import dataclasses
from typing import ClassVar

import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training.task import Batch, Outputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(abc.ABC):
    """A task that assigns one of some labels to every text.

    The `class_weights` are those of the labels in the training loss.
    """

    class_weights: tuple[float, ...]
    new_head: ClassVar = ("output_weights", "output_bias")
    # The pooled output does not depend on padding.
    counts_padding: ClassVar = False
    loss_names: ClassVar = ("loss",)

    @property
    @abc.abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Returns the labels in the order of their ids."""

    def build_model(
        self, config: EncoderConfig, seed: int, dtype: tf.DType = tf.float32
    ) -> heads.SequenceClassifier:
        """Returns the encoder with a label classifier on its pooled output.

        The head's dropout is 0.1 in run_re.py:727, whatever the config says;
        every released config has 0.1 too.
        """
        return heads.SequenceClassifier(
            config,
            len(self.labels),
            seed,
            dropout=config.hidden_dropout_prob,
            dtype=dtype,
        )

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the sum of the weights of the examples, padding not counted."""
        return {"weight": tf.reduce_sum(self._weights(batch))}

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns the mean cross-entropy in nats, weighted by `class_weights`.

        Equal weights give the mean of run_re.py:737.
        """
        weighted_B = self._example_losses(batch, outputs) * self._weights(batch)
        weight = tf.maximum(totals["weight"], 1e-12)
        return {"loss": tf.reduce_sum(weighted_B) / weight}

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `probabilities`, `label_ids` and `loss` of every example."""
        return {
            "probabilities": tf.nn.softmax(outputs["logits"]),
            "label_ids": batch["label_ids"][:, 0],
            "loss": self._example_losses(batch, outputs),
        }

    def _weights(self, batch: Batch) -> tf.Tensor:
        """Returns the weight of every example, 0 for padding rows, `[batch]`."""
        is_real_B = tf.cast(batch["is_real_example"][:, 0], tf.float32)
        weights_K = tf.constant(self.class_weights, tf.float32)
        return tf.gather(weights_K, batch["label_ids"][:, 0]) * is_real_B

    def _example_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the cross-entropy of every example in nats, `[batch]`."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=batch["label_ids"][:, 0], logits=outputs["logits"]
        )
