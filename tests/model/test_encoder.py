import dataclasses
import math
import re

import engine
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.nlp.modeling.networks import bert_encoder

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.model import encoder
from biobert_tf.model.config import HIDDEN_ACTIVATIONS, EncoderConfig
from biobert_tf.model.layers import (
    ACTIVATIONS,
    TRAINED_ACTIVATIONS,
    Dropout,
    Initializer,
    LayerNorm,
)

# What golden/model/README.md calls fair.
ATOL = RTOL = 1e-5


def build(seed=0, **changes):
    return encoder.Encoder(dataclasses.replace(engine.CONFIG, **changes), seed)


def encode(network, given, **how):
    return network(*encoder.inputs(given), **how)


def batch(*input_ids, **others):
    values = {"input_ids": input_ids, **others}
    return {name: tf.constant(value, tf.int32) for name, value in values.items()}


# --- parity ---------------------------------------------------------------------------


def load(config, checkpoint):
    network = encoder.Encoder(config)
    found = checkpoints.locate(checkpoint).read()
    native.assign(network.variables, found.weights, source=found.source)
    return network


def embeddings(network, given):
    ids = given["input_ids"]
    return tf.reshape(network.embed(*encoder.inputs(given)), [*ids.shape, -1])


KEY = re.compile(
    r"(?P<set>[a-z])_(?:(?P<defaults>defaults_)|act_(?P<act>[a-z]+)_)?"
    r"(?P<what>embedding_output|layer_(?P<layer>\d+)|sequence_output|pooled_output)"
)


@pytest.mark.parametrize(
    "file_name, hidden_act",
    [("outputs_erf.npz", "gelu"), ("outputs_tanh_gelu.npz", "gelu_new")],
)
def test_recorded_outputs(recording, file_name, hidden_act):
    """Every tensor of every input set; `test_heads` has those of the heads.

    Rows that are padding only are left out: the original adds -10000 to all their
    scores, which rounds them; we attend evenly.
    """
    folder = recording / "model"
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
        outputs = encode(model, given)
        if match["what"] == "embedding_output":
            actual = embeddings(model, given)
            is_real[:] = True
        elif match["layer"]:
            actual = outputs.encoder_outputs[int(match["layer"])]
        else:
            actual = getattr(outputs, match["what"])
        np.testing.assert_allclose(
            actual.numpy()[is_real], expected[key][is_real], RTOL, ATOL, err_msg=key
        )


@pytest.mark.golden
def test_recorded_outputs_of_the_first_release(golden):
    """Input ids alone are given; mask and segments have their defaults."""
    folder = golden / "model" / "v10_style"
    expected = dict(np.load(folder / "outputs.npz"))
    network = load(EncoderConfig.from_json(folder / "bert_config.json"), folder)
    outputs = encode(network, {"input_ids": tf.constant(expected.pop("input_ids"))})
    assert expected
    for key, array in expected.items():
        np.testing.assert_allclose(
            getattr(outputs, key), array, RTOL, ATOL, err_msg=key
        )


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


def test_numpy_reference():
    network = build(num_hidden_layers=2)
    rng = np.random.default_rng(1)
    for variable in network.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.1))
    config = dataclasses.replace(engine.CONFIG, num_hidden_layers=2)
    row = ([2, 9, 29, 3, 0], [1, 1, 0, 1, 0], [0, 1, 1, 0, 0])
    sequence, pooled = reference(native.extract(network.variables), config, *row)
    ids, mask, segments = ([values] for values in row)
    outputs = encode(network, batch(*ids, input_mask=mask, segment_ids=segments))
    np.testing.assert_allclose(outputs.sequence_output[0], sequence, 1e-4, 1e-5)
    np.testing.assert_allclose(outputs.pooled_output[0], pooled, 1e-4, 1e-5)


# --- structure ------------------------------------------------------------------------


def test_every_activation_has_a_function():
    assert set(ACTIVATIONS) == set(HIDDEN_ACTIVATIONS)


def test_the_two_gelus():
    """x Phi(x), and its tanh approximation, at -1, 0, 1 and 3."""
    x = tf.constant([-1.0, 0.0, 1.0, 3.0])
    erf = ACTIVATIONS["gelu"](x)
    assert np.allclose(erf, [-0.15865525, 0.0, 0.84134475, 2.99595031], atol=1e-6)
    tanh = ACTIVATIONS["gelu_new"](x)
    assert np.allclose(tanh, [-0.15880801, 0.0, 0.84119199, 2.99636261], atol=1e-6)


def count(**config):
    network = encoder.Encoder(EncoderConfig(**config))
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


