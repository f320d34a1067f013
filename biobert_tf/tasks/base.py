# SPDX-License-Identifier: Apache-2.0
"""What the Estimator asks of a task, and nothing more."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from biobert_tf import heads
from biobert_tf.config import EncoderConfig
from biobert_tf.records import Specs

Batch = Mapping[str, tf.Tensor]
Outputs = Mapping[str, tf.Tensor]


class Task(Protocol):
    """A vertical slice, as seen from the training loop.

    A loss is written as a sum over examples divided by a total over the global
    batch. The two are asked for apart, because the total must be known over all
    replicas and accumulated parts before any of them is differentiated: only then
    do two workers, or four small passes, give what one big batch gives.
    """

    @property
    def specs(self) -> Specs:
        """Returns what a record of this task holds."""

    def build_model(self, config: EncoderConfig, seed: int) -> heads.Model:
        """Returns the encoder with this task's head, randomly initialised."""

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the totals the loss divides by, float scalars, summed over rows."""

    def loss(self, batch: Batch, outputs: Outputs, totals: Batch) -> tf.Tensor:
        """Returns this batch's share of the loss, a float32 scalar, in nats.

        Args:
            batch: A part of the global batch.
            outputs: What the model says of it.
            totals: `loss_totals` summed over the whole global batch.
        """

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns what `decode` and `metrics` need, `[batch, ...]` per name."""

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns scores that need no text, from `predictions` of all examples.

        Args:
            predictions: `[examples, ...]` per name, in file order.
            batch_size: Of the evaluation; some of the original's losses depend on it.
        """
