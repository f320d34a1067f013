"""Converted models in Hugging Face Transformers: same ids, same logits, and back."""

import gzip
import json
import os
import unicodedata

import head_toys
import numpy as np
import pytest

from biobert_tf import checkpoints
from biobert_tf.checkpoints import convert, native, tf1
from biobert_tf.checkpoints import released as released_files
from biobert_tf.common import files
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.tokenization import FullTokenizer

WHY = "Transformers is not installed; pip install -e '.[benchmark]' to run this test"
# Nothing is to be looked for on the network.
os.environ["HF_HUB_OFFLINE"] = "1"
torch = pytest.importorskip("torch", reason=WHY)
transformers = pytest.importorskip("transformers", reason=WHY)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *(f"{p}{c}" for c in "abcdefghij" for p in ("", "##"))]
LABELS = {
    "ner": ["O", "B-Disease", "I-Disease"],
    "re": ["false", "true", "maybe"],
    "qa": ["start", "end"],
}
AUTO = {
    "encoder": "AutoModel",
    "pretraining": "AutoModelForPreTraining",
    "ner": "AutoModelForTokenClassification",
    "re": "AutoModelForSequenceClassification",
    "qa": "AutoModelForQuestionAnswering",
}
CLASSES = {
    "encoder": "BertModel",
    "pretraining": "BertForPreTraining",
    "ner": "BertForTokenClassification",
    "re": "BertForSequenceClassification",
    "qa": "BertForQuestionAnswering",
}
# Transformers has no pooler where the task reads none.
POOLER = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
UNEXPECTED = {"ner": POOLER, "qa": POOLER}
LENGTH = 16


def config(hidden_act="gelu"):
    return EncoderConfig(
        vocab_size=len(PIECES),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=LENGTH + 4,
        hidden_act=hidden_act,
        # Large enough that every part of the model shows in the logits.
        initializer_range=0.2,
    )


def trained(kind, hidden_act="gelu"):
    """A model with no zero left in it."""
    model = head_toys.random_model(kind, config(hidden_act))
    rng = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.1))
    return model


def write_companions(folder, kind, encoder_config):
    files.write_json(folder / "bert_config.json", vars(encoder_config))
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    if kind in LABELS:
        files.write_json(folder / "labels.json", {"labels": LABELS[kind]})


@pytest.fixture
def converted(tmp_path):
    """Converts a model from a TF1 checkpoint; returns it and the directory."""

    def inner(kind, hidden_act="gelu"):
        model = trained(kind, hidden_act)
        folder = tmp_path / "tf1"
        tf1.write(native.extract(model.variables), folder / "model.ckpt-9", 9)
        write_companions(folder, kind, config(hidden_act))
        convert.convert(folder, tmp_path / "hf")
        return model, tmp_path / "hf"

    return inner


