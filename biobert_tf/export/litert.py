# SPDX-License-Identifier: Apache-2.0
"""Converts a served model to LiteRT (TensorFlow Lite) files: ids in, numbers out.

litert/model.tflite            weights in float32
litert/model_int8.tflite       the same, weights in int8 (dynamic range)

Both have one signature, `tokens`, for any number and length of rows. Its outputs are
those of the SavedModel's signature `tokens`, without the strings. The files use only
LiteRT's own operations; the conversion of a model that needs others fails.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.export import saved_model
from biobert_tf.export.settings import LiteRt
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Served

_LOG = logging.getLogger(__name__)

SIGNATURE: Final = "tokens"
FLOAT: Final = "litert/model.tflite"
INT8: Final = "litert/model_int8.tflite"

_FILES: Final[Mapping[LiteRt, Mapping[str, str]]] = {
    "none": {},
    "float": {FLOAT: "float32"},
    "int8": {INT8: "int8"},
    "both": {FLOAT: "float32", INT8: "int8"},
}
"""Type of the weights of each file, by value of `--litert`."""


def save(
    loaded: Loaded[Any], served: Served, directory: Path, choice: LiteRt
) -> dict[str, object]:
    """Writes the files that `--litert` asks for into the directory of an export.

    The model must compute in float32.

    Returns:
        The files' entry of the model card, JSON values: `files`, type of the weights
        and size by name; `inputs` and `outputs` of the signature; and an `example`,
        the values of the inputs for one row. Empty if there are no files.
    """
    if choice == "none":
        return {}
    files = {}
    with saved_model.numbers(served, directory) as (source, function):
        for name, weights in _FILES[choice].items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            _LOG.info("converting to %s, weights in %s", name, weights)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                source, signature_keys=[SIGNATURE]
            )
            if weights == "int8":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            path.write_bytes(converter.convert())
            files[name] = {"weights": weights, "bytes": path.stat().st_size}
    return {
        "files": files,
        **saved_model.shapes({SIGNATURE: function})[SIGNATURE],
        "example": saved_model.example(loaded, served),
    }
