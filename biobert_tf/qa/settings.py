# SPDX-License-Identifier: Apache-2.0
"""Settings of `run_qa.py` and `biobert ask`.

Names and defaults are those of run_qa.py of dmis-lab/biobert unless a help text
says otherwise.
"""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    ScriptConfig,
    StageConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.qa.lists import ListSettings
from biobert_tf.training.class_weights import ClassWeights

QuestionType = Literal["squad", "factoid", "list", "yesno"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileStageConfig(StageConfig):
    """What to read (SQuAD's JSON), where to write, and which stages to run."""

    train_file: FileGlobs = setting(
        FileGlobs(), "Questions to train on: SQuAD's JSON, comma-separated globs."
    )
    predict_file: FileGlobs = setting(
        FileGlobs(),
        "Questions to predict: SQuAD's JSON, comma-separated globs; each of several "
        "files gets a folder of its own in --output_dir.",
        free=True,
    )
    dev_file: Path | None = setting(
        None,
        "Questions with answers to score while training, in the form of --train_file; "
        "see --eval_every_epochs, --keep_best and --tune_threshold.",
    )
    golden_file: FileGlobs = setting(
        FileGlobs(),
        "BioASQ's answers to score against, comma-separated: one file per "
        "--predict_file, in the same order, or one for all.",
        free=True,
    )

    def check(self) -> None:
        """Rejects a run with nothing to do or nothing to do it on."""
        super().check()
        for stage, name in (("do_train", "train_file"), ("do_predict", "predict_file")):
            if getattr(self, stage) and not getattr(self, name):
                raise InputError(f"--{stage} needs --{name}; see --help")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingSettings:
    """The settings that decide which spans are answers."""

    n_best_size: int = setting(
        20, "Number of best starts, ends and answers to consider.", free=True
    )
    max_answer_length: int = setting(30, "Longest answer, in WordPieces.", free=True)
    version_2_with_negative: bool = setting(
        False, "Questions may have no answer, as in SQuAD 2; not for yesno."
    )
    null_score_diff_threshold: float = setting(
        0.0,
        "Predict no answer if its score beats the best answer's by more, in logits.",
        free=True,
    )
    verbose_logging: bool = setting(
        False, "Accepted as by the original, but nothing depends on it.", free=True
    )

    def __post_init__(self) -> None:
        """Rejects sizes below 1, and a threshold that is not finite."""
        at_least(self, n_best_size=1, max_answer_length=1)
        if not math.isfinite(self.null_score_diff_threshold):
            raise InputError(
                f"--null_score_diff_threshold={self.null_score_diff_threshold}: must "
                "be finite"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class QaConfig(ScriptConfig):
    """The settings of `run_qa.py`."""

    stages: FileStageConfig
    decoding: DecodingSettings
    lists: ListSettings
    question_type: QuestionType = setting(
        "factoid",
        "squad (one passage per question), or BioASQ's factoid, list or yesno.",
        free=True,
    )
    doc_stride: int = setting(
        128, "WordPieces from the start of a window to the start of the next."
    )
    max_query_length: int = setting(64, "Longest question, in WordPieces.")
    windows_without_answer: Literal["skip", "keep"] = setting(
        "skip",
        "Training windows that do not show the answer: skip them, or keep them as "
        "windows without an answer (--compat=master keeps them).",
    )
    class_weights: ClassWeights = setting(
        ClassWeights(),
        "yesno: loss weights: balanced, or as in no:2,yes:1; default: all 1.",
    )
    tune_threshold: bool = setting(
        False,
        "yesno: after training, move the border between yes and no to where the macro "
        "F1 of --dev_file is best; the model keeps it.",
    )
    compat: Literal["fixed", "master"] = setting(
        "fixed", "fixed (repaired) or master (dmis-lab/biobert e283eaa)."
    )

    def __post_init__(self) -> None:
        """Rejects lengths below 1, and settings of other types of questions."""
        at_least(self, doc_stride=1, max_query_length=1)
        for name in ("class_weights", "tune_threshold"):
            if getattr(self, name) and self.question_type != "yesno":
                raise InputError(f"--{name} is for --question_type=yesno")
        if self.decoding.version_2_with_negative and self.question_type == "yesno":
            raise InputError(
                "--version_2_with_negative is for answers that are a part of the "
                "passage; leave it out for --question_type=yesno"
            )

    def check(self) -> None:
        """Rejects evaluations without questions, and questions without evaluations."""
        super().check()
        has_file = self.stages.dev_file is not None
        if self.selection.evaluates and not has_file:
            raise InputError(
                "--eval_every_steps, --eval_every_epochs, --keep_best and "
                "--early_stopping need --dev_file, which is scored while training"
            )
        if self.tune_threshold and not has_file:
            raise InputError("--tune_threshold needs --dev_file, on which it tunes")
        if self.tune_threshold and not self.stages.do_train:
            raise InputError(
                "--tune_threshold is a part of the training, and the model keeps it; "
                "leave it out to predict"
            )
        if has_file and not (self.selection.evaluates or self.tune_threshold):
            raise InputError(
                "--dev_file is scored while training; say when by --eval_every_epochs "
                "or --eval_every_steps, or choose on it by --keep_best"
            )

    @property
    def scores_squad(self) -> bool:
        """Whether SQuAD's rules score the answers, by those in the predicted file.

        The original has no question types: version 2 alone means SQuAD's.
        """
        return self.question_type == "squad" or (
            self.decoding.version_2_with_negative and not self.stages.golden_file
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskConfig:
    """The settings of `biobert ask`."""

    model: Path = required(
        "Directory of a model: the output of run_qa.py, an export of it, or saved by "
        "Transformers."
    )
    question: str = required("The question.")
    context: FileGlobs = required(
        "Texts to search: text files, PubMed XML, PMC JATS or SQuAD's JSON, "
        "comma-separated globs; - for text from standard input."
    )
    num_answers: int = setting(
        5, "Most answers to show; a model of list questions sets its own number."
    )
    json: Path | None = setting(None, "Also write the answers here, as JSON.")
    predict_batch_size: int = setting(8, "Windows per prediction step, all devices.")
    device: DeviceConfig

    def __post_init__(self) -> None:
        """Rejects an empty question, and counts below 1."""
        at_least(self, num_answers=1, predict_batch_size=1)
        if not self.question.strip():
            raise InputError("--question is empty; ask something")
