# SPDX-License-Identifier: Apache-2.0
"""Translates between BioC and `AnnotatedDocument`, for both XML and JSON.

The library `bioc` decodes a document and encodes its new annotations. The readers keep
everything else as the text that was read, because `bioc` drops what it has no class
for: the DOCTYPE, unknown keys and elements, the difference between an empty infon and
"None", text after a comment.

The type of a mention is the infon `type`, its concepts are the infon `identifier` or
`MESH`, its probability is the infon `probability`. An annotation without a location is
kept but is not a mention. A new mention becomes an annotation of the passage or
sentence that holds it, or of the document if none does. A relation has two nodes that
are mentions; or no node and two concepts in its infons: `entity1` and `entity2` of
BioRED, `Chemical` and `Disease` of BioCreative's chemical-disease task. Relations of
other forms are kept but not interpreted. The type of a relation is the infon `type` or
`relation`, its probability the infon `probability`. New relations are written at the
end of their document.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common.errors import InputError
from biobert_tf.documents import conversion, fields
from biobert_tf.documents.document import (
    AnnotatedDocument,
    Mention,
    Passage,
    Relation,
    split_concepts,
)

# The exceptions that bioc raises if a document is not valid BioC.
_NOT_BIOC: Final = (
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)
_CONCEPT_KEYS: Final = ("identifier", "MESH")
_CONCEPT_ROLES: Final = (("entity1", "entity2"), ("Chemical", "Disease"))


def library() -> Any:
    """Returns the package bioc, which is optional.

    Raises:
        InputError: The package is not installed.
    """
    try:
        import bioc
        import bioc.biocjson
        import bioc.biocxml
        import bioc.biocxml.encoder
    except ImportError:
        raise InputError(
            "BioC files need the package bioc: pip install 'biobert_tf[formats]'"
        ) from None
    return bioc


def decoded(
    path: Path, line: int, number: int, decode: Callable[[], Any]
) -> tuple[AnnotatedDocument, frozenset[str]]:
    """Returns a document and the ids of its annotations and relations.

    Args:
        path: The file, for error messages.
        line: The line where the document begins.
        number: The document's number in its file, from 1; its id if it has no other.
        decode: Returns the document as a `bioc.BioCDocument`.

    Raises:
        InputError: The document is not BioC, or a mention does not match the text at
            its offsets.
    """
    try:
        found = decode()
        parts = list(_parts(found))
        document = _annotated(found, parts, str(number))
        items = (
            item for part in parts for item in [*part.annotations, *part.relations]
        )
        taken = frozenset(str(item.id) for item in items)
    except _NOT_BIOC as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise fields.error_at(
            path, line, f"document number {number} is not valid BioC: {reason}"
        ) from None
    return fields.checked(document, path, line), taken


def _parts(found: Any) -> Iterator[Any]:
    """Yields the holders of annotations: passages, their sentences, the document."""
    for passage in found.passages:
        yield passage
        yield from passage.sentences
    yield found


def _annotated(found: Any, parts: Sequence[Any], number: str) -> AnnotatedDocument:
    passages = tuple(
        Passage(fields.integer(part.offset, "an offset"), part.text)
        for passage in found.passages
        for part in ([passage] if passage.text else passage.sentences)
        if part.text
    )
    bare = AnnotatedDocument(str(found.id or number), passages, (), ())
    mentions = tuple(
        _mention(bare, annotation)
        for part in parts
        for annotation in part.annotations
        if annotation.locations
    )
    known = {mention.id for mention in mentions}
    relations = (_relation(item, known) for part in parts for item in part.relations)
    return AnnotatedDocument(
        bare.id, passages, mentions, tuple(item for item in relations if item)
    )


def _mention(document: AnnotatedDocument, annotation: Any) -> Mention:
    if annotation.id in ("", None):
        raise InputError("an annotation has no id, so that no relation could name it")
    spans = tuple(
        (
            fields.integer(place.offset, "an offset"),
            place.offset + fields.integer(place.length, "a length"),
        )
        for place in annotation.locations
    )
    text = annotation.text
    if text is None:
        text = " ".join(document.slice(start, end) for start, end in spans)
    if not isinstance(text, str):
        raise InputError(f"the text of annotation {annotation.id} is not a string")
    infons = annotation.infons or {}
    concepts = (infons.get(key) for key in _CONCEPT_KEYS)
    return Mention(
        str(annotation.id),
        str(infons.get("type") or ""),
        spans,
        text,
        split_concepts(str(next((c for c in concepts if c), ""))),
        fields.probability(infons.get("probability")),
    )


def _relation(item: Any, known: set[str]) -> Relation | None:
    infons = item.infons or {}
    names = [str(node.refid) for node in item.nodes]
    if not names:
        concepts = ([infons.get(key) for key in keys] for keys in _CONCEPT_ROLES)
        names = next((list(map(str, pair)) for pair in concepts if all(pair)), [])
    elif not known.issuperset(names):
        return None
    if len(names) != 2:
        return None
    return Relation(
        str(infons.get("type") or infons.get("relation") or ""),
        names[0],
        names[1],
        fields.probability(infons.get("probability")),
        str(item.id or ""),
    )


def encoded_relations(
    relations: Sequence[Relation], taken: frozenset[str]
) -> list[Any]:
    """Returns relations as `bioc.BioCRelation`s with ids that are not in `taken`."""
    package = library()
    items = []
    for i, relation in enumerate(relations, start=fields.next_number("R", taken)):
        item = package.BioCRelation()
        item.id = f"R{i}"
        item.infons = _infons(relation.type, relation.probability)
        item.add_node(package.BioCNode(relation.first, "Arg1"))
        item.add_node(package.BioCNode(relation.second, "Arg2"))
        items.append(item)
    return items


def encoded_mention(mention: Mention) -> object:
    """Returns a mention as a `bioc.BioCAnnotation`."""
    package = library()
    item = package.BioCAnnotation()
    item.id = mention.id
    item.infons = _infons(mention.type, mention.probability)
    if concepts := conversion.joined_concepts(mention.concepts):
        item.infons["identifier"] = concepts
    for start, end in mention.spans:
        item.add_location(package.BioCLocation(start, end - start))
    item.text = mention.text
    return item


def _infons(kind: str, probability: float | None) -> dict[str, str]:
    infons = {"type": kind}
    if probability is not None:
        infons["probability"] = f"{probability:.6f}"
    return infons


def holder(parts: Iterable[tuple[int, str, object]], mention: Mention) -> Any | None:
    """Returns the passage or sentence that holds a mention; None if none does.

    Args:
        parts: The offset, the text and the object of each passage or sentence.
        mention: A mention, with offsets in the document.
    """
    start, end = mention.extent
    for offset, text, part in parts:
        if offset <= start and end <= offset + len(text):
            return part
    return None


def count_losses(document: AnnotatedDocument, notes: conversion.Notes) -> None:
    """Counts in `notes` what BioC cannot represent of a document."""
    for mention in document.mentions:
        conversion.joined_concepts(mention.concepts, notes)
