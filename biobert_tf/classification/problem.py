# SPDX-License-Identifier: Apache-2.0
"""Text classification, as commands, exports and Python see it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.training.folded_problem import FoldedProblem

if TYPE_CHECKING:
    from pathlib import Path

    from biobert_tf.checkpoints.huggingface import ProblemType
    from biobert_tf.checkpoints.released import Released
    from biobert_tf.classification.task import TextTask
    from biobert_tf.common.settings import DeviceConfig
    from biobert_tf.training import checking, finetune
    from biobert_tf.training.folds import Runner
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served


class Classification(FoldedProblem[ClassificationConfig]):
    """Gives a text, or a pair of texts, a label, several labels or a number."""

    command = "classification"
    summary = "Fine-tune, evaluate and predict labels or numbers of texts and pairs."
    script = "biobert classification"
    settings = ClassificationConfig
    # As in run_re.py, every stage must be asked for.
    defaults: ClassVar[Mapping[str, Any]] = {"do_train": False, "do_predict": False}
    sign = "window_pooling"
    kinds = ("classification",)
    method = "classify"
    classifier = "sequence"
    architectures = ("BertForSequenceClassification",)
    max_seq_length = 128
    data_files = "train, dev or test files (.tsv, .csv, .jsonl) of texts and labels"
    carried = (
        "max_seq_length",
        "negative_label",
        "long_texts",
        "window_pooling",
        "pooling",
    )

    def kind_of(self, found: "Found") -> str | None:
        """Returns `classification` for a classifier of our own run.

        Also for any classifier of texts that Transformers saved. Relations are asked
        first, so that those of one label are theirs unless somebody says otherwise.
        """
        labelled = found.classifies
        is_own = labelled is not None and self.made(found.recorded)
        is_saved = not found.recorded and self.is_saved(found)
        return "classification" if is_own or is_saved else None

    def record_of(self, found: "Found") -> dict[str, object]:
        """Returns what settings.json shall say; see `foreign.record_of`."""
        from biobert_tf.classification import foreign

        return foreign.record_of(found)

    def problem_type(self, found: "Found") -> "ProblemType":
        """Returns what Transformers calls the target of a model of ours."""
        from biobert_tf.classification import foreign

        return foreign.problem_type(found)

    def untold(self, found: "Found") -> str:
        """Returns the thresholds of a model of ours; see `foreign.untold`."""
        from biobert_tf.classification import foreign

        return foreign.untold(found)

    def loaded(
        self,
        found: "Found",
        device: "DeviceConfig",
        *,
        do_lower_case: bool | None = None,
        max_seq_length: int | None = None,
    ) -> "Loaded[ClassificationConfig]":
        """Returns a model; of one that Transformers saved, config.json says the target.

        Raises:
            InputError: As in the base, or config.json cannot be used.
        """
        from biobert_tf.classification import foreign

        settings = self.settings_of(found) if found.recorded else None
        return super().loaded(
            foreign.completed(found, settings),
            device,
            do_lower_case=do_lower_case,
            max_seq_length=max_seq_length,
        )

    def run(self, settings: ClassificationConfig) -> "finetune.Finished[TextTask]":
        """Trains, evaluates and predicts one set; see `run.run`."""
        from biobert_tf.classification import run

        return run.run(settings)

    def has_data(self, data_dir: "Path") -> bool:
        """Returns whether a folder holds a set; see `check.is_set`."""
        from biobert_tf.classification import check

        return check.is_set(data_dir)

    def check(self, settings: "checking.CheckSettings") -> "checking.Report":
        """Checks a set; see `check.check`."""
        from biobert_tf.classification import check

        return check.check(settings.data_dir, ruler=settings.ruler)

    def runner(self) -> "Runner[ClassificationConfig]":
        """Returns what runs the folds; see `folds.RUNNER`."""
        from biobert_tf.classification import folds

        return folds.RUNNER

    def planned(self, settings: ClassificationConfig, parts: "Released") -> "Planned":
        """Returns the steps of a run; see `run.planned`."""
        from biobert_tf.classification import run

        return run.planned(settings, parts)

    def serve(self, loaded: "Loaded[ClassificationConfig]") -> "Served":
        """Returns a model that classifies strings; see `graph.serve`."""
        from biobert_tf.classification import graph

        return graph.serve(loaded)


CLASSIFICATION = Classification()
