# SPDX-License-Identifier: Apache-2.0
"""Runs `run_pretraining.py`: corpus -> TFRecords -> training -> evaluation.

Everything is checked before anything is computed. `results.json` is written last, so
its presence means that the run is complete.
"""

import dataclasses
import functools
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from biobert_tf.checkpoints import released
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig
from biobert_tf.pretraining import curves, input, record_streams
from biobert_tf.pretraining.data import conversion
from biobert_tf.pretraining.data.documents import PieceTable
from biobert_tf.pretraining.data.masking import MASKED_FEATURES
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.pretraining.masking import DynamicMasking
from biobert_tf.pretraining.record_streams import RecordStream
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.pretraining.task import PretrainingTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import clipping, examples, records, run_directory
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Finished
from biobert_tf.training.planned import Planned
from biobert_tf.training.run_directory import RunDirectory
from biobert_tf.training.schedule import Schedule

_LOG = logging.getLogger(__name__)

_RECORDS_NAME: Final = "pretraining.tfrecord"
# Static masks are in the records already. Only a training with dynamic masks reads
# these settings, and another value would change its result.
_FREE_WITH_STATIC_MASKS: Final = ("masked_lm_prob", "do_whole_word_mask")


# The sizes of the encoder; only dynamic masking needs a tokenizer.
_Parts = tuple[EncoderConfig, FullTokenizer | None]


