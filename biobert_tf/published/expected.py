# SPDX-License-Identifier: Apache-2.0
"""Adds to the report on a data set how it differs from the published one."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from biobert_tf.published import counts, manifest
from biobert_tf.published.manifest import Row
from biobert_tf.training import checking
from biobert_tf.training.checking import Finding, Place, Report

# Kind of problem -> what is counted; {0} is the row's name.
_KINDS: Final = {
    "missing_file": "files of {0} that the folder lacks",
    "other_counts": "counts that are not those of {0}",
    "other_data": "other data under the name {0}",
}


def row_of(data_dir: Path, problem: str) -> Row | None:
    """Returns the row of the manifest whose folder has the name of a folder.

    Case and punctuation of the name are ignored. There is none if several rows share
    the folder, or if the row is of another problem.
    """
    name = _plain(data_dir.resolve().name)
    found = [
        row
        for row in manifest.every_row()
        if row.problem == problem and _plain(Path(row.folder).name) == name
    ]
    return found[0] if len(found) == 1 else None


def compared(report: Report, row: Row) -> Report:
    """Returns a report with what differs from a row of the manifest.

    Findings on folds are among those across folds.

    Raises:
        InputError: A file cannot be read.
    """
    found = tuple(_findings(report.data_dir, row))
    kinds = {**report.kinds, **_KINDS}
    if len(report.sets) > 1:
        across = (*report.across, *found)
        return dataclasses.replace(report, across=across, kinds=kinds)
    [whole] = report.sets
    whole = dataclasses.replace(whole, problems=(*whole.problems, *found))
    return dataclasses.replace(report, sets=(whole,), kinds=kinds)


def _findings(folder: Path, row: Row) -> Iterator[Finding]:
    lacking = counts.missing(row, folder)
    yield from _finding("missing_file", row, [(name, "is missing") for name in lacking])
    held = {
        name: counts.count(row, path)
        for name, units in row.files.items()
        if units and (path := counts.find(row, folder, name))
    }
    different = [
        (name, f"{held[name][unit]:,} {unit}, published are {number:,}")
        for name, units in row.files.items()
        for unit, number in units.items()
        if name in held and held[name][unit] != number
    ]
    yield from _finding("other_counts", row, different)
    for variant in row.variants:
        paths = {name: counts.find(row, folder, name) for name in variant.files}
        same = {name: counts.count(row, path) for name, path in paths.items() if path}
        is_whole = len(same) == len(paths)
        if is_whole and not counts.differences(variant.files, same):
            yield from _finding("other_data", row, [(".", variant.note)])


def _finding(kind: str, row: Row, said: list[tuple[str, str]]) -> Iterator[Finding]:
    """Yields a finding that shows every file with what is said of it, if any is."""
    examples = tuple(
        checking.Example(text, (Place(name, row.name, None),)) for name, text in said
    )
    if examples:
        yield Finding(kind, (row.name,), len(examples), examples)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
