# SPDX-License-Identifier: Apache-2.0
"""Stores token ids on disk between the two passes of a conversion.

A part is a directory of four arrays: documents sorted by their keys. A key is a hash of
62 bits, so documents in the order of their keys are shuffled, and any range of keys is
a random sample of the corpus that can be read without reading the rest. What is read
depends on the keys alone, not on how documents were distributed over parts.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.pretraining.data.documents import DocumentsBuilder, TokenizedDocuments
from biobert_tf.text.tokenization import FullTokenizer

NUM_KEYS: Final = 2**62
"""Keys are in `[0, NUM_KEYS)`; int64 holds the end of the range too."""

_TOKENS_PER_PART: Final = 2**22


def key_of(seed: int, file_number: int, document_id: str) -> int:
    """Returns the key of a document: a hash of the document's origin.

    Args:
        seed: Random seed; another seed gives another order of documents.
        file_number: Number of the file among the inputs of the conversion.
        document_id: Identifier of the document, unique in its file.
    """
    origin = f"{seed} {file_number} {document_id}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(origin, digest_size=8).digest()
    return int.from_bytes(digest, "little") % NUM_KEYS


class _Keyed(NamedTuple):
    keys: np.ndarray
    documents: TokenizedDocuments


class SpoolWriter:
    """Writes documents to the parts of one directory.

    Memory stays constant: collected documents are written whenever they fill a part.
    """

    def __init__(
        self,
        directory: Path,
        tokenizer: FullTokenizer,
        tokens_per_part: int = _TOKENS_PER_PART,
    ) -> None:
        """Starts without documents.

        Args:
            directory: An existing directory, in which each part is a directory.
            tokenizer: The tokenizer that cuts sentences into pieces.
            tokens_per_part: Number of tokens after which a part is full.
        """
        self._directory = directory
        self._builder = DocumentsBuilder(tokenizer)
        self._tokens_per_part = tokens_per_part
        self._keys: list[int] = []
        self._num_parts = 0
        self.num_documents = 0
        self.num_sentences = 0
        self.num_tokens = 0

    def add(self, key: int, sentences: Iterable[str]) -> None:
        """Adds a document; drops it if its sentences have no pieces."""
        if self._builder.add(sentences):
            self._keys.append(key)
        if self._builder.num_tokens >= self._tokens_per_part:
            self.flush()

    def flush(self) -> None:
        """Writes the documents that are still in memory."""
        if not self._keys:
            return
        keys = np.array(self._keys, np.int64)
        documents = self._builder.build()
        self.num_documents += documents.num_documents
        self.num_sentences += documents.num_sentences
        self.num_tokens += documents.num_tokens
        # Stable: documents that share a key keep their order.
        order = np.argsort(keys, kind="stable")
        save(
            self._directory / f"part-{self._num_parts:05d}",
            keys[order],
            documents.take(order),
        )
        self._keys = []
        self._num_parts += 1


def save(part: Path, keys: np.ndarray, documents: TokenizedDocuments) -> None:
    """Writes documents and their keys as a new part, which `read` reads.

    Args:
        part: The directory to create.
        keys: int64 `[documents]`, ascending.
        documents: The documents, in the order of their keys.
    """
    part.mkdir()
    np.save(part / "keys.npy", keys)
    np.save(part / "document_starts.npy", documents.document_starts)
    np.save(part / "sentence_starts.npy", documents.sentence_starts)
    np.save(part / "token_ids.npy", documents.token_ids)


def find_parts(directory: Path) -> list[Path]:
    """Returns the parts that a `SpoolWriter` wrote to `directory`, in order."""
    return sorted(directory.glob("part-*"))


def read(
    parts: Sequence[Path], ranges: Sequence[tuple[int, int]]
) -> list[TokenizedDocuments]:
    """Returns the documents of some ranges of keys.

    Args:
        parts: At least one part. Documents that share a key are in the order of their
            parts.
        ranges: First key and end (exclusive) of each range, in `[0, NUM_KEYS]`.

    Returns:
        The documents of each range, in the order of their keys.
    """
    found = [_read_part(part, ranges) for part in parts]
    return [_in_order(same_range) for same_range in zip(*found, strict=True)]


def _read_part(part: Path, ranges: Sequence[tuple[int, int]]) -> list[_Keyed]:
    # Memory-mapped, not read: a range is a small share of a part.
    keys, document_starts, sentence_starts, token_ids = (
        np.load(part / f"{name}.npy", mmap_mode="r")
        for name in ("keys", "document_starts", "sentence_starts", "token_ids")
    )
    found = []
    for first, last in np.searchsorted(keys, ranges):
        documents = document_starts[first : last + 1]
        sentences = sentence_starts[documents[0] : documents[-1] + 1]
        found.append(
            _Keyed(
                keys[first:last],
                TokenizedDocuments(
                    token_ids[sentences[0] : sentences[-1]],
                    sentences - sentences[0],
                    documents - documents[0],
                ),
            )
        )
    return found


def _in_order(parts: Sequence[_Keyed]) -> TokenizedDocuments:
    keys = np.concatenate([part.keys for part in parts])
    documents = TokenizedDocuments.concatenated([part.documents for part in parts])
    return documents.take(np.argsort(keys, kind="stable"))
