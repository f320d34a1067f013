import dataclasses

import engine
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.model import encoder
from biobert_tf.training import precision

CONFIG = dataclasses.replace(
    engine.CONFIG,
    num_hidden_layers=3,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
NAMES = ("input_ids", "input_mask", "segment_ids")


def build(mixed_precision="off"):
    """An encoder whose weights are large enough to make half precision err."""
    with precision.policy(DeviceConfig(mixed_precision=mixed_precision)):
        network = encoder.build_encoder(CONFIG, seed=3)
    rng = np.random.default_rng(3)
    for variable in network.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.2))
    return network


def batch(seed=0):
    """Rows of 7, 4 and no pieces."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CONFIG.vocab_size, (3, 7))
    segments = rng.integers(0, 2, (3, 7))
    mask = [[1] * 7, [1] * 4 + [0] * 3, [0] * 7]
    values = (ids, mask, segments)
    return {n: tf.constant(v, tf.int32) for n, v in zip(NAMES, values, strict=True)}


def network(encoder_, inputs):
    return encoder._run_network(encoder_, *(inputs[n] for n in NAMES), training=False)


def distance(outputs, exact):
    """Mean absolute difference at the eleven real pieces."""
    real = np.array(batch()["input_mask"], bool)
    difference = outputs["sequence_output"] - exact["sequence_output"]
    return np.abs(difference.numpy()[real]).mean()


def test_equal_to_the_network_in_all_layers():
    """Rows of padding too: they attend evenly."""
    model = build()
    expected = network(model, batch())
    actual = encoder.encode(model, batch())
    assert expected.keys() == actual.keys()
    layers = zip(expected["encoder_outputs"], actual["encoder_outputs"], strict=True)
    for one, other in layers:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        expected["pooled_output"], actual["pooled_output"], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("mixed_precision", ["bfloat16", "float16"])
def test_half_precision_is_no_worse_than_the_networks(mixed_precision):
    exact = encoder.encode(build(), batch())
    model = build(mixed_precision)
    ours = encoder.encode(model, batch())
    theirs = network(model, batch())
    assert ours["sequence_output"].dtype == theirs["sequence_output"].dtype
    assert ours["pooled_output"].dtype == theirs["pooled_output"].dtype
    assert np.isfinite(ours["sequence_output"]).all()
    assert 0 < distance(ours, exact) < 1.2 * distance(theirs, exact)


def test_one_program_for_all_shapes():
    model = build()
    spec = {name: tf.TensorSpec([None, None], tf.int32) for name in NAMES}
    program = tf.function(
        lambda inputs: encoder.encode(model, inputs)["sequence_output"],
        input_signature=[spec],
    )
    assert program(batch()).shape == (3, 7, CONFIG.hidden_size)
    short = {name: values[:2, :4] for name, values in batch().items()}
    assert program(short).shape == (2, 4, CONFIG.hidden_size)
    assert program.experimental_get_tracing_count() == 1


def test_known_lengths_stay_known():
    model = build()
    spec = {name: tf.TensorSpec([3, 7], tf.int32) for name in NAMES}
    program = tf.function(lambda inputs: encoder.encode(model, inputs))
    outputs = program.get_concrete_function(spec).structured_outputs
    for output in outputs["encoder_outputs"]:
        assert output.shape == (3, 7, CONFIG.hidden_size)


def test_compiled():
    model = build()
    program = tf.function(lambda x: encoder.encode(model, x), jit_compile=True)
    np.testing.assert_allclose(
        program(batch())["sequence_output"],
        encoder.encode(model, batch())["sequence_output"],
        rtol=1e-4,
        atol=1e-5,
    )
