# SPDX-License-Identifier: Apache-2.0
"""The intervals and p-values of `common.significance`, against what they must be."""

import itertools

import numpy as np
import pytest

from biobert_tf.common import counts, significance
from biobert_tf.common.counts import f1_precision_recall
from biobert_tf.common.significance import means


def compare(first, second, measure=f1_precision_recall, seed=0, **more):
    """Compares two systems of one test set each."""
    rng = np.random.default_rng(seed)
    return significance.compare([first], [second], measure, rng, **more)


def system(seed, num_units=60, trainings=1, skill=0.7):
    """Counts of trainings `[T, U, 3]`; equal seeds have equal gold counts."""
    gold = np.random.default_rng(0).integers(0, 4, num_units)
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(trainings):
        correct = rng.binomial(gold, skill)
        predicted = correct + rng.binomial(2, 0.2, num_units)
        rows.append(np.stack([gold, predicted, correct], -1))
    return np.array(rows)


# --- what is reported -----------------------------------------------------------------


def test_values_are_those_of_all_units_together():
    first, second = system(1), system(2, skill=0.5)
    for found, name in zip(
        compare(first, second, num_resamples=50),
        ("f1", "precision", "recall"),
        strict=True,
    ):
        wanted = [
            getattr(counts.Score(*table[0].sum(0).tolist()), name)
            for table in (first, second)
        ]
        assert [found.first.value, found.second.value] == pytest.approx(wanted)
        assert found.difference.value == pytest.approx(wanted[0] - wanted[1])


def test_the_score_of_several_trainings_is_their_mean():
    first, second = system(1, trainings=3), system(2, trainings=3)
    [f1, *_] = compare(first, second, num_resamples=10)
    alone = [
        compare(one[None], one[None], num_resamples=10)[0].first.value for one in first
    ]
    assert f1.first.value == pytest.approx(np.mean(alone))


def test_the_score_of_several_parts_is_their_mean():
    parts = [system(1, 40), system(2, 70)]
    others = [system(3, 40), system(4, 70)]
    rng = np.random.default_rng(0)
    [both, *_] = significance.compare(parts, others, f1_precision_recall, rng, 10)
    alone = [compare(one, one, num_resamples=10)[0].first.value for one in parts]
    assert both.first.value == pytest.approx(np.mean(alone))


def test_a_ratio_of_nothing_is_zero():
    nothing = np.zeros((1, 3, 3))
    [f1, *_] = compare(nothing, nothing, num_resamples=10)
    assert f1.first.interval == f1.difference.interval == (0, 0)
    assert f1.p_value == 1


def test_equal_systems_do_not_differ():
    for found in compare(system(1), system(1)):
        assert found.difference.interval == (0, 0)
        assert found.p_value == 1


def test_the_order_of_the_systems_is_only_a_sign():
    first, second = system(1, trainings=2), system(2, trainings=2, skill=0.6)
    for one, other in zip(compare(first, second), compare(second, first), strict=True):
        assert one.p_value == other.p_value
        assert one.first == other.second
        assert one.difference.value == -other.difference.value
        low, high = other.difference.interval
        assert one.difference.interval == pytest.approx((-high, -low), abs=1e-15)


def test_a_seed_repeats_everything():
    given = system(1), system(2)
    assert compare(*given, seed=3) == compare(*given, seed=3)
    assert compare(*given, seed=3) != compare(*given, seed=4)


def test_batches_of_resamples_change_no_shape(monkeypatch):
    monkeypatch.setattr(counts, "_MOST_DRAWN", 7 * 60)
    found = compare(system(1), system(2, skill=0.3), num_resamples=100)
    # All 100 exchanges are counted: (0 + 1) / (100 + 1).
    assert found[0].p_value == 1 / 101


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([system(1)], [system(1, 61)]),
        ([system(1)], [system(1, trainings=2)]),
        ([system(1)], []),
        ([], []),
        ([np.zeros((1, 0, 3))], [np.zeros((1, 0, 3))]),
    ],
)
def test_what_is_not_paired_is_refused(first, second):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"systems differ|nothing to compare"):
        significance.compare(first, second, f1_precision_recall, rng)


# --- the p-value ----------------------------------------------------------------------


def exact_p_value(first, second):
    """The share of all exchanges of units whose F1 differs as much as the real one."""

    def difference(one, other):
        f1 = [f1_precision_recall(table.sum(1))[:, 0].mean() for table in (one, other)]
        return abs(f1[0] - f1[1])

    observed = difference(first, second)
    as_large = 0
    assignments = list(itertools.product([False, True], repeat=first.shape[1]))
    for coins in assignments:
        coin = np.array(coins)[None, :, None]
        one, other = np.where(coin, second, first), np.where(coin, first, second)
        as_large += difference(one, other) >= observed - 1e-12
    return as_large / len(assignments)


