# SPDX-License-Identifier: Apache-2.0
"""Says which weights and gradients of a training are not finite, NaN or infinite."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints import base, names
from biobert_tf.common.errors import TrainingDivergedError

SEEN: Final = ("weight is finite", "largest weight", "gradient is finite")
"""The rows of what `seen` returns."""


def seen(variables: Sequence[tf.Variable], halves: tf.Tensor) -> tf.Tensor:
    """Returns what `explanation` needs of a step, float32 `[3, variables]`.

    `halves` are half the squared norms of the gradients, `[variables]`.
    """
    are_finite = [tf.reduce_all(tf.math.is_finite(each)) for each in variables]
    return tf.stack(
        [
            tf.cast(tf.stack(are_finite), tf.float32),
            tf.stack([tf.reduce_max(tf.abs(each)) for each in variables]),
            tf.cast(tf.math.is_finite(halves), tf.float32),
        ]
    )


def explanation(variables: Sequence[tf.Variable], found: np.ndarray) -> str:
    """Says why a step diverged, by what was `seen` before it changed the variables.

    Gradients are computed from the loss down, so the first that is not finite is that
    of the last weight.
    """
    called = [*map(_name, variables)]
    are_finite, largest, have_gradients = found
    if bad := _sorted(itertools.compress(called, are_finite == 0)):
        return f"not finite before it: {base.some(bad)}"
    gradients = _sorted(itertools.compress(called, have_gradients == 0))
    place = int(largest.argmax())
    said = (
        f"all weights are finite, the largest is {largest[place]:.2g}, in "
        f"{called[place]}"
    )
    if not gradients:
        return f"{said}, and so are all gradients"
    if len(gradients) == len(called):
        return f"{said}, and no gradient is"
    return f"{said}, but not the gradients of {base.some(gradients[::-1])}"


def require(variables: Sequence[tf.Variable], step: int) -> None:
    """Checks the weights after `step` steps, before they are saved.

    Raises:
        TrainingDivergedError: Some are not finite.
    """
    bad = [v for v in variables if not tf.reduce_all(tf.math.is_finite(v))]
    if bad:
        named = base.some(_sorted(map(_name, bad)))
        raise TrainingDivergedError(
            f"not finite after step {step}: {named}; training stopped and "
            "this state is not saved; lower --learning_rate"
        )


def _sorted(called: Iterable[str]) -> list[str]:
    """Returns names of weights in the order in which a model needs these."""
    return sorted(called, key=names.depth)


def _name(variable: tf.Variable) -> str:
    return str(variable.name).partition(":")[0]
