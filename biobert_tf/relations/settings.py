# SPDX-License-Identifier: Apache-2.0
"""Settings of the relation commands: re, re-eval, re-data and re-predict."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Self

from biobert_tf.common.beam_settings import LOCAL, BeamConfig
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
from biobert_tf.documents.fields import BadMentions
from biobert_tf.training.class_weights import ClassWeights
from biobert_tf.training.fold_numbers import Folds

RelationSetName = Literal[
    "gad", "euadr", "polysearch", "mirnadisease", "chemprot", "ddi13", "custom"
]
RelationFormat = Literal["auto", "biobert", "blue", "scibert"]
DocumentFormat = Literal["auto", "pubtator", "bioc_xml", "bioc_json", "brat", "jsonl"]
Placeholders = Literal["type", "order", "marks"]
# A TSV has no marks: marked entities are found only in SciBERT's JSON lines.
TsvPlaceholders = Literal["type", "order"]

_PLACEHOLDERS = (
    "What stands for the two entities of a sentence: type (@CHEMICAL$, @GENE$) or "
    "order (the first of the two is @CHEMICAL$, as in BLUE's ChemProt)"
)
_BAD_MENTIONS = (
    "Entities whose text is not what stands at their offsets: keep (carried along, in "
    "no pair), skip (left out), or error (nothing is written)."
)
_DOCUMENT_FORMATS = "pubtator, bioc_xml, bioc_json, brat (a folder), jsonl or auto."


@dataclasses.dataclass(frozen=True)
class PairType:
    """Two types of mentions that make a pair, in either order in the sentence."""

    first: str
    second: str

    def __post_init__(self) -> None:
        """Rejects types that cannot become a placeholder."""
        for name in (self.first, self.second):
            if not re.match("[A-Za-z]", name):
                raise InputError(
                    f"entity type {name!r} must begin with a letter from A to Z, as "
                    "its placeholder does"
                )


@dataclasses.dataclass(frozen=True)
class EntityPairs(FlagValue):
    """The pairs of `--pair`, each once: `Chemical-Gene`, several after commas.

    Where a type holds a dash: `CHEMICAL:GENE-Y`.
    """

    pairs: tuple[PairType, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads pairs of types.

        Raises:
            InputError: A pair is not two types.
        """
        pairs = []
        for item in text.split(","):
            parts = [part.strip() for part in item.split(":" if ":" in item else "-")]
            if len(parts) != 2 or not all(parts):
                raise InputError(
                    f"{item.strip()!r} is not a pair of entity types; want "
                    "Chemical-Gene, or CHEMICAL:GENE-Y where a type holds a dash"
                )
            pairs.append(PairType(*parts))
        return cls(text, tuple(dict.fromkeys(pairs)))


