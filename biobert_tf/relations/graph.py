# SPDX-License-Identifier: Apache-2.0
"""Classifies the relations of raw text inside a TensorFlow graph, as `task` does.

Entities stand in a text as placeholders (`@GENE$`), or in `<< >>` and `[[ ]]` if the
model was trained on these. A long text is cut around its entities as in training
(`features.view`).

Shape suffixes: B texts, N most pieces of a text, P pieces of all texts, E entities of
all texts, M most entities of a text.
"""

import logging
from typing import Final

import tensorflow as tf

from biobert_tf.export import text as graph_text
from biobert_tf.export import windows
from biobert_tf.export.served import input_specs
from biobert_tf.export.text import Characters, Spans
from biobert_tf.export.tokenizer import GraphTokenizer, Pieces
from biobert_tf.model import heads
from biobert_tf.relations import graph_entities, reading
from biobert_tf.relations.features import MARKERS, Featurizer
from biobert_tf.relations.graph_entities import Entities
from biobert_tf.relations.settings import RelationConfig
from biobert_tf.relations.task import RelationTask
from biobert_tf.training.reload import Loaded
from biobert_tf.training.served import Outputs, Served

_LOG = logging.getLogger(__name__)

_FAR: Final = 2**30
"""A distance greater than that of any piece."""


class ReGraph:
    """Classifies the relations of texts given as string tensors."""

    def __init__(
        self, model: heads.Model, featurizer: Featurizer, is_marked: bool = False
    ) -> None:
        """Makes the model and the vocabulary constants of a graph.

        `featurizer` decides which pieces of a text are read; `is_marked` says that
        entities stand in `<< >>` and `[[ ]]`, as in SciBERT's files.
        """
        self._model = model
        self._featurizer = featurizer
        self._tokenizer = GraphTokenizer(featurizer.tokenizer)
        self._vocab = featurizer.tokenizer.vocab
        self._labels = tf.constant(featurizer.relation_set.labels)
        self._room = featurizer.max_seq_length - 2
        self._find = graph_entities.marked if is_marked else graph_entities.placeholders

    def score(self, batch: dict[str, tf.Tensor]) -> Outputs:
        """Returns `label`, strings `[batch]`, and `probabilities` of all labels."""
        probabilities = tf.nn.softmax(self._model(batch)["logits"])
        best = tf.argmax(probabilities, -1)
        return {"label": tf.gather(self._labels, best), "probabilities": probabilities}

    def answer(self, text: tf.Tensor) -> Outputs:
        """Returns the relations that texts with placeholders or marks state.

        Returns:
            `label`, strings `[batch]`; `probabilities`, float32 `[batch, labels]`, in
            the order of `labels.json`; `is_cut`, bool `[batch]`, whether the text was
            too long; `num_entities`, int32 `[batch]`.
        """
        num_texts = tf.size(text)
        found = graph_text.characters(text)
        entities = self._find(found, self._tokenizer.traits(found.codes))
        pieces = self._pieces(found, entities)
        ids = windows.by_unit(pieces.ids, pieces.units, num_texts)
        kept = self._kept(pieces, entities, ids)
        rows = windows.between(kept, self._vocab["[CLS]"], self._vocab["[SEP]"])
        specs = {
            "label": tf.TensorSpec([], tf.string),
            "probabilities": tf.TensorSpec([self._labels.shape[0]], tf.float32),
        }
        scored = windows.in_batches(
            self.score, windows.inputs(rows, tf.zeros_like(rows)), specs
        )
        return {
            **scored,
            "is_cut": kept.row_lengths() < ids.row_lengths(),
            "num_entities": tf.math.bincount(
                entities.rows, minlength=num_texts, maxlength=num_texts
            ),
        }

    # --- pieces ----------------------------------------------------------------------

    def _pieces(self, found: Characters, entities: Entities) -> Pieces:
        """Returns the pieces of texts, with entities between markers if so set."""
        if not self._featurizer.entity_markers:
            return self._tokenizer(found)
        # The marks around entities are dropped, since markers replace them.
        is_inner_N = graph_text.inside(found, entities.inner)
        found = found.where(is_inner_N | ~graph_text.inside(found, entities.spans))
        # Each entity, and each stretch between entities, is tokenized on its own.
        places_N = graph_text.text_places(found.units, found.starts)
        borders = [
            graph_text.text_places(entities.rows, side)
            for side in (entities.starts, entities.ends)
        ]
        cuts_N = tf.add_n(
            [tf.searchsorted(border, places_N, side="right") for border in borders]
        )
        is_new_text_N = graph_text.previous(found.units, -1) != found.units
        is_first_N = is_new_text_N | (graph_text.previous(cuts_N, 0) != cuts_N)
        # These parts are numbered through all texts.
        pieces = self._tokenizer(found._replace(units=graph_text.numbered(is_first_N)))
        rows_P = tf.gather(tf.boolean_mask(found.units, is_first_N), pieces.units)
        return self._with_markers(pieces._replace(units=rows_P), entities)

    def _with_markers(self, pieces: Pieces, entities: Entities) -> Pieces:
        """Puts the markers of an entity's role before and behind the entity."""
        ids = tf.constant([[self._vocab[m] for m in pair] for pair in MARKERS])
        before_E, behind_E = tf.unstack(tf.gather(ids, entities.roles), axis=1)
        # Order by place: an entity's first marker goes before the piece that begins
        # there, its second marker behind the piece that ends there.
        orders = [
            graph_text.text_places(pieces.units, pieces.starts * 4 + 1),
            graph_text.text_places(entities.rows, entities.starts * 4),
            graph_text.text_places(entities.rows, entities.ends * 4 - 1),
        ]
        order = tf.argsort(tf.concat(orders, 0), stable=True)
        # A marker gets the place of the first or the last byte of its entity.
        columns = [
            [pieces.ids, before_E, behind_E],
            [pieces.starts, entities.starts, entities.ends - 1],
            [pieces.ends, entities.starts + 1, entities.ends],
            [pieces.units, entities.rows, entities.rows],
        ]
        return Pieces(*(tf.gather(tf.concat(c, 0), order) for c in columns))

    # --- what is kept ----------------------------------------------------------------

    def _kept(
        self, pieces: Pieces, entities: Entities, ids: tf.RaggedTensor
    ) -> tf.RaggedTensor:
        """Returns the ids of the pieces that a row shows."""
        if self._featurizer.compat == "master":
            # PARITY(run_re.py:528-529): an entity may be cut off.
            return ids[:, : self._room]
        return tf.ragged.boolean_mask(ids, self._view(pieces, entities.spans, ids))

    def _view(
        self, pieces: Pieces, entities: Spans, ids: tf.RaggedTensor
    ) -> tf.RaggedTensor:
        """Returns whether rows show their pieces (`features.view`), ragged bool."""
        room = self._room
        lengths_B = tf.cast(ids.row_lengths(), tf.int32)
        first_BM, last_BM = _entity_pieces(pieces, entities, ids)
        # If the beginning holds all entities, it counts as one; so does everything from
        # the first entity to the last, if it fits.
        stop_B1 = tf.maximum(tf.reduce_max(last_BM, 1, keepdims=True) + 1, 0)
        start_B1 = tf.reduce_min(first_BM, 1, keepdims=True)
        start_B1 = tf.where(stop_B1 <= room, 0, start_B1)
        is_one_B1 = stop_B1 - start_B1 <= room
        first_BM = tf.where(is_one_B1, start_B1, first_BM)
        last_BM = tf.where(is_one_B1, stop_B1 - 1, last_BM)
        piece_1N = tf.range(tf.reduce_max(tf.concat([[0], lengths_B], 0)))[tf.newaxis]
        before_BMN = first_BM[:, :, tf.newaxis] - piece_1N[:, tf.newaxis]
        behind_BMN = piece_1N[:, tf.newaxis] - last_BM[:, :, tf.newaxis]
        distance_BMN = tf.maximum(0, tf.maximum(before_BMN, behind_BMN))
        distance_BN = tf.reduce_min(distance_BMN, 1)
        # Ranks of the pieces by distance; the earlier of two equals comes first.
        is_piece_BN = piece_1N < tf.expand_dims(lengths_B, 1)
        distance_BN = tf.where(is_piece_BN, distance_BN, _FAR)
        order_BN = tf.argsort(distance_BN, stable=True)
        rank_BN = tf.argsort(order_BN, stable=True)
        return tf.RaggedTensor.from_tensor(rank_BN < room, lengths_B)


