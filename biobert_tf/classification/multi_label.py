# SPDX-License-Identifier: Apache-2.0
"""Scores texts that have any number of labels, or the documents they are parts of.

A unit is a document, which has a label if any of its examples has it, by the gold
labels as by the predicted ones; or it is an example that belongs to no document. So
Hallmarks of Cancer is scored by BLUE (Peng et al. 2019, blue/eval_hoc.py).

`biobert compare` can make all scores from the `counts` of units: `measure` makes them
of their sums.

Shapes: N examples, U units, K labels.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.classification import calibration, scores
from biobert_tf.classification.calibration import Calibration
from biobert_tf.common.counts import (
    Interval,
    Measure,
    Score,
    f1_precision_recall,
    intervals,
    ratios,
)


class ExampleScores(NamedTuple):
    """Means over units of the precision and recall of each, and their F1.

    This is the form of Tsoumakas and Vlahavas 2007 (precision |Y & Z| / |Z| and recall
    |Y & Z| / |Y| of the gold labels Y and the predicted ones Z of a unit).
    """

    f1: float
    precision: float
    recall: float


@dataclasses.dataclass(frozen=True)
class MultiLabelScores(Score):
    """The scores over all units; precision, recall and F1 are micro averages.

    Attributes:
        num_examples: The number of examples.
        num_units: The number of units.
        num_labelled: The number of units with a gold label.
        macro_f1: The mean F1 over all labels.
        example: The scores per unit. Without gold and without predicted labels a unit
            is right: both its ratios are 1. With only one kind of them both are 0.
        example_of_labelled: The same of the units with a gold label alone. BLUE's test
            set has no others, and its program divides by zero there.
        exact_match: The share of units whose labels are all right, and no others given.
        by_label: The score of each label, in order; those that only the gold data has
            come last, sorted.
        interval_95: The intervals of `scores.NAMES` over units.
        calibration: That of the probabilities of examples, also if units are documents;
            None without probabilities.
    """

    num_examples: int
    num_units: int
    num_labelled: int
    macro_f1: float
    example: ExampleScores
    example_of_labelled: ExampleScores
    exact_match: float
    by_label: Mapping[str, Score]
    interval_95: Mapping[str, Interval]
    calibration: Calibration | None

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON."""
        found = {
            **super().to_dict(),
            "macro_f1": self.macro_f1,
            **{f"example_{k}": v for k, v in self.example._asdict().items()},
            "exact_match": self.exact_match,
            "interval_95": {name: [*ends] for name, ends in self.interval_95.items()},
            "num_examples": self.num_examples,
            "num_units": self.num_units,
            "num_labelled": self.num_labelled,
            "example_of_labelled": self.example_of_labelled._asdict(),
            "by_label": {name: one.to_dict() for name, one in self.by_label.items()},
        }
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_dict()
        return found

    def report(self) -> str:
        """Returns the scores as they are printed, in percent."""
        return scores.percent_lines(
            {
                "f1 score": self.f1,
                "recall": self.recall,
                "precision": self.precision,
                "macro f1": self.macro_f1,
                "example-based f1": self.example.f1,
                "example-based recall": self.example.recall,
                "example-based precision": self.example.precision,
                "exact match": self.exact_match,
            }
        )


def score(
    gold: Sequence[Collection[str]],
    predicted: Sequence[Collection[str]],
    labels: Sequence[str],
    *,
    seed: int,
    groups: Sequence[str] | None = None,
    num_resamples: int = 1000,
    probabilities: np.ndarray | None = None,
) -> MultiLabelScores:
    """Scores any number of predicted labels per example.

    A gold label that is not in `labels` cannot be predicted; it is missed.

    Args:
        gold: The right labels of each example.
        predicted: The labels that were predicted.
        labels: All labels that can be predicted.
        seed: The same seed gives the same intervals.
        groups: The document of each example; "" for one that belongs to none. None if
            no example belongs to one.
        num_resamples: The number of tests to draw for the intervals, of as many units.
        probabilities: Those of all labels, float `[N, K]`.

    Raises:
        ValueError: There is nothing to score, numbers differ, or a predicted label is
            not in `labels`.
    """
    if not gold or len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold label sets, {len(predicted)} predicted")
    if unknown := set().union(*predicted) - {*labels}:
        raise ValueError(f"{unknown} not among the labels {tuple(labels)}")
    names = all_labels(labels, gold)
    is_gold, is_predicted = indicators(gold, names), indicators(predicted, names)
    units = unit_numbers(groups, len(gold))
    table = counts(pooled(is_gold, units), pooled(is_predicted, units))
    sums = table.sum(0)
    of_names = measure(len(names))
    values = dict(zip(_MEASURED, of_names(sums).tolist(), strict=True))
    parts = sums[: 3 * len(names)].reshape(3, -1).T.astype(int).tolist()
    num_gold, num_predicted, num_correct = np.sum(parts, axis=0).tolist()
    ends = intervals(table, of_names, seed, num_resamples)
    found = dict(zip(_MEASURED, ends, strict=True))
    of_labelled = sums[3 * len(names) :][_LABELLED]
    return MultiLabelScores(
        num_gold=num_gold,
        num_predicted=num_predicted,
        num_correct=num_correct,
        num_examples=len(gold),
        num_units=len(table),
        num_labelled=int(of_labelled[0]),
        macro_f1=values["macro_f1"],
        example=ExampleScores(
            *(values[f"example_{name}"] for name in ExampleScores._fields)
        ),
        example_of_labelled=ExampleScores(*_example_scores(of_labelled).tolist()),
        exact_match=values["exact_match"],
        by_label={name: Score(*part) for name, part in zip(names, parts, strict=True)},
        interval_95=found,
        calibration=None
        if probabilities is None
        else calibration.of_multi(probabilities, is_gold[:, : len(labels)], labels),
    )


