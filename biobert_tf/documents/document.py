# SPDX-License-Identifier: Apache-2.0
"""Defines a document of any format: text, mentions of entities, relations.

All offsets count Unicode code points from the start of the document, as Python's
strings do. Ranges are half-open.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from biobert_tf.common.errors import InputError

# Other units in which a file may count offsets: bytes of UTF-8, and the characters of
# Java and JavaScript, where a character beyond U+FFFF counts as two.
_OTHER_UNITS: Final = {"UTF-8 bytes": ("utf-8", 1), "UTF-16 units": ("utf-16-le", 2)}

# The longest mean gap between passages; a longer one is a mistake in the offsets.
_LONGEST_GAP: Final = 1000
_VARIANT: Final = re.compile(r"(tmVar:)?[cgmnpr]\|")
# What stands between the parts of a discontinuous mention in its text, or white space.
_JOINERS: Final = ("", "...", "[...]", "\u2026", "|", ";")
_NO_CONCEPT: Final = ("", "-", "-1")


@dataclass(frozen=True)
class Passage:
    """A part of the document's text, and the offset of its first character."""

    offset: int
    text: str

    @property
    def end(self) -> int:
        """The offset after the last character."""
        return self.offset + len(self.text)


@dataclass(frozen=True)
class Mention:
    """One occurrence of an entity.

    `spans` are (start, end) offsets in the document, in the order of the file: several
    if the mention is discontinuous. `problem` says, with file and line, what is wrong
    if the text differs from that at the spans; such a mention is carried along and
    never used.
    """

    id: str  # unique in the document
    type: str  # as the file spells it ("Chemical", "GENE-Y")
    spans: tuple[tuple[int, int], ...]
    text: str  # the surface form as the file gives it
    concepts: tuple[str, ...] = ()  # identifiers in databases ("MESH:D003000")
    probability: float | None = None  # in [0, 1]; None if the file gives none
    problem: str = ""

    @property
    def extent(self) -> tuple[int, int]:
        """The offsets of the first character and after the last."""
        starts, ends = zip(*self.spans, strict=True)
        return min(starts), max(ends)


@dataclass(frozen=True)
class Relation:
    """A relation of two mentions, or in PubTator and some BioC of two concepts.

    `first` and `second` are their ids. `pair` has the ids of two mentions that stand
    for the concepts, if the file has both.
    """

    type: str  # as the file spells it ("CPR:4", "CID")
    first: str
    second: str
    probability: float | None = None  # in [0, 1]; None if the file gives none
    id: str = ""  # in its file; "" if it has none or is new
    pair: tuple[str, str] | None = None


