"""Whole commands, in processes of their own: all they say on stderr is ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import ner_toys
import pretraining_toys
import pytest

ROOT = Path(__file__).parents[1]
START = "import sys; from biobert_tf.cli.main import console; sys.exit(console())"
OURS = re.compile(r"[IWE] \d\d:\d\d:\d\d \S|\d+ documents, \d+ entities")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Inputs, and the `model` that a command has trained."""
    made = tmp_path_factory.mktemp("quiet")
    (made / "text.txt").write_text("severe Liver cancer . aspirin helps .\n\naspirin\n")
    pretraining_toys.Toy(made / "pretraining")
    toy = ner_toys.Toy(made / "ner")
    words = toy.argv(do_eval=True, output_dir=made / "model")
    words += ["--log_examples=2"]
    (made / "ner.log").write_text("\n".join(said(made, ["ner", *words[1:]])))
    return made


def pretraining(folder):
    toy = pretraining_toys.Toy(folder / "pretraining")
    return ["pretraining", *toy.argv(do_eval=True)[1:]]


COMMANDS = {
    "pretraining": pretraining,
    "annotate": "annotate --model=model --input=text.txt --output=text.jsonl",
    "export": "export --model=model --output=export --litert=both --onnx",
    "corpus": "corpus --input=text.txt --output=corpus.txt",
    "data": "create-pretraining-data --input_file=text.txt --output_file=x.tfrecord "
    "--vocab_file=model/vocab.txt --max_seq_length=12 --max_predictions_per_seq=2 "
    "--num_workers=1",
    "check": "data-check ner/data",
}


def said(folder, words):
    """Runs a command; returns the lines that it writes to stderr."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", START, *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("name", COMMANDS)
def test_all_that_a_command_says_is_ours(folder, name):
    words = COMMANDS[name]
    lines = said(folder, words(folder) if callable(words) else words.split())
    assert [line for line in lines if not OURS.match(line)] == []


def test_all_that_a_training_says_is_ours(folder):
    lines = (folder / "ner.log").read_text().splitlines()
    assert [line for line in lines if not OURS.match(line)] == []
    text = "\n".join(lines)
    assert re.search(r" training: (\d+)/\1 steps, .* loss \d\.\d+, lr ", text)
    # The development file holds one example.
    stages = re.findall(r"\*\*\* Example (\d of \w+) ", text)
    assert stages == [
        "1 of train",
        "2 of train",
        "1 of devel",
        "1 of test",
        "2 of test",
    ]
    assert "tokens: [CLS] aspirin helps with nephr ##itis [SEP]" in text
    assert "labels: - B-Chem O O B-Dis - -" in text


def test_tensorflow_speaks_if_it_is_asked_to(folder):
    lines = said(folder, [*COMMANDS["annotate"].split(), "--verbosity=debug"])
    assert [line for line in lines if not OURS.match(line)]
    assert any("oneDNN" in line or "cpu_feature_guard" in line for line in lines)


def test_a_command_can_say_nothing(folder):
    lines = said(folder, [*COMMANDS["corpus"].split(), "--verbosity=warning"])
    assert lines == []
