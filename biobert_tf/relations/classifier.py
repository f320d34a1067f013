# SPDX-License-Identifier: Apache-2.0
"""Classifies sentences, with a model trained by `run_re.py`."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.relations import predict, reading
from biobert_tf.relations.reading import RelationExample


@dataclasses.dataclass(frozen=True)
class Relation:
    """The relation that a text states between its two entities.

    `label` is the most probable one, `probabilities` are those of all, in [0, 1].
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
    """Finds the relations that sentences state between two entities."""

    def __init__(self, path: Path, device: DeviceConfig, batch_size: int) -> None:
        """Loads the model in an output directory of `run_re.py`.

        Raises:
            InputError: The directory holds no such model, or the devices cannot share
                a batch of so many rows.
        """
        self._model = predict.load(path, device)
        self._model.estimator.check_batch_size("batch_size", batch_size)
        self._batch_size = batch_size

    def classify(self, texts: Sequence[str]) -> list[Relation]:
        """Returns the relation of every text, in order, marked as in training files.

        Raises:
            InputError: Entities are too long for the model; the message gives the
                index of the text.
        """
        task = self._model.task
        records = [
            predict.record(
                task, _example(i, text), f"text {i}: its entities are", "shorten them"
            )
            for i, text in enumerate(texts)
        ]
        outputs = self._model.estimator.predict_rows(
            (record.features for record in records), self._batch_size
        )
        return [
            Relation(
                task.labels[probabilities.argmax()],
                dict(zip(task.labels, probabilities.tolist(), strict=True)),
            )
            for probabilities in (output["probabilities"] for output in outputs)
        ]


def _example(number: int, text: str) -> RelationExample:
    spans = reading.entity_spans(text, "biobert")
    # A model trained on SciBERT's files knows marks, not placeholders.
    spans = spans or reading.entity_spans(text, "scibert")
    return RelationExample(str(number), text, None, spans)
