# SPDX-License-Identifier: Apache-2.0
"""Classifiers in the words of Transformers: what config.json says, and what not.

Its `problem_type` is our target. It knows neither pairs nor thresholds; these stand in
our settings.json alone.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from biobert_tf.checkpoints.huggingface import ProblemType
from biobert_tf.checkpoints.released import SETTINGS_NAME
from biobert_tf.classification import reading
from biobert_tf.classification.examples import Target
from biobert_tf.classification.settings import ClassificationConfig

# TensorFlow is imported where there is a model.
if TYPE_CHECKING:
    from biobert_tf.classification.tasks import Facts
    from biobert_tf.training.reload import Found

_PROBLEM_TYPES: Final[Mapping[Target, ProblemType]] = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}
_TARGETS: Final = {name: target for target, name in _PROBLEM_TYPES.items()}


def target(named: ProblemType | None) -> Target | None:
    """Returns what Transformers calls by this name; None if it is unknown."""
    return _TARGETS[named] if named else None


def problem_type(found: "Found") -> ProblemType:
    """Returns what Transformers calls the target of a model of ours.

    Raises:
        InputError: The settings beside the model lack its record.
    """
    return _PROBLEM_TYPES[_facts_of(found).target]


def untold(found: "Found") -> str:
    """Returns the thresholds of a model of ours, which Transformers does not know.

    Raises:
        InputError: The settings beside the model lack its record.
    """
    limits = _facts_of(found).thresholds
    shown = ", ".join(f"{label} {limit:.6g}" for label, limit in limits.items())
    return shown and f"thresholds that Transformers does not use: {shown}"


def record_of(found: "Found") -> dict[str, object]:
    """Returns what a run would have recorded of a model that Transformers saved.

    One label per text and no pairs is what it is if nothing says otherwise.

    Raises:
        InputError: Its config.json cannot be used.
    """
    return {
        "kind": "classification",
        **_facts(target(found.problem_type) or "single", False),
    }


def completed(found: "Found", settings: ClassificationConfig | None = None) -> "Found":
    """Returns a model that Transformers saved with its record; another one as it is.

    `settings` are those of a run that predicts with the model; then its data tells the
    target, and whether there are pairs.

    Raises:
        InputError: Its config.json cannot be used, or the data cannot be read.
    """
    is_saved = found.place.format == "huggingface"
    if not is_saved or found.place.beside(SETTINGS_NAME) is not None:
        return found
    recorded = record_of(found)
    if settings is not None:
        default = target(found.problem_type) or "single"
        data = reading.open_set(settings.stages.data_dir, settings.reading, default)
        recorded |= _facts(data.target, data.has_pairs)
    return dataclasses.replace(found, recorded={**recorded, **found.recorded})


def _facts_of(found: "Found") -> "Facts":
    from biobert_tf.classification import tasks

    return tasks.facts_of(found.recorded, found.place.path)


def _facts(known: Target, has_pairs: bool) -> dict[str, object]:
    from biobert_tf.classification import tasks

    return tasks.Facts(known, has_pairs).to_record()
