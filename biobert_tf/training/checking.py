# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a data set: findings and reports, the same for every problem.

Published sets have sentences with two labels, and test sentences that are in the
training file too. Each makes a score less reliable. Two texts are the same if all their
characters are. A problem's `check.py` reads its files into `Row`s and looks for what
only it can know.
"""

import dataclasses
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.common.files import numbered_folders
from biobert_tf.text.tokenization import FullTokenizer

# Other white space may be part of a word.
_WORD: Final = re.compile("[^ \t\n]+")
_SHOWN: Final = 90  # Characters of an example's text.
_SHOWN_LABEL: Final = 40
_NUM_EXAMPLES, _NUM_PLACES = 3, 4  # Examples of a problem, places of an example.


def kinds_of(rows: str, texts: str, **others: str) -> dict[str, str]:
    """Returns what each kind of problem counts; {0} and {1} are the files concerned.

    `rows` and `texts` are what a problem calls its examples, and what they show.
    """
    return {
        "leak": f"{rows} of {{0}} that are in {{1}} too",
        "contradiction": f"{texts} of {{0}} with more than one label",
        "contradiction_between": f"{texts} of {{0}} with another label in {{1}}",
        "duplicate": f"{rows} of {{0}} that repeat an earlier one of it",
        "near_duplicate": f"{rows} of {{0}} that differ from an earlier one of the set "
        "only in case or white space",
        **others,
    }


FOLD_KINDS: Final = {
    "missing_in_fold": "rows of other folds that are not in fold {0}",
    "never_tested": "rows that are in the test file of no fold",
    "tested_again": "rows of a test file that another fold's test file has too",
}
"""The kinds that `across` finds."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a text stands: a path in the checked directory, and a line or an id.

    Lines count from 1; questions have ids.
    """

    file: str
    line: int | str
    label: str | None

    def __str__(self) -> str:
        """Returns `train.tsv:12 (1)`."""
        label = _shortened(self.label or "", _SHOWN_LABEL)
        return f"{self.file}:{self.line}" + (f" ({label})" if label else "")


@dataclasses.dataclass(frozen=True)
class Example:
    """A text, and the places of the bad row and of the rows it disagrees with."""

    text: str
    places: tuple[Place, ...]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A kind of problem in a file, and the first few examples.

    `files` has the file (or fold) with the problem, then the file it disagrees with, if
    any; `num` counts bad rows, or for contradictions texts.
    """

    kind: str
    files: tuple[str, ...]
    num: int
    examples: tuple[Example, ...]

    def lines(self, kinds: Mapping[str, str]) -> Iterator[str]:
        """Yields a line that describes the problem, then its examples, indented."""
        yield f"  {self.kind}, {self.num}: {kinds[self.kind].format(*self.files)}"
        for example in self.examples:
            places = ", ".join(map(str, example.places))
            yield f"    {places}: {_shortened(example.text, _SHOWN)}"


@dataclasses.dataclass(frozen=True)
class Longest:
    """The longest text of a file, in WordPieces with `[CLS]` and `[SEP]`, or in words.

    `num_longer` counts the texts longer than `max_seq_length` pieces; None for words.
    """

    num: int
    unit: str
    place: Place
    max_seq_length: int
    num_longer: int | None

    def line(self) -> str:
        """Returns `longest: 130 pieces (train.tsv:2); 1 over --max_seq_length=128`."""
        over = f"; {self.num_longer} over --max_seq_length={self.max_seq_length}"
        where = f"{self.place.file}:{self.place.line}"
        said = "" if self.num_longer is None else over
        return f"    longest: {self.num} {self.unit} ({where}){said}"


@dataclasses.dataclass(frozen=True)
class FileReport:
    """The rows of a file: all, and those with each label of the set or the file.

    Where words have labels, `by_label` counts words.
    """

    file: str
    num_rows: int
    by_label: Mapping[str, int]
    longest: Longest | None = None
    rows: str = "rows"

    def lines(self) -> Iterator[str]:
        """Yields `train.tsv: 1000 rows, 500 (50.0%) 0, 500 (50.0%) 1`."""
        num_all = max(self.num_rows, sum(self.by_label.values()))
        shares = (
            f", {num} ({num / num_all:.1%}) {label}"
            for label, num in self.by_label.items()
        )
        yield f"  {self.file}: {self.num_rows} {self.rows}" + "".join(shares)
        if self.longest:
            yield self.longest.line()


