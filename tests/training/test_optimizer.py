import json
import math

import engine
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.training import optimizer

# --- schedule -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step, expected",
    [
        (0, 0.0),
        (1, 0.5 / 3),
        (2, 1.0 / 3),  # The last step of the warm-up.
        (3, 0.5 * 0.7),  # It drops: the decay has counted three steps already.
        (4, 0.5 * 0.6),
        (9, 0.5 * 0.1),
        (10, 0.0),
        (11, 0.0),
    ],
)
def test_schedule(step, expected):
    schedule = optimizer.LinearWarmupDecay(0.5, 10, 3)
    for given in (step, tf.constant(step, tf.int64)):
        rate = schedule(given)
        assert (rate.dtype, rate.shape) == (tf.float32, ())
        assert float(rate) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("step, expected", [(0, 0.5), (1, 0.45), (10, 0.0)])
def test_schedule_without_warmup(step, expected):
    schedule = optimizer.LinearWarmupDecay(0.5, 10, 0)
    assert float(schedule(step)) == pytest.approx(expected)


# Recorded from the original, as `learning_rates.json` of the golden files.
@pytest.mark.parametrize(
    "step, expected",
    [
        (1, 4.999999873689376e-06),
        (7, 3.499999729683623e-05),
        (9, 4.5000000682193786e-05),
    ],
)
def test_rates_of_a_warmup_have_the_last_bits_of_the_original(step, expected):
    assert float(optimizer.LinearWarmupDecay(5e-5, 100, 10)(step)) == expected


def test_schedule_inside_a_graph():
    schedule = optimizer.LinearWarmupDecay(0.5, 10, 3)
    steps = tf.range(12, dtype=tf.int64)
    mapped = tf.function(lambda: tf.map_fn(schedule, steps, tf.float32))()
    assert np.allclose(mapped, [schedule(step) for step in range(12)], atol=1e-8)


@pytest.mark.golden
def test_recorded_learning_rates(golden):
    settings = json.loads((golden / "training" / "learning_rates.json").read_text())
    assert settings
    for setting in settings:
        schedule = optimizer.LinearWarmupDecay(
            setting["init_lr"], setting["num_train_steps"], setting["num_warmup_steps"]
        )
        steps, expected = zip(*setting["step_lr"], strict=True)
        assert [float(schedule(step)) for step in steps] == list(expected)


# --- update ---------------------------------------------------------------------------


def adam(variables, *schedule):
    made = optimizer.AdamWeightDecay(optimizer.LinearWarmupDecay(*schedule))
    made.build(variables)
    return made


def test_first_step_has_no_bias_correction():
    """m = 0.2, v = 0.004, so that m / sqrt(v) is sqrt(10) and not 1."""
    kernel, bias = tf.Variable(1.0, name="kernel"), tf.Variable(1.0, name="bias")
    made = adam([kernel, bias], 0.1, 10, 0)
    made.apply_gradients([(tf.constant(2.0), kernel), (tf.constant(2.0), bias)])
    step = 0.2 / (math.sqrt(0.004) + 1e-6)
    assert step == pytest.approx(math.sqrt(10), rel=1e-4)
    assert float(kernel) == pytest.approx(1 - 0.1 * (step + 0.01), abs=1e-7)
    assert float(bias) == pytest.approx(1 - 0.1 * step, abs=1e-7)


