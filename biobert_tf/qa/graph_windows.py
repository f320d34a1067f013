# SPDX-License-Identifier: Apache-2.0
"""Cuts questions and contexts into windows inside a graph, as `features` does.

`WindowGraph` is the base of the models that answer questions so.

Shape suffixes: B questions, W words of all contexts, P pieces of all contexts, K
windows, S best starts and ends.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import text
from biobert_tf.export import windows as window_rows
from biobert_tf.export.served import input_specs
from biobert_tf.export.text import NOTHING, Words
from biobert_tf.export.tokenizer import GraphTokenizer
from biobert_tf.model import heads
from biobert_tf.qa.features import Featurizer
from biobert_tf.training.served import Outputs, Served


class Contexts(NamedTuple):
    """The pieces of contexts (vectors int32 `[P]`) and the words they belong to.

    Attributes:
        ids: Vocabulary id of each piece.
        starts: First byte of each piece.
        ends: Byte behind each piece.
        words: Index of the word that each piece belongs to.
        of_words: The words of the contexts.
        surplus: The words' characters minus the tokenizer's letters, counted over all
            words before each word, int32 `[W + 1]`.
        splits: Index of the first piece of every context, then the number of pieces,
            int32 `[B + 1]`.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    words: tf.Tensor
    of_words: Words
    surplus: tf.Tensor
    splits: tf.Tensor


class Windows(NamedTuple):
    """The windows of contexts, vectors int32 `[K]`.

    Attributes:
        rows: Index of the question.
        starts: Index of the first piece of the contexts that the window shows.
        ends: Index behind the last piece that the window shows.
        offsets: Position in the window of the first piece of the context.
    """

    rows: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    offsets: tf.Tensor


