# SPDX-License-Identifier: Apache-2.0
"""A served model as a directory in TensorFlow's SavedModel format.

saved_model.pb, variables/     three signatures: `serving_default` takes text, `tokens`
                               takes ids, `examples` takes training records
tokens/                        only the last two, for plain TensorFlow
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from biobert_tf.training import records
from biobert_tf.training.served import Outputs, Served

Function = Any
"""A concrete function of TensorFlow."""

Shapes = dict[str, dict[str, dict[str, object]]]


def save(served: Served, directory: Path, also_tokens: bool) -> dict[str, Function]:
    """Writes a model into a new directory.

    Args:
        served: The model.
        directory: The directory to create; must not exist.
        also_tokens: Whether to write `tokens/` too.

    Returns:
        The functions, by the name of their signature.
    """
    tokens = tokens_function(served, served.score)
    ids_in = {"tokens": tokens, "examples": _examples(served)}
    functions = {"serving_default": _text(served), **ids_in}
    write(served, functions, directory)
    if also_tokens:
        plain = {"serving_default": ids_in["tokens"], "examples": ids_in["examples"]}
        write(served, plain, directory / "tokens")
    return functions


def shapes(functions: Mapping[str, Function]) -> Shapes:
    """Returns the types and shapes of all inputs and outputs, ready for JSON."""
    return {
        name: {
            "inputs": {
                key: _shape(spec)
                for key, spec in function.structured_input_signature[1].items()
            },
            "outputs": {
                key: _shape(spec) for key, spec in function.structured_outputs.items()
            },
        }
        for name, function in functions.items()
    }


def _shape(spec: tf.TensorSpec) -> dict[str, object]:
    return {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _text(served: Served) -> Function:
    specs = {
        name: tf.TensorSpec([None], tf.string, name) for name in served.text_inputs
    }
    return _concrete(lambda **texts: served.answer(**texts), specs)


def tokens_function(
    served: Served, score: Callable[[dict[str, tf.Tensor]], Outputs]
) -> Function:
    """Returns a function of ids, int32 `[batch, length]`, with any batch and length.

    Args:
        served: The model; its specs name the inputs.
        score: Computes the outputs; see `Served.score`.
    """
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in served.specs}
    return _concrete(lambda **batch: score(batch), specs)


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
    with _quiet():
        tf.saved_model.save(module, str(directory), signatures=dict(functions))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what TensorFlow logs about its names for tensors."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
