# SPDX-License-Identifier: Apache-2.0
"""Answers questions inside a TensorFlow graph, as `decoding` does; offsets are bytes.

An answer is cut from the context at the place where the model found it. If the pieces
cannot be aligned with the text, the answer is all words that they touch
(`decoding.aligned_letters`). One difference remains: that function takes the first
place among these words that has the same pieces.

Shape suffixes: B questions, P pieces of all contexts, K windows, S best starts and
ends, A answers to all questions, N best answers.
"""

from typing import NamedTuple

import tensorflow as tf

from biobert_tf.export.served import padded
from biobert_tf.export.text import NOTHING
from biobert_tf.model import heads
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.graph_windows import (
    Contexts,
    WindowGraph,
    Windows,
    is_owner,
    is_shown,
)
from biobert_tf.qa.settings import DecodingSettings, QaConfig
from biobert_tf.text.tokenization import UNKNOWN
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served

_SPACES = "[ \t\r\n\u202f]+"


class _Spans(NamedTuple):
    """Answers in the order of the questions, best first, vectors `[A]`.

    Attributes:
        rows: Index of the question, int32.
        starts: First byte of the answer in the context, int32; -1 for no answer.
        ends: Byte behind the answer's last, int32; -1 for no answer.
        scores: Sums of start and end logits, float64.
    """

    rows: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    scores: tf.Tensor

    def take(self, places: tf.Tensor) -> "_Spans":
        """Returns the spans at these places."""
        return _Spans(*(tf.gather(values, places) for values in self))


