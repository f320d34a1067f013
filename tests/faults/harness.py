"""Injects a fault into a command, starts it again, and compares what it wrote.

Every fault is drawn from a seed and logged, so it can be injected again.
"""

import contextlib
import dataclasses
import fnmatch
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from faults import cases
from faults.cases import Case

HERE = Path(__file__).parent
KINDS = ("kill", "torn", "time", "EIO", "ENOSPC", "full", "flip", "truncate")
"""See `Fault`."""
PATIENCE = 900.0
"""Seconds that a command may take on a busy machine."""
_NO_STATE = "no state before is there"
_COMPILER = ("cc", "gcc", "clang")


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kind: `kill`, SIGKILL before the operation `at`; `torn`, within a write, from
            `at` on; `time`, SIGKILL after the share `at` of the usual time; `EIO` and
            `ENOSPC`, the operation fails, and with ENOSPC all that follow; `full`, the
            disk has the share `at` of the room that the outputs need; `flip` and
            `truncate`, as `kill`, and then the newest training state is damaged.
        at: The number of the operation, from 1, or a share.
        seed: What else is drawn: the byte and the bit.
    """

    kind: str
    at: float
    seed: int

    def __str__(self) -> str:
        """Returns the words of `--fault`."""
        return f"{self.kind}:{self.at:g}:{self.seed}"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        kind, at, seed = text.split(":")
        return cls(kind, float(at), int(seed))


@dataclasses.dataclass(frozen=True)
class Ran:
    """How a command ended: its status, negative after a signal, and its words."""

    status: int
    stderr: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Reference:
    """What the undisturbed command wrote, and what it took.

    Attributes:
        outputs: What must be the same, by path.
        operations: The number of calls that changed files.
        seconds: How long it took.
        num_bytes: The room that all files took on the disk.
    """

    outputs: dict[str, bytes]
    operations: int
    seconds: float
    num_bytes: int


class BrokenError(Exception):
    """A fault was not survived; the message says in which way."""


def injector(folder: Path) -> Path | None:
    """Compiles the injector; None if there is no compiler."""
    compiler = next((each for each in _COMPILER if shutil.which(each)), None)
    if compiler is None:
        return None
    made = folder / "injector.so"
    words = [compiler, "-O1", "-shared", "-fPIC", "-o", str(made)]
    subprocess.run([*words, str(HERE / "injector.c"), "-ldl"], check=True)
    return made


class Server:
    """The process whose copies run the commands; see `faults.server`."""

    def __init__(self, folder: Path, library: Path, *, is_light: bool = False) -> None:
        """Starts it; unless light, that takes as long as the import of TensorFlow."""
        self.folder = folder
        self.state, self.log = folder / "state", folder / "faults.log"
        tests = HERE.parent
        paths = [str(tests.parent), str(tests)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "LD_PRELOAD": str(library),
            "TF_NUM_INTRAOP_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.server", *["--light"] * is_light],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        if self._line() != "ready":
            raise RuntimeError("the server of faults does not start")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(
        self,
        function: str,
        arguments: list[str],
        *,
        root: Path | None = None,
        fault: Fault | None = None,
        kill_after: float | None = None,
    ) -> Ran:
        """Runs a function in a copy; files below `root` are counted.

        What it leaves behind, such as workers, has ended when this returns.
        """
        self.state.write_bytes(bytes(8))
        environment = {"FAULT_STATE": str(self.state), "FAULT_LOG": str(self.log)}
        if root is not None:
            environment["FAULT_ROOT"] = str(root)
        if fault is not None:
            environment |= {"FAULT_AT": f"{fault.at:.0f}", "FAULT_KIND": fault.kind}
        request = {
            "function": function,
            "arguments": arguments,
            "environment": environment,
            "folder": str(self.folder),
            "stdout": str(self.folder / "stdout"),
            "stderr": str(self.folder / "stderr"),
        }
        assert self._process.stdin is not None
        start = time.monotonic()
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        pid = int(self._line())
        with _killed_after(pid, PATIENCE if kill_after is None else kill_after):
            status = int(self._line())
        _end_group(pid)
        stderr = (self.folder / "stderr").read_text(errors="replace")
        return Ran(status, stderr, time.monotonic() - start)

    @property
    def operations(self) -> int:
        """How many operations the last command made."""
        return int.from_bytes(self.state.read_bytes(), sys.byteorder)


@contextlib.contextmanager
def _killed_after(pid: int, seconds: float) -> Iterator[None]:
    """Kills a process group if the block takes longer."""
    words = "import os,sys,time; time.sleep(float(sys.argv[2]))"
    words += "; os.killpg(int(sys.argv[1]), 9)"
    timer = subprocess.Popen(
        [sys.executable, "-S", "-c", words, str(pid), str(seconds)],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        timer.kill()
        timer.wait()


def _end_group(pid: int) -> None:
    """Waits until all processes of a group have ended, of which the first has."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    raise BrokenError("processes of the command did not end with it")


