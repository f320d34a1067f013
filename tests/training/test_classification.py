"""The losses of whole texts, by hand, and what a head on their mean predicts."""

import dataclasses
from typing import ClassVar

import engine
import numpy as np
import pytest
import tensorflow as tf
import text_tasks
from text_tasks import TASKS, Multi, Regression, Single

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.model import heads
from biobert_tf.training import strategy as strategies
from biobert_tf.training.records import FeatureSpec

LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0], [2.0, 2.0, 2.0]], np.float32)
LABEL_IDS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], np.int32)
IS_REAL = np.array([[1], [1], [0]], np.int32)
MULTI = {"label_ids": LABEL_IDS, "is_real_example": IS_REAL}
TARGETS = np.array([[0.5], [-1.0], [7.0]], np.float32)
REGRESSION = {"targets": TARGETS, "is_real_example": IS_REAL}


def loss_and_gradient(task, batch, logits, totals=None):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        totals = totals or task.loss_totals(batch)
        loss = task.losses(batch, {"logits": logits}, totals)["loss"]
    return loss.numpy(), tape.gradient(loss, logits).numpy()


def nats(logits, labels):
    """The binary cross-entropy of every label."""
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -np.log(np.where(labels == 1, p, 1 - p))


# --- any number of labels -------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 3.0, 2.0)])
def test_several_labels_by_hand(weights, dtype):
    """The last row is padding."""
    task = Multi(class_weights=weights)
    batch = {**MULTI, "label_ids": LABEL_IDS.astype(dtype)}
    loss, gradient = loss_and_gradient(task, batch, LOGITS)
    shares = np.array(weights) / sum(weights)
    losses = (nats(LOGITS, LABEL_IDS) * shares).sum(1)
    np.testing.assert_allclose(loss, losses[:2].mean(), rtol=1e-6)
    p = 1 / (1 + np.exp(-LOGITS))
    expected = (p - LABEL_IDS) * shares * IS_REAL / 2
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_predictions_of_several_labels():
    found = Multi(class_weights=(1.0, 3.0, 2.0)).predictions(MULTI, {"logits": LOGITS})
    assert sorted(found) == ["label_ids", "logits", "loss", "probabilities"]
    np.testing.assert_allclose(found["probabilities"], 1 / (1 + np.exp(-LOGITS)), 1e-6)
    np.testing.assert_array_equal(found["label_ids"], LABEL_IDS)
    # Not weighted.
    np.testing.assert_allclose(found["loss"], nats(LOGITS, LABEL_IDS).mean(1), 1e-6)


# --- a number -------------------------------------------------------------------------


def test_regression_by_hand():
    """The last row is padding."""
    loss, gradient = loss_and_gradient(Regression(), REGRESSION, LOGITS[:, :1])
    assert loss == pytest.approx((0.5**2 + 1.0**2) / 2)
    np.testing.assert_allclose(gradient[:, 0], [0.5, 1.0, 0.0], rtol=1e-6)


def test_predictions_of_a_number():
    found = Regression().predictions(REGRESSION, {"logits": LOGITS[:, :1]})
    assert sorted(found) == ["loss", "targets", "value"]
    np.testing.assert_array_equal(found["value"], LOGITS[:, 0])
    np.testing.assert_array_equal(found["targets"], TARGETS[:, 0])
    np.testing.assert_allclose(found["loss"], [0.25, 1.0, 25.0], rtol=1e-6)


# --- what all share -------------------------------------------------------------------

SINGLE = {"label_ids": LABEL_IDS[:, :1], "is_real_example": IS_REAL}
BATCHES = {"single": SINGLE, "multi": MULTI, "value": REGRESSION}