class QaGraph(WindowGraph):
    """Answers questions given as string tensors."""

    def __init__(
        self,
        model: heads.SpanClassifier,
        featurizer: Featurizer,
        settings: DecodingSettings,
    ) -> None:
        """Keeps the settings beside what a `WindowGraph` keeps."""
        super().__init__(model, featurizer)
        self._settings = settings

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns `start_logits` and `end_logits`, float32 `[batch, length]`."""
        return self._model(batch)

    def answer(self, question: tf.Tensor, context: tf.Tensor) -> Outputs:
        """Returns the answers that contexts, of any length, give to questions.

        Returns:
            `answer`, its bytes `start` and `end` in the context, and `probability`,
            all `[batch]`; "", -1, -1 and 0 where no span can be an answer. The best
            answers with distinct texts, best first: `answers`, `starts`, `ends` and
            `probabilities`, `[batch, best]`, padded with the same values. If the model
            was trained with unanswerable questions, `null_odds` `[batch]`, in logits;
            then an answer "" at bytes -1 means that there is none.
        """
        logits = tf.TensorSpec([None], tf.float32)
        contexts, windows, scored = self._scored(
            question,
            context,
            self.score,
            {"start_logits": logits, "end_logits": logits},
        )
        spans = self._spans(contexts, windows, scored)
        num_rows = tf.size(question)
        null_B = None
        if self._settings.version_2_with_negative:
            null_B = self._null_scores(windows, scored, num_rows)
            rows_B = tf.range(num_rows)
            nothing_B = tf.fill([num_rows], NOTHING)
            nulls = _Spans(rows_B, nothing_B, nothing_B, null_B)
            spans = _Spans(
                *(tf.concat(both, 0) for both in zip(spans, nulls, strict=True))
            )
        best, texts_A = self._nbest(context, spans)
        return self._outputs(best, texts_A, num_rows, null_B)

    # --- scores to spans -------------------------------------------------------------

    def _spans(self, contexts: Contexts, windows: Windows, scored: Outputs) -> _Spans:
        """Returns all spans that can be answers, in the order of `decoding`."""
        size = min(self._settings.n_best_size, self._sizes.max_seq_length)
        start_KS, starts_KS = tf.math.top_k(scored["start_logits"], size)
        end_KS, ends_KS = tf.math.top_k(scored["end_logits"], size)
        offsets_K1 = tf.expand_dims(windows.offsets - windows.starts, 1)
        first_KS, last_KS = starts_KS - offsets_K1, ends_KS - offsets_K1
        can_start_KS = is_owner(windows, first_KS, tf.size(contexts.ids))
        can_end_KS = is_shown(windows, last_KS)
        length_KSS = last_KS[:, tf.newaxis, :] - first_KS[:, :, tf.newaxis] + 1
        is_valid_KSS = (length_KSS >= 1) & can_start_KS[:, :, tf.newaxis]
        is_valid_KSS &= length_KSS <= self._settings.max_answer_length
        is_valid_KSS &= can_end_KS[:, tf.newaxis, :]
        where_A3 = tf.cast(tf.where(is_valid_KSS), tf.int32)
        from_A2, to_A2 = where_A3[:, :2], tf.gather(where_A3, [0, 2], axis=1)
        first_A, last_A = tf.gather_nd(first_KS, from_A2), tf.gather_nd(last_KS, to_A2)
        starts_A, ends_A = self._places(contexts, first_A, last_A)
        # `decoding` adds float64; sums of float32 could tie instead.
        scores_A = tf.cast(tf.gather_nd(start_KS, from_A2), tf.float64)
        scores_A += tf.cast(tf.gather_nd(end_KS, to_A2), tf.float64)
        rows_A = tf.gather(windows.rows, where_A3[:, 0])
        return _Spans(rows_A, starts_A, ends_A, scores_A)

    def _places(
        self, contexts: Contexts, first_A: tf.Tensor, last_A: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the first bytes of answers and the bytes behind them."""
        is_unknown_P = tf.cast(contexts.ids == self._vocab[UNKNOWN], tf.int32)
        unknown_P1 = tf.concat([[0], tf.cumsum(is_unknown_P)], 0)
        has_unknown_A = tf.gather(unknown_P1, last_A + 1) > tf.gather(
            unknown_P1, first_A
        )
        word_A, last_word_A = (tf.gather(contexts.words, p) for p in (first_A, last_A))
        # With as many characters as letters, the two are taken to be aligned.
        is_aligned_A = tf.gather(contexts.surplus, word_A) == tf.gather(
            contexts.surplus, last_word_A + 1
        )
        is_exact_A = is_aligned_A & ~has_unknown_A
        pieces, words = contexts, contexts.of_words
        starts = tf.gather(pieces.starts, first_A), tf.gather(words.starts, word_A)
        ends = tf.gather(pieces.ends, last_A), tf.gather(words.ends, last_word_A)
        return tf.where(is_exact_A, *starts), tf.where(is_exact_A, *ends)

    def _null_scores(
        self, windows: Windows, scored: Outputs, num_rows: tf.Tensor
    ) -> tf.Tensor:
        """Returns the null score of questions, the windows' lowest, float64 `[B]`."""
        # In float64, as `decoding` does.
        scores_K = sum(
            tf.cast(scored[name][:, 0], tf.float64)
            for name in ("start_logits", "end_logits")
        )
        least_B = tf.math.unsorted_segment_min(scores_K, windows.rows, num_rows)
        # A question without windows has a null score of 0.
        return tf.where(least_B == tf.float64.max, tf.zeros_like(least_B), least_B)

    # --- spans to answers ------------------------------------------------------------

    def _nbest(self, context: tf.Tensor, spans: _Spans) -> tuple[_Spans, tf.Tensor]:
        """Returns the best spans with distinct texts, and these texts."""
        spans = spans.take(tf.argsort(-spans.scores, stable=True))
        spans = spans.take(tf.argsort(spans.rows, stable=True))
        sizes_A = tf.maximum(spans.ends - spans.starts, 0)
        starts_A = tf.maximum(spans.starts, 0)
        texts_A = tf.strings.substr(tf.gather(context, spans.rows), starts_A, sizes_A)
        texts_A = tf.strings.regex_replace(texts_A, _SPACES, " ")
        keys_A = tf.strings.join([tf.strings.as_string(spans.rows), texts_A], " ")
        unique, same_A = tf.unique(keys_A)
        places_A = tf.range(tf.size(same_A))
        firsts = tf.math.unsorted_segment_min(places_A, same_A, tf.size(unique))
        spans, texts_A = spans.take(firsts), tf.gather(texts_A, firsts)
        begins_A = tf.searchsorted(spans.rows, spans.rows)
        is_best_A = tf.range(tf.size(firsts)) - begins_A < self._settings.n_best_size
        # The null answer is always kept.
        kept = tf.where(is_best_A | (spans.starts == NOTHING))[:, 0]
        return spans.take(kept), tf.gather(texts_A, kept)

    def _outputs(
        self,
        best: _Spans,
        texts_A: tf.Tensor,
        num_rows: tf.Tensor,
        null_B: tf.Tensor | None,
    ) -> Outputs:
        highest_B = tf.math.unsorted_segment_max(best.scores, best.rows, num_rows)
        weights_A = tf.exp(best.scores - tf.gather(highest_B, best.rows))
        sums_B = tf.math.unsorted_segment_sum(weights_A, best.rows, num_rows)
        probabilities_A = tf.cast(weights_A / tf.gather(sums_B, best.rows), tf.float32)
        columns = {
            "answer": texts_A,
            "start": best.starts,
            "end": best.ends,
            "probability": probabilities_A,
        }
        plurals = {"probability": "probabilities"}
        outputs = {
            plurals.get(name, f"{name}s"): padded(best.rows, values, num_rows)
            for name, values in columns.items()
        }
        is_null_A = best.starts == NOTHING
        chosen_A = ~is_null_A
        if null_B is not None:
            odds_B = null_B - tf.math.unsorted_segment_max(
                tf.where(is_null_A, tf.float64.min, best.scores), best.rows, num_rows
            )
            outputs["null_odds"] = tf.cast(odds_B, tf.float32)
            has_none_B = odds_B > self._settings.null_score_diff_threshold
            chosen_A = is_null_A == tf.gather(has_none_B, best.rows)
        # The first column holds the best of the remaining answers.
        rows = tf.boolean_mask(best.rows, chosen_A)
        for name, values in columns.items():
            chosen = tf.boolean_mask(values, chosen_A)
            outputs[name] = padded(rows, chosen, num_rows, width=1)[:, 0]
        return outputs


def serve(loaded: Loaded[QaConfig]) -> Served:
    """Returns a trained model that answers with spans, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    model = loaded.build(heads.SpanClassifier)
    length = loaded.text.max_seq_length
    featurizer = Featurizer.of(loaded.settings, loaded.tokenizer, length)
    return QaGraph(model, featurizer, loaded.settings.decoding).served(
        "qa",
        "Answers to biomedical questions",
        "Which gene is mutated in cystic fibrosis?",
    )
