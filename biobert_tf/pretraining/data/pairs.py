# SPDX-License-Identifier: Apache-2.0
"""Cuts documents into sentence pairs; each pair is two slices of the token ids.

The pairs are those of create_instances_from_document
(create_pretraining_data.py:219-331) in distribution, not draw by draw. Documents are
cut in lock-step: one step of `make_pairs` gives the next pair of every document
that is not used up, in every pass over it. As in the original, a run of sentences
that becomes a pair is called a chunk.
"""

from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.pretraining.data.documents import TokenizedDocuments

# [CLS], and [SEP] after A and after B.
_NUM_SPECIAL: Final = 3


class Pairs(NamedTuple):
    """Sentence pairs of a first part A and a second part B; all fields are `[pairs]`.

    Starts and ends (exclusive) are int64 places in the token ids; `is_random_next`,
    bool, says whether B was drawn from another document.
    """

    a_starts: np.ndarray
    a_ends: np.ndarray
    b_starts: np.ndarray
    b_ends: np.ndarray
    is_random_next: np.ndarray

    @property
    def num_pairs(self) -> int:
        """Number of pairs (`len` is the number of fields)."""
        return len(self.is_random_next)

    def take(self, chosen: slice | np.ndarray) -> "Pairs":
        """Returns some of the pairs; `chosen` indexes them like an array."""
        return Pairs(*(field[chosen] for field in self))

    def shuffled(self, rng: np.random.Generator) -> "Pairs":
        """Returns the pairs in random order."""
        return self.take(rng.permutation(self.num_pairs))


class _Cuts(NamedTuple):
    """Documents that are being cut; all fields are int64 `[documents]`."""

    documents: np.ndarray
    positions: np.ndarray  # the first unused sentence
    ends: np.ndarray  # the end of the document's sentences, exclusive
    targets: np.ndarray  # the number of tokens that a chunk should reach

    def take(self, chosen: np.ndarray) -> "_Cuts":
        return _Cuts(*(field[chosen] for field in self))


def make_pairs(
    documents: TokenizedDocuments,
    num_own: int,
    *,
    max_seq_length: int,
    short_seq_prob: float,
    dupe_factor: int,
    rng: np.random.Generator,
) -> Pairs:
    """Cuts documents into sentence pairs.

    In half of the cases B follows A; otherwise B begins at a random sentence of a
    random other document. If there is only one document, B is drawn from that, as in
    the original.

    Args:
        documents: The documents to cut, then documents only to draw B from.
        num_own: Number of documents to cut, the first ones.
        max_seq_length: Most tokens of a pair, with `[CLS]` and two `[SEP]`.
        short_seq_prob: Share of documents cut into pairs of a random, shorter length.
        dupe_factor: Number of passes over the documents; each cuts them anew.
        rng: Source of all draws.

    Returns:
        The pairs in the order of the steps; the caller must shuffle them.

    Raises:
        InputError: `max_seq_length` leaves no room for two tokens.
    """
    room = max_num_tokens(max_seq_length)
    own = np.tile(np.arange(num_own), dupe_factor)
    targets = np.full(len(own), room)
    is_short = rng.random(len(own)) < short_seq_prob
    targets[is_short] = rng.integers(2, room + 1, is_short.sum())
    firsts, ends = documents.document_starts[own], documents.document_starts[own + 1]
    cuts = _Cuts(own, firsts, ends, targets)
    nothing = np.zeros(0, np.int64)
    steps = [Pairs(nothing, nothing, nothing, nothing, np.zeros(0, np.bool_))]
    while len(cuts.documents):
        pairs, positions = _next_pairs(documents, cuts, rng)
        steps.append(_truncated(pairs, room, rng))
        cuts = cuts._replace(positions=positions).take(positions < cuts.ends)
    return Pairs(*map(np.concatenate, zip(*steps, strict=True)))


