# SPDX-License-Identifier: Apache-2.0
"""Rows of a TSV or CSV: with CSV quoting, or with quotes that are characters."""

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from biobert_tf.common.errors import InputError

Row = tuple[int, list[str]]
"""The 1-based line where a row begins, and its cells."""
BuiltT = TypeVar("BuiltT")

# A field with CSV quoting that holds quotes, which are doubled. The pattern never goes
# back over what it has matched: a line may be nothing but quotes.
_QUOTED_QUOTES: Final = re.compile(
    r'(?:^|\t)"(?=[^"\t\n]*+"")(?:[^"\t\n]|"")*+"(?:\t|$)', re.MULTILINE
)


def plain(text: str) -> Iterator[Row]:
    """Yields every line of a TSV that is not blank; a quote is a character."""
    lines = enumerate(text.split("\n"), start=1)
    yield from ((number, line.split("\t")) for number, line in lines if line)


def quoted(path: Path, text: str, delimiter: str = "\t") -> Iterator[Row]:
    """Yields the rows of a text with CSV quoting; a field may hold tabs and lines.

    Raises:
        InputError: The quoting of a row is broken; the message names the line.
    """
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    begin = 1
    try:
        for columns in reader:
            if columns:
                yield begin, columns
            begin = reader.line_num + 1
    except csv.Error as error:
        problem = (
            f"bad CSV quoting ({error}); double the quotes inside a quoted field, or "
            "quote no field and give every line the columns of the header"
        )
        raise InputError.at(path, begin, problem) from None


def fitting(
    path: Path, text: str, build: Callable[[Iterator[Row]], list[BuiltT]]
) -> list[BuiltT]:
    """Returns what `build` makes of the rows of a TSV; quotes as they fit all of them.

    `build` raises InputError for rows that do not fit together. If a file can be read
    both ways, it has CSV quoting, unless that makes one row of several lines that are
    complete rows: then two sentences merely begin and end with a quote. If CSV does not
    fit, but a field has doubled quotes inside quotes as only CSV has, the file has a
    mistake.

    Raises:
        InputError: The rows fit together in neither way.
    """
    if '"' not in text:
        return build(plain(text))
    try:
        as_csv = build(quoted(path, text))
    except InputError as error:
        with contextlib.suppress(InputError):
            if not _QUOTED_QUOTES.search(text):
                return build(plain(text))
        raise error from None
    try:
        as_lines = build(plain(text))
    except InputError:
        return as_csv
    has_columns = "\t" in next(filter(str.strip, text.split("\n")))
    return as_lines if has_columns and len(as_lines) > len(as_csv) else as_csv
