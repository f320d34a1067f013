# SPDX-License-Identifier: Apache-2.0
"""Scores texts that have one of some labels.

`biobert compare` can make all scores from the `counts` of units: `measure` makes them
of their sums.

Shapes: N examples, K labels.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from biobert_tf.classification import calibration, scores
from biobert_tf.classification.calibration import Calibration
from biobert_tf.common import single_label
from biobert_tf.common.counts import (
    Interval,
    Measure,
    f1_precision_recall,
    intervals,
    ratios,
)
from biobert_tf.common.single_label import SingleLabelScores


@dataclasses.dataclass(frozen=True)
class SingleScores(SingleLabelScores):
    """The scores of `common.single_label`, with more intervals and the calibration.

    The main score is the accuracy. The calibration is None without probabilities.
    """

    accuracy_interval: Interval
    macro_f1_interval: Interval
    calibration: Calibration | None

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON."""
        found = super().to_dict()
        found["interval_95"] = {
            "accuracy": list(self.accuracy_interval),
            "macro_f1": list(self.macro_f1_interval),
            "f1": list(self.f1_interval),
            "precision": list(self.precision_interval),
            "recall": list(self.recall_interval),
        }
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_dict()
        return found

    def report(self) -> str:
        """Returns the scores as they are printed, in percent."""
        named = {
            "accuracy": self.accuracy,
            "macro f1": self.macro_f1,
            "f1 score": self.f1,
            "recall": self.recall,
            "precision": self.precision,
        }
        if self.specificity is not None:
            named["specificity"] = self.specificity
        return scores.percent_lines(named)


def score(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    negative: str | None = None,
    *,
    seed: int,
    num_resamples: int = 1000,
    probabilities: np.ndarray | None = None,
) -> SingleScores:
    """Scores one predicted label per text; see `common.single_label.score`.

    F1, precision, recall and macro F1 leave the label `negative` out; None if all
    count, as for scikit-learn. All intervals are over texts.

    Args:
        gold: The right label of each text.
        predicted: The label that was predicted; with a border of its own it need not be
            the most probable one.
        labels: All labels that can be predicted.
        negative: The label of texts where there is nothing to find.
        seed: The same seed gives the same intervals.
        num_resamples: The number of tests to draw for them.
        probabilities: Those of all labels, float `[N, K]`.

    Raises:
        ValueError: There is nothing to score, numbers differ, or a predicted label or
            the negative one is not in `labels`.
    """
    found = single_label.score(
        gold, predicted, labels, negative, seed=seed, num_resamples=num_resamples
    )
    # Texts with the same gold and the same predicted label are interchangeable.
    cells = [
        (name, other, number)
        for name, row in found.confusion.items()
        for other, number in row.items()
    ]
    golds, others, repeats = zip(*cells, strict=True)
    names = list(found.by_label)
    accuracy, macro_f1, *_ = intervals(
        counts(golds, others, names),
        measure(names, negative),
        seed,
        num_resamples,
        np.array(repeats),
    )
    return SingleScores(
        **vars(found),
        accuracy_interval=accuracy,
        macro_f1_interval=macro_f1,
        calibration=None
        if probabilities is None
        else calibration.of_single(probabilities, gold, labels),
    )


def counts(
    gold: Sequence[str], predicted: Sequence[str], names: Sequence[str]
) -> np.ndarray:
    """Returns what the scores of texts are made of, int64 `[N, 3 K]`.

    For each label of `names` whether it is the gold one, then whether it is predicted,
    then whether it is both.
    """
    ids = {name: i for i, name in enumerate(names)}
    of_one = np.eye(len(names), dtype=np.int64)
    golds, others = (
        of_one[[ids[label] for label in column]] for column in (gold, predicted)
    )
    return np.hstack([golds, others, golds & others])


def measure(names: Sequence[str], negative: str | None) -> Measure:
    """Returns what makes the scores, in the order of `scores.NAMES`, of sums."""
    is_find = np.array([name != negative for name in names])

    def scores_of(sums: np.ndarray) -> np.ndarray:
        parts = sums.reshape(*sums.shape[:-1], 3, len(names))
        gold, _, correct = np.moveaxis(parts, -2, 0)
        finds = parts[..., is_find]
        macro_f1 = f1_precision_recall(np.swapaxes(finds, -1, -2))[..., 0].mean(-1)
        return np.stack(
            [
                ratios(correct.sum(-1), gold.sum(-1)),
                macro_f1,
                *np.moveaxis(f1_precision_recall(finds.sum(-1)), -1, 0),
            ],
            -1,
        )

    return scores_of
