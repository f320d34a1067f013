# SPDX-License-Identifier: Apache-2.0
"""What every task gives to be exported: a model, and how it takes text."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.training.records import FeatureSpec, Specs

Outputs = Mapping[str, tf.Tensor]
MODEL_INPUTS = ("input_ids", "input_mask", "segment_ids")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """A trained model as a server shows it.

    Attributes:
        kind: Name of the task.
        model: With its weights.
        text_inputs: Names of the strings `answer` takes, each a vector.
        answer: Strings to tensors whose first axis is that of the strings.
        score: Inputs of the model, int32 `[batch, length]`, to tensors.
        specs: Features of the records of a training that `score` needs.
        example: Strings to try the model on, by name of the input.
    """

    kind: str
    model: heads.Model
    text_inputs: Sequence[str]
    answer: Callable[..., Outputs]
    score: Callable[[dict[str, tf.Tensor]], Outputs]
    specs: Specs
    example: Mapping[str, Sequence[str]]


def input_specs(max_seq_length: int) -> dict[str, FeatureSpec]:
    """Returns the features of records that all models need."""
    return {name: FeatureSpec(max_seq_length) for name in MODEL_INPUTS}


def padded(rows: tf.Tensor, values: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
    """Returns values of rows as a matrix or more, filled up with "", -1 or 0.

    Args:
        rows: Row of each value, int32; never decreases.
        values: Strings, numbers of bytes, int32, or probabilities, float32.
        num_rows: Of the matrix.
    """
    filling = {tf.string: "", tf.int32: -1, tf.float32: 0.0}[values.dtype]
    ragged = tf.RaggedTensor.from_value_rowids(values, rows, num_rows)
    return ragged.to_tensor(tf.constant(filling, values.dtype))
