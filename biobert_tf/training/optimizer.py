# SPDX-License-Identifier: Apache-2.0
"""The original's optimizer, schedule and gradient clipping; and LAMB.

tf-models-official's `AdamWeightDecay` is not used: it corrects the bias of the moments,
which changes the first update by a factor of three.
"""

import math
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import tensorflow as tf
import tf_keras

from biobert_tf.common.settings import OptimizerName

# optimization.py:59-65, 74 of google-research/bert; never settings there, so not here.
WEIGHT_DECAY_RATE: Final = 0.01
BETA_1: Final = 0.9
BETA_2: Final = 0.999
EPSILON: Final = 1e-6
CLIP_NORM: Final = 1.0
# PARITY(optimization.py:65): "bias" also matches `output_bias`.
_NOT_DECAYED: Final = re.compile("LayerNorm|layer_norm|bias")


class LinearWarmupDecay(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up from zero, then linear decay to zero (optimization.py:29-54).

    PARITY(optimization.py:32-54): the decay counts all steps, also those of the
    warm-up, so that the rate drops a little where the warm-up ends; step 0 of a
    warm-up has rate 0.
    """

    def __init__(
        self, learning_rate: float, num_train_steps: int, num_warmup_steps: int
    ) -> None:
        """Stores the peak rate, the step at which the rate is zero, and the warm-up."""
        super().__init__()
        self.learning_rate = learning_rate
        self.num_train_steps = num_train_steps
        self.num_warmup_steps = num_warmup_steps

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """Returns the rate of zero-based `step`, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        total = float(self.num_train_steps)
        # PARITY(optimization.py:32): TF 1 compiles the division by a constant into this
        # product; near the end, rounding makes 6e-5 of the rate of it.
        done = tf.minimum(step, total) * (1.0 / total)
        decayed = self.learning_rate * (1.0 - done)
        if self.num_warmup_steps == 0:
            return decayed
        # PARITY(optimization.py:50): TF 1 folds the constants of the warm-up into one
        # factor, in float32; a division would give other last bits.
        warmup = np.float32(self.num_warmup_steps)
        factor = np.float32(self.learning_rate) * (np.float32(1) / warmup)
        return tf.where(step < warmup, step * factor, decayed)

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        return {
            "learning_rate": self.learning_rate,
            "num_train_steps": self.num_train_steps,
            "num_warmup_steps": self.num_warmup_steps,
        }


class _Held(tf_keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose rate is zero while a variable is true."""

    def __init__(
        self,
        schedule: tf_keras.optimizers.schedules.LearningRateSchedule,
        is_held: tf.Variable,
    ) -> None:
        """Stores both; the variable is a scalar, bool."""
        super().__init__()
        self._schedule = schedule
        self._is_held = is_held

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        """Returns the rate of zero-based `step`, a float32 scalar."""
        return tf.where(self._is_held, 0.0, self._schedule(step))

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        return {"schedule": self._schedule, "is_held": self._is_held}


class AdamWeightDecay(tf_keras.optimizers.Optimizer):
    """`AdamWeightDecayOptimizer` of BERT (optimization.py:87-174).

    For every parameter:

        m <- 0.9 m + 0.1 g,    v <- 0.999 v + 0.001 g^2
        w <- w - lr (m / (sqrt(v) + 1e-6) + 0.01 w)

    without bias correction; layer norms and biases are not decayed. Decay applies to
    every row of an embedding, also to rows without gradient.
    """

    def __init__(
        self,
        schedule: tf_keras.optimizers.schedules.LearningRateSchedule,
        is_compiled: bool = True,
    ) -> None:
        """Stores the rate as a function of the zero-based step; see `build`."""
        # A strategy does not allow single updates to be compiled; the step is.
        super().__init__(name=type(self).__name__, weight_decay=None, jit_compile=False)
        self.schedule = schedule
        self._is_compiled = is_compiled
        self._learning_rate = self._build_learning_rate(schedule)

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Creates the moments `adam_m` and `adam_v` of every variable, zero."""
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self._adam_m, self._adam_v = (
            [self.add_variable_from_reference(variable, name) for variable in var_list]
            for name in ("adam_m", "adam_v")
        )

    def hold(self, when: tf.Variable) -> None:
        """Lets updates change no weight while `when`, a scalar, is true.

        Not even if the gradients are not finite; the moments then are not either.
        """
        self._learning_rate = _Held(self.schedule, when)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Applies the update above to one variable.

        The gradient is dense, clipped, and the same on all replicas.
        """
        m, v = self._moments(variable)
        updated = _adam_compiled if self._is_compiled else _adam
        values = updated(
            gradient,
            tf.convert_to_tensor(m),
            tf.convert_to_tensor(v),
            tf.convert_to_tensor(variable),
            tf.cast(self.learning_rate, variable.dtype),
            is_decayed(variable.name),
        )
        for stored, value in zip((m, v, variable), values, strict=True):
            stored.assign(value)

    def _moments(self, variable: tf.Variable) -> tuple[tf.Variable, tf.Variable]:
        """Returns the moments m and v of a variable."""
        index = self._index_dict[self._var_key(variable)]
        return self._adam_m[index], self._adam_v[index]

    def get_config(self) -> dict[str, object]:
        """Returns the arguments of the constructor."""
        return {"schedule": self.schedule, "is_compiled": self._is_compiled}


class Lamb(AdamWeightDecay):
    """LAMB (You et al. 2020, algorithm 2), for batches of thousands.

    `AdamWeightDecay` with the bias of the moments corrected, and with the update u of
    every decayed parameter scaled to the parameter's own length:

        w <- w - lr |w| / |u| u

    Layer norms and biases are neither decayed nor scaled, as in
    tf-models-official's LAMB.
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Applies the update above to one variable; see `AdamWeightDecay`."""
        m, v = self._moments(variable)
        m.assign(BETA_1 * m + (1.0 - BETA_1) * gradient)
        v.assign(BETA_2 * v + (1.0 - BETA_2) * tf.square(gradient))
        step = tf.cast(self.iterations + 1, variable.dtype)
        # 1 - beta^t; in float32 the plain difference would lose half of its digits.
        m_part, v_part = (
            -tf.math.expm1(step * math.log(beta)) for beta in (BETA_1, BETA_2)
        )
        update = _direction(m / m_part, v / v_part, variable, is_decayed(variable.name))
        if is_decayed(variable.name):
            length, update_length = tf.norm(variable), tf.norm(update)
            both = (length > 0) & (update_length > 0)
            update *= tf.where(both, length / update_length, 1.0)
        rate = tf.cast(self.learning_rate, variable.dtype)
        variable.assign_sub(tf.math.multiply_no_nan(update, rate))


def _direction(
    m: tf.Tensor, v: tf.Tensor, variable: tf.Tensor, is_decayed: bool
) -> tf.Tensor:
    """Returns what is subtracted from a variable at a rate of 1."""
    update = m / (tf.sqrt(v) + EPSILON)
    return update + WEIGHT_DECAY_RATE * variable if is_decayed else update


def _adam(
    gradient: tf.Tensor,
    m: tf.Tensor,
    v: tf.Tensor,
    variable: tf.Tensor,
    rate: tf.Tensor,
    is_decayed: bool,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the next moments m and v and the next value of a variable."""
    m = BETA_1 * m + (1.0 - BETA_1) * gradient
    v = BETA_2 * v + (1.0 - BETA_2) * tf.square(gradient)
    direction = _direction(m, v, variable, is_decayed)
    return m, v, variable - tf.math.multiply_no_nan(direction, rate)


# One pass over memory instead of thirty. TensorFlow's own fused Adam rounds 1 - beta
# in float32, which makes v wrong by 1e-5, and does not decay.
_adam_compiled = tf.function(_adam, jit_compile=True, autograph=False)


def build(
    name: OptimizerName,
    schedule: LinearWarmupDecay,
    variables: Sequence[tf.Variable],
    is_compiled: bool = True,
) -> AdamWeightDecay:
    """Returns an optimizer with its moments created, ready to be restored.

    `is_compiled` says whether XLA compiles the update of a variable by Adam.
    """
    made = {"adamw": AdamWeightDecay, "lamb": Lamb}[name](schedule, is_compiled)
    made.build(variables)
    return made


def is_decayed(name: str) -> bool:
    """Returns whether weight decay applies to the variable `name`."""
    return _NOT_DECAYED.search(name) is None


def clip(
    gradients: Sequence[tf.Tensor], norm: tf.Tensor, clip_norm: float = CLIP_NORM
) -> list[tf.Tensor]:
    """Scales `gradients` down so that `norm` becomes at most `clip_norm`.

    The scale is that of `tf.clip_by_global_norm(..., use_norm=norm)`: one gradient that
    is not finite makes all of them NaN, which the caller checks.
    """
    clipped, _ = tf.clip_by_global_norm(list(gradients), clip_norm, use_norm=norm)
    return clipped
