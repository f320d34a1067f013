# SPDX-License-Identifier: Apache-2.0
"""Evaluating while training, keeping the best weights and stopping early."""

import logging
import os
import signal

import engine
import ner_toys
import numpy as np
import pytest
import qa_toys
import re_toys
from tensorboard.backend.event_processing import event_accumulator

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags
from biobert_tf.common.errors import InputError, StoppedError
from biobert_tf.common.settings import SelectionConfig
from biobert_tf.ner.problem import NER
from biobert_tf.ner.settings import NerConfig
from biobert_tf.training import finetune, progress, selection, states
from biobert_tf.training.selection import Selection

EVERY = {"train_on": "train", "num_train_epochs": 10, "eval_every_steps": 2}
BEST = {**EVERY, "keep_best": "f1"}


# --- when to evaluate, what is the best, when to stop ---------------------------------


@pytest.mark.parametrize(
    ("settings", "due"),
    [
        ({"eval_every_steps": 4}, [4, 8, 9]),
        ({"eval_every_steps": 3}, [3, 6, 9]),
        ({"eval_every_steps": 20}, [9]),
        # 13 examples in batches of 4 are 3.25 steps, and 2.8 epochs are 9.1.
        ({"eval_every_epochs": 1}, [3, 6, 9]),
        ({"eval_every_epochs": 2}, [6, 9]),
        ({"keep_best": "f1"}, [3, 6, 9]),
        ({"early_stopping": 1}, [3, 6, 9]),
    ],
)
def test_due_steps(settings, due):
    assert selection.due_steps(SelectionConfig(**settings), 13, 4, 9) == due


def test_epochs_shorter_than_a_step():
    assert selection.due_steps(SelectionConfig(keep_best="f1"), 3, 8, 2) == [1, 2]


def made(folder, due=(2, 4, 6, 8), **settings):
    saved = []
    names = ("f1", "recall")
    one = Selection(SelectionConfig(**settings), names, due, dict, saved.append, folder)
    return one, saved


def test_the_first_of_the_best_is_kept(tmp_path):
    one, saved = made(tmp_path, keep_best="recall")
    for step, value in zip((2, 4, 6, 8), (0.1, 0.3, 0.3, 0.2), strict=True):
        assert one.is_due(step)
        one.add(step, {"f1": 1 - value, "recall": value})
        assert not one.is_due(step)
    assert one.best_step == 4
    assert saved == [2, 4]
    assert one.to_dict()["best"] == {"step": 4, "score": "recall", "value": 0.3}


def test_patience(tmp_path):
    one, _ = made(tmp_path, early_stopping=2)
    is_over = []
    for step, f1 in zip((2, 4, 6, 8), (0.2, 0.1, 0.3, 0.3), strict=True):
        one.add(step, {"f1": f1, "recall": 0.0})
        is_over.append(one.is_over)
    assert is_over == [False] * 4
    one.add(10, {"f1": 0.3, "recall": 1.0})
    assert one.is_over
    assert one.best_step == 6


def test_only_looking_keeps_nothing(tmp_path):
    one, saved = made(tmp_path, eval_every_steps=2)
    one.add(2, {"f1": 0.5, "recall": 0.5})
    one.saved()
    assert (one.best_step, one.is_over, saved) == (None, False, [])
    assert selection.recorded_best(tmp_path) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number(tmp_path, value):
    one, saved = made(tmp_path, keep_best="f1")
    with pytest.raises(ValueError, match=r"^after step 2 recall is (nan|inf)$"):
        one.add(2, {"f1": 0.5, "recall": value})
    assert (saved, one.to_dict()) == ([], {"evaluations": []})


def test_how_many_models_are_there_at_a_time(tmp_path):
    looking, _ = made(tmp_path, eval_every_steps=2)
    one, _ = made(tmp_path, keep_best="f1")
    assert (looking.num_models, one.num_models) == (1, 2)
    # The best one takes its room already.
    one.add(2, {"f1": 0.5, "recall": 0.5})
    assert one.num_models == 1


def test_tensorboard_goes_on_with_the_training_after_an_evaluation(tmp_path):
    """Of a folder it follows the newest file only."""
    folder = tmp_path / "tensorboard"
    one, _ = made(tmp_path, eval_every_steps=2)
    reporter = progress.Progress(8, 4, folder)
    shown, scores = (
        event_accumulator.EventAccumulator(str(place), {"tensors": 0})
        for place in (folder, folder / "eval")
    )
    for step in (2, 4, 6, 8):
        names = ("loss", "learning_rate")
        reporter.report({name: np.ones(2) for name in names}, step - 2, 1.0)
        one.add(step, {"f1": 0.5, "recall": 0.5})
        shown.Reload()
        scores.Reload()
    assert [event.step for event in shown.Tensors("train/loss")] == [*range(8)]
    assert [event.step for event in scores.Tensors("eval/f1")] == [2, 4, 6, 8]
    assert len([*(folder / "eval").iterdir()]) == 1


