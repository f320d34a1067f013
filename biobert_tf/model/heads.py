# SPDX-License-Identifier: Apache-2.0
"""The heads on the encoder: one small model per task.

Variables have the names of the TF1 checkpoints (`output_weights`,
`cls/predictions/output_bias`, ...), so that conversion only maps names.

Shape suffixes:
    B batch   L sequence length   D hidden size   K labels   P masked positions
    V vocabulary
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import tensorflow as tf

from biobert_tf.model import encoder as encoders
from biobert_tf.model.config import EncoderConfig, Pooling
from biobert_tf.model.layers import (
    ACTIVATIONS,
    Dense,
    Dropout,
    Initializer,
    LayerNorm,
    no_dropout,
)

Batch = Mapping[str, tf.Tensor]


class Model(tf.Module, abc.ABC):
    """An encoder with a head, which a subclass adds.

    Attributes:
        encoder: The BERT encoder.
        has_pooler: Whether the head reads `pooled_output`. If it does not, the pooler
            gets no gradient and must be neither updated nor decayed.
        recomputes: Whether a training computes activations twice; see `Encoder`.
    """

    has_pooler: bool = True
    # Number of dropout streams of the head; those of the encoder follow.
    _num_dropouts: ClassVar[int] = 0

    def __init__(
        self,
        config: EncoderConfig,
        seed: int | None,
        *,
        dtype: tf.DType = tf.float32,
    ) -> None:
        """Builds the encoder, whose products are in `dtype`; variables are float32.

        Without a seed they are 0, to be given weights; see `layers.Initializer`.
        """
        super().__init__()
        self.config = config
        self.encoder = encoders.Encoder(config, seed, trains_pooler=self.has_pooler)
        self._dtype = dtype
        self.recomputes = False
        # The head's own random streams are 0 and 1.
        self._init = Initializer(config, seed, first_stream=0)

    @abc.abstractmethod
    def __call__(
        self, batch: Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns the head's outputs for the encoder's inputs, see `encoder.inputs`.

        `dropout` is None outside of training.
        """

    def encode(self, batch: Batch, dropout: Dropout | None = None) -> encoders.Encoded:
        """Returns the encoder's outputs for a batch; see `__call__`."""
        if dropout is not None:
            dropout = dataclasses.replace(dropout, first_stream=self._num_dropouts)
        return self.encoder(
            *encoders.inputs(batch),
            dtype=self._dtype,
            dropout=dropout,
            recompute=self.recomputes,
        )


class _Linear(Model):
    """A projection `x W^T + b` of the encoder's output to K `logits`, in float32.

    The variables are `<scope>output_weights` `[K, D]` and `<scope>output_bias` `[K]`
    as in run_ner.py:361-367 and run_squad.py:568-573. The product is float32 also under
    mixed precision: rounded logits would make the probabilities of predictions inexact.
    """

    scope: ClassVar[str] = ""
    _num_dropouts = 1

    def __init__(
        self,
        config: EncoderConfig,
        num_labels: int,
        seed: int | None,
        *,
        dropout: float = 0.0,
        dtype: tf.DType = tf.float32,
    ) -> None:
        """Builds the head; `dropout` is the dropout probability of its input."""
        super().__init__(config, seed, dtype=dtype)
        self.output_weights = self._init.normal(
            f"{self.scope}output_weights", (num_labels, config.hidden_size)
        )
        self.output_bias = self._init.filled(
            f"{self.scope}output_bias", num_labels, 0.0
        )
        self.dropout_rate = dropout

    def _project(self, x: tf.Tensor, dropout: Dropout | None) -> tf.Tensor:
        """Returns logits, float32 `[..., K]` of `[..., D]`."""
        x = (dropout or no_dropout)(x, self.dropout_rate, 0)
        logits = tf.tensordot(x, self.output_weights, axes=[[-1], [1]])
        return logits + self.output_bias


