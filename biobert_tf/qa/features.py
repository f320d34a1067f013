# SPDX-License-Identifier: Apache-2.0
"""Questions into windows: `[CLS] question [SEP] part of the context [SEP]`.

A context longer than a row is read in overlapping windows. Every piece of it belongs to
the window where it has most context around it; only there may an answer begin.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.qa.reading import QaExample
from biobert_tf.text import windows
from biobert_tf.text.tokenization import FullTokenizer

FIRST_UNIQUE_ID: Final = 1_000_000_000
"""PARITY(run_qa.py:321): windows are numbered from here."""

_MAX_CACHED_WORDS: Final = 2**16
# Questions on a context need not follow each other. These together are 55 MB at most.
_MAX_CACHED_CONTEXTS: Final = 2**12
_MAX_WORDS_OF_CACHED: Final = 2**9
# The windows of a training are many and large, so that not all of them are held for a
# shuffle; the questions are in random order already.
_SHUFFLE_BUFFER: Final = 10_000
# PARITY(run_qa.py:731): the original draws the next from 100.
_ORIGINAL_SHUFFLE_BUFFER: Final = 100
_NUM_SPECIAL: Final = 3  # [CLS], [SEP] and [SEP]
_NO_ANSWER: Final = (0, 0)  # [CLS] stands for it.

Label = tuple[int, int] | tuple[None, None]
_Cut = tuple[tuple[str, ...], tuple[int, ...]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class QaFeatures:
    """One row of model input, and what it shows of which question.

    Arrays have a value for each of the `max_seq_length` positions.

    Attributes:
        unique_id: Number of the row, from `FIRST_UNIQUE_ID`.
        example_index: Number of the question among those given, from 0.
        doc_span_index: Number of the window among those of the question, from 0.
        tokens: The pieces of the row, `[CLS]` and `[SEP]` included, no padding.
        token_to_orig_map: int32; which of `doc_tokens` a piece is of, -1 where the row
            shows no piece of the context.
        token_is_max_context: bool; whether no other window shows the piece with more
            context; False where the row shows no piece of the context.
        input_ids: int32; ids of the pieces, 0 for padding.
        input_mask: int32; 1 for pieces, 0 for padding.
        segment_ids: int32; 0 for the question and padding, 1 for the context.
        start_position: Where the answer begins, 0 if the window does not hold it; None
            if not for training.
        end_position: Where the answer ends, inclusive; likewise.
        is_impossible: Whether the file says that the context has no answer.
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

    @property
    def features(self) -> dict[str, Sequence[int]]:
        """Returns the features of a record, with the original's names.

        One that is not for training has the positions too; they are 0.
        """
        return {
            "unique_ids": [self.unique_id],
            "input_ids": self.input_ids.tolist(),
            "input_mask": self.input_mask.tolist(),
            "segment_ids": self.segment_ids.tolist(),
            "start_positions": [self.start_position or 0],
            "end_positions": [self.end_position or 0],
        }


@dataclasses.dataclass(frozen=True, eq=False)
class _Pieces:
    """A context in pieces, cut once for all questions about it.

    Attributes:
        tokens: The pieces, P of them.
        ids: Their ids, int32 `[P]`.
        words: Which word each is of, int32 `[P]`.
        ends: Pieces up to the end of every word, int32 `[words]`.
    """

    tokens: list[str]
    ids: np.ndarray
    words: np.ndarray
    ends: np.ndarray


