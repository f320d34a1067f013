# SPDX-License-Identifier: Apache-2.0
"""The BERT encoder: token ids in, vectors per token and per text out.

One forward pass serves training, evaluation, prediction and export. Products are of
flat `[T, D]` matrices, which is fast on all devices. They are in `dtype`; layer
normalisation, softmax, the residual sum and everything that is returned are float32.

Shape suffixes: B texts of the batch, L pieces of a text, R rows, W width of a row,
T = R * W tokens, N attention heads, H size of a head, D hidden size, F size of the
feed-forward layer, P positions. Without packing a row is a text: R is B and W is L.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import tensorflow as tf

from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.layers import (
    ACTIVATIONS,
    TRAINED_ACTIVATIONS,
    Dense,
    Dropout,
    Initializer,
    LayerNorm,
    no_dropout,
)

# The encoder's first random stream for weights; the heads use the lower ones.
_FIRST_STREAM: Final = 2
# Softmax turns such a score into 0.
_MASKED: Final = -1e9
# A block has four places for dropout, of which BERT does not use the second.
_DROPOUTS_OF_A_BLOCK: Final = 4

PLACES: Final = "places"
"""The entry of a batch that says how its texts are packed."""

DropoutFn = Callable[[tf.Tensor, float, int], tf.Tensor]


class PaddedRows(NamedTuple):
    """Rows of one text each, filled up with padding.

    Attributes:
        mask: int `[B, L]`, 1 for a piece, 0 for padding.
    """

    mask: tf.Tensor

    def lay(self, values_BL: tf.Tensor) -> tf.Tensor:
        """Returns the values of pieces as they lie in the rows, `[R, W]`."""
        return values_BL

    def masked_scores(self) -> tf.Tensor:
        """Returns the addend of attention scores, float32 `[B, 1, 1, L]`.

        In a row of padding only, attention is then uniform over all positions; the
        original adds -10000 to every score instead, which differs by up to 1e-3.
        """
        is_padding_BL = tf.cast(tf.equal(self.mask, 0), tf.float32)
        # LiteRT cannot add two axes with one slice.
        return tf.expand_dims(tf.expand_dims(is_padding_BL * _MASKED, 1), 1)

    def positions(self, table_PD: tf.Tensor) -> tf.Tensor:
        """Returns the position embeddings, `[L, D]`; fails if L is more than P."""
        # A slice fails if it is too long; on a GPU a gather would not.
        return table_PD[: tf.shape(self.mask)[1]]

    def restored(self, x_RWX: tf.Tensor) -> tf.Tensor:
        """Returns what was computed of every token by text, `[B, L, ...]`."""
        return x_RWX

    def first_tokens(self, x_RWD: tf.Tensor) -> tf.Tensor:
        """Returns the vector of every text's first token, `[B, D]`."""
        return x_RWD[:, 0]

    def means(self, x_RWD: tf.Tensor) -> tf.Tensor:
        """Returns the mean over every text's tokens, `[B, D]`; 0 for an empty text."""
        return summed(x_RWD, self.mask) / _num_tokens(self.mask)

    def tokens_at(self, x_RWD: tf.Tensor, positions_BP: tf.Tensor) -> tf.Tensor:
        """Returns the vectors at positions of every text, `[B, P, D]`."""
        return tf.gather(x_RWD, positions_BP, batch_dims=1)


