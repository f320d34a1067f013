# SPDX-License-Identifier: Apache-2.0
"""The interface of a task, as the Estimator uses it."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training.records import Specs

Batch = Mapping[str, tf.Tensor]
Outputs = Mapping[str, tf.Tensor]


class Task(Protocol):
    """A task: its records, model, losses and predictions.

    A loss is a sum over examples divided by a total over the global batch. `losses` and
    `loss_totals` are two methods because the total over all replicas and accumulated
    parts must be known before any part is differentiated. Only then do two workers, or
    four small passes, give the same as one big batch.
    """

    @property
    def specs(self) -> Specs:
        """Returns what a record of this task holds."""

    def build_model(
        self, config: EncoderConfig, seed: int, dtype: tf.DType = tf.float32
    ) -> heads.Model:
        """Returns the encoder with this task's head, randomly initialised."""

    @property
    def counts_padding(self) -> bool:
        """Returns whether the padding of rows counts, in losses and predictions."""

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Returns the entries of `losses`; the first is `loss`, which is minimised."""

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the divisors of the losses, float scalars, summed over rows."""

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns this batch's share of the loss and of what is reported beside it.

        Float32 scalars in the order of `loss_names`, losses in nats; the shares of
        all parts of a global batch are summed. `totals` are the `loss_totals` of the
        global batch, `outputs` those of the model for this part of it.
        """

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns what `decode` and `metrics` need, `[batch, ...]` per name."""

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns scores that need no text, from `predictions` of all examples.

        Some of the original's losses depend on the batch size of the evaluation.
        """
