# SPDX-License-Identifier: Apache-2.0
"""Reads and writes JSON documents with entities and relations, one per line.

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
its entities `first` and `second`, or `head` and `tail`.

The documents of PubAnnotation, doccano and spaCy are read too: `json_forms`. A file may
also be one indented document, several, or a list of documents; it is then held whole.

What is added uses the keys of the document's other entities and relations. What a
classifier says are keys of the document: `label` or `labels` with `probabilities`, or
`value`; what it says of parts is a list, `parts`, with `start` and `end`. Other keys
are kept. A document without additions is written unchanged, and a list as a list; blank
lines are dropped.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import conversion, fields, json_forms
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    parted,
    verdicts,
)
from biobert_tf.documents.json_forms import Form, Values

PARTS: Final = "parts"
"""The key of what a classifier says of the parts of a document."""

_SPACE: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


@dataclasses.dataclass(frozen=True)
class Source:
    """A document's text with its line end, and the parsed JSON object."""

    line: str  # several lines if it is indented
    values: Values  # with entities that are objects
    form: Form = json_forms.OURS
    is_listed: bool = False  # whether the document is a member of a list


class _Piece(NamedTuple):
    """The text of a document, the line where it begins, and its number."""

    line: int
    number: int
    text: str
    is_listed: bool = False


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: Raised by `on_bad`: a document is not a JSON object, has no text, an
            entity or relation of another form, or an unknown or repeated id. The
            message names the line.
    """
    head = stream.head.decode("utf-8", "replace").removeprefix(BOM)
    is_doccano = '"start_offset"' in head
    if _is_whole(head):
        pieces = _pieces(stream)
    else:
        pieces = (
            _Piece(number, number, line)
            for number, line in stream.lines()
            if line.removeprefix(BOM).strip()
        )
    return fields.readable(
        pieces, lambda one: _load(stream.path, one, is_doccano), on_bad
    )


def _is_whole(head: str) -> bool:
    """Returns whether a file is a list, or its first document has several lines."""
    first, _, rest = head.strip(_SPACE).partition("\n")
    if first.startswith("["):
        return True
    is_cut = first.startswith("{") and first.rstrip(_SPACE)[-1] in "{[,:"
    return is_cut and bool(rest) and not rest.startswith("{")


def _pieces(stream: Stream) -> Iterator[_Piece]:
    """Yields the documents of a file that is a list, or one document after another."""
    text = stream.text().removeprefix(BOM)

    def error(place: int, problem: str) -> InputError:
        line = text.count("\n", 0, place) + 1
        return InputError.at(stream.path, line, f"not JSON: {problem}")

    position = _behind_space(text, 0)
    is_list = text[position] == "["
    position = _behind_space(text, position + is_list)
    line, counted, number = 1, 0, 0
    while position < len(text) and not (is_list and text[position] == "]"):
        if is_list and number:
            if text[position] != ",":
                raise error(position, "want a comma between two documents")
            position = _behind_space(text, position + 1)
        line += text.count("\n", counted, position)
        counted = position
        number += 1
        try:
            _, end = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as problem:
            raise error(problem.pos, problem.msg) from None
        except (ValueError, RecursionError) as problem:
            raise error(position, str(problem)) from None
        yield _Piece(line, number, text[position:end], is_list)
        position = _behind_space(text, end)
    if is_list and text[position:].strip() != "]":
        is_cut = position == len(text)
        told = "the list has no end" if is_cut else "text after the list"
        raise error(position, told)


def _behind_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _load(path: Path, piece: _Piece, is_doccano: bool) -> Loaded:
    streams.require_utf8(path, piece.line, piece.text)
    values = fields.parsed_json(path, piece.line, piece.text)
    try:
        if not isinstance(values, dict) or not isinstance(values.get("text"), str):
            raise InputError('want an object with "text", a string')
        whole, form = json_forms.in_objects(values, is_doccano)
        document = _document(whole, form, str(piece.number))
    except InputError as error:
        raise fields.error_at(path, piece.line, str(error)) from None
    document = fields.checked(document, path, piece.line)
    return Loaded(document, Source(piece.text, whole, form, piece.is_listed))


def _document(values: Values, form: Form, number: str) -> AnnotatedDocument:
    own_name = json_forms.document_name(values, "")
    name = json_forms.document_name(values, number)
    bare = AnnotatedDocument(name, (Passage(0, values["text"]),), (), ())
    entities = json_forms.objects(values, form.entities)
    mentions = tuple(
        _mention(bare, entity, f"T{i}") for i, entity in enumerate(entities, start=1)
    )
    counts = Counter(mention.id for mention in mentions)
    if len(counts) < len(mentions):
        raise InputError(f"a second entity has the id {counts.most_common(1)[0][0]}")
    known: dict[object, str] = {one.spans: one.id for one in mentions}
    known |= {one.id: one.id for one in mentions}
    relations = tuple(
        json_forms.relation_of(relation, known)
        for relation in json_forms.objects(values, "relations")
    )
    return dataclasses.replace(
        bare, mentions=mentions, relations=relations, is_numbered=name != own_name
    )


def _mention(document: AnnotatedDocument, entity: Values, default: str) -> Mention:
    name = json_forms.name_of(entity.get("id"), default)
    kind = json_forms.type_of(name, entity)
    concepts = entity.get("concepts") or []
    if not isinstance(concepts, list):
        raise InputError(f'"concepts" of entity {name} must be a list')
    spans = json_forms.spans_of(name, entity)
    text = entity.get("text")
    if text is None:
        text = document.text_at(spans)
    if not isinstance(text, str):
        raise InputError(f'"text" of entity {name} must be a string')
    found = fields.probability(entity.get("probability"))
    return Mention(name, kind, spans, text, tuple(map(str, concepts)), found)


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Converts a document of another format to a line."""
    whole = conversion.flat(conversion.united(loaded.document, added, notes, False))
    values = {"id": whole.id, "text": whole.passages[0].text}
    if whole.pmc_id:
        values["pmcid"] = whole.pmc_id
    line = json.dumps(values, ensure_ascii=False)
    source = Source(line, values)
    return conversion.converted(whole, source)


