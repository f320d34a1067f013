# SPDX-License-Identifier: Apache-2.0
"""What users of `run_qa.py` get wrong; what all runs share is in `test_bad_input`."""

import functools

import bad_input
import ner_toys
import pytest
import qa_toys as toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files

PREDICT = {"do_train": None, "train_file": None}
ANSWERS = (
    "predictions.json",
    "nbest_predictions.json",
    "BioASQform_BioASQ-answer.json",
)


@pytest.fixture
def toy(tmp_path):
    return toys.Toy(tmp_path)


@pytest.fixture
def run(toy, capsys):
    """Runs `run_qa.py` on the toy, changed by flags; returns its error."""

    def refusal(**flags):
        message = bad_input.refusal(cli.qa, toy, capsys, **flags)
        assert not any((toy.output / name).exists() for name in ANSWERS)
        return message

    return functools.partial(refusal)


# --- flags ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"train_file": None}, "--do_train needs --train_file; see --help"),
        ({"predict_file": None}, "--do_predict needs --predict_file; see --help"),
        (
            {"do_train": None, "do_predict": None},
            "nothing to do: set --do_train or --do_predict to true",
        ),
        ({"doc_stride": 0}, "--doc_stride=0: must be at least 1, and finite"),
        ({"n_best_size": 0}, "--n_best_size=0: must be at least 1, and finite"),
        ({"max_answer_length": 0}, "--max_answer_length=0: must be at least 1"),
        (
            {"max_query_length": 13},
            "--max_seq_length=16 leaves no room for the context",
        ),
        ({"list_threshold": -1}, "--list_threshold=-1.0: must be at least 0"),
        ({"null_score_diff_threshold": "nan"}, "--null_score_diff_threshold=nan: must"),
        ({"class_weights": "balanced"}, "--class_weights is for --question_type=yesno"),
        ({"tune_threshold": True}, "--tune_threshold is for --question_type=yesno"),
        (
            {"tune_threshold": True, "question_type": "yesno"},
            "--tune_threshold needs --dev_file, on which it tunes",
        ),
        (
            {
                "tune_threshold": True,
                "question_type": "yesno",
                "dev_file": "absent.json",
                "do_train": None,
            },
            "--tune_threshold is a part of the training",
        ),
        (
            {"version_2_with_negative": True, "question_type": "yesno"},
            "--version_2_with_negative is for answers that are a part of the passage; ",
        ),
        ({"question_type": "summary"}, "flag --question_type=summary: value should be"),
        (
            {"question_type": "squad", "golden_file": "absent.json"},
            "--golden_file is for BioASQ; SQuAD's answers are read from --predict_file",
        ),
        ({"golden_file": "absent.json"}, "absent.json: no file matches"),
        ({"train_file": "absent.json"}, "absent.json: no file matches"),
        ({"predict_file": "absent*.json"}, "absent*.json: no file matches"),
        ({"max_seq_length": 17}, "--max_seq_length=17 is above the max_position_embed"),
    ],
)
def test_flags(run, flags, message):
    assert run(**flags).startswith(message)


def test_numbers_of_files_that_do_not_fit(toy, run):
    other = toy.data / "other.json"
    files.write_json(other, toys.test_set())
    message = run(
        predict_file=f"{toy.test},{other}",
        golden_file=f"{toy.golden},{toy.test},{other}",
    )
    expected = "--golden_file names 3 files and --predict_file 2; give one for each, or"
    assert message.startswith(expected)


def test_files_of_one_name(toy, run):
    other = toy.data / "other" / "test.json"
    files.write_json(other, toys.test_set())
    message = run(predict_file=f"{toy.test},{other}")
    assert message.startswith("--predict_file: 2 files are called test, and their ")


def test_weights_of_unknown_answers(toy, run):
    files.write_json(toy.train, toys.yes_no([("a", "is it ?", "in men", True)]))
    message = run(question_type="yesno", class_weights="maybe:2")
    assert message.startswith("--class_weights: 'maybe:2' is not LABEL:WEIGHT with a ")


# --- files ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", ":1: not JSON: "),
        (b"3", ":1: expected a JSON object"),
        (b"[]", ": holds no question"),
        (b'{"data": []}', ": holds no question"),
        (b'{"data": [{"paragraphs": [{"qas": []}]}]}', "'context'"),
        (b'{"questions": []}', ": has 'questions' but no 'data', like BioASQ's own "),
        (b'{\n"data": "Sj\xf6gren"}', ":2: byte 0xf6 is not UTF-8"),
    ],
)
def test_malformed_questions(toy, run, name, data, problem):
    path = getattr(toy, name)
    path.write_bytes(data)
    message = run()
    assert message.startswith(str(path))
    assert problem in message
    assert not toy.output.exists()


