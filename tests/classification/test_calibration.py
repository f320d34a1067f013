# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from biobert_tf.classification import calibration

LABELS = ("a", "b", "c")


def by_bins(confidence, is_right):
    """The error, of scikit-learn's means of bins."""
    edges = np.linspace(0, 1, 16)
    accuracies, means = calibration_curve(is_right, confidence, n_bins=15)
    sizes = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=15)
    return float((sizes[sizes > 0] * np.abs(accuracies - means)).sum() / sizes.sum())


def test_the_error_by_hand():
    # Bins are 1/15 wide: 0.91 and 0.93 share one, of which half is right and the mean
    # confidence 0.92; 0.5 is alone and right; 0.1 is alone and wrong.
    confidence = np.array([0.91, 0.93, 0.5, 0.1])
    is_right = np.array([True, False, True, False])
    found = calibration.expected_calibration_error(confidence, is_right)
    assert found == pytest.approx((2 * 0.42 + 0.5 + 0.1) / 4)


def test_an_edge_belongs_to_the_bin_below_it():
    # 0.2 = 3/15 and 0.19 share a bin: the mean confidence 0.195 against 1/2. Apart they
    # would give (0.8 + 0.19) / 2.
    pair = np.array([0.2, 0.19]), np.array([True, False])
    assert calibration.expected_calibration_error(*pair) == pytest.approx(0.305)
    sure = np.array([0.0, 1.0]), np.array([False, True])
    assert calibration.expected_calibration_error(*sure) == 0


def test_single_labels_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]], np.float32)
    found = calibration.of_single(probabilities, ["a", "c"], LABELS)
    assert found.log_loss == pytest.approx(-np.log([0.7, 0.25]).mean())
    # The first is right with 0.7, the second wrong with 0.5.
    assert found.expected_calibration_error == pytest.approx((0.3 + 0.5) / 2)
    assert found.to_dict() == {
        "expected_calibration_error": found.expected_calibration_error,
        "log_loss": found.log_loss,
    }


@pytest.mark.parametrize("gold", ["b", "new"])
def test_a_sure_mistake_costs_36_nats(gold):
    found = calibration.of_single(np.array([[1.0, 0.0, 0.0]]), [gold], LABELS)
    assert found.log_loss == pytest.approx(52 * np.log(2))
    assert found.expected_calibration_error == 1


@pytest.mark.parametrize("seed", range(3))
def test_single_labels_agree_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1, 1, 1], 400)
    gold = np.array(LABELS)[rng.integers(3, size=400)]
    found = calibration.of_single(probabilities, gold.tolist(), LABELS)
    theirs = sklearn_metrics.log_loss(gold, probabilities, labels=LABELS)
    assert found.log_loss == pytest.approx(theirs)
    is_right = np.array(LABELS)[probabilities.argmax(1)] == gold
    theirs = by_bins(probabilities.max(1), is_right)
    assert found.expected_calibration_error == pytest.approx(theirs)
    assert theirs > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_several_labels_agree_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.random((300, 3))
    is_gold = rng.random((300, 3)) < 0.3
    found = calibration.of_multi(probabilities, is_gold, LABELS)
    errors = [by_bins(probabilities[:, i], is_gold[:, i]) for i in range(3)]
    assert list(found.by_label) == list(LABELS)
    assert list(found.by_label.values()) == pytest.approx(errors)
    assert found.expected_calibration_error == pytest.approx(np.mean(errors))
    losses = [
        sklearn_metrics.log_loss(is_gold[:, i], probabilities[:, i]) for i in range(3)
    ]
    assert found.log_loss == pytest.approx(np.mean(losses))
    by_label = found.to_dict()["expected_calibration_error_by_label"]
    assert by_label == dict(found.by_label)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"probabilities \(2, 2\) of 2 examples, 3 la"):
        calibration.of_single(np.zeros((2, 2)), ["a", "b"], LABELS)
    with pytest.raises(ValueError, match="of 0 examples"):
        calibration.of_single(np.zeros((0, 3)), [], LABELS)
    with pytest.raises(ValueError, match=r"gold labels \(2, 4\)"):
        calibration.of_multi(np.zeros((2, 3)), np.zeros((2, 4), bool), LABELS)
