# SPDX-License-Identifier: Apache-2.0
"""`biobert reproduce --dry_run`: the plan, and how long it may take.

One short training for each problem, model, mode and length measures the time of a
step: the original's rows are mostly padding, so its steps take longer. The rest is
arithmetic: training takes as many examples as the data has, prediction a third of the
time of training for each example (it has no backward pass), and every run takes the
time to start and compile.
"""

import dataclasses
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common.errors import InputError
from biobert_tf.published import counts, manifest
from biobert_tf.reproduce import plan, records, running
from biobert_tf.reproduce.models import Model
from biobert_tf.reproduce.plan import Cell, Plan, Run
from biobert_tf.reproduce.settings import ReproduceConfig
from biobert_tf.reproduce.survey import Survey

_RATE: Final = re.compile(r"([0-9.]+) examples/s")
_SHORT: Final = {
    "max_steps": "6",
    "iterations_per_loop": "2",
    "do_predict": "false",
}
_SHARE_OF_PREDICTION: Final = 1 / 3


class Kind(NamedTuple):
    """What the pace of a training depends on."""

    problem: str
    model: str
    compat: str
    length: int


class Pace(NamedTuple):
    """The examples per second of a training, and the seconds before its first step."""

    rate: float
    overhead: float


def run(
    config: ReproduceConfig, found: Sequence[Model], program: Sequence[str]
) -> None:
    """Prints the plan and its time; what it writes is temporary.

    Raises:
        InputError: There is nothing to run, or a short training fails.
    """
    with tempfile.TemporaryDirectory(prefix="biobert-") as name:
        trial = dataclasses.replace(config, output=Path(name))
        planned = plan.of(trial, found)
        paces = dict(_paces(planned, program))
        places = running.slots(config.jobs)
        print("\n".join(_lines(planned, paces, len(places))))


def _paces(planned: Plan, program: Sequence[str]) -> Iterator[tuple[Kind, Pace]]:
    """Yields the pace of each kind of training."""
    measured = set()
    for cell in planned.cells:
        kind = _kind(cell)
        if kind not in measured:
            measured.add(kind)
            yield kind, _measured(cell.runs[0], planned, program)


def _kind(cell: Cell) -> Kind:
    length = int(cell.settings["max_seq_length"])
    return Kind(cell.runs[0].problem, cell.model.name, cell.compat, length)


def _measured(run: Run, planned: Plan, program: Sequence[str]) -> Pace:
    """Trains for a few steps; returns the pace.

    The steps are those of the first run of the plan. Questions start from the model
    itself: the weights do not change the time.
    """
    output = planned.config.output
    short = dataclasses.replace(run, name=f"trial/{run.name}")
    flags = {**_SHORT}
    if run.first is not None:
        squad = next(each for each in planned.squad if each.name == run.first)
        flags["init_checkpoint"] = str(squad.flags["init_checkpoint"])
    grid = manifest.load().grid if run.grid else {}
    chosen = {name: values[0] for name, values in grid.items()}
    begin = time.monotonic()
    done = subprocess.run(
        [
            *program,
            *records.words(short, output, chosen),
            *(f"--{name}={value}" for name, value in flags.items()),
        ],
        capture_output=True,
        text=True,
        errors="replace",
    )
    seconds = time.monotonic() - begin
    rates = _RATE.findall(done.stderr)
    if done.returncode or not rates or float(rates[-1]) <= 0:
        said = done.stderr.strip().splitlines()
        raise InputError(
            f"a trial of {run.row} failed: {said[-1] if said else 'it said nothing'}"
        )
    return Pace(float(rates[-1]), seconds)


# --- arithmetic -----------------------------------------------------------------------


def _lines(planned: Plan, paces: Mapping[Kind, Pace], num_places: int) -> Iterator[str]:
    """Yields the plan, a line for each cell, and the sum."""
    surveys = {each.row.name: each for each in planned.surveys}
    total = 0.0
    for each in surveys.values():
        if each.why:
            yield f"{each.row.name}: left out, {each.why}"
    for cell in planned.cells:
        pace = paces[_kind(cell)]
        found = surveys[cell.row]
        runs = [*cell.grid, *cell.runs]
        seconds = sum(_seconds(run, found, pace, planned) for run in runs)
        total += seconds
        yield (
            f"{cell.row}, {cell.model.name}, {cell.compat}: {_number(cell)}, "
            f"{_shown(seconds)}"
        )
    for run in planned.squad:
        _, _, name, compat = run.name.split("/")
        of_questions = (
            pace for kind, pace in paces.items() if kind[:3] == ("qa", name, compat)
        )
        seconds = _seconds_of_squad(run, next(of_questions))
        total += seconds
        yield f"SQuAD, {name}, {compat}: 1 run, {_shown(seconds)}"
    yield from (f"note: {note}" for note in planned.notes)
    published = planned.config.published
    if published.benchmark:
        num_rows = len({cell.row for cell in planned.cells})
        yield f"{published.benchmark}: {num_rows} of {len(published.rows)} data sets"
    number = len(planned.runs())
    wall = total / max(1, min(num_places, number))
    yield f"{number} runs, about {_shown(wall)} on this machine"


def _number(cell: Cell) -> str:
    grid = f"{len(cell.grid)} runs of the grid and " if cell.grid else ""
    runs = len(cell.runs)
    return f"{grid}{runs} run{'s' if runs > 1 else ''}"


def _seconds(run: Run, found: Survey, pace: Pace, planned: Plan) -> float:
    """Returns the time of a run of a row."""
    train, test = _examples(run, found, planned)
    epochs = float(run.flags["num_train_epochs"])
    work = train * epochs + test * _SHARE_OF_PREDICTION
    return pace.overhead + work / pace.rate


def _examples(run: Run, found: Survey, planned: Plan) -> tuple[int, int]:
    """Returns how many examples a run trains on and predicts."""
    if found.row.questions is not None:
        file = Path(str(run.flags["train_file"]))
        train = counts.count(found.row, file)["entries"]
        return train, found.test_size()["entries"]
    unit = "sentences" if run.problem == "ner" else "examples"
    prefix = f"{run.fold}/" if run.fold else ""
    # A split by its name without the ending.
    held = {
        name.removeprefix(prefix).partition(".")[0]: units[unit]
        for name, units in found.counts.items()
        if name.startswith(prefix)
    }
    devel = held.get("devel", 0) + held.get("dev", 0)
    if run.purpose == "grid":
        # The development set is predicted after every epoch.
        times = float(run.flags["num_train_epochs"]) + 1
        return held["train"], round(devel * times)
    if planned.config.published.train_on == "train":
        return held["train"], held["test"]
    return held["train"] + devel, held["test"]


def _seconds_of_squad(run: Run, pace: Pace) -> float:
    rows = manifest.load().rows
    row = next(each for each in rows if each.questions is not None)
    train = counts.count(row, Path(str(run.flags["train_file"])))["entries"]
    return pace.overhead + train * float(run.flags["num_train_epochs"]) / pace.rate


def _shown(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    )
