# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.qa.bioasq import scores as bioasq

EDITIONS = (2, 3, 5, 8, 9)


def questions(question_type, answers):
    """Returns a file in BioASQ's form from exact answers by question id."""
    return {
        "questions": [
            {"id": name, "type": question_type, "exact_answer": answer}
            for name, answer in answers.items()
        ]
    }


def factoid(gold, submitted, edition=5):
    """Returns strict accuracy, lenient accuracy and MRR of one question."""
    scores = bioasq.evaluate(
        questions("factoid", {"q": gold}), questions("", {"q": submitted}), edition
    )
    return scores.measures()[1:4]


def of_list(gold, submitted, edition=5):
    """Returns precision, recall and F1 of one question."""
    scores = bioasq.evaluate(
        questions("list", {"q": gold}), questions("", {"q": submitted}), edition
    )
    return scores.measures()[4:7]


def yesno(gold, submitted):
    """Returns accuracy, macro F1, F1 of yes and of no."""
    scores = bioasq.evaluate(
        questions("yesno", dict(enumerate_ids(gold))),
        questions("", dict(enumerate_ids(submitted))),
    )
    return (scores.yesno_accuracy, *scores.measures()[7:])


def enumerate_ids(values):
    return ((f"q{i}", value) for i, value in enumerate(values))


@pytest.mark.parametrize(
    "submitted, expected",
    [
        ([["p53"]], (1, 1, 1)),
        ([["TP53"]], (1, 1, 1)),  # case does not count, a synonym will do
        ([["x"], ["p53"], ["tp53"]], (0, 1, 1 / 2)),  # the first right one counts
        ([["x"], ["x"], ["x"], ["x"], ["x"], ["p53"]], (0, 1, 1 / 6)),  # not cut at 5
        ([["p53 "]], (0, 0, 0)),  # spaces do count
        ([["x", "p53"], ["p53"]], (0, 1, 1 / 2)),  # only the first name is read
        ([[], ["p53"]], (1, 1, 1)),  # an answer without a name has no rank
        ([["p53", 0.75]], (1, 1, 1)),  # as in the file with probabilities
        ([], (0, 0, 0)),
        ([[]], (0, 0, 0)),
        ("", (0, 0, 0)),
        (None, (0, 0, 0)),
    ],
)
def test_factoid(submitted, expected):
    gold = [["P53", "tp53"], ["other"]]
    assert factoid(gold, submitted) == pytest.approx(expected)


def test_any_gold_answer_to_a_factoid_question_will_do():
    assert factoid([["a"], ["b", "c"]], [["C"]]) == (1, 1, 1)
    assert factoid([[21]], [["21"]]) == (1, 1, 1)
    assert factoid([], [["a"]]) == (0, 0, 0)


@pytest.mark.parametrize(
    "gold, submitted, expected",
    [
        ([["a"], ["b", "bb"]], [["BB"], ["a"]], (1, 1, 1)),
        ([["a"], ["b"], ["c"], ["d"]], [["a"], ["x"]], (1 / 2, 1 / 4, 1 / 3)),
        ([["a"], ["b"]], [["a"], ["a"], ["a"]], (1 / 3, 1 / 2, 2 / 5)),
        ([["a", "aa"], ["b"]], [["a"], ["aa"]], (1 / 2, 1 / 2, 1 / 2)),
        ([["a"]], [["a "]], (0, 0, 0)),
        ([["a"], ["b"]], [["a", "b"]], (1, 1 / 2, 2 / 3)),
        ([["a"]], [[], ["a"]], (1, 1, 1)),  # nothing is no item
        ([["a"]], [["a"], *([str(i)] for i in range(150))], (1 / 151, 1, 2 / 152)),
        ([["a"]], [], (0, 0, 0)),
        ([], [["a"]], (0, 0, 0)),
        # A gold item that shares a name with another one, found or not.
        ([["a"], ["a"]], [["a"]], (1, 1, 1)),
        ([["a"], ["a"]], [["x"]], (0, 0, 0)),
        ([["a", "b"], ["b"]], [["b"], ["a"]], (1 / 2, 1, 2 / 3)),
        # One item stands for one more gold item, not for two.
        ([["a"], ["a"], ["a"]], [["a"]], (1, 1 / 2, 2 / 3)),
    ],
)
def test_list(gold, submitted, expected):
    assert of_list(gold, submitted) == pytest.approx(expected)


