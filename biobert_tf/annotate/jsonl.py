# SPDX-License-Identifier: Apache-2.0
"""JSON lines: a document per line, written back with new relations.

    {"id": "7", "text": "...",
     "entities": [{"id": "T1", "start": 0, "end": 7, "type": "Chemical"}, ...],
     "relations": [{"type": "CPR:4", "first": "T1", "second": "T2",
                    "probability": 0.98}, ...]}

`text` is needed, all else may be missing: `id` is then the number of the line, that of
an entity T1, T2, ... by its position. An entity has `start` and `end`, or `spans`
([[start, end], ...]) if it is discontinuous, in Unicode characters, half-open; `type`
or `label`; if it has `text`, it must be what stands there; `concepts` is a list of
identifiers. A relation names its entities `first` and `second`, or `head` and `tail`,
and new relations do as the document's others. Other keys are kept. A line to which
nothing is added is written back as it was; blank lines are dropped.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from biobert_tf.annotate import storage
from biobert_tf.annotate.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
)
from biobert_tf.errors import InputError

_ROLES: Final = (("first", "second"), ("head", "tail"))


@dataclass(frozen=True)
class Source:
    """A line with its end, and the object it holds."""

    line: str
    values: Mapping[str, Any]


def read(path: Path) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: The file cannot be read; a line is no JSON object, has no text, an
            entity or relation of another form, an unknown or repeated id, or an entity
            that is not what the text has there. It names the line.
    """
    for number, line in storage.lines(path):
        if not line.removeprefix(storage.BOM).strip():
            continue
        values = storage.parsed_json(path, number, line)
        try:
            document = _document(values, str(number))
        except InputError as error:
            raise storage.error_at(path, number, str(error)) from None
        storage.checked(document, path, number)
        yield Loaded(document, Source(line, values))


def _document(values: Any, number: str) -> AnnotatedDocument:
    if not isinstance(values, dict) or not isinstance(values.get("text"), str):
        raise InputError('want an object with "text", a string')
    passage = Passage(0, values["text"])
    bare = AnnotatedDocument(_name(values.get("id"), number), (passage,), (), ())
    mentions = tuple(
        _mention(bare, entity, f"T{i}")
        for i, entity in enumerate(_objects(values, "entities"), start=1)
    )
    known = {mention.id for mention in mentions}
    relations = tuple(
        _relation(relation, known) for relation in _objects(values, "relations")
    )
    return AnnotatedDocument(bare.id, bare.passages, mentions, relations)


def _objects(values: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Returns a list of objects; empty where there is none."""
    found = values.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(x, dict) for x in found):
        raise InputError(f'"{key}" must be a list of objects')
    return found


def _name(value: Any, default: str) -> str:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"the id {value!r} is neither a string nor a whole number")
    return str(value)


def _mention(
    document: AnnotatedDocument, entity: Mapping[str, Any], default: str
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
        try:
            text = " ".join(document.slice(start, end) for start, end in spans)
        except ValueError as error:
            raise InputError(f"entity {name}: {error}") from None
    if not isinstance(text, str):
        raise InputError(f'"text" of entity {name} must be a string')
    return Mention(name, kind, spans, text, tuple(map(str, concepts)))


def _spans(name: str, entity: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    spans = entity.get("spans")
    if spans is None:
        spans = [[entity.get("start"), entity.get("end")]]
    if not isinstance(spans, list) or not all(
        isinstance(span, list) and len(span) == 2 for span in spans
    ):
        raise InputError(f'"spans" of entity {name} must be [[start, end], ...]')
    place = f"an offset of entity {name}"
    return tuple(
        (storage.integer(start, place), storage.integer(end, place))
        for start, end in spans
    )


def _relation(values: Mapping[str, Any], known: set[str]) -> Relation:
    kind = values.get("type", values.get("label"))
    if not isinstance(kind, str):
        raise InputError('a relation has no "type"')
    first_role, second_role = _roles([values])
    first, second = (_name(values.get(role), "") for role in (first_role, second_role))
    for name in (first, second):
        if name not in known:
            raise InputError(f"a relation names {name!r}, which is no entity's id")
    found = storage.probability(values.get("probability"))
    return Relation(kind, first, second, found, _name(values.get("id"), ""))


def _roles(relations: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    has_head = any("head" in relation for relation in relations)
    return _ROLES[1] if has_head else _ROLES[0]


def write(path: Path, documents: Iterable[tuple[Loaded, Sequence[Relation]]]) -> int:
    """Writes documents with relations added, and returns their number.

    Args:
        path: The file; packed if its name ends in `.gz`.
        documents: What `read` gave, and new relations between the entities of each.

    Raises:
        InputError: The directory cannot be written.
    """
    num_documents = 0
    with storage.writing(path) as stream:
        for loaded, relations in documents:
            line = loaded.source.line
            if relations:
                values = _with_relations(loaded.source.values, relations)
                line = json.dumps(values, ensure_ascii=False)
            line += "" if line.endswith("\n") else "\n"
            stream.write(line.encode("utf-8"))
            num_documents += 1
    return num_documents


def _with_relations(
    values: Mapping[str, Any], relations: Sequence[Relation]
) -> dict[str, Any]:
    # An entity's id is named as the file has it, which may be a number.
    entities = enumerate(_objects(values, "entities"), start=1)
    names = {
        _name(entity.get("id"), f"T{i}"): entity.get("id") for i, entity in entities
    }
    old = _objects(values, "relations")
    first_role, second_role = _roles(old)
    new = []
    for relation in relations:
        pair = [names.get(name) for name in (relation.first, relation.second)]
        first = relation.first if pair[0] is None else pair[0]
        second = relation.second if pair[1] is None else pair[1]
        item = {"type": relation.type, first_role: first, second_role: second}
        if relation.probability is not None:
            item["probability"] = round(relation.probability, 6)
        new.append(item)
    return {**values, "relations": [*old, *new]}
