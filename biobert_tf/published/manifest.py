# SPDX-License-Identifier: Apache-2.0
"""Reads what was published: `manifest.toml`, `paper.json` and `anchors.json`.

A row is a data set and a column a checkpoint of the paper's tables. A benchmark,
`blurb.toml` or `blue.toml`, is a manifest too: its tables are its groups of tasks.
Scores are in percent.
"""

import dataclasses
import functools
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf.common.errors import InputError

ProblemName = Literal["ner", "re", "qa", "classification"]
ManifestName = Literal["paper", "blurb", "blue"]
Means = Literal["groups", "sets"]
"""What the score of a benchmark is the mean of: its groups' means, or its sets."""
TrainOn = Literal["train_dev", "train"]
Counts = Mapping[str, int]
"""What a file holds, such as `{"sentences": 940, "mentions": 960}`; empty: unknown."""
Setting = str | int | float

VERIFIED: Final = "secondary source"
_FOLDER: Final = Path(__file__).parent
_OF_TABLE: Final[Mapping[str, ManifestName]] = {"blurb": "blurb", "blue": "blue"}


@dataclasses.dataclass(frozen=True)
class PaperValue:
    """A number of the paper, in percent.

    Attributes:
        status: How it is known; see `status` in paper.json. Only a `VERIFIED` one is
            compared with.
        source: Where it was read, or what is odd about it, if that is recorded.
    """

    value: float
    status: str
    source: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the number was read in a public source."""
        return self.status == VERIFIED


@dataclasses.dataclass(frozen=True)
class AnchorValue:
    """A score that a rerun has published, in percent.

    Attributes:
        std: The standard deviation over seeds; None if it is not published.
        n: The number of seeds; None if it is not published.
    """

    mean: float
    std: float | None
    n: int | None


@dataclasses.dataclass(frozen=True)
class Anchor:
    """A published rerun of a row.

    Attributes:
        source: Who published it, and where.
        column: The name of the column whose checkpoint it started from, if that is
            known.
        why: Why there is no such column.
        values: Its scores by metric; empty if only settings are taken from it.
        settings: The settings that it published, by flag.
    """

    source: str
    column: str | None
    why: str
    values: Mapping[str, AnchorValue]
    settings: Mapping[str, Setting]


@dataclasses.dataclass(frozen=True)
class Variant:
    """Other data that is found under the name of a row.

    Attributes:
        files: Counts of its files, by which it is recognised.
        note: What it is, for the report.
    """

    files: Mapping[str, Counts]
    note: str


@dataclasses.dataclass(frozen=True)
class Substitute:
    """What a missing training file of questions is replaced by.

    Attributes:
        golden: A golden file of BioASQ, which becomes a training file.
        note: What is done, for the report.
    """

    golden: str
    note: str


@dataclasses.dataclass(frozen=True)
class Questions:
    """The files of a row of questions, below its folder.

    Attributes:
        train: The training file.
        predict: A glob of the files to predict.
        golden: A glob of BioASQ's answers to them, in the same order.
    """

    train: str
    predict: str
    golden: str
    substitute: Substitute | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A data set of a table.

    Attributes:
        folders: What its folder below `--data` may be called; the first is usual.
        files: The files of the folder that an experiment reads, and their counts. Sets
            of classification have splits (`train`, `dev`, `test`) instead of names.
        flags: Flags that the problem's command needs for this set.
        settings: The default hyper-parameters, by flag.
        folds: The number of folds, in folders `1` to this number; 0: one set.
        paper: The paper's values by column and metric; empty for a row it lacks.
        is_untyped: Whether the types of its entities are taken away.
        notes: What a reader of its scores should know.
    """

    name: str
    table: int
    problem: ProblemName
    folders: tuple[str, ...]
    files: Mapping[str, Counts]
    flags: Mapping[str, Setting]
    settings: Mapping[str, Setting]
    folds: int
    paper: Mapping[str, Mapping[str, PaperValue]]
    anchors: tuple[Anchor, ...]
    variants: tuple[Variant, ...]
    questions: Questions | None
    is_untyped: bool
    notes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The usual folder below `--data`."""
        return self.folders[0]


@dataclasses.dataclass(frozen=True)
class Column:
    """A checkpoint of the paper.

    Attributes:
        checkpoint: What its authors call it.
        source: Its name in sources.toml, for `biobert download`.
        folders: Names of folders in which it is released, or usually kept.
        prefix: The name of its checkpoint files, if no other release has it.
        pretraining_steps: The number of steps on biomedical text.
    """

    name: str
    checkpoint: str
    source: str
    folders: tuple[str, ...]
    prefix: str | None
    pretraining_steps: int


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The vocabulary and the sizes that all columns share."""

    vocabulary_sha256: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int


@dataclasses.dataclass(frozen=True)
class Squad:
    """The first of the two stages of question answering.

    Attributes:
        train: Training files below the folder; the first that is there is taken.
        substitute: What to say if it is not the first of them.
    """

    folder: str
    train: tuple[str, ...]
    substitute: str
    settings: Mapping[str, Setting]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper, or a group of tasks of a benchmark.

    Attributes:
        name: What a report calls it, such as `Table 6`.
        metrics: Its scores, in the order of its columns.
        main: The score that is compared and shown first.
    """

    number: int
    name: str
    title: str
    metrics: tuple[str, ...]
    main: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that was published.

    Attributes:
        title: The title of a report.
        benchmark: What it is called, if it is a benchmark; "" of the paper.
        means: What the score of a benchmark is; None of the paper, which has none.
        train_on: Whether the last training takes the development examples too.
        grid: The values of the paper's grid search, by flag.
    """

    title: str
    benchmark: str
    means: Means | None
    train_on: TrainOn
    tables: tuple[Table, ...]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    encoder: Encoder
    squad: Squad
    grid: Mapping[str, tuple[Setting, ...]]

    def table(self, number: int) -> Table:
        """Returns the table of this number."""
        return next(each for each in self.tables if each.number == number)

    def row(self, name: str) -> Row:
        """Returns the row of a name, in any case.

        Raises:
            InputError: There is none.
        """
        return _named(self.rows, name)

    def grid_points(self) -> list[dict[str, Setting]]:
        """Returns the settings of every run of the paper's grid search."""
        return [
            dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]


