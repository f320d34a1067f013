# SPDX-License-Identifier: Apache-2.0
"""Translates between BioC and `AnnotatedDocument`, for both XML and JSON.

Both formats are interpreted in the form of JSON. The readers keep the text that was
read, and so also what is not interpreted: the DOCTYPE, unknown keys and elements, the
difference between an empty infon and "None", text after a comment.

The type of a mention is the infon `type`, its concepts are the infon `identifier` or
`MESH` (a string or a list), its probability is the infon `probability`. An annotation
without a location is kept but is not a mention. A mention without an id, or with one
that others have too, is named T1, T2, ...; a relation that names such an id is in
doubt. A new mention becomes an annotation of the passage or sentence that holds it, or
of the document if none does.

A relation has two nodes that are mentions; or two concepts in its infons: `entity1` and
`entity2` of BioRED, `Chemical` and `Disease` of BioCreative's chemical-disease task,
`role1` and `role2` of PubTator3 (an object with an `identifier`, or `Type|ID`). Then a
node may name one mention of each by place: `role="3,0"` means the fourth and the first
annotation of the document. Relations of other forms are kept and counted. The type of a
relation is the infon `type` or `relation`, its probability the infon `probability`, or
`score` of PubTator3. New relations are written at the end of their document.

What a classifier says of a document is in its infons: `label`, or `labels` joined by
semicolons, with a `probability_LABEL` for each label; or `value`. What it says of
passages is in theirs.

A document's id is its `id`, except in full texts of PubTator3 and PMC, where that is
the PMC id without its letters, and so the PMID of another article. The id then is the
PMID that the document or its passages give, else the PMC id with its letters.
"""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import (
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Any, Final, TypeVar

from biobert_tf.common.errors import InputError
from biobert_tf.documents import conversion, fields, framed
from biobert_tf.documents.document import (
    Added,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
    Verdict,
    split_concepts,
    verdicts,
)

# What a document raises that is not valid BioC.
_NOT_BIOC: Final = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
_CONCEPT_KEYS: Final = ("identifier", "MESH")
Part = TypeVar("Part")
_CONCEPT_ROLES: Final = (
    ("entity1", "entity2"),
    ("Chemical", "Disease"),
    ("role1", "role2"),
)
_PLACES: Final = re.compile(r"(\d{1,9}),(\d{1,9})", re.ASCII)


def loaded(
    path: Path, line: int, source: framed.Source, decode: Callable[[], Any]
) -> Loaded:
    """Returns a document; its id is its number in the file if it has no other.

    It begins at `line`; `source` is without the ids; `decode` returns the document as
    an object of BioC JSON.

    Raises:
        InputError: The document is not BioC.
    """
    try:
        found = decode()
        annotations, relations = held(found, "annotations"), held(found, "relations")
        taken = {str(each.get("id")) for each in (*annotations, *relations)}
        ids = _unique([each.get("id") for each in annotations], taken)
        bare = _bare(found, str(source.number))
        document, related = _annotated(bare, annotations, relations, ids)
    except _NOT_BIOC as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise fields.error_at(
            path, line, f"document number {source.number} is not valid BioC: {reason}"
        ) from None
    source = dataclasses.replace(source, ids=ids, related=related)
    document = fields.checked(document, path, line)
    return Loaded(document, source, frozenset({*taken, *ids}))


def held(found: Any, key: str) -> list[Any]:
    """Returns what passages, their sentences and the document have under a key."""
    inner = ([one, *(one.get("sentences") or ())] for one in found["passages"])
    parts = [*itertools.chain.from_iterable(inner), found]
    return [each for part in parts for each in part.get(key) or ()]


def texts(found: Any) -> list[Any]:
    """Returns the passages that have a text, or else their sentences that have one."""
    return [
        part
        for passage in found["passages"]
        for part in (
            [passage] if passage.get("text") else passage.get("sentences") or ()
        )
        if part.get("text")
    ]


def _unique(names: Sequence[Any], taken: set[str]) -> list[str]:
    """Returns the ids of annotations, with new ones for missing and double ids."""
    counts = Counter(map(str, names))
    new = (f"T{i}" for i in itertools.count(fields.next_number("T", taken)))
    return [
        next(new) if name in ("", None) or counts[str(name)] > 1 else str(name)
        for name in names
    ]


def _bare(found: Any, number: str) -> AnnotatedDocument:
    """Returns a document without annotations, whose id is `number` if it has none."""
    passages = tuple(
        Passage(
            fields.integer(part["offset"], "an offset"),
            _string(part["text"], "the text of a passage"),
        )
        for part in texts(found)
    )
    name = str(found.get("id") or number)
    infons = [part.get("infons") for part in (found, *found["passages"])]
    articles = [one for one in infons if isinstance(one, dict)]
    front = next((one for one in articles if one.get("article-id_pmc")), {})
    pmid, _, pmc = str(found.get("_id") or "").partition("|")
    pmid = str(found.get("pmid") or front.get("article-id_pmid") or pmid)
    pmc = str(found.get("pmcid") or front.get("article-id_pmc") or pmc)
    pmc_id = f"PMC{name}"
    if not name.isdigit() or pmc.upper().removeprefix("PMC") != name:
        is_numbered = not found.get("id")
        return AnnotatedDocument(name, passages, (), (), is_numbered=is_numbered)
    name = pmid if pmid.isdigit() else pmc_id
    return AnnotatedDocument(name, passages, (), (), 0, pmc_id)


def _annotated(
    bare: AnnotatedDocument,
    annotations: Sequence[Any],
    relations: Sequence[Any],
    ids: Sequence[str],
) -> tuple[AnnotatedDocument, list[frozenset[str]]]:
    """Returns the document, and what each relation names, as in `framed.Source`.

    A relation that is read names what it is of. The ids in its nodes may be others:
    those of nodes that point by place are no ids of annotations.
    """
    places = [
        _mention(bare, annotation, name) if annotation.get("locations") else None
        for annotation, name in zip(annotations, ids, strict=True)
    ]
    mentions = tuple(one for one in places if one)
    # An id that was made here is in no file, and so no relation of a file means it.
    names = {
        one.id: one
        for one, annotation in zip(places, annotations, strict=True)
        if one and one.id == str(annotation.get("id"))
    }
    concepts = {concept for one in mentions for concept in one.concepts}
    read = [_relation(one, places, names, concepts) for one in relations]
    known = tuple(one for one in read if one)
    related = [
        frozenset([one.first, one.second] if one else _nodes(item, False))
        for one, item in zip(read, relations, strict=True)
    ]
    document = dataclasses.replace(
        bare, mentions=mentions, relations=known, num_unread=len(read) - len(known)
    )
    return document, related


def _nodes(item: Any, with_places: bool = True) -> list[str]:
    """Returns the ids in the nodes of a relation, maybe of those that give a place."""
    nodes = item.get("nodes") or ()
    return [
        str(node.get("refid"))
        for node in nodes
        if with_places or not _PLACES.fullmatch(str(node.get("role")))
    ]


def _mention(document: AnnotatedDocument, annotation: Any, name: str) -> Mention:
    spans = tuple(
        (
            fields.integer(place["offset"], "an offset"),
            place["offset"] + fields.integer(place["length"], "a length"),
        )
        for place in annotation["locations"]
    )
    text = annotation.get("text")
    if text is None:
        text = document.text_at(spans)
    infons = annotation.get("infons") or {}
    identifier = next((infons[key] for key in _CONCEPT_KEYS if infons.get(key)), "")
    several = identifier if isinstance(identifier, list) else [identifier]
    concepts = (one for each in several for one in split_concepts(str(each)))
    return Mention(
        name,
        str(infons.get("type") or ""),
        spans,
        _string(text, f"the text of annotation {name}"),
        tuple(dict.fromkeys(concepts)),
        fields.probability(infons.get("probability")),
    )


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} is not a string")
    return value


