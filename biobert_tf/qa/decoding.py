# SPDX-License-Identifier: Apache-2.0
"""Turns start and end scores of windows into ranked answers, cut from the context.

Reading order is data order:
    scores of a question's windows -> spans, best first -> texts -> n-best -> files

Results equal those of dmis-lab/biobert's `write_predictions` (run_qa.py) to the last
digit. Questions come one by one from an iterator, so memory holds one's windows only.

Shape suffixes: W windows of a question, L length, S best starts, E best ends.
"""

import contextlib
import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import DecodingSettings
from biobert_tf.text.tokenization import BasicTokenizer

PREDICTIONS: Final = "predictions.json"
NBEST: Final = "nbest_predictions.json"
NULL_ODDS: Final = "null_odds.json"
_ENTRY: Final = ("text", "probability", "start_logit", "end_logit")

_MAX_CACHED_WORDS: Final = 2**13

WindowT = TypeVar("WindowT", bound=tuple[Any, ...])

NO_SPAN_ODDS: Final = 1_000_000.0
"""Null odds of a question without any valid span: above every sensible threshold.

The original fails there. The number is the initial value of its search for the lowest
null score; JSON has no infinity.
"""


class WindowScores(NamedTuple):
    """A window, and the model's scores of each position, float `[length]`.

    They are those of the position as an answer's first piece, and as its last.
    """

    features: QaFeatures
    start_logits: np.ndarray
    end_logits: np.ndarray


@dataclasses.dataclass(frozen=True)
class Answer:
    """One entry of an n-best list.

    Attributes:
        text: The answer; "" means no answer, "empty" that no span is valid.
        probability: Softmax over the list's sums of start and end scores, in [0, 1].
        start_logit: Score of the answer's first WordPiece.
        end_logit: Score of the answer's last WordPiece.
        span: The answer's place `[start, end)` in the context, in characters; None if
            `text` is not from the context. `text` has single spaces for white space.
    """

    text: str
    probability: float
    start_logit: float
    end_logit: float
    span: tuple[int, int] | None


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The prediction for one question.

    Attributes:
        qas_id: Id of the question.
        text: The chosen answer; "" if there is none (v2 only).
        nbest: Answers, best first; at least one, no text twice.
        null_odds: Null score minus the best answer's score, in logits; None unless v2.
    """

    qas_id: str
    text: str
    nbest: tuple[Answer, ...]
    null_odds: float | None

    @functools.cached_property
    def entries(self) -> tuple[Any, ...]:
        """The id, and the entry in each of the files of `prediction_files`."""
        nbest = [
            {name: getattr(answer, name) for name in _ENTRY} for answer in self.nbest
        ]
        odds = () if self.null_odds is None else (self.null_odds,)
        return self.qas_id, self.text, nbest, *odds


class _Span(NamedTuple):
    """Pieces `[start, end]` of a window; (0, 0) is the null answer."""

    window: int = 0
    start: int = 0
    end: int = 0
    start_logit: float = 0.0
    end_logit: float = 0.0

    @property
    def score(self) -> float:
        return self.start_logit + self.end_logit


# --- questions ----------------------------------------------------------------------


def decode(
    examples: Iterable[QaExample],
    windows: Iterable[WindowScores],
    settings: DecodingSettings,
    *,
    do_lower_case: bool,
) -> Iterator[Prediction]:
    """Yields the prediction for every example.

    See `by_example` for the order of the windows. `do_lower_case` says whether the
    tokenizer that made them lower-cases.

    Raises:
        InputError: A score is not finite; the message names the question.
        ValueError: Windows are out of order, or belong to no example.
    """
    # Answers to all questions share the cache.
    cached = functools.lru_cache(_MAX_CACHED_WORDS)
    cut = cached(BasicTokenizer(do_lower_case).tokenize)
    for example, own in by_example(examples, windows):
        null = _null_span(own) if settings.version_2_with_negative else None
        spans = _ranked(_valid_spans(example.qas_id, own, settings), null)
        reader = _Reader(example, cut)
        nbest = _nbest(reader, own, spans, null, settings.n_best_size)
        yield _prediction(example.qas_id, nbest, null, settings)


def _prediction(
    qas_id: str,
    nbest: tuple[Answer, ...],
    null: _Span | None,
    settings: DecodingSettings,
) -> Prediction:
    """Returns a question's prediction, which chooses the best answer or none."""
    if null is None:
        return Prediction(qas_id, nbest[0].text, nbest, None)
    best = next((answer for answer in nbest if answer.text), None)
    if best is None:
        return Prediction(qas_id, "", nbest, NO_SPAN_ODDS)
    null_odds = null.score - best.start_logit - best.end_logit
    has_none = null_odds > settings.null_score_diff_threshold
    return Prediction(qas_id, "" if has_none else best.text, nbest, null_odds)


