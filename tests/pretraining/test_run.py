# SPDX-License-Identifier: Apache-2.0
"""The script from end to end on toy records."""

import logging
import shutil
from pathlib import Path

import engine
import ner_toys
import numpy as np
import pretraining_toys as toys
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import convert, huggingface, native, tf1
from biobert_tf.common import files, flags
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import run as ner_run
from biobert_tf.ner.settings import NerConfig
from biobert_tf.pretraining import curves as learning_curves
from biobert_tf.pretraining import input as pretraining_input
from biobert_tf.pretraining import run as pretrain_run
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.training import records, trainer
from biobert_tf.training.estimator import Estimator

ROOT = Path(__file__).parents[2]


def run(toy, **values):
    """Runs `run_pretraining.py`; returns what stands in results.json."""
    given = flags.parse(PretrainingConfig, toy.argv(**values))
    pretrain_run.run(given)
    return files.read_json(given.stages.output_dir / "results.json")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toys.Toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def straight(toy):
    """An uninterrupted training of seven steps, evaluated: its folder and results."""
    return toy.output, run(toy, do_eval=True, max_eval_steps=0)


# --- what a run writes --------------------------------------------------------------


def test_files(toy, straight):
    written = {path.name for path in straight[0].iterdir()}
    assert written == {
        "training",
        "tensorboard",
        "checkpoint",
        "model.ckpt-7.index",
        "model.ckpt-7.data-00000-of-00001",
        "bert_config.json",
        "vocab.txt",
        "input_files.json",
        "settings.json",
        "learning_curve.csv",
        "learning_curve.png",
        "eval_results.txt",
        "results.json",
    }
    assert EncoderConfig.from_json(straight[0] / "bert_config.json") == toys.CONFIG
    vocab = (straight[0] / "vocab.txt").read_bytes()
    assert vocab == toy.vocab_file.read_bytes()


def test_results(straight):
    output, results = straight
    assert results["task"] == "pretraining"
    assert results["global_step"] == 7
    assert results["masking"] == "static"
    assert results["train"] == {
        "files": 3,
        "records": 27,
        "steps": 7,
        "warmup_steps": 2,
        "epochs": round(7 * 8 / 27, 3),
        "texts": results["train"]["texts"],
    }
    assert results["train"]["texts"]["packing"] == "on"
    assert results["eval"]["records"] == 27
    lines = (output / "eval_results.txt").read_text().splitlines()
    assert [line.split(" = ")[0] for line in lines] == [
        *("global_step", "loss", "masked_lm_accuracy", "masked_lm_loss"),
        *("next_sentence_accuracy", "next_sentence_loss"),
    ]
    values = dict(line.split(" = ") for line in lines)
    assert float(values.pop("global_step")) == 7
    metrics = results["eval"]["metrics"]
    assert {name: float(value) for name, value in values.items()} == metrics


def test_learning_curve(straight):
    output, results = straight
    training, [evaluation] = learning_curves.read(output / "learning_curve.csv")
    assert [row["step"] for row in training] == list(range(1, 8))
    assert evaluation == {"step": 7, **results["eval"]["metrics"]}
    scalars = engine.read_scalars(output / "tensorboard")
    for name in (*toys.STATIC.loss_names, "learning_rate", "gradient_norm"):
        values = [value for _, value in scalars[f"train/{name}"]]
        assert [row[name] for row in training] == pytest.approx(values), name
    assert len({row["loss"] for row in training}) == 7


