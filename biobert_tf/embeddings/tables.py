# SPDX-License-Identifier: Apache-2.0
"""Turns the vectors of texts into rows of a table: per piece, word or text."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.framing import Frame
from biobert_tf.embeddings.settings import ExtractFeaturesConfig
from biobert_tf.embeddings.words import pool_words

# A table is written in blocks of about this size.
_BLOCK_BYTES: Final = 2**24


@dataclasses.dataclass(frozen=True)
class Layout:
    """The columns of a table.

    Attributes:
        labels: Name of the column of strings; None for a table of texts.
        columns: Names of the columns of whole numbers, int32.
        layers: The layer numbers as the user gave them.
        is_mixed: Whether a row has one vector of all layers, not one per layer.
        width: Length of a vector.
        dtype: Type of the vectors' numbers.
    """

    labels: str | None
    columns: tuple[str, ...]
    layers: tuple[int, ...]
    is_mixed: bool
    width: int
    dtype: np.dtype

    @property
    def vector_shape(self) -> tuple[int, ...]:
        """The shape of a row's vectors: `[width]`, or `[layers, width]`."""
        return (self.width,) if self.is_mixed else (len(self.layers), self.width)


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """The rows of some consecutive texts.

    Attributes:
        counts: int64 `[texts]`, the number of rows of each text.
        labels: The column of strings; empty for a table of texts.
        columns: int32 `[rows]` per name.
        vectors: `[rows, *vector_shape]`.
    """

    counts: np.ndarray
    labels: tuple[str, ...]
    columns: dict[str, np.ndarray]
    vectors: np.ndarray


def layout(settings: ExtractFeaturesConfig, hidden_size: int) -> Layout:
    """Returns the layout of the table that the settings ask for.

    Args:
        settings: The settings of the command.
        hidden_size: The width of the model's vectors.
    """
    labels: str | None = None
    columns: tuple[str, ...] = ("num_pieces",)
    if settings.words:
        labels, columns = "words", ("starts", "ends", "num_pieces")
    elif settings.vectors.pooling == "none":
        labels, columns = "pieces", ("starts", "ends")
    layers = settings.vectors.layers.numbers
    is_concat = settings.vectors.layer_mix == "concat"
    return Layout(
        labels=labels,
        columns=columns,
        layers=layers,
        is_mixed=settings.vectors.layer_mix != "each",
        width=hidden_size * (len(layers) if is_concat else 1),
        dtype=np.dtype(settings.dtype),
    )


def rows_of(
    frame: Frame, vectors: np.ndarray, settings: ExtractFeaturesConfig
) -> Block:
    """Returns the rows of one text, as float32.

    Args:
        frame: The text.
        vectors: `[pieces, layers, width]`, or `[layers, width]` if pooled.
        settings: The settings of the command.
    """
    if settings.words:
        words = pool_words(frame, vectors, settings.word_pooling)
        columns = {
            "starts": words.starts,
            "ends": words.ends,
            "num_pieces": words.num_pieces,
        }
        return _block(words.words, columns, words.vectors)
    if settings.vectors.pooling == "none":
        columns = {"starts": frame.starts, "ends": frame.ends}
        return _block(frame.tokens, columns, vectors)
    num_pieces = np.array([len(frame.tokens)], np.int32)
    return _block((), {"num_pieces": num_pieces}, vectors[None])


def _block(
    labels: tuple[str, ...], columns: dict[str, np.ndarray], vectors: np.ndarray
) -> Block:
    return Block(np.array([len(vectors)]), labels, columns, vectors)


def merged(blocks: Iterable[Block], layout: Layout) -> Iterator[Block]:
    """Yields blocks that are large enough to write, with vectors of the file's dtype.

    Args:
        blocks: Blocks of one text each.
        layout: The layout of the table.

    Raises:
        InputError: A value is too large for float16.
    """
    waiting: list[Block] = []
    num_bytes = first = 0
    for block in blocks:
        waiting.append(block)
        num_bytes += block.vectors.nbytes
        if num_bytes >= _BLOCK_BYTES:
            yield _merge(waiting, layout, first)
            first += len(waiting)
            waiting, num_bytes = [], 0
    if waiting:
        yield _merge(waiting, layout, first)


def _merge(blocks: Sequence[Block], layout: Layout, first: int) -> Block:
    """Merges blocks into one; `first` is the number of their first text."""
    vectors = np.concatenate([block.vectors for block in blocks])
    with np.errstate(over="ignore"):
        stored = vectors.reshape(-1, *layout.vector_shape).astype(layout.dtype)
    is_lost = np.isinf(stored) & np.isfinite(vectors.reshape(stored.shape))
    if is_lost.any():
        texts = np.repeat(np.arange(len(blocks)), [len(b.vectors) for b in blocks])
        text = first + texts[np.argmax(is_lost.reshape(len(texts), -1).any(axis=1))]
        raise InputError(
            f"text {text} (from 0) has a number that {layout.dtype} cannot hold; give "
            "--dtype=float32"
        )
    return Block(
        np.concatenate([block.counts for block in blocks]),
        tuple(label for block in blocks for label in block.labels),
        {
            name: np.concatenate([block.columns[name] for block in blocks])
            for name in layout.columns
        },
        stored,
    )
