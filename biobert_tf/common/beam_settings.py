# SPDX-License-Identifier: Apache-2.0
"""The settings of commands that a runner of Apache Beam can spread over machines."""

import dataclasses
import shlex
from typing import Literal, Self

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

    @property
    def is_local(self) -> bool:
        """Whether no runner of Beam is wanted."""
        return self.runner == "local"
