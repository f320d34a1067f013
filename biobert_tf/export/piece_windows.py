# SPDX-License-Identifier: Apache-2.0
"""Texts of any length as windows of pieces that overlap by half, inside a graph.

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
        ids: Their pieces, `[CLS]` and `[SEP]` included, int32 `[K, (length)]`.
        rows: Text of each, int32 `[K]`.
        owners: Window that has most context around each piece, int32 `[P]`.
        positions: Where it stands there, int32 `[P]`.
    """

    ids: tf.RaggedTensor
    rows: tf.Tensor
    owners: tf.Tensor
    positions: tf.Tensor


def cut(
    pieces: Pieces, num_texts: tf.Tensor, room: int, first: int, last: int
) -> PieceWindows:
    """Cuts texts into windows; one without pieces has none.

    Args:
        pieces: Their pieces.
        num_texts: Number of texts.
        room: Most pieces of a window beside the two special ones.
        first: Id of `[CLS]`.
        last: Id of `[SEP]`.
    """
    splits_B1 = tf.searchsorted(pieces.units, tf.range(num_texts + 1))
    # As words of one piece each.
    windows = word_windows.cut(tf.range(tf.size(pieces.ids) + 1), splits_B1, room)
    ids = window_rows.ranges(pieces.ids, windows.starts, windows.ends)
    starts_P = tf.gather(windows.starts, windows.owners)
    return PieceWindows(
        window_rows.between(ids, first, last),
        tf.gather(pieces.units, windows.starts),
        windows.owners,
        1 + tf.range(tf.size(pieces.ids)) - starts_P,
    )
