# SPDX-License-Identifier: Apache-2.0
import json
import random

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from biobert_tf.common import single_label
from biobert_tf.common.counts import Score

LABELS = ("up", "down", "part", "none")
GOLD = ["up", "up", "down", "none", "none", "down"]
PREDICTED = ["up", "down", "down", "up", "none", "none"]


def score(gold, predicted, labels=LABELS, negative="none", seed=0, num_resamples=20):
    return single_label.score(
        gold, predicted, labels, negative, seed=seed, num_resamples=num_resamples
    )


def random_labels(num_examples, seed, labels):
    """Returns gold labels and noisy predicted ones."""
    rng = random.Random(seed)
    gold = rng.choices(labels, k=num_examples)
    return gold, [rng.choice(labels) if rng.random() < 0.4 else g for g in gold]


def test_scores_by_hand():
    scores = score(GOLD, PREDICTED)
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (4, 4, 2)
    assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)
    assert scores.num_examples == 6
    assert scores.accuracy == 0.5
    assert scores.specificity is None
    assert scores.by_label == {
        "up": Score(2, 2, 1),
        "down": Score(2, 2, 1),
        "part": Score(0, 0, 0),
        "none": Score(2, 2, 1),
    }
    assert list(scores.by_label) == list(LABELS)
    assert scores.macro_f1 == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert scores.confusion == {
        "up": {"up": 1, "down": 1},
        "down": {"down": 1, "none": 1},
        "none": {"up": 1, "none": 1},
    }


def test_binary_is_the_score_of_the_other_label():
    gold, predicted = list("1110000"), list("1011000")
    scores = score(gold, predicted, ("0", "1"), "0")
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (3, 3, 2)
    assert scores.specificity == 3 / 4
    assert scores.macro_f1 == scores.f1 == scores.by_label["1"].f1
    assert scores.accuracy == 5 / 7


def test_the_negative_label_may_stand_anywhere():
    gold, predicted = ["y", "n", "n"], ["y", "y", "n"]
    scores = score(gold, predicted, ("y", "n"), "n")
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (1, 2, 1)
    assert scores.specificity == 1 / 2


def test_without_a_negative_label_all_count():
    scores = score(GOLD, PREDICTED, negative=None)
    assert scores.precision == scores.recall == scores.f1 == scores.accuracy == 0.5
    assert scores.num_gold == scores.num_predicted == 6
    assert scores.macro_f1 == pytest.approx((1 / 2 + 1 / 2 + 0 + 1 / 2) / 4)
    two = score(["a", "b"], ["a", "a"], ("a", "b"), None)
    assert two.specificity is None


def test_a_ratio_of_nothing_is_zero():
    scores = score(["0", "0"], ["0", "0"], ("0", "1"), "0")
    assert (scores.precision, scores.recall, scores.f1) == (0, 0, 0)
    assert scores.specificity == scores.accuracy == 1
    assert score(["1"], ["0"], ("0", "1"), "0").specificity == 0


def test_a_gold_label_that_the_model_has_not_is_missed():
    gold, predicted = ["up", "new", "new", "none"], ["up", "up", "none", "none"]
    scores = score(gold, predicted)
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (3, 2, 1)
    assert list(scores.by_label) == [*LABELS, "new"]
    assert scores.by_label["new"] == Score(2, 0, 0)
    assert scores.confusion["new"] == {"up": 1, "none": 1}
    assert scores.accuracy == 2 / 4
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0 + 0 + 0) / 4)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="0 gold labels, 0 predicted"):
        score([], [])
    with pytest.raises(ValueError, match="2 gold labels, 1 predicted"):
        score(["up", "up"], ["up"])
    with pytest.raises(ValueError, match=r"new.*not among the labels"):
        score(["up"], ["new"])
    with pytest.raises(ValueError, match=r"false.*not among the labels"):
        score(["up"], ["up"], negative="false")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("negative", ["none", None])
def test_agrees_with_sklearn(seed, negative):
    gold, predicted = random_labels(40 + 30 * seed, seed, LABELS)
    scores = score(gold, predicted, negative=negative)
    counted = [label for label in LABELS if label != negative]

    def theirs(average, labels):
        return sklearn_metrics.precision_recall_fscore_support(
            gold, predicted, labels=labels, average=average, zero_division=0
        )

    micro = theirs("micro", counted)[:3]
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx(micro)
    assert scores.macro_f1 == pytest.approx(theirs("macro", counted)[2])
    assert scores.accuracy == sklearn_metrics.accuracy_score(gold, predicted)
    ours = [(s.precision, s.recall, s.f1, s.num_gold) for s in scores.by_label.values()]
    by_label = np.array(theirs(None, LABELS)).T
    assert np.array(ours) == pytest.approx(by_label)
    matrix = sklearn_metrics.confusion_matrix(gold, predicted, labels=LABELS)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            assert scores.confusion[LABELS[i]].get(LABELS[j], 0) == count


def test_interval_equals_that_of_drawing_sentences():
    gold, predicted = (np.array(c) for c in random_labels(150, 3, LABELS))
    scores = score(gold.tolist(), predicted.tolist(), num_resamples=5000)
    drawn = np.random.default_rng(7).integers(150, size=(5000, 150))
    is_gold, is_predicted = (gold != "none")[drawn], (predicted != "none")[drawn]
    num_correct = ((gold == predicted)[drawn] & is_gold).sum(1)
    num_gold, num_predicted = is_gold.sum(1), is_predicted.sum(1)
    for interval, samples in (
        (scores.precision_interval, num_correct / num_predicted),
        (scores.recall_interval, num_correct / num_gold),
        (scores.f1_interval, 2 * num_correct / (num_gold + num_predicted)),
    ):
        # The ends are quantiles of 5000 draws; the interval is about 0.15 wide.
        assert interval == pytest.approx(np.percentile(samples, [2.5, 97.5]), abs=0.01)
        assert interval.high - interval.low > 0.08


def test_the_seed_decides():
    gold, predicted = random_labels(50, 4, LABELS)
    first, same, other = (score(gold, predicted, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.f1_interval != other.f1_interval
    assert first.confusion == other.confusion


def test_to_dict_is_json_and_its_floats_are_the_scores():
    scores = score([*GOLD, "none"], [*PREDICTED, "none"])
    values = scores.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert (values["accuracy"], values["macro_f1"]) == (4 / 7, scores.macro_f1)
    assert (values["precision"], values["f1"]) == (1 / 2, 1 / 2)
    assert "specificity" not in values
    floats = {name for name, value in values.items() if isinstance(value, float)}
    assert floats == {"precision", "recall", "f1", "accuracy", "macro_f1"}
    assert values["num_examples"] == 7
    assert values["by_label"]["up"]["num_gold"] == 2
    assert values["confusion"]["none"] == {"up": 1, "none": 2}
    assert set(values["interval_95"]) == {"precision", "recall", "f1"}
    binary = score(["1", "0"], ["1", "1"], ("0", "1"), "0").to_dict()
    assert binary["specificity"] == 0.0
    assert isinstance(binary["specificity"], float)
