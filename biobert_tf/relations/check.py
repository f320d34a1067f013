# SPDX-License-Identifier: Apache-2.0
"""Finds problems in a relation set, for `biobert re-data check`.

Published sets have sentences with two labels, and test sentences that are in the
training file too. Each makes a score less reliable. Two sentences are the same if all
their characters are.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading
from biobert_tf.relations.check_report import (
    KINDS,
    Example,
    FileReport,
    Place,
    Problem,
    Report,
    SetReport,
)
from biobert_tf.relations.sets import RelationSet
from biobert_tf.relations.settings import RelationFormat

_NUM_EXAMPLES: Final = 3
_NUM_PLACES: Final = 4  # Places shown per example.


class _Row(NamedTuple):
    """A row as the checks need it; `kinds` are its placeholders or marks, in order."""

    place: Place
    text: str
    kinds: tuple[str, ...]


# Rows by file, and rows by sentence.
_Files = Mapping[str, Sequence[_Row]]
_Groups = Mapping[str, Sequence[_Row]]


def check(
    data_dir: Path,
    data_format: RelationFormat = "auto",
    labels: RelationSet | None = None,
) -> Report:
    """Checks a set, or a folder of folds.

    Args:
        data_dir: A directory with at least one of the train, dev and test files, or
            with numbered folders that have them.
        data_format: The form of the files; `auto` detects it for each fold.
        labels: The labels that are allowed; None allows any.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the line.
    """
    sets = []
    folds: dict[str, _Files] = {}
    for folder in _folders(data_dir):
        form = reading.detect(folder) if data_format == "auto" else data_format
        name = folder.relative_to(data_dir).as_posix()
        files = {}
        for path in reading.files_of(folder):
            file = path.relative_to(data_dir).as_posix()
            files[file] = list(_read(path, file, form, labels))
        folds[name] = files
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
    folds = [path for path in reading.folds_of(data_dir) if reading.files_of(path)]
    if not folds:
        raise InputError.at(
            data_dir,
            None,
            "holds no train.tsv, dev.tsv or test.tsv, and no folders 1, 2, ... with "
            "these files",
        )
    return folds


def _read(
    path: Path, name: str, data_format: RelationFormat, labels: RelationSet | None
) -> Iterator[_Row]:
    """Yields the rows of a file; known labels are in the set's spelling."""
    for row in reading.read_rows(path, data_format):
        spans = reading.entity_spans(row.text, data_format)
        shown = [row.text[span.start : span.end] for span in spans]
        # `<<` or `[[` of a marked entity, else the placeholder.
        kinds = [text[:2] if data_format == "scibert" else text for text in shown]
        label = row.label or None
        if labels and label:
            label = labels.canonical(label) or label
        yield _Row(Place(name, row.line, label), row.text, tuple(kinds))


def _balance(name: str, rows: Sequence[_Row], labels: RelationSet | None) -> FileReport:
    found = Counter(row.place.label for row in rows if row.place.label)
    known = labels.labels if labels and found else ()
    by_label = {**dict.fromkeys(known, 0), **found}
    ranked = sorted(by_label.items(), key=lambda item: (-item[1], item[0]))
    return FileReport(name, len(rows), dict(ranked))


# --- within a set -------------------------------------------------------------------


def _problems(files: _Files, labels: RelationSet | None) -> tuple[Problem, ...]:
    """Returns the problems within a set, or within a fold."""
    found = [*_repetitions(files), *_near_duplicates(files), *_bad_rows(files, labels)]
    order = list(KINDS)
    return tuple(sorted(found, key=lambda problem: order.index(problem.kind)))


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


def _by_text(rows: Iterable[_Row]) -> _Groups:
    """Returns the rows of each sentence that is not blank, in the order of the rows."""
    groups: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.text.strip():
            groups[row.text].append(row)
    return groups


def _repetitions(files: _Files) -> Iterator[Problem]:
    """Yields what is wrong with sentences that stand in one or two files again."""
    by_text = {name: _by_text(rows) for name, rows in files.items()}
    by_label = {name: _one_per_label(rows) for name, rows in files.items()}
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
        for text, here in by_label[later].items():
            there = by_label[earlier].get(text, {})
            if there and len({*here, *there}) > 1:
                disputes.append(tuple(dict.fromkeys([*here.values(), *there.values()])))
        kind = "contradiction" if is_one else "contradiction_between"
        yield from _problem(kind, names, disputes)


def _one_per_label(rows: Iterable[_Row]) -> Mapping[str, Mapping[str, _Row]]:
    """Returns the first row of each label of each sentence that is not blank."""
    firsts: dict[str, dict[str, _Row]] = defaultdict(dict)
    for row in rows:
        if row.text.strip() and row.place.label:
            firsts[row.text].setdefault(row.place.label, row)
    return firsts


def _near_duplicates(files: _Files) -> Iterator[Problem]:
    spellings: dict[str, dict[str, _Row]] = defaultdict(dict)
    for name, rows in files.items():
        similar = []
        for row in rows:
            known = spellings["".join(row.text.casefold().split())]
            if known and row.text not in known and row.text.strip():
                similar.append((row, next(iter(known.values()))))
            known.setdefault(row.text, row)
        yield from _problem("near_duplicate", (name,), similar)


def _bad_rows(files: _Files, labels: RelationSet | None) -> Iterator[Problem]:
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


# --- across folds -------------------------------------------------------------------


def _across(folds: Mapping[str, _Files]) -> Iterator[Problem]:
    """Yields the rows that are not in the test file of exactly one fold.

    The whole set is the union of all folds. A sentence that one fold holds twice may be
    tested twice.
    """
    held = {
        name: _by_text(itertools.chain(*files.values()))
        for name, files in folds.items()
    }
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


def _surplus(groups: _Groups, others: _Groups) -> list[Sequence[_Row]]:
    """Returns a sentence's rows once for each row that `others` lacks."""
    return [
        rows
        for text, rows in groups.items()
        for _ in range(len(rows) - len(others.get(text, ())))
    ]
