# SPDX-License-Identifier: Apache-2.0
"""Finds the entities of sentences inside a graph, as `reading.entity_spans` does.

Shape suffixes: N characters, C places where an entity could begin, E entities, B texts.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import text
from biobert_tf.export.characters import Trait
from biobert_tf.export.text import NOTHING, Characters, Spans, has


class Entities(NamedTuple):
    """Entities in the order of the texts, all vectors int32 `[E]`.

    They are those of `reading.EntitySpan`, in bytes; `rows` is the index of the text.
    """

    starts: tf.Tensor
    ends: tf.Tensor
    rows: tf.Tensor
    inner_starts: tf.Tensor
    inner_ends: tf.Tensor
    roles: tf.Tensor

    @property
    def spans(self) -> Spans:
        """Returns the entities with their marks."""
        return Spans(self.starts, self.ends, self.rows)

    @property
    def inner(self) -> Spans:
        """Returns the entities without their marks."""
        return Spans(self.inner_starts, self.inner_ends, self.rows)


def placeholders(found: Characters, traits_N: tf.Tensor) -> Entities:
    """Returns the placeholders of texts; see `export.text.placeholders`."""
    spans = text.placeholders(found, traits_N)
    first = tf.searchsorted(spans.rows, spans.rows)
    roles = tf.minimum(tf.range(tf.size(spans.rows)) - first, 1)
    return Entities(*spans, spans.starts, spans.ends, roles)


class _Matches(NamedTuple):
    """The matches of a pattern that begin at characters, vectors `[N]`.

    `ends` is the character behind the match, `sizes` the length of either mark; int32.
    """

    is_match: tf.Tensor
    ends: tf.Tensor
    sizes: tf.Tensor


def marked(found: Characters, traits_N: tf.Tensor) -> Entities:
    """Returns the entities in `<< >>` and `[[ ]]`."""
    first, second = (_matches(found, *pair) for pair in ("<>", "[]"))
    # A character begins at most one of the two kinds of marks.
    both = _chosen(first.is_match, first, second)
    starts_C = tf.cast(tf.where(both.is_match)[:, 0], tf.int32)
    starts = tf.gather(starts_C, _one_after_another(starts_C, both.ends))
    ends = tf.gather(both.ends, starts)
    sizes = tf.gather(both.sizes, starts)
    inner_starts, inner_ends = _stripped(found, traits_N, starts + sizes, ends - sizes)
    return Entities(
        tf.gather(found.starts, starts),
        tf.gather(found.ends, ends - 1),
        tf.gather(found.units, starts),
        inner_starts,
        inner_ends,
        tf.gather(tf.cast(second.is_match, tf.int32), starts),
    )


def _chosen(is_first_N: tf.Tensor, first: _Matches, second: _Matches) -> _Matches:
    columns = zip(first, second, strict=True)
    return _Matches(*(tf.where(is_first_N, *pair) for pair in columns))


def _matches(found: Characters, left: str, right: str) -> _Matches:
    """Returns where entities in one kind of marks could begin.

    If a text has any marks set apart by spaces, only such marks count in that text.
    """
    is_more_N = text.begins(found, right * 3)
    spaced = _between(found, f"{left * 2} ", text.begins(found, f" {right * 2}"))
    tight = _between(found, left * 2, text.begins(found, right * 2) & ~is_more_N)
    num_texts = tf.reduce_max(tf.concat([[-1], found.units], 0)) + 1
    is_spaced_B = tf.math.unsorted_segment_max(
        tf.cast(spaced.is_match, tf.int32), found.units, num_texts
    )
    return _chosen(tf.gather(is_spaced_B, found.units) > 0, spaced, tight)


def _between(found: Characters, opening: str, is_closing_N: tf.Tensor) -> _Matches:
    """Returns the matches of an opening mark with the nearest closing mark behind it.

    `is_closing_N` says where a closing mark, as long as `opening`, begins.
    """
    size = len(opening)
    num_N = tf.size(found.codes)
    closings = tf.cast(tf.where(is_closing_N)[:, 0], tf.int32)
    # At least one character must stand between the marks.
    behind_N = tf.range(num_N) + size + 1
    number_N = tf.searchsorted(closings, behind_N)
    closing_N = tf.gather(tf.concat([closings, [num_N]], 0), number_N)
    rows = tf.concat([found.units, [NOTHING]], 0)
    is_match_N = text.begins(found, opening)
    is_match_N &= tf.gather(rows, closing_N) == found.units
    return _Matches(is_match_N, closing_N + size, tf.fill([num_N], size))


def _one_after_another(starts_C: tf.Tensor, ends_N: tf.Tensor) -> tf.Tensor:
    """Returns the indices of the matches that remain without overlaps.

    `starts_C` ascends; `ends_N` is the end of the match that begins at each character.
    """
    num_C = tf.size(starts_C)
    next_C = tf.searchsorted(starts_C, tf.gather(ends_N, starts_C))
    taken = tf.TensorArray(tf.int32, size=0, dynamic_size=True, element_shape=[])
    # A match ends in its own text, so the first match of every text is reached.
    _, taken = tf.while_loop(
        lambda place, _: place < num_C,
        lambda place, array: (next_C[place], array.write(array.size(), place)),
        (tf.constant(0), taken),
    )
    return taken.stack()


def _stripped(
    found: Characters, traits_N: tf.Tensor, first_E: tf.Tensor, behind_E: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns first bytes and bytes behind of character ranges, stripped of spaces."""
    is_letter_N = ~has(traits_N, Trait.NER_SPACE)
    letters = tf.cast(tf.where(is_letter_N)[:, 0], tf.int32)
    number_E = tf.searchsorted(letters, first_E)
    last_number_E = tf.searchsorted(letters, behind_E) - 1
    is_empty_E = last_number_E < number_E
    letters = tf.concat([letters, [0]], 0)
    letter_E = tf.where(is_empty_E, first_E, tf.gather(letters, number_E))
    last_letter_E = tf.gather(letters, tf.where(is_empty_E, 0, last_number_E))
    starts_E = tf.gather(found.starts, letter_E)
    ends_E = tf.gather(found.ends, last_letter_E)
    return starts_E, tf.where(is_empty_E, starts_E, ends_E)
