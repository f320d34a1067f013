# SPDX-License-Identifier: Apache-2.0
"""Converts a served model to LiteRT (TensorFlow Lite) files: ids in, numbers out.

litert/model.tflite            weights in float32
litert/model_int8.tflite       the same, weights in int8 (dynamic range)

Both have one signature, `tokens`, for any number and length of rows. Its outputs are
those of the SavedModel's signature `tokens`, without the strings. The files use only
LiteRT's own operations; the conversion of a model that needs others fails.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.export import saved_model
from biobert_tf.export.settings import LiteRt
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served

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

    def score(batch: dict[str, tf.Tensor]) -> Outputs:
        return {
            name: values
            for name, values in served.score(batch).items()
            if values.dtype != tf.string
        }

    function = saved_model.tokens_function(served, score)
    files = {}
    with tempfile.TemporaryDirectory(dir=directory) as source:
        saved_model.write(served, {SIGNATURE: function}, Path(source))
        for name, weights in _FILES[choice].items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
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
        "example": _example(served, loaded.tokenizer, loaded.text.max_seq_length),
    }


def _example(
    served: Served, tokenizer: FullTokenizer, max_seq_length: int
) -> dict[str, list[list[int]]]:
    """Returns the model's example as inputs of the signature, one row.

    For a masked language model, the first piece is masked.
    """
    pieces, segments = ["[CLS]"], [0]
    for segment, (text, *_) in enumerate(served.example.values()):
        found = [*tokenizer.tokenize(text), "[SEP]"]
        pieces += found
        segments += [segment] * len(found)
    row = {
        "input_ids": tokenizer.convert_tokens_to_ids(pieces),
        "input_mask": [1] * len(pieces),
        "segment_ids": segments,
    }
    example = {name: [values[:max_seq_length]] for name, values in row.items()}
    if "masked_lm_positions" in served.specs:
        example["input_ids"][0][1] = tokenizer.vocab["[MASK]"]
        example["masked_lm_positions"] = [[1]]
    return example
