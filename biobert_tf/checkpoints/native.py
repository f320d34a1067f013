# SPDX-License-Identifier: Apache-2.0
"""Loads weights into the variables of a model, and extracts them."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.checkpoints import base, names
from biobert_tf.common.errors import InputError

_LAYERS: Final = "bert/encoder/"


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
        weights: The weights by TF1 name.
        source: The checkpoint that the weights came from, for messages.
        new_head: TF1 names, or prefixes of them such as `cls/predictions`, of variables
            that keep their random values if the weights lack them or have another
            number of labels. If the weights fit, they are loaded.

    Raises:
        InputError: Weights are missing, have other shapes or are not finite, none
            fits, or the checkpoint has more layers than the model.
    """
    targets = _by_name(variables)
    shared = [name for name in targets if name in weights]
    fitting = [name for name in shared if targets[name].shape == weights[name].shape]
    heads = tuple(f"{head}/" for head in new_head)
    new = [
        name for name in targets if name not in fitting and f"{name}/".startswith(heads)
    ]
    unexpected = sorted(set(weights) - set(targets))
    wrong = [
        f"{name} is {list(weights[name].shape)} in the checkpoint and "
        f"{targets[name].shape.as_list()} in the model"
        for name in shared
        if name not in {*fitting, *new}
    ]
    missing = [name for name in targets if name not in {*weights, *new}]
    # A model without transformer blocks, such as a head alone, may ignore those.
    has_layers = any(name.startswith(_LAYERS) for name in targets)
    layers = [name for name in unexpected if has_layers and name.startswith(_LAYERS)]
    problem = ""
    if wrong:
        cause = "bert_config.json does not fit the checkpoint"
        if all(text.startswith("output_") for text in wrong):
            cause = "the labels are not those of the checkpoint"
        problem = f"{cause}: {len(wrong)} shapes differ: {base.some(wrong)}"
    elif not fitting:
        problem = "holds no variable of the model"
    elif missing:
        problem = (
            f"lacks {len(missing)} of the {len(targets)} variables of the model: "
            f"{base.some(missing)}; was it trained for another task, or does "
            "bert_config.json not belong to it?"
        )
    elif layers:
        problem = (
            "has more layers than the model, bert_config.json does not fit the "
            f"checkpoint: {base.some(layers)}"
        )
    problem = problem or _not_finite({name: weights[name] for name in fitting})
    if problem:
        raise InputError.at(source, None, problem)
    for name in fitting:
        targets[name].assign(weights[name])
    return LoadReport(tuple(fitting), tuple(new), tuple(unexpected), source)


def _not_finite(weights: base.Weights) -> str:
    """Says which weights hold NaN or infinity; "" if none does."""
    # A sum is not finite if a number is not, and much faster to make.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = [n for n, array in weights.items() if not np.isfinite(array.sum())]
    bad = {name: np.count_nonzero(~np.isfinite(weights[name])) for name in doubtful}
    said = [
        f"{name} ({number} of {weights[name].size} numbers)"
        for name, number in sorted(bad.items(), key=lambda item: names.depth(item[0]))
        if number
    ]
    if not said:
        return ""
    return (
        f"NaN or infinite: {base.some(said)}; did its training diverge, or is the file "
        "damaged? use another checkpoint"
    )


def extract(variables: Sequence[tf.Variable]) -> base.Weights:
    """Returns the values of `variables` by TF1 name, as float32."""
    return {
        name: np.asarray(variable.numpy(), np.float32)
        for name, variable in _by_name(variables).items()
    }


def _by_name(variables: Sequence[tf.Variable]) -> dict[str, tf.Variable]:
    named: dict[str, tf.Variable] = {}
    for variable in variables:
        name = variable.name.partition(":")[0]
        assert names.lookup("tf1", name), f"variable {name} is not in names.TABLE"
        assert name not in named, f"two variables are called {name}"
        named[name] = variable
    return named
