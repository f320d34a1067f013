# SPDX-License-Identifier: Apache-2.0
"""Computes the number of training and warm-up steps."""

import dataclasses

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import FinetuningConfig, RunConfig


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The length of a training, in steps of one global batch."""

    num_train_steps: int
    num_warmup_steps: int

    @classmethod
    def of(
        cls, num_examples: int, run: RunConfig, finetuning: FinetuningConfig
    ) -> "Schedule":
        """Returns the original's counts (run_ner.py:515-517), both rounded down.

        Raises:
            InputError: The settings make less than one step.
        """
        steps = int(num_examples / run.train_batch_size * finetuning.num_train_epochs)
        if steps < 1:
            raise InputError(
                f"{num_examples} training examples, --train_batch_size="
                f"{run.train_batch_size} and --num_train_epochs="
                f"{finetuning.num_train_epochs} make no whole step; lower the batch "
                "size or add epochs"
            )
        return cls(steps, int(steps * finetuning.warmup_proportion))

    def last_step(self, run: RunConfig) -> int:
        """Returns the step at which to stop: the schedule's end, or `max_steps`."""
        return min(self.num_train_steps, run.max_steps or self.num_train_steps)
