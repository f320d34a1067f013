# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert extract-features`: which vectors, and in which file."""

import dataclasses
from pathlib import Path
from typing import Final, Literal, Self

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    FlagValue,
    ModelConfig,
    TextConfig,
    at_least,
    required,
    setting,
)
from biobert_tf.common.streams import STANDARD

LayerMix = Literal["each", "concat", "mean", "sum"]
Pooling = Literal["none", "cls", "mean", "max"]
WordPooling = Literal["mean", "first"]
Dtype = Literal["float32", "float16"]
Format = Literal["jsonl", "npz", "hdf5", "parquet"]

# Suffix -> format, for `--format=auto`. Only JSON lines may end in `.gz` after it.
_SUFFIXES: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".parquet": "parquet",
}
# JSON lines, as the original's, allow only these values: flag -> value.
_JSONL_ONLY: Final = {
    "pooling": "none",
    "layer_mix": "each",
    "words": False,
    "dtype": "float32",
}


@dataclasses.dataclass(frozen=True)
class Layers(FlagValue):
    """The layers of `--layers`: the first is 0, and -1 is the last."""

    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads comma-separated whole numbers; raises InputError for anything else."""
        try:
            return cls(text, tuple(map(int, text.split(","))))
        except ValueError:
            raise InputError(
                f"--layers={text}: want numbers with commas between, as -1,-2"
            ) from None

    def indexes(self, num_layers: int) -> tuple[int, ...]:
        """Returns the layers of a model of `num_layers` layers, counted from 0.

        Raises:
            InputError: The model has no such layer.
        """
        for number in self.numbers:
            if not -num_layers <= number < num_layers:
                raise InputError(
                    f"--layers={self}: no layer {number}; the model has "
                    f"{num_layers}: {-num_layers} to {num_layers - 1}"
                )
        return tuple(number % num_layers for number in self.numbers)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorConfig:
    """Which vectors of a text are wanted."""

    layers: Layers = setting(
        Layers.parse("-1,-2,-3,-4"),
        "Layers, comma-separated: 0 is the first, -1 the last.",
    )
    layer_mix: LayerMix = setting(
        "each",
        "each (a vector per layer), or a vector of all layers: concat, mean or sum.",
    )
    pooling: Pooling = setting(
        "none",
        "none (a vector per piece), or a vector per text: cls, mean or max of its "
        "pieces.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExtractFeaturesConfig:
    """The settings of `biobert extract-features` (extract_features.py)."""

    input_file: Path = required(
        "UTF-8: one text per line, or two with three vertical bars between them; - for "
        "standard input."
    )
    output_file: Path = required(
        "File for the vectors; - for standard output, with --format=jsonl."
    )
    init_checkpoint: Path = required(
        "The weights: TF1 prefix, .index, directory, .tar.gz, Hugging Face directory "
        "or SavedModel."
    )
    bert_config_file: Path | None = setting(
        None, "Sizes of the encoder; default: the file beside the checkpoint."
    )
    text: TextConfig
    vectors: VectorConfig
    words: bool = setting(
        False, "Write a vector per word instead; white space separates words."
    )
    word_pooling: WordPooling = setting(
        "mean", "Vector of a word: mean (of its pieces) or first (its first piece's)."
    )
    format: Literal["auto", "jsonl", "npz", "hdf5", "parquet"] = setting(
        "auto",
        "jsonl (as the original), npz, hdf5 or parquet; auto: by the suffix of "
        "--output_file.",
    )
    dtype: Dtype = setting(
        "float32", "Type of the numbers in the file: float32 or float16."
    )
    batch_size: int = setting(32, "Rows per prediction step, all devices.")
    use_one_hot_embeddings: bool = setting(
        False, "No effect: the vectors are the same.", recorded=False
    )
    device: DeviceConfig

    def __post_init__(self) -> None:
        """Rejects flags that contradict each other."""
        at_least(self, batch_size=1)
        if self.words and self.vectors.pooling != "none":
            raise InputError(
                "--words writes a vector per word, --pooling="
                f"{self.vectors.pooling} one per text; choose one"
            )
        if self.word_pooling != "mean" and not self.words:
            raise InputError(f"--word_pooling={self.word_pooling} needs --words")
        if self.output_format == "jsonl":
            self._require_jsonl()
        elif len(set(self.vectors.layers.numbers)) < len(self.vectors.layers.numbers):
            raise InputError(f"--layers={self.vectors.layers}: a layer is named twice")
        if self.is_printed and self.output_format != "jsonl":
            raise InputError(
                f"--format={self.format}: only JSON lines go to the standard output; "
                "name an --output_file"
            )
        is_same = self.output_file.resolve() == self.input_file.resolve()
        if is_same and not self.is_printed:
            raise InputError(
                f"--output_file={self.output_file} is the input; choose another"
            )

    def _require_jsonl(self) -> None:
        values = {**vars(self), **vars(self.vectors)}
        for flag, only in _JSONL_ONLY.items():
            if values[flag] != only:
                raise InputError(
                    f"--{flag}={str(values[flag]).lower()}: JSON lines hold the layers "
                    "of every piece, as the original's do; name an --output_file that "
                    "ends in .npz, .h5 or .parquet"
                )

    @property
    def is_printed(self) -> bool:
        """Whether the vectors go to the standard output."""
        return self.output_file == STANDARD

    @property
    def output_format(self) -> Format:
        """The format of the output.

        Raises:
            InputError: The format is `auto` and the suffix is unknown.
        """
        if self.format != "auto":
            return self.format
        path = self.output_file
        name = path.name.removesuffix(".gz")
        found = _SUFFIXES.get(Path(name).suffix.lower())
        if found is None or (found != "jsonl" and name != path.name):
            raise InputError(
                f"--output_file={path}: want a name that ends in "
                f"{', '.join(_SUFFIXES)} or .jsonl.gz, or --format"
            )
        return found

    @property
    def model(self) -> ModelConfig:
        """The network and its weights."""
        return ModelConfig(
            init_checkpoint=self.init_checkpoint, bert_config_file=self.bert_config_file
        )
