"""A task of each kind that says something of whole texts, from their mean."""

import dataclasses
from typing import ClassVar

from engine import LENGTH

from biobert_tf.training.classification import (
    MultiLabelClassification,
    SequenceClassification,
    SequenceRegression,
)
from biobert_tf.training.records import FeatureSpec

LABELS = ("a", "b", "c")


class Described:
    """What every task has, for the rows of the engine."""

    target: ClassVar = {"label_ids": FeatureSpec(1)}
    labels = LABELS

    @property
    def specs(self):
        pieces = ("input_ids", "input_mask", "segment_ids")
        return {
            **{name: FeatureSpec(LENGTH) for name in pieces},
            **self.target,
            "is_real_example": FeatureSpec(1),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Single(Described, SequenceClassification):
    pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class Multi(Described, MultiLabelClassification):
    target: ClassVar = {"label_ids": FeatureSpec(len(LABELS), below=2, of_text=True)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regression(Described, SequenceRegression):
    target: ClassVar = {"targets": FeatureSpec(1, "float32")}


TASKS = {
    "single": Single(class_weights=(1.0, 3.0, 2.0), pooling="mean"),
    "multi": Multi(class_weights=(1.0, 3.0, 2.0), pooling="mean"),
    "value": Regression(pooling="mean"),
}
