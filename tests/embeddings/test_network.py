# SPDX-License-Identifier: Apache-2.0
"""Vectors of batches against those of rows computed alone."""

import dataclasses

import engine
import feature_toys as toys
import ner_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.embeddings.framing import Row
from biobert_tf.embeddings.network import Network
from biobert_tf.embeddings.settings import Layers, VectorConfig
from biobert_tf.model import encoder as encoders
from biobert_tf.training import strategy as strategies

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
# Rows of 6, 3 and 20 pieces, the second and third with a part of segment 1. Wanted are
# some positions; of the second none.
ROWS = (
    ("[CLS] Liver cancer helps . [SEP]", 6, [1, 2, 4]),
    ("[CLS] [SEP] [SEP]", 2, []),
    (f"[CLS] {'severe aspirin ' * 4}[SEP] {'with cancer ' * 4}[SEP]", 10, range(2, 18)),
)
CONFIG = dataclasses.replace(toys.CONFIG, max_position_embeddings=32)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return checkpoints.locate(ner_toys.write_model(folder, config=CONFIG)).read()


@pytest.fixture(scope="module")
def build(checkpoint):
    def build(strategy=None, batch_size=4, max_seq_length=32, config=CONFIG, **device):
        settings = DeviceConfig(**device)
        return Network(
            config,
            checkpoint,
            batch_size=batch_size,
            max_seq_length=max_seq_length,
            strategy=strategy or strategies.build_strategy(settings),
            device=settings,
        )

    return build


@pytest.fixture(scope="module")
def network(build):
    return build()


@pytest.fixture(scope="module")
def alone(network):
    """What the encoder says of every row alone, `[length, layers, width]`."""
    return toys.say(network.encoder, *(row[:2] for row in ROWS))


def row(pieces, num_first, wanted):
    words = pieces.split()
    ids = np.array([ner_toys.ID[piece] for piece in words], np.int32)
    positions = np.arange(len(words))
    segments = (positions >= num_first).astype(np.int32)
    return Row(ids, segments, np.isin(positions, list(wanted)))


MADE = [row(*each) for each in ROWS]


def wanted(**given):
    return VectorConfig(**{"layers": Layers.parse("-1,0"), **given})


def mixed(layers, mix):
    """The asked layers, -1 and 0, of `[length, 2, width]`."""
    asked = layers[:, [1, 0]]
    return {
        "each": asked,
        "concat": asked.reshape(len(asked), 1, -1),
        "mean": asked.mean(axis=1, keepdims=True),
        "sum": asked.sum(axis=1, keepdims=True),
    }[mix]


@pytest.mark.parametrize("mix", ["each", "concat", "mean", "sum"])
def test_vectors_of_pieces(network, alone, mix):
    found = network.vectors(MADE, wanted(layer_mix=mix))
    assert found.dtype == np.float32
    assert found.shape[:2] == (3, 19)
    for vectors, layers in zip(found, alone, strict=True):
        expected = mixed(layers, mix)
        np.testing.assert_allclose(vectors[: len(layers)], expected, **CLOSE)


POOLED = {
    "cls": lambda x, wanted: x[0],
    "mean": lambda x, wanted: x[list(wanted)].sum(axis=0),
    "max": lambda x, wanted: x[list(wanted)].max(axis=0, initial=np.finfo("f").min),
}


@pytest.mark.parametrize(
    ("pooling", "mix"),
    # Of the mean of layers the maximum is not the mean of their maxima.
    [("cls", "each"), ("mean", "each"), ("max", "each"), ("max", "mean")],
)
def test_vectors_of_rows(network, alone, pooling, mix):
    found = network.vectors(MADE, wanted(layer_mix=mix, pooling=pooling))
    expected = [
        POOLED[pooling](mixed(layers, mix), row[2])
        for row, layers in zip(ROWS, alone, strict=True)
    ]
    np.testing.assert_allclose(found, np.stack(expected), **CLOSE)


@pytest.mark.parametrize("pooling", ["none", "max"])
def test_two_replicas(build, network, pooling):
    """Three rows are padded to four, two for each."""
    shared = build(strategy=engine.two_replicas())
    for rows in (MADE, MADE[:2], MADE[:1]):
        expected = network.vectors(rows, wanted(pooling=pooling))
        found = shared.vectors(rows, wanted(pooling=pooling))
        assert len(found) == len(rows)
        assert_equal_where_real(found, expected, rows, pooling)


