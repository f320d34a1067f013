# SPDX-License-Identifier: Apache-2.0
"""Finds problems in a relation set, for `biobert data-check` and `re-data check`."""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.relations import reading
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import RelationSet
from biobert_tf.relations.settings import RelationFormat
from biobert_tf.training import checking
from biobert_tf.training.checking import (
    FileReport,
    Finding,
    Place,
    Report,
    Row,
    Rows,
    Ruler,
    findings,
)

# Kind of problem -> what is counted; {0} and {1} are the files or the fold concerned.
KINDS: Final = checking.kinds_of(
    "rows",
    "sentences",
    empty="rows of {0} without a sentence",
    no_label="rows of {0} without a label",
    unknown_label="rows of {0} with a label that is not in the set",
    no_placeholder="rows of {0} without placeholders",
    one_placeholder="rows of {0} with a placeholder for one entity only",
    doubled_placeholder="rows of {0} with the same placeholder twice",
    many_placeholders="rows of {0} with more than two placeholders",
    **checking.FOLD_KINDS,
)
_NUM_SPECIAL: Final = 2  # [CLS] and [SEP]


def is_set(data_dir: Path) -> bool:
    """Returns whether a folder holds a set, or folds, of relations; by one row."""
    folders = [data_dir, *files.numbered_folders(data_dir)]
    paths = [path for folder in folders for path in reading.files_of(folder)]
    for path in paths:
        first = files.first_line(path)
        columns = first.split("\t")
        if first.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):
                return "text" in json.loads(first)
            return False
        if first:
            has_sentence = any(len(column.split()) > 1 for column in columns)
            is_table = len(columns) in (2, 3) and has_sentence
            names = reading.header(columns)
            # Texts with several labels are data of another problem.
            return is_table or (bool(names) and "labels" not in names)
    return False


def check(
    data_dir: Path,
    data_format: RelationFormat = "auto",
    labels: RelationSet | None = None,
    ruler: Ruler | None = None,
) -> Report:
    """Checks a set, or numbered folders that each have one.

    A set has at least one of the train, dev and test files. `auto` detects the form of
    each; `labels` of None allows any label. `ruler` measures the sentences.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the line.
    """
    sets = []
    folds: dict[str, Rows] = {}
    wanted = "no train.tsv, dev.tsv or test.tsv"
    for folder in checking.folders_of(data_dir, reading.files_of, wanted):
        form = reading.detect(folder) if data_format == "auto" else data_format
        name = folder.relative_to(data_dir).as_posix()
        folds[name] = held = {
            file: [_row(file, row, labels) for row in reading.read_rows(path, form)]
            for path in reading.files_of(folder)
            for file in [path.relative_to(data_dir).as_posix()]
        }
        reports = [_balance(*item, labels, ruler) for item in held.items()]
        found = [
            *checking.repetitions(held),
            *checking.near_duplicates(held),
            *_bad_rows(held, labels),
        ]
        sets.append(checking.set_report(name, form, reports, found, KINDS))
    across = tuple(checking.across(folds)) if len(folds) > 1 else ()
    return Report(data_dir, tuple(sets), across, KINDS)


def _row(file: str, row: RelationExample, labels: RelationSet | None) -> Row:
    """Returns a row of a file; a known label is in the set's spelling."""
    shown = [row.text[entity.start : entity.end] for entity in row.entities]
    # `<<` or `[[` of a marked entity, else the placeholder.
    kinds = tuple(text if text.startswith("@") else text[:2] for text in shown)
    label = (labels and labels.canonical(row.label or "")) or row.label or None
    return Row(Place(file, row.line, label), row.text, kinds)


def _balance(
    name: str, rows: Sequence[Row], labels: RelationSet | None, ruler: Ruler | None
) -> FileReport:
    found = Counter(row.place.label for row in rows if row.place.label)
    if labels and found:
        found.update(dict.fromkeys(labels.labels, 0))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    longest = ruler.longest(rows, _NUM_SPECIAL) if ruler else None
    return FileReport(name, len(rows), dict(ranked), longest)


def _bad_rows(held: Rows, labels: RelationSet | None) -> Iterator[Finding]:
    """Yields the problems that a row shows on its own."""
    kinds = {kind for rows in held.values() for row in rows for kind in row.marks}
    # Sets of drug-drug or protein-protein pairs have one placeholder only.
    is_of_one_kind = sum("-" not in kind for kind in kinds) == 1
    for name, rows in held.items():
        found: dict[str, list[tuple[Row]]] = defaultdict(list)
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
            yield from findings(kind, (name,), bad)


def _text_problem(row: Row, is_of_one_kind: bool) -> str | None:
    """Returns the kind of a sentence's problem, if it has one."""
    if not row.text.strip():
        return "empty"
    match row.marks:
        case []:
            return "no_placeholder"
        case [kind]:
            # The placeholder of two overlapping entities names both: `@CHEM-GENE$`.
            return None if "-" in kind else "one_placeholder"
        case [first, second]:
            is_doubled = first == second and not is_of_one_kind
            return "doubled_placeholder" if is_doubled else None
    return "many_placeholders"
