# SPDX-License-Identifier: Apache-2.0
"""A trained model, read back: its weights, its vocabulary, and how it was trained."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Checkpoint, Place, huggingface, released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    RunConfig,
    TextConfig,
)
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.labels import are_of_words
from biobert_tf.text.tokenization import FullTokenizer

# TensorFlow is imported to build a model; finding one, or not, goes without.
if TYPE_CHECKING:
    from biobert_tf.model import heads
    from biobert_tf.training.estimator import Estimator
    from biobert_tf.training.task import Task

SettingsT = TypeVar("SettingsT")
ModelT = TypeVar("ModelT", bound="heads.Model")


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint at a path, and the records of a run beside it; made by `find`.

    Attributes:
        place: The checkpoint.
        recorded: The settings of the run; see `released.read_settings`.
        labels: The labels of the model, in the order of the ids; empty for an encoder.
    """

    place: Place
    recorded: Mapping[str, object]
    labels: tuple[str, ...]

    @functools.cached_property
    def checkpoint(self) -> Checkpoint:
        """Returns the weights, which are read once.

        Raises:
            InputError: There is no checkpoint, or it is damaged.
        """
        return self.place.read()

    @functools.cached_property
    def architecture(self) -> str | None:
        """Returns the Transformers class of the model, if its config.json names one.

        Raises:
            InputError: The file is damaged.
        """
        if self.place.format != "huggingface":
            return None
        return huggingface.stored_architecture(self.place.folder)

    @functools.cached_property
    def problem_type(self) -> huggingface.ProblemType | None:
        """Returns what a classifier of texts that Transformers saved predicts.

        Returns None for other models, and where config.json does not tell.

        Raises:
            InputError: The file is damaged, or says what cannot be used.
        """
        if self.place.format != "huggingface":
            return None
        return huggingface.problem_type(self.place.folder)

    @property
    def classifies(self) -> Literal["words", "texts"] | None:
        """Says what the weights label: words, texts, or nothing.

        A model that Transformers saved says it, else the labels do; see
        `text.labels.are_of_words`.

        Raises:
            InputError: They label something, but the labels are unknown.
        """
        if "output_weights" not in self.checkpoint.weights:
            return None
        if not self.labels:
            reason = "there is no labels.json beside it"
            if self.place.format == "huggingface":
                reason = (
                    f"config.json names them LABEL_0, LABEL_1, ... at most, {reason}"
                )
            raise InputError.at(
                self.checkpoint.source,
                None,
                f"the model's labels are unknown: {reason}; "
                'add one, {"labels": ["O", "B", "I"]} in the order of the ids',
            )
        classifier: huggingface.Classifier = "auto"
        if self.architecture:
            classifier = huggingface.stored_classifier(self.place.folder)
        if classifier == "auto":
            return "words" if are_of_words(self.labels) else "texts"
        return "words" if classifier == "token" else "texts"

    @functools.cached_property
    def results(self) -> Mapping[str, Any]:
        """Returns the contents of results.json; empty if there is no such file.

        Raises:
            InputError: The file is not JSON.
        """
        from biobert_tf.training import run_directory

        path = self.place.beside(run_directory.RESULTS_FILE)
        return files.read_json(path) if path else {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded(Generic[SettingsT]):
    """A trained model, read and checked, but not built.

    Attributes:
        found: The checkpoint and what lies beside it.
        encoder_config: The sizes of the encoder.
        tokenizer: Text to WordPieces, with the model's vocabulary.
        text: The case, and the maximum number of WordPieces in a row.
        settings: The settings of the training, or of a run that predicts with it.
        device: Where to compute, and in which precision.
    """

    found: Found
    encoder_config: EncoderConfig
    tokenizer: FullTokenizer
    text: TextConfig
    settings: SettingsT
    device: DeviceConfig

    @property
    def labels(self) -> tuple[str, ...]:
        """Returns the labels of the model, in the order of the ids."""
        return self.found.labels

    def build(
        self,
        make: Callable[..., ModelT],
        new_head: Collection[str] = (),
        **sizes: int,
    ) -> ModelT:
        """Builds a model of the class `make` of `model.heads`; gives it the weights.

        Variables that nothing reads may be missing: `new_head`, and the pooler of a
        model that does not use it.

        Raises:
            InputError: Weights are missing or of other shapes.
        """
        from biobert_tf.checkpoints import native
        from biobert_tf.training import precision

        dtype = precision.dtype(self.device)
        model = make(self.encoder_config, seed=None, dtype=dtype, **sizes)
        unread = () if model.has_pooler else ("bert/pooler",)
        given = self.found.checkpoint
        native.assign(
            model.variables,
            given.weights,
            source=given.source,
            new_head=(*new_head, *unread),
        )
        return model

    def estimator(self, task: "Task") -> "Estimator":
        """Returns the estimator of a task with the model's weights.

        Raises:
            InputError: The weights are not those of the task.
        """
        from biobert_tf.training import strategy as strategies
        from biobert_tf.training.estimator import Estimator

        made = Estimator(
            task,
            self.encoder_config,
            strategy=strategies.build_strategy(self.device),
            device=self.device,
            run=RunConfig(),
            model_dir=self.found.place.path,
            is_random=False,
        )
        made.initialize(self.found.checkpoint)
        return made


def find(path: Path) -> Found:
    """Returns the checkpoint at a path; see `checkpoints.locate`.

    Raises:
        InputError: A file beside the checkpoint is malformed.
    """
    place = checkpoints.locate(path)
    labels = tuple(released.read_labels(place) or ())
    return Found(place, released.read_settings(place), labels)
