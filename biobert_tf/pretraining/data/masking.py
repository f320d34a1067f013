# SPDX-License-Identifier: Apache-2.0
"""Makes the features of records from sentence pairs, and states the rule of masking.

Dynamic masking, in `pretraining.masking`, follows the same rule in TensorFlow; it
differs only in where the draws come from.

Shape suffixes: B pairs, L positions of a sequence, P masked positions, C chosen
positions of all pairs, W words of a sequence (padded to L).
"""

import dataclasses
from typing import Final

import numpy as np

from biobert_tf.pretraining.data.documents import PieceTable, TokenizedDocuments
from biobert_tf.pretraining.data.pairs import Pairs
from biobert_tf.pretraining.data.settings import PairConfig

Features = dict[str, np.ndarray]

MASKED_FEATURES: Final = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")
"""The features that say what to predict; records for dynamic masking have none."""

# A draw in [0, 1) below the first masks a piece, below the second keeps it, and else
# replaces it (create_pretraining_data.py:364-376).
MASKED_BELOW: Final = 0.8
KEPT_BELOW: Final = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskingRule:
    """Which pieces of a sequence are masked, and what replaces them.

    A share of the pieces, also of `[CLS]` and `[SEP]`, is the number to choose. Of the
    chosen, 80 % become `[MASK]`, 10 % stay, and 10 % become another piece: unlike in
    the original, never a special or unused one.

    With whole-word masking, as in the original, a word with more pieces than are left
    to choose is skipped, and each piece is masked, kept or replaced independently.
    Unlike there, a word does not extend from the end of A to the beginning of B.
    """

    pieces: PieceTable
    pairs: PairConfig

    def choose(
        self, ids_BL: np.ndarray, is_real_BL: np.ndarray, order_BL: np.ndarray
    ) -> np.ndarray:
        """Returns which of the positions that are not padding are to be predicted.

        Column w of `order_BL` orders word w of a sequence, the smallest first.
        """
        # PARITY(create_pretraining_data.py:353): half-way cases go to the even number
        # (dmis-lab/biobert).
        num_wanted_B = np.clip(
            np.rint(is_real_BL.sum(1) * self.pairs.masked_lm_prob).astype(np.int64),
            1,
            self.pairs.max_predictions_per_seq,
        )
        is_special_BL = (ids_BL == self.pieces.cls_id) | (ids_BL == self.pieces.sep_id)
        is_text_BL = is_real_BL & ~is_special_BL
        starts_word_BL = is_text_BL
        if self.pairs.do_whole_word_mask:
            goes_on_BL = self.pieces.is_continuation[ids_BL]
            # A piece after [CLS] or [SEP] always begins a word.
            goes_on_BL[:, 1:] &= is_text_BL[:, :-1]
            starts_word_BL = is_text_BL & ~goes_on_BL
        return choose_words(is_text_BL, starts_word_BL, num_wanted_B, order_BL)

    def masked(
        self,
        ids_BL: np.ndarray,
        is_chosen_BL: np.ndarray,
        action_C: np.ndarray,
        other_C: np.ndarray,
    ) -> Features:
        """Masks, keeps or replaces the chosen pieces.

        For each piece that `choose` chose, `action_C`, in [0, 1), says what becomes of
        it, and `other_C`, of `pieces.replacement_ids`, is the piece to replace it.

        Returns:
            The masked int32 `input_ids`, `[pairs, L]`; int32 `masked_lm_positions` and
            `masked_lm_ids` and float32 `masked_lm_weights`, all `[pairs, P]`. Positions
            ascend; if there are fewer than P, zeros follow.
        """
        rows_C, columns_C = np.nonzero(is_chosen_BL)
        ids_C = ids_BL[rows_C, columns_C]
        masked_BL = ids_BL.copy()
        masked_BL[rows_C, columns_C] = np.select(
            [action_C < MASKED_BELOW, action_C < KEPT_BELOW],
            [self.pieces.mask_id, ids_C],
            other_C,
        )
        slots_C = (is_chosen_BL.cumsum(1) - 1)[rows_C, columns_C]

        def table(values: np.ndarray | float, dtype: type) -> np.ndarray:
            shape = len(ids_BL), self.pairs.max_predictions_per_seq
            table_BP: np.ndarray = np.zeros(shape, dtype)
            table_BP[rows_C, slots_C] = values
            return table_BP

        return {
            "input_ids": masked_BL,
            "masked_lm_positions": table(columns_C, np.int32),
            "masked_lm_ids": table(ids_C, np.int32),
            "masked_lm_weights": table(1.0, np.float32),
        }


