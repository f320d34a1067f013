# SPDX-License-Identifier: Apache-2.0
"""Computes precision, recall and F1, of entities, of words and of word pieces."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from biobert_tf.common.counts import SampledScore, Score, estimate
from biobert_tf.ner import word_scores
from biobert_tf.ner.word_scores import UNTYPED, WordScores
from biobert_tf.text import labels

# The ids of B and I among the original's labels.
_PIECE_TAGS: Final = (1, 2)


@dataclasses.dataclass(frozen=True)
class EntityScores(SampledScore):
    """The score over all entities, with its intervals, and that of each type.

    A predicted entity is correct if a gold entity has the same words and type. Types
    are sorted by name. `words` are the scores of words, whatever entities they make.
    """

    num_sentences: int
    by_type: Mapping[str, Score]
    words: WordScores

    def to_dict(self) -> dict[str, object]:
        """Returns all fields by name, ready for JSON."""
        return {
            **super().to_dict(),
            "interval_95": {
                "precision": list(self.precision_interval),
                "recall": list(self.recall_interval),
                "f1": list(self.f1_interval),
                word_scores.NAME: list(self.words.interval),
            },
            "num_sentences": self.num_sentences,
            "by_type": {name: score.to_dict() for name, score in self.by_type.items()},
            word_scores.NAME: self.words.macro_f1,
            "words_by_type": {
                name: score.to_dict() for name, score in self.words.by_type.items()
            },
        }


def score(
    pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    seed: int,
    num_resamples: int = 1000,
) -> EntityScores:
    """Scores predicted word labels by exact match of entities.

    The entities of a sentence are its `text.labels.chunks`. The counts equal those of
    `conlleval.evaluate`, except where labels such as an untyped `X` leave an entity
    open. The intervals come from `common.counts.estimate`, over sentences.

    Args:
        pairs: The gold and predicted labels of each sentence, equally many, such as
            `B-Disease`, or `B`, whose entities are reported as `UNTYPED`.
        seed: Seed of the resampling.
        num_resamples: The number of test sets to draw.

    Raises:
        ValueError: There is no sentence, or a sentence's gold and predicted labels
            differ in number.
    """
    # The columns: entities that are gold, predicted, and both.
    totals: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0])
    rows = []
    pairs = list(pairs)
    for i, (gold, predicted) in enumerate(pairs):
        if len(gold) != len(predicted):
            raise ValueError(
                f"sentence {i} has {len(gold)} gold labels, {len(predicted)} predicted"
            )
        wanted, found = set(labels.chunks(gold)), set(labels.chunks(predicted))
        columns = (wanted, found, wanted & found)
        rows.append([len(chunks) for chunks in columns])
        for column, chunks in enumerate(columns):
            for chunk in chunks:
                totals[chunk.type or UNTYPED][column] += 1
    if not rows:
        raise ValueError("no sentences to score")
    return EntityScores(
        **vars(estimate(np.array(rows, np.int64), seed, num_resamples)),
        num_sentences=len(rows),
        by_type={name: Score(*totals[name]) for name in sorted(totals)},
        words=word_scores.score(pairs, seed, num_resamples),
    )


def piece_scores(label_ids: np.ndarray, predicted_ids: np.ndarray) -> dict[str, float]:
    """Returns the `eval_precision`, `eval_recall` and `eval_f` of the original.

    These are not the scores of the paper's tables, which count entities, but the means
    over the labels B and I of scores over word pieces, each in [0, 1]
    (run_ner.py:437-449; tf_metrics.py:168-203). `eval_f` is the mean of two F1 values.
    The ids are integers of any shape, usually `[batch, length]`.
    """
    # PARITY(run_ner.py:440-442): every position counts, also padding, so that a
    # B or I predicted there lowers precision. Mask before calling to leave it out.
    parts = []
    for tag in _PIECE_TAGS:
        is_gold, is_predicted = label_ids == tag, predicted_ids == tag
        columns = (is_gold, is_predicted, is_gold & is_predicted)
        part = Score(*(int(column.sum()) for column in columns))
        parts.append((part.precision, part.recall, part.f1))
    names = ("eval_precision", "eval_recall", "eval_f")
    return dict(zip(names, np.mean(parts, axis=0).tolist(), strict=True))
