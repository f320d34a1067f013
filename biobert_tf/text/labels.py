# SPDX-License-Identifier: Apache-2.0
"""Decodes the IOB labels of words into phrases, by the rules of conlleval.pl."""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

BOUNDARY: Final = "-X-"
"""In the first column, what conlleval.pl takes for a blank line."""
DOCUMENT_START: Final = "-DOCSTART-"
"""In the first column, where a document begins."""
LABEL: Final = re.compile(r"[OBIESLU](-\S+)?")
"""The labels of BIO, IOB1, IOBES and BILOU, with or without a type.

`O-TYPE` is AIONER's: outside of entities of this type, others are not known.
"""
_AS_IOB: Final = {"S": "B", "U": "B", "E": "I", "L": "I"}
_ENDING_TAGS: Final = frozenset(
    [("B", "B"), ("B", "O"), ("I", "B"), ("I", "O"), ("E", "E"), ("E", "I"), ("E", "O")]
)
_STARTING_TAGS: Final = frozenset(
    [("B", "B"), ("I", "B"), ("O", "B"), ("O", "I"), ("E", "E"), ("E", "I"), ("O", "E")]
)


class Chunk(NamedTuple):
    """One phrase: its type ("" if untyped) and its words `[start, end)`, from 0."""

    type: str
    start: int
    end: int


class Label(NamedTuple):
    """A label's two parts: `B` and `Disease` of `B-Disease`; type "" if untyped."""

    tag: str
    type: str

    def __str__(self) -> str:
        """Returns the label as it is written."""
        return f"{self.tag}-{self.type}" if self.type else self.tag


class Step(NamedTuple):
    """A label, and whether a phrase ends before it and whether one starts at it."""

    label: Label
    ends: bool
    starts: bool


OUTSIDE: Final = Label("O", "")


def are_of_words(labels: Iterable[str]) -> bool:
    """Says whether the labels of a classifier are those of words, not of whole texts.

    That is so if `O` is among them, beside one that begins an entity or goes on in it.
    """
    tags = {parse(label).tag for label in labels}
    return "O" in tags and not tags.isdisjoint("BI")


# Cached, because a file has few different labels and each occurs very often.
@functools.lru_cache(maxsize=1 << 12)
def parse(label: str) -> Label:
    """Splits a label as conlleval.pl does."""
    tag, _, chunk_type = label.partition("-")
    # PARITY(conlleval.pl:125-126): "0" is false in Perl, so B-0 is untyped.
    return Label(tag, "" if chunk_type == "0" else chunk_type)


def steps(labels: Iterable[Label]) -> Iterator[Step]:
    """Yields the step of each label of a sentence."""
    before = OUTSIDE
    for label in labels:
        yield _step(before, label)
        before = label


@functools.lru_cache(maxsize=1 << 12)
def _step(before: Label, label: Label) -> Step:
    """Compares two neighbours (conlleval.pl:255-315, endOfChunk and startOfChunk)."""
    tags = (before.tag, label.tag)
    new_type = before.type != label.type
    return Step(
        label,
        ends=tags in _ENDING_TAGS
        or (new_type and before.tag not in ("O", "."))
        or before.tag in ("[", "]"),
        starts=tags in _STARTING_TAGS
        or (new_type and label.tag not in ("O", "."))
        or label.tag in ("[", "]"),
    )


def iob(labels: Iterable[str]) -> list[str]:
    """Returns labels of IOBES or BILOU as `B` and `I`; others stay.

    Their phrases are then their `chunks`. conlleval.pl reads an `S` as inside, and lets
    a phrase continue from an `E` into a `B`.
    """
    return [_AS_IOB.get(label[0], label[0]) + label[1:] for label in labels]


def chunks(labels: Sequence[str]) -> list[Chunk]:
    """Returns the phrases of one sentence, in order and disjoint.

    Every word has a label, `tag-type` or only `tag`. The rules are lenient: an `I` or
    `E` after `O` starts a phrase, and so does a label of another type; `[` and `]` are
    phrases of one word. Any other tag (`S`, `X`, `b`) counts as inside. A phrase that
    no label ends (an untyped `X` then `O` does not end it) reaches to the next phrase
    or the end of the sentence.
    """
    found: list[Chunk] = []
    opened: Chunk | None = None
    for i, step in enumerate(steps(map(parse, labels))):
        if opened and (step.ends or step.starts):
            found.append(opened._replace(end=i))
            opened = None
        if step.starts:
            opened = Chunk(step.label.type, i, len(labels))
    return [*found, opened] if opened else found
