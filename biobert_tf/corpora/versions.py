# SPDX-License-Identifier: Apache-2.0
"""Which record of which file is the live one of its PMID or PMCID.

PubMed publishes a baseline and then daily updates; a record in a later file replaces
the earlier one, a higher `Version` replaces a lower one, `DeleteCitation` removes.
Memory: 5 bytes for each record and 2 for each number up to the largest, in arrays.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from biobert_tf.corpora.document import Document

CITATION: Final = 0
ARTICLE_BY_PMCID: Final = 1
ARTICLE_BY_PMID: Final = 2
_NO_SPACE: Final = 255

_MOST_DIGITS: Final = 9
"""NLM's identifiers have 8; a damaged longer one must not size an array."""


class Key(NamedTuple):
    """An identifier: of a citation and of a full text, the same PMID differs.

    Attributes:
        space: `CITATION`, `ARTICLE_BY_PMCID` or `ARTICLE_BY_PMID`.
        number: Of the PMID or PMCID.
        version: From 1.
    """

    space: int
    number: int
    version: int


class Entry(NamedTuple):
    """A record, or the deletion of one.

    Attributes:
        key: None where nothing identifies the record; it is live then.
        id: As in `Document.id`.
        read: Builds the document, or returns None if it has no text; to be called once
            and before the next entry is asked for. None for a deletion.
        position: Where in the file, for messages.
    """

    key: Key | None
    id: str
    read: Callable[[], Document | None] | None
    position: str = ""


def key(space: int, number: str, version: str = "1") -> Key | None:
    """Returns a key, or None where `number` is no usable identifier."""
    if not (number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS):
        return None
    is_version = version.isascii() and version.isdecimal() and len(version) <= 3
    return Key(space, int(number), min(max(int(version), 1), 255) if is_version else 1)


@dataclasses.dataclass(frozen=True)
class FileIndex:
    """The keys of a file's entries, in order, all `[entries]`.

    Attributes:
        path: The file.
        spaces: uint8; 255 without a key.
        numbers: uint32.
        versions: uint8.
        is_deletion: bool.
    """

    path: str
    spaces: np.ndarray
    numbers: np.ndarray
    versions: np.ndarray
    is_deletion: np.ndarray


def index(path: str, entries: Iterable[Entry]) -> FileIndex:
    """Returns the index of a file; no document is built."""
    columns = np.fromiter(
        _rows(entries), dtype=[("s", "u1"), ("n", "u4"), ("v", "u1"), ("d", "?")]
    )
    return FileIndex(path, *(columns[name].copy() for name in "snvd"))


def _rows(entries: Iterable[Entry]) -> Iterator[tuple[int, int, int, bool]]:
    for entry in entries:
        space, number, version = entry.key or (_NO_SPACE, 0, 0)
        yield space, number, version, entry.read is None


@dataclasses.dataclass(frozen=True)
class Current:
    """For each file, bool `[entries]`: is the entry a live record?"""

    is_live: dict[str, np.ndarray]

    def includes(self, path: str, ordinal: int) -> bool:
        """Returns whether entry `ordinal` (from 0) of a file is live."""
        return bool(self.is_live[path][ordinal])


def resolve(indexes: Sequence[FileIndex]) -> Current:
    """Returns the live records of files that were published in this order.

    A file's deletions count after its records, as its DTD orders them. Deleting a
    version deletes those below it as well.
    """
    is_live = {entry.path: entry.spaces == _NO_SPACE for entry in indexes}
    for space in (CITATION, ARTICLE_BY_PMCID, ARTICLE_BY_PMID):
        rows = [np.flatnonzero(entry.spaces == space) for entry in indexes]
        most = max(
            (
                int(e.numbers[r].max())
                for e, r in zip(indexes, rows, strict=True)
                if len(r)
            ),
            default=-1,
        )
        highest: Any = np.zeros(most + 1, np.uint8)
        for entry, row in zip(indexes, rows, strict=True):
            _count_versions(entry, row, highest)
        is_taken = np.zeros(most + 1, bool)
        for entry, row in zip(reversed(indexes), reversed(rows), strict=True):
            is_live[entry.path][_last_live(entry, row, highest, is_taken)] = True
    return Current(is_live)


def _count_versions(entry: FileIndex, rows: np.ndarray, highest: np.ndarray) -> None:
    """Brings `highest`, uint8 by number, 0 for none, to the state after a file."""
    deleted = rows[entry.is_deletion[rows]]
    added = rows[~entry.is_deletion[rows]]
    np.maximum.at(highest, entry.numbers[added], entry.versions[added])
    numbers = entry.numbers[deleted]
    highest[numbers[entry.versions[deleted] >= highest[numbers]]] = 0


def _last_live(
    entry: FileIndex, rows: np.ndarray, highest: np.ndarray, is_taken: np.ndarray
) -> np.ndarray:
    """Returns the rows of a file that no later one replaces, and marks them taken."""
    numbers = entry.numbers[rows]
    # A deletion never has the highest version: it has made that 0.
    is_last = (entry.versions[rows] == highest[numbers]) & ~is_taken[numbers]
    rows = rows[is_last][::-1]
    taken, first = np.unique(entry.numbers[rows], return_index=True)
    is_taken[taken] = True
    return rows[first]
