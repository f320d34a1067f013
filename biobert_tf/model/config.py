# SPDX-License-Identifier: Apache-2.0
"""Reads and checks the sizes of a BERT encoder, `bert_config.json`."""

import dataclasses
import logging
from pathlib import Path
from typing import Final, Literal

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import required, setting

# TensorFlow counts the rows and columns of a matrix in 32 bits.
_MOST: Final = 2**31

Pooling = Literal["cls", "mean"]
"""How the vectors of a text's tokens become one: see `heads.SequenceClassifier`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes of the BERT encoder; the fields are the keys of `bert_config.json`."""

    vocab_size: int = required("Number of WordPieces.")
    hidden_size: int = setting(768, "Width of every token representation.")
    num_hidden_layers: int = setting(12, "Transformer blocks.")
    num_attention_heads: int = setting(12, "Heads; must divide hidden_size.")
    intermediate_size: int = setting(3072, "Width of the feed-forward layer.")
    hidden_act: str = setting("gelu", "gelu (exact), gelu_new (tanh), relu, ...")
    hidden_dropout_prob: float = setting(0.1, "Dropout of every dense output.")
    attention_probs_dropout_prob: float = setting(0.1, "Dropout of attention.")
    max_position_embeddings: int = setting(512, "Longest input, in WordPieces.")
    # The original's default is 16 and every released file says 2.
    type_vocab_size: int = setting(2, "Number of segment types.")
    initializer_range: float = setting(0.02, "Std of the truncated normal.")

    def __post_init__(self) -> None:
        """Checks that an encoder of these sizes can be built."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            # True is an instance of int, but not a number here.
            if field.type is int and (type(value) is not int or not 1 <= value < _MOST):
                wanted = f"want a positive integer below {_MOST}"
                raise InputError(f"{field.name} is {value!r}: {wanted}")
            if field.type is float and not (
                type(value) in (int, float) and 0 <= value < 1
            ):
                raise InputError(f"{field.name} is {value!r}: want a number in [0, 1)")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        if self.hidden_act not in HIDDEN_ACTIVATIONS:
            raise InputError(
                f"hidden_act {self.hidden_act!r} is none of "
                f"{', '.join(HIDDEN_ACTIVATIONS)}"
            )

    @classmethod
    def from_json(cls, path: Path) -> "EncoderConfig":
        """Reads the `bert_config.json` (or `config.json`) released with weights.

        A warning names unknown keys, so that a misspelt key is not silently replaced by
        a default, as it is in the original's `from_dict` (modeling.py:82-87).

        Raises:
            InputError: The file is missing or not JSON, or a size is missing or
                impossible.
        """
        return cls.from_dict(files.read_json(path), source=path)

    @classmethod
    def from_dict(cls, values: files.JsonDict, source: Path) -> "EncoderConfig":
        """Builds a config from `values`, which were read from `source`."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known - _HARMLESS_KEYS):
            logging.getLogger(__name__).warning(
                "%s: unknown keys ignored: %s", source, ", ".join(unknown)
            )
        try:
            return cls(**{key: values[key] for key in known & set(values)})
        except TypeError:
            raise InputError.at(source, None, "vocab_size is missing") from None
        except InputError as error:
            raise InputError.at(source, None, str(error)) from None


HIDDEN_ACTIVATIONS = ("gelu", "gelu_new", "relu", "tanh", "linear")
# Keys of Google's and Hugging Face's BERT files that this network does not use.
_HARMLESS_KEYS = frozenset(
    """
    directionality pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers
    pooler_size_per_head pooler_type architectures classifier_dropout
    gradient_checkpointing id2label label2id layer_norm_eps model_type pad_token_id
    position_embedding_type torch_dtype dtype transformers_version use_cache
    _name_or_path is_decoder add_cross_attention bos_token_id eos_token_id
    tie_word_embeddings problem_type
    """.split()  # noqa: SIM905  Twenty quoted words read worse.
)