def test_epsilon_is_outside_the_root():
    """A gradient of 1e-6: the root is 3.2e-8 of it, epsilon thirty times as much."""
    bias = tf.Variable(0.0, name="bias")
    adam([bias], 1.0, 10, 0).apply_gradients([(tf.constant(1e-6), bias)])
    expected = -1e-7 / (math.sqrt(0.001) * 1e-6 + 1e-6)
    assert float(bias) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_three_steps(is_compiled):
    rng = np.random.default_rng(0)
    start = rng.normal(size=(2, 3))
    gradients = rng.normal(size=(3, 2, 3))
    names = {"layer/kernel": 0.01, "layer/bias": 0.0, "output_layer_norm/gamma": 0.0}
    variables = [tf.Variable(start.astype(np.float32), name=name) for name in names]
    schedule = optimizer.LinearWarmupDecay(0.1, 5, 1)
    made = optimizer.build("adamw", schedule, variables, is_compiled)
    for gradient in gradients:
        dense = tf.constant(gradient, tf.float32)
        made.apply_gradients([(dense, variable) for variable in variables])
    for variable, decay in zip(variables, names.values(), strict=True):
        w, m, v = start, 0.0, 0.0
        for rate, g in zip((0.0, 0.1 * 4 / 5, 0.1 * 3 / 5), gradients, strict=True):
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            w = w - rate * (m / (np.sqrt(v) + 1e-6) + decay * w)
        np.testing.assert_allclose(variable, w, atol=1e-6, err_msg=variable.name)
    assert int(made.iterations) == 3


def test_step_of_rate_zero_moves_the_moments_alone():
    kernel = tf.Variable([1.0, 2.0], name="kernel")
    made = adam([kernel], 0.1, 10, 2)
    made.apply_gradients([(tf.constant([3.0, 0.0]), kernel)])
    assert kernel.numpy().tolist() == [1.0, 2.0]
    slots = {
        v.name.split("/")[-2]: v.numpy() for v in made.variables if "adam" in v.name
    }
    np.testing.assert_allclose(slots["adam_m"], [0.3, 0.0], rtol=1e-6)
    np.testing.assert_allclose(slots["adam_v"], [0.009, 0.0], rtol=1e-6)


def test_rows_without_gradient_are_decayed():
    table = tf.Variable(tf.ones([3, 2]), name="word_embeddings/embeddings")
    made = adam([table], 0.1, 10, 0)
    made.apply_gradients([(tf.constant([[1.0, 1.0], [0, 0], [0, 0]]), table)])
    np.testing.assert_allclose(table[1:], np.full([2, 2], 1 - 0.1 * 0.01), rtol=1e-6)
    assert (table[0].numpy() < 0.9).all()


# --- LAMB -----------------------------------------------------------------------------


def test_first_step_of_lamb():
    """Bias corrected, m / sqrt(v) is 1; the update gets the length of the weights."""
    kernel, bias = (tf.Variable([3.0, 4.0], name=n) for n in ("kernel", "bias"))
    schedule = optimizer.LinearWarmupDecay(0.1, 10, 0)
    made = optimizer.build("lamb", schedule, [kernel, bias])
    gradient = tf.constant([2.0, -2.0])
    made.apply_gradients([(gradient, kernel), (gradient, bias)])
    update = np.array([1 + 0.03, -1 + 0.04])
    length = np.hypot(*update)
    np.testing.assert_allclose(kernel, [3, 4] - 0.1 * 5 / length * update, rtol=1e-5)
    np.testing.assert_allclose(bias, [2.9, 4.1], rtol=1e-5)


def test_lamb_of_weights_or_gradients_of_zero():
    empty, still = (tf.Variable(v, name="kernel") for v in ([0.0, 0.0], [3.0, 4.0]))
    schedule = optimizer.LinearWarmupDecay(0.1, 10, 0)
    made = optimizer.build("lamb", schedule, [empty, still])
    made.apply_gradients([(tf.constant([2.0, 2.0]), empty), (tf.zeros([2]), still)])
    np.testing.assert_allclose(empty, [-0.1, -0.1], rtol=1e-5)
    # Decay alone: 0.01 w scaled to the length of w.
    np.testing.assert_allclose(still, [2.7, 3.6], rtol=1e-5)


