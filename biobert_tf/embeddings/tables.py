# SPDX-License-Identifier: Apache-2.0
"""Turns the vectors of texts into rows of a table: per piece, word or text.

A word's vector is pooled from those of its pieces.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.common.runs import runs
from biobert_tf.embeddings.framing import Frame, word_spans
from biobert_tf.embeddings.settings import ExtractFeaturesConfig, WordPooling

Columns = dict[str, np.ndarray]
"""Columns of a table by name; strings are objects."""

# A table is written in blocks of about this size.
_BLOCK_BYTES: Final = 2**24


class Block(NamedTuple):
    """The rows of some consecutive texts.

    Attributes:
        columns: `[rows]` per name: strings (`pieces` or `words`, objects) unless rows
            are texts, then numbers (int32), then `vectors`, `[rows, layers, width]`,
            or `[rows, width]` if layers are mixed.
        texts: int64 `[rows]`, the number of each row's text.
        ends: int64 `[texts]`, the number of rows of the table up to each text's end.
    """

    columns: Columns
    texts: np.ndarray
    ends: np.ndarray


def rows_of(
    frame: Frame, vectors: np.ndarray, settings: ExtractFeaturesConfig
) -> Columns:
    """Returns the rows of one text; their `vectors` are float32, one axis per layer.

    The given `vectors` are `[pieces, layers, width]`, or `[layers, width]` if pooled.
    """
    if settings.words:
        return pool_words(frame, vectors, settings.word_pooling)
    if settings.vectors.pooling == "none":
        return {
            "pieces": np.array(frame.tokens, object),
            "starts": frame.starts,
            "ends": frame.ends,
            "vectors": vectors,
        }
    num_pieces = np.array([len(frame.tokens)], np.int32)
    return {"num_pieces": num_pieces, "vectors": vectors[None]}


def pool_words(frame: Frame, vectors: np.ndarray, pooling: WordPooling) -> Columns:
    """Returns the words of a text, or of both texts of a pair, with one vector each.

    A word has the pieces that share a character with it. The tokenizer drops control
    characters, some of which separate words; one piece may then belong to two words.
    Its vector is the `mean` of those of its pieces, `[pieces, ...]`, or the `first`.

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


def blocks(
    texts: Iterable[Columns], settings: ExtractFeaturesConfig
) -> Iterator[Block]:
    """Yields blocks of `rows_of` that are large enough to write, in the file's dtype.

    Raises:
        InputError: A value is too large for float16.
    """
    num_texts = num_rows = 0
    for run in runs(texts, lambda rows: rows["vectors"].nbytes / _BLOCK_BYTES):
        columns = {
            name: np.concatenate([rows[name] for rows in run]) for name in run[0]
        }
        counts = [len(rows["vectors"]) for rows in run]
        numbers = np.repeat(num_texts + np.arange(len(run)), counts)
        vectors = columns["vectors"]
        if settings.vectors.layer_mix != "each":
            vectors = vectors[:, 0]
        with np.errstate(over="ignore"):
            columns["vectors"] = vectors.astype(settings.dtype)
        is_lost = np.isinf(columns["vectors"]) & np.isfinite(vectors)
        if is_lost.any():
            text = numbers[np.nonzero(is_lost)[0][0]]
            raise InputError(
                f"text {text} (from 0) has a number that {settings.dtype} cannot hold; "
                "give --dtype=float32"
            )
        yield Block(columns, numbers, num_rows + np.cumsum(counts))
        num_texts += len(run)
        num_rows += sum(counts)
