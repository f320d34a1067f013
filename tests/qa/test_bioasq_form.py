import json
from pathlib import Path

import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.qa import bioasq_form

ID = "56c073fcef6e394741000020"


def nbest(**probabilities):
    return [{"text": text, "probability": p} for text, p in probabilities.items()]


def answers(document):
    return {entry["id"]: entry["exact_answer"] for entry in document["questions"]}


# --- ids ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "passage_id, question_id",
    [
        (f"{ID}_001", ID),
        (f"{ID}_999", ID),
        (ID, ID),
        ("q_007", "q"),
        ("a_001_002", "a_001"),
        ("a\n_001", "a\n"),
        # None of these is the id of a passage.
        (f"{ID}_01", f"{ID}_01"),
        (f"{ID}_0001", f"{ID}_0001"),
        (f"{ID}-001", f"{ID}-001"),
        (f"{ID}_00a", f"{ID}_00a"),
        ("_001", "_001"),
        ("001", "001"),
        ("q_\u0661\u0661\u0661", "q_\u0661\u0661\u0661"),
        ("", ""),
    ],
)
def test_ids(passage_id, question_id):
    assert bioasq_form.question_id(passage_id) == question_id


def test_the_id_of_a_known_question_is_taken_whole():
    known = {"trial_001", "trial_002"}
    assert bioasq_form.question_id("trial_001", known) == "trial_001"
    assert bioasq_form.question_id("trial_002_001", known) == "trial_002"
    assert bioasq_form.question_id("trial_003", known) == "trial"


def test_passages_are_grouped_in_the_order_of_the_questions():
    stored = {"b_002": 1, "a": 2, "b_001": 3, "a_001": 4}
    assert bioasq_form.by_question(stored) == {"b": [1, 3], "a": [2, 4]}
    assert list(bioasq_form.by_question(stored)) == ["b", "a"]
    assert bioasq_form.by_question(stored, ["b_001"]) == {
        "b": [1],
        "a": [2, 4],
        "b_001": [3],
    }


# --- answers ------------------------------------------------------------------------


def test_equal_answers_are_summed_over_passages():
    pooled = bioasq_form.pool(
        [nbest(alpha=0.25, beta=0.5, Gamma=0.125), nbest(ALPHA=0.5, gamma=0.25)]
    )
    # Written as where it is most probable.
    assert pooled == [("ALPHA", 0.75), ("beta", 0.5), ("gamma", 0.375)]


def test_equal_answers_within_a_passage_are_summed_too():
    assert bioasq_form.pool([nbest(a=0.5, A=0.25, b=0.25)]) == [
        ("a", 0.75),
        ("b", 0.25),
    ]


def test_the_highest_probability_is_summed_first():
    # The sum from the other end is 0.6000000000000001.
    passages = [nbest(a=0.1), nbest(a=0.2), nbest(a=0.3)]
    assert bioasq_form.pool(passages) == [("a", 0.3 + 0.2 + 0.1)]
    assert 0.3 + 0.2 + 0.1 != 0.1 + 0.2 + 0.3


def test_equal_sums_stay_in_the_order_of_the_best_probability_then_the_given():
    passages = [nbest(a=0.25, b=0.5, c=0.25), nbest(d=0.5, A=0.25)]
    assert [text for text, _ in bioasq_form.pool(passages)] == ["b", "d", "a", "c"]


def test_equal_probabilities_stay_in_the_given_order_in_long_lists():
    texts = [f"{i:02}" for i in range(40)]
    pooled = bioasq_form.pool([nbest(**dict.fromkeys(texts, 0.025))])
    assert [text for text, _ in pooled] == texts


def test_empty_and_long_answers_are_dropped():
    pooled = bioasq_form.pool(
        [
            nbest(
                **{"": 0.5, "x" * 101: 0.25, "y" * 100: 0.125, " ": 0.1, "empty": 0.025}
            )
        ]
    )
    assert pooled == [("y" * 100, 0.125), (" ", 0.1), ("empty", 0.025)]


def test_case_is_that_of_unicode():
    pooled = bioasq_form.pool([nbest(**{"TNF-\u0391": 0.5, "tnf-\u03b1": 0.25})])
    assert pooled == [("TNF-\u0391", 0.75)]


def test_files_hold_five_and_twenty_answers():
    passage = {f"a{i:02}": (30 - i) / 1024 for i in range(30)}
    submission, shown = bioasq_form.transform({f"{ID}_001": nbest(**passage)})
    assert answers(submission) == {ID: [["a00"], ["a01"], ["a02"], ["a03"], ["a04"]]}
    assert len(answers(shown)[ID]) == 20
    assert answers(shown)[ID][19] == ["a19", 11 / 1024]


def test_transform_by_hand():
    submission, shown = bioasq_form.transform(
        {"q2_001": nbest(a=0.75), "q1": [], "q2_002": nbest(b=0.5, A=0.5)}
    )
    assert json.dumps(submission) == (
        '{"questions": ['
        '{"type": "factoid", "id": "q2", "ideal_answer": "Dummy", '
        '"exact_answer": [["a"], ["b"]]}, '
        '{"type": "factoid", "id": "q1", "ideal_answer": "Dummy", '
        '"exact_answer": []}]}'
    )
    assert answers(shown) == {"q2": [["a", 1.25], ["b", 0.5]], "q1": []}
    assert answers(bioasq_form.transform({"q_001": nbest(a=1.0)}, ["q_001"])[0]) == {
        "q_001": [["a"]]
    }


# --- forms --------------------------------------------------------------------------


