# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from biobert_tf.classification import regression, scores
from biobert_tf.common import significance


def score(gold, predicted, seed=0, num_resamples=50):
    return regression.score(gold, predicted, seed=seed, num_resamples=num_resamples)


def random_values(number, seed, is_tied):
    rng = np.random.default_rng(seed)
    gold = rng.uniform(0, 4, number)
    predicted = gold + rng.normal(0, 1, number)
    return (gold.round(), predicted.round()) if is_tied else (gold, predicted)


def test_scores_by_hand():
    # Less the means 2 and 3: (-1, 0, 1) and (-1, -2, 3).
    found = score([1, 2, 3], [2, 1, 6])
    assert found.pearson == pytest.approx((1 + 0 + 3) / np.sqrt(2 * 14))
    # The ranks (1, 2, 3) and (2, 1, 3): 1 - 6 * (1 + 1) / (3 * 8).
    assert found.spearman == pytest.approx(0.5)
    assert found.mean_squared_error == pytest.approx((1 + 1 + 9) / 3)
    assert found.num_examples == 3
    assert found.report() == (
        "pearson            : 75.59%\n"
        "spearman           : 50.00%\n"
        "mean squared error : 3.6667"
    )


@pytest.mark.parametrize("is_tied", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scipy_and_sklearn(seed, is_tied):
    gold, predicted = random_values(5 + 40 * seed, seed, is_tied)
    found = score(gold, predicted)
    assert found.pearson == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(gold, predicted).statistic)
    theirs = sklearn_metrics.mean_squared_error(gold, predicted)
    assert found.mean_squared_error == pytest.approx(theirs)


def test_a_shift_and_a_scale_change_no_correlation():
    gold, predicted = random_values(40, 1, False)
    found, moved = score(gold, predicted), score(gold, 50 + predicted / 100)
    assert moved.pearson == pytest.approx(found.pearson, abs=1e-7)
    assert moved.spearman == pytest.approx(found.spearman)
    assert score(gold, gold).pearson == pytest.approx(1)
    assert score(gold, -gold).spearman == pytest.approx(-1)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.7, 1e8])
def test_what_is_constant_correlates_with_nothing(value):
    gold = np.random.default_rng(0).uniform(0, 4, 37).tolist()
    for pair in ((gold, [value] * 37), ([value] * 37, gold)):
        found = score(*pair)
        assert (found.pearson, found.spearman) == (0, 0)
        assert found.interval_95["pearson"] == found.interval_95["spearman"] == (0, 0)
    assert score([1.0], [2.0]).pearson == 0


def test_intervals_equal_those_of_drawing_pairs():
    """Ranks are those within each test that is drawn."""
    gold, predicted = random_values(60, 2, True)
    found = score(gold, predicted, num_resamples=5000).interval_95
    drawn = np.random.default_rng(7).integers(60, size=(1000, 60))
    pairs = [(gold[places], predicted[places]) for places in drawn]
    theirs = {
        "pearson": [np.corrcoef(*pair)[0, 1] for pair in pairs],
        "spearman": [stats.spearmanr(*pair).statistic for pair in pairs],
        "mean_squared_error": [np.mean((x - y) ** 2) for x, y in pairs],
    }
    assert list(found) == list(theirs)
    for name, values in theirs.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert found[name] == pytest.approx((low, high), abs=0.2 * (high - low))
        assert high - low > 0.1


def test_one_drawn_test_is_scored_as_scipy_does():
    gold, predicted = random_values(30, 3, True)
    times = np.random.default_rng(0).multinomial(30, np.ones(30) / 30, size=5)
    ranked = (regression._Ranked(gold), regression._Ranked(predicted))
    table = regression.counts(gold, predicted)
    for row, found in zip(times, regression._scores(times, table, ranked), strict=True):
        pair = np.repeat(gold, row), np.repeat(predicted, row)
        assert found[0] == pytest.approx(stats.pearsonr(*pair).statistic)
        assert found[1] == pytest.approx(stats.spearmanr(*pair).statistic)


def test_two_systems_can_be_compared():
    gold, good = random_values(60, 4, False)
    bad = np.random.default_rng(0).uniform(0, 4, 60)
    tables = [regression.counts(gold, each)[None] for each in (good, bad)]
    pearson, error = significance.compare(
        [tables[0]], [tables[1]], regression.measure, np.random.default_rng(0), 200
    )
    assert pearson.first.value == pytest.approx(score(gold, good).pearson)
    assert pearson.second.value == pytest.approx(score(gold, bad).pearson)
    assert error.first.value == pytest.approx(score(gold, good).mean_squared_error)
    assert pearson.p_value < 0.05 < pearson.difference.value


def test_to_dict_is_json_and_has_the_scores_that_may_choose():
    values = score([1, 2, 3], [2, 1, 6]).to_dict()
    assert json.loads(json.dumps(values)) == values
    names = scores.NAMES["regression"]
    assert names == ("pearson", "spearman")
    assert all(isinstance(values[name], float) for name in names)
    assert set(values["interval_95"]) == {*names, "mean_squared_error"}


def test_the_seed_decides():
    gold, predicted = random_values(30, 5, False)
    first, same, other = (score(gold, predicted, seed) for seed in (0, 0, 1))
    assert first == same
    assert first.interval_95 != other.interval_95


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="0 gold values"):
        score([], [])
    with pytest.raises(ValueError, match="1 gold values, 2 predicted"):
        score([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="not finite"):
        score([1.0, 2.0], [1.0, float("nan")])
