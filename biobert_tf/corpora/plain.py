# SPDX-License-Identifier: Apache-2.0
r"""Reads the original text format: a sentence per line, a blank line after a document.

Lines end in `\n` or `\r\n` and are UTF-8; a line of white space is blank. A line that
is not UTF-8, or longer than a megabyte, is skipped and reported. The end of a file
ends a document (in create_pretraining_data.py:187-200 it continues in the next file).
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from biobert_tf.common import files, streams
from biobert_tf.common.errors import InputError
from biobert_tf.corpora.document import Document, OnSkip, Skipped, normalize

_MOST_LINE_BYTES: Final = 1 << 20
_MOST_BYTES_WITHOUT_BLANK: Final = 1 << 26


def blocks(path: Path, block_bytes: int) -> list[tuple[int, int]]:
    """Cuts an uncompressed file into blocks that end where documents end.

    Args:
        path: The file.
        block_bytes: The target size; a block ends at the first blank line after it.

    Returns:
        `(start, end)` byte ranges that cover the file in order; none for an empty file.
    """
    size = path.stat().st_size
    borders = [0]
    with path.open("rb") as stream:
        while borders[-1] + block_bytes < size:
            stream.seek(borders[-1] + block_bytes)
            stream.readline()  # the rest of a line
            while (line := stream.readline(_MOST_LINE_BYTES)) and not _is_blank(line):
                pass
            borders.append(stream.tell())
    if borders[-1] < size:
        borders.append(size)
    return list(itertools.pairwise(borders))


def _is_blank(line: bytes) -> bool:
    return line.isspace() or not line.decode("utf-8", "replace").strip()


def documents(
    path: Path,
    start: int = 0,
    end: int | None = None,
    *,
    allow_single_document: bool = False,
    on_skip: OnSkip,
) -> Iterator[Document]:
    """Yields the documents of a text file, or of one of its `blocks`.

    Args:
        path: The file; it is decompressed if its name ends in `.gz`.
        start: The offset of the first byte; 0 for a compressed file.
        end: The offset after the last byte; None means the end of the file.
        allow_single_document: Whether to accept a file without blank lines.
        on_skip: Called with every line that is skipped.

    Raises:
        InputError: The file is missing, or has more than one line and no blank line.
    """
    with streams.open_file(path) as file:
        file.seek(start)
        lines = Lines(streams.decompressed(file, path.name), str(path), start, end)
        yield from read(lines, allow_single_document, on_skip)


@dataclasses.dataclass(frozen=True)
class Lines:
    """A stream of lines, and the part of a file that it is.

    Attributes:
        stream: The decompressed bytes, positioned at the first line.
        name: The name of the file, for identifiers and messages.
        start: The offset of the first byte in the file.
        end: The offset after the last byte; None means the end of the stream.
    """

    stream: BinaryIO
    name: str
    start: int = 0
    end: int | None = None

    def place(self, number: int, offset: int) -> str:
        """Returns a line's number, or its byte offset if the number is unknown."""
        return f"{number}" if self.start == 0 else f"byte {offset}"


def read(
    lines: Lines, allow_single_document: bool, on_skip: OnSkip
) -> Iterator[Document]:
    """Yields the documents of a stream of lines.

    Args:
        lines: The stream.
        allow_single_document: Whether to accept a text without blank lines.
        on_skip: Called with every line that is skipped.

    Raises:
        InputError: The text has more than one line and no blank line.
    """
    # Only the first block of a file can be the whole file.
    is_checked = allow_single_document or lines.start > 0
    id_, num_bytes = "", 0
    sentences: list[str] = []
    for place, text, size in _sentences(lines, on_skip):
        num_bytes += size
        if not is_checked and num_bytes > _MOST_BYTES_WITHOUT_BLANK:
            raise _single(lines.name, len(sentences))
        if text is not None:
            id_ = id_ if sentences else f"{lines.name}:{place}"
            sentences.append(text)
            continue
        is_checked = is_checked or bool(sentences)
        if sentences:
            yield Document(id_, tuple(sentences), is_split=True)
        sentences = []
    if not is_checked and len(sentences) > 1:
        raise _single(lines.name, len(sentences))
    if sentences:
        yield Document(id_, tuple(sentences), is_split=True)


def _single(name: str, num_lines: int) -> InputError:
    return InputError.at(
        name,
        None,
        f"{num_lines} lines and no blank line: a blank line must end each document, or "
        "next-sentence labels mean nothing; --allow_single_document reads the file as "
        "one document",
    )


def _sentences(lines: Lines, on_skip: OnSkip) -> Iterator[tuple[str, str | None, int]]:
    """Yields place, sentence (None if blank) and size of each line not skipped."""
    offset, number, place = lines.start, 0, "start"
    try:
        with streams.telling_damage():
            while lines.end is None or offset < lines.end:
                data, size = _line(lines.stream)
                if not size:
                    return
                number += 1
                place = lines.place(number, offset)
                offset += size
                text, problem = _decode(data)
                if problem:
                    on_skip(Skipped(lines.name, _position(place), problem))
                elif text or _is_blank(data):
                    yield place, text or None, size
    except streams.UnreadableError as error:
        position = f"after {_position(place)}"
        on_skip(Skipped(lines.name, position, str(error)))


def _position(place: str) -> str:
    return place if place.startswith("byte") else f"line {place}"


def _line(stream: BinaryIO) -> tuple[bytes, int]:
    """Returns a line and its length in bytes; of too long a line only the start."""
    data = stream.readline(_MOST_LINE_BYTES + 1)
    size, last = len(data), data
    while len(data) > _MOST_LINE_BYTES and last and not last.endswith(b"\n"):
        last = stream.readline(_MOST_LINE_BYTES)
        size += len(last)
    return data, size


def _decode(data: bytes) -> tuple[str, str]:
    """Returns a line as normalised text, and what is wrong with it."""
    if len(data) > _MOST_LINE_BYTES:
        return "", f"longer than {_MOST_LINE_BYTES} bytes: not a sentence"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return "", files.not_utf8(error)
    return normalize(text), ""
