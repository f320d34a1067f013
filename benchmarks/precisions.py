# SPDX-License-Identifier: Apache-2.0
r"""Compares fine-tunings in float32, bfloat16 and float16.

    python -m benchmarks.precisions --data=NCBI-disease --model=MiniLM --folder=runs

Each line of the table is a precision: the F1 score of the test file, the mean loss of
the last ten steps, the largest difference of a loss of the first ten from that in
float32, as a share of that, and the steps that float16 has skipped. All else is equal.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

PRECISIONS: Final = {"float32": "off", "bfloat16": "bfloat16", "float16": "float16"}
_TEN: Final = 10


def losses(folder: Path) -> list[float]:
    """Returns the loss of every step of a run, from its TensorBoard events."""
    import tensorflow as tf

    found: dict[int, float] = {}
    for path in sorted((folder / "tensorboard").glob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == "train/loss":
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return [found[step] for step in sorted(found)]


def main() -> None:
    """Prints a line per precision."""
    from biobert_tf.common import files

    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "model", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    print("| precision | F1 | loss | largest difference | skipped steps |")
    print("|---|---|---|---|---|", flush=True)
    first: list[float] = []
    for name, flag in PRECISIONS.items():
        output = given.folder / name
        command = [
            *(sys.executable, "-m", "biobert_tf", "ner"),
            f"--data_dir={given.data}",
            f"--init_checkpoint={given.model}",
            f"--output_dir={output}",
            f"--mixed_precision={flag}",
            f"--max_steps={given.steps}",
            *("--train_on=train", "--max_seq_length=64", "--train_batch_size=8"),
            *("--num_train_epochs=1", "--learning_rate=2e-4"),
        ]
        with output.with_suffix(".log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log)
        results = files.read_json(output / "results.json")
        ours = losses(output)
        first = first or ours
        pairs = zip(ours[:_TEN], first[:_TEN], strict=True)
        cells = (
            f"{100 * results['test']['scores']['f1']:.2f}",
            f"{sum(ours[-_TEN:]) / _TEN:.4f}",
            f"{max(abs(one / other - 1) for one, other in pairs):.2%}",
            results["goodput"].get("skipped_steps", 0),
        )
        print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
