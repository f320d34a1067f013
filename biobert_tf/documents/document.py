# SPDX-License-Identifier: Apache-2.0
"""A text with mentions of entities and relations between them, of any format.

All offsets count Unicode code points from the start of the document, as Python's
strings do, and ranges are half-open.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from biobert_tf.common.errors import InputError

# What else offsets are counted in: bytes of UTF-8, and the characters of Java and
# JavaScript, of which one beyond U+FFFF takes two.
_OTHER_UNITS: Final = {"UTF-8 bytes": ("utf-8", 1), "UTF-16 units": ("utf-16-le", 2)}

# White space that a gap between passages may stand for, on average; more is a mistake.
_LONGEST_GAP: Final = 1000
_VARIANT: Final = re.compile(r"(tmVar:)?[cgmnpr]\|")
_NO_CONCEPT: Final = ("", "-", "-1")


@dataclass(frozen=True)
class Passage:
    """A stretch of the document's text.

    Attributes:
        offset: Of its first character in the document.
        text: The characters.
    """

    offset: int
    text: str

    @property
    def end(self) -> int:
        """Offset behind the last character."""
        return self.offset + len(self.text)


@dataclass(frozen=True)
class Mention:
    """One occurrence of an entity.

    Attributes:
        id: Unique among the document's mentions.
        type: Of the entity, as the file spells it ("Chemical", "GENE-Y").
        spans: (start, end) offsets in the document, in the order of the file; more
            than one where the mention is discontinuous.
        text: The surface form as the file gives it.
        concepts: Identifiers of the entity in databases ("MESH:D003000"), if any.
        probability: In [0, 1]; None if the file gives none.
    """

    id: str
    type: str
    spans: tuple[tuple[int, int], ...]
    text: str
    concepts: tuple[str, ...] = ()
    probability: float | None = None

    @property
    def extent(self) -> tuple[int, int]:
        """Offsets of the first character and behind the last."""
        starts, ends = zip(*self.spans, strict=True)
        return min(starts), max(ends)


@dataclass(frozen=True)
class Relation:
    """A relation of two mentions, or of two concepts where the format says so.

    Attributes:
        type: As the file spells it ("CPR:4", "CID").
        first: Id of a mention; in PubTator (and some BioC) of a concept.
        second: The same.
        probability: In [0, 1]; None if the file gives none.
        id: Of the relation in its file; "" where it has none or is new.
    """

    type: str
    first: str
    second: str
    probability: float | None = None
    id: str = ""


@dataclass(frozen=True)
class AnnotatedDocument:
    """A document, its mentions and its relations.

    Attributes:
        id: PMID, name of the file, or whatever the format has.
        passages: In the order of the file. Between two there may be a gap, which
            stands for white space.
        mentions: In the order of the file.
        relations: In the order of the file.
    """

    id: str
    passages: tuple[Passage, ...]
    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...]

    def slice(self, start: int, end: int) -> str:
        """Returns the text between two offsets; a gap of passages reads as spaces.

        Raises:
            ValueError: The range is reversed, reaches outside the text or over a
                gap of many thousand characters.
        """
        for passage in self.passages:
            if passage.offset <= start <= end <= passage.end:
                return passage.text[start - passage.offset : end - passage.offset]
        first = min((passage.offset for passage in self.passages), default=0)
        last = max((passage.end for passage in self.passages), default=0)
        if not first <= start <= end <= last:
            raise ValueError(
                f"{start}-{end} is not inside the text, which is {first}-{last}"
            )
        return self._across(start, end)

    def _across(self, start: int, end: int) -> str:
        num_characters = sum(len(passage.text) for passage in self.passages)
        if end - start > num_characters + _LONGEST_GAP * len(self.passages):
            raise ValueError(f"{start}-{end} is more than the passages hold")
        characters = [" "] * (end - start)
        for passage in self.passages:
            begin, stop = max(start, passage.offset), min(end, passage.end)
            if begin < stop:
                shown = passage.text[begin - passage.offset : stop - passage.offset]
                characters[begin - start : stop - start] = shown
        return "".join(characters)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yields the id of each mention that cannot be right, and what is wrong.

        A mention's text must be what its spans slice, where any white space equals
        any other (a line break is given as a space). The parts of a discontinuous
        mention may be joined by any white space, or the text may be all from its
        first to its last character.
        """
        seen: set[str] = set()
        for mention in self.mentions:
            if mention.id in seen:
                yield mention.id, f"a second mention has the id {mention.id}"
            seen.add(mention.id)
            if problem := self._problem(mention):
                yield mention.id, problem

    def check(self) -> None:
        """Checks what `problems` says.

        Raises:
            InputError: Names the document, the first mention that is wrong, and what
                stands in its place.
        """
        for _, problem in self.problems():
            raise InputError(f"document {self.id}: {problem}")

    def _problem(self, mention: Mention) -> str | None:
        if not mention.spans or any(start >= end for start, end in mention.spans):
            return f"{_name(mention)} has an empty or reversed span"
        try:
            there = [self.slice(start, end) for start, end in mention.spans]
        except ValueError as error:
            return f"{_name(mention)}: {error}{self._units(mention)}"
        if _same(mention.text, there) or (
            len(there) > 1 and _same(mention.text, [self.slice(*mention.extent)])
        ):
            return None
        shown = " ".join(there)
        return f"{_name(mention)}: the text there is {shown!r}{self._units(mention)}"

    def _units(self, mention: Mention) -> str:
        """Returns a hint if the mention's offsets count something else."""
        last = max((passage.end for passage in self.passages), default=0)
        try:
            text = self._across(0, last)
        except ValueError:
            return ""
        for name, (encoding, size) in _OTHER_UNITS.items():
            data = text.encode(encoding, "replace")
            parts = [data[size * start : size * end] for start, end in mention.spans]
            if _same(
                mention.text, [part.decode(encoding, "replace") for part in parts]
            ):
                return f"; it seems to count {name}, offsets must count characters"
        return ""


