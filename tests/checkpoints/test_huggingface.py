import json
import sys

import checkpoint_toys as toys
import numpy as np
import pytest

from biobert_tf import checkpoints
from biobert_tf.checkpoints import huggingface
from biobert_tf.checkpoints.tokenizer_files import Vocabulary
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig

safetensors = pytest.importorskip("safetensors.numpy")

VOCABULARY = Vocabulary(
    "".join(f"{piece}\n" for piece in toys.VOCAB).encode(),
    {piece: i for i, piece in enumerate(toys.VOCAB)},
)


@pytest.fixture
def write(tmp_path):
    """Writes a toy with some heads; returns its directory."""

    def inner(*heads, **options):
        directory = tmp_path / "model"
        huggingface.write(
            toys.weights(*heads),
            directory,
            toys.CONFIG,
            VOCABULARY,
            options.pop("do_lower_case", False),
            **options,
        )
        return directory

    return inner


@pytest.fixture
def by_hand(tmp_path):
    """Writes a directory from given tensors and config keys."""

    def inner(tensors, **config):
        (tmp_path / "config.json").write_text(
            json.dumps({"vocab_size": 11, "model_type": "bert", **config})
        )
        tensors = {name: np.ascontiguousarray(x) for name, x in tensors.items()}
        safetensors.save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    return inner


KERNEL = np.arange(24, dtype=np.float32).reshape(6, 4)  # [out, in]
DENSE = "encoder.layer.1.intermediate.dense.weight"
DENSE_TF1 = "bert/encoder/layer_1/intermediate/dense/kernel"


# --- writing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "heads",
    [(), ("masked_lm", "next_sentence"), ("classifier",), ("squad",)],
)
def test_round_trip(write, heads):
    directory = write(*heads, classifier="token")
    checkpoint = huggingface.read(directory)
    toys.assert_same(checkpoint.weights, toys.weights(*heads))
    assert checkpoint.ignored == ()
    assert checkpoint.source == directory
    assert huggingface.encoder_config(directory) == toys.CONFIG


def test_kernels_are_transposed_and_output_weights_are_not(write):
    stored = safetensors.load_file(
        write("classifier", classifier="token") / "model.safetensors"
    )
    weights = toys.weights("classifier")
    assert np.array_equal(stored[f"bert.{DENSE}"], weights[DENSE_TF1].T)
    assert np.array_equal(stored["classifier.weight"], weights["output_weights"])
    assert stored["bert.embeddings.word_embeddings.weight"].shape == (11, 4)


def test_a_plain_encoder_has_no_prefix(write):
    stored = safetensors.load_file(write() / "model.safetensors")
    assert "pooler.dense.weight" in stored
    assert not any(name.startswith("bert.") for name in stored)


