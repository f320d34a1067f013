# SPDX-License-Identifier: Apache-2.0
"""What a program shows on stderr: its log, its bars and TensorFlow's errors.

TensorFlow writes notes that no user can act on, in two ways. Its Python code logs: the
loggers below show errors only. Its C++ code writes to the file descriptor 2:
`TF_CPP_MIN_LOG_LEVEL=2` silences most of that, but not the notes of code that logs
through Abseil, and not an error on every machine without a GPU. Level 3 would silence
that error, but also real ones, such as a cuDNN that does not fit. So a small process
reads the descriptor and drops only `_NOISE`. It is a process because its last lines
must be shown when this one is killed or aborts.
"""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from biobert_tf.common.errors import InputError

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
"""The values of `--verbosity`, those of absl; its numbers are 1, 0, -1, -2 and -3."""

_OURS: Final = "biobert_tf"
_NOISY: Final = ("tensorflow", "absl", "py.warnings", "tf2onnx")
_NOISE: Final = (
    # Notes and warnings of Abseil, which no variable silences: I0000 00:00:... file:1]
    # A GPU whose libraries are missing is a warning of gpu_device.cc, and news.
    rb"[IW]\d{4} \d\d:\d\d:\d\S* +\d+ (?!gpu_device\.cc:\d+\] Cannot)\S+:\d+\] |"
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called|"
    # There is no NVIDIA driver. Other errors of cuInit are news.
    rb".* failed call to cuInit: .*UNKNOWN ERROR \(303\)|"
    # Another worker is gone: `workers` says so in one line.
    rb".* E tensorflow/core/common_runtime/\S+ "
    rb"(?:BaseCollectiveExecutor::StartAbort|Aborting Ring)|"
    rb"(?:.* E external/\S+/coordination/coordination_service|"
    rb"E\d{4} .* context_distributed_manager\.cc:\d+\] Barrier failed)|"
    rb"Additional GRPC error information from remote target /job:|"
    rb":UNKNOWN:Error received from peer |/job:\w+/replica:0/task:\d+$|"
    rb"RPC: /tensorflow\.CoordinationService/|The tasks have crashed\. Check |"
    rb"The error could be from a previous operation\. |"
    rb"This is usually caused by an earlier error during execution\. Check "
)
_FILTER: Final = f"""\
import re, sys
noise = re.compile({_NOISE!r})
for line in iter(sys.stdin.buffer.readline, b""):
    if not noise.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


def level_of(verbosity: str) -> int:
    """Returns the level of `logging` that a value of `--verbosity` names.

    Raises:
        InputError: It names none.
    """
    names = list(LEVELS)
    by_text = LEVELS | {str(1 - i): LEVELS[name] for i, name in enumerate(names)}
    if verbosity.lower() not in by_text:
        raise InputError(
            f"--verbosity={verbosity}: want {', '.join(names)}, or absl's 1, 0, -1, "
            "-2 or -3"
        )
    return by_text[verbosity.lower()]


def verbosity() -> str:
    """Returns the `--verbosity` of this program, for another one; `info` without."""
    level = logging.getLogger(_OURS).level or logging.INFO
    return next(name for name, least in LEVELS.items() if level <= least)


@contextlib.contextmanager
def shown(level: int) -> Iterator[None]:
    """Shows what is logged in the block, from a level up, on stderr.

    It must be entered before TensorFlow is imported. What the user has said in
    `TF_CPP_MIN_LOG_LEVEL` stands. At `debug`, and if the user wants TensorFlow's notes,
    everything shows.
    """
    is_debug = level <= logging.DEBUG
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if is_debug else "2")
    others, noisy = logging.WARNING, logging.ERROR
    if is_debug:
        others = noisy = logging.INFO
    levels = {"": max(level, others), _OURS: level}
    levels |= dict.fromkeys(_NOISY, max(level, noisy))
    before = {name: logging.getLogger(name).level for name in levels}
    for name, its_level in levels.items():
        logging.getLogger(name).setLevel(its_level)
    root, handler = logging.getLogger(), Handler()
    if not root.handlers:
        root.addHandler(handler)
    logging.captureWarnings(True)
    wants_notes = os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("0", "1")
    try:
        with contextlib.nullcontext() if wants_notes else _without_noise():
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        for name, its_level in before.items():
            logging.getLogger(name).setLevel(its_level)


class Handler(logging.Handler):
    """Writes log lines to stderr, above the bars."""

    def __init__(self) -> None:
        """Shows the first letter of the level, and the time."""
        super().__init__()
        line = "%(levelname).1s %(asctime)s %(message)s"
        self.setFormatter(logging.Formatter(line, "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record."""
        try:
            say(self.format(record))
        except Exception:
            self.handleError(record)


def say(line: str) -> None:
    """Writes a line to stderr, above the bars; nowhere if it is closed."""
    if sys.stderr is None:
        return
    # Imported here: most calls of `--help` and `--version` need no bars.
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


def is_terminal() -> bool:
    """Returns whether bars can be shown: the log goes to a terminal, by `shown`."""
    handlers = logging.getLogger().handlers
    is_ours = any(isinstance(x, Handler) for x in handlers)
    return is_ours and sys.stderr is not None and sys.stderr.isatty()


@contextlib.contextmanager
def unfiltered() -> Iterator[None]:
    """Makes descriptor 2 the screen itself while a process is started.

    That process has a filter of its own, and shows bars on a terminal.
    """
    real = _descriptor()
    if real in (None, 2):
        yield
        return
    filtered = os.dup(2)
    os.dup2(real, 2)
    try:
        yield
    finally:
        os.dup2(filtered, 2)
        os.close(filtered)


def _descriptor() -> int | None:
    """Returns the descriptor of stderr; None if it is closed, or taken by a test."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


@contextlib.contextmanager
def _without_noise() -> Iterator[None]:
    """Sends descriptor 2 through the filter; Python's stderr stays as it is."""
    screen = sys.stderr
    if _descriptor() != 2:
        yield
        return
    kept = os.dup(2)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _FILTER],
        stdin=subprocess.PIPE,
        stdout=kept,
        # Ctrl-C is for the program; the filter ends with it.
        start_new_session=True,
    )
    assert process.stdin is not None
    os.dup2(process.stdin.fileno(), 2)
    process.stdin.close()
    sys.stderr = os.fdopen(kept, "w", 1, screen.encoding, screen.errors, closefd=False)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = screen
        os.dup2(kept, 2)
        # A process that was left behind may keep the descriptor open.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        os.close(kept)
