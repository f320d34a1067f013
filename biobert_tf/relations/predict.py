# SPDX-License-Identifier: Apache-2.0
"""Finds relations with a trained model, in documents or in single sentences.

`biobert re-predict` adds relations to documents with entities:

    documents -> candidate pairs -> records -> probabilities -> relations -> documents

The documents are read twice, once to predict and once to write, so that memory holds
only the probabilities. `Classifier` takes sentences.
"""

import collections
import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from biobert_tf.common import files, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents import document, formats
from biobert_tf.documents.detection import Format, require_known_suffix
from biobert_tf.relations import candidates, marks, reading
from biobert_tf.relations.candidates import Candidate
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.relations.reading import EntitySpan, RelationExample
from biobert_tf.relations.settings import RePredictConfig
from biobert_tf.training import reload

# TensorFlow is imported when the model is built.
if TYPE_CHECKING:
    from biobert_tf.relations.features import RelationRecord
    from biobert_tf.relations.task import RelationTask
    from biobert_tf.training import records
    from biobert_tf.training.estimator import Estimator
    from biobert_tf.training.finetune import Finished

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a prediction found: documents, pairs in them, and relations by type.

    `notes` counts the mentions that differ from their text.
    """

    documents: int
    pairs: int
    relations: Mapping[str, int]
    notes: Mapping[str, int]

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
    streams.require_no_pipe(settings.input)
    document_format = formats.with_relations(settings.input, settings.input_format)
    _require_places(settings, document_format)
    model = load(settings.model, settings.device)
    model.estimator.check_batch_size("predict_batch_size", settings.predict_batch_size)
    trained = marks.recorded(reload.find(settings.model).recorded)
    finder = _Finder(settings, document_format, model.task)
    # The whole input is read, and so checked, before anything is written.
    probabilities = finder.probabilities(model.estimator)
    finder.warn_of_pairs(len(probabilities))
    finder.warn_of_marks(trained)
    with contextlib.ExitStack() as stack:
        stream = None
        if settings.candidates is not None:
            temporary = stack.enter_context(files.replacing(settings.candidates))
            stream = stack.enter_context(temporary.open("w", encoding="utf-8"))
        written = formats.write(
            settings.output,
            document_format,
            finder.with_relations(probabilities, stream),
        )
    return Summary(written.documents, len(probabilities), finder.counts, finder.notes)


def _require_places(settings: RePredictConfig, document_format: Format) -> None:
    """Checks the outputs before the prediction, rather than fail after it.

    Raises:
        InputError: An output exists and is a file instead of a folder, or a folder
            instead of a file, or its suffix is none that a format has.
    """
    if document_format != "brat":
        remedy = ", the input's format"
        sources = [settings.input]
        require_known_suffix(settings.output, sources, [document_format], remedy)
    wanted = {settings.output: document_format == "brat"}
    if settings.candidates is not None:
        wanted[settings.candidates] = False
    for path, is_folder in wanted.items():
        if path.exists() and path.is_dir() != is_folder:
            kinds = ("a file", "a folder")
            raise InputError.at(
                path, None, f"is {kinds[not is_folder]}; want {kinds[is_folder]}"
            )


class _Finder:
    """Finds the relations of the documents of a file, which is read several times."""

    def __init__(
        self, settings: RePredictConfig, document_format: Format, task: "RelationTask"
    ) -> None:
        self._settings = settings
        self._format = document_format
        self._task = task
        labels = task.relation_set
        self._names = settings.relation_names.of(labels.labels, labels.canonical)
        self.counts: collections.Counter[str] = collections.Counter()
        self.notes: collections.Counter[str] = collections.Counter()
        self._types: collections.Counter[str] = collections.Counter()
        self._marks: set[str] = set()

    def probabilities(self, estimator: "Estimator") -> np.ndarray:
        """Returns the probability of every label, float32 `[pairs, labels]`."""
        path, task = self._settings.input, self._task
        counts: collections.Counter[str] = collections.Counter()

        def rows() -> "Iterator[records.Features]":
            for _, found in self._documents():
                for example in map(self._example, found):
                    self._marks |= marks.of(example)
                    whose = f"{path}: the entities of the pair {example.id} are"
                    row = _record(task, example, whose, "take one of them out")
                    counts.update(task.counts([row]))
                    yield row.features

        settings = self._settings
        if settings.beam.is_local:
            outputs = estimator.predict_rows(rows(), settings.predict_batch_size)
        else:
            from biobert_tf.relations import predict_beam

            outputs = predict_beam.predict_rows(settings, rows(), load)
        found = [each["probabilities"] for each in outputs]
        shown = "".join(f", {number} {name}" for name, number in counts.items())
        _LOG.info("%s: %d pairs%s", path, len(found), shown)
        return np.array(found, np.float32).reshape(-1, len(task.labels))

    def with_relations(
        self, probabilities: np.ndarray, stream: TextIO | None
    ) -> Iterator[tuple[document.Loaded, list[document.Relation]]]:
        """Yields the documents with their relations, and writes all pairs."""
        rows = iter(probabilities)
        for loaded, pairs in self._documents():
            found = [self._relation(pair, next(rows), stream) for pair in pairs]
            relations = [relation for relation in found if relation is not None]
            self.counts.update(relation.type for relation in relations)
            yield loaded, relations

    def warn_of_pairs(self, number: int) -> None:
        """Says what the documents hold instead of the wanted types, or pairs of them.

        `number` is the number of pairs that were found.
        """
        types = self._types
        by_type = ", ".join(f"{name} {n}" for name, n in sorted(types.items()))
        pairs = self._settings.pair.pairs
        if number:
            if unknown := candidates.unknown_types(pairs, types):
                _LOG.warning("%s: %s", self._settings.input, unknown)
            return
        _LOG.warning(
            "%s: no sentence has a pair of %s; read as %s, it has %d entities%s",
            self._settings.input,
            " or ".join(f"{pair.first}-{pair.second}" for pair in pairs),
            self._format,
            types.total(),
            f": {by_type}" if by_type else "",
        )

    def warn_of_marks(self, trained: Sequence[str] | None) -> None:
        """Says which marks the model has never seen in its training."""
        known = {mark.casefold() for mark in trained or ()}
        new = sorted(mark for mark in self._marks if mark.casefold() not in known)
        if known and new:
            _LOG.warning(
                "%s stand for entities, but the model was trained with %s; see --pair "
                "and --placeholders",
                ", ".join(new),
                marks.shown(trained),
            )

    def _documents(self) -> Iterator[tuple[document.Loaded, list[Candidate]]]:
        settings = self._settings
        types, placeholders = settings.pair.pairs, settings.placeholders
        # Every reading counts the same.
        self.notes.clear()
        self._types.clear()
        for loaded in formats.read(
            *(settings.input, self._format),
            bad_mentions=settings.bad_mentions,
            notes=self.notes,
        ):
            self._types.update(mention.type for mention in loaded.document.mentions)
            found = candidates.candidates(loaded.document, types, placeholders)
            yield loaded, list(found)

    def _example(self, pair: Candidate) -> RelationExample:
        is_marked = self._settings.placeholders == "marks"
        spans = reading.entity_spans(pair.text, "scibert" if is_marked else "biobert")
        return RelationExample(pair.id, pair.text, None, spans)

    def _relation(
        self, pair: Candidate, probabilities: np.ndarray, stream: TextIO | None
    ) -> document.Relation | None:
        [prediction] = self._task.decode(
            (), (), {"probabilities": probabilities[np.newaxis]}
        )
        if stream is not None:
            stream.write(self._task.jsonl_row(self._example(pair), prediction))
        probability = float(probabilities.max())
        is_negative = prediction.label == self._task.relation_set.negative
        if is_negative or probability < self._settings.min_probability:
            return None
        name = self._names[prediction.label]
        return document.Relation(name, pair.first.id, pair.second.id, probability)


def _record(
    task: "RelationTask", example: RelationExample, whose: str, advice: str
) -> "RelationRecord":
    """Returns the record of a sentence to predict.

    Raises:
        InputError: The entities do not fit; the message says whose, and gives advice.
    """
    try:
        return task.record(example)
    except InputError:
        raise InputError(
            f"{whose} too long for a model with max_seq_length {task.max_seq_length}; "
            f"{advice}"
        ) from None


def load(model_dir: Path, device: DeviceConfig) -> "Finished[RelationTask]":
    """Returns the model in an output directory of `run_re.py`, ready to predict.

    Raises:
        InputError: The directory holds no such model.
    """
    loaded = RELATIONS.load(model_dir, device)
    from biobert_tf.relations.task import RelationTask
    from biobert_tf.training.finetune import Finished

    task = RelationTask.of(loaded, "fixed")
    return Finished(task, loaded.estimator(task), model_dir)


# --- single sentences -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Relation:
    """The relation that a text states between its two entities.

    `text` is as it was given, with marks or placeholders. `label` is the most probable
    label, `probabilities` are those of all labels, in [0, 1].
    """

    text: str
    label: str
    probabilities: Mapping[str, float]

    @property
    def probability(self) -> float:
        """Returns the probability of the label, in [0, 1]."""
        return self.probabilities[self.label]

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        return {
            "text": self.text,
            "label": self.label,
            "probability": self.probability,
            "probabilities": dict(self.probabilities),
        }


class Classifier:
    """Finds the relations that sentences state between two entities."""

    def __init__(self, path: Path, device: DeviceConfig, batch_size: int) -> None:
        """Loads the model; see `load`.

        Raises:
            InputError: There is none, or the devices cannot share such a batch.
        """
        self._model = load(path, device)
        self._model.estimator.check_batch_size("batch_size", batch_size)
        self._marks = marks.recorded(reload.find(path).recorded)
        self._batch_size = batch_size

    def classify(self, texts: Sequence[str]) -> list[Relation]:
        """Returns the relation of every text, in order, marked as in training files.

        Raises:
            InputError: Entities are too long for the model, the message gives the index
                of the text; or no text has marks as in the training.
        """
        task = self._model.task
        examples = [_example(i, text) for i, text in enumerate(texts)]
        self._require_marks(examples)
        rows = [
            _record(task, one, f"text {one.id}: its entities are", "shorten them")
            for one in examples
        ]
        outputs = self._model.estimator.predict_rows(
            (row.features for row in rows), self._batch_size
        )
        return [
            Relation(
                text,
                task.labels[probabilities.argmax()],
                dict(zip(task.labels, probabilities.tolist(), strict=True)),
            )
            for text, probabilities in zip(
                texts, (output["probabilities"] for output in outputs), strict=True
            )
        ]

    def _require_marks(self, examples: Sequence[RelationExample]) -> None:
        """Refuses texts that all lack the training's marks; says if some do.

        Blank texts, such as the cells of a table, do not count.
        """
        written = [example for example in examples if example.text.strip()]
        missing = marks.lacking(written, self._marks)
        if not missing:
            return
        problem = (
            f"{len(missing)} of {len(written)} texts lack the marks of the training "
            f"({marks.shown(self._marks)}), text {written[missing[0]].id} first; put "
            "them where the two entities stand"
        )
        if len(missing) == len(written):
            raise InputError(problem)
        _LOG.warning("%s", problem)


def _example(number: int, text: str) -> RelationExample:
    return RelationExample(str(number), text, None, entities_of(text))


def entities_of(text: str) -> tuple[EntitySpan, ...]:
    """Returns where the entities of a marked sentence are, in the order of the text."""
    # A model trained on SciBERT's files knows marks, not placeholders.
    return reading.entity_spans(text, "biobert") or reading.entity_spans(
        text, "scibert"
    )
