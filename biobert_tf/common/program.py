# SPDX-License-Identifier: Apache-2.0
"""Runs a program's main function: sets up logging, turns errors into exit statuses."""

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from biobert_tf.common.errors import InputError, StoppedError, TrainingDivergedError

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
    status = run(main, sys.argv)
    if status > _LEAST_OF_SIGNALS:
        stopped.append(status)
    return status


def run(main: Main, argv: Sequence[str]) -> int:
    """Runs `main(argv)` and returns the exit status of the process.

    It is 0 after success, 2 after an `InputError`, 3 after a training that diverged,
    130 after Ctrl-C, 143 after SIGTERM. Other exceptions are bugs and keep their
    traceback.
    """
    # TensorFlow reads this when it is imported; its start-up log does not help users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Without this TensorFlow imports Keras 3, which takes a second and is not used.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    logging.basicConfig(
        level=logging.INFO,
        format="%(levelname).1s %(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    try:
        main(argv)
    except (InputError, TrainingDivergedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 3
    except KeyboardInterrupt as error:
        says = f"interrupted: {error}" if error.args else "error: interrupted"
        print(says, file=sys.stderr)
        # Half-restored objects warn of that when they are deleted.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        return error.status if isinstance(error, StoppedError) else 130
    return 0
