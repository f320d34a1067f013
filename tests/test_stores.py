"""Whole runs whose paths are all in a store, beside the same runs on the disk."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import ner_toys
import numpy as np
import pretraining_toys
import pytest
import qa_toys
import re_toys
import toy_google

import biobert_tf
from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.export import directory
from biobert_tf.export.client import ExportedModel

ROOT = Path(__file__).parents[1]
TEXT = "Liver cancer helps with aspirin ."
# The compiler would take most of the time.
QUICK = {"save_checkpoints_steps": 2, "xla": "off"}
# Paths or times stand in them.
OWN = {"settings.json", "results.json", "weights.json", "checkpoint"}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A folder with a NER run, trained at one go."""
    folder = tmp_path_factory.mktemp("disk")
    toy = ner_toys.Toy(folder)
    # `file://` is the local path.
    cli.ner(toy.argv(output_dir=f"file://{toy.output}", **QUICK))
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder in TensorFlow's memory with the same run, stopped and resumed."""
    folder = remote_path.parse(f"ram://stores{tmp_path_factory.mktemp('store')}")
    toy = ner_toys.Toy(folder)
    cli.ner(toy.argv(max_steps=2, do_predict=False, **QUICK))
    cli.ner(toy.argv(**QUICK))
    model = toy.output
    cli.main(["biobert", "convert", f"--from={model}", f"--to={folder / 'hf'}"])
    tf1 = folder / "tf1" / "model.ckpt"
    cli.main(["biobert", "convert", f"--from={folder / 'hf'}", f"--to={tf1}"])
    export = [f"--model={model}", f"--output={folder / 'export'}", "--tokens=false"]
    cli.main(["biobert", "export", *export])
    return folder


def comparable(name, data):
    """What two runs share of a file: of the marks of states, which hold times, keys."""
    is_mark = name.startswith("training/") and name.endswith(".json")
    return sorted(json.loads(data)) if is_mark else data


