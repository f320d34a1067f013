# SPDX-License-Identifier: Apache-2.0
"""The exceptions whose message is for the user and needs no traceback."""

import re
from pathlib import Path
from typing import Final

_LONGEST: Final = 1000
_BREAKS: Final = re.compile(r"[\r\n]+")


def shown(path: Path | str) -> str:
    """Returns a path for people: `hf://owner/name` without the loss of `Path`."""
    return re.sub("^hf:/+", "hf://", str(path))


def one_line(text: str) -> str:
    """Returns a text as one line for a terminal, whatever a file has brought into it.

    Line breaks become spaces; all else that is not printed, such as the codes that move
    the cursor, is escaped as in Python. Of a very long text the middle is left out.
    """
    if len(text) > _LONGEST:
        half = _LONGEST // 2
        text = f"{text[:half]} ... {text[-half:]}"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in _BREAKS.sub(" ", text)
    )


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that can be shown without a traceback: what is wrong,
    where (file and line), and what to do about it. The commands print it and exit
    with status 2; anything that is not an `InputError` is a bug and keeps its
    traceback.

    Attributes:
        file: The path of the file that the message names; "" if it names none.
        problem: The message without the file and the line.
    """

    def __init__(self, message: str, file: str = "", problem: str = "") -> None:
        """Stores the message and, if given, its parts."""
        super().__init__(message)
        self.file, self.problem = file, problem or message

    @classmethod
    def at(cls, path: Path | str, line: int | None, problem: str) -> "InputError":
        """Returns an error that begins with `path:line:`, as compilers print it.

        The message is `one_line`, whatever the problem quotes. The line counts from 1;
        None names none. The problem says what is wrong and what to do, without a final
        full stop.
        """
        file = shown(path)
        place = file if line is None else f"{file}:{line}"
        return cls(one_line(f"{place}: {problem}"), file, problem)


class TrainingDivergedError(RuntimeError):
    """The loss became NaN or infinite; the message names the step."""


class LostWorkerError(RuntimeError):
    """Another worker of the cluster is gone, or has ended with an error.

    Attributes:
        status: The exit status of the process: the other's, or `UNKNOWN`.
    """

    UNKNOWN: Final = 4

    def __init__(self, message: str, status: int = UNKNOWN) -> None:
        """Stores the message, which says which worker and what to do."""
        super().__init__(message)
        self.status = status


class StoppedError(KeyboardInterrupt):
    """A signal has ended the work; the message says what was kept.

    It is a `KeyboardInterrupt` so that whatever must be cleaned up after Ctrl-C is
    cleaned up after SIGTERM too.

    Attributes:
        status: The exit status of the process, as shells report it: 128 + the signal.
    """

    def __init__(self, message: str, signum: int) -> None:
        """Stores the message, which needs no traceback, and the signal's number."""
        super().__init__(message)
        self.status = 128 + signum
