# SPDX-License-Identifier: Apache-2.0
"""Says how sure the difference of two systems is, from counts per unit of one test set.

A unit is what was drawn for the test: a document, a sentence or a question. A system is
one training, or several that differ in their seeds; its score is the mean over them.

The interval is that of the paired bootstrap (Efron 1979): units are drawn with
replacement as often as there are units, the same ones for both systems, and the 95 %
interval lies between two percentiles of the differences.

The p-value is that of approximate randomisation (Noreen 1989; Yeh 2000): if the systems
were alike, it would not matter which of them did which unit. So for each unit a coin
decides whether the two exchange it, and the share of such exchanges whose difference is
as large as the real one, in either direction, is (as large + 1) / (exchanges + 1). The
real assignment is one of those that are possible, hence the ones.

With several trainings, one coin exchanges a unit of all of them: training i of the
first system with training i of the second, in the order they are given. The trainings
of a system do the same unit alike, so a coin for each would count a unit several times.

Both speak of other test sets, not of other seeds: the trainings are taken as they are.
Their standard deviation says how they vary.

Shapes: N resamples, S systems (2), T trainings, U units, C columns, M scores.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from biobert_tf.common import counts
from biobert_tf.common.counts import PERCENTILES, Interval, Measure, ratios

# Far below any difference of scores, and far above its rounding.
_ROUNDING: Final = 1e-12


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A score or a difference of scores, with its 95 % interval."""

    value: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One score of two systems; the difference is that of the first less the second."""

    first: Estimate
    second: Estimate
    difference: Estimate
    p_value: float


def compare(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    measure: Measure,
    rng: np.random.Generator,
    num_resamples: int = 10_000,
) -> list[Comparison]:
    """Compares two systems by every score of `measure`.

    Args:
        first: The counts of the first system, `[T, U, C]`, for each part of the test.
            A part is scored on its own, and the mean over the parts is the score, as
            for the folds of a cross-validation. One test set is one part.
        second: Those of the second system, for the same units.
        measure: Makes the scores.
        rng: Draws the units and the coins.
        num_resamples: The number of test sets to draw, and that of exchanges.

    Raises:
        ValueError: The shapes of the two differ, or there is no unit.
    """
    if [each.shape for each in first] != [each.shape for each in second]:
        raise ValueError("the systems differ in their parts, trainings or units")
    if not first or any(0 in each.shape for each in first):
        raise ValueError("nothing to compare")
    parts = [
        np.stack([one, other]).astype(np.float64)
        for one, other in zip(first, second, strict=True)
    ]
    found = _mean(_scores(part.sum(2), measure) for part in parts)
    drawn = _mean(_redrawn(part, measure, rng, num_resamples) for part in parts)
    exchanged = _mean(_exchanged(part, measure, rng, num_resamples) for part in parts)
    # The first, the second, and their difference.
    values = np.stack([*found, found[0] - found[1]])
    spread = np.stack([drawn[:, 0], drawn[:, 1], drawn[:, 0] - drawn[:, 1]])
    lows, highs = np.percentile(spread, PERCENTILES, axis=1).tolist()
    is_as_large = np.abs(exchanged) >= np.abs(values[2]) - _ROUNDING
    p_values = (is_as_large.sum(0) + 1) / (num_resamples + 1)
    estimates = [
        [
            Estimate(value, Interval(low, high))
            for value, low, high in zip(*of, strict=True)
        ]
        for of in zip(values.tolist(), lows, highs, strict=True)
    ]
    columns = zip(*estimates, p_values.tolist(), strict=True)
    return [Comparison(*column) for column in columns]


def _mean(parts: Iterator[np.ndarray]) -> np.ndarray:
    """Returns the mean over the parts of a test."""
    return np.mean(list(parts), axis=0)


def _scores(sums: np.ndarray, measure: Measure) -> np.ndarray:
    """Returns the mean scores of trainings, `[..., M]`, from sums `[..., T, C]`."""
    return measure(sums).mean(-2)


def _redrawn(
    part: np.ndarray, measure: Measure, rng: np.random.Generator, number: int
) -> np.ndarray:
    """Returns the scores, `[N, S, M]`, of test sets drawn from `[S, T, U, C]`."""
    found = [
        _scores(_summed(times, part), measure)
        for times in counts.resamples(part.shape[2], number, rng)
    ]
    return np.concatenate(found)


def _exchanged(
    part: np.ndarray, measure: Measure, rng: np.random.Generator, number: int
) -> np.ndarray:
    """Returns the differences, `[N, M]`, after exchanges in `[S, T, U, C]`."""
    first, second = part.sum(2)
    more = part[1] - part[0]
    # An exchange of equal units changes nothing.
    more = more[:, more.any((0, 2))]
    num_units = more.shape[1]
    found = []
    for size in counts.batch_sizes(number, num_units):
        coins = rng.integers(2, size=(size, num_units), dtype=np.int8)
        moved = _summed(coins, more)
        found.append(_scores(first + moved, measure) - _scores(second - moved, measure))
    return np.concatenate(found)


def _summed(weights: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Returns weighted sums over units, `[N, ..., C]`, of a table `[..., U, C]`."""
    return np.tensordot(weights.astype(np.float64), table, axes=(1, -2))


def means(sums: np.ndarray) -> np.ndarray:
    """Returns means over units: the first column is their number, the others sums."""
    return ratios(sums[..., 1:], sums[..., :1])
