# SPDX-License-Identifier: Apache-2.0
"""Reports the findings of `biobert re-data check`, as text and as JSON."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from biobert_tf.relations.settings import RelationFormat

# Kind of problem -> what is counted; {0} and {1} are the files or the fold concerned.
KINDS: Final = {
    "leak": "rows of {0} that are in {1} too",
    "contradiction": "sentences of {0} with more than one label",
    "contradiction_between": "sentences of {0} with another label in {1}",
    "duplicate": "rows of {0} that repeat an earlier row of it",
    "near_duplicate": "rows of {0} that differ from an earlier row of the set only in "
    "case or white space",
    "empty": "rows of {0} without a sentence",
    "no_label": "rows of {0} without a label",
    "unknown_label": "rows of {0} with a label that is not in the set",
    "no_placeholder": "rows of {0} without placeholders",
    "one_placeholder": "rows of {0} with a placeholder for one entity only",
    "doubled_placeholder": "rows of {0} with the same placeholder twice",
    "many_placeholders": "rows of {0} with more than two placeholders",
    "missing_in_fold": "rows of other folds that are not in fold {0}",
    "never_tested": "rows that are in the test file of no fold",
    "tested_again": "rows of a test file that another fold's test file has too",
}
_SHOWN: Final = 90  # Characters of an example's sentence.


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a sentence stands: a path in the checked directory, a line from 1."""

    file: str
    line: int
    label: str | None

    def __str__(self) -> str:
        """Returns `train.tsv:12 (1)`."""
        return f"{self.file}:{self.line}" + (f" ({self.label})" if self.label else "")


@dataclasses.dataclass(frozen=True)
class Example:
    """A sentence, and the places of the bad row and of the rows it disagrees with."""

    text: str
    places: tuple[Place, ...]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A kind of problem in a file: how often it occurs, and examples.

    Attributes:
        kind: One of `KINDS`.
        files: The file (or fold) with the problem, then the file it disagrees with, if
            any.
        num: The number of bad rows; for contradictions, of sentences.
        examples: The first few examples.
    """

    kind: str
    files: tuple[str, ...]
    num: int
    examples: tuple[Example, ...]

    def lines(self) -> Iterator[str]:
        """Yields a line that describes the problem, then its examples, indented."""
        yield f"  {self.kind}, {self.num}: {KINDS[self.kind].format(*self.files)}"
        for example in self.examples:
            text = example.text
            shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
            yield f"    {', '.join(map(str, example.places))}: {shown}"


@dataclasses.dataclass(frozen=True)
class FileReport:
    """The number of rows of a file, and of those with each label, most frequent first.

    Labels of the set that the file lacks have 0.
    """

    file: str
    num_rows: int
    by_label: Mapping[str, int]

    def line(self) -> str:
        """Returns `train.tsv: 1000 rows, 500 (50.0%) 0, 500 (50.0%) 1`."""
        shares = (
            f"{num} ({num / self.num_rows:.1%}) {label}"
            for label, num in self.by_label.items()
        )
        return ", ".join([f"  {self.file}: {self.num_rows} rows", *shares])


@dataclasses.dataclass(frozen=True)
class SetReport:
    """The findings for one set, or one fold.

    Attributes:
        name: Name of the fold; `.` if the checked directory is a set.
        data_format: The form of the files.
        files: The reports on train, dev and test files.
        problems: The problems, in the order of `KINDS`.
    """

    name: str
    data_format: RelationFormat
    files: tuple[FileReport, ...]
    problems: tuple[Problem, ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """The findings for a directory: a set or folds, and the problems between folds."""

    data_dir: Path
    sets: tuple[SetReport, ...]
    across: tuple[Problem, ...]

    @property
    def num_problems(self) -> int:
        """The number of problems; a row counts once for each kind of problem."""
        return sum(self.totals().values())

    def totals(self) -> dict[str, int]:
        """Returns the number of problems of each kind that occurs."""
        totals: Counter[str] = Counter()
        for problems in (*(each.problems for each in self.sets), self.across):
            for problem in problems:
                totals[problem.kind] += problem.num
        return {kind: totals[kind] for kind in KINDS if totals[kind]}

    def to_dict(self) -> dict[str, object]:
        """Returns the report, ready for JSON."""
        found = dataclasses.asdict(self)
        return {
            "data_dir": str(self.data_dir),
            "num_problems": self.num_problems,
            "totals": self.totals(),
            "sets": found["sets"],
            "across": found["across"],
        }

    def summary(self) -> str:
        """Returns the report as text, totals last."""
        lines = [str(self.data_dir)]
        for each in self.sets:
            name = "set" if each.name == "." else f"fold {each.name}"
            lines.append(f"{name}, form {each.data_format}")
            lines += [file.line() for file in each.files]
            lines += [line for problem in each.problems for line in problem.lines()]
        if len(self.sets) > 1:
            lines.append("across folds")
            lines += [line for problem in self.across for line in problem.lines()]
            if not self.across:
                lines.append("  every row is in the test file of exactly one fold")
        lines.append(f"problems: {self.num_problems}")
        lines += [f"  {kind:<22}{num:>8,}" for kind, num in self.totals().items()]
        return "\n".join(lines) + "\n"
