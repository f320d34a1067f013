# SPDX-License-Identifier: Apache-2.0
"""Packs several short texts into one row, so that few positions are padding.

The texts of a batch stay what they are, and so do their losses: `encoder.PackedRows`
only computes them side by side (Krell et al. 2021, arXiv 2107.02027). Attention stays
within a text, positions restart with each.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from biobert_tf.model.encoder import PLACES
from biobert_tf.training.records import InputPipeline, TrainingData


def rows_of(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Returns the numbers of the texts in every row; no row is longer than `width`.

    The longest text comes first, and each goes where the least room is left (best fit
    decreasing). `lengths` are in pieces, at most `width`.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for text in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[text]
        fitting = [row for row, free in enumerate(room) if free >= length]
        if fitting:
            row = min(fitting, key=room.__getitem__)
        else:
            row = len(rows)
            rows.append([])
            room.append(width)
        rows[row].append(text)
        room[row] -= length
    return rows


def places(mask_BL: np.ndarray, num_parts: int = 1) -> np.ndarray:
    """Returns how the texts of a batch are packed; see `encoder.PackedRows`.

    Args:
        mask_BL: 1 for a piece, 0 for the padding at the end of a text.
        num_parts: The number of equal parts of the batch that are computed one after
            another. A place counts from the start of its part.

    Returns:
        int32 `[R, W]`. R is a multiple of `num_parts`, W is the longest text.
    """
    lengths_B = np.count_nonzero(mask_BL, axis=1)
    width = max(1, int(lengths_B.max()))
    per_part = len(mask_BL) // num_parts
    parts = [
        rows_of(lengths_B[start : start + per_part].tolist(), width)
        for start in range(0, len(mask_BL), per_part)
    ]
    num_rows = max(map(len, parts))
    found = np.full([num_parts, num_rows, width], -1, np.int32)
    for part, rows in enumerate(parts):
        for row, texts in enumerate(rows):
            end = 0
            for text in texts:
                begin, end = end, end + lengths_B[part * per_part + text]
                first = text * mask_BL.shape[1]
                found[part, row, begin:end] = np.arange(first, first + end - begin)
    return found.reshape(-1, width)


def packed(data: TrainingData, num_parts: int) -> TrainingData:
    """Returns the same batches, each with the entry that packs its texts."""

    def add(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found = tf.numpy_function(
            lambda mask: places(mask, num_parts),
            [batch["input_mask"]],
            tf.int32,
            stateful=False,
        )
        found.set_shape([None, None])
        return {**batch, PLACES: found}

    def batches(pipeline: InputPipeline, num_skipped: int) -> tf.data.Dataset:
        dataset = data.batches(pipeline, num_skipped)
        return dataset.map(add, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)

    return dataclasses.replace(data, batches=batches)
