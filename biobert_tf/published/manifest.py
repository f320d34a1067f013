# SPDX-License-Identifier: Apache-2.0
"""Reads what was published: `manifest.toml`, `paper.json` and `anchors.json`.

A row is a data set and a column a checkpoint of the paper's tables. Scores are in
percent.
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

ProblemName = Literal["ner", "re", "qa"]
Counts = Mapping[str, int]
"""What a file holds, such as `{"sentences": 940, "mentions": 960}`; empty: unknown."""
Setting = str | int | float

VERIFIED: Final = "secondary source"
_FOLDER: Final = Path(__file__).parent


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
        folder: The folder below `--data`.
        files: The files of the folder that an experiment reads, and their counts.
        flags: Flags that the problem's command needs for this set.
        settings: The default hyper-parameters, by flag.
        folds: The number of folds, in folders `1` to this number; 0: one set.
        paper: The paper's values by column and metric; empty for a row it lacks.
        notes: What a reader of its scores should know.
    """

    name: str
    table: int
    problem: ProblemName
    folder: str
    files: Mapping[str, Counts]
    flags: Mapping[str, Setting]
    settings: Mapping[str, Setting]
    folds: int
    paper: Mapping[str, Mapping[str, PaperValue]]
    anchors: tuple[Anchor, ...]
    variants: tuple[Variant, ...]
    questions: Questions | None
    notes: tuple[str, ...]


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
    """A table of the paper.

    Attributes:
        metrics: Its scores, in the order of its columns.
        main: The score that is compared and shown first.
    """

    number: int
    title: str
    metrics: tuple[str, ...]
    main: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that was published.

    Attributes:
        grid: The values of the paper's grid search, by flag.
    """

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
        for row in self.rows:
            if row.name.casefold() == name.casefold():
                return row
        known = ", ".join(row.name for row in self.rows)
        raise InputError(f"no data set {name!r}; known: {known}")

    def grid_points(self) -> list[dict[str, Setting]]:
        """Returns the settings of every run of the paper's grid search."""
        return [
            dict(zip(self.grid, values, strict=True))
            for values in itertools.product(*self.grid.values())
        ]


@functools.cache
def load() -> Manifest:
    """Returns what the files in this folder say."""
    found = tomllib.loads((_FOLDER / "manifest.toml").read_text("utf-8"))
    paper = json.loads((_FOLDER / "paper.json").read_text("utf-8"))["tables"]
    anchors = json.loads((_FOLDER / "anchors.json").read_text("utf-8"))["anchors"]
    squad = found["squad"]
    return Manifest(
        tables=tuple(
            Table(int(number), each["title"], tuple(each["metrics"]), each["main"])
            for number, each in paper.items()
        ),
        rows=tuple(
            _row(each, found["settings"], paper, anchors) for each in found["rows"]
        ),
        columns=tuple(
            Column(**{"prefix": None, **each, "folders": tuple(each["folders"])})
            for each in found["columns"]
        ),
        encoder=Encoder(**found["encoder"]),
        squad=Squad(**{**squad, "train": tuple(squad["train"])}),
        grid={name: tuple(values) for name, values in found["grid"].items()},
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
        folder=values["folder"],
        files=values["files"],
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
