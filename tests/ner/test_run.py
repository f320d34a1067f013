# SPDX-License-Identifier: Apache-2.0
"""The script from end to end on a part of the demo corpus."""

import dataclasses
import json
import logging
import re
from pathlib import Path

import ner_toys as toys
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.cli import main as cli
from biobert_tf.common import files, flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__
from biobert_tf.demo import ner as demo
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import conlleval
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.settings import NerConfig
from biobert_tf.reproduce import units
from biobert_tf.text.labels import chunks
from biobert_tf.training import finetune

ROOT = Path(__file__).parents[2]
NUM_SENTENCES = {"train": 240, "devel": 40, "test": 60}
FEATURES = {"input_ids", "input_mask", "segment_ids", "label_ids"}
# Longer sentences are cut into windows: the corpus has some.
MAX_SEQ_LENGTH = 32


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The first sentences of the demo corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, sentences in demo.corpus(demo.SEED).items():
        some = [list(zip(*s, strict=True)) for s in sentences[: NUM_SENTENCES[name]]]
        toys.write_data(folder, **{name: some})
    files.write_json(folder / "bert_config.json", dataclasses.asdict(demo.ENCODER))
    return folder


def argv(corpus, output, **values):
    """A training of some 150 steps, saved every 15; `values` add and replace."""
    given = {
        "data_dir": corpus,
        "output_dir": output,
        "bert_config_file": corpus / "bert_config.json",
        "vocab_file": demo.vocab_file(),
        "max_seq_length": MAX_SEQ_LENGTH,
        "train_batch_size": 8,
        "num_train_epochs": 4,
        "learning_rate": 2e-3,
        "save_checkpoints_steps": 15,
        "do_eval": True,
        "strategy": "cpu",
        **values,
    }
    return ["run_ner.py", *(f"--{name}={value}" for name, value in given.items())]


def predict_argv(trained, corpus, output, **values):
    """Prediction with a trained model, from nothing but its folder."""
    given = {
        "data_dir": corpus,
        "output_dir": output,
        "init_checkpoint": trained,
        "max_seq_length": MAX_SEQ_LENGTH,
        "do_train": False,
        "strategy": "cpu",
        **values,
    }
    return ["run_ner.py", *(f"--{name}={value}" for name, value in given.items())]


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """Where the one training of this file wrote; test only reads it."""
    output = tmp_path_factory.mktemp("trained") / "output"
    cli.ner(argv(corpus, output))
    return output


def results_of(output):
    return files.read_json(output / "results.json")


