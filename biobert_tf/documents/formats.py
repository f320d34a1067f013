# SPDX-License-Identifier: Apache-2.0
"""Detects, reads and writes annotated documents of any format."""

import codecs
import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream, refuse
from biobert_tf.documents import (
    bioc_format,
    bioc_json,
    bioc_xml,
    brat,
    conll,
    conversion,
    detection,
    fields,
    html_page,
    jsonl,
    pubtator,
    unannotated,
)
from biobert_tf.documents.detection import Format
from biobert_tf.documents.document import (
    Added,
    Annotated,
    Loaded,
    parted,
    verdicts,
)
from biobert_tf.documents.fields import BadMentions, OnBad

_LOG = logging.getLogger(__name__)

Read = Callable[[Stream, OnBad], Iterator[Loaded]]

_READ: Final[dict[Format, Read]] = {
    "text": unannotated.read_text,
    "lines": unannotated.read_lines,
    "jsonl": jsonl.read,
    "pubtator": pubtator.read,
    "bioc_xml": bioc_xml.read,
    "bioc_json": bioc_json.read,
    "pubmed_xml": unannotated.read_articles,
    "conll": conll.read,
}


# XML declares its encoding. Other formats are UTF-8 and are checked for UTF-16, most of
# whose bytes would pass as UTF-8 without being text.
_SAY_THEIR_ENCODING: Final = frozenset(["bioc_xml", "pubmed_xml"])
_UTF16: Final = frozenset([codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])


class _Writer(NamedTuple):
    """The functions that write a format.

    `convert` makes a document of any format ready to be written, and counts what is
    lost. It raises `InputError` where the format cannot hold the document. `texts`
    yields the text of a file of such documents, or of documents from a reader of the
    format, each with its additions; it is None for a folder.
    """

    convert: Callable[[Loaded, Added, conversion.Notes], Annotated]
    texts: Callable[[Iterable[Annotated]], Iterable[str]] | None
    own: Any = ()  # the class of `Loaded.source` of documents that need no conversion
    is_framed: bool = False  # whether only documents of one file need no conversion


_WRITERS: Final[dict[Format, _Writer]] = {
    "jsonl": _Writer(jsonl.convert, jsonl.texts, jsonl.Source),
    "pubtator": _Writer(pubtator.convert, pubtator.texts, pubtator.Source),
    "bioc_xml": _Writer(bioc_xml.convert, bioc_xml.texts, bioc_xml.Source, True),
    "bioc_json": _Writer(bioc_json.convert, bioc_json.texts, bioc_json.Source, True),
    "brat": _Writer(brat.convert, None, brat.Source),
    "conll": _Writer(conll.convert, conll.texts),
    "html": _Writer(html_page.convert, html_page.texts),
}

# What takes mentions, and all that names them, out of a document, by its source.
_WITHOUT: Final[dict[type, Callable[[Loaded, Container[str]], Loaded]]] = {
    jsonl.Source: jsonl.without,
    pubtator.Source: pubtator.without,
    bioc_xml.Source: bioc_format.without,
    bioc_json.Source: bioc_format.without,
    brat.Source: brat.without,
}

WRITTEN: Final = frozenset(_WRITERS)
"""Formats that can be written."""

WITH_RELATIONS: Final = WRITTEN - {"conll", "html"}
"""Formats that are read and written with entities and relations."""

# The names of the values of a document that is not converted, by its source.
_NAMES: Final[dict[type, Callable[[Loaded], Iterable[str]]]] = {
    jsonl.Source: jsonl.names,
    bioc_xml.Source: bioc_xml.names,
    bioc_json.Source: bioc_json.names,
}

WITH_VERDICTS: Final[frozenset[Format]] = frozenset(["jsonl", "bioc_xml", "bioc_json"])
"""Formats that are written with the verdicts of classifiers."""


@dataclasses.dataclass
class Written:
    """The counts of what was written.

    Those of new mentions and relations are by type, and include what is in `notes`:
    what the format could not represent exactly.
    """

    documents: int = 0
    mentions: Counter[str] = dataclasses.field(default_factory=Counter)
    relations: Counter[str] = dataclasses.field(default_factory=Counter)
    notes: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, other: "Written") -> None:
        """Adds the counts of `other`."""
        self.documents += other.documents
        self.mentions.update(other.mentions)
        self.relations.update(other.relations)
        self.notes.update(other.notes)


def detect(path: Path) -> Format:
    """Returns the format of a file from its beginning, else from its name.

    The format of a folder is BRAT. Raises `InputError` if the file cannot be read, or
    its format is unknown, or it is a pipe.
    """
    if path.is_dir():
        return "brat"
    streams.require_no_pipe(path)
    with streams.reading(path) as stream:
        return detection.detect(stream)


def with_relations(path: Path, format: Format) -> Format:
    """Returns the format of an input whose relations are to be written back.

    Raises:
        InputError: The format, which `auto` detects, is not one of `WITH_RELATIONS`, or
            it is to be detected in a pipe.
    """
    found: Format | None = format
    if format == "auto" and path.is_dir():
        found = "brat"
    elif format == "auto":
        streams.require_no_pipe(path)
        with streams.reading(path) as stream:
            found = detection.of_content(stream)
    if found == "brat" and path.is_dir() and (others := brat.unread(path)):
        _LOG.warning(
            "%s: read as BRAT, NAME.txt with NAME.ann; not read: %d others (%s, ...)",
            path,
            len(others),
            others[0].name,
        )
    if found in WITH_RELATIONS:
        if format == "auto":
            _LOG.info("%s: read as %s", path, found)
        return found
    problem = "neither PubTator, BioC XML or JSON, JSON lines nor a BRAT folder"
    raise InputError.at(path, 1, f"{problem}; {detection.NAME_IT}")


