# SPDX-License-Identifier: Apache-2.0
"""Runs a program's main function: sets up logging, turns errors into exit statuses."""

import atexit
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from biobert_tf.common import flags, lean, room, screen, stopping, stores, workers
from biobert_tf.common.errors import (
    InputError,
    LostWorkerError,
    StoppedError,
    TrainingDivergedError,
)

_LOG = logging.getLogger(__name__)

Main = Callable[[Sequence[str]], None]

_LEAST_OF_SIGNALS: Final = 128


def start(main: Main) -> int:
    """Runs `main` as the whole program; returns its exit status, see `run`.

    After a signal the process ends as soon as everything is cleaned up: it would take
    seconds to end the threads of TensorFlow.
    """
    stopped: list[int] = []

    def end() -> None:
        if stopped:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(stopped[0])

    # Registered first, so that it is called after all others.
    atexit.register(end)
    # Python's end would look for garbage among all objects of TensorFlow, for a second.
    atexit.register(gc.freeze)
    status = run(main, sys.argv)
    if status > _LEAST_OF_SIGNALS or (status and workers.are_met()):
        # Half-restored objects of TensorFlow warn of that when they are deleted.
        logging.disable()
        stopped.append(status)
    return status


def run(main: Main, argv: Sequence[str]) -> int:
    """Runs `main(argv)` and returns the exit status of the process.

    It is 0 after success, 2 after an `InputError`, or if the disk or the memory is full
    or a store fails, 3 after a training that diverged, 130 after Ctrl-C, 143 after
    SIGTERM and 129 after SIGHUP, with a line that says what is kept, and 141, without a
    word, if nobody reads the output any more. It is 4 if another worker of a cluster is
    gone, and the status of one that ended with an error. Other exceptions are bugs and
    keep their traceback. The other workers are told of each end but the first.
    Every program has the flag `--verbosity`, which `main` does not see.
    """
    # Without this TensorFlow imports Keras 3, which takes a second and is not used.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    lean.prepare()
    try:
        verbosity, words = flags.verbosity(argv)
        level = screen.level_of(verbosity)
    except InputError as error:
        screen.say(f"error: {error}")
        return 2
    with screen.shown(level), stopping.others_raise():
        try:
            status, line = _ended(main, words)
        except Exception as error:
            bug = f"{type(error).__name__}: {error}"
            workers.tell(LostWorkerError.UNKNOWN, bug)
            raise
        if line:
            screen.say(line)
        if status:
            workers.tell(status, line.partition(": ")[2])
    return status


def _ended(main: Main, words: Sequence[str]) -> tuple[int, str]:
    """Calls `main`; returns the exit status and the line that says why it ended."""
    try:
        _call(main, words)
    except BrokenPipeError:
        if not stopping.is_closed(sys.stdout):
            raise
        # As after `| head`. Else Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _LEAST_OF_SIGNALS + signal.SIGPIPE, ""
    except (InputError, TrainingDivergedError) as error:
        _LOG.debug("", exc_info=True)
        return 2 if isinstance(error, InputError) else 3, f"error: {error}"
    except KeyboardInterrupt as error:
        kept = str(error)
        line = f"interrupted: {kept}" if kept else "error: interrupted"
        return error.status if isinstance(error, StoppedError) else 130, line
    except Exception as error:
        if lost := workers.lost(error):
            _LOG.debug("", exc_info=True)
            return lost.status, f"error: {lost}"
        explained = room.explained(error) or stores.explained(error)
        if explained is None:
            raise
        _LOG.debug("", exc_info=True)
        return 2, f"error: {explained}"
    return 0, ""


def _call(main: Main, words: Sequence[str]) -> None:
    """Calls `main`; everything it printed is written when it ends, also by an exit."""
    try:
        main(words)
    except SystemExit:
        _flush()
        raise
    _flush()


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