def test_yesno_by_hand():
    gold = ["yes", "yes", "yes", "no", "no"]
    f1_yes, f1_no = 4 / 6, 2 / 4  # 2 and 1 right, 2 wrong
    assert yesno(gold, ["yes", "yes", "no", "yes", "no"]) == pytest.approx(
        (3 / 5, (f1_yes + f1_no) / 2, f1_yes, f1_no)
    )
    assert yesno(["yes"], ["yes"]) == (1, 1 / 2, 1, 0)
    assert yesno(["yes"], ["no"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "text, is_yes, is_no",
    [
        ("Yes", 1, 0),
        ("YES.", 1, 0),
        ("no", 0, 1),
        ("unknown", 0, 1),  # there is a no in it
        ("no, yes", 1, 0),
        ("true", 0, 0),
        ("", 0, 0),
        (None, 0, 0),
        ([["yes"]], 0, 0),
    ],
)
def test_yesno_texts(text, is_yes, is_no):
    assert yesno(["yes"], [text])[0] == is_yes
    assert yesno(["no"], [text])[0] == is_no


def test_neither_yes_nor_no_counts_against_both():
    gold = ["yes", "no", "no"]
    assert yesno(gold, ["yes", "no", "?"]) == pytest.approx(
        (2 / 3, 2 / 3, 2 / 3, 2 / 3)
    )


def test_editions_differ_in_the_synonyms_of_a_submission():
    synonyms = [["x", "a"]]
    for edition in (3, 5, 8, 9):
        expected = float(edition == 3)
        assert factoid([["a"]], synonyms, edition)[0] == expected
        assert of_list([["a"]], synonyms, edition)[0] == expected
    # In the gold they count in every edition.
    assert all(of_list([["a", "b"]], [["b"]], e) == (1, 1, 1) for e in EDITIONS)


def test_edition_2_reads_flat_answers_to_factoid_questions():
    assert factoid([["a"]], [["a"]], 2) == (0, 0, 0)
    assert factoid(["A", "b"], ["a"], 2) == (1, 1, 1)
    assert factoid(["A", "b"], ["B"], 2) == (0, 1, 1)  # strict: the first gold name
    assert factoid(["a", "b"], ["x", "b", "a"], 2) == (0, 1, 1 / 2)
    assert factoid(["a"], [], 2) == (0, 0, 0)
    assert of_list(["a"], ["a"], 2) == (0, 0, 0)


MIXED = {
    "questions": [
        {"id": "f1", "type": "factoid", "exact_answer": [["a"]]},
        {"id": "f2", "type": "factoid", "exact_answer": [["b"]]},
        {"id": "y1", "type": "yesno", "exact_answer": "yes"},
        {"id": "l1", "type": "list", "exact_answer": [["c"], ["d"]]},
        {"id": "s1", "type": "summary", "ideal_answer": "no matter"},
    ]
}
ANSWERS = questions("", {"f1": [["a"]], "y1": "yes", "l1": [["c"]]})


def test_missing_questions_count_as_wrong_and_are_reported():
    scores = bioasq.evaluate(MIXED, ANSWERS)
    assert scores.measures() == pytest.approx(
        (1, 1 / 2, 1 / 2, 1 / 2, 1, 1 / 2, 2 / 3, 1 / 2, 1, 0)
    )
    assert (scores.num_yesno, scores.num_factoid, scores.num_list) == (1, 2, 1)
    assert (scores.missing, scores.left_out) == (("f2",), ())
    assert scores.warnings == (
        "1 question(s) not in the submission, counted as wrong; the first is f2",
    )
    nothing = bioasq.evaluate(MIXED, {"questions": []})
    assert nothing.measures() == (0,) * 10
    assert nothing.missing == ("f1", "f2", "y1", "l1")
    assert (nothing.num_yesno, nothing.num_factoid, nothing.num_list) == (1, 2, 1)


def test_missing_questions_can_be_left_out():
    for edition, skip_missing in ((9, None), (5, True)):
        scores = bioasq.evaluate(MIXED, ANSWERS, edition, skip_missing=skip_missing)
        assert scores.factoid_strict_accuracy == 1
        assert scores.num_factoid == 1
        assert scores.missing == scores.left_out == ("f2",)
        assert scores.warnings == (
            "1 question(s) not in the submission, left out; the first is f2",
        )
    scores = bioasq.evaluate(MIXED, ANSWERS, 9, skip_missing=False)
    assert scores.factoid_strict_accuracy == 1 / 2
    assert bioasq.evaluate(MIXED, ANSWERS, 8).factoid_strict_accuracy == 1 / 2


def test_gold_without_an_answer_is_left_out_from_edition_9():
    gold = questions("list", {"q1": None, "q2": [], "q3": [["a"]], "q4": None})
    submitted = questions("", {name: [["a"]] for name in ("q1", "q2", "q3")})
    scores = bioasq.evaluate(gold, submitted, 9)
    assert (scores.list_f1, scores.num_list) == (1, 1)
    assert (scores.left_out, scores.missing) == (("q1", "q2", "q4"), ("q4",))
    assert scores.warnings == (
        "1 question(s) not in the submission, left out; the first is q4",
        "2 question(s) without an answer in the gold, left out; the first is q1",
    )
    with pytest.raises(
        InputError, match="question q1: the gold exact_answer of a list"
    ):
        bioasq.evaluate(gold, submitted, 8)


def test_unanswered_and_unknown_questions_are_reported():
    submitted = questions(
        "", {"f1": [], "f2": [["b"]], "y1": "perhaps", "l1": [[]], "s1": "", "z": ""}
    )
    scores = bioasq.evaluate(MIXED, submitted)
    assert scores.unanswered == ("f1", "y1", "l1")
    assert (scores.unknown, scores.missing) == (("z",), ())
    assert scores.warnings == (
        "3 question(s) submitted without an answer, counted as wrong; the first is f1",
        "1 question(s) not in the gold, ignored; the first is z",
    )
    flat = questions("", {"f1": ["a"], "f2": [["b"]]})
    assert bioasq.evaluate(MIXED, flat, 2).unanswered == ("f2",)


def test_the_first_of_two_answers_and_the_type_of_the_gold_count():
    submitted = {
        "questions": [{"id": "f1", "type": "list", "exact_answer": [["a"]]}] * 2
    }
    submitted["questions"][1] = {"id": "f1", "exact_answer": [["b"]]}
    gold = questions("factoid", {"f1": [["a"]]})
    assert bioasq.evaluate(gold, submitted).factoid_mrr == 1
    submitted["questions"].reverse()
    assert bioasq.evaluate(gold, submitted).factoid_mrr == 0


def test_only_some_types():
    scores = bioasq.evaluate(MIXED, ANSWERS, types=("factoid", "summary"))
    assert (scores.num_yesno, scores.num_factoid, scores.num_list) == (0, 2, 0)
    assert scores.measures() == (0, 1 / 2, 1 / 2, 1 / 2, 0, 0, 0, 0, 0, 0)
    assert (scores.missing, scores.unknown) == (("f2",), ())


def test_batches_are_pooled_by_question():
    batches = [
        (questions("factoid", gold), questions("", submitted))
        for gold, submitted in (
            ({"q": [["a"]]}, {"q": [["a"]], "z": []}),
            ({"q": [["b"]], "r": [["c"]], "s": [["d"]]}, {"q": [["a"]], "r": [["c"]]}),
        )
    ]
    batches.append((questions("yesno", {"t": "no"}), questions("", {"t": "no"})))
    scores = bioasq.pooled(batches)
    assert scores.factoid_mrr == 2 / 4  # the mean of the batches would be 2 / 3
    assert (scores.num_factoid, scores.num_yesno) == (4, 1)
    assert scores.yesno_f1_no == 1
    assert (scores.missing, scores.unknown) == (("s",), ("z",))
    assert bioasq.pooled(batches, types=["yesno"]).num_factoid == 0
    assert bioasq.pooled(batches, skip_missing=True).factoid_mrr == 2 / 3


def test_everything_by_name():
    scores = bioasq.evaluate(MIXED, ANSWERS)
    values = scores.to_dict()
    assert tuple(values[name] for name in bioasq.MEASURES) == scores.measures()
    assert list(values)[10:] == [
        *("num_yesno", "num_factoid", "num_list"),
        *("missing", "unanswered", "left_out", "unknown"),
    ]
    assert json.loads(json.dumps(values)) == values


def test_report_for_people():
    assert bioasq.report(
        bioasq.evaluate(MIXED, ANSWERS, types=["yesno", "factoid"])
    ) == (
        "yesno   : accuracy 1.0000, macro f1 0.5000, f1 yes 1.0000, f1 no 0.0000; "
        "1 questions\n"
        "factoid : strict accuracy 0.5000, lenient accuracy 0.5000, mrr 0.5000; "
        "2 questions\n"
        "warning: 1 question(s) not in the submission, counted as wrong; "
        "the first is f2\n"
    )
    nothing = bioasq.evaluate({"questions": []}, {"questions": []})
    assert bioasq.report(nothing) == "nothing to score\n"


GOOD = questions("factoid", {"q": [["a"]]})


@pytest.mark.parametrize(
    "golden, submission, problem",
    [
        ({"data": []}, GOOD, "golden.json: not in BioASQ's form: no list of"),
        (GOOD, {"data": []}, "submission.json: not in BioASQ's form: no list of"),
        (GOOD, [GOOD], "submission.json:1: expected a JSON object"),
        (GOOD, {"questions": [{"id": "q"}, {}]}, "form: question 2 has no id"),
        (GOOD, {"questions": [{"id": 5.5}]}, "form: question 1 has no id"),
        ({"questions": ["q"]}, GOOD, "form: question 1 has no id"),
        ({"questions": [{"id": "q"}]}, GOOD, "question q: the type None is unknown"),
        (questions("Factoid", {"q": 1}), GOOD, "the type 'Factoid' is unknown"),
        (questions("factoid", {"q": None}), GOOD, "gold.* of a factoid .* be a list$"),
        (questions("factoid", {"q": "a"}), GOOD, "gold.* of a factoid .* be a list$"),
        (questions("yesno", {"q": [["a"]]}), GOOD, "gold.* of a yesno .* yes or no$"),
        (questions("list", {"q": ["a", "b"]}), GOOD, r"q: .* write each .* \[\"its"),
        (
            GOOD,
            questions("", {"q": [["a"], "b"]}),
            "neither a text nor a list of lists",
        ),
        (GOOD, questions("", {"q": 5}), "neither a text nor a list of lists"),
        (
            GOOD,
            questions("", {"q": [["a", None]]}),
            "q: None in exact_answer is not a text",
        ),
        (GOOD, questions("", {"q": [[True]]}), "q: True in exact_answer is not a text"),
        (
            GOOD,
            questions("", {"q": [[["a"]]]}),
            r"q: \['a'\] in exact_answer is not a text",
        ),
    ],
)
def test_errors_name_file_and_question_in_one_line(
    tmp_path, golden, submission, problem
):
    paths = []
    for name, values in (("golden", golden), ("submission", submission)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(values))
    with pytest.raises(InputError, match=problem) as raised:
        bioasq.evaluate(*paths)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path))