@dataclass(frozen=True)
class Loaded:
    """A document as it was read.

    Attributes:
        document: What it says.
        source: What its format needs to write it back with all else it held; None
            where nothing could be.
        taken: Ids that the file uses, beside those of the mentions.
    """

    document: AnnotatedDocument
    source: Any = None
    taken: frozenset[str] = frozenset()


Added = Sequence[Mention | Relation]
"""What is added to a document: mentions, and relations of old or new mentions."""

Annotated = tuple[Loaded, Added]
"""A document as it was read, and what is added to it."""


def mentions_in(added: Added) -> list[Mention]:
    """Returns the mentions among what is added to a document, in their order."""
    return [each for each in added if isinstance(each, Mention)]


def relations_in(added: Added) -> list[Relation]:
    """Returns the relations among what is added to a document, in their order."""
    return [each for each in added if isinstance(each, Relation)]


def _name(mention: Mention) -> str:
    """Returns what a message calls a mention."""
    place = " ".join(f"{start}-{end}" for start, end in mention.spans)
    return f"mention {mention.id} ({mention.text!r} at {place})"


def _same(text: str, parts: list[str]) -> bool:
    if [text] == parts:
        return True
    if len(parts) > 1:
        return re.sub(r"\s", "", text) == re.sub(r"\s", "", "".join(parts))
    return re.sub(r"\s", " ", text) == re.sub(r"\s", " ", parts[0])


def split_concepts(field: str) -> tuple[str, ...]:
    """Returns the identifiers in a field of PubTator or BioC, each once.

    Several are joined by `|`, `;` or `,`; none is empty, `-` or `-1`. The description
    of a variant (`c|DEL|189_192|`) is one.
    """
    parts = [field] if _VARIANT.match(field) else re.split("[|;,]", field)
    names = (part.strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name not in _NO_CONCEPT))
