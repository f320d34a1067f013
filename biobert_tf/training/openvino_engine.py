# SPDX-License-Identifier: Apache-2.0
"""Runs steps with OpenVINO on the CPU of one process: `--engine=openvino`.

    step -> traced by TensorFlow -> graph with constant weights -> compiled by OpenVINO

It takes TensorFlow's place in `inference.Inference`. The package is optional.
"""

import importlib.util
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import frozen

# Parts of a batch that are computed at the same time, each by a part of the cores:
# threads then wait less for each other.
_STREAMS: Final = 2


def require(device: DeviceConfig) -> None:
    """Checks that this engine can compute as the settings ask.

    Raises:
        InputError: The devices or the precision are not for it, or the package is not
            installed.
    """
    has_gpu = device.strategy == "auto" and tf.config.list_logical_devices("GPU")
    if device.use_tpu or device.strategy not in ("auto", "cpu") or has_gpu:
        raise InputError(
            "--engine=openvino computes on the CPU of one process: add --strategy=cpu, "
            "or leave --engine out"
        )
    if device.mixed_precision == "float16":
        raise InputError(
            "--engine=openvino computes in float32 or bfloat16: want "
            "--mixed_precision=off, bfloat16 or auto, not float16"
        )
    if importlib.util.find_spec("openvino") is None:
        raise InputError(
            "--engine=openvino needs the package openvino: pip install '.[openvino]'"
        )


class Program:
    """A step that OpenVINO runs, with the weights that it had at its first batch."""

    def __init__(
        self,
        step: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]],
        dtype: tf.DType,
    ) -> None:
        """Takes a step of one replica; products are in `dtype`: float32 or bfloat16."""
        self._step = step
        self._precision = "f32" if dtype == tf.float32 else "bf16"
        self._model: Any = None
        # The model's own names of its inputs and outputs, by ours.
        self._inputs: dict[str, str] = {}
        self._outputs: dict[str, str] = {}
        self._idle: list[Any] = []
        # Threads of a server may share a program.
        self._lock = threading.Lock()

    def __call__(
        self, batch: Mapping[str, np.ndarray]
    ) -> Callable[[], dict[str, np.ndarray]]:
        """Starts a batch, `[batch, ...]` by name; returns the wait for its outputs."""
        with self._lock:
            if self._model is None:
                self._compile(batch)
        num_parts = min(_STREAMS, len(batch["input_ids"]))
        parts = {
            own: np.array_split(batch[name], num_parts)
            for name, own in self._inputs.items()
        }
        requests = [self._request() for _ in range(num_parts)]
        for number, request in enumerate(requests):
            request.start_async({own: split[number] for own, split in parts.items()})

        def finish() -> dict[str, np.ndarray]:
            for request in requests:
                request.wait()
            found = {
                name: np.concatenate([each.get_tensor(own).data for each in requests])
                for name, own in self._outputs.items()
            }
            with self._lock:
                self._idle += requests
            return found

        return finish

    def _request(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._model.create_infer_request()

    def _compile(self, batch: Mapping[str, np.ndarray]) -> None:
        import openvino

        specs = {
            name: tf.TensorSpec([None] * values.ndim, values.dtype, name)
            for name, values in batch.items()
        }
        traced = tf.function(self._step, autograph=False).get_concrete_function(specs)
        outputs = {name: t.name for name, t in traced.structured_outputs.items()}
        graph_def = _widened(frozen.graph_def(traced))
        # A file is read in less time than a graph in memory is, node by node in Python,
        # and `openvino.convert_model` would tell its makers that it was called.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frozen.pb"
            path.write_bytes(graph_def.SerializeToString())
            core = openvino.Core()
            model = core.read_model(path)
            self._model = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": self._precision,
                    "NUM_STREAMS": str(_STREAMS),
                },
            )
        self._outputs = outputs
        # Inputs that the step does not use may be gone.
        used = {name for each in model.inputs for name in each.names}
        self._inputs = {name: f"{name}:0" for name in batch if f"{name}:0" in used}


def _widened(graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Returns a graph with float32 in place of bfloat16.

    OpenVINO reads no constants of that type; the hint says that products are in it.
    """
    narrow, wide = tf.bfloat16.as_datatype_enum, tf.float32.as_datatype_enum
    for node in graph_def.node:
        if node.op == "Const" and node.attr["dtype"].type == narrow:
            value = tf.make_ndarray(node.attr["value"].tensor)
            frozen.set_constant(node, value.astype(np.float32))
        for attribute in node.attr.values():
            if attribute.type == narrow:
                attribute.type = wide
    return graph_def
