# SPDX-License-Identifier: Apache-2.0
"""Scores predicted relations, one label per sentence, with confidence intervals."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from biobert_tf.common.counts import SampledScore, Score, estimate


@dataclasses.dataclass(frozen=True)
class RelationScores(SampledScore):
    """The score over all relations, with its parts and its intervals.

    Precision, recall and F1 are micro averages over all labels except the negative one.
    For a binary set they are the scores of its positive label; without a negative label
    all three equal the accuracy.

    Attributes:
        num_examples: The number of sentences scored.
        accuracy: The share of sentences with the right label, the negative one too.
        specificity: The recall of a binary set's negative label; None for other sets.
        macro_f1: Mean F1 over all labels except the negative one.
        by_label: The score of each label, the negative one too, in the order of the
            set; labels that only the gold data has come last, sorted.
        confusion: The number of sentences by gold and predicted label; zeros are left
            out.
    """

    num_examples: int
    accuracy: float
    specificity: float | None
    macro_f1: float
    by_label: Mapping[str, Score]
    confusion: Mapping[str, Mapping[str, int]]

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON; no specificity if it is None."""
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

    A gold label that is not in `labels`, such as one that only the test file has,
    cannot be predicted. It counts as a missed relation, and in the macro average as a
    label with an F1 of 0. Intervals come from `common.counts.estimate`, over sentences.

    Args:
        gold: The labels of the data.
        predicted: The labels of the model, one per gold label, each in `labels`.
        labels: The labels that can be predicted, all different.
        negative: The label that means "no relation"; None if every label is a relation.
        seed: Seed of the resampling; the same seed gives the same intervals.
        num_resamples: The number of test sets to draw.

    Raises:
        ValueError: There is nothing to score, gold and predicted labels differ in
            number, or a predicted label or the negative one is not in `labels`.
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
    """Returns the score of each label from int64 `confusion[gold, predicted]`."""
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
    """Returns the text that `re_eval.py` prints: three lines, four with specificity."""
    # PARITY(re_eval.py:25, 44): F1 is made of the ratios;
    # made of the counts, a value halfway between two printed ones may round otherwise.
    total = scores.precision + scores.recall
    f1 = 2 * scores.precision * scores.recall / total if total else 0.0
    values = {"f1 score": f1, "recall": scores.recall, "precision": scores.precision}
    if scores.specificity is not None:
        values["specificity"] = scores.specificity
    return "".join(f"{name:11} : {value:.2%}\n" for name, value in values.items())