@dataclass(frozen=True)
class AnnotatedDocument:
    """A document, its mentions and its relations, in the order of the file.

    `num_unread` is the number of relations that are neither of two mentions nor of two
    concepts; `relations` is without them. `others` has the kind of each annotation that
    is neither a mention nor a relation, such as "events". `pmc_id` is the PMC id of a
    full text that the file names by it and `id` does not. `is_numbered` says whether
    `id` is only the number of the document, or of its line, because it has no other.
    """

    id: str  # the PMID, the name of the file, or another id that the format has
    passages: tuple[Passage, ...]  # a gap between two stands for white space
    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...]
    num_unread: int = 0
    pmc_id: str = ""
    others: tuple[str, ...] = ()
    is_numbered: bool = False

    @property
    def bad_mentions(self) -> list[Mention]:
        """The mentions that are known to differ from the text."""
        return [mention for mention in self.mentions if mention.problem]

    def without(self, names: Container[str]) -> "AnnotatedDocument":
        """Returns the document without some mentions and the relations of them."""
        mentions = tuple(one for one in self.mentions if one.id not in names)
        relations = tuple(
            one
            for one in self.relations
            if one.first not in names and one.second not in names
        )
        return replace(self, mentions=mentions, relations=relations)

    def text_at(self, spans: Iterable[tuple[int, int]]) -> str:
        """Returns the texts at spans, joined by spaces; "" if one is outside."""
        try:
            return " ".join(self.slice(start, end) for start, end in spans)
        except ValueError:
            return ""

    def slice(self, start: int, end: int) -> str:
        """Returns the text between two offsets; a gap of passages becomes spaces.

        Raises:
            ValueError: The range is reversed, reaches outside the text, or spans a gap
                of many thousand characters.
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
        """Yields the id of each mention that is wrong, and what is wrong with it.

        A mention's text must equal the text at its spans, where any white space equals
        any other (files write a line break as a space). The parts of a discontinuous
        mention may be joined by white space, `...`, `[...]`, `|` or `;`; or the text
        may be everything from its first to its last character. Mentions whose `problem`
        is known are left out.
        """
        seen: set[str] = set()
        for mention in self.mentions:
            if mention.id in seen:
                yield mention.id, f"a second mention has the id {mention.id}"
            seen.add(mention.id)
            if not mention.problem and (problem := self._problem(mention)):
                yield mention.id, problem

    def check(self) -> None:
        """Raises `InputError` with the first of `problems`, if there is any."""
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
        """Returns a hint if the mention's offsets fit another unit than characters."""
        for name, encoding, size, data in self._encoded:
            parts = (data[size * start : size * end] for start, end in mention.spans)
            texts = [part.decode(encoding, "replace") for part in parts]
            if _same(mention.text, texts):
                return f"; its offsets seem to count {name} instead of characters"
        return ""

    @cached_property
    def _encoded(self) -> list[tuple[str, str, int, bytes]]:
        """The text in each of `_OTHER_UNITS`; none if passages overlap."""
        last = max((passage.end for passage in self.passages), default=0)
        try:
            text = self._across(0, last)
        except ValueError:
            return []
        return [
            (name, encoding, size, text.encode(encoding, "replace"))
            for name, (encoding, size) in _OTHER_UNITS.items()
        ]


@dataclass(frozen=True)
class Loaded:
    """A document as it was read.

    `source` is what the format's writer needs to write the rest of it unchanged; None
    if the format is only read.
    """

    document: AnnotatedDocument
    source: Any = None
    taken: frozenset[str] = frozenset()  # ids in the file besides the mentions'


@dataclass(frozen=True)
class Verdict:
    """What a classifier says of a document, or of a part of it.

    `values` are by name: texts, numbers, lists of labels, and probabilities by label.
    `prefix` stands before their names in a file. `span` has the (start, end) offsets of
    the part, None for the whole document.
    """

    values: Mapping[str, Any]
    span: tuple[int, int] | None = None
    prefix: str = ""


Added = Sequence[Mention | Relation | Verdict]
"""The additions to a document: mentions, relations of old or new mentions, verdicts."""

Annotated = tuple[Loaded, Added]
"""A document as it was read, and the additions to it."""


def parted(added: Added) -> tuple[list[Mention], list[Relation]]:
    """Returns the mentions, and the relations, that are added to a document."""
    mentions = [one for one in added if isinstance(one, Mention)]
    return mentions, [one for one in added if isinstance(one, Relation)]


def verdicts(added: Added) -> list[Verdict]:
    """Returns the verdicts that are added to a document, in order."""
    return [one for one in added if isinstance(one, Verdict)]


def _name(mention: Mention) -> str:
    """Returns a description of a mention for messages."""
    place = " ".join(f"{start}-{end}" for start, end in mention.spans)
    return f"mention {mention.id} ({mention.text!r} at {place})"


def _same(text: str, parts: list[str]) -> bool:
    if [text] == parts:
        return True
    if len(parts) > 1:
        text, *parts = (re.sub(r"\s", "", each) for each in (text, *parts))
        return any(text == joiner.join(parts) for joiner in _JOINERS)
    return re.sub(r"\s", " ", text) == re.sub(r"\s", " ", parts[0])


def split_concepts(field: str) -> tuple[str, ...]:
    """Returns the identifiers in a field of PubTator or BioC, each once.

    Several are joined by `|`, `;` or `,`. An empty field, `-` or `-1` means none. The
    description of a variant (`c|DEL|189_192|`) is one identifier.
    """
    parts = [field] if _VARIANT.match(field) else re.split("[|;,]", field)
    names = (part.strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name not in _NO_CONCEPT))
