# SPDX-License-Identifier: Apache-2.0
r"""Compares decoding of answers with the original's way: speed and memory.

    python -m benchmarks.qa_decoding --data=DIR --vocab_file=VOCAB

DIR holds `qa/squad/dev-v1.1.json`. This file has its own copy of the original's way,
called `plain`: scores are lists of Python numbers, which are sorted completely, and all
pairs of the best starts and ends are tried one by one. Both ways must give the same
answers. The scores are random numbers from a fixed seed, in two shapes:

    random   every score is drawn independently, so few pairs are spans
    peaked   high around one place, as a trained model's, so many pairs are spans

The ways take turns in one run. The seconds are those of one core, medians over the
turns. Windows and scores are made beforehand and are not timed.

The memory is the peak that Python allocates (tracemalloc) from the questions to the
files of their answers, without the questions. It is measured for a quarter of the
questions and for all of them:

    streaming   makes and decodes one window after the other, as the package does; only
                its caches of words and short contexts grow, and they have a limit
    everything  holds all windows, all scores and all predictions, as the original does
"""

import collections
import functools
import math
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import turns
from biobert_tf.qa import decoding as qa_decoding
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.decoding import Prediction, WindowScores
from biobert_tf.qa.features import Featurizer, QaFeatures
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import DecodingSettings
from biobert_tf.text.tokenization import BasicTokenizer, FullTokenizer

SETTINGS = DecodingSettings()
decode = functools.partial(qa_decoding.decode, do_lower_case=False)
SHAPES = ("random", "peaked")
SEED = 12345
NUM_CHECKED = 200

Answers = list[tuple[str, float]]
Hold = Callable[[Iterable[Any]], Iterable[Any]]


class PlainWindow(NamedTuple):
    """A window and its scores; `words` and `is_max` hold the context's pieces only."""

    tokens: tuple[str, ...]
    words: dict[int, int]
    is_max: dict[int, bool]
    start_logits: np.ndarray
    end_logits: np.ndarray


class PlainSpan(NamedTuple):
    """A span: its first and last piece in a window, with their scores."""

    window: PlainWindow
    start: int
    end: int
    start_logit: float
    end_logit: float


# --- the original's way -------------------------------------------------------------


def plain(
    examples: Iterable[QaExample], windows: Iterable[Sequence[PlainWindow]]
) -> Iterator[Answers]:
    """Yields the n-best list of every question, made in the original's way."""
    for example, own in zip(examples, windows, strict=True):
        spans = [span for window in own for span in plain_spans(window)]
        spans.sort(key=lambda span: span.start_logit + span.end_logit, reverse=True)
        found: dict[str, float] = {}
        for span in spans:
            if len(found) >= SETTINGS.n_best_size:
                break
            text = plain_text(example, span)
            if text not in found:
                found[text] = span.start_logit + span.end_logit
        yield plain_softmax(found or {"empty": 0.0})


def plain_spans(window: PlainWindow) -> Iterator[PlainSpan]:
    """Yields the spans of a window; checks every pair of start and end."""
    starts = [float(x) for x in window.start_logits.flat]
    ends = [float(x) for x in window.end_logits.flat]
    for start in plain_best(starts):
        for end in plain_best(ends):
            if start not in window.words or end not in window.words:
                continue
            if not window.is_max.get(start, False):
                continue
            if end < start or end - start + 1 > SETTINGS.max_answer_length:
                continue
            yield PlainSpan(window, start, end, starts[start], ends[end])


def plain_best(scores: list[float]) -> list[int]:
    """Returns the positions of the highest scores, best first."""
    ranked = sorted(enumerate(scores), key=lambda pair: pair[1], reverse=True)
    return [i for i, _ in ranked[: SETTINGS.n_best_size]]


def plain_text(example: QaExample, span: PlainSpan) -> str:
    """Returns the text of a span as it is written in the context."""
    pieces = " ".join(span.window.tokens[span.start : span.end + 1])
    predicted = " ".join(pieces.replace(" ##", "").replace("##", "").split())
    first, last = span.window.words[span.start], span.window.words[span.end]
    original = " ".join(example.doc_tokens[first : last + 1])
    tokenizer = BasicTokenizer(do_lower_case=False)
    tokenized = " ".join(tokenizer.tokenize(original))
    start = tokenized.find(predicted)
    if start == -1:
        return original
    end = start + len(predicted) - 1
    original_chars, original_places = without_spaces(original)
    tokenized_chars, tokenized_places = without_spaces(tokenized)
    if len(original_chars) != len(tokenized_chars):
        return original
    numbers = {place: number for number, place in tokenized_places.items()}
    if start not in numbers or end not in numbers:
        return original
    return original[original_places[numbers[start]] : original_places[numbers[end]] + 1]


def without_spaces(text: str) -> tuple[str, dict[int, int]]:
    """Returns a text without spaces, and from each character to its old position."""
    chars: list[str] = []
    places = collections.OrderedDict()
    for place, char in enumerate(text):
        if char != " ":
            places[len(chars)] = place
            chars.append(char)
    return "".join(chars), places


def plain_softmax(found: dict[str, float]) -> Answers:
    """Returns texts with probabilities, the softmax of their scores."""
    highest = max(found.values())
    weights = [math.exp(score - highest) for score in found.values()]
    total = 0.0
    for weight in weights:
        total += weight
    return [(text, weight / total) for text, weight in zip(found, weights, strict=True)]


