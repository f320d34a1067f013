# SPDX-License-Identifier: Apache-2.0
"""Parses `--folds`, the numbers of the folds to run."""

import dataclasses
import re
from typing import Final, Self

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import FlagValue

# Four digits: nobody has more folds, and a slip such as 1-1000000000 stays harmless.
_RANGE: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")


@dataclasses.dataclass(frozen=True)
class Folds(FlagValue):
    """The folds of `--folds`, each once: `1-10`, `1,3,5-7`; empty: all there are."""

    numbers: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads numbers and ranges of numbers.

        Raises:
            InputError: A part is neither.
        """
        numbers: list[int] = []
        for part in text.split(",") if text else ():
            match = _RANGE.fullmatch(part.strip())
            first, last = match.groups() if match else ("1", "0")
            last = last or first
            if int(last) < int(first):
                raise InputError(
                    f"--folds={text}: {part.strip()!r} is neither a fold nor a range "
                    "of folds; write them as 1-10 or 1,3,5-7"
                )
            numbers += range(int(first), int(last) + 1)
        return cls(text, tuple(dict.fromkeys(numbers)))
