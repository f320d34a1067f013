# SPDX-License-Identifier: Apache-2.0
"""Question answering from end to end, on questions written down in `qa_toys`."""

import json
import logging

import numpy as np
import pytest
import qa_toys as toys

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.qa.bioasq import scores as bioasq
from biobert_tf.reproduce import units
from biobert_tf.training import finetune, records
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.records import FeatureSpec

# Long enough that something is learned.
LEARN = {"num_train_epochs": 30, "predict_batch_size": 2}
SUBMISSION = "BioASQform_BioASQ-answer.json"
WITH_PROBABILITIES = f"WithProb_{SUBMISSION}"
TRAINED = ("train.tf_record", "training", "tensorboard", "checkpoint", "labels.json")
PREDICTED = ("eval.tf_record", "predictions.json", "nbest_predictions.json")
ALWAYS = ("bert_config.json", "vocab.txt", "settings.json", "results.json")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def run(toy, output, **values):
    """Runs `run_qa.py` into `output`; returns what stands in results.json."""
    cli.qa(toy.argv(output_dir=output, **values))
    return files.read_json(output / "results.json")


def predict(toy, model, output, **values):
    """Predicts with a trained model, from nothing but its folder."""
    given = {"init_checkpoint": model, "do_train": None, "train_file": None}
    return run(toy, output, **given, **values)


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """The one training of spans of this file; tests only read it."""
    output = tmp_path_factory.mktemp("trained") / "output"
    run(toy, output, golden_file=toy.golden, **LEARN)
    return output


def answers(path):
    return {q["id"]: q["exact_answer"] for q in files.read_json(path)["questions"]}


# --- parity: the original's run -------------------------------------------------------


@pytest.mark.golden
def test_the_run_of_the_original(golden, tmp_path):
    folder = golden / "qa" / "end_to_end"
    recorded = files.read_json(folder / "run.json")
    model = golden / recorded["checkpoint"]
    found = {
        "vocab_file": golden / recorded["vocab"],
        "bert_config_file": golden / "model" / "bert_config.json",
        "init_checkpoint": model,
        "predict_file": golden / recorded["predict_file"],
        "output_dir": tmp_path,
        "strategy": "cpu",
    }
    cli.qa(["x", *recorded["flags"], *(f"--{k}={v}" for k, v in found.items())])
    ours, theirs = (
        (place / "predictions.json").read_bytes() for place in (tmp_path, folder)
    )
    assert ours == theirs
    nbest = files.read_json(tmp_path / "nbest_predictions.json")
    for name, expected in files.read_json(folder / "nbest_predictions.json").items():
        assert len(nbest[name]) == len(expected)
        by_text = {entry["text"]: entry for entry in nbest[name]}
        for entry in expected:
            mine = by_text[entry["text"]]
            for key in ("probability", "start_logit", "end_logit"):
                assert mine[key] == pytest.approx(entry[key], abs=1e-5)
        # Sums closer than the recording is exact may stand in either order.
        sums = [entry["start_logit"] + entry["end_logit"] for entry in nbest[name]]
        assert sums == sorted(sums, reverse=True)


# --- spans ----------------------------------------------------------------------------


def test_files(trained):
    step = files.read_json(trained / "results.json")["global_step"]
    assert {path.name for path in trained.iterdir()} == {
        *TRAINED,
        *PREDICTED,
        *ALWAYS,
        f"model.ckpt-{step}.index",
        f"model.ckpt-{step}.data-00000-of-00001",
        SUBMISSION,
        WITH_PROBABILITIES,
        "eval_results.txt",
        "question_scores.jsonl",
    }


def test_records_are_those_of_the_original(trained):
    """run_qa.py:1083-1095 of dmis-lab/biobert, without the padding."""
    answer = {"start_positions": 1, "end_positions": 1, "is_impossible": 1}
    for name, more in (("train", answer), ("eval", {})):
        found = records.features_of(trained / f"{name}.tf_record")
        length = found["input_ids"]
        assert length < 16
        pieces = dict.fromkeys(("input_ids", "input_mask", "segment_ids"), length)
        assert found == {"unique_ids": 1, **pieces, **more}


def test_the_toy_is_learned(trained):
    """So that what follows is not a comparison of models that know nothing."""
    results = files.read_json(trained / "results.json")
    assert results["test"]["scores"]["factoid_lenient_accuracy"] == 1.0
    assert files.read_json(trained / "predictions.json")["q1_000"] == "cancer"


