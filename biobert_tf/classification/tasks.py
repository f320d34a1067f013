# SPDX-License-Identifier: Apache-2.0
"""Makes the task of a run, or of a trained model.

A run records beside its model what its settings leave to the data: `KEY` with the
target, whether there are pairs, and the thresholds.
"""

import collections
import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.checkpoints import huggingface
from biobert_tf.classification.examples import Target, TextExample
from biobert_tf.classification.settings import ClassificationConfig
from biobert_tf.classification.task import (
    MultiTask,
    RegressionTask,
    SingleTask,
    TextTask,
)
from biobert_tf.common.errors import InputError
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.class_weights import ClassWeights
from biobert_tf.training.reload import Loaded

KEY: Final = "classification"
NUMBER: Final = (huggingface.NUMBER,)
"""The name of a regression's output, as its label."""


def of_run(
    settings: ClassificationConfig,
    tokenizer: FullTokenizer,
    target: Target,
    labels: tuple[str, ...],
    train: Sequence[TextExample] = (),
) -> TextTask:
    """Returns the task of a run.

    `train` are the examples that weights and first biases come from.

    Raises:
        InputError: `--class_weights` or `--negative_label` names an unknown label.
    """
    common: dict[str, Any] = {
        "tokenizer": tokenizer,
        "names": labels,
        "max_seq_length": settings.text.max_seq_length,
        "long_texts": settings.long_texts,
        "window_pooling": settings.window_pooling,
        "pooling": settings.pooling,
    }
    if target == "regression":
        return RegressionTask(first_bias=_mean(train), **common)
    held = [label for each in train for label in each.labels or ()]
    known = {label: label for label in labels}
    common["class_weights"] = settings.class_weights.of(labels, held, known.get)
    if target == "multi":
        return MultiTask(first_bias=_log_odds(train, labels), **common)
    negative = settings.negative_label or None
    if negative not in (None, *labels):
        raise InputError(
            f"--negative_label={negative} is none of the labels {' '.join(labels)}"
        )
    return SingleTask(negative=negative, **common)


def _mean(train: Sequence[TextExample]) -> tuple[float, ...]:
    """Returns the mean number, where the squared error of a constant is least."""
    values = [each.value for each in train if each.value is not None]
    return (statistics.fmean(values),) if values else ()


def _log_odds(train: Sequence[TextExample], labels: Sequence[str]) -> tuple[float, ...]:
    """Returns the log-odds of every label, as if one more text had it half.

    From 0 the model would first learn that most labels are rare, for which it makes
    the vectors of all texts alike.
    """
    if not train:
        return ()
    counts = collections.Counter(label for each in train for label in each.labels or ())
    return tuple(
        math.log((counts[label] + 0.5) / (len(train) - counts[label] + 0.5))
        for label in labels
    )


def with_thresholds(task: TextTask, chosen: Mapping[str, float]) -> TextTask:
    """Returns the task with the thresholds of labels; of two single labels, one."""
    if not chosen:
        return task
    if isinstance(task, MultiTask):
        return dataclasses.replace(task, thresholds=chosen)
    assert isinstance(task, SingleTask), "numbers have no thresholds"
    return dataclasses.replace(task, threshold=chosen[task.labels[1]])


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a run records of its data and its choices.

    Attributes:
        target: What is learned.
        has_pairs: Whether a text has a second one.
        thresholds: The probability above which a label is predicted, by label.
    """

    target: Target
    has_pairs: bool
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_record(self) -> dict[str, object]:
        """Returns what stands in the settings beside the model."""
        return {KEY: dataclasses.asdict(self)}


def facts_of(recorded: Mapping[str, Any], source: Path) -> Facts:
    """Returns what the run of a model has recorded.

    Raises:
        InputError: It has recorded nothing, or it is damaged.
    """
    try:
        return Facts(**recorded[KEY])
    except (KeyError, TypeError):
        problem = f"has no record of what it was trained on ({KEY} in settings.json)"
        raise InputError.at(source, None, problem) from None


def of_model(loaded: Loaded[ClassificationConfig]) -> tuple[TextTask, Facts]:
    """Returns the task of a trained model, and what its run has recorded.

    Raises:
        InputError: The record is damaged.
    """
    facts = facts_of(loaded.found.recorded, loaded.found.place.path)
    settings = dataclasses.replace(loaded.settings, text=loaded.text)
    settings = dataclasses.replace(settings, class_weights=ClassWeights())
    task = of_run(settings, loaded.tokenizer, facts.target, loaded.labels)
    return with_thresholds(task, facts.thresholds), facts
