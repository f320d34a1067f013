# SPDX-License-Identifier: Apache-2.0
"""Reports the progress of a training: log lines and TensorBoard scalars."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import tensorflow as tf
from tensorboard.plugins.scalar import summary_v2

from biobert_tf.common import screen
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import TrainingDivergedError

History = Mapping[str, np.ndarray]

_MOST_EVENTS: Final = 50_000
"""Of a training: with some hundred bytes each, weeks of steps would take gigabytes."""

_LOG = logging.getLogger(__name__)

LEAST_SCALE: Final = 1.0
"""The least scale of the loss that Keras' `LossScaleOptimizer` goes down to."""


class Recorder(Protocol):
    """An object that records all steps and is saved with the state of a training.

    It is a `tf.train.experimental.PythonState`, so after a resume it has exactly the
    steps up to the restored state.
    """

    def add(self, history: History, first_step: int) -> None:
        """Adds the reported values of the steps from zero-based `first_step` on."""

    def write(self, is_over: bool) -> None:
        """Writes the recorder's files; called before every save, by the chief only.

        `is_over` says whether that is the last save.
        """


def check_finite(
    history: History, first_step: int, *, why: Callable[[], str] = lambda: ""
) -> None:
    """Stops a training that has diverged.

    The gradient is checked too: a bad one corrupts the weights one step before the loss
    shows it, and the corrupted weights might be saved in between. But if the loss is
    scaled, a step whose gradient is not finite was skipped, and the next has a smaller
    scale; only at the least one nothing smaller is left.

    Args:
        history: What `Trainer.train_loop_end` returned.
        first_step: Zero-based step of the first entry.
        why: Says what was not finite first, to be called after a divergence.

    Raises:
        TrainingDivergedError: A value is NaN or infinite.
    """
    loss, norm = history["loss"], history["gradient_norm"]
    is_bad_norm = ~np.isfinite(norm)
    if "loss_scale" in history:
        is_bad_norm &= history["loss_scale"] <= LEAST_SCALE
    for step in np.flatnonzero(~np.isfinite(loss) | is_bad_norm)[:1].tolist():
        is_loss = not np.isfinite(loss[step])
        what = f"the loss is {loss[step]}"
        if not is_loss:
            what = f"the gradient norm is {norm[step]}"
        raise TrainingDivergedError(
            f"{what} at step {first_step + step}: {why()}; training stopped and this "
            "state is not saved; lower --learning_rate, or use "
            "--mixed_precision=bfloat16 or off"
        )


def num_skipped(history: History) -> int:
    """Returns how many steps were skipped, as a gradient was too large for float16."""
    if "loss_scale" not in history:
        return 0
    return int(np.count_nonzero(~np.isfinite(history["gradient_norm"])))


class Progress:
    """Reports after every compiled call; only the chief has one."""

    def __init__(self, last_step: int, batch_size: int, summary_dir: Path) -> None:
        """Opens the event file.

        The batch size is the number of examples per step, over all replicas.
        """
        self._last_step = last_step
        self._steps_per_event = max(1, -(-last_step // _MOST_EVENTS))
        self._batch_size = batch_size
        self._writer = tf.summary.create_file_writer(str(summary_dir))
        self._meter: Meter | None = None

    def report(self, history: History, first_step: int, seconds: float) -> None:
        """Shows the progress and writes the scalars.

        Those of every step; in a training of more than 50,000 steps only of every
        second, third and so on. For `history` and `first_step` see `check_finite`; the
        steps took `seconds`.
        """
        num_steps = len(history["loss"])
        step = first_step + num_steps
        rate = num_steps / max(seconds, 1e-9)
        if self._meter is None:
            # The first call is compiled before it runs, so it tells nothing of the
            # time that is left.
            self._meter = Meter(
                "training", "steps", self._last_step, done=step, keeps_last=True
            )
        loss, rates = np.mean(history["loss"]), history["learning_rate"]
        if skipped := num_skipped(history):
            _LOG.info(
                "step %d: float16 overflowed in %d of the last %d steps, which were "
                "skipped; the scale of the loss was %g",
                step,
                skipped,
                num_steps,
                history["loss_scale"][-1],
            )
        note = f"loss {loss:.4f}, lr {rates[-1]:.2e}"
        if not screen.is_terminal():
            # A bar has no room for it.
            note += f", {rate * self._batch_size:.1f} examples/s"
        self._meter.to(step, note)
        first_written = first_step + -first_step % self._steps_per_event
        written = range(first_written, step, self._steps_per_event)
        if not written:
            return
        with self._writer.as_default():
            # One event a step: a call for every scalar takes far longer. Messages that
            # are joined are one message with the values of all. TensorFlow keeps every
            # Python int that it has made a tensor of, for ever; not so NumPy's.
            for at in written:
                row = [values[at - first_step] for values in history.values()]
                scalars = [
                    summary_v2.scalar_pb(f"train/{name}", value).SerializeToString()
                    for name, value in zip(history, row, strict=True)
                ]
                event = b"".join(scalars)
                tf.summary.experimental.write_raw_pb(event, np.int64(at))
            tf.summary.scalar("train/steps_per_second", rate, np.int64(step - 1))
        self._writer.flush()

    def close(self) -> None:
        """Shows the last state, and closes the event file."""
        self._writer.close()
        if self._meter is not None:
            self._meter.close()
