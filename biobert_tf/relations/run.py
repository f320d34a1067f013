# SPDX-License-Identifier: Apache-2.0
"""Runs `run_re.py` on one set: makes a `TextRun` from settings and files."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Place, released
from biobert_tf.common.errors import InputError
from biobert_tf.relations import features, marks, reading
from biobert_tf.relations.features import RelationRecord
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, RelationSet, custom
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.relations.task import RelationPrediction, RelationTask
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import clipping, finetune, records, run_directory
from biobert_tf.training import planned as plans
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Data, Finished, Rows, TextRun
from biobert_tf.training.planned import Planned
from biobert_tf.training.stages import require_examples, without_empty

_LOG = logging.getLogger(__name__)


def run(settings: RelationConfig) -> Finished[RelationTask]:
    """Runs one RE experiment; returns its model for more predictions.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    devel = reading.find(settings.stages.data_dir, "dev")
    stages = without_empty(settings.stages, devel)
    settings = dataclasses.replace(settings, stages=stages)
    parts = released.load(settings.text, settings.model, settings.stages.output_dir)
    if settings.entity_markers:
        _require_markers(parts.tokenizer)
    if not settings.stages.do_train:
        _require_same_form(settings)
    relation_set = find_set(settings)
    data = read_data(settings, relation_set)
    _warn_of_unmarked(settings, data)
    task = RelationTask(
        tokenizer=parts.tokenizer,
        relation_set=relation_set,
        max_seq_length=settings.text.max_seq_length,
        entity_markers=settings.entity_markers,
        class_weights=settings.class_weights.of(
            relation_set.labels,
            [example.label for example in data.train or ()],
            relation_set.canonical,
        ),
        compat=settings.compat,
    )
    estimator = _Run(
        task=task,
        examples=data.stages(),
        development=data.development,
        parts=parts,
        settings=settings,
        clipping=clipping.of(settings.compat, settings.device),
    ).execute()
    return Finished(task, estimator, settings.stages.output_dir)


def planned(settings: RelationConfig, parts: released.Released) -> Planned:
    """Returns the steps of a run; unknown labels are taken to be two."""
    relation_set = SETS.get(settings.task_name) or custom(
        settings.labels.named or ("0", "1"), settings.negative_label
    )
    task = RelationTask(
        tokenizer=parts.tokenizer,
        relation_set=relation_set,
        max_seq_length=settings.text.max_seq_length,
        entity_markers=settings.entity_markers,
        class_weights=(1.0,) * len(relation_set.labels),
        compat=settings.compat,
    )
    return plans.finetuning(settings, task, settings.compat)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Run(TextRun[RelationExample, RelationRecord, RelationPrediction]):
    """A run that records the marks of its training texts.

    It can write the records of a test file as the original does.
    """

    task: RelationTask

    def _train(
        self,
        estimator: Estimator,
        examples: Sequence[RelationExample],
        rows: Rows[RelationRecord],
        development: Rows[RelationRecord],
        step: int,
    ) -> tuple[int, dict[str, Any]]:
        if estimator.is_chief:
            record = {marks.KEY: marks.of_all(examples)}
            run_directory.add_to_record(self.settings.stages.output_dir, record)
        return super()._train(estimator, examples, rows, development, step)

    def _write_records(
        self,
        estimator: Estimator,
        stage: str,
        name: str,
        rows: Rows[RelationRecord],
        specs: records.Specs | None = None,
    ) -> Path:
        if stage == "test" and self.task.compat == "master":
            # PARITY(run_re.py:367, 409, 450): all have the label that means "no".
            no = {"label_ids": [self.task.label_id(None)]}
            rows = [
                dataclasses.replace(row, features={**row.features, **no})
                for row in rows
            ]
        return super()._write_records(estimator, stage, name, rows, specs)


def _require_markers(tokenizer: FullTokenizer) -> None:
    pieces = [piece for pair in features.MARKERS for piece in pair]
    if missing := [piece for piece in pieces if piece not in tokenizer.vocab]:
        problem = f"lacks {', '.join(missing)}, which --entity_markers needs"
        raise InputError.at(tokenizer.vocab_file, None, problem)


def _require_same_form(settings: RelationConfig) -> None:
    """Refuses to predict with other entity markers or negative label than in training.

    Neither shows in the weights or labels, so the settings beside the model are read,
    if there are any.
    """
    place = _model(settings)
    if place is None:
        return
    path = place.beside(run_directory.SETTINGS_FILE)
    had = released.read_settings(place)
    for name in ("entity_markers", "negative_label"):
        if path and had.get(name) not in (None, getattr(settings, name)):
            given = f"--{name}={json.dumps(had[name])}"
            problem = f"the model was trained with {given}; give the same"
            raise InputError.at(path, None, problem)


