# SPDX-License-Identifier: Apache-2.0
"""Flags with exceptions for single data sets: `--seeds=1,NCBI-disease=3`."""

import dataclasses
import math
from typing import ClassVar, Self

from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class BySet(CommaList):
    """Values for all data sets, and others for those that are named.

    `a,GAD=b,GAD=c` means `b` and `c` for GAD, and `a` for all other sets. The case of
    names does not matter.
    """

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the data sets with values of their own."""
        return tuple(dict.fromkeys(name for name, _ in self._pairs() if name))

    def values(self, data_set: str) -> tuple[str, ...]:
        """Returns the values for a data set."""
        wanted = data_set.casefold()
        own = tuple(v for name, v in self._pairs() if name.casefold() == wanted)
        return own or tuple(value for name, value in self._pairs() if not name)

    def _pairs(self) -> list[tuple[str, str]]:
        """Returns a data set, or "", and a value for each part."""
        parts = (part.rpartition("=") for part in self.named)
        return [(name.strip(), value.strip()) for name, _, value in parts]


@dataclasses.dataclass(frozen=True)
class Numbers(BySet):
    """At most one number for each data set, above 0."""

    kind: ClassVar[type[int] | type[float]] = float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the numbers.

        Raises:
            InputError: One is no number above 0, or a data set has two.
        """
        found = super().parse(text)
        for name in ("", *found.sets):
            values = found.values(name)
            if len(values) > 1:
                of = f"{name} has" if name in found.sets else "there are"
                raise InputError(
                    f"{text!r}: {of} two numbers; want one, and SET=NUMBER"
                )
            for value in values:
                if not cls._is_right(value):
                    what = "a whole number" if cls.kind is int else "a number"
                    raise InputError(f"{text!r}: {value!r} is not {what} above 0")
        return found

    @classmethod
    def _is_right(cls, value: str) -> bool:
        try:
            return 0 < cls.kind(value) < math.inf
        except ValueError:
            return False

    def number(self, data_set: str) -> int | float | None:
        """Returns the number of a data set; None if it has none."""
        values = self.values(data_set)
        return self.kind(values[0]) if values else None


@dataclasses.dataclass(frozen=True)
class WholeNumbers(Numbers):
    """At most one whole number for each data set, from 1 on."""

    kind = int