def test_evaluation_counts_every_record_once(toy, straight, tmp_path):
    """And `--max_eval_steps` counts batches."""
    given = {"init_checkpoint": straight[0], "do_train": False, "do_eval": True}
    found = run(toy, output_dir=tmp_path, eval_batch_size=27, max_eval_steps=0, **given)
    metrics = straight[1]["eval"]["metrics"]
    for name in set(metrics) - {"loss"}:
        assert found["eval"]["metrics"][name] == pytest.approx(metrics[name], rel=1e-5)
    model = heads.PretrainingModel(toys.CONFIG, seed=0)
    native.assign(
        model.variables,
        checkpoints.locate(straight[0]).read().weights,
        source=straight[0],
    )
    # The first of the files that the glob gives.
    batch = {name: tf.constant(v[:10]) for name, v in toys.batch(11, seed=0).items()}
    totals = toys.STATIC.loss_totals(batch)
    expected = toys.STATIC.losses(batch, model(batch), totals)
    some = run(toy, output_dir=tmp_path, eval_batch_size=5, max_eval_steps=2, **given)
    assert some["eval"]["records"] == 10
    for name in ("masked_lm_loss", "next_sentence_loss", "masked_lm_accuracy"):
        wanted = pytest.approx(float(expected[name]), rel=1e-4)
        assert some["eval"]["metrics"][name] == wanted


# --- killed and resumed -------------------------------------------------------------


def same_model(output, expected):
    for name in ("index", "data-00000-of-00001"):
        file = f"model.ckpt-7.{name}"
        assert (output / file).read_bytes() == (expected / file).read_bytes(), file
    assert (
        learning_curves.read(output / "learning_curve.csv")[0]
        == (learning_curves.read(expected / "learning_curve.csv")[0])
    )


def test_a_finished_training_is_not_repeated(toy, straight, caplog):
    before = (straight[0] / "model.ckpt-7.index").stat().st_mtime_ns
    with caplog.at_level(logging.WARNING):
        assert run(toy, do_eval=True, max_eval_steps=0)["global_step"] == 7
    assert "is already trained to its last step, 7" in caplog.text
    assert (straight[0] / "model.ckpt-7.index").stat().st_mtime_ns == before


# --- weights to start from, and to go on with ---------------------------------------


@pytest.fixture
def no_steps(monkeypatch):
    """A training ends where it starts."""
    monkeypatch.setattr(Estimator, "train", lambda *arguments, **settings: 1)


@pytest.mark.golden
@pytest.mark.parametrize("name", ["pretrain", "no_lm_head", "v10_style"])
def test_released_weights_are_a_start(golden, tmp_path, name, caplog, no_steps):
    """With or without heads; what is missing is drawn, and named."""
    folder = golden / "model"
    source = folder / name
    config_file = source / "bert_config.json"
    if not config_file.exists():
        config_file = folder / "bert_config.json"
    config = EncoderConfig.from_json(config_file)
    toy = toys.Toy(tmp_path)
    unused = (f"[unused{i}]" for i in range(config.vocab_size - len(toys.VOCAB)))
    toys.write_vocab(toy.vocab_file, [*toys.VOCAB, *unused])
    with caplog.at_level(logging.INFO):
        run(
            toy,
            init_checkpoint=source,
            bert_config_file=config_file,
            vocab_file=None,
        )
    report = files.read_json(toy.output / "weights.json")
    written, given = (
        checkpoints.locate(p).read().weights for p in (toy.output, source)
    )
    for variable in report["loaded"]:
        assert np.array_equal(written[variable], given[variable]), variable
    lost = {variable for variable in written if variable not in given}
    assert set(report["missing"]) == lost
    assert any(v.startswith("bert/encoder/") for v in report["loaded"])
    if name == "no_lm_head":
        assert "cls/predictions/output_bias" in lost
        assert "new, with random values: cls/" in caplog.text
    assert written["bert/embeddings/word_embeddings"].shape[0] == config.vocab_size


def test_hugging_face_weights_are_a_start(toy, straight, tmp_path, no_steps):
    """And the trained model goes to Hugging Face and comes back as it was."""
    exported = tmp_path / "exported"
    convert.convert(straight[0], exported, to_format="huggingface")
    assert huggingface.is_checkpoint(exported)
    run(
        toy,
        output_dir=tmp_path / "output",
        init_checkpoint=exported,
        bert_config_file=None,
        vocab_file=None,
    )
    written, given = (
        checkpoints.locate(path).read().weights
        for path in (tmp_path / "output", straight[0])
    )
    assert sorted(written) == sorted(given)
    for name, array in given.items():
        assert np.array_equal(written[name], array), name
    assert not files.read_json(tmp_path / "output" / "weights.json")["missing"]


