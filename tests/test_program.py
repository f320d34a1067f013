# SPDX-License-Identifier: Apache-2.0
import logging
import os

import pytest

from biobert_tf import program
from biobert_tf.errors import InputError, TrainingDivergedError


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
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_errors_are_one_line_and_a_status(capsys, error, status, line):
    assert run(error) == status
    assert capsys.readouterr() == ("", line)


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ValueError, match="a bug"):
        run(ValueError("a bug"))


def test_tensorflow_is_told_to_be_quiet_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    run()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    run()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


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
