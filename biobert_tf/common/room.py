# SPDX-License-Identifier: Apache-2.0
"""Says how much room there is on a disk and in memory, and what to do without it.

Libraries report a lack of either in many ways. `explained` knows them all; a program
ends with its message if nothing that knows more has explained the error before.
"""

import errno
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from biobert_tf.common import remote_path
from biobert_tf.common.errors import InputError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
# TensorFlow and safetensors only quote the system's text; TensorFlow begins with the
# file, or with the function that wrote it. NumPy counts the items that it could write.
_FULL_TEXT: Final = re.compile(
    r"(?:^(?:\{\{.*?\}\} )?(?P<path>[^;\n]+); )?"
    rf"(?:{'|'.join(map(os.strerror, _FULL))})"
    r"|^\d+ requested and \d+ written$"
)
_FAILED: Final = (errno.EIO, errno.ESTALE)
_FAILED_TEXT: Final = re.compile(
    r"(?:^(?:\{\{.*?\}\} )?(?P<path>[^;\n]+); )?"
    rf"(?:{'|'.join(map(os.strerror, _FAILED))})"
)
# TensorFlow's allocators, XLA, and the C++ library.
_OUT_OF_MEMORY: Final = re.compile(
    r"OOM when allocating|[Ff]ailed to allocate|[Oo]ut of memory|bad_alloc"
    r"|Cannot allocate memory"
)
_MEMINFO: Final = Path("/proc/meminfo")
_STATUS: Final = Path("/proc/self/status")
_CGROUPS: Final = Path("/proc/self/cgroup")
_LIMITS: Final = Path("/sys/fs/cgroup")


def size(num_bytes: float) -> str:
    """Returns a number of bytes for people: 999 bytes, 1.5 kB, 12.0 MB, 1.3 GB."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.1f} {unit}"
    return f"{num_bytes:.0f} bytes"


# --- disks ----------------------------------------------------------------------------


def disk_is_full(error: BaseException) -> bool:
    """Says whether an error means a full disk, or a quota that is used up."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return not isinstance(error, InputError) and bool(_FULL_TEXT.search(str(error)))


def free_bytes(path: Path) -> int:
    """Returns the free bytes of the disk that `path` is on or will be on.

    A store has no end: it is as if it had 2^63 - 1 of them.
    """
    if remote_path.is_remote(path):
        return sys.maxsize
    existing = next(
        place for place in (path, *path.absolute().parents) if place.exists()
    )
    return shutil.disk_usage(existing).free


def full_disk(path: Path, needed: int | None = None, advice: str = "") -> InputError:
    """Returns the error for a file that does not fit on its disk.

    The free bytes are counted now: remove what was written of the file before.

    Args:
        path: The file.
        needed: Its size in bytes, if that is known.
        advice: What to do, beside making room.
    """
    free = size(free_bytes(path))
    lack = f"needs more than the {free} that are free"
    if needed is not None:
        lack = f"needs {size(needed)}, and {free} are free"
    advice = advice or "choose another directory"
    return InputError.at(
        path, None, f"the disk is full: {lack}; make room, or {advice}"
    )


def disk_failed(error: BaseException) -> bool:
    """Says whether an error means that a disk, or the way to it, does not work."""
    if isinstance(error, OSError) and error.errno in _FAILED:
        return True
    return not isinstance(error, InputError) and bool(_FAILED_TEXT.search(str(error)))


def failed_disk(path: Path | str) -> InputError:
    """Returns the error for a file that could not be written to such a disk."""
    problem = "cannot be written: the disk, or the way to it, does not work"
    return InputError.at(
        path, None, f"{problem}; see the system's log, or choose another directory"
    )


# --- memory ---------------------------------------------------------------------------


def memory_is_exhausted(error: BaseException) -> bool:
    """Says whether an error means that a device or this computer is out of memory."""
    if isinstance(error, InputError) or disk_is_full(error):
        return False
    out = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return (
        out or isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))
    )


def host_memory() -> int | None:
    """Returns the bytes of memory that this process can have in all, if known.

    They are those that it has, those that Linux could still give, and at most the
    limits of its control groups. Others in these groups are not considered.
    """
    available = _kilobytes(_MEMINFO, "MemAvailable")
    if available is None:
        return None
    own = _kilobytes(_STATUS, "VmRSS") or 0
    return min([available + own, *_group_limits()])


def _kilobytes(path: Path, name: str) -> int | None:
    """Returns the value of a line `name: 12 kB` of a file, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", _text(path), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _group_limits() -> list[int]:
    """Returns the memory limits of the control groups that this process is in.

    See "Memory" in the Linux kernel's guides to control groups, version 1 and 2.
    """
    limits = []
    for line in _text(_CGROUPS).splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = _LIMITS, "memory.max"
        if controllers:
            root, name = _LIMITS / "memory", "memory.limit_in_bytes"
        # A container may see its own group as the root.
        folder = root / group.lstrip("/")
        for place in (folder, *folder.parents):
            text = _text(place / name).strip() if place.is_relative_to(root) else ""
            limits += [int(text)] if text.isdigit() else []
    return limits


def _text(path: Path) -> str:
    """Returns the text of a file of the kernel; "" if there is none."""
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""


# --- the end of a program -------------------------------------------------------------


def explained(error: Exception) -> InputError | None:
    """Returns in one line what an error of a disk or of memory means, else None."""
    if disk_is_full(error):
        named = _FULL_TEXT.search(str(error))
        path = getattr(error, "filename", None) or (named and named["path"])
        # Before the text may be anything.
        if path and (place := remote_path.parse(os.fsdecode(path))).parent.exists():
            return full_disk(place)
        return InputError("the disk is full; make room, or choose another directory")
    if disk_failed(error):
        named = _FAILED_TEXT.search(str(error))
        path = getattr(error, "filename", None) or (named and named["path"])
        return failed_disk(os.fsdecode(path) if path else "a file")
    if memory_is_exhausted(error):
        return InputError(
            "out of memory; lower --predict_batch_size, --train_batch_size, "
            "--batch_size or --max_seq_length, whichever this command has"
        )
    return None