def run(settings: PretrainingConfig) -> Finished[PretrainingTask] | None:
    """Runs the stages that are asked for; returns the model, or None without one.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    stages, start = settings.stages, time.monotonic()
    needs_model = stages.do_train or stages.do_eval
    parts = _load_parts(settings) if needs_model else None
    seconds: dict[str, float] = {}
    paths = []
    if stages.do_convert:
        paths = _convert(settings)
        seconds["convert"] = time.monotonic() - start
    if stages.input_file:
        paths = input.expand(stages.input_file)
    if parts is None:
        return None
    # A cluster must be joined before TensorFlow computes or reads anything.
    strategy = strategies.build_strategy(settings.device)
    task = _task(settings, parts, paths)
    run = _Pretraining(settings, parts, paths, task, strategy)
    return Finished(task, run.execute(start, seconds), stages.output_dir)


def planned(settings: PretrainingConfig, parts: released.Released) -> Planned:
    """Returns the steps of a run; the device gets masked records of either kind."""
    stages = settings.stages
    task = PretrainingTask(
        max_seq_length=settings.text.max_seq_length,
        max_predictions_per_seq=settings.pairs.max_predictions_per_seq,
        vocab_size=parts.encoder_config.vocab_size,
    )
    return Planned(
        task=task,
        training=task.specs if stages.do_train else None,
        prediction=task.specs if stages.do_eval else None,
        predicted_rows=settings.run.eval_batch_size,
        rows_flag="eval_batch_size",
        num_scores=task.max_predictions_per_seq,
        optimizer=settings.pretraining.optimizer,
        clipping=clipping.of(settings.compat, settings.device),
    )


# --- before anything is computed -----------------------------------------------------


def _load_parts(settings: PretrainingConfig) -> _Parts:
    output_dir = settings.stages.output_dir
    given = (settings.text, settings.model, output_dir)
    encoder_config, config_file = released.load_config(*given)
    vocab_file = released.find_vocab(*given)
    if vocab_file is None:
        _LOG.warning(
            "no vocabulary is known: the checkpoint will lack its vocab.txt, which "
            "fine-tuning needs; give --vocab_file"
        )
        return encoder_config, None
    checked = (settings.text, encoder_config, config_file)
    return encoder_config, released.load_tokenizer(vocab_file, *checked)


def _convert(settings: PretrainingConfig) -> list[Path]:
    """Converts the corpus; returns the TFRecord files."""
    if settings.device.strategy == "multi_worker":
        raise InputError(
            "--do_convert contradicts --strategy=multi_worker: convert on one machine, "
            "then train with --input_file"
        )
    text = settings.text
    if text.vocab_file is None:
        found = released.find_vocab(text, settings.model, settings.stages.output_dir)
        text = dataclasses.replace(text, vocab_file=found)
    directory = settings.stages.output_dir / "records"
    target = str(directory / _RECORDS_NAME)
    written = conversion.convert(
        CreatePretrainingDataConfig(
            input_file=settings.stages.corpus_file,
            output_file=CommaList(target, (target,)),
            text=text,
            pairs=settings.pairs,
            corpus=settings.corpus,
            conversion=settings.conversion,
        )
    )
    print(written.summary())
    return [directory / entry.file for entry in written.files]


def _task(
    settings: PretrainingConfig, parts: _Parts, paths: Sequence[Path]
) -> PretrainingTask:
    """Returns the task that fits the records; reads only the first records.

    Raises:
        InputError: The records are not pre-training data, or were made for other
            settings.
    """
    encoder_config, tokenizer = parts
    if tokenizer is not None:
        input.check_manifest(paths, tokenizer.vocab_file, settings.text.do_lower_case)
    found = (records.features_of(path) for path in paths)
    features = next((names for names in found if names is not None), None)
    if features is None:
        raise InputError.at(paths[0], None, "there is no record in any file")
    is_static = bool(set(MASKED_FEATURES) & set(features))
    if is_static and settings.pairs.masking == "dynamic":
        raise InputError.at(
            paths[0],
            None,
            "holds masked records, which contradicts --masking=dynamic; convert with "
            "that flag, or train without it",
        )
    task = PretrainingTask(
        max_seq_length=settings.text.max_seq_length,
        max_predictions_per_seq=settings.pairs.max_predictions_per_seq,
        vocab_size=encoder_config.vocab_size,
        masking=None if is_static else _masking(settings, tokenizer, paths),
    )
    records.check(paths, task.specs, most=1)
    return task


def _masking(
    settings: PretrainingConfig, tokenizer: FullTokenizer | None, paths: Sequence[Path]
) -> DynamicMasking:
    if tokenizer is None:
        raise InputError.at(
            paths[0],
            None,
            "holds records without masks, which --vocab_file is needed to make",
        )
    pieces = PieceTable.of(tokenizer.vocab)
    return DynamicMasking(pieces=pieces, pairs=settings.pairs, seed=settings.run.seed)


# --- training and evaluation ---------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Pretraining:
    """One pre-training run."""

    settings: PretrainingConfig
    parts: _Parts
    paths: Sequence[Path]
    task: PretrainingTask
    strategy: tf.distribute.Strategy

    def execute(self, start: float, seconds: dict[str, float]) -> Estimator:
        """Trains and evaluates as asked for in a run that began at `start`.

        The `seconds` that each of the stages takes are added to those before.
        """
        stages, is_static = self.settings.stages, self.task.masking is None
        strategies.make_repeatable()
        estimator = Estimator(
            self.task,
            self.parts[0],
            strategy=self.strategy,
            device=self.settings.device,
            run=self.settings.run,
            model_dir=stages.output_dir,
        )
        directory = RunDirectory(
            path=stages.output_dir,
            settings=self.settings,
            is_training=stages.do_train,
            also_free=_FREE_WITH_STATIC_MASKS if is_static else (),
        )
        step = directory.start(
            estimator, self.settings.model.init_checkpoint, self.task.new_head
        )
        if estimator.is_chief:
            self._log_examples()
        results: dict[str, Any] = {"masking": "static" if is_static else "dynamic"}
        lines: list[str] = []
        if stages.do_train:
            begin = time.monotonic()
            step, results["train"] = self._train(estimator, step)
            seconds["train"] = time.monotonic() - begin
        if stages.do_eval:
            begin = time.monotonic()
            results["eval"] = self._evaluate(estimator, step)
            lines = run_directory.value_lines(results["eval"]["metrics"], step)
            seconds["eval"] = time.monotonic() - begin
        seconds["total"] = time.monotonic() - start
        if estimator.is_chief:
            directory.write_results("pretraining", step, lines, results, seconds)
        return estimator

    def _log_examples(self) -> None:
        """Logs the first records, with the masks of an evaluation."""
        number, (_, tokenizer) = self.settings.run.log_examples, self.parts
        prepare = functools.partial(self.task.prepare, training=False)
        rows = records.rows(self.paths, self.task.specs, number, prepare)
        pieces = {} if tokenizer is None else tokenizer.inv_vocab
        examples.log("the records", rows, number, self.task.masked_specs, pieces)

    def _train(
        self, estimator: Estimator, step: int
    ) -> tuple[int, Mapping[str, object]]:
        given, run = self.settings.pretraining, self.settings.run
        output_dir, is_chief = self.settings.stages.output_dir, estimator.is_chief
        schedule = Schedule(given.num_train_steps, given.num_warmup_steps)
        shards = input.training_shards(self.paths, output_dir, step, is_chief)
        stream = RecordStream(shards=shards, seed=run.seed)
        if stream.num_records < run.train_batch_size:
            raise InputError(
                f"{stream.num_records} records in {len(shards)} files are fewer than "
                f"--train_batch_size={run.train_batch_size}; lower it or give more data"
            )
        epochs = schedule.num_train_steps * run.train_batch_size / stream.num_records
        prepare = functools.partial(self.task.prepare, training=True)
        data = record_streams.training_data(stream, self.task.specs, prepare)
        if step >= schedule.last_step(run):
            run_directory.already_trained(estimator, step)
            estimator.pack(data, schedule.num_train_steps)
        else:
            _LOG.info(
                "training on %d records of %d files for %d steps: %.2f epochs",
                stream.num_records,
                len(shards),
                schedule.num_train_steps,
                epochs,
            )
            if given.num_warmup_steps >= given.num_train_steps:
                _LOG.warning(
                    "--num_warmup_steps=%d of --num_train_steps=%d: the rate never "
                    "reaches --learning_rate",
                    given.num_warmup_steps,
                    given.num_train_steps,
                )
            step = estimator.train(
                data,
                schedule,
                given.learning_rate,
                optimizer_name=given.optimizer,
                clipping=clipping.of(self.settings.compat, self.settings.device),
                num_scores=self.task.max_predictions_per_seq * self.task.vocab_size,
                recorder=curves.LearningCurve(output_dir, schedule.num_train_steps),
            )
        # Even if nothing was trained now: an earlier run may have died before this.
        if is_chief and not released.is_saved(output_dir, step):
            encoder_config, tokenizer = self.parts
            vocab_file = None if tokenizer is None else tokenizer.vocab_file
            released.save(
                encoder_config, vocab_file, estimator.weights(), output_dir, step
            )
        return step, {
            "files": len(self.paths),
            "records": stream.num_records,
            "steps": schedule.num_train_steps,
            "warmup_steps": schedule.num_warmup_steps,
            "epochs": round(epochs, 3),
            "texts": estimator.texts,
        }

    def _evaluate(self, estimator: Estimator, step: int) -> dict[str, object]:
        batch_size = self.settings.run.eval_batch_size
        most = self.settings.pretraining.max_eval_steps * batch_size
        paths, num_records = input.first_records(self.paths, most)
        _LOG.info("evaluating on %d records", num_records)
        prepare = functools.partial(self.task.prepare, training=False)
        rows = records.rows(paths, self.task.specs, num_records, prepare)
        predictions = estimator.predict(
            rows, batch_size, self.task.masked_specs, num_records
        )
        metrics = self.task.metrics(predictions, batch_size)
        if estimator.is_chief:
            curves.add_evaluation(self.settings.stages.output_dir, step, metrics)
        return {"records": num_records, "metrics": metrics}
