# SPDX-License-Identifier: Apache-2.0
"""Names the scores of each target, and prints scores.

The scores themselves are made by `single_label`, `multi_label` and `regression`.
"""

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "single": ("accuracy", "macro_f1", "f1", "precision", "recall"),
    "multi": (
        "f1",
        "precision",
        "recall",
        "macro_f1",
        "example_f1",
        "example_precision",
        "example_recall",
        "exact_match",
    ),
    "regression": ("pearson", "spearman"),
}
"""The scores by target that may choose a model, the main one first: more is better."""


def lines(values: Mapping[str, str]) -> str:
    """Returns a line `name : value` for each, the colons below each other."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:{width}} : {value}" for name, value in values.items())


def percent_lines(values: Mapping[str, float]) -> str:
    """Returns `lines` of scores in [-1, 1], in percent."""
    return lines({name: f"{value:.2%}" for name, value in values.items()})
