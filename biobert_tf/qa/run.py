# SPDX-License-Identifier: Apache-2.0
"""Runs `run_qa.py`: reads questions, trains, answers, scores and writes the files.

Answers are decoded and written question by question, so that memory holds the windows
and scores of one question only.
"""

import collections
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf import checkpoints
from biobert_tf.checkpoints import released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.files import JsonSource
from biobert_tf.qa import (
    answers,
    bioasq_form,
    decoding,
    question_scores,
    reading,
    squad_scores,
    yesno,
    yesno_reading,
)
from biobert_tf.qa import task as tasks
from biobert_tf.qa.bioasq import scores as bioasq
from biobert_tf.qa.features import QaFeatures
from biobert_tf.qa.question_scores import QuestionScores
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.settings import QaConfig
from biobert_tf.qa.squad_scores import Gold
from biobert_tf.qa.task import QaTask
from biobert_tf.training import clipping, finetune
from biobert_tf.training import planned as plans
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Finished
from biobert_tf.training.planned import Planned

_LOG = logging.getLogger(__name__)

_TRAIN: Final = "train"
_TEST: Final = "test"
# The original shuffles its questions with this seed (run_qa.py:1173).
_ORIGINAL_SEED: Final = 12345


def run(settings: QaConfig) -> Finished[QaTask]:
    """Runs one question answering experiment; returns its model for more predictions.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    parts = released.load(settings.text, settings.model, settings.stages.output_dir)
    predict_files = _predict_files(settings)
    golden_files = _golden_files(settings, predict_files)
    # Read first, so that an unusable file is reported before anything is computed.
    known = frozenset(id_ for p in golden_files for id_ in bioasq.question_ids(p))
    examples: dict[str, Sequence[QaExample]] = {}
    squad_gold = {}
    if settings.stages.do_train:
        examples[_TRAIN] = _read_train(settings)
    for stage, path in predict_files.items():
        if settings.question_type == "yesno":
            examples[stage] = yesno_reading.read_examples(path, needs_labels=False)
            if not golden_files and _are_labelled(examples[stage]):
                # Contradictions could not be scored.
                try:
                    yesno.gold(examples[stage], known)
                except InputError as error:
                    raise InputError.at(path, None, str(error)) from None
        else:
            examples[stage] = reading.read_examples(path, is_training=False).examples
        if settings.scores_squad:
            squad_gold[stage] = squad_scores.gold_of(path)
        ids = {bioasq_form.question_id(one.qas_id, known) for one in examples[stage]}
        if golden_files and ids.isdisjoint(known):
            _LOG.warning(
                "%s: --golden_file answers none of its %d questions", path, len(ids)
            )
    development, development_gold = _read_development(settings)
    task = tasks.of(settings, parts.tokenizer, examples.get(_TRAIN, ()))
    estimator = QaRun(
        task=task,
        examples=examples,
        development=development,
        development_gold=development_gold,
        parts=parts,
        settings=settings,
        clipping=clipping.of(settings.compat, settings.device),
        predict_files=predict_files,
        golden_files=golden_files,
        squad_gold=squad_gold,
        known=known,
    ).execute()
    return Finished(task, estimator, settings.stages.output_dir)


def planned(settings: QaConfig, parts: released.Released) -> Planned:
    """Returns the steps of a run."""
    task = tasks.of(settings, parts.tokenizer)
    return plans.finetuning(settings, task, settings.compat, task.prediction_specs)


# --- files --------------------------------------------------------------------------


def _predict_files(settings: QaConfig) -> dict[str, Path]:
    """Returns the files to predict by stage: `test`, or `test_<name>` for several."""
    if not settings.stages.do_predict:
        return {}
    paths = settings.stages.predict_file.files()
    if len(paths) == 1:
        return {_TEST: paths[0]}
    names = collections.Counter(path.stem for path in paths)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(
            f"--predict_file: {names[twice[0]]} files are called {twice[0]}, and their "
            "answers would be too; rename all but one"
        )
    return {f"{_TEST}_{path.stem}": path for path in paths}


def _golden_files(settings: QaConfig, predict_files: Mapping[str, Path]) -> list[Path]:
    """Returns the files of BioASQ's answers: none, one for all, or one for each."""
    if not settings.stages.golden_file or not predict_files:
        return []
    if settings.question_type == "squad":
        raise InputError(
            "--golden_file is for BioASQ; SQuAD's answers are read from --predict_file"
        )
    paths = settings.stages.golden_file.files()
    if len(paths) not in (1, len(predict_files)):
        raise InputError(
            f"--golden_file names {len(paths)} files and --predict_file "
            f"{len(predict_files)}; give one for each, or one for all"
        )
    return paths


