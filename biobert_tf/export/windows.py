# SPDX-License-Identifier: Apache-2.0
"""Runs a model on any number of rows of pieces, a few at a time, inside a graph.

Shape suffixes: R rows, L length of the longest row, P pieces of all rows.
"""

from collections.abc import Callable, Mapping
from typing import Final

import tensorflow as tf

from biobert_tf.training.served import Outputs

Score = Callable[[dict[str, tf.Tensor]], Outputs]
"""A function from the inputs of a model to tensors with one row per input row."""

MAX_ROWS: Final = 32
"""Rows computed at once, which bounds the memory for documents of any length."""


def between(ids: tf.RaggedTensor, first: int, last: int) -> tf.RaggedTensor:
    """Returns rows with the piece `first` before and the piece `last` after each."""
    shape = tf.stack([ids.nrows(out_type=tf.int32), 1])
    return tf.concat([tf.fill(shape, first), ids, tf.fill(shape, last)], axis=1)


def by_unit(
    values_P: tf.Tensor, units_P: tf.Tensor, num_units: tf.Tensor
) -> tf.RaggedTensor:
    """Returns a row for each unit, a text or a word, of the values of its pieces.

    The units of the pieces never decrease.
    """
    rows = tf.RaggedTensor.from_value_rowids(values_P, units_P, num_units)
    # The type that all other functions of ragged tensors return.
    return rows.with_row_splits_dtype(tf.int64)


def ranges(
    values_P: tf.Tensor, starts_R: tf.Tensor, ends_R: tf.Tensor
) -> tf.RaggedTensor:
    """Returns a row for each slice `[start, end)` of a vector."""
    return tf.ragged.map_flat_values(
        lambda places: tf.gather(values_P, places), tf.ragged.range(starts_R, ends_R)
    )


def inputs(
    ids: tf.RaggedTensor, segments: tf.RaggedTensor, length: int | None = None
) -> dict[str, tf.Tensor]:
    """Returns the inputs of a model, int32 `[R, L]`, of pieces and their segment ids.

    They are padded to `length`, or else to the longest row.
    """
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    to_fill = tf.reduce_max(tf.concat([[1], lengths], 0)) if length is None else length
    return {
        "input_ids": _dense(ids, to_fill),
        "input_mask": tf.sequence_mask(lengths, to_fill, tf.int32),
        "segment_ids": _dense(segments, to_fill),
    }


def in_batches(
    score: Score,
    rows: Mapping[str, tf.Tensor],
    specs: Mapping[str, tf.TensorSpec],
) -> dict[str, tf.Tensor]:
    """Returns the outputs of `score` for all rows, computed `MAX_ROWS` at a time.

    The rows are what `inputs` returns. The specs are the type of every output, and its
    shape without the first axis.
    """
    num_rows = tf.shape(rows["input_ids"])[0]
    # Without rows, one empty batch is computed to give outputs of the right shape.
    num_batches = tf.maximum(1, -(-num_rows // MAX_ROWS))

    def step(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple:
        part = slice(i * MAX_ROWS, tf.minimum((i + 1) * MAX_ROWS, num_rows))
        outputs = score({name: values[part] for name, values in rows.items()})
        written = zip(arrays, specs, strict=True)
        return i + 1, *(array.write(i, outputs[name]) for array, name in written)

    arrays = [
        tf.TensorArray(
            each.dtype,
            num_batches,
            infer_shape=False,
            element_shape=[None, *each.shape],
        )
        for each in specs.values()
    ]
    _, *arrays = tf.while_loop(
        lambda i, *_: i < num_batches,
        step,
        [tf.constant(0), *arrays],
        parallel_iterations=1,
    )
    return {name: a.concat() for name, a in zip(specs, arrays, strict=True)}


def _dense(rows: tf.RaggedTensor, length: tf.Tensor) -> tf.Tensor:
    """Returns rows as a matrix of a given width, padded with 0."""
    matrix = rows.to_tensor(0)
    return tf.pad(matrix, [[0, 0], [0, length - tf.shape(matrix)[1]]])
