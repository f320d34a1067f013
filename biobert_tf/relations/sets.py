# SPDX-License-Identifier: Apache-2.0
"""The known relation sets: their labels, and the one that means "no relation"."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from biobert_tf.common.errors import InputError

# Labels that mean "no relation" in a custom set unless the user names another.
_USUAL_NEGATIVES: Final = ("0", "false", "none", "negative")


@dataclasses.dataclass(frozen=True)
class RelationSet:
    """The labels of a set of sentences; a label's index is its id.

    `negative` means "no relation" and is left out of the scores; None if every label is
    a relation. `name` is the set's in `--task_name`.
    """

    name: str
    labels: tuple[str, ...]
    negative: str | None

    @property
    def positives(self) -> tuple[str, ...]:
        """The labels that are relations."""
        return tuple(label for label in self.labels if label != self.negative)

    @property
    def is_binary(self) -> bool:
        """Whether the only question is if there is a relation."""
        return len(self.labels) == 2 and self.negative is not None

    def canonical(self, label: str) -> str | None:
        """Returns `label` as this set spells it, or None if it is not in the set.

        Published copies of one set differ in case (`CPR:3`, `cpr:3`, `False`), so case
        is ignored; the labels of a custom set must match exactly.
        """
        if label in self.labels:
            return label
        folded = {known.casefold(): known for known in self.labels}
        return None if self.name == "custom" else folded.get(label.casefold())


def _binary(name: str) -> RelationSet:
    return RelationSet(name, ("0", "1"), negative="0")


# The order is part of a checkpoint (`get_labels` of the processors of run_re.py). The
# original's ddi13 lacks DDI-effect and ends in NotImplementedError; this one has the
# five classes of the corpus.
SETS: Final[Mapping[str, RelationSet]] = {
    **{name: _binary(name) for name in ("gad", "euadr", "polysearch", "mirnadisease")},
    "chemprot": RelationSet(
        "chemprot",
        ("cpr:3", "cpr:4", "cpr:5", "cpr:6", "cpr:9", "false"),
        negative="false",
    ),
    "ddi13": RelationSet(
        "ddi13",
        ("DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism", "DDI-false"),
        negative="DDI-false",
    ),
}


def custom(labels: Sequence[str], negative: str) -> RelationSet:
    """Returns a set of the user's own.

    If `negative` is empty, it is the only label that is 0, false, none or negative in
    any case; else every label counts.

    Raises:
        InputError: There are fewer than two labels, a label is empty or repeats, or
            `negative` is not a label.
    """
    if len(labels) < 2 or len(set(labels)) < len(labels) or "" in labels:
        raise InputError(
            f"--labels={','.join(labels)}: want two or more different labels"
        )
    if negative and negative not in labels:
        raise InputError(
            f"--negative_label={negative} is none of the labels {' '.join(labels)}"
        )
    if not negative:
        usual = [label for label in labels if label.casefold() in _USUAL_NEGATIVES]
        negative = usual[0] if len(usual) == 1 else ""
    return RelationSet("custom", tuple(labels), negative or None)
