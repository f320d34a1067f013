# SPDX-License-Identifier: Apache-2.0
"""From vectors of pieces to vectors of words."""

import dataclasses

import numpy as np

from biobert_tf.embeddings.framing import Frame, word_spans
from biobert_tf.embeddings.settings import WordPooling


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """The words of a text, those of a pair one after the other, and their vectors.

    Attributes:
        words: As they stand in the line.
        starts: int32 `[words]`; character of the line where each begins.
        ends: int32 `[words]`; where each ends.
        num_pieces: int32 `[words]`; 0 for a word that has no vector.
        vectors: float32 `[words, ...]`; zeros for a word without pieces.
    """

    words: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    num_pieces: np.ndarray
    vectors: np.ndarray


def pool_words(frame: Frame, vectors: np.ndarray, pooling: WordPooling) -> Words:
    """Returns the words of a text with one vector each.

    A word has the pieces that share a character with it. The tokenizer drops control
    characters, some of which separate words: the piece of both is then shared.

    Args:
        frame: The text, with its pieces.
        vectors: float32 `[pieces, ...]`.
        pooling: Of several pieces, the `mean` of all or the `first` alone.
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
    """Returns the mean of each run of `vectors`, zeros for a run of none.

    Args:
        vectors: `[pieces, ...]`.
        first: `[runs]`; where each begins.
        count: `[runs]`; how many vectors it has.
    """
    means = np.zeros((len(first), *vectors.shape[1:]), vectors.dtype)
    for run in np.flatnonzero(count):
        start = first[run]
        means[run] = vectors[start : start + count[run]].mean(axis=0)
    return means
