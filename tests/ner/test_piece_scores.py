# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from biobert_tf.ner.scores import piece_scores

NAMES = ("eval_precision", "eval_recall", "eval_f")


def scores_of(labels, predicted):
    return tuple(piece_scores(np.array(labels), np.array(predicted)).values())


def test_scores_by_hand():
    #         B        I        padding
    labels = [[1, 1, 2, 2], [3, 0, 0, 0]]
    predicted = [[1, 3, 2, 2], [1, 2, 2, 0]]
    # B: 1 of 2 predicted, 1 of 2 gold. I: 2 of 4 predicted, 2 of 2 gold.
    assert scores_of(labels, predicted) == pytest.approx(
        (1 / 2, 3 / 4, (1 / 2 + 2 / 3) / 2)
    )
    assert list(piece_scores(np.array(labels), np.array(predicted))) == list(NAMES)


def test_only_b_and_i_count():
    assert scores_of([1, 2, 3, 0, 3], [1, 3, 3, 0, 2]) == pytest.approx((0.5, 0.5, 0.5))


def test_a_ratio_of_nothing_is_zero():
    assert scores_of([0, 0], [0, 0]) == (0, 0, 0)
    assert scores_of([1, 0], [0, 2]) == (0, 0, 0)
    assert scores_of([1], [1]) == (0.5, 0.5, 0.5)


def recorded_runs(golden):
    """Yields label ids, predictions and padding of each run, with its test scores."""
    for path in sorted((golden / "ner").glob("*/*/run.json")):
        run = json.loads(path.read_text("utf-8"))
        if run["status"] != "ok":
            continue
        labels = np.load(path.with_name("features_predict.npz"))["label_ids"]
        with np.load(path.with_name("predictions.npz")) as recorded:
            is_piece = np.arange(labels.shape[1]) < recorded["lengths"][:, None]
            predicted = np.zeros_like(labels)
            predicted[is_piece] = recorded["predict"]
        yield path.parent, labels, predicted, ~is_piece, run["evaluate_calls"][1]


@pytest.mark.golden
def test_recall_of_every_run(golden):
    """Recall is exact: padding has gold id 0, so it is never a gold B or I."""
    runs = list(recorded_runs(golden))
    assert runs
    for folder, labels, predicted, _, recorded in runs:
        recall = piece_scores(labels, predicted)["eval_recall"]
        assert recall == pytest.approx(recorded["eval_recall"], rel=1e-6), folder


def with_padding(predicted, padding, num_b, num_i):
    """Returns `predicted` with so many B and I on padding."""
    filled = predicted.copy()
    filled.flat[padding[:num_b]] = 1
    filled.flat[padding[num_b : num_b + num_i]] = 2
    return filled


def padding_candidates(labels, predicted, num_padding, precision):
    """Yields the numbers of B and I on padding that would give `precision`."""
    correct_b, correct_i = (
        int(((labels == k) & (predicted == k)).sum()) for k in (1, 2)
    )
    num_pieces_b, num_pieces_i = (int((predicted == k).sum()) for k in (1, 2))
    for num_b in range(num_padding + 1):
        precision_b = correct_b / max(num_pieces_b + num_b, 1)
        precision_i = 2 * precision - precision_b
        if correct_i == 0:
            num_i = 0  # any number gives precision 0
        elif precision_i > 0:
            num_i = round(correct_i / precision_i) - num_pieces_i
        else:
            continue
        if 0 <= num_i <= num_padding - num_b:
            value = (precision_b + correct_i / max(num_pieces_i + num_i, 1)) / 2
            if value == pytest.approx(precision, rel=1e-6):
                yield num_b, num_i


@pytest.mark.golden
def test_precision_and_f_of_every_run(golden):
    """What was predicted on padding must explain precision and F together.

    Those predictions were not recorded, and precision depends on how many of them
    are B and I. Precision and F are two equations in these two whole numbers: the
    test looks for numbers that give the recorded precision and, with them on the
    padding, asks for all three scores.
    """
    runs = list(recorded_runs(golden))
    assert runs
    for folder, labels, predicted, is_padding, recorded in runs:
        padding = np.flatnonzero(is_padding)
        expected = pytest.approx(tuple(recorded[name] for name in NAMES), rel=1e-6)
        candidates = padding_candidates(
            labels, predicted, len(padding), recorded["eval_precision"]
        )
        assert any(
            scores_of(labels, with_padding(predicted, padding, num_b, num_i))
            == expected
            for num_b, num_i in candidates
        ), f"{folder}: nothing predicted on padding gives these scores"
