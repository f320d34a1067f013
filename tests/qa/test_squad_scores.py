# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.qa import squad_scores
from biobert_tf.qa.squad_scores import SquadPart, Threshold


def dataset(gold, version_2=False):
    """Returns data in SQuAD's form from gold answers by question id."""
    questions = []
    for name, answers in gold.items():
        question = {"id": name, "answers": [{"text": text} for text in answers]}
        if version_2:
            question["is_impossible"] = not answers
        questions.append(question)
    return {"data": [{"paragraphs": [{"qas": questions}]}]}


def one(gold, prediction, version_2=False):
    scores = squad_scores.evaluate(dataset({"q": gold}, version_2), {"q": prediction})
    return scores.exact_match, scores.f1


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The  Beta-blocker,\n(oral)", "betablocker oral"),
        ("a.m. and p.m.", "am and pm"),  # punctuation goes before articles
        ("An apple a day, the cure", "apple day cure"),
        ("theatre anaemia", "theatre anaemia"),
        ("Évian-ß", "évianß"),
        ("“the”", "“ ”"),  # only ASCII punctuation goes
        ("\u00a05 %\u202f", "5"),
        ("The", ""),
    ],
)
def test_what_is_compared(text, expected):
    assert squad_scores.normalized(text) == expected


@pytest.mark.parametrize(
    "gold, prediction, expected",
    [
        (["IL-2"], "the il2", (1, 1)),
        (["heat shock", "heat shock protein"], "shock protein", (0, 4 / 5)),
        (["b b c"], "b c c c", (0, 4 / 7)),  # a word counts as often as both have it
        (["x"], "y", (0, 0)),
        (["x"], "", (0, 0)),
        (["x", "y z"], "z y", (0, 1)),  # the order of words is for exact match
        (["the"], "a", (1, 0)),
    ],
)
def test_best_gold_answer_counts(gold, prediction, expected):
    assert one(gold, prediction) == pytest.approx(expected)


def test_scores_are_means_over_questions():
    gold = {"q1": ["x y"], "q2": ["z"], "q3": ["w"]}
    scores = squad_scores.evaluate(dataset(gold), {"q1": "x", "q2": "Z.", "q3": "v"})
    assert scores.exact_match == pytest.approx(1 / 3)
    assert scores.f1 == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert (scores.total, scores.missing, scores.warnings) == (3, (), ())
    assert (scores.has_answer, scores.no_answer) == (None, None)
    assert scores.to_dict() == {
        "exact_match": scores.exact_match,
        "f1": scores.f1,
        "total": 3,
        "missing": [],
    }


def test_missing_question_counts_zero_and_is_reported():
    gold = {"q1": ["x"], "q2": ["y"], "q3": ["z"]}
    scores = squad_scores.evaluate(dataset(gold), {"q1": "x", "other": "y"})
    assert scores.exact_match == scores.f1 == pytest.approx(1 / 3)
    assert scores.missing == ("q2", "q3")
    (warning,) = scores.warnings
    assert warning == (
        "2 of 3 questions have no prediction and count 0; the first is q2"
    )
    assert f"warning: {warning}\n" in squad_scores.report(scores)
    # Of a question without an answer, too: nothing said is not "no answer" said.
    scores = squad_scores.evaluate(
        dataset({"q1": [], "q2": ["y"]}, True), {}, {"q1": 9, "q2": 9}
    )
    assert scores.exact_match == scores.f1 == 0
    assert scores.best_f1 == Threshold(0, 0)
    scores = squad_scores.evaluate(dataset({"q": []}, True), {})
    assert (scores.exact_match, scores.f1) == (0, 0)
    (warning,) = scores.warnings
    assert warning.endswith("; the official program for version 2.0 stops there")


def test_ids_that_are_numbers():
    gold = dataset({262: ["x"], "q": ["y"]})
    scores = squad_scores.evaluate(gold, {"262": "x", "q": "z"})
    assert (scores.exact_match, scores.missing) == (0.5, ())


V2 = {"q1": ["x y"], "q2": ["z"], "q3": [], "q4": []}
V2_PREDICTED = {"q1": "x", "q2": "", "q3": "", "q4": "w"}