def kept_names(loaded: Loaded, format: Format) -> frozenset[str]:
    """Returns the names of the values that a document keeps if it is written.

    They are the keys of a JSON object, or of the infons of a document and its passages.
    A document keeps none of them in another format than its own.

    Args:
        loaded: The document.
        format: One of `WITH_VERDICTS`.
    """
    source = loaded.source
    is_own = isinstance(source, _WRITERS[format].own)
    return frozenset(_NAMES[type(source)](loaded) if is_own else ())


def read(
    path: Path,
    format: Format,
    on_bad: OnBad = refuse,
    name: str = "",
    bad_mentions: BadMentions = "error",
    notes: conversion.Notes | None = None,
) -> Iterator[Loaded]:
    """Yields the documents of a file or folder, in its order, one at a time.

    Args:
        path: A file, decompressed if its name ends in `.gz`; `-` for standard input;
            for BRAT a folder, or the .txt of one document.
        format: The format of the input; `auto` detects it.
        on_bad: Called with the error of every document that cannot be read, and of the
            rest of a file if that cannot be read; by default it raises the error.
        name: The name of documents that have no other; by default the file's.
        bad_mentions: What to do with a mention that differs from its text.
        notes: Counts such mentions if they are kept or left out.

    Raises:
        InputError: The input cannot be opened, or its format is unknown.
    """
    for loaded in _read(path, format, on_bad, name):
        bad = loaded.document.bad_mentions
        if bad and bad_mentions == "error":
            on_bad(InputError(bad[0].problem))
            continue
        if bad and notes is not None:
            done = "carried along" if bad_mentions == "keep" else "left out"
            notes[f"mentions that differ from their text {done}"] += len(bad)
        if bad and bad_mentions == "skip":
            names = {mention.id for mention in bad}
            loaded = _WITHOUT[type(loaded.source)](loaded, names)
        yield loaded


def _read(path: Path, format: Format, on_bad: OnBad, name: str) -> Iterator[Loaded]:
    if path.is_dir() and format in ("auto", "brat"):
        yield from brat.read(path, on_bad)
        return
    if format == "brat" and path.suffix == ".txt":
        yield from fields.readable([path], lambda one: brat.load(one, name), on_bad)
        return
    if format in ("brat", "html"):
        is_html = format == "html"
        problem = detection.HTML_IS_WRITTEN if is_html else brat.NO_FOLDER
        raise InputError.at(path, None, problem)
    with streams.reading(path, name) as stream:
        found = detection.detect(stream) if format == "auto" else format
        if found not in _SAY_THEIR_ENCODING and stream.head[:2] in _UTF16:
            on_bad(InputError.at(stream.path, 1, "is UTF-16; convert it to UTF-8"))
            return
        yield from _READ[found](stream, on_bad)


def write(
    path: Path,
    format: Format,
    documents: Iterable[tuple[Loaded, Added]],
    on_bad: OnBad = refuse,
    is_merged: bool = False,
) -> Written:
    """Writes documents with new mentions and relations, and returns their counts.

    A document that was read in the same format keeps everything else in it; one of
    another format keeps its text, mentions and relations. The file replaces an old one
    when it is complete, so `path` may be the file (for BRAT the folder) being read.

    Args:
        path: The file, compressed if its name ends in `.gz`; `-`; for BRAT a folder.
        format: One of `WRITTEN`.
        documents: The documents with their additions. A mention whose id is "" gets an
            id; relations name mentions by id, and get their own ids here.
        on_bad: Called with the error of every document that the format cannot hold;
            the document is skipped. By default it raises the error.
        is_merged: Whether the documents come from several files.

    Raises:
        InputError: The file or folder cannot be written.
        ValueError: A new mention does not match the text at its offsets or has the id
            of another, or a relation names an unknown mention.
    """
    writer = _WRITERS[format]
    written = Written()
    own = () if writer.is_framed and is_merged else writer.own

    def prepared() -> Iterator[Annotated]:
        for loaded, added in documents:
            new = conversion.numbered(loaded, added)
            try:
                ready: Annotated = (loaded, new)
                if not isinstance(loaded.source, own):
                    made, old = writer.convert(loaded, new, written.notes)
                    ready = made, [*old, *verdicts(new)]
                    mentions = tuple(parted(ready[1])[0])
                    dataclasses.replace(ready[0].document, mentions=mentions).check()
            except InputError as error:
                on_bad(error)
                continue
            new_mentions, new_relations = parted(new)
            written.mentions.update(mention.type for mention in new_mentions)
            written.relations.update(relation.type for relation in new_relations)
            written.documents += 1
            yield ready

    if writer.texts is None:
        brat.write(path, prepared())
        return written
    with streams.writing(path) as stream:
        for text in writer.texts(prepared()):
            stream.write(text.encode("utf-8"))
    return written
