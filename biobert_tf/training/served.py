# SPDX-License-Identifier: Apache-2.0
"""The interface between a problem and its export: a model, and how it takes text."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.training.records import Specs

Outputs = Mapping[str, tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """A trained model, ready to be exported.

    Attributes:
        kind: The kind of the model, as `--kind` names it.
        title: What the model does, as the heading of its card.
        model: The model with its weights.
        labels: The labels as they are shown, in the order of the ids; empty for an
            encoder.
        answers: What the card says of the answers, JSON values by name.
        recorded: Settings to record with the export, beside those of the training.
        text_inputs: Names of the strings that `answer` takes, each a vector.
        answer: Maps strings to tensors whose first axis is that of the strings.
        score: Maps the model's inputs, int32 `[batch, length]`, to tensors.
        specs: The features of training records that `score` needs.
        example: Strings to try the model on, by name of the input.
    """

    kind: str
    title: str
    model: heads.Model
    labels: Sequence[str] = ()
    answers: Mapping[str, object] = dataclasses.field(default_factory=dict)
    recorded: Mapping[str, object] = dataclasses.field(default_factory=dict)
    text_inputs: Sequence[str]
    answer: Callable[..., Outputs]
    score: Callable[[dict[str, tf.Tensor]], Outputs]
    specs: Specs
    example: Mapping[str, Sequence[str]]
