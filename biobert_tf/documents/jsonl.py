# SPDX-License-Identifier: Apache-2.0
"""Reads and writes JSON lines: one document per line, with entities and relations.

    {"id": "7", "text": "...",
     "entities": [{"id": "T1", "start": 0, "end": 7, "type": "Chemical",
                   "probability": 0.98}, ...],
     "relations": [{"type": "CPR:4", "first": "T1", "second": "T2",
                    "probability": 0.98}, ...]}

Only `text` is required. A missing `id` of a document is the number of its line; missing
ids of entities are T1, T2, ... by position. An entity has `start` and `end`, or `spans`
([[start, end], ...]) if it is discontinuous: half-open ranges of Unicode characters. It
has a `type` or `label`. If it has `text`, this must equal the document's text there.
`concepts` is a list of identifiers, `probability` a number in [0, 1]. A relation names
its entities `first` and `second`, or `head` and `tail`; new relations use the same keys
as the document's others. Other keys are kept. A line without additions is written
unchanged; blank lines are dropped.
"""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import conversion, fields
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
    mentions_in,
    relations_in,
)

_ROLES: Final = (("first", "second"), ("head", "tail"))


@dataclass(frozen=True)
class Source:
    """A line with its line end, and the parsed JSON object."""

    line: str
    values: Mapping[str, object]


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: Raised by `on_bad`: a line is not a JSON object, has no text, an
            entity or relation of another form, or an unknown or repeated id. The
            message names the line.
    """
    lines = (
        (number, line)
        for number, line in stream.lines()
        if line.removeprefix(BOM).strip()
    )
    return fields.readable(lines, lambda line: _load(stream.path, *line), on_bad)


def _load(path: Path, number: int, line: str) -> Loaded:
    streams.require_utf8(path, number, line)
    values = fields.parsed_json(path, number, line)
    try:
        document = _document(values, str(number))
    except InputError as error:
        raise fields.error_at(path, number, str(error)) from None
    document = fields.checked(document, path, number)
    return Loaded(document, Source(line, values))


def _document(values: object, number: str) -> AnnotatedDocument:
    if not isinstance(values, dict) or not isinstance(values.get("text"), str):
        raise InputError('want an object with "text", a string')
    passage = Passage(0, values["text"])
    bare = AnnotatedDocument(_name(values.get("id"), number), (passage,), (), ())
    mentions = tuple(
        _mention(bare, entity, f"T{i}")
        for i, entity in enumerate(_objects(values, "entities"), start=1)
    )
    known = {mention.id for mention in mentions}
    if len(known) < len(mentions):
        counts = Counter(mention.id for mention in mentions)
        raise InputError(f"a second entity has the id {counts.most_common(1)[0][0]}")
    relations = tuple(
        _relation(relation, known) for relation in _objects(values, "relations")
    )
    return AnnotatedDocument(bare.id, bare.passages, mentions, relations)


def _objects(values: Mapping[str, object], key: str) -> list[dict[str, object]]:
    """Returns the list of objects under a key; empty if the key is missing."""
    found = values.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(x, dict) for x in found):
        raise InputError(f'"{key}" must be a list of objects')
    return found


def _name(value: object, default: str) -> str:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"the id {value!r} is neither a string nor a whole number")
    return str(value)


def _mention(
    document: AnnotatedDocument, entity: Mapping[str, object], default: str
) -> Mention:
    name = _name(entity.get("id"), default)
    kind = entity.get("type", entity.get("label"))
    concepts = entity.get("concepts") or []
    if not isinstance(kind, str):
        raise InputError(f'entity {name} has no "type"')
    if not isinstance(concepts, list):
        raise InputError(f'"concepts" of entity {name} must be a list')
    spans = _spans(name, entity)
    text = entity.get("text")
    if text is None:
        text = document.text_at(spans)
    if not isinstance(text, str):
        raise InputError(f'"text" of entity {name} must be a string')
    found = fields.probability(entity.get("probability"))
    return Mention(name, kind, spans, text, tuple(map(str, concepts)), found)


def _spans(name: str, entity: Mapping[str, object]) -> tuple[tuple[int, int], ...]:
    spans = entity.get("spans")
    if spans is None:
        spans = [[entity.get("start"), entity.get("end")]]
    if not isinstance(spans, list) or not all(
        isinstance(span, list) and len(span) == 2 for span in spans
    ):
        raise InputError(f'"spans" of entity {name} must be [[start, end], ...]')
    place = f"an offset of entity {name}"
    return tuple(
        (fields.integer(start, place), fields.integer(end, place))
        for start, end in spans
    )


def _relation(values: Mapping[str, object], known: set[str]) -> Relation:
    kind = values.get("type", values.get("label"))
    if not isinstance(kind, str):
        raise InputError('a relation has no "type"')
    first_role, second_role = _roles([values])
    first, second = (_name(values.get(role), "") for role in (first_role, second_role))
    for name in (first, second):
        if name not in known:
            raise InputError(f"a relation names {name!r}, which is not an entity's id")
    found = fields.probability(values.get("probability"))
    return Relation(kind, first, second, found, _name(values.get("id"), ""))


def _roles(relations: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    has_head = any("head" in relation for relation in relations)
    return _ROLES[1] if has_head else _ROLES[0]


def converter(notes: conversion.Notes) -> conversion.Converter:
    """Returns a function that converts a document of another format to a line."""

    def convert(loaded: Loaded, added: Added) -> Annotated:
        whole = conversion.flat(conversion.united(loaded.document, added, notes, False))
        values = {"id": whole.id, "text": whole.passages[0].text}
        if whole.pmc_id:
            values["pmcid"] = whole.pmc_id
        line = json.dumps(values, ensure_ascii=False)
        source = Source(line, values)
        return conversion.converted(whole, source)

    return convert


def without(loaded: Loaded, names: Container[str]) -> Loaded:
    """Returns a document without some entities and the relations of them."""
    values = dict(loaded.source.values)
    old = _objects(values, "entities")
    ids = [_name(entity.get("id"), f"T{i}") for i, entity in enumerate(old, start=1)]
    # Entities without an id are named by position, which must not change.
    values["entities"] = [
        {**entity, "id": name} if entity.get("id") is None else entity
        for entity, name in zip(old, ids, strict=True)
        if name not in names
    ]
    if relations := _objects(values, "relations"):
        roles = _roles(relations)
        values["relations"] = [
            one
            for one in relations
            if not any(_name(one.get(role), "") in names for role in roles)
        ]
    line = json.dumps(values, ensure_ascii=False) + "\n"
    return Loaded(loaded.document.without(names), Source(line, values))


def write(path: Path, documents: Iterable[Annotated]) -> int:
    """Writes documents with entities and relations added, and returns their number."""
    return conversion.write_texts(path, documents, _lines)


def _lines(loaded: Loaded, added: Added) -> Iterator[str]:
    line = loaded.source.line
    if added:
        values = _with_added(loaded.source.values, added)
        line = json.dumps(values, ensure_ascii=False)
    yield line if line.endswith("\n") else f"{line}\n"


def _with_added(values: Mapping[str, object], added: Added) -> dict[str, object]:
    # Relations name an entity by its id as it is in the file, which may be a number.
    old_entities = _objects(values, "entities")
    names = {
        _name(entity.get("id"), f"T{i}"): entity.get("id")
        for i, entity in enumerate(old_entities, start=1)
    }
    old = _objects(values, "relations")
    roles = _roles(old)
    entities = [_entity(mention) for mention in mentions_in(added)]
    new = []
    for relation in relations_in(added):
        item: dict[str, object] = {"type": relation.type}
        pair = (relation.first, relation.second)
        for role, name in zip(roles, pair, strict=True):
            known = names.get(name)
            item[role] = name if known is None else known
        if relation.probability is not None:
            item["probability"] = round(relation.probability, 6)
        new.append(item)
    changed = {
        "entities": [*old_entities, *entities] if entities else None,
        "relations": [*old, *new] if new else None,
    }
    return {**values, **{key: value for key, value in changed.items() if value}}


def _entity(mention: Mention) -> dict[str, object]:
    values: dict[str, object] = {"id": mention.id}
    if len(mention.spans) == 1:
        values["start"], values["end"] = mention.spans[0]
    else:
        values["spans"] = [list(span) for span in mention.spans]
    values |= {"type": mention.type, "text": mention.text}
    if mention.probability is not None:
        values["probability"] = round(mention.probability, 6)
    if mention.concepts:
        values["concepts"] = list(mention.concepts)
    return values
