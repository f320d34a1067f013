# SPDX-License-Identifier: Apache-2.0
"""Says which weights and gradients of a training are not finite, NaN or infinite."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints import base, names
from biobert_tf.common.errors import TrainingDivergedError


def explanation(variables: Sequence[tf.Variable], are_finite: np.ndarray) -> str:
    """Says why a step diverged, whose weights are the `variables`.

    `are_finite` says of the gradient of each whether it was finite. Gradients are
    computed from the loss down, so the first that is not is that of the last weight.
    """
    if bad := _weights(variables):
        return f"not finite before it: {base.some(bad)}"
    pairs = zip(variables, are_finite, strict=True)
    gradients = _sorted(variable for variable, is_finite in pairs if not is_finite)
    name, value = _largest(variables)
    said = f"all weights are finite, the largest is {value:.2g}, in {name}"
    if not gradients:
        return f"{said}, and so are all gradients"
    if len(gradients) == len(variables):
        return f"{said}, and no gradient is"
    return f"{said}, but not the gradients of {base.some(gradients[::-1])}"


def require(variables: Sequence[tf.Variable], step: int) -> None:
    """Checks the weights after `step` steps, before they are saved.

    Raises:
        TrainingDivergedError: Some are not finite.
    """
    if bad := _weights(variables):
        raise TrainingDivergedError(
            f"not finite after step {step}: {base.some(bad)}; training stopped and "
            "this state is not saved; lower --learning_rate"
        )


def _weights(variables: Iterable[tf.Variable]) -> list[str]:
    """Returns the names of the variables that are not finite, as a model needs them."""
    return _sorted(
        each for each in variables if not tf.reduce_all(tf.math.is_finite(each))
    )


def _sorted(variables: Iterable[tf.Variable]) -> list[str]:
    return sorted(map(_name, variables), key=names.depth)


def _name(variable: tf.Variable) -> str:
    return str(variable.name).partition(":")[0]


def _largest(variables: Iterable[tf.Variable]) -> tuple[str, float]:
    """Returns the name of the variable with the largest value, and that value."""
    sizes = {_name(each): float(tf.reduce_max(tf.abs(each))) for each in variables}
    name = max(sizes, key=lambda name: sizes[name])
    return name, sizes[name]
