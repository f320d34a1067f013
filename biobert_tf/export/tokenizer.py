# SPDX-License-Identifier: Apache-2.0
"""Tokenizes in a graph as `text.tokenization` does; offsets are in bytes.

Normalization and the cutting of text into chunks use the tables of `characters`;
tensorflow-text's FastWordpieceTokenizer then cuts the chunks into pieces.

Its FastBertTokenizer would do both, but differs. Each of the 144,762 assigned
characters was tried between two letters:
- Lower-casing gives other pieces for 4,039 (a superscript 2 becomes 2, an ellipsis
  three dots, sharp s becomes ss) and other offsets for 11,353, mostly of Hangul.
- Without lower-casing it differs for 226, all of them characters that are dropped here.
- Behind the clean-up and the lower-casing of this module it differs for none. But it
  bounds the bytes of a chunk, and BERT its characters: a chunk of 201 letters must be
  unknown, and one of 200 letters of four bytes must not.
Chunks must be found anyway, to count their characters: it would replace no code.

The pieces are those of `FullTokenizer`, with one exception:
lower-casing does not put the few combining characters that it keeps in canonical order
(spacing marks of Indic scripts, two Hangul tone marks, musical signs).

Shape suffixes: N characters, M characters after lower-casing, C chunks, P pieces.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text

from biobert_tf.common.errors import InputError
from biobert_tf.export import characters
from biobert_tf.export.characters import Trait
from biobert_tf.export.text import (
    NOTHING,
    Characters,
    Lookup,
    following,
    has,
    num_bytes,
    numbered,
    previous,
)
from biobert_tf.text.tokenization import UNKNOWN, FullTokenizer

_MAX_BYTES_OF_CHARACTER: Final = 4


class Pieces(NamedTuple):
    """The pieces of texts or words, all vectors int32 `[P]`.

    Attributes:
        ids: Ids in the vocabulary.
        starts: Byte of the text where each piece begins.
        ends: Byte where each ends (exclusive); see `text.tokenization.Piece`.
        units: Number of each piece's text or word; never decreases.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    units: tf.Tensor


class Letters(NamedTuple):
    """The normalized characters of chunks, all vectors int32 `[M]`.

    Attributes:
        codes: Code points, lower-cased if the tokenizer lower-cases.
        starts: Byte of the text where each one's source character begins.
        ends: Byte where the source character ends (exclusive), with the removed
            characters after it.
        units: Number of each one's text or word.
        words: Number of each one's word, as the tokenizer counts words.
    """

    codes: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    units: tf.Tensor
    words: tf.Tensor


