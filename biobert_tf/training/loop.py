# SPDX-License-Identifier: Apache-2.0
"""The loop of a training: calls the compiled steps, reports, evaluates, saves, stops.

A compiled call is short, so that a signal is served soon after it came: who preempts a
machine leaves half a minute. Several workers agree on the length of every call, because
they must stop at the same step.
"""

import contextlib
import dataclasses
import itertools
import logging
import time
from typing import Final

import tensorflow as tf

from biobert_tf.common import stopping
from biobert_tf.common.errors import StoppedError
from biobert_tf.common.settings import RunConfig
from biobert_tf.training import finite, progress, states
from biobert_tf.training import strategy as strategies
from biobert_tf.training.selection import Selection
from biobert_tf.training.trainer import Trainer

# One step may take longer.
_SECONDS_PER_CALL: Final = 2.0
_LOG = logging.getLogger(__name__)

_ASKED: Final = "asked to stop"


@dataclasses.dataclass(kw_only=True)
class Loop:
    """A training from a step to another.

    Attributes:
        trainer: Runs the steps.
        manager: Saves the states, which hold the recorder and the selection.
        strategy: The strategy that runs the steps.
        settings: How to step and when to save.
        step: The number of steps made.
        last_step: Where to stop.
        reporter: Shows the progress; the chief's only.
        recorder: Records all steps, if there is one.
        selection: Evaluates, if that is asked for.
    """

    trainer: Trainer
    manager: states.StateManager
    strategy: tf.distribute.Strategy
    settings: RunConfig
    step: int
    last_step: int
    reporter: progress.Progress | None
    recorder: progress.Recorder | None
    selection: Selection | None

    def __post_init__(self) -> None:
        """Begins after a state that is saved, or before the first.

        The first call makes one step, because the time of a step is not known yet.
        """
        self._call_steps = 1
        self._compiled: set[str] = set()
        self._is_saved, self._saved_step = True, self.step
        self._has_called = False
        self._is_alone = not isinstance(
            self.strategy, tf.distribute.MultiWorkerMirroredStrategy
        )

    def run(self) -> None:
        """Trains until `last_step`, or until the selection has seen enough.

        Raises:
            StoppedError: A signal has come, and the state is saved.
            TrainingDivergedError: The training diverged.
        """
        with (
            contextlib.closing(self.reporter)
            if self.reporter
            else contextlib.nullcontext(),
            stopping.heard() as request,
        ):
            request.kept = self._kept()
            # One of several workers must not stop alone: the others would wait for it.
            request.has_work = not self._is_alone
            try:
                self._run(request)
            except (StoppedError, Exception) as error:
                # C++ code that is interrupted may turn the error into a SystemError.
                if not isinstance(error, StoppedError) and not request.has_raised:
                    raise
                self._save(request)
                raise request.error(self._kept()) from None

    def _run(self, request: stopping.Request) -> None:
        # A training that was stopped while it evaluated is evaluated first.
        self._evaluate(request)
        while self.step < self.last_step and not self._is_over:
            self._call(request)
            if self._agreed(request):
                raise request.error(_ASKED)
            self._evaluate(request)
            every = self.settings.save_checkpoints_steps
            if self.step % every == 0 or self.step == self.last_step:
                self._save(request)
        if self._is_over and self.step < self.last_step:
            _LOG.info(
                "stopped early after step %d of %d: nothing better was found",
                self.step,
                self.last_step,
            )
        if self._agreed(request):
            raise request.error(_ASKED)

    def _kept(self) -> str:
        """Returns what a stopped training says of its state."""
        if not self._saved_step:
            return "before a state was saved; the same command starts again"
        # What others save is gone when they end.
        is_chief = strategies.is_chief(self.strategy)
        place = self.manager.directory if is_chief else "the first worker's output"
        return (
            f"after step {self._saved_step} of {self.last_step}; the state is in "
            f"{place}; the same command goes on from there"
        )

    @property
    def _is_over(self) -> bool:
        return self.selection is not None and self.selection.is_over

    def _call(self, request: stopping.Request) -> None:
        """Makes one compiled call, at most up to the next save, and reports."""
        every = self.settings.save_checkpoints_steps
        ends = [self.step + every - self.step % every, self.last_step]
        if self.selection is not None:
            ends.append(self.selection.next_due(self.step))
        num_steps = min(self._call_steps, min(ends) - self.step)
        start = time.monotonic()
        with strategies.compiling(self.strategy, "the step", self._compiled):
            history = self.trainer.train(tf.constant(num_steps))
        self._is_saved, request.has_work = False, True
        seconds = time.monotonic() - start
        progress.check_finite(history, self.step, why=self.trainer.why_diverged)
        skipped = progress.num_skipped(history)
        self.manager.useful.skipped_steps += skipped
        # The first call compiles, which is not useful.
        if self._has_called:
            self.manager.useful.seconds += seconds * (1 - skipped / num_steps)
        self._has_called = True
        if self.reporter is not None:
            self.reporter.report(history, self.step, seconds)
        if self.recorder is not None:
            self.recorder.add(history, self.step)
        self.step += num_steps
        self._call_steps = self._fitting(num_steps, seconds)

    def _fitting(self, num_steps: int, seconds: float) -> int:
        """Returns the number of steps of the next call, if some took `seconds`.

        It is at most `iterations_per_loop`, and less on a slow device.
        """
        fitting = int(num_steps / max(seconds, 1e-9) * _SECONDS_PER_CALL)
        return max(1, min(self.settings.iterations_per_loop, fitting))

    def _agreed(self, request: stopping.Request) -> bool:
        """Returns whether any worker is to stop: then all stop, after this step.

        All also get the chief's length of the next call.
        """
        if self._is_alone:
            return request.is_made
        steps = self._call_steps if strategies.is_chief(self.strategy) else 0
        said = [*(int(request.signum == each) for each in stopping.SIGNALS), steps]
        told = self.strategy.run(tf.identity, args=(tf.constant(said),))
        total = self.strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None)
        *counts, steps = total.numpy().tolist()
        # Each of a worker's devices has said it.
        self._call_steps = steps // len(self.strategy.extended.worker_devices)
        heard = [*itertools.compress(stopping.SIGNALS, counts)]
        # What another worker heard is this one's exit status too.
        request.signum = request.signum or next(iter(heard), None)
        return bool(heard)

    def _evaluate(self, request: stopping.Request) -> None:
        """Evaluates if it is time, and saves the state with what was found.

        A signal ends the evaluation; then the state is saved without it.
        """
        if self.selection is None or not self.selection.is_due(self.step):
            return
        request.may_raise = self._is_alone
        scores = self.selection.evaluate()
        request.may_raise = False
        self._is_saved, request.has_work = False, True
        self.selection.add(self.step, scores)
        self._save(request)
        self.selection.saved()
        if self._agreed(request):
            raise request.error(_ASKED)

    def _save(self, request: stopping.Request) -> None:
        """Saves the state, unless this step with this evaluation is saved already."""
        if self._is_saved:
            return
        finite.require(self.trainer.weights, self.step)
        # Before the state: a training whose last is saved never comes here again.
        if self.recorder is not None and self.reporter is not None:
            self.recorder.write(self.step == self.last_step)
        self.manager.save(checkpoint_number=self.step)
        self._saved_step = self.step
        request.kept = self._kept()
        self._is_saved, request.has_work = True, not self._is_alone
