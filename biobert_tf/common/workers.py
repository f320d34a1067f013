# SPDX-License-Identifier: Apache-2.0
"""Ends the workers of a cluster together: none waits for one that is gone.

TensorFlow's coordination service, which the first worker runs, gets the heartbeats of
all workers. It tells all of one that is silent for ten seconds, and of an error that
one reports. From then on every operation fails in which workers wait for each other.
What such an error means is said here, and here a worker reports that it ends.
"""

import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from biobert_tf.common import stores
from biobert_tf.common.errors import LostWorkerError, one_line

_TASK: Final = r"/job:(?P<job>\w+)/(?:replica:0/)?task:(?P<number>\d+)"
_ENDED: Final = re.compile(
    r"(?P<who>\w+ \d+ \([^ ]*\)) has ended with status (?P<status>\d+): (?P<why>.*)"
)
# The first names whom the service misses, the second who has closed its connection.
_GONE: Final = (
    re.compile(rf"unhealthy \(stopped sending heartbeats\):\n{_TASK}"),
    re.compile(rf"remote target {_TASK}"),
)
_ABORTED: Final = "Collective ops is aborted by"
# The classes of errors that a connection to another worker has.
_LOST: Final = (
    "UnavailableError",
    "AbortedError",
    "CancelledError",
    "DeadlineExceededError",
)
# How long the first worker waits for the others, and how long before it looks again.
_SECONDS_TO_END: Final = 10.0
_SECONDS_BETWEEN: Final = 0.1
# Any of TensorFlow's codes of errors will do.
_CODE_ABORTED: Final = 10


def lost(error: Exception) -> LostWorkerError | None:
    """Returns what an error of TensorFlow says of another worker; None: nothing.

    It is gone, or it has ended with an error; then its status is that of all.
    """
    if isinstance(error, LostWorkerError):
        return error
    is_of_tensorflow = type(error).__module__.startswith("tensorflow.")
    text = str(error)
    if _context() is None or not is_of_tensorflow:
        return None
    is_of_connection = type(error).__name__ in _LOST and not stores.explained(error)
    if _ABORTED not in text and not is_of_connection:
        return None
    if told := _ENDED.search(text):
        why = f"{told['who']} has ended: {told['why']}"
        return LostWorkerError(why, int(told["status"]))
    gone = next((found for each in _GONE if (found := each.search(text))), None)
    who = "another worker"
    if gone is not None:
        who = _name(gone["job"], int(gone["number"]))
    return LostWorkerError(
        f"{who} does not answer any more; start the same command again on every "
        "worker: a training goes on from its last state"
    )


def tell(status: int, why: str) -> None:
    """Tells the other workers, if there are any, that this one ends with an error.

    The first worker, in which the service runs, waits until they have ended.
    """
    if (context := _context()) is None:
        return
    task = json.loads(os.environ["TF_CONFIG"])["task"]
    own = task["type"], int(task["index"])
    message = one_line(f"{_name(*own)} has ended with status {status}: {why}")
    # Whoever knows of an error cannot tell another one, nor if the first is gone.
    with contextlib.suppress(Exception):
        context.report_error_to_cluster(_CODE_ABORTED, message)
    first, *others = _addresses()
    if own == first[:2]:
        _wait_for([address for _, _, address in others])


def _addresses() -> list[tuple[str, int, str]]:
    """Returns job, number and address of every worker, the first one first."""
    cluster = json.loads(os.environ["TF_CONFIG"])["cluster"]
    return [
        (job, number, address)
        for job in ("chief", "worker")
        for number, address in enumerate(cluster.get(job, ()))
    ]


def _wait_for(addresses: Sequence[str]) -> None:
    """Waits until nobody listens at the addresses any more."""
    end = time.monotonic() + _SECONDS_TO_END
    for address in addresses:
        host, _, port = address.rpartition(":")
        while (left := end - time.monotonic()) > 0:
            try:
                socket.create_connection((host.strip("[]"), int(port)), left).close()
            except OSError:
                break
            time.sleep(_SECONDS_BETWEEN)


def are_met() -> bool:
    """Returns whether this process is a worker of a cluster."""
    return _context() is not None


def _context() -> Any:
    """Returns TensorFlow's state of this process, if it is a worker of a cluster."""
    module = sys.modules.get("tensorflow.python.eager.context")
    if module is None:
        return None
    context = module.context()
    has_met = context.coordination_service and context._context_handle
    return context if has_met else None


def _name(job: str, number: int) -> str:
    """Returns how to call a worker, with its address."""
    address = next(x for *named, x in _addresses() if named == [job, number])
    return f"{job} {number} ({address})"
