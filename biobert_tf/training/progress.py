# SPDX-License-Identifier: Apache-2.0
"""Reports the progress of a training: log lines and TensorBoard scalars."""

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from biobert_tf.common.clock import format_seconds
from biobert_tf.common.errors import TrainingDivergedError

_LOG = logging.getLogger(__name__)

History = Mapping[str, np.ndarray]


class Recorder(Protocol):
    """An object that records all steps and is saved with the state of a training.

    It is a `tf.train.experimental.PythonState`, so after a resume it has exactly the
    steps up to the restored state.
    """

    def add(self, history: History, first_step: int) -> None:
        """Adds the reported values of the steps from zero-based `first_step` on."""

    def write(self) -> None:
        """Writes the recorder's files; called after every save, by the chief only."""


def check_finite(
    history: History, first_step: int, *, skips_steps: bool = False
) -> None:
    """Stops a training that has diverged.

    The gradient is checked too: a bad one corrupts the weights one step before the loss
    shows it, and the corrupted weights might be saved in between.

    Args:
        history: `loss` and `gradient_norm`, float `[steps]`, of one compiled call.
        first_step: Zero-based step of the first entry.
        skips_steps: Whether the optimizer skips steps whose gradients are not finite.

    Raises:
        TrainingDivergedError: A value is NaN or infinite.
    """
    names = ("loss",) if skips_steps else ("loss", "gradient_norm")
    rows = zip(*(history[name] for name in names), strict=True)
    for step, values in enumerate(rows, first_step):
        for name, value in zip(names, values, strict=True):
            if not np.isfinite(value):
                raise TrainingDivergedError(
                    f"the {name.replace('_', ' ')} is {value} at step {step}; training "
                    "stopped and this state is not saved; lower --learning_rate, or "
                    "use --mixed_precision=bfloat16 or off"
                )


@dataclasses.dataclass
class Progress:
    """Reports after every compiled call; only the chief has one.

    Attributes:
        num_train_steps: The step at which the training ends.
        batch_size: Examples per step, over all replicas.
        summary_dir: The directory for TensorBoard events.
    """

    num_train_steps: int
    batch_size: int
    summary_dir: Path

    def __post_init__(self) -> None:
        """Opens the event file and starts the clock."""
        self._writer = tf.summary.create_file_writer(str(self.summary_dir))
        self._last_time = time.monotonic()

    def report(self, history: History, first_step: int) -> None:
        """Logs one line and writes every step's scalars.

        Args:
            history: `loss`, `learning_rate`, `gradient_norm` and the task's other
                reported values, float `[steps]`.
            first_step: Zero-based step of the first entry.
        """
        now = time.monotonic()
        num_steps = len(history["loss"])
        step = first_step + num_steps
        rate = num_steps / (now - self._last_time)
        self._last_time = now
        left = (self.num_train_steps - step) / rate
        _LOG.info(
            "step %d/%d | %.2f steps/s | %.1f examples/s | loss %.4f | lr %.3e | "
            "%s left",
            step,
            self.num_train_steps,
            rate,
            rate * self.batch_size,
            float(np.mean(history["loss"])),
            float(history["learning_rate"][-1]),
            format_seconds(left),
        )
        with self._writer.as_default():
            for name, values in history.items():
                for offset, value in enumerate(values):
                    tf.summary.scalar(f"train/{name}", value, first_step + offset)
            tf.summary.scalar("train/steps_per_second", rate, step - 1)
        self._writer.flush()
