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
import tensorflow as tf

from biobert_tf import __version__, checkpoints, config, files, records, released
from biobert_tf.errors import InputError
from biobert_tf.tasks.base import Task
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator, Schedule
from biobert_tf.training.trainer import RowNorm

_LOG = logging.getLogger(__name__)

_SETTINGS_FILE: Final = "settings.json"
_EVALUATION_FILE: Final = "eval_results.txt"
_RESULTS_FILE: Final = "results.json"
# A run may go on with other values of these; every other setting shapes its result.
_FREE_ON_RESUME = frozenset(
    """
    data_dir output_dir do_train do_eval do_predict init_checkpoint vocab_file
    bert_config_file eval_batch_size predict_batch_size max_steps iterations_per_loop
    save_checkpoints_steps keep_checkpoint_max strategy use_tpu tpu_name tpu_zone
    gcp_project master num_tpu_cores xla
    """.split()  # noqa: SIM905  Twenty quoted words read worse.
)


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
        stages: Where to write.
        run: Steps, batches, seed.
        finetuning: How long and at which rates to learn.
        device: Where it is computed.
        row_norm: See `Trainer`.
        settings: All settings, flat, for the record.
    """

    task: FinetuningTask
    data: Data
    parts: released.Released
    stages: config.StageConfig
    run: config.RunConfig
    finetuning: config.FinetuningConfig
    device: config.DeviceConfig
    row_norm: RowNorm
    settings: Mapping[str, Any]

    def execute(self) -> Estimator:
        """Runs the stages that have data; returns the estimator for more.

        Raises:
            InputError: The output directory cannot be written, belongs to a run with
                other settings, or holds no weights where some are needed.
            TrainingDivergedError: The loss became NaN or infinite.
        """
        start = time.monotonic()
        strategy = strategies.build_strategy(self.device)
        strategies.make_repeatable()
        estimator = Estimator(
            self.task,
            self.parts.encoder_config,
            strategy=strategy,
            device=self.device,
            run=self.run,
            model_dir=self.stages.output_dir,
        )
        estimator.check_batch_size(
            "predict_batch_size", self.finetuning.predict_batch_size
        )
        step = self._start(estimator)
        if estimator.is_chief:
            self._record_settings(is_resumed=step > 0)
        results: dict[str, Any] = {}
        seconds: dict[str, float] = {}
        if self.data.train is not None:
            begin = time.monotonic()
            step, results["train"] = self._train(estimator, self.data.train, step)
            seconds["train"] = time.monotonic() - begin
        for stage, examples in (("devel", self.data.devel), ("test", self.data.test)):
            if examples is not None:
                begin = time.monotonic()
                results[stage] = self._predict(estimator, stage, examples)
                seconds[stage] = time.monotonic() - begin
        seconds["total"] = time.monotonic() - start
        if estimator.is_chief:
            self._write_results(results, step, seconds)
        return estimator

    # --- before --------------------------------------------------------------------

    def _record_settings(self, is_resumed: bool) -> None:
        """Refuses to mix two trainings in one directory; keeps this one's settings.

        From here on the directory belongs to this run: the results of an earlier one
        go, so that they cannot be taken for those of a run that fails.
        """
        path = self.stages.output_dir / _SETTINGS_FILE
        if self.data.train is not None and is_resumed and path.exists():
            before = files.read_json(path)
            changed = [
                f"--{name} {before.get(name)} -> {value}"
                for name, value in self.settings.items()
                if name not in _FREE_ON_RESUME and before.get(name) != value
            ]
            if changed:
                raise InputError.at(
                    path,
                    None,
                    f"holds a run with other settings ({', '.join(changed)}); choose "
                    "another --output_dir or delete this one",
                )
        if self.data.train is not None or not path.exists():
            files.write_json(path, dict(self.settings))
        for name in (_EVALUATION_FILE, _RESULTS_FILE):
            (self.stages.output_dir / name).unlink(missing_ok=True)

    def _start(self, estimator: Estimator) -> int:
        """Gives the model its first weights; returns their step."""
        try:
            step = estimator.restore()
        except ValueError as error:
            # What TensorFlow says of a variable of another shape.
            raise InputError.at(
                estimator.model_dir,
                None,
                f"holds a model of other sizes: {str(error).splitlines()[0]}; choose "
                "another --output_dir or delete this one",
            ) from None
        if step is not None:
            _LOG.info("going on from step %d in %s", step, estimator.model_dir)
            return step
        is_training = self.data.train is not None
        if self.parts.init_checkpoint is None:
            if not is_training:
                raise InputError(
                    f"{estimator.model_dir} holds no trained model, and there is no "
                    "--init_checkpoint to predict with; set --do_train=true"
                )
            _LOG.warning("no --init_checkpoint: training starts from random weights")
            return 0
        report = estimator.initialize(
            checkpoints.read(self.parts.init_checkpoint),
            new_head=self.task.new_head if is_training else (),
        )
        for line in report.summary():
            _LOG.info(line)
        if estimator.is_chief:
            path = self.stages.output_dir / "weights.json"
            files.write_json(path, report.to_dict())
        return 0

    # --- stages --------------------------------------------------------------------

    def _train(
        self, estimator: Estimator, examples: Sequence[Any], step: int
    ) -> tuple[int, dict[str, Any]]:
        rows = self.task.featurize(examples)
        schedule = Schedule.of(len(rows), self.run, self.finetuning)
        numbers = {
            "examples": len(examples),
            "records": len(rows),
            "steps": schedule.num_train_steps,
            "warmup_steps": schedule.num_warmup_steps,
        }
        if step >= schedule.last_step(self.run):
            _LOG.warning(
                "%s is already trained to its last step, %d: not training again; "
                "delete it or choose another --output_dir to start anew",
                estimator.model_dir,
                step,
            )
        else:
            step = self._train_on(estimator, rows, schedule)
        # Also where nothing was trained: the last run may have died before this.
        if estimator.is_chief and not released.is_saved(self.stages.output_dir, step):
            released.save(
                self.parts,
                estimator.weights(),
                self.task.labels,
                self.stages.output_dir,
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
        return estimator.train(
            [path],
            schedule,
            self.finetuning.learning_rate,
            shuffle_buffer=self.task.shuffle_buffer(len(rows)),
            row_norm=self.row_norm,
        )

    def _predict(
        self, estimator: Estimator, stage: str, examples: Sequence[Any]
    ) -> dict[str, Any]:
        """Predicts and scores the examples; writes the files of the test stage."""
        name, batch_size = ("predict", self.finetuning.predict_batch_size)
        if stage == "devel":
            name, batch_size = ("eval", self.run.eval_batch_size)
        rows = self.task.featurize(examples)
        _LOG.info("predicting %s: %d examples", stage, len(examples))
        path = self._write_records(estimator, name, rows)
        arrays = estimator.predict([path], batch_size)
        predictions = self.task.decode(examples, rows, arrays)
        results: dict[str, Any] = {"examples": len(examples), "records": len(rows)}
        if self.task.is_labelled(examples):
            results["metrics"] = self.task.metrics(arrays, batch_size)
            scores = self.task.score(examples, predictions, self.run.seed)
            results["scores"] = scores.to_dict()
            if estimator.is_chief:
                print(f"\n{stage}\n{self.task.report(examples, predictions)}")
        if stage == "test" and estimator.is_chief:
            texts = self.task.prediction_files(examples, rows, predictions, arrays)
            for file_name, text in texts.items():
                if text is None:
                    (self.stages.output_dir / file_name).unlink(missing_ok=True)
                else:
                    files.write_text(self.stages.output_dir / file_name, text)
        return results

    def _write_records(
        self, estimator: Estimator, name: str, rows: Sequence[Any]
    ) -> Path:
        """Writes `<name>.tf_record`; every worker reads its own copy."""
        directory = strategies.own_dir(estimator.strategy, self.stages.output_dir)
        path = directory / f"{name}.tf_record"
        records.write(path, (row.features for row in rows), self.task.specs)
        return path

    # --- after ---------------------------------------------------------------------

    def _write_results(
        self, results: Mapping[str, Any], step: int, seconds: Mapping[str, float]
    ) -> None:
        lines = evaluation_lines(results, step)
        if lines:
            path = self.stages.output_dir / _EVALUATION_FILE
            files.write_text(path, "\n".join(lines) + "\n")
            print("\n".join(lines))
        files.write_json(
            self.stages.output_dir / _RESULTS_FILE,
            {
                "task": self.task.name,
                "version": __version__,
                "tensorflow": tf.__version__,
                "seed": self.run.seed,
                "global_step": step,
                "labels": list(self.task.labels),
                **results,
                "seconds": {name: round(value, 2) for name, value in seconds.items()},
                "settings": dict(self.settings),
            },
        )


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
    if not values:
        return []
    values["global_step"] = step
    return [f"{name} = {values[name]}" for name in sorted(values)]