def test_when_the_next_is(tmp_path):
    one, _ = made(tmp_path, due=[3, 5])
    assert [one.next_due(step) for step in range(6)] == [3, 3, 3, 5, 5, 5]
    assert [step for step in range(6) if one.is_due(step)] == [3, 5]


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "values", "message"),
    [
        ("ner", {"keep_best": "f1", "train_on": "train_dev"}, "give --train_on=train$"),
        ("ner", {**BEST, "keep_best": "F1"}, "one of f1, precision, recall$"),
        ("ner", {**EVERY, "eval_every_epochs": 1}, "contradicts --eval_every_epochs"),
        ("ner", {**BEST, "do_train": False}, "are for a training; leave them out"),
        ("re", {"keep_best": "mrr"}, "recall, accuracy, macro_f1, specificity$"),
        ("qa", {"keep_best": "f1"}, "need --dev_file"),
        ("qa", {"dev_file": "x.json"}, "say when by --eval_every_epochs"),
    ],
)
def test_refusals(toys, script, values, message):
    with pytest.raises(InputError, match=message):
        getattr(cli, script)(toys[script].argv(**values))
    assert not toys[script].output.exists()


@pytest.mark.parametrize(("script", "name"), [("ner", "devel"), ("re", "dev")])
def test_an_empty_development_file(tmp_path, script, name):
    toy = {"ner": ner_toys.Toy, "re": re_toys.Toy}[script](tmp_path)
    files.write_text(toy.data / f"{name}.tsv", "")
    with pytest.raises(
        InputError, match=rf"{name}\.tsv.* (holds no sentence|is empty)"
    ):
        getattr(cli, script)(toy.argv(keep_best="f1", **TRAIN_ON[script]))


TRAIN_ON = {"ner": {"train_on": "train"}, "re": {}}


def test_a_development_file_without_answers(toys):
    given = {"keep_best": "f1", "dev_file": toys["qa"].test}
    with pytest.raises(InputError, match=r"test\.json: has a question without answers"):
        cli.qa(toys["qa"].argv(**given))


# --- whole runs -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    kinds = {"ner": ner_toys.Toy, "re": re_toys.Toy, "qa": qa_toys.Toy}
    return {name: kind(tmp_path_factory.mktemp(name)) for name, kind in kinds.items()}


def run(toy, output, **values):
    """Runs the toy's script into `output`; returns what stands in results.json."""
    main = {"run_ner.py": cli.ner, "run_re.py": cli.re, "run_qa.py": cli.qa}
    main[toy.SCRIPT](toy.argv(output_dir=output, **values))
    return files.read_json(output / "results.json")


@pytest.fixture(scope="module")
def chosen(toys, tmp_path_factory):
    """An uninterrupted training of 20 steps; one before the last is the best."""
    output = tmp_path_factory.mktemp("chosen") / "output"
    return output, run(toys["ner"], output, do_eval=True, **BEST)


def models(output):
    return sorted(path.stem for path in output.glob("model.ckpt-*.index"))


def weights(output):
    return checkpoints.locate(output).read().weights


def assert_same_weights(output, expected):
    ours, theirs = weights(output), weights(expected)
    assert sorted(ours) == sorted(theirs)
    for name, array in theirs.items():
        assert np.array_equal(ours[name], array), name


def test_the_best_is_the_model(toys, chosen, tmp_path):
    """It is that of a training without evaluations that ends there, bit for bit."""
    output, results = chosen
    found = results["train"]["evaluations"]
    assert [one["step"] for one in found] == list(range(2, 21, 2))
    f1 = {one["step"]: one["scores"]["f1"] for one in found}
    best = max(f1, key=f1.get)
    assert min(f1.values()) < f1[best]
    assert 2 < best < 20
    assert results["global_step"] == best
    assert results["train"]["best"] == {"step": best, "score": "f1", "value": f1[best]}
    assert results["devel"]["scores"]["f1"] == f1[best]
    assert models(output) == [f"model.ckpt-{best}"]
    plain = {"train_on": "train", "num_train_epochs": 10, "max_steps": best}
    without = run(toys["ner"], tmp_path / "plain", do_eval=True, **plain)
    assert without["test"] == results["test"]
    assert without["devel"] == results["devel"]
    assert_same_weights(output, tmp_path / "plain")


