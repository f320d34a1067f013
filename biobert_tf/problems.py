# SPDX-License-Identifier: Apache-2.0
"""The problems that biobert_tf solves, one line each.

The commands, the exports, the Python API and docs/flags.md read this list.
docs/extending.md says how to add a problem.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from biobert_tf.classification.problem import CLASSIFICATION
from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.problem import EMBEDDINGS
from biobert_tf.ner.problem import NER
from biobert_tf.pretraining.problem import PRETRAINING
from biobert_tf.qa.problem import QA
from biobert_tf.relations.problem import RELATIONS
from biobert_tf.training.problem import Problem, TrainedProblem

if TYPE_CHECKING:
    from biobert_tf.training.reload import Found

TRAINED: Final[list[TrainedProblem[Any]]] = [
    NER,
    RELATIONS,
    QA,
    CLASSIFICATION,
    PRETRAINING,
]
"""The problems with a command that trains, in the order that `of_model` asks."""


def everything() -> list[Problem[Any]]:
    """Returns all problems; the last one accepts every model."""
    return [*TRAINED, EMBEDDINGS]


def of_run(recorded: Mapping[str, object]) -> TrainedProblem[Any] | None:
    """Returns the problem whose run has recorded these settings, if one has.

    Args:
        recorded: The settings beside a model, flag name to value.
    """
    return next((each for each in TRAINED if each.made(recorded)), None)


def of_found(found: "Found") -> Problem[Any]:
    """Returns the problem of a model by the files beside its weights, if they tell.

    These are the settings of a run, or else the class with which Transformers saved it.

    Raises:
        InputError: Transformers' config.json is damaged.
    """
    own = of_run(found.recorded)
    if own is None and not found.recorded:
        own = next((each for each in TRAINED if each.is_saved(found)), None)
    return own or EMBEDDINGS


def of_model(found: "Found") -> tuple[Problem[Any], str]:
    """Returns the problem and the kind of a model, by its weights.

    The problem whose run wrote the model is asked first.

    Raises:
        InputError: The weights cannot be read, or belong to a classifier with unknown
            labels.
    """
    own = of_run(found.recorded)
    for problem in [*([own] if own else []), *everything()]:
        kind = problem.kind_of(found)
        if kind is not None:
            return problem, kind
    raise AssertionError("the last problem accepts every model")


def of_kind(kind: str) -> Problem[Any]:
    """Returns the problem that makes models of a kind.

    Raises:
        InputError: No problem makes such models.
    """
    for problem in everything():
        if kind in problem.kinds:
            return problem
    known = ", ".join(name for problem in everything() for name in problem.kinds)
    raise InputError(f"--kind={kind}: want auto or one of {known}")
