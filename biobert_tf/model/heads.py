# SPDX-License-Identifier: Apache-2.0
"""The heads on the encoder: one small model per task.

Variables have the names of the TF1 checkpoints (`output_weights`,
`cls/predictions/output_bias`, ...), so that conversion only maps names.

Shape suffixes:
    B batch   L sequence length   D hidden size   K labels   P masked positions
    V vocabulary
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import tf_keras

from biobert_tf.model import encoder as encoders
from biobert_tf.model.config import EncoderConfig

Batch = Mapping[str, tf.Tensor]


class Model(tf_keras.Model):
    """An encoder with a head, which a subclass adds.

    Attributes:
        encoder: The BERT encoder.
        has_pooler: Whether the head reads `pooled_output`. If it does not, the pooler
            gets no gradient and must be neither updated nor decayed.
    """

    has_pooler = True

    def __init__(self, config: EncoderConfig, seed: int) -> None:
        """Builds the encoder; a subclass adds its head.

        Args:
            config: Sizes of the encoder.
            seed: Random seed of all weights.
        """
        super().__init__()
        self.config = config
        self.encoder = encoders.build_encoder(config, seed)
        self.encoder.pooler_layer.trainable = self.has_pooler
        self._seed = seed

    def _draw(self, stream: int) -> Callable[..., tf.Tensor]:
        """Returns an initializer of random weights; `stream` is 0 or 1."""

        def draw(shape: Sequence[int], dtype: tf.DType) -> tf.Tensor:
            weights = encoders.random_weights(self.config, shape, self._seed, stream)
            return tf.cast(weights, dtype)

        return draw

    def _weights(self, name: str, num_rows: int) -> tf.Variable:
        """Returns a new `[num_rows, hidden]` projection, truncated normal."""
        return self.add_weight(
            name=name,
            shape=(num_rows, self.config.hidden_size),
            initializer=self._draw(stream=0),
        )

    def _bias(self, name: str, size: int) -> tf.Variable:
        """Returns a new `[size]` bias of zeros."""
        return self.add_weight(name=name, shape=(size,), initializer="zeros")


class _Linear(Model):
    """A projection `x W^T + b` of the encoder's output, in float32.

    The variables are `<scope>output_weights` `[K, D]` and `<scope>output_bias` `[K]`
    as in run_ner.py:361-367 and run_squad.py:568-573. They are float32 also under mixed
    precision: rounded logits would make the probabilities of predictions inexact.
    """

    scope = ""

    def __init__(
        self, config: EncoderConfig, num_labels: int, seed: int, dropout: float = 0.0
    ) -> None:
        """Builds the head.

        Args:
            config: Sizes of the encoder.
            num_labels: Number of outputs K.
            seed: Random seed of all weights.
            dropout: Dropout probability of the head's input, in training.
        """
        super().__init__(config, seed)
        self.output_weights = self._weights(f"{self.scope}output_weights", num_labels)
        self.output_bias = self._bias(f"{self.scope}output_bias", num_labels)
        self.dropout = tf_keras.layers.Dropout(dropout)
        encoders.make_dropout_stateless(self)

    def _project(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """Maps float `[..., hidden]` to float32 `[..., num_labels]`."""
        x = tf.cast(self.dropout(x, training=training), tf.float32)
        weights = tf.cast(self.output_weights, tf.float32)
        bias = tf.cast(self.output_bias, tf.float32)
        return tf.tensordot(x, weights, axes=[[-1], [1]]) + bias


class TokenClassifier(_Linear):
    """Scores every label for every token; the NER model (run_ner.py:346-385)."""

    has_pooler = False

    def call(self, batch: Batch, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns `logits`, float32 `[batch, length, labels]`."""
        outputs = encoders.encode(self.encoder, batch, training)
        return {"logits": self._project(outputs["sequence_output"], training)}


