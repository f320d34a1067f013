# SPDX-License-Identifier: Apache-2.0
"""Reproduces the create_pretraining_data.py of dmis-lab and google, draw by draw.

The same text, flags and seed give the same records in the same files. The corpus and
all instances are in memory, as in the original, but as token ids. Line numbers refer to
the older script, dmis-lab's; google-research/bert adds whole-word masking.
"""

import contextlib
import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common import files, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.pretraining.data import shards
from biobert_tf.pretraining.data.documents import (
    PieceTable,
    TokenizedDocuments,
    tokenize,
)
from biobert_tf.pretraining.data.pairs import max_num_tokens, reaching
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.text.tokenization import FullTokenizer

_INSTANCES_PER_BATCH: Final = 2048


class Instance(NamedTuple):
    """A masked sentence pair; the arrays are int32 and of any length.

    B begins at position `b_start`. The positions to predict ascend; `masked_lm_ids` are
    the original ids there.
    """

    input_ids: np.ndarray
    b_start: int
    masked_lm_positions: np.ndarray
    masked_lm_ids: np.ndarray
    is_random_next: bool


def read_documents(
    paths: Sequence[Path], tokenizer: FullTokenizer
) -> TokenizedDocuments:
    r"""Reads text files as the original does, without cleaning the text.

    A line, which only `\n` ends, is a sentence; a blank line ends a document. A `\r`
    is dropped wherever it is.

    Raises:
        InputError: A file cannot be read or is not UTF-8, or no file has any text.
    """
    documents = tokenize(_documents(paths), tokenizer)
    if not documents.num_documents:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names}: no text; give one sentence per line")
    return documents


def _documents(paths: Sequence[Path]) -> Iterator[list[str]]:
    sentences: list[str] = []
    for path in paths:
        with streams.reading(path) as stream:
            for number, line in stream.lines():
                streams.require_utf8(path, number, line)
                # PARITY(create_pretraining_data.py:190): so TensorFlow's readline does.
                if sentence := line.replace("\r", "").strip():
                    sentences.append(sentence)
                else:
                    yield sentences
                    sentences = []
    # PARITY(create_pretraining_data.py:187-200): the end of a file ends no document.
    yield sentences


def convert(
    documents: TokenizedDocuments,
    vocab: Mapping[str, int],
    text: TextConfig,
    pairs: PairConfig,
    output_files: Sequence[Path],
) -> list[shards.ShardCounts]:
    """Writes the original's records of a corpus, one to each file in turn.

    The files appear at the end, all or none.

    Returns:
        The counts of each file.

    Raises:
        InputError: A file cannot be written, the vocabulary lacks `[MASK]`, or
            sequences are too short for two tokens.
    """
    instances = make_instances(documents, vocab, text, pairs)
    counts = []
    with contextlib.ExitStack() as stack:
        temporaries = [stack.enter_context(files.replacing(p)) for p in output_files]
        for number, temporary in enumerate(temporaries):
            share = instances[number :: len(output_files)]
            batches = (
                _features(share[start : start + _INSTANCES_PER_BATCH], text, pairs)
                for start in range(0, len(share), _INSTANCES_PER_BATCH)
            )
            with temporary.open("wb") as stream:
                counts.append(shards.write(stream, batches))
    return counts


