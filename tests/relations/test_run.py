# SPDX-License-Identifier: Apache-2.0
"""Relation runs from end to end, on sentences written down in `re_toys`."""

import json
import logging
import re

import pytest
import re_toys as toys
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags
from biobert_tf.common import settings as config
from biobert_tf.common.errors import InputError
from biobert_tf.relations import features as relation_features
from biobert_tf.relations import run as re_run
from biobert_tf.relations import scores as relations
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.sets import SETS
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.reproduce import units

# Long enough that something is learned.
LEARN = {"num_train_epochs": 20, "do_eval": True, "predict_batch_size": 2}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


def parsed(toy, **values):
    argv = toy.argv(**values)
    return flags.parse(RelationConfig, argv, RELATIONS.defaults)


def run(toy, output, **values):
    """Runs `run_re.py` into `output`; returns what stands in results.json."""
    cli.re(toy.argv(output_dir=output, **values))
    return files.read_json(output / "results.json")


def predict(toy, model, output, **values):
    """Predicts with a trained model, from nothing but its folder."""
    return run(toy, output, init_checkpoint=model, do_train=None, **values)


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory):
    """The one binary training of this file; tests only read it."""
    output = tmp_path_factory.mktemp("trained") / "output"
    run(toy, output, **LEARN)
    return output


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Marks, labels of the data, balanced weights: the data and the model."""
    folder = tmp_path_factory.mktemp("marked")
    data = toys.write_marked(
        folder / "data", train=toys.MARKED * 2, dev=toys.MARKED, test=toys.MARKED
    )
    cli.re(
        toys.Toy(folder / "toy").argv(
            data_dir=data,
            output_dir=folder / "output",
            task_name="custom",
            entity_markers=True,
            class_weights="balanced",
            do_eval=True,
        )
    )
    return data, folder / "output"


@pytest.fixture
def dry(monkeypatch):
    """Everything is read and checked, and nothing is run."""
    monkeypatch.setattr(re_run.finetune.Run, "execute", lambda self: None)


def results_of(output):
    return files.read_json(output / "results.json")


def predictions_of(output):
    lines = (output / "predictions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


# --- one run --------------------------------------------------------------------------


def test_files(trained):
    step = results_of(trained)["global_step"]
    assert {path.name for path in trained.iterdir()} == {
        "train.tf_record",
        "eval.tf_record",
        "predict.tf_record",
        "training",
        "tensorboard",
        "checkpoint",
        f"model.ckpt-{step}.index",
        f"model.ckpt-{step}.data-00000-of-00001",
        "bert_config.json",
        "vocab.txt",
        "labels.json",
        "settings.json",
        "test_results.tsv",
        "predictions.jsonl",
        "eval_results.txt",
        "results.json",
    }


def test_its_scores_are_those_of_its_predictions(trained):
    """`units.read` checks that the counts make the scores in results.json."""
    outcome = units.read(trained)
    assert (outcome.unit, len(outcome.items)) == ("sentence", 3)


def test_something_was_learned(trained):
    """So that what follows is not a comparison of models that know nothing."""
    assert results_of(trained)["test"]["scores"]["f1"] == 1.0


def test_results_say_what_was_run(toy, trained):
    results = results_of(trained)
    assert results["task"] == "re"
    assert results["labels"] == ["0", "1"]
    # 5 sentences, 20 times, in batches of 2; 10 % of 50 steps.
    assert results["train"] == {
        "examples": 5,
        "records": 5,
        "cut": 2,
        "windowed": 1,
        "steps": 50,
        "warmup_steps": 5,
        "texts": results["train"]["texts"],
    }
    assert results["global_step"] == 50
    counts = {"examples": 2, "records": 2, "cut": 0, "windowed": 0}
    assert counts.items() <= results["devel"].items()
    counts = {"examples": 3, "records": 3, "cut": 1, "windowed": 1}
    assert counts.items() <= results["test"].items()
    assert sorted(results["seconds"]) == ["devel", "test", "total", "train"]
    settings = config.to_dict(parsed(toy, output_dir=trained, **LEARN))
    assert results["settings"] == settings
    seen = {"marks": ["@DISEASE$", "@GENE$"]}
    assert files.read_json(trained / "settings.json") == settings | seen


def test_eval_results_are_those_of_results(trained):
    lines = (trained / "eval_results.txt").read_text("utf-8").splitlines()
    assert lines == sorted(lines)
    results = results_of(trained)
    expected = {"global_step": 50.0}
    for stage, prefix in (("devel", ""), ("test", "test_")):
        for name in ("eval_accuracy", "eval_loss", "loss"):
            expected[f"{prefix}{name}"] = results[stage]["metrics"][name]
        for name in (
            *("precision", "recall", "f1", "specificity"),
            *("accuracy", "macro_f1"),
        ):
            expected[f"{stage}_{name}"] = results[stage]["scores"][name]
    values = {name: float(value) for name, value in (x.split(" = ") for x in lines)}
    assert values == expected


def test_probabilities_and_predictions_agree(trained):
    text = (trained / "test_results.tsv").read_text("utf-8")
    assert text.endswith("\n")
    table = [list(map(float, line.split("\t"))) for line in text.splitlines()]
    rows = predictions_of(trained)
    assert len(table) == len(rows) == len(toys.TEST)
    for i, (values, row) in enumerate(zip(table, rows, strict=True)):
        assert sum(values) == pytest.approx(1)
        assert row["id"] == str(i)
        assert (row["text"], row["gold"]) == toys.TEST[i]
        assert row["label"] == "01"[values[1] > values[0]]
        assert list(row["probabilities"]) == ["0", "1"]
        assert list(row["probabilities"].values()) == pytest.approx(values, abs=1e-6)


def test_written_files_score_as_the_run_did(toy, trained):
    scores = relations.evaluate(
        trained / "test_results.tsv", toy.data / "test.tsv", "binary"
    )
    expected = results_of(trained)["test"]["scores"]
    assert scores.confusion == expected["confusion"]
    assert scores.f1 == expected["f1"]


def test_the_model_is_one_that_could_be_released(trained):
    weights = checkpoints.locate(trained).read().weights
    assert files.read_json(trained / "labels.json") == {"labels": ["0", "1"]}
    assert weights["output_weights"].shape == (2, toys.CONFIG.hidden_size)
    assert "bert/pooler/dense/kernel" in weights


def test_screen(toy, trained, tmp_path, capsys, caplog):
    caplog.set_level(logging.INFO)
    predict(toy, trained, tmp_path, do_eval=True)
    printed = capsys.readouterr().out
    assert printed.startswith("\ndevel\nf1 score    : ")
    assert (
        "\ntest\nf1 score    : 100.00%\nrecall      : 100.00%\n"
        "precision   : 100.00%\nspecificity : 100.00%\n"
    ) in printed
    assert printed.endswith((tmp_path / "eval_results.txt").read_text("utf-8"))
    assert "test: of 3 records 1 cut, 1 windowed" in caplog.messages
    # What is as expected is not worth a line.
    assert not [m for m in caplog.messages if m.startswith("devel: of")]


# --- one run after another ------------------------------------------------------------


def test_stop_and_go_on(toy, trained, tmp_path):
    output = tmp_path / "output"
    stopped = run(toy, output, **LEARN, max_steps=20, save_checkpoints_steps=10)
    assert stopped["global_step"] == 20
    resumed = run(toy, output, **LEARN)
    assert resumed["test"] == results_of(trained)["test"]
    names = [path.name for path in trained.glob("model.ckpt-50.*")]
    assert len(names) == 2
    for name in [*names, "predictions.jsonl", "test_results.tsv"]:
        assert (output / name).read_bytes() == (trained / name).read_bytes(), name


def test_prediction_from_the_written_model(toy, trained, tmp_path):
    results = predict(toy, trained, tmp_path, predict_batch_size=2)
    for name in ("predictions.jsonl", "test_results.tsv"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()
    assert results["test"] == results_of(trained)["test"]
    assert "train" not in results
    assert "devel" not in results
    assert not list(tmp_path.glob("model.ckpt*"))


def test_an_unlabelled_file(toy, trained, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lines = "".join(f"{i}\t{text}\n" for i, (text, _) in enumerate(toys.TEST))
    files.write_text(tmp_path / "data" / "test.tsv", f"index\tsentence\n{lines}")
    output = tmp_path / "output"
    results = predict(toy, trained, output, data_dir=tmp_path / "data")
    expected = predictions_of(trained)
    for row in expected:
        del row["gold"]
    assert predictions_of(output) == expected
    assert sorted(results["test"]) == ["cut", "examples", "records", "windowed"]
    assert (output / "test_results.tsv").exists()
    assert not (output / "eval_results.txt").exists()
    where = f"{output / 'test_results.tsv'}, {output / 'predictions.jsonl'}"
    message = f"test: no labels: not scored; the predictions are in {where}"
    assert message in caplog.messages


def test_sentences_without_the_marks_of_the_training_are_said(
    toy, trained, tmp_path, caplog
):
    rows = [*toys.TEST, ("aspirin helps .", "0"), ("<< x >> helps [[ y ]]", "1")]
    data = toys.write_data(tmp_path / "data", dev=rows[3:4], test=rows)
    output = tmp_path / "output"
    predict(toy, trained, output, data_dir=data, do_eval=True)
    said = [each for each in caplog.messages if "lack the marks" in each]
    marks = "lack the marks of the training (@DISEASE$, @GENE$); the first is at line"
    assert said == [
        f"{data / 'dev.tsv'}: 1 of 1 sentences {marks} 1",
        f"{data / 'test.tsv'}: 2 of 5 sentences {marks} 5",
    ]
    caplog.clear()
    predict(toy, trained, tmp_path / "other")
    assert not [each for each in caplog.messages if "lack the marks" in each]


def test_other_labels_in_a_directory_are_refused(toy, trained):
    with pytest.raises(InputError) as caught:
        run(toy, trained, task_name="chemprot")
    assert str(caught.value).startswith(
        f"--output_dir={trained} holds a model with other labels than the cpr:3 "
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"entity_markers": True}, "--entity_markers False -> True"),
        ({"class_weights": "1:2"}, "--class_weights  -> 1:2"),
        ({"compat": "master"}, "--compat fixed -> master"),
        ({"task_name": "euadr"}, "--task_name gad -> euadr"),
    ],
)
def test_other_settings_are_refused(toy, trained, values, named):
    before = results_of(trained)
    with pytest.raises(InputError) as caught:
        run(toy, trained, **LEARN, **values)
    assert f"holds a run with other settings ({named}); " in str(caught.value)
    assert results_of(trained) == before


@pytest.mark.usefixtures("dry")
def test_weights_of_another_task_are_a_start(toy, marked):
    """Whatever its labels and its markers."""
    task = re_run.run(parsed(toy, init_checkpoint=marked[1])).task
    assert task.labels == ("0", "1")
    assert not task.entity_markers


# --- labels ---------------------------------------------------------------------------


def find_set(toy, **values):
    return re_run.find_set(parsed(toy, **values))


@pytest.mark.parametrize("name", sorted(SETS))
def test_named_sets(toy, name):
    assert find_set(toy, task_name=name) is SETS[name]


def test_labels_of_the_flag(toy):
    found = find_set(toy, task_name="custom", labels="b, none ,a")
    assert found.labels == ("b", "none", "a")
    assert found.negative == "none"
    found = find_set(toy, task_name="custom", labels="b,none,a", negative_label="a")
    assert found.negative == "a"


def test_labels_of_the_data(toy, tmp_path):
    found = find_set(toy, task_name="custom")
    assert (found.labels, found.negative) == (("0", "1"), "0")
    rows = [("@GENE$", "b"), ("@GENE$", "c"), ("@GENE$", "B"), ("@GENE$", "b")]
    # The other files do not say what there is to learn.
    toys.write_data(tmp_path, train=rows, dev=[("@GENE$", "x")], test=toys.TEST)
    found = find_set(toy, task_name="custom", data_dir=tmp_path)
    assert (found.labels, found.negative) == (("B", "b", "c"), None)


def test_labels_of_the_model(toy, marked, tmp_path):
    given = {"task_name": "custom", "init_checkpoint": marked[1], "do_train": None}
    for output in (tmp_path, marked[1]):
        found = find_set(toy, **given, output_dir=output)
        assert found.labels == ("cure", "harm", "none")
        assert found.negative == "none"
    # Training from that model, the data say.
    again = find_set(toy, task_name="custom", init_checkpoint=marked[1])
    assert again.labels == ("0", "1")


def test_the_model_of_the_output_directory_goes_before(toy, trained, marked):
    given = {"init_checkpoint": marked[1], "do_train": None, "output_dir": trained}
    assert find_set(toy, **given, task_name="custom").labels == ("0", "1")


def test_a_model_whose_labels_are_nowhere(toy, trained, tmp_path):
    """As of the original's checkpoints: what the flags say counts."""
    for path in trained.glob("model.ckpt-50.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    given = {"init_checkpoint": tmp_path / "model.ckpt-50", "do_train": None}
    assert find_set(toy, **given) is SETS["gad"]
    found = find_set(toy, **given, task_name="custom", labels="no,yes")
    assert found.labels == ("no", "yes")


def labels_in_records(output):
    records = tf.data.TFRecordDataset(str(output / "predict.tf_record"))
    found = [tf.train.Example.FromString(record.numpy()) for record in records]
    return [each.features.feature["label_ids"].int64_list.value[0] for each in found]


def test_the_original_reads_no_labels_of_a_test_file(toy, trained, tmp_path):
    results = {
        compat: predict(toy, trained, tmp_path / compat, compat=compat)["test"]
        for compat in ("fixed", "master")
    }
    gold = [int(row["gold"]) for row in predictions_of(tmp_path / "fixed")]
    assert 1 in gold
    assert labels_in_records(tmp_path / "fixed") == gold
    assert labels_in_records(tmp_path / "master") == [0] * len(gold)
    # They are scored all the same.
    for kind in ("scores", "metrics"):
        assert sorted(results["master"][kind]) == sorted(results["fixed"][kind])
    assert results["master"]["scores"]["num_gold"] == sum(gold)


# --- other sets, end to end -----------------------------------------------------------


def test_a_set_of_its_own(marked):
    _, output = marked
    results = results_of(output)
    assert results["labels"] == ["cure", "harm", "none"]
    assert files.read_json(output / "labels.json")["labels"] == results["labels"]
    scores = results["test"]["scores"]
    assert sorted(scores["by_label"]) == ["cure", "harm", "none"]
    assert scores["num_gold"] == 2  # none is no relation
    assert "specificity" not in scores
    text = (output / "test_results.tsv").read_text()
    assert [len(line.split("\t")) for line in text.splitlines()] == [3, 3, 3]
    assert [row["gold"] for row in predictions_of(output)] == ["harm", "none", "cure"]
    assert [row["text"] for row in predictions_of(output)] == [
        text for text, _ in toys.MARKED
    ]


def test_entity_markers_reach_the_model(marked):
    _, output = marked
    path = output / "predict.tf_record"
    [first, *_] = tf.data.TFRecordDataset(str(path))
    features = tf.train.Example.FromString(first.numpy()).features.feature
    ids = list(features["input_ids"].int64_list.value)
    (a, b), (c, d) = relation_features.MARKERS
    pieces = ["[CLS]", a, "aspirin", b, "causes", c, "cancer", d, ".", "[SEP]"]
    assert ids == [toys.ID[piece] for piece in pieces]


def test_prediction_with_entity_markers(toy, marked, tmp_path):
    data, model = marked
    given = {"task_name": "custom", "data_dir": data, "entity_markers": True}
    unlabelled = [(text, None) for text, _ in toys.MARKED]
    predict(toy, model, tmp_path / "one", **given)
    expected = (model / "test_results.tsv").read_bytes()
    assert (tmp_path / "one" / "test_results.tsv").read_bytes() == expected
    toys.write_marked(tmp_path / "data", test=unlabelled)
    given["data_dir"] = tmp_path / "data"
    results = predict(toy, model, tmp_path / "two", **given)
    assert (tmp_path / "two" / "test_results.tsv").read_bytes() == expected
    assert "scores" not in results["test"]


@pytest.mark.parametrize(
    ("name", "labels", "rows"),
    [
        ("ddi13", toys.DDI, ["DDI-effect", "DDI-false", "ddi-INT"]),
        ("chemprot", toys.CHEMPROT, ["CPR:3", "False", "cpr:9"]),
    ],
)
def test_sets_of_several_labels(toy, tmp_path, name, labels, rows):
    """And labels in another case than the set has them."""
    model = toys.write_model(tmp_path / "model", labels)
    data = toys.write_data(tmp_path / "data", test=[("@GENE$", row) for row in rows])
    results = predict(toy, model, tmp_path / "out", task_name=name, data_dir=data)
    assert results["labels"] == list(labels)
    scores = results["test"]["scores"]
    assert list(scores["by_label"]) == list(labels)
    assert scores["num_gold"] == 2
    gold = [row["gold"] for row in predictions_of(tmp_path / "out")]
    assert all(label in labels for label in gold)
    assert [label.lower() for label in gold] == [row.lower() for row in rows]
    [line, *_] = (tmp_path / "out" / "test_results.tsv").read_text().splitlines()
    assert len(line.split("\t")) == len(labels)


@pytest.mark.parametrize(
    ("flags", "clipping"),
    [
        ({"compat": "fixed"}, "whole"),
        ({"compat": "fixed", "use_tpu": True, "strategy": None}, "whole"),
        ({"compat": "master"}, "gathered"),
        ({"compat": "master", "use_tpu": True, "strategy": None}, "per_core"),
    ],
)
def test_how_the_gradient_is_clipped(toy, monkeypatch, flags, clipping):
    seen = []
    monkeypatch.setattr(re_run.finetune.Run, "execute", lambda run: seen.append(run))
    task = re_run.run(parsed(toy, **flags)).task
    assert seen[0].clipping == clipping
    assert seen[0].task is task
    assert task.compat == flags["compat"]


# --- class weights --------------------------------------------------------------------


@pytest.fixture
def weights_of(toy, dry, tmp_path):
    """The weights that a training would have."""

    def weights_of(data=toys.TRAIN, **values):
        folder = toys.write_data(tmp_path, train=data)
        task = re_run.run(parsed(toy, data_dir=folder, do_predict=None, **values)).task
        return dict(zip(task.labels, task.class_weights, strict=True))

    return weights_of


def test_weights_are_one_unless_asked_for(weights_of):
    assert weights_of() == {"0": 1.0, "1": 1.0}


def test_balanced_weights(weights_of, caplog):
    caplog.set_level(logging.INFO)
    # N / (K n) with N = 5, K = 2.
    assert weights_of(class_weights="balanced") == {"0": 5 / 6, "1": 5 / 4}
    assert "class weights: 0 0.8333, 1 1.25" in caplog.messages


def test_balanced_weights_where_a_label_is_missing(weights_of):
    rows = [("@GENE$", "CPR:3")] * 3 + [("@GENE$", "false")]
    found = weights_of(rows, task_name="chemprot", class_weights="balanced")
    assert found == {
        **dict.fromkeys(toys.CHEMPROT, 1.0),
        "cpr:3": 4 / 18,
        "false": 4 / 6,
    }


def test_explicit_weights(weights_of):
    rows = [("@GENE$", "false")]
    found = weights_of(rows, task_name="chemprot", class_weights="cpr:3:2.5, FALSE:.5")
    assert found == {
        **dict.fromkeys(toys.CHEMPROT, 1.0),
        "cpr:3": 2.5,
        "false": 0.5,
    }


# --- which files are read -------------------------------------------------------------


def read_data(toy, **values):
    settings = parsed(toy, **values)
    return re_run.read_data(settings, re_run.find_set(settings))


def texts_of(examples):
    return [(example.text, example.label) for example in examples]


def test_files_of_the_stages(toy):
    data = read_data(toy, do_eval=True)
    assert texts_of(data.train) == toys.TRAIN
    assert texts_of(data.devel) == toys.DEV
    assert texts_of(data.test) == toys.TEST
    data = read_data(toy, do_predict=None)
    assert data.devel is None
    assert data.test is None


@pytest.mark.parametrize("text", [None, ""])
def test_a_development_file_is_not_needed(tmp_path, text):
    toy = toys.Toy(tmp_path)
    (toy.data / "dev.tsv").unlink()
    if text is not None:
        (toy.data / "dev.tsv").write_text(text)
    assert texts_of(read_data(toy).test) == toys.TEST


def test_an_empty_development_file_is_not_evaluated(trained, tmp_path, caplog):
    """GAD and EU-ADR are published with one."""
    toy = toys.Toy(tmp_path)
    path = toy.data / "dev.tsv"
    path.write_text("\n")
    results = run(toy, tmp_path / "out", init_checkpoint=trained, do_eval=True)
    assert results["test"]["examples"] == len(toys.TEST)
    assert "devel" not in results
    assert f"{path} is empty: nothing is evaluated" in caplog.messages
    # A run that does nothing else is refused, and so is one that lacks the file.
    alone = {"do_eval": True, "do_train": None, "do_predict": None}
    with pytest.raises(InputError, match=r"dev\.tsv:1: holds no sentence"):
        run(toy, tmp_path / "out", init_checkpoint=trained, **alone)
    path.unlink()
    with pytest.raises(InputError, match=r"dev\.tsv: no such file"):
        predict(toy, trained, tmp_path / "out", do_eval=True)


@pytest.mark.parametrize("name", ["dev.tsv", "dev.jsonl", "dev.txt"])
def test_an_empty_development_file_cannot_choose(toy, tmp_path, name):
    files.write_text(tmp_path / "train.tsv", (toy.data / "train.tsv").read_text())
    files.write_text(tmp_path / name, "\n")
    message = f"^{re.escape(str(tmp_path / name))}: is empty, and cannot be scored"
    with pytest.raises(InputError, match=message):
        read_data(toy, data_dir=tmp_path, do_predict=None, keep_best="f1")


def test_one_form_for_all_files_of_a_directory(toy, tmp_path):
    """The test file alone could be of either form."""
    quoted = 'index\tsentence\tlabel\n0\t"@GENE$ ""x"" @DISEASE$"\t1\n'
    for split in ("train", "test"):
        files.write_text(tmp_path / f"{split}.tsv", quoted)
    data = read_data(toy, data_dir=tmp_path)
    assert data.test[0].text == data.train[0].text == '@GENE$ "x" @DISEASE$'
    as_said = read_data(toy, data_dir=tmp_path, data_format="biobert")
    assert as_said.test[0].text == '"@GENE$ ""x"" @DISEASE$"'


# --- defaults -------------------------------------------------------------------------


def test_every_stage_must_be_asked_for(toy):
    with pytest.raises(InputError, match=r"^nothing to do: set --do_train, "):
        cli.re(toy.argv(do_train=None, do_predict=None))
