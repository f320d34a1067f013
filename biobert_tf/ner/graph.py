# SPDX-License-Identifier: Apache-2.0
"""Finds the entities of raw text inside a TensorFlow graph, as `annotator` does.

Offsets are bytes. Shape suffixes: B texts, W words of all texts, P pieces of all words,
K windows, L length, E entities, C labels.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export import text as graph_text
from biobert_tf.export import windows as window_rows
from biobert_tf.export import word_windows
from biobert_tf.export.served import input_specs, padded
from biobert_tf.export.text import NOTHING, Words, following, numbered, previous
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces
from biobert_tf.model import heads
from biobert_tf.ner import reading
from biobert_tf.ner.reading import OUTSIDE
from biobert_tf.ner.scores import UNTYPED
from biobert_tf.ner.settings import NerConfig
from biobert_tf.ner.task import NerTask
from biobert_tf.text.labels import Label, parse, typed
from biobert_tf.text.tokenization import UNKNOWN
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served


class _Labels(NamedTuple):
    """The labels of a model in parts.

    Attributes:
        names: Label as shown, strings `[C]`; labels that words cannot have are `O`.
        tags: 0 for outside, 1 for begin, 2 for inside; int32 `[C]`.
        types: Index of the label's type, int32 `[C]`; -1 for outside.
        insides: Id of the label that continues an entity, int32 `[types]`; -1 if there
            is no such label.
        type_names: Type as shown, strings `[types]`.
    """

    names: tf.Tensor
    tags: tf.Tensor
    types: tf.Tensor
    insides: tf.Tensor
    type_names: tf.Tensor


class NerGraph:
    """Finds entities in texts given as string tensors."""

    def __init__(self, model: heads.Model, task: NerTask) -> None:
        """Makes the model, its labels and its vocabulary constants of a graph."""
        self._model = model
        self._tokenizer = GraphTokenizer(task.tokenizer)
        self._vocab = task.tokenizer.vocab
        self._num_labels = len(task.labels)
        self._labels = _read_labels(typed(task.labels, task.entity_type))
        first, last = task.ends()
        self._first = task.tokenizer.convert_tokens_to_ids(first)
        self._last = task.tokenizer.convert_tokens_to_ids(last)
        self._room = task.max_seq_length - len(first) - len(last)

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns the most probable `labels` of pieces, strings `[batch, length]`.

        Also the `probabilities` of all labels, float32 `[batch, length, labels]`.
        """
        probabilities_BLC = tf.nn.softmax(self._model(batch)["logits"])
        ids_BL = tf.argmax(probabilities_BLC, -1)
        return {
            "labels": tf.gather(self._labels.names, ids_BL),
            "probabilities": probabilities_BLC,
        }

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the words and the entities of texts, which may have any length.

        Returns:
            Matrices with a row per text, padded with "", -1 or 0. A column per word:
            `words`, `starts` and `ends` (bytes), `labels`, `probabilities` (of the
            label). A column per entity: `entities`, `entity_types`, `entity_starts`,
            `entity_ends`, `entity_probabilities` (of exactly this entity).
        """
        found = graph_text.characters(text)
        words = graph_text.ner_words(found, self._tokenizer.traits(found.codes))
        probabilities_WC = self._of_words(words, tf.size(text))
        ids_W = tf.argmax(probabilities_WC, -1, output_type=tf.int32)
        chosen_W = tf.gather(probabilities_WC, ids_W, batch_dims=1)
        columns = {
            "words": _cut_out(text, words.rows, words.starts, words.ends),
            "starts": words.starts,
            "ends": words.ends,
            "labels": tf.gather(self._labels.names, ids_W),
            "probabilities": chosen_W,
        }
        return {
            **_table(words.rows, columns, tf.size(text)),
            **self._entities(text, words, ids_W, chosen_W, probabilities_WC),
        }

    # --- words to probabilities ------------------------------------------------------

    def _of_words(self, words: Words, num_texts: tf.Tensor) -> tf.Tensor:
        """Returns the probabilities of the labels of every word, `[W, C]`."""
        num_words = tf.size(words.rows)
        pieces = self._whole(self._tokenizer(words.characters), num_words)
        places_W1 = pieces.row_splits
        splits_B1 = tf.searchsorted(words.rows, tf.range(num_texts + 1))
        windows = word_windows.cut(places_W1, splits_B1, self._room)
        first_K = tf.gather(places_W1, windows.starts)
        ids = window_rows.ranges(
            pieces.flat_values, first_K, tf.gather(places_W1, windows.ends)
        )
        times = tf.stack([ids.nrows(out_type=tf.int32), 1])
        first, last = (tf.tile([side], times) for side in (self._first, self._last))
        ids = tf.concat([first, ids, last], axis=1)
        spec = tf.TensorSpec([None, self._num_labels], tf.float32)
        scored = window_rows.in_batches(
            lambda batch: {"probabilities": self.score(batch)["probabilities"]},
            window_rows.inputs(ids, tf.zeros_like(ids)),
            {"probabilities": spec},
        )
        position_W = (
            len(self._first) + places_W1[:-1] - tf.gather(first_K, windows.owners)
        )
        where_W2 = tf.stack([windows.owners, position_W], 1)
        return tf.gather_nd(scored["probabilities"], where_W2)

    def _whole(self, pieces: Pieces, num_words: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids of each word's pieces: at least one, at most a window's."""
        ids = tf.RaggedTensor.from_value_rowids(pieces.ids, pieces.units, num_words)
        ids = ids.with_row_splits_dtype(tf.int32)
        # A word of control characters only has no pieces but needs a label.
        lengths = tf.cast(ids.row_lengths() == 0, tf.int32)
        unknown = tf.fill([tf.reduce_sum(lengths)], self._vocab[UNKNOWN])
        unknowns = tf.RaggedTensor.from_row_lengths(unknown, lengths)
        return tf.concat([ids, unknowns], axis=1)[:, : self._room]

    # --- labels to entities ----------------------------------------------------------

    def _entities(
        self,
        text: tf.Tensor,
        words: Words,
        ids_W: tf.Tensor,
        chosen_W: tf.Tensor,
        probabilities_WC: tf.Tensor,
    ) -> Outputs:
        """Returns the entities that the labels form (`text.labels.chunks`)."""
        tags_W = tf.gather(self._labels.tags, ids_W)
        types_W = tf.gather(self._labels.types, ids_W)
        is_new_text_W = previous(words.rows, NOTHING) != words.rows
        is_inside_W = tags_W > 0
        # An inside label also begins an entity if the label before has another type;
        # outside has the type -1.
        is_other_W = previous(types_W, NOTHING) != types_W
        is_first_W = is_inside_W & ((tags_W == 1) | is_new_text_W | is_other_W)
        goes_on_W = is_inside_W & ~is_first_W
        firsts_E = tf.cast(tf.where(is_first_W)[:, 0], tf.int32)
        is_last_W = is_inside_W & ~following(goes_on_W, False)
        lasts_E = tf.cast(tf.where(is_last_W)[:, 0], tf.int32)
        rows_E = tf.gather(words.rows, firsts_E)
        # The index of the entity that a word belongs to, or NOTHING.
        entities_W = tf.where(is_inside_W, numbered(is_first_W), NOTHING)
        product_E = tf.math.unsorted_segment_prod(
            tf.cast(chosen_W, tf.float64), entities_W, tf.size(firsts_E)
        )
        types_E = tf.gather(types_W, firsts_E)
        ends_E = self._ending(probabilities_WC, is_new_text_W, types_E, lasts_E + 1)
        starts_E = tf.gather(words.starts, firsts_E)
        stops_E = tf.gather(words.ends, lasts_E)
        columns = {
            "entities": _cut_out(text, rows_E, starts_E, stops_E),
            "entity_types": tf.gather(self._labels.type_names, types_E),
            "entity_starts": starts_E,
            "entity_ends": stops_E,
            "entity_probabilities": tf.cast(product_E * ends_E, tf.float32),
        }
        return _table(rows_E, columns, tf.size(text))

    def _ending(
        self,
        probabilities_WC: tf.Tensor,
        is_new_text_W: tf.Tensor,
        types_E: tf.Tensor,
        next_E: tf.Tensor,
    ) -> tf.Tensor:
        """Returns the probability that entities end where they do, float64 `[E]`."""
        inside_E = tf.gather(self._labels.insides, types_E)
        is_end_E = tf.gather(tf.concat([is_new_text_W, [True]], 0), next_E)
        is_sure_E = is_end_E | (inside_E == NOTHING)
        where_E2 = tf.stack([next_E, inside_E], 1)
        where_E2 = tf.where(is_sure_E[:, tf.newaxis], 0, where_E2)
        goes_on_E = tf.gather_nd(tf.cast(probabilities_WC, tf.float64), where_E2)
        return 1.0 - tf.where(is_sure_E, tf.zeros_like(goes_on_E), goes_on_E)


