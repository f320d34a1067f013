# SPDX-License-Identifier: Apache-2.0
"""`--folds`: one run per fold, and the mean of their scores.

Every fold runs in a process of its own, so the trainings share no state and one that
dies does not end another. `<output_dir>/<fold>` holds the files that a run of that fold
alone would write. Beside the folds are

eval_results.txt   mean and standard deviation of the scores
results.json       the scores of every fold too; written last

TensorFlow is imported only where it is needed: a fold's process imports this module
first, and must watch its parent from the start.
"""

import dataclasses
import logging
import signal
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from biobert_tf.common import files, flags, processes, program, screen
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    DirectoryStageConfig,
    RunConfig,
    changed,
    free_names,
    to_dict,
)
from biobert_tf.common.version import __version__
from biobert_tf.training.fold_numbers import Folds
from biobert_tf.training.problem import STATE, Command
from biobert_tf.training.stages import without_empty

_LOG = logging.getLogger(__name__)

# Stage -> score -> value in [0, 1].
Scores = Mapping[str, Mapping[str, float]]

_EVALUATION_FILE: Final = "eval_results.txt"
_RESULTS_FILE: Final = "results.json"
# A training may resume with other values of these, but may give other results then. So
# the fold is run again; a fold that is trained already only predicts again.
_NOT_THE_SAME: Final = frozenset(
    {"data_dir", "init_checkpoint", "vocab_file", "bert_config_file", "max_steps"}
)