def _model(settings: RelationConfig) -> Place | None:
    """Returns the model to predict with, if its labels are known."""
    for path in (settings.stages.output_dir, settings.model.init_checkpoint):
        # An output directory without labels holds no model, but may hold settings.
        if path is not None and released.load_labels([path]) is not None:
            return checkpoints.locate(path)
    return None


def _warn_of_unmarked(settings: RelationConfig, data: Data[RelationExample]) -> None:
    """Says which sentences lack the marks that those of the training have."""
    wanted: list[str] | None = []
    if data.train is not None:
        wanted = marks.of_all(data.train)
    elif place := _model(settings):
        wanted = marks.recorded(released.read_settings(place))
    for split, examples in (
        ("dev", data.devel or data.development),
        ("test", data.test),
    ):
        examples = examples or ()
        if missing := marks.lacking(examples, wanted):
            _LOG.warning(
                "%s: %d of %d sentences lack the marks of the training (%s); the first "
                "is at line %d",
                reading.find(settings.stages.data_dir, split),
                len(missing),
                len(examples),
                marks.shown(wanted),
                examples[missing[0]].line,
            )


def read_data(
    settings: RelationConfig, relation_set: RelationSet
) -> Data[RelationExample]:
    """Reads the files of the stages to run: `train`, `dev` and `test`.

    Raises:
        InputError: A file is missing or malformed, or has a label not in the set.
    """
    stages = settings.stages
    evaluates = settings.selection.evaluates
    reads_devel = stages.do_eval or evaluates
    if evaluates and (path := reading.find(stages.data_dir, "dev")):
        require_examples(path)
    devel = _read(settings, "dev", relation_set) if reads_devel else []
    return Data(
        train=_read(settings, "train", relation_set) if stages.do_train else None,
        devel=devel if stages.do_eval else None,
        test=_read(settings, "test", relation_set) if stages.do_predict else None,
        development=devel if evaluates else (),
    )


def _read(
    settings: RelationConfig, split: str, relation_set: RelationSet | None
) -> list[RelationExample]:
    """Reads the file of a split; all files of a directory have one format."""
    data_dir, data_format = settings.stages.data_dir, settings.data_format
    if not data_dir.is_dir():
        raise InputError(f"--data_dir={data_dir}: no such directory")
    if data_format == "auto":
        data_format = reading.detect(data_dir)
    path = reading.find(data_dir, split)
    if path is None:
        raise finetune.missing_file(data_dir / f"{split}.tsv")
    return reading.read_examples(
        path, data_format, relation_set, needs_labels=split != "test"
    )


def find_set(settings: RelationConfig) -> RelationSet:
    """Returns the labels of a run: of the named set, the flag, the model or the data.

    Raises:
        InputError: The labels cannot be found, or differ from those of the given model.
    """
    stages, checkpoint = settings.stages, settings.model.init_checkpoint
    trained = None
    if not stages.do_train:
        trained = finetune.trained_labels(stages.output_dir, checkpoint)
    if settings.task_name != "custom":
        relation_set = SETS[settings.task_name]
    else:
        labels = settings.labels.parts if settings.labels else trained
        relation_set = custom(
            labels or _labels_of_data(settings), settings.negative_label
        )
    if stages.do_train:
        finetune.check_labels(stages.output_dir, relation_set.labels)
    elif trained not in (None, relation_set.labels):
        raise InputError(
            f"the labels of the model are {' '.join(trained or ())}, those of this run "
            f"{' '.join(relation_set.labels)}; give the --task_name it was trained for"
        )
    return relation_set


def _labels_of_data(settings: RelationConfig) -> list[str]:
    """Returns the labels of the training file, sorted; their order gives the ids."""
    if not settings.stages.do_train:
        raise InputError(
            "the model's labels are unknown: there is no labels.json beside the "
            "checkpoint; give --labels in the order of the ids"
        )
    examples = _read(settings, "train", None)
    labels = sorted({example.label for example in examples if example.label})
    if len(labels) < 2:
        raise InputError.at(
            reading.find(settings.stages.data_dir, "train") or "",
            None,
            f"has one label only, {labels[0]}; want two or more",
        )
    return labels
