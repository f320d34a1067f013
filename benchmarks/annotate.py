# SPDX-License-Identifier: Apache-2.0
r"""Compares the speed of annotating documents with Transformers on PyTorch.

    python benchmarks/annotate.py --model=DIR --documents=FILE

DIR is a NER model that `biobert convert` has written for Hugging Face; both sides use
its weights. FILE holds one text per line or, if its name ends in `.jsonl`, one object
per line with the text in `text`.

Transformers' side is its `token-classification` pipeline with
`aggregation_strategy="simple"`, in two settings: the default (one document at a time,
in the order given), and the documents sorted by length with the batch size that was
fastest on a part of them. The pipeline cuts every document at the model's number of
positions, 512 pieces.

All sides take turns in one process and use all cores. The time to start (imports,
weights and the entities of one sentence) is measured in new processes, which take turns
too. Needs `pip install -e '.[benchmark]'`.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BATCH_SIZES = (1, 4, 8, 16, 32, 64)
OURS, OURS_BFLOAT16 = "biobert_tf", "biobert_tf, bfloat16"
DEFAULT, BEST = "transformers, default", "transformers, best batch"

Annotate = Callable[[Sequence[str]], int]
"""Finds the entities of texts; returns their number."""


# --- the two sides ----------------------------------------------------------------


@functools.cache
def load_ours(model_dir: Path, mixed_precision: Any) -> Any:
    """Returns our model, loaded at the first call, which is in the warm-up."""
    import biobert_tf

    return biobert_tf.load(model_dir, mixed_precision=mixed_precision)


def ours(model_dir: Path, mixed_precision: Any, texts: Sequence[str]) -> int:
    """Annotates texts; returns the number of entities."""
    return sum(
        len(found) for found in load_ours(model_dir, mixed_precision).annotate(texts)
    )


def load_theirs(model_dir: Path) -> Any:
    """Returns Transformers' token classification pipeline for a model."""
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return transformers.pipeline(
        "token-classification", model=str(model_dir), aggregation_strategy="simple"
    )


def theirs(pipeline: Any, texts: Sequence[str], batch_size: int) -> int:
    """Annotates texts in the order given; returns the number of entities."""
    return sum(map(len, pipeline(list(texts), batch_size=batch_size)))


def theirs_sorted(pipeline: Any, texts: Sequence[str], batch_size: int) -> int:
    """Annotates texts, the longest first; returns the number of entities."""
    return theirs(pipeline, sorted(texts, key=len, reverse=True), batch_size)


# --- measuring --------------------------------------------------------------------


def seconds(annotate: Annotate, texts: Sequence[str]) -> tuple[float, int]:
    """Returns the wall-clock seconds to annotate texts, and the number of entities."""
    start = time.perf_counter()
    num_entities = annotate(texts)
    return time.perf_counter() - start, num_entities


def best_batch_size(pipeline: Any, texts: Sequence[str], turns: int) -> int:
    """Returns the batch size that is fastest on these texts, and prints all speeds."""
    times: dict[int, list[float]] = {size: [] for size in BATCH_SIZES}
    for _ in range(turns):
        for size, values in times.items():
            annotate = functools.partial(theirs_sorted, pipeline, batch_size=size)
            values.append(seconds(annotate, texts)[0])
    medians = {size: statistics.median(values) for size, values in times.items()}
    speeds = (f"{size}: {len(texts) / value:.2f}" for size, value in medians.items())
    print(f"documents/s of {len(texts)} by batch size: {', '.join(speeds)}")
    return min(medians, key=medians.__getitem__)


