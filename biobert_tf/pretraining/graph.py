# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling of raw text in a graph: predicts each `[MASK]`'s piece.

Shape suffixes: B texts, K windows, P pieces, M masks and N characters of all texts,
V vocabulary.
"""

from typing import Final

import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.export import text as graph_text
from biobert_tf.export import windows as window_rows
from biobert_tf.export import word_windows
from biobert_tf.export.served import input_specs, padded
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces
from biobert_tf.model import heads
from biobert_tf.pretraining.settings import PretrainingConfig
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.records import FeatureSpec
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served

MASK: Final = "[MASK]"
_NUM_BEST: Final = 10


class MaskedLmGraph:
    """Predicts the pieces that `[MASK]` stands for."""

    def __init__(
        self,
        model: heads.PretrainingModel,
        tokenizer: FullTokenizer,
        max_seq_length: int,
    ) -> None:
        """Makes the model and the vocabulary constants of a graph.

        Raises:
            InputError: The vocabulary has no `[MASK]`.
        """
        if MASK not in tokenizer.vocab:
            raise InputError.at(tokenizer.vocab_file, None, f"lacks {MASK}")
        self._model = model
        self._tokenizer = GraphTokenizer(tokenizer)
        self._num_best = min(_NUM_BEST, len(self._tokenizer.names))
        self._max_seq_length = max_seq_length

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns the most probable pieces at the masked positions, the best first.

        Returns:
            `pieces`, strings, `piece_ids`, int32, and `probabilities`, float32, each
            `[batch, masked_lm_positions, best]`.
        """
        logits_BMV = self._model(batch)["masked_lm_logits"]
        # The model's embedding table may be larger than the vocabulary.
        names = self._tokenizer.names
        probabilities_BMV = tf.nn.softmax(logits_BMV)[:, :, : len(names)]
        best, ids = tf.math.top_k(probabilities_BMV, self._num_best)
        return {
            "pieces": tf.gather(names, ids),
            "piece_ids": ids,
            "probabilities": best,
        }

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the most probable pieces for every `[MASK]` of texts.

        Texts are strings `[batch]`, UTF-8, of any length; `[MASK]` is one piece.

        Returns:
            `starts`, the byte where each mask begins, int32 `[batch, masks]`, padded
            with -1; `pieces`, strings, and `probabilities`, float32, `[batch, masks,
            best]`, the most probable first, padded with "" and 0.
        """
        num_texts = tf.size(text)
        pieces, is_mask_P = self._pieces(text)
        windows = word_windows.cut_pieces(
            pieces, num_texts, self._tokenizer, self._max_seq_length
        )
        # The masks are sorted by window.
        positions = window_rows.by_unit(
            tf.boolean_mask(windows.positions, is_mask_P),
            tf.boolean_mask(windows.owners, is_mask_P),
            tf.size(windows.rows),
        )
        # At least one position per window, also where no text has a mask.
        places_KN = tf.pad(positions.to_tensor(0), [[0, 0], [0, 1]])
        is_mask_KN = tf.sequence_mask(positions.row_lengths(), tf.shape(places_KN)[1])
        scored = window_rows.in_batches(
            self.score,
            {**windows.inputs, "masked_lm_positions": places_KN},
            {
                "pieces": tf.TensorSpec([None, self._num_best], tf.string),
                "probabilities": tf.TensorSpec([None, self._num_best], tf.float32),
            },
        )
        found = {"starts": tf.boolean_mask(pieces.starts, is_mask_P)}
        for name, values in scored.items():
            found[name] = tf.boolean_mask(values, is_mask_KN)
        rows_M = tf.boolean_mask(pieces.units, is_mask_P)
        return {name: padded(rows_M, of_M, num_texts) for name, of_M in found.items()}

    def _pieces(self, text: tf.Tensor) -> tuple[Pieces, tf.Tensor]:
        """Returns the pieces of texts, and whether each is a `[MASK]`."""
        found = graph_text.characters(text)
        masks = graph_text.occurrences(found, MASK)
        is_left_N = ~graph_text.inside(found, masks) | graph_text.begins(found, MASK)
        # Alone, the first character of a mask is a piece: it is a punctuation mark.
        pieces = self._tokenizer(found.where(is_left_N))
        is_mask_P = graph_text.inside(pieces, masks)
        ids = tf.where(is_mask_P, self._tokenizer.vocab[MASK], pieces.ids)
        return pieces._replace(ids=ids), is_mask_P


def serve(loaded: Loaded[PretrainingConfig]) -> Served:
    """Returns a trained masked language model, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    # Predictions read neither of the two heads.
    unread = ("cls/seq_relationship", "bert/pooler")
    model = loaded.build(heads.PretrainingModel, new_head=unread)
    graph = MaskedLmGraph(model, loaded.tokenizer, loaded.text.max_seq_length)
    most = loaded.settings.pairs.max_predictions_per_seq
    return Served(
        kind="masked_lm",
        title="Masked words of biomedical text",
        model=model,
        text_inputs=("text",),
        answer=graph.answer,
        score=graph.score,
        specs={
            **input_specs(loaded.text.max_seq_length),
            "masked_lm_positions": FeatureSpec(most),
        },
        example={"text": ("Mutations of BRCA1 cause breast [MASK].",)},
    )
