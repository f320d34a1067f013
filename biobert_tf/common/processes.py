# SPDX-License-Identifier: Apache-2.0
"""Child processes that end when this process ends, however it ends."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from biobert_tf.common import screen, stopping


def call(function: Callable[..., int], *arguments: object) -> int:
    """Calls a function in a new process, waits and returns its exit status.

    The status is what the function, of the top level of a module, returns, or -N if
    signal N killed the process. The arguments can be pickled. The process writes to the
    same screen. It ends when this process is killed. Signals are passed on as SIGTERM,
    which the function may handle; this process waits for its end.

    Raises:
        StoppedError: This process got a signal.
    """
    # A fresh interpreter: a fork would inherit the threads of TensorFlow.
    context = multiprocessing.get_context("spawn")
    child, parent = context.Pipe(duplex=False)
    process = context.Process(target=_exit_with, args=(child, function, arguments))
    sys.stdout.flush()
    try:
        with screen.unfiltered():
            process.start()
        with stopping.heard(first=process.terminate) as request:
            request.has_work = True
            process.join()
    finally:
        # Whatever it is doing: every function we run can be killed at any moment.
        if process.is_alive():
            process.kill()
            process.join()
        parent.close()
        child.close()
    if request.is_made:
        raise request.error("stopped")
    assert process.exitcode is not None
    return process.exitcode


def _exit_with(
    parent: Connection, function: Callable[..., int], arguments: tuple[object, ...]
) -> None:
    end_with(parent)
    sys.exit(function(*arguments))


def end_with(parent: Connection) -> None:
    """Makes this process end when its parent closes a pipe or dies.

    `parent` is the reading end of the pipe; only the parent has the other end.
    """

    def wait_and_exit() -> None:
        # Nothing is ever sent, so poll returns only when the other end is closed.
        parent.poll(None)
        os._exit(1)

    # These reach the whole process group; the parent handles them for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=wait_and_exit, daemon=True).start()
