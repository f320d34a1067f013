# SPDX-License-Identifier: Apache-2.0
"""Cuts texts of any length into windows of pieces that overlap by half, in a graph.

Shape suffixes: B texts, P pieces of all texts, K windows.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import windows as window_rows
from biobert_tf.export import word_windows
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces


class PieceWindows(NamedTuple):
    """The windows of texts.

    Attributes:
        inputs: The windows as inputs of a model, with `[CLS]` and `[SEP]`.
        rows: Number of each window's text, int32 `[K]`.
        owners: The window that has most context around each piece, int32 `[P]`.
        positions: Position of each piece in that window, int32 `[P]`.
    """

    inputs: dict[str, tf.Tensor]
    rows: tf.Tensor
    owners: tf.Tensor
    positions: tf.Tensor


def cut(
    pieces: Pieces, num_texts: tf.Tensor, tokenizer: GraphTokenizer, most: int
) -> PieceWindows:
    """Cuts texts into windows; a text without pieces has none.

    Args:
        pieces: The pieces of all texts.
        num_texts: Number of texts.
        tokenizer: The tokenizer that made the pieces.
        most: Most pieces of a window, with `[CLS]` and `[SEP]`.
    """
    splits_B1 = tf.searchsorted(pieces.units, tf.range(num_texts + 1))
    # Each piece is treated as a word of one piece.
    windows = word_windows.cut(tf.range(tf.size(pieces.ids) + 1), splits_B1, most - 2)
    inner = window_rows.ranges(pieces.ids, windows.starts, windows.ends)
    vocab = tokenizer.vocab
    ids = window_rows.between(inner, vocab["[CLS]"], vocab["[SEP]"])
    starts_P = tf.gather(windows.starts, windows.owners)
    return PieceWindows(
        window_rows.inputs(ids, tf.zeros_like(ids)),
        tf.gather(pieces.units, windows.starts),
        windows.owners,
        1 + tf.range(tf.size(pieces.ids)) - starts_P,
    )
