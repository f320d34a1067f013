# SPDX-License-Identifier: Apache-2.0
"""Checks command lines: lowers their steps, compiles them for TPUs, reports.

Every compilation is a process of its own. libtpu may end it; then that step does not
compile for that chip, and all others do.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.tpu import compiling, report
from biobert_tf.tpu.settings import CHIPS, TpuCheckConfig
from biobert_tf.tpu.steps import Step

_LOG = logging.getLogger(__name__)

PROGRAM: Final = ["-m", compiling.__name__]
_PACKAGES: Final = ("tensorflow", "jax", "jaxlib", "libtpu", "numpy")
_MOST_JOBS: Final = 4
_WAIT: Final = 0.05  # Seconds between two looks at the processes.
_MOST_TEXTS: Final = 2**16
# Memory of a TPU comes in tiles of 8 rows.
_TILE: Final = 8


class Line(NamedTuple):
    """A command line to check: the words as a user writes them, and its steps."""

    title: str
    words: str
    steps: list[Step]


def require() -> None:
    """Raises InputError if the compiler is not installed."""
    missing = [name for name in ("jax", "libtpu") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} missing: pip install '.[tpu-check]' in the clone"
        )


@dataclasses.dataclass
class _Job:
    """A compilation that runs, and where its result goes."""

    name: str
    chip: str
    result: Path
    log: Path
    process: subprocess.Popen[bytes]

    def found(self) -> dict[str, Any]:
        """Returns the result of a process that has ended."""
        with self.process:
            status = self.process.wait()
        if self.result.exists():
            return dict(files.read_json(self.result))
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        said = "; ".join(lines[-3:])
        return {"status": "fails", "error": f"the compiler ended with {ended}: {said}"}


class _Compilers:
    """Processes that compile, a few at a time."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder, self._most = folder, most
        self._running: list[tuple[_Job, dict[str, Any]]] = []

    def start(self, step: Path, chip: str, into: dict[str, Any], name: str) -> None:
        """Starts a compilation as soon as another one has ended.

        `into` gets the result under the name of the chip; the log calls it `name`.
        """
        while len(self._running) >= self._most:
            self.collect()
        result = Path(f"{step}.{chip}.json")
        log = result.with_suffix(".log")
        words = [str(step), chip, str(result)]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, *PROGRAM, *words],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env={**os.environ, **compiling.ENVIRONMENT},
            )
        self._running.append((_Job(name, chip, result, log, process), into))

    def collect(self) -> None:
        """Waits until a process has ended; keeps the results of those that have."""
        ended: list[tuple[_Job, dict[str, Any]]] = []
        while not ended:
            ended = [
                each for each in self._running if each[0].process.poll() is not None
            ]
            if not ended:
                time.sleep(_WAIT)
        for job, into in ended:
            self._running.remove((job, into))
            found = into[job.chip] = job.found()
            seconds = found.get("seconds", 0)
            _LOG.info("%s, %s: %s, %s s", job.name, job.chip, found["status"], seconds)

    def finish(self) -> None:
        """Waits for all of them."""
        while self._running:
            self.collect()

    def kill(self) -> None:
        """Ends all of them."""
        for job, _ in self._running:
            with job.process:
                job.process.kill()


def check(config: TpuCheckConfig, lines: Sequence[Line]) -> dict[str, Any]:
    """Returns what all steps need on all chips, ready for JSON, and writes it.

    It is written after every compilation, so that nothing is lost if this is stopped.

    Raises:
        InputError: The compiler is not installed.
    """
    require()
    jobs = config.jobs or min(_MOST_JOBS, os.cpu_count() or 1)
    _LOG.info("a step of BERT-Base compiles for minutes")
    about = _about()
    known = _known(config.output, about)
    steps = [(line, step) for line in lines for step in line.steps]
    found = [_entry(*each) for each in steps]
    found = [known.get(_key(entry), entry) for entry in found]
    results: dict[str, Any] = {"about": about, "steps": found}
    with tempfile.TemporaryDirectory(prefix="biobert_tf-tpu-check-") as name:
        compilers = _Compilers(Path(name), jobs)
        with contextlib.ExitStack() as stack:
            stack.callback(compilers.kill)
            for number, (_, step) in enumerate(steps):
                entry, path = found[number], Path(name, str(number))
                chips = [x for x in config.chips.named if x not in entry["chips"]]
                if not chips or not _write(step, path, entry):
                    continue
                title = f"{entry['title']}, {entry['step']}"
                for chip in chips:
                    compilers.start(path, chip, entry["chips"], title)
                    _save(config, results)
            compilers.finish()
            if config.find_largest:
                _find_all(config, steps, results, compilers, Path(name))
    _save(config, results)
    return results


