"""Summaries over seeds, and verdicts by the rule of acceptance."""

import math

import pytest

from biobert_tf.published.manifest import AnchorValue, PaperValue
from biobert_tf.reproduce import outcome
from biobert_tf.reproduce.outcome import Summary


def run(seed, score, fold=None):
    return {
        "seed": seed,
        "fold": fold,
        "scores": {} if score is None else {"f1": score},
    }


def test_a_summary_is_over_seeds():
    found = outcome.summarised([run(1, 80.0), run(2, 84.0), run(3, 82.0)], "f1")
    assert found == Summary(82.0, 2.0, 84.0, 3)
    assert outcome.summarised([run(1, 80.0)], "f1") == Summary(80.0, None, 80.0, 1)
    assert outcome.summarised([run(1, None)], "f1") is None


def test_a_seed_with_a_missing_fold_is_left_out():
    runs = [run(1, 80.0, 1), run(1, 90.0, 2), run(2, 99.0, 1), run(2, None, 2)]
    assert outcome.summarised(runs, "f1") == Summary(85.0, None, 85.0, 1)


@pytest.mark.parametrize(
    ("mean", "verdict"), [(85.1, "agrees"), (85.05, "differs"), (86.35, "differs")]
)
def test_the_rule_of_acceptance(mean, verdict):
    anchor = AnchorValue(85.7, 0.4, 5)
    found = outcome.against("x", "f1", Summary(mean, 0.6, 86.0, 5), anchor, "")
    assert found["verdict"] == verdict
    assert found["tolerance"] == 2 * math.sqrt((0.6**2 + 0.4**2) / 5)
    assert found["difference"] == mean - 85.7


def test_a_rerun_of_one_seed_has_our_spread():
    anchor = AnchorValue(88.3, None, 1)
    found = outcome.against("x", "f1", Summary(87.0, 0.5, 88.0, 5), anchor, "")
    assert found["tolerance"] == 2 * math.sqrt(0.5**2 / 5 + 0.5**2)
    assert found["why"] == "its spread is taken to be ours"


def test_what_cannot_be_compared_is_not():
    ours, one = Summary(87.0, 0.5, 88.0, 5), Summary(87.0, None, 87.0, 1)
    anchor = AnchorValue(88.3, 0.2, 5)
    for found in (
        outcome.against("x", "f1", one, anchor, ""),
        outcome.against("x", "f1", ours, anchor, "other data"),
        outcome.against("x", "f1", ours, AnchorValue(88.3, 0.2, None), ""),
    ):
        assert found["verdict"] == "not compared"
        assert found["why"]


def test_an_unverified_number_of_the_paper_gets_no_difference():
    ours = Summary(87.0, 0.5, 88.0, 5)
    found = outcome.beside_paper("f1", ours, PaperValue(89.0, "unverified"), "")
    assert found["difference"] is None
    found = outcome.beside_paper("f1", ours, PaperValue(89.0, "secondary source"), "")
    assert (found["difference"], found["verdict"]) == (-2.0, "not compared")
