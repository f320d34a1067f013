# SPDX-License-Identifier: Apache-2.0
import csv
import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from biobert_tf.classification import multi_label, scores
from biobert_tf.common import significance
from biobert_tf.common.counts import Score

LABELS = ("a", "b", "c")


def score(gold, predicted, labels=LABELS, **more):
    return multi_label.score(
        gold, predicted, labels, **{"seed": 0, "num_resamples": 50} | more
    )


def random_tables(number, num_labels, seed, share=0.3):
    """Gold labels and noisy predicted ones; many rows have none."""
    rng = np.random.default_rng(seed)
    gold = rng.random((number, num_labels)) < share
    return gold, gold ^ (rng.random(gold.shape) < 0.15)


def sets(table, labels=LABELS):
    return [
        {name for name, has in zip(labels, row, strict=True) if has} for row in table
    ]


def of_units(gold, predicted):
    """Precision and recall of BLUE's form, and their F1, a unit after the other."""
    precisions, recalls = [], []
    for wanted, found in zip(sets(gold), sets(predicted), strict=True):
        both = len(wanted & found)
        is_right = not wanted and not found
        precisions.append(both / len(found) if found else float(is_right))
        recalls.append(both / len(wanted) if wanted else float(is_right))
    p, r = np.mean(precisions), np.mean(recalls)
    return 2 * p * r / (p + r), p, r


def test_scores_by_hand():
    gold = [{"a", "b"}, {"a"}, {"c"}, set(), set()]
    predicted = [{"a"}, {"a", "c"}, set(), set(), {"b"}]
    found = score(gold, predicted)
    assert (found.num_gold, found.num_predicted, found.num_correct) == (4, 4, 2)
    assert found.f1 == found.precision == found.recall == 1 / 2
    assert found.by_label == {
        "a": Score(2, 2, 2),
        "b": Score(1, 1, 0),
        "c": Score(1, 1, 0),
    }
    assert found.macro_f1 == pytest.approx(1 / 3)
    # Precisions 1, 1/2, 0, 1 (nothing to find, nothing found), 0; recalls 1/2, 1, 0,
    # 1, 0. Both have the mean 1/2.
    assert found.example == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    # Without the last two: precisions 1, 1/2, 0, recalls 1/2, 1, 0.
    assert found.example_of_labelled == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (found.num_units, found.num_labelled) == (5, 3)
    assert found.exact_match == 1 / 5
    assert found.calibration is None


def test_the_example_based_f1_is_that_of_the_means():
    # Precisions 1 and 1/2, recalls 1/2 and 1: means 3/4, F1 3/4. The mean of the two
    # F1s is 2/3.
    found = score([{"a", "b"}, {"a"}], [{"a"}, {"a", "c"}])
    assert found.example.f1 == pytest.approx(3 / 4)


def test_a_document_has_the_labels_of_its_sentences():
    gold = [{"a"}, set(), {"b"}, {"c"}, {"c"}]
    predicted = [set(), {"a"}, {"c"}, {"c"}, set()]
    found = score(gold, predicted, groups=["x", "x", "y", "", ""])
    # x: gold a, predicted a; y: gold b, predicted c; the others stand for themselves.
    assert (found.num_units, found.num_examples) == (4, 5)
    assert (found.num_gold, found.num_predicted, found.num_correct) == (4, 3, 2)
    assert found.exact_match == 2 / 4
    assert found.example.precision == found.example.recall == 2 / 4


