# SPDX-License-Identifier: Apache-2.0
"""What users get wrong: one line that says so, a status, and nothing half-written."""

import dataclasses
import functools
import json

import bad_input
import ner_toys as toys
import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training import records
from biobert_tf.training.estimator import Estimator


@pytest.fixture
def toy(tmp_path):
    return toys.Toy(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with random weights and five labels."""
    return toys.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(toy, capsys):
    """Runs `run_ner.py` on the toy, changed by flags; returns its error."""

    return functools.partial(bad_input.refusal, cli.ner, toy, capsys)


# --- data -----------------------------------------------------------------------------


def test_no_data_directory(toy, run):
    absent = toy.data / "absent"
    assert run(data_dir=absent) == f"--data_dir={absent}: no such directory"
    file = toy.data / "train.tsv"
    assert run(data_dir=file) == f"--data_dir={file}: no such directory"


def test_directory_without_the_files(toy, run):
    for path in toy.data.iterdir():
        path.unlink()
    message = run()
    assert message.startswith(f"{toy.data / 'train.tsv'}: no such file; {toy.data} ")
    assert message.endswith("holds no .tsv file")


@pytest.mark.parametrize(
    "name, others", [("train", "devel.tsv, test.tsv"), ("test", "devel.tsv, train.tsv")]
)
def test_missing_file(toy, run, name, others):
    (toy.data / f"{name}.tsv").unlink()
    path = toy.data / f"{name}.tsv"
    assert run() == f"{path}: no such file; {toy.data} holds {others}"


def test_missing_development_file(toy, run):
    (toy.data / "devel.tsv").unlink()
    path = toy.data / "devel.tsv"
    message = f"{path}: no such file; {toy.data} holds test.tsv, train.tsv"
    assert run(do_eval=True, train_on="train") == message
    # It is a part of the training data too.
    assert run() == f"{message}; --train_on=train trains without it"


@pytest.mark.parametrize("name", ["train", "devel", "test"])
@pytest.mark.parametrize(
    "text, line, problem",
    [
        (b"Liver\tO\nhelps\n", 2, "one column ('helps')"),
        (b"Liver\tO\n\nSj\xf6gren\tB-Dis\n", 3, "byte 0xf6 is not UTF-8"),
        (b"", 1, "holds no sentence"),
        (b"\n\n", 1, "holds no sentence"),
        (b"Liver\tdisease\n", 1, "label 'disease' is not O, B-TYPE or I-TYPE"),
    ],
)
def test_malformed_file(toy, run, name, text, line, problem):
    path = toy.data / f"{name}.tsv"
    path.write_bytes(text)
    if name == "devel" and not text.strip():
        # A training does without it.
        only = {"do_train": False, "do_predict": False, "do_eval": True}
        assert run(**only).startswith(f"{path}:{line}: {problem}")
        return
    assert run().startswith(f"{path}:{line}: {problem}")


def test_training_without_labels(toy, run):
    path = toy.data / "train.tsv"
    path.write_text("Liver\nhelps\n")
    assert run().startswith(f"{path}:1: one column, no label")


def test_types_in_a_mode_of_the_original(toy, run):
    message = run(compat="master")
    assert message.startswith(f"{toy.data / 'train.tsv'}:1: label 'B-Chem': ")


@pytest.mark.parametrize("name, flags", [("test", {}), ("devel", {"do_eval": True})])
def test_unknown_label_at_prediction(toy, run, model, name, flags):
    toys.write_data(
        toy.data,
        **{name: [[("Liver", "O")], [("helps", "O"), ("brca1", "B-Gene")]]},
    )
    message = run(init_checkpoint=model, do_train=False, **flags)
    path = toy.data / f"{name}.tsv"
    assert message.startswith(f"{path}:4: label 'B-Gene' is unknown to the model")


def test_labels_in_test_absent_from_training_are_a_warning(toy, caplog):
    toys.write_data(
        toy.data,
        test=[[("Liver", "B-Dis")], [("helps", "O"), ("x", "B-Gene"), ("y", "I-Gene")]],
    )
    assert program.run(cli.ner, toy.argv(max_steps=1)) == 0
    [message] = [r.getMessage() for r in caplog.records if "labels are" in r.message]
    assert message.startswith(
        f"{toy.data / 'test.tsv'}: 2 labels are not in the training data "
        "(B-Gene, I-Gene, first at line 4)"
    )
    scores = files.read_json(toy.output / "results.json")["test"]["scores"]
    assert scores["by_type"]["Gene"]["num_gold"] == 1
    assert scores["by_type"]["Gene"]["recall"] == 0.0


# --- the model ------------------------------------------------------------------------


def write_config(toy, **changes):
    """Writes another bert_config.json; returns its path."""
    path = toy.released / "bert_config.json"
    values = {**dataclasses.asdict(toys.CONFIG), **changes}
    files.write_json(path, {k: v for k, v in values.items() if v is not None})
    return path


@pytest.mark.parametrize(
    "changes, problem",
    [
        (
            {"num_attention_heads": 3},
            "hidden_size 8 is not a multiple of num_attention",
        ),
        ({"hidden_size": 0}, "hidden_size is 0: want a positive integer"),
        ({"vocab_size": None}, "vocab_size is missing"),
        ({"hidden_act": "swish"}, "hidden_act 'swish' is none of "),
    ],
)
def test_impossible_sizes(toy, run, changes, problem):
    path = write_config(toy, **changes)
    assert run().startswith(f"{path}: {problem}")


def test_sizes_that_are_no_json(toy, run):
    path = toy.released / "bert_config.json"
    path.write_text('{\n\n"vocab_size" 15}')
    assert run().startswith(f"{path}:3: not JSON: ")


def test_unknown_keys_of_the_configuration_are_a_warning(toy, model, caplog):
    path = write_config(toy, hiden_size=16)
    flags = {"init_checkpoint": model, "bert_config_file": path, "do_train": False}
    assert program.run(cli.ner, toy.argv(**flags)) == 0
    assert f"{path}: unknown keys ignored: hiden_size" in caplog.messages


@pytest.mark.parametrize("do_train", [True, False])
@pytest.mark.parametrize(
    "changes, named",
    [
        ({"hidden_size": 16}, "[2, 8] in the checkpoint and [2, 16] in the model"),
        ({"num_hidden_layers": 2}, "bert/encoder/layer_1/"),
        ({"vocab_size": 16}, "[15, 8] in the checkpoint and [16, 8] in the model"),
    ],
)
def test_checkpoint_of_other_sizes(toy, run, model, do_train, changes, named):
    path = write_config(toy, **changes)
    message = run(init_checkpoint=model, bert_config_file=path, do_train=do_train)
    assert message.startswith(f"{model / 'model.ckpt-7'}: ")
    assert named in message
    assert not toy.output.exists()


def test_model_of_other_labels(toy, run, tmp_path):
    folder = toys.write_model(tmp_path / "model", labels=toys.LABELS)
    files.write_json(folder / "labels.json", {"labels": ["O", "B", "I"]})
    toys.write_data(toy.data, test=toys.untyped(toys.TEST))
    message = run(init_checkpoint=folder, do_train=False)
    assert message.startswith(f"{folder / 'model.ckpt-7'}: ")
    assert "output_bias is [5] in the checkpoint and [3] in the model" in message


def test_model_without_a_head(toy, run, tmp_path):
    """Pre-trained weights can be fine-tuned, but nothing can be predicted with them."""
    folder = toys.write_model(tmp_path / "model")
    (folder / "labels.json").unlink()
    message = run(init_checkpoint=folder, do_train=False)
    assert message.startswith("the model's labels are unknown: there is no labels.json")


@pytest.mark.parametrize(
    "labels, problem",
    [
        ({"labels": ["LABEL_0", "LABEL_1"]}, "the labels of the model are LABEL_0 "),
        ({"labels": [1, 2]}, "labels.json: expected "),
        ({}, "labels.json: expected "),
    ],
)
def test_labels_that_cannot_be_read(toy, run, tmp_path, labels, problem):
    folder = toys.write_model(tmp_path / "model")
    files.write_json(folder / "labels.json", labels)
    assert problem in run(init_checkpoint=folder, do_train=False)


def test_no_checkpoint_to_predict_with(toy, run):
    message = run(do_train=False)
    assert message.startswith(f"--output_dir={toy.output} holds no trained model")
    toys.write_data(toy.data, test=toys.untyped(toys.TEST))
    message = run(do_train=False, compat="master")
    assert message.startswith(f"{toy.output} holds no trained model")


def test_missing_checkpoint(toy, run, tmp_path):
    absent = tmp_path / "absent" / "model.ckpt"
    assert str(absent) in run(init_checkpoint=absent)
    companions = {
        "vocab_file": toy.released / "vocab.txt",
        "bert_config_file": toy.released / "bert_config.json",
    }
    message = run(init_checkpoint=absent, **companions)
    assert message.startswith(f"{absent}: no such checkpoint")


def test_damaged_checkpoint(toy, run, tmp_path):
    folder = toys.write_model(tmp_path / "model")
    path = folder / "model.ckpt-7.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:100])
    message = run(init_checkpoint=folder)
    assert message.startswith(f"{folder / 'model.ckpt-7'}: ")


def test_sequence_longer_than_the_positions(run):
    message = run(max_seq_length=17)
    assert message.startswith("--max_seq_length=17 is above the max_position_embedding")


# --- the vocabulary -------------------------------------------------------------------


def test_missing_vocabulary(toy, run):
    absent = toy.released / "absent.txt"
    assert run(vocab_file=absent).startswith(f"{absent}: ")
    assert run(vocab_file=None).startswith("--vocab_file is not given, and there is no")


@pytest.mark.parametrize(
    "text, place, problem",
    [
        (b"", "", "is empty; give a BERT vocabulary"),
        (b"[PAD]\n[UNK]\nLiver\n", "", "lacks [CLS], [SEP]"),
        (b"[PAD]\n[UNK]\n\xff\n", ":3", "byte 0xff is not UTF-8"),
        (b"[UNK]\n[CLS]\n[SEP]\n" + b"A\n" * 20, "", "has 23 entries, but the voc"),
    ],
)
def test_malformed_vocabulary(toy, run, text, place, problem):
    path = toy.released / "vocab.txt"
    path.write_bytes(text)
    assert run().startswith(f"{path}{place}: {problem}")


def test_vocabulary_of_the_wrong_case(toy, run):
    path = toy.released / "vocab.txt"
    line = toys.ID["Liver"] + 1
    message = run(do_lower_case=True)
    assert message.startswith(f"{path}:{line}: the vocabulary is cased ('Liver' ")


# --- the run --------------------------------------------------------------------------


def test_output_below_a_file(toy, run, tmp_path):
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        message = run(output_dir=output)
        assert message.startswith(f"{output / 'settings.json'}: cannot be written: ")


@pytest.mark.parametrize(
    "flags, problem",
    [
        ({"max_seq_length": 2}, "--max_seq_length=2: must be at least 3"),
        ({"train_batch_size": 300}, "5 training examples, --train_batch_size=300 and "),
        (
            {"gradient_accumulation_steps": 3},
            "--train_batch_size=2 is not a multiple of 1 devices x ",
        ),
        ({"num_train_epochs": "nan"}, "--num_train_epochs=nan: "),
        ({"do_trian": True}, "Unknown command line flag 'do_trian'"),
        ({"data_dir": None}, "--data_dir must be given; see --help"),
        ({"strategy": "multi_worker"}, "--strategy=multi_worker: TF_CONFIG names no "),
        ({"do_train": False, "do_predict": False}, "nothing to do: "),
    ],
)
def test_flags(run, monkeypatch, flags, problem):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert run(**flags).startswith(problem)


def test_truncated_records(run, model, monkeypatch):
    write = records.write

    def write_half(path, rows, specs):
        write(path, rows, specs)
        path.write_bytes(path.read_bytes()[:-10])

    monkeypatch.setattr(records, "write", write_half)
    message = run(init_checkpoint=model, do_train=True)
    assert "train.tf_record: truncated or damaged after 4 whole records" in message


def test_training_that_diverges(toy, capsys):
    status = program.run(cli.ner, toy.argv(learning_rate=1e30))
    assert status == 3
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the loss is ")
    assert not (toy.output / "results.json").exists()
    assert not list(toy.output.glob("model.ckpt-*"))
    # Nothing was learned, so that the same directory serves with other settings.
    assert program.run(cli.ner, toy.argv(max_steps=1)) == 0


def test_a_run_that_fails_takes_the_results_of_an_earlier_one_away(
    toy, model, monkeypatch, capsys
):
    flags = {"init_checkpoint": model, "do_train": False}
    assert program.run(cli.ner, toy.argv(**flags)) == 0
    assert json.loads((toy.output / "results.json").read_text())["task"] == "ner"

    def fail(self, *args, **options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Estimator, "predict", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        program.run(cli.ner, toy.argv(**flags))
    assert not (toy.output / "results.json").exists()
    assert not (toy.output / "eval_results.txt").exists()
    capsys.readouterr()


def test_a_run_that_is_refused_leaves_the_results(toy, model, capsys):
    flags = {"init_checkpoint": model, "do_train": False}
    assert program.run(cli.ner, toy.argv(**flags)) == 0
    (toy.data / "test.tsv").write_text("Liver\n\nhelps O\n")
    assert program.run(cli.ner, toy.argv(**flags)) == 2
    assert (toy.output / "results.json").exists()
    capsys.readouterr()


def test_the_toy_itself_is_right(model):
    """Otherwise the errors above could be about something else."""
    config = EncoderConfig.from_json(model / "bert_config.json")
    assert config == toys.CONFIG
