# SPDX-License-Identifier: Apache-2.0
"""Labels of words, and the entities they spell: what IOB tags mean."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

BOUNDARY: Final = "-X-"
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
    """A label in its two parts: `B` and `Disease` of `B-Disease`; "" if untyped."""

    tag: str
    type: str


class Step(NamedTuple):
    """A label, and what happens between it and the label before it."""

    label: Label
    ends: bool
    starts: bool


OUTSIDE: Final = Label("O", "")


# A file has few labels, and a million of each.
@functools.lru_cache(maxsize=1 << 12)
def parse(label: str) -> Label:
    """Returns the parts of a label, as conlleval.pl splits it."""
    tag, _, chunk_type = label.partition("-")
    # PARITY(conlleval.pl:125-126): Perl takes "0" for false, so that B-0 is untyped.
    return Label(tag, "" if chunk_type == "0" else chunk_type)


def steps(labels: Iterable[Label]) -> Iterator[Step]:
    """Yields a step per label."""
    before = OUTSIDE
    for label in labels:
        yield _step(before, label)
        before = label


@functools.lru_cache(maxsize=1 << 12)
def _step(before: Label, label: Label) -> Step:
    """Returns a step (conlleval.pl:255-315, endOfChunk and startOfChunk)."""
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


def chunks(labels: Sequence[str]) -> list[Chunk]:
    """Returns the phrases of one sentence, in order.

    A label is `tag-type` or only `tag`. The rules are lenient: an `I` or `E` after
    `O` opens a phrase, and so does a label of another type; `[` and `]` are phrases
    of one word. Any other tag (`S`, `X`, `b`) counts as inside.

    Args:
        labels: One label per word, such as `B-Disease`.

    Returns:
        Phrases that do not overlap. One that nothing closes (an untyped `X` before
        `O` does not) reaches to the next one or to the end of the sentence.
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
