# SPDX-License-Identifier: Apache-2.0
"""The keys under which JSON documents have their entities and relations.

    ours           "entities": [{"start", "end", "type"}],
                   "relations": [{"first", "second", "type"}]
    doccano        "entities": [{"start_offset", "end_offset", "label"}],
                   "relations": [{"from_id", "to_id", "type"}];
                   the entities of old versions are under "annotations"
    spaCy          "ents" (Doc.to_json, displaCy) or "spans" (Prodigy):
                   [{"start", "end", "label"}],
                   "relations": [{"head_span", "child_span", "label"}] (of Prodigy)
    PubAnnotation  "denotations": [{"span": {"begin", "end"}, "obj"}],
                   "relations": [{"subj", "obj", "pred"}]
    rows           "label", "labels", "entities" or "spans": [[start, end, type]]

An entity of any form may have an `id`, `spans` and the other keys of ours. What has
another form raises `InputError`, whose message does not name the file.
"""

import json
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
    """The keys of a document's entities, and of relations that are added to it.

    An object under the first key is an entity if it has all of `marks`.
    """

    entities: str
    start: str
    end: str
    type: str
    roles: Roles
    marks: tuple[str, ...] = ()


_ROLES: Final = (
    Roles("first", "second", "type"),
    Roles("head", "tail", "type"),
    Roles("from_id", "to_id", "type"),
    Roles("subj", "obj", "pred"),
)
_BY_PLACE: Final = Roles("head_span", "child_span", "label")
OURS: Final = Form("entities", "start", "end", "type", _ROLES[0])
_OFFSETS: Final = ("start_offset", "end_offset")
_DOCCANO: Final = Form("entities", *_OFFSETS, "label", _ROLES[2], _OFFSETS[:1])
_OLD_DOCCANO: Final = _DOCCANO._replace(entities="annotations")
_SPACY: Final = Form("spans", "start", "end", "label", _BY_PLACE, ("start", "label"))
_SPACY_DOC: Final = _SPACY._replace(entities="ents")
_PUBANNOTATION: Final = Form("denotations", "begin", "end", "obj", _ROLES[3])
_FORMS: Final = (OURS, _DOCCANO, _PUBANNOTATION, _SPACY, _SPACY_DOC, _OLD_DOCCANO)
_LABELS: Final = ("label", "labels")


def in_objects(values: Values, is_doccano: bool = False) -> tuple[Values, Form]:
    """Returns a document whose entities are objects, and their form.

    Those of `rows` become ours. A document without entities has the form of the key
    under which its list is empty; `is_doccano` says whether others of its file are of
    doccano.

    Raises `InputError` if entities are under two keys, in tracks or in odd rows.
    """
    _require_no_tracks(values)
    rows = [key for key in ("entities", "spans", *_LABELS) if _has_rows(values, key)]
    # Doccano's entities stand under our key; the form that comes last is right.
    forms = {form.entities: form for form in _FORMS if _has_objects(values, form)}
    keys = list({**dict.fromkeys(rows), **forms})
    # Beside entities under another key, these hold something else.
    others = {_SPACY_DOC.entities, *({"spans"} & {*rows})}
    keys = [key for key in keys if key not in others] or keys
    rows = [key for key in rows if key in keys]
    if len(keys) > 1:
        shown = " and ".join(f'"{key}"' for key in keys)
        raise InputError(f"entities are under {shown}; want them under one key")
    for key in sorted({"entities", "denotations"}.difference(rows)):
        objects(values, key)
    if rows:
        numbered = enumerate(values[rows[0]], start=1)
        entities = [_of_row(f'row {i} of "{rows[0]}"', i, row) for i, row in numbered]
        return {**_without(values, rows), "entities": entities}, OURS
    if forms:
        return values, forms[keys[0]]
    return _of_empty(values, is_doccano)


def _require_no_tracks(values: Values) -> None:
    """Raises `InputError` for a document of PubAnnotation with several projects."""
    tracks = values.get("tracks")
    if isinstance(tracks, list) and any(
        isinstance(track, dict) and track.get("denotations") for track in tracks
    ):
        problem = '"tracks" have the denotations of several projects'
        raise InputError(f'{problem}; want those of one, beside "text"')


