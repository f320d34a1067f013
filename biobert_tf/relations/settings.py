# SPDX-License-Identifier: Apache-2.0
"""Settings of the commands around relation extraction: re-eval, re-data, re-predict."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    DirectoryStageConfig,
    FlagValue,
    ScriptConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.relations.entity_pairs import EntityPairs
from biobert_tf.training.class_weights import ClassWeights

RelationSetName = Literal[
    "gad", "euadr", "polysearch", "mirnadisease", "chemprot", "ddi13", "custom"
]
RelationFormat = Literal["auto", "biobert", "blue", "scibert"]
DocumentFormat = Literal["auto", "pubtator", "bioc_xml", "bioc_json", "brat", "jsonl"]
Placeholders = Literal["type", "order", "marks"]
# Those of a TSV: with marks the entities are found in SciBERT's JSON lines only.
TsvPlaceholders = Literal["type", "order"]

_PLACEHOLDERS = (
    "What a sentence shows of a pair: type (@CHEMICAL$, @GENE$) or order (the first of "
    "the two is @CHEMICAL$, as in BLUE's ChemProt)"
)
_DOCUMENT_FORMATS = "pubtator, bioc_xml, bioc_json, brat (a folder), jsonl or auto."

# Four digits: nobody has more folds, and a slip such as 1-1000000000 stays harmless.
_RANGE: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")


@dataclasses.dataclass(frozen=True)
class Folds(FlagValue):
    """The folds of `--folds`: `1-10`, `1,3,5-7`; empty: all there are.

    Attributes:
        numbers: The folds in the order given, each once.
    """

    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads numbers and ranges of numbers.

        Raises:
            InputError: A part is neither.
        """
        numbers: list[int] = []
        for part in text.split(",") if text else ():
            match = _RANGE.fullmatch(part.strip())
            first, last = match.groups() if match else ("1", "0")
            last = last or first
            if int(last) < int(first):
                raise InputError(
                    f"--folds={text}: {part.strip()!r} is no fold and no range of "
                    "folds; write them as 1-10 or 1,3,5-7"
                )
            numbers += range(int(first), int(last) + 1)
        return cls(text, tuple(dict.fromkeys(numbers)))


