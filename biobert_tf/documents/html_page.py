# SPDX-License-Identifier: Apache-2.0
"""Writes annotated documents as one self-contained HTML page.

Entities are marked in the text, followed by their type; probability and concepts appear
at the pointer or the keyboard focus. The legend counts the types, and its checkboxes
hide them. The page has no script, font or picture and loads nothing; it is light or
dark like the reader's system.

The documents are written to a temporary file first, because the legend precedes them
and counts the entities of all.
"""

import html
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from biobert_tf.common import streams
from biobert_tf.documents import conversion, html_colors, html_marks
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
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
_NO_TYPE: Final = "Entity"


def converter(notes: conversion.Notes) -> conversion.Converter:
    """Returns a function that prepares a document of any format for the page."""

    def convert(loaded: Loaded, added: Added) -> Annotated:
        whole = conversion.united(loaded.document, added, notes, keeps_concepts=True)
        num_zeros = sum(passage.text.count("\0") for passage in whole.passages)
        if num_zeros:
            notes["U+0000 shown as U+2400"] += num_zeros
        return Loaded(whole), ()

    return convert


def write(path: Path, documents: Iterable[Annotated]) -> int:
    """Writes a page, and returns the number of its documents.

    Memory does not grow with the number of documents.

    Args:
        path: The file; compressed if its name ends in `.gz`.
        documents: The documents from a converter.

    Raises:
        InputError: The directory cannot be written.
    """
    types: Counter[str] = Counter()
    num_documents = 0
    with streams.writing(path) as stream, tempfile.TemporaryFile() as spool:
        for loaded, _ in documents:
            num_documents += 1
            article = "".join(_article(loaded.document, num_documents, types))
            spool.write(article.encode("utf-8"))
        stream.write("".join(_head(num_documents, types)).encode("utf-8"))
        spool.seek(0)
        shutil.copyfileobj(spool, stream)
        stream.write("".join(_foot()).encode("utf-8"))
    return num_documents


def _head(num_documents: int, types: Counter[str]) -> Iterator[str]:
    """Yields the part of the page before the documents.

    Args:
        num_documents: The number of documents.
        types: The number of entities by type, in order of first occurrence.
    """
    light, dark = html_colors.LIGHT, html_colors.DARK
    title = _counted(num_documents, "annotated document")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>"
    )
    yield _STYLE % {
        **{"page": light.page, "text": light.text},
        **{"dark_page": dark.page, "dark_text": dark.text},
    }
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
                f"<bdi>{html_marks.escaped(kind)}</bdi> <b>{count:,}</b></label>\n"
            )
        yield "</fieldset>\n"
    yield "</header>\n<main>\n"


def _colors(number: int, kind: str, theme: html_colors.Theme) -> str:
    found = html_colors.shades(kind, theme)
    return f".t{number} {{ --surface: {found.surface}; --name: {found.name}; }}\n"


def _foot() -> Iterator[str]:
    yield (
        '</main>\n<footer>\n<p class="info">Point at an entity, tap it or reach it '
        "with the tab key to see its probability. Entities with a probability were "
        "found by a model.</p>\n</footer>\n</body>\n</html>\n"
    )


def _article(
    document: AnnotatedDocument, number: int, types: Counter[str]
) -> Iterator[str]:
    """Yields the HTML of a document, and counts its entities in `types`."""
    numbers = {kind: i for i, kind in enumerate(types)}
    here: Counter[str] = Counter()
    for mention in document.mentions:
        kind = mention.type or _NO_TYPE
        numbers.setdefault(kind, len(numbers))
        here[kind] += 1
    types.update(here)

    def open_tag(mention: Mention, fragment: html_marks.Fragment) -> str:
        kind = mention.type or _NO_TYPE
        classes = f"t{numbers[kind]}" + ("" if fragment.is_last else " part")
        attributes = {
            "class": classes,
            "data-id": mention.id,
            "data-type": kind,
            "data-start": str(fragment.start),
            "data-end": str(-fragment.minus_end),
            "title": _description(mention, kind),
        }
        if fragment.is_first:
            attributes["tabindex"] = "0"
        return _tag("mark", attributes)

    yield f'<article id="d{number}">\n'
    yield f"<h2><bdi>{html_marks.escaped(document.id)}</bdi></h2>\n"
    entities = _counted(len(document.mentions), "entity")
    by_type = ", ".join(
        f"<bdi>{html_marks.escaped(kind)}</bdi> {n:,}" for kind, n in here.most_common()
    )
    yield f'<p class="info">{entities}{": " if by_type else ""}{by_type}</p>\n'
    for passage, text in html_marks.passages(document, open_tag):
        yield f'<p class="text" dir="auto" data-offset="{passage.offset}">{text}</p>\n'
    if document.relations:
        yield from _relations(document)
    yield "</article>\n"


def _tag(name: str, attributes: dict[str, str]) -> str:
    # A parser keeps a line feed in an attribute, but not a carriage return.
    shown = "".join(
        f' {key}="{html.escape(value).replace(chr(13), "&#13;")}"'
        for key, value in attributes.items()
    )
    return f"<{name}{shown}>"


def _description(mention: Mention, kind: str) -> str:
    parts = [kind]
    if mention.probability is not None:
        parts.append(f"probability {mention.probability:.4g}")
    return ", ".join([*parts, *mention.concepts])


def _relations(document: AnnotatedDocument) -> Iterator[str]:
    texts = {mention.id: mention.text for mention in document.mentions}
    number = _counted(len(document.relations), "relation")
    yield f"<details>\n<summary>{number}</summary>\n<ul>\n"
    for relation in document.relations:
        yield f"<li>{_relation(relation, texts)}</li>\n"
    yield "</ul>\n</details>\n"


def _relation(relation: Relation, texts: dict[str, str]) -> str:
    first, second, kind = (
        f"<bdi>{html_marks.escaped(' '.join(text.split()))}</bdi>"
        for text in (
            texts.get(relation.first, relation.first),
            texts.get(relation.second, relation.second),
            relation.type,
        )
    )
    chance = relation.probability
    probability = "" if chance is None else f", probability {chance:.4g}"
    return f"{kind}: {first} \u2192 {second}{probability}"


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
