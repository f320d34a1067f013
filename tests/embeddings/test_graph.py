"""Vectors and masked pieces of raw text inside a graph."""

import gzip
import json

import ner_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.embeddings import graph as encoder_graph
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner import features as ner_features
from biobert_tf.pretraining import graph as masked_lm_graph
from biobert_tf.text.tokenization import FullTokenizer

LENGTH = 12
SHORT = "aspirin helps with nephritis ."
LONG = "Liver cancer aspirin with . nephritis " * 9


@pytest.fixture
def tokenizer(tmp_path):
    return FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt"))


def batch(ids):
    """Rows of pieces as they are, without padding."""
    return {"input_ids": tf.constant([[2, *ids, 3]])}


def windows(ids):
    """The windows of a text, and which decides what."""
    return ner_features.cut_windows([1] * len(ids), LENGTH - 2)


def compiled(graph):
    return tf.function(
        graph.answer,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def test_vectors_are_those_of_the_encoder(tokenizer):
    model = encoder_graph.EncoderModel(ner_toys.STRONG, seed=1)
    answer = compiled(encoder_graph.EncoderGraph(model, tokenizer, LENGTH))
    given = [SHORT, "", LONG]
    found = {name: values.numpy() for name, values in answer(given).items()}
    for row, text in enumerate(given):
        ids = tokenizer.ids(text)
        names = [name.decode() for name in found["pieces"][row] if name]
        assert names == tokenizer.tokenize(text)
        for k, piece in enumerate(tokenizer.tokenize_with_offsets(text)):
            span = found["starts"][row, k], found["ends"][row, k]
            assert span == (piece.start, piece.end)
        wanted = np.zeros((len(ids), ner_toys.CONFIG.hidden_size), np.float32)
        for k, window in enumerate(windows(ids)):
            outputs = model.encode(batch(ids[window.start : window.end]))
            for piece in window.decides:
                position = 1 + piece - window.start
                wanted[piece] = outputs.sequence_output[0, position]
            if k == 0:
                np.testing.assert_allclose(
                    found["pooled_output"][row],
                    outputs.pooled_output[0],
                    atol=1e-5,
                )
        vectors = found["sequence_output"][row]
        np.testing.assert_allclose(vectors[: len(ids)], wanted, atol=1e-5)
        assert not vectors[len(ids) :].any()
        mean = wanted.mean(0) if ids else np.zeros_like(wanted.sum(0))
        np.testing.assert_allclose(found["mean_embedding"][row], mean, atol=1e-5)
    assert answer(tf.constant([], tf.string))["pooled_output"].shape == (0, 8)


def test_masked_pieces(tokenizer):
    model = heads.PretrainingModel(ner_toys.STRONG, seed=1)
    answer = compiled(masked_lm_graph.MaskedLmGraph(model, tokenizer, LENGTH))
    given = [
        f"\u00ad {SHORT} [MASK]",
        "no mask [MASK [mask]",
        f"[MASK]aspirin[MASK] {LONG}[MASK]",
    ]
    found = {name: values.numpy() for name, values in answer(given).items()}
    assert found["starts"].tolist() == [
        [given[0].encode().index(b"[MASK]"), -1, -1],
        [-1, -1, -1],
        [0, 13, given[2].rindex("[MASK]")],
    ]
    mask = ner_toys.ID["[MASK]"]
    parts = [tokenizer.ids(SHORT), tokenizer.ids("aspirin"), tokenizer.ids(LONG)]
    texts = {0: [*parts[0], mask], 2: [mask, *parts[1], mask, *parts[2], mask]}
    for row, ids in texts.items():
        masks = [i for i, id_ in enumerate(ids) if id_ == mask]
        for k, place in enumerate(masks):
            window = next(w for w in windows(ids) if place in w.decides)
            position = tf.constant([[1 + place - window.start]])
            inputs = batch(ids[window.start : window.end])
            logits = model({**inputs, "masked_lm_positions": position})
            probabilities = tf.nn.softmax(logits["masked_lm_logits"])[0, 0].numpy()
            best = np.argsort(-probabilities, kind="stable")[:10]
            names = [name.decode() for name in found["pieces"][row, k]]
            assert names == tokenizer.convert_ids_to_tokens(best)
            np.testing.assert_allclose(
                found["probabilities"][row, k], probabilities[best], atol=1e-5
            )
    assert not found["probabilities"][1].any()
    assert answer(tf.constant([], tf.string))["starts"].shape == (0, 0)
    assert answer(["aspirin", ""])["starts"].shape == (2, 0)


@pytest.mark.golden
def test_vectors_of_the_recorded_run(golden):
    """Those of texts that the original takes as they are: alone and not too long.

    A recording has the layers that it was asked for; the graph returns the last one.
    """
    folder = golden / "extract_features"
    settings = json.loads((folder / "settings.json").read_text())
    config = EncoderConfig.from_json(golden / settings["config"])
    model = encoder_graph.EncoderModel(config, seed=0)
    weights = checkpoints.locate(golden / settings["checkpoint"]).read().weights
    native.assign(model.variables, weights, source=folder)
    tokenizer = FullTokenizer(golden / settings["vocab"])
    given = (folder / "input.txt").read_text("utf-8").split("\n")
    num_compared = 0
    for name, run in settings["runs"].items():
        if run["returncode"]:
            continue
        flags = dict(flag.removeprefix("--").split("=") for flag in run["flags"])
        assert flags["do_lower_case"] == "false"
        length = int(flags["max_seq_length"])
        graph = encoder_graph.EncoderGraph(model, tokenizer, length)
        with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
            rows = [json.loads(line)["features"] for line in lines]
        for text, features in zip(given, rows, strict=False):
            if "|||" in text or len(tokenizer.tokenize(text)) > length - 2:
                continue
            found = {
                k: v.numpy()[0] for k, v in graph.answer(tf.constant([text])).items()
            }
            # [CLS] and [SEP] have no place in the text.
            inner = features[1:-1]
            names = [piece.decode() for piece in found["pieces"]]
            assert names == [feature["token"] for feature in inner]
            last = (-1, config.num_hidden_layers - 1)
            wanted = [
                next((x["values"] for x in feature["layers"] if x["index"] in last), [])
                for feature in inner
            ]
            if [] in wanted:
                break  # This run recorded other layers only.
            np.testing.assert_allclose(
                found["sequence_output"],
                np.reshape(wanted, (len(inner), config.hidden_size)),
                rtol=0,
                # What its README calls fair: the recording has six digits.
                atol=1.1e-5,
            )
            num_compared += len(inner)
    assert num_compared > 50