def test_results(trained):
    results = files.read_json(trained / "results.json")
    assert results["task"] == "qa"
    assert results["labels"] == ["start", "end"]
    # Nothing of a row is lost: four questions, four windows, each shows its answer.
    assert results["train"] == {
        "examples": 4,
        "records": 4,
        "steps": 60,
        "warmup_steps": 6,
        "texts": results["train"]["texts"],
    }
    assert results["train"]["texts"]["texts_measured"] == 60 * 2
    test = results["test"]
    # The long passage of 20 pieces: [CLS] 4 [SEP] 9 [SEP], 4 further at a time.
    assert (test["examples"], test["records"]) == (4, 3 + 4)
    assert set(test["scores"]) == {
        "factoid_strict_accuracy",
        "factoid_lenient_accuracy",
        "factoid_mrr",
        "num_factoid",
        *("missing", "unanswered", "left_out", "unknown"),
    }
    lines = (trained / "eval_results.txt").read_text().splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        "global_step",
        "test_factoid_lenient_accuracy",
        "test_factoid_mrr",
        "test_factoid_strict_accuracy",
    ]


def test_the_scores_of_single_questions(trained):
    """`units.read` checks that they make the scores in results.json."""
    outcome = units.read(trained)
    assert [json.loads(line) for line in outcome.path.read_text().splitlines()] == [
        {"id": name, "gold": [[x.lower() for x in gold[0]]], "scores": scores}
        for (name, gold), scores in zip(
            toys.GOLDEN.items(), map(scores_of, outcome.items), strict=True
        )
    ]
    assert outcome.names[0] == "factoid_mrr"


def scores_of(item):
    names = ("factoid_strict_accuracy", "factoid_lenient_accuracy", "factoid_mrr")
    return dict(zip(names, item.counts[1:], strict=True))


def test_the_submission_is_what_the_evaluator_reads(toy, trained):
    submission = files.read_json(trained / SUBMISSION)
    scores = bioasq.evaluate(files.read_json(toy.golden), submission)
    assert scores.missing == scores.unanswered == scores.unknown == ()
    assert scores.num_factoid == 2
    assert list(answers(trained / SUBMISSION)) == ["q1", "q2"]
    shown = answers(trained / WITH_PROBABILITIES)
    assert [text for text, _ in shown["q1"]][:5] == [
        text for (text,) in answers(trained / SUBMISSION)["q1"]
    ]


def test_prediction_in_other_batches_from_nothing_but_the_folder(
    toy, trained, tmp_path
):
    results = predict(toy, trained, tmp_path, predict_batch_size=5)
    assert results["global_step"] == 0
    assert "scores" not in results["test"]
    for name in ("predictions.json", SUBMISSION):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_epochs_are_those_of_the_windows(toy, tmp_path, monkeypatch):
    """A training question on a long passage has four windows; one shows the answer.

    What a training is told is looked at, and nothing trained.
    """
    monkeypatch.setattr(Estimator, "train", lambda *arguments, **settings: 1)
    long = toys.training([*toys.TRAIN, ("who has cancer ?", "1 2 3 men " * 5, "men")])
    train = tmp_path / "train.json"
    files.write_json(train, long)
    given = {"train_file": train, "do_predict": None, "predict_file": None}
    seen = {}
    for name, flags in {
        "skip": {},
        "keep": {"windows_without_answer": "keep"},
        "master": {"compat": "master"},
    }.items():
        results = run(toy, tmp_path / name, **given, **flags)
        seen[name] = results["train"]["records"], results["train"]["steps"]
    # Two epochs in batches of two; the original counts the five questions.
    assert seen == {"skip": (5, 5), "keep": (8, 8), "master": (8, 5)}


@pytest.mark.parametrize(
    ("flags", "clipping"),
    [
        ({"compat": "master"}, "gathered"),
        ({"compat": "master", "strategy": "tpu"}, "per_core"),
        ({"compat": "fixed", "strategy": "tpu"}, "whole"),
    ],
)
def test_clipping(toy, tmp_path, monkeypatch, flags, clipping):
    seen = []
    monkeypatch.setattr(finetune.Run, "execute", lambda run: seen.append(run.clipping))
    cli.qa(toy.argv(output_dir=tmp_path, **flags))
    assert seen == [clipping]


