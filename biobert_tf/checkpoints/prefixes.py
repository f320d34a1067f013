# SPDX-License-Identifier: Apache-2.0
"""Finds TensorFlow's checkpoints, without reading them.

A checkpoint `model.ckpt-40` is the files `model.ckpt-40.index` and
`model.ckpt-40.data-00000-of-00001`; the path without endings is its prefix. The
file `checkpoint` beside it names the newest prefix of its directory.
"""

import re
from pathlib import Path, PurePath
from typing import Final

from biobert_tf.checkpoints import archive, base, hub
from biobert_tf.common.errors import InputError

_PART: Final = re.compile(r"\.(index|meta|data-[0-9]{5}-of-[0-9]{5})$")


def prefix_of(path: Path) -> Path:
    """Returns `path` without the ending of a checkpoint file."""
    return path.with_name(_PART.sub("", path.name)) if path.name else path


def prefixes_in(directory: Path) -> list[Path]:
    """Returns the prefixes of all checkpoints in `directory`, by name."""
    return sorted(
        prefix_of(path)
        for path in directory.glob("*.index")
        if not path.name.startswith(".")
    )


def find(path: Path) -> Path:
    """Returns the prefix of the checkpoint at `path`.

    Args:
        path: A prefix; one of its files (`.index`, `.data-*`, `.meta`); a directory,
            of which the checkpoint is used that its file `checkpoint` names, or else
            the only one in it; or a `.tar.gz` or `.tgz` of such a directory.

    Raises:
        InputError: There is no such checkpoint, or a directory holds several.
    """
    path = archive.opened(path)
    if path.is_dir():
        return _in_directory(path)
    prefix = prefix_of(path)
    if not index(prefix).is_file():
        held = [found.name for found in prefixes_in(prefix.parent)]
        folder = "this folder" if prefix.parent == Path() else prefix.parent
        problem = f"{folder} holds {base.some(held) or 'none'}"
        if advice := hub.advice(path):
            problem = f"there is no folder {prefix.parent}{advice}"
        raise InputError.at(path, None, f"no such checkpoint; {problem}")
    return prefix


def index(prefix: Path) -> Path:
    """Returns the file without which there is no checkpoint."""
    return prefix.with_name(f"{prefix.name}.index")


def _in_directory(directory: Path) -> Path:
    """Returns the newest checkpoint of a directory, or the only one."""
    # A process that was killed may have named one that it did not write.
    named = [prefix for prefix in recorded(directory) if index(prefix).is_file()]
    if named:
        return named[-1]
    found = prefixes_in(directory)
    if not found:
        raise InputError.at(directory, None, "holds no checkpoint (*.index)")
    if len(found) > 1:
        held = [prefix.name for prefix in found]
        raise InputError.at(
            directory,
            None,
            f"holds {len(found)} checkpoints: {base.some(held)}; give one of them",
        )
    return found[0]


def recorded(directory: Path) -> list[Path]:
    """Returns the prefixes that the file `checkpoint`, if any, names; newest last."""
    if not (directory / "checkpoint").is_file():
        return []
    # Not above: a path that is wrong is told without it.
    import tensorflow as tf

    try:
        state = tf.train.get_checkpoint_state(str(directory))
    except ValueError:  # empty, or not UTF-8
        state = None
    if state is None:
        return []
    # By name only: the recorded path is often of another computer.
    return [
        directory / PurePath(path).name
        for path in (*state.all_model_checkpoint_paths, state.model_checkpoint_path)
        if path
    ]
