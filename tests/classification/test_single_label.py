# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from biobert_tf.classification import scores, single_label
from biobert_tf.common import significance
from biobert_tf.common import single_label as common_single_label

LABELS = ("yes", "no", "maybe")
GOLD = ["yes", "yes", "no", "maybe"]
PREDICTED = ["yes", "no", "no", "no"]


def score(gold, predicted, negative=None, labels=LABELS, **more):
    return single_label.score(
        gold, predicted, labels, negative, **{"seed": 0, "num_resamples": 50} | more
    )


def random_labels(number, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=number)
    predicted = np.where(rng.random(number) < 0.4, rng.integers(3, size=number), gold)
    return [[LABELS[i] for i in ids] for ids in (gold, predicted)]


def test_scores_by_hand():
    found = score(GOLD, PREDICTED)
    assert found.accuracy == 2 / 4
    # yes: 2 gold, 1 predicted, 1 right; no: 1, 3, 1; maybe: 1, 0, 0.
    assert found.macro_f1 == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
    assert found.f1 == found.precision == found.recall == 2 / 4
    assert found.confusion == {
        "yes": {"yes": 1, "no": 1},
        "no": {"no": 1},
        "maybe": {"no": 1},
    }
    assert found.report() == (
        "accuracy  : 50.00%\n"
        "macro f1  : 38.89%\n"
        "f1 score  : 50.00%\n"
        "recall    : 50.00%\n"
        "precision : 50.00%"
    )


def test_a_negative_label_is_left_out():
    found = score(GOLD, PREDICTED, "no")
    # Of yes and maybe 3 are gold, 1 is predicted, and it is right.
    assert (found.f1, found.precision, found.recall) == (2 / 4, 1, 1 / 3)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    assert found.accuracy == 2 / 4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("negative", [None, "maybe"])
def test_agrees_with_sklearn(seed, negative):
    gold, predicted = random_labels(50 + 30 * seed, seed)
    found = score(gold, predicted, negative)
    counted = [label for label in LABELS if label != negative]

    def theirs(average):
        return sklearn_metrics.precision_recall_fscore_support(
            gold, predicted, labels=counted, average=average, zero_division=0
        )[:3]

    micro = (found.precision, found.recall, found.f1)
    assert micro == pytest.approx(theirs("micro"))
    assert found.macro_f1 == pytest.approx(theirs("macro")[2])
    assert found.accuracy == sklearn_metrics.accuracy_score(gold, predicted)


def test_is_scored_as_relations_are():
    """So one set gives the same numbers in both, intervals too."""
    gold, predicted = random_labels(80, 1)
    found = score(gold, predicted, "no")
    theirs = common_single_label.score(
        gold, predicted, LABELS, "no", seed=0, num_resamples=50
    ).to_dict()
    ours = found.to_dict()
    assert theirs.pop("interval_95").items() <= ours["interval_95"].items()
    assert theirs.items() <= ours.items()


def test_intervals_equal_those_of_drawing_texts():
    gold, predicted = random_labels(120, 2)
    found = score(gold, predicted, num_resamples=5000)
    pairs = np.array([gold, predicted])
    drawn = np.random.default_rng(7).integers(120, size=(1000, 120))
    accuracy = (pairs[0] == pairs[1])[drawn].mean(1)
    macro_f1 = [
        sklearn_metrics.f1_score(*pairs[:, places], average="macro", zero_division=0)
        for places in drawn[:300]
    ]
    for interval, samples in (
        (found.accuracy_interval, accuracy),
        (found.macro_f1_interval, macro_f1),
    ):
        ends = np.percentile(samples, [2.5, 97.5])
        # The interval is about 0.16 wide.
        assert interval == pytest.approx(ends, abs=0.03)
        assert interval.high - interval.low > 0.1


@pytest.mark.parametrize("negative", [None, "no"])
def test_scores_are_made_of_counts_of_texts(negative):
    gold, predicted = random_labels(60, 3)
    gold[0] = "new"
    found = score(gold, predicted, negative)
    names = [*LABELS, "new"]
    table = single_label.counts(gold, predicted, names)
    measured = single_label.measure(names, negative)(table.sum(0))
    values = found.to_dict()
    ours = [values[name] for name in scores.NAMES["single"]]
    assert measured == pytest.approx(ours, abs=1e-12)


def test_two_systems_can_be_compared():
    gold, predicted = random_labels(60, 3)
    measure = single_label.measure(LABELS, None)
    tables = [
        single_label.counts(gold, system, LABELS)[None] for system in (gold, predicted)
    ]
    found = significance.compare(
        [tables[0]], [tables[1]], measure, np.random.default_rng(0), 100
    )
    accuracy = score(gold, predicted).accuracy
    assert found[0].first.value == 1
    assert found[0].difference.value == pytest.approx(1 - accuracy)
    assert found[0].p_value < 0.05


def test_to_dict_is_json_and_has_the_scores_that_may_choose():
    probabilities = np.full((4, 3), 1 / 3)
    values = score(GOLD, PREDICTED, probabilities=probabilities).to_dict()
    assert json.loads(json.dumps(values)) == values
    names = scores.NAMES["single"]
    assert all(isinstance(values[name], float) for name in names)
    assert set(values["interval_95"]) == set(names)
    assert values["calibration"]["log_loss"] == pytest.approx(np.log(3))
    assert "calibration" not in score(GOLD, PREDICTED).to_dict()


def test_binary_sets_have_a_specificity():
    found = score(["1", "0", "0"], ["1", "1", "0"], "0", ("0", "1"))
    assert found.to_dict()["specificity"] == 1 / 2
    assert found.report().endswith("specificity : 50.00%")


def test_the_seed_decides():
    gold, predicted = random_labels(50, 4)
    first, same, other = (score(gold, predicted, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.macro_f1_interval != other.macro_f1_interval


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="0 gold labels"):
        score([], [])
    with pytest.raises(ValueError, match=r"new.*not among the labels"):
        score(["yes"], ["new"])
