# SPDX-License-Identifier: Apache-2.0
"""The files that every run leaves beside its model, and where it starts from.

settings.json      all settings; a run is not resumed with others, except that
                   `--continue` changes some: the earlier values are kept there
weights.json       which variables came from `--init_checkpoint`
eval_results.txt   scores, as the original writes them
results.json       everything; written last, so its presence means a complete run
"""

import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import prefixes, released
from biobert_tf.checkpoints.released import SETTINGS_NAME
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    RunConfig,
    changed,
    continued_names,
    free_names,
    to_dict,
)
from biobert_tf.common.version import __version__
from biobert_tf.training import selection, states
from biobert_tf.training.estimator import Estimator, state_dir

_LOG = logging.getLogger(__name__)

SETTINGS_FILE: Final = SETTINGS_NAME
_WEIGHTS_FILE: Final = "weights.json"
_EVALUATION_FILE: Final = "eval_results.txt"
RESULTS_FILE: Final = "results.json"
_EARLIER: Final = "earlier_settings"

Changes = Mapping[str, tuple[object, object]]
"""Settings that differ from those of a run before: name to (then, now)."""


class RunSettings(Protocol):
    """All settings of a run that trains."""

    @property
    def run(self) -> RunConfig:
        """Returns how the run steps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """The output directory of one run.

    The settings in `also_free` may change on a resume, beside those defined with
    `free=True`.
    """

    path: Path
    settings: RunSettings
    is_training: bool
    also_free: Collection[str] = ()

    def start(
        self,
        estimator: Estimator,
        init_checkpoint: Path | None,
        new_head: Collection[str],
    ) -> int:
        """Gives the model its first weights, and claims the directory for this run.

        If the directory has none, they come from `init_checkpoint`. A training may
        start the variables of `new_head` at random. Returns the step of the weights.

        Raises:
            InputError: The directory cannot be written, belongs to a run with other
                settings, or there are no weights to predict with.
        """
        step = self._first_weights(estimator, init_checkpoint, new_head)
        if estimator.is_chief:
            self._record_settings(step)
        return step

    def _first_weights(
        self,
        estimator: Estimator,
        init_checkpoint: Path | None,
        new_head: Collection[str],
    ) -> int:
        model = None
        if not self.is_training:
            # A state that is damaged is no reason not to use the whole model.
            model = self._model_of(states.last_step(state_dir(self.path)))
        if model is not None:
            prefix = released.prefix(self.path, model)
            _LOG.info("using the model of the training, %s", prefix)
            estimator.initialize(checkpoints.locate(prefix).read())
            return model
        step = _restored(estimator)
        if step is not None:
            _LOG.info("resuming from step %d in %s", step, estimator.model_dir)
            return step
        if init_checkpoint is None:
            if not self.is_training:
                raise InputError(
                    f"{estimator.model_dir} holds no trained model, and there is no "
                    "--init_checkpoint to predict with; set --do_train=true"
                )
            _LOG.warning("no --init_checkpoint: training starts from random weights")
            return 0
        report = estimator.initialize(
            checkpoints.locate(init_checkpoint).read(),
            new_head=new_head if self.is_training else (),
        )
        for line in report.summary():
            _LOG.info(line)
        if estimator.is_chief:
            files.write_json(self.path / _WEIGHTS_FILE, report.to_dict())
        return 0

    def _model_of(self, step: int | None) -> int | None:
        """Returns the step of the model of a training whose last state is of `step`.

        It is not always that state: the best weights may be older, and what is done
        after the training changes the model alone.
        """
        best = selection.recorded_best(self.path)
        if best is not None:
            return best
        return step if step and released.is_saved(self.path, step) else None

    def _record_settings(self, step: int) -> None:
        """Refuses to mix two trainings in one directory; records the settings.

        From here on the directory belongs to this run. The results of an earlier run
        are deleted, so that they are not taken for this one's if it fails. A training
        is resumed after `step`, if that is not 0.
        """
        path = self.path / SETTINGS_FILE
        is_resumed = step > 0
        earlier: list[object] = []
        if self.is_training and is_resumed:
            changes = require_resumable(self.path, self.settings, self.also_free)
            earlier = _earlier_settings(self.path)
            if changes:
                _say_continued(step, changes)
                then = {name: value for name, (value, _) in changes.items()}
                earlier.append({"until_step": step, "settings": then})
        # A directory without a model holds the settings of its last prediction.
        has_model = is_resumed or prefixes.prefixes_in(self.path)
        if self.is_training or not has_model or not path.exists():
            more = {_EARLIER: earlier} if earlier else {}
            files.write_json(path, {**to_dict(self.settings), **more})
        stale = [_EVALUATION_FILE, RESULTS_FILE]
        if self.is_training and not is_resumed:
            stale.append(selection.EVALUATIONS_FILE)
        for name in stale:
            (self.path / name).unlink(missing_ok=True)

    def write_results(
        self,
        task: str,
        step: int,
        lines: Sequence[str],
        results: Mapping[str, object],
        seconds: Mapping[str, float],
    ) -> None:
        """Writes and prints the scores, and writes `results.json`, which ends the run.

        Args:
            task: The name of the task.
            step: The training step of the weights.
            lines: The scores as `value_lines` returns them; empty without scores.
            results: Everything else to record, ready for JSON.
            seconds: The seconds that each stage took.
        """
        earlier = _earlier_settings(self.path)
        goodput = states.goodput(state_dir(self.path)) if self.is_training else {}
        if lines:
            files.write_text(self.path / _EVALUATION_FILE, "\n".join(lines) + "\n")
            print("\n".join(lines))
        files.write_json(
            self.path / RESULTS_FILE,
            {
                "task": task,
                "version": __version__,
                "tensorflow": tf.__version__,
                "seed": self.settings.run.seed,
                "global_step": step,
                **results,
                "seconds": {name: round(value, 2) for name, value in seconds.items()},
                **({"goodput": goodput} if goodput else {}),
                "settings": to_dict(self.settings),
                **({_EARLIER: earlier} if earlier else {}),
            },
        )


def _restored(estimator: Estimator) -> int | None:
    """Loads the weights of the newest state; returns its step, if there is one.

    Raises:
        InputError: All states are damaged, or of a model of other sizes.
    """
    try:
        return estimator.restore()
    except InputError:
        raise
    except ValueError as error:
        # TensorFlow raises this for a variable of another shape.
        raise InputError.at(
            estimator.model_dir,
            None,
            f"holds a model of other sizes: {str(error).splitlines()[0]}; choose "
            "another --output_dir or delete this one",
        ) from None


def require_resumable(
    path: Path, settings: RunSettings, also_free: Collection[str] = ()
) -> Changes:
    """Refuses to resume the training in directory `path` if it had other settings.

    Returns those that `--continue` changes. See `RunDirectory` for `also_free`.

    Raises:
        InputError: Some other settings differ, or `--continue` is not given; the
            message names them.
    """
    path = path / SETTINGS_FILE
    if not path.exists():
        return {}
    before = files.read_json(path)
    free = free_names(settings) | set(also_free)
    found = {
        name: change
        for name, change in changed(settings, before).items()
        if name not in free
    }
    fixed = found.keys() - continued_names(settings)
    continues = settings.run.continue_training
    if not found or (continues and not fixed):
        return found
    shown = ", ".join(
        f"--{name} {then} -> {now}"
        for name, (then, now) in found.items()
        if name in fixed or not continues
    )
    problem = f"holds a run with other settings ({shown})"
    if continues:
        problem += ", which --continue cannot change"
    problem += "; choose another --output_dir or delete this one"
    if not fixed:
        problem += ", or let this run go on with the new settings by --continue=true"
    raise InputError.at(path, None, problem)


def _earlier_settings(path: Path) -> list[object]:
    """Returns what `--continue` has changed in the run in directory `path`, in order.

    Each entry has the `settings` with their values up to `until_step`.
    """
    path = path / SETTINGS_FILE
    found = files.read_json(path).get(_EARLIER) if path.exists() else None
    return list(found) if isinstance(found, list) else []


def _say_continued(step: int, changes: Changes) -> None:
    shown = ", ".join(
        f"--{name}={now} instead of {then}" for name, (then, now) in changes.items()
    )
    _LOG.info("the training goes on after step %d with %s", step, shown)


def add_to_record(path: Path, facts: Mapping[str, object]) -> None:
    """Adds to the settings of a run in directory `path` what its data has shown."""
    path = path / SETTINGS_FILE
    files.write_json(path, {**files.read_json(path), **facts})


def value_lines(values: Mapping[str, float], step: int) -> list[str]:
    """Returns sorted `key = value` lines as in the original's `eval_results.txt`."""
    everything = {**values, "global_step": step}
    return [f"{name} = {value}" for name, value in sorted(everything.items())]


def already_trained(estimator: Estimator, step: int) -> None:
    """Warns that the training in this directory is complete."""
    _LOG.warning(
        "%s is already trained to its last step, %d: not training again; delete it or "
        "choose another --output_dir to start anew, or train it longer by "
        "--continue=true",
        estimator.model_dir,
        step,
    )