def _known(path: Path, about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what an earlier check has found with the same versions, by `_key`.

    What failed then is not in it.
    """
    if not path.is_file():
        return {}
    try:
        earlier = files.read_json(path)
    except InputError:
        earlier = {}
    if not {"about", "steps"} <= earlier.keys():
        raise InputError.at(path, None, "not of tpu-check; give another --output")
    if earlier["about"] != about:
        return {}
    known = {_key(entry): entry for entry in earlier["steps"] if "error" not in entry}
    for entry in known.values():
        chips = entry["chips"].items()
        entry["chips"] = {chip: x for chip, x in chips if x["status"] != "fails"}
    return known


def _key(entry: dict[str, Any]) -> str:
    """Returns what a step is known by."""
    return json.dumps([entry[name] for name in ("title", "step", "flags", "sizes")])


def _about() -> dict[str, Any]:
    """Returns where and with what this is compiled."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "limits": {name: chip.gibibytes for name, chip in CHIPS.items()},
    }


def _entry(line: Line, step: Step) -> dict[str, Any]:
    return {
        "title": line.title,
        "script": step.script,
        "step": step.kind,
        "flags": line.words,
        "sizes": dataclasses.asdict(step.config) | {"text_length": step.text_length},
        "cores": step.device.num_tpu_cores,
        "texts": step.texts,
        "chips": {},
    }


def _write(step: Step, path: Path, entry: dict[str, Any]) -> bool:
    """Lowers a step and writes it; says in the entry what it is, or why it fails."""
    start = time.perf_counter()
    try:
        program = step.lower()
        hlo = program.traced.hlo()
    # A step that cannot be lowered costs itself.
    except Exception as error:
        entry["error"] = f"cannot be lowered: {str(error) or type(error).__name__}"
        return False
    entry["rows"], entry["width"] = program.rows
    entry["counted_flops"] = program.flops
    entry["lower_seconds"] = round(time.perf_counter() - start, 1)
    Path(f"{path}.hlo").write_bytes(hlo)
    Path(f"{path}.json").write_text(
        json.dumps(dataclasses.asdict(program.traced.lowered))
    )
    return True


def _save(config: TpuCheckConfig, results: dict[str, Any]) -> None:
    files.write_json(config.output, results)
    files.write_text(config.output.with_suffix(".md"), report.table(results))


def _find_all(
    config: TpuCheckConfig,
    steps: Sequence[tuple[Line, Step]],
    results: dict[str, Any],
    compilers: _Compilers,
    folder: Path,
) -> None:
    """Adds to the results the most texts that fit a core."""
    for number, (_, step) in enumerate(steps):
        entry = results["steps"][number]
        trials = _Trials(step, folder / f"trial-{number}", compilers)
        for chip, result in entry["chips"].items():
            if result["status"] != "fails" and "largest_texts" not in result:
                found = {step.texts: result["status"] == "fits"}
                fits = functools.partial(trials.fits, chip, found)
                result["largest_texts"] = largest(fits, step.texts, step.unit)
                result["tried_texts"] = sorted(found)
                _save(config, results)


@dataclasses.dataclass
class _Trials:
    """Batches of other sizes of a step; each size is lowered once for all chips."""

    step: Step
    path: Path
    compilers: _Compilers
    is_written: dict[int, bool] = dataclasses.field(default_factory=dict)

    def fits(self, chip: str, found: dict[int, bool], texts: int) -> bool:
        """Returns whether a batch fits on a chip; `found` is what is known of it."""
        path = Path(f"{self.path}-{texts}")
        if texts not in found and texts not in self.is_written:
            larger = dataclasses.replace(self.step, texts=texts)
            self.is_written[texts] = _write(larger, path, {})
        if texts not in found:
            into: dict[str, Any] = {}
            if self.is_written[texts]:
                self.compilers.start(path, chip, into, f"{texts} texts")
                self.compilers.finish()
            found[texts] = bool(into) and into[chip]["status"] == "fits"
        return found[texts]


def largest(fits: Callable[[int], bool], first: int, unit: int) -> int:
    """Returns the largest batch that fits, a multiple of `unit`; 0 if none does.

    Where eight units or more fit, it is a multiple of eight units, or `first`.
    """
    low, high = (first, None) if fits(first) else (0, first)
    while high is None:
        if low >= _MOST_TEXTS:
            return low
        low, high = (2 * low, None) if fits(2 * low) else (low, 2 * low)
    while True:
        grain = unit * _TILE if low >= unit * _TILE else unit
        middle = (low + high) // 2 // grain * grain
        if middle <= low:
            middle = low // grain * grain + grain
        if middle >= high:
            return low
        low, high = (middle, high) if fits(middle) else (low, middle)