def choose_words(
    is_text_BL: np.ndarray,
    starts_word_BL: np.ndarray,
    num_wanted_B: np.ndarray,
    order_BL: np.ndarray,
) -> np.ndarray:
    """Chooses words in a given order until enough pieces are chosen.

    Args:
        is_text_BL: The positions that may be chosen.
        starts_word_BL: Those that begin a word; a word extends to the next.
        num_wanted_B: The number of pieces to choose; a word with more than are left is
            skipped (create_pretraining_data.py:379-380 of google-research/bert).
        order_BL: Column w orders word w, the smallest first.

    Returns:
        The chosen positions, bool.
    """
    num_rows, num_positions = is_text_BL.shape
    word_BL = np.maximum(starts_word_BL.cumsum(1) - 1, 0)
    flat_words = (word_BL + num_positions * np.arange(num_rows)[:, None])[is_text_BL]
    sizes_BW = np.bincount(flat_words, minlength=is_text_BL.size)
    sizes_BW = sizes_BW.reshape(is_text_BL.shape)
    # Columns beyond the last word have size 0; taking them chooses nothing.
    order_BW = order_BL.argsort(1)
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


def static_features(
    documents: TokenizedDocuments,
    pairs: Pairs,
    rule: MaskingRule,
    *,
    max_seq_length: int,
    rng: np.random.Generator,
) -> Features:
    """Returns the features of `unmasked_features` and those of `MaskingRule.masked`.

    `rng` is the source of all draws.
    """
    features = unmasked_features(
        documents, pairs, rule.pieces, max_seq_length=max_seq_length
    )
    ids_BL = features["input_ids"]
    order_BL = rng.random(ids_BL.shape)
    is_chosen_BL = rule.choose(ids_BL, features["input_mask"] > 0, order_BL)
    action_C = rng.random(is_chosen_BL.sum())
    other_C = rng.choice(rule.pieces.replacement_ids, len(action_C))
    return features | rule.masked(ids_BL, is_chosen_BL, action_C, other_C)


def unmasked_features(
    documents: TokenizedDocuments,
    pairs: Pairs,
    pieces: PieceTable,
    *,
    max_seq_length: int,
) -> Features:
    """Returns the features of `pairs` that do not depend on masking.

    No pair may be longer than `max_seq_length`, L. Memory grows with the number of
    pairs, so give a few thousand.

    Returns:
        int32 `input_ids`, `input_mask` and `segment_ids`, `[pairs, max_seq_length]`,
        zero after the last token, and `next_sentence_labels` `[pairs, 1]`, 1 where
        B is random.
    """
    b_position_B1 = (pairs.a_ends - pairs.a_starts)[:, None] + 2
    num_tokens_B1 = b_position_B1 + (pairs.b_ends - pairs.b_starts)[:, None] + 1
    position_L = np.arange(max_seq_length)
    input_mask_BL = position_L < num_tokens_B1
    segment_ids_BL = input_mask_BL & (position_L >= b_position_B1)
    is_sep_BL = (position_L == b_position_B1 - 1) | (position_L == num_tokens_B1 - 1)
    is_text_BL = input_mask_BL & ~is_sep_BL & (position_L > 0)
    # Index in `token_ids` of position 0, if A or B reached that far.
    origins_BL = np.where(
        segment_ids_BL,
        pairs.b_starts[:, None] - b_position_B1,
        pairs.a_starts[:, None] - 1,
    )
    input_ids_BL = np.zeros(is_text_BL.shape, np.int32)
    places = (origins_BL + position_L)[is_text_BL]
    input_ids_BL[is_text_BL] = documents.token_ids[places]
    input_ids_BL[is_sep_BL] = pieces.sep_id
    input_ids_BL[:, 0] = pieces.cls_id
    return {
        "input_ids": input_ids_BL,
        "input_mask": input_mask_BL.astype(np.int32),
        "segment_ids": segment_ids_BL.astype(np.int32),
        "next_sentence_labels": pairs.is_random_next[:, None].astype(np.int32),
    }
