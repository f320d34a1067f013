# SPDX-License-Identifier: Apache-2.0
"""Stores many tokenized documents compactly, as token ids in three flat arrays."""

import array
import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.text.tokenization import FullTokenizer

_SPECIAL: Final = frozenset({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})


@dataclasses.dataclass(frozen=True, slots=True)
class TokenizedDocuments:
    """Token ids of documents.

    Every document has at least one sentence, and every sentence at least one token.

    Attributes:
        token_ids: `[tokens]`, uint16 if that can hold every id, else uint32.
        sentence_starts: int64 `[sentences + 1]`, where each sentence begins in
            `token_ids`; the last entry is the number of tokens.
        document_starts: int64 `[documents + 1]`, the number of each document's first
            sentence; the last entry is the number of sentences.
    """

    token_ids: np.ndarray
    sentence_starts: np.ndarray
    document_starts: np.ndarray

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return len(self.document_starts) - 1

    @property
    def num_sentences(self) -> int:
        """Number of sentences."""
        return len(self.sentence_starts) - 1

    @property
    def num_tokens(self) -> int:
        """Number of tokens."""
        return len(self.token_ids)

    @classmethod
    def concatenated(
        cls, parts: Sequence["TokenizedDocuments"]
    ) -> "TokenizedDocuments":
        """Returns the documents of all `parts`, in order; needs at least one part."""
        return cls(
            np.concatenate([part.token_ids for part in parts]),
            _joined([part.sentence_starts for part in parts]),
            _joined([part.document_starts for part in parts]),
        )

    def take(self, indices: np.ndarray) -> "TokenizedDocuments":
        """Returns the documents at `indices`, int `[n]`, in that order."""
        sentences, document_starts = _gathered(self.document_starts, indices)
        tokens, sentence_starts = _gathered(self.sentence_starts, sentences)
        return TokenizedDocuments(
            self.token_ids[tokens], sentence_starts, document_starts
        )


class PieceTable(NamedTuple):
    """The ids of `[CLS]`, `[SEP]` and `[MASK]`, and what else masking needs.

    Attributes:
        replacement_ids: int32 `[n]`, the ids that may replace a piece at random: no
            special token, no `[unusedN]`, no blank line of the vocabulary.
        is_continuation: bool `[vocabulary]`, true for pieces that begin with `##`.
    """

    cls_id: int
    sep_id: int
    mask_id: int
    replacement_ids: np.ndarray
    is_continuation: np.ndarray

    @classmethod
    def of(cls, vocab: Mapping[str, int]) -> "PieceTable":
        """Returns the table of a vocabulary, a mapping from tokens to ids.

        Raises:
            InputError: The vocabulary lacks `[CLS]`, `[SEP]` or `[MASK]`, or has
                nothing else.
        """
        for token in ("[CLS]", "[SEP]", "[MASK]"):
            if token not in vocab:
                raise InputError(
                    f"the vocabulary lacks {token}; give a BERT vocabulary"
                )
        ordinary = [
            id_
            for token, id_ in vocab.items()
            if token not in _SPECIAL and not re.fullmatch(r"(\[unused\d+\])?", token)
        ]
        if not ordinary:
            raise InputError(
                "the vocabulary has special tokens only; give a BERT vocabulary"
            )
        is_continuation = np.zeros(max(vocab.values()) + 1, np.bool_)
        is_continuation[[i for t, i in vocab.items() if t.startswith("##")]] = True
        return cls(
            vocab["[CLS]"],
            vocab["[SEP]"],
            vocab["[MASK]"],
            np.array(ordinary, np.int32),
            is_continuation,
        )


def tokenize(
    documents: Iterable[Iterable[str]], tokenizer: FullTokenizer
) -> TokenizedDocuments:
    """Returns the token ids of documents, each given as its sentences.

    Sentences without pieces are dropped, and documents without sentences.
    """
    dtype = _dtype_of(tokenizer)
    token_ids = array.array(dtype.char)
    sentence_starts, document_starts = array.array("q", [0]), array.array("q", [0])
    for sentences in documents:
        for ids in map(tokenizer.ids, sentences):
            if ids:
                token_ids.fromlist(ids)
                sentence_starts.append(len(token_ids))
        num_sentences = len(sentence_starts) - 1
        if num_sentences > document_starts[-1]:
            document_starts.append(num_sentences)
    return TokenizedDocuments(
        np.array(token_ids, dtype),
        np.array(sentence_starts, np.int64),
        np.array(document_starts, np.int64),
    )


@functools.lru_cache(maxsize=1)
def _dtype_of(tokenizer: FullTokenizer) -> np.dtype:
    """Returns uint16 if it can hold every id of the vocabulary, else uint32."""
    is_small = max(tokenizer.vocab.values()) < 2**16
    return np.dtype(np.uint16 if is_small else np.uint32)


def _starts_of(lengths: np.ndarray | Sequence[int]) -> np.ndarray:
    """Returns where groups of these lengths begin, and the end: int64 `[n + 1]`."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _joined(starts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the starts array of concatenated parts from the parts' arrays."""
    return _starts_of(np.concatenate([np.diff(part) for part in starts]))


def _gathered(starts: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the members of chosen groups, and where each group begins among them.

    The members of group g are `starts[g], ..., starts[g + 1] - 1`.
    """
    firsts = starts[indices]
    lengths = starts[np.add(indices, 1)] - firsts
    new_starts = _starts_of(lengths)
    shifts = np.repeat(firsts - new_starts[:-1], lengths)
    return shifts + np.arange(new_starts[-1]), new_starts
