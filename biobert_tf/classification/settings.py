# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert classification`."""

import dataclasses
from pathlib import Path
from typing import Final, Literal

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    DirectoryStageConfig,
    ScriptConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.documents.detection import Format
from biobert_tf.model.config import Pooling
from biobert_tf.training.class_weights import ClassWeights
from biobert_tf.training.fold_numbers import Folds

LayoutName = Literal[
    "auto",
    "table",
    "jsonl",
    "hoc",
    "biosses",
    "medsts",
    "mednli",
    "pubmedqa",
    "blurb_yesno",
]
TargetName = Literal["auto", "single", "multi", "regression"]
Header = Literal["auto", "yes", "no"]
LongTexts = Literal["windows", "cut"]
WindowPooling = Literal["mean", "max"]
PubMedQaContext = Literal["abstract", "conclusion", "both"]
Unit = Literal["document", "passage", "sentence"]

COLUMNS: Final = (
    "text_column",
    "pair_column",
    "label_column",
    "id_column",
    "group_column",
)
"""The settings that name columns."""

_COLUMN: Final = "by name, or in a table by number from 1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """How files become examples."""

    layout: LayoutName = setting(
        "auto",
        "How the files are laid out: table (TSV, CSV), jsonl, hoc, biosses, medsts, "
        "mednli, pubmedqa, blurb_yesno, or auto.",
    )
    target: TargetName = setting(
        "auto",
        "What is learned: single (one label), multi (any number of labels), regression "
        "(a number), or auto: that of the layout; for table and jsonl multi if the "
        "column is called labels, else single.",
    )
    labels: CommaList = setting(
        CommaList(),
        "table and jsonl: labels, comma-separated; default: those of the training "
        "file, sorted.",
    )
    text_column: str = setting(
        "", f"Column of the text, {_COLUMN}; default: from the header, or by place."
    )
    pair_column: str = setting("", f"Column of the second text, {_COLUMN}.")
    label_column: str = setting("", f"Column of the label or number, {_COLUMN}.")
    id_column: str = setting("", f"Column of the id, {_COLUMN}.")
    group_column: str = setting(
        "", f"Column of the document that a text is a sentence of, {_COLUMN}."
    )
    header: Header = setting(
        "auto", "Whether the first row of a table names the columns: yes, no or auto."
    )
    label_separator: str = setting(
        "", "multi: what stands between the labels of a cell; default: | and ;."
    )
    pubmedqa_context: PubMedQaContext = setting(
        "abstract",
        "pubmedqa: the text beside the question: abstract (without its conclusion), "
        "conclusion (the long answer), or both.",
    )
    pubmedqa_fold: int = setting(
        0, "pubmedqa: which of the ten folds is the development set, 0 to 9."
    )

    def __post_init__(self) -> None:
        """Rejects a fold that does not exist, and columns of layouts that name them."""
        if not 0 <= self.pubmedqa_fold <= 9:
            raise InputError(f"--pubmedqa_fold={self.pubmedqa_fold}: want 0 to 9")
        if self.layout in ("auto", "table", "jsonl"):
            return
        for name in (*COLUMNS, "labels", "header", "label_separator"):
            if str(getattr(self, name)) not in ("", "auto"):
                raise InputError(
                    f"--{name} is for --layout=table and --layout=jsonl; "
                    f"{self.layout} has its own"
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassificationConfig(ScriptConfig):
    """The settings of `biobert classification`."""

    stages: DirectoryStageConfig
    reading: ReadingConfig
    folds: Folds = setting(
        Folds(),
        "Folds to run, such as 1-10 or 1,3: folders of --data_dir; default: all.",
    )
    negative_label: str = setting(
        "", "single: the label that F1 does not count; default: all count."
    )
    long_texts: LongTexts = setting(
        "windows",
        "Texts longer than a row: windows that overlap by half, or cut (the end is "
        "lost, as in the original).",
    )
    window_pooling: WindowPooling = setting(
        "mean", "How the logits of a text's windows become one: mean or max."
    )
    pooling: Pooling = setting(
        "cls",
        "What the classifier reads: cls (the pooler, as BERT does), or mean (the mean "
        "of the last layer; for models whose pooler is not trained).",
    )
    class_weights: ClassWeights = setting(
        ClassWeights(),
        "Loss weights of the labels: balanced, or as in 0:1,1:2.5; default: all 1.",
    )
    tune_thresholds: bool = setting(
        False,
        "multi, or single with two labels: after training, choose the probability "
        "above which a label is predicted by F1 on the development file.",
    )

    def __post_init__(self) -> None:
        """Rejects rows with no room for two texts."""
        at_least(self.text, max_seq_length=5)

    def check(self) -> None:
        """Rejects a choice of thresholds without a training."""
        super().check()
        if self.tune_thresholds and not self.stages.do_train:
            raise InputError(
                "--tune_thresholds is a part of the training; the model keeps what was "
                "chosen"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifyConfig:
    """The settings of `biobert classify`."""

    model: Path = required(
        "Directory of a model: the output of biobert classification, or an export."
    )
    input: Path = required("Documents: a file, a folder, or - for standard input.")
    output: Path = required(
        "Where to write them: a file, a folder, or - for standard output."
    )
    input_format: Format = setting(
        "auto",
        "text, lines, jsonl, pubtator, bioc_xml, bioc_json, pubmed_xml, conll, brat, "
        "or auto, which detects the format of every file.",
    )
    output_format: Format = setting(
        "auto",
        "jsonl, bioc_xml, bioc_json, or auto: the input's format if the output has its "
        "suffix, else by the name of the output, else the input's format, else jsonl.",
    )
    unit: Unit = setting(
        "document",
        "What is classified: document, passage (each of them), or sentence. With "
        "several labels, a document has those of all its passages or sentences.",
    )
    prefix: str = setting(
        "",
        "What stands before the names of the results (label, labels, probabilities, "
        "value, parts); for a second model, or beside known labels.",
    )
    predict_batch_size: int = setting(32, "Rows per step, all devices.")
    device: DeviceConfig

    def __post_init__(self) -> None:
        """Rejects a batch without rows."""
        at_least(self, predict_batch_size=1)