def _relation(
    item: Any,
    places: Sequence[Mention | None],
    names: Mapping[str, Mention],
    concepts: Container[str],
) -> Relation | None:
    """Returns a relation; None if it is neither of two mentions nor of two concepts.

    `places` has the mention of every annotation, or None for one without a location.
    """
    infons = item.get("infons") or {}
    ends = pair = _two([names.get(name) for name in _nodes(item)])
    if pair is None:
        pair = _by_place(item.get("nodes") or (), places)
        ends = _two_concepts(infons, pair, concepts) or pair
    if ends is None:
        return None
    chance = infons.get("probability")
    if chance is None and "role1" in infons:
        chance = infons.get("score")
    return Relation(
        str(infons.get("type") or infons.get("relation") or ""),
        *ends,
        fields.probability(chance),
        str(item.get("id") or ""),
        pair if pair != ends else None,
    )


def _two(found: Sequence[Mention | None]) -> tuple[str, str] | None:
    """Returns the ids of two mentions; None if there are not just two."""
    names = [mention.id for mention in found if mention]
    return (names[0], names[1]) if len(names) == len(found) == 2 else None


def _by_place(
    nodes: Sequence[Any], places: Sequence[Mention | None]
) -> tuple[str, str] | None:
    match = _PLACES.fullmatch(str(nodes[0].get("role"))) if len(nodes) == 1 else None
    numbers = map(int, match.groups()) if match else ()
    return _two([places[i] for i in numbers if i < len(places)])


