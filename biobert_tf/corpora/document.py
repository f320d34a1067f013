# SPDX-License-Identifier: Apache-2.0
"""Defines what every corpus reader yields: documents and skipped records."""

import dataclasses
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from biobert_tf.common.errors import one_line
from biobert_tf.text.sentences import spans

# Characters without width, which BERT's tokenizer drops too: soft hyphen, zero-width
# space, word joiner, byte order mark. The joiners U+200C and U+200D are kept: they
# change how a word of some scripts reads.
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One abstract, one article, or one document of a text file.

    Attributes:
        id: The document's identifier: "PMID:123", "PMCID:PMC123", "DOI:10.1/x"; if it
            has none, "FILE:record 17"; in text files "FILE:LINE" (its first line, from
            1), or "FILE:byte N" in a block that is not the file's first.
        paragraphs: The paragraphs in reading order; NFC, single spaces, none empty.
        is_split: Whether each paragraph is one sentence (text files).
    """

    id: str
    paragraphs: tuple[str, ...]
    is_split: bool = False


class Skipped(NamedTuple):
    """A record that could not be used.

    Attributes:
        path: The file's name as it was given to the reader.
        position: The place: "record 17 (PMID:123), line 47", "member b.nxml, line 3".
        reason: The reason, without a final full stop.
        is_damage: Whether the file is damaged, where `strict` stops; False for a
            citation without text.
    """

    path: str
    position: str
    reason: str
    is_damage: bool = True

    def __str__(self) -> str:
        """Returns path, position and reason in one line, for a message."""
        return one_line(f"{self.path}: {self.position}: {self.reason}")


OnSkip = Callable[[Skipped], None]


def normalize(text: str) -> str:
    """Returns `text` as NFC with single spaces and without invisible characters.

    NFC, not NFKC, because NFKC would change what an author wrote: a superscript two, a
    ligature, a full-width letter. Every kind of white space, line and paragraph
    separators included, becomes a space.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    return " ".join(text.split())


def sentences(document: Document) -> list[str]:
    """Returns the sentences of a document in reading order."""
    if document.is_split:
        return list(document.paragraphs)
    return [
        paragraph[start:end]
        for paragraph in document.paragraphs
        for start, end in spans(paragraph)
    ]
