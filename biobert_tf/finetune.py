# SPDX-License-Identifier: Apache-2.0
"""From files to the number: the stages that all fine-tuned tasks share.

    examples -> records -> training -> predictions -> scores -> files

Everything is read and checked before anything is computed, and `results.json`, the
last file to be written, says that the run is whole.
"""

import dataclasses
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from biobert_tf import config, files, records, released, run_directory
from biobert_tf.errors import InputError
from biobert_tf.run_directory import RunDirectory
from biobert_tf.tasks.base import Task
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.schedule import Schedule
from biobert_tf.training.trainer import RowNorm

_LOG = logging.getLogger(__name__)

# Beside what every run may change when it goes on.
FREE_ON_RESUME: Final = ("data_dir", "do_predict", "predict_batch_size")


class Score(Protocol):
    """What a task's `score` returns."""

    def to_dict(self) -> dict[str, Any]:
        """Returns everything by name, ready for JSON."""


class FinetuningTask(Task, Protocol):
    """A task whose predictions are text: what `Task` is and more."""

    @property
    def name(self) -> str:
        """Returns the name in the results."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns what can be predicted; the position is the id."""

    @property
    def new_head(self) -> Collection[str]:
        """Returns the variables a pre-trained checkpoint does not have."""

    def featurize(self, examples: Sequence[Any]) -> list[Any]:
        """Returns the records of all examples; each has `features`."""

    def counts(self, records: Sequence[Any]) -> dict[str, int]:
        """Returns what else than their number is worth knowing of records."""

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns among how many records the next of a training is drawn."""

    def decode(
        self,
        examples: Sequence[Any],
        records: Sequence[Any],
        predictions: Mapping[str, np.ndarray],
    ) -> list[Any]:
        """Returns one prediction per example."""

    def is_labelled(self, examples: Sequence[Any]) -> bool:
        """Says whether predictions for `examples` can be scored."""

    def score(
        self, examples: Sequence[Any], predictions: Sequence[Any], seed: int
    ) -> Score:
        """Returns the scores of labelled examples."""

    def report(self, examples: Sequence[Any], predictions: Sequence[Any]) -> str:
        """Returns the scores of labelled examples as the field prints them."""

    def prediction_files(
        self,
        examples: Sequence[Any],
        records: Sequence[Any],
        predictions: Sequence[Any],
        arrays: Mapping[str, np.ndarray],
    ) -> dict[str, str | None]:
        """Returns the text of every file a prediction writes, by file name.

        None stands for a file that must not stay from an earlier prediction.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """The examples of a run; None where a stage is not run."""

    train: Sequence[Any] | None
    devel: Sequence[Any] | None
    test: Sequence[Any] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One fine-tuning, wired together.

    Attributes:
        task: What is learned.
        data: On what.
        parts: Sizes, vocabulary, weights to start from.
        settings: Of the script.
        row_norm: See `Trainer`.
    """

    task: FinetuningTask
    data: Data
    parts: released.Released
    settings: config.ScriptConfig
    row_norm: RowNorm

    def execute(self) -> Estimator:
        """Runs the stages that have data; returns the estimator for more.

        Raises:
            InputError: An example makes no record; the output directory cannot be
                written, belongs to a run with other settings, or holds no weights
                where some are needed.
            TrainingDivergedError: The loss became NaN or infinite.
        """
        start = time.monotonic()
        examples = {k: v for k, v in vars(self.data).items() if v is not None}
        # Of all stages before the first: what makes no record is known at once.
        rows = {stage: self._featurize(stage, examples[stage]) for stage in examples}
        strategy = strategies.build_strategy(self.settings.device)
        strategies.make_repeatable()
        estimator = Estimator(
            self.task,
            self.parts.encoder_config,
            strategy=strategy,
            device=self.settings.device,
            run=self.settings.run,
            model_dir=self.settings.stages.output_dir,
        )
        estimator.check_batch_size(
            "predict_batch_size", self.settings.finetuning.predict_batch_size
        )
        directory = RunDirectory(
            path=self.settings.stages.output_dir,
            settings=config.to_dict(self.settings),
            free=FREE_ON_RESUME,
            is_training=self.data.train is not None,
        )
        step = directory.start(
            estimator, self.parts.init_checkpoint, self.task.new_head
        )
        results: dict[str, Any] = {}
        seconds: dict[str, float] = {}
        for stage in examples:
            begin = time.monotonic()
            results[stage] = self._numbers(examples[stage], rows[stage])
            if stage == "train":
                step, more = self._train(estimator, rows[stage], step)
            else:
                more = self._predict(estimator, stage, examples[stage], rows[stage])
            results[stage] |= more
            seconds[stage] = time.monotonic() - begin
        seconds["total"] = time.monotonic() - start
        if estimator.is_chief:
            directory.write_results(
                self.task.name,
                step,
                evaluation_lines(results, step),
                {"labels": list(self.task.labels), **results},
                seconds,
            )
        return estimator

    # --- stages --------------------------------------------------------------------

    def _train(
        self, estimator: Estimator, rows: Sequence[Any], step: int
    ) -> tuple[int, dict[str, Any]]:
        """Trains what is left to train; returns the step reached, and the schedule."""
        schedule = Schedule.of(len(rows), self.settings.run, self.settings.finetuning)
        numbers = {
            "steps": schedule.num_train_steps,
            "warmup_steps": schedule.num_warmup_steps,
        }
        if step >= schedule.last_step(self.settings.run):
            run_directory.already_trained(estimator, step)
        else:
            step = self._train_on(estimator, rows, schedule)
        # Also where nothing was trained: the last run may have died before this.
        if estimator.is_chief and not released.is_saved(
            self.settings.stages.output_dir, step
        ):
            released.save(
                self.parts,
                estimator.weights(),
                self.task.labels,
                self.settings.stages.output_dir,
                step,
            )
        return step, numbers

    def _train_on(
        self, estimator: Estimator, rows: Sequence[Any], schedule: Schedule
    ) -> int:
        """Trains on the records; returns the step reached."""
        _LOG.info(
            "training on %d records for %d steps", len(rows), schedule.num_train_steps
        )
        path = self._write_records(estimator, "train", rows)
        data = records.shuffled(
            [path],
            self.task.specs,
            shuffle_buffer=self.task.shuffle_buffer(len(rows)),
            seed=self.settings.run.seed,
        )
        return estimator.train(
            data,
            schedule,
            self.settings.finetuning.learning_rate,
            row_norm=self.row_norm,
        )

    def _predict(
        self,
        estimator: Estimator,
        stage: str,
        examples: Sequence[Any],
        rows: Sequence[Any],
    ) -> dict[str, Any]:
        """Predicts and scores the examples; writes the files of the test stage."""
        name, batch_size = ("predict", self.settings.finetuning.predict_batch_size)
        if stage == "devel":
            name, batch_size = ("eval", self.settings.run.eval_batch_size)
        _LOG.info("predicting %s: %d examples", stage, len(examples))
        path = self._write_records(estimator, name, rows)
        arrays = estimator.predict([path], batch_size)
        predictions = self.task.decode(examples, rows, arrays)
        results: dict[str, Any] = {}
        if self.task.is_labelled(examples):
            results["metrics"] = self.task.metrics(arrays, batch_size)
            scores = self.task.score(examples, predictions, self.settings.run.seed)
            results["scores"] = scores.to_dict()
            if estimator.is_chief:
                print(f"\n{stage}\n{self.task.report(examples, predictions)}")
        if stage == "test" and estimator.is_chief:
            texts = self.task.prediction_files(examples, rows, predictions, arrays)
            for file_name, text in texts.items():
                if text is None:
                    (self.settings.stages.output_dir / file_name).unlink(
                        missing_ok=True
                    )
                else:
                    files.write_text(self.settings.stages.output_dir / file_name, text)
        return results

    def _featurize(self, stage: str, examples: Sequence[Any]) -> list[Any]:
        """Returns the records of a stage; reports what is worth knowing of them."""
        try:
            rows = self.task.featurize(examples)
        except InputError as error:
            # Examples know their line, but not their file.
            raise InputError(f"{stage} file, {error}") from None
        counts = self.task.counts(rows)
        if any(counts.values()):
            shown = ", ".join(f"{value} {name}" for name, value in counts.items())
            _LOG.info("%s: of %d records %s", stage, len(rows), shown)
        return rows

    def _numbers(self, examples: Sequence[Any], rows: Sequence[Any]) -> dict[str, Any]:
        """Returns how many examples and records there are, for the results."""
        counts = self.task.counts(rows)
        return {"examples": len(examples), "records": len(rows), **counts}

    def _write_records(
        self, estimator: Estimator, name: str, rows: Sequence[Any]
    ) -> Path:
        """Writes `<name>.tf_record`; every worker reads its own copy."""
        directory = strategies.own_dir(
            estimator.strategy, self.settings.stages.output_dir
        )
        path = directory / f"{name}.tf_record"
        records.write(path, (row.features for row in rows), self.task.specs)
        return path


def missing_file(path: Path) -> InputError:
    """Returns the error for a file that is not there: it names those that are."""
    held = sorted(other.name for other in path.parent.glob(f"*{path.suffix}"))
    held_text = ", ".join(held) or f"no {path.suffix} file"
    return InputError.at(path, None, f"no such file; {path.parent} holds {held_text}")


def check_labels(output_dir: Path, labels: Sequence[str]) -> None:
    """Refuses to train labels in a directory whose model has others.

    Raises:
        InputError: It has.
    """
    if released.load_labels([output_dir]) not in (None, tuple(labels)):
        raise InputError(
            f"--output_dir={output_dir} holds a model with other labels than the "
            f"{' '.join(labels)} of this run; choose another, or delete this one"
        )


def trained_labels(
    output_dir: Path, init_checkpoint: Path | None
) -> tuple[str, ...] | None:
    """Returns the labels of the model to predict with; None if they are unknown.

    Raises:
        InputError: There is no model.
    """
    known = released.load_labels([output_dir, init_checkpoint])
    if known is None and init_checkpoint is None:
        raise InputError(
            f"--output_dir={output_dir} holds no trained model, and there is no "
            "--init_checkpoint to predict with; set --do_train=true"
        )
    return known


def evaluation_lines(results: Mapping[str, Any], step: int) -> list[str]:
    """Returns `key = value` lines, sorted, as the original's `eval_results.txt`.

    The development file's metrics keep the original's names (`loss`, `eval_f`); the
    scores are `devel_precision`, `test_f1` and so on, in [0, 1].
    """
    values: dict[str, float] = {}
    for stage in ("devel", "test"):
        found = results.get(stage, {})
        prefix = "" if stage == "devel" else f"{stage}_"
        for name, value in found.get("metrics", {}).items():
            values[f"{prefix}{name}"] = value
        for name, value in found.get("scores", {}).items():
            if isinstance(value, float):
                values[f"{stage}_{name}"] = value
    return run_directory.value_lines(values, step) if values else []
