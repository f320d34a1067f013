# SPDX-License-Identifier: Apache-2.0
"""Writes the learning curve of a pre-training as a table and a plot."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.common import files

CSV_FILE: Final = "learning_curve.csv"
PNG_FILE: Final = "learning_curve.png"
_MOST_ROWS: Final = 200
# A panel each: the end of the names of its values, a factor, the axis and its end.
_PANELS: Final = (
    ("loss", 1.0, "loss (nats)", None),
    ("accuracy", 100.0, "accuracy (%)", 100),
)
# Okabe and Ito's blue and vermilion, which colour-blind people can distinguish; the
# dashes distinguish them in print.
_LINES: Final = (
    ("masked_lm", "masked LM", "#0072B2", "-"),
    ("next_sentence", "next sentence", "#D55E00", "--"),
)

Row = dict[str, float]


class LearningCurve(tf.train.experimental.PythonState):
    """Means of a training's losses and accuracies, over windows of equal length.

    The curve is saved with the state of the training, so a resumed training continues
    it without gaps or repeated steps.
    """

    def __init__(self, output_dir: Path, num_train_steps: int) -> None:
        """Starts an empty curve; the length of the schedule determines a window.

        A training that goes on with a longer schedule keeps its windows.
        """
        self._output_dir = output_dir
        self._window = -(-num_train_steps // _MOST_ROWS)
        # Per window: the number of its steps so far, and sums by name.
        self._sums: list[Row] = []

    def add(self, history: Mapping[str, np.ndarray], first_step: int) -> None:
        """Adds values of consecutive steps, float `[steps]` per name.

        `first_step`, which is zero-based, follows the last step that was added.
        """
        for step, values in enumerate(zip(*history.values(), strict=True), first_step):
            if step % self._window == 0:
                self._sums.append({"steps": 0, **dict.fromkeys(history, 0.0)})
            sums = self._sums[-1]
            sums["steps"] += 1
            for name, value in zip(history, values, strict=True):
                # A state of an earlier version lacks the scale of float16's loss.
                sums[name] = sums.get(name, 0.0) + float(value)

    def rows(self) -> list[Row]:
        """Returns one row per window: the last `step`, and means by name.

        Steps are counted from 1, as in `global_step`.
        """
        made = []
        for index, sums in enumerate(self._sums):
            means = {k: v / sums["steps"] for k, v in sums.items() if k != "steps"}
            made.append({"step": index * self._window + sums["steps"], **means})
        return made

    def write(self, is_over: bool) -> None:
        """Writes the table of the training and of earlier evaluations; at last a plot.

        Drawing takes as long as many steps, so it waits until the training `is_over`.
        """
        training = self.rows()
        _, evaluations = read(self._output_dir / CSV_FILE)
        _write(self._output_dir, training, evaluations)
        if is_over:
            _draw(self._output_dir / PNG_FILE, training, evaluations)

    def serialize(self) -> str:
        """Returns the curve as text, without loss."""
        return json.dumps({"window": self._window, "sums": self._sums})

    def deserialize(self, string_value: str | bytes) -> None:
        """Restores the curve that `serialize` returned."""
        found = json.loads(string_value)
        if isinstance(found, list):
            # Of an earlier version, which went on with the same schedule only.
            found = {"window": self._window, "sums": found}
        self._window, self._sums = found["window"], found["sums"]


def add_evaluation(output_dir: Path, step: int, scores: Mapping[str, float]) -> None:
    """Adds the scores after `step` training steps to the table and the plot.

    They have the names of the training's curve. An earlier evaluation of the same step
    is replaced.
    """
    training, evaluations = read(output_dir / CSV_FILE)
    by_step = {row["step"]: row for row in [*evaluations, {"step": step, **scores}]}
    evaluations = [by_step[number] for number in sorted(by_step)]
    _write(output_dir, training, evaluations)
    _draw(output_dir / PNG_FILE, training, evaluations)


def read(path: Path) -> tuple[list[Row], list[Row]]:
    """Reads a table; returns the rows of training and those of evaluation.

    Both are empty if the file does not exist.
    """
    found: dict[str, list[Row]] = {"train": [], "eval": []}
    if path.exists():
        for row in csv.DictReader(io.StringIO(files.read_text(path))):
            kind = row.pop("kind")
            found[kind].append({k: float(v) for k, v in row.items() if v})
    return found["train"], found["eval"]


def _write(
    output_dir: Path, training: Sequence[Row], evaluations: Sequence[Row]
) -> None:
    text = io.StringIO()
    names = dict.fromkeys(name for row in [*training, *evaluations] for name in row)
    table = csv.DictWriter(text, ["kind", *names], lineterminator="\n")
    table.writeheader()
    for kind, rows in (("train", training), ("eval", evaluations)):
        for row in rows:
            table.writerow({"kind": kind, **row, "step": int(row["step"])})
    files.write_text(output_dir / CSV_FILE, text.getvalue())


def _draw(path: Path, training: Sequence[Row], evaluations: Sequence[Row]) -> None:
    """Draws losses and accuracies side by side."""
    # Takes a second to import, and only the plot needs it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = zip(figure.subplots(1, 2), _PANELS, strict=True)
    for axes, (what, scale, axis_label, top) in panels:
        for prefix, label, colour, line in _LINES:
            name = f"{prefix}_{what}"
            for kind, rows in (("training", training), ("evaluation", evaluations)):
                xy = [(row["step"], scale * row[name]) for row in rows if name in row]
                if xy:
                    axes.plot(
                        *zip(*xy, strict=True),
                        color=colour,
                        linestyle=line if kind == "training" else "",
                        marker="" if kind == "training" and len(xy) > 1 else "o",
                        label=f"{label}, {kind}",
                    )
        axes.set(xlabel="training steps", ylabel=axis_label, ylim=(0, top))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
