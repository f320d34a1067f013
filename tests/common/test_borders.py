# SPDX-License-Identifier: Apache-2.0
"""The best borders, against trying every one."""

import itertools

import numpy as np
import pytest

from biobert_tf.common import borders

MEASURES = (borders.f1, borders.macro_f1)


def by_trying(values, is_gold, measure, centre, outer):
    """The best border of one column, of those between its different values."""
    distinct = sorted(set(values.tolist()))
    between = [(a + b) / 2 for a, b in itertools.pairwise(distinct)]
    found = []
    for border in (outer[0], *between, outer[1]):
        is_above = values > border
        numbers = (is_gold.sum(), is_above.sum(), (is_gold & is_above).sum())
        score = measure(*map(np.asarray, numbers), len(values))
        found.append((round(float(score), 12), -abs(border - centre), -border))
    score, _, border = max(found)
    return -border, score


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("num_values", [3, 1000])
@pytest.mark.parametrize("number", [1, 2, 7, 60])
def test_equal_those_found_by_trying(measure, num_values, number):
    """Also where many values are equal, and with columns of one kind only."""
    rng = np.random.default_rng(number)
    values = rng.integers(num_values, size=(number, 40)) / 8
    is_gold = rng.random((number, 40)) < rng.choice([0, 0.2, 0.5, 1], 40)
    outer = (np.full(40, -1.0), np.full(40, num_values / 8))
    centre = num_values / 16
    found = borders.best(values, is_gold, measure, centre, outer)
    for i in range(40):
        border, score = by_trying(
            values[:, i], is_gold[:, i], measure, centre, (-1.0, num_values / 8)
        )
        assert found.values[i] == border
        assert found.scores[i] == pytest.approx(score)
        own = borders.score(values[:, [i]], is_gold[:, [i]], measure, border)
        assert own == found.scores[i]


@pytest.mark.parametrize("steps", [0, 1])
def test_neighbours_without_a_number_between_them_are_told_apart(steps):
    """Half-way is rounded up between one pair, and down between the next."""
    first, second, third = np.float32(0.3) + np.float32(2**-25) * np.arange(
        3, dtype="f"
    )
    assert first < second < third == np.nextafter(second, np.float32(1))
    values = np.array([[first], [second], [third]])[steps : steps + 2]
    outer = (np.zeros(1), np.ones(1))
    found = borders.best(values, np.array([[False], [True]]), borders.f1, 0.5, outer)
    assert found.values.dtype == np.float32
    assert (values > found.values).ravel().tolist() == [False, True]


def test_nothing_to_choose_on_is_refused():
    outer = (np.zeros(2), np.ones(2))
    with pytest.raises(ValueError, match=r"values \(0, 2\)"):
        empty = np.zeros((0, 2))
        borders.best(empty, empty.astype(bool), borders.f1, 0.5, outer)
    with pytest.raises(ValueError, match=r"labels \(1, 2\)"):
        borders.best(np.zeros((2, 2)), np.ones((1, 2), bool), borders.f1, 0.5, outer)
