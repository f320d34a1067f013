# SPDX-License-Identifier: Apache-2.0
"""A served model as a directory in TensorFlow's SavedModel format.

saved_model.pb, variables/     three signatures: `serving_default` takes text, `tokens`
                               takes ids, `examples` takes training records
tokens/                        only the last two, for plain TensorFlow
assets.extra/                  requests to warm up TensorFlow Serving with at its start
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from biobert_tf.common import files
from biobert_tf.training import records
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served

Function = Any
"""A concrete function of TensorFlow."""

Shapes = dict[str, dict[str, dict[str, object]]]

FILE: Final = "saved_model.pb"
"""The file without which no reader finds a SavedModel in a directory."""

WARMUP: Final = "assets.extra/tf_serving_warmup_requests"
"""The file of requests that the server reads, in the directory of a SavedModel."""


def save(served: Served, directory: Path, also_tokens: bool) -> dict[str, Function]:
    """Writes a model into a new directory, and `tokens/` if that is asked for.

    Returns:
        The functions, by the name of their signature.
    """
    tokens, examples = tokens_function(served, served.score), _examples(served)
    texts = {
        name: tf.TensorSpec([None], tf.string, name) for name in served.text_inputs
    }
    functions = {
        "serving_default": _concrete(lambda **given: served.answer(**given), texts),
        "tokens": tokens,
        "examples": examples,
    }
    write(served, functions, directory)
    if also_tokens:
        plain = {"serving_default": tokens, "examples": examples}
        write(served, plain, directory / "tokens")
    _write_warmup(served, directory / WARMUP)
    return functions


def _write_warmup(served: Served, path: Path) -> None:
    """Writes requests for the text signature: the example once, and eight times."""
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for times in (1, 8):
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name="serving_default"),
                inputs={
                    name: tf.make_tensor_proto(list(values) * times)
                    for name, values in served.example.items()
                },
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def shapes(functions: Mapping[str, Function]) -> Shapes:
    """Returns the types and shapes of all inputs and outputs, ready for JSON."""

    def shown(specs: Mapping[str, tf.TensorSpec]) -> dict[str, object]:
        return {
            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
            for name, spec in specs.items()
        }

    return {
        name: {
            "inputs": shown(function.structured_input_signature[1]),
            "outputs": shown(function.structured_outputs),
        }
        for name, function in functions.items()
    }


def tokens_function(
    served: Served, score: Callable[[dict[str, tf.Tensor]], Outputs]
) -> Function:
    """Returns `score`, see `Served`, as a function of ids for any batch and length."""
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in served.specs}
    return _concrete(lambda **batch: score(batch), specs)


@contextlib.contextmanager
def numbers(served: Served, directory: Path) -> Iterator[tuple[str, Function]]:
    """Makes a SavedModel for the block: `tokens`, without the outputs that are strings.

    Yields:
        Its path, a new one in the directory, and the function.
    """

    def score(batch: dict[str, tf.Tensor]) -> Outputs:
        scored = served.score(batch).items()
        return {name: values for name, values in scored if values.dtype != tf.string}

    function = tokens_function(served, score)
    with tempfile.TemporaryDirectory(dir=directory) as source:
        write(served, {"tokens": function}, Path(source))
        yield source, function


def example(loaded: Loaded[Any], served: Served) -> dict[str, list[list[int]]]:
    """Returns the model's example as inputs of `tokens`, one row.

    For a masked language model, the first piece is masked.
    """
    tokenizer, length = loaded.tokenizer, loaded.text.max_seq_length
    pieces, segments = ["[CLS]"], [0]
    for segment, (text, *_) in enumerate(served.example.values()):
        added = [*tokenizer.tokenize(text), "[SEP]"]
        pieces += added
        segments += [segment] * len(added)
    row = {
        "input_ids": tokenizer.convert_tokens_to_ids(pieces),
        "input_mask": [1] * len(pieces),
        "segment_ids": segments,
    }
    found = {name: [values[:length]] for name, values in row.items()}
    if "masked_lm_positions" in served.specs:
        found["input_ids"][0][1] = tokenizer.vocab["[MASK]"]
        found["masked_lm_positions"] = [[1]]
    return found


def _examples(served: Served) -> Function:
    def score(**serialized: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return served.score(records.parse(serialized["examples"], served.specs))

    return _concrete(score, {"examples": tf.TensorSpec([None], tf.string, "examples")})


def _concrete(
    function: Callable[..., Mapping[str, tf.Tensor]], specs: Mapping[str, tf.TensorSpec]
) -> Function:
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def write(served: Served, functions: Mapping[str, Function], directory: Path) -> None:
    """Writes a SavedModel of these functions, by signature."""
    module = tf.Module()
    # Only the variables, so that their names identify them when they are read again.
    module.weights = list(served.model.variables)
    tf.saved_model.save(module, str(directory), signatures=dict(functions))
    # TensorFlow leaves it, and does not say so, if the disk has failed to remove it.
    files.remove_tree(directory / "variables" / "variables_temp")
