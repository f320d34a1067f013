# SPDX-License-Identifier: Apache-2.0
"""The TPU of this machine: its chips, who holds them, and why there is none.

libtpu keeps a lock on a file from the import of TensorFlow to the end of the process,
so only one process at a time finds the TPU.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Final

from biobert_tf.common import wheels

_CHIPS: Final = ("dev/accel[0-9]*", "dev/vfio/[0-9]*")
_LOCK: Final = "tmp/libtpu_lockfile"
_ROOT: Final = Path("/")
_LONGEST_COMMAND: Final = 60
# Lines of TensorFlow's errors that do not say what is wrong.
_USELESS: Final = re.compile(
    r"\s|$|Graph execution error|Detected at node|<stack traces|Registered "
)
_TAIL: Final = re.compile(r" used by \{\{.*|\s*\[Op:.*|\s*\[\[.*")


def chips(root: Path = _ROOT) -> list[Path]:
    """Returns the device files of the machine whose file system begins at `root`."""
    return sorted(path for pattern in _CHIPS for path in root.glob(pattern))


def holders(root: Path = _ROOT) -> dict[int, str]:
    """Returns the other processes that hold the TPU: number to command.

    They have a device file open, or libtpu's lock. Linux tells the files of all
    processes to root only, the locks to everybody.
    """
    found = {pid for pid in _lock_owners(root) if pid != os.getpid()}
    devices = {str(path) for path in chips(root)}
    for descriptor in root.glob("proc/[0-9]*/fd/*") if devices else ():
        pid = int(descriptor.parts[-3])
        # The process may be another user's, or end now.
        with contextlib.suppress(OSError):
            if pid != os.getpid() and os.readlink(descriptor) in devices:
                found.add(pid)
    return {pid: _command(root / "proc" / str(pid)) for pid in sorted(found)}


def _lock_owners(root: Path) -> list[int]:
    """Reads lines of proc/locks(5) such as `1: POSIX ADVISORY WRITE 12 8:1:34 0`."""
    try:
        inode = str((root / _LOCK).stat().st_ino)
        lines = (root / "proc/locks").read_text("utf-8").splitlines()
    except OSError:
        return []
    # A process that waits for the lock has `->` in its line.
    rows = [line.split() for line in lines if "->" not in line]
    return [int(row[4]) for row in rows if row[5].rpartition(":")[2] == inode]


def _command(process: Path) -> str:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return ""
    return " ".join(command.decode("utf-8", "replace").split())[:_LONGEST_COMMAND]


def held(root: Path = _ROOT) -> str | None:
    """Says who holds the TPU and what to do; None if nobody does."""
    found = holders(root)
    if not found:
        return None
    named = ", ".join(f"{pid} ({command})" for pid, command in found.items())
    return f"held by process {named}; end it, or wait for it"


def reason(error: str, found: wheels.Wheels | None = None, root: Path = _ROOT) -> str:
    """Returns the likely cause for which no local TPU starts, and what to do.

    Args:
        error: What TensorFlow says of it.
        found: What is installed, if that is known.
        root: The folder in which the file system begins.
    """
    found = found or wheels.installed()
    holder, line = held(root), useful_line(error)
    faults = [wheels.fault_of_folder(found)]
    if found.owners and not found.is_for_tpu:
        faults.append(f"TensorFlow is not built for TPUs; {wheels.INSTALL_TPU}")
    versions = wheels.faults_of_versions(found)
    faults += (f"{name} {fault}" for name, fault in versions.items())
    faults.append(f"it is {holder}" if holder else None)
    if not chips(root):
        faults.append(
            "this machine has none (no /dev/accel0, no /dev/vfio/0); run on a TPU VM, "
            "or name a TPU with --tpu_name"
        )
    cause = next(filter(None, faults), "`biobert doctor --use_tpu` may tell more")
    return f"{cause} (TensorFlow: {line})"


def useful_line(error: str) -> str:
    """Returns the line of an error of TensorFlow that says what is wrong."""
    lines = error.splitlines() or [""]
    useful = [line for line in lines if not _USELESS.match(line)]
    return _TAIL.sub("", (useful or lines)[0]).strip()
