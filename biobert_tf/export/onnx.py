# SPDX-License-Identifier: Apache-2.0
"""Converts a served model to ONNX, which takes ids, and runs the file beside the model.

onnx/model.onnx    the signature `tokens`, without the strings, in float32; its batches
                   have any number and length of rows
"""

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from biobert_tf.common.errors import InputError
from biobert_tf.export import saved_model
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Served

FILE: Final = "onnx/model.onnx"
OPSET: Final = 18
LARGEST_DIFFERENCE: Final = 2e-6
"""Most by which a number may differ from TensorFlow's; relative to numbers above 1."""


def save(loaded: Loaded[Any], served: Served, directory: Path) -> dict[str, object]:
    """Writes the file into the directory of an export.

    The model must compute in float32.

    Returns:
        The file's entry of the model card, JSON values. Its `difference` is the largest
        between a number of ONNX Runtime and of TensorFlow for the example, relative
        to numbers above 1.

    Raises:
        InputError: A package is missing, or the converted model is not equal.
    """
    tf2onnx, onnx, onnxruntime = require()
    path = directory / FILE
    path.parent.mkdir()
    with (
        saved_model.numbers(served, directory) as (source, function),
        # Products on a GPU may be rounded more.
        tf.device("CPU"),
    ):
        # A function that was read back holds its constants; tf2onnx takes those of
        # others for inputs.
        read = tf.saved_model.load(source)
        score = read.signatures["tokens"]
        frozen = convert_variables_to_constants_v2(score)
        inputs, outputs = (
            [t.name for t in ts] for ts in (frozen.inputs, frozen.outputs)
        )
        # Outputs are in the order of their names.
        names = dict(zip(outputs, sorted(function.structured_outputs), strict=True))
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=inputs,
            output_names=outputs,
            opset=OPSET,
            tensors_to_rename=names
            | {name: name.removesuffix(":0") for name in inputs},
        )
        example = saved_model.example(loaded, served)
        row = {name: np.array(values, np.int32) for name, values in example.items()}
        wanted = score(**{name: tf.constant(ids) for name, ids in row.items()})
    onnx.save(model, str(path))
    try:
        onnx.checker.check_model(str(path), full_check=True)
        session = onnxruntime.InferenceSession(
            str(path), providers=["CPUExecutionProvider"]
        )
        found = dict(zip(wanted, session.run(list(wanted), row), strict=True))
    except Exception as error:  # The errors of these packages have no class in common.
        problem = str(error).strip().partition("\n")[0]
        raise InputError(f"--onnx: no valid ONNX was made: {problem}") from error
    worst = max(_difference(found[name], wanted[name].numpy()) for name in wanted)
    if not worst <= LARGEST_DIFFERENCE:
        raise InputError(
            f"--onnx: ONNX Runtime's outputs differ by {worst:.1e} from TensorFlow's"
        )
    return {
        "file": FILE,
        "bytes": path.stat().st_size,
        "opset": OPSET,
        "difference": worst,
    }


def require() -> tuple[Any, Any, Any]:
    """Returns the modules tf2onnx, onnx and onnxruntime.

    Raises:
        InputError: One of them is not installed.
    """
    try:
        import onnx
        import onnxruntime
        import tf2onnx
    except ImportError as error:
        raise InputError(
            f"--onnx needs the package {error.name}: pip install 'biobert_tf[onnx]'"
        ) from None
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return tf2onnx, onnx, onnxruntime


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    if found.shape != wanted.shape:
        return np.inf
    apart = np.abs(found.astype(np.float64) - wanted)
    return float((apart / np.maximum(1, np.abs(wanted))).max(initial=0.0))
