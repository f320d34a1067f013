# SPDX-License-Identifier: Apache-2.0
"""Reads TensorFlow's checkpoints; writes TF1's, BioBERT's release format.

In what TensorFlow 2 saved, a SavedModel or a training's state, an entry's name is its
path in an object, for example `weights/0/.ATTRIBUTES/VARIABLE_VALUE`. The object graph
stored with the entries gives each variable's own name, and so its row of `names.TABLE`.
Models of the model garden have other names; see `garden`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from biobert_tf.checkpoints import base, garden, names, prefixes
from biobert_tf.common import files, room
from biobert_tf.common.errors import InputError

_RECORD: Final = "checkpoint"
_GRAPH: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"
DAMAGE: Final = (tf.errors.OpError, IndexError, RuntimeError, ValueError, MemoryError)
"""The errors of TensorFlow for truncated, mixed-up or other files."""


@contextlib.contextmanager
def opened(prefix: Path) -> Iterator[Any]:
    """Provides TensorFlow's reader of a checkpoint to a block that only reads.

    Raises:
        InputError: The checkpoint is damaged.
    """
    try:
        # Not `load_checkpoint`, which takes a prefix in `ram://` for a folder.
        yield tf.compat.v1.train.NewCheckpointReader(str(prefix))
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        raise InputError.at(
            prefix, None, f"damaged checkpoint: {reason}; copy or download it again"
        ) from None


def read(path: Path) -> base.Checkpoint:
    """Reads the BERT weights of a checkpoint.

    All other variables are not read but named in `ignored`: the optimizer's `adam_m`,
    `adam_v`, `BERTAdam`, `beta1_power`, and `global_step`.

    Raises:
        InputError: The checkpoint is missing, see `prefixes.find`, or damaged, or holds
            no BERT weight, or holds one twice.
    """
    prefix = prefixes.find(path)
    weights: base.Weights = {}
    with opened(prefix) as reader:
        graph = _graph(reader)
        own_names = _own_names(reader, graph)
        names_of = {key: x for key, x in own_names.items() if names.lookup("tf1", x)}
        has_encoder = any(name.startswith("bert/") for name in names_of.values())
        of_garden = {} if graph is None or has_encoder else garden.tf1_names(graph)
        names_of = of_garden or names_of
        found = [(name, reader.get_tensor(key)) for key, name in names_of.items()]
    for name, array in found:
        if name in weights:
            raise InputError.at(
                prefix, None, f"holds {name} twice; save one model alone"
            )
        layout = garden.in_layout(name, array) if of_garden else array
        weights[name] = np.ascontiguousarray(layout, np.float32)
    ignored = sorted(own for key, own in own_names.items() if key not in names_of)
    if not weights:
        raise InputError.at(
            prefix,
            None,
            f"holds no variable with a BERT name, but {base.some(ignored)}; "
            "want names like bert/embeddings/word_embeddings, or the model garden's",
        )
    return base.Checkpoint(weights, tuple(ignored), prefix)


def _graph(reader: Any) -> Any:
    """Returns the object graph of a checkpoint of TensorFlow 2; None if of TF1."""
    if not reader.has_tensor(_GRAPH):
        return None
    return trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor(_GRAPH)
    )


def _own_names(reader: Any, graph: Any) -> dict[str, str]:
    """Returns each variable's own name by its key in the checkpoint."""
    if graph is None:
        return {name: name for name in sorted(reader.get_variable_to_shape_map())}
    return {
        attribute.checkpoint_key: attribute.full_name or attribute.checkpoint_key
        for node in graph.nodes
        for attribute in node.attributes
    }


def write(weights: base.Weights, prefix: Path, global_step: int) -> None:
    """Writes a checkpoint that the original programs load, whole or not at all.

    The format is that of TF1's `Saver`. The directory's file `checkpoint` is updated to
    name this checkpoint as the newest, after those that it named before.

    `global_step`, the number of training steps taken, is stored too, as int64.

    Raises:
        InputError: The directory cannot be written, or the disk is full.
    """
    # Sorted by name, as Saver does, so that the files are the same byte for byte.
    tensors = dict(sorted({**weights, "global_step": np.int64(global_step)}.items()))
    needed = sum(array.nbytes for array in weights.values())
    with base.staged(prefix.parent, prefixes.index(prefix).name, needed) as staging:
        try:
            with tf.device("cpu:0"):
                tf.raw_ops.SaveV2(
                    prefix=str(staging / prefix.name),
                    tensor_names=list(tensors),
                    shape_and_slices=[""] * len(tensors),
                    tensors=list(tensors.values()),
                )
        except tf.errors.OpError as error:
            if room.disk_is_full(error):
                raise
            raise InputError.at(
                prefix, None, f"cannot be written: {error.message}"
            ) from None
        # It gets there before the index, so that what has one is named, too.
        (staging / _RECORD).write_text(_record(prefix), encoding="utf-8")


def remove(prefix: Path) -> None:
    """Deletes the files of a checkpoint, if it exists; the index first."""
    files.remove_first(prefixes.index(prefix))
    for path in prefix.parent.glob(f"{prefix.name}.data-*"):
        path.unlink(missing_ok=True)


def record(prefix: Path) -> None:
    """Names `prefix` as the newest in the directory's file `checkpoint`.

    Raises:
        InputError: The directory cannot be written.
    """
    files.write_text(prefix.parent / _RECORD, _record(prefix))


def _record(prefix: Path) -> str:
    """Returns the directory's file `checkpoint`, with `prefix` as the newest."""
    directory = prefix.parent.resolve()
    # The newest is in the list too; a dict drops the repetition.
    earlier = dict.fromkeys(
        path.name
        for path in prefixes.recorded(directory)
        if path.name != prefix.name and prefixes.index(path).is_file()
    )
    # Relative names, as with save_relative_paths of TF1's Saver: the folder can move.
    # They stay as they are for a folder that is absolute to TensorFlow; a URL is not.
    proto = tf.compat.v1.train.generate_checkpoint_state_proto(
        "/", prefix.name, [*earlier, prefix.name]
    )
    return str(proto)
