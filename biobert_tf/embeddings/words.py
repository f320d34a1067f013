# SPDX-License-Identifier: Apache-2.0
"""Pools the vectors of pieces into vectors of words."""

import dataclasses

import numpy as np

from biobert_tf.embeddings.framing import Frame, word_spans
from biobert_tf.embeddings.settings import WordPooling


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """The words of a text, or of both texts of a pair, and their vectors.

    Attributes:
        words: The words as the line spells them.
        starts: int32 `[words]`, the character of the line where each word begins.
        ends: int32 `[words]`, the character where each ends (exclusive).
        num_pieces: int32 `[words]`, 0 for a word that has no vector.
        vectors: float32 `[words, ...]`, zeros for a word without pieces.
    """

    words: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    num_pieces: np.ndarray
    vectors: np.ndarray


def pool_words(frame: Frame, vectors: np.ndarray, pooling: WordPooling) -> Words:
    """Returns the words of a text with one vector each.

    A word has the pieces that share a character with it. The tokenizer drops control
    characters, some of which separate words; one piece may then belong to two words.

    Args:
        frame: The text, with its pieces.
        vectors: float32 `[pieces, ...]`.
        pooling: Whether a word's vector is the `mean` of its pieces' vectors or the
            vector of the `first` piece.
    """
    spans = [(part, *span) for part in frame.text.parts for span in word_spans(part)]
    starts = np.array([start for _, start, _ in spans], np.int32)
    ends = np.array([end for *_, end in spans], np.int32)
    first = np.searchsorted(frame.ends, starts, side="right")
    num_pieces = np.searchsorted(frame.starts, ends, side="left") - first
    return Words(
        tuple(part.text[a - part.start : b - part.start] for part, a, b in spans),
        starts,
        ends,
        num_pieces.astype(np.int32),
        _means(
            vectors, first, num_pieces if pooling == "mean" else num_pieces.clip(max=1)
        ),
    )


def _means(vectors: np.ndarray, first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Returns the mean of each run of `vectors`, zeros for an empty run.

    Args:
        vectors: `[pieces, ...]`.
        first: `[runs]`, the index of each run's first vector.
        count: `[runs]`, the number of vectors of each run.
    """
    means = np.zeros((len(first), *vectors.shape[1:]), vectors.dtype)
    for run in np.flatnonzero(count):
        start = first[run]
        means[run] = vectors[start : start + count[run]].mean(axis=0)
    return means
