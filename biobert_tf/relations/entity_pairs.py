# SPDX-License-Identifier: Apache-2.0
"""`--pair`: which two types of entities make a pair."""

import dataclasses
import re
from typing import Self

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import FlagValue


@dataclasses.dataclass(frozen=True)
class PairType:
    """Two types of mentions that make a pair, in either order in the sentence.

    Attributes:
        first: The type of `Candidate.first`; begins with a letter.
        second: The type of `Candidate.second`; may be the same.
    """

    first: str
    second: str

    def __post_init__(self) -> None:
        """Rejects types that cannot become a placeholder.

        Raises:
            InputError: A type does not begin with a letter from A to Z.
        """
        for name in (self.first, self.second):
            if not re.match("[A-Za-z]", name):
                raise InputError(
                    f"entity type {name!r} must begin with a letter from A to Z, as "
                    "its placeholder does"
                )


@dataclasses.dataclass(frozen=True)
class EntityPairs(FlagValue):
    """The pairs of `--pair`: `Chemical-Gene`, several after commas.

    Attributes:
        pairs: The pairs, each once.
    """

    pairs: tuple[PairType, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads pairs of types.

        Args:
            text: `Chemical-Gene`, several after commas; `CHEMICAL:GENE-Y` where a
                type holds a dash.

        Raises:
            InputError: A pair is not two types.
        """
        pairs = []
        for item in text.split(","):
            parts = [part.strip() for part in item.split(":" if ":" in item else "-")]
            if len(parts) != 2 or not all(parts):
                raise InputError(
                    f"{item.strip()!r} is not a pair of entity types; want "
                    "Chemical-Gene, or CHEMICAL:GENE-Y where a type holds a dash"
                )
            pairs.append(PairType(*parts))
        return cls(text, tuple(dict.fromkeys(pairs)))
