# SPDX-License-Identifier: Apache-2.0
"""Measures memory and time of a pre-training step, with and without recomputation.

    python -m benchmarks.pretraining_memory [--layers=6 --hidden=384 --batch=8]
        [--length=512] [--accumulation=1] [--only=kept|recomputed]

Every case is measured in a process of its own, on random records and random weights of
the given size. The first memory printed is the peak resident set of the process; on a
GPU it is TensorFlow's own peak. The second is the peak less the peak before the first
step, when model, optimizer and data are already built. The third is what
`biobert_tf/training/memory.py` estimates for that step.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

CASES = ("kept", "recomputed")
VOCAB_SIZE = 28996


def measure(arguments: argparse.Namespace, case: str) -> dict[str, float]:
    """Runs `arguments.steps` steps in this process; returns seconds and MiB."""
    import numpy as np
    import tensorflow as tf

    from biobert_tf.common.settings import DeviceConfig, RunConfig
    from biobert_tf.model.config import EncoderConfig
    from biobert_tf.pretraining.task import PretrainingTask
    from biobert_tf.training import memory, optimizer, precision, strategy
    from biobert_tf.training.trainer import Trainer

    most_masked = round(arguments.length * 0.15)
    task = PretrainingTask(
        max_seq_length=arguments.length,
        max_predictions_per_seq=most_masked,
        vocab_size=VOCAB_SIZE,
    )
    config = EncoderConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=arguments.hidden,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.hidden // 32,
        intermediate_size=4 * arguments.hidden,
    )
    rng = np.random.default_rng(0)
    batch = {
        name: rng.integers(0, spec.below or 2, (arguments.batch, spec.length)).astype(
            np.float32 if spec.dtype == "float32" else np.int32
        )
        for name, spec in task.specs.items()
    }
    device = DeviceConfig(mixed_precision=arguments.mixed_precision, xla=arguments.xla)
    place = strategy.build_strategy(device)
    with place.scope():
        model = task.build_model(config, 0, precision.dtype(device))
        model.recomputes = case == "recomputed"
        rates = optimizer.LinearWarmupDecay(1e-4, 10**6, 0)
        trainer = Trainer(
            task,
            model,
            optimizer.build("adamw", rates, model.trainable_variables),
            place.experimental_distribute_dataset(
                tf.data.Dataset.from_tensors(batch).repeat()
            ),
            seed=0,
            max_loop_steps=10,
            accumulation_steps=arguments.accumulation,
            xla=strategy.uses_xla(device, place),
        )
        before = peak()
        seconds = []
        for _ in range(arguments.steps):
            start = time.perf_counter()
            trainer.train(tf.constant(1))
            seconds.append(time.perf_counter() - start)
    needed = memory.TrainingMemory(
        config=config,
        num_weights=sum(each.shape.num_elements() for each in model.variables),
        length=arguments.length,
        num_scores=most_masked * VOCAB_SIZE,
        value_bytes=precision.dtype(device).size,
        num_devices=place.num_replicas_in_sync,
        run=RunConfig(
            train_batch_size=arguments.batch,
            gradient_accumulation_steps=arguments.accumulation,
            recompute=case == "recomputed",
        ),
    )
    # The weights and both moments are there before.
    estimate = needed.total_bytes - 3 * 4 * needed.num_weights
    return {
        "seconds": min(seconds),
        "peak": peak(),
        "step": peak() - before,
        "estimate": estimate / 2**20,
    }


def peak() -> float:
    """Returns the peak memory so far in MiB, that of the GPU if there is one."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    """Measures every case in a process of its own, and prints a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("layers", 6),
        ("hidden", 384),
        ("length", 512),
        ("batch", 8),
        ("accumulation", 1),
        ("steps", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mixed_precision", default="off")
    parser.add_argument("--xla", default="auto")
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments, arguments.measure)))
        return
    for case in [arguments.only] if arguments.only else CASES:
        output = subprocess.run(
            [sys.executable, *sys.argv, f"--measure={case}"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        found = json.loads(output.splitlines()[-1])
        print(
            f"{case:10} {found['seconds']:8.2f} s a step, peak {found['peak']:8.0f} "
            f"MiB, of the step itself {found['step']:8.0f} MiB, estimated "
            f"{found['estimate']:8.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
