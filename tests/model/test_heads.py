import math
import re

import engine
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import native
from biobert_tf.model import encoder, heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.layers import Dropout

# What golden/model/README.md calls fair.
ATOL = RTOL = 1e-5


# --- parity ---------------------------------------------------------------------------


def load(model, checkpoint):
    found = checkpoints.locate(checkpoint).read()
    native.assign(model.variables, found.weights, source=found.source)
    return model


def close(actual, expected, name):
    assert np.shape(actual) == np.shape(expected), name
    np.testing.assert_allclose(actual, expected, RTOL, ATOL, err_msg=name)


def read_inputs(folder, prefix):
    """The arrays `<prefix>_<name>`, and which rows have a real position.

    The others are padding only: the original adds -10000 to all their scores, which
    rounds them; we attend evenly. What they say is left out.
    """
    arrays = np.load(folder / "inputs.npz")
    found = {
        name.removeprefix(f"{prefix}_"): tf.constant(arrays[name])
        for name in arrays
        if name.startswith(f"{prefix}_")
    }
    return found, found["input_mask"].numpy().any(axis=1)


def cross_entropy(logits, ids):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits).numpy()


def pretraining_outputs(model, inputs):
    """What the original records of the two losses, by name, batch by batch."""
    outputs = model(inputs)
    masked, pair = outputs["masked_lm_logits"], outputs["next_sentence_logits"]
    labels = tf.reshape(inputs["next_sentence_labels"], [-1])
    return {
        "masked_lm_log_probs": tf.nn.log_softmax(masked).numpy(),
        "masked_lm_example_loss": cross_entropy(masked, inputs["masked_lm_ids"]),
        "next_sentence_log_probs": tf.nn.log_softmax(pair).numpy(),
        "next_sentence_example_loss": cross_entropy(pair, labels),
    }


@pytest.mark.parametrize(
    "file_name, hidden_act",
    [("outputs_erf.npz", "gelu"), ("outputs_tanh_gelu.npz", "gelu_new")],
)
def test_recorded_pretraining(recording, file_name, hidden_act):
    """Every tensor of both heads; `test_encoder` has the others.

    The recorded mean losses count padding rows, so their recorded values stand in
    for ours there: a mean over the others and these must be the recorded mean.
    """
    folder = recording / "model"
    values = {**EncoderConfig.from_json(folder / "bert_config.json").__dict__}
    config = EncoderConfig(**{**values, "hidden_act": hidden_act})
    model = load(heads.PretrainingModel(config, seed=0), folder / "pretrain")
    expected = np.load(folder / file_name)
    keys = [key for key in expected if re.search("masked_lm|next_sentence", key)]
    assert keys
    for prefix in sorted({key[0] for key in keys}):
        inputs, is_real = read_inputs(folder, prefix)
        outputs = pretraining_outputs(model, inputs)
        for name, actual in outputs.items():
            key = f"{prefix}_{name}"
            if key not in keys:
                continue
            keys.remove(key)
            recorded = expected[key].reshape(actual.shape)
            close(actual[is_real], recorded[is_real], key)
            actual[~is_real] = recorded[~is_real]
        weights = inputs["masked_lm_weights"].numpy()
        losses = outputs["masked_lm_example_loss"]
        mean = (losses * weights).sum() / (weights.sum() + 1e-5)
        for key, actual in (
            (f"{prefix}_masked_lm_loss", mean),
            (
                f"{prefix}_next_sentence_loss",
                outputs["next_sentence_example_loss"].mean(),
            ),
        ):
            keys.remove(key)
            close(actual, expected[key], key)
    assert not keys, f"no test for {keys}"


def classifier_outputs(logits, labels):
    losses = cross_entropy(logits, labels)
    log_probs = tf.nn.log_softmax(logits).numpy()
    return {
        "logits": logits.numpy(),
        "log_probs": log_probs,
        "probabilities": np.exp(log_probs),
        "per_example_loss": losses,
        "predict": log_probs.argmax(-1),
    }


