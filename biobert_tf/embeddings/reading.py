# SPDX-License-Identifier: Apache-2.0
"""Reads a file's lines as texts, or pairs of texts, with their places in the line."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM

# PARITY(extract_features.py:331): of several separators the last one counts.
_SEPARATOR: Final = " ||| "
_PAIR: Final = re.compile(f"(.*){re.escape(_SEPARATOR)}(.*)")


class Part(NamedTuple):
    """One of the texts of a line, and the character of the line where it begins."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class Text:
    """A text, which has no `second`, or a pair of texts."""

    first: Part
    second: Part | None = None

    @classmethod
    def of(cls, first: str, second: str | None = None) -> "Text":
        """Returns a text, or a pair, with the places that `parse` would give it."""
        if second is None:
            return cls(Part(first, 0))
        return cls(Part(first, 0), Part(second, len(first) + len(_SEPARATOR)))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The text, or both texts of the pair."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def num_bytes(self) -> int:
        """The bytes of its line with the end, but for white space around the text."""
        line = _SEPARATOR.join(part.text for part in self.parts)
        return len(line.encode()) + 1


def parse(line: str) -> Text:
    """Returns the text of a line, or the pair of `FIRST ||| SECOND`.

    White space around the line is dropped, as in the original.
    """
    stripped = line.strip()
    start = line.index(stripped)
    match = _PAIR.fullmatch(stripped)
    if match is None:
        return Text(Part(stripped, start))
    first, second = (Part(match[i], start + match.start(i)) for i in (1, 2))
    return Text(first, second)


def read_texts(path: Path) -> Iterator[Text]:
    r"""Yields the text of every line, also of a blank line.

    A file whose name ends in `.gz` is unpacked. Only `\n` ends a line.

    Raises:
        InputError: The file cannot be read, is empty, or has a line that is not UTF-8.
    """
    number = 0
    with streams.reading(path) as stream:
        for number, line in stream.lines():
            streams.require_utf8(path, number, line)
            text = line.removesuffix("\n")
            if number == 1:
                text = text.removeprefix(BOM)
            # PARITY(extract_features.py:323-325): TensorFlow's reader of lines drops
            # this character wherever it stands.
            yield parse(text.replace("\r", ""))
    if not number:
        raise InputError.at(path, None, "is empty; want one text per line")
