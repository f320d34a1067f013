# SPDX-License-Identifier: Apache-2.0
"""`biobert re-predict`: adds relations to documents with entities.

    documents -> candidate pairs -> records -> probabilities -> relations -> documents

The documents are read twice, once to predict and once to write, so that memory holds
only the probabilities.
"""

import collections
import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents import formats
from biobert_tf.documents.detection import Format
from biobert_tf.documents.document import Relation
from biobert_tf.relations import candidates, reading
from biobert_tf.relations.candidates import Candidate
from biobert_tf.relations.entity_pairs import PairType
from biobert_tf.relations.features import RelationRecord
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.sets import SETS, custom
from biobert_tf.relations.settings import Placeholders, RePredictConfig
from biobert_tf.relations.task import RelationTask
from biobert_tf.training import records
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.finetune import Finished

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a prediction found.

    Attributes:
        documents: The number of documents read and written.
        pairs: The number of candidate pairs in them.
        relations: The number of relations written, by type.
        notes: What was done with mentions that differ from their text, and how often.
    """

    documents: int
    pairs: int
    relations: Mapping[str, int]
    notes: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def text(self) -> str:
        """Returns one line to print."""
        by_type = ", ".join(f"{name} {n}" for name, n in sorted(self.relations.items()))
        total = sum(self.relations.values())
        line = f"{self.documents} documents, {self.pairs} pairs, {total} relations"
        parts = [f"{line}: {by_type}" if by_type else line]
        return "; ".join([*parts, *(f"{n} x {note}" for note, n in self.notes.items())])


def predict(settings: RePredictConfig) -> Summary:
    """Finds the relations of documents.

    A pair has a relation if the most probable label is not the negative one.

    Raises:
        InputError: The model or the documents cannot be used.
    """
    pairs = settings.pair.pairs
    if settings.input.is_fifo():
        raise InputError.at(
            settings.input, None, "a pipe; want a file, to read it twice"
        )
    document_format = formats.with_relations(settings.input, settings.input_format)
    _require_places(settings, document_format)
    model = load(settings.model, settings.device)
    task, estimator = model.task, model.estimator
    estimator.check_batch_size("predict_batch_size", settings.predict_batch_size)
    relation_set = task.relation_set
    names = settings.relation_names.of(relation_set.labels, relation_set.canonical)
    source = _Source(
        *(settings.input, document_format, pairs, settings.placeholders),
        settings.bad_mentions,
    )
    # The whole input is read, and so checked, before anything is written.
    probabilities = _probabilities(task, estimator, source, settings.predict_batch_size)
    with contextlib.ExitStack() as stack:
        stream = None
        if settings.candidates is not None:
            temporary = stack.enter_context(files.replacing(settings.candidates))
            stream = stack.enter_context(temporary.open("w", encoding="utf-8"))
        finder = _Finder(task, names, settings.min_probability, stream)
        written = formats.write(
            settings.output,
            document_format,
            finder.with_relations(source, probabilities),
        )
    return Summary(written.documents, len(probabilities), finder.counts, source.notes)


def _require_places(settings: RePredictConfig, document_format: Format) -> None:
    """Checks the outputs before the prediction, rather than fail after it.

    Raises:
        InputError: An output exists and is a file instead of a folder, or a folder
            instead of a file.
    """
    wanted = {settings.output: document_format == "brat"}
    if settings.candidates is not None:
        wanted[settings.candidates] = False
    for path, is_folder in wanted.items():
        if path.exists() and path.is_dir() != is_folder:
            kinds = ("a file", "a folder")
            raise InputError.at(
                path, None, f"is {kinds[not is_folder]}; want {kinds[is_folder]}"
            )


@dataclasses.dataclass(frozen=True)
class _Source:
    """The documents and their pairs; every reading gives the same.

    `notes` counts the mentions that differ from their text in the last reading.
    """

    path: Path
    format: Format
    types: Sequence[PairType]
    placeholders: Placeholders
    bad_mentions: formats.BadMentions = "keep"
    notes: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def documents(self) -> Iterator[tuple[formats.Loaded, list[Candidate]]]:
        self.notes.clear()
        for loaded in formats.read(
            self.path, self.format, bad_mentions=self.bad_mentions, notes=self.notes
        ):
            found = candidates.candidates(
                loaded.document, self.types, self.placeholders
            )
            yield loaded, list(found)

    def examples(self) -> Iterator[RelationExample]:
        for _, found in self.documents():
            yield from map(self.example, found)

    def example(self, pair: Candidate) -> RelationExample:
        is_marked = self.placeholders == "marks"
        spans = reading.entity_spans(pair.text, "scibert" if is_marked else "biobert")
        return RelationExample(pair.id, pair.text, None, spans)


@dataclasses.dataclass
class _Finder:
    """Turns probabilities into relations, and counts them by type."""

    task: RelationTask
    names: Mapping[str, str]
    min_probability: float
    stream: TextIO | None
    counts: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def with_relations(
        self, source: _Source, probabilities: np.ndarray
    ) -> Iterator[tuple[formats.Loaded, list[Relation]]]:
        rows = iter(probabilities)
        for loaded, pairs in source.documents():
            found = [self._relation(source, pair, next(rows)) for pair in pairs]
            relations = [relation for relation in found if relation is not None]
            self.counts.update(relation.type for relation in relations)
            yield loaded, relations

    def _relation(
        self, source: _Source, pair: Candidate, probabilities: np.ndarray
    ) -> Relation | None:
        [prediction] = self.task.decode((), (), {"probabilities": probabilities[None]})
        if self.stream is not None:
            self.stream.write(self.task.jsonl_row(source.example(pair), prediction))
        probability = float(probabilities.max())
        is_negative = prediction.label == self.task.relation_set.negative
        if is_negative or probability < self.min_probability:
            return None
        name = self.names[prediction.label]
        return Relation(name, pair.first.id, pair.second.id, probability)


def _probabilities(
    task: RelationTask,
    estimator: Estimator,
    source: _Source,
    batch_size: int,
) -> np.ndarray:
    """Returns the probability of every label, float32 `[pairs, labels]`."""
    counts: collections.Counter[str] = collections.Counter()

    def rows() -> Iterator[records.Features]:
        for example in source.examples():
            record = _record(task, example, source.path)
            counts.update(task.counts([record]))
            yield record.features

    found = [
        outputs["probabilities"]
        for outputs in estimator.predict_rows(rows(), batch_size)
    ]
    shown = "".join(f", {number} {name}" for name, number in counts.items())
    _LOG.info("%s: %d pairs%s", source.path, len(found), shown)
    return np.array(found, np.float32).reshape(-1, len(task.labels))


def _record(task: RelationTask, example: RelationExample, path: Path) -> RelationRecord:
    try:
        [record] = task.featurize([example])
    except InputError:
        raise InputError.at(
            path,
            None,
            f"the entities of the pair {example.id} are too long for a model with "
            f"max_seq_length {task.max_seq_length}; take one of them out",
        ) from None
    return record


def load(model_dir: Path, device: DeviceConfig) -> Finished[RelationTask]:
    """Returns a model trained by `run_re.py`, ready to predict.

    Args:
        model_dir: The output directory of `run_re.py`.
        device: Where to compute.

    Raises:
        InputError: The directory holds no such model.
    """
    loaded = RELATIONS.load(model_dir, device)
    settings, labels = loaded.settings, loaded.labels
    task = RelationTask(
        tokenizer=loaded.tokenizer,
        relation_set=SETS.get(settings.task_name)
        or custom(labels, settings.negative_label),
        max_seq_length=loaded.text.max_seq_length,
        entity_markers=settings.entity_markers,
        class_weights=(1.0,) * len(labels),
        compat="fixed",
    )
    return Finished(task, loaded.estimator(task), model_dir)
