# SPDX-License-Identifier: Apache-2.0
"""Text classification: one label, several labels or a number for a text or a pair.

Reading order is data order:
    file -> TextExample -> TextRecord -> logits -> TextPrediction -> scores
The first arrow is `reading`, the second `features`, the rest is here.

Shape suffixes: N rows, W windows of an example, K labels.
"""

import abc
import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from biobert_tf.classification import (
    multi_label,
    regression,
    single_label,
    thresholds,
)
from biobert_tf.classification.examples import Target, TextExample
from biobert_tf.classification.features import Featurizer, TextRecord
from biobert_tf.classification.reading import is_labelled
from biobert_tf.classification.scores import NAMES
from biobert_tf.classification.settings import WindowPooling
from biobert_tf.training.classification import (
    MultiLabelClassification,
    OfTexts,
    SequenceClassification,
    SequenceRegression,
)
from biobert_tf.training.records import Features, FeatureSpec, Specs


class Scores(Protocol):
    """The scores of a target."""

    def to_dict(self) -> dict[str, object]:
        """Returns everything by name, ready for JSON."""

    def report(self) -> str:
        """Returns the scores as they are printed."""


@dataclasses.dataclass(frozen=True)
class TextPrediction:
    """The prediction for one example.

    Attributes:
        labels: The predicted labels, in the order of their ids; none for a number.
        probabilities: The probability of each label, float32 `[K]`; empty for a number.
        value: The predicted number; None for labels.
    """

    labels: tuple[str, ...] = ()
    probabilities: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.float32)
    )
    value: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTask(Featurizer, OfTexts):
    """The part of a task that does not depend on the target.

    Attributes:
        window_pooling: How the logits of a text's windows become one: mean or max.
    """

    name: ClassVar[str] = "classification"
    target_name: ClassVar[Target]
    window_pooling: WindowPooling

    @property
    def score_names(self) -> tuple[str, ...]:
        """Returns the scores that may choose a model, the main one first."""
        return NAMES[self.target_name]

    def counts(self, records: Iterable[TextRecord]) -> dict[str, int]:
        """Returns the numbers of cut examples, and of windows beside the first."""
        held = list(records)
        return {
            "cut": sum(record.is_cut and record.is_first for record in held),
            "more windows": sum(not record.is_first for record in held),
        }

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        return num_records

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns the mean loss over rows."""
        return {"loss": float(predictions["loss"].astype(np.float64).mean())}

    def decode(
        self,
        examples: Sequence[TextExample],
        records: Sequence[TextRecord],
        predictions: Mapping[str, np.ndarray],
    ) -> list[TextPrediction]:
        """Returns the prediction for every example, from all of its windows."""
        return [self._decided(each) for each in self._by_example(records, predictions)]

    @abc.abstractmethod
    def _decided(self, outputs: Mapping[str, np.ndarray]) -> TextPrediction:
        """Returns the prediction from the outputs of an example's windows."""

    def is_labelled(self, examples: Sequence[TextExample]) -> bool:
        """Returns whether predictions for `examples` can be scored."""
        return all(map(is_labelled, examples))

    @abc.abstractmethod
    def score(
        self,
        examples: Sequence[TextExample],
        predictions: Sequence[TextPrediction],
        seed: int,
    ) -> Scores:
        """Returns the scores of labelled examples."""

    def report(
        self, examples: Sequence[TextExample], predictions: Sequence[TextPrediction]
    ) -> str:
        """Returns the scores of labelled examples as they are printed."""
        return self.score(examples, predictions, seed=0).report()

    @abc.abstractmethod
    def row(self, example: TextExample, prediction: TextPrediction) -> dict[str, Any]:
        """Returns the prediction, and the target as `gold` if it is known, for JSON."""

    def prediction_files(
        self,
        examples: Sequence[TextExample],
        records: Sequence[TextRecord],
        predictions: Sequence[TextPrediction],
        arrays: Mapping[str, np.ndarray],
    ) -> dict[str, str | None]:
        """Returns the text of every file that a prediction writes, by file name."""
        rows = (
            self._line(example, prediction)
            for example, prediction in zip(examples, predictions, strict=True)
        )
        return {"predictions.jsonl": "".join(rows)}

    def _line(self, example: TextExample, prediction: TextPrediction) -> str:
        pair = {} if example.pair is None else {"pair": example.pair}
        group = {"group": example.group} if example.group else {}
        row = {"id": example.id, **group, "text": example.text, **pair}
        values = {**row, **self.row(example, prediction)}
        return json.dumps(values, ensure_ascii=False) + "\n"

    def _by_example(
        self, records: Sequence[TextRecord], predictions: Mapping[str, np.ndarray]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yields the outputs of the windows of every example, `[W, ...]` per name."""
        ends = itertools.accumulate(
            len(list(rows))
            for _, rows in itertools.groupby(records, lambda each: each.example)
        )
        for start, end in itertools.pairwise([0, *ends]):
            yield {name: values[start:end] for name, values in predictions.items()}

    def _pooled(self, values: np.ndarray) -> np.ndarray:
        """Returns one for the logits or numbers of windows `[W, ...]`, float64."""
        values = values.astype(np.float64)
        return values.mean(0) if self.window_pooling == "mean" else values.max(0)

    def _shown(self, probabilities: np.ndarray) -> dict[str, float]:
        """Returns probabilities by label, rounded to six digits."""
        pairs = zip(self.labels, probabilities, strict=True)
        return {label: round(float(p), 6) for label, p in pairs}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SingleTask(TextTask, SequenceClassification):
    """One of some labels.

    Attributes:
        negative: The label that micro F1 does not count; None if all count.
        threshold: The probability above which the second of two labels is predicted.
    """

    target_name: ClassVar[Target] = "single"
    negative: str | None = None
    threshold: float = thresholds.DEFAULT

    @property
    def specs(self) -> Specs:
        """Returns the features of a record."""
        return {**super().specs, "label_ids": FeatureSpec(1)}

    def target(self, example: TextExample) -> Features:
        """Returns the id of the label."""
        known = example.labels or self.labels[:1]
        return {"label_ids": [self.labels.index(known[0])]}

    def _decided(self, outputs: Mapping[str, np.ndarray]) -> TextPrediction:
        probabilities_K = outputs["probabilities"][0]
        if len(outputs["probabilities"]) > 1:
            logits_K = self._pooled(outputs["logits"])
            exponents_K = np.exp(logits_K - logits_K.max())
            probabilities_K = (exponents_K / exponents_K.sum()).astype(np.float32)
        best = int(probabilities_K.argmax())
        if self.threshold != thresholds.DEFAULT:
            best = int(probabilities_K[1] > np.float32(self.threshold))
        return TextPrediction((self.labels[best],), probabilities_K)

    def score(
        self,
        examples: Sequence[TextExample],
        predictions: Sequence[TextPrediction],
        seed: int,
    ) -> Scores:
        """Returns accuracy, F1 and more; see `single_label.score`."""
        return single_label.score(
            [(each.labels or ("",))[0] for each in examples],
            [each.labels[0] for each in predictions],
            self.labels,
            self.negative,
            seed=seed,
            probabilities=np.array([each.probabilities for each in predictions]),
        )

    def row(self, example: TextExample, prediction: TextPrediction) -> dict[str, Any]:
        """Returns the label and the probabilities."""
        gold = {"gold": example.labels[0]} if example.labels else {}
        shown = {"probabilities": self._shown(prediction.probabilities)}
        return {"label": prediction.labels[0], **gold, **shown}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiTask(TextTask, MultiLabelClassification):
    """Any number of some labels.

    Attributes:
        thresholds: The probability above which each label is predicted.
    """

    target_name: ClassVar[Target] = "multi"
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def specs(self) -> Specs:
        """Returns the features of a record."""
        return {
            **super().specs,
            "label_ids": FeatureSpec(len(self.labels), below=2, of_text=True),
        }

    def target(self, example: TextExample) -> Features:
        """Returns 1 for each of the labels, 0 for the others."""
        known = example.labels or ()
        return {"label_ids": [int(label in known) for label in self.labels]}

    def _decided(self, outputs: Mapping[str, np.ndarray]) -> TextPrediction:
        [probabilities_K, *more] = outputs["probabilities"]
        if more:
            logits_K = self._pooled(outputs["logits"])
            probabilities_K = (1 / (1 + np.exp(-logits_K))).astype(np.float32)
        [found] = thresholds.above(
            probabilities_K[np.newaxis], self.labels, self.thresholds
        )
        return TextPrediction(found, probabilities_K)

    def score(
        self,
        examples: Sequence[TextExample],
        predictions: Sequence[TextPrediction],
        seed: int,
    ) -> Scores:
        """Returns micro F1 and more, of documents if there are; see `multi_label`."""
        groups = [each.group for each in examples]
        return multi_label.score(
            [each.labels or () for each in examples],
            [each.labels for each in predictions],
            self.labels,
            seed=seed,
            groups=groups if any(groups) else None,
            probabilities=np.array([each.probabilities for each in predictions]),
        )

    def row(self, example: TextExample, prediction: TextPrediction) -> dict[str, Any]:
        """Returns the labels and the probabilities."""
        gold = {} if example.labels is None else {"gold": list(example.labels)}
        shown = {"probabilities": self._shown(prediction.probabilities)}
        return {"labels": list(prediction.labels), **gold, **shown}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegressionTask(TextTask, SequenceRegression):
    """A number."""

    target_name: ClassVar[Target] = "regression"

    @property
    def specs(self) -> Specs:
        """Returns the features of a record."""
        return {**super().specs, "targets": FeatureSpec(1, "float32")}

    def target(self, example: TextExample) -> Features:
        """Returns the number."""
        return {"targets": [0.0 if example.value is None else example.value]}

    def _decided(self, outputs: Mapping[str, np.ndarray]) -> TextPrediction:
        return TextPrediction(value=float(self._pooled(outputs["value"])))

    def score(
        self,
        examples: Sequence[TextExample],
        predictions: Sequence[TextPrediction],
        seed: int,
    ) -> Scores:
        """Returns the correlations and the squared error; see `regression.score`."""
        return regression.score(
            [each.value or 0.0 for each in examples],
            [each.value or 0.0 for each in predictions],
            seed=seed,
        )

    def row(self, example: TextExample, prediction: TextPrediction) -> dict[str, Any]:
        """Returns the number."""
        gold = {} if example.value is None else {"gold": example.value}
        assert prediction.value is not None
        return {"value": round(prediction.value, 6), **gold}
