# SPDX-License-Identifier: Apache-2.0
"""Cuts a stream of items into runs that are held in memory together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def runs(
    items: Iterable[Item], weight: Callable[[Item], float]
) -> Iterator[list[Item]]:
    """Yields runs of items that weigh 1 or little more together; the last may be less.

    Args:
        items: The items; read as they are needed.
        weight: Returns the weight of an item.
    """
    run, total = [], 0.0
    for item in items:
        run.append(item)
        total += weight(item)
        if total >= 1:
            yield run
            run, total = [], 0.0
    if run:
        yield run
