# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import numpy as np
import pytest

from biobert_tf.common import counts

RECORDED = {
    "precision": (0.5384615384615384, 0.8462765957446807),
    "recall": (0.42857142857142855, 0.6333730158730158),
    "f1": (0.4878048780487805, 0.7079646017699115),
}


def test_ratios_by_hand():
    score = counts.Score(num_gold=3, num_predicted=4, num_correct=1)
    assert score.precision == 1 / 4
    assert score.recall == 1 / 3
    assert score.f1 == 2 / 7
    assert score.to_dict() == {
        "precision": 1 / 4,
        "recall": 1 / 3,
        "f1": 2 / 7,
        "num_gold": 3,
        "num_predicted": 4,
        "num_correct": 1,
    }


@pytest.mark.parametrize("numbers", [(0, 0, 0), (2, 0, 0), (0, 2, 0)])
def test_a_ratio_of_nothing_is_zero(numbers):
    score = counts.Score(*numbers)
    assert (score.precision, score.recall, score.f1) == (0, 0, 0)


def test_estimate_counts_all_units_together():
    table = np.array([[1, 2, 1], [0, 1, 0], [2, 1, 1]])
    found = counts.estimate(table, seed=0, num_resamples=10)
    assert dataclasses.astuple(found)[:3] == (3, 4, 2)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["interval_95"] == {
        "precision": list(found.precision_interval),
        "recall": list(found.recall_interval),
        "f1": list(found.f1_interval),
    }


def test_intervals_of_proportions_are_the_binomial_ones():
    # 100 units with one gold thing and one predicted, half of them right: resampled
    # ratios are Binomial(100, 1/2) / 100, with 0.40 and 0.60 as the ends of 95 %.
    table = np.array([[1, 1, 1], [1, 1, 0]] * 50)
    found = counts.estimate(table, seed=1, num_resamples=20000)
    for name in ("precision", "recall", "f1"):
        interval = getattr(found, f"{name}_interval")
        assert interval == pytest.approx((0.40, 0.60), abs=0.0101)


def test_intervals_where_resamples_lack_something():
    # One unit in two has something gold, one in two something predicted, never the
    # same: whatever is drawn, nothing is correct, also where nothing is drawn of it.
    table = np.array([[1, 0, 0], [0, 1, 0]])
    found = counts.estimate(table, seed=0, num_resamples=100)
    assert found.f1_interval == (0, 0)


def test_intervals_are_kept_from_release_to_release():
    # Numbers of the first release; with another generator or another order of
    # drawing, scores already published could not be had again.
    rows = [[2, 1, 1], [1, 1, 0], [0, 1, 0], [3, 3, 3]]
    table = np.repeat(rows, [20, 5, 7, 3], axis=0)
    found = counts.estimate(table, seed=7, num_resamples=1000)
    assert found.precision_interval == pytest.approx(RECORDED["precision"], rel=1e-12)
    assert found.recall_interval == pytest.approx(RECORDED["recall"], rel=1e-12)
    assert found.f1_interval == pytest.approx(RECORDED["f1"], rel=1e-12)


def test_rows_with_repeats_are_drawn_as_single_units_are():
    """Two ways to draw the same: their ends differ as those of two seeds do."""
    rng = np.random.default_rng(1)
    table = rng.integers(0, 3, (150, 3)).cumsum(1)[:, [2, 1, 0]]
    rows, repeats = np.unique(table, axis=0, return_counts=True)
    measure = counts.f1_precision_recall
    alone = counts.intervals(table, measure, 0, 5000)
    together = counts.intervals(rows, measure, 0, 5000, repeats)
    assert np.array(alone) == pytest.approx(np.array(together), abs=0.01)
    assert alone[0].high - alone[0].low > 0.04
    assert alone == counts.intervals(table, measure, 0, 5000)


def test_every_test_that_is_drawn_has_as_many_units(monkeypatch):
    monkeypatch.setattr(counts, "_MOST_DRAWN", 7 * 5)
    drawn = list(counts.resamples(5, 20, np.random.default_rng(0)))
    assert [batch.shape for batch in drawn] == [(7, 5), (7, 5), (6, 5)]
    assert (np.concatenate(drawn).sum(1) == 5).all()
