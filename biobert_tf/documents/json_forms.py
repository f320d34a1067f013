# SPDX-License-Identifier: Apache-2.0
"""The keys under which JSON documents have their entities and relations.

    ours           "entities": [{"start", "end", "type"}],
                   "relations": [{"first", "second", "type"}]
    doccano        "entities": [{"start_offset", "end_offset", "label"}],
                   "relations": [{"from_id", "to_id", "type"}]
    spaCy          "spans": [{"start", "end", "label"}],
                   "relations": [{"head_span", "child_span", "label"}] (of Prodigy)
    PubAnnotation  "denotations": [{"span": {"begin", "end"}, "obj"}],
                   "relations": [{"subj", "obj", "pred"}]
    rows           "label", "labels" or "entities": [[start, end, type]]

An entity of any form may have an `id`, `spans` and the other keys of ours. What has
another form raises `InputError`, whose message does not name the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields
from biobert_tf.documents.document import Mention, Relation

Values = Mapping[str, Any]
"""A JSON object."""


class Roles(NamedTuple):
    """The keys of a relation."""

    first: str
    second: str
    type: str


class Form(NamedTuple):
    """The keys of a document's entities, and of relations that are added to it."""

    entities: str
    start: str
    end: str
    type: str
    roles: Roles


_ROLES: Final = (
    Roles("first", "second", "type"),
    Roles("head", "tail", "type"),
    Roles("from_id", "to_id", "type"),
    Roles("subj", "obj", "pred"),
)
_BY_PLACE: Final = Roles("head_span", "child_span", "label")
_OURS: Final = Form("entities", "start", "end", "type", _ROLES[0])
_DOCCANO: Final = Form("entities", "start_offset", "end_offset", "label", _ROLES[2])
_SPACY: Final = Form("spans", "start", "end", "label", _ROLES[0])
_PUBANNOTATION: Final = Form("denotations", "begin", "end", "obj", _ROLES[3])
_ROWS: Final = ("entities", "label", "labels")


def in_objects(values: Values) -> Values:
    """Returns a document whose entities are objects: those of `rows` become ours."""
    if form_of(values) is not _OURS:
        return values
    for key in ("entities",) if values.get("entities") else _ROWS:
        rows = values.get(key)
        if isinstance(rows, list) and rows and all(map(_is_row, rows)):
            entities = [
                {"id": f"T{i}", "start": start, "end": end, "type": kind}
                for i, (start, end, kind) in enumerate(rows, start=1)
            ]
            rest = {name: value for name, value in values.items() if name != key}
            return {**rest, "entities": entities}
    return values


def _is_row(row: object) -> bool:
    # Python's bool is an int too.
    return isinstance(row, list) and [*map(type, row)] == [int, int, str]


def form_of(values: Values) -> Form:
    """Returns the form of a document whose entities are objects."""
    if values.get("entities"):
        first = values["entities"]
        is_doccano = isinstance(first, list) and isinstance(first[0], dict)
        return _DOCCANO if is_doccano and "start_offset" in first[0] else _OURS
    if isinstance(values.get("denotations"), list):
        return _PUBANNOTATION
    spans = values.get("spans")
    is_spacy = isinstance(spans, list) and any(map(_is_span, spans))
    return _SPACY if is_spacy else _OURS


def _is_span(value: object) -> bool:
    return isinstance(value, dict) and "label" in value and "start" in value


def objects(values: Values, key: str) -> list[dict[str, Any]]:
    """Returns the list of objects under a key; empty if the key is missing.

    Raises `InputError` if there is something else.
    """
    found = values.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(x, dict) for x in found):
        raise InputError(f'"{key}" must be a list of objects')
    return found


