# SPDX-License-Identifier: Apache-2.0
"""Annotated documents of any format: which it is, reading, writing."""

import codecs
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import STANDARD, Stream, refuse
from biobert_tf.documents import (
    articles,
    bioc_json,
    bioc_xml,
    brat,
    conll,
    conversion,
    detection,
    fields,
    html_page,
    jsonl,
    plain_text,
    pubtator,
)
from biobert_tf.documents.detection import Format
from biobert_tf.documents.document import (
    Added,
    Annotated,
    Loaded,
    mentions_in,
    relations_in,
)
from biobert_tf.documents.fields import OnBad

__all__ = [
    "STANDARD",
    "WITH_RELATIONS",
    "WRITTEN",
    "Format",
    "Loaded",
    "OnBad",
    "Written",
    "detect",
    "read",
    "refuse",
    "with_relations",
    "write",
]

Read = Callable[[Stream, OnBad], Iterator[Loaded]]

_READ: Final[dict[Format, Read]] = {
    "text": plain_text.read,
    "lines": plain_text.read_lines,
    "jsonl": jsonl.read,
    "pubtator": pubtator.read,
    "bioc_xml": bioc_xml.read,
    "bioc_json": bioc_json.read,
    "pubmed_xml": articles.read,
    "conll": conll.read,
}


# Others are UTF-8; of UTF-16 most bytes are that too, and no text.
_SAY_THEIR_ENCODING: Final = frozenset(["bioc_xml", "pubmed_xml"])
_UTF16: Final = frozenset([codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])


class _Writer(NamedTuple):
    """What writes a format.

    Attributes:
        write: Takes what `converter` or a reader of the format gave.
        converter: Makes a document of any format one that can be written.
        own: Class of `Loaded.source` where there is nothing to convert, if any.
        is_framed: Documents of one file only can be written without conversion.
    """

    write: Callable[[Path, Iterable[Annotated]], int]
    converter: Callable[[conversion.Notes], conversion.Converter]
    own: Any
    is_framed: bool = False


_WRITERS: Final[dict[Format, _Writer]] = {
    "jsonl": _Writer(jsonl.write, jsonl.converter, jsonl.Source),
    "pubtator": _Writer(pubtator.write, pubtator.converter, pubtator.Source),
    "bioc_xml": _Writer(bioc_xml.write, bioc_xml.converter, bioc_xml.Source, True),
    "bioc_json": _Writer(bioc_json.write, bioc_json.converter, bioc_json.Source, True),
    "brat": _Writer(brat.write, brat.converter, brat.Source),
    "conll": _Writer(conll.write, conll.converter, ()),
    "html": _Writer(html_page.write, html_page.converter, ()),
}

WRITTEN: Final = frozenset(_WRITERS)
"""Formats that can be written."""

WITH_RELATIONS: Final = WRITTEN - {"conll", "html"}
"""Formats that are read and written with entities and relations."""


@dataclasses.dataclass
class Written:
    """What was written.

    Attributes:
        documents: Their number.
        mentions: New ones, by type; what the format left out of them is in `notes`.
        relations: The same.
        notes: What the format could not say as it was, and how often.
    """

    documents: int = 0
    mentions: Counter[str] = dataclasses.field(default_factory=Counter)
    relations: Counter[str] = dataclasses.field(default_factory=Counter)
    notes: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, other: "Written") -> None:
        """Adds what was written elsewhere."""
        self.documents += other.documents
        self.mentions.update(other.mentions)
        self.relations.update(other.relations)
        self.notes.update(other.notes)


def detect(path: Path) -> Format:
    """Returns the format of a file by how it begins, else by its name.

    A folder is BRAT's.

    Raises:
        InputError: It cannot be read, or begins like none of them.
    """
    if path.is_dir():
        return "brat"
    with streams.reading(path) as stream:
        return detection.detect(stream)


def with_relations(path: Path, format: Format) -> Format:
    """Returns the format of documents that are to be written back with relations.

    Args:
        path: The file or folder.
        format: What it is; `auto` is `detect`.

    Raises:
        InputError: It is none of those.
    """
    found: Format | None = format
    if format == "auto":
        found = "brat" if path.is_dir() else None
    if found is None:
        with streams.reading(path) as stream:
            found = detection.of_content(stream)
    if found in WITH_RELATIONS:
        return found
    raise InputError.at(
        path,
        1,
        "neither PubTator, BioC XML or JSON, JSON lines nor a BRAT folder; "
        "name the format if it is one of them",
    )


def read(
    path: Path, format: Format, on_bad: OnBad = refuse, name: str = ""
) -> Iterator[Loaded]:
    """Yields the documents of a file or folder, in its order, one at a time.

    Args:
        path: A file, unpacked if its name ends in `.gz`; `-` for standard input; for
            BRAT a folder, or the .txt of one document.
        format: What it is; `auto` is `detect`.
        on_bad: Told of every document that cannot be read, and of the rest of a file
            if that cannot; by default that is raised.
        name: Of documents that have no other; by default that of the file.

    Raises:
        InputError: It cannot be opened, or its format is not found out.
    """
    if path.is_dir() and format in ("auto", "brat"):
        yield from brat.read(path, on_bad)
        return
    if format == "brat" and path.suffix == ".txt":
        yield from fields.readable([path], lambda one: brat.load(one, name), on_bad)
        return
    if format in ("brat", "html"):
        problem = "no such folder; want one of .txt and .ann"
        if format == "html":
            problem = "HTML pages are written, never read"
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
    """Writes documents with new mentions and relations.

    A document read in the same format keeps all else it held; one of another format
    keeps its text, mentions and relations. A file takes its place when it is complete,
    so `path` may be the file (for BRAT the folder) being read.

    Args:
        path: The file, packed if its name ends in `.gz`; `-` for standard output; for
            BRAT a folder.
        format: One of `WRITTEN`.
        documents: Each with what is new in it. A mention without an id ("") gets one;
            relations name mentions by their ids, and get their own here.
        on_bad: Told of every document that the format cannot hold, which is left out;
            by default that is raised.
        is_merged: The documents are of several files.

    Returns:
        What was written.

    Raises:
        InputError: The place cannot be written.
        ValueError: A new mention is not what the text has at its offsets, or has the
            id of another; a relation names what is no mention of its document.
    """
    writer = _WRITERS[format]
    written = Written()
    convert = writer.converter(written.notes)
    own = () if writer.is_framed and is_merged else writer.own

    def prepared() -> Iterator[Annotated]:
        for loaded, added in documents:
            new = conversion.numbered(loaded, added)
            try:
                ready: Annotated = (loaded, new)
                if not isinstance(loaded.source, own):
                    ready = convert(loaded, new)
                    _check(ready)
            except InputError as error:
                on_bad(error)
                continue
            written.mentions.update(mention.type for mention in mentions_in(new))
            written.relations.update(one.type for one in relations_in(new))
            yield ready

    written.documents = writer.write(path, prepared())
    return written


def _check(annotated: Annotated) -> None:
    """Checks that the mentions of a converted document are what its text has.

    Raises:
        InputError: One is not.
    """
    loaded, added = annotated
    mentions = tuple(mentions_in(added))
    dataclasses.replace(loaded.document, mentions=mentions).check()
