# SPDX-License-Identifier: Apache-2.0
"""Makes the records of a shard from its documents, identically wherever it runs.

All randomness comes from the seed and the number of the shard, so a shard has the same
bytes whether one process, several, or a cluster writes it.
"""

import dataclasses
from collections.abc import Iterable
from typing import BinaryIO, Final

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.pretraining.data import masking, tf_examples
from biobert_tf.pretraining.data.documents import PieceTable, TokenizedDocuments
from biobert_tf.pretraining.data.pairs import make_pairs, max_num_tokens
from biobert_tf.pretraining.data.settings import PairConfig

# Pairs whose features are in memory at once: a few MB at length 512.
_PAIRS_PER_BATCH: Final = 2048


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardCounts:
    """Counts of a shard; pieces are counted without padding.

    With dynamic masking `num_masked`, the number of pieces to predict, is 0.
    """

    num_records: int = 0
    num_random_next: int = 0
    num_masked: int = 0
    num_tokens: int = 0

    @classmethod
    def of(cls, features: masking.Features) -> "ShardCounts":
        """Returns the counts of records with these features."""
        weights = features.get("masked_lm_weights", np.zeros(0))
        return cls(
            num_records=len(features["input_ids"]),
            num_random_next=int(features["next_sentence_labels"].sum()),
            num_masked=int(weights.sum()),
            num_tokens=int(features["input_mask"].sum()),
        )

    def __add__(self, other: "ShardCounts") -> "ShardCounts":
        """Returns the sums of both counts."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return ShardCounts(**{name: mine[name] + theirs[name] for name in mine})


def check(text: TextConfig, pairs: PairConfig) -> None:
    """Checks the lengths of a record.

    Raises:
        InputError: Two pieces do not fit into `max_seq_length`, or more predictions
            are wanted than a sequence has pieces.
    """
    max_num_tokens(text.max_seq_length)
    if pairs.max_predictions_per_seq > text.max_seq_length:
        raise InputError(
            f"--max_predictions_per_seq={pairs.max_predictions_per_seq}: a sequence "
            f"has only --max_seq_length={text.max_seq_length} pieces"
        )


def build_shard(
    documents: TokenizedDocuments,
    num_own: int,
    shard: int,
    text: TextConfig,
    pairs: PairConfig,
    pieces: PieceTable,
    stream: BinaryIO,
) -> ShardCounts:
    """Writes the records of a shard, in random order, as a TFRecord stream.

    The first `num_own` documents are those of the shard; random next sentences come
    from the others too. All draws depend on the number of the shard and the seed.
    """
    if not num_own:
        return ShardCounts()
    cutting, order, masks = (
        np.random.default_rng([pairs.random_seed, shard, purpose])
        for purpose in range(3)
    )
    rule = masking.MaskingRule(pieces=pieces, pairs=pairs)
    length = text.max_seq_length
    drawn = make_pairs(
        documents,
        num_own,
        max_seq_length=length,
        short_seq_prob=pairs.short_seq_prob,
        # One pass is stored; every epoch of the training masks it anew.
        dupe_factor=pairs.dupe_factor if pairs.masking == "static" else 1,
        rng=cutting,
    ).shuffled(order)

    def features(start: int) -> masking.Features:
        batch = drawn.take(slice(start, start + _PAIRS_PER_BATCH))
        if pairs.masking == "dynamic":
            return masking.unmasked_features(
                documents, batch, pieces, max_seq_length=length
            )
        return masking.static_features(
            documents, batch, rule, max_seq_length=length, rng=masks
        )

    return write(stream, map(features, range(0, drawn.num_pairs, _PAIRS_PER_BATCH)))


def write(stream: BinaryIO, batches: Iterable[masking.Features]) -> ShardCounts:
    """Writes batches of features as records of a TFRecord stream; counts them."""
    counts = ShardCounts()
    for features in batches:
        tf_examples.write_records(stream, tf_examples.serialize(features))
        counts += ShardCounts.of(features)
    return counts
