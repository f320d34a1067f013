# SPDX-License-Identifier: Apache-2.0
"""Processes that share the work of a conversion and end together."""

import concurrent.futures
import contextlib
import datetime
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Final, TypeVar

from biobert_tf.common import processes
from biobert_tf.common.errors import InputError

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_REPORTS: Final = 10.0

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
Pool = concurrent.futures.ProcessPoolExecutor


@contextlib.contextmanager
def pool(num_workers: int) -> Iterator[Pool]:
    """Gives processes to work with; they end with the block, however it ends.

    They also end when this process is killed: none goes on writing files that a
    conversion started anew writes too.

    Args:
        num_workers: Number of processes; 0 means one per processor.

    Raises:
        InputError: A process was killed, most likely for want of memory.
    """
    # A fresh interpreter: a fork would inherit the threads and the memory of
    # TensorFlow where the parent has loaded it.
    context = multiprocessing.get_context("spawn")
    # Only this process holds `parent`; when it is closed, by us or by our death, the
    # workers read the end of the pipe.
    child, parent = context.Pipe(duplex=False)
    executor = Pool(
        num_workers or len(os.sched_getaffinity(0)),
        mp_context=context,
        initializer=processes.end_with,
        initargs=(child,),
    )
    try:
        with processes.sigterm_raises():
            yield executor
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, perhaps because memory ran out; what is "
            "finished is kept: run the same command again, with a smaller "
            "--num_workers if memory is short"
        ) from None
    except BaseException:
        parent.close()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        parent.close()
        child.close()


def run(
    executor: Pool,
    function: Callable[[TaskT], ResultT],
    tasks: Sequence[TaskT],
    sizes: Sequence[int],
    stage: str,
) -> Iterator[tuple[TaskT, ResultT]]:
    """Yields tasks with `function(task)` as they get ready, logging progress.

    Args:
        executor: From `pool`.
        function: At the top level of a module, or a partial of such a one.
        tasks: In the order in which to begin them.
        sizes: How much work each is, in any unit.
        stage: What is being done, for the log.
    """
    progress = _Progress(stage, len(tasks), sum(sizes))
    futures = {
        executor.submit(function, task): (task, size)
        for task, size in zip(tasks, sizes, strict=True)
    }
    for future in concurrent.futures.as_completed(futures):
        # Popped, as results are not to be kept: a corpus has thousands of tasks.
        task, size = futures.pop(future)
        yield task, future.result()
        progress.add(size)


class _Progress:
    """Logs how much is done and how long the rest will take."""

    def __init__(self, stage: str, num_tasks: int, total_size: int) -> None:
        self._stage = stage
        self._num_tasks = num_tasks
        self._total_size = total_size
        self._num_done = 0
        self._size_done = 0
        self._start = self._last_report = time.monotonic()

    def add(self, size: int) -> None:
        """Counts a finished task; logs if the last report is some time ago."""
        self._num_done += 1
        self._size_done += size
        now = time.monotonic()
        is_last = self._num_done == self._num_tasks
        if now - self._last_report < _SECONDS_BETWEEN_REPORTS and not is_last:
            return
        self._last_report = now
        share = self._size_done / max(self._total_size, 1)
        left = (now - self._start) * (1 - share) / max(share, 1e-9)
        _LOG.info(
            "%s: %d of %d (%.0f %%) | %s left",
            self._stage,
            self._num_done,
            self._num_tasks,
            100 * share,
            datetime.timedelta(seconds=math.ceil(left)),
        )
