# SPDX-License-Identifier: Apache-2.0
"""Text with mentions as HTML: everything escaped, every character where it was.

Mentions may be nested and may overlap: `mark` elements cannot, so that a mention is
then several of them, which have its `data-id` in common. Their text together is the
mention's, and all text of a passage is the passage: `data-offset`, `data-start` and
`data-end` count in it.

Characters that have no width or turn the direction of text stand alone in an element
which isolates them and shows their number. HTML has no U+0000: U+2400 stands for it.
"""

import heapq
import html
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage

# Line breaks, controls, soft hyphen, zero-width space, word joiner, byte order mark,
# embeddings and isolates. Joiners and the marks of direction belong to some scripts.
_SPECIAL: Final = re.compile(
    "\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff"
    "\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
# The parser would turn the character itself into a line feed, but not the reference.
_BREAKS: Final = {"\r\n": "&#13;\n", "\r": "&#13;<br>"}


class Fragment(NamedTuple):
    """A part of a mention, in the order in which `mark` elements begin.

    Attributes:
        start: Offset in the document.
        minus_end: Minus the offset behind its last character: longer ones come first.
        order: Of the mention in the document.
        is_first: Of its mention.
        is_last: Of its mention.
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
        document: Its mentions are marked.
        open_tag: Gives the start tag of a fragment.
    """
    fragments = sorted(_fragments(document))
    for passage in document.passages:
        inside = _clipped(passage, fragments)
        tags = (document.mentions, open_tag)
        yield passage, "".join(_marked(passage, inside, *tags))


def escaped(text: str) -> str:
    """Returns text as HTML."""
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
    """Returns what of the fragments is in a passage."""
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
        passage: The text.
        fragments: In it, a heap.
        mentions: What they are parts of.
        open_tag: As `passages`.
    """
    position = passage.offset
    ends: list[int] = []  # of the elements that are open, the innermost last

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
            # It goes on where the element around it ends.
            heapq.heappush(fragments, one._replace(start=ends[-1], is_first=False))
            end = ends[-1]
            one = one._replace(minus_end=-end, is_last=False)
        yield text_to(one.start) + open_tag(mentions[one.order], one)
        position = one.start
        ends.append(end)
    yield text_to(passage.end)
