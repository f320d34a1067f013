# SPDX-License-Identifier: Apache-2.0
"""`--do_export` of every script: a stranger finds in raw files what the run predicted.

The stranger is a process that knows TensorFlow and TensorFlow Text alone. It reads the
file that was predicted, asks the export, and gives back what it says. NER is in
`test_exporting`.
"""

import dataclasses
import json
import subprocess
import sys

import ner_toys
import numpy as np
import pretraining_toys
import pytest
import qa_toys
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.model import heads
from biobert_tf.qa import decoding as qa_decoding

STRANGER = """
import functools, glob, json, os, sys
import tensorflow as tf
import tensorflow_text
root, long, strange = sys.argv[1:]

@functools.cache
def load(name):
    return tf.saved_model.load(os.path.join(root, name, "export"))

def ask(name, signature="serving_default", **given):
    loaded = load(name)
    given = {key: tf.constant(values) for key, values in given.items()}
    found = loaded.signatures[signature](**given)
    return {key: values.numpy().tolist() for key, values in found.items()}

def sentences(name):
    with open(os.path.join(root, name, "test.tsv")) as lines:
        rows = [line.rstrip("\\n").split("\\t") for line in lines]
    return ask(name, text=[row[1] for row in rows[1:]])

def questions(name):
    with open(os.path.join(root, name, "test.json")) as stream:
        data = json.load(stream)["data"]
    rows = [(question["id"], question["question"], paragraph["context"])
            for entry in data for paragraph in entry["paragraphs"]
            for question in paragraph["qas"]]
    ids, asked, contexts = zip(*rows)
    return {"ids": ids, **ask(name, question=asked, context=contexts)}

def masked(name):
    paths = sorted(glob.glob(os.path.join(root, name, "toy/records/*")))
    return ask(name, "examples",
               examples=[record.numpy() for record in tf.data.TFRecordDataset(paths)])

answers = {"re": sentences("re/1"), "qa": questions("qa"),
           "yesno": questions("yesno"), "mlm": masked("mlm"),
           "long": ask("re/1", text=["helps .", long]),
           "strange": ask("qa", question=["with"], context=[strange])}
assert "biobert_tf" not in sys.modules
print(json.dumps(answers, default=lambda value: value.decode()))
"""

# Longer than a row, and with characters of several bytes.
LONG = "x " * 99
STRANGE = "\u4e2d severe cancer helps " * 9


def relations(folder):
    """A training of one fold, its entities between markers."""
    toy = re_toys.Toy(folder / "toy")
    (folder / "sets").mkdir()
    toy.data.rename(folder / "sets/1")
    given = {"data_dir": folder / "sets", "output_dir": folder, "do_export": True}
    assert program.run(cli.re, toy.argv(entity_markers=True, **given)) == 0
    test = re_toys.biobert(re_toys.TEST, header=True)
    files.write_text(folder / "1/test.tsv", test)


def predict(folder, model, labels, **flags):
    """A prediction of questions with a model of random weights."""
    ner_toys.write_vocab(folder / "model/vocab.txt", qa_toys.VOCAB)
    ner_toys.save_model(model, labels, folder / "model")
    files.write_json(folder / "test.json", qa_toys.test_set())
    given = {
        "init_checkpoint": folder / "model",
        "output_dir": folder,
        "predict_file": folder / "test.json",
        "train_file": None,
        "do_train": False,
        "do_export": True,
    }
    assert program.run(cli.qa, qa_toys.Toy(folder / "toy").argv(**given, **flags)) == 0


def answers(folder):
    config = dataclasses.replace(qa_toys.CONFIG, initializer_range=0.5)
    predict(folder, heads.SpanClassifier(config, seed=1), ("start", "end"))


def decisions(folder):
    config = dataclasses.replace(qa_toys.CONFIG, initializer_range=0.5)
    model = heads.SequenceClassifier(config, 2, seed=7)
    predict(folder, model, ("no", "yes"), question_type="yesno")


