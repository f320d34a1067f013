#!/usr/bin/env bash
# TensorFlow's stateless random integers: XLA draws the same as TensorFlow if both parts
# of the seed are positive, and others if one is negative, unless the algorithm is named.
#
# `stateless_fold_in`, which makes a seed of a seed, draws such integers, so half of all
# folded seeds have a negative part. A training step whose dropout is seeded this way
# drops other values compiled (`jit_compile=True`) than not, though a comparison with a
# small seed such as [1, 2] shows none. With alg="philox" all seeds agree. (Random floats
# differ in XLA for every seed; TensorFlow's documentation says so.)
#
# Version: tensorflow 2.20.0, CPU, Python 3.11. Date: 2026-11-29.
# Seen (True: XLA folds the seed to the same seed):
#   auto_select  [1, 2] True   [-1, 2] False  [1, -2] False  [-7, -9] False
#   philox       [1, 2] True   [-1, 2] True   [1, -2] True   [-7, -9] True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.20.0 'setuptools<82'
cat > "$folder/fold.py" <<'PYTHON'
import tensorflow as tf

seen = {}
for alg in ("auto_select", "philox"):

    def fold(seed):
        return tf.random.experimental.stateless_fold_in(seed, 5, alg=alg)

    compiled = tf.function(fold, jit_compile=True, autograph=False)
    row = []
    for seed in ([1, 2], [-1, 2], [1, -2], [-7, -9]):
        given = tf.constant(seed)
        row.append(bool(tf.reduce_all(fold(given) == compiled(given))))
        print(f"{alg:12} {seed} {row[-1]}")
    seen[alg] = row
wanted = {"auto_select": [True, False, False, False], "philox": [True] * 4}
assert seen == wanted, "TensorFlow changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/fold.py"
