# SPDX-License-Identifier: Apache-2.0
"""Finds the ends of values and the next document in cut or broken JSON text.

A document is an object with a list of passages. It never contains another document: if
one seems to stand among its passages, annotations or relations, its own end is missing.
"""

import json
import re
from typing import Final, NamedTuple

# A string; the quote of one that has no end yet; a bracket, colon or comma; a number
# or word. Only white space is not part of a token.
TOKEN: Final = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+" | ["{}\[\]:,] | [^\s"{}\[\]:,]++',
    re.VERBOSE | re.DOTALL,
)
CLOSING: Final = {"{": "}", "[": "]"}

_DECODER: Final = json.JSONDecoder()
_PASSAGES: Final = "passages"
_LISTS: Final = (
    _PASSAGES,
    *("sentences", "annotations", "relations", "locations", "nodes"),
)
_NO_END: Final = "Unterminated string"
LONGEST_BEGINNING: Final = 1 << 24
"""The most characters before the passages of a document that follows a broken one."""

_KEY: Final = re.compile(rf'"{_PASSAGES}"\s*:\s*\[')
# The most "{" before the passages of a document that are tried as its beginning.
_MOST_TRIED: Final = 1000
# The longest token whose error is reported at its beginning: `-Infinity`, `\ud83d`.
_LONGEST_TOKEN: Final = 12


class _Uncounted(str):
    """A string whose lines `JSONDecodeError` does not count, as that takes long."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        """Returns 0 without searching."""
        return 0

    def rfind(self, *_: object) -> int:
        """Returns 0 without searching."""
        return 0


class Whole(NamedTuple):
    """A parsed value, and the position where it ends."""

    value: object
    end: int


class Broken(NamedTuple):
    """The error of a value that cannot be parsed.

    Attributes:
        problem: What is wrong, in a few words.
        place: The position of the error.
        is_cut: Whether the value may be valid once more text has been read.
    """

    problem: str
    place: int
    is_cut: bool


def value_at(text: str, start: int) -> Whole | Broken:
    """Parses the value that begins at `start`."""
    try:
        return Whole(*_DECODER.raw_decode(text, start))
    except json.JSONDecodeError as error:
        has_no_end = error.msg.startswith(_NO_END)
        return Broken(
            "a string has no end" if has_no_end else error.msg,
            error.pos,
            has_no_end or error.pos >= len(text) - _LONGEST_TOKEN,
        )
    except (RecursionError, ValueError) as error:
        return Broken(str(error), start, False)


def balanced_end(text: str, start: int, stop: int) -> int | None:
    """Returns the end of the brackets that open at `start`, ignoring other tokens.

    Args:
        text: The text.
        start: The position of an opening bracket.
        stop: The position where the search ends.

    Returns:
        The position after the last closing bracket; None if the brackets do not match.
    """
    levels = []
    for token in TOKEN.finditer(text, start, stop):
        mark = token[0]
        if mark in CLOSING:
            levels.append(mark)
        elif mark in "}]":
            if CLOSING[levels.pop()] != mark:
                return None
            if not levels:
                return token.end()
    return None


def holds_documents(text: str, start: int, found: Whole) -> bool:
    """Returns whether a value contains documents where a document cannot have any.

    Args:
        text: The text.
        start: The position of the value in `text`.
        found: The parsed value.
    """
    own = 1 if isinstance(found.value, dict) else 0
    is_possible = text.count(f'"{_PASSAGES}"', start, found.end) > own
    return is_possible and _holds_documents(found.value)


def _holds_documents(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_documents(value.get(name)) for name in _LISTS)
    if isinstance(value, list):
        return any(_is_document(item) or _holds_documents(item) for item in value)
    return False


def _is_document(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get(_PASSAGES), list)


def next_document(text: str, position: int, is_all: bool) -> tuple[int | None, int]:
    """Finds the next whole document, whatever surrounds it.

    Args:
        text: The text.
        position: The position where the search begins.
        is_all: Whether nothing follows the text.

    Returns:
        The position of the document, or None; and where to continue the search.
    """
    quiet = _Uncounted(text)
    while key := _KEY.search(text, position):
        place = _holder(text, quiet, position, key)
        if place is not None:
            found = value_at(quiet, place)
            if isinstance(found, Whole):
                return place, place
            if found.is_cut and not is_all:
                return None, place
        position = key.end()
    return None, max(position, len(text) - LONGEST_BEGINNING)


def _holder(
    text: str, quiet: _Uncounted, lowest: int, key: re.Match[str]
) -> int | None:
    """Returns the beginning of the document with a given key, if it may be whole.

    Args:
        text: The text.
        quiet: The same text, for parsing.
        lowest: The first position where the document may begin.
        key: The match of the key of its passages.
    """
    place = key.start()
    for _ in range(_MOST_TRIED):
        place = text.rfind("{", lowest, place)
        if place < 0:
            return None
        found = value_at(quiet, place)
        if isinstance(found, Broken):
            if found.place > key.start():
                return place
        elif found.end > key.start():
            is_one = _is_document(found.value)
            return place if is_one and not holds_documents(text, place, found) else None
    return None
