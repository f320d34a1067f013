# SPDX-License-Identifier: Apache-2.0
"""Finds the live record of each PMID and PMCID among the records of many files.

PubMed publishes a baseline and then daily updates: a record in a later file replaces
the earlier one, a higher `Version` replaces a lower one, `DeleteCitation` removes one.
Memory is 8 bytes for each record and 2 for each number up to the largest, in arrays.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

CITATION: Final = 0
ARTICLE_BY_PMCID: Final = 1
ARTICLE_BY_PMID: Final = 2
_NO_SPACE: Final = 255
_INDEX: Final = np.dtype(
    [("space", "u1"), ("number", "u4"), ("version", "u1"), ("is_deletion", "?")]
)

_MOST_DIGITS: Final = 9
"""NLM's identifiers have 8; a longer, damaged one would make the arrays huge."""


class Key(NamedTuple):
    """The key of a record: kind, number of the PMID or PMCID, and version from 1.

    A citation and a full text of one PMID have different keys.
    """

    space: int  # CITATION, ARTICLE_BY_PMCID or ARTICLE_BY_PMID
    number: int
    version: int


class Entry(NamedTuple):
    """A record, or the deletion of one.

    Attributes:
        key: The record's key; None if nothing identifies it: it is then always live.
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


def index(entries: Iterable[Entry]) -> np.ndarray:
    """Returns the keys of a file's entries, in order, without building any document.

    Returns:
        `[entries]` with the fields space (255: no key), number and version of `Key`,
        and is_deletion.
    """
    rows = (
        (*(entry.key or (_NO_SPACE, 0, 0)), entry.read is None) for entry in entries
    )
    return np.fromiter(rows, dtype=_INDEX)


def resolve(indexes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the live records of files that were published in this order.

    A file's deletions apply after its records, the order of PubMed's DTD. Deleting a
    version deletes all lower versions as well.

    Returns:
        For the `index` of each file, bool `[entries]`: whether the record is live.
    """
    is_live = [rows["space"] == _NO_SPACE for rows in indexes]
    for space in (CITATION, ARTICLE_BY_PMCID, ARTICLE_BY_PMID):
        places = [np.flatnonzero(rows["space"] == space) for rows in indexes]
        files = list(zip(indexes, places, is_live, strict=True))
        most = max(
            (int(f["number"][at].max(initial=0)) for f, at, _ in files), default=0
        )
        # The live version of each number, 0 for none.
        highest: Any = np.zeros(most + 1, np.uint8)
        for rows, at, _ in files:
            is_deletion = rows["is_deletion"][at]
            added, deleted = rows[at[~is_deletion]], rows[at[is_deletion]]
            np.maximum.at(highest, added["number"], added["version"])
            numbers = deleted["number"]
            highest[numbers[deleted["version"] >= highest[numbers]]] = 0
        # From the last record to the first: the first with the live version is live.
        is_taken = np.zeros(most + 1, bool)
        for rows, at, live in reversed(files):
            found = rows[at]
            numbers = found["number"]
            # A deletion is never live: it has set the highest version to 0.
            is_first = (found["version"] == highest[numbers]) & ~is_taken[numbers]
            at = at[is_first][::-1]
            taken, first = np.unique(rows["number"][at], return_index=True)
            is_taken[taken] = True
            live[at[first]] = True
    return is_live
