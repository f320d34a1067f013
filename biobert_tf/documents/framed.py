# SPDX-License-Identifier: Apache-2.0
"""Writes documents back into the text that surrounds them in their file.

The text around the documents (the beginning and end of a collection, everything between
two documents except the separator) is kept, and each document is written into its
place. If a document is skipped, its separator is skipped too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from biobert_tf.documents.document import Added, Annotated


@dataclass
class Frame:
    """The text around the documents of a file; complete when the file has been read.

    Attributes:
        separator: The text between two documents if none of `parts` is there.
        parts: Texts before documents, each with the number of the document that
            follows it, from 1. There is one before the first document.
        closing: The end to write if the file's own end could not be read.
        tail: The text after the last document; None until it is read.
    """

    separator: str
    parts: list[tuple[int, str]] = field(default_factory=list)
    closing: str = ""
    tail: str | None = None

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


@dataclass(frozen=True)
class Source:
    """A document's place in its file.

    Attributes:
        frame: The text around the documents; the same object for all of a file.
        number: The document's number in its file, from 1.
        text: The document's text, as in the file.
        values: The parsed text: a JSON object or an lxml element.
        taken: The ids of its annotations and relations.
        ids: The id of every annotation, in order; its own if it has one alone.
        skipped: The ids of annotations that are written without their location.
    """

    frame: Frame
    number: int
    text: str
    values: Any
    taken: frozenset[str] = frozenset()
    ids: Sequence[str] = ()
    skipped: frozenset[str] = frozenset()


def texts(
    documents: Iterable[Annotated],
    text_of: Callable[[Source, Added], str],
    empty: Frame,
) -> Iterator[str]:
    """Yields the documents of one file, put back into their frame.

    Args:
        documents: The documents of one reader, in order; some may be missing.
        text_of: Returns the text of a document, given its `Source` and additions.
        empty: The frame to write if there is no document.
    """
    frame, num_parts = None, 0
    for loaded, added in documents:
        source: Source = loaded.source
        frame = frame or source.frame
        assert source.frame is frame, "documents of two files"
        due = [text for n, text in frame.parts[num_parts:] if n <= source.number]
        num_parts += len(due)
        yield "".join(due) if due else frame.separator
        yield text_of(source, added)
    frame = frame or empty
    yield replace(frame, parts=frame.parts[num_parts:]).text()
