# SPDX-License-Identifier: Apache-2.0
"""Compares two systems on one test set, as `biobert compare` prints it.

A system is a run, or several that differ in their seeds; a run of folds is scored as
the mean over its folds. `common.significance` says what the numbers mean.
"""

import dataclasses
import logging
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from biobert_tf.common import significance
from biobert_tf.common.errors import InputError
from biobert_tf.common.significance import Comparison, Estimate
from biobert_tf.reproduce import units
from biobert_tf.reproduce.units import Outcome

_LOG = logging.getLogger(__name__)

Run = Sequence[Path]
"""The folders of a run's tests: its own, or those of its folds."""


@dataclasses.dataclass(frozen=True)
class System:
    """Trainings that differ in their seeds.

    Attributes:
        runs: The folders of each training.
        seeds: The seed of each.
        scores: The scores of each, by the score's name; in [0, 1].
    """

    runs: Sequence[Run]
    seeds: Sequence[int]
    scores: Sequence[dict[str, float]]

    def std(self, name: str) -> float | None:
        """Returns the standard deviation of a score; None for a single training."""
        values = [each[name] for each in self.scores]
        return statistics.stdev(values) if len(values) > 1 else None

    def to_dict(self) -> list[dict[str, object]]:
        """Returns folders, seed and scores of each training, ready for JSON."""
        columns = zip(self.runs, self.seeds, self.scores, strict=True)
        return [
            {"folders": [*map(str, run)], "seed": seed, "scores": scores}
            for run, seed, scores in columns
        ]


@dataclasses.dataclass(frozen=True)
class Report:
    """Two systems compared by every score.

    Attributes:
        task: The problem: `ner`, `re`, `qa` or `classification`.
        unit: What was drawn and exchanged: `document`, `sentence`, `question`, `text`.
        num_units: Their number, in all folds together.
        num_parts: The number of folds, or 1.
        comparisons: The comparison by the name of the score, the main one first.
    """

    task: str
    unit: str
    num_units: int
    num_parts: int
    first: System
    second: System
    num_resamples: int
    seed: int
    comparisons: dict[str, Comparison]

    def to_dict(self) -> dict[str, object]:
        """Returns everything, ready for JSON; scores are in [0, 1]."""
        return {
            "task": self.task,
            "unit": self.unit,
            "num_units": self.num_units,
            "num_parts": self.num_parts,
            "num_resamples": self.num_resamples,
            "seed": self.seed,
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "scores": {
                name: {
                    "first": _plain(found.first, self.first.std(name)),
                    "second": _plain(found.second, self.second.std(name)),
                    "difference": _plain(found.difference),
                    "p_value": found.p_value,
                }
                for name, found in self.comparisons.items()
            },
        }

    def text(self) -> str:
        """Returns a table for people, in percent."""
        unit = f"{self.num_units:,} {self.unit}s"
        if self.num_parts > 1:
            unit += f" of {self.num_parts} folds, whose scores are averaged"
        lines = [
            f"{self.task}, {unit}",
            *_named("first", self.first),
            *_named("second", self.second),
            "",
        ]
        rows = [["", "first", "second", "first - second", "p"]]
        for name, found in self.comparisons.items():
            rows.append(
                [
                    name,
                    _shown(found.first, self.first.std(name)),
                    _shown(found.second, self.second.std(name)),
                    _shown(found.difference, sign="+"),
                    f"{found.p_value:.4f}",
                ]
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(
                f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)
            )
            for row in rows
        ]
        lines += ["", *self._notes()]
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def _notes(self) -> list[str]:
        notes = [
            f"[95 % intervals]: {self.num_resamples:,} tests of as many {self.unit}s, "
            "drawn from this one with replacement",
            f"p: the share of {self.num_resamples:,} random exchanges of {self.unit}s "
            "between the two with as large a difference",
            "Neither covers how scores vary with the seed of the training.",
        ]
        if len(self.first.runs) > 1:
            notes[-1] = "Neither covers other seeds; ± is the deviation over these."
        return notes


