# SPDX-License-Identifier: Apache-2.0
r"""Reads PubTator files document by document and writes them with new annotations.

    PMID|t|title
    PMID|a|abstract
    PMID|paragraph|text
    PMID<TAB>start<TAB>end<TAB>text<TAB>type[<TAB>concepts[<TAB>probability]]
    PMID<TAB>type<TAB>id1<TAB>id2[<TAB>...]
    (blank line)

Each text begins one character after the one before. Mentions have no ids in a file;
they get T1, T2, ... in the order of their lines. Several concepts of a mention are
joined by `|`, `;` or `,`; an empty field, `-` or `-1` means none. A description of a
variant (`c|DEL|189_192|`) is one concept. The ids of a relation are concepts, or T1,
T2, ... if a mention has none. A further column that is a number in [0, 1] with a
decimal point is a probability; anything else there (BioRED's `Novel`) is kept and not
interpreted. A row is no relation if its type is a number or the id of a mention, or if
it has the offsets and the text of a mention in another order.

New mentions become lines after the other mentions of their document, with `-` if they
have no concept. New relations become lines at its end: one for each type and pair of
concepts, with the largest probability of its pairs of mentions. If either mention has
no concept, both are named T1, T2, ...

The title is one line and the abstract another: in a document of another format the
first line break ends the title, and all others become spaces. A discontinuous mention
is written from its first to its last character.
"""

import dataclasses
import itertools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
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
    parted,
    split_concepts,
)

_TEXT_LINE: Final = re.compile(r"([^|\t]+)\|([A-Za-z][\w-]*)\|(.*)", re.DOTALL)
# The first line of a file: other files may begin with three columns between bars.
_FIRST_LINE: Final = re.compile(r"[^|\t]+\|[A-Za-z]\||(?:PMC)?\d+\|[A-Za-z][\w-]*\|")
# What is no type of a relation: a number, the id of a mention.
_NO_TYPE: Final = re.compile(r"\s*[-+]?[\d.]*\s*|T\d+", re.ASCII)
_BREAK: Final = re.compile(r"[\n\r]")
_FORM: Final = (
    "want PMID|t|text, PMID<TAB>start<TAB>end<TAB>text<TAB>type[<TAB>concepts] or "
    "PMID<TAB>type<TAB>id1<TAB>id2"
)


@dataclasses.dataclass(frozen=True)
class Source:
    """The lines of a document with their line ends, and the blank lines around them."""

    lines: tuple[str, ...]
    num_before: int  # the number of lines that come before a new mention


