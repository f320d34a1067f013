# SPDX-License-Identifier: Apache-2.0
"""Prepares the next item in a background thread while the current one is used."""

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Final, TypeVar

Item = TypeVar("Item")

_END: Final = object()


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields items in order; while the caller uses one, the next is prepared.

    A caller that stops early, also by Ctrl-C, does not wait for the item that is being
    prepared: it may be read from a terminal and never arrive.

    Raises:
        BaseException: Whatever making an item raised, in place of that item.
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
