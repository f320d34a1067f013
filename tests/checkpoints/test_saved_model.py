import json
import shutil
import tarfile
from pathlib import Path

import checkpoint_toys as toys
import head_toys
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native, tf1
from biobert_tf.checkpoints import released as released_files
from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.training import optimizer

safetensors = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def exported(tmp_path):
    """Exports a toy, with the files that belong to it among its assets."""

    def inner(kind, labels=None):
        model = head_toys.model(kind)
        directory = head_toys.export(model.variables, tmp_path / "exported" / "1")
        assets = directory / "assets"
        assets.mkdir(exist_ok=True)
        (assets / "bert_config.json").write_text(json.dumps(vars(toys.CONFIG)))
        toys.write_vocab(assets / "vocab.txt")
        if labels:
            (assets / "labels.json").write_text(json.dumps({"labels": labels}))
        return directory

    return inner


@pytest.mark.parametrize("kind", head_toys.HEADS)
def test_every_weight_comes_back(exported, kind):
    directory = exported(kind)
    assert checkpoints.locate(directory).format == "saved_model"
    checkpoint = checkpoints.locate(directory).read()
    toys.assert_same(checkpoint.weights, head_toys.weights(kind))
    assert checkpoint.ignored == ()
    assert checkpoint.source == directory / "variables" / "variables"
    toys.assert_same(
        checkpoints.locate(checkpoint.source).read().weights, head_toys.weights(kind)
    )


def test_computing_in_bfloat16_stores_float32(tmp_path):
    model = heads.TokenClassifier(toys.CONFIG, 3, seed=5, dtype=tf.bfloat16)
    expected = native.extract(model.variables)
    directory = head_toys.export(model.variables, tmp_path / "x")
    toys.assert_same(checkpoints.locate(directory).read().weights, expected)


def test_what_belongs_to_it_is_among_its_assets(exported):
    directory = exported("ner", ["O", "B", "I"])
    assert checkpoints.locate(directory).beside("vocab.txt") == (
        directory / "assets" / "vocab.txt"
    )
    assert released_files.read_labels(checkpoints.locate(directory)) == ["O", "B", "I"]
    beside = directory / "vocab.txt"
    toys.write_vocab(beside)
    assert checkpoints.locate(directory).beside("vocab.txt") == beside
    assert checkpoints.locate(directory).beside("none.txt") is None


def test_state_of_a_training(tmp_path):
    """The optimizer's variables, whose names end as those of the weights, stay out."""
    model = head_toys.model("ner")
    rates = optimizer.LinearWarmupDecay(1e-3, 10, 0)
    adam = optimizer.build("adamw", rates, model.trainable_variables)
    state = tf.train.Checkpoint(model=model, optimizer=adam)
    path = tf.train.CheckpointManager(state, str(tmp_path), 1).save(7)
    for source in (path, f"{path}.index", tmp_path):
        checkpoint = checkpoints.locate(Path(source)).read()
        toys.assert_same(checkpoint.weights, head_toys.weights("ner"))
        assert "adam_m/bert/embeddings/word_embeddings" in checkpoint.ignored
        assert "iteration" in checkpoint.ignored


def test_saved_model_of_tf1(exported):
    """Its variables have names alone."""
    directory = exported("qa")
    shutil.rmtree(directory / "variables")
    tf1.write(
        head_toys.weights("qa"), directory / "variables" / "variables", global_step=3
    )
    checkpoint = checkpoints.locate(directory).read()
    toys.assert_same(checkpoint.weights, head_toys.weights("qa"))
    assert checkpoint.ignored == ("global_step",)


def test_archive(exported, tmp_path):
    directory = exported("qa")
    # An export may hold a second SavedModel.
    shutil.copytree(directory, tmp_path / "copy")
    shutil.copytree(tmp_path / "copy", directory / "tokens")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as out:
        out.add(directory, "model")
    for path in (tmp_path / "model.tar.gz", directory / "tokens"):
        toys.assert_same(
            checkpoints.locate(path).read().weights, head_toys.weights("qa")
        )
        assert checkpoints.locate(path).beside("vocab.txt").parent.name == "assets"


# --- what cannot be read -----------------------------------------------------------


def test_without_variables(exported):
    directory = exported("encoder")
    shutil.rmtree(directory / "variables")
    place = checkpoints.locate(directory)
    for use in (place.read, place.require):
        with pytest.raises(InputError, match=r"1: has no variables/variables\.index"):
            use()


@pytest.mark.parametrize("ending", [".index", ".data-00000-of-00001"])
def test_cut_files(exported, ending):
    directory = exported("encoder")
    path = directory / "variables" / f"variables{ending}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"variables/variables: damaged checkpoint"):
        checkpoints.locate(directory).read()


def test_of_another_program(tmp_path):
    head_toys.export([tf.Variable([1.0], name="dense/kernel")], tmp_path / "x")
    with pytest.raises(InputError, match=r"no variable with a BERT name, but dense/"):
        checkpoints.locate(tmp_path / "x").read()


def test_two_models_in_one(tmp_path):
    both = [*head_toys.model("qa").variables, *head_toys.model("qa").variables]
    head_toys.export(both, tmp_path / "x")
    with pytest.raises(InputError, match=r"holds cls/squad/output_bias twice"):
        checkpoints.locate(tmp_path / "x").read()