@pytest.mark.parametrize(
    "file_name, head, mean_loss",
    [
        ("outputs_ner.npz", heads.TokenClassifier, np.sum),
        ("outputs_re.npz", heads.SequenceClassifier, np.mean),
    ],
)
def test_recorded_classifiers(recording, file_name, head, mean_loss):
    folder = recording / "model"
    config = EncoderConfig.from_json(folder / "bert_config.json")
    expected = dict(np.load(folder / file_name))
    tasks = {tuple(key.split("_")[:2]) for key in expected}
    for task, prefix in sorted(tasks):
        inputs, is_real = read_inputs(folder, prefix)
        labels = expected.pop(f"{task}_{prefix}_labels")
        num_labels = expected[f"{task}_{prefix}_logits"].shape[-1]
        model = load(head(config, num_labels, seed=0), folder / task)
        outputs = classifier_outputs(model(inputs)["logits"], labels)
        for name, actual in outputs.items():
            key = f"{task}_{prefix}_{name}"
            if key in expected:
                recorded = expected.pop(key)
                close(actual[is_real], recorded[is_real], key)
                actual[~is_real] = recorded[~is_real]
        key = f"{task}_{prefix}_loss"
        close(mean_loss(outputs["per_example_loss"]), expected.pop(key), key)
    assert not expected, f"no test for {sorted(expected)}"


def test_recorded_spans(recording):
    folder = recording / "model"
    config = EncoderConfig.from_json(folder / "bert_config.json")
    model = load(heads.SpanClassifier(config, seed=0), folder / "qa")
    expected = np.load(folder / "outputs_qa.npz")
    assert expected.files
    for key in expected:
        task, prefix, name = key.split("_", 2)
        assert task == "qa"
        inputs, is_real = read_inputs(folder, prefix)
        close(model(inputs)[name][is_real], expected[key][is_real], key)


# --- the formulas ---------------------------------------------------------------------

INPUTS = {
    "input_ids": tf.constant([[2, 9, 29, 3], [4, 5, 0, 0]]),
    "input_mask": tf.constant([[1, 1, 1, 1], [1, 1, 0, 0]]),
    "segment_ids": tf.constant([[0, 0, 1, 1], [0, 0, 0, 0]]),
    "masked_lm_positions": tf.constant([[1, 3, 3], [0, 1, 0]]),
}


def shaken(model):
    """The model with no zero left in it, and its weights by their TF1 names."""
    rng = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.1))
    weights = native.extract(model.variables)
    return weights, model.encode(INPUTS)._asdict()


def test_token_classifier_is_linear():
    model = heads.TokenClassifier(engine.CONFIG, 3, seed=1)
    weights, encoded = shaken(model)
    expected = encoded["sequence_output"] @ weights["output_weights"].T
    logits = model(INPUTS)["logits"]
    assert logits.shape == (2, 4, 3)
    np.testing.assert_allclose(logits, expected + weights["output_bias"], 1e-5, 1e-5)


def test_sequence_classifier_reads_the_pooler():
    model = heads.SequenceClassifier(engine.CONFIG, 3, seed=1)
    weights, encoded = shaken(model)
    expected = encoded["pooled_output"] @ weights["output_weights"].T
    logits = model(INPUTS)["logits"]
    assert logits.shape == (2, 3)
    np.testing.assert_allclose(logits, expected + weights["output_bias"], 1e-5, 1e-5)


def mean_classifier(config=engine.CONFIG, **more):
    return heads.SequenceClassifier(config, 3, seed=1, pooling="mean", **more)


def test_sequence_classifier_may_read_the_mean():
    """Of the tokens alone; a row of padding has none, and a row may have no padding."""
    model = mean_classifier()
    weights, _ = shaken(model)
    batch = {name: INPUTS[name] for name in ("input_ids", "segment_ids")}
    mask = tf.constant([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    three = {name: tf.concat([ids, ids[:1]], 0) for name, ids in batch.items()}
    for given, lengths in (
        (three | {"input_mask": mask}, [4, 2, 0]),
        (batch, [4, 4]),
    ):
        x = model.encode(given).sequence_output.numpy()
        means = [
            row[:length].sum(0) / max(length, 1)
            for row, length in zip(x, lengths, strict=True)
        ]
        logits = model(given)["logits"]
        assert logits.shape == (len(lengths), 3)
        expected = means @ weights["output_weights"].T + weights["output_bias"]
        np.testing.assert_allclose(logits, expected, 1e-5, 1e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16], ids=lambda x: x.name)
def test_the_mean_is_of_float32(dtype):
    """Also where products are not."""
    model = mean_classifier(dtype=dtype)
    weights, encoded = shaken(model)
    x = encoded["sequence_output"].numpy()
    means = [x[0].mean(0), x[1, :2].mean(0)]
    expected = means @ weights["output_weights"].T + weights["output_bias"]
    np.testing.assert_allclose(model(INPUTS)["logits"], expected, 1e-5, 1e-5)


# Texts of 3, 5, 1, 4 and 0 pieces: padded, and in two rows.
LENGTHS = (3, 5, 1, 4, 0)
TEXTS = {
    "input_ids": tf.random.stateless_uniform([5, 6], [1, 2], 1, 30, tf.int32),
    "input_mask": tf.sequence_mask(LENGTHS, 6, tf.int32),
    "segment_ids": tf.random.stateless_uniform([5, 6], [3, 4], 0, 2, tf.int32),
}
WEIGHTS = tf.random.stateless_normal([len(LENGTHS), 3], [5, 6])
PLACES = tf.constant([[6, 7, 8, 9, 10, 0, 1, 2], [18, 19, 20, 21, 12, -1, -1, -1]])
GIVEN = {
    "padded": TEXTS,
    "packed": {**TEXTS, encoder.PLACES: PLACES},
}


def logits_and_gradients(model, run):
    """Of the trainable variables, for a loss in which every logit counts."""
    with tf.GradientTape() as tape:
        logits = run()
        loss = tf.reduce_sum(logits * WEIGHTS)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, variables)
    names = [variable.name for variable in variables]
    dense = map(tf.convert_to_tensor, gradients)
    return {"logits": logits, **dict(zip(names, dense, strict=True))}


