# SPDX-License-Identifier: Apache-2.0
"""Folds of relations: what their files hold, and which of their scores are shown.

TensorFlow is imported only where it is needed: a fold's process imports this module
first, and must watch its parent from the start.
"""

from typing import Final

from biobert_tf.relations import reading
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.training.folds import Held, Runner


def _read(fold: RelationConfig) -> Held:
    from biobert_tf.relations.run import find_set, read_data

    relation_set = find_set(fold)
    test = read_data(fold, relation_set).test or ()
    return Held(relation_set.labels, any(each.label is not None for each in test))


RUNNER: Final = Runner[RelationConfig](
    script="run_re.py",
    # In the order of re_eval.py:27-30, 46-48.
    columns={
        "f1": "f1 score",
        "recall": "recall",
        "precision": "precision",
        "specificity": "specificity",
    },
    recorded=("task_name",),
    is_set=lambda data_dir: bool(reading.files_of(data_dir)),
    find_devel=lambda data_dir: reading.find(data_dir, "dev"),
    read=_read,
)