def predictions_of(output):
    lines = (output / "predictions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


# --- what a run writes ----------------------------------------------------------------


def test_files(trained):
    step = results_of(trained)["global_step"]
    written = {path.name for path in trained.iterdir()}
    assert written == {
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
        "NER_result_conll.txt",
        "predictions.jsonl",
        "eval_results.txt",
        "results.json",
    }
    assert list((trained / "tensorboard").iterdir())


def test_its_scores_are_those_of_its_predictions(trained):
    """`units.read` checks that the counts make the scores in results.json."""
    outcome = units.read(trained)
    assert (outcome.unit, outcome.names[0]) == ("sentence", "f1")
    assert len(outcome.items) == NUM_SENTENCES["test"]


def test_something_was_learned(trained):
    """So that what follows is not a comparison of zeros."""
    scores = results_of(trained)["test"]["scores"]
    assert scores["f1"] > 0.1, scores
    assert set(scores["by_type"]) == {"Chemical", "Disease"}


@pytest.mark.parametrize("name", ["train", "eval", "predict"])
def test_records_have_the_original_features(trained, name):
    stage = {"train": "train", "eval": "devel", "predict": "test"}[name]
    num_records = 0
    for record in tf.data.TFRecordDataset(str(trained / f"{name}.tf_record")):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        assert set(features) == FEATURES
        lengths = {len(feature.int64_list.value) for feature in features.values()}
        assert len(lengths) == 1
        assert max(lengths) <= MAX_SEQ_LENGTH
        # Padding is left out.
        assert all(features["input_mask"].int64_list.value)
        num_records += 1
    counts = results_of(trained)[stage]
    assert num_records == counts["records"]
    # Some sentence is longer than a window.
    assert counts["records"] > counts["examples"]


def test_the_model_is_one_that_could_be_released(trained):
    weights = checkpoints.locate(trained).read().weights
    labels = files.read_json(trained / "labels.json")["labels"]
    assert labels == ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"]
    assert weights["output_weights"].shape == (5, demo.ENCODER.hidden_size)
    assert "bert/encoder/layer_1/output/dense/kernel" in weights
    read = EncoderConfig.from_json(trained / "bert_config.json")
    assert read == demo.ENCODER
    assert (trained / "vocab.txt").read_bytes() == demo.vocab_file().read_bytes()


def test_eval_results_are_those_of_results(trained):
    lines = (trained / "eval_results.txt").read_text("utf-8").splitlines()
    assert lines == sorted(lines)
    results = results_of(trained)
    values = {name: float(value) for name, value in (x.split(" = ") for x in lines)}
    expected = {"global_step": float(results["global_step"])}
    for stage, prefix in (("devel", ""), ("test", "test_")):
        expected[f"{prefix}loss"] = results[stage]["metrics"]["loss"]
        for name in ("precision", "recall", "f1", "word_macro_f1"):
            expected[f"{stage}_{name}"] = results[stage]["scores"][name]
    assert values == expected


def test_results_hold_what_a_table_needs(trained, corpus):
    results = results_of(trained)
    assert results["version"] == __version__
    assert results["seed"] == 12345
    assert results["seconds"]["total"] >= results["seconds"]["train"] > 0
    assert results["settings"]["data_dir"] == str(corpus)
    assert results["train"]["examples"] == 240 + 40
    num_steps = int(results["train"]["records"] / 8 * 4)
    assert results["train"]["steps"] == results["global_step"] == num_steps
    for stage in ("devel", "test"):
        scores = results[stage]["scores"]
        assert scores["num_sentences"] == NUM_SENTENCES[stage]
        for name, (low, high) in scores["interval_95"].items():
            assert 0 <= low <= scores[name] <= high <= 1
            assert low < high
        for key in ("num_gold", "num_predicted", "num_correct"):
            parts = scores["by_type"].values()
            assert scores[key] == sum(part[key] for part in parts)


def test_scores_are_those_of_conlleval_on_the_conll_file(trained):
    file = trained / "NER_result_conll.txt"
    counts = conlleval.evaluate(conlleval.read_sentences(file))
    scores = results_of(trained)["test"]["scores"]
    assert counts.gold.total() == scores["num_gold"]
    assert counts.found.total() == scores["num_predicted"]
    assert counts.correct.total() == scores["num_correct"]
    for name, part in scores["by_type"].items():
        assert counts.correct.get(name, 0) == part["num_correct"]


def test_every_word_of_the_input_gets_a_prediction(trained, corpus):
    gold = [
        line.split() for line in (corpus / "test.tsv").read_text("utf-8").split("\n")
    ]
    conll = (trained / "NER_result_conll.txt").read_text("utf-8").split("\n")
    assert [line.split()[:2] for line in conll] == gold


def test_predictions_agree_with_the_conll_file(trained):
    conll = (trained / "NER_result_conll.txt").read_text("utf-8").split("\n\n")[:-1]
    rows = predictions_of(trained)
    for row, block in zip(rows, conll, strict=True):
        columns = zip(*(line.split(" ") for line in block.split("\n")), strict=True)
        assert list(columns) == [tuple(row[key]) for key in ("words", "gold", "labels")]
        found = chunks(row["labels"])
        assert found == [(e["type"], e["start"], e["end"]) for e in row["entities"]]
        for entity in row["entities"]:
            words = row["words"][entity["start"] : entity["end"]]
            assert entity["text"] == " ".join(words)
            assert 0 < entity["probability"] <= 1
    assert sum(len(row["entities"]) for row in rows) > 20


# --- one run after another ------------------------------------------------------------


def test_prediction_from_the_written_model(trained, corpus, tmp_path):
    output = tmp_path / "output"
    cli.ner(predict_argv(trained, corpus, output))
    for name in ("predictions.jsonl", "NER_result_conll.txt"):
        assert (output / name).read_bytes() == (trained / name).read_bytes()
    results = results_of(output)
    assert results["test"]["scores"] == results_of(trained)["test"]["scores"]
    assert "train" not in results
    assert "devel" not in results
    assert not list(output.glob("model.ckpt*"))


def test_an_unlabelled_file(trained, corpus, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    sentences = ner_reading.read_examples(corpus / "test.tsv", "fixed", True)
    text = "\n".join("".join(f"{word}\n" for word in s.words) for s in sentences)
    files.write_text(tmp_path / "data" / "test.tsv", text)
    output = tmp_path / "output"
    files.write_text(output / "NER_result_conll.txt", "of an earlier prediction\n")
    cli.ner(predict_argv(trained, tmp_path / "data", output))
    expected = predictions_of(trained)
    for row in expected:
        del row["gold"]
    assert predictions_of(output) == expected
    assert not (output / "NER_result_conll.txt").exists()
    assert not (output / "eval_results.txt").exists()
    assert sorted(results_of(output)["test"]) == ["examples", "records"]
    where = f"the predictions are in {output / 'predictions.jsonl'}"
    assert f"test: no labels: not scored; {where}" in caplog.messages


# --- which files are read -------------------------------------------------------------


@pytest.fixture
def toy(tmp_path):
    return toys.Toy(tmp_path)


def read_data(toy, **values):
    return ner_run.read_data(flags.parse(NerConfig, toy.argv(**values)))


def words_of(examples):
    return [" ".join(example.words) for example in examples]


def words_in(sentences):
    return [" ".join(word for word, _ in sentence) for sentence in sentences]


def test_training_is_on_train_and_devel(toy):
    data = read_data(toy)
    assert words_of(data.train) == words_in(toys.TRAIN + toys.DEVEL)
    assert data.devel is None
    assert words_of(data.test) == words_in(toys.TEST)


def test_an_empty_development_file_adds_nothing(toy, caplog):
    (toy.data / "devel.tsv").write_text("")
    with caplog.at_level(logging.INFO):
        data = read_data(toy)
    assert words_of(data.train) == words_in(toys.TRAIN)
    assert "training on train.tsv" in caplog.messages


def test_a_development_file_may_have_the_name_that_blurb_gives_it(toy, caplog):
    (toy.data / "devel.tsv").rename(toy.data / "dev.tsv")
    with caplog.at_level(logging.INFO):
        data = read_data(toy, do_eval=True)
    assert words_of(data.train) == words_in(toys.TRAIN + toys.DEVEL)
    assert words_of(data.devel) == words_in(toys.DEVEL)
    assert "training on train.tsv and dev.tsv" in caplog.messages
    # Where both are, it is as before.
    toys.write_data(toy.data, devel=toys.TEST)
    assert words_of(read_data(toy, do_eval=True).devel) == words_in(toys.TEST)


def test_an_empty_development_file_cannot_choose(toy):
    path = toy.data / "devel.tsv"
    path.write_text("\n")
    message = f"^{re.escape(str(path))}: is empty, and cannot be scored"
    with pytest.raises(InputError, match=message):
        read_data(toy, keep_best="f1", train_on="train")


def test_train_dev_file_goes_before(toy):
    toys.write_data(toy.data, train_dev=toys.TRAIN[:1])
    (toy.data / "train.tsv").unlink()
    assert words_of(read_data(toy).train) == words_in(toys.TRAIN[:1])


def test_train_only(toy):
    toys.write_data(toy.data, train_dev=toys.DEVEL)
    data = read_data(toy, train_on="train", do_eval=True)
    assert words_of(data.train) == words_in(toys.TRAIN)
    assert words_of(data.devel) == words_in(toys.DEVEL)


def test_only_files_of_the_stages_are_read(toy):
    for name in ("train", "devel"):
        (toy.data / f"{name}.tsv").unlink()
    data = read_data(toy, do_train=False)
    assert (data.train, data.devel) == (None, None)
    (toy.data / "test.tsv").unlink()
    toys.write_data(toy.data, devel=toys.DEVEL)
    data = read_data(toy, do_train=False, do_predict=False, do_eval=True)
    assert (data.train, data.test) == (None, None)


def test_an_empty_development_file_is_not_evaluated(toy, caplog):
    model = toys.write_model(toy.released)
    path = toy.data / "devel.tsv"
    path.write_text("")
    given = {"init_checkpoint": model, "do_train": False, "do_eval": True}
    cli.ner(toy.argv(**given))
    assert "devel" not in results_of(toy.output)
    assert f"{path} is empty: nothing is evaluated" in caplog.messages
    with pytest.raises(InputError, match=r"devel\.tsv:1: holds no sentence"):
        cli.ner(toy.argv(**given, do_predict=False))


def warnings(toy, caplog, **values):
    model = toys.write_model(toy.released, labels=toys.ORIGINAL_LABELS)
    for name in ("train", "devel", "test"):
        sentences = getattr(toys, name.upper())
        toys.write_data(toy.data, **{name: toys.untyped(sentences)})
    with caplog.at_level(logging.WARNING):
        cli.ner(toy.argv(init_checkpoint=model, **values))
    return [r.getMessage() for r in caplog.records if r.name == "biobert_tf.ner.run"]


def test_the_papers_cuts_are_said(toy, caplog):
    [message] = warnings(toy, caplog, do_train=False, compat="paper")
    assert message.startswith("--compat=paper: sentences of more than 30 words are cut")


def test_no_warnings_without_a_cause(toy, caplog):
    assert not warnings(toy, caplog, do_train=False, do_eval=True, compat="master")


def test_training_on_the_development_file_is_said(toy, caplog):
    [message] = warnings(toy, caplog, do_eval=True, compat="master", max_steps=1)
    assert message.startswith("the development file is part of the training data")


@pytest.mark.parametrize(
    "flags, clipping",
    [
        ({"compat": "fixed"}, "whole"),
        ({"compat": "fixed", "use_tpu": True}, "whole"),
        ({"compat": "master"}, "gathered"),
        ({"compat": "paper"}, "gathered"),
        ({"compat": "master", "use_tpu": True}, "per_core"),
        ({"compat": "paper", "strategy": "tpu"}, "per_core"),
    ],
)
def test_clipping_is_that_of_the_mode(toy, monkeypatch, flags, clipping):
    seen = []
    monkeypatch.setattr(finetune.Run, "execute", lambda run: seen.append(run.clipping))
    for name in ("train", "devel", "test"):
        sentences = getattr(toys, name.upper())
        toys.write_data(toy.data, **{name: toys.untyped(sentences)})
    cli.ner(toy.argv(**{"strategy": None, **flags}))
    assert seen == [clipping]


# --- annotating and the demo ----------------------------------------------------------


def test_annotate(trained, corpus, tmp_path):
    settings = flags.parse(NerConfig, predict_argv(trained, corpus, tmp_path))
    model = ner_run.run(settings)
    text = "A 54-year-old woman took IL-2 (5 mg/kg) and Alzheimer's drugs; P<0.05."
    long = " ".join(["hepatitis and"] * 30)
    pairs = toys.annotated(model.task, model.estimator, [text, long], batch_size=2)
    assert " ".join(pairs[0][0].words) == (
        "A 54-year-old woman took IL-2 ( 5 mg/kg ) and Alzheimer's drugs ; P < 0.05 ."
    )
    assert [len(example.words) for example, _ in pairs] == [17, 60]
    assert [len(prediction.labels) for _, prediction in pairs] == [17, 60]


def test_demo(tmp_path, capsys, monkeypatch):
    """With fewer epochs, and a second time in a hurry."""
    output, run = tmp_path / "demo", ner_run.run
    epochs, steps = 7, 0

    def run_shortly(settings):
        finetuning = dataclasses.replace(settings.finetuning, num_train_epochs=epochs)
        shorter = dataclasses.replace(settings.run, max_steps=steps)
        return run(dataclasses.replace(settings, finetuning=finetuning, run=shorter))

    monkeypatch.setattr(ner_run, "run", run_shortly)
    cli.main(["biobert", "demo", f"--output_dir={output}"])
    printed = capsys.readouterr().out
    assert results_of(output / "model")["test"]["scores"]["f1"] > 0.6
    assert "--num_train_epochs=12" in printed
    assert demo.RAW_SENTENCE in printed
    shares = r"names with a word never seen in training: (\d+) of (\d+) "
    [(right, total)] = re.findall(shares, printed)
    assert 0 < int(right) <= int(total)
    lines = printed[printed.index("entities found in it") :].splitlines()[1:]
    assert lines
    for line in lines:
        entity_type, probability, text = line.split(maxsplit=2)
        assert entity_type in ("Chemical", "Disease")
        assert 0 < float(probability) <= 1
        assert text in demo.RAW_SENTENCE

    steps = 1
    cli.main(["biobert", "demo", f"--output_dir={output}"])
    assert results_of(output / "model")["global_step"] == 1


def test_demo_deletes_nothing_that_is_not_its_own(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(InputError, match="exists and is not a demo"):
        cli.main(["biobert", "demo", f"--output_dir={tmp_path}"])
    assert (tmp_path / "thesis.txt").read_text() == "three years"