@dataclasses.dataclass(frozen=True)
class RelationNames(CommaList):
    """The names of `--relation_names`: `1=Association`, several after commas."""

    def of(
        self, labels: Sequence[str], canonical: Callable[[str], str | None]
    ) -> dict[str, str]:
        """Returns what to call every label in the output.

        Args:
            labels: The labels of the model.
            canonical: Returns the label that is spelt so, or None.

        Raises:
            InputError: A part is no such pair, or names no label.
        """
        names = {label: label for label in labels}
        for part in self.named:
            label, _, name = (each.strip() for each in part.partition("="))
            known = canonical(label)
            if known is None or not name:
                raise InputError(
                    f"--relation_names: {part!r} is not LABEL=NAME with a label of "
                    f"{' '.join(labels)}"
                )
            names[known] = name
        return names


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelationConfig(ScriptConfig):
    """Everything `run_re.py` can be told."""

    stages: DirectoryStageConfig
    task_name: RelationSetName = required(
        "gad, euadr, polysearch, mirnadisease (labels 0 and 1), chemprot, ddi13, or "
        "custom: any other set of labels."
    )
    labels: CommaList = setting(
        CommaList(),
        "custom: labels, comma-separated; default: those of the training file.",
    )
    negative_label: str = setting(
        "",
        "custom: the label that means no relation and counts in no score; default: 0, "
        "false, none or negative, if it is a label.",
    )
    data_format: RelationFormat = setting(
        "auto",
        "biobert (TSV without quoting), blue (CSV quoting), scibert (JSON lines), or "
        "auto.",
    )
    folds: Folds = setting(
        Folds(),
        "Folds to run, as 1-10 or 1,3: folders of --data_dir; default: all it has.",
    )
    entity_markers: bool = setting(
        False, "Set the two entities between [unusedN] pieces."
    )
    class_weights: ClassWeights = setting(
        ClassWeights(),
        "Weights of the loss: balanced, or as in 0:1,1:2.5; default: all 1.",
    )
    compat: Literal["fixed", "master"] = setting(
        "fixed", "fixed (repaired) or master (dmis-lab/biobert e283eaa)."
    )

    def __post_init__(self) -> None:
        """Rejects labels for a set that has its own."""
        for name in ("labels", "negative_label"):
            if getattr(self, name) and self.task_name != "custom":
                raise InputError(
                    f"--{name} is for --task_name=custom; {self.task_name} has its own"
                )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReEvalConfig:
    """Everything `biobert re-eval` can be told (biocodes/re_eval.py)."""

    output_path: Path = required("test_results.tsv: a row of probabilities a sentence.")
    answer_path: Path = required("The test file, with labels.")
    task: Literal["binary", "chemprot"] = setting(
        "binary", "binary (labels 0 and 1) or chemprot."
    )
    data_format: RelationFormat = setting(
        "auto", "Form of the test file: biobert, blue, scibert or auto."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChemProtConfig:
    """Everything `biobert re-data chemprot` can be told."""

    input: Path = required("Directory of the official release, or of one part of it.")
    output: Path = required("Directory for train.tsv, dev.tsv and test.tsv.")
    placeholders: TsvPlaceholders = setting("type", f"{_PLACEHOLDERS}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """Everything `biobert re-data pairs` can be told."""

    input: Path = required("Documents with entities and relations.")
    output: Path = required("The TSV to write, in the form of BLUE.")
    pair: EntityPairs = required(
        "Entity types to pair: Chemical-Gene, more after commas."
    )
    input_format: DocumentFormat = setting("auto", _DOCUMENT_FORMATS)
    negative_label: str = setting("false", "Label of pairs without a relation.")
    placeholders: TsvPlaceholders = setting("type", f"{_PLACEHOLDERS}.")

    def __post_init__(self) -> None:
        """Rejects an output that is the input."""
        _require_different(self, "output", "input")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RePredictConfig:
    """Everything `biobert re-predict` can be told."""

    model: Path = required("Directory that run_re.py has trained.")
    input: Path = required("Documents with entities.")
    output: Path = required("Where the documents go, with relations, in their format.")
    pair: EntityPairs = required(
        "Entity types to pair: Chemical-Gene, more after commas."
    )
    input_format: DocumentFormat = setting("auto", _DOCUMENT_FORMATS)
    placeholders: Placeholders = setting(
        "type",
        f"{_PLACEHOLDERS}, or marks (<< first >>, [[ second ]], as SciBERT).",
    )
    min_probability: float = setting(
        0.0, "Leave out relations less probable than this, [0, 1]."
    )
    relation_names: RelationNames = setting(
        RelationNames(), "What to call labels in the output, as in 1=Association."
    )
    candidates: Path | None = setting(
        None, "Also write every pair with all its probabilities here, as JSON lines."
    )
    predict_batch_size: int = setting(8, "Pairs per prediction step, all devices.")
    device: DeviceConfig

    def __post_init__(self) -> None:
        """Rejects a probability that is none, and two uses of one file."""
        at_least(self, predict_batch_size=1, min_probability=0)
        if self.min_probability > 1:
            raise InputError(
                f"--min_probability={self.min_probability}: must be at most 1"
            )
        _require_different(self, "output", "input")
        if self.candidates is not None:
            _require_different(self, "candidates", "input")
            _require_different(self, "candidates", "output")


def _require_different(config: object, name: str, other: str) -> None:
    """Rejects one file for two fields of `config`.

    Raises:
        InputError: It is one; names the flag of `name`.
    """
    path = getattr(config, name)
    if path.resolve() == getattr(config, other).resolve():
        raise InputError(f"--{name}={path} is the {other}; choose another")
