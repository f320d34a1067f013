# SPDX-License-Identifier: Apache-2.0
"""Turns text with mentions into HTML that keeps every character of the text.

Mentions may overlap, but `mark` elements may only nest. So an overlapping mention
becomes several elements with the same `data-id`, whose texts together are the
mention's. The text of a passage's element is the passage, so `data-offset`,
`data-start` and `data-end` are valid offsets.

A character that has no width or changes the direction of text gets an element of its
own, which isolates it and shows its number. HTML has no U+0000; U+2400 replaces it.
"""

import heapq
import html
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage

# Line breaks, controls, soft hyphen, zero-width space, word joiner, byte order mark,
# embeddings and isolates; not joiners and direction marks, which some scripts need.
_SPECIAL: Final = re.compile(
    "\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff"
    "\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
# An HTML parser turns a carriage return into a line feed, but not its reference.
_BREAKS: Final = {"\r\n": "&#13;\n", "\r": "&#13;<br>"}


class Fragment(NamedTuple):
    """A part of a mention, in the order in which `mark` elements begin.

    Attributes:
        start: The offset in the document.
        minus_end: Minus the offset after the last character, to sort longer ones first.
        order: The index of the mention in the document.
        is_first: Whether this is the first part of its mention.
        is_last: Whether this is the last part of its mention.
    """

    start: int
    minus_end: int
    order: int
    is_first: bool
    is_last: bool


def passages(
    document: AnnotatedDocument, open_tag: Callable[[Mention, Fragment], str]
) -> Iterator[tuple[Passage, str]]:
    """Yields the passages of a document, and the HTML of each.

    Args:
        document: The document, whose mentions are marked.
        open_tag: Returns the start tag of a fragment.
    """
    fragments = sorted(_fragments(document))
    for passage in document.passages:
        inside = _clipped(passage, fragments)
        tags = (document.mentions, open_tag)
        yield passage, "".join(_marked(passage, inside, *tags))


def escaped(text: str) -> str:
    """Returns text escaped for HTML."""
    return _SPECIAL.sub(_shown, html.escape(text))


def _shown(match: re.Match[str]) -> str:
    text = match[0]
    if text in _BREAKS:
        return _BREAKS[text]
    number = f"U+{ord(text):04X}"
    text = "\u2400" if text == "\0" else text
    return f'<span class="u" data-u="{number}">{text}</span>'


def _fragments(document: AnnotatedDocument) -> Iterator[Fragment]:
    for order, mention in enumerate(document.mentions):
        spans = sorted(mention.spans)
        for i, (start, end) in enumerate(spans):
            yield Fragment(start, -end, order, i == 0, i == len(spans) - 1)


def _clipped(passage: Passage, fragments: Iterable[Fragment]) -> list[Fragment]:
    """Returns the parts of the fragments that are inside a passage."""
    found = []
    for one in fragments:
        start, end = max(one.start, passage.offset), min(-one.minus_end, passage.end)
        if start < end:
            is_first = one.is_first and start == one.start
            is_last = one.is_last and end == -one.minus_end
            found.append(Fragment(start, -end, one.order, is_first, is_last))
    return found


def _marked(
    passage: Passage,
    fragments: list[Fragment],
    mentions: tuple[Mention, ...],
    open_tag: Callable[[Mention, Fragment], str],
) -> Iterator[str]:
    """Yields the HTML of a passage, piece by piece.

    Args:
        passage: The passage.
        fragments: The fragments in the passage, as a heap.
        mentions: The mentions of the document.
        open_tag: As in `passages`.
    """
    position = passage.offset
    ends: list[int] = []  # the ends of the open elements, the innermost last

    def text_to(end: int) -> str:
        begin = position - passage.offset
        return escaped(passage.text[begin : end - passage.offset])

    while fragments or ends:
        start = fragments[0].start if fragments else passage.end
        if ends and ends[-1] <= start:
            yield text_to(ends[-1]) + "</mark>"
            position = ends.pop()
            continue
        one = heapq.heappop(fragments)
        end = -one.minus_end
        if ends and end > ends[-1]:
            # The rest of it becomes a new fragment after the enclosing element.
            heapq.heappush(fragments, one._replace(start=ends[-1], is_first=False))
            end = ends[-1]
            one = one._replace(minus_end=-end, is_last=False)
        yield text_to(one.start) + open_tag(mentions[one.order], one)
        position = one.start
        ends.append(end)
    yield text_to(passage.end)
