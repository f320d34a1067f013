# SPDX-License-Identifier: Apache-2.0
"""Hidden folders beside outputs, and the removal of those that nobody uses any more.

A process that is killed leaves its folder. So a folder is locked as long as the process
that made it, or a child, is there: the kernel ends the lock with the last of them. What
is not locked is nobody's. That is only certain on a disk of this machine, whose kernel
knows of all locks. Elsewhere, as on a network, folders get another name, without the
`~` at its end, and are never removed by others.
"""

import contextlib
import dataclasses
import fcntl
import functools
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final

from biobert_tf.common import durable

# Those of an earlier version, or on a network, lack the last sign.
_NAME: Final = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(?P<locked>~?)", re.DOTALL)
_LOCKED: Final = "~"
# File systems that one machine alone has mounted, and whose folders can be locked.
_LOCAL: Final = (
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay"),
    *("ramfs", "tmpfs", "xfs", "zfs"),
)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OPENED: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDERS_REMEMBERED: Final = 64


class HiddenFolder:
    """A private folder in another one, for an output; removed after the block."""

    def __init__(self, parent: Path, name: str) -> None:
        """Makes it, after removing what killed processes have left for this output.

        Raises:
            OSError: The parent cannot be written.
        """
        self._lock: int | None = None
        prefix = f".{name}."
        # What is in such a folder goes with it.
        if durable.is_passing(parent) or not _seen(parent.absolute()).is_local:
            self._folder = _new(parent, prefix, "")
            return
        sweep(parent, name)
        self._folder = _new(parent, prefix, _LOCKED)
        while (lock := _locked(Path(self._folder.name))) is None:
            self._folder.cleanup()
            self._folder = _new(parent, prefix, _LOCKED)
        self._lock = lock

    def __enter__(self) -> Path:
        """Returns its path."""
        return Path(self._folder.name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes it as far as that is possible, and then lets others have it."""
        try:
            self._folder.cleanup()
        finally:
            if self._lock is not None:
                os.close(self._lock)


def output_of(name: str) -> str | None:
    """Returns the name of the output that a hidden folder is for; None: it is none."""
    found = _NAME.fullmatch(name)
    return found["name"] if found else None


def is_occupied(folder: Path) -> bool:
    """Says whether a folder holds anything but what killed processes have left there.

    Raises:
        OSError: The folder cannot be read.
    """
    return any(output_of(path.name) is None for path in folder.iterdir())


def sweep(parent: Path, name: str) -> None:
    """Removes the folders that killed processes have left in `parent` for an output.

    A process looks only once at what is in a folder: it may write thousands of outputs
    there. What others leave later, the next process removes.
    """
    for path in _seen(parent.absolute()).left.pop(name, []):
        with contextlib.suppress(OSError):
            lock = os.open(path, _OPENED)
            try:
                # Fails if the process lives.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What a folder was like when it was first looked at.

    Attributes:
        is_local: Whether a lock is certain there.
        left: The hidden folders that may be left, by the names of their outputs.
    """

    is_local: bool
    left: dict[str, list[Path]]


@functools.lru_cache(_FOLDERS_REMEMBERED)
def _seen(parent: Path) -> _Seen:
    left: dict[str, list[Path]] = {}
    if not _is_local(parent):
        return _Seen(False, left)
    # A folder may be one to write to, and not to read.
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found and found["locked"]:
                left.setdefault(found["name"], []).append(Path(entry.path))
    return _Seen(True, left)


def _new(parent: Path, prefix: str, suffix: str) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(
        suffix, prefix, parent, ignore_cleanup_errors=True
    )


def _locked(folder: Path) -> int | None:
    """Locks a new folder; None if another process has taken it for a left one."""
    try:
        lock = os.open(folder, _OPENED)
    except FileNotFoundError:
        return None
    # That process holds the lock until it has removed the folder.
    fcntl.flock(lock, fcntl.LOCK_EX)
    if folder.exists():
        return lock
    os.close(lock)
    return None


def _is_local(folder: Path) -> bool:
    """Says whether a folder is on a disk of this machine; False if nobody tells."""
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    place, longest, kind = folder.resolve(), -1, ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = Path(_unescaped(before.split(" ")[4]))
        # A later mount hides an earlier one.
        if place.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), after.split(" ")[0]
    return kind in _LOCAL


def _unescaped(text: str) -> str:
    r"""Returns a path of the kernel's lists, which write a blank as `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
