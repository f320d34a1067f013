# SPDX-License-Identifier: Apache-2.0
"""Folds: a command that only pretends to train, its deaths, and a real training.

TensorFlow is imported by the tests that train: this file is also imported by the
processes of pretended folds.
"""

import concurrent.futures
import dataclasses
import logging
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags, processes, program
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError, TrainingDivergedError
from biobert_tf.common.version import __version__
from biobert_tf.model.config import EncoderConfig
from biobert_tf.relations.folds import RUNNER
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.training.fold_numbers import Folds

ROOT = Path(__file__).parents[2]
TRAIN = "@GENE$ causes @DISEASE$ .\t1\n@GENE$ spares @DISEASE$ .\t0\n"
TEST = "index\tsentence\tlabel\n7\t@GENE$ and @DISEASE$ .\t1\n"


def write_fold(folder, train=TRAIN, test=TEST):
    files.write_text(folder / "train.tsv", train)
    files.write_text(folder / "test.tsv", test)


# --- which folds ----------------------------------------------------------------------


@pytest.fixture
def ten(tmp_path):
    for number in range(1, 11):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "1a").mkdir()
    (tmp_path / "11").write_text("a file")
    return tmp_path


@pytest.mark.parametrize(
    ("folds", "names"),
    [
        ("1-10", ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]),
        ("3", ["3"]),
        ("1,3,5-7", ["1", "3", "5", "6", "7"]),
        ("7,2", ["7", "2"]),
        ("2-4,1-3", ["2", "3", "4", "1"]),
        ("5-5,5", ["5"]),
        (" 1, 2 ", ["1", "2"]),
        ("", ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]),
    ],
)
def test_fold_names(ten, folds, names):
    assert RUNNER.names(ten, Folds.parse(folds)) == names


@pytest.mark.parametrize(
    "folds",
    ["x", "1-", "-3", "1,,2", ",", "1.5", "3-1", "1..3", "1-2-3", "²", "1-1000000000"],
)
def test_nonsense_is_named(folds):
    with pytest.raises(InputError) as caught:
        Folds.parse(folds)
    assert str(caught.value).startswith(f"--folds={folds}: '")
    assert str(caught.value).endswith(
        "is neither a fold nor a range of folds; write them as 1-10 or 1,3,5-7"
    )


def test_missing_folds_are_named(ten):
    (ten / "4").rmdir()
    with pytest.raises(InputError) as caught:
        RUNNER.names(ten, Folds.parse("3-5,9-12,0"))
    assert str(caught.value) == (
        f"--folds=3-5,9-12,0: {ten} has no folder 4, 11, 12, 0; it has "
        "1, 2, 3, 5, 6, 7, 8, 9, 10"
    )


def test_many_missing_folds_are_one_short_line(ten):
    with pytest.raises(InputError, match=r"no folder 11, 12, .*, 20, \.\.\.; it has 1"):
        RUNNER.names(ten, Folds.parse("1-9999"))


@pytest.mark.parametrize("data_dir", [".", "absent"])
def test_folds_of_a_folder_without_any(tmp_path, data_dir):
    with pytest.raises(InputError, match="no folder 1, 2; it has no folder with a"):
        RUNNER.names(tmp_path / data_dir, Folds.parse("1-2"))


def test_names_may_begin_with_zeros(tmp_path):
    for name in ("00", "01", "02", "10"):
        (tmp_path / name).mkdir()
    assert RUNNER.names(tmp_path, Folds.parse("")) == ["00", "01", "02", "10"]
    assert RUNNER.names(tmp_path, Folds.parse("1-2,0")) == ["01", "02", "00"]


@pytest.mark.parametrize("name", ["train.tsv", "dev.jsonl", "test.txt"])
def test_a_single_set_has_no_folds_unless_asked_for(ten, name):
    (ten / name).write_text("")
    assert RUNNER.names(ten, Folds.parse("")) == []
    assert RUNNER.names(ten, Folds.parse("1")) == ["1"]


@pytest.mark.parametrize("data_dir", [".", "absent"])
def test_a_folder_of_nothing_has_no_folds(tmp_path, data_dir):
    assert RUNNER.names(tmp_path / data_dir, Folds.parse("")) == []


