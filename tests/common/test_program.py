# SPDX-License-Identifier: Apache-2.0
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from biobert_tf.common import program, streams, workers
from biobert_tf.common.errors import (
    InputError,
    LostWorkerError,
    StoppedError,
    TrainingDivergedError,
)


def run(error=None):
    def main(argv):
        assert argv == ["program", "word"]
        if error is not None:
            raise error

    return program.run(main, ["program", "word"])


def test_success(capsys):
    assert run() == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "error, status, line",
    [
        (InputError.at("a.tsv", 3, "bad row"), 2, "error: a.tsv:3: bad row\n"),
        (InputError.at("a.tsv", None, "bad"), 2, "error: a.tsv: bad\n"),
        (TrainingDivergedError("the loss is nan"), 3, "error: the loss is nan\n"),
        (LostWorkerError("worker 1 is gone"), 4, "error: worker 1 is gone\n"),
        (
            LostWorkerError("worker 1 has ended: x", 2),
            2,
            "error: worker 1 has ended: x\n",
        ),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (KeyboardInterrupt("x is whole"), 130, "interrupted: x is whole\n"),
        (StoppedError("", signal.SIGTERM), 143, "error: interrupted\n"),
        (StoppedError("x", signal.SIGTERM), 143, "interrupted: x\n"),
    ],
)
def test_errors_are_one_line_and_a_status(capsys, error, status, line):
    assert run(error) == status
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    "error, told",
    [
        (None, []),
        (InputError("bad"), [(2, "bad")]),
        (TrainingDivergedError("the loss is nan"), [(3, "the loss is nan")]),
        (StoppedError("x", signal.SIGTERM), [(143, "x")]),
        (ValueError("a bug"), [(4, "ValueError: a bug")]),
    ],
)
def test_other_workers_are_told_of_the_end(monkeypatch, error, told):
    """And with a bug, which keeps its traceback, where to look for that."""
    found = []
    monkeypatch.setattr(
        workers, "tell", lambda status, why: found.append((status, why))
    )
    with contextlib.suppress(ValueError):
        run(error)
    assert found == told


def test_verbosity_is_not_for_the_command(capsys):
    def main(argv):
        assert argv == ["program", "word"]

    assert program.run(main, ["program", "--verbosity=debug", "word"]) == 0
    assert program.run(main, ["program", "word", "--verbosity=loud"]) == 2
    assert capsys.readouterr().err.startswith("error: --verbosity=loud: want debug, ")


@pytest.mark.parametrize("kind", [InputError, MemoryError])
def test_where_an_explained_error_comes_from(kind, caplog):
    """Only with `--verbosity=debug`."""

    def main(argv):
        raise kind("explained") from ValueError("the cause")

    for words, number in (([], 0), (["--verbosity=debug"], 1)):
        caplog.clear()
        assert program.run(main, ["program", *words]) == 2
        assert caplog.text.count("ValueError: the cause") == number


# --- SIGTERM --------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_sigterm_cleans_up(tmp_path, capsys, seconds):
    """As Ctrl-C does; `timeout` sends it twice, which is once."""
    output = tmp_path / "out.txt"

    def main(argv):
        with streams.telling_kept(output), streams.writing(output) as stream:
            stream.write(b"half")
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            finally:
                time.sleep(seconds)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGTERM)
    assert program.run(main, ["program"]) == 143
    assert capsys.readouterr().err == (
        f"interrupted: {output} is not written; the same command starts over\n"
    )
    assert not [*tmp_path.iterdir()]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_sigterm_that_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert program.run(lambda argv: os.kill(os.getpid(), signal.SIGTERM), []) == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ValueError, match="a bug"):
        run(ValueError("a bug"))


@pytest.mark.parametrize(
    "name, ours, users",
    [("TF_CPP_MIN_LOG_LEVEL", "2", "0"), ("TF_USE_LEGACY_KERAS", "1", "0")],
)
def test_tensorflow_is_told_unless_the_user_says_otherwise(
    monkeypatch, name, ours, users
):
    monkeypatch.delenv(name, raising=False)
    run()
    assert os.environ[name] == ours
    monkeypatch.setenv(name, users)
    run()
    assert os.environ[name] == users


def test_the_log_goes_to_the_screen(monkeypatch, capsys):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)

    def main(argv):
        logging.getLogger("biobert_tf.x").info("step %d", 3)

    assert program.run(main, []) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("I ")
    assert err.endswith(" step 3\n")


BIOBERT = "import sys; from biobert_tf.cli import main; sys.exit(main.console())"


@pytest.mark.parametrize("words", [["--help"], ["ner", "--help"], ["--version"]])
def test_nobody_reads_the_output(words):
    """As after `| head`: no traceback, and the status of an end by SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as pipe:
        found = subprocess.run(
            [sys.executable, "-c", BIOBERT, *words],
            check=False,
            stdout=pipe,
            stderr=subprocess.PIPE,
        )
    assert (found.returncode, found.stderr) == (141, b"")


def test_the_pipe_of_another_is_a_bug():
    with pytest.raises(BrokenPipeError):
        run(BrokenPipeError())
