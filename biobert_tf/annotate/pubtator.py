# SPDX-License-Identifier: Apache-2.0
r"""PubTator files, read document by document and written back with new relations.

    PMID|t|title
    PMID|a|abstract
    PMID<TAB>start<TAB>end<TAB>text<TAB>type[<TAB>concepts[<TAB>...]]
    PMID<TAB>type<TAB>id1<TAB>id2[<TAB>...]
    (blank line)

The abstract begins one character behind the title. Mentions have no ids in a file;
here they are T1, T2, ... in the order of their lines. Several concepts of a mention are
joined by `|`, `;` or `,`; none is empty, `-` or `-1`. A description of a variant
(`c|DEL|189_192|`) is one concept. The ids of a relation are concepts; T1, T2, ...
where a mention has none. A further column that is a number in [0, 1] with a point is a
probability; anything else there (BioRED's `Novel`) is kept and not interpreted.

New relations become lines at the end of their document: one for each type and pair of
concepts, with the largest probability of its pairs of mentions. If either mention has
no concept, both are named T1, T2, ...
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from biobert_tf.annotate import storage
from biobert_tf.annotate.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
    split_concepts,
)
from biobert_tf.errors import InputError

_TEXT_LINE: Final = re.compile(r"([^|\t]+)\|([A-Za-z])\|(.*)", re.DOTALL)
_FORM: Final = (
    "want PMID|t|text, PMID<TAB>start<TAB>end<TAB>text<TAB>type[<TAB>concepts] or "
    "PMID<TAB>type<TAB>id1<TAB>id2"
)


@dataclass(frozen=True)
class Source:
    """Lines of a document, with their ends and the blank lines around them."""

    lines: tuple[str, ...]


def is_text_line(line: str) -> bool:
    """Returns whether a line is a title or abstract."""
    return _TEXT_LINE.match(line.removeprefix(storage.BOM)) is not None


def read(path: Path) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: The file cannot be read; a line has another form, belongs to
            another document, or its mention is not what the text has there.
    """
    for block in _blocks(path):
        yield _document(path, block)


def _blocks(path: Path) -> Iterator[list[tuple[int, str]]]:
    """Yields the numbered lines of each document; blank ones go with those before."""
    block: list[tuple[int, str]] = []
    begun: str | None = None  # id of the document, until a blank line
    for number, line in storage.lines(path):
        match = _TEXT_LINE.match(line.removeprefix(storage.BOM))
        is_next = begun is None or (match is not None and match[1] != begun)
        if not line.strip():
            begun = None
        elif is_next:
            if any(text.strip() for _, text in block):
                yield block
                block = []
            begun = match[1] if match else ""
        block.append((number, line))
    if any(text.strip() for _, text in block):
        yield block


def _document(path: Path, block: list[tuple[int, str]]) -> Loaded:
    reader = _Reader(path)
    for number, line in block:
        content = line.removeprefix(storage.BOM).rstrip("\n").removesuffix("\r")
        if content.strip():
            reader.add(number, content)
    document = AnnotatedDocument(
        reader.id,
        tuple(reader.passages),
        tuple(reader.mentions),
        tuple(reader.relations),
    )
    storage.checked(document, path, reader.first_line, reader.lines_of)
    return Loaded(document, Source(tuple(line for _, line in block)))


class _Reader:
    """Gathers a document from its lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.id = ""
        self.first_line: int | None = None
        self.passages: list[Passage] = []
        self.mentions: list[Mention] = []
        self.relations: list[Relation] = []
        self.lines_of: dict[str, int] = {}

    def add(self, number: int, line: str) -> None:
        """Adds a line that is not blank."""
        match = _TEXT_LINE.fullmatch(line)
        if self.first_line is None:
            if match is None:
                raise InputError.at(
                    self._path, number, "a document must begin with PMID|t|title"
                )
            self.id, self.first_line = match[1], number
        columns = line.split("\t")
        found = match[1] if match else columns[0]
        if found != self.id:
            raise InputError.at(
                self._path, number, f"{found[:40]!r} inside document {self.id}; {_FORM}"
            )
        if match:
            offset = self.passages[-1].end + 1 if self.passages else 0
            self.passages.append(Passage(offset, match[3]))
        elif len(columns) >= 5 and _is_number(columns[1]) and _is_number(columns[2]):
            self._add_mention(number, columns)
        elif len(columns) >= 4 and not _is_number(columns[1]):
            self._add_relation(columns)
        else:
            raise InputError.at(self._path, number, f"{len(columns)} columns; {_FORM}")

    def _add_mention(self, number: int, columns: list[str]) -> None:
        name = f"T{len(self.mentions) + 1}"
        span = (int(columns[1]), int(columns[2]))
        concepts = split_concepts(columns[5]) if len(columns) > 5 else ()
        self.mentions.append(Mention(name, columns[4], (span,), columns[3], concepts))
        self.lines_of[name] = number

    def _add_relation(self, columns: list[str]) -> None:
        numbers = (
            storage.probability(column) for column in columns[4:] if "." in column
        )
        found = next((number for number in numbers if number is not None), None)
        self.relations.append(Relation(columns[1], columns[2], columns[3], found))


def _is_number(text: str) -> bool:
    # int() of more digits is refused by Python; no text is that long.
    return text.isascii() and text.isdigit() and len(text) < 19


def write(path: Path, documents: Iterable[tuple[Loaded, Sequence[Relation]]]) -> int:
    """Writes documents with relations added, and returns their number.

    Args:
        path: The file; packed if its name ends in `.gz`.
        documents: What `read` gave, and new relations between the mentions of each.

    Raises:
        InputError: The directory cannot be written.
    """
    num_documents = 0
    with storage.writing(path) as stream:
        for loaded, relations in documents:
            new = _relation_lines(loaded.document, relations)
            stream.write(_with_lines(loaded.source.lines, new).encode("utf-8"))
            num_documents += 1
    return num_documents


def _relation_lines(
    document: AnnotatedDocument, relations: Sequence[Relation]
) -> list[str]:
    concepts = {mention.id: mention.concepts for mention in document.mentions}
    best: dict[tuple[str, str, str], float | None] = {}
    for relation in relations:
        pair = (relation.first, relation.second)
        names = [concepts.get(name, (name,)) for name in pair]
        if not all(names):
            names = [(name,) for name in pair]
        for first, second in itertools.product(*names):
            key = (relation.type, first, second)
            known = [p for p in (best.get(key), relation.probability) if p is not None]
            best[key] = max(known, default=None)
    return [
        "\t".join([document.id, *key, *([] if p is None else [f"{p:.6f}"])])
        for key, p in best.items()
    ]


def _with_lines(lines: Sequence[str], new: Sequence[str]) -> str:
    """Returns the text of `lines` with `new` ones behind the last that is not blank."""
    if not new:
        return "".join(lines)
    position = max(i for i, line in enumerate(lines) if line.strip()) + 1
    end = "\r\n" if any(line.endswith("\r\n") for line in lines) else "\n"
    before = "".join(lines[:position])
    before += "" if before.endswith("\n") else end
    return before + "".join(line + end for line in new) + "".join(lines[position:])
