# SPDX-License-Identifier: Apache-2.0
"""Scores piece labels by position, as the original's NER evaluation logs them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PieceScores(NamedTuple):
    """The original's `eval_precision`, `eval_recall` and `eval_f`, each in [0, 1]."""

    precision: float
    recall: float
    f: float


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def macro_piece_scores(
    label_ids: ArrayLike,
    predicted_ids: ArrayLike,
    positive_ids: Sequence[int] = (1, 2),
    num_labels: int = 7,
) -> PieceScores:
    """Returns macro precision, recall and F1 over word pieces, each in [0, 1].

    These are the scores in the original's `eval_results.txt`, not those of the paper's
    tables, which count entities (`conlleval`). The definition is the original's
    (run_ner.py:437-449; tf_metrics.py:168-203). A score
    is computed for each positive label id and averaged without weights, so that F1
    is the mean of two F1 values; a ratio with denominator 0 is 0.

    Args:
        label_ids: Gold label ids, integer, any shape, usually `[batch, length]`.
        predicted_ids: Predicted label ids, integer, same shape.
        positive_ids: The label ids to score; by default B and I of the original.
        num_labels: The number of label ids, which count from 0.

    Raises:
        ValueError: The shapes differ, an id is out of range, or `positive_ids` is
            empty.
    """
    # PARITY(run_ner.py:440-442): every position counts, also padding, so that a
    # B or I predicted there lowers precision. Mask before calling to leave it out.
    labels, predicted = np.asarray(label_ids), np.asarray(predicted_ids)
    if labels.shape != predicted.shape:
        raise ValueError(f"labels {labels.shape}, predictions {predicted.shape}")
    for ids in (labels, predicted, np.asarray(positive_ids)):
        if bad := sorted(set(ids[(ids < 0) | (ids >= num_labels)].tolist())):
            raise ValueError(f"label ids {bad} are not in [0, {num_labels})")
    if not positive_ids:
        raise ValueError("positive_ids is empty; nothing to score")
    scores = []
    for positive_id in positive_ids:
        is_gold, is_predicted = labels == positive_id, predicted == positive_id
        num_correct = int(np.sum(is_gold & is_predicted))
        precision = _ratio(num_correct, int(np.sum(is_predicted)))
        recall = _ratio(num_correct, int(np.sum(is_gold)))
        f = _ratio(2 * precision * recall, precision + recall)
        scores.append((precision, recall, f))
    return PieceScores(*np.mean(scores, axis=0).tolist())