def _read_train(settings: QaConfig) -> list[QaExample]:
    """Returns the questions to train on, in random order."""
    examples: list[QaExample] = []
    for path in settings.stages.train_file.files():
        if settings.question_type == "yesno":
            examples += yesno_reading.read_examples(path, needs_labels=True)
            continue
        found = reading.read_examples(
            path,
            is_training=True,
            version_2_with_negative=settings.decoding.version_2_with_negative,
        )
        examples += found.examples
        if found.unrecoverable:
            _LOG.warning(
                "%s: %d questions are left out, because their answers are not where "
                "the file says; the first is %s",
                path,
                len(found.unrecoverable),
                found.unrecoverable[0],
            )
    if not examples:
        raise InputError(
            f"--train_file={settings.stages.train_file}: no question has an answer "
            "that is where the file says"
        )
    seed = _ORIGINAL_SEED if settings.compat == "master" else settings.run.seed
    return reading.training_order(examples, seed)


def _read_development(
    settings: QaConfig,
) -> tuple[Sequence[QaExample], Gold | JsonSource]:
    """Returns the questions to score while training, and their answers."""
    path = settings.stages.dev_file
    if path is None:
        return (), {}
    if settings.question_type != "yesno":
        examples = reading.read_examples(path, is_training=False).examples
        gold = squad_scores.gold_of(path)
        if gold is None:
            problem = "has a question without answers, so it cannot be scored"
            raise InputError.at(path, None, problem)
        return examples, gold
    questions = yesno_reading.read_examples(path, needs_labels=True)
    reading.require_distinct_ids(path, questions)
    try:
        return questions, yesno.gold(questions)
    except InputError as error:
        raise InputError.at(path, None, str(error)) from None


def _are_labelled(examples: Sequence[QaExample]) -> bool:
    return all(example.is_yes is not None for example in examples)


