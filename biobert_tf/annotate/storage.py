# SPDX-License-Identifier: Apache-2.0
"""Files of annotated documents: opened, unpacked, decoded, and written whole."""

import contextlib
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from biobert_tf import files
from biobert_tf.annotate.document import AnnotatedDocument
from biobert_tf.corpora import streams
from biobert_tf.errors import InputError

BOM: Final = "\ufeff"


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Opens a file; it is unpacked if its name ends in `.gz`.

    Raises:
        InputError: It cannot be opened, or turns out in the block to be damaged.
    """
    with streams.open_file(path) as raw:
        try:
            with streams.telling_damage():
                yield streams.decompressed(raw, path.name)
        except streams.UnreadableError as error:
            raise InputError.at(path, None, str(error)) from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Gives a stream whose bytes become `path` if the block succeeds.

    They are packed if the name ends in `.gz`; the same bytes give the same file.

    Raises:
        InputError: The directory cannot be written.
    """
    with files.replacing(path) as temporary, temporary.open("wb") as raw:
        if not streams.is_compressed(path.name):
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yields the lines of a UTF-8 file with their ends, and their numbers from 1.

    Only `\n` ends a line: characters such as U+2028 and a lone `\r` are text.

    Raises:
        InputError: As `reading`, or a line that is not UTF-8.
    """
    with reading(path) as stream:
        for number, data in enumerate(stream, start=1):
            yield number, _decoded(path, number, data)


def whole(path: Path) -> str:
    """Returns the text of a UTF-8 file, every character as it is.

    Raises:
        InputError: As `lines`.
    """
    return "".join(line for _, line in lines(path))


def _decoded(path: Path, number: int, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError.at(
            path,
            number,
            f"byte 0x{data[error.start]:02x} is not UTF-8; convert the file to UTF-8",
        ) from None


def parsed_json(path: Path, line: int | None, text: str) -> Any:
    """Returns the value of a JSON text.

    Args:
        path: Named in errors.
        line: The line of the file that `text` is; None if it is the whole file.
        text: The JSON.

    Raises:
        InputError: Not JSON, nested too deeply, or half of a surrogate pair in it,
            which is no character.
    """
    try:
        value = json.loads(text.removeprefix(BOM))
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = line or error.lineno
        raise InputError.at(path, place, f"not JSON: {error.msg}") from None
    except UnicodeEncodeError:
        raise InputError.at(
            path,
            line,
            "holds half of a surrogate pair (\\ud...), which is no character",
        ) from None
    except (RecursionError, ValueError) as error:
        raise InputError.at(path, line, f"cannot be read as JSON: {error}") from None
    return value


def error_at(path: Path, line: int | None, problem: str) -> InputError:
    """Returns an `InputError` of one line, whatever `problem` quotes."""
    return InputError.at(path, line, problem.replace("\r", " ").replace("\n", " "))


def integer(value: Any, name: str) -> int:
    """Returns `value` if it is a whole number.

    Raises:
        InputError: It is not; the message has no place.
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
    """Returns the document if `AnnotatedDocument.problems` finds none.

    Args:
        document: The document.
        path: Its file.
        line: Where it begins.
        lines_of: Mention id to line, where the file has one for each.

    Raises:
        InputError: The first problem, with its line.
    """
    for mention, problem in document.problems():
        place = (lines_of or {}).get(mention, line)
        raise error_at(path, place, f"document {document.id}: {problem}")
    return document


def next_number(prefix: str, taken: Iterable[str]) -> int:
    """Returns the first number above all of those behind `prefix` in `taken`."""
    rests = (name.removeprefix(prefix) for name in taken if name.startswith(prefix))
    numbers = [int(rest) for rest in rests if rest.isascii() and rest.isdigit()]
    return max(numbers, default=0) + 1
