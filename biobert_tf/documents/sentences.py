# SPDX-License-Identifier: Apache-2.0
"""Cuts passages into sentences, as places in their document."""

import re
from collections.abc import Iterator
from typing import Final

from biobert_tf.documents.document import Passage
from biobert_tf.text import sentences

# A single line break may only wrap the text; an empty line ends a sentence.
_PARAGRAPH_END: Final = re.compile(r"(?:\r\n?+|[\n\x85\u2029])\s*?[\r\n\x85\u2029]\s*")


def spans(passage: Passage) -> Iterator[tuple[int, int]]:
    """Yields the half-open ranges of a passage's sentences, in document offsets.

    Every character except white space is in one sentence.
    """
    for start, end in _paragraphs(passage.text):
        shift = passage.offset + start
        for first, last in sentences.spans(passage.text[start:end]):
            yield shift + first, shift + last


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _PARAGRAPH_END.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)
