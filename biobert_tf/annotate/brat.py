# SPDX-License-Identifier: Apache-2.0
r"""BRAT folders: `ID.txt` with `ID.ann` beside it, read and written file by file.

    T1<TAB>Disease 0 5;10 15<TAB>surface form     a mention, here in two parts
    R1<TAB>CPR:4 Arg1:T1 Arg2:T2                  a relation; its roles may be any two
    E1, A1, M1, N1, #1, *                         kept as they are

Offsets count the characters of the .txt, `\r\n` as two. A byte order mark at its start
may be counted or not: whichever fits the mentions. A .txt without .ann has no mentions.
Relations of events (`Arg1:E1`) are kept, and not among the document's relations.

New relations are appended to the .ann under new ids; the probability is a note:

    R7<TAB>CPR:4 Arg1:T1 Arg2:T2
    #3<TAB>AnnotatorNotes R7<TAB>probability 0.987654

Only .txt and .ann are written; the configuration of BRAT (annotation.conf) stays
where it is, and there the types of new relations must be added to see them.
"""

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
)
from biobert_tf.errors import InputError

_MENTION: Final = re.compile(
    r"(T[^\t]*)\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)\t(.*)",
    re.ASCII | re.DOTALL,
)
_RELATION: Final = re.compile(r"(R[^\t]*)\t(\S+)\s+(\S+?):(\S+)\s+(\S+?):(\S+)\s*")
_NOTE: Final = re.compile(r"#[^\t]*\tAnnotatorNotes (\S+)\tprobability (\S+)\s*")
_KEPT: Final = "EAMN#*"


@dataclass(frozen=True)
class Source:
    """The two files of a document, every character as it was."""

    text: str
    annotations: str


def read(path: Path) -> Iterator[Loaded]:
    """Yields the documents of a folder, in the order of their names.

    Raises:
        InputError: No folder or nothing in it; an .ann without .txt; a line of another
            form, an id twice, a relation of an unknown mention, a mention that is not
            what the text has there. It names the line.
    """
    if not path.is_dir():
        raise InputError.at(path, None, "no such folder; want one of .txt and .ann")
    names = sorted(file.stem for file in path.glob("*.txt"))
    for file in sorted(path.glob("*.ann")):
        if not file.with_suffix(".txt").is_file():
            raise InputError.at(file, None, f"no {file.stem}.txt beside it")
    if not names:
        raise InputError.at(path, None, "holds no .txt file")
    for name in names:
        yield _load(path / f"{name}.txt", path / f"{name}.ann")


def _load(text_path: Path, ann_path: Path) -> Loaded:
    text = storage.whole(text_path)
    annotations = storage.whole(ann_path) if ann_path.exists() else ""
    reader = _Reader(ann_path)
    content = annotations.removeprefix(storage.BOM)
    for number, line in enumerate(content.split("\n"), start=1):
        reader.add(number, line.removesuffix("\r"))
    document = AnnotatedDocument(
        text_path.name.removesuffix(".txt"),
        (Passage(0, text.removeprefix(storage.BOM)),),
        tuple(reader.mentions),
        tuple(reader.read_relations()),
    )
    if text.startswith(storage.BOM) and any(document.problems()):
        counted = (Passage(1, text.removeprefix(storage.BOM)),)
        moved = AnnotatedDocument(
            document.id, counted, document.mentions, document.relations
        )
        document = document if any(moved.problems()) else moved
    storage.checked(document, ann_path, None, reader.lines_of)
    return Loaded(document, Source(text, annotations))


class _Reader:
    """Gathers mentions and relations from the lines of an .ann file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.mentions: list[Mention] = []
        self.lines_of: dict[str, int] = {}
        self._relations: list[tuple[int, re.Match[str]]] = []
        self._probabilities: dict[str, float | None] = {}

    def add(self, number: int, line: str) -> None:
        """Adds a line without its end."""
        if match := _MENTION.fullmatch(line):
            self._add_mention(number, match)
        elif match := _RELATION.fullmatch(line):
            self._relations.append((number, match))
        elif match := _NOTE.fullmatch(line):
            self._probabilities[match[1]] = storage.probability(match[2])
        elif line.strip() and line[0] not in _KEPT:
            raise InputError.at(
                self._path,
                number,
                f"cannot be read: {line[:60]!r}; want T1<TAB>type start end<TAB>text "
                "or R1<TAB>type Arg1:T1 Arg2:T2",
            )

    def _add_mention(self, number: int, match: re.Match[str]) -> None:
        name, kind, places, text = match.groups()
        pairs = (place.split(" ") for place in places.split(";"))
        spans = tuple((int(start), int(end)) for start, end in pairs)
        if name in self.lines_of:
            raise InputError.at(
                self._path, number, f"a second mention has the id {name}"
            )
        self.mentions.append(Mention(name, kind, spans, text))
        self.lines_of[name] = number

    def read_relations(self) -> Iterator[Relation]:
        """Yields the relations of mentions, after all lines are added."""
        for number, match in self._relations:
            name, kind, role, first, other_role, second = match.groups()
            if (role, other_role) == ("Arg2", "Arg1"):
                first, second = second, first
            for argument in (first, second):
                if argument.startswith("T") and argument not in self.lines_of:
                    raise InputError.at(
                        self._path,
                        number,
                        f"{name} relates {argument}, which is not here",
                    )
            if first in self.lines_of and second in self.lines_of:
                chance = self._probabilities.get(name)
                yield Relation(kind, first, second, chance, name)


def write(path: Path, documents: Iterable[tuple[Loaded, Sequence[Relation]]]) -> int:
    """Writes documents with relations added, and returns their number.

    Args:
        path: A folder, made where it is missing. It may be the one that was read:
            each file is replaced whole.
        documents: What `read` gave, and new relations between the mentions of each.

    Raises:
        InputError: The folder cannot be written.
    """
    num_documents = 0
    for loaded, relations in documents:
        source = loaded.source
        added = _with_relations(source.annotations, relations)
        for suffix, text in ((".txt", source.text), (".ann", added)):
            with storage.writing(path / f"{loaded.document.id}{suffix}") as stream:
                stream.write(text.encode("utf-8"))
        num_documents += 1
    return num_documents


def _with_relations(annotations: str, relations: Sequence[Relation]) -> str:
    if not relations:
        return annotations
    end = "\r\n" if "\r\n" in annotations else "\n"
    taken = [line.split("\t")[0] for line in annotations.split("\n")]
    relation_id = storage.next_number("R", taken)
    note_id = storage.next_number("#", taken)
    lines = [annotations]
    if annotations and not annotations.endswith("\n"):
        lines.append(end)
    for i, relation in enumerate(relations, start=relation_id):
        kind = re.sub(r"\s", "_", relation.type)
        lines.append(f"R{i}\t{kind} Arg1:{relation.first} Arg2:{relation.second}{end}")
        if relation.probability is not None:
            note = f"probability {relation.probability:.6f}"
            lines.append(f"#{note_id}\tAnnotatorNotes R{i}\t{note}{end}")
            note_id += 1
    return "".join(lines)