def _named(rows: Sequence[Row], name: str) -> Row:
    for row in rows:
        if row.name.casefold() == name.casefold():
            return row
    known = ", ".join(row.name for row in rows)
    raise InputError(f"no data set {name!r}; known: {known}")


def every_row() -> list[Row]:
    """Returns the rows of the paper, then those of BLURB and BLUE with other names."""
    found: dict[str, Row] = {}
    for known in (load(), load("blurb"), load("blue")):
        for row in known.rows:
            found.setdefault(row.name, row)
    return list(found.values())


def known_row(name: str) -> Row:
    """Returns the first of `every_row` of a name, in any case.

    Raises:
        InputError: There is none.
    """
    return _named(every_row(), name)


@functools.cache
def load(name: ManifestName = "paper") -> Manifest:
    """Returns what the files in this folder say: of the paper, or of a benchmark."""
    found = tomllib.loads((_FOLDER / "manifest.toml").read_text("utf-8"))
    paper = json.loads((_FOLDER / "paper.json").read_text("utf-8"))["tables"]
    anchors = json.loads((_FOLDER / "anchors.json").read_text("utf-8"))["anchors"]
    squad = found["squad"]
    rows = [_row(each, found["settings"], paper, anchors) for each in found["rows"]]
    whole = Manifest(
        title="The tables of the BioBERT paper, run again",
        benchmark="",
        means=None,
        train_on="train_dev",
        tables=tuple(
            Table(
                number=int(number),
                name=f"Table {number}",
                title=each["title"],
                metrics=tuple(each["metrics"]),
                main=each["main"],
            )
            for number, each in paper.items()
        ),
        rows=tuple(rows),
        columns=tuple(
            Column(**{"prefix": None, **each, "folders": tuple(each["folders"])})
            for each in found["columns"]
        ),
        encoder=Encoder(**found["encoder"]),
        squad=Squad(**{**squad, "train": tuple(squad["train"])}),
        grid={name: tuple(values) for name, values in found["grid"].items()},
    )
    return whole if name == "paper" else _benchmark(name, whole, anchors)


def of(table: str) -> Manifest:
    """Returns the manifest that a value of `--table` is about."""
    return load(_OF_TABLE.get(table, "paper"))


def _benchmark(
    name: ManifestName, paper: Manifest, anchors: Sequence[Mapping[str, Any]]
) -> Manifest:
    """Returns a benchmark; a row may begin with what the paper's of a name has."""
    found = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    rows = []
    for values in found["rows"]:
        # A rerun of other data, or trained on more, is beside the paper's numbers only.
        of_row = [
            each
            for each in anchors
            if values.get("rerun") and each["source"] == found["rerun"]
        ]
        own = {"paper": False, "table": values["group"], **values}
        row = _row(own, found["settings"], {}, of_row)
        if same := values.get("same"):
            known = paper.row(same)
            row = dataclasses.replace(
                row,
                files=row.files or known.files,
                flags={**known.flags, **row.flags},
                variants=known.variants,
            )
        rows.append(row)
    return dataclasses.replace(
        paper,
        title=found["title"],
        benchmark=found["benchmark"],
        means=found["means"],
        train_on="train",
        tables=tuple(
            Table(
                number=number,
                name=f"{found['benchmark']}, group {number}",
                title=each["title"],
                metrics=tuple(each["metrics"]),
                main=each["metrics"][0],
            )
            for number, each in enumerate(found["groups"], start=1)
        ),
        rows=tuple(rows),
    )


def _row(
    values: Mapping[str, Any],
    defaults: Mapping[str, Mapping[str, Setting]],
    paper: Mapping[str, Any],
    anchors: Sequence[Mapping[str, Any]],
) -> Row:
    name, problem = values["name"], values["problem"]
    published = paper[str(values["table"])]["rows"][name] if values["paper"] else {}
    return Row(
        name=name,
        table=values["table"],
        problem=problem,
        folders=tuple(values.get("folders") or [values["folder"]]),
        files=values.get("files", {}),
        flags=values.get("flags", {}),
        settings={**defaults[problem], **values.get("settings", {})},
        folds=values.get("folds", 0),
        paper={
            column: {metric: PaperValue(**value) for metric, value in cell.items()}
            for column, cell in published.items()
        },
        anchors=tuple(_anchor(each) for each in anchors if each["dataset"] == name),
        variants=tuple(Variant(**each) for each in values.get("variants", ())),
        questions=_questions(values) if problem == "qa" else None,
        is_untyped=values.get("untyped", False),
        notes=tuple(values.get("notes", ())),
    )


def _anchor(values: Mapping[str, Any]) -> Anchor:
    own = {name: value for name, value in values.items() if name != "dataset"}
    scores = {name: AnchorValue(**one) for name, one in values["values"].items()}
    return Anchor(**{**own, "values": scores})


def _questions(values: Mapping[str, Any]) -> Questions:
    substitute = values.get("substitute")
    return Questions(
        train=values["train"],
        predict=values["predict"],
        golden=values["golden"],
        substitute=Substitute(**substitute) if substitute else None,
    )
