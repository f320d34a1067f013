# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from biobert_tf.classification import multi_label, thresholds
from biobert_tf.classification.thresholds import Threshold

LABELS = ("a", "b", "c")


def column(values):
    return np.array(values)[:, None]


def of_one(values, has):
    """The threshold of one label."""
    gold = [{"a"} if each else set() for each in has]
    return thresholds.of_labels(column(values), gold, ["a"])["a"]


@pytest.mark.parametrize(
    ("values", "has", "threshold", "f1", "before"),
    [
        # Separable, but not at 0.5, above which is nothing.
        ([0.125, 0.25, 0.375], [False, False, True], 0.3125, 1, 0),
        # The last alone is predicted, and right: 2 / (2 + 1). All are: 4 / (2 + 3).
        ([0.25, 0.5, 1.0], [True, False, True], 0.125, 4 / 5, 2 / 3),
        # Half of two is right: 2 / (2 + 2). All are predicted: 4 / (2 + 4).
        ([0.125, 0.25, 0.625, 0.75], [True, False, True, False], 0.0625, 2 / 3, 1 / 2),
        # All have the label.
        ([0.25, 0.5], [True, True], 0.125, 1, 0),
    ],
)
def test_by_hand(values, has, threshold, f1, before):
    found = of_one(values, has)
    assert found.value == threshold
    assert found.score == pytest.approx(f1)
    assert found.score_before == pytest.approx(before)
    assert found.num_gold == sum(has)


@pytest.mark.parametrize(
    ("highest", "second", "threshold"), [(0.875, 0.75, 0.8125), (1.0, 0.9375, 0.125)]
)
def test_of_equally_good_ones_the_next_to_a_half_is_taken(highest, second, threshold):
    # The highest alone is right: 2 / (2 + 1). All four are predicted: 4 / (2 + 4).
    # Anything between is worse: 2 / (2 + 2) and 2 / (2 + 3).
    found = of_one([0.25, 0.625, second, highest], [True, False, False, True])
    assert (found.value, found.score) == (threshold, pytest.approx(2 / 3))


def test_a_label_that_no_example_has_keeps_a_half():
    found = of_one([0.125, 0.75], [False, False])
    assert found == Threshold(0.5, 0, 0, 0)


def test_a_label_is_always_predicted_below_zero():
    found = of_one([0.0, 0.0], [True, True])
    assert found.value < 0
    assert thresholds.above(np.zeros((1, 1)), ["a"], {"a": found.value}) == [("a",)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_no_other_threshold_is_better(seed, dtype):
    """Scikit-learn's F1 at every threshold that makes a difference."""
    rng = np.random.default_rng(seed)
    is_gold = rng.random((60, 3)) < 0.3
    probabilities = (rng.random((60, 3)) * 0.7 + is_gold * 0.3).astype(dtype)
    gold = [
        {name for name, has in zip(LABELS, row, strict=True) if has} for row in is_gold
    ]
    found = thresholds.of_labels(probabilities, gold, LABELS)
    predicted = thresholds.above(
        probabilities, LABELS, {name: one.value for name, one in found.items()}
    )
    reached = multi_label.score(gold, predicted, LABELS, seed=0, num_resamples=2)
    halves = thresholds.above(probabilities, LABELS, {})
    before = multi_label.score(gold, halves, LABELS, seed=0, num_resamples=2)
    for i, name in enumerate(LABELS):
        own = probabilities[:, i].astype(np.float32)
        tried = [
            sklearn_metrics.f1_score(is_gold[:, i], own > border, zero_division=0)
            for border in [-1, *own]
        ]
        assert found[name].score == pytest.approx(max(tried))
        assert found[name].score == pytest.approx(reached.by_label[name].f1)
        assert found[name].score_before == pytest.approx(before.by_label[name].f1)
    assert reached.macro_f1 > before.macro_f1


def test_documents_are_scored_where_there_are_some():
    # By sentences, 0.25 has the label and 0.375 has not. By documents, both belong to
    # one that has it, and 0.125 to one that has not.
    values, groups = [0.25, 0.375, 0.125], ["x", "x", "y"]
    gold = [{"a"}, set(), set()]
    found = thresholds.of_labels(column(values), gold, ["a"], groups)["a"]
    assert (found.value, found.score, found.num_gold) == (0.25, 1, 1)
    assert thresholds.of_labels(column(values), gold, ["a"])["a"].score < 1


def test_labels_that_the_model_has_not_are_left_out():
    found = thresholds.of_labels(column([0.25, 0.75]), [{"new"}, {"a", "new"}], ["a"])
    assert list(found) == ["a"]
    assert (found["a"].value, found["a"].num_gold) == (0.5, 1)


def test_two_single_labels_by_hand():
    # Above 0.3125 all is right.
    values, has = np.array([0.125, 0.25, 0.375]), np.array([False, False, True])
    found = thresholds.of_binary(values, has)
    # At 0.5 all get the other label: F1s 0 and 2 * 2 / (2 + 3).
    assert found == Threshold(0.3125, 1, pytest.approx(2 / 5), 1)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_border_of_two_single_labels_is_better(seed):
    rng = np.random.default_rng(seed)
    has = rng.random(80) < 0.8
    values = (rng.random(80) * 0.6 + has * 0.4).astype(np.float32)
    found = thresholds.of_binary(values, has)

    def macro_f1(border):
        return sklearn_metrics.f1_score(
            has, values > border, average="macro", zero_division=0
        )

    assert found.score == pytest.approx(max(map(macro_f1, [-1, *values])))
    assert found.score == pytest.approx(macro_f1(np.float32(found.value)))
    assert found.score_before == pytest.approx(macro_f1(0.5))


def test_a_threshold_survives_json_and_decides_alike():
    """What lies between two neighbours of 32 bits tells them apart after that too."""
    low = np.float32(0.3)
    values = np.array([low, np.nextafter(low, np.float32(1))])
    found = of_one(values, [False, True])
    again = json.loads(json.dumps(found.to_dict()))
    assert np.float32(again["value"]) == again["value"]
    assert thresholds.above(column(values), ["a"], {"a": again["value"]}) == [
        (),
        ("a",),
    ]


def test_what_cannot_be_chosen_on_is_refused():
    with pytest.raises(ValueError, match=r"probabilities \(1, 1\) of 1 examples, 3 la"):
        thresholds.of_labels(np.zeros((1, 1)), [set()], LABELS)
    with pytest.raises(ValueError, match="of 0 examples"):
        thresholds.of_labels(np.zeros((0, 3)), [], LABELS)
    with pytest.raises(ValueError, match="no examples to choose"):
        thresholds.of_binary(np.zeros(0), np.zeros(0, bool))
