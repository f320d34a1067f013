# SPDX-License-Identifier: Apache-2.0
"""Runs a plan: one process a run, several at a time on several devices.

A run that crashes costs itself alone. Results that are there already are kept, and a
run that was stopped resumes from its own states. A signal stops the processes, each of
which saves a state.
"""

import contextlib
import ctypes
import dataclasses
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from biobert_tf.common import files, stopping
from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.published.manifest import Setting
from biobert_tf.reproduce import records
from biobert_tf.reproduce.plan import Plan, Run
from biobert_tf.reproduce.records import LOG, Attempt

_LOG = logging.getLogger(__name__)

PROGRAM: Final = (sys.executable, "-m", "biobert_tf")
_LOCK: Final = "lock"
_STATES: Final = "training"
_SECONDS_BETWEEN_LOOKS: Final = 0.2
_SECONDS_BETWEEN_TICKS: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
# Looked up now: between fork and exec there may be no time for it.
_LIBC: Final = ctypes.CDLL(None)


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for one run at a time: its device, and the variables that select it."""

    device: str
    variables: Mapping[str, str]


def slots(jobs: int) -> list[Slot]:
    """Returns one slot for each local GPU, or `jobs` slots on the CPU."""
    gpus = _gpus()
    if gpus:
        return [
            Slot(f"GPU {number}: {name}", {"CUDA_VISIBLE_DEVICES": number})
            for number, name in gpus
        ]
    if jobs == 1:
        return [Slot("CPU", {})]
    # Each run would start a thread for every processor.
    threads = str(max(1, len(os.sched_getaffinity(0)) // jobs))
    share = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
    return [Slot("CPU", share)] * jobs


def _gpus() -> list[tuple[str, str]]:
    """Returns the number and the name of each GPU that processes here may use."""
    command = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode:
        return []
    rows = [line.split(", ", 1) for line in done.stdout.splitlines() if ", " in line]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    allowed = None if visible is None else [x.strip() for x in visible.split(",")]
    return [
        (number, name) for number, name in rows if allowed is None or number in allowed
    ]


@contextlib.contextmanager
def locked(output: Path) -> Iterator[int]:
    """Claims `--output` for the block; yields a file descriptor that holds the claim.

    Processes that inherit it hold the claim too, so that no run is started twice.

    Raises:
        InputError: Another command works there.
    """
    with files.explained_writing(output):
        output.mkdir(parents=True, exist_ok=True)
        stream = (output / _LOCK).open("a")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError.at(
                output, None, "another command works there; wait for its end"
            ) from None
        yield stream.fileno()


@dataclasses.dataclass
class _Process:
    """A run that is running."""

    run: Run
    slot: Slot
    popen: subprocess.Popen[bytes]
    log: IO[bytes]
    attempt: Attempt
    began: float
    line: str
    read: Mapping[str, str]


def chosen(run: Run, output: Path) -> dict[str, Setting] | None:
    """Returns what the grid search of a run has chosen; None before its end.

    It is the first of the best by the main score on the development set; nothing for a
    run without a grid search.

    Raises:
        InputError: Results are damaged.
    """
    if not run.grid:
        return {}
    best: tuple[float, dict[str, Setting]] | None = None
    for name in run.grid:
        found = records.results(output / name)
        if found is None:
            return None
        score = found["devel"]["scores"][run.main]
        if best is None or score > best[0]:
            best = score, {key: found["settings"][key] for key in manifest.load().grid}
    assert best is not None
    return best[1]


class Runner:
    """Runs a plan once."""

    def __init__(
        self,
        plan: Plan,
        places: Sequence[Slot],
        lock: int,
        changed: Callable[[], None],
        program: Sequence[str],
    ) -> None:
        """Looks for what is done; `changed` is called after each run and once a minute.

        Raises:
            InputError: Results in `--output` were made with other settings.
        """
        self._output = plan.config.output
        self._lock, self._changed, self._program = lock, changed, program
        self._free = list(places)
        self._active: list[_Process] = []
        self._done: set[str] = set()
        self._failed: set[str] = set()
        self._waiting: list[Run] = []
        for run in plan.runs():
            found = records.results(self._output / run.name)
            if found is None:
                self._waiting.append(run)
            else:
                records.require_same(
                    run, self._output, found, chosen(run, self._output)
                )
                self._done.add(run.name)

    def execute(self) -> None:
        """Runs everything that is not done yet.

        Raises:
            StoppedError: A signal came; everything done is kept.
        """
        number = len(self._done)
        _LOG.info("%d runs are done, %d are to do", number, len(self._waiting))
        with stopping.heard() as request:
            request.has_work = True
            try:
                self._loop(request)
            finally:
                # Reached with processes only after an error of this program.
                self._stop(self._active)
        if request.is_made:
            self._changed()
            raise request.error(f"the same command goes on from {self._output}")

    def _loop(self, request: stopping.Request) -> None:
        asked = False
        ticked = time.monotonic()
        while self._active or (self._waiting and not request.is_made):
            if request.is_made and not asked:
                asked = True
                self._stop(self._active, waits=False)
            if not request.is_made:
                self._start_some()
            if not self._active and self._waiting and not request.is_made:
                self._give_up()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            ended = [each for each in self._active if each.popen.poll() is not None]
            for process in ended:
                self._end(process, asked)
            if ended or time.monotonic() - ticked > _SECONDS_BETWEEN_TICKS:
                ticked = time.monotonic()
                self._changed()

    # --- one run ---------------------------------------------------------------------

    def _start_some(self) -> None:
        """Starts runs that have all they need, as long as there are free slots."""
        for run in list(self._waiting):
            if not self._free:
                return
            if self._done.issuperset(run.needs):
                self._waiting.remove(run)
                self._active.append(self._start(run, self._free.pop(0)))

    def _give_up(self) -> None:
        """Leaves out the runs that wait for one that has failed."""
        for run in self._waiting:
            lacking = [name for name in run.needs if name not in self._done]
            _LOG.error("%s is not run: it needs %s, which failed", run.name, lacking[0])
        self._waiting.clear()

    def _start(self, run: Run, slot: Slot) -> _Process:
        found = chosen(run, self._output)
        assert found is not None, "all that it needs is done"
        folder = self._output / run.name
        with files.explained_writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        line = records.command(run, self._output, found)
        before = records.state(run, self._output)
        if names := records.changed_data(run, self._output):
            _LOG.warning("%s starts anew, because %s changed", run.name, names[0])
            files.remove_tree(folder / _STATES)
        elif before.status == "failed":
            _LOG.warning("trying %s again: it failed (%s)", run.name, before.why)
        elif before.status == "stopped":
            _LOG.info("resuming %s on %s", run.name, slot.device)
        else:
            _LOG.info("starting %s on %s", run.name, slot.device)
        attempt = Attempt(records.now(), slot.device)
        read = records.data(run)
        records.write(run, self._output, line, read, [*before.attempts, attempt])
        log = (folder / LOG).open("ab")
        log.write(f"--- {attempt.started} {line}\n".encode())
        log.flush()
        popen = subprocess.Popen(
            [*self._program, *records.words(run, self._output, found)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **slot.variables},
            pass_fds=[self._lock],
            # A terminal's Ctrl-C comes to this program alone, which passes it on.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        return _Process(run, slot, popen, log, attempt, time.monotonic(), line, read)

    def _end(self, process: _Process, asked: bool) -> None:
        """Records how a process ended, and frees its slot."""
        self._active.remove(process)
        self._free.append(process.slot)
        process.log.close()
        run, status = process.run, process.popen.returncode
        folder = self._output / run.name
        attempt = dataclasses.replace(
            process.attempt,
            seconds=round(time.monotonic() - process.began, 1),
            status=status,
            stopped=asked and status != 0,
        )
        made = records.attempts(run, self._output)
        made = [*made[:-1], attempt]
        records.write(run, self._output, process.line, process.read, made)
        now = records.state(run, self._output)
        if now.status == "done":
            self._done.add(run.name)
            # Of use only to resume; they are several times as large as the model.
            files.remove_tree(folder / _STATES)
            _LOG.info("done: %s, in %.0f s", run.name, now.seconds)
        elif not attempt.stopped:
            _LOG.error("failed: %s: %s", run.name, now.why)

    def _stop(self, processes: Sequence[_Process], waits: bool = True) -> None:
        """Asks processes to save a state and end."""
        for process in processes:
            process.popen.send_signal(signal.SIGTERM)
        for process in list(processes) if waits else ():
            process.popen.wait()
            self._end(process, asked=True)


def _end_with_parent() -> None:
    """Makes the kernel end this process by SIGTERM when its parent is killed."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
