# SPDX-License-Identifier: Apache-2.0
"""Engines that only predict: ONNX Runtime, OpenVINO, LiteRT.

`python -m benchmarks.peers.runtimes FOLDER` converts Transformers' model for the first
two, in a process of its own, so that the sides' memory is that of the engines.
"""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.peers import rows as sides
from benchmarks.peers.rows import Batch, Prepared

ONNX: Final = {"float32": "model.onnx", "int8": "model_int8.onnx"}
OUR_NAMES: Final = {
    "input_ids": "input_ids",
    "attention_mask": "input_mask",
    "token_type_ids": "segment_ids",
}


def convert(folder: Path) -> None:
    """Writes ONNX in float32 and dynamic int8, and OpenVINO's own format."""
    torch: Any = importlib.import_module("torch")
    openvino: Any = importlib.import_module("openvino")
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    load = importlib.import_module("benchmarks.peers.torch_sides").load
    batch = sides.batch_of(sides.read(folder, "prediction")[:2])
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    path = folder / ONNX["float32"]
    axes = {0: "rows", 1: "pieces"}
    torch.onnx.export(
        load(folder).eval(),
        (tensors,),
        str(path),
        input_names=list(tensors),
        output_names=["logits"],
        dynamic_axes=dict.fromkeys([*tensors, "logits"], axes),
        dynamo=False,
    )
    quantization.quantize_dynamic(path, folder / ONNX["int8"])
    model = openvino.convert_model(load(folder).eval(), example_input=tensors)
    openvino.save_model(model, folder / "openvino.xml", compress_to_fp16=False)


def onnx(folder: Path, dtype: str) -> Prepared:
    """Predicts with ONNX Runtime."""
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = sides.NUM_CORES
    session = onnxruntime.InferenceSession(
        folder / ONNX[dtype], options, providers=["CPUExecutionProvider"]
    )
    return sides.prediction(folder, lambda batch: session.run(None, batch)[0])


def openvino(folder: Path, dtype: str, model: str) -> Prepared:
    """Predicts with OpenVINO, driven by hand.

    `model` is a file in the folder: Transformers' model, or our export of ids.
    """
    engine: Any = importlib.import_module("openvino")
    hints = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": sides.NUM_CORES,
    }
    # OpenVINO reads a SavedModel without TensorFlow.
    compiled = engine.Core().compile_model(str(folder / model), "CPU", hints)
    is_ours = any("input_mask" in each.get_names() for each in compiled.inputs)
    [output] = [
        each
        for each in compiled.outputs
        if each.get_names() & {"logits", "probabilities"}
    ] or compiled.outputs[:1]
    request = compiled.create_infer_request()

    def scores(batch: Batch) -> np.ndarray:
        request.infer(_ours(batch) if is_ours else batch, share_inputs=True)
        return request.get_tensor(output).data

    return sides.prediction(folder, scores)


def litert(folder: Path) -> Prepared:
    """Predicts with our export for LiteRT, weights in int8."""
    module: Any = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        str(folder / "export" / "litert" / "model_int8.tflite"),
        num_threads=sides.NUM_CORES,
    )
    runner = interpreter.get_signature_runner("tokens")
    return sides.prediction(
        folder, lambda batch: runner(**_ours(batch))["probabilities"]
    )


def _ours(batch: Mapping[str, np.ndarray]) -> Batch:
    """Returns a batch as our exports take it."""
    return {OUR_NAMES[name]: values.astype(np.int32) for name, values in batch.items()}


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
