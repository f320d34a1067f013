# SPDX-License-Identifier: Apache-2.0
"""Writes annotated documents as one self-contained HTML page.

Entities are marked in the text, followed by their type; probability and concepts appear
at the pointer or the keyboard focus. The legend counts the types, and its checkboxes
hide them. The page has no script, font or picture and loads nothing; it is light or
dark like the reader's system.

The text of a passage's element is the passage, and `data-offset` is its offset;
`html_marks` marks the entities in it.

The documents are written to a temporary file first, because the legend precedes them
and counts the entities of all.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from biobert_tf.documents import conversion, html_colors, html_marks
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Relation,
)

_STYLE: Final = """
:root { color-scheme: light dark; --page: %(page)s; --text: %(text)s; --soft: %(soft)s;
  --line: %(line)s; --panel: #f6f5f9; }
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
%(marks)smark:focus::before { content: attr(title); position: fixed; left: 0; right: 0;
  bottom: 0; z-index: 1; padding: .75rem 1rem; background: var(--text);
  color: var(--page); font-size: 1rem; line-height: 1.4; text-align: center;
  white-space: normal; }
details { font-size: .9rem; margin-top: .5rem; }
summary { cursor: pointer; min-height: 1.5rem; }
footer { border-top: 1px solid var(--line); padding: 1rem 0 3rem; }
@media print { article { content-visibility: visible; } }
@media (prefers-color-scheme: dark) { :root { --page: %(dark_page)s;
  --text: %(dark_text)s; --soft: %(dark_soft)s; --line: %(dark_line)s;
  --panel: #201f27; } }
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
_READ_CHARACTERS: Final = 1 << 16


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
    title = html_marks.counted(num_documents, "annotated document")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>"
    )
    dark_colors = {f"dark_{key}": color for key, color in dark._asdict().items()}
    colors = {**light._asdict(), **dark_colors}
    yield _STYLE % {**colors, "marks": html_marks.STYLE}
    yield from (_colors(i, kind, light) for i, kind in enumerate(types))
    yield "@media (prefers-color-scheme: dark) {\n"
    yield from (_colors(i, kind, dark) for i, kind in enumerate(types))
    yield "}\n"
    yield from (_HIDDEN.format(i) for i in range(len(types)))
    entities = html_marks.counted(sum(types.values()), "entity")
    yield f"</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n"
    yield f'<p class="info">{entities}</p>\n'
    if types:
        yield "<fieldset>\n<legend>Show</legend>\n"
        numbers = {kind: i for i, kind in enumerate(types)}
        for kind, count in types.most_common():
            i = numbers[kind]
            yield (
                f'<label class="t{i}"><input type="checkbox" id="c{i}" checked> '
                f"{html_marks.isolated(kind)} <b>{count:,}</b></label>\n"
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
    here = Counter(map(html_marks.kind, document.mentions))
    types.update(here)
    classes = {kind: f"t{i}" for i, kind in enumerate(types)}
    yield f'<article id="d{number}">\n<h2>{html_marks.isolated(document.id)}</h2>\n'
    yield f'<p class="info">{html_marks.by_type(here)}</p>\n'
    for passage in document.passages:
        yield f'<p class="text" dir="auto" data-offset="{passage.offset}">'
        yield from html_marks.marked(passage, document.mentions, classes)
        yield "</p>\n"
    if document.relations:
        texts = {mention.id: mention.text for mention in document.mentions}
        relations = html_marks.counted(len(document.relations), "relation")
        yield f"<details>\n<summary>{relations}</summary>\n<ul>\n"
        for relation in document.relations:
            yield f"<li>{_relation(relation, texts)}</li>\n"
        yield "</ul>\n</details>\n"
    yield "</article>\n"


def _relation(relation: Relation, texts: Mapping[str, str]) -> str:
    names = [texts.get(one, one) for one in (relation.first, relation.second)]
    parts = (" ".join(part.split()) for part in (*names, relation.type))
    first, second, kind = map(html_marks.isolated, parts)
    shown = f"{kind}: {first} \u2192 {second}"
    return ", ".join([shown, *html_marks.probability(relation.probability)])