@pytest.mark.parametrize("xla", [False, True], ids=["plain", "xla"])
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("given", GIVEN)
def test_the_mean_and_its_gradient(given, recompute, xla):
    """Those of each text alone, whose mean TensorFlow takes."""
    model = mean_classifier(engine.without_dropout())
    shaken(model)

    def alone():
        rows = []
        for i, length in enumerate(LENGTHS):
            row = {name: TEXTS[name][i : i + 1, :length] for name in TEXTS}
            if length:
                mean = tf.reduce_mean(model.encode(row).sequence_output[0], 0)
            else:
                mean = tf.zeros(model.config.hidden_size)
            rows.append(tf.linalg.matvec(model.output_weights, mean))
        return tf.stack(rows) + model.output_bias

    model.recomputes = recompute
    dropout = Dropout(tf.constant([1, 2])) if recompute else None

    @tf.function(jit_compile=xla)
    def found():
        return logits_and_gradients(
            model, lambda: model(GIVEN[given], dropout)["logits"]
        )

    wanted = logits_and_gradients(model, alone)
    assert not any("pooler" in name for name in wanted)
    for name, values in found().items():
        # A softmax does not depend on what all its scores share.
        assert "key/bias" in name or np.abs(wanted[name]).max() > 1e-3, name
        np.testing.assert_allclose(values, wanted[name], 1e-5, 1e-5, err_msg=name)


def test_packed_means_lower():
    model = mean_classifier()
    engine.check_hlo(engine.hlo(lambda batch: model(batch), GIVEN["packed"]))


def test_dropout_of_the_mean():
    """It comes after the mean, from the stream of the head."""
    model = mean_classifier(engine.without_dropout(), dropout=0.5)
    weights, encoded = shaken(model)
    drop = Dropout(tf.constant([1, 2]))
    means = encoded["rows"].means(encoded["sequence_output"])
    dropped = drop(means, 0.5, 0)
    assert not np.allclose(means, dropped)
    expected = dropped @ weights["output_weights"].T + weights["output_bias"]
    np.testing.assert_allclose(model(INPUTS, drop)["logits"], expected, 1e-5, 1e-5)


def test_both_poolings_have_the_same_weights():
    """So that a checkpoint of one begins a training of the other."""
    cls, mean = heads.SequenceClassifier(engine.CONFIG, 3, seed=1), mean_classifier()
    assert [x.name for x in cls.variables] == [x.name for x in mean.variables]
    for one, other in zip(cls.variables, mean.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_span_classifier_has_start_and_end():
    model = heads.SpanClassifier(engine.CONFIG, seed=1)
    weights, encoded = shaken(model)
    outputs = model(INPUTS)
    for row, name in enumerate(("start_logits", "end_logits")):
        kernel = weights["cls/squad/output_weights"][row]
        expected = encoded["sequence_output"] @ kernel[:, None]
        expected = expected[..., 0] + weights["cls/squad/output_bias"][row]
        np.testing.assert_allclose(outputs[name], expected, 1e-5, 1e-5)


def test_pretraining_model():
    model = heads.PretrainingModel(engine.CONFIG, seed=1)
    weights, encoded = shaken(model)
    outputs = model(INPUTS)
    scope = "cls/seq_relationship"
    expected = encoded["pooled_output"] @ weights[f"{scope}/output_weights"].T
    np.testing.assert_allclose(
        outputs["next_sentence_logits"],
        expected + weights[f"{scope}/output_bias"],
        1e-5,
        1e-5,
    )
    # Position 3 of row 0 and position 1 of row 1.
    scope = "cls/predictions"
    for row, slot, position in ((0, 1, 3), (0, 2, 3), (1, 1, 1)):
        x = encoded["sequence_output"].numpy()[row, position]
        x = x @ weights[f"{scope}/transform/dense/kernel"]
        x = x + weights[f"{scope}/transform/dense/bias"]
        x = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-12)
        x = x * weights[f"{scope}/transform/LayerNorm/gamma"]
        x = x + weights[f"{scope}/transform/LayerNorm/beta"]
        expected = weights["bert/embeddings/word_embeddings"] @ x
        np.testing.assert_allclose(
            outputs["masked_lm_logits"][row, slot],
            expected + weights[f"{scope}/output_bias"],
            1e-4,
            1e-5,
        )


