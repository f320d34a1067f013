# SPDX-License-Identifier: Apache-2.0
"""The parts that BERT is made of: dense layers, layer normalisation, dropout.

Their variables have the names and the shapes of the TF1 checkpoints.

Shape suffixes: T tokens, D hidden size, I inputs, O outputs of a dense layer.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import tensorflow as tf

from biobert_tf.model.config import EncoderConfig

DropoutBits = Literal[8, 32]
_Gradient = Callable[[tf.Tensor], tf.Tensor | tuple[tf.Tensor, ...]]


def _gelu(x: tf.Tensor) -> tf.Tensor:
    """Returns dmis-lab/biobert's GELU, `0.5 x (1 + erf(x / sqrt(2)))`.

    `tf.nn.gelu` computes the same with `erfc`, an operation that takes two to three
    times as long on a CPU and that ONNX does not have. LiteRT replaces the formula by
    an operation of its own only if the products are in this order.
    """
    return (0.5 * x) * (1.0 + tf.math.erf(x * 0.5**0.5))


# dmis-lab/biobert modeling.py:265 computes GELU with erf; google-research/bert
# (modeling.py:264 at eedf571) with tanh, which Hugging Face names gelu_new.
ACTIVATIONS: Final[Mapping[str, Callable[[tf.Tensor], tf.Tensor]]] = {
    "gelu": _gelu,
    "gelu_new": functools.partial(tf.nn.gelu, approximate=True),
    "relu": tf.nn.relu,
    "tanh": tf.nn.tanh,
    "linear": tf.identity,
}
"""Functions of the feed-forward layer, by `hidden_act` of `bert_config.json`."""


# The gradients that follow are those of the plain formulas, in fewer passes over
# memory. They serve training alone, so that no exported graph has them.
@tf.custom_gradient
def _trained_gelu(x: tf.Tensor) -> tuple[tf.Tensor, _Gradient]:
    """Returns `_gelu(x)`, bit by bit, and its gradient, `Phi(x) + x phi(x)`."""
    share = 0.5 * (1.0 + tf.math.erf(x * 0.5**0.5))

    def gradient(dy: tf.Tensor) -> tf.Tensor:
        density = tf.exp(-0.5 * x * x) * (2 * math.pi) ** -0.5
        return dy * (share + x * density)

    return x * share, gradient


TRAINED_ACTIVATIONS: Final = {**ACTIVATIONS, "gelu": _trained_gelu}
"""The same functions with cheaper gradients."""


class Initializer:
    """Creates variables with BERT's initial values (modeling.py:376-378)."""

    def __init__(
        self, config: EncoderConfig, seed: int | None, first_stream: int
    ) -> None:
        """Stores the distribution.

        Every variable has a random stream of its own, numbered from `first_stream` in
        the order of creation. Without a seed all values are 0, for variables that are
        given weights at once: to draw values that nobody sees takes seconds.
        """
        self._deviation = config.initializer_range
        self._seed = seed
        self._streams = itertools.count(first_stream)

    def normal(
        self, name: str, shape: Sequence[int], trainable: bool = True
    ) -> tf.Variable:
        """Returns a float32 variable: a normal distribution, cut at two deviations."""
        stream = next(self._streams)
        if self._seed is None:
            return tf.Variable(tf.zeros(shape), name=name, trainable=trainable)
        values = tf.random.stateless_truncated_normal(
            shape, seed=[self._seed, stream], stddev=self._deviation
        )
        return tf.Variable(values, name=name, trainable=trainable)

    def filled(
        self, name: str, size: int, value: float, trainable: bool = True
    ) -> tf.Variable:
        """Returns a float32 variable `[size]` of equal values."""
        next(self._streams)
        return tf.Variable(tf.fill([size], value), name=name, trainable=trainable)


class Dense(tf.Module):
    """A linear map with a bias, `x W + b`."""

    def __init__(
        self,
        init: Initializer,
        scope: str,
        num_inputs: int,
        num_outputs: int,
        trainable: bool = True,
    ) -> None:
        """Creates `<scope>/kernel` `[I, O]` and `<scope>/bias` `[O]`."""
        super().__init__()
        shape = (num_inputs, num_outputs)
        self.kernel = init.normal(f"{scope}/kernel", shape, trainable)
        self.bias = init.filled(f"{scope}/bias", num_outputs, 0.0, trainable)

    def __call__(self, x_TI: tf.Tensor) -> tf.Tensor:
        """Returns `[T, O]`, computed in the type of `x_TI`."""
        product_TO = tf.matmul(x_TI, tf.cast(self.kernel, x_TI.dtype))
        return tf.nn.bias_add(product_TO, tf.cast(self.bias, x_TI.dtype))


class LayerNorm(tf.Module):
    """Layer normalisation over the last axis, in float32; epsilon is 1e-12."""

    def __init__(self, init: Initializer, scope: str, size: int) -> None:
        """Creates `<scope>/gamma` and `<scope>/beta`, both `[size]`."""
        super().__init__()
        self.gamma = init.filled(f"{scope}/gamma", size, 1.0)
        self.beta = init.filled(f"{scope}/beta", size, 0.0)

    def __call__(self, x_TD: tf.Tensor, is_training: bool = False) -> tf.Tensor:
        """Returns float32 `[T, D]`; a training has a cheaper gradient."""
        if is_training:
            return _trained_norm(x_TD, tf.identity(self.gamma), tf.identity(self.beta))
        unit_TD, _ = _standardized(x_TD)
        return unit_TD * self.gamma + self.beta


