# SPDX-License-Identifier: Apache-2.0
"""Opens a vocabulary with the tokenizer of its case, which its entries show."""

from collections.abc import Iterable
from pathlib import Path

from biobert_tf.text.tokenization import FullTokenizer


def load(vocab_file: Path) -> FullTokenizer:
    """Reads a vocabulary; text will be lower-cased if that is how it was made.

    Raises:
        InputError: It cannot be read or is no BERT vocabulary.
    """
    tokenizer = FullTokenizer(vocab_file)
    if is_lower_cased(tokenizer.vocab):
        return FullTokenizer(vocab_file, do_lower_case=True)
    return tokenizer


def is_lower_cased(vocab: Iterable[str]) -> bool:
    """Says whether a vocabulary is an uncased one: without any upper-case letter.

    Bracketed entries such as `[CLS]` do not count.
    """
    return all(piece == piece.lower() for piece in vocab if not piece.startswith("["))
