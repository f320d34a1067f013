# SPDX-License-Identifier: Apache-2.0
r"""Reads and writes BRAT folders, where `NAME.txt` has its annotations in `NAME.ann`.

    T1<TAB>Disease 0 5;10 15<TAB>surface form     a mention, here in two parts
    R1<TAB>CPR:4 Arg1:T1 Arg2:T2                  a relation; its roles may be any two
    N1<TAB>Reference T1 MESH:D003000<TAB>name     an identifier of T1 in a database
    E1, A1, M1, #1, *                             kept unchanged and counted

BioNLP-ST has the mentions in `NAME.a1` and all else in `NAME.a2`, in the same form. The
two are read as one file, `NAME.a1+.a2` in messages, if there is no .ann.

Offsets count the characters of the .txt, `\r\n` as two. A byte order mark at its start
counts or not, whichever fits the mentions. A .txt alone has no mentions.
Relations of events (`Arg1:E1`) are kept in the file but not read as relations.

New mentions and relations are appended to the .ann with new ids; the probability is a
note. BRAT requires that a mention across a line break is split, one part for each line:

    T4<TAB>Disease 20 26;27 33<TAB>breast cancer
    #2<TAB>AnnotatorNotes T4<TAB>probability 0.912345
    N1<TAB>Reference T4 MESH:D001943<TAB>breast cancer
    R7<TAB>CPR:4 Arg1:T1 Arg2:T2
    #3<TAB>AnnotatorNotes R7<TAB>probability 0.987654

BRAT wants DATABASE:IDENTIFIER, so `5742` is written as `ID:5742` and read as `5742`.
Only .txt and .ann are written. BRAT shows new types only after you have added them to
its configuration (annotation.conf). A document of another format is named by its id,
in which `/` and other characters that file systems refuse are escaped like `%2F`.
"""

import dataclasses
import itertools
import re
from collections import Counter
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
    parted,
)

