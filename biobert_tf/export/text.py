# SPDX-License-Identifier: Apache-2.0
"""Strings of a graph as characters with their places, and cut into words.

Everything is flat: the characters of all texts of a batch stand in one vector, in
order, each with the number of the text, or of the word, that it belongs to.

Shape suffixes: N characters, W words, B texts.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export.characters import PAGE, Table, Trait

NOTHING = -1
"""Padding of offsets."""


class Characters(NamedTuple):
    """The characters of texts, all vectors int32 `[N]`.

    Attributes:
        codes: Unicode code points.
        starts: Byte where each begins in its text.
        ends: Byte behind each.
        units: Number of the text or word it belongs to; never decreases.
    """

    codes: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    units: tf.Tensor

    def where(self, is_kept_N: tf.Tensor) -> "Characters":
        """Returns the characters that a mask is true for."""
        return Characters(*(tf.boolean_mask(values, is_kept_N) for values in self))


class Words(NamedTuple):
    """The words of texts, all vectors int32 `[W]`.

    Attributes:
        characters: Those of the words, whose `units` are the numbers of the words.
        starts: Byte where each word begins in its text.
        ends: Byte behind each.
        rows: Text that each is of.
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
    """Says of traits, int32, whether one of `trait` is among them."""
    return tf.bitwise.bitwise_and(traits, int(trait)) != 0


def characters(texts_B: tf.Tensor) -> Characters:
    """Returns the characters of texts; what is not UTF-8 is skipped.

    Args:
        texts_B: Strings.
    """
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
    """Returns the length of characters in UTF-8, int32."""
    return 1 + tf.add_n(
        [tf.cast(codes >= first, tf.int32) for first in (0x80, 0x800, 0x10000)]
    )


def previous(values: tf.Tensor, first: int | bool) -> tf.Tensor:
    """Returns for every element the one before it, `first` for the first."""
    return tf.concat([[first], values], 0)[:-1]


def following(values: tf.Tensor, last: int | bool) -> tf.Tensor:
    """Returns for every element the one behind it, `last` for the last."""
    return tf.concat([values, [last]], 0)[1:]


def numbered(is_first: tf.Tensor) -> tf.Tensor:
    """Returns the number of the run each element is in, given where runs begin."""
    return tf.cumsum(tf.cast(is_first, tf.int32)) - 1


def ner_words(found: Characters, traits_N: tf.Tensor) -> Words:
    """Cuts texts into the words of `text.words`.

    Args:
        found: The characters of the texts.
        traits_N: Theirs.
    """
    is_letter_N = has(traits_N, Trait.NER_LETTER)
    is_space_N = has(traits_N, Trait.NER_SPACE)
    is_new_text_N = previous(found.units, NOTHING) != found.units
    # A letter in the same text, before and behind.
    is_behind_N = previous(is_letter_N, False) & ~is_new_text_N
    is_before_N = following(is_letter_N & ~is_new_text_N, False)
    is_joiner_N = has(traits_N, Trait.NER_JOINER) & is_behind_N & is_before_N
    is_inner_N = is_letter_N | is_joiner_N
    goes_on_N = is_inner_N & previous(is_inner_N, False) & ~is_new_text_N
    return _words(found, ~goes_on_N, is_space_N)


def qa_words(found: Characters, traits_N: tf.Tensor) -> Words:
    """Cuts texts into the words of `qa.reading`; see `text.words`."""
    is_space_N = has(traits_N, Trait.QA_SPACE)
    is_new_text_N = previous(found.units, NOTHING) != found.units
    is_first_N = previous(is_space_N, True) | is_new_text_N
    return _words(found, is_first_N, is_space_N)


def _words(found: Characters, is_first_N: tf.Tensor, is_space_N: tf.Tensor) -> Words:
    """Returns the words, given where they begin; what follows a space is a first."""
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
    """Stretches of texts, all vectors int32, in the order of the texts.

    Attributes:
        starts: Byte where each begins in its text.
        ends: Byte behind each.
        rows: Text that each is of.
    """

    starts: tf.Tensor
    ends: tf.Tensor
    rows: tf.Tensor


def placeholders(found: Characters, traits_N: tf.Tensor) -> Spans:
    """Finds placeholders such as `@GENE$` (`relations.reading.PLACEHOLDER`).

    Args:
        found: The characters of the texts.
        traits_N: Theirs.
    """
    is_inner_N = has(traits_N, Trait.NER_LETTER) | (found.codes == ord("-"))
    # Where the run of such signs behind each character ends; a last one never does.
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
    """Finds a word, such as `[MASK]`, that cannot overlap itself.

    Args:
        found: The characters of the texts.
        word: More than one character.
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
    """Says of every character whether a word begins with it, bool `[N]`."""
    codes, rows = found.codes, found.units
    is_first_N = codes == ord(word[0])
    for char in word[1:]:
        codes, rows = following(codes, NOTHING), following(rows, NOTHING)
        is_first_N &= (codes == ord(char)) & (rows == found.units)
    return is_first_N


def inside(found: Characters, spans: Spans) -> tf.Tensor:
    """Says of every character whether it stands in one of some spans, bool `[N]`."""
    places_N = text_places(found.units, found.starts)
    first_N = tf.searchsorted(text_places(spans.rows, spans.starts), places_N, "right")
    last_N = tf.searchsorted(text_places(spans.rows, spans.ends), places_N, "right")
    return first_N > last_N


def text_places(rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns numbers that order the bytes of all texts, int64."""
    return tf.cast(rows, tf.int64) * 2**32 + tf.cast(places, tf.int64)
