# SPDX-License-Identifier: Apache-2.0
"""What marks the two entities in the texts of a model: `@GENE$`, or `<< >>`.

A training records the marks of its texts, because a model can tell little of a text
that lacks them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from biobert_tf.relations.reading import RelationExample

KEY: Final = "marks"
"""Where settings.json has the marks."""

_OF_ROLE: Final = ("<< >>", "[[ ]]")


def of(example: RelationExample) -> frozenset[str]:
    """Returns the marks in a text."""
    return frozenset(
        example.text[span.start : span.end]
        if span.start == span.inner_start
        else _OF_ROLE[span.role]
        for span in example.entities
    )


def of_all(examples: Iterable[RelationExample]) -> list[str]:
    """Returns the marks in the texts of a training; none if a text does without."""
    found = [of(example) for example in examples]
    return sorted(frozenset().union(*found)) if all(found) else []


def recorded(settings: Mapping[str, object]) -> list[str] | None:
    """Returns the marks that a training has recorded; empty: a text needs none.

    None means that a text needs marks, but it is unknown which. So are those of the
    named sets in the records of earlier versions.
    """
    found = settings.get(KEY)
    if isinstance(found, list):
        return [str(mark) for mark in found]
    return [] if settings.get("task_name", "custom") == "custom" else None


def lacking(
    examples: Sequence[RelationExample], wanted: Collection[str] | None
) -> list[int]:
    """Returns the indexes of the texts that have none of the marks that are wanted."""
    if wanted is None:
        return [i for i, example in enumerate(examples) if not example.entities]
    known = {mark.casefold() for mark in wanted}
    return [
        i
        for i, example in enumerate(examples)
        if known and known.isdisjoint(mark.casefold() for mark in of(example))
    ]


def shown(wanted: Collection[str] | None) -> str:
    """Returns the marks that are wanted, for a message."""
    return ", ".join(wanted or ("@GENE$ and such",))
