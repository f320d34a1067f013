# SPDX-License-Identifier: Apache-2.0
"""Writes annotated documents as one self-contained HTML page.

Entities are marked in the text, followed by their type; probability and concepts appear
at the pointer or the keyboard focus. The legend counts the types, and its checkboxes
hide them. The page has no script, font or picture and loads nothing; it is light or
dark like the reader's system.

The text of a passage's element is the passage, so `data-offset`, `data-start` and
`data-end` are valid offsets. `mark` elements may only nest: an overlapping mention
becomes several with the same `data-id`, whose texts together are the mention's. A
character that has no width or changes the direction of text gets an element of its own,
which isolates it and shows its number. HTML has no U+0000; U+2400 replaces it.

The documents are written to a temporary file first, because the legend precedes them
and counts the entities of all.
"""

import heapq
import html
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from biobert_tf.documents import conversion, html_colors
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
)

_STYLE: Final = """
:root { color-scheme: light dark; --page: %(page)s; --text: %(text)s; --soft: #5b5967;
  --line: #d9d7e0; --panel: #f6f5f9; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%%; scroll-padding: 1rem 0 5rem; }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 0; }
p, ul { margin: .25rem 0; }
.info { color: var(--soft); font-size: .9rem; }
fieldset { border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0;
  padding: .25rem .75rem .75rem; background: var(--panel); display: flex;
  flex-wrap: wrap; gap: .5rem; min-width: 0; }
legend { font-size: .9rem; padding: 0 .25rem; color: var(--soft); }
label { display: inline-flex; align-items: center; gap: .5rem; min-height: 2.25rem;
  padding: .15rem .6rem; border-radius: .4rem; background: var(--surface);
  border-bottom: 2px solid var(--name); cursor: pointer; }
label:focus-within { outline: 2px solid var(--text); outline-offset: 1px; }
input { margin: 0; accent-color: var(--name); }
article { border-top: 1px solid var(--line); padding: 1rem 0; content-visibility: auto;
  contain-intrinsic-size: auto 20rem; }
article:focus-within { content-visibility: visible; }
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
mark:focus::before { content: attr(title); position: fixed; left: 0; right: 0;
  bottom: 0; z-index: 1; padding: .75rem 1rem; background: var(--text);
  color: var(--page); font-size: 1rem; line-height: 1.4; text-align: center;
  white-space: normal; }
.u { unicode-bidi: isolate; }
.u::before { content: attr(data-u); font-size: .6em; color: inherit;
  border: 1px solid var(--line); border-radius: .2rem; padding: 0 .15rem; }
details { font-size: .9rem; margin-top: .5rem; }
summary { cursor: pointer; min-height: 1.5rem; }
footer { border-top: 1px solid var(--line); padding: 1rem 0 3rem; }
@media print { article { content-visibility: visible; } }
@media (prefers-color-scheme: dark) { :root { --page: %(dark_page)s;
  --text: %(dark_text)s; --soft: #a9a6b8; --line: #3a3844; --panel: #201f27; } }
"""
_HIDDEN: Final = (
    "body:has(#c{0}:not(:checked)) mark.t{0} "
    "{{ background: none; border-color: transparent; padding: 0; }}\n"
    "body:has(#c{0}:not(:checked)) mark.t{0}::after {{ content: none; }}\n"
)
_FOOT: Final = (
    '</main>\n<footer>\n<p class="info">Point at an entity, tap it or reach it '
    "with the tab key to see its probability. Entities with a probability were "
    "found by a model.</p>\n</footer>\n</body>\n</html>\n"
)
_NO_TYPE: Final = "Entity"
_READ_CHARACTERS: Final = 1 << 16

