# SPDX-License-Identifier: Apache-2.0
r"""Times the conversion of a corpus to TFRecords, and measures its memory.

    python -m benchmarks.pretraining_data --data=DIR

DIR holds `pretrain/` (PubMed and PMC files) and `vocab/bert-base-cased-vocab.txt`. Our
own readers read the files, and the corpus repeats their texts. Every measurement runs
in a process of its own, start and imports included. The ways take turns in one run, so
that their ratios hold on a busy machine.

`exact` is our --exact, an algorithm in plain Python like the original's, on a smaller
corpus. It stands for the original, which made 600 instances per CPU second on such a
machine, also at length 128 and dupe factor 5.
"""

import argparse
import functools
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import turns
from biobert_tf.common.comma_lists import CommaList, FileGlobs
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import sentences
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import conversion
from biobert_tf.pretraining.data.settings import (
    ConversionConfig,
    CreatePretrainingDataConfig,
    PairConfig,
)

ORIGINAL_PER_CPU_SECOND = 600
EXACT_SENTENCES = 10_000
NUM_SHARDS = 0


class Result(NamedTuple):
    """One measured conversion; memory is the peak of any one process, in MB."""

    instances: int
    wall_seconds: float
    cpu_seconds: float
    worker_mb: float
    parent_mb: float


def real_documents(folder: Path) -> list[list[str]]:
    """Returns the sentences of every document in the PubMed and PMC files."""
    paths = FileGlobs.parse(f"{folder}/**/*.xml.gz,{folder}/**/*.nxml").files()
    options = reading.ReadOptions(CorpusConfig())
    documents = reading.corpus(paths, options, lambda skipped: None)
    return [sentences(document) for document in documents]


def repeated(documents: list[list[str]], num_sentences: int) -> Iterator[list[str]]:
    """Yields the documents again and again until there are enough sentences."""
    total = 0
    for document in itertools.cycle(documents):
        yield document
        total += len(document)
        if total >= num_sentences:
            return


def write(path: Path, documents: Iterable[list[str]]) -> Path:
    """Writes documents as text: one sentence per line, blank lines between."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for document in documents:
            stream.write("\n".join(document) + "\n\n")
    return path


def convert(corpus: Path, vocab_file: Path, num_workers: int) -> None:
    """Converts a corpus and prints the `Result` as JSON; 0 workers mean --exact."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=corpus.parent) as folder:
        manifest = conversion.convert(
            CreatePretrainingDataConfig(
                input_file=FileGlobs.parse(str(corpus)),
                output_file=CommaList.parse(f"{folder}/x.tfrecord"),
                text=TextConfig(vocab_file=vocab_file, max_seq_length=128),
                pairs=PairConfig(dupe_factor=5),
                corpus=CorpusConfig(),
                conversion=ConversionConfig(
                    num_shards=NUM_SHARDS,
                    num_workers=num_workers,
                    exact=num_workers == 0,
                ),
            )
        )
        wall_seconds = time.perf_counter() - start
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, -1)]
    result = Result(
        sum(entry.num_records for entry in manifest.files),
        wall_seconds,
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        usages[1].ru_maxrss / 1024,
        usages[0].ru_maxrss / 1024,
    )
    print(json.dumps(result))


def measure(corpus: Path, vocab_file: Path, num_workers: int) -> Result:
    """Returns the `Result` of a conversion in a new process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.pretraining_data",
        "--convert",
        str(corpus),
        str(num_workers),
    ]
    process = subprocess.run(
        [*command, str(vocab_file)], check=True, stdout=subprocess.PIPE
    )
    return Result(*json.loads(process.stdout))


def median(results: list[Result]) -> Result:
    """Returns the median of each field."""
    return Result(*map(statistics.median, zip(*results, strict=True)))


def show(name: str, result: Result) -> None:
    """Prints a result in one line."""
    per_cpu = result.instances / result.cpu_seconds
    print(
        f"{name:30} {result.instances:9,.0f} instances  "
        f"{result.instances / result.wall_seconds:8,.0f}/s  "
        f"{per_cpu:8,.0f}/CPU s ({per_cpu / ORIGINAL_PER_CPU_SECOND:5.1f} x 600)  "
        f"worker {result.worker_mb:5,.0f} MB, parent {result.parent_mb:5,.0f} MB",
        flush=True,
    )


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Makes the corpora, measures every way, and prints one line for each."""
    vocab_file = arguments.data / "vocab" / "bert-base-cased-vocab.txt"
    documents = real_documents(arguments.data / "pretrain")
    number = arguments.corpus_sentences
    print(
        f"{len(documents)} real documents with {sum(map(len, documents))} sentences, "
        f"repeated to {number:,}; median of {arguments.turns}",
        flush=True,
    )
    corpus = write(folder / "corpus.txt", repeated(documents, number))
    small = write(folder / "small.txt", repeated(documents, EXACT_SENTENCES))
    ways = {
        "exact (stands for original)": (small, 0),
        f"--num_shards={NUM_SHARDS}, one worker": (corpus, 1),
        f"--num_shards={NUM_SHARDS}, two workers": (corpus, 2),
    }
    results = turns.take_turns(
        {
            name: functools.partial(measure, path, vocab_file, num_workers)
            for name, (path, num_workers) in ways.items()
        },
        arguments.turns,
    )
    exact, one, two = (median(found) for found in results.values())
    for name, result in zip(ways, (exact, one, two), strict=True):
        show(name, result)
    speed_up = one.wall_seconds / two.wall_seconds
    per_cpu = one.instances / one.cpu_seconds
    print(f"two workers: {speed_up:.2f} x one, by the clock")
    print(
        f"one worker: {per_cpu * exact.cpu_seconds / exact.instances:.1f} x exact per "
        "CPU second"
    )
    if arguments.growth > 1:
        large = repeated(documents, number * arguments.growth)
        path = write(folder / "large.txt", large)
        show(f"{arguments.growth} x the corpus", measure(path, vocab_file, 2))


def main() -> None:
    """Runs the comparison or, with --convert, one conversion of it."""
    if sys.argv[1:2] == ["--convert"]:
        convert(Path(sys.argv[2]), Path(sys.argv[4]), int(sys.argv[3]))
        return
    parser = turns.parser(__doc__, turns=3, data="folder of real data")
    parser.add_argument("--corpus_sentences", type=int, default=100_000)
    parser.add_argument(
        "--growth",
        type=int,
        default=4,
        help="how many times larger the last corpus is; 1: skip it",
    )
    with tempfile.TemporaryDirectory() as folder:
        compare(parser.parse_args(), Path(folder))


if __name__ == "__main__":
    main()
