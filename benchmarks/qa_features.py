# SPDX-License-Identifier: Apache-2.0
r"""Compares making windows for question answering with the original's way.

    python -m benchmarks.qa_features --data=DIR --vocab_file=VOCAB

DIR holds `qa/squad/dev-v1.1.json`. This file has its own copy of the original's way,
called `plain`: every word is cut into pieces anew for every question, and every piece
of every window is looked up in all windows. It uses our tokenizer without the cache,
which is faster than the original's. Both ways must give the same rows. There are three
kinds of work:

    paragraphs  the questions in the order of the file, many on each short paragraph
    shuffled    the same questions in random order, as in training
    articles    one question on each article, its paragraphs joined: long contexts

The ways take turns in one run, each time from an empty cache. The seconds are those of
one core, medians over the turns.
"""

import collections
import dataclasses
import functools
import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks import turns
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.features import Featurizer, QaFeatures
from biobert_tf.qa.reading import QaExample
from biobert_tf.text.tokenization import FullTokenizer

MAX_SEQ_LENGTH = 384
DOC_STRIDE = 128
MAX_QUERY_LENGTH = 64
SEED = 12345
NUM_CHECKED = 20
PARAGRAPHS = 43  # In an article, on average.


@dataclasses.dataclass
class PlainRow:
    """A row as lists, with padding; the maps hold the context's pieces only."""

    input_ids: list[int]
    input_mask: list[int]
    segment_ids: list[int]
    token_to_orig_map: dict[int, int]
    token_is_max_context: dict[int, bool]


def plain(
    tokenizer: FullTokenizer, examples: Iterable[QaExample]
) -> Iterator[PlainRow]:
    """Yields the rows of questions to predict, made in the original's way."""

    def cut(text: str) -> list[str]:
        return [
            piece
            for chunk in tokenizer.basic_tokenizer.tokenize(text)
            for piece in tokenizer.wordpiece_tokenizer.tokenize(chunk)
        ]

    for example in examples:
        query = cut(example.question_text)[:MAX_QUERY_LENGTH]
        pieces = [
            (p, i) for i, word in enumerate(example.doc_tokens) for p in cut(word)
        ]
        windows = plain_windows(len(pieces), MAX_SEQ_LENGTH - len(query) - 3)
        for number, (start, length) in enumerate(windows):
            row = ["[CLS]", *query, "[SEP]"]
            words, is_max = {}, {}
            for i in range(start, start + length):
                words[len(row)] = pieces[i][1]
                is_max[len(row)] = plain_owner(windows, i) == number
                row.append(pieces[i][0])
            row.append("[SEP]")
            ids = tokenizer.convert_tokens_to_ids(row)
            mask = [1] * len(ids)
            segments = [0] * (len(query) + 2) + [1] * (length + 1)
            for values in (ids, mask, segments):
                while len(values) < MAX_SEQ_LENGTH:
                    values.append(0)
            yield PlainRow(ids, mask, segments, words, is_max)


def plain_windows(num_pieces: int, room: int) -> list[tuple[int, int]]:
    """Returns the start and the length of every window."""
    windows = []
    start = 0
    while start < num_pieces:
        length = min(room, num_pieces - start)
        windows.append((start, length))
        if start + length == num_pieces:
            break
        start += min(length, DOC_STRIDE)
    return windows


def plain_owner(windows: Sequence[tuple[int, int]], piece: int) -> int | None:
    """Returns the window with most context around a piece; checks all windows."""
    best, owner = None, None
    for number, (start, length) in enumerate(windows):
        end = start + length - 1
        if start <= piece <= end:
            context = min(piece - start, end - piece) + 0.01 * length
            if best is None or context > best:
                best, owner = context, number
    return owner


def ours(
    tokenizer: FullTokenizer, examples: Iterable[QaExample]
) -> Iterator[QaFeatures]:
    """Returns the rows that the package makes."""
    featurizer = Featurizer(
        tokenizer=tokenizer,
        max_seq_length=MAX_SEQ_LENGTH,
        doc_stride=DOC_STRIDE,
        max_query_length=MAX_QUERY_LENGTH,
    )
    return featurizer.featurize(examples)


def as_plain(row: QaFeatures) -> PlainRow:
    """Returns one of our rows as a `PlainRow`."""
    words = {i: w for i, w in enumerate(row.token_to_orig_map.tolist()) if w >= 0}
    is_max = row.token_is_max_context.tolist()
    return PlainRow(
        row.input_ids.tolist(),
        row.input_mask.tolist(),
        row.segment_ids.tolist(),
        words,
        {i: is_max[i] for i in words},
    )


def check(vocab_file: Path, examples: Sequence[QaExample]) -> None:
    """Stops the program if the two ways give different rows for some questions."""
    tokenizer = FullTokenizer(vocab_file)
    some = examples[:NUM_CHECKED]
    rows = zip(ours(tokenizer, some), plain(tokenizer, some), strict=True)
    for number, (mine, theirs) in enumerate(rows):
        if as_plain(mine) != theirs:
            raise SystemExit(f"row {number} differs: {as_plain(mine)} is not {theirs}")


def make_all(
    way: Callable[[FullTokenizer, Iterable[QaExample]], Iterator],
    vocab_file: Path,
    examples: Sequence[QaExample],
) -> None:
    """Makes all rows from an empty cache."""
    collections.deque(way(FullTokenizer(vocab_file), examples), maxlen=0)


def articles(examples: Iterable[QaExample]) -> list[QaExample]:
    """Returns questions on articles: `PARAGRAPHS` paragraphs, their first question."""
    grouped = itertools.groupby(examples, lambda example: example.doc_tokens)
    paragraphs = [next(group) for _, group in grouped]
    starts = range(0, len(paragraphs), PARAGRAPHS)
    return [joined(paragraphs[start : start + PARAGRAPHS]) for start in starts]


def joined(paragraphs: Sequence[QaExample]) -> QaExample:
    """Returns the first question with the contexts of all paragraphs, joined."""
    return dataclasses.replace(
        paragraphs[0],
        context=" ".join(example.context for example in paragraphs),
        doc_tokens=tuple(w for example in paragraphs for w in example.doc_tokens),
    )


def main() -> None:
    """Prints one line for each kind of work and each way."""
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
    shapes = {
        "paragraphs": examples,
        "shuffled": qa_reading.training_order(examples, SEED),
        "articles": articles(examples),
    }
    for shape, questions in shapes.items():
        check(flags.vocab_file, questions)
        ways = {
            way.__name__: functools.partial(make_all, way, flags.vocab_file, questions)
            for way in (plain, ours)
        }
        medians = turns.median_cores(ways, flags.turns)
        words = statistics.mean(len(example.doc_tokens) for example in questions)
        print(f"{shape}: {len(questions)} questions, {words:,.0f} words on average")
        for name, value in medians.items():
            speed, ratio = len(questions) / value, medians["plain"] / value
            print(
                f"  {name:6} {value:8.2f} s {speed:10,.1f} questions/s "
                f"{ratio:6.1f} x plain"
            )


if __name__ == "__main__":
    main()