def _of_empty(values: Values, is_doccano: bool) -> tuple[Values, Form]:
    """Returns a document without entities, and the form of those it may get."""
    doccano = (_DOCCANO, _OLD_DOCCANO) if is_doccano else ()
    for form in (*doccano, OURS, _PUBANNOTATION, _SPACY, _SPACY_DOC):
        if values.get(form.entities) == []:
            return values, form
    if _is_spacy_doc(values):
        return values, _SPACY_DOC
    return _without(values, [key for key in _LABELS if values.get(key) == []]), OURS


def _is_spacy_doc(values: Values) -> bool:
    """Returns whether `Doc.to_json` made a document; without a model, it has no "ents".

    Its tokens are offsets; those of Prodigy have texts besides.
    """
    found = values.get("tokens")
    tokens = found if isinstance(found, list) else []
    return any(
        isinstance(one, dict)
        and {"id", "start", "end"} <= one.keys()
        and "text" not in one
        for one in tokens
    )


def _without(values: Values, keys: Sequence[str]) -> Values:
    return {key: value for key, value in values.items() if key not in keys}


def _has_objects(values: Values, form: Form) -> bool:
    found = values.get(form.entities)
    return isinstance(found, list) and any(
        isinstance(one, dict) and one.keys() >= {*form.marks} for one in found
    )


def _has_rows(values: Values, key: str) -> bool:
    """Returns whether a list has rows; labels that are objects are refused as rows.

    Other lists under "spans", such as pairs of offsets, are not of entities.
    """
    found = values.get(key)
    if not isinstance(found, list):
        return False
    if key == "spans":
        return any(map(_is_row, found))
    kinds = (list, dict) if key in _LABELS else list
    return any(isinstance(one, kinds) for one in found)


def _is_row(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[2], str)


def _of_row(shown: str, number: int, row: object) -> dict[str, object]:
    """Returns a row as an entity of ours; `InputError` if it is none."""
    if not isinstance(row, list) or not _is_row(row):
        raise InputError(f"{shown} is {json.dumps(row)}, not [start, end, type]")
    start, end = (fields.integer(offset, f"an offset of {shown}") for offset in row[:2])
    return {"id": f"T{number}", "start": start, "end": end, "type": row[2]}


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
    """Returns the keys of relations; `default` if there are none that are known."""
    for roles in (*_ROLES[1:], _ROLES[0]):
        if any(roles.first in one and _BY_PLACE.first not in one for one in relations):
            return roles
    return _BY_PLACE if any(_BY_PLACE.first in one for one in relations) else default


def relation_of(values: Values, known: Mapping[object, str]) -> Relation:
    """Returns a relation of mentions; `known` has their ids by the id and by the spans.

    Raises `InputError` if it has no type, or names an unknown mention.
    """
    # Prodigy's relations have a "head" besides, the number of a word.
    roles = roles_of([values])
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


def with_relations(
    mentions: Sequence[Mention],
    entities: Sequence[Values],
    relations: Iterable[Relation],
    roles: Roles,
) -> tuple[list[Values], list[Values]]:
    """Returns the entities, and new relations of them as objects.

    `entities` are the objects of `mentions`, in order. Those that a relation names get
    an id, unless it names them by their places.
    """
    numbers = {mention.id: i for i, mention in enumerate(mentions)}
    at = {mention.spans: i for i, mention in enumerate(mentions)}
    named = list(entities)
    items: list[Values] = []
    for relation in relations:
        ends = (numbers[relation.first], numbers[relation.second])
        is_by_place = roles is _BY_PLACE and all(
            len(mentions[i].spans) == 1 and at[mentions[i].spans] == i for i in ends
        )
        used = _ROLES[0] if roles is _BY_PLACE and not is_by_place else roles
        item: dict[str, object] = {used.type: relation.type}
        for role, i in zip(used[:2], ends, strict=True):
            if is_by_place:
                item[role] = _place(mentions[i], entities[i])
                continue
            if named[i].get("id") is None:
                named[i] = {"id": mentions[i].id, **_without(named[i], ["id"])}
            # An id of the file may be a number.
            item[role] = named[i]["id"]
        if relation.probability is not None:
            item["probability"] = round(relation.probability, 6)
        items.append(item)
    return named, items


def _place(mention: Mention, entity: Values) -> Values:
    """Returns the place of an entity as Prodigy writes it in a relation."""
    [(start, end)] = mention.spans
    words = {key: entity[key] for key in ("token_start", "token_end") if key in entity}
    return {"start": start, "end": end, **words, "label": mention.type}
