# SPDX-License-Identifier: Apache-2.0
"""Rows of pieces through a model, a few at a time, whatever their number.

Shape suffixes: R rows, L length of the longest row, P pieces of all rows.
"""

from collections.abc import Callable, Mapping
from typing import Final

import tensorflow as tf

Outputs = Mapping[str, tf.Tensor]
Score = Callable[[dict[str, tf.Tensor]], Outputs]
"""Maps `input_ids`, `input_mask` and `segment_ids`, int32 `[rows, length]`."""

MAX_ROWS: Final = 32
"""Rows computed at once: what a document of any length needs in memory."""


def between(ids: tf.RaggedTensor, first: int, last: int) -> tf.RaggedTensor:
    """Returns rows with a piece, such as `[CLS]`, before and one behind them."""
    shape = tf.stack([ids.nrows(out_type=tf.int32), 1])
    return tf.concat([tf.fill(shape, first), ids, tf.fill(shape, last)], axis=1)


def ranges(
    values_P: tf.Tensor, starts_R: tf.Tensor, ends_R: tf.Tensor
) -> tf.RaggedTensor:
    """Returns rows of the values `[start, end)` of a vector."""
    return tf.ragged.map_flat_values(
        lambda places: tf.gather(values_P, places), tf.ragged.range(starts_R, ends_R)
    )


def in_batches(
    score: Score, ids: tf.RaggedTensor, segments: tf.RaggedTensor, dtypes: Outputs
) -> dict[str, tf.Tensor]:
    """Computes rows, `MAX_ROWS` at once, all padded to the longest.

    Args:
        score: The model.
        ids: Pieces of every row, int32 `[R, (length)]`.
        segments: Their segments, likewise.
        dtypes: Spec of every output: its type, and its shape without the first axis.

    Returns:
        What `score` returns, for all rows.
    """
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    num_rows = tf.size(lengths)
    length = tf.reduce_max(tf.concat([[1], lengths], 0))
    inputs = {
        "input_ids": _dense(ids, length),
        "input_mask": tf.sequence_mask(lengths, length, tf.int32),
        "segment_ids": _dense(segments, length),
    }
    # Also of no rows one batch is computed: it is empty, but has the right shape.
    num_batches = tf.maximum(1, -(-num_rows // MAX_ROWS))

    def step(i: tf.Tensor, *arrays: tf.TensorArray) -> tuple:
        part = slice(i * MAX_ROWS, tf.minimum((i + 1) * MAX_ROWS, num_rows))
        outputs = score({name: values[part] for name, values in inputs.items()})
        written = zip(arrays, dtypes, strict=True)
        return i + 1, *(array.write(i, outputs[name]) for array, name in written)

    arrays = [
        tf.TensorArray(
            spec.dtype,
            size=num_batches,
            infer_shape=False,
            element_shape=[None, *spec.shape],
        )
        for spec in dtypes.values()
    ]
    _, *arrays = tf.while_loop(
        lambda i, *_: i < num_batches,
        step,
        [tf.constant(0), *arrays],
        parallel_iterations=1,
    )
    return {name: a.concat() for name, a in zip(dtypes, arrays, strict=True)}


def _dense(rows: tf.RaggedTensor, length: tf.Tensor) -> tf.Tensor:
    """Returns rows as a matrix of a given width, filled up with 0."""
    matrix = rows.to_tensor(0)
    return tf.pad(matrix, [[0, 0], [0, length - tf.shape(matrix)[1]]])
