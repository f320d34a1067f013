# SPDX-License-Identifier: Apache-2.0
import io
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__


@pytest.fixture
def calls(monkeypatch):
    """Puts stand-ins where the commands do their work; returns what they were told."""
    calls = []

    def record(name, result=None):
        def function(*args, **kwargs):
            calls.append((name, args, kwargs))
            return result

        return function

    def stand_in(package, name, **functions):
        module = types.ModuleType(f"{package.__name__}.{name}")
        for function, made in functions.items():
            setattr(module, function, made)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(package, name, module, raising=False)

    from biobert_tf import checkpoints, demo, ner, pretraining

    stand_in(ner, "run", run=record("run"))
    names = ("ner", "relations", "qa", "classification")
    stand_in(demo, "run", **{name: record(name) for name in names})
    stand_in(pretraining, "run", run=record("pretrain"))
    stand_in(checkpoints, "convert", convert=record("convert", "out: written"))
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


def test_pretraining(calls):
    flags = ["--output_dir=out", "--do_train", "--input_file=r*", "--optimizer=lamb"]
    cli.pretraining(["run_pretraining.py", *flags])
    cli.main(["biobert", "pretraining", *flags])
    assert calls[0] == calls[1]
    [settings] = calls[0][1]
    assert str(settings.stages.input_file) == "r*"
    assert settings.pretraining.optimizer == "lamb"


@pytest.fixture
def text(tmp_path):
    """A corpus of twenty documents in the original's format."""
    documents = (f"Patient {i} had a fever.\nGene {i} was normal.\n" for i in range(20))
    path = tmp_path / "text.txt"
    path.write_text("\n".join(documents))
    return path


def test_corpus(text, tmp_path, capsys):
    output = tmp_path / "corpus.txt"
    cli.main(["biobert", "corpus", f"--input={text}", f"--output={output}"])
    assert output.read_text().split() == text.read_text().split()
    assert re.search(r"^documents +20$", capsys.readouterr().out, re.MULTILINE)


def test_from_text_to_an_inspection(text, tmp_path, capsys):
    vocab, records = tmp_path / "vocab.txt", tmp_path / "pairs.tfrecord"
    words = ["--vocab_size=270", f"--input={text}", f"--output={vocab}"]
    cli.main(["biobert", "vocab", "learn", *words])
    assert capsys.readouterr().out.startswith("looked at 220 words, ")
    words = [f"--vocab_file={vocab}", f"--input={text}"]
    cli.main(["biobert", "vocab", "report", *words])
    assert "pieces per word" in capsys.readouterr().out
    words = [f"--input_file={text}", f"--output_file={records}", "--exact"]
    words += [f"--vocab_file={vocab}", "--max_seq_length=32", "--dupe_factor=2"]
    cli.main(["biobert", "create-pretraining-data", *words])
    [said] = re.findall(r"(\d+) records", capsys.readouterr().out)
    report = tmp_path / "report.json"
    words = [str(records), f"--vocab_file={vocab}", "--examples=1", f"--json={report}"]
    cli.main(["biobert", "inspect-tfrecord", *words])
    shown = capsys.readouterr().out
    assert f"{said} records in 1 files, static masking" in shown
    assert "[CLS]" in shown
    assert json.loads(report.read_text())["num_records"] == int(said)


def test_records_are_in_the_file_that_is_named(text, tmp_path, monkeypatch):
    """Whatever the size of the corpus; and the case is that of the vocabulary."""
    from biobert_tf.pretraining.data import outputs

    monkeypatch.setattr(outputs, "_MIN_TOKENS_PER_FILE", 50)
    vocab = tmp_path / "vocab.txt"
    pieces = "[PAD] [UNK] [CLS] [SEP] [MASK] patient had a fever . gene was normal"
    vocab.write_text("\n".join(pieces.split()))

    def made(name, *words):
        output = tmp_path / name / "pairs.tfrecord"
        words = [f"--output_file={output}", "--dupe_factor=1", *words]
        words += [f"--input_file={text}", f"--vocab_file={vocab}"]
        cli.main(["biobert", "create-pretraining-data", *words])
        return sorted(path.name for path in output.parent.glob("*.tfrecord"))

    assert made("one") == ["pairs.tfrecord"]
    many = made("many", "--num_shards=0")
    assert (len(many), many[0]) == (5, "pairs-00000-of-00005.tfrecord")
    assert made(
        "two", f"--output_file={tmp_path / 'two/a.tfrecord'},{tmp_path / 'b'}"
    ) == ["a.tfrecord"]
    assert (tmp_path / "b").exists()
    with pytest.raises(InputError, match=r"the vocabulary is lower-cased"):
        made("other", "--nodo_lower_case")


