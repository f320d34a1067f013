# SPDX-License-Identifier: Apache-2.0
"""Cuts raw text into the words that entity recognition labels."""

import re
from typing import Final

JOINERS: Final = "-'./"
"""Characters that are part of a word if they stand between two letters or digits."""

_WORD: Final = re.compile(rf"\w+(?:[{re.escape(JOINERS)}]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Returns the words of a text, in order.

    A word is a run of letters and digits, which may have single `JOINERS` inside. Any
    other character, except white space, is a word of its own.
    """
    return _WORD.findall(text)


def spans(text: str) -> list[tuple[int, int]]:
    """Returns the half-open character range of every word of a text; see `words`."""
    return [match.span() for match in _WORD.finditer(text)]


def is_letter(char: str) -> bool:
    r"""Returns whether a character counts as a letter or digit, like `\w`."""
    return char == "_" or char.isalnum()
