# SPDX-License-Identifier: Apache-2.0
"""Finds the entities in documents, with models trained by `run_ner.py`.

    documents -> sentences of words -> windows -> label probabilities -> entities

Documents may have any length and number: memory holds a few thousand sentences at a
time. A thread does the first two steps and prepares the next sentences meanwhile.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import tensorflow as tf

from biobert_tf.common import background
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents.document import Passage
from biobert_tf.ner import reading, task
from biobert_tf.ner import sentences as raw_sentences
from biobert_tf.ner.features import NerRecord
from biobert_tf.ner.problem import NER
from biobert_tf.ner.reading import NerExample
from biobert_tf.ner.sentences import RawSentence
from biobert_tf.training import strategy as strategies
from biobert_tf.training.inference import Batch, Inference, Row

# These many words are sorted by length; few enough that the first results come soon.
_MAX_HELD_WORDS: Final = 50_000

Document = Sequence[Passage | RawSentence]
"""The text of a document: passages with their offsets, or sentences cut already."""


@dataclasses.dataclass(frozen=True, order=True)
class FoundEntity:
    """An entity in a document.

    Attributes:
        start: The offset of the first character, in the document's offsets.
        end: The offset behind the last character.
        type: The type; "MISC" if the labels of the model have no types.
        probability: The probability of exactly this entity, in [0, 1]; see `task`.
    """

    start: int
    end: int
    type: str
    probability: float


class Prepared(NamedTuple):
    """Sentences as a model reads them.

    Attributes:
        sentences: The sentences, from documents.
        examples: The words of each sentence.
        records: The windows of each sentence.
        rows: The model inputs of each window.
    """

    sentences: Sequence[RawSentence]
    examples: Sequence[NerExample]
    records: Sequence[NerRecord]
    rows: Sequence[Row]


class Model:
    """One NER model, ready to predict.

    Attributes:
        task: The task that the model was trained for.
    """

    def __init__(
        self, model_dir: Path, inference: Inference, device: DeviceConfig
    ) -> None:
        """Loads the weights.

        Args:
            model_dir: The output directory of `run_ner.py`.
            inference: Runs the model on rows.
            device: Where to compute, and in which precision.

        Raises:
            InputError: The directory holds no such model.
        """
        loaded = NER.load(model_dir, device)
        if loaded.settings.compat == "fixed":
            reading.require_bio(loaded.labels)
        # The windows of `fixed` lose no word, whatever the training used.
        self.task = task.NerTask(
            tokenizer=loaded.tokenizer,
            labels=loaded.labels,
            max_seq_length=loaded.text.max_seq_length,
            compat="fixed",
        )
        self._inference = inference
        with inference.strategy.scope():
            self._model = loaded.build(self.task.build_model)
        self._step = inference.compiled(self.step)

    def step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns `log_probs` of one replica's batch, float32 `[batch, length, K]`."""
        outputs = self._model(batch)
        return {"log_probs": tf.nn.log_softmax(outputs["logits"])}

    def prepare(self, sentences: Sequence[RawSentence]) -> "Prepared":
        """Returns the inputs of the model for sentences."""
        examples = [NerExample(sentence.words, None) for sentence in sentences]
        records = self.task.featurize(examples)
        rows = [self._row(record.pieces) for record in records]
        return Prepared(sentences, examples, records, rows)

    def entities(self, prepared: "Prepared") -> list[list[FoundEntity]]:
        """Returns the entities of every sentence, in order."""
        outputs = self._inference.run(
            self._step, prepared.rows, self.task.max_seq_length
        )
        log_probs = [output["log_probs"] for output in outputs]
        predictions = self.task.decode(
            prepared.examples, prepared.records, {"log_probs": log_probs}
        )
        return [
            [
                FoundEntity(
                    sentence.offsets[entity.start][0],
                    sentence.offsets[entity.end - 1][1],
                    entity.type or task.UNTYPED,
                    entity.probability,
                )
                for entity in prediction.entities
            ]
            for sentence, prediction in zip(
                prepared.sentences, predictions, strict=True
            )
        ]

    def _row(self, pieces: Sequence[str]) -> Row:
        ids = self.task.tokenizer.convert_tokens_to_ids(pieces)
        return {
            "input_ids": np.array(ids, np.int32),
            "segment_ids": np.zeros(len(ids), np.int32),
        }


@dataclasses.dataclass(frozen=True)
class Annotator:
    """Finds the entities of documents with one model or several.

    Attributes:
        models: The models whose entities are merged.
    """

    models: Sequence[Model]

    @classmethod
    def load(
        cls, model_dirs: Sequence[Path], device: DeviceConfig, batch_size: int
    ) -> "Annotator":
        """Returns an annotator with the models of these directories.

        Args:
            model_dirs: Output directories of `run_ner.py`.
            device: Where to compute.
            batch_size: Rows per step, over all devices.

        Raises:
            InputError: A directory holds no such model, or the devices cannot share a
                batch.
        """
        strategy = strategies.build_strategy(device)
        inference = Inference(batch_size=batch_size, strategy=strategy, device=device)
        return cls([Model(path, inference, device) for path in model_dirs])

    def annotate(self, documents: Iterable[Document]) -> Iterator[list[FoundEntity]]:
        """Yields the entities of every document, in the order of their offsets.

        Of entities with the same characters and type, the most probable is kept. Other
        entities of different models may overlap.

        Args:
            documents: The documents; read as they are needed.
        """
        for held, prepared in background.one_ahead(self._prepared(documents)):
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
        """Yields the runs of `_held` and the inputs of every model for each run."""
        for held in _held(documents):
            sentences = [sentence for own in held for sentence in own]
            yield held, [model.prepare(sentences) for model in self.models]


def _held(documents: Iterable[Document]) -> Iterator[list[list[RawSentence]]]:
    """Yields runs of documents to predict together, each as a list of sentences."""
    held: list[list[RawSentence]] = []
    num_words = 0
    for document in documents:
        sentences = [
            sentence
            for part in document
            for sentence in (
                [part] if isinstance(part, RawSentence) else raw_sentences.cut(part)
            )
        ]
        held.append(sentences)
        num_words += sum(len(sentence.words) for sentence in sentences)
        if num_words >= _MAX_HELD_WORDS:
            yield held
            held, num_words = [], 0
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
