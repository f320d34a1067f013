# SPDX-License-Identifier: Apache-2.0
"""Runs a command and notes, at intervals, what its processes hold and how far it is."""

import re
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.long_runs import processes
from benchmarks.long_runs.works import Work
from biobert_tf.common import files

ROOT: Final = Path(__file__).parents[2]
# The log lines of `common.clock`: `I 12:00:00 training: 1200/5000 steps, ...`.
_LINE: Final = re.compile(
    r"I \S+ (?P<phase>\w+): (?P<done>[\d.]+[kMG]?)(?:/(?P<total>[\d.]+[kMG]?))?"
)
_FACTORS: Final = {"k": 1e3, "M": 1e6, "G": 1e9}


class Report(NamedTuple):
    """What a log line says: the phase, and which share of it is done."""

    phase: str
    share: float


class CommandError(Exception):
    """A command has failed; the message says which."""


def reported(line: str, totals: Mapping[str, int]) -> Report | None:
    """Returns the progress that a log line tells; None: it tells none that counts.

    `totals` has the phases that count, and how many parts one has whose lines do not
    say that, else 0.
    """
    found = _LINE.match(line)
    if found is None or found["phase"] not in totals:
        return None
    total = totals[found["phase"]] or _number(found["total"] or "0")
    return Report(found["phase"], _number(found["done"]) / total) if total else None


def _number(text: str) -> float:
    factor = _FACTORS.get(text[-1])
    return float(text[:-1]) * factor if factor else float(text)


def watch(work: Work, log: Path, interval: float) -> dict[str, Any]:
    """Runs a command to its end; returns what was seen, ready for JSON.

    An earlier output is removed. The log gets what the command prints and logs. The
    seconds between two samples are `interval`.

    Raises:
        CommandError: The command failed.
    """
    samples: list[tuple[float, processes.Usage]] = []
    reports: list[tuple[float, Report]] = []
    if work.output.is_dir():
        files.remove_tree(work.output)
    start = time.monotonic()
    with log.open("w") as output, log.open(encoding="utf-8", errors="replace") as said:
        command = [sys.executable, *work.words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        try:
            has_ended = False
            while not has_ended:
                time.sleep(interval)
                now, usage = time.monotonic() - start, processes.of_tree(process.pid)
                # What a command holds after its end is nothing.
                if not (has_ended := process.poll() is not None):
                    samples.append((now, usage))
                found = (reported(line, work.phases) for line in said)
                reports += [(now, report) for report in found if report]
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise CommandError(f"{work.name}: status {process.returncode}; see {log}")
    phases = {name: _phase(name, work.size, samples, reports) for name in work.phases}
    return {
        "title": work.title,
        "unit": work.unit,
        "size": work.size,
        "words": [*work.words],
        "seconds": round(time.monotonic() - start, 1),
        "peak_mib": round(max((usage.mib for _, usage in samples), default=0), 1),
        "log_bytes": log.stat().st_size,
        "event_bytes": _size(work.output / "tensorboard"),
        "phases": phases,
    }


def _phase(
    name: str,
    size: int,
    samples: Sequence[tuple[float, processes.Usage]],
    reports: Sequence[tuple[float, Report]],
) -> list[list[float]]:
    """Returns the samples of a phase: what was done, MiB, threads and open files.

    Between two reports the progress is taken as even.
    """
    own = [
        (seconds, report.share) for seconds, report in reports if report.phase == name
    ]
    if not own:
        return []
    times, shares = zip(*own, strict=True)
    first = bisect_right([seconds for seconds, _ in samples], times[0]) - 1
    return [
        [
            round(size * float(np.interp(seconds, times, shares))),
            round(usage.mib, 1),
            usage.threads,
            usage.files,
        ]
        for seconds, usage in samples[max(0, first) :]
        # At the last report it may end already.
        if seconds < times[-1]
    ]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
