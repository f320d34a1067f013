# SPDX-License-Identifier: Apache-2.0
"""Stages without data: left out where a run has more to do, else refused."""

import dataclasses
import logging
from pathlib import Path

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DirectoryStageConfig

_LOG = logging.getLogger(__name__)


def without_empty(
    stages: DirectoryStageConfig, devel: Path | None
) -> DirectoryStageConfig:
    """Returns the stages without the evaluation if its file is empty, and warns.

    GAD and EU-ADR are published with such files. A run that does nothing else keeps the
    stage, which then refuses the file. `devel` is None if there is none.
    """
    has_more = stages.do_train or stages.do_predict
    if not (stages.do_eval and has_more and devel and devel.is_file()):
        return stages
    if not is_empty(devel):
        return stages
    _LOG.warning("%s is empty: nothing is evaluated", devel)
    return dataclasses.replace(stages, do_eval=False)


def is_empty(path: Path) -> bool:
    """Returns whether a file holds white space at most.

    Raises:
        InputError: It cannot be read.
    """
    return not files.read_text(path).strip()


def require_examples(path: Path) -> None:
    """Refuses an empty development file where it is to be scored while training.

    Raises:
        InputError: It is empty, or cannot be read.
    """
    if is_empty(path):
        raise InputError.at(
            path,
            None,
            "is empty, and cannot be scored while training; leave out "
            "--eval_every_steps, --eval_every_epochs, --keep_best and --early_stopping",
        )