# --- labels as tables -----------------------------------------------------------------


def all_labels(labels: Sequence[str], gold: Sequence[Collection[str]]) -> list[str]:
    """Returns the labels, and after them those that only the gold data has, sorted."""
    return [*labels, *sorted(set().union(*gold) - {*labels})]


def indicators(
    label_sets: Sequence[Collection[str]], names: Sequence[str]
) -> np.ndarray:
    """Returns which example has which of the labels `names`, bool `[N, K]`.

    Raises:
        KeyError: A label is none of them.
    """
    ids = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(label_sets), len(names)), bool)
    for row, labels in zip(table, label_sets, strict=True):
        row[[ids[label] for label in labels]] = True
    return table


def unit_numbers(groups: Sequence[str] | None, num_examples: int) -> np.ndarray:
    """Returns the number of the unit of each example, int `[N]`, in order from 0.

    Raises:
        ValueError: There are not as many groups as examples.
    """
    if groups is None:
        return np.arange(num_examples)
    if len(groups) != num_examples:
        raise ValueError(f"{len(groups)} groups of {num_examples} examples")
    numbers: dict[object, int] = {}
    # An example of no document has a key that no document has: its place.
    keys = [group or place for place, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def pooled(table: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Returns the maximum over the examples of each unit, `[U, K]`.

    The table is bool or of values that are not negative, `[N, K]`.
    """
    found = np.zeros((units.max() + 1, table.shape[1]), table.dtype)
    np.maximum.at(found, units, table)
    return found


# --- scores of sums -------------------------------------------------------------------

_MEASURED: Final = scores.NAMES["multi"]
# The last columns of `counts`.
_ALL: Final = slice(0, 3)
_LABELLED: Final = slice(3, 6)
_EXACT: Final = 6
_NUM_LAST: Final = 7


def counts(is_gold: np.ndarray, is_predicted: np.ndarray) -> np.ndarray:
    """Returns what the scores of units are made of, float64 `[U, 3 K + 7]`.

    For each label whether it is gold, then whether it is predicted, then whether it is
    both. Then 1, the precision and the recall of the unit; the same three for a unit
    with gold labels, else zeros; and whether all is right. Both arguments are bool
    `[U, K]`.
    """
    both = is_gold & is_predicted
    is_exact = (is_gold == is_predicted).all(1)
    num_gold, num_predicted, num_both = (
        each.sum(1) for each in (is_gold, is_predicted, both)
    )
    # PARITY(blue/eval_hoc.py:33-36): a unit without predicted labels has precision 0.
    # Without gold labels too there was nothing to find: it is right.
    precision = np.where(is_exact, 1.0, ratios(num_both, num_predicted))
    recall = np.where(is_exact, 1.0, ratios(num_both, num_gold))
    per_unit = np.stack([np.ones(len(both)), precision, recall], 1)
    is_labelled = (num_gold > 0)[:, None]
    columns = (is_gold, is_predicted, both, per_unit, per_unit * is_labelled)
    return np.hstack([*columns, is_exact[:, None]]).astype(np.float64)


def measure(num_labels: int) -> Measure:
    """Returns what makes the scores, in the order of `scores.NAMES`, of sums."""

    def scores_of(sums: np.ndarray) -> np.ndarray:
        by_kind, last = sums[..., :-_NUM_LAST], sums[..., -_NUM_LAST:]
        parts = by_kind.reshape(*sums.shape[:-1], 3, num_labels)
        by_label = f1_precision_recall(np.swapaxes(parts, -1, -2))
        return np.concatenate(
            [
                f1_precision_recall(parts.sum(-1)),
                by_label[..., 0].mean(-1, keepdims=True),
                _example_scores(last[..., _ALL]),
                ratios(last[..., _EXACT], last[..., 0])[..., None],
            ],
            -1,
        )

    return scores_of


def _example_scores(sums: np.ndarray) -> np.ndarray:
    """Returns the F1, precision and recall of `[number, precisions, recalls]`."""
    precision, recall = (ratios(sums[..., i], sums[..., 0]) for i in (1, 2))
    # PARITY(blue/eval_hoc.py:52-54): the F1 is that of the two means, not the mean of
    # the F1s of units, which the original computes and does not use.
    # It prints the two under each other's name (:103-105); that is not kept.
    f1 = ratios(2 * precision * recall, precision + recall)
    return np.stack([f1, precision, recall], -1)
