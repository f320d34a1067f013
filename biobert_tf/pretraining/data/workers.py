# SPDX-License-Identifier: Apache-2.0
"""Runs the tasks of a conversion in worker processes that end with it."""

import concurrent.futures
import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from biobert_tf.common import processes
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
Executor = concurrent.futures.Executor


@contextlib.contextmanager
def pool(num_workers: int) -> Iterator[Executor]:
    """Provides worker processes; they end with the block, however it ends.

    They also end when this process is killed, so none keeps writing files that a
    restarted conversion writes too. 0 workers mean one per processor.

    Raises:
        InputError: A process was killed, most likely because memory ran out.
    """
    # Start fresh interpreters: a fork would inherit the threads and the memory of
    # TensorFlow if the parent has loaded it.
    context = multiprocessing.get_context("spawn")
    # Only this process holds `parent`. When it is closed, by us or because we die, the
    # workers see the end of the pipe.
    child, parent = context.Pipe(duplex=False)
    executor = concurrent.futures.ProcessPoolExecutor(
        num_workers or len(os.sched_getaffinity(0)),
        mp_context=context,
        initializer=processes.end_with,
        initargs=(child,),
    )
    try:
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


@contextlib.contextmanager
def thread() -> Iterator[Executor]:
    """Provides a thread of this process: for files that no other process can see."""
    executor = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def run(
    executor: Executor,
    function: Callable[[TaskT], ResultT],
    tasks: Sequence[TaskT],
    sizes: Sequence[int],
    stage: str,
    unit: str = "",
) -> Iterator[tuple[TaskT, ResultT]]:
    """Yields tasks with `function(task)` as they finish, and logs progress.

    Tasks are begun in order; `sizes` are their amounts of work, in bytes if `unit` does
    not say otherwise. The function can be sent to a process; `stage` names it in the
    log.
    """
    futures = {
        executor.submit(function, task): (task, size)
        for task, size in zip(tasks, sizes, strict=True)
    }
    with Meter(stage, unit, sum(sizes), is_bytes=not unit) as meter:
        for future in concurrent.futures.as_completed(futures):
            # Popped, so that results are not kept: a corpus has thousands of tasks.
            task, size = futures.pop(future)
            yield task, future.result()
            meter.add(size)