def test_nothing_that_fits_is_an_error(toy, tmp_path):
    head = {"output_bias": np.zeros([2], np.float32)}
    tf1.write(head, tmp_path / "m.ckpt", 1)
    with pytest.raises(InputError, match="holds no variable of the model"):
        run(toy, output_dir=tmp_path / "o", init_checkpoint=tmp_path / "m.ckpt")


def test_the_model_is_a_start_for_ner(straight, tmp_path):
    data = ner_toys.write_data(
        tmp_path / "data",
        train=[[("gene", "B-X"), ("in", "O"), ("mice", "O")]] * 2,
        devel=[[("gene", "B-X"), ("in", "O")]],
        test=[[("mice", "B-X"), ("in", "O")]],
    )
    argv = {
        "data_dir": data,
        "output_dir": tmp_path / "ner",
        "init_checkpoint": straight[0],
        "max_seq_length": 8,
        "train_batch_size": 2,
        "max_steps": 1,
        "strategy": "cpu",
    }
    words = ["run_ner.py", *(f"--{name}={value}" for name, value in argv.items())]
    ner_run.run(flags.parse(NerConfig, words))
    report = files.read_json(tmp_path / "ner" / "weights.json")
    assert set(report["missing"]) == {"output_weights", "output_bias"}
    assert len(report["loaded"]) > 20


# --- records without masks ----------------------------------------------------------


def test_stopped_and_resumed_with_dynamic_masking(tmp_path):
    """Inside an epoch: the records and the masks that would have followed do follow."""
    toy = toys.Toy(tmp_path, is_dynamic=True)
    given = {"masking": "dynamic", "masked_lm_prob": 0.2}
    results = run(toy, do_eval=True, **given)
    assert results["masking"] == "dynamic"
    output = tmp_path / "parts"
    assert run(toy, output_dir=output, max_steps=4, **given)["global_step"] == 4
    # What shapes no result may change, and the records may have been moved.
    moved = shutil.copytree(toy.records, tmp_path / "moved")
    given["input_file"] = f"{moved}/*"
    resumed = run(toy, output_dir=output, iterations_per_loop=2, do_eval=True, **given)
    same_model(output, toy.output)
    # The masks of an evaluation are always the same.
    assert resumed["eval"] == results["eval"]

    with pytest.raises(
        InputError, match=r"other settings \(--masked_lm_prob 0.2 -> 0.15"
    ):
        run(toy, output_dir=output, masking="dynamic")
    (moved / "part-2.tfrecord").unlink()
    with pytest.raises(InputError, match="names other records than --input_file"):
        run(toy, output_dir=output, **given)
    toy.vocab_file.unlink()
    (output / "vocab.txt").unlink()
    with pytest.raises(InputError, match="records without masks, which --vocab_file"):
        run(toy, output_dir=output, vocab_file=None, **given)


def test_masks_that_contradict_the_flag(toy, tmp_path):
    with pytest.raises(InputError, match="masked records, which contradicts --masking"):
        run(toy, output_dir=tmp_path, masking="dynamic")


# --- bad input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compat", "clipping", "said"),
    [("fixed", "whole", 0), ("master", "per_core", 1)],
)
def test_clipping_on_a_tpu(toy, tmp_path, monkeypatch, caplog, compat, clipping, said):
    """What the flags ask for reaches the step, and is logged, on a TPU of two cores."""

    class SeenError(Exception):
        pass

    def stopped(*arguments, clipping, **settings):
        raise SeenError(clipping)

    monkeypatch.setattr(trainer, "Trainer", stopped)
    monkeypatch.setattr(
        pretrain_run.strategies, "build_strategy", lambda device: engine.two_replicas()
    )
    given = {"use_tpu": True, "strategy": None, "compat": compat}
    with caplog.at_level(logging.INFO), pytest.raises(SeenError, match=clipping):
        run(toy, output_dir=tmp_path, **given)
    assert caplog.text.count("each of 2 cores clips the gradient of its own") == said


