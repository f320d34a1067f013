# SPDX-License-Identifier: Apache-2.0
"""BioC JSON files, read whole and written back with new relations.

A file holds a collection, a list of collections or of documents, an object with such a
list under "PubTator3", one document, or one document per line. What it says and what is
kept: see `bioc_format`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from biobert_tf.annotate import bioc_format, storage
from biobert_tf.annotate.document import Loaded, Relation
from biobert_tf.errors import InputError

_Keys = tuple[str | int, ...]

# What bioc's decoder of JSON wants to find; files leave out what is empty.
_DEFAULTS: Final[dict[str, Any]] = {
    "id": "",
    "infons": {},
    "text": None,
    "sentences": [],
    "annotations": [],
    "relations": [],
    "nodes": [],
    "role": "",
}


class _Lines(list[Any]):
    """Documents that stand one per line."""


@dataclass(frozen=True)
class JsonSource:
    """The object of a document, where in the file it stands, and the ids it uses.

    Attributes:
        root: The value of the whole file.
        keys: Lead from `root` to the list that holds the document; None if the root is
            the document.
        values: The document.
        taken: Ids of its annotations and relations.
    """

    root: Any
    keys: _Keys | None
    values: dict[str, Any]
    taken: frozenset[str]


def read(path: Path) -> Iterator[Loaded]:
    """Yields the documents of a BioC JSON file, which is read whole.

    Raises:
        InputError: As `bioc_xml.read`; it names the number of the document.
    """
    bioc_format.library()
    root = _root(path)
    number = 0
    for keys, documents in _lists(path, root):
        for values in documents:
            number += 1
            document, taken = bioc_format.decoded(
                path,
                None,
                number,
                _bioc_document,
                values,
            )
            yield Loaded(document, JsonSource(root, keys, values, taken))


def _root(path: Path) -> Any:
    text = storage.whole(path)
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    bare = [line.removeprefix(storage.BOM).strip() for _, line in lines]
    if len(lines) > 1 and all(line[0] + line[-1] == "{}" for line in bare if line):
        return _Lines(storage.parsed_json(path, n, line) for n, line in lines)
    return storage.parsed_json(path, None, text)


def _lists(path: Path, root: Any) -> list[tuple[_Keys | None, list[Any]]]:
    """Returns the lists of documents in a file, and the keys that lead to them."""
    found: list[tuple[_Keys | None, Any]] = []
    if isinstance(root, dict) and "passages" in root:
        found = [(None, [root])]
    elif isinstance(root, dict):
        keys = [key for key in ("documents", "PubTator3") if key in root]
        found = [((key,), root[key]) for key in keys]
    elif isinstance(root, list):
        collections = [isinstance(item, dict) and "documents" in item for item in root]
        found = [((), root)]
        if any(collections) and all(collections):
            found = [
                ((i, "documents"), item["documents"]) for i, item in enumerate(root)
            ]
    if not found or not all(isinstance(documents, list) for _, documents in found):
        raise InputError.at(
            path, 1, 'not BioC: want an object with "documents", or a list of documents'
        )
    return found


def _bioc_document(values: Any) -> Any:
    return bioc_format.library().biocjson.fromJSON(_filled(values), "BioCDocument")


def _filled(value: Any) -> Any:
    """Returns `value` with what `bioc` wants to find in every object."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if not isinstance(value, dict):
        return value
    return _DEFAULTS | {key: _filled(item) for key, item in value.items()}


def write(path: Path, documents: Iterable[tuple[Loaded, Sequence[Relation]]]) -> int:
    """Writes documents with relations added, and returns their number.

    Args:
        path: The file; packed if its name ends in `.gz`.
        documents: What `read` gave for one file, and new relations between the
            mentions of each.

    Raises:
        InputError: The directory cannot be written.
    """
    root: Any = {"documents": []}
    written: dict[_Keys | None, list[Any]] = {}
    for loaded, relations in documents:
        source = loaded.source
        root = source.root
        new = _with_objects(source, relations)
        written.setdefault(source.keys, []).append(new)
    result = root
    for keys, _ in _lists(path, root):
        found = written.get(keys, [])
        result = found[0] if keys is None else _replaced(result, keys, found)
    is_lines = isinstance(root, _Lines)
    with storage.writing(path) as stream:
        for value in result if is_lines else [result]:
            text = json.dumps(value, ensure_ascii=False, indent=None if is_lines else 1)
            stream.write(f"{text}\n".encode())
    return sum(map(len, written.values()))


def _with_objects(source: JsonSource, relations: Sequence[Relation]) -> dict[str, Any]:
    if not relations:
        return source.values
    to_json = bioc_format.library().biocjson.toJSON
    new = [
        to_json(relation) for relation in bioc_format.encoded(relations, source.taken)
    ]
    return {
        **source.values,
        "relations": [*(source.values.get("relations") or []), *new],
    }


def _replaced(value: Any, keys: Sequence[str | int], new: Any) -> Any:
    """Returns a copy of `value` with `new` in the place that `keys` lead to."""
    if not keys:
        return new
    result = value.copy()
    result[keys[0]] = _replaced(value[keys[0]], keys[1:], new)
    return result
