# SPDX-License-Identifier: Apache-2.0
"""Settings of an export; see `config`."""

import dataclasses
from pathlib import Path
from typing import Literal

from biobert_tf.config import MixedPrecision, at_least, required, setting

Kind = Literal["encoder", "masked_lm", "ner", "re", "qa", "yesno"]
KindOrAuto = Literal["auto", "encoder", "masked_lm", "ner", "re", "qa", "yesno"]
Dtype = Literal["float32", "bfloat16", "float16"]

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
    kind: KindOrAuto = setting(
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
    do_lower_case: bool | None = setting(
        None,
        "As the model was trained; default: what its settings.json says, or false.",
    )
    max_seq_length: int | None = setting(
        None, "WordPieces of a window; default: as the model was trained."
    )

    def __post_init__(self) -> None:
        """Rejects a length with no room for [CLS], a piece and [SEP]."""
        if self.max_seq_length is not None:
            at_least(self, max_seq_length=3)