_MENTION: Final = re.compile(
    r"(T[^\t]*)\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)\t(.*)",
    re.ASCII | re.DOTALL,
)
_RELATION: Final = re.compile(r"(R[^\t]*)\t(\S+)\s+(\S+?):(\S+)\s+(\S+?):(\S+)\s*")
_NOTE: Final = re.compile(r"#[^\t]*\tAnnotatorNotes (\S+)\tprobability (\S+)\s*")
_IDENTIFIER: Final = re.compile(r"N[^\t]*\tReference (\S+) (\S+)(?:\s.*)?")
_NO_DATABASE: Final = "ID:"
# What lines that are only kept hold, by their first character.
_KEPT: Final = {
    "E": "events",
    "A": "modifications",
    "M": "modifications",
    "*": "equivalences",
    "N": "other identifiers",
    "#": "notes",
}
SUFFIXES: Final = (".ann", ".a1", ".a2")
"""The suffixes of files with annotations."""
CONFIGURATION: Final = ".conf"
"""The suffix of the files that BRAT keeps beside the documents."""
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
        InputError: There is no such folder, or no .txt in it. Raised by `on_bad`:
            annotations have no .txt, a line has another form, an id occurs twice, a
            relation or an event names an unknown mention. The message names the line.
    """
    if not path.is_dir():
        raise InputError.at(path, None, NO_FOLDER)
    names = sorted(file.stem for file in path.glob("*.txt"))
    for file in sorted(path.iterdir()):
        if file.suffix in SUFFIXES and not file.with_suffix(".txt").is_file():
            on_bad(_without_text(file))
    if not names:
        raise InputError.at(path, None, "holds no .txt file")
    paths = (path / f"{name}.txt" for name in names)
    yield from fields.readable(paths, load, on_bad)


def _without_text(path: Path) -> InputError:
    return InputError.at(path, None, f"no {path.stem}.txt beside it")


def unread(path: Path) -> list[Path]:
    """Returns what is in a folder beside the documents that `read` reads."""
    known = (".txt", CONFIGURATION, *SUFFIXES)
    found = [one for one in sorted(path.iterdir()) if one.name[0] != "."]
    return [one for one in found if one.is_dir() or one.suffix not in known]


def annotations_of(text_path: Path) -> list[Path]:
    """Returns the files with the annotations of a .txt: .ann, else .a1 and .a2."""
    found = [text_path.with_suffix(suffix) for suffix in SUFFIXES]
    found = [path for path in found if path.is_file()]
    return found[:1] if found and found[0].suffix == SUFFIXES[0] else found


def load(text_path: Path, name: str = "") -> Loaded:
    """Reads a document, whose .txt may have annotations beside it.

    Its id is `name`, by default that of the file. Raises the errors that `read` passes
    to `on_bad`.
    """
    paths = annotations_of(text_path) or [text_path.with_suffix(SUFFIXES[0])]
    if not text_path.is_file():
        raise _without_text(paths[0])
    ann_path = text_path.with_suffix("+".join(path.suffix for path in paths))
    text = _whole(text_path)
    parts = [_whole(path) for path in paths if path.is_file()]
    if len(paths) > 1:
        bare = (part.removeprefix(BOM).rstrip("\n") for part in parts)
        parts = [f"{part}\n" for part in bare if part]
    annotations = "".join(parts)
    mentions, found, others, lines_of = _annotations(ann_path, annotations)
    relations = tuple(one for one in found if one)
    document = AnnotatedDocument(
        name or text_path.stem,
        (Passage(0, text.removeprefix(BOM)),),
        mentions,
        relations,
        num_unread=len(found) - len(relations),
        others=others,
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
) -> tuple[tuple[Mention, ...], list[Relation | None], tuple[str, ...], dict[str, int]]:
    """Returns the mentions, relations and others of an .ann, and the mentions' lines.

    A relation that is not of two mentions is None.
    """
    lines_of: dict[str, int] = {}
    mentions: list[Mention] = []
    related: list[tuple[int, re.Match[str]]] = []
    kept: list[tuple[int, str]] = []
    chances: dict[str, float | None] = {}
    concepts: dict[str, list[str]] = {}
    for number, end in enumerate(text.removeprefix(BOM).split("\n"), start=1):
        line = end.removesuffix("\r")
        if match := _MENTION.fullmatch(line):
            name, kind, places, surface = match.groups()
            if name in lines_of:
                problem = f"a second mention has the id {name}"
                raise InputError.at(path, number, problem)
            pairs = (place.split(" ") for place in places.split(";"))
            spans = tuple((int(start), int(end)) for start, end in pairs)
            mentions.append(Mention(name, kind, spans, surface))
            lines_of[name] = number
        elif match := _RELATION.fullmatch(line):
            related.append((number, match))
        elif match := _NOTE.fullmatch(line):
            chances[match[1]] = fields.probability(match[2])
        elif match := _IDENTIFIER.fullmatch(line):
            known = concepts.setdefault(match[1], [])
            known.append(match[2].removeprefix(_NO_DATABASE))
        elif line.strip():
            kept.append((number, line))
    others = _others(path, kept, lines_of)
    whole = tuple(
        dataclasses.replace(
            mention,
            concepts=tuple(dict.fromkeys(concepts.get(mention.id, ()))),
            probability=chances.get(mention.id),
        )
        for mention in mentions
    )
    found = [_relation(path, *each, lines_of, chances) for each in related]
    return whole, found, others, lines_of


def _others(
    path: Path, lines: Sequence[tuple[int, str]], known: Container[str]
) -> tuple[str, ...]:
    """Returns what each of the other lines holds."""
    for number, line in lines:
        if line[0] not in _KEPT:
            problem = f"cannot be read: {line[:60]!r}"
            problem += "; want T1<TAB>type start end<TAB>text"
            problem += " or R1<TAB>type Arg1:T1 Arg2:T2"
            raise InputError.at(path, number, problem)
        for argument in _arguments(line):
            if argument[:1] == "T" and argument not in known:
                name = line.partition("\t")[0]
                raise _unknown(path, number, f"{name} names", argument)
    return tuple(_KEPT[line[0]] for _, line in lines)


def _arguments(line: str) -> list[str]:
    """Returns the ids that an event, a modification or an equivalence names.

    The further words of a modification are its value, which may look like an id.
    """
    words = [*line.split("\t"), ""][1].split()
    if line[0] == "E":
        return [word.partition(":")[2] for word in words]
    return {"*": words[1:], "A": words[1:2], "M": words[1:2]}.get(line[0], [])


def _unknown(path: Path, number: int, what: str, argument: str) -> InputError:
    return InputError.at(path, number, f"{what} {argument}, which is not in the file")


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
    if missing := [argument for argument in unknown if argument[0] == "T"]:
        raise _unknown(path, number, f"{name} relates", missing[0])
    if unknown:
        return None
    return Relation(kind, first, second, chances.get(name), name)


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Converts a document of another format to BRAT."""
    whole = conversion.united(loaded.document, added, notes, keeps_concepts=False)
    whole = conversion.renumbered(conversion.flat(whole))
    if lost := [x for x in whole.mentions if not all(map(_identifier, x.concepts))]:
        notes["concepts dropped"] += len(lost)
    source = Source(whole.passages[0].text, "", file_name(whole.id))
    return conversion.converted(whole, source)


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


