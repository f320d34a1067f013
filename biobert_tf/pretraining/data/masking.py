# SPDX-License-Identifier: Apache-2.0
"""Makes the features of records from sentence pairs, with or without static masking.

Shape suffixes: B pairs, L positions of a sequence, P masked positions, W words of a
sequence (padded to L).
"""

from typing import Final

import numpy as np

from biobert_tf.pretraining.data.documents import PieceTable, TokenizedDocuments
from biobert_tf.pretraining.data.pairs import Pairs

Features = dict[str, np.ndarray]

_MASK_RATE: Final = 0.8
_KEEP_RATE: Final = 0.1


def static_features(
    documents: TokenizedDocuments,
    pairs: Pairs,
    pieces: PieceTable,
    *,
    max_seq_length: int,
    max_predictions_per_seq: int,
    masked_lm_prob: float,
    do_whole_word_mask: bool,
    rng: np.random.Generator,
) -> Features:
    """Returns the original's seven features of `pairs`, masked.

    In each pair a share `masked_lm_prob` of the tokens is chosen; 80 % of these become
    `[MASK]`, 10 % stay and 10 % become another piece, drawn from
    `pieces.replacement_ids`: unlike in the original, never a special or unused one.

    Args:
        documents: The documents that the pairs are slices of.
        pairs: The pairs; memory grows with their number, so give a few thousand.
        pieces: The vocabulary's special and continuation pieces.
        max_seq_length: Number of positions of a sequence, L.
        max_predictions_per_seq: Most chosen tokens of a sequence, P.
        masked_lm_prob: Share of the tokens to choose; `[CLS]` and `[SEP]` count.
        do_whole_word_mask: Whether to choose all pieces of a word or none. As in the
            original, a word with more pieces than are left to choose is skipped, and
            each piece is masked, kept or replaced independently. Unlike there, a word
            does not extend from the end of A to the beginning of B.
        rng: Source of all draws.

    Returns:
        The features of `unmasked_features`, and int32 `masked_lm_positions` and
        `masked_lm_ids` and float32 `masked_lm_weights`, all `[pairs, P]`. Positions
        ascend; if there are fewer than P, zeros follow.
    """
    features = unmasked_features(
        documents, pairs, pieces, max_seq_length=max_seq_length
    )
    # PARITY(create_pretraining_data.py:353): half-way cases go to the even number
    # (dmis-lab/biobert).
    num_wanted_B = np.clip(
        np.rint(_num_tokens(pairs) * masked_lm_prob).astype(np.int64),
        1,
        max_predictions_per_seq,
    )
    is_text_BL = _is_text(pairs, max_seq_length)
    starts_word_BL = is_text_BL
    if do_whole_word_mask:
        goes_on_BL = pieces.is_continuation[features["input_ids"]]
        # A piece after [CLS] or [SEP] always begins a word.
        goes_on_BL[:, 1:] &= is_text_BL[:, :-1]
        starts_word_BL = is_text_BL & ~goes_on_BL
    is_chosen_BL = _chosen(is_text_BL, starts_word_BL, num_wanted_B, rng)
    return features | _masked(
        features["input_ids"], is_chosen_BL, max_predictions_per_seq, pieces, rng
    )


def unmasked_features(
    documents: TokenizedDocuments,
    pairs: Pairs,
    pieces: PieceTable,
    *,
    max_seq_length: int,
) -> Features:
    """Returns the features of `pairs` that do not depend on masking.

    Args:
        documents: The documents that the pairs are slices of.
        pairs: The pairs; memory grows with their number.
        pieces: The ids of `[CLS]` and `[SEP]`.
        max_seq_length: Number of positions of a sequence, L; no pair may be longer.

    Returns:
        int32 `input_ids`, `input_mask` and `segment_ids`, `[pairs, max_seq_length]`,
        zero after the last token, and `next_sentence_labels` `[pairs, 1]`, 1 where
        B is random.
    """
    position_L = np.arange(max_seq_length)
    num_tokens_B = _num_tokens(pairs)
    b_positions_B = pairs.a_ends - pairs.a_starts + 2
    input_mask_BL = position_L < num_tokens_B[:, None]
    segment_ids_BL = input_mask_BL & (position_L >= b_positions_B[:, None])

    is_text_BL = _is_text(pairs, max_seq_length)
    # Index in `token_ids` of position 0, if A or B reached that far.
    origins_BL = np.where(
        segment_ids_BL,
        (pairs.b_starts - b_positions_B)[:, None],
        (pairs.a_starts - 1)[:, None],
    )
    input_ids_BL = np.zeros(is_text_BL.shape, np.int32)
    input_ids_BL[is_text_BL] = documents.token_ids[
        (origins_BL + position_L)[is_text_BL]
    ]
    rows = np.arange(pairs.num_pairs)
    input_ids_BL[:, 0] = pieces.cls_id
    input_ids_BL[rows, b_positions_B - 1] = pieces.sep_id
    input_ids_BL[rows, num_tokens_B - 1] = pieces.sep_id
    return {
        "input_ids": input_ids_BL,
        "input_mask": input_mask_BL.astype(np.int32),
        "segment_ids": segment_ids_BL.astype(np.int32),
        "next_sentence_labels": pairs.is_random_next[:, None].astype(np.int32),
    }


