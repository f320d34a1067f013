# SPDX-License-Identifier: Apache-2.0
"""Cuts windows of words or pieces in a graph, as `text.windows.cut_windows` does.

Shape suffixes: W words of all texts, W1 one more, P pieces of all texts, B texts,
K windows of all texts, S steps.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import windows as window_rows
from biobert_tf.export.text import NOTHING
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces


class Windows(NamedTuple):
    """The windows of texts, vectors int32.

    Attributes:
        starts: First word of each window, `[K]`.
        ends: End of each window's words (exclusive), `[K]`.
        owners: The window with most context around each word, `[W]`.
    """

    starts: tf.Tensor
    ends: tf.Tensor
    owners: tf.Tensor


def cut(places_W1: tf.Tensor, splits_B1: tf.Tensor, room: int) -> Windows:
    """Cuts texts into windows of whole words that overlap by half.

    Args:
        places_W1: Number of pieces before each word, then of all pieces; a word has
            at least one piece and at most `room`.
        splits_B1: First word of every text, then the number of words.
        room: Most pieces in a window.
    """
    starts_K, ends_K = _spans(places_W1, splits_B1, room)
    pairs = tf.ragged.range(starts_K, ends_K)
    words, windows = pairs.flat_values, tf.cast(pairs.value_rowids(), tf.int32)
    left = tf.gather(places_W1, words) - tf.gather(
        tf.gather(places_W1, starts_K), windows
    )
    right = tf.gather(tf.gather(places_W1, ends_K), windows) - tf.gather(
        places_W1, words + 1
    )
    context = tf.minimum(left, right)
    num_words = tf.size(places_W1) - 1
    best_W = tf.math.unsorted_segment_max(context, words, num_words)
    is_best = context == tf.gather(best_W, words)
    # The earliest of several windows with equal context.
    owners_W = tf.math.unsorted_segment_min(
        tf.where(is_best, windows, tf.size(starts_K)), words, num_words
    )
    return Windows(starts_K, ends_K, owners_W)


class PieceWindows(NamedTuple):
    """The windows of texts that are cut between pieces.

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


def cut_pieces(
    pieces: Pieces, num_texts: tf.Tensor, tokenizer: GraphTokenizer, most: int
) -> PieceWindows:
    """Cuts texts into windows of at most `most` pieces, with `[CLS]` and `[SEP]`.

    They overlap by half. A text without pieces has none.
    """
    splits_B1 = tf.searchsorted(pieces.units, tf.range(num_texts + 1))
    # Each piece is treated as a word of one piece.
    windows = cut(tf.range(tf.size(pieces.ids) + 1), splits_B1, most - 2)
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


def _spans(
    places_W1: tf.Tensor, splits_B1: tf.Tensor, room: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns first word and end (exclusive) of every window, in order."""
    lasts_B = splits_B1[1:]

    def step(
        i: tf.Tensor, start_B: tf.Tensor, starts: tf.TensorArray, ends: tf.TensorArray
    ) -> tuple:
        place_B = tf.gather(places_W1, start_B)
        end_B = tf.searchsorted(places_W1, place_B + room, side="right") - 1
        end_B = tf.minimum(end_B, lasts_B)
        half_B = tf.searchsorted(places_W1, place_B + room // 2)
        next_B = tf.clip_by_value(half_B, start_B + 1, end_B)
        is_over_B = start_B >= lasts_B
        starts = starts.write(i, tf.where(is_over_B, NOTHING, start_B))
        ends = ends.write(i, end_B)
        is_last_B = is_over_B | (end_B == lasts_B)
        return i + 1, tf.where(is_last_B, lasts_B, next_B), starts, ends

    arrays = [
        tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[None])
        for _ in range(2)
    ]
    _, _, starts, ends = tf.while_loop(
        lambda _, start_B, *__: tf.reduce_any(start_B < lasts_B),
        step,
        [tf.constant(0), splits_B1[:-1], *arrays],
    )
    # One more step that has no window, as an array without steps cannot be stacked.
    nothing_B = tf.fill([tf.size(lasts_B)], NOTHING)
    starts_BS, ends_BS = (
        tf.transpose(array.write(array.size(), nothing_B).stack())
        for array in (starts, ends)
    )
    is_there_BS = starts_BS != NOTHING
    return (
        tf.boolean_mask(starts_BS, is_there_BS),
        tf.boolean_mask(ends_BS, is_there_BS),
    )