# --- the run ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class QaRun(finetune.Run[QaExample, QaFeatures]):
    """A fine-tuning on questions.

    Attributes:
        predict_files: The file to predict in each stage.
        golden_files: The files of BioASQ's answers; see `_golden_files`.
        squad_gold: SQuAD's gold answers of each stage; None where there are none.
        known: The ids of the questions in `golden_files`.
        development_gold: The answers to the development questions.
    """

    task: QaTask
    settings: QaConfig
    predict_files: Mapping[str, Path]
    golden_files: Sequence[Path]
    squad_gold: Mapping[str, Gold | None]
    known: frozenset[str]
    development_gold: Gold | JsonSource

    def _num_scheduled(
        self, examples: Sequence[QaExample], rows: finetune.Rows[QaFeatures]
    ) -> int:
        """Returns the number of rows in an epoch of the schedule.

        PARITY(run_qa.py:1167-1168): the original counts questions instead of windows,
        and so stops before it has seen all windows --num_train_epochs times.
        """
        return len(examples) if self.settings.compat == "master" else len(rows)

    def _predict(
        self,
        estimator: Estimator,
        stage: str,
        examples: Sequence[QaExample],
        rows: finetune.Rows[QaFeatures],
    ) -> dict[str, Any]:
        """Predicts, writes and scores the questions of one file."""
        path = self.predict_files[stage]
        _LOG.info("predicting %s: %d questions", path, len(examples))
        directory = self._directory(stage)
        if estimator.is_chief:
            # Of an earlier prediction; that of several files is the whole's.
            for folder in {directory, self.settings.stages.output_dir}:
                (folder / question_scores.FILE).unlink(missing_ok=True)
        # The original calls what it predicts `eval` too (run_qa.py:1229).
        name = str(directory.relative_to(self.settings.stages.output_dir) / "eval")
        specs = self.task.prediction_specs
        self._write_records(estimator, stage, name, rows, specs)
        outputs = estimator.predict_rows(
            (row.features for row in rows),
            self.settings.finetuning.predict_batch_size,
            specs,
            total=len(rows),
        )
        if not estimator.is_chief:
            # Workers compute together; one of them writes.
            collections.deque(outputs, maxlen=0)
            return {}
        answers.write(self.settings, self.known, directory, examples, rows, outputs)
        scores = self._scores(stage, examples)
        if not scores and not self.golden_files:
            is_squad = self.settings.question_type == "squad"
            name = decoding.PREDICTIONS if is_squad else bioasq_form.SUBMISSION
            finetune.say_unscored(path, directory, [name])
        return scores

    def _directory(self, stage: str) -> Path:
        """Returns the folder for the answers to a file."""
        output_dir = self.settings.stages.output_dir
        if len(self.predict_files) == 1:
            return output_dir
        return output_dir / "predictions" / self.predict_files[stage].stem

    def _development_scores(
        self, estimator: Estimator, rows: finetune.Rows[QaFeatures]
    ) -> Mapping[str, Any]:
        """Returns SQuAD's scores, or those of yes and no; every worker computes all."""
        features = (row.features for row in rows)
        batch_size = self.settings.run.eval_batch_size
        specs, examples = self.task.prediction_specs, self.development
        outputs = estimator.predict_rows(features, batch_size, specs)
        gold = self.development_gold
        if isinstance(gold, Gold):
            found = answers.span_predictions(self.settings, examples, rows, outputs)
            texts = {one.qas_id: one.text for one in found}
            return squad_scores.evaluate(gold, texts).to_dict()
        passages = answers.yes_no_answers(examples, rows, outputs)
        submission, _ = yesno.transform(yesno.pool(passages))
        return bioasq.pooled([(gold, submission)], types=["yesno"]).to_dict()

    def _finish(
        self, estimator: Estimator, development: finetune.Rows[QaFeatures]
    ) -> dict[str, object]:
        """Moves the border between yes and no to where it is best, as asked for.

        The bias of yes takes the move: evidence is an average of differences to it, so
        predictions, exports and `biobert ask` need not know of the border.
        """
        if not self.settings.tune_threshold:
            return {}
        examples = self.development
        outputs = estimator.predict_rows(
            (row.features for row in development),
            self.settings.run.eval_batch_size,
            self.task.prediction_specs,
        )
        answers_of = yesno.pool(answers.yes_no_answers(examples, development, outputs))
        labels = {bioasq_form.question_id(e.qas_id): bool(e.is_yes) for e in examples}
        border = yesno.best_border(answers_of, labels)
        _LOG.info(
            "the border between yes and no moves by %.3f logits: macro F1 of %d "
            "development questions %.4f, before %.4f",
            border.evidence,
            border.num_questions,
            border.macro_f1,
            border.macro_f1_before,
        )
        weights = estimator.weights()
        bias = weights["output_bias"].copy()
        bias[self.task.labels.index("yes")] -= border.evidence
        moved = checkpoints.Checkpoint(
            {**weights, "output_bias": bias}, (), self.settings.stages.output_dir
        )
        estimator.initialize(moved)
        return {"border": border.to_dict()}

    # --- scores ----------------------------------------------------------------------

    def _scores(self, stage: str, examples: Sequence[QaExample]) -> dict[str, Any]:
        """Prints and returns the scores of a file; empty if its answers are unknown."""
        if self.settings.scores_squad:
            return self._squad_scores(stage)
        golden: JsonSource
        if len(self.golden_files) == len(self.predict_files):
            golden = self.golden_files[list(self.predict_files).index(stage)]
        elif self.golden_files or not _are_labelled(examples):
            return {}
        else:
            golden = yesno.gold(examples, self.known)
        directory = self._directory(stage)
        submission = directory / bioasq_form.SUBMISSION
        return self._bioasq_scores(stage, [(golden, submission)], directory)

    def _summary(
        self, estimator: Estimator, results: Mapping[str, Any]
    ) -> dict[str, object]:
        """Returns the pooled scores of all files, as in the paper's table."""
        has_scores = "scores" in results.get(_TEST, {})
        if has_scores or not estimator.is_chief or not self.golden_files:
            return {}
        paths = [
            self._directory(stage) / bioasq_form.SUBMISSION
            for stage in self.predict_files
        ]
        submissions: Sequence[JsonSource] = paths
        if len(self.golden_files) == 1:
            read = map(files.read_json, paths)
            entries = [entry for document in read for entry in document["questions"]]
            submissions = [bioasq_form.submission(entries)]
        batches = list(zip(self.golden_files, submissions, strict=True))
        output_dir = self.settings.stages.output_dir
        scores = self._bioasq_scores(_TEST, batches, output_dir)
        return {_TEST: results.get(_TEST, {}) | scores}

    def _squad_scores(self, stage: str) -> dict[str, object]:
        directory = self._directory(stage)
        gold = self.squad_gold[stage]
        if gold is None:
            return {}
        how = self.settings.decoding
        # A model of version 2 may be tried on questions that all have an answer.
        has_odds = how.version_2_with_negative and gold.is_version_2
        scores = squad_scores.evaluate(
            gold,
            directory / decoding.PREDICTIONS,
            directory / decoding.NULL_ODDS if has_odds else None,
            how.null_score_diff_threshold,
        )
        print(f"\n{stage}\n{squad_scores.report(scores)}", end="")
        _write_questions(directory, scores.questions)
        return {"scores": scores.to_dict()}

    def _bioasq_scores(
        self,
        stage: str,
        batches: Sequence[tuple[JsonSource, JsonSource]],
        directory: Path,
    ) -> dict[str, object]:
        question_type = self.settings.question_type
        scores = bioasq.pooled(batches, types=[question_type])
        print(f"\n{stage}\n{bioasq.report(scores)}", end="")
        _write_questions(directory, scores.questions)
        # The scores of other types are 0, because there are no such questions.
        others = tuple(name for name in bioasq.TYPES if name != question_type)
        values = {
            name: value
            for name, value in scores.to_dict().items()
            if not name.removeprefix("num_").startswith(others)
        }
        return {"scores": values}


def _write_questions(directory: Path, questions: Sequence[QuestionScores]) -> None:
    """Writes the scores of single questions beside their answers."""
    text = question_scores.lines(questions)
    files.write_text(directory / question_scores.FILE, text)
