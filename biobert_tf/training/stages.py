# SPDX-License-Identifier: Apache-2.0
"""Leaves out the stages of a run that have no data."""

import dataclasses
import logging
from pathlib import Path

from biobert_tf.common import files
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
    if files.read_text(devel).strip():
        return stages
    _LOG.warning("%s is empty: nothing is evaluated", devel)
    return dataclasses.replace(stages, do_eval=False)