class GraphTokenizer:
    """Cuts characters into WordPieces; see `FullTokenizer.tokenize_with_offsets`.

    Attributes:
        vocab: Ids by token.
        names: Tokens by id, strings; "" for unused ids.
    """

    def __init__(self, tokenizer: FullTokenizer) -> None:
        """Uses the vocabulary and the case of a tokenizer.

        Raises:
            InputError: A token is too long for tensorflow-text.
        """
        self.vocab = tokenizer.vocab
        inverse = tokenizer.inv_vocab
        self.names = tf.constant([inverse.get(i, "") for i in range(max(inverse) + 1)])
        self._traits = Lookup(characters.traits())
        self._lower: Lookup | None = None
        if tokenizer.basic_tokenizer.do_lower_case:
            table, rows = characters.lower_case()
            self._lower, self._rows = Lookup(table), tf.constant(rows)
        # A repeated token has the id of its last line. The empty token never matches.
        vocab = {token: id_ for token, id_ in tokenizer.vocab.items() if token}
        self._ids = tf.constant(list(vocab.values()), tf.int32)
        self._max_chars = tokenizer.wordpiece_tokenizer.max_input_chars_per_word
        self._unfound = _unfound(vocab)
        try:
            self._wordpiece = tensorflow_text.FastWordpieceTokenizer(
                vocab=list(vocab),
                token_out_type=tf.int32,
                unknown_token=UNKNOWN,
                no_pretokenization=True,
                max_bytes_per_word=self._max_chars * _MAX_BYTES_OF_CHARACTER,
            )
        except RuntimeError as error:
            raise InputError.at(tokenizer.vocab_file, None, str(error)) from None

    def traits(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns the traits of characters, int32; `has` tests them."""
        return self._traits(codes)

    def __call__(self, text: Characters) -> Pieces:
        """Returns the pieces of texts, or of words, each tokenized on its own."""
        return self.cut(self.letters(text))

    def cut(self, letters: Letters) -> Pieces:
        """Returns the pieces of letters."""
        is_mark_M = has(self._traits(letters.codes), Trait.PUNCTUATION)
        is_first_M = previous(letters.words, NOTHING) != letters.words
        is_first_M |= is_mark_M | previous(is_mark_M, False)
        return self._cut_chunks(letters, is_first_M)

    # --- characters to letters -------------------------------------------------------

    def letters(self, text: Characters) -> Letters:
        """Cleans the text and finds its words, as `BasicTokenizer.tokenize` does."""
        kept = text.where(~has(self._traits(text.codes), Trait.DROPPED))
        traits_N = self._traits(kept.codes)
        is_space_N, is_alone_N = has(traits_N, Trait.SPACE), has(traits_N, Trait.ALONE)
        is_first_N = previous(kept.units, NOTHING) != kept.units
        is_first_N |= previous(is_space_N, True)
        is_first_N |= is_alone_N | previous(is_alone_N, False)
        words_N = numbered(tf.boolean_mask(is_first_N, ~is_space_N))
        letters = Letters(*kept.where(~is_space_N), words=words_N)
        return letters if self._lower is None else self._lower_cased(letters)

    def _lower_cased(self, letters: Letters) -> Letters:
        """Returns the letters in lower case, without accents."""
        assert self._lower is not None
        codes_N = self._with_final_sigma(letters)
        rows_N = self._lower(codes_N)
        codes_N3 = tf.gather(self._rows, rows_N)
        is_same_N1 = tf.expand_dims(rows_N == 0, 1)
        first_13 = tf.one_hot([0], codes_N3.shape[1], True, False)
        codes_N3 = tf.where(is_same_N1 & first_13, codes_N[:, tf.newaxis], codes_N3)
        is_there_N3 = codes_N3 >= 0
        ends_N = _ends(letters, tf.reduce_any(is_there_N3, 1))
        sources_M = tf.cast(tf.where(is_there_N3)[:, 0], tf.int32)
        spread = [
            tf.gather(values, sources_M)
            for values in (letters.starts, ends_N, letters.units, letters.words)
        ]
        return Letters(tf.boolean_mask(codes_N3, is_there_N3), *spread)

    def _with_final_sigma(self, letters: Letters) -> tf.Tensor:
        """Returns the code points, with final sigma for capital sigma at ends of words.

        A sigma is final if its word has a cased letter before it and none after it;
        case-ignorable characters, such as apostrophes, do not count.
        """
        traits_N = self._traits(letters.codes)
        is_seen_N = ~has(traits_N, Trait.CASE_IGNORABLE)
        seen = tf.cast(tf.where(is_seen_N)[:, 0], tf.int32)
        is_cased = tf.gather(has(traits_N, Trait.CASED), seen)
        words = tf.gather(letters.words, seen)
        # The nearest counted characters around every position, or one of no word.
        num_before_N = tf.cumsum(tf.cast(is_seen_N, tf.int32), exclusive=True)
        num_so_far_N = tf.cumsum(tf.cast(is_seen_N, tf.int32))
        cased_words = tf.where(is_cased, words, NOTHING)
        before_N = tf.gather(tf.concat([[NOTHING], cased_words], 0), num_before_N)
        behind_N = tf.gather(tf.concat([cased_words, [NOTHING]], 0), num_so_far_N)
        is_final_N = (letters.codes == characters.SIGMA) & (before_N == letters.words)
        is_final_N &= behind_N != letters.words
        return tf.where(is_final_N, characters.FINAL_SIGMA, letters.codes)

    # --- letters to pieces -----------------------------------------------------------

    def _cut_chunks(self, letters: Letters, is_first_M: tf.Tensor) -> Pieces:
        """Cuts chunks, given where they begin, into pieces."""
        chunks_M = numbered(is_first_M)
        firsts_C = tf.cast(tf.where(is_first_M)[:, 0], tf.int32)
        lasts_C = tf.cast(tf.where(following(is_first_M, True))[:, 0], tf.int32)
        is_long_C = lasts_C - firsts_C >= self._max_chars
        chunks = tf.RaggedTensor.from_value_rowids(
            letters.codes, chunks_M, tf.size(firsts_C)
        )
        texts_C = tf.strings.unicode_encode(chunks, "UTF-8", errors="ignore")
        texts_C = tf.where(is_long_C, self._unfound, texts_C)
        ids, begins, ends = self._wordpiece.tokenize_with_offsets(texts_C)
        chunks_P = tf.cast(ids.value_rowids(), tf.int32)
        # Byte where each letter begins, in all chunks joined.
        lengths_M = num_bytes(letters.codes)
        places_M = tf.cumsum(lengths_M, exclusive=True)
        base_P = tf.gather(tf.gather(places_M, firsts_C), chunks_P)
        first_P = _letter_at(places_M, base_P + tf.cast(begins.flat_values, tf.int32))
        last_P = _letter_at(places_M, base_P + tf.cast(ends.flat_values, tf.int32) - 1)
        is_long_P = tf.gather(is_long_C, chunks_P)
        last_P = tf.where(is_long_P, tf.gather(lasts_C, chunks_P), last_P)
        return Pieces(
            tf.gather(self._ids, ids.flat_values),
            tf.gather(letters.starts, first_P),
            tf.gather(letters.ends, last_P),
            tf.gather(letters.units, first_P),
        )


def _letter_at(places_M: tf.Tensor, bytes_P: tf.Tensor) -> tf.Tensor:
    """Returns the index of the letter that each byte belongs to."""
    return tf.searchsorted(places_M, bytes_P, side="right") - 1


def _ends(letters: Letters, is_kept_N: tf.Tensor) -> tf.Tensor:
    """Returns the ends of letters, extended over removed letters that follow."""
    is_last_N = following(letters.words, NOTHING) != letters.words
    # A letter is extended up to the next kept letter.
    is_end_N = is_last_N | following(is_kept_N, True)
    ends = tf.boolean_mask(letters.ends, is_end_N)
    number_N = tf.cumsum(tf.cast(is_end_N, tf.int32), exclusive=True)
    return tf.gather(ends, number_N)


def _unfound(vocab: Mapping[str, int]) -> str:
    """Returns a character that occurs in no token of the vocabulary."""
    spelled = set().union(*map(set, vocab))
    return next(chr(i) for i in np.arange(1, len(spelled) + 2) if chr(i) not in spelled)
