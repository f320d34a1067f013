# SPDX-License-Identifier: Apache-2.0
"""Weights on disk: checkpoints of every format become one mapping of names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from biobert_tf.checkpoints import archive, huggingface, saved_model, tf1
from biobert_tf.checkpoints.base import Checkpoint, Weights

__all__ = ["Checkpoint", "Weights", "companion", "folder", "form", "read", "require"]


def form(path: Path) -> Literal["tf1", "huggingface", "saved_model"]:
    """Says which kind of checkpoint `path` stands for.

    A directory with several kinds is taken as TF1: training goes on writing there,
    while the other files beside it are an export of some moment.

    Args:
        path: As for `read`.
    """
    at = archive.opened(path)
    if at.suffix == ".safetensors":
        return "huggingface"
    if at.is_dir() and not tf1.prefixes_in(at):
        if huggingface.is_checkpoint(at):
            return "huggingface"
        if saved_model.is_saved_model(at):
            return "saved_model"
    return "tf1"


def folder(path: Path) -> Path:
    """Returns the directory that the checkpoint `path` lies in.

    Args:
        path: As for `read`.
    """
    at = archive.opened(path)
    return at if at.is_dir() else at.parent


def read(path: Path) -> Checkpoint:
    """Reads the BERT weights of a checkpoint of any kind.

    Args:
        path: A TF1 prefix, one of its files, a directory, a `.tar.gz`; a Hugging Face
            directory or its `model.safetensors`; the directory of a SavedModel; or
            the prefix of a training's state.

    Raises:
        InputError: No checkpoint there, several, or a damaged one.
    """
    kind = form(path)
    if kind == "huggingface":
        return huggingface.read(folder(path))
    is_saved_model = kind == "saved_model"
    prefix = saved_model.prefix(folder(path)) if is_saved_model else tf1.find(path)
    if saved_model.has_objects(prefix):
        return saved_model.read(prefix)
    return tf1.read(prefix)


def require(path: Path) -> None:
    """Checks that there is a checkpoint, without reading its weights.

    Args:
        path: As for `read`.

    Raises:
        InputError: There is none, or several.
    """
    kind = form(path)
    if kind == "tf1":
        tf1.find(path)
    elif kind == "saved_model":
        saved_model.prefix(folder(path))


def companion(path: Path, names: Sequence[str]) -> Path | None:
    """Returns the first existing file of these names beside a checkpoint.

    Beside the weights of a SavedModel stand its assets too.

    Args:
        path: As for `read`; the checkpoint itself need not be readable.
        names: File names, best first; for example `("bert_config.json",
            "config.json")`.
    """
    places = [folder(path)]
    if form(path) == "saved_model":
        places.append(places[0] / saved_model.ASSETS)
    found = (place / name for name in names for place in places)
    return next((file for file in found if file.is_file()), None)
