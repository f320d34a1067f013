"""The training step as JAX runs it on a GPU, at a small size on the CPU."""

import dataclasses
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.tpu import flops

_PATH = Path(__file__).parents[2] / "benchmarks" / "gpu_step.py"
_spec = importlib.util.spec_from_file_location("gpu_step", _PATH)
gpu_step = importlib.util.module_from_spec(_spec)
sys.modules["gpu_step"] = gpu_step
_spec.loader.exec_module(gpu_step)

_CONFIG = dataclasses.replace(
    gpu_step.sizes(is_tiny=True)[0],
    hidden_size=16,
    num_hidden_layers=1,
    intermediate_size=32,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


@pytest.fixture(scope="module", params=gpu_step.CASES)
def traced(request):
    case = gpu_step.build(request.param, _CONFIG, 3, 40)
    return case, gpu_step.Step(case, _CONFIG, tf.float32)


def _product_flops(operation):
    """FLOPs of a matrix product of the graph; 0 of any other operation."""
    transposed = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}
    if operation.type not in transposed:
        return 0
    *_, rows, columns = operation.inputs[0].shape
    inner = rows if operation.get_attr(transposed[operation.type]) else columns
    return 2 * math.prod(operation.outputs[0].shape) * inner


def test_the_work_is_that_of_the_graphs_products(traced):
    case, step = traced
    totals = case.task.loss_totals(case.batch)
    graph = step.trainer._forward_backward.get_concrete_function(
        {name: tf.constant(values) for name, values in case.batch.items()},
        totals,
        tf.constant([0, 0]),
    ).graph
    found = sum(map(_product_flops, graph.get_operations()))
    # The graph computes full rows, and finds segments with a product.
    size = _CONFIG.hidden_size
    rows, width = case.row
    more = 2 * 2 * rows * width * _CONFIG.type_vocab_size * size
    if "masked_lm_ids" in case.batch:
        num_scores = case.batch["masked_lm_ids"].size
        scores = flops.pretraining_scores(_CONFIG, rows, num_scores)
    else:
        scores = [rows * width * size * gpu_step.NUM_LABELS]
        # The pooler is traced; nothing reads it.
        more += 2 * len(case.batch["input_mask"]) * size**2
    assert found == flops.model_flops(_CONFIG, [width] * rows, scores) + more
    assert case.flops < found


def test_arguments_are_the_modules(traced):
    from tensorflow.compiler.xla.service import hlo_pb2

    _, step = traced
    module = hlo_pb2.HloModuleProto.FromString(step.traced.hlo())
    shape = module.host_program_shape
    arguments = step.arguments
    assert [tuple(each.dimensions) for each in shape.parameters] == [
        each.shape for each in arguments
    ]
    assert [tuple(each.dimensions) for each in shape.result.tuple_shapes] == [
        each.shape for each in arguments if each.is_changed
    ]
    opcodes = {i.opcode for each in module.computations for i in each.instructions}
    assert "copy" not in opcodes and "dot" in opcodes


def test_jax_makes_tensorflows_steps(traced, tmp_path):
    pytest.importorskip("jax", reason="jax is not installed: pip install jax")
    case, step = traced
    about = gpu_step.write(tmp_path / "step", case, _CONFIG, step, 0)
    loaded = gpu_step.Loaded(tmp_path / "step", "cpu")
    for _ in range(3):
        loaded.step()
    # The product's own loop, without XLA.
    expected = step.trainer.train(tf.constant(3))
    found = loaded.reported(3, tuple(expected))
    for name in gpu_step.CHECKED:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    entries = about["entries"]
    for argument, variable, value in zip(
        step.arguments[entries:], step.variables, loaded.values[entries:], strict=True
    ):
        np.testing.assert_allclose(
            value, variable.numpy(), rtol=1e-4, atol=1e-7, err_msg=argument.name
        )


def test_another_loss_is_told():
    expected = {"loss": [2.0, 1.0], "gradient_norm": [3.0, 3.0]}
    near = {"loss": [2.001, 1.0], "gradient_norm": [3.0, 3.001]}
    far = {"loss": [2.0, 1.0], "gradient_norm": [3.0, 3.1]}
    lost = {"loss": [2.0, math.nan], "gradient_norm": [3.0, 3.0]}
    told = [
        gpu_step.compared({"expected": expected}, found)["is_near"]
        for found in (near, far, lost)
    ]
    assert told == [True, False, False]