def test_scores_stand_in_tensorboard(chosen):
    output, results = chosen
    scalars = engine.read_scalars(output / "tensorboard" / "eval")
    for name in ("f1", "precision", "recall"):
        expected = [
            (one["step"], pytest.approx(one["scores"][name], rel=1e-6))
            for one in results["train"]["evaluations"]
        ]
        assert sorted(scalars[f"eval/{name}"]) == expected


def test_predictions_use_the_best(toys, chosen, tmp_path):
    """In its own directory the last state is there too; elsewhere only the best."""
    output, results = chosen
    for place in (output, tmp_path / "other"):
        given = {"init_checkpoint": output, "do_train": False}
        again = run(toys["ner"], place, **given)
        assert again["test"] == results["test"]
    best = results["train"]["best"]["step"]
    assert best < 20
    assert files.read_json(output / "results.json")["global_step"] == best


def test_a_finished_choice_is_left_alone(toys, chosen, caplog):
    output, results = chosen
    best = results["train"]["best"]["step"]
    index = output / f"model.ckpt-{best}.index"
    before = index.stat().st_mtime_ns
    again = run(toys["ner"], output, do_eval=True, **BEST)
    assert [m for m in caplog.messages if "already trained to its last step, 20" in m]
    for stage in ("train", "devel", "test"):
        assert again[stage] == results[stage]
    assert again["global_step"] == best
    assert index.stat().st_mtime_ns == before


class KilledError(Exception):
    """Stands for a signal that ends the process."""


def kill_in(monkeypatch, owner, name, is_then):
    """Ends the next call of a method for whose arguments `is_then`."""
    whole = getattr(owner, name)

    def part(self, *args, **kwargs):
        if is_then(self, *args, **kwargs):
            raise KilledError
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, part)


def evaluated(one):
    return len(one._evaluations)


@pytest.mark.parametrize(
    ("owner", "name", "is_then"),
    [
        # The state of 12 is not written; its weights are, if they are the best.
        (
            states.StateManager,
            "save",
            lambda manager, checkpoint_number: checkpoint_number == 12,
        ),
        # The state is saved, evaluations.json is not, and older weights are there.
        (Selection, "saved", lambda one: evaluated(one) == 6),
        # After another evaluation.
        (Selection, "add", lambda one, step, scores: step == 16),
    ],
)
def test_a_kill_changes_no_choice(
    toys, chosen, tmp_path, monkeypatch, owner, name, is_then
):
    output = tmp_path / "output"
    with monkeypatch.context() as patch:
        kill_in(patch, owner, name, is_then)
        with pytest.raises(KilledError):
            run(toys["ner"], output, **BEST)
    # Whenever it was killed, there is a best model to predict with.
    best = selection.recorded_best(output)
    assert f"model.ckpt-{best}" in models(output)
    results = run(toys["ner"], output, do_eval=True, **BEST)
    assert {k: results[k] for k in ("train", "devel", "test")} == {
        k: chosen[1][k] for k in ("train", "devel", "test")
    }
    assert models(output) == models(chosen[0])
    assert_same_weights(output, chosen[0])


def test_a_signal_during_an_evaluation(toys, chosen, tmp_path, monkeypatch):
    """The state is saved without it, and it is made up for."""
    output = tmp_path / "output"
    calls = []

    def evaluate(*given, whole=finetune.TextRun._development_scores):
        calls.append(given)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(*given)

    with monkeypatch.context() as patch:
        patch.setattr(finetune.TextRun, "_development_scores", evaluate)
        with pytest.raises(StoppedError, match=r"^after step 6 of 20;") as caught:
            run(toys["ner"], output, **BEST)
    assert caught.value.status == 143
    saved = [path.stem for path in output.glob("training/*.index")]
    assert sorted(saved) == ["ckpt-2", "ckpt-4", "ckpt-6"]
    assert run(toys["ner"], output, **BEST)["train"] == chosen[1]["train"]
    assert_same_weights(output, chosen[0])