def reject(toy, tmp_path, **values):
    """The error of a run; it leaves no trace of a training."""
    output = tmp_path / "rejected"
    with pytest.raises(InputError) as raised:
        run(toy, output_dir=output, **values)
    assert not list(output.glob("model.ckpt-*"))
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_no_file_matches(toy, tmp_path):
    message = reject(toy, tmp_path, input_file=f"{toy.records}/*,{tmp_path}/none-*")
    assert message == f"--input_file={tmp_path}/none-*: no TFRecord file matches"


@pytest.mark.parametrize(
    "flag, value, feature",
    [
        ("max_seq_length", 12, "input_ids"),
        ("max_predictions_per_seq", 5, "masked_lm_positions"),
    ],
)
def test_records_of_another_length(toy, tmp_path, flag, value, feature):
    was = {"max_seq_length": 16, "max_predictions_per_seq": 3}[flag]
    message = reject(toy, tmp_path, **{flag: value})
    assert message.startswith(f"{toy.records}/part-0.tfrecord: record 1 has {feature}")
    # It is found before anything is made.
    assert not (tmp_path / "rejected").exists()
    assert message.endswith(f"of length {was}, want --{flag}={value}")


def test_other_lengths_in_one_file(toy, tmp_path):
    """Every file is looked at, not only the first."""
    row = {name: [0] * (spec.length + 2) for name, spec in toys.STATIC.specs.items()}
    specs = {
        name: records.FeatureSpec(spec.length + 2, spec.dtype)
        for name, spec in toys.STATIC.specs.items()
    }
    records.write(tmp_path / "x.tfrecord", [row], specs)
    files_ = f"{toy.records}/*,{tmp_path}/x.tfrecord"
    message = reject(toy, tmp_path, input_file=files_)
    assert message.startswith(f"{tmp_path}/x.tfrecord: record 1 has input_ids of")


def test_records_of_something_else(toy, tmp_path):
    path = tmp_path / "ner.tf_record"
    records.write(path, engine.rows(9), engine.TASK.specs)
    message = reject(toy, tmp_path, input_file=path)
    assert message == (
        f"{path}: record 1 lacks next_sentence_labels; it has input_ids, input_mask, "
        "label_ids, segment_ids"
    )


def test_no_records_at_all(toy, tmp_path):
    records.write(tmp_path / "empty", [], {})
    message = reject(toy, tmp_path, input_file=tmp_path / "empty")
    assert message == f"{tmp_path}/empty: there is no record in any file"


def test_text_instead_of_records(toy, tmp_path):
    files.write_text(tmp_path / "corpus.txt", "A sentence of some length.\n" * 9)
    message = reject(toy, tmp_path, input_file=tmp_path / "corpus.txt")
    assert "truncated or damaged after 0 whole records" in message


def test_truncated_file(toy, tmp_path):
    shutil.copytree(toy.records, tmp_path / "records")
    path = tmp_path / "records" / "part-1.tfrecord"
    path.write_bytes(path.read_bytes()[:-5])
    message = reject(toy, tmp_path, input_file=f"{tmp_path}/records/*")
    assert message.startswith(f"{path}: truncated or damaged after 6 whole records")


def test_fewer_records_than_a_batch(toy, tmp_path):
    message = reject(toy, tmp_path, train_batch_size=28)
    assert message.startswith("27 records in 3 files are fewer than --train_batch_size")


def test_length_beyond_the_positions(toy, tmp_path):
    message = reject(toy, tmp_path, max_seq_length=17)
    assert message.startswith("--max_seq_length=17 is above the max_position_embedd")


def test_pieces_beyond_the_vocabulary(toy, tmp_path):
    """Not in the first record, so that only reading finds it."""
    rows = toys.rows(20)
    rows[17]["input_ids"][1] = len(toys.VOCAB)
    records.write(tmp_path / "x.tfrecord", rows, toys.STATIC.specs)
    message = reject(toy, tmp_path, input_file=tmp_path / "x.tfrecord")
    most = len(toys.VOCAB)
    wanted = f"x.tfrecord: record 18 has {most} in input_ids, want 0 to {most - 1}"
    assert message.endswith(wanted)


