# SPDX-License-Identifier: Apache-2.0
import sys
import types
from pathlib import Path

import pytest

import biobert_tf
from biobert_tf import __version__, cli
from biobert_tf.errors import InputError


@pytest.fixture
def calls(monkeypatch):
    """Puts stand-ins where the commands do their work; returns what they were told."""
    calls = []

    def record(name, result=None):
        def function(*args, **kwargs):
            calls.append((name, args, kwargs))
            return result

        return function

    ner_run = types.ModuleType("biobert_tf.ner_run")
    ner_run.run, ner_run.demo = record("run"), record("demo")
    monkeypatch.setitem(sys.modules, "biobert_tf.ner_run", ner_run)
    monkeypatch.setattr(biobert_tf, "ner_run", ner_run, raising=False)
    from biobert_tf import checkpoints

    convert = types.ModuleType("biobert_tf.checkpoints.convert")
    convert.convert = record("convert", "out: written")
    monkeypatch.setitem(sys.modules, "biobert_tf.checkpoints.convert", convert)
    monkeypatch.setattr(checkpoints, "convert", convert, raising=False)
    return calls


def test_ner(calls):
    cli.main(["biobert", "ner", "--data_dir=in", "--output_dir=out", "--seed=3"])
    [(name, [settings], _)] = calls
    assert name == "run"
    assert settings.stages.data_dir == Path("in")
    assert settings.run.seed == 3
    assert settings.finetuning.num_train_epochs == 10.0  # as in the original


def test_the_script_and_the_command_are_one(calls):
    flags = ["--data_dir=in", "--output_dir=out"]
    cli.ner(["run_ner.py", *flags])
    cli.main(["biobert", "ner", *flags])
    assert calls[0] == calls[1]


def test_demo(calls):
    cli.main(["biobert", "demo"])
    cli.main(["biobert", "demo", "--output_dir=elsewhere"])
    assert [args for _, args, _ in calls] == [
        (Path("runs/demo"),),
        (Path("elsewhere"),),
    ]


def test_convert(calls, capsys):
    cli.main(["biobert", "convert", "--from=a", "--to=b"])
    assert calls[0][:2] == ("convert", (Path("a"), Path("b")))
    assert calls[0][2]["to_format"] == "auto"
    cli.main(["biobert", "convert", "--from=a", "--to=b", "--to_format=tf1"])
    assert calls[1][2]["to_format"] == "tf1"
    assert capsys.readouterr().out == "out: written\n" * 2


def test_conlleval(tmp_path, capsys):
    path = tmp_path / "result.txt"
    path.write_text("a B-D B-D\nb I-D O\n\nc B-D B-D\n")
    cli.main(["biobert", "conlleval", str(path)])
    spaces = capsys.readouterr().out
    assert spaces == (
        "processed 3 tokens with 2 phrases; found: 2 phrases; correct: 1.\n"
        "accuracy:  66.67%; precision:  50.00%; recall:  50.00%; FB1:  50.00\n"
        "                D: precision:  50.00%; recall:  50.00%; FB1:  50.00  2\n"
    )
    path.write_text(path.read_text().replace(" ", "\t"))
    cli.main(["biobert", "conlleval", "-d", r"\t", str(path)])
    assert capsys.readouterr().out == spaces


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(words, capsys):
    cli.main(["biobert", *words])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: biobert COMMAND")
    for command in ("ner", "demo", "convert", "conlleval"):
        [line] = [line for line in lines if line.split()[:1] == [command]]
        assert len(line.split()) > 2


@pytest.mark.parametrize("command", ["ner", "demo", "convert", "conlleval"])
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["biobert", command, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: biobert {command} ")


def test_version(capsys):
    cli.main(["biobert", "--version"])
    assert capsys.readouterr().out == f"{__version__}\n"


def test_unknown_command():
    with pytest.raises(InputError) as caught:
        cli.main(["biobert", "nre"])
    assert str(caught.value).startswith("no command 'nre'; known: ner, ")


def test_console_returns_the_status(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["biobert", "nre"])
    assert cli.console() == 2
    assert capsys.readouterr().err.startswith("error: no command 'nre'")
    monkeypatch.setattr(sys, "argv", ["biobert", "--version"])
    assert cli.console() == 0
