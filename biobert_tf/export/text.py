# SPDX-License-Identifier: Apache-2.0
"""Splits strings into characters and words with byte offsets, inside a graph.

All vectors are flat: the characters of all texts of a batch are in one vector, in
order, each with the number of the text, or of the word, that it belongs to.

Shape suffixes: N characters, W words, B texts.
"""

from typing import NamedTuple, Protocol

import tensorflow as tf

from biobert_tf.export.characters import PAGE, Table, Trait

NOTHING = -1
"""Padding of offsets."""


class Characters(NamedTuple):
    """The characters of texts, all vectors int32 `[N]`.

    Attributes:
        codes: Unicode code points.
        starts: Byte of the text where each character begins.
        ends: Byte where each ends (exclusive).
        units: Number of each character's text or word; never decreases.
    """

    codes: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    units: tf.Tensor

    def where(self, is_kept_N: tf.Tensor) -> "Characters":
        """Returns the characters for which a mask is true."""
        return Characters(*(tf.boolean_mask(values, is_kept_N) for values in self))


class Placed(Protocol):
    """Characters or pieces: each has a text and a place in it."""

    @property
    def starts(self) -> tf.Tensor:
        """Byte of the text where each begins."""

    @property
    def units(self) -> tf.Tensor:
        """Number of each one's text."""


class Words(NamedTuple):
    """The words of texts, all vectors int32 `[W]`.

    Attributes:
        characters: The words' characters; `units` are the numbers of the words.
        starts: Byte of the text where each word begins.
        ends: Byte where each ends (exclusive).
        rows: Number of each word's text.
    """

    characters: Characters
    starts: tf.Tensor
    ends: tf.Tensor
    rows: tf.Tensor


class Lookup:
    """A table of characters inside a graph."""

    def __init__(self, table: Table) -> None:
        """Keeps the table as constants."""
        self._index = tf.constant(table.page_of)
        self._pages = tf.constant(table.numbers)

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns the number of every character, int32."""
        pages = tf.gather(self._index, codes // PAGE)
        return tf.gather(self._pages, pages * PAGE + codes % PAGE)


def has(traits: tf.Tensor, trait: Trait) -> tf.Tensor:
    """Returns whether each of `traits`, int32, has one of the bits of `trait`."""
    return tf.bitwise.bitwise_and(traits, int(trait)) != 0


def characters(texts_B: tf.Tensor) -> Characters:
    """Returns the characters of texts; bytes that are not UTF-8 are skipped."""
    codes, starts = tf.strings.unicode_decode_with_offsets(
        texts_B, "UTF-8", errors="ignore"
    )
    starts_N = tf.cast(starts.flat_values, tf.int32)
    return Characters(
        codes.flat_values,
        starts_N,
        starts_N + num_bytes(codes.flat_values),
        tf.cast(codes.value_rowids(), tf.int32),
    )


def num_bytes(codes: tf.Tensor) -> tf.Tensor:
    """Returns the number of bytes of characters in UTF-8, int32."""
    return 1 + tf.add_n(
        [tf.cast(codes >= first, tf.int32) for first in (0x80, 0x800, 0x10000)]
    )


def previous(values: tf.Tensor, first: int | bool) -> tf.Tensor:
    """Returns for every element the one before it, `first` for the first."""
    return tf.concat([[first], values], 0)[:-1]


def following(values: tf.Tensor, last: int | bool) -> tf.Tensor:
    """Returns for every element the one after it, `last` for the last."""
    return tf.concat([values, [last]], 0)[1:]


def numbered(is_first: tf.Tensor) -> tf.Tensor:
    """Returns the number of each element's run, given where runs begin."""
    return tf.cumsum(tf.cast(is_first, tf.int32)) - 1


def ner_words(found: Characters, traits_N: tf.Tensor) -> Words:
    """Cuts texts into the words of `text.words`, given the characters' traits."""
    is_letter_N = has(traits_N, Trait.NER_LETTER)
    is_space_N = has(traits_N, Trait.NER_SPACE)
    is_new_text_N = previous(found.units, NOTHING) != found.units
    # Whether a letter of the same text comes directly before, and directly after.
    is_behind_N = previous(is_letter_N, False) & ~is_new_text_N
    is_before_N = following(is_letter_N & ~is_new_text_N, False)
    is_joiner_N = has(traits_N, Trait.NER_JOINER) & is_behind_N & is_before_N
    is_inner_N = is_letter_N | is_joiner_N
    goes_on_N = is_inner_N & previous(is_inner_N, False) & ~is_new_text_N
    return _words(found, ~goes_on_N, is_space_N)


