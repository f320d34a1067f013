# SPDX-License-Identifier: Apache-2.0
"""Reads checkpoints of every format into one mapping from names to weights."""

import dataclasses
from pathlib import Path
from typing import Final, Literal

from biobert_tf.checkpoints import archive, hub, huggingface, prefixes
from biobert_tf.checkpoints.base import Checkpoint, Weights
from biobert_tf.common.errors import InputError

__all__ = ["Checkpoint", "Format", "Place", "Weights", "locate"]

Format = Literal["tf1", "huggingface", "saved_model"]

# As `tf.saved_model` names them; TensorFlow is imported to read, not to find.
_SAVED_MODEL: Final = "saved_model.pb"
_VARIABLES: Final = "variables/variables"
_ASSETS: Final = "assets"


@dataclasses.dataclass(frozen=True)
class Place:
    """A checkpoint on disk, found but not read; made by `locate`.

    The path is as it was given, for messages; the folder is that of the weights, for an
    archive its unpacked directory.
    """

    path: Path
    format: Format
    folder: Path

    def prefix(self) -> Path:
        """Returns the prefix of the weights of a TF1 checkpoint or a SavedModel.

        Raises:
            InputError: There is no checkpoint, or there are several.
        """
        if self.format != "saved_model":
            return prefixes.find(self.path)
        found = self.folder / _VARIABLES
        if not found.with_name(f"{found.name}.index").is_file():
            raise InputError.at(
                self.folder, None, "has no variables/variables.index; copy all of it"
            )
        return found

    def require(self) -> None:
        """Checks that there is a checkpoint, without reading its weights.

        Raises:
            InputError: There is no checkpoint, or there are several.
        """
        if self.format != "huggingface":
            self.prefix()

    def read(self) -> Checkpoint:
        """Reads the BERT weights.

        Raises:
            InputError: There is no checkpoint, there are several, or it is damaged.
        """
        if self.format == "huggingface":
            return huggingface.read(self.folder)
        from biobert_tf.checkpoints import tf1

        return tf1.read(self.prefix())

    def beside(self, *names: str) -> Path | None:
        """Returns the first existing file of these names beside the weights.

        The names are given best first. The assets of a SavedModel count as beside its
        weights. The checkpoint itself need not be readable.
        """
        places = [self.folder]
        if self.format == "saved_model":
            places.append(self.folder / _ASSETS)
        found = (place / name for name in names for place in places)
        return next((file for file in found if file.is_file()), None)


def locate(path: Path) -> Place:
    """Finds the format and the folder of the checkpoint at a path.

    A directory with several formats counts as TF1: a training continues to write TF1
    files, while the other files are an export of an earlier moment.

    Args:
        path: A TF1 prefix, one of its files, a directory, a `.tar.gz`; a Hugging Face
            directory or its `model.safetensors`, or `hf://owner/name` of the Hub; the
            directory of a SavedModel; or the prefix of a training's state.

    Raises:
        InputError: The path is an archive that cannot be unpacked, or a model of the
            Hub that cannot be downloaded.
    """
    at = archive.opened(hub.opened(path))
    folder = at if at.is_dir() else at.parent
    return Place(path, _format(at), folder)


def _format(at: Path) -> Format:
    if at.suffix == ".safetensors":
        return "huggingface"
    if at.is_dir() and not prefixes.prefixes_in(at):
        if huggingface.is_checkpoint(at):
            return "huggingface"
        if (at / _SAVED_MODEL).is_file():
            return "saved_model"
    return "tf1"
