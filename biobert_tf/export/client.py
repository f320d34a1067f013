# SPDX-License-Identifier: Apache-2.0
"""Loads an exported model and runs it: strings in, arrays and strings out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

# Registers operations that exported models use.
import tensorflow_text  # noqa: F401

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.export import model_card


class ExportedModel:
    """A model that `biobert export` has written.

    Attributes:
        card: The contents of the model card; see `model_card`.
    """

    def __init__(self, directory: Path) -> None:
        """Loads the model.

        Raises:
            InputError: The directory holds no export, or a damaged one.
        """
        path = directory / model_card.JSON
        if not path.is_file():
            raise InputError.at(
                directory, None, "is not an export; give what `biobert export` wrote"
            )
        self.card = files.read_json(path)
        try:
            # Kept, as the signatures live only as long as the loaded object.
            self._loaded = tf.saved_model.load(str(directory))
        except (OSError, ValueError, tf.errors.OpError) as error:
            problem = f"cannot be loaded: {str(error).splitlines()[0]}"
            raise InputError.at(directory, None, problem) from None

    @property
    def kind(self) -> str:
        """Returns the kind of model, one of the `kinds` of a problem, such as `ner`."""
        return self.card["kind"]

    def __call__(self, **texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Runs the model on strings, by name of the input, equally many for each.

        Returns arrays by name of the output; strings are `str` in arrays of objects.
        """
        return self._run("serving_default", tf.string, texts)

    def score(self, **ids: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the model on the inputs of `tokens`, int `[batch, length]` each."""
        return self._run("tokens", tf.int32, ids)

    def _run(
        self, signature: str, dtype: tf.DType, inputs: Mapping[str, object]
    ) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(v, dtype) for name, v in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: _array(values.numpy()) for name, values in outputs.items()}


def _array(values: np.ndarray) -> np.ndarray:
    """Returns an array whose strings, if it has any, are decoded."""
    if values.dtype != object:
        return values
    return np.frompyfunc(lambda text: text.decode("utf-8", "replace"), 1, 1)(values)
