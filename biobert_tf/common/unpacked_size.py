# SPDX-License-Identifier: Apache-2.0
"""Limits what archives unpack to: a small one may hold terabytes of zeros."""

from pathlib import Path
from typing import Final

from biobert_tf.common import room
from biobert_tf.common.errors import InputError

# Text shrinks to a tenth, weights hardly at all; gzip cannot do better than 1,000.
_MOST_PER_BYTE: Final = 100
_ALWAYS: Final = 1_000_000_000
_HEADER: Final = 512
"""The bytes that a member without content counts: there may be millions of them."""


class Allowance:
    """How many bytes an archive may unpack to: no more than there is room for.

    An archive that unpacks to more than 1 GB may unpack to a hundred times its size.
    """

    def __init__(self, archive: Path, target: Path, advice: str) -> None:
        """Takes an archive, and a place on the disk to unpack it to.

        `advice` says what to do, beside making room, if the disk is too small.
        """
        self._archive, self._target, self._advice = archive, target, advice
        self._packed = archive.stat().st_size
        self._most = max(_ALWAYS, _MOST_PER_BYTE * self._packed)
        self._free = room.free_bytes(target)
        self._total = 0

    def take(self, num_bytes: int) -> None:
        """Counts a member of this size, before it is unpacked.

        Raises:
            InputError: The archive has unpacked to too much.
        """
        self._total += num_bytes + _HEADER
        if self._total > self._free:
            raise InputError.at(
                self._archive,
                None,
                f"unpacks to more than the {room.size(self._free)} that are free in "
                f"{self._target}; make room, or {self._advice}",
            )
        if self._total > self._most:
            raise InputError.at(
                self._archive,
                None,
                f"refused: its {room.size(self._packed)} unpack to more than "
                f"{room.size(self._most)}, which no data or weights do; if it is "
                "right, unpack it by hand and give the folder",
            )
