# SPDX-License-Identifier: Apache-2.0
r"""Reads plain text: a file is one document, or each of its lines is one.

The text is every character of the file, `\r\n` as two; only a byte order mark at its
start is removed. A line is read without its end (`\n` or `\r\n`), and a line of white
space is not a document.
"""

from collections.abc import Iterator

from biobert_tf.common import streams
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import fields
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Passage


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields a file as one document, named like the file.

    Raises:
        InputError: Raised by `on_bad`: the file is not UTF-8, or damaged.
    """

    def load(whole: Stream) -> Loaded:
        return _loaded(whole.name, whole.text().removeprefix(BOM))

    return fields.readable([stream], load, on_bad)


def read_lines(
    stream: Stream, on_bad: fields.OnBad = streams.refuse
) -> Iterator[Loaded]:
    """Yields every line as a document, named `FILE-LINE`.

    Raises:
        InputError: Raised by `on_bad`: a line is not UTF-8, or the file is damaged.
    """
    lines = (
        (number, line.removeprefix(BOM) if number == 1 else line)
        for number, line in stream.lines()
        if line.removeprefix(BOM).strip()
    )

    def load(unit: tuple[int, str]) -> Loaded:
        number, line = unit
        streams.require_utf8(stream.path, number, line)
        text = line.removesuffix("\n").removesuffix("\r")
        return _loaded(f"{stream.name}-{number}", text)

    return fields.readable(lines, load, on_bad)


def _loaded(name: str, text: str) -> Loaded:
    return Loaded(AnnotatedDocument(name, (Passage(0, text),), (), ()))