def _table(rows: tf.Tensor, columns: Outputs, num_rows: tf.Tensor) -> Outputs:
    """Returns the columns as matrices with a row per text."""
    return {name: padded(rows, values, num_rows) for name, values in columns.items()}


def _cut_out(
    text_B: tf.Tensor, rows: tf.Tensor, starts: tf.Tensor, ends: tf.Tensor
) -> tf.Tensor:
    """Returns the bytes `[start, end)` of the given rows of a batch of texts."""
    return tf.strings.substr(tf.gather(text_B, rows), starts, ends - starts)


def _read_labels(labels: Sequence[str]) -> _Labels:
    shown = list(map(reading.of_word, labels))
    named = [None if label == OUTSIDE else parse(label).type for label in shown]
    types = sorted({name for name in named if name is not None})
    insides = [str(Label("I", name)) for name in types]
    ids = [labels.index(name) if name in labels else NOTHING for name in insides]
    return _Labels(
        tf.constant(shown),
        tf.constant(["OBI".index(label[0]) for label in shown]),
        tf.constant([NOTHING if n is None else types.index(n) for n in named]),
        tf.constant(ids, tf.int32),
        tf.constant([name or UNTYPED for name in types], tf.string),
    )


def serve(loaded: Loaded[NerConfig]) -> Served:
    """Returns a trained NER model, ready to be exported.

    Raises:
        InputError: Its weights do not fit, or its labels are of another task.
    """
    task = NerTask.of(loaded)
    # NER does not read the pooler, and some checkpoints come without it.
    model = loaded.build(task.build_model)
    graph = NerGraph(model, task)
    return Served(
        kind="ner",
        title="Named entities of biomedical text",
        model=model,
        labels=typed(task.labels, task.entity_type),
        recorded={"entity_type": task.entity_type},
        text_inputs=("text",),
        answer=graph.answer,
        score=graph.score,
        specs=input_specs(loaded.text.max_seq_length),
        example={"text": ("Mutations of BRCA1 cause hereditary breast cancer.",)},
    )