def test_no_vocabulary_is_said(toy, tmp_path, caplog, no_steps):
    with caplog.at_level(logging.WARNING):
        run(toy, output_dir=tmp_path, vocab_file=None, num_train_steps=1)
    assert "the checkpoint will lack its vocab.txt" in caplog.text
    assert "the rate never reaches --learning_rate" in caplog.text
    assert not (tmp_path / "vocab.txt").exists()


def test_a_cluster_is_joined_first(toy, tmp_path, monkeypatch):
    """TensorFlow lets nobody join who has read a record before."""
    monkeypatch.setenv("TF_CONFIG", "{}")
    for name in ("features_of", "check", "count"):
        monkeypatch.setattr(records, name, None)
    message = reject(toy, tmp_path, strategy="multi_worker")
    assert "TF_CONFIG names no cluster" in message


# --- from a corpus ------------------------------------------------------------------

SENTENCE = "The genes of E . coli bind proteinase in mice"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A corpus, converted with dynamic masking and trained on in one command."""
    folder = tmp_path_factory.mktemp("corpus")
    toy = toys.Toy(folder)
    words = SENTENCE.split()
    text = "\n\n".join(
        "\n".join(" ".join(words[i:] + words[:i]) for i in range(d % 4, d % 4 + 4))
        for d in range(12)
    )
    files.write_text(folder / "corpus.txt", text)
    results = run(
        toy,
        input_file=None,
        corpus_file=folder / "corpus.txt",
        do_convert=True,
        num_workers=1,
        num_shards=2,
        num_train_steps=2,
        train_batch_size=4,
    )
    return toy, results


def test_convert_and_train(converted):
    toy, results = converted
    written = sorted((toy.output / "records").glob("*.tfrecord*"))
    shards = list(
        pretraining_input.shards(
            pretraining_input.expand(
                FileGlobs.parse(f"{toy.output}/records/*.tfrecord*")
            )
        )
    )
    assert {shard.path for shard in shards} < set(written)
    assert sum(s.num_records for s in shards) == results["train"]["records"] > 4
    assert records.count([s.path for s in shards]) == results["train"]["records"]
    assert results["global_step"] == 2
    assert "convert" in results["seconds"]


def test_files_that_are_not_what_the_manifest_says(converted, tmp_path):
    toy, _ = converted
    shutil.copytree(toy.output / "records", tmp_path / "records")
    paths = pretraining_input.expand(FileGlobs.parse(f"{tmp_path}/records/*.tfrecord*"))
    pieces = toys.write_vocab(tmp_path / "v.txt", [*toys.VOCAB[:-1], "genes"])
    given = {"input_file": f"{tmp_path}/records/*.tfrecord*", "train_batch_size": 4}
    message = reject(toy, tmp_path, vocab_file=pieces, **given)
    assert "was made with another vocabulary than" in message
    with pytest.raises(InputError, match="was made with --do_lower_case=false"):
        pretraining_input.check_manifest(paths, toy.vocab_file, do_lower_case=True)
    with paths[-1].open("ab") as stream:
        stream.write(paths[-1].read_bytes()[-200:])
    assert "bytes and its manifest says" in reject(toy, tmp_path, **given)


def test_conversion_alone_needs_no_model(converted, tmp_path):
    toy, _ = converted
    argv = toy.argv(
        output_dir=tmp_path / "o",
        input_file=None,
        bert_config_file=None,
        do_train=False,
        do_convert=True,
        corpus_file=toy.config_file.parent / "corpus.txt",
        num_workers=1,
        num_shards=1,
    )
    assert pretrain_run.run(flags.parse(PretrainingConfig, argv)) is None
    assert [p.name for p in (tmp_path / "o").iterdir()] == ["records"]


def test_workers_of_a_cluster_do_not_convert(converted, tmp_path):
    toy, _ = converted
    message = reject(
        toy,
        tmp_path,
        input_file=None,
        corpus_file=toy.config_file,
        do_convert=True,
        strategy="multi_worker",
    )
    assert message.startswith("--do_convert contradicts --strategy=multi_worker")
