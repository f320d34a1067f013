# SPDX-License-Identifier: Apache-2.0
"""Runs a program's main function: sets up logging, turns errors into exit statuses."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from biobert_tf.common import room
from biobert_tf.common.errors import InputError, TrainingDivergedError


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str]) -> int:
    """Runs `main(argv)` and returns the exit status of the process.

    It is 0 after success, 2 after an `InputError` or if the disk or the memory is full,
    3 after a training that diverged, 130 after Ctrl-C. Other exceptions are bugs and
    keep their traceback.
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
    except Exception as error:
        explained = room.explained(error)
        if explained is None:
            raise
        print(f"error: {explained}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0
