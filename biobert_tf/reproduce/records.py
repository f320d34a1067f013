# SPDX-License-Identifier: Apache-2.0
"""The record of a run in its folder: `run.json`, `log.txt` and the run's own files.

`run.json` has the command, the SHA-256 of the data files, and every attempt: when it
started, how long it took, on which device, and how it ended. A run is done when its own
`results.json` is there, which it writes last.
"""

import dataclasses
import datetime
import functools
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf.classification import layouts, pubmedqa
from biobert_tf.common import files, remote_path
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.published import checksums
from biobert_tf.published.manifest import Setting
from biobert_tf.reproduce.plan import Run
from biobert_tf.reproduce.settings import SQUAD

Status = Literal["done", "failed", "stopped", "to do"]

LOG: Final = "log.txt"
_RECORD: Final = "run.json"
_RESULTS: Final = "results.json"
_ERROR: Final = re.compile(r"^(?:error|interrupted): (.*)", re.MULTILINE)
_TAIL: Final = 1 << 16
_SPLITS: Final = ("train", "train_dev", "devel", "dev", "test")
# A run may be moved with its data, so of paths only the ends are compared.
_SHAPING: Final = (
    "compat",
    "labels",
    "layout",
    "learning_rate",
    "max_seq_length",
    "mixed_precision",
    "negative_label",
    "num_train_epochs",
    "pooling",
    "question_type",
    "seed",
    "target",
    "task_name",
    "train_batch_size",
    "train_on",
)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One process of a run.

    Attributes:
        started: When it started, in UTC.
        seconds: How long it took; None while it runs, and if it was killed together
            with the program that had started it.
        device: What it ran on.
        status: The exit status, -N if signal N ended it; None as for `seconds`.
        stopped: Whether it was asked to stop.
    """

    started: str
    device: str
    seconds: float | None = None
    status: int | None = None
    stopped: bool = False


@dataclasses.dataclass(frozen=True)
class State:
    """What the folder of a run tells.

    Attributes:
        status: `stopped` also for a run that is running now.
        why: Why it failed; "" otherwise.
        seconds: The time of all its attempts.
    """

    status: Status
    why: str
    attempts: tuple[Attempt, ...]
    seconds: float


def now() -> str:
    """Returns the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def words(run: Run, output: Path, chosen: Mapping[str, Setting]) -> list[str]:
    """Returns the command line of a run, without the program in front.

    `chosen` are the settings that its grid search has chosen.
    """
    flags = {**run.flags, **chosen, "output_dir": str(output / run.name)}
    shown = {k: str(v).lower() if isinstance(v, bool) else v for k, v in flags.items()}
    return [run.problem, *(f"--{name}={value}" for name, value in shown.items())]


def command(run: Run, output: Path, chosen: Mapping[str, Setting]) -> str:
    """Returns the command line of a run as one types it."""
    return shlex.join(["biobert", *words(run, output, chosen)])


