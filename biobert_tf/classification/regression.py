# SPDX-License-Identifier: Apache-2.0
"""Scores predicted numbers.

Numbers that do not vary correlate with nothing: the formulas divide zero by zero, and
SciPy returns NaN. Here the correlation is then 0. A constant prediction tells nothing
of the gold values, so no model shall be chosen for it, and a score that is no number
could neither be compared nor stand in JSON.

`biobert compare` can make Pearson's correlation and the mean squared error of the
`counts` of units: `measure` makes them of their sums. Spearman's correlation is no
function of sums, since the rank of a value depends on which others were drawn; it has
an interval, but is not compared.

Shapes: N examples, M scores.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from biobert_tf.classification import scores
from biobert_tf.common import counts as common_counts
from biobert_tf.common.counts import Interval, ratios

# A variance below this share of the mean square is rounding: values that vary by less
# than a millionth of their distance from the gold mean are taken to be constant.
_LEAST_SHARE = 1e-12


@dataclasses.dataclass(frozen=True)
class RegressionScores:
    """The scores of numbers.

    Attributes:
        pearson: Pearson's correlation with the gold values, in [-1, 1].
        spearman: That of the ranks; equal values share the mean of their ranks.
        mean_squared_error: In the square of the unit of the values.
        num_examples: The number of values.
        interval_95: The interval of each of the three scores, over examples.
    """

    pearson: float
    spearman: float
    mean_squared_error: float
    num_examples: int
    interval_95: Mapping[str, Interval]

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON."""
        intervals = {name: list(ends) for name, ends in self.interval_95.items()}
        return {**vars(self), "interval_95": intervals}

    def report(self) -> str:
        """Returns the scores as they are printed: correlations in percent."""
        return scores.lines(
            {
                "pearson": f"{self.pearson:.2%}",
                "spearman": f"{self.spearman:.2%}",
                "mean squared error": f"{self.mean_squared_error:.4f}",
            }
        )


def score(
    gold: Sequence[float],
    predicted: Sequence[float],
    *,
    seed: int,
    num_resamples: int = 1000,
) -> RegressionScores:
    """Scores one predicted number per example.

    Args:
        gold: The right values, finite.
        predicted: The predicted values, finite.
        seed: The same seed gives the same intervals.
        num_resamples: The number of tests to draw for them.

    Raises:
        ValueError: There is nothing to score, the two differ in number, or a value is
            not finite.
    """
    if not len(gold) or len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold values, {len(predicted)} predicted")
    golds, others = (np.array(values, np.float64) for values in (gold, predicted))
    if not (np.isfinite(golds).all() and np.isfinite(others).all()):
        raise ValueError("a gold or a predicted value is not finite")
    rng = np.random.Generator(np.random.PCG64(seed))
    table = counts(golds, others)
    ranked = (_Ranked(golds), _Ranked(others))
    drawn = [
        _scores(times, table, ranked)
        for times in common_counts.resamples(len(golds), num_resamples, rng)
    ]
    names = ("pearson", "spearman", "mean_squared_error")
    ends = common_counts.percentile_intervals(np.concatenate(drawn))
    once = np.ones((1, len(golds)), np.int64)
    pearson, spearman, error = _scores(once, table, ranked)[0].tolist()
    return RegressionScores(
        pearson=pearson,
        spearman=spearman,
        mean_squared_error=error,
        num_examples=len(golds),
        interval_95=dict(zip(names, ends, strict=True)),
    )


def counts(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns what the scores of examples are made of, float64 `[N, 7]`.

    These are 1, both values, their squares and their product, and the squared error.
    The mean of the gold values is taken off both, which changes no score and keeps
    digits; so the rows of two systems can be exchanged.
    """
    x, y = gold - gold.mean(), predicted - gold.mean()
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, (x - y) ** 2], 1)


def measure(sums: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation and the mean squared error, `[..., 2]`, of sums."""
    return np.stack([_correlation(sums[..., :6]), sums[..., 6] / sums[..., 0]], -1)


def _correlation(sums: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation of sums `[..., 6]` of the first `counts`."""
    mean_x, mean_y, xx, yy, xy = np.moveaxis(sums[..., 1:] / sums[..., :1], -1, 0)
    variances = []
    for mean, square in ((mean_x, xx), (mean_y, yy)):
        variance = square - mean**2
        varies = variance > _LEAST_SHARE * square
        variances.append(np.where(varies, variance, 0.0))
    covariance = xy - mean_x * mean_y
    return np.clip(ratios(covariance, np.sqrt(variances[0] * variances[1])), -1, 1)


def _scores(
    times: np.ndarray, table: np.ndarray, ranked: "tuple[_Ranked, _Ranked]"
) -> np.ndarray:
    """Returns all three scores, float `[tests, 3]`, of tests drawn.

    Args:
        times: How often each example is drawn, int `[tests, N]`.
        table: The `counts` of examples.
        ranked: The gold and the predicted values.
    """
    weights = times.astype(np.float64)
    pearson, error = np.moveaxis(measure(weights @ table), -1, 0)
    x, y = (values.ranks(weights) for values in ranked)
    columns = (np.ones_like(x), x, y, x * x, y * y, x * y)
    sums = np.stack([(weights * column).sum(-1) for column in columns], -1)
    return np.stack([pearson, _correlation(sums), error], -1)


class _Ranked:
    """Values that can be ranked in any test drawn from them."""

    def __init__(self, values: np.ndarray) -> None:
        """Sorts the values once, `[N]`."""
        distinct, self._places = np.unique(values, return_inverse=True)
        self._starts = np.searchsorted(np.sort(values), distinct)
        self._order = np.argsort(values)

    def ranks(self, weights: np.ndarray) -> np.ndarray:
        """Returns the rank of each value less the mean rank, `[tests, N]`.

        A value is drawn as often as `weights` says, `[tests, N]`.
        """
        per_value = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        # The mean of the ranks that equal values take.
        middles = per_value.cumsum(1) - per_value / 2
        total = weights.sum(1, keepdims=True)
        return (middles - total / 2)[:, self._places]
