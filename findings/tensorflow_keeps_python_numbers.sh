#!/usr/bin/env bash
# TensorFlow keeps a tensor of every different Python number it has met, for ever.
#
# A Python int or float that becomes an eager tensor, as in tf.constant(i) or
# tf.summary.scalar(name, value, step=i), is put into a cache of the context that is
# never emptied: some 700 bytes for each different number. Writing one summary per step
# with Python's step therefore grows a process by 700 MB in a million steps, and logging
# a Python float as well by as much again. NumPy's numbers (np.int64(i)) are not cached.
#
# Version: tensorflow 2.20.0, CPU, Python 3.11. Date: 2026-11-30.
# Seen (blocks of Python's allocator and bytes kept for each number or step):
#   tf.constant(np.int64)     0.0 blocks       0 bytes
#   tf.constant(int)          1.0 blocks     724 bytes
#   tf.constant(float)        1.0 blocks     752 bytes
#   summary, step np.int64    0.0 blocks       1 bytes
#   summary, step int         1.0 blocks     682 bytes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.20.0 'setuptools<82'
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - "$folder/events" <<'PYTHON'
import gc
import os
import sys

import numpy as np
import tensorflow as tf


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def kept(do, number):
    """What is kept of each call, after a few that fill other caches."""
    for i in range(1_000):
        do(10**9 + i)
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), resident()
    for i in range(number):
        do(i)
    gc.collect()
    return (
        (sys.getallocatedblocks() - blocks) / number,
        (resident() - memory) / number,
    )


writer = tf.summary.create_file_writer(sys.argv[1])
value = tf.constant(0.5)


def summary(step):
    with writer.as_default():
        tf.summary.scalar("loss", value, step=step)


found = {
    "tf.constant(np.int64)": kept(lambda i: tf.constant(np.int64(i)), 50_000),
    "tf.constant(int)": kept(lambda i: tf.constant(int(i)), 50_000),
    "tf.constant(float)": kept(lambda i: tf.constant(i + 0.25), 50_000),
    "summary, step np.int64": kept(lambda i: summary(np.int64(3 * 10**9 + i)), 5_000),
    "summary, step int": kept(lambda i: summary(5 * 10**9 + i), 5_000),
}
for name, (blocks, memory) in found.items():
    print(f"{name:24} {blocks:4.1f} blocks {memory:7.0f} bytes")
for name, (blocks, memory) in found.items():
    is_kept = "np.int64" not in name
    assert (blocks > 0.9) == is_kept, f"TensorFlow changed: {name}"
PYTHON
