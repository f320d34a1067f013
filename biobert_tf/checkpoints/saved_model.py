# SPDX-License-Identifier: Apache-2.0
"""Reads weights that TensorFlow 2 saved: of a SavedModel, or of a training's state.

In both, an entry's name is its path in an object, for example
`weights/0/.ATTRIBUTES/VARIABLE_VALUE`. The object graph stored with the entries gives
each variable's own name, and so its row of `names.TABLE`.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from biobert_tf.checkpoints import base, names, tf1
from biobert_tf.common.errors import InputError

ASSETS: Final = tf.saved_model.ASSETS_DIRECTORY
"""Folder of a SavedModel for further files of the model."""

_GRAPH: Final = "_CHECKPOINTABLE_OBJECT_GRAPH"


def is_saved_model(directory: Path) -> bool:
    """Returns whether `directory` is a SavedModel."""
    return (directory / tf.saved_model.SAVED_MODEL_FILENAME_PB).is_file()


def prefix(directory: Path) -> Path:
    """Returns the prefix of the variables of a SavedModel.

    Raises:
        InputError: The SavedModel has no variables.
    """
    variables = directory / tf.saved_model.VARIABLES_DIRECTORY
    found = variables / tf.saved_model.VARIABLES_FILENAME
    if not found.with_name(f"{found.name}.index").is_file():
        raise InputError.at(
            directory, None, "has no variables/variables.index; copy all of it"
        )
    return found


def has_objects(prefix: Path) -> bool:
    """Returns whether a checkpoint has an object graph; TF1 checkpoints have none.

    Args:
        prefix: The prefix of the checkpoint.

    Raises:
        InputError: The checkpoint is damaged.
    """
    with tf1.opened(prefix) as reader:
        return reader.has_tensor(_GRAPH)


def read(prefix: Path) -> base.Checkpoint:
    """Reads the BERT weights of a checkpoint with an object graph.

    All other entries are not read but named in `ignored`: the optimizer's variables,
    and variables of the model that are not BERT weights.

    Args:
        prefix: The prefix of the checkpoint.

    Raises:
        InputError: The checkpoint is damaged, or holds no BERT weight, or holds one
            twice.
    """
    with tf1.opened(prefix) as reader:
        own_names = _own_names(reader)
        found = {key: names.lookup("tf1", own) for key, own in own_names.items()}
        read_weights = [
            (name, reader.get_tensor(key)) for key, name in found.items() if name
        ]
    weights: base.Weights = {}
    for name, array in read_weights:
        if name.tf1 in weights:
            raise InputError.at(
                prefix, None, f"holds {name.tf1} twice; save one model alone"
            )
        weights[name.tf1] = np.asarray(array, np.float32)
    ignored = sorted(own_names[key] for key, name in found.items() if not name)
    if not weights:
        raise InputError.at(
            prefix,
            None,
            f"holds no variable with a BERT name, but {base.some(ignored)}; "
            "want a model of biobert_tf",
        )
    return base.Checkpoint(weights, tuple(ignored), prefix)


def _own_names(reader: Any) -> dict[str, str]:
    """Returns each variable's own name by its key in the checkpoint."""
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor(_GRAPH)
    )
    return {
        attribute.checkpoint_key: attribute.full_name or attribute.checkpoint_key
        for node in graph.nodes
        for attribute in node.attributes
    }