def test_vocab_extend(text, tmp_path, capsys):
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("[PAD]\n[unused1]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nG\n##e\n##n\n")
    words = [f"--vocab_file={vocab}", "--add=Gene", f"--output_dir={tmp_path / 'new'}"]
    cli.main(["biobert", "vocab", "extend", *words])
    assert capsys.readouterr().out.startswith("Gene: 1, was G ##e ##n ##e\n")
    assert (tmp_path / "new" / "vocab.txt").read_text().split()[1] == "Gene"


def test_vocab_lists_its_commands(capsys):
    cli.main(["biobert", "vocab"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: biobert vocab COMMAND")
    assert [line.split()[0] for line in lines[2:]] == ["learn", "extend", "report"]
    with pytest.raises(InputError, match=r"^no command 'lern'; known: learn, extend"):
        cli.main(["biobert", "vocab", "lern"])


def test_demo(calls):
    cli.main(["biobert", "demo"])
    cli.main(["biobert", "demo", "--task=re", "--output_dir=elsewhere"])
    assert calls == [
        ("ner", (Path("runs/demo"),), {}),
        ("relations", (Path("elsewhere"),), {}),
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


def test_conlleval_as_the_original_is_called(tmp_path, capsys, monkeypatch):
    """Options first, and the file on standard input."""
    text = b"a\tD\tD\nb\t-\tD\n"
    for options, expected in (
        ([], "found: 2 phrases; correct: 1."),
        (["-l"], "Overall &   50.00"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        cli.main(["biobert", "conlleval", *options, "-r", "-o", "-", "-d", r"\t"])
        assert expected in capsys.readouterr().out


def test_squad_eval(tmp_path, capsys):
    questions = [{"id": "q", "question": "Who?", "answers": [{"text": "the man"}]}]
    data = {"data": [{"paragraphs": [{"context": "the man", "qas": questions}]}]}
    (tmp_path / "data.json").write_text(json.dumps(data))
    (tmp_path / "found.json").write_text('{"q": "A man"}')
    words = [str(tmp_path / "data.json"), str(tmp_path / "found.json")]
    cli.main(["biobert", "squad-eval", *words])
    assert capsys.readouterr().out.split(":")[1] == (
        " exact match 100.0000%, F1 100.0000%, 1 questions\n"
    )


def test_bioasq_eval(tmp_path, capsys):
    def write(name, **question):
        path = tmp_path / name
        path.write_text(json.dumps({"questions": [{"id": "1", **question}]}))
        return str(path)

    golden = write("golden.json", type="factoid", exact_answer=[["p53", "TP53"]])
    right = write("right.json", type="factoid", exact_answer=[["tp53"]])
    wrong = write("wrong.json", type="factoid", exact_answer=[["BRCA1"]])
    cli.main(["biobert", "bioasq-eval", golden, right])
    assert "strict accuracy 1.0000" in capsys.readouterr().out
    cli.main(["biobert", "bioasq-eval", golden, right, golden, wrong])
    assert "strict accuracy 0.5000" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"^3 files; want GOLDEN SUBMISSION"):
        cli.main(["biobert", "bioasq-eval", golden, right, golden])


COMMANDS = {
    *("ner", "demo", "convert", "conlleval", "ner-detokenize", "pretraining", "corpus"),
    *("create-pretraining-data", "inspect-tfrecord", "extract-features", "vocab"),
    *("re", "re-eval", "re-data", "re-predict", "squad-eval", "bioasq-eval"),
    *("qa", "data-check", "ask", "bioasq-data", "bioasq-form", "annotate", "export"),
    *("compare", "doctor", "download", "reproduce", "blurb", "blue", "tpu-check"),
    *("classification", "classify"),
}
GROUPS = {"vocab", "re-data"}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(words, capsys):
    cli.main(["biobert", *words])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: biobert COMMAND")
    assert len(lines) == 2 + len(COMMANDS)
    for command in COMMANDS:
        [line] = [line for line in lines if line.split()[:1] == [command]]
        assert len(line.split()) > 2


@pytest.mark.parametrize(
    "command",
    [
        *sorted(COMMANDS - GROUPS),
        *("vocab learn", "vocab extend", "vocab report"),
        *("re-data chemprot", "re-data drugprot", "re-data pairs", "re-data check"),
    ],
)
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["biobert", *command.split(), "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: biobert {command} ")
    assert "--verbosity" in shown


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


def test_the_package_as_a_program():
    command = [sys.executable, "-m", "biobert_tf", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"{__version__}\n"
