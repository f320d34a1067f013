# SPDX-License-Identifier: Apache-2.0
"""Precision, recall and F1 from counts, with bootstrap confidence intervals."""

import dataclasses
from typing import Final, NamedTuple

import numpy as np

PERCENTILES: Final = (2.5, 97.5)
"""The ends of a 95 % interval, in percent."""


class Interval(NamedTuple):
    """The ends of a 95 % interval, each in [0, 1]."""

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
    rng = np.random.Generator(np.random.PCG64(seed))
    # Equal units are interchangeable: drawing how often each distinct row occurs is
    # the same as drawing units, and far fewer numbers are drawn.
    rows, repeats = np.unique(table, axis=0, return_counts=True)
    drawn = rng.multinomial(len(table), repeats / len(table), size=num_resamples)
    num_gold, num_predicted, num_correct = (drawn @ rows).T
    intervals = [
        _interval(num_correct, num_predicted),
        _interval(num_correct, num_gold),
        _interval(2 * num_correct, num_gold + num_predicted),
    ]
    return SampledScore(*table.sum(0).tolist(), *intervals)


def _interval(numerators: np.ndarray, denominators: np.ndarray) -> Interval:
    found = ratios(numerators, denominators)
    return Interval(*np.percentile(found, PERCENTILES).tolist())


def ratios(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Returns quotients, float64; one with denominator 0 is 0. Shapes broadcast."""
    numerators, denominators = np.broadcast_arrays(numerators, denominators)
    zeros = np.zeros(numerators.shape, np.float64)
    return np.divide(numerators, denominators, out=zeros, where=denominators != 0)