def random_batch():
    """Two segments and padding, of other lengths in every row."""
    rng = np.random.default_rng(2)
    lengths = np.array([[LENGTH], [11], [5], [1]])
    places = np.arange(LENGTH)
    input_mask = (places < lengths).astype(np.int32)
    ids = rng.integers(len(SPECIAL), len(PIECES), input_mask.shape)
    return {
        "input_ids": (ids * input_mask).astype(np.int32),
        "input_mask": input_mask,
        "segment_ids": ((places >= lengths // 2) * input_mask).astype(np.int32),
        "masked_lm_positions": np.array([[3, 9], [0, 10], [4, 4], [0, 0]], np.int32),
    }


def ours(kind, model, batch):
    if kind == "encoder":
        outputs = head_toys.encode(model, batch)
        return {name: outputs[name] for name in ("sequence_output", "pooled_output")}
    return model(batch)


def theirs(model, batch):
    """What Transformers says, under our names."""
    renamed = {
        "input_ids": "input_ids",
        "attention_mask": "input_mask",
        "token_type_ids": "segment_ids",
    }
    tensors = {name: torch.as_tensor(batch[own]) for name, own in renamed.items()}
    tensors = {name: tensor.long() for name, tensor in tensors.items()}
    with torch.no_grad():
        outputs = model(**tensors)
    names = {
        "last_hidden_state": "sequence_output",
        "pooler_output": "pooled_output",
        "prediction_logits": "masked_lm_logits",
        "seq_relationship_logits": "next_sentence_logits",
    }
    arrays = {names.get(name, name): x.numpy() for name, x in outputs.items()}
    if "masked_lm_logits" in arrays:
        rows = np.arange(len(batch["input_ids"]))[:, None]
        everywhere = arrays["masked_lm_logits"]
        arrays["masked_lm_logits"] = everywhere[rows, batch["masked_lm_positions"]]
    return arrays


def load(directory, auto):
    """The model, and what of its weights Transformers missed or did not expect."""
    loaded, report = getattr(transformers, auto).from_pretrained(
        directory, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    assert loaded.dtype == torch.float32
    return loaded.eval(), set(report["unexpected_keys"])


# --- models ------------------------------------------------------------------------


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new"])
@pytest.mark.parametrize("kind", AUTO)
def test_same_outputs(converted, kind, hidden_act):
    model, directory = converted(kind, hidden_act)
    loaded, unexpected = load(directory, AUTO[kind])
    assert type(loaded).__name__ == CLASSES[kind]
    assert unexpected == UNEXPECTED.get(kind, set())
    batch = random_batch()
    expected = ours(kind, model, batch)
    found = theirs(loaded, batch)
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert np.std(array) > 0.1, name
        np.testing.assert_allclose(found[name], array, rtol=0, atol=2e-5)


def test_masked_language_model_alone(converted, tmp_path):
    """Two classes read one directory; this one has no place for the rest."""
    model, directory = converted("pretraining")
    loaded, unexpected = load(directory, "AutoModelForMaskedLM")
    rest = {"cls.seq_relationship.weight", "cls.seq_relationship.bias"}
    assert unexpected == POOLER | rest
    batch = random_batch()
    logits = theirs(loaded, batch)["logits"]
    rows = np.arange(len(logits))[:, None]
    np.testing.assert_allclose(
        logits[rows, batch["masked_lm_positions"]],
        model(batch)["masked_lm_logits"],
        rtol=0,
        atol=2e-5,
    )
    # Without it in the checkpoint, nothing is left over but the pooler.
    weights = native.extract(model.variables)
    for name in [name for name in weights if name.startswith("cls/seq_rel")]:
        del weights[name]
    tf1.write(weights, tmp_path / "mlm" / "model.ckpt", 0)
    write_companions(tmp_path / "mlm", "pretraining", config())
    convert.convert(tmp_path / "mlm", tmp_path / "mlm-hf")
    loaded, unexpected = load(tmp_path / "mlm-hf", "AutoModelForMaskedLM")
    assert unexpected == POOLER
    assert np.array_equal(theirs(loaded, batch)["logits"], logits)


@pytest.mark.parametrize("kind", LABELS)
def test_labels(converted, kind):
    _, directory = converted(kind)
    loaded = transformers.AutoConfig.from_pretrained(directory)
    assert loaded.id2label == dict(enumerate(LABELS[kind]))
    assert loaded.label2id == {label: i for i, label in enumerate(LABELS[kind])}
    assert loaded.architectures == [CLASSES[kind]]


@pytest.mark.parametrize("kind", AUTO)
def test_back_from_transformers(converted, tmp_path, kind):
    """Loaded and saved there, it comes back with every bit and with its labels."""
    model, directory = converted(kind)
    loaded, unexpected = load(directory, AUTO[kind])
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    saved = tmp_path / "saved"
    loaded.save_pretrained(saved)
    tokenizer.save_pretrained(saved)
    convert.convert(saved, tmp_path / "back" / "model.ckpt")
    weights = checkpoints.locate(tmp_path / "back").read().weights
    expected = native.extract(model.variables)
    lost = {name for name in expected if name.startswith("bert/pooler") and unexpected}
    assert set(expected) - set(weights) == lost
    for name, array in weights.items():
        assert array.tobytes() == expected[name].tobytes(), name
    found = released_files.read_labels(checkpoints.locate(tmp_path / "back"))
    assert found == LABELS.get(kind)
    # A second line end at most: the pieces are those of the original.
    assert (tmp_path / "back" / "vocab.txt").read_text().split() == PIECES


# --- tokenizers --------------------------------------------------------------------


@pytest.fixture
def tokenizers(tmp_path):
    """Our tokenizer of a vocabulary, and Transformers' of a model with it."""

    def inner(vocab_file, do_lower_case):
        own = FullTokenizer(vocab_file, do_lower_case)
        encoder_config = EncoderConfig(
            vocab_size=len(own.vocab), hidden_size=2, num_attention_heads=1
        )
        model = head_toys.random_model("encoder", encoder_config)
        tf1.write(native.extract(model.variables), tmp_path / "tf1" / "x.ckpt", 0)
        files.write_json(tmp_path / "tf1" / "bert_config.json", vars(encoder_config))
        convert.convert(tmp_path / "tf1", tmp_path / "hf", vocab_file=vocab_file)
        loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
        assert loaded.model_max_length == encoder_config.max_position_embeddings
        return own, loaded

    return inner


def read_rows(folder, name):
    with gzip.open(folder / name, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def is_cut_otherwise(text, kind):
    """Says whether Transformers cuts a text otherwise, whatever its files say.

    It takes "[MASK]" in a text for the piece, keeps characters without a meaning,
    knows neither the final sigma nor all ideographs, and cannot take half a surrogate.
    """
    return (
        any(token in text for token in SPECIAL)
        or not {"Cn", "Cs"}.isdisjoint(map(unicodedata.category, text))
        or (kind == "uncased" and "\N{GREEK CAPITAL LETTER SIGMA}" in text)
        or "\U0002b820" in text
    )


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["cased", "uncased"])
def test_same_ids(golden, tokenizers, kind):
    folder = golden / "tokenization"
    own, loaded = tokenizers(folder / f"vocab_{kind}.txt", kind == "uncased")
    real = read_rows(folder, "real.jsonl.gz")
    odd = read_rows(folder, "adversarial.jsonl.gz")
    usual = [row for row in odd if not is_cut_otherwise(row["text"], kind)]
    assert len(usual) > 0.9 * len(odd)
    for row in [*real, *usual]:
        ids = loaded(row["text"], add_special_tokens=False)["input_ids"]
        assert ids == own.ids(row["text"]), row["id"]


def test_two_texts_and_long_words(tmp_path, tokenizers):
    """Our limit of a word is 200 characters; Transformers' own class says 100."""
    path = tmp_path / "pieces.txt"
    path.write_text("\n".join([*PIECES, "B"]))
    own, loaded = tokenizers(path, do_lower_case=False)
    a, rest, unknown = (own.vocab[piece] for piece in ("a", "##a", "[UNK]"))
    found = loaded("a" * 200, "a" * 201 + " B é")
    cls, sep = own.vocab["[CLS]"], own.vocab["[SEP]"]
    second = [unknown, own.vocab["B"], unknown]
    assert found["input_ids"] == [cls, a, *[rest] * 199, sep, *second, sep]
    assert found["token_type_ids"] == [0] * 202 + [1] * 4
    padded = loaded(["a", "a a"], padding=True)
    assert padded["input_ids"][0] == [cls, a, sep, own.vocab["[PAD]"]]
    assert padded["attention_mask"][0] == [1, 1, 1, 0]
