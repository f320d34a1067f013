# SPDX-License-Identifier: Apache-2.0
"""`biobert reproduce`: looks at data and models, plans, runs and reports.

`biobert blurb` and `biobert blue` are the same with another manifest.

Below `--output` are `runs/`, `prepared/` and `models/` (made when they are needed),
`report.json` and its pages, and `session.json`, from which the same command goes on.
"""

import dataclasses
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.reproduce import (
    averages,
    estimate,
    models,
    outcome,
    plan,
    records,
    running,
)
from biobert_tf.reproduce.models import Model
from biobert_tf.reproduce.outcome import Session
from biobert_tf.reproduce.page import write as pages
from biobert_tf.reproduce.plan import Plan
from biobert_tf.reproduce.settings import ReproduceConfig

_SESSION: Final = "session.json"


def run(
    config: ReproduceConfig,
    argv: Sequence[str],
    program: Sequence[str] = running.PROGRAM,
) -> None:
    """Does what `biobert reproduce` was told; prints a summary.

    `argv` are the words of the command line behind its name; `program` runs a problem's
    command.

    Raises:
        InputError: Something given cannot be used, or some runs failed.
        StoppedError: A signal came; the same command goes on.
    """
    found = models.find(config.models.named, config.weights)
    if config.dry_run:
        estimate.run(config, found, program)
        return
    with running.locked(config.output) as lock:
        before = _before(config.output, found)
        planned = plan.of(config, found)
        places = running.slots(config.jobs)
        devices = sorted({slot.device for slot in places})
        work = _Work(planned, found, before, argv, devices)
        # It refuses other settings, before the report is written with them.
        runner = running.Runner(planned, places, lock, work.save, program)
        work.save()
        try:
            runner.execute()
        finally:
            work.save()
    summary = _summary(config.output / outcome.FILE, config.published.benchmark)
    print(summary, end="")
    if failed := [run for run in planned.runs() if _status(planned, run) != "done"]:
        raise InputError(
            f"{len(failed)} of {len(planned.runs())} runs failed, such as "
            f"{failed[0].name}; the report says why, and the same command tries again"
        )


class _Work:
    """The work of this session, which is added to that of earlier ones."""

    def __init__(
        self,
        planned: Plan,
        found: Sequence[Model],
        before: "_Before",
        argv: Sequence[str],
        devices: Sequence[str],
    ) -> None:
        """Starts the clock."""
        self._plan, self._devices = planned, devices
        self._command = shlex.join(["biobert", "reproduce", *argv])
        self._before = before
        # A command with fewer models does not forget the others.
        self._models = before.models | _places(found)
        self._begin = time.monotonic()

    def save(self) -> None:
        """Writes the session, the report and its pages."""
        seconds = self._before.wall_seconds + time.monotonic() - self._begin
        session = Session(self._command, self._before.started, seconds)
        values = {
            "started": session.started,
            "wall_seconds": round(seconds, 1),
            "models": self._models,
        }
        files.write_json(self._plan.config.output / _SESSION, values)
        path = outcome.write(self._plan, session, self._devices)
        pages.write(path, path.parent)


@dataclasses.dataclass(frozen=True)
class _Before:
    """What earlier sessions have left: their start, their time, their models by name.

    A model is the path of its checkpoint.
    """

    started: str
    wall_seconds: float
    models: dict[str, str]


def _places(found: Sequence[Model]) -> dict[str, str]:
    return {model.name: str(model.path.resolve()) for model in found}


def _before(output: Path, found: Sequence[Model]) -> _Before:
    """Returns what earlier sessions have left; of none, the present time.

    Raises:
        InputError: A model of the same name was another checkpoint then, or the file
            is damaged.
    """
    path = output / _SESSION
    if not path.is_file():
        return _Before(records.now(), 0.0, {})
    try:
        before = _Before(**files.read_json(path))
    except TypeError:
        raise InputError.at(path, None, "is damaged; delete this file") from None
    for name, place in _places(found).items():
        if (then := before.models.get(name, place)) != place:
            raise InputError.at(
                path,
                None,
                f"the model {name} was {then}, and is {place} now; give it another "
                "name, as in name=folder, or choose another --output",
            )
    return before


def _status(planned: Plan, run: plan.Run) -> str:
    return records.state(run, planned.config.output).status


def _summary(path: Path, benchmark: str) -> str:
    """Returns the main score of each cell, and averages, and where the report is."""
    lines = []
    report = files.read_json(path)
    for table in report["tables"]:
        for row in table["rows"]:
            for cell in row["cells"]:
                found = cell["summary"].get(table["main"])
                name = f"{row['dataset']}, {cell['model']}, {cell['compat']}"
                lines.append(f"{name}: {table['main']} {_score(found)}")
    shown = "".join(f"{line}\n" for line in lines)
    if benchmark:
        shown += f"{averages.text(benchmark, report)}\n"
    return f"{shown}wrote {path.with_suffix('.html')}\n"


def _score(found: Any) -> str:
    if not found:
        return "not done"
    spread = "" if found["std"] is None else f" ± {found['std']:.2f}"
    seeds = f"{found['n']} seed{'s' if found['n'] > 1 else ''}"
    return f"{found['mean']:.2f}{spread} ({seeds}, best {found['best']:.2f})"
