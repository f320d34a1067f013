# SPDX-License-Identifier: Apache-2.0
"""Loads a vocabulary and decides from its entries whether text is lower-cased."""

from collections.abc import Iterable
from pathlib import Path

from biobert_tf.text.tokenization import FullTokenizer, load_vocab


def load(vocab_file: Path) -> FullTokenizer:
    """Returns the tokenizer of a vocabulary, lower-casing if the vocabulary is uncased.

    Raises:
        InputError: The file cannot be read or is not a BERT vocabulary.
    """
    return FullTokenizer(vocab_file, is_lower_cased(load_vocab(vocab_file)))


def is_lower_cased(vocab: Iterable[str]) -> bool:
    """Returns whether a vocabulary is uncased, that is, has no upper-case letter.

    Bracketed entries such as `[CLS]` are ignored.
    """
    return all(piece == piece.lower() for piece in vocab if not piece.startswith("["))