@pytest.mark.data
def test_folds_of_gad(data):
    folder = data / "re" / "GAD"
    held = [path.name for path in folder.iterdir() if path.is_dir()]
    assert RUNNER.names(folder, Folds.parse("")) == sorted(held, key=int)


# --- pretended runs -------------------------------------------------------------------

# Of the folds 1, 2 and 3: means and deviations that can be seen.
SCORES = {
    "f1": [0.5, 0.75, 1.0],
    "recall": [0.25, 0.25, 0.25],
    "precision": [0.125, 0.25, 0.375],
    "specificity": [0.0, 0.5, 0.25],
    "accuracy": [0.5, 0.75, 0.25],
}


def pretend(argv):
    """Leaves behind what a run of a fold does; `do.txt` beside the data says how."""
    settings = flags.parse(RelationConfig, argv)
    stages = settings.stages
    output = stages.output_dir
    with (output.parent / "log.txt").open("a") as log:
        print(output.name, file=log)
    flat = config.to_dict(settings)
    files.write_json(output / "settings.json", flat)
    order = stages.data_dir / "do.txt"
    if order.exists() and order.read_text() == "fail at once":
        raise InputError("no good")
    files.write_text(output / "training" / "checkpoint", "")
    if order.exists() and order.read_text() == "diverge":
        raise TrainingDivergedError("the loss is nan at step 3")
    is_labelled = not order.exists() or order.read_text() != "no scores"
    number = int(output.name) - 1
    values = {name: value[number] for name, value in SCORES.items()}
    more = {"num_examples": 1, "by_label": {"1": {"f1": 0.5}}}
    scores = {"scores": {**values, **more}} if is_labelled else {}
    results = {"task": "re", "seconds": {"total": 10.0 + number}, "settings": flat}
    if stages.do_train:
        results["train"] = {}
    if stages.do_eval:
        results["devel"] = {"scores": {"f1": values["f1"] / 2}}
    if stages.do_predict:
        results["test"] = {"examples": 1, **scores}
    files.write_json(output / "results.json", results)


