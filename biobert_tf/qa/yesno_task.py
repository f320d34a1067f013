# SPDX-License-Identifier: Apache-2.0
"""Yes/no questions: classifies whether a passage answers a question with yes.

Reading order is data order:
    file -> YesNoExample -> YesNoRow -> logits -> answers of questions -> scores
The first arrow is `yesno_reading`, the fourth `yesno`; `training.classification` holds
the model and its loss.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from biobert_tf.qa.features import Featurizer, QaFeatures, Windows, shuffle_buffer
from biobert_tf.qa.yesno_reading import LABELS, YesNoExample
from biobert_tf.training.classification import SequenceClassification
from biobert_tf.training.records import Features, FeatureSpec, Specs
from biobert_tf.training.task import Batch, Outputs


@dataclasses.dataclass(frozen=True)
class YesNoRow:
    """One row of model input: a window of a passage and the answer to its question.

    Attributes:
        window: The window that the row shows.
        label_id: Index of the answer in `LABELS`; 0 if the answer is not known.
    """

    window: QaFeatures
    label_id: int

    @property
    def features(self) -> Features:
        """Returns the features of a record, by name."""
        window = self.window.features
        names = ("unique_ids", "input_ids", "input_mask", "segment_ids")
        return {
            **{name: window[name] for name in names},
            "label_ids": [self.label_id],
            "is_real_example": [1],
        }


class YesNoRows:
    """The rows of questions, made again at every iteration; none is kept.

    Attributes:
        windows: The windows that the rows show.
    """

    def __init__(
        self, featurizer: Featurizer, examples: Sequence[YesNoExample]
    ) -> None:
        """Stores the arguments; see `features.Windows`."""
        self.windows = Windows(featurizer, examples)
        self._examples = examples

    def __iter__(self) -> Iterator[YesNoRow]:
        """Yields the rows of all questions, in order."""
        for window in self.windows:
            is_yes = self._examples[window.example_index].is_yes
            yield YesNoRow(window, LABELS.index("yes" if is_yes else "no"))

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self.windows)


@dataclasses.dataclass(frozen=True, kw_only=True)
class YesNoTask(SequenceClassification):
    """The task of a run on yes/no questions; holds no mutable state.

    Attributes:
        featurizer: Turns questions into windows.
        compat: `fixed` or `master`; see `settings.QaConfig`.
    """

    featurizer: Featurizer
    compat: Literal["fixed", "master"]

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the two answers; an answer's index is its id."""
        return LABELS

    @property
    def name(self) -> str:
        """Returns the name of the task in the results."""
        return "qa"

    @property
    def specs(self) -> Specs:
        """Returns the features of a record: those of a window, and the answer."""
        names = ("input_ids", "input_mask", "segment_ids")
        return {
            "unique_ids": FeatureSpec(1),
            **{name: FeatureSpec(self.featurizer.max_seq_length) for name in names},
            "label_ids": FeatureSpec(1),
            "is_real_example": FeatureSpec(1),
        }

    def featurize(self, examples: Sequence[YesNoExample]) -> YesNoRows:
        """Returns the rows of all questions; they are made on iteration."""
        return YesNoRows(self.featurizer, examples)

    def windows(self, records: Iterable[YesNoRow]) -> Iterable[QaFeatures]:
        """Returns the windows that the records show."""
        return (row.window for row in records)

    def counts(self, records: Iterable[YesNoRow]) -> dict[str, int]:
        """Returns no counts beyond the numbers of questions and rows."""
        return {}

    def shuffle_buffer(self, num_records: int) -> int:
        """Returns the size of the training shuffle buffer, in records."""
        return shuffle_buffer(num_records, self.compat)

    def predictions(self, batch: Batch, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Returns `logits` of no and yes, float32 `[batch, 2]`."""
        return {"logits": outputs["logits"]}

    def metrics(
        self, predictions: Mapping[str, np.ndarray], batch_size: int
    ) -> dict[str, float]:
        """Returns no metrics, because answers are scored per question."""
        return {}
