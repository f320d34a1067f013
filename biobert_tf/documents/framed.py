# SPDX-License-Identifier: Apache-2.0
"""Files whose documents stand inside something else: written back with all of it.

What stands around the documents (the beginning of a collection, its end, all that is
between two of its documents but the separator) is kept as text, and each document is
written into its place. A document that is left out takes its separator with it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from biobert_tf.common import streams
from biobert_tf.documents.document import Added, Annotated


@dataclass
class Frame:
    """What a file holds besides documents; complete when all of it is read.

    Attributes:
        separator: Stands between two documents where no part does.
        parts: Text before documents, each with the number of the document that
            follows it, from 1. There is one before the first document.
        closing: Ends the file where its own end was not read.
        tail: Text behind the last document; None before it is read.
    """

    separator: str
    parts: list[tuple[int, str]] = field(default_factory=list)
    closing: str = ""
    tail: str | None = None

    def text(self, filling: str = "") -> str:
        """Returns the file without its documents.

        Args:
            filling: Stands for all documents between one part and the next.
        """
        parts = [text for _, text in self.parts]
        tail = self.closing if self.tail is None else self.tail
        return filling.join([*parts, tail]) if parts else tail


class Source(Protocol):
    """A document's place in its file, as the reader of a format keeps it."""

    @property
    def frame(self) -> Frame:
        """What stands around the documents; one object for all of a file."""

    @property
    def number(self) -> int:
        """Of the document in its file, from 1."""


def write(
    path: Path,
    documents: Iterable[Annotated],
    text_of: Callable[[Any, Added], str],
    empty: Frame,
) -> int:
    """Writes the documents of one file back into their frame.

    Args:
        path: The file; packed if its name ends in `.gz`.
        documents: In their order, from one reader; some may be missing.
        text_of: Gives the text of a document from its `Source` and what is added.
        empty: The frame to write if there is no document.

    Returns:
        The number of documents.

    Raises:
        InputError: The directory cannot be written.
    """
    frame, num_documents, num_parts = empty, 0, 0
    with streams.writing(path) as stream:
        for loaded, added in documents:
            source: Source = loaded.source
            if not num_documents:
                frame = source.frame
            assert source.frame is frame, "documents of two files"
            due = [text for n, text in frame.parts[num_parts:] if n <= source.number]
            num_parts += len(due)
            before = "".join(due) if due else frame.separator
            stream.write((before + text_of(source, added)).encode("utf-8"))
            num_documents += 1
        rest = Frame("", frame.parts[num_parts:], frame.closing, frame.tail)
        stream.write(rest.text().encode("utf-8"))
    return num_documents