class Toy:
    """Three folds on disk, run in this process."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.output = folder / "output"
        for name in "123":
            write_fold(self.data / name)

    def settings(self, **values):
        given = {
            "data_dir": self.data,
            "output_dir": self.output,
            "task_name": "gad",
            "seed": 7,
            **values,
        }
        words = [f"--{name}={value}" for name, value in given.items()]
        return flags.parse(RelationConfig, ["run_re.py", *words])

    def run(self, names="123", **values):
        """Runs the folds; returns the names of those that were not skipped."""
        self.output.mkdir(exist_ok=True)
        (self.output / "log.txt").write_text("")
        RUNNER.run(self.settings(**values), names, pretend)
        return self.ran

    @property
    def ran(self):
        return (self.output / "log.txt").read_text().split()

    def refused(self, **values):
        """What a run is refused with, before it has run anything."""
        with pytest.raises(InputError) as caught:
            self.run(**values)
        assert "\n" not in str(caught.value)
        assert not self.ran
        return str(caught.value)

    def text(self, name="results.json"):
        return (self.output / name).read_text("utf-8")

    @property
    def results(self):
        return files.read_json(self.output / "results.json")


def call_here(function, *arguments):
    """As `processes.call`, but in this process, for speed."""
    return function(*arguments)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "call", call_here)
    return Toy(tmp_path)


def test_every_fold_is_run_as_it_would_be_alone(toy, monkeypatch):
    seen = []

    def call(run, command, argv):
        seen.append(argv)
        return run(command, argv)

    monkeypatch.setattr(processes, "call", call)
    settings = toy.settings(folds="1-3", learning_rate=3e-5, do_eval=False)
    assert toy.run("312", learning_rate=3e-5, folds="1-3") == ["3", "1", "2"]
    for argv, name in zip(seen, "312", strict=True):
        verbosity, words = flags.verbosity(argv)
        assert verbosity == "info"
        of_fold = config.to_dict(flags.parse(RelationConfig, words))
        assert of_fold == config.to_dict(settings) | {
            "data_dir": str(toy.data / name),
            "output_dir": str(toy.output / name),
            "folds": "",
        }


def test_the_mean_is_written(toy, capsys):
    toy.run()
    assert toy.text("eval_results.txt") == (
        "test_accuracy = 0.5\n"
        "test_accuracy_std = 0.25\n"
        "test_f1 = 0.75\n"
        "test_f1_std = 0.25\n"
        "test_precision = 0.25\n"
        "test_precision_std = 0.125\n"
        "test_recall = 0.25\n"
        "test_recall_std = 0.0\n"
        "test_specificity = 0.25\n"
        "test_specificity_std = 0.25\n"
    )
    shown = (
        "\ntest, 3 folds\n"
        "fold       f1 score       recall    precision  specificity\n"
        "1            50.00%       25.00%       12.50%        0.00%\n"
        "2            75.00%       25.00%       25.00%       50.00%\n"
        "3           100.00%       25.00%       37.50%       25.00%\n"
        "mean         75.00%       25.00%       25.00%       25.00%\n"
        "std          25.00%        0.00%       12.50%       25.00%\n"
    )
    assert capsys.readouterr().out == shown
    first = {name: values[0] for name, values in SCORES.items()}
    results = toy.results
    assert list(results["folds"]) == ["1", "2", "3"]
    assert results["folds"]["1"] == {"test": first, "seconds": 10.0}
    assert results["folds"]["3"]["seconds"] == 12.0
    assert results["mean"]["test"]["f1"] == 0.75
    assert results["std"]["test"]["f1"] == 0.25
    assert results["std_ddof"] == 1
    assert results["settings"] == config.to_dict(toy.settings())
    assert (results["task"], results["task_name"]) == ("re", "gad")
    assert (results["version"], results["seed"]) == (__version__, 7)


def test_the_development_scores_have_a_mean_too(toy, capsys):
    for name in "123":
        files.write_text(toy.data / name / "dev.tsv", TRAIN)
    toy.run(do_eval=True)
    lines = toy.text("eval_results.txt").splitlines()
    assert lines[:2] == ["devel_f1 = 0.375", "devel_f1_std = 0.125"]
    assert lines[2].startswith("test_accuracy")
    assert toy.results["mean"]["devel"] == {"f1": 0.375}
    assert toy.results["folds"]["2"]["devel"] == {"f1": 0.375}
    out = capsys.readouterr().out
    assert "\ndevel, 3 folds\nfold       f1 score\n1            25.00%\n" in out
    assert out.index("devel") < out.index("test")


def test_training_alone_has_no_mean(toy, capsys):
    assert toy.run(do_predict=False) == ["1", "2", "3"]
    assert not (toy.output / "eval_results.txt").exists()
    assert toy.results["mean"] == {}
    assert toy.results["folds"]["2"] == {"seconds": 11.0}
    assert capsys.readouterr().out == ""


def test_two_folds_have_a_deviation(toy):
    toy.run("13")
    assert toy.results["std"]["test"]["accuracy"] == pytest.approx(math.sqrt(1 / 32))


def test_a_single_fold_has_no_deviation(toy, capsys):
    toy.run("2")
    assert "_std" not in toy.text("eval_results.txt")
    assert toy.results["mean"]["test"]["f1"] == 0.75
    assert toy.results["std"] == {}
    assert capsys.readouterr().out.splitlines()[-1].startswith("mean")


def test_prediction_without_labels_has_no_mean(toy, capsys):
    for name in "123":
        write_fold(toy.data / name, test="index\tsentence\n7\t@GENE$ , @DISEASE$\n")
        (toy.data / name / "do.txt").write_text("no scores")
    toy.run()
    assert capsys.readouterr().out == (
        "\ntest, 3 folds\nno labels: nothing is scored\n"
    )
    assert not (toy.output / "eval_results.txt").exists()
    assert toy.results["mean"] == {"test": {}}


# --- a second time --------------------------------------------------------------------


def test_what_is_done_is_not_done_again(toy, caplog):
    toy.run()
    before = toy.text(), toy.text("eval_results.txt")
    with caplog.at_level(logging.INFO):
        assert toy.run() == []
    assert (toy.text(), toy.text("eval_results.txt")) == before
    assert "fold 2 (2 of 3) is done, in " in caplog.text
    (toy.output / "2" / "results.json").unlink()
    assert toy.run() == ["2"]
    assert (toy.text(), toy.text("eval_results.txt")) == before


@pytest.mark.parametrize(
    ("values", "is_done"),
    [
        ({"save_checkpoints_steps": 3}, True),
        ({"predict_batch_size": 3}, True),
        ({"strategy": "cpu"}, True),
        ({"do_train": False}, True),
        # The training goes on, or knows that it is over.
        ({"max_steps": 100}, False),
        ({"init_checkpoint": "other/model.ckpt"}, False),
        ({"vocab_file": "other/vocab.txt"}, False),
        ({"bert_config_file": "other/bert_config.json"}, False),
    ],
)
def test_done_with_other_settings_of_no_consequence(toy, values, is_done, monkeypatch):
    from biobert_tf.training import finetune

    monkeypatch.setattr(finetune, "trained_labels", lambda *places: ("0", "1"))
    toy.run()
    assert toy.run(**values) == ([] if is_done else ["1", "2", "3"])


def test_a_stage_that_was_not_run_is_run(toy):
    toy.run(do_predict=False)
    assert toy.run() == ["1", "2", "3"]
    for name in "123":
        files.write_text(toy.data / name / "dev.tsv", TRAIN)
    assert toy.run(do_eval=True) == ["1", "2", "3"]
    assert toy.run() == []


def test_empty_development_files_are_not_evaluated(toy, capsys):
    """As those of GAD: the mean is that of the test files, and the folds are done."""
    for name, text in (("1", ""), ("2", "\n"), ("3", "")):
        files.write_text(toy.data / name / "dev.tsv", text)
    assert toy.run(do_eval=True) == ["1", "2", "3"]
    assert toy.run(do_eval=True) == []
    assert list(toy.results["mean"]) == ["test"]
    assert "devel" not in capsys.readouterr().out


@pytest.mark.parametrize(("full", "number"), [("3", 1), ("23", 2)])
def test_development_scores_are_those_of_the_folds_that_have_them(
    toy, capsys, full, number
):
    for name in "123":
        text = TRAIN if name in full else ""
        files.write_text(toy.data / name / "dev.tsv", text)
    toy.run(do_eval=True)
    results = toy.results
    own = [results["folds"][name]["devel"]["f1"] for name in full]
    assert results["mean"]["devel"]["f1"] == pytest.approx(sum(own) / number)
    assert ("devel" in results["std"]) == (number > 1)
    assert "devel" not in results["folds"]["1"]
    out = capsys.readouterr().out
    assert f"\ndevel, {number} of 3 folds\nfold       f1 score\n{full[0]}  " in out
    assert "\ntest, 3 folds\n" in out
    assert "devel_f1 = " in toy.text("eval_results.txt")


def test_a_fold_without_its_export_is_run(toy):
    toy.run()
    assert toy.run(do_export=True) == ["1", "2", "3"]
    for name in "13":
        (toy.output / name / "export").mkdir()
    assert toy.run(do_export=True) == ["2"]
    assert toy.run() == []


def test_predicted_is_not_trained(toy, monkeypatch):
    from biobert_tf.training import finetune

    monkeypatch.setattr(finetune, "trained_labels", lambda *places: ("0", "1"))
    toy.run(do_train=False)
    assert toy.run() == ["1", "2", "3"]


def test_other_data_is_not_what_was_done(toy, tmp_path):
    toy.run()
    toy.data.rename(tmp_path / "moved")
    assert toy.run(data_dir=tmp_path / "moved") == ["1", "2", "3"]


def test_folds_go_on_with_other_settings(toy):
    toy.run("12", learning_rate=1e-5)
    later = {"learning_rate": 2e-5, "num_train_epochs": 4}
    assert toy.run(**later, continue_training=True) == ["1", "2", "3"]
    for name in "123":
        # Each fold is told to.
        settings = files.read_json(toy.output / name / "settings.json")
        assert settings["continue_training"] is True
    assert toy.run(**later) == []


def test_a_fold_of_other_settings_is_refused(toy):
    toy.run("2", learning_rate=1e-5)
    message = toy.refused(learning_rate=2e-5, num_train_epochs=4)
    assert message == (
        f"{toy.output / '2' / 'settings.json'}: holds a run with other settings "
        "(--learning_rate 1e-05 -> 2e-05, --num_train_epochs 3.0 -> 4.0); choose "
        "another --output_dir or delete this one, or let this run go on with the new "
        "settings by --continue=true"
    )
    assert toy.results["folds"].keys() == {"2"}
    (toy.output / "2" / "results.json").unlink()  # As killed on its way.
    assert "--seed 7 -> 8" in toy.refused(learning_rate=1e-5, seed=8)
    (toy.output / "2" / "training" / "checkpoint").unlink()  # Before it learned.
    assert toy.run(learning_rate=1e-5, seed=8) == ["1", "2", "3"]


def test_prediction_with_other_settings_is_not_refused(toy, monkeypatch):
    from biobert_tf.training import finetune

    monkeypatch.setattr(finetune, "trained_labels", lambda *places: ("0", "1"))
    toy.run()
    assert toy.run(max_seq_length=64, do_train=False) == ["1", "2", "3"]
    assert toy.run(max_seq_length=64, do_train=False) == []


# --- what goes wrong ------------------------------------------------------------------


@pytest.mark.parametrize(("order", "status"), [("fail at once", 2), ("diverge", 3)])
def test_a_fold_that_fails_ends_it(toy, order, status, caplog, capsys):
    toy.run()
    expected = toy.text()
    for name in "23":
        (toy.output / name / "results.json").unlink()
    (toy.data / "2" / "do.txt").write_text(order)
    with pytest.raises(SystemExit) as caught:
        toy.run()
    assert caught.value.code == status
    assert toy.ran == ["2"]
    assert "error: " in capsys.readouterr().err
    assert caplog.messages[-1] == (
        "fold 2 (2 of 3) failed, see above; the same command resumes there"
    )
    # The mean of an earlier run is not to be taken for this one's.
    assert not (toy.output / "results.json").exists()
    assert not (toy.output / "eval_results.txt").exists()
    (toy.data / "2" / "do.txt").unlink()
    assert toy.run() == ["2", "3"]
    assert toy.text() == expected


def test_a_fold_that_is_killed_ends_it(toy, caplog, monkeypatch):
    monkeypatch.setattr(processes, "call", lambda *words: -signal.SIGKILL)
    with pytest.raises(SystemExit) as caught:
        toy.run()
    assert caught.value.code == 137
    assert caplog.messages[-1] == (
        "fold 1 (1 of 3) was killed by SIGKILL, perhaps because memory ran out; the "
        "same command resumes there"
    )


def test_an_interrupt_says_where_it_was(toy, caplog, monkeypatch):
    def call(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "call", call)
    with pytest.raises(KeyboardInterrupt):
        toy.run()
    assert caplog.messages[-1] == (
        "fold 1 (1 of 3) stopped; the same command resumes there"
    )


def test_a_missing_file_of_the_last_fold_is_told_first(toy):
    (toy.data / "3" / "test.tsv").unlink()
    assert f"{toy.data / '3' / 'test.tsv'}" in toy.refused()
    assert toy.run(do_predict=False) == ["1", "2", "3"]


def test_a_missing_development_file_matters_to_its_stage_only(toy):
    for name in "12":
        files.write_text(toy.data / name / "dev.tsv", TRAIN)
    assert f"{toy.data / '3' / 'dev.tsv'}" in toy.refused(do_eval=True)
    assert toy.run() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("file_name", "text", "line"),
    [
        ("train.tsv", TRAIN + "@GENE$ is @DISEASE$ .\t2\n", 3),
        ("train.tsv", TRAIN + "@GENE$ is @DISEASE$ .\n", 3),
        ("test.tsv", TEST + "8\t@GENE$ is @DISEASE$ .\tyes\n", 3),
    ],
)
def test_a_bad_row_of_the_last_fold_is_told_first(toy, file_name, text, line):
    path = toy.data / "3" / file_name
    path.write_text(text)
    assert toy.refused().startswith(f"{path}:{line}: ")
    assert toy.run("12") == ["1", "2"]


def test_test_files_with_and_without_labels_have_no_mean(toy):
    write_fold(toy.data / "2", test="index\tsentence\n7\t@GENE$ , @DISEASE$\n")
    assert toy.refused().startswith(f"{toy.data / '2'}: of its test file and that of")


def test_folds_of_different_labels_have_no_mean(toy):
    write_fold(toy.data / "2", train=TRAIN + "@GENE$ , @DISEASE$\tmaybe\n")
    assert toy.refused(task_name="custom") == (
        f"{toy.data / '2'}: has the labels 0 1 maybe, fold 1 has 0 1; name all by "
        "--labels"
    )
    assert toy.run(task_name="custom", labels="0,1,maybe") == ["1", "2", "3"]


def test_a_run_of_its_own_is_kept(toy):
    files.write_text(toy.output / "settings.json", "{}")
    assert f"--output_dir={toy.output} holds a run of its own" in toy.refused()


def test_several_workers_are_refused(toy):
    assert "--strategy=multi_worker" in toy.refused(strategy="multi_worker")


# --- processes ------------------------------------------------------------------------


def obey(argv):
    """Does what its argument says, in the process of a fold."""
    print(f"out {argv[1]}", flush=True)
    print(f"err {argv[1]}", file=sys.stderr)
    match argv[1]:
        case "fail":
            raise InputError("no good")
        case "diverge":
            raise TrainingDivergedError("the loss is nan")
        case "crash":
            raise RuntimeError("a bug")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            time.sleep(60)


@pytest.mark.parametrize(
    ("word", "status", "said"),
    [
        ("succeed", 0, ""),
        ("fail", 2, "error: no good\n"),
        ("diverge", 3, "error: the loss is nan\n"),
        ("crash", 1, "RuntimeError: a bug\n"),
        ("die", -signal.SIGKILL, ""),
    ],
)
def test_a_process_says_what_it_says_and_how_it_ends(word, status, said, capfd):
    print("before")
    assert processes.call(program.run, obey, ["run_re.py", word]) == status
    out, err = capfd.readouterr()
    assert out == f"before\nout {word}\n"
    assert err.startswith(f"err {word}\n")
    assert err.endswith(said)


def wait_for_child(argv):
    print("before")
    sys.exit(processes.call(program.run, obey, argv))


def start(function, argv):
    """Runs a function of this file as the main program of a process."""
    code = (
        "import sys, test_folds; from biobert_tf.common import program; "
        f"sys.exit(program.run(test_folds.{function}, sys.argv))"
    )
    here = Path(__file__).parent
    places = os.pathsep.join(map(str, (ROOT, here, here.parent)))
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv[1:]],
        env={**os.environ, "PYTHONPATH": places, "PYTHONUNBUFFERED": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("number", "is_for_all", "status"),
    [
        (signal.SIGKILL, False, -signal.SIGKILL),
        (signal.SIGTERM, False, 143),
        (signal.SIGINT, False, 130),
        (signal.SIGINT, True, 130),
    ],
)
def test_a_process_ends_with_its_parent(number, is_for_all, status):
    parent = start("wait_for_child", ["run_re.py", "wait"])
    # In the order in which it was said.
    assert parent.stdout.readline() == "before\n"
    assert parent.stdout.readline() == "out wait\n"
    if is_for_all:  # As the terminal does on Ctrl-C.
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    # The pipe ends when the child has ended too.
    _, errors = parent.communicate(timeout=30)
    assert parent.returncode == status
    assert "Traceback" not in errors
    assert errors.count("stopped") == (number != signal.SIGKILL)


# --- real trainings -------------------------------------------------------------------

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["@", "GENE", "$", "DISEASE", "causes", "spares", "may", "not", "and", "."]
TINY = EncoderConfig(
    vocab_size=len([*SPECIAL, *WORDS]),
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=24,
    initializer_range=0.2,
)


def sentences(num, rng):
    """Sentences whose label their verb tells, but for some."""
    rows = []
    for _ in range(num):
        verb = rng.choice(["causes", "spares"])
        more = " ".join(rng.choices(["may", "not", "and"], k=rng.randrange(6)))
        label = int((verb == "causes") != (rng.random() < 0.2))
        rows.append((f"@GENE$ {more} {verb} @DISEASE$ .", str(label)))
    return rows


@pytest.fixture(scope="module")
def argv(tmp_path_factory):
    """Two folds of 160 steps each, saved every 20; without an --output_dir."""
    folder = tmp_path_factory.mktemp("folds")
    rng = random.Random(1)
    for name in "12":
        train = "".join(f"{text}\t{label}\n" for text, label in sentences(160, rng))
        test = "".join(
            f"{i}\t{text}\t{label}\n"
            for i, (text, label) in enumerate(sentences(40, rng))
        )
        write_fold(folder / name, train, f"index\tsentence\tlabel\n{test}")
    files.write_text(folder / "vocab.txt", "\n".join([*SPECIAL, *WORDS]) + "\n")
    files.write_json(folder / "bert_config.json", dataclasses.asdict(TINY))
    return [
        "run_re.py",
        f"--data_dir={folder}",
        f"--vocab_file={folder / 'vocab.txt'}",
        f"--bert_config_file={folder / 'bert_config.json'}",
        *("--task_name=gad", "--do_train", "--do_predict"),
        *("--max_seq_length=24", "--train_batch_size=4", "--num_train_epochs=4"),
        *("--learning_rate=1e-2", "--save_checkpoints_steps=20", "--strategy=cpu"),
    ]


def run_folds(argv):
    settings = flags.parse(RelationConfig, argv)
    names = RUNNER.names(settings.stages.data_dir, settings.folds)
    RUNNER.run(settings, names, cli.re)


def run_alone(argv, output, name):
    """Runs a fold as a user runs a single set."""
    program, data_dir, *more = argv
    cli.re([program, f"{data_dir}/{name}", f"--output_dir={output / name}", *more])


def kill_in_training(parent, output):
    """Kills a process whose child has begun to train; returns what that wrote."""
    while parent.poll() is None:
        if (output / "training" / "checkpoint").exists():
            parent.kill()
        time.sleep(0.01)
    # The pipe ends when the child has ended too.
    _, errors = parent.communicate(timeout=60)
    held = {path.name for path in output.iterdir()}
    assert parent.returncode == -signal.SIGKILL, errors
    assert "training" in held
    assert "checkpoint" not in held, "killed too late"


def results_of(output):
    """All results but for the times, which differ, and the place."""
    results = files.read_json(output / "results.json")
    for fold in results["folds"].values():
        assert fold.pop("seconds") > 0
    assert results["settings"].pop("output_dir") == str(output)
    return results


def test_two_folds_and_the_same_after_a_kill(argv, tmp_path, capfd):
    """Parent and child die in fold 2; what goes on ends with the same bits.

    Those are the bits of a run of each fold alone, in this process.
    """
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    parent = start("run_folds", [*argv, f"--output_dir={killed}", "--folds=2,1"])
    with concurrent.futures.ThreadPoolExecutor() as executor:
        # Side by side, to save time.
        death = executor.submit(kill_in_training, parent, killed / "2")
        run_alone(argv, straight, "1")
        run_alone(argv, straight, "2")
        death.result()
    run_folds([*argv, f"--output_dir={straight}", "--folds=1-2"])
    # What the folds print, and then the mean of it.
    out, _ = capfd.readouterr()
    printed = [float(value) for value in re.findall(r"(?m)^test_f1 = (.*)", out)]
    assert len(printed) == 2
    mean = sum(printed) / 2
    assert 0 < mean < 1
    expected = results_of(straight)
    assert expected["mean"]["test"]["f1"] == pytest.approx(mean, rel=1e-12)
    spread = abs(printed[0] - printed[1]) / math.sqrt(2)
    assert expected["std"]["test"]["f1"] == pytest.approx(spread, rel=1e-12)
    assert f"mean  {mean:13.2%}" in out

    # Fold 1 is there, as if it had been run here.
    shutil.copytree(straight / "1", killed / "1")
    run_folds([*argv, f"--output_dir={killed}", "--folds=1-2"])
    assert "resuming from step " in capfd.readouterr().err
    assert results_of(killed) == expected
    for name in ("eval_results.txt", "2/predictions.jsonl", "2/test_results.tsv"):
        assert (killed / name).read_bytes() == (straight / name).read_bytes(), name


def test_ctrl_c_saves_the_fold(argv, tmp_path):
    """It reaches the child too, as from a terminal; the parent passes it on."""
    output = tmp_path / "output"
    parent = start("run_folds", [*argv, f"--output_dir={output}", "--folds=1,2"])
    state = output / "1" / "training" / "checkpoint"
    while parent.poll() is None and not state.exists():
        time.sleep(0.01)
    os.killpg(parent.pid, signal.SIGINT)
    # The pipe ends when the child has ended too.
    _, errors = parent.communicate(timeout=100)
    assert parent.returncode == 130
    said = re.search(r"after step ([0-9]+) of 160; the state is in (.*?);", errors)
    assert said[2] == str(state.parent)
    assert Path(f"{said[2]}/ckpt-{said[1]}.index").exists()
    assert "fold 1 (1 of 2) stopped; the same command resumes there" in errors
    assert not (output / "2").exists()
