# SPDX-License-Identifier: Apache-2.0
"""Counts memory, threads and open files of a process and its children, from /proc."""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
_PARENT: Final = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)
_THREADS: Final = re.compile(r"^Threads:\s+(\d+)$", re.MULTILINE)
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


class Usage(NamedTuple):
    """What some processes hold: MiB of resident memory, threads, open files.

    Memory that processes share counts once for each.
    """

    mib: float = 0.0
    threads: int = 0
    files: int = 0


def is_available() -> bool:
    """Says whether this system tells: Linux does."""
    return (PROC / "self" / "status").exists()


def of_tree(root: int) -> Usage:
    """Returns what the process `root` and all its children hold together."""
    told = {number: text for number in _numbers() if (text := _status(number))}
    parents = {number: _first(_PARENT, text) for number, text in told.items()}
    tree = {root}
    # A child's number may be below that of its parent.
    while more := {n for n, parent in parents.items() if parent in tree} - tree:
        tree |= more
    held = [number for number in tree if number in told]
    return Usage(
        sum(_first(_RESIDENT, told[number]) for number in held) / 1024,
        sum(_first(_THREADS, told[number]) for number in held),
        sum(map(_num_files, held)),
    )


def _numbers() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _status(number: int) -> str:
    """Returns what the kernel tells of a process; "" if it has ended."""
    try:
        return (PROC / str(number) / "status").read_text("utf-8", "replace")
    except OSError:
        return ""


def _first(pattern: re.Pattern[str], text: str) -> int:
    # The status of a process that has just ended has no memory.
    found = pattern.search(text)
    return int(found[1]) if found else 0


def _num_files(number: int) -> int:
    try:
        return len(os.listdir(PROC / str(number) / "fd"))
    except OSError:
        return 0