def write(path: Path, documents: Iterable[Annotated]) -> None:
    """Writes documents with mentions and relations added.

    The folder is created if it is missing. It may be the one that was read: each file
    is replaced as a whole, the .ann last. A second document of the same name is written
    as `NAME~2`.

    Raises:
        InputError: The folder cannot be written.
    """
    used: Counter[str] = Counter()
    for loaded, added in documents:
        source = loaded.source
        used[source.name] += 1
        number = used[source.name]
        name = source.name if number == 1 else f"{source.name}~{number}"
        annotations = _with_added(loaded.document, source.annotations, added)
        for suffix, text in ((".txt", source.text), (".ann", annotations)):
            with streams.writing(path / f"{name}{suffix}") as stream:
                stream.write(text.encode("utf-8"))


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
    _, found, others, _ = _annotations(Path(source.name), source.annotations)
    document = dataclasses.replace(
        loaded.document.without(names), num_unread=found.count(None), others=others
    )
    return Loaded(document, source)


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
    next_of = {mark: itertools.count(fields.next_number(mark, taken)) for mark in "#NR"}
    is_ended = not annotations or annotations.endswith("\n")
    lines = [annotations if is_ended else annotations + end]
    mentions, relations = parted(added)
    new: list[Mention | Relation] = [*mentions, *relations]
    for one in new:
        if isinstance(one, Mention):
            name, line, surface = one.id, *_mention_columns(document, one)
            lines.append(f"{name}\t{line}\t{surface}{end}")
            for identifier in filter(None, map(_identifier, one.concepts)):
                reference = f"Reference {name} {identifier}"
                lines.append(f"N{next(next_of['N'])}\t{reference}\t{surface}{end}")
        else:
            name = f"R{next(next_of['R'])}"
            roles = f"Arg1:{one.first} Arg2:{one.second}"
            lines.append(f"{name}\t{_type(one.type)} {roles}{end}")
        if one.probability is not None:
            note = f"AnnotatorNotes {name}\tprobability {one.probability:.6f}"
            lines.append(f"#{next(next_of['#'])}\t{note}{end}")
    return "".join(lines)


def _mention_columns(document: AnnotatedDocument, mention: Mention) -> tuple[str, str]:
    """Returns a mention's type with its places, and its text."""
    spans = [span for part in mention.spans for span in _by_line(document, *part)]
    places = ";".join(f"{start} {end}" for start, end in spans)
    text = mention.text if mention.problem else document.text_at(spans)
    return f"{_type(mention.type)} {places}", re.sub(r"[\r\n]", " ", text)


def _identifier(concept: str) -> str:
    """Returns an identifier with its database; "" if BRAT cannot hold it."""
    if not concept or re.search(r"\s", concept):
        return ""
    has_database = re.match("[^:]+:.", concept) and not concept.startswith(_NO_DATABASE)
    return concept if has_database else f"{_NO_DATABASE}{concept}"


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
