# SPDX-License-Identifier: Apache-2.0
"""Turns texts into rows of model input: truncated as in the original, or in windows.

Positions in a text count the characters of its line.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from biobert_tf.embeddings.reading import Part, Text
from biobert_tf.text import windows
from biobert_tf.text.tokenization import FullTokenizer, Piece

# A word of more than a fourth of a window may be cut between windows; kept whole, it
# would leave the windows no room to overlap.
_MOST_OF_WINDOW: Final = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One row of model input without padding: int32 and, `is_wanted`, bool `[length]`.

    The vectors of the wanted positions are taken from this row.
    """

    input_ids: np.ndarray
    segment_ids: np.ndarray
    is_wanted: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A text with its pieces and the rows of model input.

    Attributes:
        tokens: The pieces that have vectors.
        starts: int32 `[pieces]`, the character where each piece begins.
        ends: int32 `[pieces]`, where each ends (exclusive). `[CLS]` and `[SEP]` are
            empty.
        rows: The rows; their wanted positions are the pieces, in order.
        num_lost: Number of pieces of the text that are in no row.
    """

    text: Text
    tokens: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    rows: tuple[Row, ...]
    num_lost: int = 0


@dataclasses.dataclass(frozen=True)
class Framer:
    """Turns texts into rows of at most `max_seq_length` pieces, special ones too."""

    tokenizer: FullTokenizer
    max_seq_length: int

    def truncated(self, text: Text) -> Frame:
        """Returns a frame of one row, all of whose positions are wanted.

        Wanted are `[CLS]` and `[SEP]` too. What does not fit is dropped: the end of a
        text, or the end of the longer text of a pair.
        """
        first, *others = map(self._pieces, text.parts)
        second = others[0] if others else []
        # PARITY(extract_features.py:221, 259): a second text without pieces is none.
        room = self.max_seq_length - (3 if second else 2)
        kept = truncated_lengths(len(first), len(second), room)
        shown = [*self._row(first[: kept[0]], second[: kept[1]], text)]
        row = _model_row(shown, kept[0] + 2, np.ones(len(shown), bool))
        return _frame(text, shown, [row], len(first) + len(second) - sum(kept))

    def windowed(self, text: Text) -> Frame:
        """Returns a frame of as many rows as are needed to show every piece.

        Every piece's vector is taken from one row: the one that shows most context
        around the piece. A row that shows only one text of a pair is a single-text row.
        """
        parts = [self._pieces(part) for part in text.parts]
        pieces = [*itertools.chain.from_iterable(parts)]
        num_special = 1 + max(1, sum(map(bool, parts)))
        whole = range(len(pieces))
        if len(pieces) + num_special <= self.max_seq_length:
            spans = [(whole, whole)]
        else:
            room = max(1, self.max_seq_length - num_special)
            spans = [*self._spans(text, parts, room)]
        num_first = len(parts[0])
        rows = []
        for shown, decided in spans:
            first = pieces[shown.start : min(shown.stop, num_first)]
            second = pieces[max(shown.start, num_first) : shown.stop]
            if not first:
                first, second = second, []
            row = [*self._row(first, second, text)]
            is_wanted = np.array([piece.end > piece.start for piece in row])
            position = np.cumsum(is_wanted) - 1 + shown.start
            is_wanted &= (position >= decided.start) & (position < decided.stop)
            rows.append(_model_row(row, len(first) + 2, is_wanted))
        return _frame(text, pieces, rows)

    def _spans(
        self, text: Text, parts: Sequence[Sequence[Piece]], room: int
    ) -> Iterator[tuple[range, range]]:
        """Yields the pieces that each window shows, and those it gives vectors of."""
        lengths = [
            length
            for part, pieces in zip(text.parts, parts, strict=True)
            for length in _unit_lengths(part, pieces, room)
        ]
        starts = [*itertools.accumulate(lengths, initial=0)]
        for window in windows.cut_windows(lengths, room):
            if window.decides:
                decided = range(
                    starts[window.decides.start], starts[window.decides.stop]
                )
                yield range(starts[window.start], starts[window.end]), decided

    def _pieces(self, part: Part) -> list[Piece]:
        return [
            piece._replace(start=piece.start + part.start, end=piece.end + part.start)
            for piece in self.tokenizer.tokenize_with_offsets(part.text)
        ]

    def _row(
        self, first: Sequence[Piece], second: Sequence[Piece], text: Text
    ) -> Iterator[Piece]:
        """Yields the pieces of a row."""
        yield self._special("[CLS]", text.first.start)
        yield from first
        yield self._special("[SEP]", first[-1].end if first else text.first.start)
        if second:
            yield from second
            yield self._special("[SEP]", second[-1].end)

    def _special(self, token: str, place: int) -> Piece:
        return Piece(token, self.tokenizer.vocab[token], place, place)


def _model_row(pieces: Sequence[Piece], num_first: int, is_wanted: np.ndarray) -> Row:
    """Returns a row whose first `num_first` positions are of segment 0."""
    segment_ids = (np.arange(len(pieces)) >= num_first).astype(np.int32)
    return Row(
        np.array([piece.id for piece in pieces], np.int32), segment_ids, is_wanted
    )


def _frame(
    text: Text, pieces: Sequence[Piece], rows: Sequence[Row], num_lost: int = 0
) -> Frame:
    starts = np.array([piece.start for piece in pieces], np.int32)
    ends = np.array([piece.end for piece in pieces], np.int32)
    tokens = tuple(piece.token for piece in pieces)
    return Frame(text, tokens, starts, ends, tuple(rows), num_lost)


def truncated_lengths(num_first: int, num_second: int, room: int) -> tuple[int, int]:
    """Returns the number of pieces to keep of each text of a pair.

    The longer text loses one piece at a time, the second text in a tie, until both
    have at most `room` (extract_features.py:302-316).
    """
    if num_first + num_second <= room:
        return num_first, num_second
    kept_first = min(num_first, max(room - num_second, (room + 1) // 2))
    return kept_first, room - kept_first


def word_spans(part: Part) -> list[tuple[int, int]]:
    """Returns start and end (exclusive) of every word; white space separates words."""
    matches = re.finditer(r"\S+", part.text)
    return [(part.start + m.start(), part.start + m.end()) for m in matches]


def _unit_lengths(part: Part, pieces: Sequence[Piece], room: int) -> Iterator[int]:
    """Yields the sizes, in pieces, of the units that windows keep whole.

    A unit is a word, or a single piece of a long word.
    """
    word_starts = [start for start, _ in word_spans(part)]
    words = np.searchsorted(word_starts, [piece.start for piece in pieces], "right")
    for length in np.unique(words, return_counts=True)[1].tolist():
        is_long = length * _MOST_OF_WINDOW > room
        yield from itertools.repeat(1, length) if is_long else [length]
