# SPDX-License-Identifier: Apache-2.0
"""Counts the matrix products of a step from the sizes of the model."""

from collections.abc import Sequence

from biobert_tf.model.config import EncoderConfig


def model_flops(
    config: EncoderConfig,
    lengths: Sequence[int],
    scores: Sequence[int],
    block_passes: int = 3,
    head_passes: int = 3,
) -> int:
    """Returns the FLOPs of a step that no padding can change.

    Counted are the matrix products of the model (a multiplication and an addition are
    two): per piece those of all dense layers, per text of n pieces the n^2 products of
    attention. Embeddings, softmax, normalisation, dropout and the optimizer count
    nothing.

    Args:
        config: The sizes of the encoder.
        lengths: The real pieces of every text.
        scores: The products of the head, as multiplications.
        block_passes: How often the blocks are computed: forward once, and backward,
            which is twice as much.
        head_passes: How often the head is.
    """
    size, inner = config.hidden_size, config.intermediate_size
    pieces = sum(lengths)
    pairs = sum(length**2 for length in lengths)
    block = pieces * (4 * size**2 + 2 * size * inner) + 2 * pairs * size
    blocks = block_passes * config.num_hidden_layers * block
    return 2 * (blocks + head_passes * sum(scores))


def pretraining_scores(
    config: EncoderConfig, num_texts: int, num_masked: int
) -> list[int]:
    """Returns the products of pre-training: pooler, pairs, transform, vocabulary."""
    size = config.hidden_size
    return [
        num_texts * size * (size + 2),
        num_masked * size * (size + config.vocab_size),
    ]
