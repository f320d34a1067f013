# SPDX-License-Identifier: Apache-2.0
"""The settings of commands that a runner of Apache Beam can spread over machines."""

import dataclasses
import shlex
from pathlib import Path
from typing import Final, Literal, Self

from biobert_tf.common import remote_path, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import FlagValue, setting

RunnerName = Literal[
    "local",
    "DirectRunner",
    "DaskRunner",
    "DataflowRunner",
    "FlinkRunner",
    "SparkRunner",
]


@dataclasses.dataclass(frozen=True)
class ShellWords(FlagValue):
    """The words of `--pipeline_options`, as a shell would take them."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Cuts a text into words; raises InputError if a quotation is not closed."""
        try:
            return cls(text, tuple(shlex.split(text)))
        except ValueError as error:
            raise InputError(
                f"--pipeline_options={text!r}: {str(error).lower()}"
            ) from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """Who does the work: this machine, or a cluster."""

    runner: RunnerName = setting(
        "local", "local (this machine), or an Apache Beam runner.", free=True
    )
    pipeline_options: ShellWords = setting(
        ShellWords(),
        "Options of the Beam runner, as one shell-quoted string.",
        free=True,
    )

    def __post_init__(self) -> None:
        """Refuses options that no runner would see, with InputError."""
        if self.is_local and self.pipeline_options.words:
            raise InputError("--pipeline_options are for a runner: add --runner")

    @property
    def is_local(self) -> bool:
        """Whether no runner of Beam is wanted."""
        return self.runner == "local"

    def require_files(self, *paths: Path) -> None:
        """Refuses paths that other machines cannot have, unless all is local.

        Raises:
            InputError: A path is standard input or output, a pipe, or in a store.
        """
        for path in paths:
            is_elsewhere = remote_path.is_remote(path) or streams.is_pipe(path)
            if is_elsewhere and not self.is_local:
                problem = f"--runner={self.runner} wants a file or a folder that all "
                problem += "machines see at the same path"
                raise InputError.at(path, None, problem)


LOCAL: Final = BeamConfig()
"""No runner of Beam."""
