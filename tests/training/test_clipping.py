"""Clipping core by core, as the original does on a TPU, against a NumPy reference."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import clipped_sums
import engine
import numpy as np
import pretraining_toys

HERE = Path(__file__).parents[1]


def check(found):
    """Equal, where in every step some cores clip and others do not."""
    norms = found["norms"]
    assert (norms.min(1) < 0.95).all(), norms
    assert (norms.max(1) > 1.05).all(), norms
    names = [name.partition(":")[2] for name in found if name.startswith("theirs:")]
    assert {"loss", "gradient_norm", "bert/embeddings/word_embeddings"} <= set(names)
    for name in names:
        # The gradient of `key/bias` is zero; Adam makes steps of its rounding.
        atol = 3e-5 if name.endswith("key/bias") else 2e-6
        np.testing.assert_allclose(
            found[f"ours:{name}"], found[f"theirs:{name}"], 2e-6, atol, err_msg=name
        )


def test_eight_cores(tmp_path):
    """In a process of its own, because devices cannot be added to this one."""
    results = tmp_path / "results.npz"
    subprocess.run(
        [sys.executable, HERE / "clipped_sums.py", results],
        env={**os.environ, "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"},
        check=True,
    )
    found = dict(np.load(results))
    assert found["norms"].shape == (4, 8)
    check(found)


def test_accumulated_parts_and_a_scaled_loss():
    """A core clips the unscaled gradient of its whole batch.

    The core that has no masked piece divides by 1e-5, not by what the other one has.
    """
    rows = pretraining_toys.batch(16, seed=3)
    rows["masked_lm_weights"].reshape(4, 2, 2, -1)[:, 0] = 0
    config = dataclasses.replace(
        engine.without_dropout(pretraining_toys.CONFIG), initializer_range=0.02
    )
    found = clipped_sums.compared(
        pretraining_toys.STATIC,
        config,
        rows,
        4,
        engine.two_replicas(),
        loss_scale=2.0**10,
        accumulation_steps=2,
    )
    check(found)