def test_version_2_by_hand():
    scores = squad_scores.evaluate(dataset(V2, True), V2_PREDICTED)
    assert scores.exact_match == 1 / 4
    assert scores.f1 == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)
    assert scores.has_answer == SquadPart(0, pytest.approx(1 / 3), 2)
    assert scores.no_answer == SquadPart(1 / 2, 1 / 2, 2)
    assert scores.best_f1 is scores.best_exact_match is None
    assert scores.to_dict()["no_answer"] == {"exact_match": 0.5, "f1": 0.5, "total": 2}


def test_questions_above_the_threshold_count_as_left_unanswered():
    odds = {"q1": 0.3, "q2": 0.1, "q3": 0.9, "q4": 0.5}
    low, equal, high = (
        squad_scores.evaluate(dataset(V2, True), V2_PREDICTED, odds, threshold)
        for threshold in (0.2, 0.3, 0.6)
    )
    assert low.f1 == 2 / 4  # q1, q3 and q4 left blank
    assert equal.f1 == pytest.approx((2 / 3 + 0 + 1 + 1) / 4)  # q1 is not above
    assert high.f1 == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)
    # The parts follow the threshold, the best one does not.
    assert (low.no_answer.f1, high.no_answer.f1) == (1, 0.5)
    assert (low.has_answer.f1, high.has_answer.f1) == (0, pytest.approx(1 / 3))
    assert low.best_f1 == high.best_f1 == Threshold(pytest.approx(2 / 3), 0.3)
    assert low.best_exact_match == Threshold(0.5, 0)
    assert low.to_dict()["best_f1"]["threshold"] == 0.3
    assert "best F1    : 66.6667% at threshold 0.3\n" in squad_scores.report(low)
    # 1 by default, as in the official program.
    for value, expected in ((1.0, 0.5), (1.5, 1)):
        odds["q4"] = value
        scores = squad_scores.evaluate(dataset(V2, True), V2_PREDICTED, odds)
        assert scores.no_answer.f1 == expected


@pytest.mark.parametrize(
    "prediction, expected",
    [
        ("", Threshold(1, 0.5)),
        ("w", Threshold(1 / 2, 0)),
        ("the", Threshold(1 / 2, 0)),  # said, though nothing is left of it
    ],
)
def test_what_is_said_where_there_is_no_answer_costs_a_point(prediction, expected):
    gold = dataset({"q1": [], "q2": ["x"]}, True)
    predicted = {"q1": prediction, "q2": "x"}
    scores = squad_scores.evaluate(gold, predicted, {"q1": 0.1, "q2": 0.5})
    assert scores.best_f1 == scores.best_exact_match == expected


def test_best_threshold_is_found_between_equal_odds_as_officially():
    gold = dataset({"q1": [], "q2": ["x"]}, True)
    predicted = {"q1": "w", "q2": "x"}
    first, last = ({"q2": 2.0, "q1": 2.0}, {"q1": 2.0, "q2": 2.0})
    assert squad_scores.evaluate(gold, predicted, first).best_f1 == Threshold(1, 2)
    assert squad_scores.evaluate(gold, predicted, last).best_f1 == Threshold(1 / 2, 0)


def test_an_answer_of_nothing_but_articles():
    assert one(["the"], "", version_2=True) == (1, 1)
    assert one(["the", "x"], "", version_2=True) == (0, 0)
    assert one([], "the", version_2=True) == (1, 1)
    scores = squad_scores.evaluate(dataset({"q": []}, True), {"q": "the"}, {"q": 0})
    assert (scores.f1, scores.best_f1) == (1, Threshold(1, 0))
    scores = squad_scores.evaluate(dataset({"q": ["the"]}, True), {"q": ""})
    assert (scores.has_answer, scores.no_answer) == (SquadPart(1, 1, 1), None)


def test_version_is_seen_from_the_questions():
    assert squad_scores.evaluate(dataset({"q": ["x"]}), {"q": "x"}).has_answer is None
    assert squad_scores.evaluate(dataset({"q": ["x"]}, True), {"q": "x"}).has_answer
    assert squad_scores.evaluate(dataset({"q": []}), {"q": ""}).no_answer.f1 == 1


