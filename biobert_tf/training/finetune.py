# SPDX-License-Identifier: Apache-2.0
"""The stages that all fine-tuned tasks share, from examples to scores.

    examples -> records -> training -> predictions -> scores -> files

Everything is read and checked before anything is computed. `results.json` is written
last, so its presence means that the run is complete.
"""

import abc
import dataclasses
import functools
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np

from biobert_tf import checkpoints
from biobert_tf.checkpoints import released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import ScriptConfig
from biobert_tf.training import examples as examples_log
from biobert_tf.training import records, run_directory, selection
from biobert_tf.training import strategy as strategies
from biobert_tf.training.clipping import Clipping
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.run_directory import RunDirectory
from biobert_tf.training.schedule import Schedule
from biobert_tf.training.selection import Selection
from biobert_tf.training.task import Task

_LOG = logging.getLogger(__name__)

_TRAIN: Final = "train"


class Score(Protocol):
    """The scores that a task's `score` returns."""

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""


class Record(Protocol):
    """One row of model input."""

    @property
    def features(self) -> records.Features:
        """Returns the row as a TFRecord stores it, by name."""


ExampleT = TypeVar("ExampleT")
ExampleT_contra = TypeVar("ExampleT_contra", contravariant=True)
RecordT = TypeVar("RecordT", bound=Record)
RecordT_co = TypeVar("RecordT_co", bound=Record, covariant=True)
PredictionT = TypeVar("PredictionT")
TaskT_co = TypeVar("TaskT_co", bound=Task, covariant=True)


class Rows(Sized, Iterable[RecordT_co], Protocol[RecordT_co]):
    """The records of a stage: a list, or made anew whenever they are read."""


class FinetuningTask(Task, Protocol[ExampleT_contra, RecordT]):
    """A `Task` that is fine-tuned on examples."""

    @property
    def name(self) -> str:
        """Returns the name in the results."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the labels; the position of a label is its id."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """Returns the scores that may choose a model, the main one first."""

    @property
    def new_head(self) -> Collection[str]:
        """Returns the variables a pre-trained checkpoint does not have."""

    def featurize(self, examples: Sequence[ExampleT_contra]) -> Rows[RecordT]:
        """Returns the records of all examples."""

    def counts(self, records: Iterable[RecordT]) -> dict[str, int]:
        """Returns counts to report about records, beside their number."""

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the number of records among which the next one is drawn."""


