"""Whole runs of `biobert classification`, on toys."""

import json

import classification_toys as toys
import numpy as np
import pytest
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError

LEARN = {"num_train_epochs": 200, "train_batch_size": 4}
KINDS = {"single": toys.Toy, "multi": toys.MultiToy, "pair": toys.PairToy}


def run(toy, output, command="classification", **values):
    """Runs the command into `output`; returns what stands in results.json."""
    argv = toy.argv(output_dir=output, **values)
    cli.main(["biobert", command, *argv[1:]])
    return files.read_json(output / "results.json")


def predict(toy, model, output, **values):
    """Predicts with a trained model."""
    given = {"init_checkpoint": model, "do_train": None, "target": None}
    return run(toy, output, **given, **values)


def rows_of(output):
    text = (output / "predictions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request, tmp_path_factory):
    """A training of each target: its toy, its folder, its results."""
    folder = tmp_path_factory.mktemp(request.param)
    toy = KINDS[request.param](folder)
    return toy, folder / "output", run(toy, folder / "output", do_eval=True, **LEARN)


def test_it_learns(trained):
    toy, output, results = trained
    assert results["task"] == "classification"
    rows = rows_of(output)
    assert [row["text"] for row in rows] == [row["text"] for row in toy.ROWS]
    scores = results["test"]["scores"]
    if isinstance(toy, toys.PairToy):
        assert scores["pearson"] > 0.9
        assert [row["gold"] for row in rows] == [1.0, -1.0, 0.5]
        assert [row["pair"] for row in rows] == [row["pair"] for row in toy.ROWS]
    elif isinstance(toy, toys.MultiToy):
        assert scores["exact_match"] == 1
        assert [row["labels"] for row in rows] == [["bad", "ill"], [], ["ill"]]
    else:
        assert scores["accuracy"] == 1
        assert [row["label"] for row in rows] == ["bad", "good", "good", "bad"]
    assert results["devel"]["scores"].keys() == scores.keys()
    more = 0 if isinstance(toy, toys.MultiToy) else 1
    assert results["test"]["more windows"] >= more


def test_a_trained_model_predicts_alike_elsewhere(trained, tmp_path):
    toy, output, _ = trained
    predict(toy, output, tmp_path / "output")
    assert rows_of(tmp_path / "output") == rows_of(output)


def test_data_of_another_kind_is_refused(trained, tmp_path):
    toy, output, _ = trained
    other = toys.PairToy if toy.FLAGS.get("target") != "regression" else toys.Toy
    given = {"init_checkpoint": output, "do_train": None}
    with pytest.raises(InputError, match="was trained for target"):
        run(other(tmp_path), tmp_path / "output", **given)


def test_as_many_labels_as_pieces(tmp_path):
    """Short rows of a batch leave out padding, but no label."""
    toy = toys.MultiToy(tmp_path)
    names = ["bad", "ill", *"cdefghijkl"]
    given = {"max_seq_length": len(names), "labels": ",".join(names)}
    run(toy, tmp_path / "output", num_train_epochs=1, **given)
    assert all(len(row["probabilities"]) == 12 for row in rows_of(tmp_path / "output"))


def test_probabilities_of_windows_are_pooled(tmp_path):
    toy = toys.Toy(tmp_path)
    found = {}
    for pooling in ("mean", "max"):
        run(toy, tmp_path / pooling, window_pooling=pooling)
        found[pooling] = [r["probabilities"] for r in rows_of(tmp_path / pooling)]
    # Texts of one window are the same; the third has several.
    assert [a == b for a, b in zip(*found.values(), strict=True)] == [
        True,
        True,
        False,
        True,
    ]


def test_a_cut_text_is_counted(tmp_path):
    toy = toys.Toy(tmp_path)
    results = run(toy, tmp_path / "output", long_texts="cut")
    assert (results["test"]["cut"], results["test"]["more windows"]) == (1, 0)
    assert results["test"]["records"] == len(toy.ROWS)


def test_as_plain_classification_relations_are_the_same(tmp_path):
    """Short sentences, the same seed: the same numbers as run_re.py."""
    toy = re_toys.Toy(tmp_path)
    short = [row for row in re_toys.TRAIN if len(row[0].split()) < 6]
    re_toys.write_data(toy.data, train=short, dev=short, test=short)
    given = {"max_seq_length": 16, **LEARN, "num_train_epochs": 5}
    relations = run(toy, tmp_path / "re", "re", **given)
    given |= {"task_name": None, "negative_label": "0"}
    plain = run(toy, tmp_path / "plain", **given)
    of_relations, of_texts = (
        np.array([list(r["probabilities"].values()) for r in rows_of(tmp_path / name)])
        for name in ("re", "plain")
    )
    np.testing.assert_array_equal(of_texts, of_relations)
    for name in ("accuracy", "f1", "precision", "recall", "macro_f1"):
        first, second = (x["test"]["scores"][name] for x in (plain, relations))
        assert first == second, name


def test_thresholds_are_chosen_kept_and_used(tmp_path):
    toy = toys.MultiToy(tmp_path)
    # In the development set nobody is ill, and all is bad.
    dev = [{**row, "label": ["bad"]} for row in toys.MULTI]
    toys.write(toy.data, dev=dev)
    results = run(toy, tmp_path / "output", tune_thresholds=True, num_train_epochs=1)
    chosen = results["train"]["thresholds"]
    assert chosen["bad"]["score"] == 1
    assert (chosen["ill"]["value"], chosen["ill"]["num_gold"]) == (0.5, 0)
    rows = rows_of(tmp_path / "output")
    assert all("bad" in row["labels"] for row in rows)
    recorded = files.read_json(tmp_path / "output" / "settings.json")
    assert recorded["classification"]["thresholds"]["bad"] == chosen["bad"]["value"]
    predict(toy, tmp_path / "output", tmp_path / "other")
    assert rows_of(tmp_path / "other") == rows


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tune_thresholds": True, "target": "regression"}, "is no finite number"),
        ({"max_seq_length": 4}, "--max_seq_length=4: must be at least 5"),
        ({"negative_label": "none"}, "--negative_label=none is none of the labels"),
        ({"labels": "bad"}, "has the labels bad; want 2 or more"),
        ({"labels": "bad,ill"}, "label 'good' is none of bad, ill"),
        ({"do_train": None, "tune_thresholds": True}, "--tune_thresholds is a part of"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        run(toys.Toy(tmp_path), tmp_path / "output", **values)
