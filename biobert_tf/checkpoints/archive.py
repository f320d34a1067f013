# SPDX-License-Identifier: Apache-2.0
"""Unpacks archives of checkpoints, so that a `.tar.gz` can be given as it is."""

import functools
import tarfile
import zlib
from pathlib import Path
from typing import Final

from biobert_tf.checkpoints import base
from biobert_tf.common import files, room, unpacked_size
from biobert_tf.common.errors import InputError

_SAVED_MODEL: Final = "saved_model.pb"
_ADVICE: Final = "set TMPDIR to another disk"


def opened(path: Path) -> Path:
    """Returns `path`, or for an archive its unpacked folder with the checkpoint.

    Archives are `*.tar.gz` and `*.tgz`. They are unpacked once per process, below the
    system's temporary directory (`TMPDIR`), and removed when the process ends.

    Raises:
        InputError: The archive is missing, damaged, unsafe, too large when it is
            unpacked, or does not hold exactly one folder with a checkpoint.
    """
    if not path.name.endswith((".tar.gz", ".tgz")) or path.is_dir():
        return path
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        raise InputError.at(path, None, "no such file") from None
    return _unpacked(path.resolve(), changed)


@functools.cache
def _unpacked(path: Path, changed: int) -> Path:
    """Unpacks the archive last changed at `changed`, in nanoseconds."""
    root = files.folder_until_exit("biobert-")
    try:
        with files.local_copy(path) as local, tarfile.open(local) as archive:
            allowance = unpacked_size.Allowance(path, root, _ADVICE)

            def allowed(member: tarfile.TarInfo, to: str) -> tarfile.TarInfo:
                allowance.take(member.size)
                return tarfile.data_filter(member, to)

            archive.extractall(root, filter=allowed)
    except InputError:
        files.remove_tree(root)
        raise
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        files.remove_tree(root)
        if room.disk_is_full(error):
            raise room.full_disk(root, advice=_ADVICE) from None
        raise InputError.at(
            path, None, f"cannot be unpacked: {error}; download it again"
        ) from None
    return _folder_with_checkpoint(root, path)


def _folder_with_checkpoint(root: Path, archive: Path) -> Path:
    """Returns the only folder below `root` that holds a checkpoint."""
    folders = sorted(
        {
            found.parent
            for pattern in ("*.index", "*.safetensors", _SAVED_MODEL)
            for found in root.rglob(pattern)
            # Archives made on a Mac carry a hidden twin "._name" of every file.
            if not found.name.startswith(".")
        }
    )
    # A SavedModel is one checkpoint, including the folders inside it.
    whole = {folder for folder in folders if (folder / _SAVED_MODEL).is_file()}
    folders = [folder for folder in folders if not whole.intersection(folder.parents)]
    if not folders:
        raise InputError.at(archive, None, "holds no checkpoint (*.index)")
    if len(folders) > 1:
        inside = [str(folder.relative_to(root)) for folder in folders]
        raise InputError.at(
            archive,
            None,
            f"holds {len(folders)} checkpoints: {base.some(inside)}; unpack it and "
            "give one of them",
        )
    return folders[0]
