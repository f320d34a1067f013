# SPDX-License-Identifier: Apache-2.0
"""Reads BioC XML files document by document and writes them with new annotations.

`bioc_format` says how a file is interpreted and what is kept. A document without new
annotations, and everything around the documents, is written unchanged, in UTF-8.
"""

import copy
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import bioc_format, conversion, fields, framed, xml_pieces
from biobert_tf.documents.document import Added, Annotated, Loaded, parted
from biobert_tf.documents.framed import Piece

_HEAD: Final = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection><source></source><date></date><key></key>\n"
)
_EMPTY: Final = framed.Frame("\n", [(1, _HEAD)], tail="\n</collection>\n")

_NOT_IN_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

# The elements that precede a new annotation in a passage, sentence or document.
_BEFORE: Final = frozenset(
    ["id", "infon", "offset", "text", "sentence", "passage", "annotation"]
)


class Source(framed.Source):
    """A document of BioC XML."""


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a BioC XML file as they are read.

    Raises:
        InputError: Raised by `on_bad`: the file is not XML or not BioC or declares
            entities; a document is not well-formed or not BioC. The message names the
            line.
    """
    frame = framed.Frame("\n")
    return fields.readable(
        xml_pieces.pieces(stream, frame),
        lambda piece: _load(stream.path, piece, frame),
        on_bad,
    )


def _load(path: Path, piece: Piece, frame: framed.Frame) -> Loaded:
    element = xml_pieces.element(piece, path)
    source = Source(frame, piece.number, piece.text, element)
    return bioc_format.loaded(path, piece.line, source, lambda: _values(element))


def _values(element: Any) -> dict[str, object]:
    """Returns a document as an object of BioC JSON."""
    if element.xpath(".//text/node()[not(self::text())]"):
        raise InputError("markup or a comment inside <text>")
    values = _part(element)
    values["id"] = element.findtext("id")
    values["passages"] = [_passage(child) for child in element.iterfind("passage")]
    return values


def _passage(element: Any) -> dict[str, object]:
    values = _sentence(element)
    values["sentences"] = [_sentence(child) for child in element.iterfind("sentence")]
    return values


def _sentence(element: Any) -> dict[str, object]:
    values = _part(element)
    values["offset"] = int(element.findtext("offset"))
    values["text"] = element.findtext("text")
    return values


def _part(element: Any) -> dict[str, object]:
    """Returns what documents, passages and sentences share, in BioC JSON's form."""
    return {
        "infons": _infons(element),
        "annotations": [_annotation(item) for item in element.iterfind("annotation")],
        "relations": [_relation(item) for item in element.iterfind("relation")],
    }


def _infons(element: Any) -> dict[str, str]:
    return {item.attrib["key"]: item.text for item in element.iterfind("infon")}


def _annotation(element: Any) -> dict[str, object]:
    places = [
        {"offset": int(place.attrib["offset"]), "length": int(place.attrib["length"])}
        for place in element.iterfind("location")
    ]
    return {
        "id": element.get("id", ""),
        "infons": _infons(element),
        "text": element.findtext("text"),
        "locations": places,
    }


def _relation(element: Any) -> dict[str, object]:
    nodes = [
        {"refid": node.attrib["refid"], "role": node.attrib["role"]}
        for node in element.iterfind("node")
        if node.attrib
    ]
    return {"id": element.get("id"), "infons": _infons(element), "nodes": nodes}


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Converts a document of another format to BioC XML.

    Raises:
        InputError: It has characters that XML cannot hold.
    """
    whole = conversion.united(loaded.document, added, notes, keeps_concepts=False)
    for text in conversion.strings(whole):
        if bad := _NOT_IN_XML.search(text):
            raise InputError(
                f"document {conversion.shown(whole.id)}: XML cannot hold "
                f"U+{ord(bad[0]):04X}; write another format"
            )
    bioc_format.count_losses(whole, notes)
    element = etree.Element("document")
    _child(element, "id", whole.id)
    for key, value in bioc_format.document_infons(whole).items():
        _child(element, "infon", value).set("key", key)
    for passage in whole.passages:
        child = _child(element, "passage", None)
        _child(child, "offset", str(passage.offset))
        _child(child, "text", passage.text)
    source = Source(_EMPTY, 1, _serialised(element), element)
    return conversion.converted(whole, source)


def _child(element: Any, tag: str, text: str | None) -> Any:
    child = etree.SubElement(element, tag)
    child.text = text
    return child


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields the file of documents with mentions and relations added."""
    return framed.texts(documents, _text, _EMPTY)


