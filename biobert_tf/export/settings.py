# SPDX-License-Identifier: Apache-2.0
"""Settings of an export; see `config`."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import MixedPrecision, at_least, required, setting

Dtype = Literal["float32", "bfloat16", "float16"]
LiteRt = Literal["none", "float", "int8", "both"]

PRECISIONS: dict[Dtype, MixedPrecision] = {
    "float32": "off",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
"""The `--mixed_precision` that computes in a type."""

DTYPES: dict[MixedPrecision, Dtype] = {
    precision: dtype for dtype, precision in PRECISIONS.items()
}
"""The type that a `--mixed_precision` computes in."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Everything `biobert export` can be told."""

    model: Path = required(
        "Trained model: the --output_dir of a run, or a released checkpoint."
    )
    output: Path = required("Directory of the SavedModel; an older export is replaced.")
    kind: str = setting(
        "auto",
        "encoder (vectors), masked_lm, ner, re, qa, yesno, or auto: what the weights "
        "are of.",
    )
    dtype: Dtype = setting(
        "float32", "Type to compute in: float32, bfloat16 or float16; weights stay."
    )
    tokens: bool = setting(
        True,
        "Also write <output>/tokens, which takes ids and needs TensorFlow alone; it is "
        "as large again.",
    )
    litert: LiteRt = setting(
        "none",
        "Also write <output>/litert/ for LiteRT (TensorFlow Lite), which takes ids: "
        "float, int8 (weights of a quarter of the size) or both.",
    )
    do_lower_case: bool | None = setting(
        None,
        "As the model was trained; default: what its settings.json says, or false.",
    )
    max_seq_length: int | None = setting(
        None, "WordPieces of a window; default: as the model was trained."
    )

    def __post_init__(self) -> None:
        """Rejects lengths without room for a piece, and types LiteRT cannot compute."""
        if self.max_seq_length is not None:
            at_least(self, max_seq_length=3)
        if self.litert != "none" and self.dtype != "float32":
            raise InputError(
                f"--litert={self.litert} needs --dtype=float32, not {self.dtype}; "
                "LiteRT has no operations for that type"
            )
