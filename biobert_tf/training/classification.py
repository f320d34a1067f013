# SPDX-License-Identifier: Apache-2.0
"""The bases of tasks that say something of whole texts.

SequenceClassification     one of some labels: relations, yes/no questions
MultiLabelClassification   any of some labels
SequenceRegression         a number

Besides its pieces, a record has `is_real_example`, one int, and what is to be learned:
`label_ids` or `targets`.

Shape suffixes: B batch, K labels.
"""

import abc
import dataclasses
from typing import ClassVar

import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig, Pooling
from biobert_tf.training.task import Batch, Outputs


@dataclasses.dataclass(frozen=True, kw_only=True)
class OfTexts(abc.ABC):
    """A task with one loss per text, and a head on a vector of the text.

    Attributes:
        pooling: What the head reads; see `heads.SequenceClassifier`.
        first_bias: The first biases of a new head, one per output; () is 0.
    """

    pooling: Pooling = "cls"
    first_bias: tuple[float, ...] = ()
    new_head: ClassVar = ("output_weights", "output_bias")
    # The vector of a text does not depend on padding.
    counts_padding: ClassVar = False
    loss_names: ClassVar = ("loss",)

    @property
    @abc.abstractmethod
    def _num_outputs(self) -> int:
        """Returns the number of the head's outputs."""

    @abc.abstractmethod
    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns what the head says of every text, and its `loss`."""

    @abc.abstractmethod
    def _training_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the loss of every text, times its weight, `[batch]`."""

    def build_model(
        self, config: EncoderConfig, seed: int | None, dtype: tf.DType = tf.float32
    ) -> heads.SequenceClassifier:
        """Returns the encoder with a head on the vector of a text.

        The head's dropout is 0.1 in run_re.py:727, whatever the config says;
        every released config has 0.1 too.
        """
        return heads.SequenceClassifier(
            config,
            self._num_outputs,
            seed,
            dropout=config.hidden_dropout_prob,
            dtype=dtype,
            pooling=self.pooling,
            bias=self.first_bias,
        )

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the sum of the weights of the examples, padding not counted."""
        return {"weight": tf.reduce_sum(self._weights(batch))}

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns the mean loss of the examples, which have weights."""
        weighted_B = self._training_losses(batch, outputs)
        weight = tf.maximum(totals["weight"], 1e-12)
        return {"loss": tf.reduce_sum(weighted_B) / weight}

    def _weights(self, batch: Batch) -> tf.Tensor:
        """Returns the weight of every example, 0 for padding rows, `[batch]`."""
        return tf.cast(batch["is_real_example"][:, 0], tf.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _OfLabels(OfTexts):
    """A task of labels, each with a weight in the training loss: `class_weights`."""

    class_weights: tuple[float, ...]

    @property
    @abc.abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Returns the labels in the order of their ids."""

    @property
    def _num_outputs(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceClassification(_OfLabels):
    """A task that assigns one of some labels to every text.

    `label_ids` is one int. The loss is the mean cross-entropy in nats over texts, which
    weigh as much as their labels; equal weights give the mean of run_re.py:737.
    """

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `logits`, `probabilities`, `label_ids` and `loss` of each text."""
        return {
            "logits": outputs["logits"],
            "probabilities": tf.nn.softmax(outputs["logits"]),
            "label_ids": batch["label_ids"][:, 0],
            "loss": self._example_losses(batch, outputs),
        }

    def _training_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        return self._example_losses(batch, outputs) * self._weights(batch)

    def _weights(self, batch: Batch) -> tf.Tensor:
        weights_K = tf.constant(self.class_weights, tf.float32)
        return tf.gather(weights_K, batch["label_ids"][:, 0]) * super()._weights(batch)

    def _example_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the cross-entropy of every example in nats, `[batch]`."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=batch["label_ids"][:, 0], logits=outputs["logits"]
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiLabelClassification(_OfLabels):
    """A task that assigns any number of some labels to every text.

    `label_ids` is 1 for every label that a text has, else 0: K ints or floats. The loss
    of a text is the weighted mean over the labels of the binary cross-entropy in nats;
    that of a batch is the mean over its texts.
    """

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `logits`, `probabilities`, `label_ids` and `loss` of every example.

        The first three are `[batch, K]`; the loss is that of equal weights.
        """
        return {
            "logits": outputs["logits"],
            "probabilities": tf.sigmoid(outputs["logits"]),
            "label_ids": batch["label_ids"],
            "loss": tf.reduce_mean(self._label_losses(batch, outputs), axis=1),
        }

    def _training_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        weights_K = tf.constant(self.class_weights, tf.float32)
        weights_K /= tf.reduce_sum(weights_K)
        weighted_BK = self._label_losses(batch, outputs) * weights_K
        return tf.reduce_sum(weighted_BK, axis=1) * self._weights(batch)

    def _label_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the binary cross-entropy of every label in nats, `[batch, K]`."""
        return tf.nn.sigmoid_cross_entropy_with_logits(
            labels=tf.cast(batch["label_ids"], tf.float32), logits=outputs["logits"]
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceRegression(OfTexts):
    """A task that gives every text a number.

    `targets` is one float. The loss is the mean squared error.
    """

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `value`, `targets` and `loss` of every example, `[batch]`."""
        return {
            "value": outputs["logits"][:, 0],
            "targets": batch["targets"][:, 0],
            "loss": self._example_losses(batch, outputs),
        }

    @property
    def _num_outputs(self) -> int:
        return 1

    def _training_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        return self._example_losses(batch, outputs) * self._weights(batch)

    def _example_losses(self, batch: Batch, outputs: Outputs) -> tf.Tensor:
        """Returns the squared error of every example, `[batch]`."""
        return tf.math.squared_difference(outputs["logits"], batch["targets"])[:, 0]