@dataclasses.dataclass(frozen=True)
class SetReport:
    """The findings for one set (`name` is `.`) or one fold, in the order of the kinds.

    `data_format` is the form of its files.
    """

    name: str
    data_format: str
    files: tuple[FileReport, ...]
    problems: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class Report:
    """The findings for a directory: a set or folds, and the problems between folds.

    `kinds` says what the numbers of every kind count; see `kinds_of`.
    """

    data_dir: Path
    sets: tuple[SetReport, ...]
    across: tuple[Finding, ...]
    kinds: Mapping[str, str]

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
        return {kind: totals[kind] for kind in self.kinds if totals[kind]}

    def to_dict(self) -> dict[str, object]:
        """Returns the report, ready for JSON."""
        numbers = {"num_problems": self.num_problems, "totals": self.totals()}
        found = dataclasses.asdict(self)
        del found["kinds"]
        return {"data_dir": str(found.pop("data_dir")), **numbers, **found}

    def summary(self) -> str:
        """Returns the report as text, totals last."""
        lines = [str(self.data_dir)]
        for each in self.sets:
            name = "set" if each.name == "." else f"fold {each.name}"
            lines.append(f"{name}, form {each.data_format}")
            lines += [line for file in each.files for line in file.lines()]
            lines += [line for one in each.problems for line in one.lines(self.kinds)]
        if len(self.sets) > 1:
            found = [line for one in self.across for line in one.lines(self.kinds)]
            fine = ["  every row is in the test file of exactly one fold"]
            lines += ["across folds", *(found or fine)]
        lines.append(f"problems: {self.num_problems}")
        lines += [f"  {kind:<22}{num:>8,}" for kind, num in self.totals().items()]
        return "\n".join(lines) + "\n"


def _shortened(text: str, length: int) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= length else f"{text[: length - 3]}..."


# --- finding them ---------------------------------------------------------------------


class Row(NamedTuple):
    """An example as the checks need it; `marks` are a sentence's placeholders."""

    place: Place
    text: str
    marks: tuple[str, ...] = ()


# By file, or by text.
Rows = Mapping[str, Sequence[Row]]


@dataclasses.dataclass(frozen=True)
class Ruler:
    """Measures texts: in pieces of `tokenizer`, or in words if it is None."""

    tokenizer: FullTokenizer | None
    max_seq_length: int

    def longest(self, rows: Sequence[Row], num_special: int) -> Longest | None:
        """Returns the longest of some texts, None if there are none.

        `num_special` is the number of `[CLS]` and `[SEP]` in a row.
        """
        if not rows:
            return None
        if self.tokenizer is None:
            lengths = [len(_WORD.findall(row.text)) for row in rows]
        else:
            cut = self.tokenizer.tokenize
            lengths = [num_special + len(cut(row.text)) for row in rows]
        num_longer = sum(length > self.max_seq_length for length in lengths)
        return Longest(
            max(lengths),
            "words" if self.tokenizer is None else "pieces",
            rows[lengths.index(max(lengths))].place,
            self.max_seq_length,
            None if self.tokenizer is None else num_longer,
        )


@dataclasses.dataclass(frozen=True)
class CheckSettings:
    """What `biobert data-check` was told; empty texts stand for nothing said."""

    data_dir: Path
    ruler: Ruler
    task_name: str = ""
    data_format: Literal["auto", "biobert", "blue", "scibert"] = "auto"


def set_report(
    name: str,
    data_format: str,
    reports: Iterable[FileReport],
    found: Iterable[Finding],
    kinds: Mapping[str, str],
) -> SetReport:
    """Returns the report of a set; findings are sorted by the order of `kinds`."""
    order = [*kinds]
    problems = sorted(found, key=lambda finding: order.index(finding.kind))
    return SetReport(name, data_format, tuple(reports), tuple(problems))


