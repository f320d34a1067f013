# SPDX-License-Identifier: Apache-2.0
"""Cuts documents out of the text of their file, and writes them back into it.

`json_pieces` and `xml_pieces` look for documents in a `Window`. The text around the
documents (the beginning and end of a collection, everything between two documents
except the separator) is kept in a `Frame`, and each document is written into its place.
If a document is skipped, its separator is skipped too.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents.document import Added, Annotated, Loaded


@dataclass
class Frame:
    """The text around the documents of a file; complete when the file has been read.

    `parts` are texts before documents, each with the number of the document that
    follows it, from 1; there is one before the first document.
    """

    separator: str  # the text between two documents if none of `parts` is there
    parts: list[tuple[int, str]] = field(default_factory=list)
    closing: str = ""  # the end to write if the file's own end could not be read
    tail: str | None = None  # the text after the last document, once it is read

    def put(self, number: int, before: str, closing: str) -> None:
        """Stores the text before a document of a number, from 1; "" if it was skipped.

        `closing` is the end to write if the file's own end cannot be read.
        """
        if self.parts and before.strip() == self.separator.strip():
            self.separator = before
        elif before or not self.parts:
            self.parts.append((number, before))
            self.closing = closing

    def text(self, filling: str = "") -> str:
        """Returns the file with `filling` in the place of its documents."""
        tail = self.closing if self.tail is None else self.tail
        return filling.join([*(text for _, text in self.parts), tail])


class Piece(NamedTuple):
    """The text of a document, which may be damaged."""

    number: int  # of the document, from 1
    text: str  # "" if it is skipped
    line: int  # where it begins, from 1
    error: InputError | None = None  # why it is skipped
    is_root: bool = False  # whether a JSON file is this document, or one for each line
    prefixes: str = ""  # the namespaces that an XML collection declares, as attributes


class Window:
    """The part of a file's text that is held in memory, after the last document."""

    def __init__(
        self, stream: Stream, decoder: codecs.IncrementalDecoder, frame: Frame
    ) -> None:
        """Starts before the first character; reads nothing yet."""
        self.frame = frame  # the text around the documents so far
        self.path = stream.path
        self.held = ""  # the text in the window
        self.line = 1  # the line of its first character
        self.is_all = False  # whether nothing follows the window
        self._chunks = stream.chunks()
        self._decoder = decoder
        self._failure: InputError | None = None

    def fill(self) -> None:
        """Doubles the window, so that the time for a long document stays linear.

        Raises:
            InputError: The rest of the file cannot be read, or is in another encoding.
        """
        is_start = not self.held and self.line == 1
        parts, size = [self.held], 0
        while size <= len(self.held) and not (self.is_all or self._failure):
            try:
                data = next(self._chunks, b"")
                self.is_all = not data
                parts.append(self._decoder.decode(data, final=self.is_all))
            except UnicodeDecodeError as error:
                problem = f"not {error.encoding}, the encoding it declares"
                self._failure = InputError.at(
                    self.path, None, f"{problem}; convert it to UTF-8"
                )
            except InputError as error:
                self._failure = error
            size = sum(map(len, parts[1:]))
        if self._failure and not size:
            raise self._failure
        self.held = "".join(parts)
        if is_start:
            self.held = self.held.removeprefix(BOM)

    def drop(self, end: int) -> str:
        """Removes the first `end` characters and returns them."""
        dropped, self.held = self.held[:end], self.held[end:]
        self.line += dropped.count("\n")
        return dropped

    def dropped(self, end: int) -> str:
        """Removes the first `end` characters, which must be UTF-8, and returns them."""
        line, before = self.line, self.drop(end)
        streams.require_utf8(self.path, line, before)
        return before

    def around(self, filling: str) -> str:
        """Returns the file with `filling` in place of the documents, at its end."""
        streams.require_utf8(self.path, self.line, self.held)
        return replace(self.frame, tail=self.held).text(filling)

    def line_at(self, position: int) -> int:
        """Returns the line of the character at `position`."""
        return self.line + self.held.count("\n", 0, position)

    def error(self, position: int, problem: str) -> InputError:
        """Returns an error at the line of the character at `position`."""
        return InputError.at(self.path, self.line_at(position), problem)


@dataclass(frozen=True)
class Source:
    """A document's place in its file, and its text.

    `ids` has the id of every annotation, in order: its own if it has one alone.
    `skipped` has the ids of annotations that are written without their location.
    `related` has the ids of annotations that each relation names, in order; a relation
    that names one of `skipped` is not written.
    """

    frame: Frame  # the same object for all documents of a file
    number: int  # in the file, from 1
    text: str  # as in the file
    values: Any  # the parsed text: a JSON object or an lxml element
    ids: Sequence[str] = ()
    skipped: frozenset[str] = frozenset()
    related: Sequence[frozenset[str]] = ()

    @property
    def is_related_to_skipped(self) -> list[bool]:
        """Whether each relation names an annotation of `skipped`."""
        return [not self.skipped.isdisjoint(names) for names in self.related]


def texts(
    documents: Iterable[Annotated],
    text_of: Callable[[Loaded, Added], str],
    empty: Frame,
) -> Iterator[str]:
    """Yields the documents of one file, in order, put back into their frame.

    Some may be missing. `text_of` returns the text of a document that is changed;
    `empty` is the frame to write if there is no document.
    """
    frame, num_parts = None, 0
    for loaded, added in documents:
        source: Source = loaded.source
        frame = frame or source.frame
        assert source.frame is frame, "documents of two files"
        due = [text for n, text in frame.parts[num_parts:] if n <= source.number]
        num_parts += len(due)
        yield "".join(due) if due else frame.separator
        is_changed = added or source.skipped
        yield text_of(loaded, added) if is_changed else source.text
    frame = frame or empty
    yield replace(frame, parts=frame.parts[num_parts:]).text()