class FoldedConfig(Protocol):
    """The settings of a command with `--folds`: a `ScriptConfig` with that field."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def stages(self) -> DirectoryStageConfig:
        """Returns what to read, where to write, and which stages to run."""

    @property
    def run(self) -> RunConfig:
        """Returns the settings of the training."""

    @property
    def device(self) -> DeviceConfig:
        """Returns where to compute."""

    @property
    def folds(self) -> Folds:
        """Returns the folds to run; in a run of one fold alone there are none."""


SettingsT = TypeVar("SettingsT", bound=FoldedConfig)


class Held(NamedTuple):
    """What the files of a fold hold: its labels, and whether its test file has some."""

    labels: tuple[str, ...]
    has_test_labels: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runner(Generic[SettingsT]):
    """Runs the folds of one problem.

    Attributes:
        script: The name of the command, for messages.
        columns: The scores to print and the headings of their columns, in order.
        recorded: The names of settings that stand beside the task in results.json.
        is_set: Says whether a folder holds a single set.
        find_devel: Returns the development file of a folder, if there is one.
        read: Reads all files of a fold, of which a bad one is an `InputError`.
    """

    script: str
    columns: Mapping[str, str]
    recorded: tuple[str, ...] = ()
    is_set: Callable[[Path], bool]
    find_devel: Callable[[Path], Path | None]
    read: Callable[[SettingsT], Held]

    def names(self, data_dir: Path, folds: Folds) -> list[str]:
        """Returns the names of the folds to run: folders of `data_dir` with a number.

        Without `folds` these are all, in the order of their numbers; none if `data_dir`
        is a single set or holds no folder with a number.

        Raises:
            InputError: `data_dir` lacks some of `folds`.
        """
        numbered = {
            int(path.name): path.name for path in files.numbered_folders(data_dir)
        }
        if not folds:
            return [] if self.is_set(data_dir) else list(numbered.values())
        missing = [str(number) for number in folds.numbers if number not in numbered]
        if missing:
            shown = ", ".join(missing[:10]) + (", ..." if missing[10:] else "")
            held = ", ".join(numbered.values())
            raise InputError(
                f"--folds={folds}: {data_dir} has no folder {shown}; it has "
                f"{held or 'no folder with a number'}"
            )
        return [numbered[number] for number in folds.numbers]

    def run(self, settings: SettingsT, names: Sequence[str], command: Command) -> None:
        """Runs every fold that is not done yet, then writes the mean of their scores.

        `data_dir` and `output_dir` hold one folder for each of `names`. `command` runs
        one fold; it is defined at the top level of a module, so that a process can
        import it.

        Raises:
            InputError: Something given cannot be used; raised before any fold is run.
            SystemExit: A fold failed and has printed why; the status is the fold's.
        """
        folds = {name: self._fold_settings(settings, name) for name in names}
        _check_directories(settings, folds)
        self._check_data(folds)
        output_dir = settings.stages.output_dir
        # The results of an earlier run must not be taken for those of this one.
        for file_name in (_EVALUATION_FILE, _RESULTS_FILE):
            (output_dir / file_name).unlink(missing_ok=True)
        for i, (name, fold) in enumerate(folds.items(), start=1):
            place = f"fold {name} ({i} of {len(folds)})"
            is_done, folder = _is_done(fold), fold.stages.output_dir
            _LOG.info("%s%s %s", place, " is done, in" if is_done else ":", folder)
            if not is_done:
                self._run_fold(place, fold, command)
        self._write_summary(
            settings, {name: _results(fold) for name, fold in folds.items()}
        )

    def _fold_settings(self, settings: SettingsT, name: str) -> SettingsT:
        """Returns the settings of a run of one fold alone."""
        stages = dataclasses.replace(
            settings.stages,
            data_dir=settings.stages.data_dir / name,
            output_dir=settings.stages.output_dir / name,
        )
        stages = without_empty(stages, self.find_devel(stages.data_dir))
        return dataclasses.replace(settings, stages=stages, folds=Folds())

    def _run_fold(self, place: str, fold: SettingsT, command: Command) -> None:
        argv = [self.script, *flags.to_argv(fold), f"--verbosity={screen.verbosity()}"]
        try:
            status = processes.call(program.run, command, argv)
        except KeyboardInterrupt:
            _LOG.warning("%s stopped; the same command resumes there", place)
            raise
        if status:
            how = "failed, see above"
            if status < 0:
                name = signal.Signals(-status).name
                how = f"was killed by {name}, perhaps because memory ran out"
            _LOG.error("%s %s; the same command resumes there", place, how)
            raise SystemExit(status if status > 0 else 128 - status)

    def _check_data(self, folds: Mapping[str, SettingsT]) -> None:
        """Reads all files of all folds, to report a bad one before any training."""
        found = {name: self.read(fold) for name, fold in folds.items()}
        first, (labels, has_test_labels) = next(iter(found.items()))
        for name, own in found.items():
            problem = ""
            if own.labels != labels:
                problem = (
                    f"has the labels {' '.join(own.labels)}, fold {first} has "
                    f"{' '.join(labels)}; name all by --labels"
                )
            elif own.has_test_labels != has_test_labels:
                problem = (
                    f"of its test file and that of fold {first} one has labels, the "
                    "other has none; run those that have labels alone, by --folds"
                )
            if problem:
                raise InputError.at(folds[name].stages.data_dir, None, problem)

    def _write_summary(
        self, settings: SettingsT, results: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Prints and writes the scores of all folds; takes their results by name."""
        stages = _scored_stages(settings)
        scores = {name: _scores(found, stages) for name, found in results.items()}
        mean = _over_folds(scores, statistics.fmean, 1)
        # The standard deviation of a sample, divided by the number of folds less one; a
        # single fold has none.
        std = _over_folds(scores, statistics.stdev, 2)
        for stage in [stage for stage in stages if stage in mean]:
            number = sum(stage in fold for fold in scores.values())
            of = "" if number == len(scores) else f"{number} of "
            table = self._table(stage, scores, mean, std)
            print(f"\n{stage}, {of}{len(scores)} folds\n{table}")
        output_dir = settings.stages.output_dir
        lines = [
            f"{stage}_{name}{suffix} = {value}\n"
            for over, suffix in ((mean, ""), (std, "_std"))
            for stage, values in over.items()
            for name, value in values.items()
        ]
        if lines:
            files.write_text(output_dir / _EVALUATION_FILE, "".join(sorted(lines)))
        files.write_json(
            output_dir / _RESULTS_FILE,
            {
                "task": next(iter(results.values()))["task"],
                **{name: to_dict(settings)[name] for name in self.recorded},
                "version": __version__,
                "seed": settings.run.seed,
                "folds": {
                    name: {**scores[name], "seconds": found["seconds"]["total"]}
                    for name, found in results.items()
                },
                "mean": mean,
                "std": std,
                "std_ddof": 1,
                "settings": to_dict(settings),
            },
        )

    def _table(
        self, stage: str, scores: Mapping[str, Scores], mean: Scores, std: Scores
    ) -> str:
        """Returns a line of percentages per fold, then mean and standard deviation."""
        columns = [name for name in self.columns if name in mean[stage]]
        if not columns:
            return "no labels: nothing is scored"
        lines = ["fold  " + "".join(f"{self.columns[name]:>13}" for name in columns)]
        for title, row in {**scores, "mean": mean, "std": std}.items():
            if stage in row:
                values = "".join(f"{row[stage][name]:13.2%}" for name in columns)
                lines.append(f"{title:6}{values}")
        return "\n".join(lines)


