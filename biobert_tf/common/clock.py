# SPDX-License-Identifier: Apache-2.0
"""Shows how far a long job is: a bar on a terminal, else a log line now and then."""

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Final, Self, TypeVar

from tqdm import tqdm

from biobert_tf.common import screen

_LOG = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS: Final = 10.0
_SECONDS_WITHOUT_BAR: Final = 0.5
# Formats of tqdm, by whether there is a terminal and whether the total is known.
_FORMATS: Final = {
    (True, True): "{l_bar}{bar}| {n_fmt}/{total_fmt} [{remaining} left, "
    "{rate_noinv_fmt}{postfix}]",
    (True, False): "{desc}: {n_fmt} [{elapsed}, {rate_noinv_fmt}{postfix}]",
    (False, True): "{desc}: {n_fmt}/{total_fmt}{unit}, {rate_noinv_fmt}{postfix}, "
    "{remaining} left",
    (False, False): "{desc}: {n_fmt}{unit}, {rate_noinv_fmt}{postfix}",
}

# A rate or a time that tqdm does not know.
_UNKNOWN: Final = re.compile(r", \?(?: ?\S+/s| left)(?=,|$)")

ItemT = TypeVar("ItemT")


class _Lines:
    """Takes what tqdm writes, and logs every line once."""

    _last = ""

    def write(self, text: str) -> None:
        line = _UNKNOWN.sub("", " ".join(text.split()))
        if line not in ("", self._last):
            _LOG.info("%s", line)
            self._last = line


class Meter:
    """Shows how much of a job is done, at which rate, and the time that is left.

    The rate is that of the last reports, so a slow start is soon forgotten. Nothing
    shows if this module's log is off, as in a script that only imports the library.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        total: int | None = None,
        *,
        done: int = 0,
        is_bytes: bool = False,
        keeps_last: bool = False,
    ) -> None:
        """Starts the clock.

        Args:
            what: What is done, for example `annotating`.
            unit: What is counted, in the plural.
            total: The count at the end; None if it is not known.
            done: What was done before: it does not count for the rate.
            is_bytes: Whether to show counts as kB, MB and GB; then `unit` is ignored.
            keeps_last: Whether the last state is shown, however short the job is.
        """
        is_bar = screen.is_terminal()
        self._keeps_last = keeps_last
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=what,
            unit="B" if is_bytes else f" {unit}",
            unit_scale=is_bytes,
            disable=not _LOG.isEnabledFor(logging.INFO),
            file=sys.stderr if is_bar else _Lines(),
            bar_format=_FORMATS[is_bar, total is not None],
            dynamic_ncols=is_bar,
            leave=is_bar and keeps_last,
            # Every call looks at the clock: calls come at any rate.
            miniters=1,
            mininterval=0.1 if is_bar else SECONDS_BETWEEN_REPORTS,
            delay=_SECONDS_WITHOUT_BAR if is_bar else SECONDS_BETWEEN_REPORTS,
        )

    def __enter__(self) -> Self:
        """Returns the meter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the report."""
        self.close()

    def to(self, done: int, note: str = "") -> None:
        """Shows what is done by now, and a note, unless the last report is recent."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def add(self, number: int = 1, note: str = "") -> None:
        """Shows that so much more is done; see `to`."""
        self.to(self._bar.n + number, note)

    def close(self) -> None:
        """Takes the bar away, or shows the last state if that is wanted."""
        if self._keeps_last:
            # tqdm ends the line only of a bar that came after its delay.
            self._bar.delay = 0
            self._bar.refresh()
        self._bar.close()

    def over(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Yields items, and counts each when the next one is asked for."""
        with self:
            for item in items:
                yield item
                self.add()
