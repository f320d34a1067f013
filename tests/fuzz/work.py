# SPDX-License-Identifier: Apache-2.0
"""Counts the work of reading: the lines of Python that run, the bytes that are held."""

import contextlib
import sys
import tracemalloc


class TooMuchWorkError(BaseException):
    """More lines have run than a reader may need; no reader catches this."""


@contextlib.contextmanager
def limited(most):
    """Yields a list whose one number grows with every line that the block runs.

    Raises:
        TooMuchWorkError: It is above `most`. Without it, an endless loop would not end.
    """
    count = [0]

    def trace(_frame, event, _argument):
        if event == "line":
            count[0] += 1
            if count[0] > most:
                raise TooMuchWorkError(f"more than {most} lines of Python")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def held():
    """Yields a list that gets the most bytes that Python held for the block."""
    found = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