@dataclasses.dataclass(frozen=True)
class RelationNames(CommaList):
    """The names of `--relation_names`: `1=Association`, several after commas."""

    def of(
        self, labels: Sequence[str], canonical: Callable[[str], str | None]
    ) -> dict[str, str]:
        """Returns what to call every label in the output.

        `canonical` maps a spelling to the label it stands for, or None.

        Raises:
            InputError: A part is not `LABEL=NAME`, or its label is unknown.
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
    """The settings of `run_re.py`."""

    stages: DirectoryStageConfig
    task_name: RelationSetName = required(
        "gad, euadr, polysearch, mirnadisease (labels 0 and 1), chemprot, ddi13, or "
        "custom: any other set of labels; not needed to use a trained model.",
        any_case=True,
    )
    labels: CommaList = setting(
        CommaList(),
        "custom: labels, comma-separated; default: those of the training file.",
    )
    negative_label: str = setting(
        "",
        "custom: the label that means no relation and is not scored; default: 0, "
        "false, none or negative, if it is a label.",
    )
    data_format: RelationFormat = setting(
        "auto",
        "biobert (TSV without quoting), blue (CSV quoting), scibert (JSON lines), or "
        "auto.",
    )
    folds: Folds = setting(
        Folds(),
        "Folds to run, such as 1-10 or 1,3: folders of --data_dir; default: all.",
    )
    entity_markers: bool = setting(
        False, "Put [unusedN] pieces before and after each of the two entities."
    )
    class_weights: ClassWeights = setting(
        ClassWeights(),
        "Loss weights of the labels: balanced, or as in 0:1,1:2.5; default: all 1.",
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
    """The settings of `biobert re-eval` (biocodes/re_eval.py)."""

    output_path: Path = required(
        "test_results.tsv: one row of probabilities per sentence."
    )
    answer_path: Path = required("The test file, with labels.")
    task: Literal["binary", "chemprot"] = setting(
        "binary", "binary (labels 0 and 1) or chemprot."
    )
    data_format: RelationFormat = setting(
        "auto", "Format of the test file: biobert, blue, scibert or auto."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseConfig:
    """The settings of `biobert re-data chemprot` and `biobert re-data drugprot`."""

    input: Path = required("Directory of the official release, or of one part of it.")
    output: Path = required("Directory for train.tsv, dev.tsv and test.tsv.")
    placeholders: TsvPlaceholders = setting("type", f"{_PLACEHOLDERS}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairsConfig:
    """The settings of `biobert re-data pairs`."""

    input: Path = required("Documents with entities and relations.")
    output: Path = required("The TSV to write, in BLUE's format.")
    pair: EntityPairs = required(
        "Entity types to pair, such as Chemical-Gene; several after commas."
    )
    input_format: DocumentFormat = setting("auto", _DOCUMENT_FORMATS)
    bad_mentions: BadMentions = setting("keep", _BAD_MENTIONS)
    negative_label: str = setting("false", "Label of pairs without a relation.")
    placeholders: TsvPlaceholders = setting("type", f"{_PLACEHOLDERS}.")

    def __post_init__(self) -> None:
        """Rejects an output that is the input."""
        _require_different(self, "output", "input")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RePredictConfig:
    """The settings of `biobert re-predict`."""

    model: Path = required(
        "Directory of a model: the output of run_re.py, an export of it, or saved by "
        "Transformers."
    )
    input: Path = required("Documents with entities.")
    output: Path = required(
        "Where to write the documents and their relations, in the input's format."
    )
    pair: EntityPairs = required(
        "Entity types to pair, such as Chemical-Gene; several after commas."
    )
    input_format: DocumentFormat = setting("auto", _DOCUMENT_FORMATS)
    bad_mentions: BadMentions = setting("keep", _BAD_MENTIONS)
    placeholders: Placeholders = setting(
        "type", f"{_PLACEHOLDERS}, or marks (<< first >>, [[ second ]], as in SciBERT)."
    )
    min_probability: float = setting(
        0.0, "Drop relations less probable than this, in [0, 1]."
    )
    relation_names: RelationNames = setting(
        RelationNames(), "Names for labels in the output, such as 1=Association."
    )
    candidates: Path | None = setting(
        None, "Also write every pair with all its probabilities here, as JSON lines."
    )
    predict_batch_size: int = setting(8, "Pairs per prediction step, all devices.")
    device: DeviceConfig
    beam: BeamConfig = LOCAL

    def __post_init__(self) -> None:
        """Rejects an impossible probability, and paths that do not serve."""
        at_least(self, predict_batch_size=1, min_probability=0)
        if self.min_probability > 1:
            raise InputError(
                f"--min_probability={self.min_probability}: must be at most 1"
            )
        _require_different(self, "output", "input")
        self.beam.require_files(self.input, self.output)
        if self.candidates is not None:
            _require_different(self, "candidates", "input")
            _require_different(self, "candidates", "output")


def _require_different(config: object, name: str, other: str) -> None:
    """Rejects two fields of `config` that name the same file."""
    path = getattr(config, name)
    if path.resolve() == getattr(config, other).resolve():
        raise InputError(f"--{name}={path} is the {other}; choose another")
