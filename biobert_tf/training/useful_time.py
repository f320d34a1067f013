# SPDX-License-Identifier: Apache-2.0
"""Measures which share of a training's time was useful.

Useful is the time of steps whose results were kept. What is made again after a kill is
not useful, nor are steps that float16 skips, nor is the time of starting, compiling,
reading, evaluating and saving, nor that in which the training did not run. The rest of
the first call of a process, which compiles, counts as compiling.
"""

import dataclasses
import time
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

_STARTED: Final = "started.json"
_FIRST: Final = "first_start"
_USEFUL: Final = "useful_seconds"
_TOTAL: Final = "seconds_since_first_start"
_SKIPPED: Final = "skipped_steps"


@dataclasses.dataclass
class UsefulTime:
    """The useful time of a training, over all its starts.

    Attributes:
        first_start: When it was first started, in seconds since 1970.
        seconds: The seconds in steps, of which a state keeps those up to it.
        skipped_steps: The steps that float16 has skipped up to there.
    """

    first_start: float
    seconds: float = 0.0
    skipped_steps: int = 0

    def write(self, prefix: Path) -> None:
        """Writes the mark of a finished state, which keeps the time up to it.

        Raises:
            InputError: The mark cannot be written.
        """
        # The clock of another machine may be behind.
        total = max(time.time() - self.first_start, self.seconds)
        values = {_USEFUL: round(self.seconds, 3), _TOTAL: round(total, 3)}
        if self.skipped_steps:
            values[_SKIPPED] = self.skipped_steps
        files.write_json(mark(prefix), values)


def mark(prefix: Path) -> Path:
    """Returns the file that is written when the state of a prefix is whole."""
    return prefix.with_name(f"{prefix.name}.json")


def start(folder: Path, state: Path | None) -> UsefulTime:
    """Returns the time of a training that goes on from a state of a folder, if any.

    Raises:
        InputError: The folder cannot be written.
    """
    path = folder / _STARTED
    first = _numbers(path).get(_FIRST)
    if first is None:
        first = time.time()
        files.write_json(path, {_FIRST: first})
    kept = _numbers(mark(state)) if state else {}
    return UsefulTime(first, kept.get(_USEFUL, 0.0), int(kept.get(_SKIPPED, 0)))


def recorded(state: Path | None) -> dict[str, float]:
    """Returns what a state says of the useful time, ready for JSON; {} if nothing."""
    found = _numbers(mark(state)) if state else {}
    if not found.get(_TOTAL):
        return {}
    share = found.get(_USEFUL, 0.0) / found[_TOTAL]
    return {**found, "share": round(share, 4)}


def _numbers(path: Path) -> dict[str, float]:
    """Returns the numbers in a JSON file; {} if it cannot be read."""
    try:
        values = files.read_json(path)
    except InputError:
        return {}
    return {name: x for name, x in values.items() if isinstance(x, int | float)}
