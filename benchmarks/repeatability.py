# SPDX-License-Identifier: Apache-2.0
r"""Measures what of a training, a prediction and an export is equal, bit by bit.

    python -m benchmarks.repeatability --data=NCBI-disease --model=MiniLM --folder=runs

The same work is done by processes that differ in the numbers of threads, in the
processors that they may use, and in XLA. Each line of the table is a process, compared
with the first, and those with XLA with the first of these: "equal" where all bits are,
else the largest difference: of the weights after the training, of the logarithms of the
predicted probabilities, and of the probabilities of the SavedModel. All predict with
the weights that the very first has trained.
"""

import argparse
import dataclasses
import importlib
import os
import traceback
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf.common import lean

Xla = Literal["on", "off"]

PARTS: Final = ("weights", "predictions", "SavedModel")


@dataclasses.dataclass(frozen=True)
class Way:
    """How a process computes.

    Attributes:
        name: What the table calls it.
        xla: The flag `--xla`.
        threads: Threads that share an operation.
        operations: Operations at a time.
        processors: Processors that the process may use.
    """

    name: str
    xla: Xla = "off"
    threads: int = 2
    operations: int = 2
    processors: int = 2


XLA: Final[tuple[Xla, ...]] = ("off", "on")
WAYS: Final = tuple(
    Way(name, xla, *numbers)
    for xla in XLA
    for name, *numbers in (
        ("2 threads",),
        ("2 threads on one processor, one operation at a time", 2, 1, 1),
        ("1 thread", 1, 1),
    )
)


@dataclasses.dataclass(frozen=True)
class Work:
    """What every process does: a short training, a prediction, an answer.

    Attributes:
        data: A folder of train.tsv.
        model: The weights to start from.
        folder: Where the outputs go.
        steps: Steps of the training.
        sentences: Sentences of train.tsv to predict.
        length: Pieces of a row.
    """

    data: Path
    model: Path
    folder: Path
    steps: int = 5
    sentences: int = 16
    length: int = 64

    @property
    def first(self) -> Path:
        """Returns the output of the first training, with which all predict."""
        return self.folder / "0"

    def do(self, output: Path, xla: Xla) -> None:
        """Trains, predicts and serves in this process; writes `output.npz`."""
        import numpy as np
        import tensorflow as tf

        from biobert_tf import checkpoints
        from biobert_tf.cli import main as cli
        from biobert_tf.common.settings import DeviceConfig
        from biobert_tf.ner import reading
        from biobert_tf.ner.problem import NER
        from biobert_tf.ner.task import NerTask

        cli.ner(
            [
                "ner",
                f"--data_dir={self.data}",
                f"--output_dir={output}",
                f"--init_checkpoint={self.model}",
                "--train_on=train",
                f"--max_steps={self.steps}",
                "--train_batch_size=16",
                f"--max_seq_length={self.length}",
                "--do_predict=false",
                f"--do_export={output == self.first}",
                f"--xla={xla}",
            ]
        )
        weights = checkpoints.locate(output).read().weights
        loaded = NER.load(self.first, DeviceConfig(xla=xla))
        task = NerTask(loaded.tokenizer, loaded.labels, self.length, "fixed")
        path = self.data / "train.tsv"
        sentences = reading.read_examples(path, "fixed", True)[: self.sentences]
        rows = [row.features for row in task.featurize(sentences)]
        outputs = loaded.estimator(task).predict_rows(rows, batch_size=16)
        # Not the padding, which is longer with XLA.
        predicted = [
            output["log_probs"][: np.count_nonzero(row["input_mask"])]
            for output, row in zip(outputs, rows, strict=True)
        ]
        served = tf.saved_model.load(str(self.first / "export"))
        texts = tf.constant([" ".join(each.words) for each in sentences])
        answered = served.signatures["serving_default"](text=texts)
        arrays: dict[str, Any] = {
            "predictions": np.concatenate(predicted),
            "SavedModel": answered["probabilities"].numpy(),
            **{f"weights/{name}": value for name, value in weights.items()},
        }
        np.savez(output.with_suffix(".npz"), **arrays)


def run(work: Work, way: Way, output: Path) -> None:
    """Does the work in a copy of this process, which has computed nothing yet."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"error: see {output.with_suffix('.log')}")
        return
    status = 1
    try:
        log = os.open(output.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(way.threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(way.operations)
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: way.processors])
        work.do(output, way.xla)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def compared(path: Path, first: Path) -> dict[str, float]:
    """Returns the largest difference from the first process, by part.

    It is 0 only if all bits are equal.
    """
    import numpy as np

    ours, theirs = np.load(path), np.load(first)
    found = dict.fromkeys(PARTS, 0.0)
    for name in theirs.files:
        part, one, other = name.split("/")[0], ours[name], theirs[name]
        if one.tobytes() != other.tobytes():
            found[part] = max(found[part], float(np.abs(one - other).max()), 1e-45)
    return found


def prepare() -> None:
    """Imports what takes long."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    lean.prepare()
    for name in ("cli.main", "training.loop", "ner.run", "export.tokenizer"):
        importlib.import_module(f"biobert_tf.{name}")


def main() -> None:
    """Prints a line per process."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "model", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    work = Work(**vars(parser.parse_args()))
    work.folder.mkdir(parents=True)
    prepare()
    print("| XLA | threads | weights | predictions | SavedModel |")
    print("|---|---|---|---|---|", flush=True)
    first: dict[str, Path] = {}
    for number, way in enumerate(WAYS):
        output = work.folder / str(number)
        run(work, way, output)
        made = output.with_suffix(".npz")
        found = compared(made, first.get(way.xla, first.get("off", made))).values()
        first.setdefault(way.xla, made)
        shown = " | ".join(f"{value:.1e}" if value else "equal" for value in found)
        print(f"| {way.xla} | {way.name} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
