# SPDX-License-Identifier: Apache-2.0
import pytest

from biobert_tf.common import single_label
from biobert_tf.relations import scores as relations

LABELS = ("up", "down", "part", "none")


def score(gold, predicted, labels=LABELS, negative="none"):
    return single_label.score(
        gold, predicted, labels, negative, seed=0, num_resamples=20
    )


def test_report_of_binary_has_four_lines():
    gold = ["1"] * 3 + ["0"] * 4
    predicted = list("1011000")
    assert relations.report(score(gold, predicted, ("0", "1"), "0")) == (
        "f1 score    : 66.67%\n"
        "recall      : 66.67%\n"
        "precision   : 66.67%\n"
        "specificity : 75.00%\n"
    )


def test_report_of_many_labels_has_three_lines():
    gold = ["up", "up", "up", "down", "none"]
    predicted = ["up", "up", "none", "up", "none"]
    assert relations.report(score(gold, predicted)) == (
        "f1 score    : 57.14%\nrecall      : 50.00%\nprecision   : 66.67%\n"
    )


def test_report_of_nothing_found():
    assert relations.report(score(["up", "none"], ["none", "none"])) == (
        "f1 score    : 0.00%\nrecall      : 0.00%\nprecision   : 0.00%\n"
    )


@pytest.mark.parametrize(
    "num_gold, num_predicted, num_correct, printed",
    # Of counts, both F1 are 3.125 % and 1.875 %, printed as 3.12 % and 1.88 %.
    [(5, 123, 2, "3.13%"), (7, 313, 3, "1.87%")],
)
def test_report_rounds_as_the_original(num_gold, num_predicted, num_correct, printed):
    """Half of the last digit goes where the original's arithmetic puts it."""
    parts = [
        ("1", "1", num_correct),
        ("1", "0", num_gold - num_correct),
        ("0", "1", num_predicted - num_correct),
    ]
    gold, predicted = zip(
        *((g, p) for g, p, repeats in parts for _ in range(repeats)), strict=True
    )
    text = relations.report(score(gold, predicted, ("0", "1"), "0"))
    assert text.splitlines()[0] == f"f1 score    : {printed}"
