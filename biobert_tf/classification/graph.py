# SPDX-License-Identifier: Apache-2.0
"""Classifies raw texts, or pairs, inside a TensorFlow graph, as `task` does.

Shape suffixes: B texts, R rows, K labels.
"""

import tensorflow as tf

from biobert_tf.classification import tasks, thresholds
from biobert_tf.classification.features import NUM_SPECIAL
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.classification.task import MultiTask, SingleTask, TextTask
from biobert_tf.export import text as graph_text
from biobert_tf.export import windows
from biobert_tf.export.served import input_specs
from biobert_tf.export.tokenizer import GraphTokenizer
from biobert_tf.model import heads
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served


class TextGraph:
    """Classifies texts given as string tensors."""

    def __init__(self, model: heads.Model, task: TextTask, has_pairs: bool) -> None:
        """Makes the model and the vocabulary constants of a graph."""
        self._model = model
        self._task = task
        self._has_pairs = has_pairs
        self._tokenizer = GraphTokenizer(task.tokenizer)
        self._vocab = task.tokenizer.vocab

    def served(self) -> Served:
        """Returns the model, ready to be exported."""
        text = "Aspirin reduced the risk of a stroke."
        example = {"text": (text,)}
        if self._has_pairs:
            example = {"text": ("Does aspirin prevent strokes?",), "pair": (text,)}
        return Served(
            kind="classification",
            title="Classification of biomedical text",
            model=self._model,
            labels=self._task.labels,
            answers=self._card(),
            text_inputs=tuple(example),
            answer=self.answer_pair if self._has_pairs else self.answer,
            score=self.score,
            specs=input_specs(self._task.max_seq_length),
            example=example,
        )

    def _card(self) -> dict[str, object]:
        """Returns what the card says: what is told of what, and from which limits on.

        A label without a threshold, one of three or more, is told if it is the most
        probable one.
        """
        task = self._task
        limits: dict[str, float] = {}
        if isinstance(task, MultiTask):
            limits = {
                x: task.thresholds.get(x, thresholds.DEFAULT) for x in task.labels
            }
        elif isinstance(task, SingleTask) and len(task.labels) == 2:
            limits = {task.labels[1]: task.threshold}
        return {
            "target": task.target_name,
            "pairs_of_texts": self._has_pairs,
            "thresholds": limits,
            "long_texts": task.long_texts,
            "window_pooling": task.window_pooling,
            "pooling": task.pooling,
        }

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns what rows say, as `answer` does for texts of one row."""
        return self._decided(self._model(batch)["logits"])

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the targets of texts, strings `[batch]`, of any length.

        Returns:
            `num_windows`, int32 `[batch]`, and what belongs to the target.
            One label: `label`, strings `[batch]`, and `probabilities`, float32
            `[batch, labels]`. Several: `is_label`, bool `[batch, labels]`, and
            `probabilities`. A number: `value`, float32 `[batch]`.
        """
        ids_a = self._pieces(text)
        lengths_B = tf.cast(ids_a.row_lengths(), tf.int32)
        room = self._task.max_seq_length - NUM_SPECIAL
        rows_R, starts_R, ends_R = self._windows(
            lengths_B, tf.fill([tf.size(text)], room)
        )
        shown = _slices(ids_a, rows_R, starts_R, ends_R)
        ids = windows.between(shown, self._vocab["[CLS]"], self._vocab["[SEP]"])
        return self._pooled(ids, tf.zeros_like(ids), rows_R, tf.size(text))

    def answer_pair(self, text: tf.Tensor, pair: tf.Tensor) -> Outputs:
        """Returns the targets of pairs of texts; see `answer`."""
        ids_a, ids_b = self._pieces(text), self._pieces(pair)
        len_a = tf.cast(ids_a.row_lengths(), tf.int32)
        len_b = tf.cast(ids_b.row_lengths(), tf.int32)
        room = self._task.max_seq_length - NUM_SPECIAL - 1
        if self._task.long_texts == "cut":
            kept_a = tf.minimum(len_a, tf.maximum(room - len_b, (room + 1) // 2))
            kept_b = tf.minimum(len_b, room - kept_a)
            ids_a, ids_b = _first(ids_a, kept_a), _first(ids_b, kept_b)
            rows_R = tf.range(tf.size(text))
            shown_a, shown_b = ids_a, ids_b
        else:
            is_b_long_B = len_a <= len_b
            fits_B = len_a + len_b <= room
            short_B = tf.minimum(len_a, len_b)
            short_B = tf.where(fits_B, short_B, tf.minimum(short_B, room // 2))
            rows_R, starts_R, ends_R = self._windows(
                tf.maximum(len_a, len_b), room - short_B
            )
            is_b_long_R = tf.gather(is_b_long_B, rows_R)
            ends_short_R = tf.gather(short_B, rows_R)
            shown_a, shown_b = (
                _slices(
                    ids,
                    rows_R,
                    tf.where(is_long_R, starts_R, 0),
                    tf.where(is_long_R, ends_R, ends_short_R),
                )
                for ids, is_long_R in ((ids_a, ~is_b_long_R), (ids_b, is_b_long_R))
            )
        cls, sep = self._vocab["[CLS]"], self._vocab["[SEP]"]
        row_a = windows.between(shown_a, cls, sep)
        row_b = windows.between(shown_b, sep, sep)[:, 1:]
        ids = tf.concat([row_a, row_b], axis=1)
        segments = tf.concat([tf.zeros_like(row_a), tf.ones_like(row_b)], axis=1)
        return self._pooled(ids, segments, rows_R, tf.size(text))

    # --- rows ------------------------------------------------------------------------

    def _pieces(self, text: tf.Tensor) -> tf.RaggedTensor:
        pieces = self._tokenizer(graph_text.characters(text))
        return windows.by_unit(pieces.ids, pieces.units, tf.size(text))

    def _windows(
        self, lengths_B: tf.Tensor, room_B: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the text, the first piece and the end of every row, int32 `[R]`."""
        num_B = tf.ones_like(lengths_B)
        if self._task.long_texts == "windows":
            step_B = tf.maximum(1, room_B // 2)
            num_B += tf.maximum(0, -((room_B - lengths_B) // step_B))
        else:
            step_B = room_B
        starts = tf.ragged.range(tf.zeros_like(num_B), num_B * step_B, step_B)
        rows_R = tf.cast(starts.value_rowids(), tf.int32)
        starts_R = starts.flat_values
        ends_R = starts_R + tf.gather(room_B, rows_R)
        return rows_R, starts_R, tf.minimum(ends_R, tf.gather(lengths_B, rows_R))

    # --- answers ---------------------------------------------------------------------

    def _pooled(
        self,
        ids: tf.RaggedTensor,
        segments: tf.RaggedTensor,
        rows_R: tf.Tensor,
        num_texts: tf.Tensor,
    ) -> Outputs:
        num_outputs = len(self._task.labels)
        scored = windows.in_batches(
            lambda batch: {"logits": self._model(batch)["logits"]},
            windows.inputs(ids, segments),
            {"logits": tf.TensorSpec([num_outputs], tf.float32)},
        )
        pool = (
            tf.math.unsorted_segment_mean
            if self._task.window_pooling == "mean"
            else tf.math.unsorted_segment_max
        )
        # Float64, as `task`: else a mean would lose digits.
        logits = pool(tf.cast(scored["logits"], tf.float64), rows_R, num_texts)
        counts = tf.math.bincount(rows_R, minlength=num_texts, maxlength=num_texts)
        return {**self._decided(tf.cast(logits, tf.float32)), "num_windows": counts}

    def _decided(self, logits: tf.Tensor) -> Outputs:
        """Returns the answers that logits `[B, K]` give."""
        task = self._task
        if isinstance(task, SingleTask):
            probabilities = tf.nn.softmax(logits)
            best = tf.argmax(probabilities, -1)
            if task.threshold != thresholds.DEFAULT:
                best = tf.cast(probabilities[:, 1] > task.threshold, tf.int64)
            label = tf.gather(tf.constant(list(task.labels)), best)
            return {"label": label, "probabilities": probabilities}
        if isinstance(task, MultiTask):
            probabilities = tf.sigmoid(logits)
            limits = [task.thresholds.get(x, thresholds.DEFAULT) for x in task.labels]
            is_label = probabilities > tf.constant(limits, tf.float32)
            return {"is_label": is_label, "probabilities": probabilities}
        return {"value": logits[:, 0]}


def _first(ids: tf.RaggedTensor, lengths_B: tf.Tensor) -> tf.RaggedTensor:
    """Returns the first pieces of texts."""
    places = tf.range(tf.size(lengths_B))
    return _slices(ids, places, tf.zeros_like(lengths_B), lengths_B)


def _slices(
    ids: tf.RaggedTensor, rows_R: tf.Tensor, starts_R: tf.Tensor, ends_R: tf.Tensor
) -> tf.RaggedTensor:
    """Returns the pieces `[start, end)` of a text for every row."""
    offsets_R = tf.gather(tf.cast(ids.row_starts(), tf.int32), rows_R)
    shown = windows.ranges(ids.flat_values, offsets_R + starts_R, offsets_R + ends_R)
    return shown.with_row_splits_dtype(tf.int64)


def serve(loaded: Loaded[ClassificationConfig]) -> Served:
    """Returns a trained model, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    task, facts = tasks.of_model(loaded)
    return TextGraph(loaded.build(task.build_model), task, facts.has_pairs).served()
