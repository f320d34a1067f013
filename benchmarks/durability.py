# SPDX-License-Identifier: Apache-2.0
r"""Measures what it costs per file that writing outlasts a crash of the machine.

    python -m benchmarks.durability --folder=runs

Files of several sizes are written by `common.files.replacing`, with the syncs of
`common.durable` and without, in turn. Each line is a size: the milliseconds per file,
medians of all, without and with syncs. The folder is on the disk to be measured.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from biobert_tf.common import durable, files, room

# Bytes of a file, and how many are written.
SIZES = {2_000: 100, 1_000_000: 40, 100_000_000: 5}


@contextlib.contextmanager
def without_sync() -> Iterator[None]:
    """Leaves the syncs out in the block."""
    with mock.patch.object(durable, "_sync", lambda path: None):
        yield


def seconds(path: Path, data: bytes) -> float:
    """Returns how long it takes to write a file."""
    start = time.perf_counter()
    with files.replacing(path) as temporary:
        temporary.write_bytes(data)
    return time.perf_counter() - start


def main() -> None:
    """Prints a line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path())
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print("| size | files | without, ms | with, ms |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for size, number in SIZES.items():
            data = bytes(size)
            without, synced = [], []
            for index in range(number):
                with without_sync():
                    without.append(seconds(Path(name, f"a-{index}"), data))
                synced.append(seconds(Path(name, f"b-{index}"), data))
            shown = (f"{1e3 * statistics.median(x):.2f}" for x in (without, synced))
            print(f"| {room.size(size)} | {number} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