def test_files(write):
    directory = write("classifier", labels=["B", "I", "O"], do_lower_case=True)
    assert sorted(path.name for path in directory.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    config = json.loads((directory / "config.json").read_text())
    assert config["model_type"] == "bert"
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["hidden_act"] == "gelu"
    assert config["layer_norm_eps"] == 1e-12
    assert config["id2label"] == {"0": "B", "1": "I", "2": "O"}
    assert config["label2id"] == {"B": 0, "I": 1, "O": 2}
    assert config["pad_token_id"] == 0
    tokenizer = json.loads((directory / "tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] is True
    assert tokenizer["model_max_length"] == 8
    assert (directory / "vocab.txt").read_text().split() == toys.VOCAB
    modes = {path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert len(modes) == 1
    with safetensors.safe_open(directory / "model.safetensors", "numpy") as stored:
        assert stored.metadata() == {"format": "pt"}


@pytest.mark.parametrize(
    "heads, labels, classifier, expected",
    [
        ([], None, "auto", "BertModel"),
        (["masked_lm"], None, "auto", "BertForMaskedLM"),
        (["next_sentence"], None, "auto", "BertForNextSentencePrediction"),
        (["masked_lm", "next_sentence"], None, "auto", "BertForPreTraining"),
        (["squad"], None, "auto", "BertForQuestionAnswering"),
        (["classifier"], ["0", "1", "2"], "auto", "BertForSequenceClassification"),
        (["classifier"], ["B", "I", "O"], "auto", "BertForTokenClassification"),
        (["classifier"], ["B", "I", "O"], "sequence", "BertForSequenceClassification"),
        (["classifier"], None, "token", "BertForTokenClassification"),
        (["squad"], ["start", "end"], "auto", "BertForQuestionAnswering"),
        (["classifier"], ["no", "yes", "x"], "auto", "BertForSequenceClassification"),
    ],
)
def test_architecture(heads, labels, classifier, expected):
    found = huggingface.architecture(toys.weights(*heads), labels, classifier)
    assert found == expected


def test_classifier_without_a_clue():
    with pytest.raises(InputError, match="--classifier=token or --classifier=sequence"):
        huggingface.architecture(toys.weights("classifier"))


def test_labels_of_spans(write):
    config = json.loads(
        (write("squad", labels=["start", "end"]) / "config.json").read_text()
    )
    assert config["architectures"] == ["BertForQuestionAnswering"]
    assert config["id2label"] == {"0": "start", "1": "end"}


def test_labels(write, tmp_path):
    labels = ["O", "B-Gene", "I-Gene"]
    assert huggingface.labels(write("classifier", labels=labels)) == labels
    unnamed = write("classifier", classifier="token")
    config = json.loads((unnamed / "config.json").read_text())
    assert config["id2label"] == {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    assert huggingface.labels(unnamed) is None
    assert huggingface.labels(write()) is None
    for bad in ({"1": "x"}, {"0": "x", "2": "y"}):
        (tmp_path / "config.json").write_text(json.dumps({"id2label": bad}))
        with pytest.raises(InputError, match="id2label must map 0, 1, 2"):
            huggingface.labels(tmp_path)


@pytest.mark.parametrize("labels", [["O"], ["O", "B", "I", "X"], ["O", "B", "B"]])
def test_labels_that_do_not_fit(write, tmp_path, labels):
    with pytest.raises(InputError, match="has 3 labels"):
        write("classifier", labels=labels)
    assert not (tmp_path / "model").exists()


def test_config_that_does_not_fit(tmp_path):
    weights = toys.weights()
    for setting, value in [
        ("vocab_size", 12),
        ("hidden_size", 8),
        ("num_hidden_layers", 3),
        ("intermediate_size", 4),
        ("max_position_embeddings", 9),
        ("type_vocab_size", 3),
    ]:
        config = EncoderConfig(**{**vars(toys.CONFIG), setting: value})
        with pytest.raises(InputError, match=f"{setting} is .* and {value} in"):
            huggingface.write(weights, tmp_path / "x", config, VOCABULARY, False)
    del weights["bert/encoder/layer_1/output/dense/bias"]
    with pytest.raises(InputError, match=r"not a whole .* bert/encoder/layer_1/output"):
        huggingface.write(weights, tmp_path / "x", toys.CONFIG, VOCABULARY, False)


def test_a_failed_write_leaves_the_old_files(write, monkeypatch):
    def full(*_):
        raise OSError("No space left")

    directory = write("squad")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    monkeypatch.setattr(safetensors, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_padding_is_the_vocabulary_s(tmp_path):
    pieces = [*toys.VOCAB[1:], toys.VOCAB[0]]
    ids = {piece: i for i, piece in enumerate(pieces)}
    huggingface.write(
        toys.weights(), tmp_path, toys.CONFIG, VOCABULARY._replace(ids=ids), False
    )
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["pad_token_id"] == 10


def test_other_files_beside_it(write):
    directory = write("squad", beside={"settings.json": {"seed": 1}})
    assert json.loads((directory / "settings.json").read_text()) == {"seed": 1}


@pytest.mark.parametrize(
    "heads, model, pooler",
    [
        (["squad"], "BertForQuestionAnswering", 2),
        (["masked_lm"], "BertForMaskedLM", 2),
        (["classifier"], "BertForTokenClassification", 2),
        (["classifier"], "BertForSequenceClassification", 0),
        (["masked_lm", "next_sentence"], "BertForPreTraining", 0),
    ],
)
def test_pooler_that_transformers_leaves_out(heads, model, pooler):
    found = huggingface.leaves_out(model, toys.weights(*heads))
    assert len(found) == pooler
    assert all(name.startswith("bert/pooler/dense/") for name in found)
    assert huggingface.leaves_out(model, {"output_bias": np.zeros(1)}) == []


@pytest.mark.parametrize(
    "architectures, expected",
    [
        (["BertForTokenClassification"], "token"),
        (["BertForSequenceClassification"], "sequence"),
        (["BertForMaskedLM"], "auto"),
        (None, "auto"),
    ],
)
def test_what_the_classifier_labels_is_stored(by_hand, architectures, expected):
    directory = by_hand({DENSE: KERNEL}, architectures=architectures)
    assert huggingface.stored_classifier(directory) == expected


# --- reading ---------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_with_and_without_prefix(by_hand, prefix):
    weights = huggingface.read(by_hand({f"{prefix}{DENSE}": KERNEL})).weights
    toys.assert_same(weights, {DENSE_TF1: KERNEL.T})
    assert weights[DENSE_TF1].flags.c_contiguous


def test_old_layer_norm_names(by_hand):
    scale, offset = np.float32([1, 2]), np.float32([3, 4])
    directory = by_hand(
        {"embeddings.LayerNorm.gamma": scale, "bert.embeddings.LayerNorm.beta": offset}
    )
    toys.assert_same(
        huggingface.read(directory).weights,
        {
            "bert/embeddings/LayerNorm/gamma": scale,
            "bert/embeddings/LayerNorm/beta": offset,
        },
    )


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_types_become_float32(by_hand, name):
    dtype = pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else name
    directory = by_hand({DENSE: KERNEL.astype(dtype)})
    toys.assert_same(huggingface.read(directory).weights, {DENSE_TF1: KERNEL.T})


def test_buffers_and_strangers_are_reported(by_hand):
    directory = by_hand(
        {
            DENSE: KERNEL,
            "embeddings.position_ids": np.arange(8),
            "crf.transitions": KERNEL,
        }
    )
    checkpoint = huggingface.read(directory)
    assert list(checkpoint.weights) == [DENSE_TF1]
    assert checkpoint.ignored == ("crf.transitions", "embeddings.position_ids")


WORDS = np.arange(44, dtype=np.float32).reshape(11, 4)
BIAS = np.arange(11, dtype=np.float32)
HEAD = {
    "bert.embeddings.word_embeddings.weight": WORDS,
    "cls.predictions.bias": BIAS,
}


def test_tied_decoder_is_not_news(by_hand):
    tied = {
        "cls.predictions.decoder.weight": WORDS,
        "cls.predictions.decoder.bias": BIAS,
    }
    checkpoint = huggingface.read(by_hand({**HEAD, **tied}))
    assert checkpoint.ignored == ()
    assert sorted(checkpoint.weights) == [
        "bert/embeddings/word_embeddings",
        "cls/predictions/output_bias",
    ]


def test_decoder_bias_alone_is_the_bias(by_hand):
    del_bias = {name: x for name, x in HEAD.items() if name != "cls.predictions.bias"}
    checkpoint = huggingface.read(
        by_hand({**del_bias, "cls.predictions.decoder.bias": BIAS})
    )
    assert np.array_equal(checkpoint.weights["cls/predictions/output_bias"], BIAS)


@pytest.mark.parametrize("name, value", [("weight", WORDS + 1), ("bias", BIAS + 1)])
def test_untied_head_is_left_out(by_hand, caplog, name, value):
    untied = f"cls.predictions.decoder.{name}"
    checkpoint = huggingface.read(by_hand({**HEAD, untied: value}))
    assert list(checkpoint.weights) == ["bert/embeddings/word_embeddings"]
    assert "cls/predictions/output_bias" in checkpoint.ignored
    assert untied in caplog.text


def test_shards(write):
    directory = write("squad")
    whole = directory / "model.safetensors"
    tensors = safetensors.load_file(whole)
    whole.unlink()
    half = dict(list(tensors.items())[:20])
    rest = dict(list(tensors.items())[20:])
    safetensors.save_file(half, directory / "model-00001-of-00002.safetensors")
    safetensors.save_file(rest, directory / "model-00002-of-00002.safetensors")
    toys.assert_same(
        checkpoints.locate(directory).read().weights, toys.weights("squad")
    )


@pytest.mark.parametrize(
    "config, problem",
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'; only 'bert'"),
        (
            {"position_embedding_type": "relative_key"},
            "'relative_key'; only 'absolute'",
        ),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05; only 1e-12"),
        ({"hidden_act": "swish"}, "hidden_act 'swish'"),
    ],
)
def test_other_networks(by_hand, config, problem):
    with pytest.raises(InputError, match=problem):
        huggingface.read(by_hand({DENSE: KERNEL}, **config))


def test_no_bert_inside(by_hand):
    with pytest.raises(InputError, match="holds no BERT weight, but lm_head"):
        huggingface.read(by_hand({"lm_head": KERNEL}))


def test_damaged(write):
    path = write() / "model.safetensors"
    for keep in (0, 100, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"model\.safetensors: damaged"):
            huggingface.read(path.parent)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_file_of_torch_where_torch_is_installed(write, is_zip):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    directory = write()
    wanted = checkpoints.locate(directory).read().weights
    stored = directory / "model.safetensors"
    with safetensors.safe_open(stored, framework="numpy") as file:
        tensors = {k: torch.tensor(file.get_tensor(k)) for k in file.keys()}  # noqa: SIM118
    stored.unlink()
    path = directory / "pytorch_model.bin"
    torch.save(tensors, path, _use_new_zipfile_serialization=is_zip)
    found = checkpoints.locate(directory).read().weights
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"pytorch_model\.bin: damaged: .*; copy or"):
        checkpoints.locate(directory).read()


def test_pytorch_file_only(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    directory = write()
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"holds pytorch_model\.bin only; .*python -c"):
        checkpoints.locate(directory).read()
    (directory / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match=r"holds no model\.safetensors"):
        huggingface.read(directory)


def test_without_the_package(write, monkeypatch):
    directory = write()
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InputError, match=r"pip install biobert_tf\[huggingface\]"):
        huggingface.read(directory)
    with pytest.raises(InputError, match=r"pip install biobert_tf\[huggingface\]"):
        write()