class SequenceClassifier(_Linear):
    """Scores every class for a text; the RE model (run_re.py:697-739).

    With `pooling="mean"` the head reads the mean of the last layer over the tokens of
    the text, `[CLS]` and `[SEP]` too, as sentence-transformers does (Reimers and
    Gurevych 2019, arXiv 1908.10084). It then needs no trained pooler.
    """

    def __init__(
        self,
        config: EncoderConfig,
        num_labels: int,
        seed: int | None,
        *,
        dropout: float = 0.0,
        dtype: tf.DType = tf.float32,
        pooling: Pooling = "cls",
        bias: Sequence[float] = (),
    ) -> None:
        """Builds the head.

        `dropout` is the dropout probability of its input; `bias` are the first biases,
        one per label, by default 0.
        """
        # It is read where the encoder is built.
        self.has_pooler = pooling == "cls"
        super().__init__(config, num_labels, seed, dropout=dropout, dtype=dtype)
        if bias:
            self.output_bias.assign(bias)

    def __call__(
        self, batch: Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns `logits`, float32 `[B, K]`."""
        encoded = self.encode(batch, dropout)
        if self.has_pooler:
            x_BD = encoded.pooled_output
        else:
            x_BD = encoded.rows.means(encoded.sequence_output)
        return {"logits": self._project(x_BD, dropout)}


class TokenClassifier(_Linear):
    """Scores every label for every token; the NER model (run_ner.py:346-385)."""

    has_pooler = False

    def __call__(
        self, batch: Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns `logits`, float32 `[B, L, K]`."""
        encoded = self.encode(batch, dropout)
        logits_RWK = self._project(encoded.sequence_output, dropout)
        return {"logits": encoded.rows.restored(logits_RWK)}


class SpanClassifier(TokenClassifier):
    """Scores every token as start and end of an answer (run_squad.py:550-587)."""

    scope = "cls/squad/"

    def __init__(
        self, config: EncoderConfig, seed: int | None, *, dtype: tf.DType = tf.float32
    ) -> None:
        """Builds the head; its two outputs are start and end."""
        super().__init__(config, num_labels=2, seed=seed, dtype=dtype)

    def __call__(
        self, batch: Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns `start_logits` and `end_logits`, float32 `[batch, length]`."""
        start_BL, end_BL = tf.unstack(
            super().__call__(batch, dropout)["logits"], axis=-1
        )
        return {"start_logits": start_BL, "end_logits": end_BL}


class PretrainingModel(Model):
    """Masked LM and next sentence prediction (run_pretraining.py:240-321)."""

    def __init__(
        self,
        config: EncoderConfig,
        seed: int | None,
        *,
        dtype: tf.DType = tf.float32,
    ) -> None:
        """Builds both heads; the masked LM shares the word embeddings."""
        super().__init__(config, seed, dtype=dtype)
        size = config.hidden_size
        scope = "cls/seq_relationship"
        self._pair_weights = self._init.normal(f"{scope}/output_weights", (2, size))
        scope = "cls/predictions"
        self._transform = Dense(self._init, f"{scope}/transform/dense", size, size)
        self._norm = LayerNorm(self._init, f"{scope}/transform/LayerNorm", size)
        self._output_bias = self._init.filled(
            f"{scope}/output_bias", config.vocab_size, 0.0
        )
        self._pair_bias = self._init.filled("cls/seq_relationship/output_bias", 2, 0.0)

    def __call__(
        self, batch: Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Scores the masked positions and the sentence pair.

        The batch has `masked_lm_positions`, int `[B, P]`, too.

        Returns:
            `masked_lm_logits` float32 `[B, P, V]` and `next_sentence_logits` float32
            `[B, 2]` (class 1: random pair).
        """
        encoded = self.encode(batch, dropout)
        pair_B2 = tf.matmul(encoded.pooled_output, self._pair_weights, transpose_b=True)
        return {
            "masked_lm_logits": self._masked_lm_logits(
                encoded.rows.tokens_at(
                    encoded.sequence_output, batch["masked_lm_positions"]
                )
            ),
            "next_sentence_logits": pair_B2 + self._pair_bias,
        }

    def _masked_lm_logits(self, masked_BPD: tf.Tensor) -> tf.Tensor:
        """Scores every word piece for the given vectors, `[batch, P, vocabulary]`."""
        masked_MD = tf.reshape(masked_BPD, [-1, self.config.hidden_size])
        hidden_MD = ACTIVATIONS[self.config.hidden_act](
            self._transform(tf.cast(masked_MD, self._dtype))
        )
        hidden_MD = self._norm(tf.cast(hidden_MD, tf.float32))
        # The model's largest product, therefore in the type of the encoder's.
        embeddings_VD = tf.cast(self.encoder.word_embeddings, self._dtype)
        logits_MV = tf.matmul(
            tf.cast(hidden_MD, self._dtype), embeddings_VD, transpose_b=True
        )
        logits_MV = tf.cast(logits_MV, tf.float32) + self._output_bias
        shape = tf.concat([tf.shape(masked_BPD)[:2], [self.config.vocab_size]], 0)
        logits_BPV = tf.reshape(logits_MV, shape)
        logits_BPV.set_shape([*masked_BPD.shape[:2], self.config.vocab_size])
        return logits_BPV
