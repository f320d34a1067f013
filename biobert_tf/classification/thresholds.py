# SPDX-License-Identifier: Apache-2.0
"""Chooses above which probability a label is predicted, on development data.

A threshold lies half-way between two neighbours among the probabilities that the label
has, or outside all of them. Of equally good ones it is the one next to 0.5. It is a
number of 32 bits, so a graph decides as `above` does.

Shapes: N examples, K labels.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from biobert_tf.classification import multi_label
from biobert_tf.common import borders
from biobert_tf.common.borders import LabelMeasure

DEFAULT: Final = 0.5


@dataclasses.dataclass(frozen=True)
class Threshold:
    """The probability above which a label is predicted.

    Attributes:
        value: The threshold. One below 0 predicts the label always.
        score: The score that it makes best, on the data that it was chosen on.
        score_before: The same with `DEFAULT`.
        num_gold: The number of units, or examples, with the label.
    """

    value: float
    score: float
    score_before: float
    num_gold: int

    def to_dict(self) -> dict[str, float | int]:
        """Returns everything by name, ready for JSON."""
        return dataclasses.asdict(self)


def of_labels(
    probabilities: np.ndarray,
    gold: Sequence[Collection[str]],
    labels: Sequence[str],
    groups: Sequence[str] | None = None,
) -> dict[str, Threshold]:
    """Returns for each label the threshold that makes its F1 best.

    A label that no example has keeps `DEFAULT`. F1 is that of `multi_label.score`, so
    with documents it is theirs: a document has a label if the highest probability among
    its examples is above the threshold.

    Args:
        probabilities: The probability of each label, finite, float `[N, K]`.
        gold: The right labels of each example; those not in `labels` are left out.
        labels: The labels, in the order of the columns.
        groups: The document of each example; see `multi_label.score`.

    Raises:
        ValueError: There is no example, or numbers differ.
    """
    names = multi_label.all_labels(labels, gold)
    is_gold = multi_label.indicators(gold, names)[:, : len(labels)]
    if not len(gold) or probabilities.shape != is_gold.shape:
        raise ValueError(
            f"probabilities {probabilities.shape} of {len(gold)} examples, "
            f"{len(labels)} labels"
        )
    units = multi_label.unit_numbers(groups, len(gold))
    pooled = multi_label.pooled(probabilities.astype(np.float32), units)
    found = _best(pooled, multi_label.pooled(is_gold, units), borders.f1)
    return {
        label: one if one.num_gold else dataclasses.replace(one, value=DEFAULT)
        for label, one in zip(labels, found, strict=True)
    }


def of_binary(probabilities: np.ndarray, is_gold: np.ndarray) -> Threshold:
    """Returns the threshold that makes the macro F1 of two single labels best.

    Args:
        probabilities: That of the one label which is predicted above it, `[N]`.
        is_gold: Whether the example has that label, bool `[N]`.

    Raises:
        ValueError: There is no example, or numbers differ.
    """
    columns = (probabilities.astype(np.float32)[:, None], is_gold[:, None])
    return _best(*columns, borders.macro_f1)[0]


def above(
    probabilities: np.ndarray, labels: Sequence[str], thresholds: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Returns the labels of each example that are above their threshold, in order.

    The probabilities are float `[N, K]`; a label without a threshold has `DEFAULT`.
    """
    values = [thresholds.get(label, DEFAULT) for label in labels]
    is_above = probabilities.astype(np.float32) > np.array(values, np.float32)
    return [
        tuple(label for label, has in zip(labels, row, strict=True) if has)
        for row in is_above.tolist()
    ]


def _best(
    probabilities: np.ndarray, is_gold: np.ndarray, measure: LabelMeasure
) -> list[Threshold]:
    """Returns the best threshold of each column of probabilities, float32."""
    if not len(probabilities):
        raise ValueError("no examples to choose a threshold on")
    lowest, highest = probabilities.min(0), probabilities.max(0)
    outer = (np.where(lowest > 0, lowest / 2, -1), (1 + highest) / 2)
    found = borders.best(probabilities, is_gold, measure, DEFAULT, outer)
    before = borders.score(probabilities, is_gold, measure, DEFAULT)
    columns = (*found, before, is_gold.sum(0))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Threshold(*row) for row in rows]