def test_number_of_parameters_of_biobert_base(monkeypatch):
    """By hand: (28996 + 512 + 2) 768 + 1536 + 12 x 7087872 + 590592."""
    # To draw so many values takes seconds, and which they are does not matter.
    monkeypatch.setattr(
        tf.random, "stateless_truncated_normal", lambda shape, **_: tf.zeros(shape)
    )
    assert count(vocab_size=28_996) == 108_310_272


def test_padding_does_not_change_real_tokens():
    network = build()
    short = encode(network, batch([3, 4, 5]))
    long = encode(
        network,
        batch([3, 4, 5, 9, 8], input_mask=[[1, 1, 1, 0, 0]]),
    )
    np.testing.assert_allclose(
        long.sequence_output[:, :3], short.sequence_output, atol=1e-6
    )
    np.testing.assert_allclose(long.pooled_output, short.pooled_output, atol=1e-6)


def test_every_input_matters():
    network = build()
    ones = batch([3, 4, 5])

    def first_token(**changes):
        outputs = encode(network, {**ones, **batch([3, 4, 5], **changes)})
        return outputs.sequence_output[0, 0].numpy()

    same = first_token(input_mask=[[1, 1, 1]], segment_ids=[[0, 0, 0]])
    assert np.array_equal(same, first_token())
    for changes in ({"input_mask": [[1, 1, 0]]}, {"segment_ids": [[0, 0, 1]]}):
        assert np.abs(first_token(**changes) - same).max() > 1e-4


def test_eager_is_graph():
    network = build()
    inputs = batch([3, 4, 5, 0], input_mask=[[1, 1, 1, 0]])
    graph = tf.function(lambda values: encode(network, values))(inputs)
    eager = encode(network, inputs)
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(
            getattr(graph, name), getattr(eager, name), atol=1e-6
        )


def test_pieces_beyond_the_positions_fail():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        encode(build(max_position_embeddings=4), batch([1, 2, 3, 4, 5]))


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
        "bert/embeddings/word_embeddings:0"
    ]
    assert np.abs(array).max() <= 0.04
    assert array.std() == pytest.approx(0.8796 * 0.02, rel=0.02)
    assert array.mean() == pytest.approx(0, abs=0.02 * 0.02)


# --- dropout --------------------------------------------------------------------------


def dropped(network, seed_2, **how):
    outputs = encode(
        network, batch([3, 4, 5]), dropout=Dropout(tf.constant(seed_2)), **how
    )
    return outputs.sequence_output.numpy()


def test_dropout_depends_on_the_seed_alone():
    network = build()
    first = dropped(network, [1, 2])
    assert np.array_equal(dropped(network, [1, 2]), first)
    for seed_2 in ([1, 3], [2, 2], [2, 1]):
        assert not np.allclose(dropped(network, seed_2), first)
    plain = encode(network, batch([3, 4, 5])).sequence_output
    assert not np.allclose(plain, first)


def test_dropout_inside_xla():
    network = build()

    @tf.function(jit_compile=True)
    def compiled(seed_2):
        outputs = encode(network, batch([3, 4, 5]), dropout=Dropout(seed_2))
        return outputs.sequence_output

    first = compiled(tf.constant([1, 2]))
    assert np.array_equal(compiled(tf.constant([1, 2])), first)
    assert not np.allclose(compiled(tf.constant([1, 3])), first)
    assert compiled.experimental_get_tracing_count() == 1


class Recorded(Dropout):
    """Keeps the calls, rate and stream, beside the seed."""

    def __call__(self, x, rate, stream):
        seed_2, calls = self.seed_2
        calls.append((rate, self.first_stream + stream))
        return Dropout(seed_2, self.first_stream)(x, rate, stream)


@pytest.mark.parametrize("first", [0, 3])
def test_every_place_has_its_own_stream(first):
    """Embeddings; per block the attention's output, the output, the probabilities."""
    network = build(
        num_hidden_layers=2,
        hidden_dropout_prob=0.25,
        attention_probs_dropout_prob=0.5,
    )
    calls = []
    recorded = Recorded((tf.constant([1, 2]), calls), first)
    encode(network, batch([3, 4, 5]), dropout=recorded)
    blocks = [(0.5, 4), (0.25, 1), (0.25, 3), (0.5, 8), (0.25, 5), (0.25, 7)]
    expected = [(0.25, 0), *blocks]
    assert calls == [(rate, first + stream) for rate, stream in expected]