def _entity_pieces(
    pieces: Pieces, entities: Spans, ids: tf.RaggedTensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the first and the last piece of the entities of every text.

    They are int32 `[B, M]`, M at least 1, padded with `_FAR` and `-_FAR`.
    """
    starts_P = graph_text.text_places(pieces.units, pieces.starts)
    ends_P = graph_text.text_places(pieces.units, pieces.ends)
    # An entity's first piece is the first that ends behind its start; its last piece is
    # the last that begins before its end.
    starts_E = graph_text.text_places(entities.rows, entities.starts)
    ends_E = graph_text.text_places(entities.rows, entities.ends)
    first_E = tf.searchsorted(ends_P, starts_E, side="right")
    last_E = tf.searchsorted(starts_P, ends_E) - 1
    splits = tf.cast(ids.row_starts(), tf.int32)
    row_starts_E = tf.gather(splits, entities.rows)
    num_rows = tf.size(splits)

    def filled(values_E: tf.Tensor, filling: int) -> tf.Tensor:
        ragged = tf.RaggedTensor.from_value_rowids(values_E, entities.rows, num_rows)
        matrix = ragged.to_tensor(filling)
        return tf.pad(matrix, [[0, 0], [0, 1]], constant_values=filling)

    return filled(first_E - row_starts_E, _FAR), filled(last_E - row_starts_E, -_FAR)


def serve(loaded: Loaded[RelationConfig]) -> Served:
    """Returns a trained RE model, ready to be exported.

    Raises:
        InputError: The weights do not fit the model.
    """
    task = RelationTask.of(loaded, loaded.settings.compat)
    model = loaded.build(task.build_model)
    is_marked = _is_marked(loaded)
    graph = ReGraph(model, task, is_marked)
    shown = ("<< BRCA1 >>", "[[ cancer ]]") if is_marked else ("@GENE$", "@DISEASE$")
    return Served(
        kind="re",
        title="Relations between biomedical entities",
        model=model,
        labels=loaded.labels,
        text_inputs=("text",),
        answer=graph.answer,
        score=graph.score,
        specs=input_specs(loaded.text.max_seq_length),
        example={"text": (" is associated with ".join(shown) + " in adults.",)},
    )


def _is_marked(loaded: Loaded[RelationConfig]) -> bool:
    """Says whether a model was trained on SciBERT's files.

    If the recorded format is `auto`, the files of the training decide, if they still
    exist.
    """
    form = loaded.settings.data_format
    if form != "auto" or not loaded.found.recorded:
        return form == "scibert"
    data_dir = loaded.settings.stages.data_dir
    if data_dir.is_dir():
        return reading.detect(data_dir) == "scibert"
    _LOG.warning(
        "%s does not exist, so the format of its texts is unknown: entities are taken "
        "to be placeholders such as @GENE$",
        data_dir,
    )
    return False