class TextTask(
    FinetuningTask[ExampleT_contra, RecordT],
    Protocol[ExampleT_contra, RecordT, PredictionT],
):
    """A task whose predictions are held in memory, and decoded to text."""

    def featurize(self, examples: Sequence[ExampleT_contra]) -> Sequence[RecordT]:
        """Returns the records of all examples."""

    def decode(
        self,
        examples: Sequence[ExampleT_contra],
        records: Sequence[RecordT],
        predictions: Mapping[str, np.ndarray],
    ) -> list[PredictionT]:
        """Returns one prediction per example."""

    def is_labelled(self, examples: Sequence[ExampleT_contra]) -> bool:
        """Says whether predictions for `examples` can be scored."""

    def score(
        self,
        examples: Sequence[ExampleT_contra],
        predictions: Sequence[PredictionT],
        seed: int,
    ) -> Score:
        """Returns the scores of labelled examples."""

    def report(
        self,
        examples: Sequence[ExampleT_contra],
        predictions: Sequence[PredictionT],
    ) -> str:
        """Returns the scores of labelled examples as the field prints them."""

    def prediction_files(
        self,
        examples: Sequence[ExampleT_contra],
        records: Sequence[RecordT],
        predictions: Sequence[PredictionT],
        arrays: Mapping[str, np.ndarray],
    ) -> dict[str, str | None]:
        """Returns the text of every file a prediction writes, by file name.

        None means that the file of an earlier prediction must be deleted.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Generic[ExampleT]):
    """The examples of a set; None for a stage that is not run."""

    train: Sequence[ExampleT] | None
    devel: Sequence[ExampleT] | None
    test: Sequence[ExampleT] | None
    development: Sequence[ExampleT] = ()
    """The examples that are scored while training: those of `devel`, or none."""

    def stages(self) -> dict[str, Sequence[ExampleT]]:
        """Returns the examples of the stages that are run, by name, in order."""
        stages = {name: getattr(self, name) for name in (_TRAIN, "devel", "test")}
        return {name: held for name, held in stages.items() if held is not None}


@dataclasses.dataclass(frozen=True)
class Finished(Generic[TaskT_co]):
    """The result of a run: its task and directory, and its model, ready for more."""

    task: TaskT_co
    estimator: Estimator
    directory: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(abc.ABC, Generic[ExampleT, RecordT]):
    """One fine-tuning run; a subclass says how it predicts.

    Attributes:
        examples: The examples of each stage, in order. The stage `train` is trained
            on; all others are predicted.
        development: The examples to score while training, if the settings ask for it.
        parts: The sizes, the vocabulary and the weights to start from.
        clipping: See `Clipping`.
    """

    task: FinetuningTask[ExampleT, RecordT]
    examples: Mapping[str, Sequence[ExampleT]]
    development: Sequence[ExampleT]
    parts: released.Released
    settings: ScriptConfig
    clipping: Clipping = "whole"

    def execute(self) -> Estimator:
        """Runs the stages that have examples; returns the estimator for more.

        Raises:
            InputError: An example cannot become a record; or the output directory
                cannot be written, belongs to a run with other settings, or lacks
                weights to predict with.
            TrainingDivergedError: The loss became NaN or infinite.
        """
        start = time.monotonic()
        selection.require_known(self.settings.selection, self.task.score_names)
        # All stages come first, so that a bad example is reported at once.
        rows = {
            stage: self._featurize(stage, examples)
            for stage, examples in self.examples.items()
        }
        development = self._featurize("devel", self.development)
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
        batch_size = self.settings.finetuning.predict_batch_size
        estimator.check_batch_size("predict_batch_size", batch_size)
        directory = RunDirectory(
            path=estimator.model_dir,
            settings=self.settings,
            is_training=_TRAIN in self.examples,
        )
        step = directory.start(
            estimator, self.parts.init_checkpoint, self.task.new_head
        )
        results: dict[str, object] = {}
        seconds: dict[str, float] = {}
        for stage, examples in self.examples.items():
            begin = time.monotonic()
            if stage == _TRAIN:
                step, more = self._train(
                    estimator, examples, rows[stage], development, step
                )
            else:
                more = self._predict(estimator, stage, examples, rows[stage])
            results[stage] = {
                "examples": len(examples),
                "records": len(rows[stage]),
                **self.task.counts(rows[stage]),
                **more,
            }
            seconds[stage] = time.monotonic() - begin
        results |= self._summary(estimator, results)
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

    def _train(
        self,
        estimator: Estimator,
        examples: Sequence[ExampleT],
        rows: Rows[RecordT],
        development: Rows[RecordT],
        step: int,
    ) -> tuple[int, dict[str, Any]]:
        """Trains up to the last step; returns the model's step, and what to record."""
        path = self._write_records(estimator, _TRAIN, _TRAIN, rows)
        num_scheduled = self._num_scheduled(examples, rows)
        run = self.settings.run
        schedule = Schedule.of(num_scheduled, run, self.settings.finetuning)
        chosen = self._selection(estimator, num_scheduled, schedule, development)
        data = records.shuffled(
            [path],
            self.task.specs,
            shuffle_buffer=self.task.shuffle_buffer(len(rows)),
            seed=run.seed,
        )
        if _is_trained(estimator, schedule.last_step(run), step, chosen):
            run_directory.already_trained(estimator, step)
            estimator.pack(data, schedule.num_train_steps)
        else:
            _LOG.info(
                "training on %d records for %d steps",
                len(rows),
                schedule.num_train_steps,
            )
            step = estimator.train(
                data,
                schedule,
                self.settings.finetuning.learning_rate,
                clipping=self.clipping,
                selection=chosen,
            )
        output_dir = self.settings.stages.output_dir
        if chosen is not None and chosen.best_step not in (None, step):
            step = chosen.best_step
            _LOG.info("the model is that of step %d, the best", step)
            best = released.prefix(output_dir, step)
            estimator.initialize(checkpoints.locate(best).read())
        finished = self._finish(estimator, development)
        # Even if nothing was trained now: an earlier run may have died before this.
        if estimator.is_chief and (finished or not released.is_saved(output_dir, step)):
            self._release(estimator, step)
        return step, {
            "steps": schedule.num_train_steps,
            "warmup_steps": schedule.num_warmup_steps,
            "texts": estimator.texts,
            **(chosen.to_dict() if chosen else {}),
            **finished,
        }

    def _finish(
        self, estimator: Estimator, development: Rows[RecordT]
    ) -> dict[str, object]:
        """Changes the weights after the training, before they become the run's model.

        Returns:
            What was done, to be recorded; empty if the weights are those of the
            training. Done twice, it changes nothing the second time.
        """
        return {}

    def _release(self, estimator: Estimator, step: int) -> None:
        """Writes the present weights, of a step, as the run's model."""
        released.save(
            self.parts.encoder_config,
            self.parts.tokenizer.vocab_file,
            estimator.weights(),
            self.settings.stages.output_dir,
            step,
            self.task.labels,
        )

    def _selection(
        self,
        estimator: Estimator,
        num_examples: int,
        schedule: Schedule,
        development: Rows[RecordT],
    ) -> Selection | None:
        """Returns what evaluates the training, if the settings ask for it."""
        settings, run = self.settings.selection, self.settings.run
        if not settings.evaluates:
            return None

        def evaluate() -> selection.Scores:
            scores = self._development_scores(estimator, development)
            return {name: scores[name] for name in self.task.score_names}

        return Selection(
            settings,
            self.task.score_names,
            selection.due_steps(
                settings, num_examples, run.train_batch_size, schedule.num_train_steps
            ),
            evaluate,
            functools.partial(self._release, estimator) if estimator.is_chief else None,
            self.settings.stages.output_dir,
        )

    @abc.abstractmethod
    def _development_scores(
        self, estimator: Estimator, rows: Rows[RecordT]
    ) -> Mapping[str, Any]:
        """Returns the scores of the development examples, and more, by name."""

    def _num_scheduled(self, examples: Sequence[ExampleT], rows: Rows[RecordT]) -> int:
        """Returns the number of rows in an epoch of the schedule."""
        return len(rows)

    @abc.abstractmethod
    def _predict(
        self,
        estimator: Estimator,
        stage: str,
        examples: Sequence[ExampleT],
        rows: Rows[RecordT],
    ) -> dict[str, Any]:
        """Predicts the examples of a stage, scores them and writes the files."""

    def _summary(
        self, estimator: Estimator, results: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns the results of all stages together, by the name of their stage."""
        return {}

    def _featurize(self, stage: str, examples: Sequence[ExampleT]) -> Rows[RecordT]:
        """Returns the records of a stage."""
        try:
            return self.task.featurize(examples)
        except InputError as error:
            # Examples know their line, but not their file.
            raise InputError(f"{stage} file, {error}") from None

    def _write_records(
        self,
        estimator: Estimator,
        stage: str,
        name: str,
        rows: Rows[RecordT],
        specs: records.Specs | None = None,
    ) -> Path:
        """Writes `<name>.tf_record`, one copy per worker; logs the task's counts.

        Records hold the features of `specs`; by default, those of the task.
        """
        directory = strategies.own_dir(
            estimator.strategy, self.settings.stages.output_dir
        )
        path = directory / f"{name}.tf_record"
        specs = specs or self.task.specs
        records.write(path, (row.features for row in rows), specs)
        counts = self.task.counts(rows)
        if any(counts.values()):
            shown = ", ".join(f"{value} {name}" for name, value in counts.items())
            _LOG.info("%s: of %d records %s", stage, len(rows), shown)
        if estimator.is_chief:
            number = self.settings.run.log_examples
            pieces = self.parts.tokenizer.inv_vocab
            features = (row.features for row in rows)
            examples_log.log(stage, features, number, specs, pieces, self.task.labels)
        return path


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextRun(Run[ExampleT, RecordT], Generic[ExampleT, RecordT, PredictionT]):
    """A fine-tuning whose examples and predictions fit into memory."""

    task: TextTask[ExampleT, RecordT, PredictionT]

    def _predict(
        self,
        estimator: Estimator,
        stage: str,
        examples: Sequence[ExampleT],
        rows: Rows[RecordT],
    ) -> dict[str, object]:
        """Predicts and scores the examples; writes the files of the test stage."""
        name, batch_size = "predict", self.settings.finetuning.predict_batch_size
        if stage == "devel":
            name, batch_size = "eval", self.settings.run.eval_batch_size
        _LOG.info("predicting %s: %d examples", stage, len(examples))
        self._write_records(estimator, stage, name, rows)
        held = list(rows)
        arrays = estimator.predict(
            (row.features for row in held), batch_size, total=len(held)
        )
        predictions = self.task.decode(examples, held, arrays)
        results: dict[str, object] = {}
        if self.task.is_labelled(examples):
            # PARITY(run_ner.py:534, 622): the original evaluates the test file too in
            # batches of this size; some of its losses depend on that.
            evaluation = self.settings.run.eval_batch_size
            results["metrics"] = self.task.metrics(arrays, evaluation)
            scores = self.task.score(examples, predictions, self.settings.run.seed)
            results["scores"] = scores.to_dict()
            if estimator.is_chief:
                print(f"\n{stage}\n{self.task.report(examples, predictions)}")
        if stage == "test" and estimator.is_chief:
            texts = self.task.prediction_files(examples, held, predictions, arrays)
            for file_name, text in texts.items():
                path = self.settings.stages.output_dir / file_name
                if text is None:
                    path.unlink(missing_ok=True)
                else:
                    files.write_text(path, text)
            if not results:
                written = [name for name, text in texts.items() if text is not None]
                say_unscored(stage, self.settings.stages.output_dir, written)
        return results

    def _development_scores(
        self, estimator: Estimator, rows: Rows[RecordT]
    ) -> Mapping[str, Any]:
        """Returns the scores of the development examples; see `Run`."""
        held, run = list(rows), self.settings.run
        features = (row.features for row in held)
        arrays = estimator.predict(features, run.eval_batch_size, total=len(held))
        predictions = self.task.decode(self.development, held, arrays)
        return self.task.score(self.development, predictions, run.seed).to_dict()


def _is_trained(
    estimator: Estimator, last_step: int, step: int, chosen: Selection | None
) -> bool:
    """Says whether nothing is left to train or to evaluate after `step`."""
    if chosen is None:
        return step >= last_step
    estimator.restore(selection=chosen)
    return chosen.is_over or (step >= last_step and not chosen.is_due(step))


def say_unscored(what: object, folder: Path, names: Sequence[str]) -> None:
    """Says that a file was predicted only, and where the predictions are."""
    paths = ", ".join(str(folder / name) for name in names)
    _LOG.info("%s: no labels: not scored; the predictions are in %s", what, paths)


def missing_file(path: Path) -> InputError:
    """Returns the error for a missing file; the message lists the files that exist."""
    held = sorted(other.name for other in path.parent.glob(f"*{path.suffix}"))
    held_text = ", ".join(held) or f"no {path.suffix} file"
    return InputError.at(path, None, f"no such file; {path.parent} holds {held_text}")


def check_labels(output_dir: Path, labels: Sequence[str]) -> None:
    """Refuses to train in a directory whose model has other labels.

    Raises:
        InputError: The directory holds a model with other labels.
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
    for stage, found in results.items():
        prefix = "" if stage == "devel" else f"{stage}_"
        for name, value in found.get("metrics", {}).items():
            values[f"{prefix}{name}"] = value
        for name, value in found.get("scores", {}).items():
            if isinstance(value, float):
                values[f"{stage}_{name}"] = value
    return run_directory.value_lines(values, step) if values else []