def name_of(value: object, default: str) -> str:
    """Returns an id, a string or whole number, as a string; None is the default."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"the id {value!r} is neither a string nor a whole number")
    return str(value)


def document_name(values: Values, default: str) -> str:
    """Returns a document's id: `id`, else PubAnnotation's `sourceid` and `divid`."""
    if values.get("id") is None and values.get("sourceid") is not None:
        parts = (values["sourceid"], values.get("divid"))
        return "-".join(name_of(part, "") for part in parts if part is not None)
    return name_of(values.get("id"), default)


# --- entities ------------------------------------------------------------------------


def type_of(name: str, entity: Values) -> str:
    """Returns the type of the entity with this name; `InputError` if it has none."""
    return _type(entity, ("type", "label", "obj"), f"entity {name}")


def _type(values: Values, keys: Iterable[str], shown: str) -> str:
    """Returns the type under the first key that is there; `shown` is for messages."""
    kind = next((values[key] for key in keys if values.get(key) is not None), None)
    if not isinstance(kind, str):
        raise InputError(f'{shown} has no "type"')
    return kind


def spans_of(name: str, entity: Values) -> tuple[tuple[int, int], ...]:
    """Returns the spans of the entity with this name.

    Raises `InputError` if it has none, or they are no whole numbers.
    """
    spans = entity.get("spans")
    if spans is None and entity.keys().isdisjoint(("start", "start_offset", "end")):
        span = entity.get("span")
        parts: list[Any] = span if isinstance(span, list) else [span]
        if not all(isinstance(part, dict) for part in parts):
            raise InputError(f"entity {name} has no offsets")
        spans = [[part.get("begin"), part.get("end")] for part in parts]
    elif spans is None:
        end = "_offset" if "start_offset" in entity else ""
        spans = [[entity.get(f"start{end}"), entity.get(f"end{end}")]]
    if not isinstance(spans, list) or not all(
        isinstance(span, list) and len(span) == 2 for span in spans
    ):
        raise InputError(f'"spans" of entity {name} must be [[start, end], ...]')
    place = f"an offset of entity {name}"
    return tuple(
        (fields.integer(start, place), fields.integer(end, place))
        for start, end in spans
    )


def entity_of(mention: Mention, form: Form) -> dict[str, object]:
    """Returns a mention as an entity of a form."""
    places = [dict(zip(form[1:3], span, strict=True)) for span in mention.spans]
    values: dict[str, object] = {"id": mention.id}
    if form is _PUBANNOTATION:
        values["span"] = places if len(places) > 1 else places[0]
    elif len(places) == 1:
        values |= places[0]
    else:
        values["spans"] = [list(span) for span in mention.spans]
    values |= {form.type: mention.type, "text": mention.text}
    if mention.probability is not None:
        values["probability"] = round(mention.probability, 6)
    if mention.concepts:
        values["concepts"] = list(mention.concepts)
    return values


# --- relations -----------------------------------------------------------------------


def roles_of(relations: Sequence[Values], default: Roles = _ROLES[0]) -> Roles:
    """Returns the keys of relations that name entities by their ids."""
    for roles in (*_ROLES[1:], _ROLES[0]):
        if any(roles.first in one and _BY_PLACE.first not in one for one in relations):
            return roles
    return default


def relation_of(values: Values, known: Mapping[object, str]) -> Relation:
    """Returns a relation of mentions; `known` has their ids by the id and by the spans.

    Raises `InputError` if it has no type, or names an unknown mention.
    """
    # Prodigy's relations have a "head" besides, the number of a word.
    roles = _BY_PLACE if _BY_PLACE.first in values else roles_of([values])
    kind = _type(values, (roles.type, "type", "label"), "a relation")
    first, second = (_named(values.get(role), known) for role in roles[:2])
    found = fields.probability(values.get("probability"))
    return Relation(kind, first, second, found, name_of(values.get("id"), ""))


def _named(value: object, known: Mapping[object, str]) -> str:
    if isinstance(value, dict):
        start, end = (fields.integer(value.get(key), key) for key in ("start", "end"))
        if name := known.get(((start, end),)):
            return name
        raise InputError(f"a relation names {start}-{end}, where no entity is")
    name = name_of(value, "")
    if name not in known:
        raise InputError(f"a relation names {name!r}, which is not an entity's id")
    return name
