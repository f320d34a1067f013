# SPDX-License-Identifier: Apache-2.0
"""Runs `biobert classification` on one set: makes a run from settings and files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from biobert_tf import checkpoints
from biobert_tf.checkpoints import huggingface, released
from biobert_tf.classification import foreign, reading, tasks, thresholds
from biobert_tf.classification.examples import Target, TextExample
from biobert_tf.classification.features import TextRecord
from biobert_tf.classification.reading import TextSet
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.classification.task import (
    MultiTask,
    SingleTask,
    TextPrediction,
    TextTask,
)
from biobert_tf.common.errors import InputError
from biobert_tf.training import finetune, run_directory
from biobert_tf.training import planned as plans
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Data, Finished, Rows, TextRun
from biobert_tf.training.planned import Planned
from biobert_tf.training.stages import require_examples, without_empty


def run(settings: ClassificationConfig) -> Finished[TextTask]:
    """Runs one experiment; returns its model for more predictions.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    found, known = _open(settings)
    stages = without_empty(settings.stages, found.path("dev"))
    settings = dataclasses.replace(settings, stages=stages)
    parts = released.load(settings.text, settings.model, stages.output_dir)
    labels = _labels(settings, found)
    data = _data(settings, found, labels)
    facts = known or tasks.Facts(found.target, found.has_pairs)
    task = tasks.of_run(
        settings, parts.tokenizer, found.target, labels, data.train or ()
    )
    _require_tunable(settings, task)
    estimator = _Run(
        task=tasks.with_thresholds(task, facts.thresholds),
        examples=data.stages(),
        development=data.development,
        parts=parts,
        settings=settings,
        facts=facts,
    ).execute()
    return Finished(task, estimator, stages.output_dir)


def read_all(
    settings: ClassificationConfig,
) -> tuple[tuple[str, ...], Data[TextExample]]:
    """Returns the labels and the examples of a run, and so checks its files.

    Raises:
        InputError: A file is missing or malformed.
    """
    found, _ = _open(settings)
    labels = _labels(settings, found)
    return labels, _data(settings, found, labels)