def results(folder: Path) -> dict[str, Any] | None:
    """Returns the results in the folder of a run that is done, None of another.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / _RESULTS
    return files.read_json(path) if path.is_file() else None


def data(run: Run) -> dict[str, str]:
    """Returns the SHA-256 of the data files that a run reads, by their names.

    Raises:
        InputError: A file is missing, or cannot be read.
    """
    paths: list[Path] = []
    if folder := run.flags.get("data_dir"):
        held = sorted(remote_path.parse(str(folder)).iterdir())
        names = _names_of_texts(run) if run.problem == "classification" else ()
        paths += [
            path
            for path in held
            if path.is_file() and (path.stem in _SPLITS or path.name in names)
        ]
    for name in ("train_file", "predict_file", "golden_file"):
        if text := run.flags.get(name):
            paths += FileGlobs.parse(str(text)).files()
    return {path.name: _sum(path, path.stat().st_mtime_ns) for path in paths}


def _names_of_texts(run: Run) -> list[str]:
    """Returns the names that files of classification may have in their layout."""
    layout = str(run.flags.get("layout", "auto"))
    splits = ("train", "dev", "test")
    names = [name for split in splits for name in layouts.names_of(split, layout)]
    return [*names, pubmedqa.TRUTH]


@functools.cache
def _sum(path: Path, changed: int) -> str:
    """Returns the SHA-256 of a file; several runs read the same one."""
    return checksums.of(path)


def changed_data(run: Run, output: Path) -> list[str]:
    """Returns the names of the data files that are not what its last attempt read.

    Raises:
        InputError: A file or the record cannot be read.
    """
    path = output / run.name / _RECORD
    before = files.read_json(path).get("data") if path.is_file() else None
    if before is None:
        return []
    now = data(run)
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def require_same(
    run: Run,
    output: Path,
    found: Mapping[str, Any],
    chosen: Mapping[str, Setting] | None,
) -> None:
    """Refuses results that were made with other settings than are planned.

    `chosen` is what the run's grid search has chosen, None before its end.

    Raises:
        InputError: A setting, the data or the first stage differs, or the run is older
            than its grid search.
    """
    if chosen is None:
        raise _other(run, output, "a run from before its grid search", "one after it")
    # What is not given is off.
    off = {"mixed_precision": "off"}
    then, flags = {**off, **found.get("settings", {})}, {**off, **run.flags, **chosen}
    for name in _SHAPING:
        if name in flags and then.get(name) != flags[name]:
            held = f"a run with --{name}={then.get(name)}"
            raise _other(run, output, held, flags[name])
    if names := changed_data(run, output):
        held = f"a run of other data ({', '.join(names)})"
        raise _other(run, output, held, "one of this data")
    if run.purpose == "test" and run.problem == "qa":
        # A first stage is in runs/SQuAD/MODEL/MODE.
        first, second = (
            "with"
            if SQUAD in str(x.get("init_checkpoint")).split("/")[-3:-2]
            else "without"
            for x in (then, flags)
        )
        if first != second:
            held = f"a run {first} training on {SQUAD}"
            raise _other(run, output, held, f"one {second}")


def _other(run: Run, output: Path, held: str, wanted: Setting | bool) -> InputError:
    return InputError.at(
        output / run.name,
        None,
        f"holds {held}, but {wanted} is asked for; choose another --output, or delete "
        "this folder",
    )


def attempts(run: Run, output: Path) -> list[Attempt]:
    """Returns the attempts that are recorded, oldest first.

    Raises:
        InputError: The record is damaged.
    """
    path = output / run.name / _RECORD
    if not path.is_file():
        return []
    found = files.read_json(path).get("attempts")
    try:
        return [Attempt(**each) for each in found or ()]
    except TypeError:
        raise InputError.at(path, None, "is damaged; delete this file") from None


def write(
    run: Run,
    output: Path,
    line: str,
    read: Mapping[str, str],
    made: Sequence[Attempt],
) -> None:
    """Writes the record of a run; `read` is what `data` returned before it."""
    values = {
        "command": line,
        "data": read,
        "attempts": [dataclasses.asdict(each) for each in made],
    }
    files.write_json(output / run.name / _RECORD, values)


def state(run: Run, output: Path) -> State:
    """Returns what the folder of a run tells.

    Raises:
        InputError: Its record is damaged.
    """
    made = attempts(run, output)
    folder = output / run.name
    seconds = sum(_seconds(each, folder) for each in made)
    status: Status = "to do"
    why = ""
    if (folder / _RESULTS).is_file():
        status = "done"
    elif made:
        last = made[-1]
        status = "stopped" if last.stopped or last.status is None else "failed"
        why = _why(last, folder) if status == "failed" else ""
    return State(status, why, tuple(made), seconds)


def _seconds(attempt: Attempt, folder: Path) -> float:
    """Returns the time of an attempt; of one that nobody saw end, by its log."""
    log = folder / LOG
    if attempt.seconds is not None or not log.is_file():
        return attempt.seconds or 0.0
    start = datetime.datetime.fromisoformat(attempt.started).timestamp()
    return max(0.0, log.stat().st_mtime - start)


def _why(attempt: Attempt, folder: Path) -> str:
    """Returns why a run failed: the line that it ended with, else its exit status."""
    assert attempt.status is not None
    tail = b""
    if (folder / LOG).is_file():
        with (folder / LOG).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL))
            tail = stream.read()
    # Of the last attempt only: an earlier one may have ended in another way.
    last = tail.decode("utf-8", "replace").rpartition(f"--- {attempt.started} ")[2]
    said = _ERROR.findall(last)
    if attempt.status < 0:
        name = signal.Signals(-attempt.status).name
        return f"killed by {name}, perhaps because memory ran out"
    if said:
        return said[-1]
    if attempt.status == 0:
        return f"ended without results; see {LOG}"
    return f"exit status {attempt.status}; see {LOG}"
