# SPDX-License-Identifier: Apache-2.0
"""Folds of classification: what their files hold, and which of their scores are shown.

TensorFlow is imported only where it is needed: a fold's process imports this module
first, and must watch its parent from the start.
"""

from pathlib import Path
from typing import Final

from biobert_tf.classification import layouts, reading
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.training.folds import Held, Runner


def _read(fold: ClassificationConfig) -> Held:
    from biobert_tf.classification.run import read_all

    labels, data = read_all(fold)
    return Held(labels, any(map(reading.is_labelled, data.test or ())))


def _find(data_dir: Path, split: str) -> Path | None:
    return layouts.find(data_dir, split, "auto")


RUNNER: Final = Runner[ClassificationConfig](
    script="biobert classification",
    columns={
        "accuracy": "accuracy",
        "macro_f1": "macro f1",
        "f1": "f1 score",
        "recall": "recall",
        "precision": "precision",
        "pearson": "pearson",
        "spearman": "spearman",
    },
    is_set=lambda data_dir: any(_find(data_dir, x) for x in reading.SPLITS),
    find_devel=lambda data_dir: _find(data_dir, "dev"),
    read=_read,
)
