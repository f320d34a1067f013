# SPDX-License-Identifier: Apache-2.0
"""Turns sentences with entities into records; cuts long ones around the entities."""

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal

from biobert_tf.common.errors import InputError
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import RelationSet
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.records import Features, FeatureSpec, Specs

# Unused pieces of BERT's vocabularies: those before and after the entity of each role.
MARKERS: Final = (("[unused1]", "[unused2]"), ("[unused3]", "[unused4]"))


@dataclasses.dataclass(frozen=True)
class RelationRecord:
    """One row of model input.

    Attributes:
        features: See `Featurizer.specs`.
        pieces: The WordPieces of the row, `[CLS]` and `[SEP]` included.
        is_cut: Whether the sentence was too long and was cut.
        is_windowed: Whether it was cut around the entities, because they do not stand
            in its beginning.
    """

    features: Features
    pieces: tuple[str, ...]
    is_cut: bool
    is_windowed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Featurizer:
    """Turns sentences into records of `max_seq_length` pieces.

    Attributes:
        entity_markers: Whether entities are set between `MARKERS`.
        compat: `master` cuts off the end of a long sentence, even inside an entity.
    """

    tokenizer: FullTokenizer
    relation_set: RelationSet
    max_seq_length: int
    entity_markers: bool
    compat: Literal["fixed", "master"]

    @property
    def specs(self) -> Specs:
        """Returns the original's features (run_re.py:636-642)."""
        names = ("input_ids", "input_mask", "segment_ids")
        is_short = self.compat == "fixed"
        pieces = FeatureSpec(self.max_seq_length, is_short=is_short)
        return {
            **dict.fromkeys(names, pieces),
            "label_ids": FeatureSpec(1),
            "is_real_example": FeatureSpec(1),
        }

    def record(self, example: RelationExample) -> RelationRecord:
        """Returns the record of one sentence.

        Raises:
            InputError: The entities alone do not fit; the message names the line.
        """
        room = self.max_seq_length - 2
        pieces, entities = (
            self._marked(example) if self.entity_markers else self._plain(example)
        )
        if self.compat == "master":
            # PARITY(run_re.py:528-529): an entity may be cut off.
            entities = []
        kept = view(len(pieces), entities, room)
        if kept is None:
            raise InputError(
                f"line {example.line} (id {example.id}): its entities are "
                f"{sum(map(len, entities))} pieces long, --max_seq_length="
                f"{self.max_seq_length} leaves {room}; raise it"
            )
        row = ["[CLS]", *(pieces[i] for i in kept), "[SEP]"]
        padding = [0] * (self.max_seq_length - len(row))
        features = {
            "input_ids": [*self.tokenizer.convert_tokens_to_ids(row), *padding],
            "input_mask": [1] * len(row) + padding,
            "segment_ids": [0] * self.max_seq_length,
            "label_ids": [self.label_id(example.label)],
            "is_real_example": [1],
        }
        return RelationRecord(
            features,
            tuple(row),
            is_cut=len(kept) < len(pieces),
            is_windowed=kept != list(range(len(kept))),
        )

    def label_id(self, label: str | None) -> int:
        """Returns the id of a label; of an unknown one that of "no", else 0."""
        labels, negative = self.relation_set.labels, self.relation_set.negative
        if label is None:
            return labels.index(negative) if negative else 0
        return labels.index(label)

    def _plain(self, example: RelationExample) -> tuple[list[str], list[range]]:
        """Returns the pieces of the sentence, and the entities' ranges of pieces."""
        found = self.tokenizer.tokenize_with_offsets(example.text)
        entities = []
        for start, end, *_ in example.entities:
            inside = [i for i, p in enumerate(found) if p.start < end and start < p.end]
            if inside:
                entities.append(range(inside[0], inside[-1] + 1))
        return [piece.token for piece in found], entities

    def _marked(self, example: RelationExample) -> tuple[list[str], list[range]]:
        """Returns the same as `_plain`, with every entity between its markers."""
        pieces: list[str] = []
        entities = []
        end = 0
        for entity in example.entities:
            pieces += self.tokenizer.tokenize(example.text[end : entity.start])
            before, after = MARKERS[entity.role]
            inner = example.text[entity.inner_start : entity.inner_end]
            marked = [before, *self.tokenizer.tokenize(inner), after]
            entities.append(range(len(pieces), len(pieces) + len(marked)))
            pieces += marked
            end = entity.end
        return pieces + self.tokenizer.tokenize(example.text[end:]), entities


def view(num_pieces: int, entities: Sequence[range], room: int) -> list[int] | None:
    """Returns which pieces of a sentence a record shows; None if entities do not fit.

    If the beginning of the sentence holds all entities, it is shown, as in the
    original. Otherwise a window with the entities in its middle is shown, or, if they
    are too far apart, the pieces nearest to any entity. `entities` are their ranges of
    pieces, in order; `room` is the number of pieces that a record can show.
    """
    last = entities[-1].stop if entities else 0
    if num_pieces <= room or last <= room:
        return list(range(min(num_pieces, room)))
    if last - entities[0].start <= room:
        # Everything from the first entity to the last counts as one.
        entities = [range(entities[0].start, last)]
    if sum(map(len, entities)) > room:
        return None

    def distance(piece: int) -> int:
        return min(max(e.start - piece, piece - e.stop + 1, 0) for e in entities)

    return sorted(sorted(range(num_pieces), key=distance)[:room])