def by_example(
    examples: Iterable[QaExample], windows: Iterable[WindowT]
) -> Iterator[tuple[QaExample, list[WindowT]]]:
    """Yields every example with its windows; an empty context has no windows.

    Args:
        examples: The questions; `example_index` of a window counts them from 0.
        windows: Tuples of a window and its scores: those of the first question, then of
            the second and so on.

    Raises:
        ValueError: Windows are out of order, or belong to no example.
    """
    groups = itertools.groupby(windows, key=lambda window: window[0].example_index)
    nothing: tuple[None, Iterator[WindowT]] = (None, iter(()))
    index, own = next(groups, nothing)
    for i, example in enumerate(examples):
        if index != i:
            yield example, []
            continue
        yield example, list(own)
        index, own = next(groups, nothing)
    if index is not None:
        raise ValueError(f"a window of example {index} is out of order")


def require_finite(qas_id: str, *scores: np.ndarray) -> None:
    """Raises an InputError with the question's id if a score is not finite."""
    if not all(np.isfinite(values).all() for values in scores):
        raise InputError(
            f"question {qas_id!r}: the model's scores are not finite; its training "
            "went wrong, give another checkpoint"
        )


# --- scores to spans ----------------------------------------------------------------


def _null_span(windows: Sequence[WindowScores]) -> _Span:
    """Returns the null answer with the lowest score among the windows."""
    nulls = (
        _Span(i, 0, 0, float(window.start_logits[0]), float(window.end_logits[0]))
        for i, window in enumerate(windows)
    )
    return min(nulls, key=lambda null: null.score, default=_Span())


def _valid_spans(
    qas_id: str, windows: Sequence[WindowScores], settings: DecodingSettings
) -> np.ndarray:
    """Returns the spans that can be answers, in the order of the original's loops.

    They are the rows of a float64 `[spans, 5]` with the columns of `_Span`.
    """
    if not windows:
        return np.empty((0, len(_Span._fields)))
    start_WL = np.stack([window.start_logits for window in windows])
    end_WL = np.stack([window.end_logits for window in windows])
    require_finite(qas_id, start_WL, end_WL)
    can_start_WL = np.stack([w.features.token_is_max_context for w in windows])
    can_end_WL = np.stack([w.features.token_to_orig_map for w in windows]) >= 0
    # PARITY(run_qa.py:1030-1039): the best of all positions, so that those of
    # the question and of the padding take places from those of the context. The sort
    # is stable, as `sorted`: of equal scores the first.
    start_WS = np.argsort(-start_WL, kind="stable")[:, : settings.n_best_size]
    end_WE = np.argsort(-end_WL, kind="stable")[:, : settings.n_best_size]
    length_WSE = end_WE[:, None, :] - start_WS[:, :, None] + 1
    is_valid_WSE = (length_WSE >= 1) & (length_WSE <= settings.max_answer_length)
    is_valid_WSE &= np.take_along_axis(can_start_WL, start_WS, 1)[:, :, None]
    is_valid_WSE &= np.take_along_axis(can_end_WL, end_WE, 1)[:, None, :]
    w, s, e = np.nonzero(is_valid_WSE)
    start, end = start_WS[w, s], end_WE[w, e]
    columns = [w, start, end, start_WL[w, start], end_WL[w, end]]
    # The original adds Python floats (float64); sums of float32 could tie instead.
    return np.stack(columns, axis=1, dtype=np.float64)


def _ranked(spans: np.ndarray, null: _Span | None) -> Iterator[_Span]:
    """Yields the spans and the null answer, highest score first."""
    if null is not None:
        spans = np.concatenate([spans, [null]])
    # The sort is stable: equal scores keep their order, the null answer comes last.
    for i in np.argsort(-(spans[:, 3] + spans[:, 4]), kind="stable"):
        window, start, end, start_logit, end_logit = spans[i].tolist()
        yield _Span(int(window), int(start), int(end), start_logit, end_logit)


# --- spans to texts -----------------------------------------------------------------


