# SPDX-License-Identifier: Apache-2.0
"""The names of every BERT weight: TF1, Hugging Face and our Keras variables.

All readers and writers of checkpoints use `TABLE`. In a name `{n}` is the 0-based
number of the layer. The TF1 names are those of the released BioBERT files (`BertModel`
in modeling.py, `get_masked_lm_output` in run_pretraining.py). Weights are exchanged in
TF1 layout: a kernel is `[in, out]`.
"""

import dataclasses
import re
from typing import Final, Literal

Form = Literal["tf1", "huggingface", "native"]


@dataclasses.dataclass(frozen=True)
class Name:
    """One weight, with its three names.

    Attributes:
        tf1: Variable name in a TF1 checkpoint.
        huggingface: Tensor name in a Hugging Face file, with the `bert.` prefix.
        native: Name of the Keras variable, without `:0`.
        transposed: Whether Hugging Face stores `[out, in]` and TF1 `[in, out]`.
        heads_axis: The first of the two axes, heads and head size, that TF1 and Hugging
            Face store as one; None if the Keras variable has no such axes.
    """

    tf1: str
    huggingface: str
    native: str
    transposed: bool = False
    heads_axis: int | None = None

    def tf1_shape(self, native_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the TF1 shape of a Keras variable of shape `native_shape`."""
        axis = self.heads_axis
        if axis is None:
            return native_shape
        merged = native_shape[axis] * native_shape[axis + 1]
        return (*native_shape[:axis], merged, *native_shape[axis + 2 :])


def _dense(
    tf1: str,
    huggingface: str,
    native: str,
    kernel_heads: int | None = None,
    bias_heads: int | None = None,
) -> tuple[Name, Name]:
    """Returns the kernel and the bias of a dense layer."""
    return (
        Name(
            f"{tf1}/kernel",
            f"{huggingface}.weight",
            f"{native}/kernel",
            transposed=True,
            heads_axis=kernel_heads,
        ),
        Name(
            f"{tf1}/bias",
            f"{huggingface}.bias",
            f"{native}/bias",
            heads_axis=bias_heads,
        ),
    )


def _layer_norm(tf1: str, huggingface: str, native: str) -> tuple[Name, Name]:
    """Returns the scale and the offset of a layer normalisation."""
    return (
        Name(f"{tf1}/gamma", f"{huggingface}.weight", f"{native}/gamma"),
        Name(f"{tf1}/beta", f"{huggingface}.bias", f"{native}/beta"),
    )


def _output(tf1: str, huggingface: str) -> tuple[Name, Name]:
    """Returns the `[labels, hidden]` weights and the bias of a classifier.

    The original does not make these with a dense layer, so they are `[out, in]` in TF1
    too (`create_model` in run_re.py). Our Keras variables have the TF1 names.
    """
    weights, bias = f"{tf1}output_weights", f"{tf1}output_bias"
    return (
        Name(weights, f"{huggingface}.weight", weights),
        Name(bias, f"{huggingface}.bias", bias),
    )


_TF1_LAYER: Final = "bert/encoder/layer_{n}"
_HUGGINGFACE_LAYER: Final = "bert.encoder.layer.{n}"
_NATIVE_LAYER: Final = "bert/transformer/layer_{n}"
_TRANSFORM: Final = "cls/predictions/transform"

TABLE: Final[tuple[Name, ...]] = (
    # --- embeddings
    Name(
        "bert/embeddings/word_embeddings",
        "bert.embeddings.word_embeddings.weight",
        "bert/word_embeddings/embeddings",
    ),
    Name(
        "bert/embeddings/position_embeddings",
        "bert.embeddings.position_embeddings.weight",
        "bert/position_embedding/embeddings",
    ),
    Name(
        "bert/embeddings/token_type_embeddings",
        "bert.embeddings.token_type_embeddings.weight",
        "bert/type_embeddings/embeddings",
    ),
    *_layer_norm(
        "bert/embeddings/LayerNorm",
        "bert.embeddings.LayerNorm",
        "bert/embeddings/layer_norm",
    ),
    # --- encoder
    *(
        name
        for part in ("query", "key", "value")
        for name in _dense(
            f"{_TF1_LAYER}/attention/self/{part}",
            f"{_HUGGINGFACE_LAYER}.attention.self.{part}",
            f"{_NATIVE_LAYER}/self_attention/{part}",
            kernel_heads=1,  # [hidden, heads, head_size]
            bias_heads=0,
        )
    ),
    *_dense(
        f"{_TF1_LAYER}/attention/output/dense",
        f"{_HUGGINGFACE_LAYER}.attention.output.dense",
        f"{_NATIVE_LAYER}/self_attention/attention_output",
        kernel_heads=0,  # [heads, head_size, hidden]
    ),
    *_layer_norm(
        f"{_TF1_LAYER}/attention/output/LayerNorm",
        f"{_HUGGINGFACE_LAYER}.attention.output.LayerNorm",
        f"{_NATIVE_LAYER}/self_attention_layer_norm",
    ),
    *_dense(
        f"{_TF1_LAYER}/intermediate/dense",
        f"{_HUGGINGFACE_LAYER}.intermediate.dense",
        f"{_NATIVE_LAYER}/intermediate",
    ),
    *_dense(
        f"{_TF1_LAYER}/output/dense",
        f"{_HUGGINGFACE_LAYER}.output.dense",
        f"{_NATIVE_LAYER}/output",
    ),
    *_layer_norm(
        f"{_TF1_LAYER}/output/LayerNorm",
        f"{_HUGGINGFACE_LAYER}.output.LayerNorm",
        f"{_NATIVE_LAYER}/output_layer_norm",
    ),
    # --- pooler
    *_dense("bert/pooler/dense", "bert.pooler.dense", "bert/pooler_transform"),
    # --- masked language model; its output matrix is the word embeddings
    *_dense(
        f"{_TRANSFORM}/dense", "cls.predictions.transform.dense", f"{_TRANSFORM}/dense"
    ),
    *_layer_norm(
        f"{_TRANSFORM}/LayerNorm",
        "cls.predictions.transform.LayerNorm",
        f"{_TRANSFORM}/LayerNorm",
    ),
    Name(
        "cls/predictions/output_bias",
        "cls.predictions.bias",
        "cls/predictions/output_bias",
    ),
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
    "native": {name.native: name for name in TABLE},
}


def lookup(form: Form, text: str) -> Name | None:
    """Returns the weight whose name in one of the three forms is `text`.

    Args:
        form: The form of `text`.
        text: A variable or tensor name, for example
            `bert/encoder/layer_3/output/dense/bias`.

    Returns:
        The row of the table with the layer filled in, or None if it is not the name of
        a BERT weight: optimizer slots, `global_step`, buffers.
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
        native=row.native.replace("{n}", layer),
    )


def encoder_names(num_layers: int) -> list[str]:
    """Returns the TF1 names of the embeddings and all layers, without the pooler."""
    rows = [name.tf1 for name in TABLE if name.tf1.startswith("bert/")]
    layers = [row for row in rows if "{n}" in row]
    return [
        *(row for row in rows if row.startswith("bert/embeddings/")),
        *(row.replace("{n}", str(n)) for n in range(num_layers) for row in layers),
    ]
