# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the BERT encoder: token ids in, vectors per token and sequence out.

The network is tf-models-official's `BertEncoderV2` with BERT's own settings (its
defaults are not BERT's: tanh GELU, 16 segment types). Two things are ours: the
table of activations, and dropout that depends on a seed instead of hidden state, so
that a step can be repeated, resumed, compiled and recomputed in the backward pass.
Predictions, which need no dropout, are computed by `encoder_prediction`.

Shape suffixes: B batch, L sequence length, D hidden size.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import tensorflow as tf
import tf_keras
from official.nlp.modeling.networks import bert_encoder

from biobert_tf.model import encoder_prediction
from biobert_tf.model.config import EncoderConfig


def _gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    """Returns google-research/bert's GELU, the tanh approximation."""
    return tf_keras.activations.gelu(x, approximate=True)


# dmis-lab/biobert modeling.py:265 computes GELU with erf; google-research/bert
# (modeling.py:264 at eedf571) with tanh, which Hugging Face names gelu_new.
_ACTIVATIONS: Final[Mapping[str, Callable[[tf.Tensor], tf.Tensor]]] = {
    "gelu": tf_keras.activations.gelu,
    "gelu_new": _gelu_tanh,
    "relu": tf_keras.activations.relu,
    "tanh": tf_keras.activations.tanh,
    "linear": tf_keras.activations.linear,
}


def activation(hidden_act: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the feed-forward activation named `hidden_act` in `bert_config.json`."""
    return _ACTIVATIONS[hidden_act]


# The encoder's first random stream; the heads use the lower ones.
_FIRST_STREAM: Final = 2


def random_weights(
    config: EncoderConfig, shape: Sequence[int], seed: int, stream: int
) -> tf.Tensor:
    """Returns BERT's truncated normal (modeling.py:376-378), float32 of `shape`.

    Args:
        config: Gives the standard deviation of the normal distribution; values beyond
            two standard deviations are redrawn.
        shape: The shape of the variable.
        seed: The random seed of the model.
        stream: A number that differs for every variable of a model.
    """
    return tf.random.stateless_truncated_normal(
        shape, seed=[seed, stream], stddev=config.initializer_range
    )


def build_encoder(config: EncoderConfig, seed: int = 0) -> bert_encoder.BertEncoderV2:
    """Returns an encoder with its variables created, under the current strategy.

    Args:
        config: The sizes, from `bert_config.json`.
        seed: Random seed of the weights; each variable has its own stream.

    Returns:
        The network; call it through `encode`.
    """
    encoder = bert_encoder.BertEncoderV2(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation=activation(config.hidden_act),
        output_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        initializer="zeros",
        name="bert",
    )
    zeros = tf.zeros([1, 2], tf.int32)
    _run_network(encoder, zeros, zeros, zeros, training=False)
    # Keras would clone one seeded initializer and give all variables of one shape
    # the same weights.
    for stream, variable in enumerate(encoder.trainable_variables, _FIRST_STREAM):
        if _is_random(variable.name):
            variable.assign(random_weights(config, variable.shape, seed, stream))
    make_dropout_stateless(encoder)
    return encoder


def encode(
    encoder: bert_encoder.BertEncoderV2,
    batch: Mapping[str, tf.Tensor],
    training: bool = False,
) -> dict[str, tf.Tensor]:
    """Runs the encoder on a batch.

    PARITY(modeling.py:166-170): without `input_mask` every position is real, without
    `segment_ids` every position is of segment 0.

    Args:
        encoder: The network that `build_encoder` returned.
        batch: `input_ids` and optionally `input_mask`, `segment_ids`; each int
            `[batch, length]`. Other entries are ignored.
        training: True applies dropout; needs an enclosing `dropout_seed`.

    Returns:
        `sequence_output` float `[batch, length, hidden]`, `pooled_output` float
        `[batch, hidden]` (tanh of a dense layer on the first token) and
        `encoder_outputs`, the outputs of every layer.

        In a row of padding only, attention is uniform over all positions; the original
        adds -10000 to every score instead, which differs by up to 1e-3.
    """
    input_ids = batch["input_ids"]
    input_mask = batch.get("input_mask", tf.ones_like(input_ids))
    segment_ids = batch.get("segment_ids", tf.zeros_like(input_ids))
    if not training:
        return encoder_prediction.encode(encoder, input_ids, input_mask, segment_ids)
    return _run_network(encoder, input_ids, input_mask, segment_ids, training=True)


def _run_network(
    encoder: bert_encoder.BertEncoderV2,
    input_ids: tf.Tensor,
    input_mask: tf.Tensor,
    segment_ids: tf.Tensor,
    training: bool,
) -> dict[str, tf.Tensor]:
    """Runs the network's own layers; returns the same as `encode`."""
    inputs = {
        "input_word_ids": input_ids,
        "input_mask": input_mask,
        "input_type_ids": segment_ids,
    }
    return encoder(inputs, training=training)


def _is_random(name: str) -> bool:
    """Returns whether BERT initializes a variable at random, not with 0 or 1."""
    return "kernel" in name or ("embedding" in name and "layer_norm" not in name)


# --- dropout that depends on a seed ----------------------------------------------

_dropout_seed: contextvars.ContextVar[tf.Tensor] = contextvars.ContextVar("seed")


@contextlib.contextmanager
def dropout_seed(seed_2: tf.Tensor) -> Iterator[None]:
    """Sets the seed of all dropout inside the block.

    Args:
        seed_2: int32 `[2]`; may be a symbolic tensor, so that one traced step can run
            with every seed.
    """
    token = _dropout_seed.set(seed_2)
    try:
        yield
    finally:
        _dropout_seed.reset(token)


@dataclasses.dataclass(frozen=True)
class SeededDropout:
    """Replaces the random generator of one Keras `Dropout` layer."""

    index: int

    def dropout(
        self,
        inputs: tf.Tensor,
        rate: float,
        noise_shape: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns `inputs` with a share `rate` zeroed and the rest scaled up.

        Raises:
            LookupError: The call is not inside `dropout_seed`.
        """
        seed_2 = tf.random.experimental.stateless_fold_in(
            _dropout_seed.get(), self.index
        )
        return tf.nn.experimental.stateless_dropout(
            inputs, rate, seed=seed_2, noise_shape=noise_shape
        )


def make_dropout_stateless(module: tf.Module, first_index: int = 0) -> int:
    """Makes every `Dropout` inside `module` draw from `dropout_seed`.

    Args:
        module: A built layer or model.
        first_index: Random stream of the first dropout layer.

    Returns:
        The next free stream.
    """
    index = first_index
    for layer in module.submodules:
        if isinstance(layer, tf_keras.layers.Dropout):
            # Keras cannot give a Dropout layer its seed at call time, and a later
            # build would create a generator of its own.
            if not layer.built:
                layer.build(None)
            layer._random_generator = SeededDropout(index)
            index += 1
    return index


# --- recomputing activations instead of keeping them ------------------------------


class _Training(tf_keras.layers.Layer):
    """Calls a block in training mode.

    A Keras layer learns of training from the layer that calls it, and in a backward
    pass there is none.
    """

    def __init__(self, call: Callable[..., tf.Tensor]) -> None:
        super().__init__(autocast=False)
        self._block_call = call

    def call(self, inputs: Sequence[tf.Tensor], training: bool) -> tf.Tensor:
        return self._block_call(inputs)


def recompute_blocks(encoder: bert_encoder.BertEncoderV2) -> None:
    """Makes every transformer block recompute its activations in the backward pass.

    In training, that is inside `dropout_seed`, only the input of a block is kept for
    the backward pass, which repeats the block with the same dropout. Gradients are
    unchanged; memory falls to about that of one block, and time grows by a third.

    Args:
        encoder: The network that `build_encoder` returned; it is changed in place, but
            not its variables.
    """
    for block in encoder.transformer_layers:
        block.call = _recomputing(block.call)


def _recomputing(call: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Returns a block's `call` that keeps only the input for the backward pass."""
    in_training = _Training(call)

    def forward(x_BLD: tf.Tensor, mask: tf.Tensor, seed_2: tf.Tensor) -> tf.Tensor:
        with dropout_seed(seed_2):
            return in_training([x_BLD, mask], training=True)

    def recomputing(
        inputs: Sequence[tf.Tensor], output_range: int | None = None
    ) -> tf.Tensor:
        seed_2 = _dropout_seed.get(None)
        if seed_2 is None:
            return call(inputs, output_range)
        x_BLD, mask = inputs
        return _without_activations(forward, x_BLD, mask, seed_2)

    return recomputing


def _without_activations(
    forward: Callable[..., tf.Tensor],
    x_BLD: tf.Tensor,
    mask: tf.Tensor,
    seed_2: tf.Tensor,
) -> tf.Tensor:
    """Returns `forward(x, mask, seed)`, which is recomputed for its gradient.

    This is `tf.recompute_grad` without its warning about the seed, an integer.
    """

    @tf.custom_gradient
    def run(x_BLD: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple]]:
        def backward(
            dy_BLD: tf.Tensor, variables: Sequence[tf.Variable] = ()
        ) -> tuple[tf.Tensor, Sequence[tf.Tensor]]:
            # Zero, but known only once the gradient is: otherwise a compiler finds that
            # both computations are equal and keeps the activations of the first.
            some = tf.reshape(dy_BLD, [-1])[0]
            later = tf.where(some == some, 0, 1)
            again_BLD = x_BLD + tf.cast(later, x_BLD.dtype)
            with tf.GradientTape() as tape:
                tape.watch(again_BLD)
                y_BLD = forward(again_BLD, mask, seed_2 + later)
            dx_BLD, gradients = tape.gradient(
                y_BLD, (again_BLD, list(variables)), output_gradients=dy_BLD
            )
            return dx_BLD, gradients

        return forward(x_BLD, mask, seed_2), backward

    return run(x_BLD)
