# SPDX-License-Identifier: Apache-2.0
"""Finds problems in a relation set, for `biobert re-data check`.

Published sets have sentences with two labels, and test sentences that are in the
training file too. Each makes a score less reliable. Two sentences are the same if all
their characters are.
"""

import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import RelationSet
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
_NUM_EXAMPLES, _NUM_PLACES = 3, 4  # Examples of a problem, places of an example.


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
    """A kind of problem in a file, one of `KINDS`, and the first few examples.

    `files` has the file (or fold) with the problem, then the file it disagrees with, if
    any; `num` counts bad rows, or for contradictions sentences.
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
    """The rows of a file: all, and those with each label of the set or the file."""

    file: str
    num_rows: int
    by_label: Mapping[str, int]

    def line(self) -> str:
        """Returns `train.tsv: 1000 rows, 500 (50.0%) 0, 500 (50.0%) 1`."""
        shares = (
            f", {num} ({num / self.num_rows:.1%}) {label}"
            for label, num in self.by_label.items()
        )
        return f"  {self.file}: {self.num_rows} rows" + "".join(shares)


@dataclasses.dataclass(frozen=True)
class SetReport:
    """The findings for one set (`name` is `.`) or one fold, in the order of `KINDS`."""

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
        numbers = {"num_problems": self.num_problems, "totals": self.totals()}
        found = dataclasses.asdict(self)
        return {"data_dir": str(found.pop("data_dir")), **numbers, **found}

    def summary(self) -> str:
        """Returns the report as text, totals last."""
        lines = [str(self.data_dir)]
        for each in self.sets:
            name = "set" if each.name == "." else f"fold {each.name}"
            lines.append(f"{name}, form {each.data_format}")
            lines += [file.line() for file in each.files]
            lines += [line for problem in each.problems for line in problem.lines()]
        if len(self.sets) > 1:
            found = [line for problem in self.across for line in problem.lines()]
            fine = ["  every row is in the test file of exactly one fold"]
            lines += ["across folds", *(found or fine)]
        lines.append(f"problems: {self.num_problems}")
        lines += [f"  {kind:<22}{num:>8,}" for kind, num in self.totals().items()]
        return "\n".join(lines) + "\n"


# --- finding them ---------------------------------------------------------------------


class _Row(NamedTuple):
    """A row as the checks need it; `kinds` are its placeholders or marks, in order."""

    place: Place
    text: str
    kinds: tuple[str, ...]


# By file, or by sentence.
_Rows = Mapping[str, Sequence[_Row]]


def check(
    data_dir: Path,
    data_format: RelationFormat = "auto",
    labels: RelationSet | None = None,
) -> Report:
    """Checks a set, or numbered folders that each have one.

    A set has at least one of the train, dev and test files. `auto` detects the form of
    each; `labels` of None allows any label.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the line.
    """
    sets = []
    folds: dict[str, _Rows] = {}
    for folder in _folders(data_dir):
        form = reading.detect(folder) if data_format == "auto" else data_format
        name = folder.relative_to(data_dir).as_posix()
        folds[name] = files = {
            file: [_row(file, row, labels) for row in reading.read_rows(path, form)]
            for path in reading.files_of(folder)
            for file in [path.relative_to(data_dir).as_posix()]
        }
        reports = tuple(_balance(*item, labels) for item in files.items())
        sets.append(SetReport(name, form, reports, _problems(files, labels)))
    across = tuple(_across(folds)) if len(folds) > 1 else ()
    return Report(data_dir, tuple(sets), across)


def _folders(data_dir: Path) -> list[Path]:
    """Returns `data_dir` if it holds a set, else its folds by number."""
    if not data_dir.is_dir():
        raise InputError.at(data_dir, None, "no such directory")
    if reading.files_of(data_dir):
        return [data_dir]
    if folds := list(filter(reading.files_of, reading.folds_of(data_dir))):
        return folds
    raise InputError.at(
        data_dir,
        None,
        "holds no train.tsv, dev.tsv or test.tsv, and no folders 1, 2, ... with these "
        "files",
    )


def _row(file: str, row: RelationExample, labels: RelationSet | None) -> _Row:
    """Returns a row of a file; a known label is in the set's spelling."""
    shown = [row.text[entity.start : entity.end] for entity in row.entities]
    # `<<` or `[[` of a marked entity, else the placeholder.
    kinds = tuple(text if text.startswith("@") else text[:2] for text in shown)
    label = (labels and labels.canonical(row.label or "")) or row.label or None
    return _Row(Place(file, row.line, label), row.text, kinds)


def _balance(name: str, rows: Sequence[_Row], labels: RelationSet | None) -> FileReport:
    found = Counter(row.place.label for row in rows if row.place.label)
    if labels and found:
        found.update(dict.fromkeys(labels.labels, 0))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return FileReport(name, len(rows), dict(ranked))


def _problems(files: _Rows, labels: RelationSet | None) -> tuple[Problem, ...]:
    """Returns the problems within a set, or within a fold."""
    found = [*_repetitions(files), *_near_duplicates(files), *_bad_rows(files, labels)]
    return tuple(sorted(found, key=lambda problem: [*KINDS].index(problem.kind)))