def test_only_editions_with_rules_of_their_own():
    for edition in EDITIONS:
        assert bioasq.evaluate(GOOD, GOOD, edition).num_factoid == 1
    for edition in (0, 1, 4, 7, 10):
        with pytest.raises(InputError, match=f"no rules for edition {edition}; choose"):
            bioasq.evaluate(GOOD, GOOD, edition)


def recorded(golden):
    """Yields a recorded case and its two files."""
    folder = golden / "qa/bioasq/evaluation"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    assert tuple(expected["measure_order"]) == bioasq.MEASURES
    for case in expected["cases"]:
        name = case["case"]
        yield case, folder / f"{name}.golden.json", folder / f"{name}.submission.json"


def close_to(measures):
    return pytest.approx([measures[name] for name in bioasq.MEASURES], abs=1e-12, rel=0)


@pytest.mark.golden
def test_ten_numbers_of_the_official_program(golden):
    num_compared = 0
    for case, gold, submission in recorded(golden):
        if not case["measures"]:
            continue  # It died.
        scores = bioasq.evaluate(gold, submission, case["e"])
        assert scores.measures() == close_to(case["measures"]), case["case"]
        if case["printed"]:
            assert scores.measures() == pytest.approx(
                [float(text) for text in case["printed"].split()], abs=1e-12, rel=0
            )
        num_compared += 1
    assert num_compared


