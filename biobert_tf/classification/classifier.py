# SPDX-License-Identifier: Apache-2.0
"""Classifies texts and pairs with a trained model, on any device."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from biobert_tf.classification.examples import TextExample
from biobert_tf.classification.problem import CLASSIFICATION
from biobert_tf.common import runs
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig

# TensorFlow is imported when the model is built.
if TYPE_CHECKING:
    from biobert_tf.classification.settings import ClassificationConfig
    from biobert_tf.classification.task import TextPrediction, TextTask
    from biobert_tf.training.reload import Loaded

# Texts of these many characters are predicted together, sorted by length; few enough
# that the first results come soon.
_MAX_HELD: Final = 500_000


@dataclasses.dataclass(frozen=True)
class Classification:
    """What a model says of a text, or of a pair of texts.

    Attributes:
        text: The text.
        pair: The second text, if there is one.
        label: The label of a model that gives each text one; else None.
        labels: All labels; none for a number.
        probabilities: Those of all labels that the model knows, in [0, 1].
        value: The number of a model that gives one; else None.
    """

    text: str
    pair: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    probabilities: Mapping[str, float] = dataclasses.field(default_factory=dict)
    value: float | None = None

    @property
    def probability(self) -> float | None:
        """Returns the probability of the one label, in [0, 1]; None without one."""
        return None if self.label is None else self.probabilities[self.label]

    def to_dict(self) -> dict[str, object]:
        """Returns what the model gives by name, ready for JSON, behind the texts."""
        pair = {} if self.pair is None else {"pair": self.pair}
        return {"text": self.text, **pair, **self._given()}

    def _given(self) -> dict[str, object]:
        if self.value is not None:
            return {"value": self.value}
        shown = {"probabilities": dict(self.probabilities)}
        if self.label is None:
            return {"labels": list(self.labels), **shown}
        return {"label": self.label, "probability": self.probability, **shown}


class Classifier:
    """A trained model, ready to predict.

    Attributes:
        task: What it was trained for.
        has_pairs: Whether it reads pairs of texts.
    """

    task: "TextTask"

    def __init__(self, loaded: "Loaded[ClassificationConfig]", batch_size: int) -> None:
        """Builds the model that `CLASSIFICATION.load` returned.

        Raises:
            InputError: The weights do not fit, or the devices cannot share a batch.
        """
        from biobert_tf.classification import tasks

        self.task, facts = tasks.of_model(loaded)
        self.has_pairs = facts.has_pairs
        self._estimator = loaded.estimator(self.task)
        self._estimator.check_batch_size("batch_size", batch_size)
        self._batch_size = batch_size

    @classmethod
    def load(cls, path: Path, device: DeviceConfig, batch_size: int) -> "Classifier":
        """Returns the model in an output directory of a run, or an export of it.

        Raises:
            InputError: There is none, or the devices cannot share such a batch.
        """
        return cls(CLASSIFICATION.load(path, device), batch_size)

    def classify(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[Classification]:
        """Returns what the model says of texts, or of pairs of equally many, in order.

        Raises:
            InputError: The model reads pairs, and these have none, or the opposite; or
                there are not equally many.
        """
        if (pairs is not None) != self.has_pairs:
            wanted = "pairs of texts: give pairs" if self.has_pairs else "single texts"
            raise InputError(f"the model reads {wanted}")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(pairs)} pairs")
        seconds: Sequence[str | None] = pairs or [None] * len(texts)
        examples = [
            TextExample(str(i), 0, text, pair)
            for i, (text, pair) in enumerate(zip(texts, seconds, strict=True))
        ]
        both = zip(examples, self._predicted(examples), strict=True)
        return [self._result(example, prediction) for example, prediction in both]

    def predict(
        self, groups: Iterable[Sequence[TextExample]]
    ) -> "Iterator[list[TextPrediction]]":
        """Yields the predictions for groups of examples, read as they are needed."""
        for held in runs.runs(groups, _weight, _MAX_HELD):
            found = iter(self._predicted([example for own in held for example in own]))
            for own in held:
                yield list(itertools.islice(found, len(own)))

    def _predicted(self, examples: Sequence[TextExample]) -> "list[TextPrediction]":
        records = self.task.featurize(examples)
        rows = (record.features for record in records)
        arrays = self._estimator.predict(rows, self._batch_size, total=len(records))
        return self.task.decode(examples, records, arrays)

    def _result(
        self, example: TextExample, prediction: "TextPrediction"
    ) -> Classification:
        is_single = self.task.target_name == "single"
        known = self.task.labels if prediction.value is None else ()
        probabilities = prediction.probabilities.tolist()
        return Classification(
            text=example.text,
            pair=example.pair,
            label=prediction.labels[0] if is_single else None,
            labels=prediction.labels,
            probabilities=dict(zip(known, probabilities, strict=True)),
            value=prediction.value,
        )


def _weight(examples: Sequence[TextExample]) -> int:
    """Returns the number of characters in examples, and one for each."""
    return sum(len(one.text) + len(one.pair or "") + 1 for one in examples)
