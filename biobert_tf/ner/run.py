# SPDX-License-Identifier: Apache-2.0
"""Runs `run_ner.py`: makes a `finetune.TextRun` from settings and files."""

import dataclasses
import logging
from pathlib import Path
from typing import Final

from biobert_tf.checkpoints import released
from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading, sets
from biobert_tf.ner.reading import OUTSIDE, NerExample
from biobert_tf.ner.scores import UNTYPED
from biobert_tf.ner.settings import NerConfig
from biobert_tf.ner.task import NerTask
from biobert_tf.text.rows import ALL
from biobert_tf.training import clipping, finetune
from biobert_tf.training import planned as plans
from biobert_tf.training.finetune import Data, Finished
from biobert_tf.training.planned import Planned
from biobert_tf.training.stages import is_empty, require_examples, without_empty

_LOG = logging.getLogger(__name__)

_DEVEL: Final = "devel"


def run(settings: NerConfig) -> Finished[NerTask]:
    """Runs one NER experiment; returns its model for more predictions.

    Raises:
        InputError: Something given cannot be used.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    stages = settings.stages
    stages = without_empty(stages, reading.devel_file(stages.data_dir))
    settings = dataclasses.replace(settings, stages=stages)
    parts = released.load(settings.text, settings.model, stages.output_dir)
    data = read_data(settings)
    task = NerTask(
        tokenizer=parts.tokenizer,
        labels=_labels(settings, data),
        max_seq_length=settings.text.max_seq_length,
        compat=settings.compat,
        entity_type=settings.entity_type,
    )
    source = settings.model.init_checkpoint or stages.output_dir
    if data.train is not None:
        source = stages.data_dir
    reading.require_untyped(task.labels, task.entity_type, source)
    _check_labels(task, settings, data)
    _announce(settings, task)
    estimator = finetune.TextRun(
        task=task,
        examples=data.stages(),
        development=data.development,
        parts=parts,
        settings=settings,
        clipping=clipping.of(settings.compat, settings.device),
    ).execute()
    return Finished(task, estimator, settings.stages.output_dir)


def planned(settings: NerConfig, parts: released.Released) -> Planned:
    """Returns the steps of a run, with the labels O, B and I, or the original's."""
    labels = reading.label_list((), settings.compat)
    task = NerTask(
        tokenizer=parts.tokenizer,
        labels=labels if len(labels) > 1 else (OUTSIDE, "B", "I"),
        max_seq_length=settings.text.max_seq_length,
        compat=settings.compat,
    )
    return plans.finetuning(settings, task, settings.compat)


def _announce(settings: NerConfig, task: NerTask) -> None:
    if settings.compat == "paper":
        _LOG.warning(
            "--compat=paper: sentences of more than 30 words are cut at gold O labels, "
            "on the test file too, as in the paper's code; its scores are flattered"
        )
    sees_devel = settings.stages.do_train and settings.train_on == "train_dev"
    if sees_devel and (settings.stages.do_eval or settings.selection.evaluates):
        _LOG.warning(
            "the development file is part of the training data; use "
            "--train_on=train to choose settings on it"
        )
    if settings.stages.do_train and "B" in task.labels and not task.entity_type:
        known = sets.type_of(settings.stages.data_dir)
        _LOG.info(
            "the labels have no types, so entities will be called %s; --entity_type=%s "
            "names them%s",
            UNTYPED,
            known or "NAME",
            f", if {settings.stages.data_dir} is the known set" if known else "",
        )


