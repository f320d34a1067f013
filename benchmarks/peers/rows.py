# SPDX-License-Identifier: Apache-2.0
"""What the sides share: rows of pieces, batches of them, the best batch size."""

import json
import os
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import turns

BATCH_SIZES: Final = (8, 16, 32)
NUM_CORES: Final = len(os.sched_getaffinity(0))

Batch = dict[str, np.ndarray]
Rows = Sequence[Sequence[int]]


class Prepared(NamedTuple):
    """A side that is warm.

    Attributes:
        turn: Does the work once.
        answer: What the work found, to be compared with other sides.
        notes: What is worth knowing, such as the batch size.
    """

    turn: Callable[[], object]
    answer: Sequence[int] = ()
    notes: dict[str, Any] = {}  # noqa: RUF012


def read(folder: Path, name: str) -> Any:
    """Returns one of the inputs in `rows.json`."""
    return json.loads((folder / "rows.json").read_text("utf-8"))[name]


def padded(rows: Rows, length: int = 0, padding: int = 0) -> np.ndarray:
    """Returns rows as int64 `[rows, length]`; by default as long as the longest."""
    array = np.full((len(rows), length or max(map(len, rows))), padding, np.int64)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array


def batch_of(rows: Rows, length: int = 0) -> Batch:
    """Returns the three inputs of BERT, under Transformers' names; see `padded`."""
    return {
        "input_ids": padded(rows, length),
        "attention_mask": padded([[1] * len(row) for row in rows], length),
        "token_type_ids": padded([[0] * len(row) for row in rows], length),
    }


def longest_first(rows: Sequence[Sized]) -> list[int]:
    """Returns the numbers of the rows, the longest first."""
    return sorted(range(len(rows)), key=lambda i: -len(rows[i]))


def best_size(run: Callable[[int], object], sizes: Sequence[int] = BATCH_SIZES) -> int:
    """Returns the batch size that is fastest, when all are warm."""
    for size in sizes:
        run(size)
    return min(sizes, key=lambda size: turns.timed(lambda: run(size)).clock)


def prediction(folder: Path, scores: Callable[[Batch], np.ndarray]) -> Prepared:
    """Returns a side that labels the rows, sorted by length, at its best batch size.

    `scores` returns the scores of the labels of a batch's pieces.
    """
    rows = read(folder, "prediction")

    def labels(some: Rows, size: int) -> list[np.ndarray]:
        found = [np.zeros(0, int)] * len(some)
        order = longest_first(some)
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            best = scores(batch_of([some[i] for i in numbers])).argmax(-1)
            for i, row in zip(numbers, best, strict=True):
                found[i] = row[: len(some[i])]
        return found

    # Evenly spaced, so that the part has the same mix of lengths.
    size = best_size(lambda size: labels(rows[::4], size))
    answer = np.concatenate(labels(rows, size)).tolist()
    return Prepared(lambda: labels(rows, size), answer, {"batch_size": size})
