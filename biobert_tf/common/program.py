# SPDX-License-Identifier: Apache-2.0
"""The edge of every program: log to the screen, errors in one line, exit status."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

from biobert_tf.common.errors import InputError, TrainingDivergedError


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str]) -> int:
    """Runs `main(argv)` and returns the exit status of the process.

    Args:
        main: Raises `InputError` for what the user can mend.
        argv: The program's name and its arguments.

    Returns:
        0; 2 after an `InputError`, 3 after a training that diverged, 130 after
        Ctrl-C. Other exceptions are bugs and keep their traceback.
    """
    # TensorFlow reads this when it is imported; its start-up notes tell users nothing.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Likewise: without it TensorFlow imports Keras 3, which nobody here uses; a second.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    logging.basicConfig(
        level=logging.INFO,
        format="%(levelname).1s %(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    try:
        main(argv)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except TrainingDivergedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    return 0
