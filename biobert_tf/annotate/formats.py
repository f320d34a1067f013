# SPDX-License-Identifier: Apache-2.0
"""Annotated documents of any format: which it is, reading, writing back."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from biobert_tf.annotate import bioc_json, bioc_xml, brat, jsonl, pubtator, storage
from biobert_tf.annotate.document import Loaded, Relation
from biobert_tf.errors import InputError

__all__ = ["Format", "Loaded", "detect", "read", "write"]

Format = Literal["auto", "pubtator", "bioc_xml", "bioc_json", "brat", "jsonl"]

_BIOC_KEYS: Final = ("documents", "passages", "PubTator3")

Documents = Iterable[tuple[Loaded, Sequence[Relation]]]


class _Functions(NamedTuple):
    read: Callable[[Path], Iterator[Loaded]]
    write: Callable[[Path, Documents], int]


_FORMATS: Final[dict[Format, _Functions]] = {
    "pubtator": _Functions(pubtator.read, pubtator.write),
    "bioc_xml": _Functions(bioc_xml.read, bioc_xml.write),
    "bioc_json": _Functions(bioc_json.read, bioc_json.write),
    "brat": _Functions(brat.read, brat.write),
    "jsonl": _Functions(jsonl.read, jsonl.write),
}


def detect(path: Path) -> Format:
    """Returns the format of a file by how it begins; a folder is BRAT's.

    Raises:
        InputError: It cannot be read, or begins like none of them.
    """
    if path.is_dir():
        return "brat"
    for _, line in storage.lines(path):
        start = line.removeprefix(storage.BOM).strip()
        if start.startswith("<"):
            return "bioc_xml"
        if start.startswith(("{", "[")):
            return "jsonl" if _is_json_line(start) else "bioc_json"
        if start:
            if pubtator.is_text_line(line):
                return "pubtator"
            break
    raise InputError.at(
        path,
        1,
        "neither PubTator, BioC XML or JSON, JSON lines nor a BRAT folder; "
        "name the format if it is one of them",
    )


def _is_json_line(line: str) -> bool:
    """Returns whether a line is a whole object, and none of BioC's."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and not any(key in values for key in _BIOC_KEYS)


def read(path: Path, format: Format) -> Iterator[Loaded]:
    """Yields the documents of a file or folder, in its order.

    PubTator, BioC XML and JSON lines are read document by document, BRAT file by file,
    BioC JSON whole.

    Args:
        path: A file, unpacked if its name ends in `.gz`; for BRAT a folder.
        format: What it is; `auto` is `detect`.

    Raises:
        InputError: It cannot be read or is damaged; the message names the line, or the
            document where lines say nothing.
    """
    return _FORMATS[detect(path) if format == "auto" else format].read(path)


def write(path: Path, format: Format, documents: Documents) -> int:
    """Writes the documents that were read with relations added to them.

    All else they held is kept. A file takes its place when it is complete, so `path`
    may be the file (for BRAT the folder) being read.

    Args:
        path: The file, packed if its name ends in `.gz`; for BRAT a folder.
        format: That which they were read in; not `auto`.
        documents: Each with its new relations, whose ids the writer chooses.

    Returns:
        The number of documents.

    Raises:
        InputError: The place cannot be written.
        ValueError: A relation names what is no mention of its document.
    """
    return _FORMATS[format].write(path, _known(documents))


def _known(documents: Documents) -> Iterator[tuple[Loaded, Sequence[Relation]]]:
    for loaded, relations in documents:
        known = {mention.id for mention in loaded.document.mentions}
        for relation in relations:
            if unknown := {relation.first, relation.second} - known:
                raise ValueError(
                    f"document {loaded.document.id} has no mention {sorted(unknown)}"
                )
        yield loaded, relations