class SequenceClassifier(_Linear):
    """Scores every class for a text; the RE model (run_re.py:697-739)."""

    def call(self, batch: Batch, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns `logits`, float32 `[batch, classes]`."""
        outputs = encoders.encode(self.encoder, batch, training)
        return {"logits": self._project(outputs["pooled_output"], training)}


class SpanClassifier(_Linear):
    """Scores every token as start and end of an answer (run_squad.py:550-587)."""

    has_pooler = False
    scope = "cls/squad/"

    def __init__(self, config: EncoderConfig, seed: int) -> None:
        """Builds the head; its two outputs are start and end."""
        super().__init__(config, num_labels=2, seed=seed)

    def call(self, batch: Batch, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns `start_logits` and `end_logits`, float32 `[batch, length]`."""
        outputs = encoders.encode(self.encoder, batch, training)
        logits_BL2 = self._project(outputs["sequence_output"], training)
        start_BL, end_BL = tf.unstack(logits_BL2, axis=-1)
        return {"start_logits": start_BL, "end_logits": end_BL}


class PretrainingModel(Model):
    """Masked LM and next sentence prediction (run_pretraining.py:240-321)."""

    def __init__(self, config: EncoderConfig, seed: int) -> None:
        """Builds both heads; the masked LM shares the word embeddings."""
        super().__init__(config, seed)
        self.seq_relationship_weights = self._weights(
            "cls/seq_relationship/output_weights", 2
        )
        self.seq_relationship_bias = self._bias("cls/seq_relationship/output_bias", 2)
        self.transform = tf_keras.layers.Dense(
            config.hidden_size,
            activation=encoders.activation(config.hidden_act),
            kernel_initializer=self._draw(stream=1),
            name="cls/predictions/transform/dense",
        )
        self.layer_norm = tf_keras.layers.LayerNormalization(
            epsilon=1e-12, dtype=tf.float32, name="cls/predictions/transform/LayerNorm"
        )
        # The first call creates the variables; made here, they get exactly these names.
        self.layer_norm(self.transform(tf.zeros([1, 1, config.hidden_size])))
        self.output_bias = self._bias("cls/predictions/output_bias", config.vocab_size)

    def call(self, batch: Batch, training: bool = False) -> dict[str, tf.Tensor]:
        """Scores the masked positions and the sentence pair.

        Args:
            batch: The encoder's inputs and `masked_lm_positions`, int `[batch, P]`.
            training: True applies dropout.

        Returns:
            `masked_lm_logits` float32 `[batch, P, vocabulary]` and
            `next_sentence_logits` float32 `[batch, 2]` (class 1: random pair).
        """
        outputs = encoders.encode(self.encoder, batch, training)
        pooled_BD = tf.cast(outputs["pooled_output"], tf.float32)
        weights = tf.cast(self.seq_relationship_weights, tf.float32)
        bias = tf.cast(self.seq_relationship_bias, tf.float32)
        return {
            "masked_lm_logits": self._masked_lm_logits(
                outputs["sequence_output"], batch["masked_lm_positions"]
            ),
            "next_sentence_logits": tf.matmul(pooled_BD, weights, transpose_b=True)
            + bias,
        }

    def _masked_lm_logits(
        self, sequence_BLD: tf.Tensor, positions_BP: tf.Tensor
    ) -> tf.Tensor:
        """Scores every word piece at the given positions, `[batch, P, vocabulary]`."""
        masked_BPD = tf.gather(sequence_BLD, positions_BP, batch_dims=1)
        masked_BPD = self.layer_norm(self.transform(masked_BPD))
        # The model's largest product, therefore in the precision of the policy.
        dtype = sequence_BLD.dtype
        embeddings_VD = tf.cast(self.encoder.get_embedding_table(), dtype)
        logits_BPV = tf.einsum("bpd,vd->bpv", tf.cast(masked_BPD, dtype), embeddings_VD)
        return tf.cast(logits_BPV, tf.float32) + tf.cast(self.output_bias, tf.float32)