def qa_words(found: Characters, traits_N: tf.Tensor) -> Words:
    """Cuts texts into the words of `qa.reading`, given the characters' traits."""
    is_space_N = has(traits_N, Trait.QA_SPACE)
    is_new_text_N = previous(found.units, NOTHING) != found.units
    is_first_N = previous(is_space_N, True) | is_new_text_N
    return _words(found, is_first_N, is_space_N)


def _words(found: Characters, is_first_N: tf.Tensor, is_space_N: tf.Tensor) -> Words:
    """Returns the words, given where they begin; after a space a word must begin."""
    is_first_N = tf.boolean_mask(is_first_N, ~is_space_N)
    kept = found.where(~is_space_N)
    words_N = numbered(is_first_N)
    is_last_N = following(is_first_N, True)
    return Words(
        kept._replace(units=words_N),
        tf.boolean_mask(kept.starts, is_first_N),
        tf.boolean_mask(kept.ends, is_last_N),
        tf.boolean_mask(kept.units, is_first_N),
    )


class Spans(NamedTuple):
    """Spans of texts in the order of the texts, with the fields of `Words`."""

    starts: tf.Tensor
    ends: tf.Tensor
    rows: tf.Tensor


def placeholders(found: Characters, traits_N: tf.Tensor) -> Spans:
    """Finds placeholders such as `@GENE$` (`relations.reading.PLACEHOLDER`)."""
    is_inner_N = has(traits_N, Trait.NER_LETTER) | (found.codes == ord("-"))
    # Index of the first character after each that cannot be part of a name.
    ends = tf.where(tf.concat([~is_inner_N, [True]], 0))[:, 0]
    number_N = tf.cumsum(tf.cast(~is_inner_N, tf.int32))
    end_N = tf.cast(tf.gather(ends, number_N), tf.int32)
    codes, rows = (
        tf.concat([values, [NOTHING]], 0) for values in (found.codes, found.units)
    )
    begins_N = following(has(traits_N, Trait.NAME_LETTER), False)
    is_first_N = (found.codes == ord("@")) & begins_N
    is_first_N &= tf.gather(codes, end_N) == ord("$")
    is_first_N &= tf.gather(rows, end_N) == found.units
    lasts = tf.boolean_mask(end_N, is_first_N)
    return Spans(
        tf.boolean_mask(found.starts, is_first_N),
        tf.gather(found.ends, lasts),
        tf.boolean_mask(found.units, is_first_N),
    )


def occurrences(found: Characters, word: str) -> Spans:
    """Finds all occurrences of a word that cannot overlap itself, such as `[MASK]`.

    The word has more than one character.
    """
    is_first_N = begins(found, word)
    ends = found.ends
    for _ in word[1:]:
        ends = following(ends, NOTHING)
    return Spans(
        tf.boolean_mask(found.starts, is_first_N),
        tf.boolean_mask(ends, is_first_N),
        tf.boolean_mask(found.units, is_first_N),
    )


def begins(found: Characters, word: str) -> tf.Tensor:
    """Returns whether `word` begins at each character, bool `[N]`."""
    codes, rows = found.codes, found.units
    is_first_N = codes == ord(word[0])
    for char in word[1:]:
        codes, rows = following(codes, NOTHING), following(rows, NOTHING)
        is_first_N &= (codes == ord(char)) & (rows == found.units)
    return is_first_N


def inside(found: Placed, spans: Spans) -> tf.Tensor:
    """Returns whether each character, or piece, begins inside a span, bool `[N]`."""
    places_N = text_places(found.units, found.starts)
    first_N = tf.searchsorted(text_places(spans.rows, spans.starts), places_N, "right")
    last_N = tf.searchsorted(text_places(spans.rows, spans.ends), places_N, "right")
    return first_N > last_N


def text_places(rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns one int64 per byte offset that sorts by text, then by offset."""
    return tf.cast(rows, tf.int64) * 2**32 + tf.cast(places, tf.int64)
