# SPDX-License-Identifier: Apache-2.0
"""Items made in a thread while those before them are used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

Item = TypeVar("Item")

_END: Final = object()


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields items in order; the next is being made when one is given away.

    Args:
        items: Read by one thread of their own, never more than one further than is
            asked for.

    Raises:
        Exception: What making an item raised, where that item would come.
    """
    iterator = iter(items)

    def make() -> Any:
        return next(iterator, _END)

    with ThreadPoolExecutor(max_workers=1) as thread:
        future = thread.submit(make)
        while (item := future.result()) is not _END:
            future = thread.submit(make)
            yield item
