# SPDX-License-Identifier: Apache-2.0
"""Stores token ids on disk between the two passes of a conversion.

A part is a directory of four arrays: documents sorted by their keys. A key is a hash of
62 bits, so documents in the order of their keys are shuffled, and any range of keys is
a random sample of the corpus that can be read without reading the rest. What is read
depends on the keys alone, not on how documents were distributed over parts.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from biobert_tf.common.runs import runs
from biobert_tf.pretraining.data.documents import TokenizedDocuments

NUM_KEYS: Final = 2**62
"""Keys are in `[0, NUM_KEYS)`; int64 holds the end of the range too."""

_TOKENS_PER_PART: Final = 2**22
_ARRAYS: Final = ("document_starts", "sentence_starts", "token_ids")


def key_of(seed: int, file_number: int, document_id: str) -> int:
    """Returns the key of a document: a hash of the document's origin.

    `document_id` must be unique in its file. Another seed gives another order of
    documents.
    """
    origin = f"{seed} {file_number} {document_id}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(origin, digest_size=8).digest()
    return int.from_bytes(digest, "little") % NUM_KEYS


def write(
    directory: Path,
    documents: Iterable[tuple[int, TokenizedDocuments]],
    tokens_per_part: int = _TOKENS_PER_PART,
) -> None:
    """Writes documents, each with its key, as parts: directories in `directory`.

    Memory stays constant: a part is written as soon as it has `tokens_per_part`.
    """
    parts = runs(documents, lambda keyed: keyed[1].num_tokens, tokens_per_part)
    for number, part in enumerate(parts):
        # Stable: documents that share a key keep their order.
        part.sort(key=lambda keyed: keyed[0])
        keys, found = zip(*part, strict=True)
        save(
            directory / f"part-{number:05d}",
            np.array(keys, np.int64),
            TokenizedDocuments.concatenated(found),
        )


def save(part: Path, keys: np.ndarray, documents: TokenizedDocuments) -> None:
    """Writes documents and their keys as a new directory, which `read` reads.

    The keys, int64 `[documents]`, ascend.
    """
    part.mkdir()
    np.save(part / "keys.npy", keys)
    for name in _ARRAYS:
        np.save(part / f"{name}.npy", getattr(documents, name))


def find_parts(directory: Path) -> list[Path]:
    """Returns the parts that `write` wrote to `directory`, in order."""
    return sorted(directory.glob("part-*"))


def read(
    parts: Sequence[Path], ranges: Sequence[tuple[int, int]]
) -> list[TokenizedDocuments]:
    """Returns the documents of each range of keys, in the order of their keys.

    Args:
        parts: At least one part. Documents that share a key are in the order of their
            parts.
        ranges: First key and end (exclusive) of each range, in `[0, NUM_KEYS]`.
    """
    found = []
    # One after the other: there may be more parts than files that can be open.
    by_part = [list(_read_part(part, ranges)) for part in parts]
    for of_range in zip(*by_part, strict=True):
        keys, documents = zip(*of_range, strict=True)
        order = np.argsort(np.concatenate(keys), kind="stable")
        found.append(TokenizedDocuments.concatenated(documents).take(order))
    return found


def _read_part(
    part: Path, ranges: Sequence[tuple[int, int]]
) -> Iterator[tuple[np.ndarray, TokenizedDocuments]]:
    """Yields the keys and the documents of each range, as copies."""
    # Memory-mapped, not read: a range is a small share of a part.
    keys, document_starts, sentence_starts, token_ids = (
        np.load(part / f"{name}.npy", mmap_mode="r") for name in ("keys", *_ARRAYS)
    )
    for first, last in np.searchsorted(keys, ranges):
        documents = document_starts[first : last + 1]
        sentences = sentence_starts[documents[0] : documents[-1] + 1]
        yield (
            np.array(keys[first:last]),
            TokenizedDocuments(
                np.array(token_ids[sentences[0] : sentences[-1]]),
                sentences - sentences[0],
                documents - documents[0],
            ),
        )
