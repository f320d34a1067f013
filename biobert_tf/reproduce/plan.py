# SPDX-License-Identifier: Apache-2.0
"""Which runs fill a table: cells of a row, a model and a compatibility, and their runs.

A run is one command line of a problem in one process. Its name is its folder below
`--output`, such as `runs/GAD/minilm/fixed/seed-1/fold-2`.
"""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.published.manifest import Questions, Row, Setting
from biobert_tf.reproduce import models, prepare, survey
from biobert_tf.reproduce.models import Model
from biobert_tf.reproduce.settings import SQUAD, ReproduceConfig
from biobert_tf.reproduce.survey import Survey
from biobert_tf.training.checking import Ruler

_LOG = logging.getLogger(__name__)

Flags = Mapping[str, Setting | bool]
Purpose = Literal["test", "grid", "squad"]

# A run that is killed loses the steps since its last state.
_ALWAYS: Final[Flags] = {"save_checkpoints_steps": 250, "keep_checkpoint_max": 1}
# Other problems have all but that of the paper's NER.
_MODES: Final[Mapping[str, tuple[str, ...]]] = {
    "ner": ("fixed", "master", "paper"),
    "classification": ("fixed",),
}
_USUAL_MODES: Final = ("fixed", "master")


@dataclasses.dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        name: Its folder below `--output`.
        purpose: `test` is scored for the table; `grid` is scored on the development
            set; `squad` is the first stage of question answering.
        problem: The problem's command.
        row: The name of its row; "" for `squad`.
        flags: Its flags without `--output_dir`. Those that a grid search chooses are
            added when it is started.
        main: The score by which a grid search chooses, as its results call it.
        fold: Its fold; None without folds.
        grid: The names of the runs of the grid search that choose for it.
        first: The name of the run whose weights it starts from; None for the model's.
    """

    name: str
    purpose: Purpose
    problem: str
    row: str
    seed: int
    flags: Flags
    main: str = ""
    fold: int | None = None
    grid: tuple[str, ...] = ()
    first: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the runs that must be done before this one."""
        return (*self.grid, *([self.first] if self.first else []))


