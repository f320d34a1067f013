# SPDX-License-Identifier: Apache-2.0
"""What report.json says, as frozen dataclasses: the contract of the pages.

Scores, intervals, differences and tolerances are percent. Every text is one line
without invisible characters.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.reproduce.page import parsing

RowStatus: TypeAlias = Literal["ran", "missing data", "not asked"]
RunStatus: TypeAlias = Literal["done", "failed", "stopped", "to do"]
Agreement: TypeAlias = Literal["agrees", "differs", "not compared"]

PAPER: Final = "paper"
"""What a verdict is against if it is not the source of a rerun."""


def _nothing() -> Any:
    return dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """The computer of the runs."""

    system: str
    processors: int
    devices: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check of a data set found, in `count` of `of` places."""

    finding: str
    text: str
    count: int | None = None
    of: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A number of the paper, and where it was read."""

    value: float
    status: str
    source: str | None = None

    @property
    def is_verified(self) -> bool:
        """Whether the number was found in a readable source."""
        return self.status != "unverified"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean over `n` seeds, and the standard deviation, if they are known."""

    mean: float
    n: int | None
    std: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary(Spread):
    """Our mean over `n` seeds, and the best of them."""

    best: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anchor:
    """A rerun that others published: scores by metric, and its settings."""

    source: str
    values: Mapping[str, Spread]
    settings: Mapping[str, object] = _nothing()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its test; only a finished one has scores.

    The folder is relative to the page. The curve has pairs of a step and a score.
    """

    name: str
    seed: int
    status: RunStatus
    fold: int | None = None
    why: str = ""
    folder: str = ""
    command: str = ""
    seconds: float | None = None
    attempts: int = 1
    device: str = ""
    started: str = ""
    scores: Mapping[str, float] = _nothing()
    interval_95: Mapping[str, tuple[float, float]] = _nothing()
    curve: tuple[tuple[float, float], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a mean of ours agrees with a published number, and why it may not."""

    against: str
    metric: str
    verdict: Agreement
    difference: float | None = None
    tolerance: float | None = None
    why: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A model on a data set; the column is that of the paper with the same model.

    The runs of the grid chose the settings; their scores are those on development data.
    """

    model: str
    compat: str
    column: str | None = None
    settings: Mapping[str, object] = _nothing()
    grid: tuple[Run, ...] = ()
    runs: tuple[Run, ...] = ()
    summary: Mapping[str, Summary] = _nothing()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def name(self) -> str:
        """The model and what its runs are compatible with."""
        return f"{self.model}, {self.compat}"

    def unfinished(self) -> Counter[str]:
        """Returns the number of runs that are not done, by status."""
        return Counter(run.status for run in self.runs if run.status != "done")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The paired difference of two models on one test set, first minus second."""

    first: str
    second: str
    metric: str
    difference: float
    interval_95: tuple[float, float]
    p_value: float
    seeds: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A data set: what the paper, reruns and our cells say about it."""

    dataset: str
    problem: str
    status: RowStatus
    why: str = ""
    test_size: Mapping[str, int] = _nothing()
    counts_agree: bool | None = None
    card: tuple[Finding, ...] = ()
    paper: Mapping[str, Mapping[str, Published]] = _nothing()
    anchors: tuple[Anchor, ...] = ()
    cells: tuple[Cell, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the paper, or a group of a benchmark; `main` is the plots' metric."""

    number: int
    name: str = ""
    title: str
    metrics: tuple[str, ...]
    main: str
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Rejects a main metric that the table does not have."""
        if self.main not in self.metrics:
            raise InputError(
                f"main is {self.main!r}; it must be one of {', '.join(self.metrics)}"
            )

    @property
    def label(self) -> str:
        """What the pages call it: its name, or its number in the paper."""
        return self.name or f"Table {self.number}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingPoint:
    """The score of a checkpoint that was pre-trained for so many steps."""

    model: str
    steps: int
    dataset: str
    score: float

    def __post_init__(self) -> None:
        """Rejects a number of steps below zero."""
        if self.steps < 0:
            raise InputError(f"steps is {self.steps}; it must be at least 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Average:
    """A mean over `num_sets` of `of_sets` data sets; None if none has a score.

    One that ranks is the score of the benchmark.
    """

    name: str
    mean: float | None
    num_sets: int
    of_sets: int
    ranks: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Averages:
    """The averages of a model over the groups of a benchmark, and over all."""

    model: str
    compat: str
    averages: tuple[Average, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one `biobert reproduce` found; started is a time as text.

    The runs on SQuAD come before those on BioASQ, and have no scores.
    """

    title: str
    version: str
    tensorflow: str
    command: str
    machine: Machine
    started: str
    wall_seconds: float
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    squad: tuple[Run, ...] = ()
    pretraining_curve: tuple[PretrainingPoint, ...] = ()
    averages: tuple[Averages, ...] = ()

    def __post_init__(self) -> None:
        """Rejects two tables of one number: links to their rows would be ambiguous."""
        numbers = Counter(table.number for table in self.tables)
        twice = [number for number, count in numbers.items() if count > 1]
        if twice:
            raise InputError(f"tables: number {twice[0]} is there twice; keep one")

    def runs(self) -> Iterable[Run]:
        """Yields all runs, in order."""
        yield from self.squad
        for cell in self.cells():
            yield from (*cell.grid, *cell.runs)

    def cells(self) -> Iterable[Cell]:
        """Yields the cells of all tables, in order."""
        for table in self.tables:
            for row in table.rows:
                yield from row.cells


def read(source: files.JsonSource) -> Report:
    """Returns the report that a JSON object, or the file that holds it, means.

    Raises:
        InputError: The file cannot be read or the object is no report; the message
            names the file and the member.
    """
    return files.parse_json(source, lambda values: parsing.parse(Report, values, ""))
