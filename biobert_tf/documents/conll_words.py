# SPDX-License-Identifier: Apache-2.0
"""Cuts text into sentences and words so that mentions consist of whole words.

A word is a run of letters, digits and marks, or any other single character except white
space. Words are also cut where a mention begins or ends. A sentence ends where
`text.sentences` ends one or at a blank line, but never inside a mention.
"""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from biobert_tf.documents.document import Mention
from biobert_tf.text import sentences as splitter

Span = tuple[int, int]

_WORD: Final = re.compile(r"\w+|[^\w\s]")
_BLANK_LINE: Final = re.compile(r"\n[^\S\n]*\n")


def disjoint(mentions: Sequence[Mention]) -> list[Mention]:
    """Drops overlapping mentions; returns the others in the order of the text.

    The longest mention is kept, of equally long ones the most probable, then the first.
    """
    ranked = sorted(
        mentions,
        key=lambda one: (one.extent[0] - one.extent[1], -(one.probability or 0.0)),
    )
    kept: list[Mention] = []
    for mention in ranked:
        start, end = mention.extent
        position = bisect.bisect(kept, start, key=lambda one: one.extent[0])
        near = [one.extent for one in kept[max(0, position - 1) : position + 1]]
        if not any(start < its_end and its_start < end for its_start, its_end in near):
            kept.insert(position, mention)
    return kept


def sentences(text: str, mentions: Sequence[Mention]) -> Iterator[list[Span]]:
    """Yields the spans of the words of each sentence; skips sentences without words.

    The mentions are disjoint and in order, with offsets in the text.
    """
    extents = [mention.extent for mention in mentions]
    cuts = sorted({place for extent in extents for place in extent})
    for start, end in _whole_sentences(text, extents):
        words = list(_words(text, start, end, cuts))
        if words:
            yield words


def _whole_sentences(text: str, extents: Sequence[Span]) -> Iterator[Span]:
    """Yields the ranges of the sentences, which cover the text and cut no mention."""
    begin = 0
    for start in _proposed(text):
        position = bisect.bisect_left(extents, (start,)) - 1
        is_inside = position >= 0 and extents[position][1] > start
        if begin < start and not is_inside:
            yield begin, start
            begin = start
    yield begin, len(text)


def _proposed(text: str) -> Iterator[int]:
    """Yields the offsets where sentences may begin."""
    borders = [place for match in _BLANK_LINE.finditer(text) for place in match.span()]
    for begin, end in zip([0, *borders[1::2]], [*borders[::2], len(text)], strict=True):
        for start, _ in splitter.spans(text[begin:end]):
            yield begin + start


def _words(text: str, start: int, end: int, cuts: Sequence[int]) -> Iterator[Span]:
    """Yields the words of a range, cut at `cuts` as well."""
    first = bisect.bisect_right(cuts, start)
    borders = [start, *cuts[first : bisect.bisect_left(cuts, end)], end]
    for begin, stop in itertools.pairwise(borders):
        word: Span | None = None
        for match in _WORD.finditer(text, begin, stop):
            is_mark = unicodedata.category(match[0][0])[0] == "M"
            if word is not None and is_mark and word[1] == match.start():
                word = word[0], match.end()
                continue
            if word is not None:
                yield word
            word = match.span()
        if word is not None:
            yield word
