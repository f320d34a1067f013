# SPDX-License-Identifier: Apache-2.0
"""Question answering, as commands, exports and Python see it."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from biobert_tf.qa.settings import QaConfig
from biobert_tf.training.problem import TrainedProblem

if TYPE_CHECKING:
    from pathlib import Path

    from biobert_tf.checkpoints.released import Released
    from biobert_tf.qa.task import QaTask
    from biobert_tf.training.checking import CheckSettings, Report
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.planned import Planned
    from biobert_tf.training.reload import Found, Loaded
    from biobert_tf.training.served import Served

_SPAN_WEIGHTS = "cls/squad/output_weights"
_YESNO = "yesno"


class QuestionAnswering(TrainedProblem[QaConfig]):
    """Answers questions with a span of a passage, a list of them, or yes or no."""

    command = "qa"
    summary = "Fine-tune, predict and score answers to questions."
    script = "run_qa.py"
    settings = QaConfig
    # run_qa.py:66-84: every stage must be asked for, and texts are longer.
    defaults: ClassVar[Mapping[str, Any]] = {
        "do_train": False,
        "do_predict": False,
        "max_seq_length": 384,
    }
    sign = "question_type"
    kinds = ("qa", _YESNO)
    method = "answer"
    architectures = ("BertForQuestionAnswering",)
    data_files = "a .json or .jsonl in SQuAD's form, or a .tsv of yes/no questions"
    classifier = "sequence"
    max_seq_length = 384
    carried = (
        "max_seq_length",
        "question_type",
        "doc_stride",
        "max_query_length",
        "version_2_with_negative",
        "null_score_diff_threshold",
        "n_best_size",
        "max_answer_length",
        "list_threshold",
        "use_number",
        "compat",
    )

    def kind_of(self, found: "Found") -> str | None:
        """Returns `qa` for a model of answer spans, `yesno` for a yes/no classifier."""
        if _SPAN_WEIGHTS in found.checkpoint.weights:
            return "qa"
        is_yesno = found.recorded.get(self.sign) == _YESNO
        return _YESNO if is_yesno and found.classifies is not None else None

    def of_model(
        self, values: Mapping[str, Any], given: Collection[str]
    ) -> dict[str, object]:
        """Returns the settings that a model brings along; yes/no has no null answer."""
        taken = super().of_model(values, given)
        if "question_type" in given and values["question_type"] == _YESNO:
            taken.pop("version_2_with_negative", None)
        return taken

    def run(self, settings: QaConfig) -> "Finished[QaTask]":
        """Trains, answers and scores; see `run.run`."""
        from biobert_tf.qa import run

        return run.run(settings)

    def planned(self, settings: QaConfig, parts: "Released") -> "Planned":
        """Returns the steps of a run; see `run.planned`."""
        from biobert_tf.qa import run

        return run.planned(settings, parts)

    def has_data(self, data_dir: "Path") -> bool:
        """Returns whether a folder holds questions; see `check.is_set`."""
        from biobert_tf.qa import check

        return check.is_set(data_dir)

    def check(self, settings: "CheckSettings") -> "Report":
        """Checks files of questions; see `check.check`."""
        from biobert_tf.qa import check

        return check.check(settings.data_dir, settings.ruler)

    def serve(self, loaded: "Loaded[QaConfig]") -> "Served":
        """Returns a model that answers strings; see `graph` and `yesno_graph`."""
        from biobert_tf.qa import graph, yesno_graph

        if self.kind_of(loaded.found) == _YESNO:
            return yesno_graph.serve(loaded)
        return graph.serve(loaded)


QA = QuestionAnswering()
