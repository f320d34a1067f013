# SPDX-License-Identifier: Apache-2.0
"""Reads BioC JSON files document by document and writes them with new annotations.

A file holds a collection, a list of collections or of documents, an object with such a
list under "PubTator3", one document, or one document per line. `bioc_format` says how
it is interpreted and what is kept. A document without new annotations, and everything
around the documents, is written unchanged.
"""

import copy
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import bioc_format, conversion, fields, framed, json_pieces
from biobert_tf.documents.document import Added, Annotated, Loaded, parted
from biobert_tf.documents.framed import Piece

_HEAD: Final = (
    '{\n "source": "",\n "date": "",\n "key": "",\n "infons": {},\n "documents": [\n'
)
_EMPTY: Final = framed.Frame(",\n", [(1, _HEAD)], tail="\n ]\n}\n")


class Source(framed.Source):
    """A document of BioC JSON."""


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a BioC JSON file as they are read.

    Raises:
        InputError: Raised by `on_bad`: the file or a document is not JSON or not BioC.
            The message names the line.
    """
    frame = framed.Frame(",")
    return fields.readable(
        json_pieces.pieces(stream, frame),
        lambda piece: _load(stream.path, piece, frame),
        on_bad,
    )


def _load(path: Path, piece: Piece, frame: framed.Frame) -> Loaded:
    if piece.error is not None:
        raise piece.error
    streams.require_utf8(path, piece.line, piece.text)
    values = fields.parsed_json(path, piece.line, piece.text)
    if piece.is_root and not (isinstance(values, dict) and "passages" in values):
        raise InputError.at(path, piece.line, json_pieces.NOT_BIOC)
    # What is nested too deeply to be copied could not be written with additions.
    source = Source(frame, piece.number, piece.text, values)
    return bioc_format.loaded(path, piece.line, source, lambda: copy.deepcopy(values))


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Converts a document of another format to BioC JSON."""
    whole = conversion.united(loaded.document, added, notes, keeps_concepts=False)
    bioc_format.count_losses(whole, notes)
    passages = [
        {"offset": passage.offset, "infons": {}, "text": passage.text}
        for passage in whole.passages
    ]
    infons = bioc_format.document_infons(whole)
    values = {"id": whole.id, "infons": infons, "passages": passages}
    values["relations"] = []
    text = json.dumps(values, ensure_ascii=False)
    source = Source(_EMPTY, 1, text, values)
    return conversion.converted(whole, source)


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields the file of documents with mentions and relations added."""
    return framed.texts(documents, _text, _EMPTY)


def _text(loaded: Loaded, added: Added) -> str:
    source = loaded.source
    values = copy.deepcopy(source.values)
    mentions, relations = parted(added)
    annotations = bioc_format.held(values, "annotations")
    for annotation, name in zip(annotations, source.ids, strict=True):
        if name in source.skipped:
            annotation["locations"] = []
        if relations and str(annotation.get("id")) != name:
            annotation["id"] = name
    old = bioc_format.held(values, "relations")
    for relation, is_gone in zip(old, source.is_related_to_skipped, strict=True):
        if is_gone:
            _remove(values, relation)
    parts = [(one["offset"], one["text"], one) for one in bioc_format.texts(values)]
    for mention in mentions:
        part = bioc_format.holder(parts, mention) or values
        _append(part, "annotations", bioc_format.encoded_mention(mention))
    for relation in bioc_format.encoded_relations(relations, loaded.taken):
        _append(values, "relations", relation)
    _add_infons(bioc_format.judged(parts, values, added))
    is_indented = "\n" in source.text
    return json.dumps(values, ensure_ascii=False, indent=1 if is_indented else None)


def _add_infons(judged: Iterable[tuple[Any, dict[str, str]]]) -> None:
    """Adds infons to passages, sentences or the document."""
    for part, infons in judged:
        part["infons"] = {**(part.get("infons") or {}), **infons}


def names(loaded: Loaded) -> Iterator[str]:
    """Yields the keys of the infons of a document and of its passages."""
    values = loaded.source.values
    for part in (values, *bioc_format.texts(values)):
        yield from part.get("infons") or {}


def _remove(part: dict[str, Any], relation: object) -> None:
    """Removes a relation from the document, or the passage or sentence that has it."""
    if part.get("relations"):
        part["relations"] = [one for one in part["relations"] if one is not relation]
    for inner in (*(part.get("passages") or ()), *(part.get("sentences") or ())):
        _remove(inner, relation)


def _append(values: dict[str, Any], key: str, item: Any) -> None:
    values[key] = [*(values.get(key) or []), item]
