# SPDX-License-Identifier: Apache-2.0
"""Finds the entities in documents, with trained models.

    documents -> sentences of words -> windows -> label probabilities -> entities

Documents may have any length and number: memory holds a few thousand sentences at a
time. A thread does the first two steps and prepares the next sentences meanwhile.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

from biobert_tf.common import background
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents import sentences as document_sentences
from biobert_tf.documents.document import Passage
from biobert_tf.ner.problem import NER
from biobert_tf.ner.reading import NerExample
from biobert_tf.text import words as text_words

# TensorFlow is imported when a model is loaded: reading documents goes without.
if TYPE_CHECKING:
    import tensorflow as tf

    from biobert_tf.ner.features import NerRecord
    from biobert_tf.ner.settings import NerConfig
    from biobert_tf.training.inference import Batch, Inference, Row
    from biobert_tf.training.reload import Loaded

ItemT = TypeVar("ItemT")

# These many words are sorted by length; few enough that the first results come soon.
_MAX_HELD_WORDS: Final = 50_000


@dataclasses.dataclass(frozen=True)
class RawSentence:
    """The words of a sentence of raw text, and their half-open character ranges."""

    words: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]


Document = Sequence[Passage | RawSentence]
"""The text of a document: passages with their offsets, or sentences cut already."""


@dataclasses.dataclass(frozen=True, order=True)
class FoundEntity:
    """An entity in a document, half-open, in the document's offsets.

    Attributes:
        type: The type; see `task.Entity`.
        probability: The probability of exactly this entity, in [0, 1]; see `task`.
    """

    start: int
    end: int
    type: str
    probability: float


class Prepared(NamedTuple):
    """Sentences as a model reads them: their words, their windows, its inputs."""

    sentences: Sequence[RawSentence]
    examples: Sequence[NerExample]
    records: Sequence["NerRecord"]
    rows: Sequence["Row"]


class Model:
    """One NER model, ready to predict; `task` is the one that it was trained for."""

    def __init__(
        self,
        loaded: "Loaded[NerConfig]",
        inference: "Inference",
        entity_type: str = "",
    ) -> None:
        """Builds the model that `NER.load` returned.

        Entities have the given type if the labels have none; see `task.NerTask.of`.

        Raises:
            InputError: The weights do not fit, or the labels have types.
        """
        from biobert_tf.ner import task

        self.task = task.NerTask.of(loaded, entity_type)
        self._inference = inference
        with inference.strategy.scope():
            self._model = loaded.build(self.task.build_model)
        self._step = inference.compiled(self.step)

    def step(self, batch: "Batch") -> "dict[str, tf.Tensor]":
        """Returns `log_probs` of one replica's batch, float32 `[batch, length, K]`."""
        import tensorflow as tf

        outputs = self._model(batch)
        return {"log_probs": tf.nn.log_softmax(outputs["logits"])}

    def prepare(self, sentences: Sequence[RawSentence]) -> Prepared:
        """Returns the inputs of the model for sentences."""
        examples = [NerExample(sentence.words, None) for sentence in sentences]
        records = self.task.featurize(examples)
        ids = (
            np.array(record.features["input_ids"][: len(record.pieces)], np.int32)
            for record in records
        )
        rows = [{"input_ids": own, "segment_ids": np.zeros_like(own)} for own in ids]
        return Prepared(sentences, examples, records, rows)

    def entities(self, prepared: Prepared) -> list[list[FoundEntity]]:
        """Returns the entities of every sentence, in order."""
        outputs = self._inference.run(
            self._step, prepared.rows, self.task.max_seq_length
        )
        log_probs = (output["log_probs"] for output in outputs)
        predictions = self.task.decode(
            prepared.examples, prepared.records, {"log_probs": log_probs}
        )
        both = zip(prepared.sentences, predictions, strict=True)
        return [
            [
                FoundEntity(
                    sentence.offsets[entity.start][0],
                    sentence.offsets[entity.end - 1][1],
                    entity.type,
                    entity.probability,
                )
                for entity in prediction.entities
            ]
            for sentence, prediction in both
        ]


