# SPDX-License-Identifier: Apache-2.0
"""Scores one predicted label per text, with confidence intervals."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from biobert_tf.common.counts import SampledScore, Score, estimate


@dataclasses.dataclass(frozen=True)
class SingleLabelScores(SampledScore):
    """The score over all texts, with its parts and its intervals.

    Precision, recall and F1 are micro averages over all labels except the negative one:
    in a binary set the scores of its positive label, without a negative label the
    accuracy.

    Attributes:
        num_examples: The number of texts.
        accuracy: The share of texts with the right label, the negative one too.
        specificity: The recall of a binary set's negative label; None for other sets.
        macro_f1: Mean F1 over all labels except the negative one.
        by_label: The score of each label, the negative one too, in the order of the
            set; labels that only the gold data has come last, sorted.
        confusion: The number of texts by gold and predicted label; zeros are left
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
) -> SingleLabelScores:
    """Scores one predicted label per text.

    A gold label that is not in `labels`, such as one that only the test file has,
    cannot be predicted. It counts as missed, and in the macro average as a label with
    an F1 of 0. `negative` is the label of texts where there is nothing to find, such as
    no relation; None if every label is a find. Intervals come from
    `common.counts.estimate`, over texts.

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
    is_find = np.array([name != negative for name in names])
    is_correct = gold_ids == predicted_ids
    columns = (
        is_find[gold_ids],
        is_find[predicted_ids],
        is_find[gold_ids] & is_correct,
    )
    confusion = np.zeros((len(names), len(names)), np.int64)  # [gold, predicted]
    np.add.at(confusion, (gold_ids, predicted_ids), 1)
    totals = (confusion.sum(1), confusion.sum(0), confusion.diagonal())
    by_label = {
        name: Score(*counts)
        for name, *counts in zip(names, *(t.tolist() for t in totals), strict=True)
    }
    has_specificity = negative is not None and len(labels) == 2
    cells: dict[str, dict[str, int]] = {}
    for i, j in np.argwhere(confusion).tolist():
        cells.setdefault(names[i], {})[names[j]] = int(confusion[i, j])
    return SingleLabelScores(
        **vars(estimate(np.stack(columns, 1).astype(np.int64), seed, num_resamples)),
        num_examples=len(gold),
        accuracy=float(is_correct.mean()),
        specificity=by_label[negative].recall if has_specificity else None,
        macro_f1=float(
            np.mean([one.f1 for name, one in by_label.items() if name != negative])
        ),
        by_label=by_label,
        confusion=cells,
    )