def without(loaded: Loaded, names: Container[str]) -> Loaded:
    """Returns a document without some entities and the relations of them."""
    source = loaded.source
    values, key = dict(source.values), source.form.entities
    # Entities without an id are named by position, which must not change.
    values[key] = [
        {**entity, "id": mention.id} if entity.get("id") is None else entity
        for entity, mention in zip(
            json_forms.objects(values, key), loaded.document.mentions, strict=True
        )
        if mention.id not in names
    ]
    gone = {mention.id for mention in loaded.document.mentions if mention.id in names}
    if relations := json_forms.objects(values, "relations"):
        pairs = list(zip(relations, loaded.document.relations, strict=True))
        lost = [one for _, one in pairs if {one.first, one.second} & gone]
        values["relations"] = [item for item, one in pairs if one not in lost]
        gone |= {one.id for one in lost}
    # PubAnnotation has attributes of entities and of relations.
    attributes = values.get("attributes")
    if isinstance(attributes, list):
        values["attributes"] = [
            one
            for one in attributes
            if not (isinstance(one, dict) and str(one.get("subj")) in gone)
        ]
    line = _dumped(values, source)
    return Loaded(
        loaded.document.without(names),
        dataclasses.replace(source, line=line, values=values),
    )


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields documents with entities and relations added.

    They become a list if the first comes from a list, else one line each; an indented
    first document stays so.
    """
    is_list = is_indented = False
    for i, (loaded, added) in enumerate(documents):
        source = loaded.source
        text = source.line
        if added:
            text = _dumped(_with_added(loaded, added), source)
        has_lines = "\n" in text.strip(_SPACE)
        if i == 0:
            is_list, is_indented = source.is_listed, has_lines
        if is_list:
            text = (",\n" if i else "[\n") + text.rstrip(_SPACE)
        elif has_lines and not is_indented:
            text = json.dumps(json.loads(text), ensure_ascii=False)
        yield text if is_list or text.endswith("\n") else text + "\n"
    if is_list:
        yield "\n]\n"


def _dumped(values: Values, source: Source) -> str:
    is_indented = "\n" in source.line.strip(_SPACE)
    return json.dumps(values, ensure_ascii=False, indent=2 if is_indented else None)


def _with_added(loaded: Loaded, added: Added) -> Values:
    values, form = loaded.source.values, loaded.source.form
    mentions, relations = parted(added)
    old = json_forms.objects(values, "relations")
    entities, new = json_forms.with_relations(
        (*loaded.document.mentions, *mentions),
        [
            *json_forms.objects(values, form.entities),
            *(json_forms.entity_of(mention, form) for mention in mentions),
        ],
        relations,
        json_forms.roles_of(old, form.roles),
    )
    changed = {form.entities: entities, "relations": [*old, *new] if new else None}
    kept = {**values, **{key: value for key, value in changed.items() if value}}
    return {**kept, **_of_verdicts(added)}


def _of_verdicts(added: Added) -> Values:
    """Returns the values of verdicts by key; those of parts are listed as `parts`."""
    found: dict[str, Any] = {}
    for one in verdicts(added):
        if one.span is None:
            found |= {f"{one.prefix}{name}": each for name, each in one.values.items()}
        else:
            start, end = one.span
            part = {"start": start, "end": end, **one.values}
            found.setdefault(f"{one.prefix}{PARTS}", []).append(part)
    return found


def names(loaded: Loaded) -> Iterable[str]:
    """Returns the keys of a document."""
    return loaded.source.values.keys()
