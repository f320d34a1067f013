# SPDX-License-Identifier: Apache-2.0
"""Scores the types of words: the macro F1 by which BLURB scores PICO elements.

Gu et al. 2021, "Domain-Specific Language Model Pretraining for Biomedical Natural
Language Processing", section 2.3.2: "For each of the PIO elements [...] we tally the F1
score at the word level, and then compute the final score as the average among PIO
elements". The place of a word in its entity does not count, only the entity's type.

The types are those of the gold labels, so that two systems are scored alike. A word
that is taken for another type than these has no type.

Shapes: N sentences, T types.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from biobert_tf.common.counts import (
    Interval,
    Measure,
    Score,
    f1_precision_recall,
    intervals,
)
from biobert_tf.text import labels

UNTYPED: Final = "MISC"
"""The name under which entities without a type are reported."""
NAME: Final = "word_macro_f1"
"""What results and reports call the score."""

_INSIDE: Final = frozenset("BIESLU")

Pair = tuple[Sequence[str], Sequence[str]]
"""The gold and the predicted labels of a sentence, equally many."""


@dataclasses.dataclass(frozen=True)
class WordScores:
    """The scores of words.

    Attributes:
        macro_f1: The mean F1 over types, in [0, 1]; 0 without a type.
        interval: Its 95 % interval over sentences.
        by_type: The score of each type, sorted by name; its items are words.
    """

    macro_f1: float
    interval: Interval
    by_type: Mapping[str, Score]


def score(pairs: Sequence[Pair], seed: int, num_resamples: int) -> WordScores:
    """Scores the words of one sentence or more; the seed decides about the interval."""
    types = types_of(gold for gold, _ in pairs)
    found = table(pairs, types)
    measure = of_types(len(types))
    totals = found.sum(0)
    [interval] = intervals(found, measure, seed, num_resamples)
    parts = totals.reshape(3, -1).T.tolist()
    by_type = {name: Score(*part) for name, part in zip(types, parts, strict=True)}
    return WordScores(float(measure(totals)[0]), interval, by_type)


def types_of(golds: Iterable[Sequence[str]]) -> list[str]:
    """Returns the types of gold labels, sorted."""
    known = {label for gold in golds for label in gold}
    return sorted({name for label in known if (name := _type_of(label)) is not None})


def table(pairs: Sequence[Pair], types: Sequence[str]) -> np.ndarray:
    """Returns what the score is made of, int64 `[N, 3 T]`.

    For each type the number of words that are of it, then of those taken for it, then
    of those that are both.
    """
    places = {name: i for i, name in enumerate(types)}
    found = np.zeros((len(pairs), 3, len(types)), np.int64)
    for row, (gold, predicted) in zip(found, pairs, strict=True):
        words = collections.Counter(zip(gold, predicted, strict=True))
        for ends, number in words.items():
            wanted, other = (places.get(_type_of(label) or "") for label in ends)
            if wanted is not None:
                row[0, wanted] += number
            if other is not None:
                row[1, other] += number
            if wanted is not None and wanted == other:
                row[2, wanted] += number
    return found.reshape(len(pairs), -1)


def of_types(num_types: int) -> Measure:
    """Returns what makes the macro F1, float `[..., 1]`, of sums of `table`."""

    def macro_f1(sums: np.ndarray) -> np.ndarray:
        if not num_types:
            return np.zeros((*sums.shape[:-1], 1))
        parts = sums.reshape(*sums.shape[:-1], 3, num_types)
        by_type = f1_precision_recall(np.swapaxes(parts, -1, -2))
        return by_type[..., 0].mean(-1, keepdims=True)

    return macro_f1


def _type_of(label: str) -> str | None:
    """Returns the type of a word's label; None outside of entities."""
    tag, name = labels.parse(label)
    return (name or UNTYPED) if tag in _INSIDE else None
