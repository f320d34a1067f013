# SPDX-License-Identifier: Apache-2.0
"""Cuts raw text into sentences and words, with their offsets in the text."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

from biobert_tf.documents.document import Passage
from biobert_tf.text import sentences, words

# A single line break may only wrap the text; an empty line ends a sentence.
_PARAGRAPH_END: Final = re.compile(r"(?:\r\n?+|[\n\x85\u2029])\s*?[\r\n\x85\u2029]\s*")


@dataclasses.dataclass(frozen=True)
class RawSentence:
    """A sentence of raw text.

    Attributes:
        words: The words of the sentence; see `text.words`.
        offsets: The half-open character range of every word.
    """

    words: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]


def cut(passage: Passage) -> Iterator[RawSentence]:
    """Yields the sentences of a passage that have a word.

    Every character except white space is in one word of one sentence. Offsets count
    from the start of the passage's document.
    """
    for start, end in _paragraphs(passage.text):
        paragraph = passage.text[start:end]
        begin = passage.offset + start
        for first, last in sentences.spans(paragraph):
            places = words.spans(paragraph[first:last])
            if places:
                shift = begin + first
                yield RawSentence(
                    tuple(paragraph[first + a : first + b] for a, b in places),
                    tuple((shift + a, shift + b) for a, b in places),
                )


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _PARAGRAPH_END.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)
