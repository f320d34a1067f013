# SPDX-License-Identifier: Apache-2.0
"""`--folds`: one relation run per fold, and the mean of their scores.

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
from typing import Any, Final

from biobert_tf.common import files, flags, processes, program, screen
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import changed, free_names, to_dict
from biobert_tf.common.version import __version__
from biobert_tf.relations import reading
from biobert_tf.relations.settings import Folds, RelationConfig
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
# Score -> heading of its column, in the order of re_eval.py:27-30, 46-48.
_COLUMNS: Final = {
    "f1": "f1 score",
    "recall": "recall",
    "precision": "precision",
    "specificity": "specificity",
}


# --- which folds --------------------------------------------------------------------


def fold_names(data_dir: Path, folds: Folds) -> list[str]:
    """Returns the names of the folds to run: folders of `data_dir` with a number.

    Without `folds` these are all, in the order of their numbers; none if `data_dir` is
    a single set: it holds a train, dev or test file, or no folder with a number.

    Raises:
        InputError: `data_dir` lacks some of `folds`.
    """
    numbered = {int(path.name): path.name for path in files.numbered_folders(data_dir)}
    if not folds:
        return [] if reading.files_of(data_dir) else list(numbered.values())
    missing = [str(number) for number in folds.numbers if number not in numbered]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if missing[10:] else "")
        held = ", ".join(numbered.values())
        raise InputError(
            f"--folds={folds}: {data_dir} has no folder {shown}; it has "
            f"{held or 'no folder with a number'}"
        )
    return [numbered[number] for number in folds.numbers]


# --- running them -------------------------------------------------------------------


def run(settings: RelationConfig, names: Sequence[str], command: Command) -> None:
    """Runs every fold that is not done yet, then writes the mean of their scores.

    `data_dir` and `output_dir` hold one folder for each of `names`. `command` runs one
    fold; it is defined at the top level of a module, so that a process can import it.

    Raises:
        InputError: Something given cannot be used; raised before any fold is run.
        SystemExit: A fold failed and has printed why; the status is the fold's.
    """
    folds = {name: _fold_settings(settings, name) for name in names}
    _check_directories(settings, folds)
    _check_data(folds)
    output_dir = settings.stages.output_dir
    # The results of an earlier run must not be taken for those of this one.
    for file_name in (_EVALUATION_FILE, _RESULTS_FILE):
        (output_dir / file_name).unlink(missing_ok=True)
    for i, (name, fold) in enumerate(folds.items(), start=1):
        place = f"fold {name} ({i} of {len(folds)})"
        is_done = _is_done(fold)
        _LOG.info(
            "%s%s %s", place, " is done, in" if is_done else ":", fold.stages.output_dir
        )
        if not is_done:
            _run_fold(place, fold, command)
    _write_summary(settings, {name: _results(fold) for name, fold in folds.items()})


def _fold_settings(settings: RelationConfig, name: str) -> RelationConfig:
    """Returns the settings of a run of one fold alone."""
    stages = dataclasses.replace(
        settings.stages,
        data_dir=settings.stages.data_dir / name,
        output_dir=settings.stages.output_dir / name,
    )
    stages = without_empty(stages, reading.find(stages.data_dir, "dev"))
    return dataclasses.replace(settings, stages=stages, folds=Folds())


def _run_fold(place: str, fold: RelationConfig, command: Command) -> None:
    argv = ["run_re.py", *flags.to_argv(fold), f"--verbosity={screen.verbosity()}"]
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


# --- what is there already ----------------------------------------------------------


def _check_directories(
    settings: RelationConfig, folds: Mapping[str, RelationConfig]
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


def _is_done(fold: RelationConfig) -> bool:
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


def _results(fold: RelationConfig) -> dict[str, Any]:
    return files.read_json(fold.stages.output_dir / _RESULTS_FILE)


def _check_data(folds: Mapping[str, RelationConfig]) -> None:
    """Reads all files of all folds, to report a bad one before any training."""
    found = {name: _labels(fold) for name, fold in folds.items()}
    first, (labels, has_test_labels) = next(iter(found.items()))
    for name, (own_labels, has_own_test_labels) in found.items():
        problem = ""
        if own_labels != labels:
            problem = (
                f"has the labels {' '.join(own_labels)}, fold {first} has "
                f"{' '.join(labels)}; name all by --labels"
            )
        elif has_own_test_labels != has_test_labels:
            problem = (
                f"of its test file and that of fold {first} one has labels, the other "
                "has none; run those that have labels alone, by --folds"
            )
        if problem:
            raise InputError.at(folds[name].stages.data_dir, None, problem)


def _labels(fold: RelationConfig) -> tuple[tuple[str, ...], bool]:
    """Returns the labels of a fold, and whether its test file has labels."""
    from biobert_tf.relations.run import find_set, read_data

    relation_set = find_set(fold)
    test = read_data(fold, relation_set).test or ()
    return relation_set.labels, any(example.label is not None for example in test)


# --- the mean -----------------------------------------------------------------------


def _scored_stages(settings: RelationConfig) -> list[str]:
    stages = {"devel": settings.stages.do_eval, "test": settings.stages.do_predict}
    return [name for name, is_run in stages.items() if is_run]


def _write_summary(
    settings: RelationConfig, results: Mapping[str, Mapping[str, Any]]
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
        print(f"\n{stage}, {of}{len(scores)} folds\n{_table(stage, scores, mean, std)}")
    output_dir = settings.stages.output_dir
    lines = [
        f"{stage}_{name}{suffix} = {value}\n"
        for table, suffix in ((mean, ""), (std, "_std"))
        for stage, values in table.items()
        for name, value in values.items()
    ]
    if lines:
        files.write_text(output_dir / _EVALUATION_FILE, "".join(sorted(lines)))
    files.write_json(
        output_dir / _RESULTS_FILE,
        {
            "task": next(iter(results.values()))["task"],
            "task_name": settings.task_name,
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


def _table(stage: str, scores: Mapping[str, Scores], mean: Scores, std: Scores) -> str:
    """Returns a line of percentages per fold, then mean and standard deviation."""
    columns = [name for name in _COLUMNS if name in mean[stage]]
    if not columns:
        return "no labels: nothing is scored"
    lines = ["fold  " + "".join(f"{_COLUMNS[name]:>13}" for name in columns)]
    for title, row in {**scores, "mean": mean, "std": std}.items():
        if stage in row:
            values = "".join(f"{row[stage][name]:13.2%}" for name in columns)
            lines.append(f"{title:6}{values}")
    return "\n".join(lines)
