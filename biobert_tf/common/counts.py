# SPDX-License-Identifier: Apache-2.0
"""Precision, recall and F1 from counts, with bootstrap confidence intervals."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

PERCENTILES: Final = (2.5, 97.5)
"""The ends of a 95 % interval, in percent."""

Measure = Callable[[np.ndarray], np.ndarray]
"""Makes scores, float `[..., M]`, of the sums of all units, `[..., C]`."""

# Values of a table of random numbers, which is held in memory at once.
_MOST_DRAWN: Final = 4_000_000


class Interval(NamedTuple):
    """The ends of a 95 % interval, in the unit of the score."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Score:
    """Counts, and the ratios computed from them; a ratio with denominator 0 is 0.

    The items are entities or relations; the correct ones equal a gold item.
    """

    num_gold: int
    num_predicted: int
    num_correct: int

    @property
    def precision(self) -> float:
        """The share of the predicted items that are correct, in [0, 1]."""
        return self.num_correct / self.num_predicted if self.num_predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the gold items that are found, in [0, 1]."""
        return self.num_correct / self.num_gold if self.num_gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, in [0, 1]."""
        total = self.num_gold + self.num_predicted
        return 2 * self.num_correct / total if total else 0.0

    def to_dict(self) -> dict[str, object]:
        """Returns ratios and counts by name, ready for JSON."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "num_gold": self.num_gold,
            "num_predicted": self.num_predicted,
            "num_correct": self.num_correct,
        }


@dataclasses.dataclass(frozen=True)
class SampledScore(Score):
    """The score of a sample of units, such as sentences; see `estimate`."""

    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval

    def to_dict(self) -> dict[str, object]:
        """Returns ratios, counts and intervals by name, ready for JSON."""
        return {
            **super().to_dict(),
            "interval_95": {
                "precision": list(self.precision_interval),
                "recall": list(self.recall_interval),
                "f1": list(self.f1_interval),
            },
        }


def estimate(table: np.ndarray, seed: int, num_resamples: int) -> SampledScore:
    """Returns the score of all units together, with its intervals.

    The intervals are 95 % percentile intervals of the bootstrap over units (Efron,
    1979): how the score would vary if other units of the same kind had been drawn for
    the test. They do not cover how it varies with the seed of the training; for
    that, train several times.

    The table is int64 `[units, 3]`, the numbers of gold, predicted and correct items of
    each unit; at least one unit. The same seed gives the same intervals.
    """
    # Equal units are interchangeable: drawing how often each distinct row occurs is
    # the same as drawing units, and far fewer numbers are drawn.
    rows, repeats = np.unique(table, axis=0, return_counts=True)
    f1_interval, precision, recall = intervals(
        rows, f1_precision_recall, seed, num_resamples, repeats
    )
    num_gold, num_predicted, num_correct = table.sum(0).tolist()
    return SampledScore(
        num_gold, num_predicted, num_correct, precision, recall, f1_interval
    )


def intervals(
    table: np.ndarray,
    measure: Measure,
    seed: int,
    num_resamples: int,
    repeats: np.ndarray | None = None,
) -> list[Interval]:
    """Returns the interval of each score of `measure`, over units; see `estimate`.

    Args:
        table: What the scores are made of, `[units, C]`.
        measure: Makes the scores of sums over units.
        seed: The same seed gives the same intervals.
        num_resamples: The number of tests to draw.
        repeats: How often each row is there, int `[units]`; by default once. Few
            different rows with their numbers are drawn faster than many units.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    batches: Iterator[np.ndarray]
    if repeats is None:
        batches = resamples(len(table), num_resamples, rng)
    else:
        total = repeats.sum()
        batches = iter([rng.multinomial(total, repeats / total, size=num_resamples)])
    rows = table.astype(np.float64)
    return percentile_intervals(
        np.concatenate([measure(batch @ rows) for batch in batches])
    )


def percentile_intervals(drawn: np.ndarray) -> list[Interval]:
    """Returns the interval of each score of drawn tests, float `[tests, M]`."""
    return [
        Interval(*ends) for ends in np.percentile(drawn, PERCENTILES, axis=0).T.tolist()
    ]


def resamples(
    num_units: int, number: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yields how often each unit is drawn, int64 `[tests, units]`, in batches.

    As many units as there are make a test; there are `number` tests in all batches.
    """
    for size in batch_sizes(number, num_units):
        units = rng.integers(num_units, size=(size, num_units))
        units += np.arange(size)[:, None] * num_units
        yield np.bincount(units.ravel(), minlength=units.size).reshape(units.shape)


def batch_sizes(number: int, num_units: int) -> Iterator[int]:
    """Yields the sizes of the batches in which so many tests are drawn."""
    most = max(1, _MOST_DRAWN // max(1, num_units))
    for start in range(0, number, most):
        yield min(most, number - start)


def f1_precision_recall(sums: np.ndarray) -> np.ndarray:
    """Returns F1, precision and recall of numbers of gold, predicted, correct items.

    A ratio with denominator 0 is 0.
    """
    gold, predicted, correct = np.moveaxis(sums, -1, 0)
    tops = np.stack([2 * correct, correct, correct], -1)
    bottoms = np.stack([gold + predicted, predicted, gold], -1)
    return ratios(tops, bottoms)


def ratios(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Returns quotients, float64; one with denominator 0 is 0. Shapes broadcast."""
    numerators, denominators = np.broadcast_arrays(numerators, denominators)
    zeros = np.zeros(numerators.shape, np.float64)
    return np.divide(numerators, denominators, out=zeros, where=denominators != 0)
