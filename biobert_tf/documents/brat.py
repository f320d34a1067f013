# SPDX-License-Identifier: Apache-2.0
r"""Reads and writes BRAT folders, where `NAME.txt` has its annotations in `NAME.ann`.

    T1<TAB>Disease 0 5;10 15<TAB>surface form     a mention, here in two parts
    R1<TAB>CPR:4 Arg1:T1 Arg2:T2                  a relation; its roles may be any two
    E1, A1, M1, N1, #1, *                         kept unchanged

Offsets count the characters of the .txt, `\r\n` as two. A byte order mark at its start
counts or not, whichever fits the mentions. A .txt without .ann has no mentions.
Relations of events (`Arg1:E1`) are kept in the file but not read as relations.

New mentions and relations are appended to the .ann with new ids; the probability is a
note. BRAT requires that a mention across a line break is split, one part for each line:

    T4<TAB>Disease 20 26;27 33<TAB>breast cancer
    #2<TAB>AnnotatorNotes T4<TAB>probability 0.912345
    R7<TAB>CPR:4 Arg1:T1 Arg2:T2
    #3<TAB>AnnotatorNotes R7<TAB>probability 0.987654

Only .txt and .ann are written. BRAT shows new types only after you have added them to
its configuration (annotation.conf). A document of another format is named by its id,
in which `/` and other characters that file systems refuse are escaped like `%2F`.
"""

import dataclasses
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM
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

_MENTION: Final = re.compile(
    r"(T[^\t]*)\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)\t(.*)",
    re.ASCII | re.DOTALL,
)
_RELATION: Final = re.compile(r"(R[^\t]*)\t(\S+)\s+(\S+?):(\S+)\s+(\S+?):(\S+)\s*")
_NOTE: Final = re.compile(r"#[^\t]*\tAnnotatorNotes (\S+)\tprobability (\S+)\s*")
_KEPT: Final = "EAMN#*"
_LINE: Final = re.compile(r"[^\s](?:[^\r\n]*[^\s])?")
NO_FOLDER: Final = "no such folder; give a folder of .txt and .ann files"
_NOT_IN_NAME: Final = re.compile(r"""[\x00-\x1f\x7f/\\:*?"<>|%~]|^\.""")
# File systems allow 255 bytes, of which the suffix needs some.
_LONGEST_NAME: Final = 200


@dataclasses.dataclass(frozen=True)
class Source:
    """The unchanged text of a document's two files, and their name."""

    text: str
    annotations: str
    name: str


