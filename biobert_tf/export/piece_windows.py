# SPDX-License-Identifier: Apache-2.0
"""Cuts texts of any length into windows of pieces that overlap by half, in a graph.

Shape suffixes: B texts, P pieces of all texts, K windows.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import windows as window_rows
from biobert_tf.export import word_windows
from biobert_tf.export.tokenizer import Pieces


class PieceWindows(NamedTuple):
    """The windows of texts.

    Attributes:
        ids: Pieces of each window, with `[CLS]` and `[SEP]`, int32 `[K, (length)]`.
        rows: Number of each window's text, int32 `[K]`.
        owners: The window that has most context around each piece, int32 `[P]`.
        positions: Position of each piece in that window, int32 `[P]`.
    """

    ids: tf.RaggedTensor
    rows: tf.Tensor
    owners: tf.Tensor
    positions: tf.Tensor


def cut(
    pieces: Pieces, num_texts: tf.Tensor, room: int, first: int, last: int
) -> PieceWindows:
    """Cuts texts into windows; a text without pieces has none.

    Args:
        pieces: The pieces of all texts.
        num_texts: Number of texts.
        room: Most pieces of a window, without `[CLS]` and `[SEP]`.
        first: Id of `[CLS]`.
        last: Id of `[SEP]`.
    """
    splits_B1 = tf.searchsorted(pieces.units, tf.range(num_texts + 1))
    # Each piece is treated as a word of one piece.
    windows = word_windows.cut(tf.range(tf.size(pieces.ids) + 1), splits_B1, room)
    ids = window_rows.ranges(pieces.ids, windows.starts, windows.ends)
    starts_P = tf.gather(windows.starts, windows.owners)
    return PieceWindows(
        window_rows.between(ids, first, last),
        tf.gather(pieces.units, windows.starts),
        windows.owners,
        1 + tf.range(tf.size(pieces.ids)) - starts_P,
    )
