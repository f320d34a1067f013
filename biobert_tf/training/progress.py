# SPDX-License-Identifier: Apache-2.0
"""What a running training says of itself: one line, and TensorBoard scalars."""

import dataclasses
import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from biobert_tf.common.errors import TrainingDivergedError

_LOG = logging.getLogger(__name__)

History = Mapping[str, np.ndarray]


class Recorder(Protocol):
    """Something that is told of all steps and saved with the state of a training.

    A `tf.train.experimental.PythonState`, so that after a resume it knows the steps
    up to the state and no others.
    """

    def add(self, history: History, first_step: int) -> None:
        """Takes what was reported of the steps from zero-based `first_step` on."""

    def write(self) -> None:
        """Writes its files; called after every save, by the chief only."""


def check_finite(
    history: History, first_step: int, *, skips_steps: bool = False
) -> None:
    """Stops a training that has diverged.

    A gradient is looked at too: it spoils the weights one step before the loss shows
    it, and they could be saved in between.

    Args:
        history: `loss` and `gradient_norm`, float `[steps]`, of one compiled call.
        first_step: Zero-based step of the first entry.
        skips_steps: The optimizer drops gradients that are not finite.

    Raises:
        TrainingDivergedError: Some value is NaN or infinite.
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
        num_train_steps: Where the training ends.
        batch_size: Examples per step, over all replicas.
        summary_dir: Where the TensorBoard events go.
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
            history: `loss`, `learning_rate`, `gradient_norm` and what else the task
                reports, float `[steps]`.
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


def format_seconds(seconds: float) -> str:
    """Returns a duration as `h:mm:ss`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
