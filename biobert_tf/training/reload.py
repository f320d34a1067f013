# SPDX-License-Identifier: Apache-2.0
"""A trained model, read back: its weights, its vocabulary, and how it was trained."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from biobert_tf import checkpoints
from biobert_tf.checkpoints import Checkpoint, Place, native, released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import (
    DeviceConfig,
    ModelConfig,
    RunConfig,
    TextConfig,
    from_dict,
)
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import precision, run_directory
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.task import Task

SettingsT = TypeVar("SettingsT")
ModelT = TypeVar("ModelT", bound=heads.Model)


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint at a path, and the records of a run beside it.

    Attributes:
        place: The checkpoint.
        recorded: The settings of the run, flag name to value; empty if none of our runs
            wrote the checkpoint.
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

    @property
    def is_classifier(self) -> bool:
        """Says whether the weights score labels, of words or of texts.

        Raises:
            InputError: They do, but the labels are unknown.
        """
        if "output_weights" not in self.checkpoint.weights:
            return False
        if not self.labels:
            raise InputError.at(
                self.checkpoint.source,
                None,
                "the model's labels are unknown: there is no labels.json beside it; "
                'add one, {"labels": ["O", "B", "I"]} in the order of the ids',
            )
        return True

    @functools.cached_property
    def results(self) -> Mapping[str, Any]:
        """Returns the contents of results.json; empty if there is no such file.

        Raises:
            InputError: The file is not JSON.
        """
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
        """Builds a model and gives it the weights.

        Args:
            make: A class of `model.heads`.
            new_head: Variables that may be missing, because nothing reads them.
            **sizes: Further arguments of the class.

        Raises:
            InputError: Weights are missing or of other shapes.
        """
        model = make(
            self.encoder_config, seed=0, dtype=precision.dtype(self.device), **sizes
        )
        native.assign(
            model.variables,
            self.found.checkpoint.weights,
            source=self.found.checkpoint.source,
            new_head=new_head,
        )
        return model

    def estimator(self, task: Task) -> Estimator:
        """Returns the estimator of a task with the model's weights.

        Raises:
            InputError: The weights are not those of the task.
        """
        made = Estimator(
            task,
            self.encoder_config,
            strategy=strategies.build_strategy(self.device),
            device=self.device,
            run=RunConfig(),
            model_dir=self.found.place.path,
        )
        made.initialize(self.found.checkpoint)
        return made


def find(path: Path) -> Found:
    """Returns the checkpoint at a path with the records of a run beside it.

    Args:
        path: As for `checkpoints.locate`.

    Raises:
        InputError: A file beside the checkpoint is malformed.
    """
    place = checkpoints.locate(path)
    return Found(
        place=place,
        recorded=released.read_settings(place),
        labels=released.load_labels([path]) or (),
    )


def load(
    found: Found,
    settings_type: type[SettingsT],
    device: DeviceConfig,
    *,
    unknown: Mapping[str, str],
    do_lower_case: bool | None,
    max_seq_length: int | None,
) -> Loaded[SettingsT]:
    """Reads the vocabulary, the sizes and the settings of a model.

    Args:
        found: The checkpoint.
        settings_type: The class of the recorded settings.
        device: Where to compute, and in which precision.
        unknown: Values of required settings, by name, where none are recorded.
        do_lower_case: None takes the recorded value, else false.
        max_seq_length: None takes the number of positions of the model.

    Raises:
        InputError: A file beside the checkpoint is missing or malformed, or does not
            fit the others.
    """
    path = found.place.path
    source = found.place.beside(run_directory.SETTINGS_FILE) or path
    folder = str(found.place.folder)
    places = {"output_dir": folder, "data_dir": folder}
    settings = from_dict(settings_type, found.recorded, source, **{**places, **unknown})
    model = ModelConfig(init_checkpoint=path)
    if do_lower_case is None:
        do_lower_case = from_dict(TextConfig, found.recorded, source).do_lower_case
    if max_seq_length is None:
        shortest = TextConfig(max_seq_length=3)
        sizes, _ = released.load_config(shortest, model, path)
        max_seq_length = sizes.max_position_embeddings
    text = TextConfig(do_lower_case=do_lower_case, max_seq_length=max_seq_length)
    parts = released.load(text, model, path)
    return Loaded(
        found=found,
        encoder_config=parts.encoder_config,
        tokenizer=parts.tokenizer,
        text=text,
        settings=settings,
        device=device,
    )
