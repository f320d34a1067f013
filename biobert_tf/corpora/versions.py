# SPDX-License-Identifier: Apache-2.0
"""Finds the live record of each PMID and PMCID among the records of many files.

PubMed publishes a baseline and then daily updates: a record in a later file replaces
the earlier one, a higher `Version` replaces a lower one, `DeleteCitation` removes one.
Memory is 5 bytes for each record and 2 for each number up to the largest, in arrays.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

CITATION: Final = 0
ARTICLE_BY_PMCID: Final = 1
ARTICLE_BY_PMID: Final = 2
_NO_SPACE: Final = 255

_MOST_DIGITS: Final = 9
"""NLM's identifiers have 8; a longer, damaged one would make the arrays huge."""


class Key(NamedTuple):
    """The key of a record. A citation and a full text of one PMID have different keys.

    Attributes:
        space: `CITATION`, `ARTICLE_BY_PMCID` or `ARTICLE_BY_PMID`.
        number: The number of the PMID or PMCID.
        version: The version, from 1.
    """

    space: int
    number: int
    version: int


class Entry(NamedTuple):
    """A record, or the deletion of one.

    Attributes:
        key: The record's key; None if nothing identifies the record, which is then
            always live.
        id: The `Document.id`.
        read: Returns the paragraphs of the document; some may be empty. Call it at most
            once, before asking for the next entry. None for a deletion.
        position: The place in the file, for messages.
    """

    key: Key | None
    id: str
    read: Callable[[], Iterable[str]] | None
    position: str = ""


def key(space: int, number: str, version: str = "1") -> Key | None:
    """Returns a key, or None if `number` is not a usable identifier."""
    if not (number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS):
        return None
    is_version = version.isascii() and version.isdecimal() and len(version) <= 3
    return Key(space, int(number), min(max(int(version), 1), 255) if is_version else 1)


@dataclasses.dataclass(frozen=True)
class FileIndex:
    """The keys of a file's entries, in order; all arrays have shape `[entries]`.

    Attributes:
        path: The file.
        spaces: uint8, `Key.space`; 255 for an entry without a key.
        numbers: uint32, `Key.number`.
        versions: uint8, `Key.version`.
        is_deletion: bool, whether the entry is a deletion.
    """

    path: str
    spaces: np.ndarray
    numbers: np.ndarray
    versions: np.ndarray
    is_deletion: np.ndarray


def index(path: str, entries: Iterable[Entry]) -> FileIndex:
    """Returns the index of a file without building any document."""
    rows = (
        (*(entry.key or (_NO_SPACE, 0, 0)), entry.read is None) for entry in entries
    )
    types = [("space", "u1"), ("number", "u4"), ("version", "u1"), ("deletion", "?")]
    columns = np.fromiter(rows, dtype=types)
    return FileIndex(path, *(columns[name].copy() for name, _ in types))


@dataclasses.dataclass(frozen=True)
class Current:
    """For each file, bool `[entries]`: whether the entry is a live record."""

    is_live: dict[str, np.ndarray]

    def includes(self, path: str, ordinal: int) -> bool:
        """Returns whether entry `ordinal` (from 0) of a file is live."""
        return bool(self.is_live[path][ordinal])


def resolve(indexes: Sequence[FileIndex]) -> Current:
    """Returns the live records of files that were published in this order.

    A file's deletions apply after its records, the order of PubMed's DTD. Deleting a
    version deletes all lower versions as well.
    """
    is_live = {file.path: file.spaces == _NO_SPACE for file in indexes}
    for space in (CITATION, ARTICLE_BY_PMCID, ARTICLE_BY_PMID):
        files = [(file, np.flatnonzero(file.spaces == space)) for file in indexes]
        most = max((int(f.numbers[at].max(initial=0)) for f, at in files), default=0)
        # The live version of each number, 0 for none.
        highest: Any = np.zeros(most + 1, np.uint8)
        for file, at in files:
            added, deleted = at[~file.is_deletion[at]], at[file.is_deletion[at]]
            np.maximum.at(highest, file.numbers[added], file.versions[added])
            numbers = file.numbers[deleted]
            highest[numbers[file.versions[deleted] >= highest[numbers]]] = 0
        # From the last record to the first: the first with the live version is live.
        is_taken = np.zeros(most + 1, bool)
        for file, at in reversed(files):
            numbers = file.numbers[at]
            # A deletion is never live: it has set the highest version to 0.
            at = at[(file.versions[at] == highest[numbers]) & ~is_taken[numbers]][::-1]
            taken, first = np.unique(file.numbers[at], return_index=True)
            is_taken[taken] = True
            is_live[file.path][at[first]] = True
    return Current(is_live)
