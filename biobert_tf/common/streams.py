# SPDX-License-Identifier: Apache-2.0
"""Bytes of files: opened, decompressed, decoded, and their damage told in words."""

import contextlib
import gzip
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

_READ_BYTES: Final = 1 << 16
BOM: Final = "\ufeff"
STANDARD: Final = Path("-")
"""Standard input where something is read, standard output where it is written."""
STANDARD_INPUT: Final = Path("stdin")
"""What messages call it."""

_HEAD_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
# What `surrogateescape` makes of a byte that is not UTF-8; UTF-8 itself has none.
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")


class UnreadableError(Exception):
    """Nothing more can be read from here on; the message says why."""


def open_file(path: Path) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        InputError: It is missing, a folder, or may not be read.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputError.at(path, None, "no such file") from None
    except OSError as error:
        raise InputError.at(path, None, f"cannot be read: {error.strerror}") from None


def is_compressed(name: str) -> bool:
    """Returns whether a file of this name holds gzip."""
    return name.lower().endswith((".gz", ".tgz"))


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """Returns `stream`, unpacked on the fly if `name` says that it is compressed."""
    if not is_compressed(name):
        return stream
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream))


@contextlib.contextmanager
def telling_damage() -> Iterator[None]:
    """Turns the errors of reading and decompressing into `UnreadableError`."""
    try:
        yield
    except EOFError:
        raise UnreadableError("compressed data is truncated") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableError(f"compressed data is damaged: {error}") from None
    except (tarfile.TarError, OSError) as error:
        raise UnreadableError(f"cannot be read: {error}") from None


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yields the bytes of a stream, down to the last good ones.

    Raises:
        UnreadableError: The rest cannot be read.
    """
    # read1 hands out what there is; read would lose that to the error behind it.
    read = getattr(stream, "read1", stream.read)
    with telling_damage():
        while chunk := read(_READ_BYTES):
            yield chunk


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
        self._chunks = chunks(stream)
        self._failure: UnreadableError | None = None
        self.head = b""
        while len(self.head) < _HEAD_BYTES and (chunk := self._next()):
            self.head += chunk
        self._rest = self.head

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except UnreadableError as error:
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
        except UnreadableError as error:
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
    with open_file(path) as file:
        yield Stream(path, decompressed(file, path.name), name)


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
        if not is_compressed(path.name):
            yield raw
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


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
