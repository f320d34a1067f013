# SPDX-License-Identifier: Apache-2.0
"""Cuts a long text into overlapping windows and picks one window for each unit.

A text is a sequence of units (pieces, or words of several pieces) that no window cuts.
"""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Window:
    """The units `[start, end)` of a text; those in `decides` get its predictions."""

    start: int
    end: int
    decides: range


def cut_windows(lengths: Sequence[int], room: int) -> list[Window]:
    """Cuts a text into windows of whole units that overlap by half, in order.

    Every unit is decided by one window: the one that `max_context` finds. The lengths
    are the numbers of pieces of the units, each from 1 to `room`, that of a window.
    """
    assert all(1 <= length <= room for length in lengths), (lengths, room)
    if lengths and sum(lengths) <= room:
        return [Window(0, len(lengths), range(len(lengths)))]
    starts = list(itertools.accumulate(lengths, initial=0))
    spans: list[range] = []
    start = end = 0
    while end < len(lengths):
        end = bisect.bisect_right(starts, starts[start] + room) - 1
        spans.append(range(start, end))
        half = starts[start] + room // 2
        start = min(bisect.bisect_left(starts, half, lo=start + 1), end)
    owners = max_context(starts, spans)
    # A later window never owns an earlier unit.
    borders = np.searchsorted(owners, np.arange(len(spans) + 1)).tolist()
    return [
        Window(span.start, span.stop, range(*decided))
        for span, decided in zip(spans, itertools.pairwise(borders), strict=True)
    ]


def max_context(
    starts: Sequence[int] | np.ndarray, spans: Sequence[range], per_piece: float = 0.0
) -> np.ndarray:
    """Returns the window with the most context of every unit, int32 `[units]`.

    A window's context of a unit is the number of its pieces before or after the unit,
    whichever is less; the earlier window wins a tie (BERT's maximum context,
    run_squad.py:513-547 of google-research/bert). The original compares every window
    with every piece of every window; this function visits each window once.

    Args:
        starts: The number of pieces before every unit, then that of the whole text.
        spans: The units of each window; together they cover all units from 0.
        per_piece: The bonus that a window gets for each of its pieces.
    """
    first_pieces = np.asarray(starts)
    owners = np.zeros(len(starts) - 1, np.int32)
    best = np.full(len(owners), -1.0)
    for number, span in enumerate(spans):
        shown = slice(span.start, span.stop)
        borders = first_pieces[span.start : span.stop + 1]
        poorer = np.minimum(borders[:-1] - borders[0], borders[-1] - borders[1:])
        context = poorer + per_piece * (borders[-1] - borders[0])
        owners[shown][context > best[shown]] = number
        np.maximum(best[shown], context, out=best[shown])
    return owners
