from pathlib import Path

import checkpoint_toys as toys
import engine
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.checkpoints import native, tf1
from biobert_tf.common.errors import InputError
from biobert_tf.model import encoder
from biobert_tf.model.config import EncoderConfig

SOURCE = Path("run/model.ckpt-40")


def head(*names, num_labels=3):
    """Head variables under their TF1 names, all zero."""
    shapes = toys.shapes("masked_lm", "next_sentence", "classifier", "squad")
    shapes |= {"output_weights": (num_labels, 4), "output_bias": (num_labels,)}
    return [tf.Variable(tf.zeros(shapes[name]), name=name) for name in names]


CLASSIFIER = ("output_weights", "output_bias")


@pytest.fixture
def variables():
    return encoder.Encoder(toys.CONFIG).variables


def by_name(variables):
    return {variable.name: variable.numpy() for variable in variables}


def test_round_trip(variables):
    variables = [*variables, *head(*CLASSIFIER)]
    weights = toys.weights("classifier")
    report = native.assign(variables, weights, source=SOURCE)
    toys.assert_same(native.extract(variables), weights)
    assert sorted(report.loaded) == sorted(weights)
    assert (report.missing, report.unexpected) == ((), ())
    assert report.summary() == ["run/model.ckpt-40: loaded 41 variables"]


def test_every_head_has_its_variable(variables):
    heads = ("masked_lm", "next_sentence", "classifier", "squad")
    weights = toys.weights(*heads)
    made = head(*(name for name in weights if not name.startswith("bert/")))
    native.assign([*variables, *made], weights, source=SOURCE)
    toys.assert_same(native.extract([*variables, *made]), weights)


@pytest.mark.parametrize("heads", [CLASSIFIER, ("output_weights", "output_bias", "x")])
def test_new_head_keeps_its_values(variables, heads):
    variables = [*variables, *head(*CLASSIFIER)]
    weights = toys.weights("masked_lm")
    report = native.assign(variables, weights, source=SOURCE, new_head=heads)
    assert report.missing == CLASSIFIER
    assert len(report.loaded) == 39
    assert len(report.unexpected) == 5
    assert not native.extract(variables)["output_weights"].any()
    assert report.summary() == [
        "run/model.ckpt-40: loaded 39 variables",
        "new, with random values: output_weights, output_bias",
        "in the checkpoint but not in the model: cls/predictions/output_bias, "
        "cls/predictions/transform/LayerNorm/beta, "
        "cls/predictions/transform/LayerNorm/gamma, "
        "cls/predictions/transform/dense/bias, "
        "cls/predictions/transform/dense/kernel",
    ]


def test_new_head_is_loaded_where_it_fits(variables):
    variables = [*variables, *head(*CLASSIFIER)]
    weights = toys.weights("classifier")
    report = native.assign(variables, weights, source=SOURCE, new_head=CLASSIFIER)
    assert report.missing == ()
    toys.assert_same(native.extract(variables), weights)


def test_new_head_with_other_labels_starts_afresh(variables):
    variables = [*variables, *head(*CLASSIFIER, num_labels=5)]
    weights = toys.weights("classifier")
    report = native.assign(variables, weights, source=SOURCE, new_head=CLASSIFIER)
    assert report.missing == CLASSIFIER
    assert not native.extract(variables)["output_weights"].any()
    with pytest.raises(InputError, match="labels are not those of the checkpoint: 2 "):
        native.assign(variables, weights, source=SOURCE)


def test_prefix_of_a_new_head(variables):
    made = head("cls/squad/output_weights", "cls/squad/output_bias")
    report = native.assign(
        [*variables, *made], toys.weights(), source=SOURCE, new_head=["cls/squad"]
    )
    assert report.missing == ("cls/squad/output_weights", "cls/squad/output_bias")
    with pytest.raises(InputError, match="lacks 2 of the 41"):
        native.assign(
            [*variables, *made], toys.weights(), source=SOURCE, new_head=["cls/sq"]
        )


def test_missing_pooler(variables):
    weights = {k: v for k, v in toys.weights().items() if "pooler" not in k}
    with pytest.raises(
        InputError,
        match=r"model.ckpt-40: lacks 2 of the 39 .*: bert/pooler/dense/bias, ",
    ):
        native.assign(variables, weights, source=SOURCE)
    report = native.assign(variables, weights, source=SOURCE, new_head=["bert/pooler"])
    assert len(report.missing) == 2