class WindowGraph(abc.ABC):
    """Answers questions given as string tensors, from windows of their contexts."""

    def __init__(self, model: heads.Model, featurizer: Featurizer) -> None:
        """Keeps the model, and the vocabulary and sizes as constants of a graph."""
        self._model = model
        self._tokenizer = GraphTokenizer(featurizer.tokenizer)
        self._vocab = featurizer.tokenizer.vocab
        self._sizes = featurizer

    @abc.abstractmethod
    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns what the model says about windows, `[batch, ...]` per name."""

    @abc.abstractmethod
    def answer(self, question: tf.Tensor, context: tf.Tensor) -> Outputs:
        """Returns answers to questions from contexts, both strings `[batch]`, UTF-8."""

    def served(
        self, kind: str, title: str, question: str, labels: Sequence[str] = ()
    ) -> Served:
        """Returns the model ready to be exported, with a question to try it on."""
        context = "Cystic fibrosis is caused by mutations in the CFTR gene."
        return Served(
            kind=kind,
            title=title,
            model=self._model,
            labels=labels,
            text_inputs=("question", "context"),
            answer=self.answer,
            score=self.score,
            specs=input_specs(self._sizes.max_seq_length),
            example={"question": (question,), "context": (context,)},
        )

    def _scored(
        self,
        question: tf.Tensor,
        context: tf.Tensor,
        score: Callable[[dict[str, tf.Tensor]], Outputs],
        specs: Mapping[str, tf.TensorSpec],
    ) -> tuple[Contexts, Windows, Outputs]:
        """Returns the windows of contexts and their scores; `specs` as `in_batches`."""
        contexts = self._contexts(context)
        windows, ids, segments = self._windows(question, contexts)
        rows = window_rows.inputs(ids, segments, self._sizes.max_seq_length)
        return contexts, windows, window_rows.in_batches(score, rows, specs)

    def _contexts(self, context: tf.Tensor) -> Contexts:
        """Returns the pieces of contexts, strings `[B]`."""
        found = text.characters(context)
        words = text.qa_words(found, self._tokenizer.traits(found.codes))
        letters = self._tokenizer.letters(words.characters)
        num_words = tf.size(words.rows)
        surplus_W = _counts(words.characters.units, num_words) - _counts(
            letters.units, num_words
        )
        pieces = self._tokenizer.cut(letters)
        rows_P = tf.gather(words.rows, pieces.units)
        return Contexts(
            pieces.ids,
            pieces.starts,
            pieces.ends,
            pieces.units,
            words,
            tf.concat([[0], tf.cumsum(surplus_W)], 0),
            tf.searchsorted(rows_P, tf.range(tf.size(context) + 1)),
        )

    def _windows(
        self, question: tf.Tensor, contexts: Contexts
    ) -> tuple[Windows, tf.RaggedTensor, tf.RaggedTensor]:
        """Returns the windows (`features.doc_spans`), their piece and segment ids."""
        pieces = self._tokenizer(text.characters(question))
        query = window_rows.by_unit(pieces.ids, pieces.units, tf.size(question))
        query = query[:, : self._sizes.max_query_length]
        heads_B = 2 + tf.cast(query.row_lengths(), tf.int32)
        room_B = self._sizes.max_seq_length - heads_B - 1
        stride_B = tf.minimum(room_B, self._sizes.doc_stride)
        firsts_B, lasts_B = contexts.splits[:-1], contexts.splits[1:]
        steps_B = tf.maximum(0, -((firsts_B + room_B - lasts_B) // stride_B))
        limits_B = tf.where(
            lasts_B > firsts_B, firsts_B + steps_B * stride_B + 1, firsts_B
        )
        starts = tf.ragged.range(firsts_B, limits_B, stride_B)
        rows_K = tf.cast(starts.value_rowids(), tf.int32)
        starts_K = starts.flat_values
        ends_K = starts_K + tf.gather(room_B, rows_K)
        ends_K = tf.minimum(ends_K, tf.gather(lasts_B, rows_K))
        cls, sep = self._vocab["[CLS]"], self._vocab["[SEP]"]
        head = tf.gather(window_rows.between(query, cls, sep), rows_K)
        shown = window_rows.ranges(contexts.ids, starts_K, ends_K)
        last = tf.fill([tf.size(rows_K), 1], sep)
        ids = tf.concat([head, shown, last], axis=1)
        segments = tf.concat(
            [tf.zeros_like(head), tf.ones_like(shown), tf.ones_like(last)], axis=1
        )
        offsets_K = tf.gather(heads_B, rows_K)
        return Windows(rows_K, starts_K, ends_K, offsets_K), ids, segments


def _counts(units: tf.Tensor, num_units: tf.Tensor) -> tf.Tensor:
    """Returns the number of occurrences of each unit, int32."""
    return tf.math.unsorted_segment_sum(tf.ones_like(units), units, num_units)


def is_shown(windows: Windows, pieces_KS: tf.Tensor) -> tf.Tensor:
    """Returns whether windows show their pieces, bool `[K, S]`."""
    starts_K1, ends_K1 = windows.starts[:, tf.newaxis], windows.ends[:, tf.newaxis]
    return (pieces_KS >= starts_K1) & (pieces_KS < ends_K1)


def is_owner(
    windows: Windows, pieces_KS: tf.Tensor, num_pieces: tf.Tensor
) -> tf.Tensor:
    """Returns whether no other window shows a piece with more context, bool `[K, S]`.

    See `features.max_context_spans`.
    """
    shown = tf.ragged.range(windows.starts, windows.ends)
    pieces, own = shown.flat_values, tf.cast(shown.value_rowids(), tf.int32)
    first, last = tf.gather(windows.starts, own), tf.gather(windows.ends, own) - 1
    nearest = tf.cast(tf.minimum(pieces - first, last - pieces), tf.float64)
    lengths = tf.cast(last - first + 1, tf.float64)
    context = nearest + tf.constant(0.01, tf.float64) * lengths
    best_P = tf.math.unsorted_segment_max(context, pieces, num_pieces)
    is_best = context == tf.gather(best_P, pieces)
    owners_P = tf.math.unsorted_segment_min(
        tf.where(is_best, own, tf.size(windows.starts)), pieces, num_pieces
    )
    is_shown_KS = is_shown(windows, pieces_KS)
    owners_KS = tf.gather(
        tf.concat([owners_P, [NOTHING]], 0),
        tf.where(is_shown_KS, pieces_KS, num_pieces),
    )
    return owners_KS == tf.range(tf.size(windows.starts))[:, tf.newaxis]