def planned(settings: ClassificationConfig, parts: released.Released) -> Planned:
    """Returns the steps of a run; an unknown target is one of two labels."""
    asked = settings.reading.target
    target: Target = "single" if asked == "auto" else asked
    labels = settings.reading.labels.named or ("0", "1")
    if target == "regression":
        labels = tasks.NUMBER
    task = tasks.of_run(settings, parts.tokenizer, target, labels)
    return plans.finetuning(settings, task, "fixed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Run(TextRun[TextExample, TextRecord, TextPrediction]):
    """A run that records what its data is, and chooses thresholds.

    Attributes:
        facts: What is known before the training.
        chosen: The thresholds, which the end of the training fills in.
    """

    task: TextTask
    settings: ClassificationConfig
    facts: tasks.Facts
    chosen: dict[str, float] = dataclasses.field(default_factory=dict)

    def _train(
        self,
        estimator: Estimator,
        examples: Sequence[TextExample],
        rows: Rows[TextRecord],
        development: Rows[TextRecord],
        step: int,
    ) -> tuple[int, dict[str, Any]]:
        self._record(estimator, self.facts)
        return super()._train(estimator, examples, rows, development, step)

    def _finish(
        self, estimator: Estimator, development: Rows[TextRecord]
    ) -> dict[str, object]:
        """Chooses and records the thresholds, if asked for; the weights stay."""
        if not self.settings.tune_thresholds:
            return {}
        held = list(development)
        arrays = estimator.predict(
            (row.features for row in held),
            self.settings.run.eval_batch_size,
            total=len(held),
        )
        predictions = self.task.decode(self.development, held, arrays)
        probabilities = np.array([each.probabilities for each in predictions])
        gold = [each.labels or () for each in self.development]
        chosen: dict[str, thresholds.Threshold]
        if isinstance(self.task, MultiTask):
            groups = [each.group for each in self.development]
            chosen = thresholds.of_labels(
                probabilities, gold, self.task.labels, groups if any(groups) else None
            )
        else:
            second = self.task.labels[1]
            is_second = np.array([second in each for each in gold])
            chosen = {second: thresholds.of_binary(probabilities[:, 1], is_second)}
        self.chosen.update({label: one.value for label, one in chosen.items()})
        facts = dataclasses.replace(self.facts, thresholds=dict(self.chosen))
        self._record(estimator, facts)
        return {"thresholds": {name: one.to_dict() for name, one in chosen.items()}}

    def _predict(
        self,
        estimator: Estimator,
        stage: str,
        examples: Sequence[TextExample],
        rows: Rows[TextRecord],
    ) -> dict[str, object]:
        """Predicts with the thresholds that this run has chosen, if it has."""
        task = tasks.with_thresholds(self.task, self.chosen)
        tuned = dataclasses.replace(self, task=task)
        return TextRun._predict(tuned, estimator, stage, examples, rows)

    def _record(self, estimator: Estimator, facts: tasks.Facts) -> None:
        if estimator.is_chief:
            run_directory.add_to_record(
                self.settings.stages.output_dir, facts.to_record()
            )


# --- what a run needs to know ---------------------------------------------------------


def _labels(settings: ClassificationConfig, found: TextSet) -> tuple[str, ...]:
    """Returns the labels of a run: of the layout, the flag, the model or the data.

    Raises:
        InputError: They are unknown, fewer than two, or not those of the given model.
    """
    stages = settings.stages
    if found.target == "regression":
        labels: tuple[str, ...] | None = tasks.NUMBER
    else:
        labels = found.labels
    if not stages.do_train:
        trained = finetune.trained_labels(
            stages.output_dir, settings.model.init_checkpoint
        )
        if found.target == "regression" and trained and len(trained) == 1:
            labels = trained  # Another program's word for the number.
        if None not in (labels, trained) and labels != trained:
            raise InputError(
                f"the labels of the model are {' '.join(trained or ())}, those of this "
                f"run {' '.join(labels or ())}; give the data it was trained for"
            )
        labels = trained or labels
        if labels is None:
            raise InputError(
                "the model's labels are unknown: there is no labels.json beside the "
                "checkpoint; give --labels in the order of the ids"
            )
        return labels
    if labels is None:
        labels = found.training_labels()
    least = 2 if found.target == "single" else 1
    if len(labels) < least:
        raise InputError.at(
            found.path("train") or found.data_dir,
            None,
            f"has the labels {' '.join(labels) or 'none'}; want {least} or more",
        )
    finetune.check_labels(stages.output_dir, labels)
    return labels


def _data(
    settings: ClassificationConfig, found: TextSet, labels: tuple[str, ...]
) -> Data[TextExample]:
    """Reads the files of the stages to run: train, dev and test.

    Raises:
        InputError: A file is missing or malformed, or has an unknown label.
    """
    stages = settings.stages
    scores_while_training = settings.selection.evaluates or settings.tune_thresholds
    if scores_while_training and (path := found.path("dev")):
        require_examples(path)
    known = None if found.target == "regression" else labels
    devel = []
    if stages.do_eval or scores_while_training:
        devel = found.read("dev", needs_labels=True, labels=known)
    return Data(
        train=found.read("train", True, known) if stages.do_train else None,
        devel=devel if stages.do_eval else None,
        test=found.read("test", False, known) if stages.do_predict else None,
        development=devel if scores_while_training else (),
    )


def _open(
    settings: ClassificationConfig,
) -> tuple[TextSet, tasks.Facts | None]:
    """Opens the set of a run; returns with it what the given model's run has recorded.

    There is no such record for a training, or for a model that no run of ours wrote.

    Raises:
        InputError: The files cannot be used; or the model was trained for another
            target, or for pairs and not for texts.
    """
    stages = settings.stages
    recorded = None if stages.do_train else _facts_of_model(settings)
    if recorded is None:
        default = None if stages.do_train else _target_of_foreign(settings)
        found = reading.open_set(stages.data_dir, settings.reading, default)
        if default not in (None, found.target):
            model = settings.model.init_checkpoint
            raise InputError(
                f"{model}: its config.json says target {default}, not {found.target}"
            )
        return found, None
    known, place = recorded
    found = reading.open_set(stages.data_dir, settings.reading, known.target)
    facts = tasks.Facts(found.target, found.has_pairs)
    if (known.target, known.has_pairs) != (facts.target, facts.has_pairs):
        kinds = (f"{x.target}{', of pairs' * x.has_pairs}" for x in (known, facts))
        first, second = kinds
        problem = f"was trained for target {first}; the data has {second}"
        raise InputError.at(place, None, problem)
    return found, known


def _facts_of_model(
    settings: ClassificationConfig,
) -> tuple[tasks.Facts, Path] | None:
    """Returns what the run of the given model has recorded, and where; see `_open`.

    Raises:
        InputError: The record is damaged.
    """
    for path in (settings.stages.output_dir, settings.model.init_checkpoint):
        # An output directory without labels holds no model, but may hold settings.
        if path is None or released.load_labels([path]) is None:
            continue
        place = checkpoints.locate(path)
        recorded = released.read_settings(place)
        return (tasks.facts_of(recorded, place.path), place.path) if recorded else None
    return None


def _target_of_foreign(settings: ClassificationConfig) -> Target | None:
    """Returns the target of a given model that Transformers saved, if it says it.

    Raises:
        InputError: Its config.json cannot be used.
    """
    path = settings.model.init_checkpoint
    place = checkpoints.locate(path) if path else None
    if place is None or place.format != "huggingface":
        return None
    return foreign.target(huggingface.problem_type(place.folder))


def _require_tunable(settings: ClassificationConfig, task: TextTask) -> None:
    """Refuses thresholds for a target that has none."""
    if not settings.tune_thresholds:
        return
    is_binary = isinstance(task, SingleTask) and len(task.labels) == 2
    if not (is_binary or isinstance(task, MultiTask)):
        raise InputError(
            "--tune_thresholds is for several labels per text, or for one of two labels"
        )