def test_the_sentences_of_a_document_need_not_be_neighbours():
    gold, predicted = (sets(each) for each in random_tables(30, 3, 0))
    groups = [f"d{i % 7}" for i in range(30)]
    order = np.argsort(groups, kind="stable")
    found = score(gold, predicted, groups=groups)
    moved = score(
        *([each[i] for i in order] for each in (gold, predicted)),
        groups=[groups[i] for i in order],
    )
    assert found == moved
    assert found.num_units == 7


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_sklearn(seed):
    gold, predicted = random_tables(40 + 60 * seed, 3, seed)
    found = score(sets(gold), sets(predicted))

    def theirs(average):
        return sklearn_metrics.precision_recall_fscore_support(
            gold, predicted, average=average, zero_division=0
        )

    micro = (found.precision, found.recall, found.f1)
    assert micro == pytest.approx(theirs("micro")[:3])
    assert found.macro_f1 == pytest.approx(theirs("macro")[2])
    ours = [(s.precision, s.recall, s.f1, s.num_gold) for s in found.by_label.values()]
    assert np.array(ours) == pytest.approx(np.array(theirs(None)).T)
    exact = sklearn_metrics.accuracy_score(gold, predicted)
    assert found.exact_match == pytest.approx(exact)
    # Where there are gold labels, the two agree on what an empty prediction counts.
    is_labelled = gold.any(1)
    assert 0 < is_labelled.sum() < len(gold)
    of_labelled = sklearn_metrics.precision_recall_fscore_support(
        gold[is_labelled], predicted[is_labelled], average="samples", zero_division=0
    )
    assert found.example_of_labelled[1:] == pytest.approx(of_labelled[:2])
    assert found.example == pytest.approx(of_units(gold, predicted))


def test_a_gold_label_that_the_model_has_not_is_missed():
    probabilities = np.full((2, 3), 0.5)
    found = score([{"a", "new"}, set()], [{"a"}, {"a"}], probabilities=probabilities)
    assert list(found.by_label) == ["a", "b", "c", "new"]
    assert found.by_label["new"] == Score(1, 0, 0)
    assert (found.num_gold, found.num_correct) == (2, 1)
    assert found.macro_f1 == pytest.approx((2 / 3) / 4)
    assert set(found.calibration.by_label) == set(LABELS)


def test_intervals_equal_those_of_drawing_documents():
    gold, predicted = random_tables(200, 3, 5)
    groups = np.repeat(np.arange(80), np.arange(80) % 4 + 1)[:200]
    found = score(
        sets(gold),
        sets(predicted),
        groups=[f"d{group}" for group in groups],
        num_resamples=5000,
    )
    num_units = found.num_units
    assert num_units == groups.max() + 1
    votes = [
        np.array([table[groups == unit].any(0) for unit in range(num_units)])
        for table in (gold, predicted)
    ]
    rng = np.random.default_rng(7)
    samples = {"f1": [], "macro_f1": [], "example_f1": [], "exact_match": []}
    for places in rng.integers(num_units, size=(400, num_units)):
        pair = [vote[places] for vote in votes]
        for name, average in (("f1", "micro"), ("macro_f1", "macro")):
            values = sklearn_metrics.f1_score(*pair, average=average, zero_division=0)
            samples[name].append(values)
        samples["example_f1"].append(of_units(*pair)[0])
        samples["exact_match"].append((pair[0] == pair[1]).all(1).mean())
    for name, values in samples.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert found.interval_95[name] == pytest.approx((low, high), abs=0.03)
        assert high - low > 0.06
    assert set(found.interval_95) == set(scores.NAMES["multi"])


def test_two_systems_can_be_compared():
    gold, predicted = random_tables(60, 3, 6)
    right = multi_label.counts(gold, gold)
    noisy = multi_label.counts(gold, predicted)
    found = significance.compare(
        [right[None]],
        [noisy[None]],
        multi_label.measure(3),
        np.random.default_rng(0),
        100,
    )
    values = score(sets(gold), sets(predicted)).to_dict()
    for name, one in zip(scores.NAMES["multi"], found, strict=True):
        assert one.first.value == pytest.approx(1)
        assert one.second.value == pytest.approx(values[name])
        assert one.p_value < 0.05