def is_text_line(line: str) -> bool:
    """Returns whether the first line of a file is a title, abstract or paragraph."""
    return _FIRST_LINE.match(line.removeprefix(BOM)) is not None


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: Raised by `on_bad`: a line has another form or belongs to another
            document.
    """
    return fields.readable(
        _blocks(stream), lambda block: _document(stream.path, block), on_bad
    )


def _blocks(stream: Stream) -> Iterator[list[tuple[int, str]]]:
    """Yields the numbered lines of each document and the blank lines after it."""
    block: list[tuple[int, str]] = []
    begun: str | None = None  # the id of the document, until a blank line
    for number, line in stream.lines(old_ends=True):
        match = _TEXT_LINE.match(line.removeprefix(BOM))
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
    name, first_line, num_before = "", None, 0
    passages: list[Passage] = []
    mentions: list[Mention] = []
    relations: list[Relation] = []
    lines_of: dict[str, int] = {}
    for i, number, line, text in _rows(path, block):
        columns = line.split("\t")
        if text:
            name, first_line = text[1], first_line or number
            offset = passages[-1].end + 1 if passages else 0
            passages.append(Passage(offset, text[3]))
        elif _is_mention(columns):
            mentions.append(_mention(f"T{len(mentions) + 1}", columns))
            lines_of[mentions[-1].id] = number
        elif _is_relation(columns, passages):
            kind, first, second, *more = columns[1:]
            relations.append(Relation(kind, first, second, _probability(more)))
            continue
        else:
            shown = conversion.shown(line.replace("\t", "<TAB>"))
            problem = f"neither a mention nor a relation: {shown}"
            problem = f"{problem}: {len(columns)} columns; {_FORM}"
            raise InputError.at(path, number, problem)
        num_before = i
    document = AnnotatedDocument(
        name, tuple(passages), tuple(mentions), tuple(relations)
    )
    document = fields.checked(document, path, first_line, lines_of)
    return Loaded(document, Source(tuple(line for _, line in block), num_before))


def _rows(
    path: Path, block: list[tuple[int, str]]
) -> Iterator[tuple[int, int, str, re.Match[str] | None]]:
    """Yields the lines of a document that are not blank, without their ends.

    Each comes with its number in the block, from 1, its number in the file, and the
    match of a text.
    """
    name = ""
    for i, (number, line) in enumerate(block, start=1):
        streams.require_utf8(path, number, line)
        content = line.removeprefix(BOM).removesuffix("\n").removesuffix("\r")
        if not content.strip():
            continue
        match = _TEXT_LINE.fullmatch(content)
        found = match[1] if match else content.partition("\t")[0]
        if not name and not match:
            problem = "a document must begin with PMID|t|title"
            raise InputError.at(path, number, problem)
        if name and found != name:
            problem = f"{found[:40]!r} inside document {name}; {_FORM}"
            raise InputError.at(path, number, problem)
        name = found
        yield i, number, content, match


def _mention(name: str, columns: Sequence[str]) -> Mention:
    concepts = split_concepts(columns[5]) if len(columns) > 5 else ()
    span = (int(columns[1]), int(columns[2]))
    chance = _probability(columns[6:])
    return Mention(name, columns[4], (span,), columns[3], concepts, chance)


def _is_relation(columns: Sequence[str], passages: Sequence[Passage]) -> bool:
    """Returns whether columns are a relation, and not a mention of another form."""
    if len(columns) < 4 or _NO_TYPE.fullmatch(columns[1]) or not all(columns[1:4]):
        return False
    text = AnnotatedDocument("", tuple(passages), (), ())
    spans = (
        (int(start), int(end))
        for start, end in itertools.pairwise(columns)
        if _is_number(start) and _is_number(end)
    )
    return not any(text.text_at([span]) in {*columns} - {""} for span in spans)


def _is_mention(columns: Sequence[str]) -> bool:
    return len(columns) >= 5 and _is_number(columns[1]) and _is_number(columns[2])


def _probability(columns: Sequence[str]) -> float | None:
    numbers = (fields.probability(column) for column in columns if "." in column)
    return next((number for number in numbers if number is not None), None)


def _is_number(text: str) -> bool:
    # Python's int() refuses very long numbers, and no text has 10^18 characters.
    return text.isascii() and text.isdigit() and len(text) < 19


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Converts a document of another format to lines.

    Raises:
        InputError: No line can begin with the document's id.
    """
    whole = conversion.united(loaded.document, added, notes, keeps_concepts=True)
    whole = conversion.renumbered(conversion.flat(whole))
    if not re.fullmatch(r"[^|\t\n\r]*[^|\s][^|\t\n\r]*", whole.id):
        name = conversion.shown(repr(whole.id))
        raise InputError(
            f"document {name}: PubTator cannot hold this id; give one without |, "
            "tabs and line breaks"
        )
    text = whole.passages[0].text.partition("\n")
    title, num_in_title = _BREAK.subn(" ", text[0])
    abstract, num_in_abstract = _BREAK.subn(" ", text[2])
    if num_breaks := num_in_title + num_in_abstract:
        notes["line breaks written as spaces"] += num_breaks
    passages = (Passage(0, title), Passage(len(title) + 1, abstract))
    bare = AnnotatedDocument(whole.id, passages, (), ())
    mentions = [_continuous(bare, mention, notes) for mention in whole.mentions]
    lines = (f"{whole.id}|t|{title}\n", f"{whole.id}|a|{abstract}\n", "\n")
    return Loaded(bare, Source(lines, 2)), [*mentions, *whole.relations]