@dataclasses.dataclass(frozen=True)
class Annotator:
    """Finds the entities of documents with one model or several, and merges them."""

    models: Sequence[Model]

    @classmethod
    def load(
        cls,
        model_dirs: Sequence[Path],
        device: DeviceConfig,
        batch_size: int,
        entity_types: Sequence[str] = (),
    ) -> "Annotator":
        """Returns an annotator with the models in output directories of `run_ner.py`.

        `entity_types` has a type for each model, or none; see `Model`.

        Raises:
            InputError: A directory holds no such model, the labels of one with a given
                type have types, or the devices cannot share a batch of so many rows.
        """
        # What is wrong with a path is told before TensorFlow is imported.
        loaded = [NER.load(path, device) for path in model_dirs]
        from biobert_tf.training import strategy as strategies
        from biobert_tf.training.inference import Inference

        strategy = strategies.build_strategy(device)
        inference = Inference(batch_size=batch_size, strategy=strategy, device=device)
        given = zip(loaded, entity_types or [""] * len(loaded), strict=True)
        return cls([Model(each, inference, name) for each, name in given])

    def annotate(self, documents: Iterable[Document]) -> Iterator[list[FoundEntity]]:
        """Yields the entities of every document, in the order of their offsets.

        Of entities with the same characters and type, the most probable is kept. Other
        entities of different models may overlap. Documents are read as they are needed.
        """
        for held, prepared in background.one_ahead(self._prepared(documents)):
            yield from self._found(held, prepared)

    def annotate_run(
        self, documents: Sequence[Sequence[RawSentence]]
    ) -> list[list[FoundEntity]]:
        """Returns the entities of the documents of one of `runs`, as sentences."""
        return list(self._found(documents, self._inputs(documents)))

    def _found(
        self,
        held: Sequence[Sequence[RawSentence]],
        prepared: Sequence[Prepared],
    ) -> Iterator[list[FoundEntity]]:
        found = [
            model.entities(own)
            for model, own in zip(self.models, prepared, strict=True)
        ]
        together = zip(*found, strict=True)
        for own in held:
            entities = itertools.islice(together, len(own))
            yield merged(
                entity for models in entities for some in models for entity in some
            )

    def _prepared(
        self, documents: Iterable[Document]
    ) -> Iterator[tuple[list[list[RawSentence]], list[Prepared]]]:
        """Yields runs of documents and the inputs of every model for each run."""
        for held in runs(map(sentences_of, documents), num_words):
            yield held, self._inputs(held)

    def _inputs(self, held: Sequence[Sequence[RawSentence]]) -> list[Prepared]:
        sentences = [sentence for own in held for sentence in own]
        return [model.prepare(sentences) for model in self.models]


def sentences_of(document: Document) -> list[RawSentence]:
    """Returns the sentences of a document that have a word."""
    return [
        sentence
        for part in document
        for sentence in ([part] if isinstance(part, RawSentence) else cut(part))
    ]


def num_words(sentences: Iterable[RawSentence]) -> int:
    """Returns the number of words in sentences."""
    return sum(len(sentence.words) for sentence in sentences)


def runs(
    documents: Iterable[ItemT], words_of: Callable[[ItemT], int]
) -> Iterator[list[ItemT]]:
    """Yields runs of documents to predict together, in order.

    `words_of` returns the number of words in a document.
    """
    held: list[ItemT] = []
    total = 0
    for document in documents:
        held.append(document)
        total += words_of(document)
        if total >= _MAX_HELD_WORDS:
            yield held
            held, total = [], 0
    if held:
        yield held


def merged(entities: Iterable[FoundEntity]) -> list[FoundEntity]:
    """Returns the most probable entity of each place and type, in order."""
    best: dict[tuple[int, int, str], FoundEntity] = {}
    for entity in entities:
        key = entity.start, entity.end, entity.type
        if key not in best or best[key].probability < entity.probability:
            best[key] = entity
    return sorted(best.values())


# --- text to sentences ----------------------------------------------------------------


def cut(passage: Passage) -> Iterator[RawSentence]:
    """Yields the sentences of a passage that have a word.

    Every character except white space is in one word of one sentence. Offsets count
    from the start of the passage's document.
    """
    for start, end in document_sentences.spans(passage):
        text = passage.text[start - passage.offset : end - passage.offset]
        if places := text_words.spans(text):
            yield RawSentence(
                tuple(text[a:b] for a, b in places),
                tuple((start + a, start + b) for a, b in places),
            )
