# SPDX-License-Identifier: Apache-2.0
"""Renames and removes files so that a crash of the machine cannot undo half of it.

The kernel keeps what is written in memory, and brings it to the disk when and in which
order it likes. A kill of the process loses nothing of that; a power cut or the end of a
virtual machine does. So a file is brought to the disk before it gets its name, and the
name before anything that relies on it.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Folders on a network or of other systems may not know how to sync a folder.
_CANNOT_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)
_PASSING: Final[set[Path]] = set()


@contextlib.contextmanager
def passing(folder: Path) -> Iterator[None]:
    """Says that a folder is removed after the block: nothing in it need be synced."""
    folder = folder.absolute()
    _PASSING.add(folder)
    try:
        yield
    finally:
        _PASSING.discard(folder)


def pass_at_exit(folder: Path) -> None:
    """Says that a folder is removed when the process ends."""
    _PASSING.add(folder.absolute())


def is_passing(path: Path) -> bool:
    """Returns whether a path is such a folder, or in one."""
    if not _PASSING:
        return False
    path = path.absolute()
    return path in _PASSING or not _PASSING.isdisjoint(path.parents)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, if they are missing.

    Raises:
        OSError: That is not possible.
    """
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        missing.append(each)
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        sync_folder(each.parent)


def replace(source: Path, target: Path) -> None:
    """Renames a file or a folder, with all that is in it, at one instant.

    After it, the target outlasts a crash; before, it is there as it was.

    Raises:
        OSError: That is not possible.
    """
    if not is_passing(target):
        sync_tree(source)
    source.replace(target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Removes a file, if it is there, before anything that follows.

    Raises:
        OSError: That is not possible.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Brings a file that is in its place to the disk.

    Raises:
        OSError: The disk is full or failed.
    """
    if not is_passing(path):
        _sync(path)


def sync_tree(path: Path) -> None:
    """Brings a file, or a folder with all that is in it, to the disk.

    Raises:
        OSError: The disk is full or failed.
    """
    if path.is_symlink():
        return
    if path.is_dir():
        for each in path.iterdir():
            sync_tree(each)
        _sync_names(path)
    else:
        _sync(path)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk, where it knows how to do that.

    Raises:
        OSError: The disk failed.
    """
    if not is_passing(folder):
        _sync_names(folder)


def _sync_names(folder: Path) -> None:
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
