# SPDX-License-Identifier: Apache-2.0
"""JSON text that may be cut or broken: where a value ends, where the next document is.

A document is an object with a list of passages. No document stands among the passages,
annotations or relations of another: where one seems to, the end of the other is lost.
"""

import json
import re
from typing import Any, Final, NamedTuple

# A string; the quote of one that has no end yet; a bracket, colon or comma; a number
# or word. White space is all that is left.
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
"""Most characters of a document before its passages, if a broken one is before it."""

_KEY: Final = re.compile(rf'"{_PASSAGES}"\s*:\s*\[')
# Objects before the passages of a document, and brackets in its strings there.
_MOST_TRIED: Final = 1000
# The longest token whose error is told at its begin: `-Infinity`, `\ud83d`.
_LONGEST_TOKEN: Final = 12


class _Uncounted(str):
    """A text whose lines `JSONDecodeError` does not count: there may be many errors."""

    __slots__ = ()

    def count(self, *_: Any) -> int:
        """Returns 0, at once."""
        return 0

    def rfind(self, *_: Any) -> int:
        """Returns 0, at once."""
        return 0


class Whole(NamedTuple):
    """A value, and where it ends."""

    value: Any
    end: int


class Broken(NamedTuple):
    """What is wrong with a value.

    Attributes:
        problem: In few words.
        place: Where.
        is_cut: More text behind it may mend it.
    """

    problem: str
    place: int
    is_cut: bool


def value_at(text: str, start: int) -> Whole | Broken:
    """Returns the value that begins at `start`."""
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
    """Returns where the brackets that open at `start` are closed, all else aside.

    Args:
        text: Any.
        start: Of a bracket.
        stop: Where to give up.

    Returns:
        None if they are not, or not in their order.
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
    """Says whether documents stand where a document cannot hold any.

    Args:
        text: Any.
        start: Of the value in it.
        found: The value.
    """
    own = 1 if isinstance(found.value, dict) else 0
    is_possible = text.count(f'"{_PASSAGES}"', start, found.end) > own
    return is_possible and _holds_documents(found.value)


def _holds_documents(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_documents(value.get(name)) for name in _LISTS)
    if isinstance(value, list):
        return any(_is_document(item) or _holds_documents(item) for item in value)
    return False


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get(_PASSAGES), list)


def next_document(text: str, position: int, is_all: bool) -> tuple[int | None, int]:
    """Looks for a whole document, wherever it stands.

    Args:
        text: Any.
        position: Where to begin.
        is_all: Whether nothing follows the text.

    Returns:
        Where one begins, or None; and from where to look on.
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
    """Returns where a document begins that has a key, if it may be whole.

    Args:
        text: Any.
        quiet: The same.
        lowest: It does not begin before.
        key: Of its passages.
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
