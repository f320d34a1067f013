# SPDX-License-Identifier: Apache-2.0
"""The steps of a run as its flags tell them, before anything is read."""

import dataclasses
from typing import Literal

from biobert_tf.common.settings import Compat, OptimizerName, ScriptConfig
from biobert_tf.training import clipping as clippings
from biobert_tf.training.clipping import Clipping
from biobert_tf.training.records import Specs
from biobert_tf.training.task import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """What decides the shapes of a run's steps, and what they compute.

    Attributes:
        task: The task; its texts are never read, and its labels may be others, of which
            only the number would matter, and that little.
        training: The features of a batch to train on; None if nothing is trained.
        prediction: The features of a batch to predict; None if nothing is.
        predicted_rows: Rows of such a batch, over all devices.
        rows_flag: The flag that says so.
        num_scores: Pieces per row that are scored against the whole vocabulary.
        optimizer: What updates the weights.
        clipping: What is clipped.
    """

    task: Task
    training: Specs | None
    prediction: Specs | None
    predicted_rows: int
    rows_flag: Literal["predict_batch_size", "eval_batch_size"] = "predict_batch_size"
    num_scores: int = 0
    optimizer: OptimizerName = "adamw"
    clipping: Clipping = "whole"


def finetuning(
    settings: ScriptConfig, task: Task, compat: Compat, prediction: Specs | None = None
) -> Planned:
    """Returns the steps of a fine-tuning; `prediction` if predicted rows hold less."""
    stages = settings.stages
    predicts = stages.do_predict or getattr(stages, "do_eval", False)
    return Planned(
        task=task,
        training=task.specs if stages.do_train else None,
        prediction=(prediction or task.specs) if predicts else None,
        predicted_rows=settings.finetuning.predict_batch_size,
        clipping=clippings.of(compat, settings.device),
    )
