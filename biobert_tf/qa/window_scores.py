# SPDX-License-Identifier: Apache-2.0
"""Groups a model's scores of windows by the questions that they belong to."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.reading import QaExample


class Window(Protocol):
    """A window with any results for it."""

    @property
    def features(self) -> QaFeatures:
        """Returns the window."""


WindowT = TypeVar("WindowT", bound=Window)


def by_example(
    examples: Iterable[QaExample], windows: Iterable[WindowT]
) -> Iterator[tuple[QaExample, list[WindowT]]]:
    """Yields every example with its windows; an empty context has no windows.

    Args:
        examples: The questions; `example_index` of a window counts them from 0.
        windows: The windows of the first question, then of the second and so on.

    Raises:
        ValueError: Windows are out of order, or belong to no example.
    """
    groups = itertools.groupby(windows, key=lambda w: w.features.example_index)
    nothing: tuple[None, Iterator[WindowT]] = (None, iter(()))
    index, own = next(groups, nothing)
    for i, example in enumerate(examples):
        if index != i:
            yield example, []
            continue
        yield example, list(own)
        index, own = next(groups, nothing)
    if index is not None:
        raise ValueError(f"a window of example {index} is out of order")


def require_finite(qas_id: str, *scores: np.ndarray) -> None:
    """Rejects scores that are infinite or not numbers.

    Raises:
        InputError: A score is not finite; the message names the question.
    """
    if not all(np.isfinite(values).all() for values in scores):
        raise InputError(
            f"question {qas_id!r}: the model's scores are not finite; its training "
            "went wrong, give another checkpoint"
        )