@pytest.mark.parametrize("name", TASKS)
def test_parts_of_a_batch_add_up(name):
    task, batch = TASKS[name], BATCHES[name]
    logits = LOGITS[:, :1] if name == "value" else LOGITS
    totals = task.loss_totals(batch)
    whole, gradient = loss_and_gradient(task, batch, logits)
    parts = [
        loss_and_gradient(
            task,
            {feature: values[rows] for feature, values in batch.items()},
            logits[rows],
            totals,
        )
        for rows in (slice(0, 1), slice(1, 3))
    ]
    assert sum(loss for loss, _ in parts) == pytest.approx(whole)
    np.testing.assert_allclose(np.concatenate([g for _, g in parts]), gradient)


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_of_padding_has_no_loss(name):
    batch = {**BATCHES[name], "is_real_example": np.zeros_like(IS_REAL)}
    logits = LOGITS[:, :1] if name == "value" else LOGITS
    loss, gradient = loss_and_gradient(TASKS[name], batch, logits)
    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", TASKS)
def test_the_head(name, pooling):
    task = dataclasses.replace(TASKS[name], pooling=pooling)
    config = dataclasses.replace(engine.CONFIG, hidden_dropout_prob=0.3)
    model = task.build_model(config, seed=1)
    assert isinstance(model, heads.SequenceClassifier)
    assert model.has_pooler == (pooling == "cls")
    assert model.output_weights.shape == (1 if name == "value" else 3, 16)
    assert model.dropout_rate == 0.3
    assert task.new_head == ("output_weights", "output_bias")
    assert task.loss_names == ("loss",)


def test_the_pooler_is_read_unless_asked_otherwise():
    assert Single(class_weights=(1.0,)).pooling == "cls"
    assert Multi(class_weights=(1.0,)).pooling == "cls"
    assert Regression().pooling == "cls"


# --- predictions ----------------------------------------------------------------------


def rows_of(name, labels=text_tasks.LABELS):
    rng, drawn = np.random.default_rng(0), engine.rows(7)
    target = {
        "single": lambda: {"label_ids": rng.integers(len(labels), size=1)},
        "multi": lambda: {"label_ids": rng.integers(2, size=len(labels))},
        "value": lambda: {"targets": rng.normal(size=1).astype(np.float32)},
    }[name]
    return [{**row, **target(), "is_real_example": [1]} for row in drawn]


def by_rows(made, rows):
    """The predictions of each row alone, by TensorFlow, without any batching."""
    found = []
    for row in rows:
        batch = {
            name: tf.constant(
                np.asarray(row[name])[np.newaxis],
                tf.float32 if spec.dtype == "float32" else tf.int32,
            )
            for name, spec in made.task.specs.items()
        }
        found.append(engine.predictions(made, batch))
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


@pytest.mark.parametrize("xla", ["off", "on"])
@pytest.mark.parametrize("name", TASKS)
def test_batches_predict_what_rows_do(name, xla, tmp_path):
    """In batches of any shape, and of few shapes for a compiler."""
    device = DeviceConfig(strategy="cpu", xla=xla)
    made = engine.estimator(
        tmp_path,
        task=TASKS[name],
        device=device,
        strategy=strategies.build_strategy(device),
    )
    rows = rows_of(name)
    found, wanted = made.predict(rows, batch_size=3), by_rows(made, rows)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_openvino_predicts_what_tensorflow_does(name, tmp_path):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    device = DeviceConfig(strategy="cpu", engine="openvino")
    made = engine.estimator(
        tmp_path,
        task=TASKS[name],
        device=device,
        strategy=strategies.build_strategy(device),
    )
    rows = rows_of(name)
    found, wanted = made.predict(rows, batch_size=3), by_rows(made, rows)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-5)


def test_as_many_labels_as_pieces(tmp_path):
    """They are not cut as the pieces of a short text are."""
    labels = tuple("abcdefgh")
    assert len(labels) == engine.LENGTH

    class Wide(Multi):
        target: ClassVar = {"label_ids": FeatureSpec(len(labels), of_text=True)}

    Wide.labels = labels
    task = Wide(class_weights=(1.0,) * len(labels), pooling="mean")
    made = engine.estimator(tmp_path, task=task)
    rows = rows_of("multi", labels)
    found, wanted = made.predict(rows, batch_size=3), by_rows(made, rows)
    np.testing.assert_array_equal(found["label_ids"], wanted["label_ids"])
    np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