# --- what all heads share -------------------------------------------------------------

MODELS = {
    "token": lambda seed: heads.TokenClassifier(engine.CONFIG, 3, seed, dropout=0.5),
    "sequence": lambda seed: heads.SequenceClassifier(engine.CONFIG, 3, seed),
    "mean": lambda seed: heads.SequenceClassifier(
        engine.CONFIG, 3, seed, pooling="mean"
    ),
    "span": lambda seed: heads.SpanClassifier(engine.CONFIG, seed),
    "pretraining": lambda seed: heads.PretrainingModel(engine.CONFIG, seed),
}
HEAD_NAMES = {
    "token": {"output_weights", "output_bias"},
    "sequence": {"output_weights", "output_bias"},
    "mean": {"output_weights", "output_bias"},
    "span": {"cls/squad/output_weights", "cls/squad/output_bias"},
    "pretraining": {
        "cls/predictions/transform/dense/kernel",
        "cls/predictions/transform/dense/bias",
        "cls/predictions/transform/LayerNorm/gamma",
        "cls/predictions/transform/LayerNorm/beta",
        "cls/predictions/output_bias",
        "cls/seq_relationship/output_weights",
        "cls/seq_relationship/output_bias",
    },
}


@pytest.mark.parametrize("kind", MODELS)
def test_variables_have_their_tf1_names(kind):
    weights = native.extract(MODELS[kind](1).variables)
    assert {n for n in weights if not n.startswith("bert/")} == HEAD_NAMES[kind]
    assert len(weights) == len(HEAD_NAMES[kind]) + 5 + 16 + 2


@pytest.mark.parametrize("kind", MODELS)
def test_pooler_is_trained_where_it_is_read(kind):
    names = {variable.name for variable in MODELS[kind](1).trainable_variables}
    pooler = {"bert/pooler/dense/kernel:0", "bert/pooler/dense/bias:0"}
    assert names & pooler == (pooler if kind in ("sequence", "pretraining") else set())
    assert len(names) == len(HEAD_NAMES[kind]) + 5 + 16 + len(names & pooler)


@pytest.mark.parametrize("kind", MODELS)
def test_random_weights(kind):
    first, second = (native.extract(MODELS[kind](1).variables) for _ in range(2))
    other = native.extract(MODELS[kind](2).variables)
    drawn = []
    for name, array in first.items():
        assert np.array_equal(array, second[name]), name
        if np.ptp(array):
            assert not np.array_equal(array, other[name]), name
            drawn += [tuple(weights[name].ravel()[:8]) for weights in (first, other)]
        else:
            assert array.flat[0] == ("gamma" in name), name
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("kind", MODELS)
def test_dropout_of_a_model_depends_on_its_seed(kind):
    model = MODELS[kind](1)

    def run(seed_2):
        outputs = model(INPUTS, Dropout(tf.constant(seed_2)))
        return np.concatenate([np.ravel(value) for value in outputs.values()])

    first = run([1, 2])
    assert np.array_equal(run([1, 2]), first)
    assert not np.allclose(run([1, 3]), first)


def test_dropout_of_the_head():
    """With no other dropout, a rate of 0.5 shows in the logits."""
    config = engine.without_dropout()
    still = heads.TokenClassifier(config, 3, seed=1)
    moving = heads.TokenClassifier(config, 3, seed=1, dropout=0.5)
    plain = still(INPUTS)["logits"]
    assert np.array_equal(moving(INPUTS)["logits"], plain)
    seed = Dropout(tf.constant([1, 2]))
    assert np.array_equal(still(INPUTS, seed)["logits"], plain)
    assert not np.allclose(moving(INPUTS, seed)["logits"], plain)
