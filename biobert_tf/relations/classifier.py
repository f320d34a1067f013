# SPDX-License-Identifier: Apache-2.0
"""Classifies sentences, with a model trained by `run_re.py`.

sentences -> records -> rows of like length -> logits -> probabilities of labels
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.relations import predict, reading
from biobert_tf.relations.features import RelationRecord
from biobert_tf.relations.reading import RelationExample
from biobert_tf.relations.task import RelationTask
from biobert_tf.training.inference import Batch, Inference, Row


@dataclasses.dataclass(frozen=True)
class Relation:
    """The relation that a text states between its two entities.

    Attributes:
        label: The most probable label.
        probabilities: The probability of every label, in [0, 1].
    """

    label: str
    probabilities: Mapping[str, float]

    @property
    def probability(self) -> float:
        """Returns the probability of the label, in [0, 1]."""
        return self.probabilities[self.label]

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""
        return {
            "label": self.label,
            "probability": self.probability,
            "probabilities": dict(self.probabilities),
        }


class Classifier:
    """Finds the relations that sentences state between two entities.

    Attributes:
        task: The task that the model was trained for.
    """

    def __init__(self, path: Path, device: DeviceConfig, batch_size: int) -> None:
        """Loads the weights.

        Args:
            path: The output directory of `run_re.py`.
            device: Where to compute.
            batch_size: The number of rows per step, over all devices.

        Raises:
            InputError: The directory holds no such model, or the devices cannot share
                a batch.
        """
        model = predict.load(path, device)
        self.task = model.task
        self._model = model.estimator.model
        self._inference = Inference(
            batch_size=batch_size, strategy=model.estimator.strategy, device=device
        )
        self._step = self._inference.compiled(self.step)

    def step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns `logits` of one replica's batch, float32 `[batch, labels]`."""
        return {"logits": self._model(batch)["logits"]}

    def classify(self, texts: Sequence[str]) -> list[Relation]:
        """Returns the relation of every text, in order.

        Args:
            texts: The texts, with entities marked as in the training files.

        Raises:
            InputError: Entities are too long for the model; the message gives the
                index of the text.
        """
        records = [_record(self.task, i, text) for i, text in enumerate(texts)]
        outputs = self._inference.run(
            self._step, list(map(_row, records)), self.task.max_seq_length
        )
        labels = self.task.labels
        return [_relation(labels, output["logits"]) for output in outputs]


def _record(task: RelationTask, number: int, text: str) -> RelationRecord:
    spans = reading.entity_spans(text, "biobert")
    # A model trained on SciBERT's files knows marks, not placeholders.
    spans = spans or reading.entity_spans(text, "scibert")
    try:
        [record] = task.featurize([RelationExample(str(number), text, None, spans)])
    except InputError:
        raise InputError(
            f"text {number}: its entities are too long for a model with "
            f"max_seq_length {task.max_seq_length}; shorten them"
        ) from None
    return record


def _row(record: RelationRecord) -> Row:
    length = len(record.pieces)
    return {
        name: np.array(record.features[name][:length], np.int32)
        for name in ("input_ids", "segment_ids")
    }


def _relation(labels: Sequence[str], logits: np.ndarray) -> Relation:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = (weights / weights.sum()).tolist()
    return Relation(
        labels[int(logits.argmax())], dict(zip(labels, probabilities, strict=True))
    )
