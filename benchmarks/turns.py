# SPDX-License-Identifier: Apache-2.0
"""Lets ways of the same work take turns and compares their times.

Turns keep ratios right on a busy machine: what slows one way down slows the others down
too. This module needs nothing but Python, so it runs in any environment.
"""

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

ResultT = TypeVar("ResultT")


class Spread(NamedTuple):
    """The least, the median and the most of some numbers."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Returns the spread of at least one number."""
        held = list(values)
        return cls(min(held), statistics.median(held), max(held))

    def __str__(self) -> str:
        """Returns all three with two decimals."""
        return f"{self.median:.2f} (min {self.least:.2f}, max {self.most:.2f})"


def ratios(mine: Sequence[float], others: Sequence[float]) -> Spread:
    """Returns how many times as fast as others I was, turn by turn, from the times."""
    return Spread.of(b / a for a, b in zip(mine, others, strict=True))


def take_turns(
    ways: Mapping[str, Callable[[], ResultT]], num_turns: int
) -> dict[str, list[ResultT]]:
    """Calls every way once in every turn; every second turn in the opposite order.

    Returns:
        What each way returned in each turn.
    """
    found: dict[str, list[ResultT]] = {name: [] for name in ways}
    for turn in range(num_turns):
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            found[name].append(ways[name]())
    return found


class Seconds(NamedTuple):
    """How long something took, in seconds by the clock and of all cores together."""

    clock: float
    cores: float


def timed(work: Callable[[], object]) -> Seconds:
    """Returns how long a call took in this process."""
    start, start_cores = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - start, time.process_time() - start_cores)


def seconds_of_turns(
    ways: Mapping[str, Callable[[], object]], num_turns: int
) -> dict[str, list[Seconds]]:
    """Returns how long each way took in each turn; see `take_turns`."""
    return take_turns(
        {name: functools.partial(timed, way) for name, way in ways.items()}, num_turns
    )


def median_cores(
    ways: Mapping[str, Callable[[], object]], num_turns: int
) -> dict[str, float]:
    """Returns the median of the seconds of all cores of each way."""
    found = seconds_of_turns(ways, num_turns)
    return {
        name: statistics.median(turn.cores for turn in held)
        for name, held in found.items()
    }


def parser(
    doc: str | None, turns: int | None = None, data: str = ""
) -> argparse.ArgumentParser:
    """Returns a parser with `--turns`.

    If `data` says what the folder of data holds, there is `--data` too; its default is
    the environment's BIOBERT_DATA.
    """
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--turns", type=int, default=turns, help="turns of each way")
    if data:
        folder = os.environ.get("BIOBERT_DATA")
        made.add_argument(
            "--data",
            type=Path,
            default=folder,
            required=folder is None,
            help=f"{data} (default: $BIOBERT_DATA)",
        )
    return made