def pretraining(folder):
    """An evaluation of random weights."""
    toy = pretraining_toys.Toy(folder / "toy")
    model = heads.PretrainingModel(pretraining_toys.CONFIG, seed=1)
    (folder / "model").mkdir()
    toy.vocab_file.rename(folder / "model/vocab.txt")
    ner_toys.save_model(model, (), folder / "model")
    given = {
        "init_checkpoint": folder / "model",
        "vocab_file": None,
        "bert_config_file": None,
        "output_dir": folder,
        "do_train": False,
        "do_eval": True,
        "max_eval_steps": 0,
        "do_export": True,
    }
    assert program.run(cli.pretraining, toy.argv(**given)) == 0


RUNS = {
    "re": relations,
    "qa": answers,
    "yesno": decisions,
    "mlm": pretraining,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of every script's output, each with its export."""
    root = tmp_path_factory.mktemp("runs")
    for name, run in RUNS.items():
        run(root / name)
    return root


@pytest.fixture(scope="module")
def told(root):
    """What the stranger says."""
    result = subprocess.run(
        [sys.executable, "-c", STRANGER, str(root), LONG, STRANGE],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_relations(root, told):
    wanted = np.loadtxt(root / "re/1/test_results.tsv")
    labels = files.read_json(root / "re/1/labels.json")["labels"]
    assert told["re"]["label"] == [labels[i] for i in wanted.argmax(-1)]
    np.testing.assert_allclose(told["re"]["probabilities"], wanted, atol=1e-5)
    assert len(wanted) == len(re_toys.TEST)


def test_a_text_that_is_cut(told):
    assert told["long"]["is_cut"] == [False, True]
    assert len(told["long"]["label"]) == 2


def test_answers(root, told):
    found = told["qa"]
    wanted = files.read_json(root / "qa" / qa_decoding.PREDICTIONS)
    assert dict(zip(found["ids"], found["answer"], strict=True)) == wanted
    assert len(set(wanted.values())) > 1
    nbest = files.read_json(root / "qa" / qa_decoding.NBEST)
    for i, id_ in enumerate(found["ids"]):
        size = len(nbest[id_])
        assert found["answers"][i][:size] == [entry["text"] for entry in nbest[id_]]
        np.testing.assert_allclose(
            found["probabilities"][i][:size],
            [entry["probability"] for entry in nbest[id_]],
            atol=1e-5,
        )


def test_places_are_those_of_bytes(told):
    [start], [end], [answer] = (told["strange"][k] for k in ("start", "end", "answer"))
    assert STRANGE.encode()[start:end].decode() == answer != ""


def test_yes_and_no(root, told):
    found = told["yesno"]
    wanted = files.read_json(root / "yesno" / qa_decoding.PREDICTIONS)
    assert dict(zip(found["ids"], found["label"], strict=True)) == wanted
    probabilities = files.read_json(root / "yesno" / qa_decoding.NBEST)
    np.testing.assert_allclose(
        found["probabilities"],
        [[probabilities[id_]["no"], probabilities[id_]["yes"]] for id_ in found["ids"]],
        atol=1e-5,
    )


def test_masked_pieces(root, told):
    """The best piece of the export is right as often as the run's."""
    guesses = [row for record in told["mlm"]["pieces"] for row in record]
    rows = [
        row for k, n in enumerate((11, 7, 9)) for row in pretraining_toys.rows(n, k)
    ]
    truth = [id_ for row in rows for id_ in row["masked_lm_ids"]]
    weights = [weight for row in rows for weight in row["masked_lm_weights"]]
    is_right = [
        best[0] == pretraining_toys.VOCAB[id_]
        for best, id_ in zip(guesses, truth, strict=True)
    ]
    metrics = files.read_json(root / "mlm/results.json")["eval"]["metrics"]
    assert 0 < np.average(is_right, weights=weights) < 1
    assert metrics["masked_lm_accuracy"] == pytest.approx(
        np.average(is_right, weights=weights), abs=1e-6
    )