# --- what is there already ----------------------------------------------------------


def _check_directories(
    settings: FoldedConfig, folds: Mapping[str, FoldedConfig]
) -> None:
    """Refuses what the run of a fold would refuse, or would take for its own."""
    from biobert_tf.training import run_directory

    output_dir = settings.stages.output_dir
    if (output_dir / "settings.json").exists():
        raise InputError(
            f"--output_dir={output_dir} holds a run of its own, which is not a fold; "
            "choose another"
        )
    if settings.device.strategy == "multi_worker":
        raise InputError(
            "--strategy=multi_worker works on one fold only; run every fold by a "
            "command of its own, with its --data_dir and --output_dir"
        )
    for fold in folds.values():
        folder = fold.stages.output_dir
        if fold.stages.do_train and (folder / STATE).exists():
            run_directory.require_resumable(folder, fold)


def _is_done(fold: FoldedConfig) -> bool:
    """Whether a fold holds the results of all stages, computed with these settings.

    If an export is asked for, it must be there too.
    """
    wanted = [_RESULTS_FILE, *(["export"] if fold.stages.do_export else [])]
    if not all((fold.stages.output_dir / name).exists() for name in wanted):
        return False
    results = _results(fold)
    stages = [*(["train"] if fold.stages.do_train else []), *_scored_stages(fold)]
    may_differ = free_names(fold) - _NOT_THE_SAME
    return all(name in results for name in stages) and (
        changed(fold, results["settings"]).keys() <= may_differ
    )


def _results(fold: FoldedConfig) -> dict[str, Any]:
    return files.read_json(fold.stages.output_dir / _RESULTS_FILE)


# --- the mean -----------------------------------------------------------------------


def _scored_stages(settings: FoldedConfig) -> list[str]:
    stages = {"devel": settings.stages.do_eval, "test": settings.stages.do_predict}
    return [name for name, is_run in stages.items() if is_run]


def _scores(results: Mapping[str, Any], stages: Sequence[str]) -> Scores:
    """Returns the scores of the stages; nothing for a stage without labels.

    A fold whose development file is empty lacks that stage.
    """
    return {
        stage: {
            name: value
            for name, value in results[stage].get("scores", {}).items()
            if isinstance(value, float)
        }
        for stage in stages
        if stage in results
    }


def _over_folds(
    scores: Mapping[str, Scores],
    function: Callable[[Sequence[float]], float],
    least: int,
) -> Scores:
    """Applies a function to the folds' values of every score of every stage.

    It leaves out a stage that fewer than `least` folds have.
    """
    folds = scores.values()
    rows = {
        stage: [fold[stage] for fold in folds if stage in fold]
        for stage in dict.fromkeys(stage for fold in folds for stage in fold)
    }
    return {
        stage: {name: function([row[name] for row in found]) for name in found[0]}
        for stage, found in rows.items()
        if len(found) >= least
    }