class PackedRows(NamedTuple):
    """Rows of several texts each, none of which attends to another.

    Methods are those of `PaddedRows`. Nothing is computed of the padding of texts; what
    `restored` returns there is meaningless.

    Attributes:
        places: int `[R, W]`: the piece that lies here, as its place in the flattened
            `[B * L]`; -1 where there is none.
        mask: int `[B, L]`, 1 for a piece, 0 for padding.
    """

    places: tf.Tensor
    mask: tf.Tensor

    def lay(self, values_BL: tf.Tensor) -> tf.Tensor:
        """Returns the values of pieces as they lie in the rows, 0 where none lies."""
        values_RW = tf.gather(tf.reshape(values_BL, [-1]), tf.maximum(self.places, 0))
        return tf.where(self.places < 0, tf.zeros_like(values_RW), values_RW)

    def masked_scores(self) -> tf.Tensor:
        """Returns the addend of attention scores, float32 `[R, 1, W, W]`."""
        texts_RW = self.places // tf.shape(self.mask)[1]
        is_same_RWW = texts_RW[:, :, None] == texts_RW[:, None, :]
        return tf.where(is_same_RWW, 0.0, _MASKED)[:, None]

    def positions(self, table_PD: tf.Tensor) -> tf.Tensor:
        """Returns the position embeddings, `[R, W, D]`."""
        length = tf.shape(self.mask)[1]
        return tf.gather(table_PD[:length], self.places % length)

    def restored(self, x_RWX: tf.Tensor) -> tf.Tensor:
        """Returns what was computed of every token by text, `[B, L, ...]`."""
        return tf.gather(_flat(x_RWX), self._tokens())

    def first_tokens(self, x_RWD: tf.Tensor) -> tf.Tensor:
        """Returns the vector of every text's first token, `[B, D]`."""
        return tf.gather(_flat(x_RWD), self._tokens()[:, 0])

    def means(self, x_RWD: tf.Tensor) -> tf.Tensor:
        """Returns the mean over every text's tokens, `[B, D]`; 0 for an empty text."""
        num_texts, length = tf.unstack(tf.shape(self.mask))
        # That of a place without a piece is -1, which counts nowhere.
        texts_T = tf.reshape(self.places // length, [-1])
        sums_BD = tf.math.unsorted_segment_sum(_flat(x_RWD), texts_T, num_texts)
        return sums_BD / _num_tokens(self.mask)

    def tokens_at(self, x_RWD: tf.Tensor, positions_BP: tf.Tensor) -> tf.Tensor:
        """Returns the vectors at positions of every text, `[B, P, D]`."""
        tokens_BP = tf.gather(self._tokens(), positions_BP, batch_dims=1)
        return tf.gather(_flat(x_RWD), tokens_BP)

    def _tokens(self) -> tf.Tensor:
        """Returns the token of every piece, a place in `[T]`; 0 for padding."""
        places_T1 = tf.reshape(self.places, [-1, 1])
        tokens_T = tf.range(tf.size(places_T1), dtype=places_T1.dtype)
        size = tf.size(self.mask, places_T1.dtype)
        # The places of padding, -1, become the first entry, which is cut off.
        tokens = tf.tensor_scatter_nd_max(
            tf.zeros([size + 1], places_T1.dtype), places_T1 + 1, tokens_T
        )
        return tf.reshape(tokens[1:], tf.shape(self.mask))


Rows = PaddedRows | PackedRows


def _flat(x_RWX: tf.Tensor) -> tf.Tensor:
    """Returns `[T, ...]` of `[R, W, ...]`."""
    return tf.reshape(x_RWX, tf.concat([[-1], tf.shape(x_RWX)[2:]], 0))


def summed(x_BLX: tf.Tensor, is_counted_BL: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the tokens that count, of every row, `[B, ...]`.

    `is_counted_BL` is 1 for these, else 0. This is no product of matrices, whose inputs
    a TPU and a new GPU round.
    """
    weights = tf.cast(is_counted_BL, x_BLX.dtype)
    for _ in x_BLX.shape[2:]:
        weights = tf.expand_dims(weights, -1)
    return tf.reduce_sum(x_BLX * weights, axis=1)


def _num_tokens(mask_BL: tf.Tensor) -> tf.Tensor:
    """Returns the number of every text's tokens, at least 1, float32 `[B, 1]`."""
    lengths_B1 = tf.reduce_sum(tf.cast(mask_BL, tf.float32), axis=1, keepdims=True)
    return tf.maximum(lengths_B1, 1.0)


class Encoded(NamedTuple):
    """The outputs of the encoder, all float32.

    Attributes:
        sequence_output: `[R, W, D]`, the last layer, as the texts lie in `rows`.
        pooled_output: `[B, D]`, tanh of a dense layer on the first token.
        encoder_outputs: `[R, W, D]` of every layer.
        rows: How the texts lie.
    """

    sequence_output: tf.Tensor
    pooled_output: tf.Tensor
    encoder_outputs: Sequence[tf.Tensor]
    rows: Rows


class Encoder(tf.Module):
    """The encoder's variables, with the names of the TF1 checkpoints, and its function.

    Attributes:
        config: The sizes.
        word_embeddings: The table of word embeddings, `[vocabulary, D]`.
    """

    def __init__(
        self, config: EncoderConfig, seed: int | None = 0, trains_pooler: bool = True
    ) -> None:
        """Creates the variables, under the current strategy; see `Initializer`.

        `trains_pooler` says whether the pooler's variables are trainable.
        """
        super().__init__()
        self.config = config
        size = config.hidden_size
        init = Initializer(config, seed, _FIRST_STREAM)
        scope = "bert/embeddings"
        self.word_embeddings = init.normal(
            f"{scope}/word_embeddings", (config.vocab_size, size)
        )
        self._position_embeddings = init.normal(
            f"{scope}/position_embeddings", (config.max_position_embeddings, size)
        )
        self._token_type_embeddings = init.normal(
            f"{scope}/token_type_embeddings", (config.type_vocab_size, size)
        )
        self._norm = LayerNorm(init, f"{scope}/LayerNorm", size)
        self._blocks = [
            _Block(config, init, number) for number in range(config.num_hidden_layers)
        ]
        self._pooler = Dense(init, "bert/pooler/dense", size, size, trains_pooler)

    def __call__(
        self,
        ids_BL: tf.Tensor,
        segments_BL: tf.Tensor,
        rows: Rows,
        *,
        dtype: tf.DType = tf.float32,
        dropout: Dropout | None = None,
        recompute: bool = False,
    ) -> Encoded:
        """Runs the encoder on a batch.

        Args:
            ids_BL: Ids of pieces, int `[B, L]`, L at most P.
            segments_BL: Segment id of every piece, int `[B, L]`.
            rows: How the texts lie in the batch.
            dtype: The type of the products: float32, bfloat16 or float16.
            dropout: The seed of the dropout; None for none, outside of training.
            recompute: Whether the backward pass computes each block again instead of
                keeping its activations. Gradients are unchanged; memory falls to about
                that of one block, and time grows.
        """
        drop: DropoutFn = dropout or no_dropout
        is_training = dropout is not None
        ids_RW, segments_RW = rows.lay(ids_BL), rows.lay(segments_BL)
        shape = tf.shape(ids_RW)
        x_TD = self.embed(ids_RW, segments_RW, rows, is_training)
        x_TD = drop(x_TD, self.config.hidden_dropout_prob, 0)
        masked = rows.masked_scores()
        outputs = []
        for block in self._blocks:
            if recompute and dropout is not None:
                x_TD = _recomputed(block, x_TD, masked, dtype, dropout)
            else:
                x_TD = block(x_TD, masked, dtype, dropout)
            x_RWD = tf.reshape(x_TD, [shape[0], shape[1], x_TD.shape[-1]])
            # The static shape helps compilers.
            x_RWD.set_shape([*ids_RW.shape, x_TD.shape[-1]])
            outputs.append(x_RWD)
        firsts_BD = tf.cast(rows.first_tokens(outputs[-1]), dtype)
        pooled_BD = tf.tanh(tf.cast(self._pooler(firsts_BD), tf.float32))
        return Encoded(outputs[-1], pooled_BD, outputs, rows)

    def embed(
        self,
        ids_RW: tf.Tensor,
        segments_RW: tf.Tensor,
        rows: Rows,
        is_training: bool = False,
    ) -> tf.Tensor:
        """Returns the normalised sum of the three embeddings, float32 `[T, D]`."""
        words_RWD = tf.gather(self.word_embeddings, ids_RW)
        positions = rows.positions(self._position_embeddings)
        # PARITY(modeling.py:475-478): a product, so that the gradient is dense and the
        # clipping counts it once.
        types_RWD = tf.one_hot(segments_RW, self.config.type_vocab_size)
        types_RWD = tf.tensordot(types_RWD, self._token_type_embeddings, 1)
        x_RWD = words_RWD + positions + types_RWD
        x_TD = tf.reshape(x_RWD, [-1, self.config.hidden_size])
        return self._norm(x_TD, is_training)


def inputs(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, Rows]:
    """Returns the ids, the segments and the rows of a batch; see `Encoder`.

    PARITY(modeling.py:166-170): without `input_mask` every position is real, without
    `segment_ids` every position is of segment 0. Each is int `[B, L]`, as `input_ids`.
    With `places`, int `[R, W]`, the texts are packed; see `PackedRows`. Other entries
    are ignored.
    """
    ids_BL = batch["input_ids"]
    segments_BL = batch.get("segment_ids", tf.zeros_like(ids_BL))
    mask_BL = _mask(batch)
    if PLACES in batch:
        return ids_BL, segments_BL, PackedRows(batch[PLACES], mask_BL)
    return ids_BL, segments_BL, PaddedRows(mask_BL)


def _mask(batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return batch.get("input_mask", tf.ones_like(batch["input_ids"]))


def is_text(batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns 1.0 for a text, 0.0 for a row that only fills up a batch, `[B]`."""
    return tf.cast(tf.reduce_any(_mask(batch) > 0, axis=1), tf.float32)


class _Block(tf.Module):
    """One transformer layer."""

    def __init__(self, config: EncoderConfig, init: Initializer, number: int) -> None:
        """Creates the variables of layer `number`, from 0."""
        super().__init__()
        self._config = config
        self._first_stream = 1 + _DROPOUTS_OF_A_BLOCK * number
        size, inner = config.hidden_size, config.intermediate_size
        scope = f"bert/encoder/layer_{number}"
        attention = f"{scope}/attention"
        self._query = Dense(init, f"{attention}/self/query", size, size)
        self._key = Dense(init, f"{attention}/self/key", size, size)
        self._value = Dense(init, f"{attention}/self/value", size, size)
        self._attention_output = Dense(init, f"{attention}/output/dense", size, size)
        self._attention_norm = LayerNorm(init, f"{attention}/output/LayerNorm", size)
        self._intermediate = Dense(init, f"{scope}/intermediate/dense", size, inner)
        self._output = Dense(init, f"{scope}/output/dense", inner, size)
        self._output_norm = LayerNorm(init, f"{scope}/output/LayerNorm", size)

    def __call__(
        self,
        x_TD: tf.Tensor,
        masked: tf.Tensor,
        dtype: tf.DType,
        dropout: Dropout | None,
    ) -> tf.Tensor:
        """Returns `[T, D]` of `[T, D]`, both float32; products are in `dtype`.

        `masked` is added to attention scores, `[R, 1, 1, W]` or `[R, 1, W, W]`.
        """
        drop: DropoutFn = dropout or no_dropout
        is_training = dropout is not None
        activations = TRAINED_ACTIVATIONS if is_training else ACTIVATIONS
        rate = self._config.hidden_dropout_prob
        attended_TD = self._attend(tf.cast(x_TD, dtype), masked, drop)
        attended_TD = drop(tf.cast(attended_TD, tf.float32), rate, self._first_stream)
        x_TD = self._attention_norm(x_TD + attended_TD, is_training)
        # Not in float32: that takes twice the time and is not more exact.
        inner_TF = activations[self._config.hidden_act](
            self._intermediate(tf.cast(x_TD, dtype))
        )
        output_TD = tf.cast(self._output(inner_TF), tf.float32)
        output_TD = drop(output_TD, rate, self._first_stream + 2)
        return self._output_norm(x_TD + output_TD, is_training)

    def _attend(self, x_TD: tf.Tensor, masked: tf.Tensor, drop: DropoutFn) -> tf.Tensor:
        """Returns multi-head self-attention within each row, `[T, D]`."""
        shape = tf.shape(masked)
        num_heads = self._config.num_attention_heads
        head_size = self._config.hidden_size // num_heads

        def heads(y_TD: tf.Tensor) -> tf.Tensor:
            y_RWNH = tf.reshape(y_TD, [shape[0], shape[3], num_heads, head_size])
            return tf.transpose(y_RWNH, [0, 2, 1, 3])

        query_TD = self._query(x_TD) * tf.cast(1 / math.sqrt(head_size), x_TD.dtype)
        scores_RNWW = tf.matmul(
            heads(query_TD), heads(self._key(x_TD)), transpose_b=True
        )
        weights_RNWW = tf.nn.softmax(tf.cast(scores_RNWW, tf.float32) + masked)
        weights_RNWW = drop(
            weights_RNWW,
            self._config.attention_probs_dropout_prob,
            self._first_stream + 3,
        )
        y_RNWH = tf.matmul(tf.cast(weights_RNWW, x_TD.dtype), heads(self._value(x_TD)))
        y_RWNH = tf.transpose(y_RNWH, [0, 2, 1, 3])
        return self._attention_output(tf.reshape(y_RWNH, [-1, num_heads * head_size]))


def _recomputed(
    block: _Block,
    x_TD: tf.Tensor,
    masked: tf.Tensor,
    dtype: tf.DType,
    dropout: Dropout,
) -> tf.Tensor:
    """Returns a block's output; the backward pass computes the block again.

    This is `tf.recompute_grad` without its warning about the seed, an integer.
    """

    @tf.custom_gradient
    def run(x_TD: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple]]:
        def backward(
            dy_TD: tf.Tensor, variables: Sequence[tf.Variable] = ()
        ) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
            # Zero, but known only once the gradient is: otherwise a compiler finds that
            # both computations are equal and keeps the activations of the first.
            some = tf.reshape(dy_TD, [-1])[0]
            later = tf.where(some == some, 0, 1)
            again_TD = x_TD + tf.cast(later, x_TD.dtype)
            again = dataclasses.replace(dropout, seed_2=dropout.seed_2 + later)
            with tf.GradientTape() as tape:
                tape.watch(again_TD)
                y_TD = block(again_TD, masked, dtype, again)
            dx_TD, gradients = tape.gradient(
                y_TD, (again_TD, list(variables)), output_gradients=dy_TD
            )
            return dx_TD, gradients

        return block(x_TD, masked, dtype, dropout), backward

    return run(x_TD)
