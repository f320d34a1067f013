# SPDX-License-Identifier: Apache-2.0
"""Turns the vectors of texts into rows of a table: per piece, word or text."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.framing import Frame
from biobert_tf.embeddings.runs import runs
from biobert_tf.embeddings.settings import ExtractFeaturesConfig
from biobert_tf.embeddings.words import Columns, pool_words

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

    Args:
        frame: The text.
        vectors: `[pieces, layers, width]`, or `[layers, width]` if pooled.
        settings: The settings of the command.
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


def blocks(
    texts: Iterable[Columns], settings: ExtractFeaturesConfig
) -> Iterator[Block]:
    """Yields blocks that are large enough to write, with vectors of the file's dtype.

    Args:
        texts: The rows of every text; see `rows_of`.
        settings: The settings of the command.

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
