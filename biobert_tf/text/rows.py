# SPDX-License-Identifier: Apache-2.0
"""Reads a sentence of a file with a word per line: CoNLL, CoNLL-U, AIONER's.

Columns are separated by tabs if the row has one, else by spaces (U+0020). So a word may
hold any other white space: `10<U+00A0>mg<TAB>O`. The word is the first column, in
CoNLL-U the second.

Rows `# key = value` and `# newdoc` before the first word are comments; in CoNLL-U all
rows there that begin with `#`.

AIONER (Luo et al. 2023, doi 10.1093/bioinformatics/btad310) frames a sentence with rows
that tell which types of entities its labels know, all or one, and labels accordingly
what is no such entity:

    <Disease><TAB>O-Disease
    Liver<TAB>B-Disease
    cancer<TAB>I-Disease
    and<TAB>O-Disease
    aspirin<TAB>O-Disease
    </Disease><TAB>O-Disease

In a fully labelled sentence the frame is `<ALL>` and `</ALL>`, and the label `O`.
"""

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from biobert_tf.text.labels import LABEL

ALL: Final = "ALL"
"""The scope of a sentence whose labels know all types."""

_TAB: Final = "\t"
_ASCII_SPACE: Final = " \t\r\n\v\f"
_COMMENT: Final = re.compile(r"#\s*(?:[\w.:-]+(?: [\w.:-]+)?\s*=|new(?:doc|par)\s*$)")
_MARKER: Final = re.compile(r"<(/?)([^<>/\s]+)>")
_CONLLU_ID: Final = re.compile(r"\d+(?:[-.]\d+)?", re.ASCII)
_CONLLU_COLUMNS: Final = 10


class Word(NamedTuple):
    """A word's row.

    Attributes:
        row: The index of the row.
        text: The word.
        last: The last column, which may be the label; None if there is none beside the
            word (or beside the ten of CoNLL-U).
    """

    row: int
    text: str
    last: str | None


class Sentence(NamedTuple):
    """The words of a sentence.

    Attributes:
        words: The rows that are words.
        scope: The type that the labels know, or `ALL`.
        is_conllu: Whether the rows are CoNLL-U.
    """

    words: Sequence[Word]
    scope: str
    is_conllu: bool


# Most rows of a file stand in it more than once.
@functools.lru_cache(maxsize=2**16)
def columns(row: str) -> tuple[str, ...]:
    """Returns the columns of a row; none if the row is blank."""
    row = row.strip(_ASCII_SPACE)
    if row.isspace():
        return ()
    parts = row.split(_TAB if _TAB in row else " ")
    return tuple(part for column in parts if (part := column.strip(_ASCII_SPACE)))


def sentences(text: str) -> Iterator[Sentence]:
    """Yields the sentences of a text, which blank lines separate."""
    rows = text.removeprefix("\ufeff").split("\n")
    for is_blank, group in itertools.groupby(rows, lambda row: not row.strip()):
        if not is_blank:
            yield read(list(group))


def is_comment(row: str) -> bool:
    """Returns whether a row is a comment if it stands before the words of a sentence.

    Where rows have no tabs, one that ends with a label is a word all the same.
    """
    return _TAB not in row and _COMMENT.match(row) is not None


def read(rows: Sequence[str]) -> Sentence:
    """Returns the sentence that rows hold, none of which is blank."""
    table = [columns(row) for row in rows]
    is_conllu = len(table[-1]) >= _CONLLU_COLUMNS and all(
        _CONLLU_ID.fullmatch(row[0])
        for row in table
        if row[0][0] != "#" or len(row) >= _CONLLU_COLUMNS
    )
    is_tabbed = _TAB in rows[-1]
    start = 0
    for row, found in zip(rows, table, strict=True):
        is_remark = is_comment(row) and (is_tabbed or not _is_label(found[-1]))
        if not (is_remark or (is_conllu and row[0] == "#" and _TAB not in row)):
            break
        start += 1
    if is_conllu:
        # The ids 1-2 and 1.1 are of contractions and of words that are not in the text.
        words = [
            Word(i, row[1], row[-1] if len(row) > _CONLLU_COLUMNS else None)
            for i, row in enumerate(table[start:], start)
            if row[0].isdecimal()
        ]
        return Sentence(words, ALL, is_conllu)
    first, last = start, len(table)
    marked = _scope_of(table[start], "") if start < last else ""
    if marked:
        first += 1
    if first < last and _scope_of(table[-1], "/"):
        last -= 1
    words = [
        Word(i, row[0], row[-1] if len(row) > 1 else None)
        for i, row in enumerate(table[first:last], first)
    ]
    partial = (label[2:] for _, _, label in words if label and label[:2] == "O-")
    return Sentence(words, next(partial, marked or ALL), is_conllu)


def with_column(row: str, value: str) -> str:
    """Returns a row with one more column at its end."""
    row = row.strip(_ASCII_SPACE)
    return f"{row}{' ' if ' ' in row and _TAB not in row else _TAB}{value}"


def _is_label(column: str) -> bool:
    return LABEL.fullmatch(column) is not None


def _scope_of(row: Sequence[str], slash: str) -> str:
    """Returns the type of `<TYPE>` (or `</TYPE>` for a slash) of a frame; else ""."""
    match = _MARKER.fullmatch(row[0])
    if match is None or match[1] != slash:
        return ""
    return match[2] if match[2] == ALL or f"O-{match[2]}" in row else ""
