# SPDX-License-Identifier: Apache-2.0
r"""Compares the LiteRT files of a NER model with its SavedModel: size, scores, speed.

    python -m benchmarks.litert --model=DIR --test_file=FILE

DIR is a model that run_ner.py has trained; FILE is a labelled file in the format of
run_ner.py. The model is exported with `--litert=both` into a temporary folder.

Scores: all forms get the same rows, made as in training, but only as long as the
longest row of a batch. The labels of words are scored as run_ner.py scores them. The
differences are those between the probabilities of all labels of all words and the
probabilities that the SavedModel in `tokens/` gives.

Speed: the forms take turns in one process, with as many threads as
there are cores. A ratio divides the total times of one turn. Every form has processed
all rows before, for the scores.
"""

import functools
import os
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from benchmarks import turns
from biobert_tf.cli import exporting
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export import litert
from biobert_tf.export.settings import ExportConfig
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner import task as ner
from biobert_tf.ner.features import NerRecord
from biobert_tf.ner.problem import NER

SAVED_MODEL: Final = "tokens/"
FORMS: Final = (SAVED_MODEL, litert.FLOAT, litert.INT8)

Batch = Mapping[str, np.ndarray]
Run = Callable[[Batch], np.ndarray]
"""Probabilities of the labels of pieces, float32 `[batch, length, labels]`."""


# --- the forms ----------------------------------------------------------------------


def load_saved_model(directory: Path) -> Run:
    """Returns a function that runs a SavedModel on piece ids."""
    loaded = tf.saved_model.load(str(directory))

    def run(batch: Batch) -> np.ndarray:
        tensors = {name: tf.constant(values) for name, values in batch.items()}
        return loaded.signatures["serving_default"](**tensors)["probabilities"].numpy()

    return run


def load_litert(path: Path) -> Run:
    """Returns a function that runs a LiteRT file on all cores."""
    interpreter = Interpreter(str(path), num_threads=len(os.sched_getaffinity(0)))
    runner = interpreter.get_signature_runner(litert.SIGNATURE)

    def run(batch: Batch) -> np.ndarray:
        return runner(**batch)["probabilities"]

    return run


def size(path: Path) -> int:
    """Returns the size of a file, or of all files in a directory, in bytes."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


# --- rows ---------------------------------------------------------------------------


def batches(rows: Sequence[NerRecord], batch_size: int) -> list[Batch]:
    """Returns rows as batches of model inputs, each as long as its longest row."""
    made: list[Batch] = []
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        length = max(len(row.pieces) for row in part)
        made.append(
            {
                name: np.array([row.features[name][:length] for row in part], np.int32)
                for name in ("input_ids", "input_mask", "segment_ids")
            }
        )
    return made


def probabilities(
    rows: Sequence[NerRecord], made: Sequence[Batch], run: Run
) -> tuple[list[np.ndarray], np.ndarray]:
    """Runs all batches.

    Returns:
        The label probabilities of the pieces, `[length, labels]` for every row, and
        those of all words, `[words, labels]`.
    """
    of_rows = [values for batch in made for values in run(batch)]
    of_words = [
        values[position]
        for row, values in zip(rows, of_rows, strict=True)
        for _, position in row.words
    ]
    return of_rows, np.array(of_words)


# --- what is printed ----------------------------------------------------------------


def print_agreement(
    task: ner.NerTask,
    examples: Sequence[ner_reading.NerExample],
    rows: Sequence[NerRecord],
    made: Sequence[Batch],
    runs: Mapping[str, Run],
) -> None:
    """Prints a line per form: equal labels, differences of probabilities, F1."""
    wanted = None
    print("form                        labels as   difference of probabilities      F1")
    print("                            SavedModel       most          mean")
    for name, run in runs.items():
        of_rows, words = probabilities(rows, made, run)
        wanted = words if wanted is None else wanted
        same = float((words.argmax(-1) == wanted.argmax(-1)).mean())
        difference = np.abs(words - wanted)
        with np.errstate(divide="ignore"):
            logs = [np.log(values) for values in of_rows]
        predictions = task.decode(examples, rows, {"log_probs": logs})
        f1 = task.score(examples, predictions, seed=0).f1
        print(
            f"{name:26} {100 * same:9.3f} % {difference.max():12.1e} "
            f"{difference.mean():13.1e} {100 * f1:11.2f}",
            flush=True,
        )


def print_speed(
    made: Sequence[Batch], runs: Mapping[str, Run], num_turns: int, batch_size: int
) -> None:
    """Prints rows per second, and how many times faster LiteRT is, turn by turn."""
    num_rows = sum(len(batch["input_ids"]) for batch in made)

    def run_all(run: Run) -> None:
        for batch in made:
            run(batch)

    ways = {name: functools.partial(run_all, run) for name, run in runs.items()}
    found = turns.seconds_of_turns(ways, num_turns)
    times = {name: [turn.clock for turn in held] for name, held in found.items()}
    print(f"batch size {batch_size}")
    for name, values in times.items():
        ratio = turns.ratios(values, times[SAVED_MODEL])
        speed = num_rows / statistics.median(values)
        print(f"{name:26} {speed:8.1f} rows/s, ratio to the SavedModel {ratio}")


def read(flags: Any) -> tuple[ner.NerTask, list[ner_reading.NerExample]]:
    """Returns the task of the model and the sentences."""
    found = NER.load(flags.model, DeviceConfig())
    task = ner.NerTask(
        tokenizer=found.tokenizer,
        labels=found.labels,
        max_seq_length=found.text.max_seq_length,
        compat=found.settings.compat,
    )
    examples = ner_reading.read_examples(
        flags.test_file, task.compat, needs_labels=True
    )
    return task, examples


def main() -> None:
    """Prints sizes, agreement and speed."""
    parser = turns.parser(__doc__, turns=3)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--test_file", type=Path, required=True)
    parser.add_argument("--batch_size", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--max_rows", type=int, help="rows to time; default: all")
    flags = parser.parse_args()
    task, examples = read(flags)
    rows = task.featurize(examples)
    num_words = sum(len(row.words) for row in rows)
    print(f"{len(examples):,} sentences, {len(rows):,} rows, {num_words:,} words")
    with tempfile.TemporaryDirectory() as folder:
        directory = exporting.export(
            ExportConfig(
                model=flags.model, output=Path(folder) / "export", litert="both"
            )
        )
        largest = size(directory / SAVED_MODEL)
        for name in FORMS:
            own = size(directory / name)
            print(f"{name:26} {own / 2**20:8.1f} MiB {100 * own / largest:6.1f} %")
        runs = {
            SAVED_MODEL: load_saved_model(directory / SAVED_MODEL),
            litert.FLOAT: load_litert(directory / litert.FLOAT),
            litert.INT8: load_litert(directory / litert.INT8),
        }
        made = batches(rows, max(flags.batch_size))
        print_agreement(task, examples, rows, made, runs)
        for batch_size in flags.batch_size:
            timed = batches(rows[: flags.max_rows], batch_size)
            print_speed(timed, runs, flags.turns, batch_size)


if __name__ == "__main__":
    main()
