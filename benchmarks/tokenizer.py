# SPDX-License-Identifier: Apache-2.0
r"""Times the tokenizer on recorded real texts, with and without its cache.

    python benchmarks/tokenizer.py --golden=DIR

DIR holds `tokenization/real.jsonl.gz` and, beside it, the two vocabularies
`vocab_cased.txt` and `vocab_uncased.txt`. All ways take turns in one run, so that their
ratios hold on a busy machine. The speeds are medians over the turns.
"""

import argparse
import functools
import gzip
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from biobert_tf.text.tokenization import FullTokenizer

REPEATS = 7
BASE = "uncached"


def uncached(tokenizer: FullTokenizer, text: str) -> list[str]:
    """Cuts `text` with the two public stages, which have no cache of words."""
    return [
        piece
        for chunk in tokenizer.basic_tokenizer.tokenize(text)
        for piece in tokenizer.wordpiece_tokenizer.tokenize(chunk)
    ]


def seconds(cut: Callable[[str], list], texts: list[str]) -> float:
    """Returns the wall-clock seconds to cut all `texts` once."""
    start = time.perf_counter()
    for text in texts:
        cut(text)
    return time.perf_counter() - start


def measure(
    vocab_file: Path, do_lower_case: bool, texts: list[str]
) -> dict[str, float]:
    """Returns the median seconds of each way to cut all `texts`."""
    times: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        tokenizer = FullTokenizer(vocab_file, do_lower_case)
        ways: dict[str, Callable[[str], list]] = {
            BASE: functools.partial(uncached, tokenizer),
            "cold cache": tokenizer.tokenize,
            "warm cache": tokenizer.tokenize,
            "warm cache, offsets": tokenizer.tokenize_with_offsets,
        }
        for name, cut in ways.items():
            times.setdefault(name, []).append(seconds(cut, texts))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Prints one line for each vocabulary and each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("BIOBERT_GOLDEN")
    parser.add_argument(
        "--golden",
        type=Path,
        default=default,
        required=default is None,
        help="folder of recorded outputs (default: $BIOBERT_GOLDEN)",
    )
    folder = parser.parse_args().golden / "tokenization"
    with gzip.open(folder / "real.jsonl.gz", "rt", encoding="ascii") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    words = sum(len(text.split()) for text in texts)
    print(f"{len(texts)} texts, {words} words, median of {REPEATS} runs")
    for kind, do_lower_case in (("cased", False), ("uncased", True)):
        result = measure(folder / f"vocab_{kind}.txt", do_lower_case, texts)
        for name, value in result.items():
            print(
                f"{kind:8} {name:20} {len(texts) / value:8,.0f} texts/s "
                f"{words / value:10,.0f} words/s  {result[BASE] / value:5.1f} x {BASE}"
            )


if __name__ == "__main__":
    main()
