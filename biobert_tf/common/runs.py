# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of items into runs that are held in memory together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def runs(
    items: Iterable[Item], weight: Callable[[Item], float], most: float = 1
) -> Iterator[list[Item]]:
    """Yields runs of items that weigh `most` or little more together.

    The last run may weigh less. Items are read as they are needed.
    """
    run, total = [], 0.0
    for item in items:
        run.append(item)
        total += weight(item)
        if total >= most:
            yield run
            run, total = [], 0.0
    if run:
        yield run
