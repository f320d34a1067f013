# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert export`."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import MixedPrecision, at_least, required, setting

Dtype = Literal["float32", "bfloat16", "float16"]
LiteRt = Literal["none", "float", "int8", "both"]

DTYPES: dict[MixedPrecision, Dtype] = {
    "off": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
"""The type that each `--mixed_precision` computes in."""

PRECISIONS = {dtype: precision for precision, dtype in DTYPES.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The settings of `biobert export`."""

    model: Path = required(
        "Trained model: the --output_dir of a run, an export of it, a model saved by "
        "Transformers, or a released checkpoint."
    )
    output: Path = required("Directory of the SavedModel; an older export is replaced.")
    kind: str = setting(
        "auto",
        "encoder (vectors), masked_lm, ner, re, qa, yesno, classification, or auto, "
        "which looks at the weights.",
    )
    dtype: Dtype = setting(
        "float32",
        "Type to compute in: float32, bfloat16 or float16; weights stay float32.",
    )
    tokens: bool = setting(
        True,
        "Also write <output>/tokens, which takes ids and needs plain TensorFlow only; "
        "this doubles the size.",
    )
    litert: LiteRt = setting(
        "none",
        "Also write <output>/litert/ for LiteRT (TensorFlow Lite), which takes ids: "
        "float, int8 (weights a quarter of the size) or both.",
    )
    onnx: bool = setting(
        False,
        "Also write <output>/onnx/model.onnx, which takes ids, and compare it with the "
        "model in ONNX Runtime; needs biobert_tf[onnx].",
    )
    do_lower_case: bool | None = setting(
        None,
        "Lower-case the text; default: as the model was trained, else as its "
        "tokenizer's files say or its vocabulary shows.",
    )
    max_seq_length: int | None = setting(
        None, "WordPieces per window; default: as the model was trained."
    )
    entity_type: str = setting(
        "",
        "ner: type of the entities if the labels have none, such as Disease; default: "
        "as the model was trained, else MISC.",
    )

    def __post_init__(self) -> None:
        """Rejects lengths without room for a piece, and types that files lack."""
        if self.max_seq_length is not None:
            at_least(self, max_seq_length=3)
        asked = {f"--litert={self.litert}": self.litert != "none", "--onnx": self.onnx}
        for flag, is_asked in asked.items():
            if is_asked and self.dtype != "float32":
                raise InputError(
                    f"{flag} needs --dtype=float32, not {self.dtype}; the files "
                    "compute in float32"
                )