def test_report_for_people():
    assert squad_scores.report(
        squad_scores.evaluate(dataset(V2, True), V2_PREDICTED)
    ) == (
        "all        : exact match 25.0000%, F1 41.6667%, 4 questions\n"
        "has answer : exact match  0.0000%, F1 33.3333%, 2 questions\n"
        "no answer  : exact match 50.0000%, F1 50.0000%, 2 questions\n"
    )


GOOD = dataset({"q": ["x"]})


@pytest.mark.parametrize(
    "data, predictions, odds, problem",
    [
        ({"questions": []}, {}, None, "data.json: lacks 'data'"),
        ({"data": {}}, {}, None, "data.json: has 'data' {}, want a list"),
        ({"data": [1]}, {}, None, r"data.json: data\[0\] is 1, want an object"),
        ({"data": [{}]}, {}, None, r"data.json: data\[0\] lacks 'paragraphs'"),
        ({"data": [{"paragraphs": [{}]}]}, {}, None, r"paragraphs\[0\] lacks 'qas'"),
        ({"data": []}, {}, None, "data.json: holds no question"),
        (
            {"data": [{"paragraphs": [{"qas": [{"id": "q"}]}]}]},
            {},
            None,
            "data.json: question 'q' lacks 'answers'",
        ),
        (
            {"data": [{"paragraphs": [{"qas": [{"id": 5.5, "answers": []}]}]}]},
            {},
            None,
            r"qas\[0\] has 'id' 5.5, want a string",
        ),
        (
            {"data": [{"paragraphs": [{"qas": [{"id": "q", "answers": [{}]}]}]}]},
            {},
            None,
            r"question 'q'.answers\[0\] lacks 'text'",
        ),
        (GOOD, {"q": [{"text": "x"}]}, None, "predictions.json: .* q is not a text"),
        (GOOD, ["x"], None, "predictions.json:1: expected a JSON object"),
        (GOOD, {"q": "x"}, {"q": 0.5}, "every question has an answer"),
        (dataset({"q": []}), {"q": ""}, {}, "odds.json: no finite null odds for .* q"),
        (dataset({"q": []}), {"q": ""}, {"q": "1"}, "no finite null odds"),
        (dataset({"q": []}), {"q": ""}, {"q": True}, "no finite null odds"),
        (dataset({"q": []}), {"q": ""}, {"q": float("nan")}, "no finite null odds"),
    ],
)
def test_errors_name_file_and_place_in_one_line(
    tmp_path, data, predictions, odds, problem
):
    paths = {}
    for name, values in (("data", data), ("predictions", predictions), ("odds", odds)):
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(values))
    with pytest.raises(InputError, match=problem) as raised:
        squad_scores.evaluate(
            paths["data"],
            paths["predictions"],
            None if odds is None else paths["odds"],
        )
    assert "\n" not in str(raised.value)


def test_files_are_scored_as_their_contents(tmp_path):
    odds = {"q1": 0.3, "q2": 0.1, "q3": 0.9, "q4": 0.5, "other": "ignored"}
    contents = (dataset(V2, True), V2_PREDICTED, odds)
    paths = [tmp_path / name for name in ("data", "predictions", "odds")]
    for path, values in zip(paths, contents, strict=True):
        path.write_text(json.dumps(values))
    assert squad_scores.evaluate(*paths, 0.3) == squad_scores.evaluate(*contents, 0.3)
    assert squad_scores.evaluate(*paths[:2]) == squad_scores.evaluate(*contents[:2])


@pytest.mark.data
def test_real_predictions_have_the_official_scores(data):
    scores = squad_scores.evaluate(
        data / "qa/squad/dev-v1.1.json", data / "parity/squad/predictions.json"
    )
    # The official script prints these for the same two files.
    assert (round(100 * scores.exact_match, 4), round(100 * scores.f1, 4)) == (
        47.3132,
        59.5154,
    )
    assert (scores.total, scores.missing, scores.no_answer) == (10570, (), None)