def _nbest(
    reader: "_Reader",
    windows: Sequence[WindowScores],
    spans: Iterable[_Span],
    null: _Span | None,
    n_best_size: int,
) -> tuple[Answer, ...]:
    """Returns the best answers with distinct texts, and their probabilities."""
    found: dict[str, tuple[_Span, tuple[int, int] | None]] = {}
    for span in spans:
        if len(found) == n_best_size:
            break
        place = None
        text = ""
        if span != null:
            text, place = reader.read(windows[span.window].features, span)
        found.setdefault(text, (span, place))
    if null is not None:
        found.setdefault("", (null, None))
    if not found:
        found["empty"] = _Span(), None
    probabilities = _softmax([span.score for span, _ in found.values()])
    entries = zip(found.items(), probabilities, strict=True)
    return tuple(
        Answer(text, probability, span.start_logit, span.end_logit, place)
        for (text, (span, place)), probability in entries
    )


class _Reader:
    """Reads the texts of spans out of one context.

    Letters are the characters of its words, counted over the whole context.
    """

    def __init__(self, example: QaExample, cut: Callable[[str], list[str]]) -> None:
        self._context = example.context
        self._words = example.doc_tokens
        self._letters = list(itertools.accumulate(map(len, self._words), initial=0))
        ranges = itertools.starmap(range, reading.word_offsets(example.context))
        self._places = list(itertools.chain.from_iterable(ranges))
        self._cut = cut

    def read(self, features: QaFeatures, span: _Span) -> tuple[str, tuple[int, int]]:
        """Returns a span's text and its characters `[start, end)` in the context."""
        pieces = " ".join(features.tokens[span.start : span.end + 1])
        pieces = pieces.replace(" ##", "").replace("##", "")
        first = int(features.token_to_orig_map[span.start])
        last = int(features.token_to_orig_map[span.end])
        cut = map(self._cut, self._words[first : last + 1])
        tokenized = " ".join(itertools.chain.from_iterable(cut))
        begin, num_letters = self._letters[first], self._letters[last + 1]
        num_letters -= begin
        found = aligned_letters(" ".join(pieces.split()), tokenized, num_letters)
        letters = found or range(num_letters)
        start = self._places[begin + letters[0]]
        end = self._places[begin + letters[-1]] + 1
        return " ".join(reading.words(self._context[start:end])), (start, end)


def aligned_letters(predicted: str, tokenized: str, num_letters: int) -> range | None:
    """Returns the letters of the context's words that predicted pieces stand for.

    For example, `steve smith` is letters 0 to 9 of the words `Steve Smith's`.

    Args:
        predicted: The pieces, joined to words with single spaces.
        tokenized: The words as the tokenizer cuts them, with single spaces.
        num_letters: The number of letters in the words.

    Returns:
        A range; None if the words do not hold the text, or if the characters cannot be
        aligned one to one (run_qa.py:934-1027).
    """
    found = tokenized.find(predicted)
    # PARITY(run_qa.py:966, 992): letters are what is not " ", though the tokenizer has
    # more spaces; and equal numbers of characters are taken for the same characters.
    is_aligned = num_letters == len(tokenized) - tokenized.count(" ")
    has_ends = predicted != "" and predicted == predicted.strip(" ")
    if found == -1 or not is_aligned or not has_ends:
        return None
    first = found - tokenized.count(" ", 0, found)
    return range(first, first + len(predicted) - predicted.count(" "))


def _softmax(scores: Sequence[float]) -> list[float]:
    """Returns the softmax; it sums one by one, as the original does."""
    highest = max(scores)
    weights = [math.exp(score - highest) for score in scores]
    *_, total = itertools.accumulate(weights)
    return [weight / total for weight in weights]


# --- files --------------------------------------------------------------------------


@contextlib.contextmanager
def prediction_files(
    output_dir: Path, version_2_with_negative: bool = False
) -> Iterator[Callable[..., None]]:
    """Opens the answer files; yields a function that adds a question to them.

    The function takes the `entries` of an answer. The files appear when the block
    succeeds; if it fails, none appears. Entries are not kept in memory; each question
    may be written once.

    Raises:
        InputError: The directory cannot be written.
    """
    names = [PREDICTIONS, NBEST, *([NULL_ODDS] if version_2_with_negative else [])]
    with contextlib.ExitStack() as stack:
        adders = [
            stack.enter_context(files.json_object(output_dir / name)) for name in names
        ]

        def write(qas_id: str, *entries: object) -> None:
            for add, entry in zip(adders, entries, strict=True):
                add(qas_id, entry)

        yield write