def _problem(
    kind: str, files: tuple[str, ...], found: Sequence[Sequence[_Row]]
) -> Iterator[Problem]:
    """Yields a problem if `found`, a list of the rows of sentences, is not empty."""
    if found:
        examples = tuple(
            Example(rows[0].text, tuple(row.place for row in rows[:_NUM_PLACES]))
            for rows in found[:_NUM_EXAMPLES]
        )
        yield Problem(kind, files, len(found), examples)


def _by_text(rows: Iterable[_Row]) -> _Rows:
    """Returns the rows of each sentence that is not blank, in the order of the rows."""
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.text.strip():
            groups[row.text].append(row)
    return groups


def _repetitions(files: _Rows) -> Iterator[Problem]:
    """Yields what is wrong with sentences that stand in one or two files again."""
    by_text = {name: _by_text(rows) for name, rows in files.items()}
    for earlier, later in itertools.combinations_with_replacement(files, 2):
        is_one = earlier == later
        names = (later,) if is_one else (later, earlier)
        known = by_text[earlier]
        copies = [
            (row, known[row.text][0])
            for row in files[later]
            if row.text in known and row is not known[row.text][0]
        ]
        yield from _problem("duplicate" if is_one else "leak", names, copies)
        disputes = []
        for text, rows in by_text[later].items():
            here, there = _by_label(rows), _by_label(known.get(text, ()))
            if here and there and len({*here, *there}) > 1:
                disputes.append(tuple(dict.fromkeys([*here.values(), *there.values()])))
        kind = "contradiction" if is_one else "contradiction_between"
        yield from _problem(kind, names, disputes)


def _by_label(rows: Iterable[_Row]) -> dict[str, _Row]:
    """Returns the first of the rows with each label, in their order."""
    firsts: dict[str, _Row] = {}
    for row in rows:
        if row.place.label:
            firsts.setdefault(row.place.label, row)
    return firsts


def _near_duplicates(files: _Rows) -> Iterator[Problem]:
    spellings: dict[str, dict[str, _Row]] = defaultdict(dict)
    for name, rows in files.items():
        similar = []
        for row in rows:
            known = spellings["".join(row.text.casefold().split())]
            if known and row.text not in known and row.text.strip():
                similar.append((row, next(iter(known.values()))))
            known.setdefault(row.text, row)
        yield from _problem("near_duplicate", (name,), similar)


def _bad_rows(files: _Rows, labels: RelationSet | None) -> Iterator[Problem]:
    """Yields the problems that a row shows on its own."""
    kinds = {kind for rows in files.values() for row in rows for kind in row.kinds}
    # Sets of drug-drug or protein-protein pairs have one placeholder only.
    is_of_one_kind = sum("-" not in kind for kind in kinds) == 1
    for name, rows in files.items():
        found: dict[str, list[tuple[_Row]]] = defaultdict(list)
        is_labelled = any(row.place.label for row in rows)
        for row in rows:
            label = row.place.label
            if is_labelled and not label:
                found["no_label"].append((row,))
            if labels and label and label not in labels.labels:
                found["unknown_label"].append((row,))
            if kind := _text_problem(row, is_of_one_kind):
                found[kind].append((row,))
        for kind, bad in found.items():
            yield from _problem(kind, (name,), bad)


def _text_problem(row: _Row, is_of_one_kind: bool) -> str | None:
    """Returns the kind of a sentence's problem, if it has one."""
    if not row.text.strip():
        return "empty"
    match row.kinds:
        case []:
            return "no_placeholder"
        case [kind]:
            # The placeholder of two overlapping entities names both: `@CHEM-GENE$`.
            return None if "-" in kind else "one_placeholder"
        case [first, second]:
            is_doubled = first == second and not is_of_one_kind
            return "doubled_placeholder" if is_doubled else None
    return "many_placeholders"


def _across(folds: Mapping[str, _Rows]) -> Iterator[Problem]:
    """Yields the rows that are not in the test file of exactly one fold."""
    held = {
        name: _by_text(itertools.chain(*files.values()))
        for name, files in folds.items()
    }
    # The whole set is the union of all folds. What one holds twice may be tested twice.
    whole: dict[str, Sequence[_Row]] = {}
    for groups in held.values():
        for text, rows in groups.items():
            whole[text] = max(whole.get(text, ()), rows, key=len)
    for name, groups in held.items():
        yield from _problem("missing_in_fold", (name,), _surplus(whole, groups))
    tested = _by_text(
        row
        for files in folds.values()
        for name, rows in files.items()
        if Path(name).stem == "test"
        for row in rows
    )
    yield from _problem("never_tested", (), _surplus(whole, tested))
    yield from _problem("tested_again", (), _surplus(tested, whole))


def _surplus(groups: _Rows, others: _Rows) -> list[Sequence[_Row]]:
    """Returns a sentence's rows once for each row that `others` lacks."""
    return [
        rows
        for text, rows in groups.items()
        for _ in range(len(rows) - len(others.get(text, ())))
    ]
