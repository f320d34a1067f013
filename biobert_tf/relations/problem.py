# SPDX-License-Identifier: Apache-2.0
"""Relation extraction, as commands, exports and Python see it."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from biobert_tf.relations.sets import SETS
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.training.folded_problem import FoldedProblem

if TYPE_CHECKING:
    from pathlib import Path

    from biobert_tf.checkpoints.released import Released
    from biobert_tf.relations.task import RelationTask
    from biobert_tf.training.checking import CheckSettings, Report
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.folds import Runner
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served


class Relations(FoldedProblem[RelationConfig]):
    """Classifies the relation that a sentence states between two entities."""

    command = "re"
    summary = "Fine-tune, evaluate and predict relations, of one set or of folds."
    script = "run_re.py"
    settings = RelationConfig
    # run_re.py:70-76: every stage must be asked for.
    defaults: ClassVar[Mapping[str, Any]] = {"do_train": False, "do_predict": False}
    sign = "task_name"
    kinds = ("re",)
    method = "classify"
    architectures = ("BertForSequenceClassification",)
    data_files = "train.tsv, dev.tsv or test.tsv, a sentence and its label in a row"
    classifier = "sequence"
    max_seq_length = 128
    unknown: ClassVar[Mapping[str, str]] = {"task_name": "custom"}
    # Those of `labels` stand in labels.json; the format of other data is detected.
    carried = (
        "max_seq_length",
        "task_name",
        "negative_label",
        "entity_markers",
        "compat",
    )

    def is_saved(self, found: "Found") -> bool:
        """Says whether Transformers saved a classifier with one label for each text."""
        return super().is_saved(found) and _has_one_label(found)

    def kind_of(self, found: "Found") -> str | None:
        """Returns `re` for a classifier of one label for a text, or of our own run."""
        labelled = found.classifies
        is_own = labelled is not None and self.made(found.recorded)
        is_of_texts = labelled == "texts" and _has_one_label(found)
        return "re" if is_of_texts or is_own else None

    def of_model(
        self, values: Mapping[str, Any], given: Collection[str]
    ) -> dict[str, object]:
        """Returns the settings that a model brings along; a named set has its label."""
        taken = super().of_model(values, given)
        if "task_name" in given and values["task_name"] != "custom":
            taken.pop("negative_label", None)
        return taken

    def run(self, settings: RelationConfig) -> "Finished[RelationTask]":
        """Trains, evaluates and predicts one set; see `run.run`."""
        from biobert_tf.relations import run

        return run.run(settings)

    def runner(self) -> "Runner[RelationConfig]":
        """Returns what runs the folds of a set; see `relations.folds`."""
        from biobert_tf.relations import folds

        return folds.RUNNER

    def planned(self, settings: RelationConfig, parts: "Released") -> "Planned":
        """Returns the steps of a run; see `run.planned`."""
        from biobert_tf.relations import run

        return run.planned(settings, parts)

    def has_data(self, data_dir: "Path") -> bool:
        """Returns whether a folder holds a set or folds; see `check.is_set`."""
        from biobert_tf.relations import check

        return check.is_set(data_dir)

    def check(self, settings: "CheckSettings") -> "Report":
        """Checks a set or folds; see `check.check`."""
        from biobert_tf.relations import check

        return check.check(
            settings.data_dir,
            settings.data_format,
            SETS.get(settings.task_name),
            settings.ruler,
        )

    def serve(self, loaded: "Loaded[RelationConfig]") -> "Served":
        """Returns a model that classifies strings; see `graph.serve`."""
        from biobert_tf.relations import graph

        return graph.serve(loaded)


def _has_one_label(found: "Found") -> bool:
    """Says whether nothing speaks for several labels, or a number, for a text."""
    return found.problem_type in (None, "single_label_classification")


RELATIONS = Relations()
