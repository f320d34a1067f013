# SPDX-License-Identifier: Apache-2.0
"""Loads weights into the variables of a model, and extracts them."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints import base, names
from biobert_tf.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """The result of `assign`; all names are TF1 names.

    Attributes:
        loaded: Variables that were loaded.
        missing: Variables of a new head that keep their random values.
        unexpected: Weights for which the model has no variable.
        source: The checkpoint that the weights came from.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    source: Path

    def to_dict(self) -> dict[str, object]:
        """Returns the report as JSON values."""
        return {**dataclasses.asdict(self), "source": str(self.source)}

    def summary(self) -> list[str]:
        """Returns the report as lines for the log."""
        lines = [f"{self.source}: loaded {len(self.loaded)} variables"]
        if self.missing:
            lines.append(f"new, with random values: {', '.join(self.missing)}")
        if self.unexpected:
            lines.append(
                f"in the checkpoint but not in the model: {', '.join(self.unexpected)}"
            )
        return lines


def assign(
    variables: Sequence[tf.Variable],
    weights: base.Weights,
    *,
    source: Path,
    new_head: Collection[str] = (),
) -> LoadReport:
    """Assigns the weights to the variables; on an error, to none.

    Call it in the cross-replica context of a `tf.distribute` strategy.

    Args:
        variables: The variables of a model; their names are TF1 names.
        weights: TF1 name to float32 array in TF1 layout.
        source: The checkpoint that the weights came from, for messages.
        new_head: TF1 names, or prefixes of them such as `cls/predictions`, of variables
            that keep their random values if the weights lack them or have another
            number of labels. If the weights fit, they are loaded.

    Raises:
        InputError: Weights are missing or have other shapes, none fits, or the
            checkpoint has more layers than the model.
    """
    targets = _by_name(variables)
    wrong = {
        name: differing
        for name, variable in targets.items()
        if name in weights
        and (differing := _differing_shapes(name, variable, weights[name]))
    }
    fitting = [name for name in targets if name in weights and name not in wrong]
    new = [name for name in targets if name not in fitting and _belongs(name, new_head)]
    unexpected = sorted(set(weights) - set(targets))
    _reject_shapes([text for name, text in wrong.items() if name not in new], source)
    if not fitting:
        raise InputError.at(source, None, "holds no variable of the model")
    _reject_missing(
        [name for name in targets if name not in {*weights, *new}], targets, source
    )
    _reject_layers([name for name in unexpected if _is_layer(name)], targets, source)
    for name in fitting:
        targets[name].assign(weights[name])
    return LoadReport(
        loaded=tuple(fitting),
        missing=tuple(new),
        unexpected=tuple(unexpected),
        source=source,
    )


def extract(variables: Sequence[tf.Variable]) -> base.Weights:
    """Returns the values of `variables` by TF1 name, as float32."""
    return {
        name: np.asarray(variable.numpy(), np.float32)
        for name, variable in _by_name(variables).items()
    }


def _by_name(variables: Sequence[tf.Variable]) -> dict[str, tf.Variable]:
    """Returns the variables by name."""
    named: dict[str, tf.Variable] = {}
    for variable in variables:
        name = variable.name.partition(":")[0]
        assert names.lookup("tf1", name), f"variable {name} is not in names.TABLE"
        assert name not in named, f"two variables are called {name}"
        named[name] = variable
    return named


def _belongs(name: str, heads: Collection[str]) -> bool:
    """Returns whether `name` is one of `heads` or lies below one."""
    return any(name == head or name.startswith(f"{head}/") for head in heads)


def _differing_shapes(name: str, variable: tf.Variable, weight: np.ndarray) -> str:
    """Returns a message with both shapes if they differ, else an empty string."""
    if weight.shape == tuple(variable.shape):
        return ""
    return (
        f"{name} is {list(weight.shape)} in the checkpoint and "
        f"{list(variable.shape)} in the model"
    )


def _reject_missing(
    missing: Sequence[str], targets: Collection[str], source: Path
) -> None:
    """Raises InputError for variables that have no weight and may not be new."""
    if not missing:
        return
    raise InputError.at(
        source,
        None,
        f"lacks {len(missing)} of the {len(targets)} variables of the model: "
        f"{base.some(missing)}; was it trained for another task, or does "
        "bert_config.json not belong to it?",
    )


def _is_layer(name: str) -> bool:
    """Returns whether a TF1 name is that of a variable in a transformer block."""
    return name.startswith("bert/encoder/")


def _reject_layers(
    unexpected: Sequence[str], targets: Collection[str], source: Path
) -> None:
    """Raises InputError for weights of layers that the model does not have.

    A model without transformer blocks, such as a head alone, may ignore such weights.
    """
    if unexpected and any(_is_layer(name) for name in targets):
        raise InputError.at(
            source,
            None,
            "has more layers than the model, bert_config.json does not fit the "
            f"checkpoint: {base.some(unexpected)}",
        )


def _reject_shapes(wrong: Sequence[str], source: Path) -> None:
    """Raises InputError for variables whose weights have another shape."""
    if not wrong:
        return
    labels_only = all(text.startswith("output_") for text in wrong)
    cause = (
        "the labels are not those of the checkpoint"
        if labels_only
        else "bert_config.json does not fit the checkpoint"
    )
    raise InputError.at(
        source,
        None,
        f"{cause}: {len(wrong)} shapes differ: {base.some(wrong)}",
    )
