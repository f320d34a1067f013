# SPDX-License-Identifier: Apache-2.0
"""Reports the documents that a command leaves out, and counts them."""

import collections
import dataclasses
import itertools
import logging
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields

_LOG = logging.getLogger(__name__)

_MOST_SHOWN: Final = 5  # of a file
_MOST_LINES: Final = 1000  # of all, and so many again at the end


@dataclasses.dataclass
class LeftOut:
    """Reports documents that are left out, and counts them by the kind of reason.

    Of every file the first few are reported, and the number of the others at the end:
    so are those of a job of any size, in some thousand lines.
    """

    kinds: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    _files: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    _shown: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def __call__(self, error: InputError) -> None:
        """Counts a document, given what is wrong with it."""
        self.kinds[fields.kind(error)] += 1
        self._files[error.file] += 1
        few = self._files[error.file] <= _MOST_SHOWN
        if few and self._shown.total() < _MOST_LINES:
            self._shown[error.file] += 1
            _LOG.warning("left out: %s", error)

    def report_others(self) -> None:
        """Reports how many documents were not reported."""
        others = self._files - self._shown
        for name, number in itertools.islice(others.items(), _MOST_LINES):
            _LOG.warning("left out: %s: %d more", name, number)
        if len(others) > _MOST_LINES:
            number = sum(itertools.islice(others.values(), _MOST_LINES, None))
            num_files = len(others) - _MOST_LINES
            _LOG.warning("left out: %d more, of %d other files", number, num_files)
