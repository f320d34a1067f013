# SPDX-License-Identifier: Apache-2.0
"""Says how far predicted probabilities can be believed.

The expected calibration error is that of Guo, Pleiss, Sun and Weinberger, "On
Calibration of Modern Neural Networks", ICML 2017, section 2:

    ECE = sum over bins of |bin| / n * |accuracy of the bin - mean confidence in it|

Bin m of M has the confidences in ((m - 1) / M, m / M], and the first one 0 too. The
confidence in one of several labels is the probability of the most probable one.

Each label of several that may hold together is a question of its own: its confidence is
the probability of the label, its accuracy the share of examples that have it. It is so
for the classes of Nixon et al., "Measuring Calibration in Deep Learning", 2019.

The log loss is the mean of -ln of the probability of what is right, in nats. A
probability is taken to be at least 2.2e-16, as in scikit-learn, so one sure mistake
costs 36 nats and not all there is.

Both describe the probabilities of examples, whatever was predicted from them with which
threshold.

Shapes: N examples, K labels.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

NUM_BINS: Final = 15
_INNER_EDGES: Final = np.linspace(0, 1, NUM_BINS + 1)[1:-1]
_LEAST: Final = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The error of probabilities.

    Attributes:
        expected_calibration_error: In [0, 1]; of several labels the mean over them.
        log_loss: In nats for an example; of several labels for an example and label.
        by_label: The calibration error of each label; empty for single labels.
    """

    expected_calibration_error: float
    log_loss: float
    by_label: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        found: dict[str, object] = {
            "expected_calibration_error": self.expected_calibration_error,
            "log_loss": self.log_loss,
        }
        if self.by_label:
            found["expected_calibration_error_by_label"] = dict(self.by_label)
        return found


def of_single(
    probabilities: np.ndarray, gold: Sequence[str], labels: Sequence[str]
) -> Calibration:
    """Returns the calibration of the probabilities of one label per example, `[N, K]`.

    A gold label that is not in `labels` has the probability 0.

    Raises:
        ValueError: The shape is not that of the labels.
    """
    known = _checked(probabilities, len(gold), len(labels))
    ids = {label: i for i, label in enumerate(labels)}
    places = np.array([ids.get(label, -1) for label in gold])
    of_gold = np.where(places < 0, 0.0, known[np.arange(len(known)), places])
    error = expected_calibration_error(known.max(1), known.argmax(1) == places)
    return Calibration(error, _log_loss(of_gold), {})


def of_multi(
    probabilities: np.ndarray, is_gold: np.ndarray, labels: Sequence[str]
) -> Calibration:
    """Returns the calibration of the probabilities of each label, `[N, K]`.

    Args:
        probabilities: The columns are those of `labels`.
        is_gold: Which example has which label, bool `[N, K]`.
        labels: The labels that can be predicted.

    Raises:
        ValueError: A shape is not that of the labels.
    """
    known = _checked(probabilities, len(is_gold), len(labels))
    if known.shape != is_gold.shape:
        raise ValueError(f"gold labels {is_gold.shape} for probabilities {known.shape}")
    errors = {
        label: expected_calibration_error(known[:, i], is_gold[:, i])
        for i, label in enumerate(labels)
    }
    of_right = np.where(is_gold, known, 1 - known)
    mean = float(np.mean(list(errors.values())))
    return Calibration(mean, _log_loss(of_right), errors)


def expected_calibration_error(confidence: np.ndarray, is_right: np.ndarray) -> float:
    """Returns the error of confidences, float `[N]`, in what is right, bool `[N]`."""
    bins = np.searchsorted(_INNER_EDGES, confidence, side="left")
    # A bin's share of all examples cancels the number that its means are divided by.
    differences = np.bincount(bins, weights=is_right - confidence, minlength=NUM_BINS)
    return float(np.abs(differences).sum() / len(confidence))


def _log_loss(probabilities: np.ndarray) -> float:
    """Returns the mean loss of the probabilities of what is right, of any shape."""
    return float(-np.log(np.clip(probabilities, _LEAST, 1.0)).mean())


def _checked(probabilities: np.ndarray, number: int, num_labels: int) -> np.ndarray:
    if not number or probabilities.shape != (number, num_labels):
        raise ValueError(
            f"probabilities {probabilities.shape} of {number} examples, "
            f"{num_labels} labels"
        )
    return probabilities.astype(np.float64)