def test_the_head_of_a_first_stage_is_kept(toy, trained, tmp_path):
    given = {"init_checkpoint": trained, "learning_rate": 1e-30, "do_predict": None}
    run(toy, tmp_path, predict_file=None, **given)
    ours, theirs = (
        checkpoints.locate(place).read().weights for place in (tmp_path, trained)
    )
    for name in ("cls/squad/output_weights", "cls/squad/output_bias"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-20)
    report = files.read_json(tmp_path / "weights.json")
    assert not any("squad" in name for name in report["missing"])


def test_stop_and_go_on_with_other_ways_to_answer(toy, trained, tmp_path):
    stopped = run(toy, tmp_path, max_steps=7, save_checkpoints_steps=5, **LEARN)
    assert stopped["global_step"] == 7
    again = run(toy, tmp_path, n_best_size=3, max_answer_length=2, **LEARN)
    assert again["global_step"] == 60
    ours, theirs = (
        checkpoints.locate(place).read().weights for place in (tmp_path, trained)
    )
    for name, values in theirs.items():
        assert ours[name].tobytes() == values.tobytes(), name
    nbest = files.read_json(tmp_path / "nbest_predictions.json")
    assert max(map(len, nbest.values())) <= 3


# --- several files --------------------------------------------------------------------


@pytest.fixture(scope="module")
def batches(toy, tmp_path_factory):
    """The two questions in a file each, with their golden answers."""
    folder = tmp_path_factory.mktemp("batches")
    for name in toys.TEST:
        files.write_json(
            folder / f"{name}.json", toys.test_set({name: toys.TEST[name]})
        )
        gold = toys.golden(answers={name: toys.GOLDEN[name]})
        files.write_json(folder / f"{name}_golden.json", gold)
    return folder


def named(folder, *names):
    return ",".join(str(folder / f"{name}.json") for name in names)


