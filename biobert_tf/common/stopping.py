# SPDX-License-Identifier: Apache-2.0
"""Stops long work by SIGINT (Ctrl-C) or SIGTERM: once to keep it, twice to end now.

Python calls a signal's handler in the main thread, and only between two of its own
operations; one operation of TensorFlow may take seconds. So a thread hears of the
signal too: it says at once what will happen, and ends the process if it must.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from biobert_tf.common.errors import StoppedError

_SAVING: Final = (
    "stopping: a state is saved after this step; press Ctrl-C again to stop at once"
)
_NOTHING_LOST: Final = "the same command goes on from the last state"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Signals that come together are one request: `timeout` sends every signal twice.
_SECONDS_TOGETHER: Final = 0.5
# How long the main thread may take to stop where no work would be lost.
_SECONDS_TO_STOP: Final = 1.0


def say_saving() -> None:
    """Tells the user that the first signal was heard."""
    print(_SAVING, file=sys.stderr, flush=True)


class Request:
    """What signals have asked for in a block of `heard`, which sets the attributes.

    Attributes:
        has_work: Whether stopping at once would lose work. If not, the first signal
            raises StoppedError, or ends the process if that takes too long.
        may_raise: Whether the first signal raises StoppedError even so.
    """

    def __init__(self, first: Callable[[], None]) -> None:
        """Starts without a request; `first` is called at the first signal to work."""
        self.has_work = self.may_raise = False
        self._first = first
        self._signum: int | None = None
        self._has_raised = False

    @property
    def is_made(self) -> bool:
        """Whether a signal has come."""
        return self._signum is not None

    def error(self, message: str) -> StoppedError:
        """Returns the error to raise; for another worker's signal, that of SIGINT."""
        return StoppedError(message, self._signum or signal.SIGINT)

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Runs in the main thread, between two operations of Python."""
        del frame
        self._signum = self._signum or signum
        if not self._has_raised and (self.may_raise or not self.has_work):
            self._has_raised = True
            raise self.error(_NOTHING_LOST)

    def listen(self, signals: socket.socket) -> None:
        """Runs in a thread, until the other end of `signals` is closed."""
        with signals:
            if (number := _next_of(signals)) is None:
                return
            self._signum = self._signum or number
            came, loses_work = time.monotonic(), self.has_work
            if loses_work:
                self._first()
            else:
                signals.settimeout(_SECONDS_TO_STOP)
            try:
                while number := _next_of(signals):
                    if time.monotonic() - came > _SECONDS_TOGETHER:
                        _end_now(number)
            except TimeoutError:
                _end_now(self._signum, f"interrupted: {_NOTHING_LOST}")


def _next_of(signals: socket.socket) -> int | None:
    """Returns the next of our signals; None at the end."""
    while byte := signals.recv(1):
        if byte[0] in _SIGNALS:
            return byte[0]
    return None


def _end_now(signum: int, message: str = "stopped at once") -> None:
    # An interactive session would lose all its variables.
    if not hasattr(sys, "ps1"):
        print(message, file=sys.stderr, flush=True)
        os._exit(128 + signum)


@contextlib.contextmanager
def heard(first: Callable[[], None] = say_saving) -> Iterator[Request]:
    """Yields what SIGINT and SIGTERM ask for while the block runs.

    Only the main thread hears signals; elsewhere there are none. A signal that this
    process ignores stays ignored.
    """
    request = Request(first)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    ours, signals = socket.socketpair()
    ours.setblocking(False)
    listener = threading.Thread(target=request.listen, args=(signals,), daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    taken = {
        number: signal.signal(number, request.handle)
        for number in _SIGNALS
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield request
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        ours.close()
        # What it has to say comes before what the caller says.
        listener.join()