def test_streams_differ():
    drop = Dropout(tf.constant([1, 2]))
    masks = {tuple(drop(tf.ones([50]), 0.5, stream).numpy()) for stream in range(9)}
    assert len(masks) == 9


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rate_of_dropout(rate):
    """Of 100,000 ones a share `rate` is zero, the others 1 / (1 - rate)."""
    out = Dropout(tf.constant([1, 2]))(tf.ones([100_000]), rate, 0).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / (1 - rate))}
    assert (out == 0).mean() == pytest.approx(rate, abs=0.005)
    assert out.mean() == pytest.approx(1, abs=0.01)


def ones_left(seed, rate, shape=(1000,), **how):
    return Dropout(tf.constant([seed, 2]), **how)(tf.ones(shape), rate, 0).numpy() > 0


def test_a_rate_between_two_bounds_of_a_byte():
    """Over many calls it is met, though one call has 0 or 1 of 256 bytes to drop."""
    rate = 0.4 / 256
    shares = [1 - ones_left(seed, rate).mean() for seed in range(400)]
    assert np.mean(shares) == pytest.approx(rate, abs=3e-4)
    assert 0.5 < np.mean(np.equal(shares, 0)) < 0.7


def test_a_rate_beyond_a_byte():
    out = Dropout(tf.constant([1, 2]))(tf.ones([200_000]), 0.9999, 0).numpy()
    assert set(np.unique(out)) == {0, 256}
    assert out.mean() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 512])
def test_values_are_dropped_independently(lag):
    """Also those that one word of random bits serves, and in every byte of it."""
    left = ones_left(1, 0.5, (512, 512)).ravel()
    assert np.corrcoef(left[lag:], left[:-lag])[0, 1] == pytest.approx(0, abs=0.01)
    assert left.reshape(-1, 4).mean(0) == pytest.approx(0.5, abs=0.01)


def test_the_same_draws_compiled():
    """XLA, which GPUs and TPUs use, and all shapes: no word is cut off wrongly."""
    for shape in ([1], [3], [4], [3, 5, 7], [2, 2, 4, 8]):
        eager = ones_left(3, 0.4, shape)
        compiled = tf.function(
            lambda x: Dropout(tf.constant([3, 2]))(x, 0.4, 0), jit_compile=True
        )
        assert np.array_equal(compiled(tf.ones(shape)).numpy() > 0, eager)


@pytest.mark.parametrize("seed_2", [[3, 2], [-3, 2], [3, -2], [-7, -9]])
def test_the_same_draws_compiled_for_negative_seeds(seed_2):
    """Half of the seeds that a training folds are negative."""

    def drop(x):
        return Dropout(tf.constant(seed_2))(x, 0.4, 5)

    compiled = tf.function(drop, jit_compile=True)
    assert np.array_equal(compiled(tf.ones([40])), drop(tf.ones([40])))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.999])
def test_rate_of_dropout_on_a_tpu(rate):
    """Also where four rows that share words are not all there."""
    for shape in ((999, 101), (1, 100_000), (2, 3, 130, 130)):
        left = ones_left(1, rate, shape, is_on_tpu=True)
        assert left.shape == shape
        share = 1 - min(rate, 255 / 256)
        assert left.mean() == pytest.approx(share, abs=4 * (share / left.size) ** 0.5)


def test_a_rate_between_two_bounds_of_a_byte_on_a_tpu():
    rate = 0.4 / 256
    how = {"shape": (10, 100), "is_on_tpu": True}
    shares = [1 - ones_left(seed, rate, **how).mean() for seed in range(400)]
    assert np.mean(shares) == pytest.approx(rate, abs=3e-4)
    assert 0.5 < np.mean(np.equal(shares, 0)) < 0.7


@pytest.mark.parametrize("lag", [1, 4, 128, 256, 512 * 128, 512 * 256, 512 * 384])
def test_values_are_dropped_independently_on_a_tpu(lag):
    """Also rows that one word of random bits serves: 128 rows apart."""
    left = ones_left(1, 0.5, (512, 512), is_on_tpu=True).ravel()
    assert np.corrcoef(left[lag:], left[:-lag])[0, 1] == pytest.approx(0, abs=0.01)


def test_draws_of_earlier_versions():
    """A training that such a version began goes on with them."""
    x = tf.random.stateless_normal([3, 50], [0, 1])
    seed_2 = tf.random.experimental.stateless_fold_in(tf.constant([1, 2]), 7)
    expected = tf.nn.experimental.stateless_dropout(x, 0.3, seed=seed_2)
    drop = Dropout(tf.constant([1, 2]), first_stream=4, bits=32)
    assert np.array_equal(drop(x, 0.3, 3), expected)


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