def contents(folder):
    """What is to be equal in the files that do not name their place, by path."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files.files_below(folder)
        if path.name not in OWN and "tfevents" not in path.name
    }
    return {name: comparable(name, data) for name, data in found.items()}


def test_a_run_writes_the_same(disk, store):
    wanted, found = contents(disk / "output"), contents(store / "output")
    assert len(wanted) > 10
    stopped = {name for name in found if name.startswith("model.ckpt-2.")}
    assert len(stopped) == 2 and found.keys() - stopped == wanted.keys()
    assert not [name for name in wanted if found[name] != wanted[name]]


def test_every_form_of_a_model_is_read(disk, store, tmp_path):
    wanted = checkpoints.locate(disk / "output").read().weights
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for path in (disk / "output").glob("model.ckpt-5.*"):
            packed.add(path, f"model/{path.name}")
    files.move(archive, store / archive.name)
    forms = ("hf", "tf1", "tf1/model.ckpt.index", "export", archive.name, "output")
    for form in (*forms, "hf/model.safetensors"):
        found = checkpoints.locate(store / form).read().weights
        assert found.keys() == wanted.keys(), form
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_models_are_used_where_they_are(disk, store):
    wanted = biobert_tf.load(disk / "output").annotate([TEXT])
    assert biobert_tf.load(str(store / "output")).annotate([TEXT]) == wanted
    assert biobert_tf.load(store / "export").annotate([TEXT]) == wanted
    assert ExportedModel(store / "export").kind == "ner"


def test_an_export_replaces_another_file_by_file(store, tmp_path, monkeypatch):
    """A killed export leaves what no reader takes for a model, and the next repairs."""
    names = ("assets/x", "model_card.json", "saved_model.pb", "tokens/saved_model.pb")
    old = store / "old"
    for name in (*names, "tokens/variables/v", "litert/a"):
        files.write_text(old / name, "old")

    def put():
        new = tmp_path / "new"
        for name in (*names, "tokens/variables/v"):
            files.write_text(new / name, "new")
        directory.put(new, old)

    copied = remote_path.copy
    left: list[str] = []

    def killed(source, target):
        left.append(str(target.relative_to(old)))
        if len(left) == 3:
            raise KeyboardInterrupt
        copied(source, target)

    monkeypatch.setattr(remote_path, "copy", killed)
    with pytest.raises(KeyboardInterrupt):
        put()
    assert left == ["model_card.json", "assets/x", "tokens/variables/v"]
    assert not (old / "saved_model.pb").exists()
    directory.require_free(old)
    put()
    order = ["tokens/variables/v", "tokens/saved_model.pb", "saved_model.pb"]
    assert left[-3:] == order
    found = {str(path.relative_to(old)) for path in files.files_below(old)}
    assert found == {*names, "tokens/variables/v"}


@pytest.mark.parametrize(
    ("toys", "command", "written"),
    [
        (re_toys, cli.re, "predictions.jsonl"),
        (qa_toys, cli.qa, "nbest_predictions.json"),
        (pretraining_toys, cli.pretraining, "learning_curve.csv"),
    ],
)
def test_other_runs(tmp_path, toys, command, written):
    toy = toys.Toy(remote_path.parse(f"ram://stores{tmp_path}"))
    command(toy.argv(max_steps=1, **QUICK))
    assert {written, "results.json", "tensorboard"} <= {
        path.name for path in toy.output.iterdir()
    }
    assert checkpoints.locate(toy.output).read().source.name == "model.ckpt-1"
    assert not list(tmp_path.iterdir())


def refused(command, *words):
    with pytest.raises(InputError) as raised:
        command(["program", *words])
    return str(raised.value)


def test_unknown_schemes_are_refused_first(tmp_path):
    problem = "s3://b/x: TensorFlow does not know s3://"
    toy = ner_toys.Toy(tmp_path)
    for flag in ("output_dir", "data_dir", "vocab_file", "init_checkpoint"):
        words = toy.argv(**{flag: "s3://b/x"})[1:]
        assert problem in refused(cli.ner, *words), flag
    assert not toy.output.exists()
    assert problem in refused(cli.export, "--model=s3://b/x", f"--output={tmp_path}")
    with pytest.raises(InputError, match="s3://b/x: TensorFlow does not know"):
        biobert_tf.load("s3://b/x")
    with pytest.raises(SystemExit):
        cli.convert(["convert", "--from=s3://b/x", f"--to={tmp_path}"])


# --- Google's store -------------------------------------------------------------------

RUNS = """
import json, sys
from biobert_tf.cli import main
from biobert_tf.common import program
for words in json.loads(sys.argv[1]):
    print(program.run(main.ner, words), flush=True)
"""


def test_a_run_in_googles_store(disk, tmp_path):
    """TensorFlow's own client, with a server of ours at the other end."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    toy = ner_toys.Toy(tmp_path)
    there = "gs://bucket/run"
    argv = [word.replace(str(tmp_path), there) for word in toy.argv(**QUICK)]
    first = [*argv, "--max_steps=2", "--do_predict=false"]
    strangers = [
        [word.replace("bucket/run/output", name) for word in argv]
        for name in ("absent/x", "closed/x")
    ]
    with toy_google.serving(tmp_path, "bucket") as (server, variables):
        held = server.buckets["bucket"]
        for path in files.files_below(tmp_path):
            server.write(
                "bucket", f"run/{path.relative_to(tmp_path)}", path.read_bytes()
            )
        done = subprocess.run(
            [sys.executable, "-c", RUNS, json.dumps([first, argv, *strangers])],
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        output = {
            name.removeprefix("run/output/"): data for name, (_, data) in held.items()
        }
    statuses = [line for line in done.stdout.splitlines() if line.isdecimal()]
    assert statuses == ["0", "0", "2", "2"], done.stderr
    wanted = contents(disk / "output")
    differ = [x for x in wanted if comparable(x, output[x]) != wanted[x]]
    assert not differ
    told = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(told) == 2
    assert "gs://absent/x" in told[0] and "there is no such bucket" in told[0]
    assert "gs://closed/x" in told[1] and "gcloud auth" in told[1]
