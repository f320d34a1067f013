# SPDX-License-Identifier: Apache-2.0
"""Files of annotated documents: opened, unpacked, decoded, and written whole."""

import contextlib
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

from biobert_tf import files
from biobert_tf.annotate.document import AnnotatedDocument, Loaded
from biobert_tf.corpora import streams
from biobert_tf.errors import InputError

BOM: Final = "\ufeff"
STANDARD: Final = Path("-")
"""Standard input where something is read, standard output where it is written."""
STANDARD_INPUT: Final = Path("stdin")
"""What messages call it."""

OnBad = Callable[[InputError], None]
"""Called with what is wrong with a document that is left out: file, line, reason."""

Unit = TypeVar("Unit")

_HEAD_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
# What `surrogateescape` makes of a byte that is not UTF-8; UTF-8 itself has none.
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")


def refuse(error: InputError) -> None:
    """Raises an error: the `OnBad` of those who want every document or none.

    Raises:
        InputError: The error.
    """
    raise error


class Stream:
    """Bytes to be read once, of which the first can be looked at before.

    An error in the first of them is told when they are read.

    Attributes:
        path: What messages call it.
        name: Of the documents in it that have no other.
        head: The first bytes; all there are, if they are less than 64 KiB.
    """

    def __init__(self, path: Path, stream: BinaryIO, name: str = "") -> None:
        """Reads the head.

        Args:
            path: What messages call it.
            stream: The bytes, unpacked.
            name: Of documents that have no other; by default that of the file.
        """
        self.path = path
        self.name = name or bare_name(path.name)
        self._chunks = streams.chunks(stream)
        self._failure: streams.UnreadableError | None = None
        self.head = b""
        while len(self.head) < _HEAD_BYTES and (chunk := self._next()):
            self.head += chunk
        self._rest = self.head

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except streams.UnreadableError as error:
            # What came before it is read first.
            self._failure = error
            return b""

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes, at most `size` if it is given; b"" behind the last.

        Raises:
            UnreadableError: The rest cannot be read.
        """
        chunk = self._rest or self._next()
        if not chunk and self._failure is not None:
            raise self._failure
        end = len(chunk) if size < 0 else size
        self._rest = chunk[end:]
        return chunk[:end]

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes, down to the last good ones.

        Raises:
            InputError: The rest cannot be read.
        """
        try:
            while chunk := self.read():
                yield chunk
        except streams.UnreadableError as error:
            raise InputError.at(self.path, None, str(error)) from None

    def lines(self) -> Iterator[tuple[int, str]]:
        r"""Yields the lines with their ends, and their numbers from 1.

        Only `\n` ends a line: characters such as U+2028 and a lone `\r` are text. A
        byte that is not UTF-8 becomes half of a surrogate pair: see `require_utf8`.

        Raises:
            InputError: The rest cannot be read. A line that it cuts is not given.
        """
        number = 1
        begun: list[bytes] = []
        for chunk in self.chunks():
            end = chunk.rfind(b"\n")
            if end >= 0:
                data = b"".join([*begun, chunk[:end]])
                begun = []
                for line in data.decode("utf-8", "surrogateescape").split("\n"):
                    yield number, f"{line}\n"
                    number += 1
            begun.append(chunk[end + 1 :])
        if data := b"".join(begun):
            yield number, data.decode("utf-8", "surrogateescape")

    def text(self) -> str:
        """Returns all of it, every character as it is.

        Raises:
            InputError: It cannot be read, or is not UTF-8; names the line.
        """
        data = b"".join(self.chunks())
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise _not_utf8(self.path, line, data[error.start]) from None


def bare_name(name: str) -> str:
    """Returns the name of a file without `.gz` and the suffix before it."""
    unpacked = name[:-3] if name.lower().endswith(".gz") else name
    return Path(unpacked).stem


@contextlib.contextmanager
def reading(path: Path, name: str = "") -> Iterator[Stream]:
    """Opens a file; it is unpacked if its name ends in `.gz`.

    Args:
        path: The file. `-` is standard input, unpacked if it begins like gzip.
        name: Of documents that have no other; by default that of the file.

    Raises:
        InputError: It cannot be opened.
    """
    if path == STANDARD:
        # Python cannot end while a thread waits in the buffered one.
        raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        stream = Stream(STANDARD_INPUT, raw, name)
        if stream.head.startswith(_GZIP):
            packed = gzip.GzipFile(fileobj=cast(BinaryIO, stream))
            stream = Stream(STANDARD_INPUT, cast(BinaryIO, packed), name)
        yield stream
        return
    with streams.open_file(path) as file:
        yield Stream(path, streams.decompressed(file, path.name), name)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Gives a stream whose bytes become `path` if the block succeeds.

    They are packed if the name ends in `.gz`; the same bytes give the same file.

    Args:
        path: The file. `-` is standard output, which has no way back.

    Raises:
        InputError: The directory cannot be written.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with files.replacing(path) as temporary, temporary.open("wb") as raw:
        if not streams.is_compressed(path.name):
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def readable(
    units: Iterable[Unit], read: Callable[[Unit], Loaded], on_bad: OnBad
) -> Iterator[Loaded]:
    """Yields the documents that can be read.

    Args:
        units: What a file holds of each document. An error between two of them ends
            the file.
        read: Makes a document of its unit; raises `InputError`.
        on_bad: Told of every such error.
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


def require_utf8(path: Path, number: int, text: str) -> None:
    """Checks that text was UTF-8, decoded with `surrogateescape`.

    Args:
        path: Named in the error.
        number: The line where the text begins.
        text: One line or several.

    Raises:
        InputError: It was not; names the line and the byte.
    """
    if not text.isascii() and (bad := _NOT_UTF8.search(text)):
        line = number + text.count("\n", 0, bad.start())
        raise _not_utf8(path, line, ord(bad[0]) - 0xDC00)


def _not_utf8(path: Path, number: int, byte: int) -> InputError:
    return InputError.at(
        path, number, f"byte 0x{byte:02x} is not UTF-8; convert the file to UTF-8"
    )


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
