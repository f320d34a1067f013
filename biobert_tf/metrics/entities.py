# SPDX-License-Identifier: Apache-2.0
"""Entity-level precision, recall and F1 of a test set, with their uncertainty."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from biobert_tf.metrics import conlleval

UNTYPED: Final = "MISC"
"""The name under which entities without a type are reported."""

_PERCENTILES: Final = (2.5, 97.5)


class Interval(NamedTuple):
    """The ends of a 95 % interval, each in [0, 1]."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Score:
    """Entities counted, and the ratios that follow; a ratio of nothing is 0.

    Attributes:
        num_gold: Entities in the gold labels.
        num_predicted: Entities in the predicted labels.
        num_correct: Entities in both, with the same words and the same type.
    """

    num_gold: int
    num_predicted: int
    num_correct: int

    @property
    def precision(self) -> float:
        """The share of predicted entities that are correct, in [0, 1]."""
        return self.num_correct / self.num_predicted if self.num_predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of gold entities that are found, in [0, 1]."""
        return self.num_correct / self.num_gold if self.num_gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, in [0, 1]."""
        total = self.num_gold + self.num_predicted
        return 2 * self.num_correct / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns ratios and counts by name, ready for JSON."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "num_gold": self.num_gold,
            "num_predicted": self.num_predicted,
            "num_correct": self.num_correct,
        }


@dataclasses.dataclass(frozen=True)
class EntityScores(Score):
    """The score of all entities together, what it is made of, how sure it is.

    Attributes:
        num_sentences: Sentences scored.
        by_type: The score of each entity type, sorted by name.
        precision_interval: 95 % interval of `precision`; see `score`.
        recall_interval: 95 % interval of `recall`.
        f1_interval: 95 % interval of `f1`.
    """

    num_sentences: int
    by_type: Mapping[str, Score]
    precision_interval: Interval
    recall_interval: Interval
    f1_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """Returns everything by name, ready for JSON."""
        return {
            **super().to_dict(),
            "num_sentences": self.num_sentences,
            "by_type": {name: score.to_dict() for name, score in self.by_type.items()},
            "interval_95": {
                "precision": list(self.precision_interval),
                "recall": list(self.recall_interval),
                "f1": list(self.f1_interval),
            },
        }


def _count_by_type(
    gold: Sequence[str], predicted: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns int64 `[gold, predicted, correct]` of each type in one sentence."""
    gold_chunks = set(conlleval.chunks(gold))
    predicted_chunks = set(conlleval.chunks(predicted))
    counts: dict[str, np.ndarray] = collections.defaultdict(
        lambda: np.zeros(3, np.int64)
    )
    for column, chunks in enumerate(
        (gold_chunks, predicted_chunks, gold_chunks & predicted_chunks)
    ):
        for chunk in chunks:
            counts[chunk.type or UNTYPED][column] += 1
    return counts


def _ratios(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    zeros = np.zeros(numerators.shape, np.float64)
    return np.divide(numerators, denominators, out=zeros, where=denominators != 0)


def _intervals(counts: np.ndarray, seed: int, num_resamples: int) -> list[Interval]:
    """Returns the bootstrap intervals of precision, recall and F1.

    Args:
        counts: int64 `[sentences, 3]`, gold, predicted and correct entities.
        seed: Seeds the resampling.
        num_resamples: Test sets to draw.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    # Equal sentences are interchangeable: drawing how often each distinct row comes
    # up is the same as drawing sentences, with far fewer columns to draw.
    rows, repeats = np.unique(counts, axis=0, return_counts=True)
    num_sentences = len(counts)
    drawn = rng.multinomial(num_sentences, repeats / num_sentences, size=num_resamples)
    num_gold, num_predicted, num_correct = (drawn @ rows).T
    samples = (
        _ratios(num_correct, num_predicted),
        _ratios(num_correct, num_gold),
        _ratios(2 * num_correct, num_gold + num_predicted),
    )
    return [Interval(*np.percentile(s, _PERCENTILES).tolist()) for s in samples]


def score(
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    seed: int,
    num_resamples: int = 1000,
) -> EntityScores:
    """Scores predicted word labels by exact match of entities.

    The entities of a sentence are its `conlleval.chunks`; the counts are those of
    `conlleval.evaluate`, except where labels such as an untyped `X` leave an entity
    open.

    The intervals are 95 % percentile intervals of the bootstrap over sentences
    (Efron, 1979): how the score would vary had other sentences of the same kind
    been drawn for the test. They do not cover how it varies with the seed of the
    training; for that, train several times.

    Args:
        pairs: Gold and predicted labels, equally many, of each sentence; labels
            such as `B-Disease`, or `B`, whose entities are reported as `UNTYPED`.
        seed: Seeds the resampling; the same seed gives the same intervals.
        num_resamples: Test sets to draw.

    Raises:
        ValueError: There is no sentence, or one whose labels are not equally many.
    """
    totals: dict[str, np.ndarray] = {}
    sentence_counts: list[np.ndarray] = []
    for i, (gold, predicted) in enumerate(pairs):
        if len(gold) != len(predicted):
            raise ValueError(
                f"sentence {i} has {len(gold)} gold labels, {len(predicted)} predicted"
            )
        counts = _count_by_type(gold, predicted)
        for name, values in counts.items():
            totals[name] = totals.get(name, 0) + values
        sentence_counts.append(sum(counts.values(), np.zeros(3, np.int64)))
    if not sentence_counts:
        raise ValueError("no sentences to score")
    table = np.stack(sentence_counts)
    num_gold, num_predicted, num_correct = table.sum(0).tolist()
    precision, recall, f1 = _intervals(table, seed, num_resamples)
    return EntityScores(
        num_gold=num_gold,
        num_predicted=num_predicted,
        num_correct=num_correct,
        num_sentences=len(table),
        by_type={name: Score(*totals[name].tolist()) for name in sorted(totals)},
        precision_interval=precision,
        recall_interval=recall,
        f1_interval=f1,
    )
