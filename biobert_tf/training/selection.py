# SPDX-License-Identifier: Apache-2.0
"""Scores a training on the development file, and chooses the best of its weights.

The evaluations are part of the state of the training, so a resumed training chooses
as an uninterrupted one. Beside the model are

evaluations.json         all evaluations, and which one is the best
tensorboard/eval         the curves of the scores
model.ckpt-<best step>   the best weights so far, if they are kept

The best weights are written before the state that knows of them is saved, and those
that were the best before are deleted after it: after a kill at any moment, the weights
that `evaluations.json` names are there.
"""

import bisect
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.checkpoints import released, tf1
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import SelectionConfig

_LOG = logging.getLogger(__name__)

EVALUATIONS_FILE: Final = "evaluations.json"

Scores = Mapping[str, float]
Evaluation = dict[str, Any]
"""The `step` after which it was made, and its `scores` by name."""


def due_steps(
    settings: SelectionConfig, num_examples: int, batch_size: int, num_steps: int
) -> list[int]:
    """Returns the steps to evaluate after: those of the interval, and the last.

    Without an interval it is an epoch of `num_examples`. Epochs end where the
    schedule's do, rounded down to whole steps.
    """
    if settings.eval_every_steps:
        due = range(settings.eval_every_steps, num_steps, settings.eval_every_steps)
        return [*due, num_steps]
    steps = num_examples / batch_size * (settings.eval_every_epochs or 1)
    ends = (int(steps * number) for number in range(1, int(num_steps / steps) + 1))
    return sorted({end for end in ends if 0 < end < num_steps} | {num_steps})


def require_known(settings: SelectionConfig, names: Sequence[str]) -> None:
    """Raises InputError if `--keep_best` is none of the task's scores."""
    if settings.keep_best and settings.keep_best not in names:
        raise InputError(
            f"--keep_best={settings.keep_best} is no score of this task; choose one of "
            f"{', '.join(names)}"
        )


def recorded_best(output_dir: Path) -> int | None:
    """Returns the step of the weights that a training has kept as its best, if any."""
    path = output_dir / EVALUATIONS_FILE
    best = files.read_json(path).get("best") if path.exists() else None
    return best["step"] if best else None


class Selection(tf.train.experimental.PythonState):
    """The evaluations of a training, saved with its state, and what follows from them.

    Attributes:
        evaluate: Returns the scores of the present weights by name.
    """

    def __init__(
        self,
        settings: SelectionConfig,
        names: Sequence[str],
        due: Sequence[int],
        evaluate: Callable[[], Scores],
        save: Callable[[int], None] | None,
        output_dir: Path,
    ) -> None:
        """Starts without an evaluation.

        Args:
            settings: What to choose, and when to stop.
            names: The names of the task's scores, the main one first.
            due: The steps to evaluate after, in order.
            evaluate: See `Selection`.
            save: Writes the present weights as those of a step; None for workers that
                write nothing.
            output_dir: Where the files are.
        """
        self.evaluate = evaluate
        self._settings = settings
        self._score = settings.keep_best or names[0]
        self._due = due
        self._save = save
        self._output_dir = output_dir
        self._evaluations: list[Evaluation] = []
        self._writer: tf.summary.SummaryWriter | None = None

    # --- when ------------------------------------------------------------------------

    def is_due(self, step: int) -> bool:
        """Returns whether to evaluate after `step`, which has not been done."""
        done = any(found["step"] == step for found in self._evaluations)
        return not done and self.next_due(step - 1) == step

    def next_due(self, step: int) -> int:
        """Returns the first step after `step` to evaluate after, or the last of all."""
        place = bisect.bisect_right(self._due, step)
        return self._due[min(place, len(self._due) - 1)]

    def num_due(self, step: int) -> int:
        """Returns the number of evaluations that are due after `step`."""
        return len(self._due) - bisect.bisect_right(self._due, step)

    @property
    def is_over(self) -> bool:
        """Whether the last evaluations were not better than one before them."""
        patience = self._settings.early_stopping
        if not patience or not self._evaluations:
            return False
        return len(self._evaluations) - 1 - self._best_place >= patience

    # --- what was found --------------------------------------------------------------

    @property
    def best_step(self) -> int | None:
        """The step of the weights to keep; None for the last, as without evaluation."""
        if not self._settings.chooses or not self._evaluations:
            return None
        step: int = self._evaluations[self._best_place]["step"]
        return step

    @property
    def num_models(self) -> int:
        """The models still to be written that are on the disk at the same time.

        A new best one is written before that before is deleted.
        """
        return 2 if self._settings.chooses and not self._evaluations else 1

    @property
    def _best_place(self) -> int:
        """The place of the best evaluation: of equal ones, the first."""
        values = [found["scores"][self._score] for found in self._evaluations]
        return values.index(max(values))

    def to_dict(self) -> dict[str, object]:
        """Returns the evaluations, and the `best` if it is kept, ready for JSON."""
        values: dict[str, object] = {"evaluations": self._evaluations}
        if self.best_step is not None:
            scores = self._evaluations[self._best_place]["scores"]
            values["best"] = {
                "step": self.best_step,
                "score": self._score,
                "value": scores[self._score],
            }
        return values

    def add(self, step: int, scores: Scores) -> None:
        """Adds the scores after `step`; writes the weights if they are the best.

        Raises:
            ValueError: A score is not finite, so that no other compares with it.
        """
        if bad := [name for name, value in scores.items() if not math.isfinite(value)]:
            raise ValueError(f"after step {step} {bad[0]} is {scores[bad[0]]}")
        self._evaluations.append({"step": step, "scores": dict(scores)})
        is_best = self.best_step == step
        if self._save is None:
            return
        shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        _LOG.info(
            "development file after step %d: %s%s",
            step,
            shown,
            f" (the best {self._score} so far)" if is_best else "",
        )
        if self._writer is None:
            # A folder of its own: of each folder, TensorBoard follows the newest file.
            folder = self._output_dir / "tensorboard" / "eval"
            self._writer = tf.summary.create_file_writer(str(folder))
        with self._writer.as_default(step):
            for name, value in scores.items():
                tf.summary.scalar(f"eval/{name}", value)
        self._writer.flush()
        if is_best:
            self._save(step)

    def saved(self) -> None:
        """Writes the file of evaluations; called when the state is saved."""
        if self._save is None:
            return
        files.write_json(self._output_dir / EVALUATIONS_FILE, self.to_dict())
        if self.best_step is not None:
            for found in self._evaluations:
                if found["step"] != self.best_step:
                    tf1.remove(released.prefix(self._output_dir, found["step"]))

    # --- as a part of the state ------------------------------------------------------

    def serialize(self) -> str:
        """Returns the evaluations as text, without loss."""
        return json.dumps(self._evaluations)

    def deserialize(self, string_value: str | bytes) -> None:
        """Restores the evaluations that `serialize` returned."""
        self._evaluations = json.loads(string_value)