def _two_concepts(
    infons: Mapping[str, Any], pair: tuple[str, str] | None, concepts: Container[str]
) -> tuple[str, str] | None:
    """Returns the concepts in the infons of a relation; None if there are not two.

    One that is missing, or that no mention has, becomes the mention in `pair`.
    """
    for keys in _CONCEPT_ROLES:
        if all(map(infons.get, keys)):
            names = [_concept(infons[key], key, concepts) for key in keys]
            if pair:
                names = [
                    name if name in concepts else mention
                    for name, mention in zip(names, pair, strict=True)
                ]
            return (names[0], names[1]) if all(names) else None
    return None


def _concept(value: Any, key: str, concepts: Container[str]) -> str:
    if isinstance(value, dict):
        value = value.get("identifier") or ""
    elif key.startswith("role"):
        value = value.partition("|")[2] if "|" in str(value) else value
    several = [str(one) for one in (value if isinstance(value, list) else [value])]
    several += [part for one in several for part in split_concepts(one)]
    known = next((one for one in several if one in concepts), several[0])
    return known if split_concepts(known) else ""


def encoded_relations(
    relations: Iterable[Relation], taken: frozenset[str]
) -> list[dict[str, Any]]:
    """Returns relations as objects of BioC JSON with ids that are not in `taken`."""
    return [
        {
            "id": f"R{i}",
            "infons": _infons(relation.type, relation.probability),
            "nodes": [
                {"refid": relation.first, "role": "Arg1"},
                {"refid": relation.second, "role": "Arg2"},
            ],
        }
        for i, relation in enumerate(relations, start=fields.next_number("R", taken))
    ]


def encoded_mention(mention: Mention) -> dict[str, Any]:
    """Returns a mention as an object of BioC JSON."""
    infons = _infons(mention.type, mention.probability)
    if concepts := conversion.joined_concepts(mention.concepts):
        infons["identifier"] = concepts
    places = [{"offset": start, "length": end - start} for start, end in mention.spans]
    parts = {"infons": infons, "text": mention.text, "locations": places}
    return {"id": mention.id, **parts}


def without(old: Loaded, names: Container[str]) -> Loaded:
    """Returns a document in which some mentions are annotations without a location.

    They stay because a relation of PubTator3 counts all annotations. The relations that
    name them are left out.
    """
    skipped = frozenset(name for name in old.source.ids if name in names)
    source = dataclasses.replace(old.source, skipped=skipped)
    document = old.document.without(names)
    num_left = source.is_related_to_skipped.count(False) - len(document.relations)
    document = dataclasses.replace(document, num_unread=num_left)
    return Loaded(document, source, old.taken)


def document_infons(document: AnnotatedDocument) -> dict[str, str]:
    """Returns the infons of a document of another format."""
    return {"article-id_pmc": document.pmc_id} if document.pmc_id else {}


def _infons(kind: str, probability: float | None) -> dict[str, str]:
    infons = {"type": kind}
    if probability is not None:
        infons["probability"] = f"{probability:.6f}"
    return infons


def verdict_infons(verdict: Verdict) -> dict[str, str]:
    """Returns the infons of a verdict: several labels are joined by a semicolon.

    Every probability is an infon of its own, `probability_LABEL`.
    """
    found = {}
    for name, value in verdict.values.items():
        if isinstance(value, Mapping):
            several = {f"probability_{label}": each for label, each in value.items()}
        else:
            several = {name: value}
        for key, each in several.items():
            found[f"{verdict.prefix}{key}"] = _infon(each)
    return found


def _infon(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return ";".join(value) if isinstance(value, list) else str(value)


def judged(
    parts: Iterable[tuple[int, str, Part]], whole: Part, added: Added
) -> Iterator[tuple[Part, dict[str, str]]]:
    """Yields the passages, or the document, that verdicts are of, and their infons.

    `parts` has the offset, the text and the object of each passage or sentence, in the
    order of the verdicts; `whole` is the object of the document.
    """
    rest = iter(parts)
    for verdict in verdicts(added):
        part = whole
        if verdict.span is not None:
            part = next(
                part
                for offset, text, part in rest
                if (offset, offset + len(text)) == verdict.span
            )
        yield part, verdict_infons(verdict)


def holder(parts: Iterable[tuple[int, str, object]], mention: Mention) -> Any | None:
    """Returns the passage or sentence that holds a mention; None if none does.

    `parts` has the offset, the text and the object of each passage or sentence.
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