def test_nothing_fits(variables):
    for weights in ({}, {"other": np.zeros(3, np.float32)}):
        for new_head in ((), ("bert",)):
            with pytest.raises(InputError, match="holds no variable of the model"):
                native.assign(variables, weights, source=SOURCE, new_head=new_head)
    wrong = {"output_bias": np.zeros(9, np.float32)}
    with pytest.raises(InputError, match="holds no variable of the model"):
        native.assign(head("output_bias"), wrong, source=SOURCE, new_head=CLASSIFIER)


def test_wrong_shapes_are_counted_and_nothing_is_assigned(variables):
    weights = toys.weights()
    weights["bert/embeddings/word_embeddings"] = np.zeros((12, 4), np.float32)
    weights["bert/encoder/layer_0/intermediate/dense/kernel"] = np.zeros(
        (6, 4), np.float32
    )
    for name in ("beta", "gamma"):
        weights[f"bert/embeddings/LayerNorm/{name}"] = np.zeros(5, np.float32)
    before = by_name(variables)
    with pytest.raises(
        InputError,
        match=r"model.ckpt-40: bert_config.json does not fit the checkpoint: "
        r"4 shapes differ: bert/embeddings/word_embeddings is \[12, 4\] in the "
        r"checkpoint and \[11, 4\] in the model, .* and 1 more$",
    ):
        native.assign(variables, weights, source=SOURCE)
    after = by_name(variables)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_weights_that_are_not_finite(variables):
    """Named as a model needs them; nothing is assigned. Large values are no mistake."""
    weights = toys.weights()
    weights["bert/embeddings/LayerNorm/gamma"][:] = 3e38
    layer = "bert/encoder/layer_1"
    for name in ("intermediate", "attention/self/key", "output", "attention/output"):
        weights[f"{layer}/{name}/dense/bias".replace("key/dense", "key")][1] = np.inf
    weights["bert/encoder/layer_0/output/LayerNorm/beta"][:2] = np.nan
    before = by_name(variables)
    with pytest.raises(
        InputError,
        match=r"model.ckpt-40: NaN or infinite: bert/encoder/layer_0/output/LayerNorm/"
        r"beta \(2 of 4 numbers\), bert/encoder/layer_1/attention/self/key/bias \(1 of "
        r"4 numbers\), bert/encoder/layer_1/attention/output/dense/bias \(1 of 4 "
        r"numbers\) and 2 more; did its training diverge, or is the file damaged\? ",
    ):
        native.assign(variables, weights, source=SOURCE)
    after = by_name(variables)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    for name, values in weights.items():
        weights[name] = np.where(np.isfinite(values), values, 0)
    native.assign(variables, weights, source=SOURCE)


def test_more_layers_than_the_model(variables):
    weights = toys.weights(num_layers=3)
    with pytest.raises(InputError, match=r"has more layers .*bert/encoder/layer_2/"):
        native.assign(variables, weights, source=SOURCE)
    report = native.assign(
        head(*CLASSIFIER), {**weights, **toys.weights("classifier")}, source=SOURCE
    )
    assert sorted(report.loaded) == sorted(CLASSIFIER)


def test_unknown_and_double_variables_are_our_mistake():
    with pytest.raises(AssertionError, match=r"variable mine is not in names\.TABLE"):
        native.extract([tf.Variable(0.0, name="mine")])
    with pytest.raises(AssertionError, match="two variables are called output_bias"):
        native.extract(head("output_bias", "output_bias"))


def test_under_a_distribution_strategy():
    strategy = engine.two_replicas()
    with strategy.scope():
        variables = encoder.Encoder(toys.CONFIG).variables
    native.assign(variables, toys.weights(), source=SOURCE)
    toys.assert_same(native.extract(variables), toys.weights())
    for variable in variables:
        copies = strategy.experimental_local_results(variable)
        assert len({copy.device for copy in copies}) == 2
        for copy in copies:
            assert np.array_equal(copy.numpy(), variable.numpy())


@pytest.mark.golden
def test_recorded_outputs(golden):
    """The right weights in the right places: the original's numbers come out."""
    folder = golden / "model"
    config = EncoderConfig.from_json(folder / "bert_config.json")
    model = encoder.Encoder(config)
    checkpoint = tf1.read(folder / "no_lm_head")
    native.assign(model.variables, checkpoint.weights, source=checkpoint.source)
    with np.load(folder / "inputs.npz") as inputs:
        batch = {
            key: inputs[f"b_{key}"]
            for key in ("input_ids", "input_mask", "segment_ids")
        }
    outputs = model(*encoder.inputs(batch))._asdict()
    with np.load(folder / "outputs_erf.npz") as expected:
        for key in ("sequence_output", "pooled_output"):
            np.testing.assert_allclose(
                outputs[key], expected[f"b_{key}"], atol=1e-5, rtol=1e-5
            )
