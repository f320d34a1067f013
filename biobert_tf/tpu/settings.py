# SPDX-License-Identifier: Apache-2.0
"""Settings of `biobert tpu-check`."""

import dataclasses
from pathlib import Path
from typing import Literal, NamedTuple, Self

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import at_least, setting

Size = Literal["auto", "base", "large", "tiny"]


class Chip(NamedTuple):
    """A kind of TPU, as its compiler knows it.

    Attributes:
        topology: The smallest slice that the compiler takes.
        gibibytes: What a step may use on a core, of the memory there; the compiler's
            own limit, as it says when a step is too large.
    """

    topology: str
    gibibytes: float


CHIPS = {
    "v4": Chip("v4:2x2x1", 15.25),
    "v5e": Chip("v5e:2x2", 15.75),
    "v5p": Chip("v5p:2x2x1", 95.74),
    "v6e": Chip("v6e:2x2", 31.25),
}


@dataclasses.dataclass(frozen=True)
class Names(CommaList):
    """Names that must be among `known`."""

    @classmethod
    def of(cls, text: str, known: tuple[str, ...], flag: str) -> Self:
        """Returns the names of a text.

        Raises:
            InputError: A name is unknown, or there is none.
        """
        names = super().parse(text)
        unknown = [name for name in names.named if name not in known]
        if unknown or not names.named:
            raise InputError(f"--{flag}={text}: want some of {','.join(known)}")
        return names


@dataclasses.dataclass(frozen=True)
class Chips(Names):
    """The value of `--chips`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its commas; see `Names.of`."""
        return cls.of(text, tuple(CHIPS), "chips")


@dataclasses.dataclass(frozen=True)
class Scripts(Names):
    """The value of `--scripts`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its commas; see `Names.of`."""
        return cls.of(text, ("pretraining", "ner", "re", "qa"), "scripts")


_CHIPS, _SCRIPTS = ",".join(CHIPS), "pretraining,ner,re,qa"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TpuCheckConfig:
    """The settings of `biobert tpu-check`; a command line to check may follow them."""

    chips: Chips = setting(Chips.parse(_CHIPS), "Kinds of TPU to compile for.")
    scripts: Scripts = setting(
        Scripts.parse(_SCRIPTS), "Scripts to check if no command line follows."
    )
    size: Size = setting(
        "auto",
        "Encoder: auto (that of the command line's model, else base), base, large, or "
        "tiny: 2 narrow layers, for a trial.",
    )
    text_length: int = setting(
        0,
        "Pieces of a text on average, which decides how texts are packed; 0: texts "
        "fill their rows.",
    )
    find_largest: bool = setting(
        False, "Also find the largest batch that fits, by bisection: many compilations."
    )
    jobs: int = setting(0, "Compilations at a time; 0: one per processor, at most 4.")
    output: Path = setting(
        Path("tpu_check.json"),
        "Where to write all numbers; a table in Markdown is written beside it.",
    )

    def __post_init__(self) -> None:
        """Rejects negative numbers, and an output that would replace itself."""
        at_least(self, text_length=0, jobs=0)
        if self.output.suffix == ".md":
            raise InputError(
                f"--output={self.output} is the name of the table; say .json"
            )
