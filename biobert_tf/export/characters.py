# SPDX-License-Identifier: Apache-2.0
"""Tables of what the tokenizer and the word splitters do with each character.

The tables hold the Unicode data of the interpreter that made them, so a graph that
uses them cuts text as the Python tokenizer did at export, wherever the graph runs.
"""

import enum
import functools
import itertools
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.text import tokenization
from biobert_tf.text import words as ner_words

PAGE: Final = 256
"""Number of characters in a page of a table."""

NUM_CODES: Final = sys.maxunicode + 1
SIGMA: Final = ord("\N{GREEK CAPITAL LETTER SIGMA}")
FINAL_SIGMA: Final = ord("\N{GREEK SMALL LETTER FINAL SIGMA}")


class Trait(enum.IntFlag):
    """A property of a character, one bit of the numbers in a `Table`."""

    DROPPED = enum.auto()  # Is removed from the text.
    SPACE = enum.auto()  # Separates words of the tokenizer.
    ALONE = enum.auto()  # Is a word of its own: CJK.
    PUNCTUATION = enum.auto()  # Is a chunk of its own inside a word.
    CASED = enum.auto()  # Is a letter of upper or lower case.
    CASE_IGNORABLE = enum.auto()  # Is no letter, seen from a sigma: an apostrophe.
    NER_LETTER = enum.auto()  # Belongs to a word of `text.words`.
    NER_JOINER = enum.auto()  # Joins two characters of `NER_LETTER`.
    NER_SPACE = enum.auto()  # Separates words of `text.words`.
    NAME_LETTER = enum.auto()  # May begin a name in `relations.reading.PLACEHOLDER`.
    QA_SPACE = enum.auto()  # Separates words of `qa.reading`.


class Table(NamedTuple):
    """A number for every character, in pages; equal pages are stored once.

    Attributes:
        page_of: int32; entry i is the page of the characters from `PAGE * i` on.
        numbers: The pages one after another, int32 `[pages * PAGE]`.
    """

    page_of: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Table":
        """Packs a number for every character, `[NUM_CODES]`."""
        rows = values.astype(np.int32).reshape(-1, PAGE)
        pages, index = np.unique(rows, axis=0, return_inverse=True)
        return cls(index.astype(np.int32).ravel(), pages.ravel())


@functools.cache
def traits() -> Table:
    """Returns the traits of every character."""
    values = np.full(NUM_CODES, Trait.DROPPED, np.int32)
    for code in _assigned():
        values[code] = sum(t for t, holds in _TESTS.items() if holds(chr(code)))
    return Table.of(values)


@functools.cache
def lower_case() -> tuple[Table, np.ndarray]:
    """Returns each character's replacement, lower-cased and without accents.

    Returns:
        The row of every character, and the rows: int32 `[rows, most]`, code points,
        padded with -1. Row 0 means that the character is unchanged.
    """
    rows: dict[tuple[int, ...], int] = {(): 0}
    values = np.zeros(NUM_CODES, np.int32)
    for code in _assigned():
        char = chr(code)
        text = tokenization.lower_without_accents(char).text
        if text != char:
            # An empty key would give the row of unchanged characters.
            key = tuple(map(ord, text)) or (-1,)
            values[code] = rows.setdefault(key, len(rows))
    columns = list(itertools.zip_longest(*rows, fillvalue=-1))
    return Table.of(values), np.array(columns, np.int32).T


def _assigned() -> Iterator[int]:
    """Yields all code points except unassigned, private-use and surrogate ones.

    The tokenizer drops those, which are nine in ten.
    """
    for code in range(NUM_CODES):
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs"):
            yield code


def _cleaned(char: str) -> str:
    return tokenization.cleaned_character(ord(char))


def _is_cased(char: str) -> bool:
    # A sigma is final if the last character before it that is not ignored is cased.
    return f"{char}\N{GREEK CAPITAL LETTER SIGMA}".lower().endswith(chr(FINAL_SIGMA))


def _is_case_ignorable(char: str) -> bool:
    after_letter = f"A{char}\N{GREEK CAPITAL LETTER SIGMA}".lower()
    return after_letter.endswith(chr(FINAL_SIGMA)) and not _is_cased(char)


_TESTS: Final[dict[Trait, Callable[[str], bool]]] = {
    Trait.DROPPED: lambda char: _cleaned(char) == "",
    Trait.SPACE: lambda char: _cleaned(char).isspace(),
    Trait.ALONE: lambda char: _cleaned(char) == f" {char} ",
    Trait.PUNCTUATION: tokenization.is_punctuation,
    Trait.CASED: _is_cased,
    Trait.CASE_IGNORABLE: _is_case_ignorable,
    Trait.NER_LETTER: ner_words.is_letter,
    Trait.NER_JOINER: ner_words.JOINERS.__contains__,
    Trait.NER_SPACE: str.isspace,
    Trait.NAME_LETTER: lambda char: char.isascii() and char.isalpha(),
    Trait.QA_SPACE: " \t\r\n\u202f".__contains__,
}
