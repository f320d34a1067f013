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
import sys
import time
from typing import Any, Final

from biobert_tf.common import stores
from biobert_tf.common.errors import LostWorkerError, one_line

_TASK: Final = r"/job:(?P<job>\w+)/(?:replica:0/)?task:(?P<number>\d+)"
_TOLD: Final = re.compile(rf"{_TASK}: ended with status (?P<status>\d+): (?P<why>.*)")
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
# How long the first worker, in which the service runs, lets it tell the others.
_SECONDS_TO_TELL: Final = 1.0
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
    if told := _TOLD.search(text):
        why = f"{_name(told)} has ended: {told['why']}"
        return LostWorkerError(why, int(told["status"]))
    gone = next((found for each in _GONE if (found := each.search(text))), None)
    who = "another worker" if gone is None else _name(gone)
    return LostWorkerError(
        f"{who} does not answer any more; start the same command again on every "
        "worker: a training goes on from its last state"
    )


def tell(status: int, why: str) -> None:
    """Tells the other workers, if there are any, that this one ends with an error."""
    if (context := _context()) is not None:
        message = one_line(f"ended with status {status}: {why}")
        # Whoever knows of an error cannot tell another one, nor if the first is gone.
        with contextlib.suppress(Exception):
            context.report_error_to_cluster(_CODE_ABORTED, message)
            own = context._server_def
            name = f"/job:{own.job_name}/replica:0/task:{own.task_index}"
            if name == context.coordination_service.service_leader:
                time.sleep(_SECONDS_TO_TELL)


def are_met() -> bool:
    """Returns whether this process is a worker of a cluster."""
    return _context() is not None


def _context() -> Any:
    """Returns TensorFlow's state of this process, if it is a worker of a cluster."""
    module = sys.modules.get("tensorflow.python.eager.context")
    context = None if module is None else module.context()
    is_worker = context is not None and context.coordination_service is not None
    return context if is_worker and context._context_handle is not None else None


def _name(found: re.Match[str]) -> str:
    """Returns how to call a worker, with its address."""
    job, number = found["job"], int(found["number"])
    try:
        address = json.loads(os.environ["TF_CONFIG"])["cluster"][job][number]
    except (KeyError, IndexError, TypeError, json.JSONDecodeError):
        return f"{job} {number}"
    return f"{job} {number} ({address})"
