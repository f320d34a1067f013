# SPDX-License-Identifier: Apache-2.0
"""Runs a program's main function: sets up logging, turns errors into exit statuses."""

import os
from collections.abc import Callable, Sequence

from biobert_tf.common import flags, screen
from biobert_tf.common.errors import InputError, TrainingDivergedError


def run(main: Callable[[Sequence[str]], None], argv: Sequence[str]) -> int:
    """Runs `main(argv)` and returns the exit status of the process.

    It is 0 after success, 2 after an `InputError`, 3 after a training that diverged,
    130 after Ctrl-C, with a line that says what is kept. Other exceptions are bugs and
    keep their traceback. Every program has the flag `--verbosity`, which `main` does
    not see.
    """
    # Without this TensorFlow imports Keras 3, which takes a second and is not used.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    try:
        verbosity, words = flags.verbosity(argv)
        level = screen.level_of(verbosity)
    except InputError as error:
        screen.say(f"error: {error}")
        return 2
    with screen.shown(level):
        try:
            main(words)
        except (InputError, TrainingDivergedError) as error:
            screen.say(f"error: {error}")
            return 2 if isinstance(error, InputError) else 3
        except KeyboardInterrupt as error:
            screen.say(f"interrupted: {error}" if error.args else "error: interrupted")
            return 130
    return 0