def test_nothing_found_and_nothing_to_find():
    values = score([{"a"}, {"b"}], [set(), set()]).to_dict()
    assert {values[name] for name in scores.NAMES["multi"]} == {0}
    found = score([set(), set()], [set(), set()])
    assert (found.f1, found.macro_f1) == (0, 0)
    assert (found.example, found.exact_match) == ((1, 1, 1), 1)
    assert (found.num_labelled, found.example_of_labelled) == (0, (0, 0, 0))


def test_to_dict_is_json_and_has_the_scores_that_may_choose():
    gold, predicted = random_tables(20, 3, 7)
    probabilities = np.where(predicted, 0.9, 0.1)
    found = score(sets(gold), sets(predicted), probabilities=probabilities)
    values = found.to_dict()
    assert json.loads(json.dumps(values)) == values
    names = scores.NAMES["multi"]
    assert all(isinstance(values[name], float) for name in names)
    assert set(values["interval_95"]) == set(names)
    assert values["example_recall"] == found.example.recall
    assert values["by_label"]["b"]["f1"] == found.by_label["b"].f1
    by_label = values["calibration"]["expected_calibration_error_by_label"]
    assert list(by_label) == list(LABELS)


def test_report():
    found = score([{"a", "b"}, {"a"}], [{"a"}, {"a", "c"}])
    assert found.report() == (
        "f1 score                : 66.67%\n"
        "recall                  : 66.67%\n"
        "precision               : 66.67%\n"
        "macro f1                : 33.33%\n"
        "example-based f1        : 75.00%\n"
        "example-based recall    : 75.00%\n"
        "example-based precision : 75.00%\n"
        "exact match             : 0.00%"
    )


def test_the_seed_decides():
    pair = [sets(each) for each in random_tables(40, 3, 8)]
    first, same, other = (score(*pair, seed=seed) for seed in (0, 0, 1))
    assert first == same
    assert first.interval_95 != other.interval_95


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="0 gold label sets"):
        score([], [])
    with pytest.raises(ValueError, match="1 gold label sets, 2 predicted"):
        score([set()], [set(), set()])
    with pytest.raises(ValueError, match=r"new.*not among the labels"):
        score([{"a"}], [{"new"}])
    with pytest.raises(ValueError, match="1 groups of 2 examples"):
        score([set(), set()], [set(), set()], groups=["x"])


# --- real gold labels -----------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_hallmarks_of_cancer_agree_with_sklearn(data, noise):
    """The test set of HoC, as sentences and as documents, with random predictions."""
    path = data / "classification" / "HoC" / "test.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    gold = np.array(
        [[cell.endswith("_1") for cell in row[0].split(",")] for row in rows]
    )
    documents = [row[2].split("_")[0] for row in rows]
    labels = [f"h{i}" for i in range(10)]
    predicted = gold ^ (np.random.default_rng(0).random(gold.shape) < noise)
    distinct = list(dict.fromkeys(documents))
    places = np.array([distinct.index(document) for document in documents])
    assert (len(rows), len(distinct)) == (3547, 371)
    votes = [
        np.array([table[places == unit].any(0) for unit in range(len(distinct))])
        for table in (gold, predicted)
    ]
    for groups, pair in ((None, (gold, predicted)), (documents, votes)):
        found = score(
            sets(gold, labels), sets(predicted, labels), labels, groups=groups
        )
        assert found.num_units == len(pair[0])
        for name, average in (("f1", "micro"), ("macro_f1", "macro")):
            theirs = sklearn_metrics.f1_score(*pair, average=average, zero_division=0)
            assert found.to_dict()[name] == pytest.approx(theirs)
        is_labelled = pair[0].any(1)
        assert found.num_labelled == is_labelled.sum()
        precision, recall, *_ = sklearn_metrics.precision_recall_fscore_support(
            *(table[is_labelled] for table in pair), average="samples", zero_division=0
        )
        f1 = 2 * precision * recall / (precision + recall)
        assert found.example_of_labelled == pytest.approx((f1, precision, recall))
    assert found.num_labelled == 318
