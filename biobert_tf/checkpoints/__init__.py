# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: TF1 and Hugging Face checkpoints become one mapping of names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from biobert_tf.checkpoints import archive, huggingface, tf1
from biobert_tf.checkpoints.base import Checkpoint, Weights

__all__ = ["Checkpoint", "Weights", "companion", "folder", "form", "read", "require"]


def form(path: Path) -> Literal["tf1", "huggingface"]:
    """Says which kind of checkpoint `path` stands for.

    A directory with both kinds is taken as TF1: training goes on writing there,
    while Hugging Face files beside it are an export of some moment.

    Args:
        path: As for `read`.
    """
    at = archive.opened(path)
    if at.suffix == ".safetensors":
        return "huggingface"
    if at.is_dir() and not tf1.prefixes_in(at) and huggingface.is_checkpoint(at):
        return "huggingface"
    return "tf1"


def folder(path: Path) -> Path:
    """Returns the directory that the checkpoint `path` lies in.

    Args:
        path: As for `read`.
    """
    at = archive.opened(path)
    return at if at.is_dir() else at.parent


def read(path: Path) -> Checkpoint:
    """Reads the BERT weights of a checkpoint of either kind.

    Args:
        path: A TF1 prefix, one of its files, a directory, a `.tar.gz`; or a Hugging
            Face directory or its `model.safetensors`.

    Raises:
        InputError: No checkpoint there, several, or a damaged one.
    """
    if form(path) == "huggingface":
        return huggingface.read(folder(path))
    return tf1.read(path)


def require(path: Path) -> None:
    """Checks that there is a checkpoint, without reading its weights.

    Args:
        path: As for `read`.

    Raises:
        InputError: There is none, or several.
    """
    if form(path) == "tf1":
        tf1.find(path)


def companion(path: Path, names: Sequence[str]) -> Path | None:
    """Returns the first existing file of these names beside a checkpoint.

    Args:
        path: As for `read`; the checkpoint itself need not be readable.
        names: File names, best first; for example `("bert_config.json",
            "config.json")`.
    """
    found = (folder(path) / name for name in names)
    return next((file for file in found if file.is_file()), None)
