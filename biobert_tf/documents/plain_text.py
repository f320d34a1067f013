# SPDX-License-Identifier: Apache-2.0
r"""Plain text: a file is a document, or each of its lines is one.

The text is what the file holds, every character, `\r\n` as two; only a byte order mark
at its start is none of it. A line is without its end (`\n` or `\r\n`), and a line of
white space is no document.
"""

from collections.abc import Iterator

from biobert_tf.common import streams
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import fields
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Passage


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields a file as one document, named like the file.

    Args:
        stream: The file.
        on_bad: Told if it cannot be read.

    Raises:
        InputError: From `on_bad`: it is not UTF-8, or damaged.
    """

    def load(whole: Stream) -> Loaded:
        return _loaded(whole.name, whole.text().removeprefix(BOM))

    return fields.readable([stream], load, on_bad)


def read_lines(
    stream: Stream, on_bad: fields.OnBad = streams.refuse
) -> Iterator[Loaded]:
    """Yields every line as a document, named `FILE-LINE`.

    Args:
        stream: The file.
        on_bad: Told of every line that cannot be read.

    Raises:
        InputError: From `on_bad`: a line is not UTF-8; the file is damaged.
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
