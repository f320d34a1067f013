# SPDX-License-Identifier: Apache-2.0
"""Reports the documents that a command leaves out, and counts them."""

import collections
import dataclasses
import logging
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields

_LOG = logging.getLogger(__name__)

_MOST_SHOWN: Final = 5


@dataclasses.dataclass
class LeftOut:
    """Reports documents that are left out, and counts them by the kind of reason.

    Of every file the first few are reported, and the number of the others at the end.
    """

    kinds: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    _files: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def __call__(self, error: InputError) -> None:
        """Counts a document, given what is wrong with it."""
        self.kinds[fields.kind(error)] += 1
        self._files[error.file] += 1
        if self._files[error.file] <= _MOST_SHOWN:
            _LOG.warning("left out: %s", error)

    def report_others(self) -> None:
        """Reports how many documents were not reported."""
        for name, number in self._files.items():
            if number > _MOST_SHOWN:
                _LOG.warning("left out: %s: %d more", name, number - _MOST_SHOWN)
