import dataclasses
import math
import re

import engine
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.model import encoder, encoder_prediction
from biobert_tf.model.config import HIDDEN_ACTIVATIONS, EncoderConfig

# What golden/model/README.md calls fair.
ATOL = RTOL = 1e-5


def build(seed=0, **changes):
    return encoder.build_encoder(dataclasses.replace(engine.CONFIG, **changes), seed)


def batch(*input_ids, **others):
    values = {"input_ids": input_ids, **others}
    return {name: tf.constant(value, tf.int32) for name, value in values.items()}


# --- parity ---------------------------------------------------------------------------


def load(config, checkpoint):
    network = encoder.build_encoder(config)
    found = checkpoints.locate(checkpoint).read()
    native.assign(network.variables, found.weights, source=found.source)
    return network


def run_network(network, given):
    """What training runs, without its dropout; `encode` does not run it."""
    ids = given["input_ids"]
    mask = given.get("input_mask", tf.ones_like(ids))
    segments = given.get("segment_ids", tf.zeros_like(ids))
    return encoder._run_network(network, ids, mask, segments, training=False)


def network_embeddings(network, inputs):
    """What enters the first block: the network calls the layer norm with the sum."""
    seen = []
    norm = network._embedding_norm_layer
    call = norm.call
    norm.call = lambda x: seen.append(call(x)) or seen[-1]
    try:
        run_network(network, inputs)
    finally:
        norm.call = call
    return seen[0]


def embeddings(network, inputs):
    ids = inputs["input_ids"]
    segments = inputs.get("segment_ids", tf.zeros_like(ids))
    return tf.reshape(
        encoder_prediction.embed(network, ids, segments), [*ids.shape, -1]
    )


FORWARDS = [(encoder.encode, embeddings), (run_network, network_embeddings)]
both_forwards = pytest.mark.parametrize(
    "forward, embed", FORWARDS, ids=["prediction", "training"]
)


KEY = re.compile(
    r"(?P<set>[a-z])_(?:(?P<defaults>defaults_)|act_(?P<act>[a-z]+)_)?"
    r"(?P<what>embedding_output|layer_(?P<layer>\d+)|sequence_output|pooled_output)"
)


@pytest.mark.golden
@both_forwards
@pytest.mark.parametrize(
    "file_name, hidden_act",
    [("outputs_erf.npz", "gelu"), ("outputs_tanh_gelu.npz", "gelu_new")],
)
def test_recorded_outputs(golden, file_name, hidden_act, forward, embed):
    """Every tensor of every input set; `test_heads` has those of the heads.

    Rows that are padding only are left out: the original adds -10000 to all their
    scores, which rounds them; we attend evenly.
    """
    folder = golden / "model"
    config = EncoderConfig.from_json(folder / "bert_config.json")
    inputs = np.load(folder / "inputs.npz")
    expected = np.load(folder / file_name)
    networks = {}

    def network(act):
        if act not in networks:
            changed = dataclasses.replace(config, hidden_act=act)
            networks[act] = load(changed, folder / "pretrain")
        return networks[act]

    keys = [k for k in expected if not re.search("masked_lm|next_sentence", k)]
    assert keys
    for key in keys:
        match = KEY.fullmatch(key)
        assert match, f"no test for {key}"
        names = ["input_ids", "input_mask", "segment_ids"]
        given = {name: tf.constant(inputs[f"{match['set']}_{name}"]) for name in names}
        is_real = inputs[f"{match['set']}_input_mask"].any(axis=1)
        if match["defaults"]:
            given = {"input_ids": given["input_ids"]}
            is_real[:] = True
        model = network(match["act"] or hidden_act)
        outputs = forward(model, given)
        if match["what"] == "embedding_output":
            actual = embed(model, given)
            is_real[:] = True
        elif match["layer"]:
            actual = outputs["encoder_outputs"][int(match["layer"])]
        else:
            actual = outputs[match["what"]]
        np.testing.assert_allclose(
            actual.numpy()[is_real], expected[key][is_real], RTOL, ATOL, err_msg=key
        )


@pytest.mark.golden
def test_recorded_outputs_of_the_first_release(golden):
    """Input ids alone are given; mask and segments have their defaults."""
    folder = golden / "model" / "v10_style"
    expected = dict(np.load(folder / "outputs.npz"))
    network = load(EncoderConfig.from_json(folder / "bert_config.json"), folder)
    outputs = encoder.encode(
        network, {"input_ids": tf.constant(expected.pop("input_ids"))}
    )
    assert expected
    for key, array in expected.items():
        np.testing.assert_allclose(outputs[key], array, RTOL, ATOL, err_msg=key)


# --- the formulas ---------------------------------------------------------------------


