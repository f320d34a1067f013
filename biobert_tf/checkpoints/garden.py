# SPDX-License-Identifier: Apache-2.0
"""The names and layouts of BERT weights in the TensorFlow model garden.

The garden (`official.nlp` of tf-models-official) makes Keras models. Its checkpoints
hold them as objects, together with each variable's own name, for example
`bert_encoder_v2/transformer/layer_0/self_attention/query/kernel`. The part before
`transformer` depends on the program. Attention heads have an axis of their own there.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

_LAYER: Final = "transformer/layer_{n}"
_BLOCK: Final = "bert/encoder/layer_{n}"
_CLASSIFIER: Final = "predictions/transform/logits"
_POOLER: Final = "pooler_dense"
# The garden's layer to ours.
_LAYERS: Final[Mapping[str, str]] = {
    "embeddings/layer_norm": "bert/embeddings/LayerNorm",
    f"{_LAYER}/self_attention/query": f"{_BLOCK}/attention/self/query",
    f"{_LAYER}/self_attention/key": f"{_BLOCK}/attention/self/key",
    f"{_LAYER}/self_attention/value": f"{_BLOCK}/attention/self/value",
    f"{_LAYER}/self_attention/attention_output": f"{_BLOCK}/attention/output/dense",
    f"{_LAYER}/self_attention_layer_norm": f"{_BLOCK}/attention/output/LayerNorm",
    f"{_LAYER}/intermediate": f"{_BLOCK}/intermediate/dense",
    f"{_LAYER}/output": f"{_BLOCK}/output/dense",
    f"{_LAYER}/output_layer_norm": f"{_BLOCK}/output/LayerNorm",
    "pooler_transform": "bert/pooler/dense",
    "cls/predictions/transform/dense": "cls/predictions/transform/dense",
    "cls/predictions/transform/LayerNorm": "cls/predictions/transform/LayerNorm",
}
_EMBEDDINGS: Final[Mapping[str, str]] = {
    "word_embeddings/embeddings": "bert/embeddings/word_embeddings",
    "position_embedding/embeddings": "bert/embeddings/position_embeddings",
    "type_embeddings/embeddings": "bert/embeddings/token_type_embeddings",
    "cls/predictions/output_bias/bias": "cls/predictions/output_bias",
}
# A head's layer to the scope of ours. A head may bring a pooler that replaces the
# encoder's, which its model then does not read.
_HEADS: Final[Mapping[str, str]] = {
    "sentence_prediction": "",
    "next_sentence": "cls/seq_relationship/",
}
# The edge of the object graph above a layer named `_CLASSIFIER`, and our scope.
_EDGES: Final[Mapping[str, str]] = {
    "span_labeling": "cls/squad/",
    "classification": "cls/seq_relationship/",
}
_NUMBER: Final = re.compile(r"(?<=layer_)[0-9]+(?=/)")
_SLOT: Final = re.compile(r"/_variables/[0-9]+/|/\.OPTIMIZER_SLOT/|^optimizer/")


def tf1_names(graph: Any) -> dict[str, str]:
    """Returns the TF1 name of each BERT weight by its key in the checkpoint.

    `graph` is the object graph in the checkpoint (`TrackableObjectGraph`). If a head
    has a pooler of its own, the encoder's is left out. The result is empty if there
    are no word embeddings, because the graph is then not one of the garden's encoders.
    """
    own = {
        attribute.checkpoint_key: (node_id, attribute.full_name)
        for node_id, node in enumerate(graph.nodes)
        for attribute in node.attributes
        if not _SLOT.search(attribute.checkpoint_key)
    }
    scopes = {
        node: scope for edge, scope in _EDGES.items() for node in _below(graph, edge)
    }
    found = {
        key: tf1
        for key, (node_id, name) in own.items()
        if (tf1 := _lookup(name, scopes.get(node_id, "")))
    }
    if "bert/embeddings/word_embeddings" not in found.values():
        return {}
    of_heads = {key for key in found if f"/{_POOLER}/" in own[key][1]}
    replaced = {found[key] for key in of_heads}
    return {
        key: tf1 for key, tf1 in found.items() if key in of_heads or tf1 not in replaced
    }


def _lookup(name: str, scope: str) -> str | None:
    """Returns the TF1 name of the variable `name`, whatever stands before it."""
    number = _NUMBER.search(name)
    text = _NUMBER.sub("{n}", name, count=1)
    parts = text.split("/")
    for start in range(len(parts)):
        tf1 = _exact("/".join(parts[start:]), scope)
        if tf1 is not None:
            return tf1.replace("{n}", number.group()) if number else tf1
    return None


def _exact(text: str, scope: str) -> str | None:
    if text in _EMBEDDINGS:
        return _EMBEDDINGS[text]
    layer, _, kind = text.rpartition("/")
    if layer in _LAYERS:
        return f"{_LAYERS[layer]}/{kind}"
    output = {"kernel": "output_weights", "bias": "output_bias"}.get(kind)
    head, _, part = layer.rpartition("/")
    if layer == _CLASSIFIER:
        return f"{scope}{output}"
    if head in _HEADS and part == "logits":
        return f"{_HEADS[head]}{output}"
    if head in _HEADS and part == _POOLER:
        return f"bert/pooler/dense/{kind}"
    return None


def _below(graph: Any, edge: str) -> Iterator[int]:
    """Yields the nodes to which an edge of this name leads, and those below them."""
    waiting = [
        child.node_id
        for node in graph.nodes
        for child in node.children
        if child.local_name == edge
    ]
    seen: set[int] = set()
    while waiting:
        node_id = waiting.pop()
        if node_id not in seen:
            seen.add(node_id)
            yield node_id
            waiting += (child.node_id for child in graph.nodes[node_id].children)


def in_layout(tf1: str, array: np.ndarray) -> np.ndarray:
    """Returns a weight of the garden in TF1 layout: `[in, out]`, heads side by side."""
    if tf1.endswith("output_weights"):
        return array.T
    if tf1.endswith("attention/output/dense/kernel"):
        return array.reshape(-1, array.shape[-1])
    if tf1.endswith("/kernel"):
        return array.reshape(len(array), -1)
    return array.reshape(-1) if tf1.endswith("/bias") else array
