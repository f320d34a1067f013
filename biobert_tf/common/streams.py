# SPDX-License-Identifier: Apache-2.0
"""Reads and writes byte streams: files, gzip, standard input and output."""

import contextlib
import gzip
import io
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

_READ_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
BOM: Final = "\ufeff"
STANDARD: Final = Path("-")
"""The path `-`: standard input for reading, standard output for writing."""
STANDARD_INPUT: Final = Path("stdin")
"""The name of standard input in messages."""


class UnreadableError(Exception):
    """The rest of a stream cannot be read; the message says why."""


def open_file(path: Path) -> BinaryIO:
    """Opens a file for reading; InputError if it is missing, a folder or forbidden."""
    with files.explained_reading(path):
        return path.open("rb")


def is_compressed(name: str) -> bool:
    """Returns whether the name of a file says that it is compressed with gzip."""
    return name.lower().endswith((".gz", ".tgz"))


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """Returns `stream`, decompressed if `name` says that it is compressed."""
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
    """Yields the bytes up to the end or the first damage, an `UnreadableError`."""
    # read1 returns the bytes before an error; read would raise and lose them.
    read = getattr(stream, "read1", stream.read)
    with telling_damage():
        while chunk := read(_READ_BYTES):
            yield chunk


def refuse(error: InputError) -> None:
    """Raises an error: the `OnBad` of callers that want every document or none."""
    raise error


class Stream(io.BufferedIOBase):
    """Bytes that are read once; the first of them can be inspected beforehand.

    An error in the first bytes is raised when they are read.

    Attributes:
        path: The stream's name in messages.
        name: The name of documents in it that have no other; by default the file's.
        head: At least the first 64 KiB; all bytes if there are fewer.
    """

    def __init__(self, path: Path, stream: BinaryIO, name: str = "") -> None:
        """Reads the head of decompressed bytes."""
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
            # The bytes before the error are read first.
            self._failure = error
            return b""

    def readable(self) -> bool:
        """Returns True."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Returns the next bytes, at most `size` if it is given; b"" at the end.

        Raises:
            UnreadableError: The rest cannot be read.
        """
        chunk = self._rest or self._next()
        if not chunk and self._failure is not None:
            raise self._failure
        end = len(chunk) if size is None or size < 0 else size
        self._rest = chunk[end:]
        return chunk[:end]

    read1 = read

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes up to the end or the first damage, an InputError."""
        with self._naming_damage():
            yield from iter(self.read1, b"")

    @contextlib.contextmanager
    def _naming_damage(self) -> Iterator[None]:
        try:
            yield
        except UnreadableError as error:
            raise InputError.at(self.path, None, str(error)) from None

    def lines(self, old_ends: bool = False) -> Iterator[tuple[int, str]]:
        r"""Yields the 1-based number of each line and the line with its line end.

        Only `\n` ends a line: characters such as U+2028 and a lone `\r` are text. A
        byte that is not UTF-8 becomes half of a surrogate pair: see `require_utf8`.

        Args:
            old_ends: Whether `\r` ends the lines of a file without `\n` in its head.

        Raises:
            InputError: The rest cannot be read. An incomplete last line is not yielded.
        """
        is_old = old_ends and b"\r" in self.head and b"\n" not in self.head
        end = "\r" if is_old else "\n"
        text = io.TextIOWrapper(self, "utf-8", "surrogateescape", newline=end)
        with self._naming_damage():
            yield from enumerate(text, 1)

    def text(self) -> str:
        """Returns the whole text, every character unchanged.

        Raises:
            InputError: The stream cannot be read, or a line that is named is not UTF-8.
        """
        return files.decode(b"".join(self.chunks()), self.path)


def bare_name(name: str) -> str:
    """Returns a file's name without its suffix, also without `.gz` after that."""
    unpacked = name[:-3] if name.lower().endswith(".gz") else name
    return Path(unpacked).stem


def is_pipe(path: Path) -> bool:
    """Returns whether a file can be read only once."""
    return path == STANDARD or path.is_fifo()


def require_no_pipe(path: Path) -> None:
    """Raises `InputError` if a file that is to be read twice is a pipe."""
    if is_pipe(path):
        raise InputError.at(path, None, "a pipe; want a file, to read it twice")


@contextlib.contextmanager
def reading(path: Path, name: str = "") -> Iterator[Stream]:
    """Opens a file; it is decompressed if its name ends in `.gz`.

    The path `-` is standard input, decompressed if it begins like gzip. For `name` see
    `Stream`.

    Raises:
        InputError: The file cannot be opened.
    """
    if path == STANDARD:
        # Python cannot exit while a thread waits in the buffered reader.
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
    """Yields a stream; what is written to it becomes `path` if the block succeeds.

    The file is compressed if its name ends in `.gz`; the same bytes give the same file.
    The path `-` is standard output, where writing cannot be undone.

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
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


@contextlib.contextmanager
def telling_kept(output: Path) -> Iterator[None]:
    """Lets a `KeyboardInterrupt` say what has become of an output of `writing`.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the message is for the user.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        kept = "what went to standard output is not complete"
        if output != STANDARD:
            state = "is as before" if output.exists() else "is not written"
            kept = f"{output} {state}"
        error.args = (f"{kept}; the same command starts over",)
        raise


def require_utf8(path: Path, number: int, text: str) -> None:
    """Checks that text decoded with `surrogateescape` was UTF-8.

    The text, one line or several, begins at the line of this 1-based number.

    Raises:
        InputError: The text was not UTF-8; the message names the line and the byte.
    """
    if not text.isascii():
        files.decode(text.encode("utf-8", "surrogateescape"), path, number)
