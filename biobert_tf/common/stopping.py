# SPDX-License-Identifier: Apache-2.0
"""Stops long work by a signal: once to keep it, twice to end now.

The signals are SIGINT (Ctrl-C), SIGTERM, and SIGHUP, which comes when a terminal is
closed. At a shutdown systemd sends the processes of a login SIGTERM and SIGHUP at once.

Python calls a signal's handler in the main thread, and only between two of its own
operations; one operation of TensorFlow may take seconds. So a thread hears of the
signal too: it says at once what will happen, and ends the process if it must.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final, TextIO

from biobert_tf.common.errors import StoppedError

_SAVING: Final = (
    "stopping: a state is saved after this step; press Ctrl-C again to stop at once"
)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Signals that come together are one request: `timeout` sends every signal twice.
_SECONDS_TOGETHER: Final = 0.5
# How long the main thread may take to stop where no work would be lost.
_SECONDS_TO_STOP: Final = 1.0


def say_saving() -> None:
    """Tells the user that the first signal was heard."""
    _say(_SAVING)


def _say(message: str) -> None:
    """Writes a line to stderr, below a bar and the terminal's `^C`."""
    if sys.stderr is not None:
        start = "\n" if sys.stderr.isatty() else ""
        # A terminal may be gone.
        with contextlib.suppress(OSError):
            print(f"{start}{message}", file=sys.stderr, flush=True)


class Request:
    """What signals have asked for in a block of `heard`, which sets the attributes.

    Attributes:
        signum: The first signal that came, here or to another worker.
        has_work: Whether stopping at once would lose work. If not, the first signal
            raises StoppedError, or ends the process if that takes too long.
        has_raised: Whether a signal has raised StoppedError.
        may_raise: Whether the first signal raises StoppedError even so.
        kept: What is kept if the work ends now, for the user.
    """

    def __init__(self, first: Callable[[], None]) -> None:
        """Starts without a request; `first` is called at the first signal to work."""
        self.has_work = self.may_raise = False
        self.kept = ""
        self._first = first
        self.signum: int | None = None
        self._came: float | None = None
        self.has_raised = False

    @property
    def is_made(self) -> bool:
        """Whether a signal has come."""
        return self.signum is not None

    def error(self, message: str) -> StoppedError:
        """Returns the error to raise for the signal."""
        return StoppedError(message, self.signum or signal.SIGINT)

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Runs in the main thread, between two operations of Python."""
        del frame
        _leave_terminal(signum)
        self._hear(signum)
        now = time.monotonic()
        self._came = self._came or now
        if _is_interactive() and now - self._came > _SECONDS_TOGETHER:
            # Nothing else ends the work: the process must not end.
            raise KeyboardInterrupt("stopped at once")
        if not self.has_raised and (self.may_raise or not self.has_work):
            self.has_raised = True
            raise self.error(self.kept)

    def _hear(self, signum: int) -> None:
        """Notes the first signal.

        Of two that wait, Python's handlers see SIGHUP before SIGTERM, whichever came
        first; at a shutdown it was SIGTERM.
        """
        if self.signum in (None, signal.SIGHUP):
            self.signum = signum

    def listen(self, signals: socket.socket) -> None:
        """Runs in a thread, until the other end of `signals` is closed."""
        with signals:
            if (first := _next_of(signals)) is None:
                return
            self._hear(first)
            came, loses_work = time.monotonic(), self.has_work
            if loses_work:
                self._first()
            else:
                signals.settimeout(_SECONDS_TO_STOP)
            while True:
                try:
                    if (number := _next_of(signals)) is None:
                        return
                except TimeoutError:
                    _end_now(self.signum or first, f"interrupted: {self.kept}")
                    # An interactive session goes on, and so do its signals.
                    signals.settimeout(None)
                    continue
                if time.monotonic() - came > _SECONDS_TOGETHER:
                    _end_now(number)


def _next_of(signals: socket.socket) -> int | None:
    """Returns the next of our signals; None at the end."""
    while byte := signals.recv(1):
        if byte[0] in SIGNALS:
            return byte[0]
    return None


def _end_now(signum: int, message: str = "stopped at once") -> None:
    # An interactive session would lose all its variables.
    if not _is_interactive():
        _say(message)
        os._exit(128 + signum)


def _is_interactive() -> bool:
    """Says whether somebody types Python, or a notebook does."""
    return hasattr(sys, "ps1")


def is_closed(stream: TextIO) -> bool:
    """Whether a stream is a pipe that nobody reads, or a terminal that is gone."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _leave_terminal(signum: int) -> None:
    """Drops what is written from now on, if SIGHUP says that the terminal is gone.

    Every line would be an error, and so would be the bar of the last step.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            if signum == signal.SIGHUP and is_closed(stream):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def others_raise() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise StoppedError in the block, as Ctrl-C does.

    So files are cleaned up. The message is for those to fill in who know what is kept.
    A signal that this process ignores stays ignored, and outside the main thread
    nothing changes.
    """
    came: list[float] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        del frame
        _leave_terminal(signum)
        came.append(time.monotonic())
        # One that belongs to the first must not end the cleaning up.
        if len(came) == 1 or came[-1] - came[0] > _SECONDS_TOGETHER:
            raise StoppedError("", signum)

    with _handled(stop, (signal.SIGTERM, signal.SIGHUP)):
        yield


@contextlib.contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
    numbers: Sequence[int],
) -> Iterator[None]:
    """Handles signals in the block, if it is in the main thread, unless ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)


def at_once() -> contextlib.AbstractContextManager[None]:
    """Lets signals end the process in a block that runs no Python and loses nothing."""
    return _handled(signal.SIG_DFL, SIGNALS)


@contextlib.contextmanager
def heard(first: Callable[[], None] = say_saving) -> Iterator[Request]:
    """Yields what signals ask for while the block runs.

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
    try:
        with _handled(request.handle, SIGNALS):
            yield request
    finally:
        signal.set_wakeup_fd(before)
        ours.close()
        # What it has to say comes before what the caller says.
        listener.join()
