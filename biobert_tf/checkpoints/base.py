# SPDX-License-Identifier: Apache-2.0
"""Code that all checkpoint formats share: weights, checks, and atomic writing."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from biobert_tf.checkpoints import names
from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig

# TF1 variable name -> float32 array in its TF1 layout, see `names.TABLE`.
Weights = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The weights found in a checkpoint.

    Attributes:
        weights: TF1 name to float32 array in TF1 layout.
        ignored: The checkpoint's names of everything else that it holds: optimizer
            slots, `global_step`, buffers.
        source: The TF1 prefix or the Hugging Face directory that was read.
    """

    weights: Weights
    ignored: tuple[str, ...]
    source: Path


def some(texts: Sequence[str], limit: int = 3) -> str:
    """Returns the first `limit` texts and the number of the rest, for a message."""
    rest = len(texts) - limit
    return ", ".join(texts[:limit]) + (f" and {rest} more" if rest > 0 else "")


# The weight and the axis whose length is the value of each setting.
_SIZES: Final[Mapping[str, tuple[str, int]]] = {
    "vocab_size": ("bert/embeddings/word_embeddings", 0),
    "hidden_size": ("bert/embeddings/word_embeddings", 1),
    "max_position_embeddings": ("bert/embeddings/position_embeddings", 0),
    "type_vocab_size": ("bert/embeddings/token_type_embeddings", 0),
    "intermediate_size": ("bert/encoder/layer_0/intermediate/dense/kernel", 1),
}
_LAYERS: Final = "bert/encoder/"


def require_fit(weights: Weights, config: EncoderConfig, source: Path) -> None:
    """Checks that the weights of a checkpoint are a whole encoder of these sizes.

    The number of attention heads cannot be checked, as no shape depends on it.

    Raises:
        InputError: A part of the encoder is missing, or a size differs.
    """
    layers = {name.split("/")[2] for name in weights if name.startswith(_LAYERS)}
    wanted = names.encoder_names(len(layers))
    if missing := [name for name in wanted if name not in weights]:
        raise InputError.at(
            source, None, f"not a whole BERT encoder: {some(missing)} missing"
        )
    sizes = {key: weights[name].shape[axis] for key, (name, axis) in _SIZES.items()}
    sizes["num_hidden_layers"] = len(layers)
    for setting, size in sizes.items():
        configured = getattr(config, setting)
        if size != configured:
            raise InputError.at(
                source,
                None,
                f"{setting} is {size} in the checkpoint and {configured} in its "
                "configuration; give the bert_config.json that belongs to it",
            )


@contextlib.contextmanager
def whole_if_new(directory: Path, needed: int | None = None) -> Iterator[Path]:
    """Yields the folder in which to write the files of a directory.

    It is the directory, if that is there. Otherwise it is a temporary folder, which
    becomes the directory on success: one that was written in part would be refused by
    the command that began it, as not empty. A store has no such way.

    Raises:
        InputError: The directory cannot be written, or the disk is full.
    """
    if directory.exists() or remote_path.is_remote(directory):
        yield directory
        return
    with files.replacing(directory, needed) as temporary:
        temporary.mkdir()
        yield temporary


@contextlib.contextmanager
def staged(directory: Path, key: str, needed: int | None = None) -> Iterator[Path]:
    """Provides a temporary folder whose files move to `directory` on success.

    If there is no such directory, all of them appear with it at one instant. Otherwise,
    several files cannot be replaced at one instant. Therefore the file `key`, without
    which no reader finds a checkpoint, is removed first and moved in last: a process
    killed at any moment, or a crash, leaves the old checkpoint, none, or the whole new
    one, never a mixture. Other files in the directory stay. For `needed` see
    `files.scratch`.

    Raises:
        InputError: The directory cannot be written, or the disk is full.
    """
    with whole_if_new(directory, needed) as place:
        if place != directory:
            yield place
            return
    with files.scratch(directory / key, needed) as staging:
        yield staging
        with files.explained_writing(directory / key):
            files.remove_first(directory / key)
            for path in sorted(staging.iterdir(), key=lambda path: path.name == key):
                files.move(path, directory / path.name)
