# SPDX-License-Identifier: Apache-2.0
"""Scores of predicted relations, one label per sentence, with their uncertainty."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_tf.common.counts import SampledScore, Score, estimate


@dataclasses.dataclass(frozen=True)
class RelationScores(SampledScore):
    """The score of all relations together, what it is made of, how sure it is.

    Precision, recall and F1 are the micro average: the relations of all labels but
    the negative one are counted together. For a binary set they are those of its
    other label; without a negative label all three are the accuracy.

    Attributes:
        num_examples: Sentences scored.
        accuracy: The share of them with the right label, the negative one too.
        specificity: The recall of the negative label of a binary set; None for others.
        macro_f1: Mean F1 of the labels counted.
        by_label: The score of each label, the negative one too, in the order of the
            set; labels that only the gold has come last, sorted.
        confusion: How many sentences have a gold and a predicted label; pairs of
            which there is none are left out.
    """

    num_examples: int
    accuracy: float
    specificity: float | None
    macro_f1: float
    by_label: Mapping[str, Score]
    confusion: Mapping[str, Mapping[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything by name, ready for JSON; without a specificity of None."""
        binary = {} if self.specificity is None else {"specificity": self.specificity}
        return {
            **super().to_dict(),
            **binary,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "num_examples": self.num_examples,
            "by_label": {name: one.to_dict() for name, one in self.by_label.items()},
            "confusion": {gold: dict(row) for gold, row in self.confusion.items()},
        }


def score(
    gold: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    negative: str | None,
    *,
    seed: int,
    num_resamples: int = 1000,
) -> RelationScores:
    """Scores one predicted label per sentence.

    A gold label that is none of `labels`, as where a test file has one that the
    training file has not, is a relation that cannot be found: it counts as missed,
    and in the macro average as a label with an F1 of 0. The intervals are those of
    `counts.estimate`, over sentences.

    Args:
        gold: Labels of the data.
        predicted: Labels of the model, one per gold label, each one of `labels`.
        labels: What can be predicted, all different.
        negative: Which of them means "no relation"; None: all are relations.
        seed: Seeds the resampling; the same seed gives the same intervals.
        num_resamples: Test sets to draw.

    Raises:
        ValueError: There is nothing to score, gold and predicted are not equally
            many, or a predicted label or the negative one is not in `labels`.
    """
    if not gold or len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels, {len(predicted)} predicted")
    if unknown := (set(predicted) | {negative}) - {*labels, None}:
        raise ValueError(f"{unknown} not among the labels {tuple(labels)}")
    names = [*labels, *sorted(set(gold) - set(labels))]
    gold_ids, predicted_ids = (
        np.array([names.index(label) for label in column])
        for column in (gold, predicted)
    )
    is_relation = np.array([name != negative for name in names])
    is_correct = gold_ids == predicted_ids
    columns = (
        is_relation[gold_ids],
        is_relation[predicted_ids],
        is_relation[gold_ids] & is_correct,
    )
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (gold_ids, predicted_ids), 1)
    by_label = _scores_by_label(names, confusion)
    counted = [one.f1 for name, one in by_label.items() if name != negative]
    return RelationScores(
        **vars(estimate(np.stack(columns, 1).astype(np.int64), seed, num_resamples)),
        num_examples=len(gold),
        accuracy=float(is_correct.mean()),
        specificity=(
            by_label[negative].recall
            if negative is not None and len(labels) == 2
            else None
        ),
        macro_f1=float(np.mean(counted)),
        by_label=by_label,
        confusion=_named(names, confusion),
    )


def _scores_by_label(names: Sequence[str], confusion: np.ndarray) -> dict[str, Score]:
    """Returns the score of each label; int64 `confusion[gold, predicted]`."""
    num_gold, num_predicted = confusion.sum(1), confusion.sum(0)
    counts = np.stack([num_gold, num_predicted, confusion.diagonal()], 1).tolist()
    return {name: Score(*row) for name, row in zip(names, counts, strict=True)}


def _named(names: Sequence[str], confusion: np.ndarray) -> dict[str, dict[str, int]]:
    """Returns the cells of int64 `confusion[gold, predicted]` that are not zero."""
    cells: dict[str, dict[str, int]] = {}
    for i, j in np.argwhere(confusion).tolist():
        cells.setdefault(names[i], {})[names[j]] = int(confusion[i, j])
    return cells


def report(scores: RelationScores) -> str:
    """Returns what `re_eval.py` prints: three lines, with specificity four."""
    # PARITY(re_eval.py:25, 44): F1 is made of the ratios;
    # made of the counts, a value halfway between two printed ones may round otherwise.
    total = scores.precision + scores.recall
    f1 = 2 * scores.precision * scores.recall / total if total else 0.0
    values = {
        "f1 score": f1,
        "recall": scores.recall,
        "precision": scores.precision,
    }
    if scores.specificity is not None:
        values["specificity"] = scores.specificity
    return "".join(f"{name:11} : {value:.2%}\n" for name, value in values.items())
