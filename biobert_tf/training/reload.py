# SPDX-License-Identifier: Apache-2.0
"""A model in the directory of a finished run, or exported, made ready to predict."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from biobert_tf import checkpoints
from biobert_tf.checkpoints import released
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, ModelConfig, RunConfig, TextConfig
from biobert_tf.training import run_directory
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.task import Task


def read_settings(
    model_dir: Path, needed: Collection[str], script: str
) -> dict[str, Any]:
    """Returns the settings that a model was trained with, by the names of the flags.

    Args:
        model_dir: The output directory of a run, or an export of it.
        needed: Those that must be there.
        script: Whose model it has to be.

    Raises:
        InputError: The directory holds no such model.
    """
    path = checkpoints.locate(model_dir).beside(run_directory.SETTINGS_FILE)
    settings = files.read_json(path) if path else {}
    if not settings.keys() >= set(needed) or not released.load_labels([model_dir]):
        raise InputError.at(
            model_dir, None, f"holds no model of {script}; give its --output_dir"
        )
    return settings


def load_parts(model_dir: Path, text: TextConfig) -> released.Released:
    """Returns the sizes and the vocabulary of a trained model.

    Raises:
        InputError: As `released.load`.
    """
    return released.load(text, ModelConfig(init_checkpoint=model_dir), model_dir)


def estimator(
    task: Task, parts: released.Released, model_dir: Path, device: DeviceConfig
) -> Estimator:
    """Returns the estimator of a task with the weights of a trained model.

    Raises:
        InputError: The weights are not those of the task.
    """
    made = Estimator(
        task,
        parts.encoder_config,
        strategy=strategies.build_strategy(device),
        device=device,
        run=RunConfig(),
        model_dir=model_dir,
    )
    made.initialize(checkpoints.locate(model_dir).read())
    return made
