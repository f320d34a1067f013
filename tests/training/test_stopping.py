# SPDX-License-Identifier: Apache-2.0
"""Trainings that a signal stops: what they keep, and that they go on from there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ner_toys
import numpy as np
import pretraining_toys
import pytest
import qa_toys
import re_toys
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.common.errors import StoppedError
from biobert_tf.common.settings import RunConfig
from biobert_tf.training import progress
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.loop import Loop
from biobert_tf.training.run_directory import RunDirectory
from biobert_tf.training.trainer import Trainer

ROOT = Path(__file__).parents[2]


def saved_steps(output):
    return sorted(int(p.stem.split("-")[1]) for p in output.glob("training/*.index"))


def assert_same_weights(output, expected):
    ours, theirs = (checkpoints.locate(x).read().weights for x in (output, expected))
    assert sorted(ours) == sorted(theirs)
    for name, array in theirs.items():
        assert np.array_equal(ours[name], array), name


# --- a real process -------------------------------------------------------------------


def has_reported(output):
    """Whether a training has written more than the start of its events."""
    return any(x.stat().st_size > 300 for x in output.glob("tensorboard/*"))


# More than a test has time for.
EPOCHS = 1_000_000


def test_ctrl_c(tmp_path):
    """It saves the state; the same command goes on from there."""
    toy, stopped = ner_toys.Toy(tmp_path / "toy"), tmp_path / "stopped"
    argv = toy.argv(output_dir=stopped, num_train_epochs=EPOCHS)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / argv[0]), *argv[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not has_reported(stopped):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=100)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert sum(line.startswith("stopping: a state is saved") for line in lines) == 1
    [step] = saved_steps(stopped)
    assert lines[-1] == (
        f"interrupted: after step {step} of {EPOCHS * 5 // 2}; the state is in "
        f"{stopped / 'training'}; the same command goes on from there"
    )
    assert step >= 1
    assert not (stopped / "results.json").exists()
    more = {"num_train_epochs": EPOCHS, "max_steps": step + 3}
    cli.ner(toy.argv(output_dir=stopped, **more))
    assert files.read_json(stopped / "results.json")["global_step"] == step + 3


# --- every script ---------------------------------------------------------------------

TOYS = {
    "ner": ner_toys.Toy,
    "re": re_toys.Toy,
    "qa": qa_toys.Toy,
    "pretraining": pretraining_toys.Toy,
}


@pytest.mark.parametrize("script", TOYS)
def test_every_script_saves_and_goes_on(script, tmp_path, monkeypatch):
    main, toy = getattr(cli, script), TOYS[script](tmp_path / "toy")
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"

    def check(history, first_step, whole=progress.check_finite, **settings):
        whole(history, first_step, **settings)
        if first_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(progress, "check_finite", check)
        with pytest.raises(StoppedError, match=r"^after step 2 of ") as caught:
            main(toy.argv(output_dir=stopped, iterations_per_loop=1))
    assert caught.value.status == 143
    assert saved_steps(stopped) == [2]
    main(toy.argv(output_dir=stopped))
    main(toy.argv(output_dir=straight))
    assert_same_weights(stopped, straight)


def test_a_signal_where_nothing_is_trained(tmp_path, monkeypatch, capsys):
    """The line says where the command goes on, if it does."""
    toy = ner_toys.Toy(tmp_path / "toy")

    def stop(*given, **named):
        os.kill(os.getpid(), signal.SIGTERM)

    def said(owner, name, **values):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stop)
            assert program.run(cli.ner, toy.argv(**values)) == 143
        return capsys.readouterr().err.splitlines()[-1]

    assert said(RunDirectory, "start") == "error: interrupted"
    goes_on = f"interrupted: the same command goes on from {toy.output}"
    assert said(Estimator, "predict") == goes_on
    assert said(Estimator, "predict", do_train=False) == "error: interrupted"


def test_before_the_first_state(tmp_path, monkeypatch):
    def train(*given):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "train", train)
    toy = ner_toys.Toy(tmp_path / "toy")
    with pytest.raises(StoppedError, match=r"^before a state was saved; the same comm"):
        cli.ner(toy.argv())
    assert not saved_steps(toy.output)


def test_nothing_is_saved_twice(tmp_path, monkeypatch):
    """A signal before the first step: the newest state is as it was."""
    toy = ner_toys.Toy(tmp_path / "toy")
    cli.ner(toy.argv(max_steps=2))
    before = {path: path.stat().st_mtime_ns for path in toy.output.glob("training/*")}

    def train(*given):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "train", train)
    with pytest.raises(StoppedError, match=r"^after step 2 of 5;"):
        cli.ner(toy.argv())
    after = {path: path.stat().st_mtime_ns for path in toy.output.glob("training/*")}
    assert after == before


class Interrupted:
    """A trainer in which a signal comes, and C++ code hides what it raises."""

    def train(self, num_steps):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        except KeyboardInterrupt:
            raise SystemError("bad argument to internal function") from None


def test_an_error_that_hides_a_signal():
    loop = Loop(
        trainer=Interrupted(),
        manager=None,
        strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
        settings=RunConfig(),
        step=0,
        last_step=3,
        reporter=None,
        recorder=None,
        selection=None,
    )
    with pytest.raises(StoppedError, match="before a state was saved"):
        loop.run()
