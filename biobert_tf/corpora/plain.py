# SPDX-License-Identifier: Apache-2.0
r"""Reads the original text format: a sentence per line, a blank line after a document.

Lines end in `\n` or `\r\n` and are UTF-8; a line of white space is blank. A line that
is not UTF-8, or longer than a megabyte, is skipped and reported. The end of a file
ends a document (in create_pretraining_data.py:187-200 it continues in the next file).
"""

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

    A block ends at the first blank line after `block_bytes`. Returns the `(start, end)`
    byte ranges that cover the file in order; none for an empty file.
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


def read(
    stream: BinaryIO,
    name: str,
    block: tuple[int, int] | None,
    allow_single_document: bool,
    on_skip: OnSkip,
) -> Iterator[Document]:
    """Yields the documents of a decompressed text, or of one of its `blocks`.

    The file's name stands in identifiers and messages.

    Raises:
        InputError: The text has more than one line and no blank line, unless that is
            allowed.
    """
    # Only the first block of a file can be the whole file.
    is_checked = allow_single_document or (block is not None and block[0] > 0)
    id_, num_bytes = "", 0
    sentences: list[str] = []
    for place, text, size in _sentences(stream, name, block, on_skip):
        num_bytes += size
        if not is_checked and num_bytes > _MOST_BYTES_WITHOUT_BLANK:
            raise _single(name, len(sentences))
        if text is not None:
            id_ = id_ if sentences else f"{name}:{place.removeprefix('line ')}"
            sentences.append(text)
            continue
        is_checked = is_checked or bool(sentences)
        if sentences:
            yield Document(id_, tuple(sentences), is_split=True)
        sentences = []
    if not is_checked and len(sentences) > 1:
        raise _single(name, len(sentences))
    if sentences:
        yield Document(id_, tuple(sentences), is_split=True)


def _single(name: str, num_lines: int) -> InputError:
    problem = (
        f"{num_lines} lines and no blank line: a blank line must end each document, or "
        "next-sentence labels mean nothing; --allow_single_document reads the file as "
        "one document"
    )
    return InputError.at(name, None, problem)


def _sentences(
    stream: BinaryIO, name: str, block: tuple[int, int] | None, on_skip: OnSkip
) -> Iterator[tuple[str, str | None, int]]:
    """Yields place, sentence (None if blank) and size of each line not skipped."""
    offset, end = block or (0, None)
    if offset:
        stream.seek(offset)
    is_numbered = not offset
    place = "the start"
    try:
        with streams.telling_damage():
            for number in itertools.count(1):
                if end is not None and offset >= end:
                    return
                data, size = _line(stream)
                if not size:
                    return
                place = f"line {number}" if is_numbered else f"byte {offset}"
                offset += size
                text, problem = _decode(data)
                if problem:
                    on_skip(Skipped(name, place, problem))
                elif text or _is_blank(data):
                    yield place, text or None, size
    except streams.UnreadableError as error:
        on_skip(Skipped(name, f"after {place}", str(error)))


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