def test_early_stopping(toys, chosen, tmp_path, caplog):
    output, given = tmp_path / "output", {**EVERY, "early_stopping": 3}
    with caplog.at_level(logging.INFO):
        results = run(toys["ner"], output, **given)
    found = chosen[1]["train"]["evaluations"]
    assert [x for x in caplog.messages if x.startswith("stopped early after step")]
    assert [x for x in caplog.messages if x.startswith("the model is that of step")]
    # Three are not better than the best of those before.
    scores = [one["scores"]["f1"] for one in found]
    ends = (n for n in range(4, 11) if max(scores[n - 3 : n]) <= max(scores[: n - 3]))
    end = next(ends)
    assert end < len(found)
    assert results["train"]["evaluations"] == found[:end]
    assert results["train"]["best"] == chosen[1]["train"]["best"]
    assert results["test"] == chosen[1]["test"]
    caplog.clear()
    again = run(toys["ner"], output, **given)
    assert [message for message in caplog.messages if "already trained" in message]
    assert again["train"] == results["train"]
    assert again["test"] == results["test"]
    assert_same_weights(output, chosen[0])


def test_a_stop_on_the_way_is_no_evaluation(toys, chosen, tmp_path):
    """What `--max_steps` cuts is as if it had not been cut."""
    output = tmp_path / "output"
    first = run(toys["ner"], output, max_steps=1, **BEST)
    assert first["train"]["evaluations"] == []
    assert first["global_step"] == 1
    second = run(toys["ner"], output, max_steps=9, **BEST)
    assert second["train"]["evaluations"] == chosen[1]["train"]["evaluations"][:4]
    third = run(toys["ner"], output, **BEST)
    assert third["train"] == chosen[1]["train"]
    assert_same_weights(output, chosen[0])


def test_other_evaluations_are_another_run(toys, chosen):
    with pytest.raises(InputError, match=r"--early_stopping 0 -> 3\)"):
        run(toys["ner"], chosen[0], early_stopping=3, **BEST)


def test_a_run_of_an_earlier_version_goes_on(toys, tmp_path):
    """Its settings do not know what is new since."""
    output = tmp_path / "output"
    run(toys["ner"], output, max_steps=2)
    recorded = files.read_json(output / "settings.json")
    for name in ("eval_every_steps", "eval_every_epochs", "keep_best"):
        del recorded[name]
    files.write_json(output / "settings.json", recorded)
    assert run(toys["ner"], output)["global_step"] == 5
    settings = flags.parse(NerConfig, toys["ner"].argv(output_dir=output), NER.defaults)
    assert settings.selection == SelectionConfig()


# --- the other tasks ------------------------------------------------------------------


def test_relations(toys, tmp_path):
    given = {"num_train_epochs": 4, "keep_best": "specificity", "do_eval": True}
    results = run(toys["re"], tmp_path / "output", **given)
    # Five sentences in batches of two.
    found = results["train"]["evaluations"]
    assert [one["step"] for one in found] == [2, 5, 7, 10]
    best = results["train"]["best"]
    scores = results["devel"]["scores"]
    assert scores["specificity"] == best["value"]
    [at_best] = [one["scores"] for one in found if one["step"] == best["step"]]
    names = ("f1", "precision", "recall", "accuracy", "macro_f1", "specificity")
    assert at_best == {name: scores[name] for name in names}


def test_spans(toys, tmp_path):
    """The development file is scored as the same file is when it is predicted."""
    toy, output = toys["qa"], tmp_path / "output"
    given = {"dev_file": toy.train, "predict_file": toy.train, "keep_best": "f1"}
    results = run(toy, output, question_type="squad", num_train_epochs=6, **given)
    best = results["train"]["best"]
    found = {one["step"]: one["scores"] for one in results["train"]["evaluations"]}
    assert len(found) == 6
    scores = results["test"]["scores"]
    assert found[best["step"]] == {k: scores[k] for k in ("f1", "exact_match")}
    assert best["value"] == scores["f1"] == max(x["f1"] for x in found.values())


def test_yes_and_no(toys, tmp_path):
    rows = [
        ("q1_001", "is cancer cured ?", "cancer is cured .", True),
        ("q1_002", "is cancer cured ?", "Liver cancer is cured .", True),
        ("q2_001", "is men cured ?", "nephritis in men .", False),
    ]
    file = tmp_path / "yesno.json"
    files.write_json(file, qa_toys.yes_no(rows))
    given = {name: file for name in ("train_file", "predict_file", "dev_file")}
    results = run(
        toys["qa"],
        tmp_path / "output",
        question_type="yesno",
        eval_every_epochs=2,
        early_stopping=9,
        num_train_epochs=4,
        **given,
    )
    found = {one["step"]: one["scores"] for one in results["train"]["evaluations"]}
    assert len(found) == 2
    best = results["train"]["best"]
    assert best["score"] == "yesno_macro_f1"
    scores = results["test"]["scores"]
    assert found[best["step"]] == {name: scores[name] for name in found[best["step"]]}
