"""Which checkpoint a folder is, and checkpoints of fewer layers."""

import checkpoint_toys
import numpy as np
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.reproduce import models

V11 = "BioBERT v1.1 (+ PubMed)"


def write(folder, prefix="bert_model.ckpt", **sizes):
    """A folder that looks like a release of BERT-Base, but for the vocabulary."""
    values = {
        "vocab_size": 28996,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
    }
    files.write_json(folder / "bert_config.json", {**values, **sizes})
    files.write_text(folder / f"{prefix}.index", "")
    return folder


@pytest.fixture
def cased(data):
    return (data / "vocab" / "bert-base-cased-vocab.txt").read_bytes()


def find(text, weights=None):
    return models.find([text], weights)[0]


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "prefix", "column"),
    [
        ("biobert_v1.1_pubmed", "biobert_model.ckpt", V11),
        ("renamed", "model.ckpt-1000000", V11),
        ("biobert_v1.0_pmc", "biobert_model.ckpt", "BioBERT v1.0 (+ PMC)"),
        ("cased_L-12_H-768_A-12", "bert_model.ckpt", "BERT"),
        ("renamed", "biobert_model.ckpt", None),
    ],
)
def test_a_release_is_recognised(tmp_path, cased, folder, prefix, column):
    place = write(tmp_path / folder, prefix)
    (place / "vocab.txt").write_bytes(cased)
    found = find(str(place))
    assert found.column == column
    assert bool(found.why) == (column is None)
    steps = {each.name: each.pretraining_steps for each in manifest.load().columns}
    assert found.steps == steps.get(column)


@pytest.mark.data
def test_a_column_is_found_below_weights_or_named(tmp_path, cased):
    place = write(tmp_path / "biobert_v1.1_pubmed")
    (place / "vocab.txt").write_bytes(cased)
    assert find(V11, tmp_path).path == place
    assert find("biobert-v1.1-pubmed", tmp_path).name == "biobert-v1.1-pubmed"
    place = place.rename(tmp_path / "mine")
    assert find(f"{V11}={place}").column == V11
    with pytest.raises(InputError, match=r"holds no folder biobert-v1\.1-pubmed or"):
        find(V11, tmp_path)
    with pytest.raises(InputError, match="looked for below --weights"):
        find(V11)


def test_other_models_say_why_they_are_no_column(tmp_path):
    place = write(tmp_path / "biobert_v1.1_pubmed")
    files.write_text(place / "vocab.txt", "[PAD]\n")
    assert (
        find(str(place)).why == "its vocabulary is not that of the paper's checkpoints"
    )
    place = write(tmp_path / "small", hidden_size=384)
    assert find(f"my model={place}").name == "my-model"
    assert find(str(place)).why.startswith("its hidden_size is 384")


def test_names_of_folders_may_have_equals_signs(tmp_path):
    place = write(tmp_path / "rate=3" / "model")
    assert find(str(place)).path == place
    found = find(f"mine={place}")
    assert (found.name, found.path) == ("mine", place)
    with pytest.raises(InputError, match="mine= names no folder"):
        find("mine=")


def test_names_differ(tmp_path):
    one, two = write(tmp_path / "a" / "model"), write(tmp_path / "b" / "model")
    with pytest.raises(InputError, match="two are called model; name them"):
        models.find([str(one), str(two)], None)
    assert len(models.find([f"one={one}", f"two={two}"], None)) == 2


def test_a_checkpoint_is_cut_once(tmp_path):
    from biobert_tf import checkpoints
    from biobert_tf.checkpoints import released

    source = tmp_path / "toy"
    source.mkdir()
    vocab = checkpoint_toys.write_vocab(source / "vocab.txt")
    weights = checkpoint_toys.weights()
    released.save(checkpoint_toys.CONFIG, vocab, weights, source, 0)
    found = models.cut(find(str(source)), 1, tmp_path / "models")
    assert (found.name, found.column) == ("toy-1-layers", None)
    assert found.why == "cut to 1 of its 2 layers"
    kept = checkpoints.locate(found.path).read().weights
    assert kept.keys() == checkpoint_toys.shapes(num_layers=1).keys()
    for name, value in kept.items():
        np.testing.assert_array_equal(value, weights[name])
    assert files.read_json(found.path / "bert_config.json")["num_hidden_layers"] == 1
    assert (found.path / "vocab.txt").read_text() == vocab.read_text()
    # A second cut finds the first.
    (found.path / "marker").touch()
    again = models.cut(find(str(source)), 1, tmp_path / "models")
    assert again == found and (found.path / "marker").exists()
    assert models.cut(find(str(source)), 2, tmp_path / "models").path == source
    with pytest.raises(InputError, match="has 2 layers"):
        models.cut(find(str(source)), 3, tmp_path / "models")