@pytest.mark.golden
def test_where_the_official_program_dies(golden):
    num_compared = 0
    for case, gold, submission in recorded(golden):
        if case["measures"] or "second_jar" not in case:
            continue
        scores = bioasq.evaluate(gold, submission, case["e"])
        assert scores.missing, case["case"]
        # The second program leaves missing questions out: no other difference.
        second = bioasq.evaluate(gold, submission, case["e"], skip_missing=True)
        assert second.measures() == close_to(case["second_jar"]["measures"])
        questions = json.loads(gold.read_text(encoding="utf-8"))["questions"]
        for name in ("yesno", "factoid", "list"):
            missing = [
                question["id"]
                for question in questions
                if question["type"] == name
                and question.get("exact_answer")
                and question["id"] in scores.missing
            ]
            count = f"num_{name}"
            assert getattr(scores, count) - getattr(second, count) == len(missing)
        assert scores.factoid_mrr * scores.num_factoid == pytest.approx(
            second.factoid_mrr * second.num_factoid
        )
        num_compared += 1
    assert num_compared


# Strict, lenient, MRR of the official program with -e 5.
PUBLISHED_RUNS = {
    ("d7f73fc_plain_4b", 1): (0.230769, 0.538462, 0.349145),
    ("d7f73fc_squad_v1_4b", 1): (0.256410, 0.512821, 0.343590),
    ("d7f73fc_squad_v2_4b", 1): (0.358974, 0.538462, 0.431624),
    ("daa98ff_squad_v1_4b", 2): (0.258065, 0.387097, 0.303763),
}


