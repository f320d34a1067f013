# SPDX-License-Identifier: Apache-2.0
"""What every corpus reader yields: documents, and records it had to leave out."""

import dataclasses
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple

from biobert_tf.text.sentences import spans

# Invisible, without width, and dropped by BERT's tokenizer in any case: soft hyphen,
# zero-width space, word joiner, byte order mark. The joiners U+200C and U+200D stay:
# they change how a word of some scripts reads.
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One abstract, one article, or one document of a text file.

    Attributes:
        id: Where it comes from: "PMID:123", "PMCID:PMC123", "DOI:10.1/x"; without an
            identifier "FILE:record 17"; in text files "FILE:LINE" (first line, from
            1), or "FILE:byte N" in a part of a file that does not begin it.
        paragraphs: In reading order; NFC, single spaces, none empty.
        is_split: Paragraphs are sentences already (text files).
    """

    id: str
    paragraphs: tuple[str, ...]
    is_split: bool = False


class Skipped(NamedTuple):
    """A record that could not be used.

    Attributes:
        path: The file, as its reader was told.
        position: "record 17 (PMID 123), line 4711", "member a/b.nxml, line 3",
            "line 3".
        reason: Why, without a final full stop.
        is_damage: False where nothing is wrong with the file: a citation without
            text. Damage is what `strict` stops at.
    """

    path: str
    position: str
    reason: str
    is_damage: bool = True


OnSkip = Callable[[Skipped], None]


def normalize(text: str) -> str:
    """Returns `text` as NFC with single spaces and without invisible characters.

    NFC, not NFKC: a superscript two, a ligature or a full-width letter is what its
    author wrote. Every kind of white space, line and paragraph separators included,
    counts as a space.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    return " ".join(text.split())


def sentences(document: Document) -> list[str]:
    """Returns the sentences of a document in reading order.

    The paragraphs of a document that is split already are its sentences.
    """
    if document.is_split:
        return list(document.paragraphs)
    return [
        paragraph[start:end]
        for paragraph in document.paragraphs
        for start, end in spans(paragraph)
    ]
