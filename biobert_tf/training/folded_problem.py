# SPDX-License-Identifier: Apache-2.0
"""The interface of a problem whose command runs one set or its folds."""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from biobert_tf.common import files, remote_path
from biobert_tf.training.problem import Command, TrainedProblem

if TYPE_CHECKING:
    from biobert_tf.training.finetune import Finished
    from biobert_tf.training.folds import FoldedConfig, Runner

SettingsT = TypeVar("SettingsT", bound="FoldedConfig")


class FoldedProblem(TrainedProblem[SettingsT]):
    """A problem with `--folds`; see `folds.Runner`."""

    @abc.abstractmethod
    def runner(self) -> "Runner[SettingsT]":
        """Returns what runs the folds of this problem."""

    def model_of(self, values: Mapping[str, Any]) -> Path | None:
        """Returns the model of a single run, else that of the first fold."""
        found = super().model_of(values)
        if found is None and (output_dir := values["output_dir"]):
            models = (
                super(FoldedProblem, self).model_of({"output_dir": fold})
                for fold in files.numbered_folders(remote_path.parse(output_dir))
            )
            found = next(filter(None, models), None)
        return found

    def start(self, settings: SettingsT, command: Command) -> "Finished[Any] | None":
        """Runs one set, or each fold in a process of its own; see `folds.Runner`."""
        runner = self.runner()
        names = runner.names(settings.stages.data_dir, settings.folds)
        if not names:
            return self.run(settings)
        runner.run(settings, names, command)
        return None
