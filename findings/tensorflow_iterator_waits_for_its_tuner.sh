#!/usr/bin/env bash
# Freeing a tf.data iterator may wait, idle, for up to a minute.
#
# An iterator has a thread that tunes its parallelism, and that sleeps 10 ms, 20 ms, 40 ms
# and so on between two looks, up to a minute. Its destructor asks the thread to end, and
# waits for that. But the request wakes the thread just before it marks the end (model.cc,
# OptimizeLoop; cancellation.cc, StartCancelWithStatus): a thread that looks too early
# sleeps its whole time again. So a program whose data are read to the end, or whose
# iterator Python's garbage collector frees, stops now and then without using a
# processor. Without tuning (options.autotune.enabled = False) it never does. The
# iterators that tf.distribute makes for several devices have the thread always.
#
# Version: tensorflow 2.20.0, CPU, Python 3.11. Date: 2026-12-01.
# Seen (iterators of one pipeline that live for five seconds; how long freeing takes):
#   not tuned  freed: 100   in more than 0.5 s: 0   longest:  0.01 s
#   tuned      freed:  22   in more than 0.5 s: 5   longest: 59.74 s
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.20.0 'setuptools<82'
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import os
import time

import tensorflow as tf


def iterators(tuned):
    options = tf.data.Options()
    options.autotune.enabled = tuned
    for _ in range(100):
        dataset = tf.data.Dataset.range(1_000_000)
        for _ in range(6):
            dataset = dataset.map(tf.negative, num_parallel_calls=2).prefetch(2)
        iterator = iter(dataset.with_options(options))
        next(iterator)
        yield iterator


def waits(alive):
    """How long iterators take to be freed, in seconds, until five were slow."""
    found = []
    while alive and sum(seconds > 0.5 for seconds in found) < 5:
        start = time.monotonic()
        alive.pop()
        found.append(time.monotonic() - start)
    return found


status = 0
for tuned in (False, True):
    alive = list(iterators(tuned))
    time.sleep(5)
    found = waits(alive)
    slow = sum(seconds > 0.5 for seconds in found)
    print(
        f"{'tuned' if tuned else 'not tuned':10} freed: {len(found):3}"
        f"   in more than 0.5 s: {slow}   longest: {max(found):5.2f} s",
        flush=True,
    )
    if bool(slow) != tuned:
        print("TensorFlow changed, or try again: it is by chance")
        status = 1
# Python's end would wait for those that are left.
os._exit(status)
PYTHON
