# SPDX-License-Identifier: Apache-2.0
"""Processes of our own that end when this one does, however it ends."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

_LOG = logging.getLogger(__name__)


def call(function: Callable[..., int], *arguments: Any) -> int:
    """Calls a function in a process of its own and waits for it.

    The process writes to the same screen, and ends with this one: at Ctrl-C, at
    SIGTERM, and when this one is killed.

    Args:
        function: At the top level of a module. What it returns is the exit status.
        arguments: What it is called with; they can be pickled.

    Returns:
        The exit status; -N if signal N killed the process.
    """
    # A fresh interpreter: a fork would inherit the threads of TensorFlow.
    context = multiprocessing.get_context("spawn")
    child, parent = context.Pipe(duplex=False)
    process = context.Process(target=_exit_with, args=(child, function, arguments))
    sys.stdout.flush()
    try:
        with sigterm_raises():
            process.start()
            process.join()
    finally:
        # Whatever it is doing: all that we run can be killed at any moment.
        if process.is_alive():
            process.kill()
            process.join()
        parent.close()
        child.close()
    assert process.exitcode is not None
    return process.exitcode


def _exit_with(
    parent: Connection, function: Callable[..., int], arguments: tuple[Any, ...]
) -> None:
    end_with(parent)
    sys.exit(function(*arguments))


def end_with(parent: Connection) -> None:
    """Makes this process end when its parent closes a pipe, or dies.

    Args:
        parent: The end to read from; nobody but the parent has the other.
    """
    # Ctrl-C reaches the whole process group; the parent speaks for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_and_exit, args=(parent,), daemon=True).start()


def _wait_and_exit(parent: Connection) -> None:
    # Nothing is ever sent: this returns when the other end is closed.
    parent.poll(None)
    os._exit(1)


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does: with the files cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(signum: int, frame: FrameType | None) -> None:
    del frame
    _LOG.warning("terminated; the same command goes on from what is finished")
    raise SystemExit(128 + signum)