def max_num_tokens(max_seq_length: int) -> int:
    """Returns the most tokens that A and B may have together.

    Raises:
        InputError: There is no room for two.
    """
    if max_seq_length < _NUM_SPECIAL + 2:
        raise InputError(
            f"--max_seq_length={max_seq_length}: must be at least 5: [CLS], a piece, "
            "[SEP], a piece, [SEP]"
        )
    return max_seq_length - _NUM_SPECIAL


def _next_pairs(
    documents: TokenizedDocuments, cuts: _Cuts, rng: np.random.Generator
) -> tuple[Pairs, np.ndarray]:
    """Returns each document's next pair, and the sentence where its next one begins."""
    offsets = documents.sentence_starts
    ends = reaching(offsets, cuts.positions, cuts.targets, cuts.ends)
    num_sentences = ends - cuts.positions
    a_ends = cuts.positions + rng.integers(1, np.maximum(num_sentences, 2))
    is_random_next = (num_sentences == 1) | (rng.random(len(ends)) < 0.5)

    b_firsts, b_ends = a_ends.copy(), ends.copy()
    num_left = cuts.targets - (offsets[a_ends] - offsets[cuts.positions])
    b_firsts[is_random_next], b_ends[is_random_next] = _random_sentences(
        documents, cuts.documents[is_random_next], num_left[is_random_next], rng
    )
    sentences = (cuts.positions, a_ends, b_firsts, b_ends)
    pairs = Pairs._make([*(offsets[each] for each in sentences), is_random_next])
    # Sentences of a chunk that are not used as B are used later.
    return pairs, np.where(is_random_next, a_ends, ends)


def _random_sentences(
    documents: TokenizedDocuments,
    unwanted: np.ndarray,
    num_tokens: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first sentences and the ends of runs from other documents.

    A run has `num_tokens`, `[n]` like `unwanted`, or fewer if its document ends.
    """
    if documents.num_documents == 1:
        chosen = unwanted
    else:
        chosen = rng.integers(0, documents.num_documents - 1, len(unwanted))
        chosen += chosen >= unwanted
    document_ends = documents.document_starts[chosen + 1]
    firsts = rng.integers(documents.document_starts[chosen], document_ends)
    ends = reaching(documents.sentence_starts, firsts, num_tokens, document_ends)
    return firsts, ends


def reaching(
    offsets: np.ndarray,
    firsts: np.ndarray | int,
    num_tokens: np.ndarray | int,
    ends: np.ndarray | int,
) -> np.ndarray:
    """Returns the ends of the shortest runs of sentences that have enough tokens.

    A run has at least one sentence, even if no token is wanted, and does not extend
    beyond `ends`.
    """
    wanted = offsets[firsts] + np.maximum(num_tokens, 1)
    return np.minimum(np.searchsorted(offsets, wanted), ends)


def _truncated(pairs: Pairs, room: int, rng: np.random.Generator) -> Pairs:
    """Shortens pairs to `room` tokens (create_pretraining_data.py:391-406).

    The original takes one token at a time from the longer part, from B if they are
    equal, and from its front or its back with equal chances.
    """
    a_lengths = pairs.a_ends - pairs.a_starts
    b_lengths = pairs.b_ends - pairs.b_starts
    excess = np.maximum(a_lengths + b_lengths - room, 0)
    # First the longer part loses its surplus, then both lose in turn, B first.
    levelling = np.minimum(excess, np.abs(a_lengths - b_lengths))
    in_turn = excess - levelling
    is_a_longer = a_lengths > b_lengths
    a_losses = in_turn // 2 + np.where(is_a_longer, levelling, 0)
    b_losses = excess - a_losses
    a_starts, a_ends = _cropped(pairs.a_starts, pairs.a_ends, a_losses, rng)
    b_starts, b_ends = _cropped(pairs.b_starts, pairs.b_ends, b_losses, rng)
    return Pairs(a_starts, a_ends, b_starts, b_ends, pairs.is_random_next)


def _cropped(
    starts: np.ndarray, ends: np.ndarray, losses: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Removes tokens from slices, each from the front or the back at random."""
    from_front = rng.binomial(losses, 0.5)
    return starts + from_front, ends - (losses - from_front)