def _text(loaded: Loaded, added: Added) -> str:
    source = loaded.source
    element = copy.deepcopy(source.values)
    mentions, relations = parted(added)
    found = list(_held(element, "relation"))
    for relation, is_gone in zip(found, source.is_related_to_skipped, strict=True):
        if is_gone:
            relation.getparent().remove(relation)
    annotations = _held(element, "annotation")
    for annotation, name in zip(annotations, source.ids, strict=True):
        for place in annotation.findall("location") if name in source.skipped else ():
            annotation.remove(place)
        if relations:
            annotation.set("id", name)
    parts = [
        (int(part.findtext("offset")), part.findtext("text"), part)
        for passage in element.iterfind("passage")
        for part in ([passage] if passage.findtext("text") else passage)
        if part.tag in ("passage", "sentence") and part.findtext("text")
    ]
    last: dict[Any, Any] = {}  # the last new annotation of each holder
    for mention in mentions:
        holder = bioc_format.holder(parts, mention)
        holder = element if holder is None else holder
        new = _encoded("annotation", bioc_format.encoded_mention(mention))
        last[holder] = _insert(holder, last.get(holder), new)
    _add_infons(bioc_format.judged(parts, element, added))
    tail = element[-1].tail if len(element) else None
    for relation in bioc_format.encoded_relations(relations, loaded.taken):
        new = _encoded("relation", relation)
        new.tail = tail
        element.append(new)
    return _serialised(element)


def names(loaded: Loaded) -> Iterable[str]:
    """Returns the keys of the infons of a document and of its passages."""
    parts = ("", "passage/", "passage/sentence/")
    query = "|".join(f"{part}infon/@key" for part in parts)
    found: Iterable[str] = map(str, loaded.source.values.xpath(query))
    return found


def _add_infons(judged: Iterable[tuple[Any, dict[str, str]]]) -> None:
    """Adds infons behind those of passages, sentences or the document."""
    for part, infons in judged:
        known = [child for child in part if child.tag in ("id", "infon")]
        last = known[-1] if known else None
        for key, value in infons.items():
            new = etree.Element("infon", {"key": key})
            new.text = value
            if last is None:
                new.tail = part.text
                part.insert(0, new)
            else:
                new.tail = last.tail
                last.addnext(new)
            last = new


def _encoded(tag: str, item: dict[str, Any]) -> Any:
    """Returns an annotation or a relation of BioC JSON as an element."""
    element = etree.Element(tag, {"id": item["id"]})
    for key, value in item["infons"].items():
        _child(element, "infon", value).set("key", key)
    for tag, key in (("location", "locations"), ("node", "nodes")):
        for values in item.get(key, ()):
            attributes = {name: str(value) for name, value in values.items()}
            etree.SubElement(element, tag, attributes)
    if "text" in item:
        _child(element, "text", item["text"])
    return element


def _held(element: Any, tag: str) -> Iterator[Any]:
    """Yields the annotations or relations in the order of `bioc_format.held`."""
    for passage in element.iterfind("passage"):
        for part in (passage, *passage.iterfind("sentence")):
            yield from part.iterfind(tag)
    yield from element.iterfind(tag)


def _insert(holder: Any, last: Any | None, new: Any) -> Any:
    """Inserts `new` into a passage, sentence or document, and returns it.

    It stands after the old annotations and `last`, the last new one, if there is one,
    and before the relations.
    """
    if last is None:
        before = (child for child in reversed(holder) if child.tag in _BEFORE)
        last = next(before, None)
    if last is None:
        holder.insert(0, new)
    else:
        new.tail = last.tail
        last.addnext(new)
    return new


def _serialised(element: Any) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)