@dataclasses.dataclass(frozen=True)
class Cell:
    """All runs of a row with one model and one compatibility.

    Attributes:
        settings: The hyper-parameters, by flag; without those that a grid chooses.
        grid: The runs of its grid search.
        runs: The runs that are scored for the table.
    """

    row: str
    model: Model
    compat: str
    settings: Mapping[str, Setting]
    grid: tuple[Run, ...]
    runs: tuple[Run, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything to run.

    Attributes:
        squad: The first stages of question answering.
        notes: What a reader of the report should know about all of it.
    """

    config: ReproduceConfig
    surveys: tuple[Survey, ...]
    squad: tuple[Run, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]

    def runs(self) -> list[Run]:
        """Returns all runs; each comes after those that it needs.

        The first seeds of all cells come before the second, so that an early report
        has something of everything.
        """
        scored = [run for cell in self.cells for run in cell.runs]
        grids = [run for cell in self.cells for run in cell.grid]
        return [*self.squad, *grids, *sorted(scored, key=lambda run: run.seed)]


def of(config: ReproduceConfig, found: Sequence[Model]) -> Plan:
    """Returns the plan of a command for these checkpoints.

    What is made for it is written below `--output`: cut checkpoints, training files.

    Raises:
        InputError: A checkpoint cannot be cut, or see `make`.
    """
    used = list(found)
    if number := config.num_hidden_layers:
        used = [models.cut(each, number, config.output / "models") for each in found]
    tokenizer = used[0].tokenizer()
    looked = []
    for row in config.rows():
        length = int(settings_of(config, row)["max_seq_length"])
        ruler = Ruler(tokenizer, length)
        looked.append(survey.look(row, config.data, config.folds, ruler))
    return make(config, looked, used)


def make(
    config: ReproduceConfig, surveys: Sequence[Survey], used: Sequence[Model]
) -> Plan:
    """Returns the plan; makes the training files that are missing.

    A row whose training file cannot be made is left out.

    Raises:
        InputError: Nothing is left to run.
    """
    notes = []
    squad_file = None
    if config.squad and any(each.row.questions for each in surveys if not each.why):
        squad_file, note = survey.of_squad(config.data)
        notes += [f"Questions are {note}."] if note else []
    squad: dict[str, Run] = {}
    cells: list[Cell] = []
    kept = []
    for found in surveys:
        try:
            made = [] if found.why else _cells(config, found, used, squad_file)
        except InputError as error:
            made, found = [], dataclasses.replace(found, why=str(error), folds=())
        if found.why:
            _LOG.warning("%s is left out: %s", found.row.name, found.why)
        kept.append(found)
        for cell, first in made:
            cells.append(cell)
            squad |= {first.name: first} if first else {}
    if not cells:
        missing = [each.why for each in kept if each.why]
        why = missing[0] if missing else "--compat=paper is for table 6 only"
        if config.published.benchmark and not missing:
            why = f"no data set has --compat={config.compat}"
        raise InputError(f"there is nothing to run: {why}")
    notes += _notes(config, cells)
    return Plan(config, tuple(kept), tuple(squad.values()), tuple(cells), (*notes,))


def settings_of(config: ReproduceConfig, row: Row) -> dict[str, Setting]:
    """Returns the hyper-parameters of a row, by flag."""
    settings = dict(row.settings)
    if config.hyperparameters == "rerun":
        complete = (x.settings for x in row.anchors if "learning_rate" in x.settings)
        settings |= next(complete, {})
    return settings | config.overrides(row.name)


def _cells(
    config: ReproduceConfig,
    found: Survey,
    used: Sequence[Model],
    squad_file: Path | None,
) -> list[tuple[Cell, Run | None]]:
    """Returns the cells of a row, each with the first stage that it starts from.

    Raises:
        InputError: A training file cannot be made.
    """
    cells = []
    for model in used:
        for compat in config.compat.values(found.row.name):
            if compat not in _MODES.get(found.row.problem, _USUAL_MODES):
                continue
            first = None
            if found.row.questions and squad_file is not None:
                first = _squad(config, model, compat, squad_file)
            cells.append((_cell(config, found, model, compat, first), first))
    return cells


def _cell(
    config: ReproduceConfig,
    found: Survey,
    model: Model,
    compat: str,
    first: Run | None,
) -> Cell:
    row = found.row
    settings = settings_of(config, row)
    folder = f"runs/{row.name}/{model.name}/{compat}"
    common = {**row.flags, **_ALWAYS}
    common |= (
        {"pooling": config.pooling}
        if row.problem == "classification"
        else {"compat": compat}
    )
    common["init_checkpoint"] = str(model.path)
    if first is not None:
        common["init_checkpoint"] = str(config.output / first.name)
    main = name_of(row, config.published.table(row.table).main)
    grid: tuple[Run, ...] = ()
    if config.grid and found.has_devel:
        grid = tuple(_grid(config, found, folder, {**settings, **common}, main))
        settings = {k: v for k, v in settings.items() if k not in manifest.load().grid}
    num_seeds = config.seeds.number(row.name)
    assert num_seeds is not None, "the settings were checked"
    data = {fold: _test_flags(config, found, fold) for fold in found.folds or (None,)}
    runs = [
        Run(
            name=f"{folder}/seed-{seed}" + (f"/fold-{fold}" if fold else ""),
            purpose="test",
            problem=row.problem,
            row=row.name,
            seed=seed,
            flags={**flags, **common, **settings, "seed": seed},
            main=main,
            fold=fold,
            grid=tuple(run.name for run in grid),
            first=first.name if first else None,
        )
        for seed in range(1, int(num_seeds) + 1)
        for fold, flags in data.items()
    ]
    return Cell(row.name, model, compat, settings, grid, tuple(runs))


def _test_flags(config: ReproduceConfig, found: Survey, fold: int | None) -> Flags:
    """Returns the flags that train on train and development data, and test."""
    stages = {"do_train": True, "do_predict": True}
    row = found.row
    if row.questions is not None:
        return {**stages, **_files_of_questions(config, found, row.questions)}
    folder = found.folder / str(fold) if fold else _folder(config, found)
    train_on = config.published.train_on
    if row.problem == "ner":
        return {**stages, "data_dir": str(folder), "train_on": train_on}
    if found.has_devel and train_on == "train_dev":
        folder = prepare.train_and_devel(folder, row.name, config.output)
    return {**stages, "data_dir": str(folder)}


def _folder(config: ReproduceConfig, found: Survey) -> Path:
    """Returns the folder that runs on a set without folds read.

    Raises:
        InputError: A file cannot be made.
    """
    if found.row.is_untyped:
        return prepare.untyped(found.folder, found.row.name, config.output)
    return found.folder


def name_of(row: Row, metric: str) -> str:
    """Returns what the results of a row's runs call a metric of its table."""
    return f"factoid_{metric}" if row.problem == "qa" else metric


def _files_of_questions(
    config: ReproduceConfig, found: Survey, questions: Questions
) -> Flags:
    train = found.folder / questions.train
    if not train.is_file():
        assert questions.substitute is not None, "the survey has found it"
        golden = found.folder / questions.substitute.golden
        train = prepare.questions(golden, config.output)
    return {
        "train_file": str(train),
        "predict_file": str(found.folder / questions.predict),
        "golden_file": str(found.folder / questions.golden),
    }


def _grid(
    config: ReproduceConfig, found: Survey, folder: str, flags: Flags, main: str
) -> Iterator[Run]:
    """Yields the runs of a grid search: trained on train, scored on development."""
    own: dict[str, Setting | bool] = {
        "data_dir": str(_folder(config, found)),
        "do_train": True,
        "do_eval": True,
        "do_predict": False,
        "eval_every_epochs": 1,
    }
    if found.row.problem == "ner":
        own["train_on"] = "train"
    for point in manifest.load().grid_points():
        name = f"batch-{point['train_batch_size']}-rate-{point['learning_rate']}"
        yield Run(
            name=f"{folder}/grid/{name}",
            purpose="grid",
            problem=found.row.problem,
            row=found.row.name,
            seed=1,
            flags={**flags, **own, **point, "seed": 1},
            main=main,
        )


def _squad(config: ReproduceConfig, model: Model, compat: str, squad: Path) -> Run:
    """Returns the first stage of question answering, which all seeds start from."""
    train = prepare.first_answers(squad, config.output)
    return Run(
        name=f"runs/{SQUAD}/{model.name}/{compat}",
        purpose="squad",
        problem="qa",
        row="",
        seed=1,
        flags={
            "question_type": "squad",
            "do_train": True,
            "do_predict": False,
            "train_file": str(train),
            "init_checkpoint": str(model.path),
            "compat": compat,
            **_ALWAYS,
            **manifest.load().squad.settings,
            **config.overrides(SQUAD),
            "seed": 1,
        },
    )


def _notes(config: ReproduceConfig, cells: Iterable[Cell]) -> list[str]:
    notes = [
        f"{model.name} is not a checkpoint of the paper: {model.why}."
        for model in {cell.model.name: cell.model for cell in cells}.values()
        if model.column is None
    ]
    if shown := config.overridden():
        notes.append(f"Set by the command line: {shown}.")
    if config.folds:
        notes.append(f"Of the ten folds of GAD and EU-ADR only {config.folds} are run.")
    if config.grid and any(not cell.grid for cell in cells):
        names = dict.fromkeys(cell.row for cell in cells if not cell.grid)
        notes.append(
            f"No grid search for lack of a development set: {', '.join(names)}."
        )
    return notes