@pytest.mark.data
@pytest.mark.parametrize("run, batch", PUBLISHED_RUNS)
def test_published_runs_have_the_official_scores(data, run, batch):
    submission = data / "parity/bioasq" / run / "BioASQform_BioASQ-answer.json"
    gold = data / f"parity/bioasq_factoid_only_golden/4B{batch}_golden.json"
    scores = bioasq.evaluate(gold, submission)
    assert (
        tuple(round(x, 6) for x in scores.measures()[1:4]) == PUBLISHED_RUNS[run, batch]
    )
    assert (scores.missing, scores.unknown, scores.warnings) == ((), (), ())
    # The gold of all types gives the same, told what to look at.
    whole = data / f"qa/BioASQ/4B{batch}_golden.json"
    assert bioasq.evaluate(whole, submission, types=["factoid"]) == scores


@pytest.mark.data
def test_batches_of_a_year_pooled_from_files(data):
    folder = data / "qa/BioASQ"
    batches = [(folder / f"4B{i}_golden.json",) * 2 for i in range(1, 6)]
    year = bioasq.pooled(batches)
    assert year == bioasq.evaluate(*(folder / "4B_golden.json",) * 2)
    assert (year.num_yesno, year.num_factoid, year.num_list) == (133, 161, 88)
    assert year.factoid_mrr == year.yesno_macro_f1 == 1