def test_gold_answers_that_cannot_be_scored(toy, run):
    """Known before anything is computed, not when all is predicted."""
    rows = [(f"a_00{i}", "is it ?", "in men", i == 1) for i in range(2)]
    for path in (toy.train, toy.test):
        files.write_json(path, toys.yes_no(rows))
    message = run(question_type="yesno")
    assert message.startswith(f"{toy.test}: question 'a' is answered yes for one passa")
    assert not toy.output.exists()
    files.write_json(toy.train, toys.training())
    data = toys.training()
    del data["data"][0]["paragraphs"][2]["qas"][0]["answers"][0]["text"]
    files.write_json(toy.test, data)
    message = run(question_type="squad")
    assert message == f"{toy.test}: question 't_002'.answers[0] lacks 'text'"
    assert not toy.output.exists()


def test_a_training_question_with_two_answers(toy, run):
    data = toys.training()
    answers = data["data"][0]["paragraphs"][2]["qas"][0]["answers"]
    answers.append(answers[0])
    files.write_json(toy.train, data)
    message = run()
    assert message.startswith(f"{toy.train}: question 't_002' has 2 answers; ")
    assert message.endswith("; keep one of them")


def test_no_answer_is_where_the_file_says(toy, run):
    data = toys.training()
    for paragraph in data["data"][0]["paragraphs"]:
        paragraph["qas"][0]["answers"][0]["text"] = "aspirin and more"
    files.write_json(toy.train, data)
    message = f"--train_file={toy.train}: no question has an answer that is where the "
    assert run().startswith(message)


def test_a_test_question_twice(toy, run):
    data = toys.test_set()
    data["data"] *= 2
    files.write_json(toy.test, data)
    assert run().startswith(f"{toy.test}: question 'q1_000' occurs twice; ")


def test_yes_no_questions_without_an_answer(toy, run):
    rows = [("a", "is it ?", "in men", True)]
    files.write_json(toy.train, toys.yes_no(rows, labelled=False))
    files.write_json(toy.test, toys.yes_no(rows, labelled=False))
    message = run(question_type="yesno")
    assert message.startswith(f"{toy.train}: question 'a' ")


@pytest.mark.parametrize(
    "values, problem",
    [
        ({"data": []}, "not in BioASQ's form: no list of"),
        ({"questions": [{"type": "factoid"}]}, "question 1 has no id"),
        ({"questions": [{"id": "q1", "type": "riddle"}]}, "the type 'riddle' is unkn"),
    ],
)
def test_malformed_golden_file(toy, run, values, problem):
    """Known before anything is trained, not when all is predicted."""
    files.write_json(toy.golden, values)
    message = run(golden_file=toy.golden)
    assert message.startswith(f"{toy.golden}: ")
    assert problem in message
    assert not toy.output.exists()


def test_golden_answers_of_another_form(toy, run):
    entry = {"id": "q1", "type": "factoid", "exact_answer": "cancer"}
    files.write_json(toy.golden, {"questions": [entry]})
    message = run(golden_file=toy.golden)
    assert message.startswith(f"{toy.golden}: question q1: the gold exact_answer of a ")
    assert not toy.output.exists()


# --- models ---------------------------------------------------------------------------


def test_nothing_to_predict_with(toy, run):
    message = run(**PREDICT)
    assert message.startswith(f"{toy.output} holds no trained model, and there is no ")


def test_a_model_without_the_head(toy, run, tmp_path):
    """Yes and no cannot be predicted with a model of spans, nor the other way round."""
    import re_toys

    model = re_toys.write_model(tmp_path / "model", ("0", "1"))
    message = run(**PREDICT, init_checkpoint=model)
    assert message.startswith(f"{model / 'model.ckpt-7'}: ")
    assert "cls/squad/output_weights" in message


def test_scores_that_are_no_numbers(toy, run, tmp_path):
    import numpy as np

    from biobert_tf.model import heads

    ner_toys.write_vocab(tmp_path / "model" / "vocab.txt", toys.VOCAB)
    model = heads.SpanClassifier(toys.CONFIG, seed=1)
    # Finite, but what is computed with it is not.
    model.output_weights.assign(np.full(model.output_weights.shape, 3e38))
    ner_toys.save_model(model, ("start", "end"), tmp_path / "model")
    message = run(**PREDICT, init_checkpoint=tmp_path / "model")
    assert message.startswith("question 'q1_000': the model's scores are not finite; ")