def read_data(settings: NerConfig) -> Data[NerExample]:
    """Reads the files of the stages to run: `train_dev`, `devel` and `test` `.tsv`.

    The development file may be called `dev.tsv`.

    Raises:
        InputError: A file is missing or malformed.
    """
    stages = settings.stages
    if not stages.data_dir.is_dir():
        raise InputError(f"--data_dir={stages.data_dir}: no such directory")

    def read(*names: str, needs_labels: bool = True) -> list[NerExample]:
        examples = []
        for path in (_file(stages.data_dir, name) for name in names):
            if not path.is_file():
                raise finetune.missing_file(path)
            examples += reading.read_examples(path, settings.compat, needs_labels)
        return examples

    training = _training_files(settings) if stages.do_train else []
    if training:
        named = (_file(stages.data_dir, name).name for name in training)
        _LOG.info("training on %s", " and ".join(named))
    evaluates = settings.selection.evaluates
    if evaluates and (path := reading.devel_file(stages.data_dir)).is_file():
        require_examples(path)
    devel = read(_DEVEL) if stages.do_eval or evaluates else []
    return Data(
        train=read(*training) if training else None,
        devel=devel if stages.do_eval else None,
        test=read("test", needs_labels=False) if stages.do_predict else None,
        development=devel if evaluates else (),
    )


def _file(folder: Path, name: str) -> Path:
    return reading.devel_file(folder) if name == _DEVEL else folder / f"{name}.tsv"


def _training_files(settings: NerConfig) -> list[str]:
    """Returns the names of the files to train on.

    The original's `train_dev.tsv` is the training file and the development file
    together. An empty development file adds nothing.

    Raises:
        InputError: There is no development file, and --train_on asks for one.
    """
    folder = settings.stages.data_dir
    if settings.train_on == "train" or (folder / "train_dev.tsv").is_file():
        return [settings.train_on]
    devel = reading.devel_file(folder)
    if (folder / "train.tsv").is_file() and not devel.is_file():
        error = finetune.missing_file(devel)
        raise InputError.at(
            devel, None, f"{error.problem}; --train_on=train trains without it"
        )
    return ["train"] if devel.is_file() and is_empty(devel) else ["train", _DEVEL]


def _labels(settings: NerConfig, data: Data[NerExample]) -> tuple[str, ...]:
    """Returns the labels of the training data, or else of the given model."""
    output_dir, checkpoint = settings.stages.output_dir, settings.model.init_checkpoint
    if settings.compat != "fixed" or data.train is not None:
        labels = reading.label_list(data.train or (), settings.compat)
        if reading.is_framed(labels) and all(
            example.scope != ALL for example in data.train or ()
        ):
            _LOG.warning(
                "no training sentence is labelled for all types: the model is never "
                "asked for all types in training, but will be by documents; add a set "
                "that has all"
            )
        finetune.check_labels(output_dir, labels)
        return labels
    known = finetune.trained_labels(output_dir, checkpoint)
    if known is None:
        raise InputError(
            "the model's labels are unknown: there is no labels.json beside the "
            'checkpoint; add one, {"labels": ["O", "B", "I"]} in the order of '
            "the ids, or set --do_train=true"
        )
    reading.require_bio(known)
    return known


def _check_labels(task: NerTask, settings: NerConfig, data: Data[NerExample]) -> None:
    """Looks for labels that the model cannot predict.

    If this run trains, they are a warning and count as missed. If the model was trained
    before, they mean that a wrong file was given.
    """
    devel = data.devel or data.development
    for name, examples in ((_DEVEL, devel), ("test", data.test)):
        path = _file(settings.stages.data_dir, name)
        unknown = [
            (example.line + offset, label)
            for example in examples or ()
            for offset, label in enumerate(example.labels or ())
            if label not in task.labels and label[0] != OUTSIDE
        ]
        if not unknown:
            continue
        line, label = unknown[0]
        if data.train is None:
            raise InputError.at(
                path,
                line,
                f"label {label!r} is unknown to the model, which has "
                f"{' '.join(task.labels)}; remove the labels to predict only",
            )
        _LOG.warning(
            "%s: %d labels are not in the training data (%s, first at line %d); their "
            "entities count as missed",
            path,
            len(unknown),
            ", ".join(sorted({label for _, label in unknown})),
            line,
        )
