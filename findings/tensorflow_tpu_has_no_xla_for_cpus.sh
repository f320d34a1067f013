#!/usr/bin/env bash
# tensorflow-tpu cannot compile for the CPU: a function with jit_compile=True, which the
# plain tensorflow of the same version runs, raises NotFoundError on every machine's CPU.
#
# A TPU VM has a strong CPU, and work that is small or that prepares data is computed on
# it. TensorFlow's guide says that XLA compiles for CPUs; this wheel's library lacks the
# part that moves values to and from the host ("transfer manager for platform Host").
# Neither a TPU nor libtpu matters: it is the same without both. Uncompiled functions run.
#
# Versions: tensorflow-tpu 2.20.0, libtpu 0.0.18 (pip alone takes the newest, with which
# TensorFlow ends the process at its import), tensorflow 2.20.0, Python 3.11.
# Date: 2026-11-29.
# Seen:
#   tensorflow      eager 3.0  compiled 3.0
#   tensorflow-tpu  eager 3.0  compiled NotFoundError: could not find registered transfer
#                   manager for platform Host -- check target linkage
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/add.py" <<'PYTHON'
import sys

import tensorflow as tf


def add(x):
    return x + 1.0


compiled = tf.function(add, jit_compile=True)
print(f"{sys.argv[1]:15} eager {add(tf.constant(2.0))}", end="  ")
try:
    seen = f"{compiled(tf.constant(2.0))}"
except tf.errors.NotFoundError as error:
    seen = f"NotFoundError: {error.message.split(' [Op:')[0]}"
print("compiled", seen)
is_plain = sys.argv[1] == "tensorflow"
assert seen.startswith("3.0" if is_plain else "NotFoundError"), "TensorFlow changed"
PYTHON
for wheels in "tensorflow==2.20.0" "tensorflow-tpu==2.20.0 libtpu==0.0.18"; do
    python3 -m venv --clear "$folder/venv"
    # shellcheck disable=SC2086
    "$folder/venv/bin/pip" install --quiet $wheels 'setuptools<82'
    # Outside Google's cloud, libtpu would ask its metadata server for minutes.
    TPU_SKIP_MDS_QUERY=1 TF_CPP_MIN_LOG_LEVEL=3 \
        "$folder/venv/bin/python" "$folder/add.py" "${wheels%%==*}" 2> "$folder/notes" ||
        { cat "$folder/notes"; exit 1; }
done