def _continuous(
    document: AnnotatedDocument, mention: Mention, notes: conversion.Notes
) -> Mention:
    """Returns a mention with one span, as a line can represent it."""
    if len(mention.spans) > 1:
        notes["discontinuous mentions written from end to end"] += 1
    conversion.joined_concepts(mention.concepts, notes)
    text = mention.text if mention.problem else document.slice(*mention.extent)
    return dataclasses.replace(mention, spans=(mention.extent,), text=text)


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields the lines of documents with mentions and relations added."""
    for loaded, added in documents:
        yield from _lines(loaded, added)


def without(loaded: Loaded, names: Container[str]) -> Loaded:
    """Returns a document without some mentions, their lines and relations of them."""
    mentions = iter(loaded.document.mentions)
    kept = [one.id for one in loaded.document.mentions if one.id not in names]
    new = {name: f"T{i}" for i, name in enumerate(kept, start=1)}
    lines = []
    for line in loaded.source.lines:
        columns = line.split("\t")
        if _TEXT_LINE.match(line.removeprefix(BOM)):
            pass  # A title or an abstract may hold tabs.
        elif _is_mention(columns):
            if next(mentions).id in names:
                continue
        elif len(columns) > 3:
            text = line.rstrip("\r\n")
            columns = text.split("\t")
            if columns[2] in names or columns[3] in names:
                continue
            columns[2:4] = (new.get(one, one) for one in columns[2:4])
            line = "\t".join(columns) + line[len(text) :]
        lines.append(line)
    return _document(Path(loaded.document.id), [*enumerate(lines, start=1)])


def _lines(loaded: Loaded, added: Added) -> Sequence[str]:
    source = loaded.source
    mentions, relations = parted(added)
    lines = _with_lines(
        source.lines, source.num_before, _mention_lines(loaded, mentions)
    )
    known = [*loaded.document.mentions, *mentions]
    new = _relation_lines(loaded.document.id, known, relations)
    end = max((i for i, line in enumerate(lines, 1) if line.strip()), default=0)
    return _with_lines(lines, end, new)


def _mention_lines(loaded: Loaded, mentions: Iterable[Mention]) -> Iterator[str]:
    document = loaded.document
    for mention in mentions:
        start, end = mention.extent
        there = document.text_at([(start, end)])
        yield "\t".join(
            [
                *(document.id, str(start), str(end)),
                # This keeps the length; readers treat all white space as equal.
                re.sub(r"[\t\n\r]", " ", mention.text if mention.problem else there),
                re.sub(r"\s", " ", mention.type),
                conversion.joined_concepts(mention.concepts) or "-",
                *_shown(mention.probability),
            ]
        )


def _shown(probability: float | None) -> list[str]:
    return [] if probability is None else [f"{probability:.6f}"]


def _relation_lines(
    name: str, mentions: Iterable[Mention], relations: Iterable[Relation]
) -> list[str]:
    concepts = {mention.id: mention.concepts for mention in mentions}
    best: dict[tuple[str, str, str], float | None] = {}
    for relation in relations:
        pair = (relation.first, relation.second)
        names = [concepts.get(one, (one,)) for one in pair]
        if not all(names):
            names = [(one,) for one in pair]
        for first, second in itertools.product(*names):
            key = (relation.type, first, second)
            known = [p for p in (best.get(key), relation.probability) if p is not None]
            best[key] = max(known, default=None)
    return ["\t".join([name, *key, *_shown(p)]) for key, p in best.items()]


def _with_lines(
    lines: Sequence[str], position: int, new: Iterable[str]
) -> Sequence[str]:
    """Inserts `new` lines, which have no line ends, before the line at `position`."""
    ends = [re.sub("[^\\r\\n]", "", line[-2:]) for line in lines]
    end = next((end for end in ("\r\n", "\r") if end in ends), "\n")
    added = [line + end for line in new]
    before = [*lines[:position]]
    if added and before and not before[-1].endswith(("\n", "\r")):
        before[-1] += end
    return [*before, *added, *lines[position:]]
