# SPDX-License-Identifier: Apache-2.0
"""Masked language modelling of raw text in a graph: predicts each `[MASK]`'s piece.

Shape suffixes: B texts, K windows, M masks of all texts, N characters of all texts,
V vocabulary.
"""

from typing import Final

import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.export import piece_windows
from biobert_tf.export import text as graph_text
from biobert_tf.export import windows as window_rows
from biobert_tf.export.served import input_specs, padded
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces
from biobert_tf.export.windows import names_of
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
        self._vocab = tokenizer.vocab
        self._names = names_of(tokenizer)
        self._num_best = min(_NUM_BEST, len(self._names))
        self._room = max_seq_length - 2

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns the most probable pieces at the masked positions.

        Returns:
            `pieces`, strings, `piece_ids`, int32, and `probabilities`, float32, each
            `[batch, masked_lm_positions, best]`, the most probable first.
        """
        logits_BMV = self._model(batch)["masked_lm_logits"]
        # The model's embedding table may be larger than the vocabulary.
        probabilities_BMV = tf.nn.softmax(logits_BMV)[:, :, : len(self._names)]
        best, ids = tf.math.top_k(probabilities_BMV, self._num_best)
        return {
            "pieces": tf.gather(self._names, ids),
            "piece_ids": ids,
            "probabilities": best,
        }

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the most probable pieces for every `[MASK]` of texts.

        Args:
            text: Strings `[batch]`, UTF-8, of any length; `[MASK]` is one piece.

        Returns:
            `starts`, the byte where each mask begins, int32 `[batch, masks]`, padded
            with -1; `pieces`, strings, and `probabilities`, float32, `[batch, masks,
            best]`, the most probable first, padded with "" and 0.
        """
        num_texts = tf.size(text)
        pieces = self._pieces(text)
        windows = piece_windows.cut(
            pieces, num_texts, self._room, self._vocab["[CLS]"], self._vocab["[SEP]"]
        )
        masks_M = tf.where(pieces.ids == self._vocab[MASK])[:, 0]
        rows_M = tf.gather(pieces.units, masks_M)
        # The masks are sorted by window, so their positions can be grouped by window.
        owners_M = tf.gather(windows.owners, masks_M)
        positions = window_rows.by_unit(
            tf.gather(windows.positions, masks_M), owners_M, tf.size(windows.rows)
        )
        inputs = window_rows.inputs(windows.ids, tf.zeros_like(windows.ids))
        # At least one position per window, also where no text has a mask.
        places_KN = tf.pad(positions.to_tensor(0), [[0, 0], [0, 1]])
        scored = window_rows.in_batches(
            self.score,
            {**inputs, "masked_lm_positions": places_KN},
            {
                "pieces": tf.TensorSpec([None, self._num_best], tf.string),
                "probabilities": tf.TensorSpec([None, self._num_best], tf.float32),
            },
        )
        number_M = tf.range(tf.size(owners_M)) - tf.searchsorted(owners_M, owners_M)
        where_M2 = tf.stack([owners_M, number_M], 1)
        return {
            "starts": padded(rows_M, tf.gather(pieces.starts, masks_M), num_texts),
            **{
                name: padded(rows_M, tf.gather_nd(values, where_M2), num_texts)
                for name, values in scored.items()
            },
        }

    def _pieces(self, text: tf.Tensor) -> Pieces:
        """Returns the pieces of texts; each `[MASK]` is one piece."""
        found = graph_text.characters(text)
        masks = graph_text.occurrences(found, MASK)
        is_mask_N = graph_text.inside(found, masks)
        # Spaces in place of the masks separate the words beside them.
        codes_N = tf.where(is_mask_N, ord(" "), found.codes)
        pieces = self._tokenizer(found._replace(codes=codes_N))
        ids = tf.fill([tf.size(masks.rows)], self._vocab[MASK])
        both = zip(pieces, (ids, masks.starts, masks.ends, masks.rows), strict=True)
        merged = Pieces(*(tf.concat(pair, 0) for pair in both))
        order = tf.argsort(
            graph_text.text_places(merged.units, merged.starts), stable=True
        )
        return Pieces(*(tf.gather(values, order) for values in merged))


def serve(loaded: Loaded[PretrainingConfig]) -> Served:
    """Returns a trained masked language model, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    # Predictions read neither of the two heads.
    model = loaded.build(
        heads.PretrainingModel,
        new_head=("cls/seq_relationship", "bert/pooler"),
    )
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
