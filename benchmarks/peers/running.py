# SPDX-License-Identifier: Apache-2.0
"""Runs the sides of a work in processes of their own, and lets them take turns."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from benchmarks import turns
from benchmarks.peers.sides import Side, Work

ROOT: Final = Path(__file__).parents[2]


class SideError(Exception):
    """A side has failed; the others are compared without it."""


class Turn(NamedTuple):
    """A turn: seconds by the clock, and of all cores together."""

    seconds: float
    cpu_seconds: float


class Runner(Protocol):
    """A side, ready for its turns."""

    def turn(self) -> Turn:
        """Does the work once.

        Raises:
            SideError: The process failed.
        """

    def kill(self) -> None:
        """Ends the side at once."""

    def finish(self) -> dict[str, Any]:
        """Ends the side; returns what it says of itself, with its `peak_mib`."""


def _failed(log: Path) -> SideError:
    lines = log.read_text("utf-8", "replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return SideError(f"{(said or ['no message'])[-1]} (all of it: {log})")


class Kept:
    """A side whose process stays; it is stopped while others have their turn."""

    def __init__(self, command: list[str], log: Path) -> None:
        """Starts the process and waits until it is warm."""
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.said = self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise _failed(self._log)
        # The threads of some libraries go on spinning.
        self._process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def turn(self) -> Turn:
        """Does the work once; see `Runner`."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        return Turn(*self._answer())

    def kill(self) -> None:
        """Ends the process at once, also if it is stopped."""
        self._process.kill()
        self._process.wait()

    def finish(self) -> dict[str, Any]:
        """Ends the process; see `Runner`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()
        peak = json.loads(self._process.stdout.readline())
        self._process.wait()
        return {**self.said, "peak_mib": peak}


class Started:
    """A side whose process is started for every turn."""

    def __init__(self, command: list[str], log: Path, warms: bool) -> None:
        """Keeps the command; runs it once, if that is asked for."""
        self._command, self._log = command, log
        self._peak = 0.0
        self._scores: list[float] = []
        if warms:
            self.turn()

    def turn(self) -> Turn:
        """Runs the command once; see `Runner`."""
        with tempfile.TemporaryDirectory() as output, self._log.open("w") as log:
            command = [word.replace("{output}", output) for word in self._command]
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            results = Path(output) / "results.json"
            if results.exists():
                found = json.loads(results.read_text("utf-8"))
                self._scores.append(found["test"]["scores"]["f1"])
        if status:
            raise _failed(self._log)
        self._peak = max(self._peak, usage.ru_maxrss / 1024)
        return Turn(seconds, usage.ru_utime + usage.ru_stime)

    def kill(self) -> None:
        """Does nothing: no process lives between turns."""

    def finish(self) -> dict[str, Any]:
        """Returns the peak memory and, if there are any, the scores of all turns."""
        notes = {"f1": self._scores} if self._scores else {}
        return {"answer": [], "notes": notes, "peak_mib": self._peak}


def start(side: Side, python: str, inputs: Path, log: Path, warms: bool) -> Runner:
    """Starts a side.

    Raises:
        SideError: It failed before its first turn.
    """
    program = [word.replace("{inputs}", str(inputs)) for word in side.program]
    command = [python, *program]
    return Kept(command, log) if side.is_kept else Started(command, log, warms)


class _Attempt:
    """A side that may fail, which then costs its own figures only."""

    def __init__(
        self, side: Side, work: Work, python: str, inputs: Path, log: Path
    ) -> None:
        self._side = side
        self._error = ""
        self._runner: Runner | None = None
        try:
            self._runner = start(side, python, inputs, log, work.warms)
        except SideError as error:
            self._error = str(error)

    def turn(self) -> Turn | None:
        """Has a turn, if nothing has failed."""
        if self._runner is None or self._error:
            return None
        try:
            return self._runner.turn()
        except SideError as error:
            self._error = str(error)
            return None

    def kill(self) -> None:
        """Ends the process, if there is one."""
        if self._runner is not None:
            self._runner.kill()

    def entry(self, held: Sequence[Turn | None]) -> dict[str, Any]:
        """Ends the side; returns its entry of the results."""
        side = self._side
        known = {"group": side.group, "name": side.name, "is_ours": side.is_ours}
        if self._runner is None or self._error:
            return {**known, "error": self._error}
        whole = [turn for turn in held if turn is not None]
        return {
            **known,
            "seconds": [turn.seconds for turn in whole],
            "cpu_seconds": [turn.cpu_seconds for turn in whole],
            **self._runner.finish(),
        }


def run(
    work: Work, num_turns: int, pythons: Mapping[str, str], inputs: Path, logs: Path
) -> dict[str, Any]:
    """Lets the sides of a work take turns; returns the work's entry of the results."""
    logs.mkdir(parents=True, exist_ok=True)
    attempts: dict[str, _Attempt] = {}
    try:
        for i, side in enumerate(work.sides):
            python, log = pythons[side.environment], logs / f"{i}.log"
            attempts[side.key] = _Attempt(side, work, python, inputs, log)
        ways = {key: attempt.turn for key, attempt in attempts.items()}
        found = turns.take_turns(ways, num_turns)
        entries = [attempt.entry(found[key]) for key, attempt in attempts.items()]
    except BaseException:
        for attempt in attempts.values():
            attempt.kill()
        raise
    _compare_answers(entries)
    return {
        "title": work.title,
        "turns": num_turns,
        "sides": entries,
        "ratios": ratios(entries),
    }


def _compare_answers(entries: list[dict[str, Any]]) -> None:
    """Replaces answers by the share that equals the first side's."""
    first: list[int] = []
    for entry in entries:
        answer = entry.pop("answer", [])
        first = first or answer
        if answer and len(answer) == len(first):
            same = sum(a == b for a, b in zip(answer, first, strict=True))
            entry["equal_to_first"] = same / len(first)
        elif answer:
            entry["answer_length"] = [len(answer), len(first)]


def ratios(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns how many times as fast each of our sides is as each other one."""
    return [
        {
            "group": ours["group"],
            "ours": ours["name"],
            "other": other["name"],
            **turns.ratios(ours["seconds"], other["seconds"])._asdict(),
        }
        for ours in entries
        for other in entries
        if ours["is_ours"] and not other["is_ours"] and ours["group"] == other["group"]
        if "error" not in ours and "error" not in other
    ]
