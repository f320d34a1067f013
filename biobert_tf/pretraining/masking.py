# SPDX-License-Identifier: Apache-2.0
"""Dynamic masking in tf.data: draws new masked pieces whenever a record is read.

This is `MaskingRule` in TensorFlow: a remote TPU reads records where no Python runs.
The same draws give the same masks. Every draw depends on a seed and the record's
number in the stream only.

Shape suffixes: B batch, L sequence length, P masked positions.
"""

import dataclasses

import tensorflow as tf

from biobert_tf.pretraining.data.masking import KEPT_BELOW, MASKED_BELOW, MaskingRule
from biobert_tf.training.records import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class DynamicMasking(MaskingRule):
    """Masks parsed records; `seed` is that of all draws."""

    seed: int

    def mask(self, batch: Batch, numbers_B: tf.Tensor, *, training: bool) -> Batch:
        """Adds the features of `MaskingRule.masked` to records that have none.

        `numbers_B`, int64, are the records' numbers in their stream. Evaluation draws
        from another stream than training: the same masks every time.
        """
        ids_BL, is_real_BL = batch["input_ids"], batch["input_mask"] > 0
        length = ids_BL.shape[1]
        order_BL, action_BL, other_BL = self._draws(length, numbers_B, training)
        is_chosen_BL = self._chosen(ids_BL, is_real_BL, order_BL)
        ids = self.pieces.replacement_ids
        others_BL = tf.gather(ids, tf.cast(other_BL * len(ids), tf.int32))
        kept_BL = tf.where(action_BL < KEPT_BELOW, ids_BL, others_BL)
        replaced_BL = tf.where(action_BL < MASKED_BELOW, self.pieces.mask_id, kept_BL)
        positions_BP, weights_BP = self._positions(is_chosen_BL)
        originals_BP = tf.gather(ids_BL, positions_BP, batch_dims=1)
        return {
            **batch,
            "input_ids": tf.where(is_chosen_BL, replaced_BL, ids_BL),
            "masked_lm_positions": positions_BP,
            "masked_lm_ids": tf.where(weights_BP > 0, originals_BP, 0),
            "masked_lm_weights": weights_BP,
        }

    def _draws(
        self, length: int, numbers_B: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns order, action, other piece: draws in [0, 1), float64 `[batch, L]`."""
        stream = tf.constant(2 * self.seed + (not training), tf.int64)

        def draw(number: tf.Tensor) -> tf.Tensor:
            return tf.random.stateless_uniform(
                [3, length], tf.stack([stream, number]), dtype=tf.float64, alg="philox"
            )

        draws_B3L = tf.map_fn(draw, numbers_B, fn_output_signature=tf.float64)
        order_BL, action_BL, other_BL = tf.unstack(draws_B3L, axis=1)
        return order_BL, action_BL, other_BL

    def _chosen(
        self, ids_BL: tf.Tensor, is_real_BL: tf.Tensor, order_BL: tf.Tensor
    ) -> tf.Tensor:
        """Returns what `MaskingRule.choose` returns for the same arguments."""
        # float64, as in NumPy, so that half-way cases are the same ones.
        num_tokens_B = tf.reduce_sum(tf.cast(is_real_BL, tf.float64), axis=1)
        num_wanted_B = tf.round(num_tokens_B * self.pairs.masked_lm_prob)
        most = self.pairs.max_predictions_per_seq
        num_wanted_B = tf.clip_by_value(num_wanted_B, 1.0, most)
        is_special_BL = (ids_BL == self.pieces.cls_id) | (ids_BL == self.pieces.sep_id)
        is_text_BL = is_real_BL & ~is_special_BL
        starts_word_BL = is_text_BL
        if self.pairs.do_whole_word_mask:
            goes_on_BL = tf.gather(self.pieces.is_continuation, ids_BL)
            # A piece after [CLS] or [SEP] always begins a word.
            goes_on_BL &= tf.pad(is_text_BL[:, :-1], [[0, 0], [1, 0]])
            starts_word_BL = is_text_BL & ~goes_on_BL
        num_wanted_B = tf.cast(num_wanted_B, tf.int32)
        return choose(is_text_BL, starts_word_BL, num_wanted_B, order_BL)

    def _positions(self, is_chosen_BL: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the chosen positions, ascending, and weights: 1, or 0 if unused."""
        length, most = is_chosen_BL.shape[1], self.pairs.max_predictions_per_seq
        places_BL = tf.sort(tf.where(is_chosen_BL, tf.range(length), length), axis=1)
        padding = [[0, 0], [0, max(0, most - length)]]
        places_BP = tf.pad(places_BL, padding, constant_values=length)[:, :most]
        is_chosen_BP = places_BP < length
        return tf.where(is_chosen_BP, places_BP, 0), tf.cast(is_chosen_BP, tf.float32)


def choose(
    is_text_BL: tf.Tensor,
    starts_word_BL: tf.Tensor,
    num_wanted_B: tf.Tensor,
    order_BL: tf.Tensor,
) -> tf.Tensor:
    """Returns what `data.masking.choose_words` returns for the same arguments."""
    batch_size, length = is_text_BL.shape
    word_BL = tf.maximum(tf.cumsum(tf.cast(starts_word_BL, tf.int32), axis=1) - 1, 0)
    flat_words_BL = word_BL + tf.range(batch_size)[:, None] * length
    sizes = tf.math.unsorted_segment_sum(
        tf.cast(is_text_BL, tf.int32), flat_words_BL, batch_size * length
    )
    sizes_BL = tf.reshape(sizes, [batch_size, length])
    # Columns beyond the last word have size 0; taking them chooses nothing.
    words_BL = tf.argsort(order_BL, axis=1)
    ordered_LB = tf.transpose(tf.gather(sizes_BL, words_BL, batch_dims=1))

    def take(
        state: tuple[tf.Tensor, tf.Tensor], sizes_B: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        is_taken_B = sizes_B <= state[0]
        return state[0] - tf.where(is_taken_B, sizes_B, 0), is_taken_B

    nothing_B = tf.zeros([batch_size], tf.bool)
    _, is_taken_LB = tf.scan(take, ordered_LB, (num_wanted_B, nothing_B))
    ranks_BL = tf.argsort(words_BL, axis=1)
    is_taken_BL = tf.gather(tf.transpose(is_taken_LB), ranks_BL, batch_dims=1)
    return tf.gather(is_taken_BL, word_BL, batch_dims=1) & is_text_BL