def test_every_type_of_question():
    document = bioasq_form.submission(
        [
            bioasq_form.factoid("f", [(text, 0.5) for text in "abcdef"]),
            bioasq_form.list_question("l", ["b", "a"]),
            bioasq_form.yes_no("y", True),
            bioasq_form.yes_no("n", False),
        ]
    )
    dummy = {"ideal_answer": "Dummy"}
    five = [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert document == {
        "questions": [
            {"type": "factoid", "id": "f", "exact_answer": five} | dummy,
            {"type": "list", "id": "l", "exact_answer": [["b"], ["a"]]} | dummy,
            {"type": "yesno", "id": "y", "exact_answer": "yes"} | dummy,
            {"type": "yesno", "id": "n", "exact_answer": "no"} | dummy,
        ]
    }


def test_items_of_a_list_are_different_short_and_few():
    items = ["b", "", "x" * 101, "B", "x" * 100, "a"]
    entry = bioasq_form.list_question("l", items)
    assert entry["exact_answer"] == [["b"], ["x" * 100], ["a"]]
    assert bioasq_form.list_question("l", [])["exact_answer"] == []
    many = bioasq_form.list_question("l", ["0", *map(str, range(150))])
    assert many["exact_answer"] == [[str(i)] for i in range(100)]


# --- files --------------------------------------------------------------------------


def test_the_command(tmp_path, capsys):
    """Names of files are those of transform_nbset2bioasqform.py."""
    path = tmp_path / "nbest.json"
    path.write_text(json.dumps({f"{ID}_001": nbest(a=0.5, b=0.25)}))

    def form(output):
        words = ["--nbest_path", str(path), "--output_path", str(output)]
        cli.main(["biobert", "bioasq-form", *words])
        return capsys.readouterr().out

    out = tmp_path / "answers.json"
    assert form(out) == f"1 questions: wrote {out} and {out}_WithProb\n"
    assert answers(json.loads(out.read_text())) == {ID: [["a"], ["b"]]}
    form(tmp_path)
    for name, other in zip(bioasq_form.FILES, (out, f"{out}_WithProb"), strict=True):
        assert (tmp_path / name).read_bytes() == Path(other).read_bytes()
    scores: list[object] = ["1", None, float("nan"), float("inf"), -0.5]
    odd = [[{"text": "a", "probability": score}] for score in scores]
    for bad in ({"yes": 1.0}, ["a"], "a", [{"text": "a"}], *odd):
        path.write_text(json.dumps({ID: bad}))
        with pytest.raises(InputError, match=f"nbest.json: the answers to '{ID}' are"):
            form(out)


def test_files_by_hand(tmp_path):
    documents = bioasq_form.transform({f"{ID}_001": nbest(**{"\u03b1": 0.5})})
    bioasq_form.write_both(tmp_path / "new", documents)
    begin = f"""{{
  "questions": [
    {{
      "type": "factoid",
      "id": "{ID}",
      "ideal_answer": "Dummy",
      "exact_answer": [
        [
          "\\u03b1"\
"""
    end = """
        ]
      ]
    }
  ]
}"""
    assert {
        file.name: file.read_text("ascii") for file in (tmp_path / "new").iterdir()
    } == {
        "BioASQform_BioASQ-answer.json": begin + end,
        "WithProb_BioASQform_BioASQ-answer.json": begin + ",\n          0.5" + end,
    }


# --- against the original -----------------------------------------------------------


def assert_same(ours, originals):
    """JSON values are equal, probabilities to 1e-12."""
    assert type(ours) is type(originals)
    if isinstance(ours, float):
        assert ours == pytest.approx(originals, rel=1e-12, abs=0)
    elif isinstance(ours, dict):
        assert list(ours) == list(originals)
        assert_same(list(ours.values()), list(originals.values()))
    elif isinstance(ours, list):
        assert len(ours) == len(originals)
        for our, original in zip(ours, originals, strict=True):
            assert_same(our, original)
    else:
        assert ours == originals


def transform_file(nbest_file: Path, folder: Path):
    nbest = json.loads(nbest_file.read_text("utf-8"))
    bioasq_form.write_both(folder, bioasq_form.transform(nbest))


def assert_files_are_the_originals(nbest_file: Path, originals: Path, folder: Path):
    folder.mkdir(exist_ok=True)
    words = [f"--nbest_path={nbest_file}", f"--output_path={folder}"]
    cli.main(["biobert", "bioasq-form", *words])
    for name in (bioasq_form.SUBMISSION, bioasq_form.WITH_PROBABILITIES):
        ours = json.loads((folder / name).read_text("ascii"))
        assert_same(ours, json.loads((originals / name).read_text("utf-8")))


@pytest.mark.golden
def test_recorded_transformations(golden, tmp_path):
    folder = golden / "qa/bioasq/transform"
    runs = json.loads((folder / "runs.json").read_text())
    assert any(run["returncode"] == 0 for run in runs.values())
    for name, run in runs.items():
        nbest_file = golden / run["nbest"]
        if run["returncode"] == 0:
            assert_files_are_the_originals(nbest_file, folder / name, tmp_path / name)
            continue
        # The original refuses the ids. Here each is a question's or a passage's.
        transform_file(nbest_file, tmp_path / name)
        written = (tmp_path / name / bioasq_form.SUBMISSION).read_text()
        for passage_id in json.loads(nbest_file.read_text()):
            assert bioasq_form.question_id(passage_id) in answers(json.loads(written))


@pytest.mark.data
def test_published_transformations(data, tmp_path):
    nbest_files = sorted((data / "parity/bioasq").glob("*/nbest_predictions.json"))
    assert nbest_files
    for nbest_file in nbest_files:
        folder = nbest_file.parent
        assert_files_are_the_originals(nbest_file, folder, tmp_path / folder.name)