@pytest.mark.parametrize("trainings", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_p_values_are_those_of_all_exchanges(trainings, seed):
    first = system(2 * seed, 9, trainings, skill=0.9)
    second = system(2 * seed + 1, 9, trainings, skill=0.6)
    number = 40_000
    [f1, *_] = compare(first, second, num_resamples=number)
    exact = exact_p_value(first, second)
    # Four standard deviations of a share of 40,000 draws are at most 0.01.
    assert 0 < exact < 1
    assert f1.p_value == pytest.approx(exact, abs=0.01)


def test_one_coin_exchanges_a_unit_of_all_trainings():
    # Trainings that all do the same are no more evidence than one of them.
    first, second = system(1), system(2, skill=0.6)
    [alone, *_] = compare(first, second, num_resamples=2000)
    thrice = np.repeat(first, 3, 0), np.repeat(second, 3, 0)
    [three, *_] = compare(*thrice, num_resamples=2000)
    assert three.p_value == alone.p_value
    assert three.difference.interval == pytest.approx(alone.difference.interval)


def test_alike_systems_are_seldom_called_different():
    # With a true null hypothesis, p <= 0.1 has a probability of at most 0.1.
    low = 0
    for seed in range(300):
        pair = system(2 * seed + 1, 50), system(2 * seed + 2, 50)
        low += compare(*pair, seed=seed, num_resamples=200)[0].p_value <= 0.1
    # 300 draws of 0.1: 30 with a standard deviation of 5.2.
    assert 14 <= low <= 46


def test_the_smallest_p_value_is_not_zero():
    units = np.ones((1, 200, 1))
    right = np.concatenate([units, units], -1)
    wrong = np.concatenate([units, 0 * units], -1)
    [found] = compare(right, wrong, means, num_resamples=99)
    assert found.p_value == 1 / 100
    assert found.difference.interval == (1, 1)


# --- the interval ---------------------------------------------------------------------


def test_the_interval_of_a_mean_is_the_binomial_one():
    # 100 questions, half of them right: resampled shares are Binomial(100, 1/2) / 100,
    # whose 95 % lie from 0.40 to 0.60.
    right = np.array([[1, 1], [1, 0]] * 50)[None]
    [found] = compare(right, right, means, num_resamples=20_000)
    assert found.first.interval == pytest.approx((0.40, 0.60), abs=0.0101)


def test_the_interval_agrees_with_that_of_one_run():
    table = system(5, 400)
    [f1, *_] = compare(table, table)
    alone = counts.estimate(table[0], seed=1, num_resamples=10_000)
    assert f1.first.interval == pytest.approx(alone.f1_interval, abs=0.003)


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    """Drawn test sets of two systems whose scores in the limit are known."""
    first_skill, second_skill, wrong = 0.8, 0.7, 0.4

    def limit(skill):
        # A unit has 1.5 gold items and `wrong` wrong ones on average.
        return 2 * 1.5 * skill / (1.5 + 1.5 * skill + wrong)

    truth = limit(first_skill) - limit(second_skill)
    rng = np.random.default_rng(20)
    held, number = 0, 400
    for _ in range(number):
        gold = rng.integers(0, 4, 150)
        # Both find the easy items, so that the systems depend on each other.
        easy = rng.binomial(gold, second_skill)
        hard = rng.binomial(gold - easy, (first_skill - second_skill) / 0.3)
        tables = [
            np.stack([gold, right + rng.binomial(2, wrong / 2, 150), right], -1)[None]
            for right in (easy + hard, easy)
        ]
        found = significance.compare(
            [tables[0]], [tables[1]], f1_precision_recall, rng, 400
        )
        low, high = found[0].difference.interval
        held += low <= truth <= high
    # 95 % with a standard deviation of 1.1 points; the bootstrap falls a little short.
    assert 0.91 <= held / number <= 0.98


def test_a_unit_is_drawn_with_all_that_is_in_it():
    # Ten documents of ten sentences that are all right or all wrong: by sentences, the
    # test would look ten times larger than it is.
    right = np.repeat([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 10)
    sentences = np.stack([np.ones(100), right], -1)[None]
    documents = sentences.reshape(1, 10, 10, 2).sum(2)
    [one] = compare(sentences, sentences, means)
    [other] = compare(documents, documents, means)
    width = [x.first.interval.high - x.first.interval.low for x in (one, other)]
    assert width[1] > 2 * width[0]