def test_several_files_are_scored_alone_and_together(
    toy, trained, batches, tmp_path, capsys
):
    results = predict(
        toy,
        trained,
        tmp_path,
        predict_file=named(batches, "q1", "q2"),
        golden_file=named(batches, "q1_golden", "q2_golden"),
    )
    whole = files.read_json(trained / "results.json")["test"]["scores"]
    assert results["test"] == {"scores": whole}
    alone = [results[f"test_{name}"]["scores"] for name in ("q1", "q2")]
    assert [scores["num_factoid"] for scores in alone] == [1, 1]
    mean = sum(scores["factoid_mrr"] for scores in alone) / 2
    assert whole["factoid_mrr"] == pytest.approx(mean)
    for name in ("q1", "q2"):
        folder = tmp_path / "predictions" / name
        assert list(answers(folder / SUBMISSION)) == [name]
        assert (folder / "predictions.json").exists()
        assert len((folder / "question_scores.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "predictions.json").exists()
    # Together they are what the single file was.
    units.read(tmp_path).require_same_test(units.read(trained))
    printed = capsys.readouterr().out
    order = [printed.index(f"\n{stage}\n") for stage in ("test_q1", "test_q2", "test")]
    assert order == sorted(order)
    assert "test_factoid_mrr = " in printed


def test_one_golden_file_for_all(toy, trained, batches, tmp_path):
    given = {"predict_file": batches / "q?.json", "golden_file": toy.golden}
    results = predict(toy, trained, tmp_path, **given)
    whole = files.read_json(trained / "results.json")["test"]["scores"]
    assert results["test"] == {"scores": whole}
    assert "scores" not in results["test_q1"]
    assert units.read(tmp_path).items == units.read(trained).items


def test_gold_of_other_questions_is_said(toy, trained, tmp_path, caplog):
    golden = tmp_path / "golden.json"
    files.write_json(golden, toys.golden(answers={"other": [["men"]]}))
    predict(toy, trained, tmp_path / "output", golden_file=golden)
    [message] = [each for each in caplog.messages if "--golden_file" in each]
    assert message.endswith(": --golden_file answers none of its 2 questions")


# --- SQuAD ----------------------------------------------------------------------------


def test_squad_is_scored_where_it_has_answers(toy, trained, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    results = predict(
        toy, trained, tmp_path, question_type="squad", predict_file=toy.train
    )
    scores = results["test"]["scores"]
    assert (scores["exact_match"], scores["f1"], scores["total"]) == (1.0, 1.0, 4)
    assert [item.counts for item in units.read(tmp_path).items] == [(1, 1, 1)] * 4
    assert not (tmp_path / SUBMISSION).exists()
    # Without answers there is nothing to score, and what was there is gone.
    results = predict(toy, trained, tmp_path, question_type="factoid")
    assert "scores" not in results["test"]
    assert not (tmp_path / "question_scores.jsonl").exists()
    assert (tmp_path / SUBMISSION).exists()
    assert not (tmp_path / "eval_results.txt").exists()
    predict(toy, trained, tmp_path, question_type="squad")
    assert not (tmp_path / SUBMISSION).exists()
    said = [each for each in caplog.messages if "not scored" in each]
    assert [each.partition(": no labels: ")[2] for each in said] == [
        f"not scored; the predictions are in {tmp_path / name}"
        for name in (SUBMISSION, "predictions.json")
    ]


def test_questions_without_an_answer(toy, tmp_path):
    data = toys.training()
    for paragraph in data["data"][0]["paragraphs"]:
        for question in paragraph["qas"]:
            question["is_impossible"] = False
    impossible = data["data"][0]["paragraphs"][0]["qas"][0]
    impossible |= {"is_impossible": True, "answers": []}
    path = tmp_path / "v2.json"
    files.write_json(path, data)
    output = tmp_path / "output"
    results = run(
        toy,
        output,
        train_file=path,
        predict_file=path,
        question_type="squad",
        version_2_with_negative=True,
        **LEARN,
    )
    odds = files.read_json(output / "null_odds.json")
    assert list(odds) == [f"t_{i:03}" for i in range(4)]
    scores = results["test"]["scores"]
    assert scores["no_answer"] == {"exact_match": 1.0, "f1": 1.0, "total": 1}
    assert scores["has_answer"]["f1"] == 1.0
    assert len(units.read(output).items) == 4
    assert files.read_json(output / "predictions.json")["t_000"] == ""
    specs = {
        "input_ids": FeatureSpec(16, is_short=True),
        "is_impossible": FeatureSpec(1),
    }
    stored = records.rows([output / "train.tf_record"], specs)
    assert sorted(int(row["is_impossible"][0]) for row in stored) == [0, 0, 0, 1]
    # As in the original, the flag alone does the same. BioASQ's file, which is written
    # too, holds no empty answer.
    given = {
        "question_type": "factoid",
        "version_2_with_negative": True,
        "predict_file": path,
        "predict_batch_size": 2,
    }
    alone = predict(toy, output, tmp_path / "alone", **given)
    assert alone["test"]["scores"] == scores
    for name in ("predictions.json", "nbest_predictions.json", "null_odds.json"):
        ours, theirs = (
            (place / name).read_bytes() for place in (tmp_path / "alone", output)
        )
        assert ours == theirs
    assert [""] not in answers(tmp_path / "alone" / SUBMISSION)["t"]
    # Such a model is scored on questions of version 1 too.
    results = predict(toy, output, tmp_path / "v1", predict_file=toy.train)
    assert results["test"]["scores"]["total"] == 4
    assert (tmp_path / "v1" / "null_odds.json").exists()
    # Version 1 of the same leaves no odds behind.
    version_1 = {"version_2_with_negative": False, "predict_file": toy.train}
    predict(toy, output, output, **version_1)
    assert not (output / "null_odds.json").exists()


# --- lists ----------------------------------------------------------------------------


def test_lists(toy, trained, tmp_path):
    questions = {
        "l1": ("which 2 men ?", ["in men cancer is cured by aspirin ."]),
        "l2": ("who has cancer ?", ["in men cancer is cured ."]),
    }
    path, gold = tmp_path / "list.json", tmp_path / "golden.json"
    files.write_json(path, toys.test_set(questions))
    exact = {"l1": [["cancer"], ["men"]], "l2": [["nephritis"]]}
    files.write_json(gold, toys.golden("list", exact))
    given = {"question_type": "list", "predict_file": path, "golden_file": gold}
    results = predict(toy, trained, tmp_path, list_threshold=9, **given)
    found = answers(tmp_path / SUBMISSION)
    # So many as are asked for; else, above a threshold out of reach, the best one.
    assert (len(found["l1"]), len(found["l2"])) == (2, 1)
    assert results["test"]["scores"]["num_list"] == 2
    assert units.read(tmp_path).names == ("list_f1", "list_precision", "list_recall")
    assert len(answers(tmp_path / WITH_PROBABILITIES)["l2"]) > 1
    predict(toy, trained, tmp_path, list_threshold=0, use_number=False, **given)
    assert len(answers(tmp_path / SUBMISSION)["l1"]) > 2


# --- yes or no ------------------------------------------------------------------------

YES = ("is cancer cured ?", "in men cancer is cured .")
NO = ("is cancer cured ?", "cancer is severe in men .")


@pytest.fixture(scope="module")
def decided(toy, tmp_path_factory):
    """A training of yes and no: its folder, the file to predict, the results."""
    folder = tmp_path_factory.mktemp("yesno")
    train, test = folder / "train.json", folder / "test.json"
    rows = [("a_000", *YES, True), ("b_000", *NO, False), ("c_000", *YES, True)]
    files.write_json(train, toys.yes_no(rows))
    questions = [
        ("q1_000", *YES, True),
        ("q1_001", *YES, True),
        ("q2_000", *NO, False),
        ("q2_001", NO[0], NO[1] * 3, False),
    ]
    files.write_json(test, toys.yes_no(questions, labelled=False))
    golden = folder / "golden.json"
    gold = toys.golden("yesno", {"q1": "yes", "q2": "no"})
    files.write_json(golden, gold)
    output = folder / "output"
    given = {"train_file": train, "predict_file": test, "golden_file": golden}
    flags = {"question_type": "yesno", "class_weights": "balanced"}
    results = run(toy, output, **given, **flags, **LEARN | {"num_train_epochs": 100})
    return output, results


def test_yes_and_no(decided):
    output, results = decided
    assert results["labels"] == ["no", "yes"]
    assert answers(output / SUBMISSION) == {"q1": "yes", "q2": "no"}
    scores = results["test"]["scores"]
    assert (scores["yesno_accuracy"], scores["yesno_macro_f1"]) == (1.0, 1.0)
    # All, right, right with yes, right with no.
    found = [item.counts for item in units.read(output).items]
    assert found == [(1, 1, 1, 0), (1, 1, 0, 1)]
    assert files.read_json(output / "predictions.json") == {
        "q1_000": "yes",
        "q1_001": "yes",
        "q2_000": "no",
        "q2_001": "no",
    }
    for passage in files.read_json(output / "nbest_predictions.json").values():
        assert sum(passage.values()) == pytest.approx(1)
    [best, other] = answers(output / WITH_PROBABILITIES)["q1"]
    assert best[0] == "yes"
    assert best[1] > other[1]


def test_the_border_moves_to_where_the_development_file_wants_it(
    toy, decided, tmp_path
):
    output, _ = decided
    rows = [("q1", *YES, "yes"), ("q2", *NO, "no")]
    # In the development file yes and no are exchanged: best is one answer for both.
    exchanged = [("q1", *YES, "no"), ("q2", *NO, "yes")]
    for name, held in (("train", rows), ("dev", exchanged)):
        lines = ("\t".join(row) + "\n" for row in held)
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    given = {
        "question_type": "yesno",
        "train_file": tmp_path / "train.tsv",
        "dev_file": tmp_path / "dev.tsv",
        "predict_file": tmp_path / "train.tsv",
        "tune_threshold": True,
        **LEARN,
        "num_train_epochs": 20,
        "init_checkpoint": output,
    }
    results = run(toy, tmp_path / "output", **given)
    border = results["train"]["border"]
    assert border["num_questions"] == 2
    assert (border["macro_f1_before"], border["macro_f1"]) == (0, pytest.approx(1 / 3))
    found = set(answers(tmp_path / "output" / SUBMISSION).values())
    assert len(found) == 1
    nbest = (tmp_path / "output" / "nbest_predictions.json").read_bytes()
    # The states are those of the training, so a second run finds the same.
    assert run(toy, tmp_path / "output", **given)["train"]["border"] == border
    # The model keeps the border, in its folder and elsewhere.
    given = {"question_type": "yesno", "predict_file": tmp_path / "train.tsv"}
    for folder in ("output", "other"):
        predict(toy, tmp_path / "output", tmp_path / folder, **given)
        assert (tmp_path / folder / "nbest_predictions.json").read_bytes() == nbest


def test_a_table_with_answers_is_scored_against_them(toy, decided, tmp_path):
    output, _ = decided
    rows = [("q1", *YES, "yes"), ("q2", *NO, "no"), ("q3", *NO, "yes")]
    path = tmp_path / "test.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    given = {"question_type": "yesno", "predict_file": path}
    results = predict(toy, output, tmp_path / "output", **given)
    assert results["test"]["scores"]["yesno_accuracy"] == pytest.approx(2 / 3)
    assert units.read(tmp_path / "output").items[2].counts == (1, 0, 0, 0)
    assert json.loads((tmp_path / "output" / SUBMISSION).read_text())