def take_turns(
    sides: Mapping[str, Annotate], texts: Sequence[str], turns: int
) -> dict[str, list[float]]:
    """Returns each side's seconds in each turn; prints speeds and entities."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    counts: dict[str, int] = {}
    for _ in range(turns):
        for name, annotate in sides.items():
            value, counts[name] = seconds(annotate, texts)
            times[name].append(value)
    for name, values in times.items():
        speed = len(texts) / statistics.median(values)
        print(f"{name:25} {speed:8.2f} documents/s {counts[name]:8,} entities")
    return times


def ratio(mine: Sequence[float], others: Sequence[float]) -> str:
    """Returns how many times faster `mine` are than `others`, turn by turn."""
    ratios = [b / a for a, b in zip(mine, others, strict=True)]
    return (
        f"{statistics.median(ratios):.2f} (min {min(ratios):.2f}, "
        f"max {max(ratios):.2f})"
    )


def print_ratios(times: Mapping[str, Sequence[float]]) -> None:
    """Prints how many times faster our sides are than Transformers'."""
    for mine, name in itertools.product((OURS, OURS_BFLOAT16), (DEFAULT, BEST)):
        found = ratio(times[mine], times[name])
        print(f"ratio {mine} / {name}: {found}, {len(times[mine])} turns")


# --- start ------------------------------------------------------------------------

SENTENCE = "Mutations of BRCA1 cause hereditary breast cancer."
STARTS = {
    OURS: """
import sys, biobert_tf
biobert_tf.load(sys.argv[1]).annotate([sys.argv[2]])
""",
    DEFAULT: """
import sys, transformers
transformers.pipeline(
    "token-classification", model=sys.argv[1], aggregation_strategy="simple"
)(sys.argv[2])
""",
}


def time_starts(model_dir: Path, turns: int) -> None:
    """Prints the seconds from the start of a process to a sentence's entities."""
    times: dict[str, list[float]] = {name: [] for name in STARTS}
    for _ in range(turns):
        for name, program in STARTS.items():
            command = [sys.executable, "-c", program, str(model_dir), SENTENCE]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    for name, values in times.items():
        print(f"{name:25} {statistics.median(values):8.2f} s to the first entities")
    print(f"ratio of the starts, {ratio(times[OURS], times[DEFAULT])}, {turns} turns")


# --- documents --------------------------------------------------------------------


def read_texts(path: Path, most: int | None) -> list[str]:
    """Returns the texts of a file that are not empty, `most` of them at most."""
    lines = path.read_text("utf-8").split("\n")
    if path.suffix == ".jsonl":
        lines = [json.loads(line)["text"] for line in lines if line.strip()]
    return [line for line in lines if line.strip()][:most]


def describe(pipeline: Any, texts: Sequence[str]) -> str:
    """Returns the lengths of texts in pieces, and the number Transformers cuts."""
    limit = pipeline.tokenizer.model_max_length
    encoded = pipeline.tokenizer(list(texts), truncation=False, verbose=False)
    lengths = sorted(map(len, encoded["input_ids"]))
    num_cut = sum(length > limit for length in lengths)
    return (
        f"{len(texts)} documents, {lengths[len(lengths) // 2]} pieces in the middle, "
        f"{lengths[-1]} at most; transformers cuts {num_cut} of them at {limit}"
    )


def main() -> None:
    """Prints the documents per second of all sides, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument(
        "--max_documents", type=int, help="documents to annotate; default: all"
    )
    parser.add_argument("--turns", type=int, default=5, help="timed turns of each side")
    parser.add_argument(
        "--tried",
        type=int,
        default=128,
        help="documents on which batch sizes are tried",
    )
    flags = parser.parse_args()
    texts = read_texts(flags.documents, flags.max_documents)
    pipeline = load_theirs(flags.model)
    print(describe(pipeline, texts))
    # Evenly spaced, so that the part has the same mix of lengths as the whole.
    part = texts[:: max(1, len(texts) // flags.tried)]
    theirs(pipeline, part[:8], batch_size=1)
    size = best_batch_size(pipeline, part, flags.turns)
    print(f"best batch size: {size}")
    sides: dict[str, Annotate] = {
        OURS: functools.partial(ours, flags.model, "off"),
        OURS_BFLOAT16: functools.partial(ours, flags.model, "bfloat16"),
        DEFAULT: functools.partial(theirs, pipeline, batch_size=1),
        BEST: functools.partial(theirs_sorted, pipeline, batch_size=size),
    }
    for name in (OURS, OURS_BFLOAT16):
        sides[name](texts)
    times = take_turns(sides, texts, flags.turns)
    print_ratios(times)
    time_starts(flags.model, flags.turns)


if __name__ == "__main__":
    main()
