# SPDX-License-Identifier: Apache-2.0
"""Pools the vectors of pieces into vectors of words."""

import numpy as np

from biobert_tf.embeddings.framing import Frame, word_spans
from biobert_tf.embeddings.settings import WordPooling

Columns = dict[str, np.ndarray]
"""Columns of a table by name; strings are objects."""


def pool_words(frame: Frame, vectors: np.ndarray, pooling: WordPooling) -> Columns:
    """Returns the words of a text, or of both texts of a pair, with one vector each.

    A word has the pieces that share a character with it. The tokenizer drops control
    characters, some of which separate words; one piece may then belong to two words.

    Args:
        frame: The text, with its pieces.
        vectors: float32 `[pieces, ...]`.
        pooling: Whether a word's vector is the `mean` of its pieces' vectors or the
            vector of the `first` piece.

    Returns:
        `words` as the line spells them; `starts` and `ends` (exclusive), their
        characters of the line, int32; `num_pieces`, int32; and `vectors`, float32
        `[words, ...]`, zeros for a word without pieces.
    """
    spans = [(part, *span) for part in frame.text.parts for span in word_spans(part)]
    starts = np.array([start for _, start, _ in spans], np.int32)
    ends = np.array([end for *_, end in spans], np.int32)
    firsts = np.searchsorted(frame.ends, starts, side="right")
    num_pieces = np.searchsorted(frame.starts, ends, side="left") - firsts
    pooled = np.zeros((len(spans), *vectors.shape[1:]), vectors.dtype)
    for word in np.flatnonzero(num_pieces):
        of_word = vectors[firsts[word] :][: num_pieces[word]]
        pooled[word] = of_word.mean(axis=0) if pooling == "mean" else of_word[0]
    words = [part.text[a - part.start : b - part.start] for part, a, b in spans]
    return {
        "words": np.array(words, object),
        "starts": starts,
        "ends": ends,
        "num_pieces": num_pieces.astype(np.int32),
        "vectors": pooled,
    }
