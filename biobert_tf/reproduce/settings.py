# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert reproduce`, and of `biobert blurb` and `biobert blue`."""

import dataclasses
from pathlib import Path
from typing import Final, Literal, Self

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import MixedPrecision, at_least, required, setting
from biobert_tf.model.config import Pooling
from biobert_tf.published import manifest
from biobert_tf.published.manifest import Manifest, Row, Setting, Table
from biobert_tf.reproduce.by_set import BySet, Numbers, WholeNumbers
from biobert_tf.training.fold_numbers import Folds

_COMPATS: Final = ("fixed", "master", "paper")
_OWN: Final = "; SET=VALUE after a comma for a single set; default: each set's own."
_TRAINED_WITH: Final = (
    "max_seq_length",
    "train_batch_size",
    "learning_rate",
    "num_train_epochs",
)
"""The settings that a flag of the same name overrides."""

SQUAD: Final = "SQuAD"
"""The name of the first stage of questions, in flags and folders."""


@dataclasses.dataclass(frozen=True)
class Compats(BySet):
    """The value of `--compat`; a mode that is named twice is run once."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its commas.

        Raises:
            InputError: A part is unknown, or there is none.
        """
        found = super().parse(text)
        for name in ("", *found.sets):
            values = found.values(name)
            if not values or set(values) - {*_COMPATS}:
                raise InputError(
                    f"--compat={text}: want some of {','.join(_COMPATS)}, and SET=MODE "
                    "for single data sets"
                )
        return found

    def values(self, data_set: str) -> tuple[str, ...]:
        """Returns the modes of a data set."""
        return tuple(dict.fromkeys(super().values(data_set)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """The settings of `biobert reproduce`."""

    table: Literal["6", "7", "8", "all", "blurb", "blue"] = setting(
        "all",
        "6 (named entities), 7 (relations), 8 (questions), all of these, or a "
        "benchmark: blurb or blue.",
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
    seeds: WholeNumbers = setting(
        WholeNumbers.parse("5"),
        "Trainings of each cell, with the seeds 1, 2, ...; 1,GAD=3 is 3 for GAD and 1 "
        "for other sets.",
    )
    compat: Compats = setting(
        Compats.parse("fixed"),
        "fixed, master or paper (NER only), comma-separated; "
        "fixed,GAD=fixed,GAD=master is both for GAD.",
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
    max_seq_length: WholeNumbers = setting(
        WholeNumbers(), f"Longest input, in WordPieces{_OWN}"
    )
    train_batch_size: WholeNumbers = setting(WholeNumbers(), f"Examples per step{_OWN}")
    learning_rate: Numbers = setting(Numbers(), f"Peak rate{_OWN}")
    num_train_epochs: Numbers = setting(
        Numbers(), f"Passes over the training examples{_OWN}"
    )
    pooling: Pooling = setting(
        "cls",
        "What classifiers of texts read: cls or mean, as in `biobert classification`.",
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
        """Rejects counts out of range, no model, and what is not run."""
        at_least(self, jobs=1, num_hidden_layers=0)
        if not self.models.named:
            raise InputError("--models names no checkpoint")
        for name in ("train_batch_size", "learning_rate"):
            if self.grid and getattr(self, name):
                raise InputError(f"--{name} contradicts --grid; leave one of them out")
        if self.folds and self.published.benchmark:
            raise InputError(f"--folds={self.folds}: --table={self.table} has no folds")
        most = max(row.folds for row in manifest.load().rows)
        if wrong := [x for x in self.folds.numbers if not 1 <= x <= most]:
            raise InputError(
                f"--folds={self.folds}: no fold {wrong[0]}; want 1 to {most}"
            )
        self._require_known_sets()

    @property
    def published(self) -> Manifest:
        """What is run: the paper's tables, or a benchmark."""
        return manifest.of(self.table)

    def _require_known_sets(self) -> None:
        """Rejects values for data sets that are not run, and a set without seeds."""
        self._require_sets()

    def _require_sets(self) -> None:
        """Rejects values for sets that are not run, and paths that cannot be passed on.

        Raises:
            InputError: The message names the flag.
        """
        rows = self.rows()
        run = {row.name.casefold() for row in rows}
        for row in rows:
            if self.seeds.number(row.name) is None:
                raise InputError(f"--seeds={self.seeds}: has no number for {row.name}")
        for name in ("seeds", "compat", *_TRAINED_WITH):
            # SQuAD is trained on once, in the modes of the sets that follow it.
            known = run | {SQUAD.casefold()} if name in _TRAINED_WITH else run
            sets = getattr(self, name).sets
            if other := [x for x in sets if x.casefold() not in known]:
                raise InputError(
                    f"--{name}={getattr(self, name)}: {other[0]} is none of the data "
                    "sets to run"
                )
        for name in ("data", "output"):
            path = str(getattr(self, name))
            if any(row.questions for row in rows) and set(path) & set(",*?["):
                raise InputError(
                    f"--{name}={path}: with , * ? or [ in it, it cannot be passed "
                    "on to --train_file; rename the folder"
                )

    def rows(self) -> list[Row]:
        """Returns the data sets that are asked for, in the order of the tables.

        Raises:
            InputError: One is unknown, or not in the table.
        """
        found = self.published
        of_table = [row for row in found.rows if self._has(row.table)]
        if not self.datasets.named:
            return of_table
        asked = [found.row(name) for name in self.datasets.named]
        if wrong := [row for row in asked if row not in of_table]:
            raise InputError(
                f"--datasets: {wrong[0].name} is in table {wrong[0].table}; "
                f"--table={self.table} was given"
            )
        return [row for row in of_table if row in asked]

    def _has(self, number: int) -> bool:
        return bool(self.published.benchmark) or self.table in ("all", str(number))

    def tables(self) -> list[Table]:
        """Returns the tables that are asked for: of a benchmark all its groups."""
        return [each for each in self.published.tables if self._has(each.number)]

    def overrides(self, data_set: str) -> dict[str, Setting]:
        """Returns the settings of training that the command line sets for a set."""
        numbers = {x: getattr(self, x).number(data_set) for x in _TRAINED_WITH}
        found: dict[str, Setting] = {k: v for k, v in numbers.items() if v is not None}
        if self.mixed_precision != "off":
            found["mixed_precision"] = self.mixed_precision
        return found

    def overridden(self) -> str:
        """Returns what the command line sets for the trainings, for a reader."""
        names = [name for name in _TRAINED_WITH if getattr(self, name)]
        if self.mixed_precision != "off":
            names.append("mixed_precision")
        if self.pooling != "cls":
            names.append("pooling")
        return "; ".join(f"{name} {getattr(self, name)}" for name in names)
