# SPDX-License-Identifier: Apache-2.0
"""The names of every BERT weight: in TF1 checkpoints and in Hugging Face files.

All readers and writers of checkpoints use `TABLE`. In a name `{n}` is the 0-based
number of the layer. The TF1 names are those of the released BioBERT files (`BertModel`
in modeling.py, `get_masked_lm_output` in run_pretraining.py); our variables have them
too. Weights are exchanged in TF1 layout: a kernel is `[in, out]`.
"""

import dataclasses
import functools
import re
from typing import Final, Literal

Form = Literal["tf1", "huggingface"]


@dataclasses.dataclass(frozen=True)
class Name:
    """One weight, with its two names.

    Attributes:
        tf1: Variable name in a TF1 checkpoint, and of our variable.
        huggingface: Tensor name in a Hugging Face file, with the `bert.` prefix.
        transposed: Whether Hugging Face stores `[out, in]` and TF1 `[in, out]`.
    """

    tf1: str
    huggingface: str
    transposed: bool = False


def _layer(tf1: str, weight: str, bias: str) -> tuple[Name, Name]:
    """Returns the weight and the bias of a layer; kernels are transposed."""
    huggingface = tf1.replace("layer_{n}", "layer.{n}").replace("/", ".")
    return (
        Name(f"{tf1}/{weight}", f"{huggingface}.weight", weight == "kernel"),
        Name(f"{tf1}/{bias}", f"{huggingface}.bias"),
    )


_dense = functools.partial(_layer, weight="kernel", bias="bias")
_layer_norm = functools.partial(_layer, weight="gamma", bias="beta")


def _output(tf1: str, huggingface: str) -> tuple[Name, Name]:
    """Returns the `[labels, hidden]` weights and the bias of a classifier.

    The original does not make these with a dense layer, so they are `[out, in]` in TF1
    too (`create_model` in run_re.py).
    """
    return (
        Name(f"{tf1}output_weights", f"{huggingface}.weight"),
        Name(f"{tf1}output_bias", f"{huggingface}.bias"),
    )


_BLOCK: Final = "bert/encoder/layer_{n}"
_TRANSFORM: Final = "cls/predictions/transform"

TABLE: Final[tuple[Name, ...]] = (
    # --- embeddings
    *(
        Name(f"bert/embeddings/{kind}", f"bert.embeddings.{kind}.weight")
        for kind in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ),
    *_layer_norm("bert/embeddings/LayerNorm"),
    # --- encoder
    *_dense(f"{_BLOCK}/attention/self/query"),
    *_dense(f"{_BLOCK}/attention/self/key"),
    *_dense(f"{_BLOCK}/attention/self/value"),
    *_dense(f"{_BLOCK}/attention/output/dense"),
    *_layer_norm(f"{_BLOCK}/attention/output/LayerNorm"),
    *_dense(f"{_BLOCK}/intermediate/dense"),
    *_dense(f"{_BLOCK}/output/dense"),
    *_layer_norm(f"{_BLOCK}/output/LayerNorm"),
    # --- pooler
    *_dense("bert/pooler/dense"),
    # --- masked language model; its output matrix is the word embeddings
    *_dense(f"{_TRANSFORM}/dense"),
    *_layer_norm(f"{_TRANSFORM}/LayerNorm"),
    Name("cls/predictions/output_bias", "cls.predictions.bias"),
    # --- next sentence; question answering; token or sequence classifier
    *_output("cls/seq_relationship/", "cls.seq_relationship"),
    *_output("cls/squad/", "qa_outputs"),
    *_output("", "classifier"),
)

SPAN_LABELS: Final = ("start", "end")
"""The outputs of the question answering head, in the order of its rows."""

_LAYER: Final = re.compile(r"(?<=/layer_)[0-9]+(?=/)|(?<=\.layer\.)[0-9]+(?=\.)")
_BY_FORM: Final[dict[Form, dict[str, Name]]] = {
    "tf1": {name.tf1: name for name in TABLE},
    "huggingface": {name.huggingface: name for name in TABLE},
}


def lookup(form: Form, text: str) -> Name | None:
    """Returns the weight that is called `text`, with the layer filled in.

    Returns None if that is no BERT weight: optimizer slots, `global_step`, buffers.
    """
    found = _LAYER.search(text)
    if found is None:
        return _BY_FORM[form].get(text)
    row = _BY_FORM[form].get(text[: found.start()] + "{n}" + text[found.end() :])
    if row is None:
        return None
    layer = found.group()
    return dataclasses.replace(
        row,
        tf1=row.tf1.replace("{n}", layer),
        huggingface=row.huggingface.replace("{n}", layer),
    )


def depth(text: str) -> tuple[int, int, int]:
    """Returns a key that sorts TF1 names in the order in which a model needs them.

    Others, such as those of a head of one's own, are last.
    """
    found = _LAYER.search(text)
    name = _LAYER.sub("{n}", text)
    place = next((i for i, row in enumerate(TABLE) if row.tf1 == name), len(TABLE))
    if found is None:
        return place, 0, place
    first = next(i for i, row in enumerate(TABLE) if "{n}" in row.tf1)
    return first, int(found.group()), place


def encoder_names(num_layers: int) -> list[str]:
    """Returns the TF1 names of the embeddings and all layers, without the pooler."""
    rows = [name.tf1 for name in TABLE if name.tf1.startswith("bert/")]
    layers = [row for row in rows if "{n}" in row]
    return [
        *(row for row in rows if row.startswith("bert/embeddings/")),
        *(row.replace("{n}", str(n)) for n in range(num_layers) for row in layers),
    ]