# Line breaks, controls, soft hyphen, zero-width space, word joiner, byte order mark,
# embeddings and isolates; not joiners and direction marks, which some scripts need.
_SPECIAL: Final = re.compile(
    "\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff"
    "\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
# An HTML parser turns a carriage return into a line feed, but not its reference.
_BREAKS: Final = {"\r\n": "&#13;\n", "\r": "&#13;<br>"}


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Prepares a document of any format for the page."""
    whole = conversion.united(loaded.document, added, notes, True, False)
    num_zeros = sum(passage.text.count("\0") for passage in whole.passages)
    if num_zeros:
        notes["U+0000 shown as U+2400"] += num_zeros
    return Loaded(whole), ()


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields the page; memory does not grow with the number of documents."""
    types: Counter[str] = Counter()
    number = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as spool:
        for number, (loaded, _) in enumerate(documents, start=1):
            spool.writelines(_article(loaded.document, number, types))
        yield from _head(number, types)
        spool.seek(0)
        yield from iter(lambda: spool.read(_READ_CHARACTERS), "")
    yield _FOOT


def _head(num_documents: int, types: Counter[str]) -> Iterator[str]:
    """Yields the part of the page before the documents.

    `types` is the number of entities by type, in order of first occurrence.
    """
    light, dark = html_colors.LIGHT, html_colors.DARK
    title = _counted(num_documents, "annotated document")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>"
    )
    dark_colors = {f"dark_{key}": color for key, color in dark._asdict().items()}
    yield _STYLE % {**light._asdict(), **dark_colors}
    yield from (_colors(i, kind, light) for i, kind in enumerate(types))
    yield "@media (prefers-color-scheme: dark) {\n"
    yield from (_colors(i, kind, dark) for i, kind in enumerate(types))
    yield "}\n"
    yield from (_HIDDEN.format(i) for i in range(len(types)))
    entities = _counted(sum(types.values()), "entity")
    yield f"</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    yield f'<p class="info">{entities}</p>\n'
    if types:
        yield "<fieldset>\n<legend>Show</legend>\n"
        numbers = {kind: i for i, kind in enumerate(types)}
        for kind, count in types.most_common():
            i = numbers[kind]
            yield (
                f'<label class="t{i}"><input type="checkbox" id="c{i}" checked> '
                f"{_isolated(kind)} <b>{count:,}</b></label>\n"
            )
        yield "</fieldset>\n"
    yield "</header>\n<main>\n"


def _colors(number: int, kind: str, theme: html_colors.Theme) -> str:
    found = html_colors.shades(kind, theme)
    return f".t{number} {{ --surface: {found.surface}; --name: {found.name}; }}\n"


def _article(
    document: AnnotatedDocument, number: int, types: Counter[str]
) -> Iterator[str]:
    """Yields the HTML of a document, and counts its entities in `types`."""
    here = Counter(mention.type or _NO_TYPE for mention in document.mentions)
    types.update(here)
    numbers = {kind: i for i, kind in enumerate(types)}
    yield f'<article id="d{number}">\n<h2>{_isolated(document.id)}</h2>\n'
    entities = _counted(len(document.mentions), "entity")
    by_type = ", ".join(f"{_isolated(kind)} {n:,}" for kind, n in here.most_common())
    yield f'<p class="info">{entities}{": " if by_type else ""}{by_type}</p>\n'
    for passage in document.passages:
        yield f'<p class="text" dir="auto" data-offset="{passage.offset}">'
        yield from _marked(passage, document.mentions, numbers)
        yield "</p>\n"
    if document.relations:
        texts = {mention.id: mention.text for mention in document.mentions}
        relations = _counted(len(document.relations), "relation")
        yield f"<details>\n<summary>{relations}</summary>\n<ul>\n"
        for relation in document.relations:
            yield f"<li>{_relation(relation, texts)}</li>\n"
        yield "</ul>\n</details>\n"
    yield "</article>\n"


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


def _marked(
    passage: Passage, mentions: Sequence[Mention], numbers: Mapping[str, int]
) -> Iterator[str]:
    """Yields the HTML of a passage; `numbers` has the number of each type."""
    fragments = sorted(_fragments(passage, mentions))  # a heap
    position = passage.offset
    ends: list[int] = []  # the ends of the open elements, the innermost last

    def text_to(end: int) -> str:
        begin = position - passage.offset
        return _escaped(passage.text[begin : end - passage.offset])

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
        yield text_to(one.start) + _open_tag(mentions[one.order], one, numbers)
        position = one.start
        ends.append(end)
    yield text_to(passage.end)


def _open_tag(mention: Mention, part: _Fragment, numbers: Mapping[str, int]) -> str:
    kind = mention.type or _NO_TYPE
    said = [kind, *_probability(mention.probability), *mention.concepts]
    attributes = {
        "class": f"t{numbers[kind]}" + ("" if part.is_last else " part"),
        "data-id": mention.id,
        "data-type": kind,
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


def _probability(value: float | None) -> list[str]:
    return [] if value is None else [f"probability {value:.4g}"]


def _relation(relation: Relation, texts: Mapping[str, str]) -> str:
    names = [texts.get(one, one) for one in (relation.first, relation.second)]
    parts = (" ".join(part.split()) for part in (*names, relation.type))
    first, second, kind = map(_isolated, parts)
    shown = f"{kind}: {first} \u2192 {second}"
    return ", ".join([shown, *_probability(relation.probability)])


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _isolated(text: str) -> str:
    return f"<bdi>{_escaped(text)}</bdi>"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_shown, html.escape(text))


def _shown(match: re.Match[str]) -> str:
    text = match[0]
    if text in _BREAKS:
        return _BREAKS[text]
    number = f"U+{ord(text):04X}"
    text = "\u2400" if text == "\0" else text
    return f'<span class="u" data-u="{number}">{text}</span>'
