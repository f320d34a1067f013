# SPDX-License-Identifier: Apache-2.0
"""What a word of raw text is, for the recognition of entities."""

import re
from typing import Final

JOINERS: Final = "-'./"
"""Signs that are part of a word where they stand between two letters or digits."""

_WORD: Final = re.compile(rf"\w+(?:[{re.escape(JOINERS)}]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Returns the words of a text, in order.

    A word is a run of letters and digits, also with one of `JOINERS` inside; any other
    sign but white space is a word of its own.
    """
    return _WORD.findall(text)


def spans(text: str) -> list[tuple[int, int]]:
    """Returns the half-open character range of every word of a text; see `words`."""
    return [match.span() for match in _WORD.finditer(text)]


def is_letter(char: str) -> bool:
    r"""Says whether a character counts as a letter or digit: `\w`."""
    return char == "_" or char.isalnum()