# --- windows and scores -------------------------------------------------------------


def featurizer(vocab_file: Path) -> Featurizer:
    """Returns a featurizer with the defaults of run_qa.py."""
    return Featurizer(
        tokenizer=FullTokenizer(vocab_file),
        max_seq_length=384,
        doc_stride=128,
        max_query_length=64,
    )


def scores(shape: str, rows: Iterable[QaFeatures]) -> Iterator[WindowScores]:
    """Yields the windows with random scores, the same at every call."""
    rng = np.random.default_rng(SEED)
    for row in rows:
        logits = rng.normal(0, 1, (2, len(row.input_ids)))
        if shape == "peaked":
            places = np.arange(logits.shape[1])
            peak = rng.integers(np.flatnonzero(row.segment_ids)[0], len(row.tokens))
            logits += 10 * np.exp(-np.abs(places - peak) / 10)
        yield WindowScores(row, *logits.astype(np.float32))


def as_plain(window: WindowScores) -> PlainWindow:
    """Returns one of our windows as a `PlainWindow`."""
    row = window.features
    words = {i: w for i, w in enumerate(row.token_to_orig_map.tolist()) if w >= 0}
    is_max = row.token_is_max_context.tolist()
    return PlainWindow(
        row.tokens,
        words,
        {i: is_max[i] for i in words},
        window.start_logits,
        window.end_logits,
    )


def grouped(
    num_examples: int, windows: Iterable[WindowScores]
) -> list[list[PlainWindow]]:
    """Returns the windows of each question."""
    groups: list[list[PlainWindow]] = [[] for _ in range(num_examples)]
    for window in windows:
        groups[window.features.example_index].append(as_plain(window))
    return groups


# --- time ---------------------------------------------------------------------------


def check(predictions: Iterable[Prediction], answers: Iterable[Answers]) -> None:
    """Stops the program if the two ways give different answers."""
    for prediction, theirs in zip(predictions, answers, strict=True):
        ours = [(answer.text, answer.probability) for answer in prediction.nbest]
        if ours != theirs or prediction.text != theirs[0][0]:
            raise SystemExit(f"{prediction.qas_id} differs: {ours} is not {theirs}")


def print_times(
    vocab_file: Path, examples: Sequence[QaExample], num_turns: int
) -> None:
    """Prints a line for each shape of scores and each way."""
    rows = list(featurizer(vocab_file).featurize(examples))
    for shape in SHAPES:
        windows = list(scores(shape, rows))
        plain_windows = grouped(len(examples), windows)
        some = examples[:NUM_CHECKED]
        ours = decode(
            some, (w for w in windows if w.features.example_index < len(some)), SETTINGS
        )
        check(ours, plain(some, plain_windows[: len(some)]))
        ways: dict[str, Callable[[], Iterable[Any]]] = {
            "plain": functools.partial(plain, examples, plain_windows),
            "ours": functools.partial(decode, examples, windows, SETTINGS),
        }
        medians = turns.median_cores(
            {
                name: functools.partial(lambda way: collections.deque(way(), 0), way)
                for name, way in ways.items()
            },
            num_turns,
        )
        print(f"{shape}: {len(examples):,} questions, {len(rows):,} windows")
        for name, value in medians.items():
            speed, ratio = len(examples) / value, medians["plain"] / value
            print(
                f"  {name:6} {value:8.2f} s {speed:10,.1f} questions/s "
                f"{ratio:6.1f} x plain",
                flush=True,
            )


# --- memory -------------------------------------------------------------------------


def peak(
    vocab_file: Path,
    examples: Sequence[QaExample],
    hold: Hold,
) -> float:
    """Returns the peak memory without the questions, in MiB.

    Args:
        vocab_file: A cased vocabulary.
        examples: The questions.
        hold: `list` to hold everything, `iter` to hold nothing.
    """
    tracemalloc.start()
    rows = hold(featurizer(vocab_file).featurize(examples))
    windows = hold(scores("peaked", rows))
    predictions = hold(decode(examples, windows, SETTINGS))
    with (
        tempfile.TemporaryDirectory() as folder,
        qa_decoding.prediction_files(Path(folder), False) as write,
    ):
        for prediction in predictions:
            write(*prediction.entries)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 2**20


def print_memory(vocab_file: Path, examples: Sequence[QaExample]) -> None:
    """Prints a line for each way."""
    sizes = (len(examples) // 4, len(examples))
    print(f"peak memory for {sizes[0]:,} and {sizes[1]:,} questions")
    ways: dict[str, Hold] = {"streaming": iter, "everything": list}
    for name, hold in ways.items():
        few, all_ = (peak(vocab_file, examples[:size], hold) for size in sizes)
        print(f"  {name:10} {few:8.1f} MiB {all_:8.1f} MiB", flush=True)


def main() -> None:
    """Prints times, then memory."""
    parser = turns.parser(__doc__, turns=3, data="folder of data sets")
    parser.add_argument(
        "--vocab_file", type=Path, required=True, help="a cased vocabulary"
    )
    parser.add_argument(
        "--questions", type=int, help="number of questions; default: all"
    )
    flags = parser.parse_args()

    path = flags.data / "qa/squad/dev-v1.1.json"
    examples = qa_reading.read_examples(path, is_training=False).examples
    examples = examples[: flags.questions]
    print_times(flags.vocab_file, examples, flags.turns)
    print_memory(flags.vocab_file, examples)


if __name__ == "__main__":
    main()
