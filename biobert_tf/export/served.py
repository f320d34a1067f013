# SPDX-License-Identifier: Apache-2.0
"""Parts that all exported models share: record features and padded answers."""

import tensorflow as tf

from biobert_tf.training.records import FeatureSpec

MODEL_INPUTS = ("input_ids", "input_mask", "segment_ids")


def input_specs(max_seq_length: int) -> dict[str, FeatureSpec]:
    """Returns the features of records that all models need.

    Records may leave out padding, as those of a training do.
    """
    pieces = FeatureSpec(max_seq_length, is_short=True)
    return dict.fromkeys(MODEL_INPUTS, pieces)


def padded(
    rows: tf.Tensor, values: tf.Tensor, num_rows: tf.Tensor, width: int | None = None
) -> tf.Tensor:
    """Returns the values of rows as a padded tensor, filled up with "", -1 or 0.

    Args:
        rows: Row of each value, int32; never decreases.
        values: Strings, byte offsets (int32) or probabilities (float32).
        num_rows: The number of rows of the result.
        width: The number of columns; None: as many as the longest row has values.
    """
    filling = {tf.string: "", tf.int32: -1, tf.float32: 0.0}[values.dtype]
    ragged = tf.RaggedTensor.from_value_rowids(values, rows, num_rows)
    shape = None if width is None else [None, width]
    return ragged.to_tensor(tf.constant(filling, values.dtype), shape=shape)