def layer_norm(x, weights, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def attend(x, is_real, weights, name, num_heads):
    parts = [
        np.split(dense(x, weights, f"{name}/self/{part}"), num_heads, axis=-1)
        for part in ("query", "key", "value")
    ]
    mixed = []
    for query, key, value in zip(*parts, strict=True):
        scores = np.exp(query @ key.T / math.sqrt(query.shape[-1])) * is_real
        mixed.append(scores / scores.sum(-1, keepdims=True) @ value)
    return np.concatenate(mixed, axis=-1)


def reference(weights, config, input_ids, input_mask, segment_ids):
    """BERT in NumPy, of one row, in double precision; TF1 names."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    tables = [
        weights[f"bert/embeddings/{name}_embeddings"]
        for name in ("word", "position", "token_type")
    ]
    ids = (input_ids, np.arange(len(input_ids)), segment_ids)
    x = sum(table[i] for table, i in zip(tables, ids, strict=True))
    x = layer_norm(x, weights, "bert/embeddings/LayerNorm")
    for n in range(config.num_hidden_layers):
        layer = f"bert/encoder/layer_{n}"
        name = f"{layer}/attention"
        mixed = attend(x, input_mask, weights, name, config.num_attention_heads)
        x = x + dense(mixed, weights, f"{name}/output/dense")
        x = layer_norm(x, weights, f"{name}/output/LayerNorm")
        inner = dense(x, weights, f"{layer}/intermediate/dense")
        inner *= 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = x + dense(inner, weights, f"{layer}/output/dense")
        x = layer_norm(x, weights, f"{layer}/output/LayerNorm")
    return x, np.tanh(dense(x[0], weights, "bert/pooler/dense"))


@both_forwards
def test_numpy_reference(forward, embed):
    network = build(num_hidden_layers=2)
    rng = np.random.default_rng(1)
    for variable in network.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.1))
    config = dataclasses.replace(engine.CONFIG, num_hidden_layers=2)
    row = ([2, 9, 29, 3, 0], [1, 1, 0, 1, 0], [0, 1, 1, 0, 0])
    sequence, pooled = reference(native.extract(network.variables), config, *row)
    ids, mask, segments = ([values] for values in row)
    outputs = forward(network, batch(*ids, input_mask=mask, segment_ids=segments))
    np.testing.assert_allclose(outputs["sequence_output"][0], sequence, 1e-4, 1e-5)
    np.testing.assert_allclose(outputs["pooled_output"][0], pooled, 1e-4, 1e-5)


# --- structure ------------------------------------------------------------------------


def test_every_activation_has_a_function():
    assert set(encoder._ACTIVATIONS) == set(HIDDEN_ACTIVATIONS)


def test_the_two_gelus():
    """x Phi(x), and its tanh approximation, at -1, 0, 1 and 3."""
    x = tf.constant([-1.0, 0.0, 1.0, 3.0])
    erf = encoder.activation("gelu")(x)
    assert np.allclose(erf, [-0.15865525, 0.0, 0.84134475, 2.99595031], atol=1e-6)
    tanh = encoder.activation("gelu_new")(x)
    assert np.allclose(tanh, [-0.15880801, 0.0, 0.84119199, 2.99636261], atol=1e-6)


def count(**config):
    network = encoder.build_encoder(EncoderConfig(**config))
    return sum(variable.shape.num_elements() for variable in network.variables)


def test_number_of_parameters_of_a_toy():
    """By hand, for V=7 D=4 I=6 P=5 T=3 and one layer.

    Embeddings (7 + 5 + 3) 4 + 2 x 4; attention 4 (16 + 4) + 2 x 4; feed-forward
    24 + 6 + 24 + 4 + 2 x 4; pooler 16 + 4.
    """
    sizes = {
        "vocab_size": 7,
        "hidden_size": 4,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 6,
        "max_position_embeddings": 5,
        "type_vocab_size": 3,
    }
    assert count(**sizes) == 68 + 88 + 66 + 20
    assert count(**{**sizes, "num_hidden_layers": 3}) == 68 + 3 * (88 + 66) + 20


def test_number_of_parameters_of_biobert_base():
    """By hand: (28996 + 512 + 2) 768 + 1536 + 12 x 7087872 + 590592."""
    assert count(vocab_size=28_996) == 108_310_272


def test_padding_does_not_change_real_tokens():
    network = build()
    short = encoder.encode(network, batch([3, 4, 5]))
    long = encoder.encode(
        network,
        batch([3, 4, 5, 9, 8], input_mask=[[1, 1, 1, 0, 0]]),
    )
    np.testing.assert_allclose(
        long["sequence_output"][:, :3], short["sequence_output"], atol=1e-6
    )
    np.testing.assert_allclose(long["pooled_output"], short["pooled_output"], atol=1e-6)


def test_every_input_matters():
    network = build()
    ones = batch([3, 4, 5])

    def first_token(**changes):
        outputs = encoder.encode(network, {**ones, **batch([3, 4, 5], **changes)})
        return outputs["sequence_output"][0, 0].numpy()

    same = first_token(input_mask=[[1, 1, 1]], segment_ids=[[0, 0, 0]])
    assert np.array_equal(same, first_token())
    for changes in ({"input_mask": [[1, 1, 0]]}, {"segment_ids": [[0, 0, 1]]}):
        assert np.abs(first_token(**changes) - same).max() > 1e-4


def test_eager_is_graph():
    network = build()
    inputs = batch([3, 4, 5, 0], input_mask=[[1, 1, 1, 0]])
    graph = tf.function(lambda values: encoder.encode(network, values))(inputs)
    eager = encoder.encode(network, inputs)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(graph[name], eager[name], atol=1e-6)


def test_pieces_beyond_the_positions_fail():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        encoder.encode(build(max_position_embeddings=4), batch([1, 2, 3, 4, 5]))


# --- random weights -------------------------------------------------------------------


def values(seed=0, **changes):
    return {
        variable.name: variable.numpy() for variable in build(seed, **changes).variables
    }


def test_same_seed_same_weights():
    first, second, other = values(5), values(5), values(6)
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name
        assert np.array_equal(array, other[name]) == (np.ptp(array) == 0), name


def test_no_two_weights_are_equal():
    """Neither in one model nor in models of neighbouring seeds."""
    drawn = [
        array.ravel()[:8]
        for seed in (5, 6, 7)
        for array in values(seed, num_hidden_layers=2).values()
        if np.ptp(array)
    ]
    # Word, position and segment embeddings, six kernels a layer, pooler.
    assert len(drawn) == 3 * (3 + 2 * 6 + 1)
    assert len({tuple(array) for array in drawn}) == len(drawn)


def test_what_is_not_drawn():
    for name, array in values().items():
        if "gamma" in name:
            assert (array == 1).all(), name
        elif "bias" in name or "beta" in name:
            assert (array == 0).all(), name
        else:
            assert array.std() > 0, name


def test_spread_of_the_weights():
    """A normal cut at two deviations has a deviation of 0.8796 of its parent's."""
    array = values(initializer_range=0.02, vocab_size=2000)[
        "bert/word_embeddings/embeddings:0"
    ]
    assert np.abs(array).max() <= 0.04
    assert array.std() == pytest.approx(0.8796 * 0.02, rel=0.02)
    assert array.mean() == pytest.approx(0, abs=0.02 * 0.02)


# --- dropout --------------------------------------------------------------------------


def dropped(network, seed_2, **inputs):
    with encoder.dropout_seed(tf.constant(seed_2)):
        outputs = encoder.encode(network, inputs or batch([3, 4, 5]), training=True)
    return outputs["sequence_output"].numpy()


def test_dropout_depends_on_the_seed_alone():
    network = build()
    first = dropped(network, [1, 2])
    assert np.array_equal(dropped(network, [1, 2]), first)
    for seed_2 in ([1, 3], [2, 2], [2, 1]):
        assert not np.allclose(dropped(network, seed_2), first)
    plain = encoder.encode(network, batch([3, 4, 5]))["sequence_output"]
    assert not np.allclose(plain, first)


def test_dropout_without_a_seed_is_an_error():
    network = build()
    with pytest.raises(LookupError):
        encoder.encode(network, batch([3, 4]), training=True)
    dropped(network, [1, 2])
    with pytest.raises(LookupError):
        encoder.encode(network, batch([3, 4]), training=True)


def test_dropout_inside_xla():
    network = build()

    @tf.function(jit_compile=True)
    def compiled(seed_2):
        with encoder.dropout_seed(seed_2):
            outputs = encoder.encode(network, batch([3, 4, 5]), training=True)
        return outputs["sequence_output"]

    first = compiled(tf.constant([1, 2]))
    assert np.array_equal(compiled(tf.constant([1, 2])), first)
    assert not np.allclose(compiled(tf.constant([1, 3])), first)
    assert compiled.experimental_get_tracing_count() == 1


def dropout_layers(network):
    return [
        layer
        for layer in network.submodules
        if isinstance(layer, tf_keras.layers.Dropout)
    ]


def test_every_layer_has_its_own_stream():
    layers = dropout_layers(build(num_hidden_layers=2))
    # Embeddings; per block attention, attention's output, inner (unused), output.
    assert len(layers) == 1 + 2 * 4
    with encoder.dropout_seed(tf.constant([1, 2])):
        masks = {
            tuple(layer._random_generator.dropout(tf.ones([50]), 0.5).numpy())
            for layer in layers
        }
    assert len(masks) == len(layers)


def test_streams_go_on_from_the_first():
    assert encoder.make_dropout_stateless(build(), first_index=3) == 3 + 5


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rate_of_dropout(rate):
    """Of 100,000 ones a share `rate` is zero, the others 1 / (1 - rate)."""
    with encoder.dropout_seed(tf.constant([1, 2])):
        out = encoder.SeededDropout(0).dropout(tf.ones([100_000]), rate).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / (1 - rate))}
    assert (out == 0).mean() == pytest.approx(rate, abs=0.005)
    assert out.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.5},
        {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.0},
    ],
)
def test_each_rate_is_used(changes):
    network = build(**changes)
    assert not np.allclose(dropped(network, [1, 2]), dropped(network, [3, 4]))
    rates = {layer.name: layer.rate for layer in dropout_layers(network)}
    assert rates["embedding_dropout"] == changes["hidden_dropout_prob"]
    assert set(rates.values()) == set(changes.values())


def test_no_dropout_where_the_rates_are_zero():
    network = build(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    plain = run_network(network, batch([3, 4, 5]))["sequence_output"]
    assert np.array_equal(dropped(network, [1, 2]), plain)