class Bench:
    """A case, its inputs and its undisturbed outputs."""

    def __init__(
        self, case: Case, folder: Path, server: Server, *, runs: int = 2
    ) -> None:
        """Writes the inputs and runs the command so often, undisturbed.

        Raises:
            BrokenError: The runs differ, or one fails.
        """
        self.case, self._server = case, server
        place = folder / re.sub(r"\W+", "-", case.name)
        self.inputs, self.work = place / "inputs", place / "work"
        self.inputs.mkdir(parents=True)
        if case.name in cases.CASES:
            ran = server.run("faults.cases:prepare", [case.name, str(self.inputs)])
            if ran.status:
                raise BrokenError(f"no inputs: {ran.stderr}")
        found = [self._undisturbed() for _ in range(runs)]
        for other in found[1:]:
            _require_same(found[0].outputs, other.outputs)
        self.reference = found[-1]

    def _undisturbed(self) -> Reference:
        with self._disk():
            ran = self._run()
            if ran.status:
                raise BrokenError(f"status {ran.status}: {ran.stderr}")
            found = files_below(self.work)
            room = sum(-(-path.stat().st_size // 4096) * 4096 for path in found)
            return Reference(
                self._outputs(), self._server.operations, ran.seconds, room
            )

    def _run(self, fault: Fault | None = None, kill_after: float | None = None) -> Ran:
        words = self.case.words(self.inputs, self.work)
        return self._server.run(
            self.case.function,
            words,
            root=self.work,
            fault=fault,
            kill_after=kill_after,
        )

    def _outputs(self, without: tuple[str, ...] = ()) -> dict[str, bytes]:
        found = {}
        for path in files_below(self.work):
            name = path.relative_to(self.work).as_posix()
            # What begins with a dot is somebody's who has not finished.
            hidden = any(part[0] == "." for part in Path(name).parts)
            if not hidden and not matches(name, (*self.case.excluded, *without)):
                found[name] = cases.same(path)
        return found

    @contextlib.contextmanager
    def _disk(self, num_bytes: int | None = None) -> Iterator[None]:
        """Makes the folder `work`, on a disk of its own if its size is given."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        if num_bytes is None:
            yield
            return
        _mount(self.work, f"size={num_bytes}")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self.work)], check=True)

    def draw(self, number: int, seed: int, kinds: tuple[str, ...]) -> list[Fault]:
        """Returns so many faults; the kinds in turn, the rest at random."""
        rng = random.Random(f"{seed}/{self.case.name}")
        usable = [each for each in kinds if self._can(each)]
        faults = []
        for index in range(number):
            kind = usable[index % len(usable)]
            is_share = kind in ("time", "full")
            last = self.reference.operations
            at = round(rng.random(), 4) if is_share else rng.randint(1, last)
            faults.append(Fault(kind, at, rng.randrange(2**31)))
        return faults

    def _can(self, kind: str) -> bool:
        if kind == "full":
            return can_mount()
        return bool(self.case.states) or kind not in ("flip", "truncate")

    def inject(self, fault: Fault) -> str:
        """Injects a fault and starts the command again.

        Returns what became of it: `survived`, or `not reached` if the command ended
        before.

        Raises:
            BrokenError: It was not survived.
        """
        num_bytes = None
        if fault.kind == "full":
            num_bytes = max(4096, int(fault.at * self.reference.num_bytes))
        with self._disk(num_bytes):
            was_reached = self._disturbed(fault)
            # Nothing in its place is partial.
            early = self._outputs(without=self.case.growing)
            wanted = self.reference.outputs
            _require_same({name: wanted.get(name) for name in early}, early)
            if fault.kind == "full":
                _mount(self.work, "remount,size=1g")
            again = self._run()
            if again.status == 2 and _NO_STATE in again.stderr:
                # As it says; a training that has only one state cannot go on.
                for folder in self.work.rglob("training"):
                    shutil.rmtree(folder)
                again = self._run()
            is_done = self.case.done and re.search(self.case.done, again.stderr)
            if again.status and not (again.status == 2 and is_done):
                raise BrokenError(f"again: status {again.status}: {again.stderr}")
            _require_same(wanted, self._outputs())
        return "survived" if was_reached else "not reached"

    def _disturbed(self, fault: Fault) -> bool:
        """Runs the command with a fault; returns whether that came before the end."""
        if fault.kind == "time":
            ran = self._run(kill_after=fault.at * self.reference.seconds)
        elif fault.kind == "full":
            ran = self._run()
        elif fault.kind in ("flip", "truncate"):
            ran = self._run(dataclasses.replace(fault, kind="kill"))
            return self._damage(fault)
        else:
            ran = self._run(fault)
        if ran.status not in (0, 2, -signal.SIGKILL):
            raise BrokenError(f"status {ran.status}: {ran.stderr}")
        if "Traceback" in ran.stderr:
            raise BrokenError(f"a traceback: {ran.stderr}")
        # Some can be borne, such as that a log is not written.
        is_late = fault.kind in ("time", "full") or self._server.operations < fault.at
        return ran.status != 0 or not is_late

    def _damage(self, fault: Fault) -> bool:
        """Damages a file of the newest training state, if there is one."""
        found = [
            path
            for path in files_below(self.work)
            if matches(path.relative_to(self.work).as_posix(), (self.case.states,))
            and path.stat().st_size
        ]
        if not found:
            return False
        newest = max(found, key=lambda path: path.stat().st_mtime_ns)
        rng = random.Random(fault.seed)
        family = [path for path in found if path.parent == newest.parent]
        stem = newest.name.partition(".")[0]
        path = rng.choice(sorted(p for p in family if p.name.startswith(f"{stem}.")))
        data = bytearray(path.read_bytes())
        place = rng.randrange(len(data))
        if fault.kind == "truncate":
            del data[place:]
        else:
            data[place] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        return True


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path fits a pattern; `**/` may also be nothing."""
    return any(
        fnmatch.fnmatchcase(name, each)
        or fnmatch.fnmatchcase(name, each.removeprefix("**/"))
        for each in patterns
    )


def _require_same(wanted: dict, found: dict) -> None:
    if missing := sorted(wanted.keys() - found.keys()):
        raise BrokenError(f"missing: {', '.join(missing)}")
    if more := sorted(found.keys() - wanted.keys()):
        raise BrokenError(f"not in the undisturbed run: {', '.join(more)}")
    if other := sorted(name for name in wanted if wanted[name] != found[name]):
        raise BrokenError(f"different: {', '.join(other)}")


def _mount(folder: Path, options: str) -> None:
    words = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    subprocess.run(words, check=True, capture_output=True)


def can_mount() -> bool:
    """Whether this user may mount a small disk."""
    return os.geteuid() == 0 and bool(shutil.which("mount"))
