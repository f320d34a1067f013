# SPDX-License-Identifier: Apache-2.0
"""Turns questions into model input: `[CLS] question [SEP] part of the context [SEP]`.

A context longer than a row is split into overlapping windows. Every piece belongs to
the window that shows most context around it; an answer may begin only there.
"""

import collections
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import QaConfig
from biobert_tf.text import windows
from biobert_tf.text.tokenization import FullTokenizer

FIRST_UNIQUE_ID: Final = 1_000_000_000
"""PARITY(run_qa.py:321): windows are numbered from here."""

_MAX_CACHED_WORDS: Final = 2**16
# Questions about one context need not follow each other, so short contexts are cached.
# The cache takes 55 MB at most.
_MAX_CACHED_CONTEXTS: Final = 2**12
_MAX_WORDS_OF_CACHED: Final = 2**9
_NUM_SPECIAL: Final = 3  # [CLS], [SEP] and [SEP]
_NO_ANSWER: Final = (0, 0)  # The position of [CLS] means no answer.

_Label = tuple[int, int] | tuple[None, None]
_Cut = tuple[tuple[str, ...], tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class QaFeatures:
    """One window of a question: a row of model input.

    Arrays have a value for each of the `max_seq_length` positions.

    Attributes:
        unique_id: Number of the row, from `FIRST_UNIQUE_ID`.
        example_index: Index of the question among the examples, from 0.
        doc_span_index: Index of the window among the question's windows, from 0.
        tokens: The pieces of the row, `[CLS]` and `[SEP]` included, no padding.
        token_to_orig_map: int32; index in `doc_tokens` of the word that a piece belongs
            to, -1 for positions outside the context.
        token_is_max_context: bool; whether no other window shows the piece with more
            context; False for positions outside the context.
        input_ids: int32; ids of the pieces, 0 for padding.
        input_mask: int32; 1 for pieces, 0 for padding.
        segment_ids: int32; 0 for the question and padding, 1 for the context.
        start_position: Position of the answer's first piece, 0 if the window does not
            hold the answer; None if the row is not for training.
        end_position: Position of the answer's last piece; 0 or None likewise.
        is_impossible: Whether the file says that the context has no answer.
        is_yes: The answer to a yes/no question; None if it is not known, and for other
            questions.
    """

    unique_id: int
    example_index: int
    doc_span_index: int
    tokens: tuple[str, ...]
    token_to_orig_map: np.ndarray
    token_is_max_context: np.ndarray
    input_ids: np.ndarray
    input_mask: np.ndarray
    segment_ids: np.ndarray
    start_position: int | None
    end_position: int | None
    is_impossible: bool
    is_yes: bool | None = None

    @property
    def features(self) -> dict[str, Sequence[int]]:
        """Returns the features of all tasks' records by name; unknown answers are 0."""
        return {
            "unique_ids": [self.unique_id],
            "input_ids": self.input_ids.tolist(),
            "input_mask": self.input_mask.tolist(),
            "segment_ids": self.segment_ids.tolist(),
            "start_positions": [self.start_position or 0],
            "end_positions": [self.end_position or 0],
            "is_impossible": [int(self.is_impossible)],
            "label_ids": [int(self.is_yes or False)],
            "is_real_example": [1],
        }


class _Pieces(NamedTuple):
    """The pieces of a context, P in number, made once for all questions about it.

    Their ids and the indices of their words are int32 `[P]`. `ends` holds the number of
    pieces up to the end of each word, int32 `[words]`.
    """

    tokens: list[str]
    ids: np.ndarray
    words: np.ndarray
    ends: np.ndarray


def _cutter(tokenizer: FullTokenizer) -> Callable[[str], _Cut]:
    """Returns a cached function from words to their pieces and the pieces' ids.

    The tokenizer's own cache is slower: it makes offsets too, which takes half as long
    again, and cleans a word before the look-up.
    """

    # Words share most of their chunks: `Smith`, `Smith's`, `(Smith`.
    @functools.lru_cache(_MAX_CACHED_WORDS)
    def cut_chunk(chunk: str) -> _Cut:
        pieces = tokenizer.wordpiece_tokenizer.tokenize(chunk)
        return tuple(pieces), tuple(tokenizer.convert_tokens_to_ids(pieces))

    @functools.lru_cache(_MAX_CACHED_WORDS)
    def cut(word: str) -> _Cut:
        pieces: tuple[str, ...] = ()
        ids: tuple[int, ...] = ()
        for chunk in tokenizer.basic_tokenizer.tokenize(word):
            more_pieces, more_ids = cut_chunk(chunk)
            pieces += more_pieces
            ids += more_ids
        return pieces, ids

    return cut


def _join(words: tuple[str, ...], cut: Callable[[str], _Cut]) -> _Pieces:
    """Returns the pieces of a context, given its words."""
    pieces, ids = zip(*map(cut, words), strict=True) if words else ((), ())
    lengths = np.fromiter(map(len, pieces), np.int32, len(words))
    return _Pieces(
        list(itertools.chain.from_iterable(pieces)),
        np.array(list(itertools.chain.from_iterable(ids)), np.int32),
        np.repeat(np.arange(len(words), dtype=np.int32), lengths),
        lengths.cumsum(dtype=np.int32),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Featurizer:
    """Turns questions into rows; holds no mutable state of its own.

    Attributes:
        max_seq_length: The number of pieces in a row.
        doc_stride: The number of pieces from the start of a window to the next start.
        max_query_length: Longest question, in pieces; the rest is cut off.
        windows_without_answer: Training windows that do not show their question's
            answer. `skip` drops them. `keep` labels them `[CLS]`, as the original does
            though its comment says that it throws them away
            (run_qa.py:417-427).
    """

    tokenizer: FullTokenizer
    max_seq_length: int
    doc_stride: int
    max_query_length: int
    windows_without_answer: Literal["skip", "keep"] = "skip"

    def __post_init__(self) -> None:
        """Rejects lengths that leave no room for the context, and a stride below 1."""
        if self.max_query_length < 0 or (
            self.max_seq_length <= self.max_query_length + _NUM_SPECIAL
        ):
            raise InputError(
                f"--max_seq_length={self.max_seq_length} leaves no room for the "
                f"context beside --max_query_length={self.max_query_length} and "
                f"{_NUM_SPECIAL} special pieces; raise it"
            )
        if self.doc_stride < 1:
            raise InputError(f"--doc_stride={self.doc_stride} must be at least 1")

    @classmethod
    def of(
        cls, settings: QaConfig, tokenizer: FullTokenizer, max_seq_length: int
    ) -> "Featurizer":
        """Returns the featurizer of a run, or of a model trained with `settings`."""
        is_master = settings.compat == "master"
        windows_without_answer = (
            "keep" if is_master else settings.windows_without_answer
        )
        return cls(
            tokenizer=tokenizer,
            max_seq_length=max_seq_length,
            doc_stride=settings.doc_stride,
            max_query_length=settings.max_query_length,
            windows_without_answer=windows_without_answer,
        )

    def featurize(self, examples: Iterable[QaExample]) -> Iterator[QaFeatures]:
        """Yields the rows of all questions, in order.

        Rows are not kept. The pieces of the last context and of some short ones are, so
        questions about one context are faster if they stand close together. A context
        without pieces has no rows.
        """
        join = functools.partial(_join, cut=_cutter(self.tokenizer))
        join_again = functools.lru_cache(_MAX_CACHED_CONTEXTS)(join)
        unique_ids = itertools.count(FIRST_UNIQUE_ID)
        numbered = enumerate(examples)
        for words, group in itertools.groupby(numbered, lambda x: x[1].doc_tokens):
            is_short = len(words) <= _MAX_WORDS_OF_CACHED
            pieces = join_again(words) if is_short else join(words)
            for index, example in group:
                yield from self._rows(index, example, pieces, unique_ids)

    def _rows(
        self, index: int, example: QaExample, pieces: _Pieces, unique_ids: Iterator[int]
    ) -> Iterator[QaFeatures]:
        query = self.tokenizer.tokenize(example.question_text)[: self.max_query_length]
        head = ("[CLS]", *query, "[SEP]")
        head_ids = self.tokenizer.convert_tokens_to_ids(head)
        room = self.max_seq_length - len(query) - _NUM_SPECIAL
        spans = doc_spans(len(pieces.tokens), room, self.doc_stride)
        owners = max_context_spans(spans)
        answer = self._answer_pieces(example, pieces)
        for number, span in enumerate(spans):
            label = self._label(example, answer, span, len(head))
            if label is None:
                continue
            shown = slice(span.start, span.stop)
            yield QaFeatures(
                unique_id=next(unique_ids),
                example_index=index,
                doc_span_index=number,
                tokens=(*head, *pieces.tokens[shown], "[SEP]"),
                start_position=label[0],
                end_position=label[1],
                is_impossible=example.is_impossible,
                is_yes=example.is_yes,
                **self._columns(head_ids, pieces, shown, owners[shown] == number),
            )

    def _columns(
        self, head_ids: Sequence[int], pieces: _Pieces, shown: slice, is_max: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns the arrays of a row, by attribute of `QaFeatures`."""
        start = len(head_ids)
        end = start + len(is_max)
        ids, mask, segments, words = np.zeros((4, self.max_seq_length), np.int32)
        ids[:start] = head_ids
        ids[start:end] = pieces.ids[shown]
        ids[end] = head_ids[-1]  # [SEP]
        mask[: end + 1] = 1
        segments[start : end + 1] = 1
        words[:] = -1
        words[start:end] = pieces.words[shown]
        has_max_context = np.zeros(self.max_seq_length, bool)
        has_max_context[start:end] = is_max
        return {
            "token_to_orig_map": words,
            "token_is_max_context": has_max_context,
            "input_ids": ids,
            "input_mask": mask,
            "segment_ids": segments,
        }

    def _answer_pieces(self, example: QaExample, pieces: _Pieces) -> range | None:
        """Returns the answer's pieces of the context; None if there is no answer."""
        first, last = example.start_position, example.end_position
        if first is None or last is None or example.is_impossible:
            return None
        start = pieces.ends[first - 1] if first else 0
        words = range(start, pieces.ends[last])
        answer = self.tokenizer.tokenize(example.orig_answer_text or "")
        return improved_answer_span(pieces.tokens, words, answer)

    def _label(
        self, example: QaExample, answer: range | None, span: range, offset: int
    ) -> _Label | None:
        """Returns the answer's position in a row; None if the row is to be skipped.

        The row shows the context's pieces of `span` from the position `offset`.
        """
        if answer is None:
            return (None, None) if example.start_position is None else _NO_ANSWER
        is_kept = self.windows_without_answer == "keep"
        is_shown = span.start <= answer.start and answer.stop <= span.stop
        # A word of control characters alone has no pieces. The original then trains on
        # an answer that ends before it begins.
        if is_shown and (answer or is_kept):
            shift = offset - span.start
            return answer.start + shift, answer.stop - 1 + shift
        return _NO_ANSWER if is_kept else None


class Windows:
    """The rows of questions, made again at every iteration; none is kept."""

    def __init__(self, featurizer: Featurizer, examples: Sequence[QaExample]) -> None:
        """Keeps the arguments; rows are made on iteration."""
        self._featurizer = featurizer
        self._examples = examples
        self._num_rows: int | None = None

    def __iter__(self) -> Iterator[QaFeatures]:
        """Yields the rows of all questions, in order."""
        num_rows = 0
        for row in self._featurizer.featurize(self._examples):
            num_rows += 1
            yield row
        self._num_rows = num_rows

    def __len__(self) -> int:
        """Returns the number of rows; iterates once if they are not yet counted."""
        if self._num_rows is None:
            collections.deque(self, maxlen=0)
        assert self._num_rows is not None
        return self._num_rows


def doc_spans(num_pieces: int, room: int, doc_stride: int) -> list[range]:
    """Returns the pieces of a context that each of its windows shows.

    A window shows at most `room` pieces. The next one starts `doc_stride` pieces later;
    with `room` or more the windows do not overlap.
    """
    stride = min(room, doc_stride)
    num_strides = max(0, math.ceil((num_pieces - room) / stride))
    starts = range(0, num_strides * stride + 1, stride) if num_pieces else range(0)
    return [range(start, min(start + room, num_pieces)) for start in starts]


def max_context_spans(spans: Sequence[range]) -> np.ndarray:
    """Returns the window that shows most context around a piece, for every piece.

    That is the window with the largest `min(left, right) + 0.01 * length`, in pieces;
    the earlier one in a tie (run_qa.py:520-554).

    Args:
        spans: The pieces that each window shows; together they cover all pieces.

    Returns:
        Index of the window for each piece, int32 `[pieces]`.
    """
    num_pieces = spans[-1].stop if spans else 0
    if len(spans) == 1:
        return np.zeros(num_pieces, np.int32)
    return windows.max_context(np.arange(num_pieces + 1), spans, per_piece=0.01)


def improved_answer_span(tokens: list[str], words: range, answer: list[str]) -> range:
    """Narrows the pieces of the words that an answer touches to the answer itself.

    An annotated answer may be only a part of the words that it touches, such as
    "1895" of "(1895-1943)." (run_qa.py:483-517).

    Returns:
        The first range in `words` whose `tokens` are the answer's pieces; `words` if
        there is none.
    """
    for start in range(words.start, words.stop - len(answer) + 1):
        if answer and tokens[start : start + len(answer)] == answer:
            return range(start, start + len(answer))
    return words
