# SPDX-License-Identifier: Apache-2.0
"""Computes vectors of raw text in a graph: of its pieces, and of the whole text.

Shape suffixes: B texts, P pieces of all texts, D hidden size.
"""

import tensorflow as tf

from biobert_tf.common.settings import TextConfig
from biobert_tf.export import text as graph_text
from biobert_tf.export import windows as window_rows
from biobert_tf.export import word_windows
from biobert_tf.export.served import input_specs, padded
from biobert_tf.export.tokenizer import GraphTokenizer
from biobert_tf.model import heads
from biobert_tf.model.layers import Dropout
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served


class EncoderModel(heads.Model):
    """The encoder without a head."""

    def __call__(
        self, batch: heads.Batch, dropout: Dropout | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns `sequence_output` and `pooled_output`, float32; see `Encoded`."""
        encoded = self.encode(batch, dropout)
        return {
            "sequence_output": encoded.sequence_output,
            "pooled_output": encoded.pooled_output,
        }


class EncoderGraph:
    """Turns strings into vectors."""

    def __init__(
        self, model: EncoderModel, tokenizer: FullTokenizer, max_seq_length: int
    ) -> None:
        """Makes the model and the vocabulary constants of a graph."""
        self._model = model
        self._tokenizer = GraphTokenizer(tokenizer)
        self._max_seq_length = max_seq_length

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the vectors of texts: strings `[batch]`, UTF-8, of any length.

        Returns:
            Per piece, padded with "", -1 and 0: `pieces`, `starts` and `ends` (bytes),
            all `[batch, pieces]`, and `sequence_output`, float32 `[batch, pieces,
            hidden]`. Per text: `pooled_output` (of the first window) and
            `mean_embedding` (the mean over the pieces), float32 `[batch, hidden]`;
            zeros for a text without pieces.
        """
        num_texts = tf.size(text)
        pieces = self._tokenizer(graph_text.characters(text))
        windows = word_windows.cut_pieces(
            pieces, num_texts, self._tokenizer, self._max_seq_length
        )
        size = self._model.config.hidden_size
        specs = {
            "sequence_output": tf.TensorSpec([None, size], tf.float32),
            "pooled_output": tf.TensorSpec([size], tf.float32),
        }
        scored = window_rows.in_batches(self._model, windows.inputs, specs)
        vectors_PD = tf.gather_nd(
            scored["sequence_output"], tf.stack([windows.owners, windows.positions], 1)
        )
        rows_P = pieces.units
        is_first = graph_text.previous(windows.rows, -1) != windows.rows
        return {
            "pieces": padded(
                rows_P, tf.gather(self._tokenizer.names, pieces.ids), num_texts
            ),
            "starts": padded(rows_P, pieces.starts, num_texts),
            "ends": padded(rows_P, pieces.ends, num_texts),
            "sequence_output": padded(rows_P, vectors_PD, num_texts),
            "pooled_output": tf.math.unsorted_segment_sum(
                tf.boolean_mask(scored["pooled_output"], is_first),
                tf.boolean_mask(windows.rows, is_first),
                num_texts,
            ),
            "mean_embedding": tf.math.unsorted_segment_mean(
                vectors_PD, rows_P, num_texts
            ),
        }


def serve(loaded: Loaded[TextConfig]) -> Served:
    """Returns a trained encoder, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    model = loaded.build(EncoderModel)
    graph = EncoderGraph(model, loaded.tokenizer, loaded.text.max_seq_length)
    return Served(
        kind="encoder",
        title="Vectors of biomedical text",
        model=model,
        text_inputs=("text",),
        answer=graph.answer,
        score=model,
        specs=input_specs(loaded.text.max_seq_length),
        example={"text": ("Mutations of BRCA1 cause hereditary breast cancer.",)},
    )
