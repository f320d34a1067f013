# SPDX-License-Identifier: Apache-2.0
"""Parses `--class_weights`, the weight of every label in the training loss."""

import collections
import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ClassWeights(CommaList):
    """The flag: `balanced`, `no:2,yes:1`, or empty for equal weights."""

    def of(
        self,
        labels: Sequence[str],
        held: Iterable[str | None],
        canonical: Callable[[str], str | None],
    ) -> tuple[float, ...]:
        """Returns the weight of every label.

        `balanced` gives a label the weight N / (K n), where N is the number of
        examples, K that of labels, and n that of examples with the label, as in
        scikit-learn's `class_weight="balanced"`. A label without examples keeps weight
        1, which is unused.

        Args:
            labels: All labels, in the order of their ids.
            held: The label of every training example, or None if it has none.
            canonical: A function from a spelling to its label, or to None.

        Raises:
            InputError: The flag names an unknown label or a weight that is not
                positive.
        """
        if not self:
            return (1.0,) * len(labels)
        weights = dict.fromkeys(labels, 1.0)
        if self.text == "balanced":
            counts = collections.Counter(label for label in held if label is not None)
            for label, count in counts.items():
                weights[label] = counts.total() / (len(weights) * count)
        else:
            weights |= (_weight(part, labels, canonical) for part in self.parts)
        shown = ", ".join(f"{label} {weight:.4g}" for label, weight in weights.items())
        _LOG.info("class weights: %s", shown)
        return tuple(weights.values())


def _weight(
    part: str, labels: Sequence[str], canonical: Callable[[str], str | None]
) -> tuple[str, float]:
    """Parses `label:weight`; a label may contain a colon (`cpr:3:2.5`)."""
    label, _, number = part.rpartition(":")
    known = canonical(label)
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if known is None or not 0 < weight < float("inf"):
        raise InputError(
            f"--class_weights: {part!r} is not LABEL:WEIGHT with a label of "
            f"{' '.join(labels)} and a positive weight; or say balanced"
        )
    return known, weight