def _num_tokens(pairs: Pairs) -> np.ndarray:
    """Returns the length of each sequence: `[CLS]`, A, `[SEP]`, B, `[SEP]`."""
    return pairs.a_ends - pairs.a_starts + pairs.b_ends - pairs.b_starts + 3


def _is_text(pairs: Pairs, max_seq_length: int) -> np.ndarray:
    """Returns where the tokens of A and B are, bool `[pairs, L]`."""
    position_L = np.arange(max_seq_length)
    separators_B = pairs.a_ends - pairs.a_starts + 1
    last_B = _num_tokens(pairs) - 1
    return (
        (position_L > 0)
        & (position_L != separators_B[:, None])
        & (position_L < last_B[:, None])
    )


def _chosen(
    is_text_BL: np.ndarray,
    starts_word_BL: np.ndarray,
    num_wanted_B: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Chooses words in random order until enough tokens are chosen.

    Args:
        is_text_BL: The positions that hold a token of A or B.
        starts_word_BL: The positions that begin a word; a word extends to the next.
        num_wanted_B: Number of tokens to choose; a word with more than are left is
            skipped.
        rng: Source of the order.

    Returns:
        The chosen positions, bool `[batch, positions]`.
    """
    num_rows, num_positions = is_text_BL.shape
    word_BL = np.maximum(starts_word_BL.cumsum(1) - 1, 0)
    flat_words = (word_BL + num_positions * np.arange(num_rows)[:, None])[is_text_BL]
    sizes_BW = np.bincount(flat_words, minlength=num_rows * num_positions).reshape(
        num_rows, num_positions
    )
    # Columns beyond the last word have size 0; taking them chooses nothing.
    order_BW = rng.random((num_rows, num_positions)).argsort(1)
    sizes_WB = np.take_along_axis(sizes_BW, order_BW, 1).T
    is_taken_WB = np.zeros(sizes_WB.shape, np.bool_)
    num_left_B = num_wanted_B.copy()
    for sizes_B, is_taken_B in zip(sizes_WB, is_taken_WB, strict=True):
        np.less_equal(sizes_B, num_left_B, out=is_taken_B)
        num_left_B -= sizes_B * is_taken_B
        if not num_left_B.any():
            break
    is_chosen_BW = np.zeros(sizes_BW.shape, np.bool_)
    np.put_along_axis(is_chosen_BW, order_BW, is_taken_WB.T, 1)
    return np.take_along_axis(is_chosen_BW, word_BL, 1) & is_text_BL


def _masked(
    input_ids_BL: np.ndarray,
    is_chosen_BL: np.ndarray,
    max_predictions_per_seq: int,
    pieces: PieceTable,
    rng: np.random.Generator,
) -> Features:
    """Masks the chosen tokens, at most P of each row; see `static_features`."""
    rows, columns = np.nonzero(is_chosen_BL)
    num_chosen_B = is_chosen_BL.sum(1)
    firsts_B = np.cumsum(num_chosen_B) - num_chosen_B
    slots = np.arange(len(rows)) - np.repeat(firsts_B, num_chosen_B)
    ids = input_ids_BL[rows, columns]

    draws = rng.random(len(ids))
    random_ids = rng.choice(pieces.replacement_ids, len(ids))
    masked_ids = np.select(
        [draws < _MASK_RATE, draws < _MASK_RATE + _KEEP_RATE],
        [np.int32(pieces.mask_id), ids],
        random_ids,
    )
    masked_BL = input_ids_BL.copy()
    masked_BL[rows, columns] = masked_ids

    def table(values: np.ndarray | float, dtype: type) -> np.ndarray:
        table_BP: np.ndarray = np.zeros(
            (len(input_ids_BL), max_predictions_per_seq), dtype
        )
        table_BP[rows, slots] = values
        return table_BP

    return {
        "input_ids": masked_BL,
        "masked_lm_positions": table(columns, np.int32),
        "masked_lm_ids": table(ids, np.int32),
        "masked_lm_weights": table(1.0, np.float32),
    }