def compare(
    first: Sequence[Run],
    second: Sequence[Run],
    num_resamples: int = 10_000,
    seed: int = 0,
) -> Report:
    """Compares two systems, each with as many trainings.

    Args:
        first: The trainings of the first system; see `Run` and `units.parts_of`.
        second: Those of the second. Training i of both is a pair.
        num_resamples: The number of test sets to draw, and that of exchanges.
        seed: Seed of both.

    Raises:
        InputError: The systems differ in their number of trainings or folds, a run is
            named twice or has not ended, or two were not scored on the same test.
    """
    if not first or not second:
        raise InputError("no run to compare; name the --output_dir of one or more")
    if len(first) != len(second):
        raise InputError(
            f"{len(first)} runs against {len(second)}; give as many of both, in the "
            "order of their seeds"
        )
    outcomes = [_read(first), _read(second)]
    whole = outcomes[0][0]
    for outcome in (*outcomes[0], *outcomes[1]):
        _require_same_tests(whole, outcome)
    names = whole[0].names
    unit = _unit_of(outcome for system in outcomes for run in system for outcome in run)
    tables, others = (
        [np.stack([run[i].table(unit) for run in system]) for i in range(len(whole))]
        for system in outcomes
    )
    rng = np.random.Generator(np.random.PCG64(seed))
    found = significance.compare(tables, others, whole[0].measure, rng, num_resamples)
    return Report(
        task=whole[0].task,
        unit=unit,
        num_units=sum(table.shape[1] for table in tables),
        num_parts=len(whole),
        first=_system(first, outcomes[0], tables),
        second=_system(second, outcomes[1], others),
        num_resamples=num_resamples,
        seed=seed,
        comparisons=dict(zip(names, found, strict=True)),
    )


def _read(runs: Sequence[Run]) -> list[list[Outcome]]:
    """Returns the outcomes of the parts of each training of a system."""
    folders = [folder for run in runs for folder in run]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise InputError(f"{twice[0]} is named twice in one system; name each run once")
    found = [[units.read(folder) for folder in run] for run in runs]
    _warn_of_other_settings(outcome for run in found for outcome in run)
    return found


def _warn_of_other_settings(outcomes: Iterable[Outcome]) -> None:
    """Warns if the trainings of a system differ in more than seeds and places."""
    places = {"seed", "output_dir", "data_dir"}
    before: Outcome | None = None
    for outcome in outcomes:
        if before is not None:
            names = outcome.settings.keys() | before.settings.keys()
            other = [
                f"--{name}"
                for name in sorted(names - places)
                if outcome.settings.get(name) != before.settings.get(name)
            ]
            if other:
                _LOG.warning(
                    "%s and %s are taken for one system, but differ in %s",
                    before.path.parent,
                    outcome.path.parent,
                    ", ".join(other),
                )
        before = outcome


def _unit_of(outcomes: Iterable[Outcome]) -> str:
    """Returns the unit of all; that without documents, if not all know them."""
    found = {outcome.unit for outcome in outcomes}
    return found.pop() if len(found) == 1 else (found - {"document"}).pop()


def _require_same_tests(wanted: Sequence[Outcome], found: Sequence[Outcome]) -> None:
    if len(wanted) != len(found):
        raise InputError.at(
            found[0].path,
            None,
            f"is of a run of {len(found)} folds, but {wanted[0].path} of {len(wanted)}"
            "; compare runs of the same folds",
        )
    for one, other in zip(wanted, found, strict=True):
        one.require_same_test(other)


def _system(
    runs: Sequence[Run],
    outcomes: Sequence[Sequence[Outcome]],
    tables: Sequence[np.ndarray],
) -> System:
    measure, names = outcomes[0][0].measure, outcomes[0][0].names
    values = np.mean([measure(table.sum(1)) for table in tables], axis=0)
    return System(
        runs=runs,
        seeds=[run[0].seed for run in outcomes],
        scores=[dict(zip(names, row, strict=True)) for row in values.tolist()],
    )


def _plain(found: Estimate, std: float | None = None) -> dict[str, object]:
    spread = {} if std is None else {"std": std}
    return {"value": found.value, "interval_95": list(found.interval), **spread}


def _shown(found: Estimate, std: float | None = None, sign: str = "") -> str:
    low, high = (f"{100 * end:{sign}.2f}" for end in found.interval)
    spread = "" if std is None else f" ± {100 * std:.2f}"
    return f"{100 * found.value:{sign}.2f}{spread} [{low}, {high}]"


def _named(name: str, system: System) -> list[str]:
    """Returns a line per training: its folder, or that of its folds."""
    lines = []
    for run, seed in zip(system.runs, system.seeds, strict=True):
        folder = run[0] if len(run) == 1 else run[0].parent
        lines.append(f"{name:6} : {folder} (seed {seed})")
    return lines
