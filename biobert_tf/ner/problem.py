# SPDX-License-Identifier: Apache-2.0
"""Named entity recognition, as commands, exports and Python see it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from biobert_tf.ner.settings import NerConfig
from biobert_tf.training.problem import TrainedProblem

if TYPE_CHECKING:
    from pathlib import Path

    from biobert_tf.checkpoints.released import Released
    from biobert_tf.ner.task import NerTask
    from biobert_tf.training.checking import CheckSettings, Report
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served


class NamedEntities(TrainedProblem[NerConfig]):
    """Marks the entities in text."""

    command = "ner"
    summary = "Fine-tune, evaluate and predict named entities."
    script = "run_ner.py"
    settings = NerConfig
    # run_ner.py:80: 10 epochs; the other tasks of the original train for 3.
    defaults: ClassVar[Mapping[str, object]] = {"num_train_epochs": 10.0}
    sign = "train_on"
    kinds = ("ner",)
    method = "annotate"
    architectures = ("BertForTokenClassification",)
    data_files = "train.tsv, devel.tsv or test.tsv, a word and its label in a row"
    max_seq_length = 128
    carried = ("max_seq_length", "compat", "entity_type")

    def kind_of(self, found: "Found") -> str | None:
        """Returns `ner` for a classifier of words, or of our own run."""
        labelled = found.classifies
        is_own = labelled is not None and self.made(found.recorded)
        return "ner" if labelled == "words" or is_own else None

    def run(self, settings: NerConfig) -> "Finished[NerTask]":
        """Trains, evaluates and predicts; see `run.run`."""
        from biobert_tf.ner import run

        return run.run(settings)

    def planned(self, settings: NerConfig, parts: "Released") -> "Planned":
        """Returns the steps of a run, with three labels; see `run.planned`."""
        from biobert_tf.ner import run

        return run.planned(settings, parts)

    def has_data(self, data_dir: "Path") -> bool:
        """Returns whether a folder holds words with labels; see `check.is_set`."""
        from biobert_tf.ner import check

        return check.is_set(data_dir)

    def check(self, settings: "CheckSettings") -> "Report":
        """Checks a set; see `check.check`."""
        from biobert_tf.ner import check

        return check.check(settings.data_dir, settings.ruler)

    def serve(self, loaded: "Loaded[NerConfig]") -> "Served":
        """Returns a model that finds the entities of strings; see `graph.serve`."""
        from biobert_tf.ner import graph

        return graph.serve(loaded)


NER = NamedEntities()
