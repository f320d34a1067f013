# SPDX-License-Identifier: Apache-2.0
"""Reads and checks the parts that files of all formats share: JSON, numbers, ids."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from biobert_tf.common import json_text
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM
from biobert_tf.documents.document import AnnotatedDocument, Loaded

OnBad = Callable[[InputError], None]
"""Called with the error (file, line, reason) of a document that is skipped."""

BadMentions = Literal["keep", "skip", "error"]
"""What to do with an old mention that differs from its text: carry it along as it
stands, leave it out, or refuse the document."""

# Why a document is left out: the first of these that its error's message has.
_KINDS: Final = (
    ("its format is unknown", "name the format"),
    ("a mention differs from its text", ": mention "),
    ("a second text is missing, or not read", "second text"),
    ("results are there already", "already; give another"),
    ("the output cannot hold it", "cannot hold|cannot be a file name|passage begins"),
    ("not UTF-8", "UTF-8|UTF-16|the encoding"),
    ("not JSON", "JSON|surrogate"),
    ("not XML", "not XML"),
    ("not BioC", "BioC"),
    ("the file is damaged or missing", "compressed data|no such file|beside it"),
)

Unit = TypeVar("Unit")


def readable(
    units: Iterable[Unit], read: Callable[[Unit], Loaded], on_bad: OnBad
) -> Iterator[Loaded]:
    """Yields the documents that can be read; `on_bad` gets the errors of the others.

    `read` makes a document of a unit, its raw part of the file, or raises `InputError`.
    An `InputError` between two units ends the file.
    """
    remaining = iter(units)
    while True:
        try:
            unit = next(remaining)
        except StopIteration:
            return
        except InputError as error:
            on_bad(error)
            return
        try:
            loaded = read(unit)
        except InputError as error:
            on_bad(error)
            continue
        yield loaded


def kind(error: InputError) -> str:
    """Returns in a few words why a document is left out."""
    found = (name for name, part in _KINDS if re.search(part, error.problem))
    return next(found, "rows or values that are not understood")


def parsed_json(path: Path, line: int | None, text: str) -> Any:
    """Returns the value of a JSON text, which is at `line`, or None: a whole file.

    Raises:
        InputError: As `json_text.parsed`; or the text contains half of a surrogate
            pair, which is not a character.
    """
    value = json_text.parsed(path, line, text.removeprefix(BOM))
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            problem = (
                "holds half of a surrogate pair (\\ud...), which is not a character"
            )
            raise InputError.at(path, line, problem) from None
    return value


def error_at(path: Path, line: int | None, problem: str) -> InputError:
    """Returns an `InputError` of one line, even if `problem` quotes line breaks."""
    return InputError.at(path, line, problem.replace("\r", " ").replace("\n", " "))


def integer(value: object, name: str) -> int:
    """Returns `value` if it is a whole number.

    Raises:
        InputError: It is not; the message does not name a file.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} is {value!r}, not a whole number")
    return value


def probability(value: Any) -> float | None:
    """Returns a number in [0, 1], or None if `value` is no such number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None


def checked(
    document: AnnotatedDocument,
    path: Path,
    line: int | None,
    lines_of: Mapping[str, int] | None = None,
) -> AnnotatedDocument:
    """Returns the document, in which every mention that is wrong has its `problem`.

    It begins at `line`; `lines_of` has the line of each mention, by its id, if the file
    has one for each.

    Raises:
        InputError: A mention has no place, or a negative one, which no format can hold.
    """
    wrong: dict[str, str] = {}
    for name, problem in document.problems():
        place = (lines_of or {}).get(name, line)
        error = error_at(path, place, f"document {document.id}: {problem}")
        wrong[name] = str(error)
    if not wrong:
        return document
    mentions = []
    for mention in document.mentions:
        problem = wrong.get(mention.id, "")
        if problem and min((start for start, _ in mention.spans), default=-1) < 0:
            raise InputError(problem)
        mentions.append(dataclasses.replace(mention, problem=problem))
    return dataclasses.replace(document, mentions=tuple(mentions))


def next_number(prefix: str, taken: Iterable[str]) -> int:
    """Returns the first number above all that follow `prefix` in an id of `taken`."""
    rests = (name.removeprefix(prefix) for name in taken if name.startswith(prefix))
    numbers = [int(rest) for rest in rests if rest.isascii() and rest.isdigit()]
    return max(numbers, default=0) + 1
