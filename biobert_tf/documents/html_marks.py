# SPDX-License-Identifier: Apache-2.0
"""Marks entities in text by HTML, the same on every page.

The text of the elements is the passage, so `data-start` and `data-end` are valid
offsets. `mark` elements may only nest: an overlapping mention becomes several with the
same `data-id`, whose texts together are the mention's. A character that has no width or
changes the direction of text gets an element of its own, which isolates it and shows
its number. HTML has no U+0000; U+2400 replaces it.
"""

import heapq
import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from biobert_tf.documents.document import Mention, Passage

STYLE: Final = """\
.text { white-space: pre-wrap; tab-size: 4; line-height: 2; margin: .5rem 0 0;
  unicode-bidi: isolate; }
mark { background: var(--surface); color: inherit; border-bottom: 2px solid var(--name);
  border-radius: .2rem; padding: .1rem .15rem; unicode-bidi: isolate;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
mark mark { padding: 0 .1rem; }
mark::after { content: attr(data-type); color: var(--name); font-size: .68em;
  font-weight: 600; margin-inline: .25em .1em; white-space: normal; }
mark.part::after { content: none; }
mark:focus { outline: 2px solid var(--text); outline-offset: 1px; }
.u { unicode-bidi: isolate; }
.u::before { content: attr(data-u); font-size: .6em; color: inherit;
  border: 1px solid var(--line); border-radius: .2rem; padding: 0 .15rem; }
"""
"""The rules of the elements; they take `--surface`, `--name`, `--text`, `--line`."""

_NO_TYPE: Final = "Entity"

# Line breaks, controls, soft hyphen, zero-width space, word joiner, byte order mark,
# embeddings and isolates; not joiners and direction marks, which some scripts need.
_SPECIAL: Final = re.compile(
    "\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff"
    "\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
# An HTML parser turns a carriage return into a line feed, but not its reference.
_BREAKS: Final = {"\r\n": "&#13;\n", "\r": "&#13;<br>"}


def kind(mention: Mention) -> str:
    """Returns the type of a mention, as it is shown."""
    return mention.type or _NO_TYPE


def probability(value: float | None) -> list[str]:
    """Returns the words that say a probability; none if it is unknown."""
    return [] if value is None else [f"probability {value:.4g}"]


def by_type(types: Counter[str]) -> str:
    """Returns the HTML of a number of entities, in all and by type."""
    several = (f"{isolated(name)} {n:,}" for name, n in types.most_common())
    return ": ".join(
        filter(None, [counted(types.total(), "entity"), ", ".join(several)])
    )


class _Fragment(NamedTuple):
    """A part of a mention, in the order in which `mark` elements begin."""

    start: int
    minus_end: int  # minus the offset of its end, to sort longer ones first
    order: int  # the index of the mention in the document
    is_first: bool  # whether this is the first part of its mention
    is_last: bool


def _fragments(passage: Passage, mentions: Sequence[Mention]) -> Iterator[_Fragment]:
    """Yields the parts of the mentions that are inside a passage."""
    for order, mention in enumerate(mentions):
        spans = sorted(mention.spans)
        for i, (begin, stop) in enumerate(spans, start=1):
            start, end = max(begin, passage.offset), min(stop, passage.end)
            if start < end:
                is_first = i == 1 and start == begin
                is_last = i == len(spans) and end == stop
                yield _Fragment(start, -end, order, is_first, is_last)


def marked(
    passage: Passage, mentions: Sequence[Mention], classes: Mapping[str, str]
) -> Iterator[str]:
    """Yields the HTML of a passage; `classes` has the class of each `kind`."""
    fragments = sorted(_fragments(passage, mentions))  # a heap
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
        yield text_to(one.start) + _open_tag(mentions[one.order], one, classes)
        position = one.start
        ends.append(end)
    yield text_to(passage.end)


def _open_tag(mention: Mention, part: _Fragment, classes: Mapping[str, str]) -> str:
    name = kind(mention)
    said = [name, *probability(mention.probability), *mention.concepts]
    attributes = {
        "class": classes[name] + ("" if part.is_last else " part"),
        "data-id": mention.id,
        "data-type": name,
        "data-start": str(part.start),
        "data-end": str(-part.minus_end),
        "title": ", ".join(said),
    }
    if part.is_first:
        attributes["tabindex"] = "0"
    # A parser keeps a line feed in an attribute, but not a carriage return.
    shown = "".join(
        f' {key}="{html.escape(value).replace(chr(13), "&#13;")}"'
        for key, value in attributes.items()
    )
    return f"<mark{shown}>"


def counted(number: int, noun: str) -> str:
    """Returns a number and its noun: "1 entity", "1,234 entities"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def isolated(text: str) -> str:
    """Returns the HTML of text whose direction changes nothing around it."""
    return f"<bdi>{escaped(text)}</bdi>"


def escaped(text: str) -> str:
    """Returns the HTML of text, in which no character is invisible."""
    return _SPECIAL.sub(_shown, html.escape(text))


def _shown(match: re.Match[str]) -> str:
    text = match[0]
    if text in _BREAKS:
        return _BREAKS[text]
    number = f"U+{ord(text):04X}"
    text = "\u2400" if text == "\0" else text
    return f'<span class="u" data-u="{number}">{text}</span>'
