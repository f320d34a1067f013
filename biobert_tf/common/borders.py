# SPDX-License-Identifier: Apache-2.0
"""Finds the border of a value above which a label is best given."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from biobert_tf.common.counts import ratios

# Far below any difference of scores, and far above its rounding.
_ROUNDING = 1e-12

LabelMeasure = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""Makes scores of the numbers of gold, predicted and correct items, and of all."""


class Borders(NamedTuple):
    """The best border of each column, and the score with it, each `[columns]`."""

    values: np.ndarray
    scores: np.ndarray


def best(
    values: np.ndarray,
    is_gold: np.ndarray,
    measure: LabelMeasure,
    centre: float,
    outer: tuple[np.ndarray, np.ndarray],
) -> Borders:
    """Returns the border of each column above which its label is best given.

    A border lies half-way between two neighbours among the values of its column, or
    outside all. Of equally good borders it is the one next to `centre`; of two as near,
    the lower one.

    Args:
        values: Finite, float `[examples, columns]`, at least one example.
        is_gold: Which examples have the label, bool, of the same shape.
        measure: The score to make best.
        centre: Where a border is without any data.
        outer: The borders below and above all values, each `[columns]`.

    Returns:
        Borders in the type of the values, so what compares in that type agrees.

    Raises:
        ValueError: There is no example, or the shapes differ.
    """
    if not len(values) or values.shape != is_gold.shape:
        raise ValueError(f"values {values.shape}, labels {is_gold.shape}")
    order = np.argsort(values, axis=0)
    ranked = np.take_along_axis(values, order, 0)
    low, high = ranked[:-1], ranked[1:]
    middle = (low + high) / 2
    # Between two numbers without another one in between lies none: the lower one is a
    # border too, because what lies on a border is not above it.
    middle = np.where(middle < high, middle, low)
    borders = np.vstack([outer[0], middle, outer[1]]).astype(values.dtype)
    # Row i is for the border with i examples below it; these are the gold ones there.
    below = np.take_along_axis(is_gold, order, 0).cumsum(0)
    below = np.vstack([np.zeros_like(below[:1]), below])
    num_gold = below[-1]
    num_predicted = np.arange(len(values), -1, -1)[:, None]
    scores = measure(num_gold, num_predicted, num_gold - below, len(values))
    # Equal values are never apart.
    scores[1:-1][low == high] = -np.inf
    best_scores = scores.max(0)
    distance = np.abs(borders - centre)
    distance[scores < best_scores - _ROUNDING] = np.inf
    places = distance.argmin(0)[None]
    return Borders(
        np.take_along_axis(borders, places, 0)[0],
        np.take_along_axis(scores, places, 0)[0],
    )


def f1(
    num_gold: np.ndarray, num_predicted: np.ndarray, num_correct: np.ndarray, total: int
) -> np.ndarray:
    """Returns the F1 of a label."""
    return ratios(2 * num_correct, num_gold + num_predicted)


def macro_f1(
    num_gold: np.ndarray, num_predicted: np.ndarray, num_correct: np.ndarray, total: int
) -> np.ndarray:
    """Returns the mean of the F1s of a label and of its absence."""
    other = total - num_gold - num_predicted + num_correct
    return (
        f1(num_gold, num_predicted, num_correct, total)
        + f1(total - num_gold, total - num_predicted, other, total)
    ) / 2


def score(
    values: np.ndarray, is_gold: np.ndarray, measure: LabelMeasure, border: float
) -> np.ndarray:
    """Returns the score of each column with one border; shapes as in `best`."""
    is_above = values > border
    correct = (is_above & is_gold).sum(0)
    return measure(is_gold.sum(0), is_above.sum(0), correct, len(values))