def findings(
    kind: str, files: tuple[str, ...], found: Sequence[Sequence[Row]]
) -> Iterator[Finding]:
    """Yields a finding if `found`, a list of the rows of texts, is not empty."""
    if found:
        examples = tuple(
            Example(rows[0].text, tuple(row.place for row in rows[:_NUM_PLACES]))
            for rows in found[:_NUM_EXAMPLES]
        )
        yield Finding(kind, files, len(found), examples)


def by_text(rows: Iterable[Row]) -> Rows:
    """Returns the rows of each text that is not blank, in the order of the rows."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.text.strip():
            groups[row.text].append(row)
    return groups


def repetitions(files: Rows) -> Iterator[Finding]:
    """Yields what is wrong with texts that stand in one or two files again."""
    grouped = {name: by_text(rows) for name, rows in files.items()}
    for earlier, later in itertools.combinations_with_replacement(files, 2):
        is_one = earlier == later
        names = (later,) if is_one else (later, earlier)
        known = grouped[earlier]
        copies = [
            (row, known[row.text][0])
            for row in files[later]
            if row.text in known and row is not known[row.text][0]
        ]
        yield from findings("duplicate" if is_one else "leak", names, copies)
        disputes = []
        for text, rows in grouped[later].items():
            here, there = _by_label(rows), _by_label(known.get(text, ()))
            if here and there and len({*here, *there}) > 1:
                disputes.append(tuple(dict.fromkeys([*here.values(), *there.values()])))
        kind = "contradiction" if is_one else "contradiction_between"
        yield from findings(kind, names, disputes)


def _by_label(rows: Iterable[Row]) -> dict[str, Row]:
    """Returns the first of the rows with each label, in their order."""
    firsts: dict[str, Row] = {}
    for row in rows:
        if row.place.label:
            firsts.setdefault(row.place.label, row)
    return firsts


def near_duplicates(files: Rows) -> Iterator[Finding]:
    """Yields the texts that differ from an earlier one in case or white space only."""
    spellings: dict[str, dict[str, Row]] = defaultdict(dict)
    for name, rows in files.items():
        similar = []
        for row in rows:
            known = spellings["".join(row.text.casefold().split())]
            if known and row.text not in known and row.text.strip():
                similar.append((row, next(iter(known.values()))))
            known.setdefault(row.text, row)
        yield from findings("near_duplicate", (name,), similar)


# --- folds ----------------------------------------------------------------------------


def folders_of(
    data_dir: Path, files_of: Callable[[Path], Sequence[Path]], wanted: str
) -> list[Path]:
    """Returns `data_dir` if it holds a set, else its folds by number.

    `files_of` returns the files of a set in a folder; `wanted` says that there are
    none, as in `no train.tsv`.

    Raises:
        InputError: There is no such directory, or neither a set nor a fold in it.
    """
    if not data_dir.is_dir():
        raise InputError.at(data_dir, None, "no such directory")
    if files_of(data_dir):
        return [data_dir]
    if folds := list(filter(files_of, numbered_folders(data_dir))):
        return folds
    problem = f"holds {wanted}, and no folders 1, 2, ... with these files"
    raise InputError.at(data_dir, None, problem)


def across(folds: Mapping[str, Rows]) -> Iterator[Finding]:
    """Yields the rows that are not in the test file of exactly one fold."""
    held = {
        name: by_text(itertools.chain(*files.values())) for name, files in folds.items()
    }
    # The whole set is the union of all folds. What one holds twice may be tested twice.
    whole: dict[str, Sequence[Row]] = {}
    for groups in held.values():
        for text, rows in groups.items():
            whole[text] = max(whole.get(text, ()), rows, key=len)
    for name, groups in held.items():
        yield from findings("missing_in_fold", (name,), _surplus(whole, groups))
    tested = by_text(
        row
        for files in folds.values()
        for name, rows in files.items()
        if Path(name).stem == "test"
        for row in rows
    )
    yield from findings("never_tested", (), _surplus(whole, tested))
    yield from findings("tested_again", (), _surplus(tested, whole))


def _surplus(groups: Rows, others: Rows) -> list[Sequence[Row]]:
    """Returns a sentence's rows once for each row that `others` lacks."""
    return [
        rows
        for text, rows in groups.items()
        for _ in range(len(rows) - len(others.get(text, ())))
    ]