def make_instances(
    documents: TokenizedDocuments,
    vocab: Mapping[str, int],
    text: TextConfig,
    pairs: PairConfig,
) -> list[Instance]:
    """Returns the original's instances of a corpus, in its order (line 175).

    Documents and vocabulary must be in the order of their files.

    Raises:
        InputError: The vocabulary lacks `[MASK]`, or sequences are too short.
    """
    rng = random.Random(pairs.random_seed)
    order = list(range(documents.num_documents))
    rng.shuffle(order)
    original = _Original(
        documents=documents.take(np.array(order, np.int64)),
        pieces=PieceTable.of(vocab),
        vocab_ids=list(vocab.values()),
        max_num_tokens=max_num_tokens(text.max_seq_length),
        settings=pairs,
        rng=rng,
    )
    instances = [
        instance
        for _ in range(pairs.dupe_factor)
        for document in range(len(order))
        for instance in original.instances(document)
    ]
    rng.shuffle(instances)
    return instances


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Original:
    """The functions of the original, with its order of draws."""

    documents: TokenizedDocuments
    pieces: PieceTable
    vocab_ids: list[int]
    max_num_tokens: int
    settings: PairConfig
    rng: random.Random

    def instances(self, document: int) -> Iterator[Instance]:
        """Yields the instances of one pass over a document (line 219)."""
        target_length = self.max_num_tokens
        if self.rng.random() < self.settings.short_seq_prob:
            target_length = self.rng.randint(2, self.max_num_tokens)
        starts = self.documents.sentence_starts
        first, end = self.documents.document_starts[document : document + 2].tolist()
        while first < end:
            # A chunk: the sentences from `first` to `last`, exclusive.
            last = int(reaching(starts, first, target_length, end))
            num_sentences = last - first
            a_end = first + 1
            if num_sentences > 1:
                a_end = first + self.rng.randint(1, num_sentences - 1)
            tokens_a = self._tokens(first, a_end)
            is_random_next = num_sentences == 1 or self.rng.random() < 0.5
            if is_random_next:
                tokens_b = self._random_next(document, target_length - len(tokens_a))
            else:
                tokens_b = self._tokens(a_end, last)
            self._truncate(tokens_a, tokens_b)
            yield self._masked(tokens_a, tokens_b, is_random_next)
            # The unused sentences of the chunk are used later.
            first = a_end if is_random_next else last

    def _tokens(self, first: int, end: int) -> list[int]:
        start, stop = self.documents.sentence_starts[[first, end]]
        return self.documents.token_ids[start:stop].tolist()

    def _random_next(self, unwanted: int, num_tokens: int) -> list[int]:
        """Returns sentences of a random document (line 269)."""
        # PARITY(create_pretraining_data.py:275): after ten tries, the same document.
        for _ in range(10):
            chosen = self.rng.randint(0, self.documents.num_documents - 1)
            if chosen != unwanted:
                break
        first, end = self.documents.document_starts[chosen : chosen + 2].tolist()
        first = self.rng.randint(first, end - 1)
        starts = self.documents.sentence_starts
        return self._tokens(first, int(reaching(starts, first, num_tokens, end)))

    def _truncate(self, tokens_a: list[int], tokens_b: list[int]) -> None:
        """Shortens the longer part, B if both are equal, until both fit (line 391)."""
        while len(tokens_a) + len(tokens_b) > self.max_num_tokens:
            longer = tokens_a if len(tokens_a) > len(tokens_b) else tokens_b
            del longer[0 if self.rng.random() < 0.5 else -1]

    def _masked(
        self, tokens_a: list[int], tokens_b: list[int], is_random_next: bool
    ) -> Instance:
        """Returns the instance of a pair (line 338)."""
        sep = [self.pieces.sep_id]
        ids = [self.pieces.cls_id, *tokens_a, *sep, *tokens_b, *sep]
        b_start = len(tokens_a) + 2
        candidates = self._candidates(ids, b_start)
        self.rng.shuffle(candidates)
        # PARITY(create_pretraining_data.py:353): half-way cases go to the even number.
        num_wanted = min(
            self.settings.max_predictions_per_seq,
            max(1, round(len(ids) * self.settings.masked_lm_prob)),
        )
        masked = ids.copy()
        positions: list[int] = []
        for word in candidates:
            if len(positions) + len(word) <= num_wanted:
                positions += word
                for position in word:
                    masked[position] = self._replacement(ids[position])
        positions.sort()
        return Instance(
            np.array(masked, np.int32),
            b_start,
            np.array(positions, np.int32),
            np.array(ids, np.int32)[positions],
            is_random_next,
        )

    def _candidates(self, ids: list[int], b_start: int) -> list[list[int]]:
        """Returns the positions of each word; without word masking, of each piece."""
        words: list[list[int]] = []
        for position, id_ in enumerate(ids[:-1]):
            if position in (0, b_start - 1):
                continue
            # PARITY(create_pretraining_data.py:359-361): in google-research/bert, a
            # piece that continues a word and begins B belongs to the last word of A.
            continues = self.settings.do_whole_word_mask and words
            if continues and self.pieces.is_continuation[id_]:
                words[-1].append(position)
            else:
                words.append([position])
        return words

    def _replacement(self, id_: int) -> int:
        # PARITY(create_pretraining_data.py:388-403): in google-research/bert, each
        # piece of a word draws anew.
        if self.rng.random() < 0.8:
            return self.pieces.mask_id
        if self.rng.random() < 0.5:
            return id_
        # PARITY(create_pretraining_data.py:374): also [PAD], [unused1] and the like.
        return self.vocab_ids[self.rng.randint(0, len(self.vocab_ids) - 1)]


def _features(
    instances: Sequence[Instance], text: TextConfig, pairs: PairConfig
) -> dict[str, np.ndarray]:
    """Returns the features of instances, padded with zeros (line 102)."""
    ids, b_starts, positions, labels, is_random = zip(*instances, strict=True)
    columns = np.arange(text.max_seq_length)
    slots = np.arange(pairs.max_predictions_per_seq)
    input_mask = columns < np.array([*map(len, ids)])[:, None]
    weights = slots < np.array([*map(len, labels)])[:, None]
    segment_ids = input_mask & (columns >= np.array(b_starts)[:, None])
    return {
        "input_ids": _padded(ids, input_mask),
        "input_mask": input_mask.astype(np.int32),
        "segment_ids": segment_ids.astype(np.int32),
        "masked_lm_positions": _padded(positions, weights),
        "masked_lm_ids": _padded(labels, weights),
        "masked_lm_weights": weights.astype(np.float32),
        "next_sentence_labels": np.array(is_random, np.int32)[:, None],
    }


def _padded(rows: Sequence[np.ndarray], is_used: np.ndarray) -> np.ndarray:
    values = np.zeros(is_used.shape, np.int32)
    values[is_used] = np.concatenate(rows)
    return values
