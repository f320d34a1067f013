# SPDX-License-Identifier: Apache-2.0
"""When a long job logs its progress, and how it shows the time left."""

import math
import time
from typing import Final

SECONDS_BETWEEN_REPORTS: Final = 10.0


class ReportTimer:
    """Says when a job is to log; `seconds` runs from the start to the last `is_due`."""

    def __init__(self) -> None:
        """Starts the clock."""
        self._start = time.monotonic()
        self._last_report = self.seconds = 0.0

    def is_due(self) -> bool:
        """Returns whether the start, or the last report that was due, is long ago."""
        self.seconds = time.monotonic() - self._start
        if self.seconds - self._last_report < SECONDS_BETWEEN_REPORTS:
            return False
        self._last_report = self.seconds
        return True

    def left(self, share: float) -> str:
        """Returns the estimated time left, given the share that is done, in [0, 1]."""
        return format_seconds(self.seconds * (1 - share) / max(share, 1e-9))


def format_seconds(seconds: float) -> str:
    """Returns a duration as `h:mm:ss`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
