# SPDX-License-Identifier: Apache-2.0
"""Bytes of corpus files: opened, decompressed, and their damage told in words."""

import contextlib
import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from biobert_tf.errors import InputError

_READ_BYTES: Final = 1 << 16


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