def test_lamb_is_that_of_the_model_garden():
    """Six steps with the schedule, some with a rate of zero."""
    from official.modeling.optimization import lamb

    names = ("layer/kernel", "layer/bias", "output_layer_norm/gamma", "table")
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(4, 3)).astype(np.float32) for _ in names]
    schedule = optimizer.LinearWarmupDecay(0.1, 8, 2)
    mine, theirs = (
        [
            tf.Variable(start, name=name)
            for start, name in zip(starts, names, strict=True)
        ]
        for _ in range(2)
    )
    made = optimizer.build("lamb", schedule, mine)
    reference = lamb.LAMB(
        schedule,
        weight_decay_rate=0.01,
        exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"],
    )
    for _ in range(6):
        gradients = [tf.constant(rng.normal(size=(4, 3)), tf.float32) for _ in names]
        made.apply_gradients(zip(gradients, mine, strict=True))
        reference.apply_gradients(zip(gradients, theirs, strict=True))
        for ours, wanted in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-6)
    assert not np.allclose(mine[0], starts[0], atol=0.1)


def test_optimizers_by_name():
    schedule = optimizer.LinearWarmupDecay(0.1, 8, 2)
    variables = [tf.Variable([1.0], name="kernel")]
    adam = optimizer.build("adamw", schedule, variables)
    assert type(adam) is optimizer.AdamWeightDecay
    assert type(optimizer.build("lamb", schedule, variables)) is optimizer.Lamb


# --- decay ----------------------------------------------------------------------------


def test_what_is_decayed():
    model = heads.PretrainingModel(engine.CONFIG, seed=0)
    decayed = {v.name for v in model.variables if optimizer.is_decayed(v.name)}
    layer = "bert/encoder/layer_0"
    assert decayed == {
        "bert/embeddings/word_embeddings:0",
        "bert/embeddings/position_embeddings:0",
        "bert/embeddings/token_type_embeddings:0",
        f"{layer}/attention/self/query/kernel:0",
        f"{layer}/attention/self/key/kernel:0",
        f"{layer}/attention/self/value/kernel:0",
        f"{layer}/attention/output/dense/kernel:0",
        f"{layer}/intermediate/dense/kernel:0",
        f"{layer}/output/dense/kernel:0",
        "bert/pooler/dense/kernel:0",
        "cls/predictions/transform/dense/kernel:0",
        "cls/seq_relationship/output_weights:0",
    }
    assert len(model.variables) - len(decayed) == 2 + 10 + 1 + 4 + 1


@pytest.mark.parametrize("name", ["output_bias", "a/LayerNorm/gamma", "x/layer_norm/b"])
def test_what_is_not_decayed(name):
    assert not optimizer.is_decayed(name)


def test_settings_can_be_written_down():
    schedule = optimizer.LinearWarmupDecay(0.5, 10, 3)
    copy = optimizer.LinearWarmupDecay(**schedule.get_config())
    assert [float(copy(step)) for step in range(11)] == [
        float(schedule(step)) for step in range(11)
    ]
    made = optimizer.AdamWeightDecay(schedule)
    assert optimizer.AdamWeightDecay(**made.get_config()).schedule is schedule


# --- clipping -------------------------------------------------------------------------


def clipped(gradients, norm):
    tensors = [tf.constant(gradient) for gradient in gradients]
    return [g.numpy().tolist() for g in optimizer.clip(tensors, tf.constant(norm))]


def test_small_gradients_are_left_alone():
    assert clipped([[0.6], [0.5]], 1.0) == [
        [pytest.approx(0.6)],
        [pytest.approx(0.5)],
    ]
    assert clipped([[0.3], [0.4]], 0.5) == [
        [pytest.approx(0.3)],
        [pytest.approx(0.4)],
    ]


def test_large_gradients_are_scaled_by_the_given_norm():
    """The norm of (3, 4) is 5; the caller says 10, as with unsummed rows."""
    assert clipped([[3.0], [4.0]], 5.0) == [[pytest.approx(0.6)], [pytest.approx(0.8)]]
    assert clipped([[3.0], [4.0]], 10.0) == [[pytest.approx(0.3)], [pytest.approx(0.4)]]


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_one_bad_gradient_spoils_all(norm):
    assert np.isnan(clipped([[3.0], [4.0]], norm)).all()
