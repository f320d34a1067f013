# SPDX-License-Identifier: Apache-2.0
"""What the Estimator asks of a task, and nothing more."""

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

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Returns the entries of `losses`; the first is `loss`, which is minimised."""

    def loss_totals(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the totals the loss divides by, float scalars, summed over rows."""

    def losses(
        self, batch: Batch, outputs: Outputs, totals: Batch
    ) -> dict[str, tf.Tensor]:
        """Returns this batch's share of the loss and of what is reported beside it.

        Float32 scalars in the order of `loss_names`, losses in nats; the shares of
        all parts of a global batch are summed.

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
