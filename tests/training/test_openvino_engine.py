"""Predictions by OpenVINO; what needs the package is skipped without it."""

import concurrent.futures
import functools
import importlib.util
import time

import engine
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.checkpoints import Checkpoint
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import frozen, openvino_engine
from biobert_tf.training import strategy as strategies

ROWS = engine.rows(7)


@pytest.fixture
def installed(monkeypatch):
    """As if the package were there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def refusal(**device):
    with pytest.raises(InputError) as caught:
        strategies.build_strategy(DeviceConfig(engine="openvino", **device))
    return str(caught.value)


@pytest.mark.parametrize(
    "device",
    [
        {"strategy": "gpu"},
        {"strategy": "tpu"},
        {"strategy": "multi_worker"},
        {"use_tpu": True},
        {"strategy": "auto"},
    ],
)
def test_other_devices_are_refused(monkeypatch, installed, device):
    found = [tf.config.LogicalDevice("/device:GPU:0", "GPU")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: found)
    assert refusal(**device) == (
        "--engine=openvino computes on the CPU of one process: add --strategy=cpu, or "
        "leave --engine out"
    )


def test_float16_is_refused(installed):
    assert refusal(mixed_precision="float16") == (
        "--engine=openvino computes in float32 or bfloat16: want "
        "--mixed_precision=off, bfloat16 or auto, not float16"
    )


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refusal(strategy="cpu") == (
        "--engine=openvino needs the package openvino: pip install '.[openvino]'"
    )


def test_a_graph_holds_the_weights_it_was_made_with(tmp_path):
    """It gives what the function gave, also when the variables have changed."""
    made = engine.estimator(tmp_path)
    batch = {
        name: np.array([row[name] for row in ROWS], np.int32)
        for name in made.task.specs
    }
    specs = {
        name: tf.TensorSpec([None, None], tf.int32, name) for name in made.task.specs
    }
    step = functools.partial(engine.predictions, made)
    function = tf.function(step).get_concrete_function(specs)
    wanted = function({name: tf.constant(values) for name, values in batch.items()})
    graph_def = frozen.graph_def(function)
    for variable in made.model.variables:
        variable.assign(tf.zeros_like(variable))
    outputs = {
        name: tensor.name for name, tensor in function.structured_outputs.items()
    }
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        found = session.run(
            outputs, {f"{name}:0": values for name, values in batch.items()}
        )
    assert np.ptp(found["log_probs"]) > 0.1
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6)


def test_predictions_are_of_the_present_weights(tmp_path, monkeypatch, installed):
    """A program that holds weights is made anew when these may have changed."""
    made_of = []

    def program(step, dtype):
        made_of.append(dtype.name)
        arrays = {}

        def start(batch):
            if not arrays:
                arrays.update({k: np.array(v) for k, v in step(batch).items()})
            return lambda: arrays

        return start

    monkeypatch.setattr(openvino_engine, "Program", program)
    made = engine.estimator(
        tmp_path / "model",
        device=DeviceConfig(engine="openvino", mixed_precision="bfloat16"),
    )

    def predicted():
        return made.predict(ROWS, batch_size=len(ROWS))["log_probs"]

    before = predicted()
    np.testing.assert_array_equal(predicted(), before)
    assert made_of == ["bfloat16"]
    during = []
    reporter = made._reporter
    monkeypatch.setattr(
        made,
        "_reporter",
        lambda last: during.extend([predicted(), predicted()]) or reporter(last),
    )
    engine.train(made, engine.write_rows(tmp_path / "rows", 8))
    np.testing.assert_array_equal(during, [before, before])
    assert len(made_of) == 3
    after = predicted()
    assert np.abs(after - before).max() > 1e-3
    made.initialize(Checkpoint(made.weights(), (), tmp_path))
    np.testing.assert_array_equal(predicted(), after)
    assert len(made_of) == 5


@pytest.mark.parametrize(
    ("precision", "most"), [("off", 1e-5), ("bfloat16", 0.05)], ids=str
)
def test_outputs_are_those_of_tensorflow(tmp_path, precision, most):
    """In batches with one row too, and in the order of the rows."""
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    found = {}
    for name in ("tensorflow", "openvino"):
        device = DeviceConfig(engine=name, strategy="cpu", mixed_precision=precision)
        made = engine.estimator(
            tmp_path, device=device, strategy=strategies.build_strategy(device)
        )
        found[name] = made.predict(ROWS, batch_size=3)
    assert found["openvino"].keys() == found["tensorflow"].keys()
    for name, wanted in found["tensorflow"].items():
        assert found["openvino"][name].dtype == wanted.dtype
        np.testing.assert_allclose(found["openvino"][name], wanted, rtol=0, atol=most)


def test_threads_share_a_program():
    """The first compiles the graph; the others wait for it."""
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    num_traced = []

    def step(batch):
        num_traced.append(1)
        time.sleep(0.3)  # so that the other threads come before it is compiled
        return {"doubled": batch["input_ids"] * 2}

    program = openvino_engine.Program(step, tf.float32)
    batches = [{"input_ids": np.full([3, 4], i, np.int32)} for i in range(32)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda batch: program(batch)(), batches))
    assert len(num_traced) == 1
    for i, outputs in enumerate(found):
        np.testing.assert_array_equal(outputs["doubled"], np.full([3, 4], 2 * i))