def test_no_dropout_where_the_rates_are_zero():
    network = build(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    plain = encode(network, batch([3, 4, 5])).sequence_output
    assert np.array_equal(dropped(network, [1, 2]), plain)


# --- gradients of training ------------------------------------------------------------


def with_gradients(function, *inputs):
    """The result, and the gradients of a sum of its values, all different weights."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
        weights = tf.range(1, tf.size(y) + 1) / tf.size(y)
        loss = tf.reduce_sum(tf.cast(y, tf.float64) * tf.reshape(weights, y.shape))
    return y, tape.gradient(loss, inputs)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype, error", [("float32", 1e-6), ("bfloat16", 0.02)])
def test_activations_of_training(name, dtype, error):
    x = tf.cast(tf.linspace(-7.0, 7.0, 1001), dtype)
    y, (gradient,) = with_gradients(TRAINED_ACTIVATIONS[name], x)
    assert np.array_equal(y, ACTIVATIONS[name](x))
    exact = with_gradients(ACTIVATIONS[name], tf.cast(x, tf.float32))[1][0]
    assert gradient.dtype == dtype
    np.testing.assert_allclose(tf.cast(gradient, tf.float32), exact, error, error)


def test_layer_norm_of_training():
    norm = LayerNorm(Initializer(engine.CONFIG, 0, 0), "norm", 6)
    rng = np.random.default_rng(1)
    for variable in norm.variables:
        variable.assign(rng.normal(size=variable.shape))
    x = tf.constant(rng.normal(3, 2, (5, 6)), tf.float32)

    def run(is_training):
        with tf.GradientTape() as tape:
            y, (dx,) = with_gradients(lambda x: norm(x, is_training), x)
            loss = tf.reduce_sum(norm(x, is_training) ** 3)
        return y, dx, *tape.gradient(loss, norm.trainable_variables)

    trained, plain = run(True), run(False)
    assert np.array_equal(trained[0], plain[0])
    for one, other in zip(trained[1:], plain[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("is_training", [False, True])
def test_only_a_training_has_gradients_of_its_own(is_training):
    """So no exported graph has an operation that names one."""
    network = build()
    dropout = Dropout(tf.constant([1, 2])) if is_training else None
    program = tf.function(lambda given: encode(network, given, dropout=dropout))
    graph = program.get_concrete_function(batch([3, 4, 5])).graph
    types = {operation.type for operation in graph.get_operations()}
    assert ("IdentityN" in types) == is_training


# --- the independent reference: tf-models-official ------------------------------------

CONFIG = dataclasses.replace(
    engine.CONFIG,
    num_hidden_layers=3,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)
NAMES = ("input_ids", "input_mask", "segment_ids")
# TF1 name -> the reference's.
REFERENCE_NAMES = {
    "bert/embeddings/word_embeddings": "word_embeddings/embeddings",
    "bert/embeddings/position_embeddings": "position_embedding/embeddings",
    "bert/embeddings/token_type_embeddings": "type_embeddings/embeddings",
    "bert/embeddings/LayerNorm": "embeddings/layer_norm",
    "{ours}/attention/self": "{theirs}/self_attention",
    "{ours}/attention/output/dense": "{theirs}/self_attention/attention_output",
    "{ours}/attention/output/LayerNorm": "{theirs}/self_attention_layer_norm",
    "{ours}/intermediate/dense": "{theirs}/intermediate",
    "{ours}/output/dense": "{theirs}/output",
    "{ours}/output/LayerNorm": "{theirs}/output_layer_norm",
    "bert/pooler/dense": "pooler_transform",
}


def reference_name(name):
    layer = "".join(re.findall(r"layer_\d+", name))
    blocks = {"ours": f"bert/encoder/{layer}", "theirs": f"transformer/{layer}"}
    for pair in REFERENCE_NAMES.items():
        ours, theirs = (text.format_map(blocks) for text in pair)
        if name == ours or name.startswith(f"{ours}/"):
            return theirs + name.removeprefix(ours)
    raise AssertionError(name)


def large(config=CONFIG):
    """An encoder whose weights are large enough to make half precision err."""
    network = encoder.Encoder(config, seed=3)
    rng = np.random.default_rng(3)
    for variable in network.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.2))
    return network


def official(network):
    """The model garden's encoder with the weights of ours."""
    config = network.config
    made = bert_encoder.BertEncoderV2(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation="gelu",
        output_dropout=0.0,
        attention_dropout=0.0,
        name="official",
    )
    run_official(made, toy_rows())
    weights = {
        reference_name(name): array
        for name, array in native.extract(network.variables).items()
    }
    for variable in made.variables:
        name = variable.name.removesuffix(":0").removeprefix("official/")
        variable.assign(weights.pop(name).reshape(variable.shape))
    assert not weights
    return made


def run_official(made, given):
    return made(
        {
            "input_word_ids": given["input_ids"],
            "input_mask": given["input_mask"],
            "input_type_ids": given["segment_ids"],
        }
    )


def toy_rows(seed=0):
    """Rows of 7, 4 and no pieces."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, CONFIG.vocab_size, (3, 7))
    segments = rng.integers(0, 2, (3, 7))
    mask = [[1] * 7, [1] * 4 + [0] * 3, [0] * 7]
    values = (ids, mask, segments)
    return {n: tf.constant(v, tf.int32) for n, v in zip(NAMES, values, strict=True)}


def test_equal_to_the_reference_in_all_layers():
    """Rows of padding too: they attend evenly."""
    network = large()
    expected = run_official(official(network), toy_rows())
    actual = encode(network, toy_rows())
    assert expected.keys() | {"rows"} == set(actual._fields)
    layers = zip(expected["encoder_outputs"], actual.encoder_outputs, strict=True)
    for one, other in layers:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        expected["pooled_output"], actual.pooled_output, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_those_of_the_reference(recompute):
    network = large()
    theirs = official(network)
    no_rate = Dropout(tf.constant([1, 2]))
    with tf.GradientTape() as tape:
        outputs = encode(network, toy_rows(), dropout=no_rate, recompute=recompute)
        loss = tf.reduce_sum(outputs.pooled_output) + tf.reduce_sum(
            outputs.sequence_output[:, 1] ** 3
        )
    ours = dict(
        zip(
            (reference_name(v.name.removesuffix(":0")) for v in network.variables),
            tape.gradient(loss, network.variables),
            strict=True,
        )
    )
    with tf.GradientTape() as tape:
        outputs = run_official(theirs, toy_rows())
        loss = tf.reduce_sum(outputs["pooled_output"]) + tf.reduce_sum(
            outputs["sequence_output"][:, 1] ** 3
        )
    for variable, gradient in zip(
        theirs.variables, tape.gradient(loss, theirs.variables), strict=True
    ):
        name = variable.name.removesuffix(":0").removeprefix("official/")
        expected = tf.convert_to_tensor(gradient)
        actual = tf.reshape(tf.convert_to_tensor(ours[name]), expected.shape)
        # The bias of the keys has no gradient but rounding.
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=2e-4, err_msg=name)


def distance(sequence, exact):
    """Mean absolute difference at the eleven real pieces."""
    real = np.array(toy_rows()["input_mask"], bool)
    return np.abs((tf.cast(sequence, tf.float32) - exact).numpy()[real]).mean()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_no_worse_than_the_references(dtype):
    """The products are rounded, and nothing else: outputs are float32."""
    network = large()
    exact = encode(network, toy_rows()).sequence_output
    ours = encode(network, toy_rows(), dtype=tf.as_dtype(dtype))
    assert {x.dtype for x in tf.nest.flatten(ours[:3])} == {tf.float32}
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(f"mixed_{dtype}")
    try:
        theirs = run_official(official(network), toy_rows())
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
    bound = 1.2 * distance(theirs["sequence_output"], exact)
    assert 0 < distance(ours.sequence_output, exact) < bound


def test_one_program_for_all_shapes():
    network = large()
    spec = {name: tf.TensorSpec([None, None], tf.int32) for name in NAMES}
    program = tf.function(
        lambda given: encode(network, given).sequence_output, input_signature=[spec]
    )
    assert program(toy_rows()).shape == (3, 7, CONFIG.hidden_size)
    short = {name: values[:2, :4] for name, values in toy_rows().items()}
    assert program(short).shape == (2, 4, CONFIG.hidden_size)
    assert program.experimental_get_tracing_count() == 1


def test_known_lengths_stay_known():
    network = large()
    spec = {name: tf.TensorSpec([3, 7], tf.int32) for name in NAMES}
    program = tf.function(lambda given: encode(network, given))
    outputs = program.get_concrete_function(spec).structured_outputs
    for output in outputs.encoder_outputs:
        assert output.shape == (3, 7, CONFIG.hidden_size)


def test_compiled():
    network = large()
    program = tf.function(lambda x: encode(network, x), jit_compile=True)
    np.testing.assert_allclose(
        program(toy_rows()).sequence_output,
        encode(network, toy_rows()).sequence_output,
        rtol=1e-4,
        atol=1e-5,
    )
