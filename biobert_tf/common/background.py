# SPDX-License-Identifier: Apache-2.0
"""Items made in a thread while those before them are used."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Final, TypeVar

Item = TypeVar("Item")

_END: Final = object()


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields items in order; the next is being made when one is given away.

    Who stops early, or by Ctrl-C, does not wait for the item that is being made: it
    may be read from a terminal, and never come.

    Args:
        items: Read by one thread of their own, never more than one further than is
            asked for.

    Raises:
        BaseException: What making an item raised, where that item would come.
    """
    wanted: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def make() -> None:
        iterator = iter(items)
        while wanted.get():
            try:
                made.put((next(iterator, _END), None))
            except BaseException as error:
                made.put((_END, error))

    threading.Thread(target=make, daemon=True).start()
    wanted.put(True)
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            wanted.put(True)
            yield item
    finally:
        wanted.put(False)
