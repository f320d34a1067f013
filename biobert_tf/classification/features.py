# SPDX-License-Identifier: Apache-2.0
"""Turns texts and pairs into rows: `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]`.

A text that is longer than a row is read in windows that overlap by half, or cut. Of a
pair, the longer text is read in windows. The shorter one stands whole in each of them,
or its first half of a row does.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from biobert_tf.classification.examples import TextExample
from biobert_tf.classification.settings import LongTexts
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.text.windows import cut_windows
from biobert_tf.training.records import Features, FeatureSpec, Specs

NUM_SPECIAL: Final = 2
"""[CLS] and [SEP]; a pair has one [SEP] more."""


@dataclasses.dataclass(frozen=True)
class TextRecord:
    """One row of model input.

    Attributes:
        features: See `Featurizer.specs`.
        example: The index of its example.
        is_first: Whether it is the first window of its example.
        is_cut: Whether pieces of the example are in no window.
    """

    features: Features
    example: int
    is_first: bool
    is_cut: bool


class View(NamedTuple):
    """The pieces of a pair that a row shows; `b` is empty for a single text."""

    a: range
    b: range


def views(
    len_a: int, len_b: int | None, length: int, long_texts: LongTexts
) -> list[View]:
    """Returns what each row of an example shows, at least one row.

    Args:
        len_a: The number of pieces of the text.
        len_b: That of the second text; None if there is none.
        length: The number of pieces of a row, special ones included.
        long_texts: What to do if they do not fit.
    """
    if len_b is None:
        room = length - NUM_SPECIAL
        if long_texts == "cut":
            return [View(range(min(len_a, room)), range(0))]
        return [View(window, range(0)) for window in _windows(len_a, room)]
    room = length - NUM_SPECIAL - 1
    if len_a + len_b <= room:
        return [View(range(len_a), range(len_b))]
    if long_texts == "cut":
        # As BERT does: the longer text loses its end, of two equal ones the second.
        kept = min(len_a, max(room - len_b, (room + 1) // 2))
        return [View(range(kept), range(room - kept))]
    if len_a <= len_b:
        first = range(min(len_a, room // 2))
        return [View(first, window) for window in _windows(len_b, room - len(first))]
    second = range(min(len_b, room // 2))
    return [View(window, second) for window in _windows(len_a, room - len(second))]


def _windows(num_pieces: int, room: int) -> Iterator[range]:
    """Yields the windows of a text; one without pieces for an empty text."""
    for window in cut_windows([1] * num_pieces, room):
        yield range(window.start, window.end)
    if not num_pieces:
        yield range(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Featurizer:
    """Turns examples into records of `max_seq_length` pieces.

    Attributes:
        names: The labels in the order of their ids; of a number, its name.
        long_texts: `windows`, or `cut`.
    """

    tokenizer: FullTokenizer
    names: tuple[str, ...]
    max_seq_length: int
    long_texts: LongTexts

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the names."""
        return self.names

    @property
    def specs(self) -> Specs:
        """Returns the features of a record; a subclass adds those of its target."""
        names = ("input_ids", "input_mask", "segment_ids")
        pieces = FeatureSpec(self.max_seq_length, is_short=True)
        return {**dict.fromkeys(names, pieces), "is_real_example": FeatureSpec(1)}

    def target(self, example: TextExample) -> Features:
        """Returns the features of an example's target; zeros if it is not known."""
        raise NotImplementedError

    def featurize(self, examples: Sequence[TextExample]) -> list[TextRecord]:
        """Returns the records of all examples, in order."""
        return [
            record
            for index, example in enumerate(examples)
            for record in self.records(index, example)
        ]

    def records(self, index: int, example: TextExample) -> Iterator[TextRecord]:
        """Yields the records of an example, its windows in order."""
        pieces_a = self.tokenizer.tokenize(example.text)
        has_pair = example.pair is not None
        pieces_b = self.tokenizer.tokenize(example.pair or "")
        shown = views(
            len(pieces_a),
            len(pieces_b) if has_pair else None,
            self.max_seq_length,
            self.long_texts,
        )
        is_cut = shown[-1].a.stop < len(pieces_a) or shown[-1].b.stop < len(pieces_b)
        target = self.target(example)
        for number, view in enumerate(shown):
            row_a = ["[CLS]", *pieces_a[view.a.start : view.a.stop], "[SEP]"]
            row_b = [*pieces_b[view.b.start : view.b.stop], "[SEP]"] if has_pair else []
            ids = self.tokenizer.convert_tokens_to_ids([*row_a, *row_b])
            padding = [0] * (self.max_seq_length - len(ids))
            segments = [0] * len(row_a) + [1] * len(row_b)
            features: Features = {
                "input_ids": [*ids, *padding],
                "input_mask": [1] * len(ids) + padding,
                "segment_ids": segments + padding,
                **target,
                "is_real_example": [1],
            }
            yield TextRecord(features, index, number == 0, is_cut)