def _standardized(x_TD: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns every row with mean 0 and variance 1, and its factor, `[T, 1]`."""
    mean_T1 = tf.reduce_mean(x_TD, -1, keepdims=True)
    centered_TD = x_TD - mean_T1
    variance_T1 = tf.reduce_mean(tf.square(centered_TD), -1, keepdims=True)
    scale_T1 = tf.math.rsqrt(variance_T1 + 1e-12)
    return centered_TD * scale_T1, scale_T1


@tf.custom_gradient
def _trained_norm(
    x_TD: tf.Tensor, gamma_D: tf.Tensor, beta_D: tf.Tensor
) -> tuple[tf.Tensor, _Gradient]:
    """Returns what `LayerNorm` returns, and its gradient.

    With u the standardized row and s its factor it is

        dx = s (du - mean(du) - u mean(u du)),    du = gamma dy
    """
    unit_TD, scale_T1 = _standardized(x_TD)

    def gradient(dy_TD: tf.Tensor) -> tuple[tf.Tensor, ...]:
        du_TD = dy_TD * gamma_D
        mean_T1 = tf.reduce_mean(du_TD, -1, keepdims=True)
        slope_T1 = tf.reduce_mean(du_TD * unit_TD, -1, keepdims=True)
        dx_TD = scale_T1 * (du_TD - mean_T1 - unit_TD * slope_T1)
        return dx_TD, tf.reduce_sum(dy_TD * unit_TD, 0), tf.reduce_sum(dy_TD, 0)

    return unit_TD * gamma_D + beta_D, gradient


@dataclasses.dataclass(frozen=True)
class Dropout:
    """Dropout that depends on a seed instead of hidden state.

    So a step can be repeated, resumed, compiled, and recomputed in the backward pass.

    Attributes:
        seed_2: int32 `[2]`; may be symbolic, so that one traced step can run with every
            seed.
        first_stream: Added to the number of every stream.
        bits: The random bits of a value: 8, or 32 as in earlier versions.
        is_on_tpu: Whether the TPU's own generator draws the 8 bits. It draws other
            numbers than Philox on all other devices.
    """

    seed_2: tf.Tensor
    first_stream: int = 0
    bits: DropoutBits = 8
    is_on_tpu: bool = False

    def __call__(self, x: tf.Tensor, rate: float, stream: int) -> tf.Tensor:
        """Returns `x` with a share `rate`, in [0, 1), zeroed and the rest scaled up.

        `stream` is a number that differs for every call in a forward pass. With 8 bits
        a rate above 255 / 256 counts as that.
        """
        if not rate:
            return x
        # TensorFlow's own choice of an algorithm differs in XLA for negative seeds.
        seed_2 = tf.random.experimental.stateless_fold_in(
            self.seed_2,
            self.first_stream + stream,
            alg="auto_select" if self.bits == 32 or self.is_on_tpu else "philox",
        )
        if self.bits == 32:
            return tf.nn.experimental.stateless_dropout(x, rate, seed=seed_2)
        rate = min(rate, 255 / 256)
        kept = _is_kept_on_tpu if self.is_on_tpu else _is_kept
        # Attention of long texts has 2^31 weights.
        is_kept = kept(tf.shape(x, tf.int64), rate, seed_2)
        return tf.where(is_kept, x * (1 / (1 - rate)), 0.0)


def _is_kept(shape: tf.Tensor, rate: float, seed_2: tf.Tensor) -> tf.Tensor:
    """Returns which values are kept, bool of `shape`, each with probability 1 - rate.

    A value is kept if its random byte reaches the bound that `_bound` draws once for
    the whole call, so that a 32-bit word serves four values. Given the bound, the
    values are independent. All devices compute the same.
    """
    size = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(
        [size // 4 + 2], seed_2, None, None, tf.uint32, alg="philox"
    )
    draws = tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size]
    return tf.reshape(draws, shape) >= tf.cast(_bound(rate, words[-1]), tf.uint8)


def _is_kept_on_tpu(shape: tf.Tensor, rate: float, seed_2: tf.Tensor) -> tf.Tensor:
    """Returns the same with the TPU's generator; each device draws other numbers.

    A word serves four rows of the last axis but one, as far apart as possible: a TPU
    lays bytes out anew if a word becomes four neighbours. `shape` has two axes or more.
    """
    length = shape[-2]
    words = tf.random.stateless_uniform(
        tf.concat([shape[:-2], [(length + 3) // 4], shape[-1:]], 0),
        seed_2,
        None,
        None,
        tf.uint32,
        alg="auto_select",
    )
    word = tf.random.stateless_uniform(
        [], tf.bitwise.invert(seed_2), None, None, tf.uint32, alg="auto_select"
    )
    bound = _bound(rate, word)
    parts = [
        tf.bitwise.bitwise_and(tf.bitwise.right_shift(words, shift), 255) >= bound
        for shift in tf.unstack(tf.constant([0, 8, 16, 24], tf.uint32))
    ]
    return tf.concat(parts, -2)[..., :length, :]


def _bound(rate: float, word: tf.Tensor) -> tf.Tensor:
    """Returns the number, uint32, that the byte of a value reaches if it is kept.

    With 256 rate = n + f, it is n + 1 with probability f, else n: the random `word`,
    uint32, decides. So a byte is below it with probability (n + f) / 256, which is the
    rate to within 2^-40.
    """
    fraction, least = math.modf(rate * 256)
    return int(least) + tf.cast(word < int(fraction * 2**32), tf.uint32)


def no_dropout(x: tf.Tensor, rate: float, stream: int) -> tf.Tensor:
    """Returns `x`: what stands in for `Dropout` outside of training."""
    del rate, stream
    return x