class _Words(dict[str, _Cut]):
    """Words in pieces with their ids; one is cut when it is first met.

    What the tokenizer itself remembers of a word has offsets too, which take half as
    long again to make, and to find it, it has to clean the word first. Which words were
    met last is not remembered: when the memory is full, it begins anew.
    """

    def __init__(self, tokenizer: FullTokenizer) -> None:
        """Knows no word."""
        super().__init__()
        self._tokenizer = tokenizer
        # Words share most of their chunks: `Smith`, `Smith's`, `(Smith`.
        self._cut_again = functools.lru_cache(_MAX_CACHED_WORDS)(self._cut_chunk)

    def __missing__(self, word: str) -> _Cut:
        """Cuts a word by the two stages of the tokenizer."""
        if len(self) >= _MAX_CACHED_WORDS:
            self.clear()
        pieces: tuple[str, ...] = ()
        ids: tuple[int, ...] = ()
        for chunk in self._tokenizer.basic_tokenizer.tokenize(word):
            more_pieces, more_ids = self._cut_again(chunk)
            pieces += more_pieces
            ids += more_ids
        self[word] = pieces, ids
        return pieces, ids

    def _cut_chunk(self, chunk: str) -> _Cut:
        pieces = self._tokenizer.wordpiece_tokenizer.tokenize(chunk)
        return tuple(pieces), tuple(self._tokenizer.convert_tokens_to_ids(pieces))

    def join(self, words: tuple[str, ...]) -> _Pieces:
        """Returns a context in pieces."""
        found = list(map(self.__getitem__, words))
        pieces, ids = zip(*found, strict=True) if found else ((), ())
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
        tokenizer: Words to pieces.
        max_seq_length: Pieces per row.
        doc_stride: Pieces from the start of a window to that of the next.
        max_query_length: Pieces of a question; what is longer is cut off.
        windows_without_answer: Of a question that has one, in training. `skip`: no
            row. `keep`: a row whose answer is `[CLS]`, as the original, which says in
            a comment that it throws them away (run_qa.py:417-427).
    """

    tokenizer: FullTokenizer
    max_seq_length: int
    doc_stride: int
    max_query_length: int
    windows_without_answer: Literal["skip", "keep"] = "skip"

    def __post_init__(self) -> None:
        """Rejects lengths that leave no room for the context.

        Raises:
            InputError: They do, or the windows would not move on.
        """
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

    def featurize(self, examples: Iterable[QaExample]) -> Iterator[QaFeatures]:
        """Yields the rows of all questions, in order.

        No row is held, and of the contexts, one, and some short ones. Questions about
        the same context cost less where they follow each other, or not much stands
        between them. A context without pieces has no rows.
        """
        memory = _Words(self.tokenizer)
        join_again = functools.lru_cache(_MAX_CACHED_CONTEXTS)(memory.join)
        unique_ids = itertools.count(FIRST_UNIQUE_ID)
        numbered = enumerate(examples)
        for words, group in itertools.groupby(numbered, lambda x: x[1].doc_tokens):
            is_short = len(words) <= _MAX_WORDS_OF_CACHED
            pieces = join_again(words) if is_short else memory.join(words)
            for index, example in group:
                yield from self._rows(index, example, pieces, unique_ids)

    def _ids(self, tokens: Sequence[str]) -> np.ndarray:
        return np.array(self.tokenizer.convert_tokens_to_ids(tokens), np.int32)

    def _rows(
        self,
        index: int,
        example: QaExample,
        pieces: _Pieces,
        unique_ids: Iterator[int],
    ) -> Iterator[QaFeatures]:
        query = self.tokenizer.tokenize(example.question_text)[: self.max_query_length]
        head = ("[CLS]", *query, "[SEP]")
        head_ids = self._ids(head)
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
                **self._columns(head_ids, pieces, shown, owners[shown] == number),
            )

    def _columns(
        self, head_ids: np.ndarray, pieces: _Pieces, shown: slice, is_max: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns the arrays of a row, by the names `QaFeatures` gives them."""
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
        """Returns which pieces of the context are the answer; None if it has none."""
        first, last = example.start_position, example.end_position
        if first is None or last is None or example.is_impossible:
            return None
        start = pieces.ends[first - 1] if first else 0
        words = range(start, pieces.ends[last])
        answer = self.tokenizer.tokenize(example.orig_answer_text or "")
        return improved_answer_span(pieces.tokens, words, answer)

    def _label(
        self, example: QaExample, answer: range | None, span: range, offset: int
    ) -> Label | None:
        """Returns where the answer stands in a row; None if the row is not wanted.

        Args:
            example: The question.
            answer: Pieces of the context.
            span: Pieces of the context that the row shows.
            offset: Position in the row of the first of them.
        """
        if answer is None:
            return (None, None) if example.start_position is None else _NO_ANSWER
        is_kept = self.windows_without_answer == "keep"
        is_shown = span.start <= answer.start and answer.stop <= span.stop
        # A word of control characters alone has no piece. The original then learns an
        # answer that ends before it begins.
        if is_shown and (answer or is_kept):
            shift = offset - span.start
            return answer.start + shift, answer.stop - 1 + shift
        return _NO_ANSWER if is_kept else None


class Windows:
    """The rows of questions, made anew whenever they are read: none is kept."""

    def __init__(self, featurizer: Featurizer, examples: Sequence[QaExample]) -> None:
        """Makes nothing yet.

        Args:
            featurizer: Says how long a row is, and much more.
            examples: The questions.
        """
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
        """Returns the number of rows; makes them if nobody has read them yet."""
        if self._num_rows is None:
            for _ in self:
                pass
        assert self._num_rows is not None
        return self._num_rows


def shuffle_buffer(num_rows: int, compat: Literal["fixed", "master"]) -> int:
    """Returns among how many rows the next of a training is drawn."""
    if compat == "master":
        return _ORIGINAL_SHUFFLE_BUFFER
    return min(num_rows, _SHUFFLE_BUFFER)


def doc_spans(num_pieces: int, room: int, doc_stride: int) -> list[range]:
    """Returns which pieces of a context each of its windows shows.

    Args:
        num_pieces: Pieces of the context.
        room: Most pieces of it in a window.
        doc_stride: Pieces from the start of a window to that of the next; the windows
            do not overlap where it is `room` or more.
    """
    stride = min(room, doc_stride)
    num_strides = max(0, math.ceil((num_pieces - room) / stride))
    starts = range(0, num_strides * stride + 1, stride) if num_pieces else range(0)
    return [range(start, min(start + room, num_pieces)) for start in starts]


def max_context_spans(spans: Sequence[range]) -> np.ndarray:
    """Returns for every piece the window that shows most context around it.

    That is the window with the largest `min(left, right) + 0.01 * length`, in pieces;
    the earlier one in a tie (run_qa.py:520-554).

    Args:
        spans: The pieces each window shows; together all pieces from 0.

    Returns:
        Index of a window, int `[pieces]`.
    """
    num_pieces = spans[-1].stop if spans else 0
    if len(spans) == 1:
        return np.zeros(num_pieces, np.int32)
    return windows.max_context(np.arange(num_pieces + 1), spans, per_piece=0.01)


def improved_answer_span(tokens: list[str], words: range, answer: list[str]) -> range:
    """Returns which pieces inside the words of an answer are the answer alone.

    The annotated answer is characters, which may be a part of the words they touch:
    "1895" of "(1895-1943)." (run_qa.py:483-517).

    Args:
        tokens: Pieces of the context.
        words: Those of the words that the answer touches.
        answer: Pieces of the text of the answer.

    Returns:
        The first place in `words` where the answer stands; `words` if it does not.
    """
    for start in range(words.start, words.stop - len(answer) + 1):
        if answer and tokens[start : start + len(answer)] == answer:
            return range(start, start + len(answer))
    return words
