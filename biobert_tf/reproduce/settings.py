# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert reproduce`."""

import dataclasses
from pathlib import Path
from typing import Final, Literal, Self

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import MixedPrecision, at_least, required, setting
from biobert_tf.published import manifest
from biobert_tf.published.manifest import Row, Setting
from biobert_tf.relations.settings import Folds

_COMPATS: Final = ("fixed", "master", "paper")
_TRAINED_WITH: Final = (
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
    "mixed_precision",
)
"""The settings that a flag of the same name overrides for every data set."""


@dataclasses.dataclass(frozen=True)
class Compats(CommaList):
    """The value of `--compat`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its commas.

        Raises:
            InputError: A part is unknown, or there is none.
        """
        found = super().parse(text)
        if not found.named or set(found.named) - {*_COMPATS}:
            raise InputError(f"--compat={text}: want some of {','.join(_COMPATS)}")
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """The settings of `biobert reproduce`."""

    table: Literal["6", "7", "8", "all"] = setting(
        "all", "6 (named entities), 7 (relations), 8 (questions) or all."
    )
    datasets: CommaList = setting(
        CommaList(),
        "Data sets, comma-separated, such as NCBI-disease,GAD; default: all of the "
        "table.",
    )
    models: CommaList = required(
        "Checkpoints, comma-separated: a folder, name=folder, or a column of the "
        "paper, such as 'BioBERT v1.1 (+ PubMed)', below --weights."
    )
    data: Path = required("Folder of the data sets, as `biobert download` leaves it.")
    weights: Path | None = setting(None, "Folder of the paper's checkpoints.")
    output: Path = required("Folder for the runs and the report.")
    seeds: int = setting(5, "Trainings of each cell, with the seeds 1, 2, ...")
    compat: Compats = setting(
        Compats.parse("fixed"), "fixed, master or paper (NER only), comma-separated."
    )
    folds: Folds = setting(
        Folds(), "Folds of GAD and EU-ADR, such as 1-3; default: all ten."
    )
    grid: bool = setting(
        False,
        "Try the paper's batch sizes and learning rates with seed 1, choose by the "
        "development set, then train with the best; sets without one keep theirs.",
    )
    hyperparameters: Literal["default", "rerun"] = setting(
        "default",
        "default (the README of BioBERT), or rerun: those of a published rerun, where "
        "there is one.",
    )
    squad: bool = setting(
        True, "Train on SQuAD before BioASQ, as the paper did, if --data has it."
    )
    num_hidden_layers: int = setting(
        0, "Keep only the first layers of every model, for small machines; 0: all."
    )
    max_seq_length: int = setting(0, "Longest input, in WordPieces; 0: each set's own.")
    train_batch_size: int = setting(0, "Examples per step; 0: each set's own.")
    learning_rate: float = setting(0.0, "Peak rate; 0: each set's own.")
    num_train_epochs: float = setting(
        0.0, "Passes over the training examples; 0: each set's own."
    )
    mixed_precision: MixedPrecision = setting(
        "off", "off, bfloat16, float16 or auto, as in the run scripts."
    )
    jobs: int = setting(
        1, "Runs at a time on a CPU; on a machine with GPUs one runs on each."
    )
    dry_run: bool = setting(
        False, "Print the plan with a time estimated from measured steps; run nothing."
    )

    def __post_init__(self) -> None:
        """Rejects counts out of range, and no model."""
        at_least(
            self,
            seeds=1,
            jobs=1,
            num_hidden_layers=0,
            max_seq_length=0,
            train_batch_size=0,
            learning_rate=0,
            num_train_epochs=0,
        )
        if not self.models.named:
            raise InputError("--models names no checkpoint")
        for name in ("train_batch_size", "learning_rate"):
            if self.grid and getattr(self, name):
                raise InputError(f"--{name} contradicts --grid; leave one of them out")

    def rows(self) -> list[Row]:
        """Returns the data sets that are asked for, in the order of the tables.

        Raises:
            InputError: One is unknown, or not in the table.
        """
        found = manifest.load()
        of_table = [row for row in found.rows if self.table in ("all", str(row.table))]
        if not self.datasets.named:
            return of_table
        asked = [found.row(name) for name in self.datasets.named]
        if wrong := [row for row in asked if row not in of_table]:
            raise InputError(
                f"--datasets: {wrong[0].name} is in table {wrong[0].table}; "
                f"--table={self.table} was given"
            )
        return [row for row in of_table if row in asked]

    def overrides(self) -> dict[str, Setting]:
        """Returns the settings of training that the command line sets for all sets."""
        values = {name: getattr(self, name) for name in _TRAINED_WITH}
        return {k: v for k, v in values.items() if v not in (0, "off")}