def assert_equal_where_real(found, expected, rows, pooling):
    assert found.shape == expected.shape
    for some, others, each in zip(found, expected, rows, strict=True):
        end = len(each.input_ids) if pooling == "none" else None
        np.testing.assert_allclose(some[:end], others[:end], **CLOSE)


def test_a_batch_that_devices_cannot_share(build):
    with pytest.raises(InputError, match=r"^--batch_size=3 is not a multiple of 2 dev"):
        build(strategy=engine.two_replicas(), batch_size=3)


def test_a_length_between_the_common_ones(build, network):
    short = build(max_seq_length=21, xla="on")
    found = short.vectors(MADE, wanted())
    assert found.shape[1] == 21
    expected = network.vectors(MADE, wanted())
    assert_equal_where_real(found[:, :19], expected, MADE, "none")


@pytest.mark.parametrize("xla", ["off", "on"])
def test_programs_are_few(build, network, monkeypatch, xla):
    """One for every length where a compiler needs that, else one."""
    made = build(xla=xla)
    batches = (MADE, MADE[:1], MADE[1:], MADE[:2], [row("[CLS] " * 30, 30, [0])])
    expected = [network.vectors(rows, wanted(pooling="mean")) for rows in batches]
    shapes = []
    inputs = encoders.inputs
    monkeypatch.setattr(
        encoders,
        "inputs",
        lambda batch: shapes.append(tuple(batch["input_ids"].shape)) or inputs(batch),
    )
    for rows, vectors in zip(batches, expected, strict=True):
        found = made.vectors(rows, wanted(pooling="mean"))
        np.testing.assert_allclose(found, vectors, **CLOSE)
    if xla == "on":
        assert shapes == [(4, 24), (4, 16), (4, 32)]
    else:
        assert shapes == [(None, None)]


@pytest.mark.parametrize(
    ("pooling", "precision"),
    [("none", "off"), ("cls", "off"), ("mean", "bfloat16"), ("max", "bfloat16")],
)
def test_the_step_lowers(build, pooling, precision):
    made = build(mixed_precision=precision)
    padded = made.inference.padded([*map(vars, MADE)], made.max_seq_length)
    batch = {name: tf.constant(values) for name, values in padded.items()}
    text = engine.hlo(lambda batch: made.step(batch, [1, 0], "each", pooling), batch)
    engine.check_hlo(text)
    assert ("bf16[" in text) == (precision == "bfloat16")


def test_lower_precision_is_summed_in_float32(build, network):
    made = build(mixed_precision="bfloat16")
    found = made.vectors(MADE, wanted(pooling="mean"))
    assert found.dtype == np.float32
    expected = network.vectors(MADE, wanted(pooling="mean"))
    np.testing.assert_allclose(found, expected, atol=0.3)


# --- checkpoints ----------------------------------------------------------------------


def without(checkpoint, prefix):
    kept = {k: v for k, v in checkpoint.weights.items() if not k.startswith(prefix)}
    return dataclasses.replace(checkpoint, weights=kept)


def load(checkpoint, config=CONFIG):
    return Network(
        config,
        checkpoint,
        batch_size=4,
        max_seq_length=32,
        strategy=strategies.build_strategy(DeviceConfig()),
        device=DeviceConfig(),
    )


def test_no_pooler_is_needed(checkpoint, network):
    made = load(without(checkpoint, "bert/pooler"))
    expected = network.vectors(MADE[:1], wanted())
    np.testing.assert_allclose(made.vectors(MADE[:1], wanted()), expected, **CLOSE)


def test_a_checkpoint_without_encoder(checkpoint):
    with pytest.raises(InputError, match=r"holds no variable of the model$"):
        load(without(checkpoint, "bert/"))
    with pytest.raises(InputError, match="lacks 16 of the"):
        load(without(checkpoint, "bert/encoder/layer_1"))


def test_the_weights_are_those_of_the_checkpoint(checkpoint, network):
    weights = native.extract(network.encoder.variables)
    for name, values in weights.items():
        np.testing.assert_array_equal(values, checkpoint.weights[name])
    assert "bert/encoder/layer_1/output/dense/kernel" in weights
