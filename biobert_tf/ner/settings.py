# SPDX-License-Identifier: Apache-2.0
"""Settings of `run_ner.py` and `biobert annotate`."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common import remote_path
from biobert_tf.common.beam_settings import LOCAL, BeamConfig
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    Compat,
    DeviceConfig,
    DirectoryStageConfig,
    ScriptConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.documents.detection import Format
from biobert_tf.documents.fields import BadMentions

_FORMATS = "text, lines, jsonl, pubtator, bioc_xml, bioc_json, pubmed_xml, conll, brat"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotateConfig:
    """The settings of `biobert annotate`."""

    model: CommaList = required(
        "Directories of models, comma-separated: outputs of run_ner.py, exports of "
        "them, or saved by Transformers. The entities of all models are merged."
    )
    entity_type: CommaList = setting(
        CommaList(),
        "Type of the entities of models whose labels have none, such as Disease; for "
        "several models one each, comma-separated. Default, and where it is empty: "
        "as the model was trained, else MISC.",
    )
    input: Path = required("Documents: a file, a folder, or - for standard input.")
    output: Path = required(
        "Where to write them: a file, a folder, or - for standard output."
    )
    input_format: Format = setting(
        "auto", f"{_FORMATS}, or auto, which detects the format of every file."
    )
    output_format: Format = setting(
        "auto",
        "jsonl, pubtator, bioc_xml, bioc_json, conll, brat, html, or auto: the "
        "input's format if the output has its suffix, else by the name of the output, "
        "else the input's format, else jsonl.",
    )
    min_probability: float = setting(
        0.0, "Drop entities less probable than this, in [0, 1]."
    )
    bad_mentions: BadMentions = setting(
        "keep",
        "Old entities whose text is not what stands at their offsets: keep (carried "
        "along as they stand), skip (left out), or error (their document is left out).",
    )
    predict_batch_size: int = setting(32, "Sentences per step, all devices.")
    beam: BeamConfig = LOCAL
    device: DeviceConfig

    def __post_init__(self) -> None:
        """Rejects an impossible probability, no model, and paths of one machine."""
        at_least(self, predict_batch_size=1, min_probability=0)
        if self.min_probability > 1:
            raise InputError(
                f"--min_probability={self.min_probability}: must be at most 1"
            )
        if not self.models:
            raise InputError("--model names no directory")
        self.beam.require_files(self.input, self.output)
        if len(self.entity_types) != len(self.models):
            raise InputError(
                f"--entity_type={self.entity_type}: {len(self.entity_types)} types for "
                f"{len(self.models)} models; want one each, empty to leave it as it is"
            )

    @property
    def models(self) -> list[Path]:
        """Returns the directories of the models."""
        return [remote_path.parse(name).expanduser() for name in self.model.named]

    @property
    def entity_types(self) -> list[str]:
        """Returns the type that is given for each model, or ""."""
        return (
            [*self.entity_type.parts] if self.entity_type else [""] * len(self.models)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NerConfig(ScriptConfig):
    """The settings of `run_ner.py`."""

    stages: DirectoryStageConfig
    task_name: Literal["ner", "bc5cdr", "clefe", "i2b2"] = setting(
        "ner",
        "No effect: the original's name for this task, or a set of NVIDIA's.",
        recorded=False,
        any_case=True,
    )
    train_on: Literal["train_dev", "train"] = setting(
        "train_dev",
        "train_dev (train_dev.tsv, else train.tsv and devel.tsv) or train (train.tsv).",
    )
    entity_type: str = setting(
        "",
        "Type of the entities if the labels are B, I and O only, such as Disease; "
        "else they are called MISC. Labels and scores stay the same.",
        free=True,
    )
    compat: Compat = setting(
        "fixed",
        "fixed (repaired), master (dmis-lab/biobert e283eaa) or paper (v20200409).",
    )

    def check(self) -> None:
        """Rejects a choice on the sentences that are trained on."""
        super().check()
        if self.selection.chooses and self.train_on == "train_dev":
            raise InputError(
                "--keep_best and --early_stopping choose on devel.tsv, which is a part "
                "of the training data; give --train_on=train"
            )