def read(path: Path, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a folder, in the order of their names.

    Raises:
        InputError: There is no such folder, or no .txt in it. Raised by `on_bad`: an
            .ann has no .txt, a line has another form, an id occurs twice, a relation
            names an unknown mention. The message names the line.
    """
    if not path.is_dir():
        raise InputError.at(path, None, NO_FOLDER)
    names = sorted(file.stem for file in path.glob("*.txt"))
    for file in sorted(path.glob("*.ann")):
        if not file.with_suffix(".txt").is_file():
            on_bad(_without_text(file))
    if not names:
        raise InputError.at(path, None, "holds no .txt file")
    paths = (path / f"{name}.txt" for name in names)
    yield from fields.readable(paths, load, on_bad)


def _without_text(path: Path) -> InputError:
    return InputError.at(path, None, f"no {path.stem}.txt beside it")


def load(text_path: Path, name: str = "") -> Loaded:
    """Reads one document.

    Args:
        text_path: The .txt; the .ann, if there is one, is beside it.
        name: The document's id; by default the name of the file.

    Raises:
        InputError: The errors that `read` passes to `on_bad`.
    """
    ann_path = text_path.with_suffix(".ann")
    if not text_path.is_file():
        raise _without_text(ann_path)
    text = _whole(text_path)
    annotations = _whole(ann_path) if ann_path.exists() else ""
    mentions, found, lines_of = _annotations(ann_path, annotations)
    relations = tuple(one for one in found if one)
    document = AnnotatedDocument(
        name or text_path.stem,
        (Passage(0, text.removeprefix(BOM)),),
        mentions,
        relations,
        num_unread=len(found) - len(relations),
    )
    if text.startswith(BOM) and any(document.problems()):
        counted = (Passage(1, text.removeprefix(BOM)),)
        moved = dataclasses.replace(document, passages=counted)
        document = document if any(moved.problems()) else moved
    document = fields.checked(document, ann_path, None, lines_of)
    return Loaded(document, Source(text, annotations, text_path.stem))


def _whole(path: Path) -> str:
    with streams.reading(path) as stream:
        return stream.text()


def _annotations(
    path: Path, text: str
) -> tuple[tuple[Mention, ...], list[Relation | None], dict[str, int]]:
    """Returns the mentions and relations of an .ann file, and the mentions' lines.

    A relation that is not of two mentions is None.
    """
    lines_of: dict[str, int] = {}
    mentions: list[Mention] = []
    related: list[tuple[int, re.Match[str]]] = []
    chances: dict[str, float | None] = {}
    for number, end in enumerate(text.removeprefix(BOM).split("\n"), start=1):
        line = end.removesuffix("\r")
        if match := _MENTION.fullmatch(line):
            name, kind, places, surface = match.groups()
            if name in lines_of:
                problem = f"a second mention has the id {name}"
                raise InputError.at(path, number, problem)
            mentions.append(Mention(name, kind, _spans(places), surface))
            lines_of[name] = number
        elif match := _RELATION.fullmatch(line):
            related.append((number, match))
        elif match := _NOTE.fullmatch(line):
            chances[match[1]] = fields.probability(match[2])
        elif line.strip() and line[0] not in _KEPT:
            raise InputError.at(
                path,
                number,
                f"cannot be read: {line[:60]!r}; want T1<TAB>type start end<TAB>text "
                "or R1<TAB>type Arg1:T1 Arg2:T2",
            )
    probable = tuple(
        dataclasses.replace(mention, probability=chances.get(mention.id))
        for mention in mentions
    )
    found = [_relation(path, *each, lines_of, chances) for each in related]
    return probable, found, lines_of


def _spans(places: str) -> tuple[tuple[int, int], ...]:
    pairs = (place.split(" ") for place in places.split(";"))
    return tuple((int(start), int(end)) for start, end in pairs)


def _relation(
    path: Path,
    number: int,
    match: re.Match[str],
    known: Container[str],
    chances: Mapping[str, float | None],
) -> Relation | None:
    """Returns the relation of a line; None if it does not relate two mentions."""
    name, kind, role, first, other_role, second = match.groups()
    if (role, other_role) == ("Arg2", "Arg1"):
        first, second = second, first
    unknown = [argument for argument in (first, second) if argument not in known]
    for argument in unknown:
        if argument.startswith("T"):
            problem = f"{name} relates {argument}, which is not in the file"
            raise InputError.at(path, number, problem)
    if unknown:
        return None
    return Relation(kind, first, second, chances.get(name), name)


def converter(notes: conversion.Notes) -> conversion.Converter:
    """Returns a function that converts a document of another format to BRAT.

    A second document of the same name is written as `NAME~2`.
    """
    used: dict[str, int] = {}

    def convert(loaded: Loaded, added: Added) -> Annotated:
        whole = conversion.united(loaded.document, added, notes, keeps_concepts=False)
        whole = conversion.renumbered(conversion.flat(whole))
        if num_concepts := sum(bool(one.concepts) for one in whole.mentions):
            notes["concepts dropped"] += num_concepts
        name = file_name(whole.id)
        used[name] = used.get(name, 0) + 1
        if used[name] > 1:
            name = f"{name}~{used[name]}"
        source = Source(whole.passages[0].text, "", name)
        return conversion.converted(whole, source)

    return convert


def file_name(name: str) -> str:
    """Returns the name of a document's files; it never begins with a full stop.

    Raises:
        InputError: The name is empty or too long.
    """
    quoted = _NOT_IN_NAME.sub(lambda match: f"%{ord(match[0]):02X}", name)
    if not quoted or len(quoted.encode("utf-8")) > _LONGEST_NAME:
        raise InputError(
            f"document {conversion.shown(repr(name))}: its id cannot be a file name; "
            f"give one of 1 to {_LONGEST_NAME} bytes, escapes such as %2F included"
        )
    return quoted


def write(path: Path, documents: Iterable[Annotated]) -> int:
    """Writes documents with mentions and relations added, and returns their number.

    Args:
        path: The folder, created if it is missing. It may be the one that was read:
            each file is replaced as a whole, the .ann last.
        documents: The documents from `read` or a converter, each with its new mentions
            and relations.

    Raises:
        InputError: The folder cannot be written.
    """
    num_documents = 0
    for loaded, added in documents:
        source = loaded.source
        annotations = _with_added(loaded.document, source.annotations, added)
        for suffix, text in ((".txt", source.text), (".ann", annotations)):
            with streams.writing(path / f"{source.name}{suffix}") as stream:
                stream.write(text.encode("utf-8"))
        num_documents += 1
    return num_documents


def without(loaded: Loaded, names: Container[str]) -> Loaded:
    """Returns a document without some mentions and the lines that name them."""
    lines = loaded.source.annotations.split("\n")
    gone = {mention.id for mention in loaded.document.mentions if mention.id in names}
    num_before = 0
    while len(lines) != num_before:
        num_before = len(lines)
        dropped = {line for line in lines if not gone.isdisjoint(_named(line))}
        lines = [line for line in lines if line not in dropped]
        gone |= {line.partition("\t")[0] for line in dropped} - {"*"}
    source = dataclasses.replace(loaded.source, annotations="\n".join(lines))
    return Loaded(loaded.document.without(names), source)


def _named(line: str) -> set[str]:
    """Returns the ids in a line: its own and, unless it is a mention, its arguments."""
    name, content, *_ = [*line.removeprefix(BOM).split("\t"), ""]
    arguments = () if name.startswith("T") else re.split(r"[\s:]+", content)
    return {name, *arguments}


def _with_added(document: AnnotatedDocument, annotations: str, added: Added) -> str:
    if not added:
        return annotations
    end = "\r\n" if "\r\n" in annotations else "\n"
    taken = [line.split("\t")[0] for line in annotations.split("\n")]
    note_id = fields.next_number("#", taken)
    lines = [annotations]
    if annotations and not annotations.endswith("\n"):
        lines.append(end)
    for name, line, probability in _new_lines(document, taken, added):
        lines.append(f"{name}\t{line}{end}")
        if probability is not None:
            note = f"probability {probability:.6f}"
            lines.append(f"#{note_id}\tAnnotatorNotes {name}\t{note}{end}")
            note_id += 1
    return "".join(lines)


def _new_lines(
    document: AnnotatedDocument, taken: Sequence[str], added: Added
) -> Iterator[tuple[str, str, float | None]]:
    """Yields the id, the line and the probability of each new annotation."""
    for mention in mentions_in(added):
        spans = [span for part in mention.spans for span in _by_line(document, *part)]
        places = ";".join(f"{start} {end}" for start, end in spans)
        text = mention.text if mention.problem else document.text_at(spans)
        text = re.sub(r"[\r\n]", " ", text)
        line = f"{_type(mention.type)} {places}\t{text}"
        yield mention.id, line, mention.probability
    for i, relation in enumerate(
        relations_in(added), start=fields.next_number("R", taken)
    ):
        line = f"{_type(relation.type)} Arg1:{relation.first} Arg2:{relation.second}"
        yield f"R{i}", line, relation.probability


def _by_line(
    document: AnnotatedDocument, start: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yields the part of a span on each line; a span of white space is not split."""
    text = document.text_at([(start, end)])
    if "\n" not in text and "\r" not in text:
        yield start, end
        return
    found = [match.span() for match in _LINE.finditer(text)]
    for first, last in found or [(0, len(text))]:
        yield start + first, start + last


def _type(name: str) -> str:
    """Returns a type's name with `_` for white space; "Entity" if it is empty."""
    return re.sub(r"\s", "_", name) or "Entity"
