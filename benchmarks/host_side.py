# SPDX-License-Identifier: Apache-2.0
r"""Shows whether the steps of a pre-training wait for their batches.

    python -m benchmarks.host_side [--workers=1,2] [--steps=100 --hidden=128 ...]

For every number of workers it starts so many processes on this machine, which train
together on random records. Each traces a part of its training with TensorFlow's
profiler and prints one line, in percent of the traced time:

- step: the compiled loop of steps runs and does not wait for a batch;
- input: the loop waits for its next batch;
- between: no loop runs; Python reports, agrees with the other workers and saves.

Shares are printed and not seconds, because the processes share the machine's cores,
which also make the batches. On a TPU or a GPU these cores have nothing else to do.
"""

import argparse
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

ROOT: Final = Path(__file__).parents[1]
VOCAB_SIZE: Final = 3_000
NUM_FILES: Final = 20
"""Two groups of files, so that the trace sees the shuffle's buffer filled anew."""
LOOP: Final = "the loop"
WAIT: Final = re.compile("IteratorGetNext(AsOptional)?Op::DoCompute")


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the flags; a worker gets them all and two more."""
    form = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    made.add_argument("--workers", default="1,2", help="numbers of workers to try")
    made.add_argument("--steps", type=int, default=100)
    made.add_argument("--batch", type=int, default=32, help="rows over all workers")
    made.add_argument("--length", type=int, default=128)
    made.add_argument("--masked", type=int, default=20)
    made.add_argument("--layers", type=int, default=2)
    made.add_argument("--hidden", type=int, default=128)
    made.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    made.add_argument("--number", type=int, help=argparse.SUPPRESS)
    return made


def main() -> None:
    """Runs all workers, or is one of them."""
    given = parser().parse_args()
    if given.folder is not None:
        work(given)
        return
    print("workers  worker    step   input  between", flush=True)
    for count in map(int, given.workers.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
            started = []
            for number in range(count):
                task = {"type": "worker", "index": number}
                config = {"cluster": {"worker": addresses}, "task": task}
                environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
                command = [sys.executable, "-m", "benchmarks.host_side", *sys.argv[1:]]
                command += [f"--workers={count}", f"--number={number}"]
                command += [f"--folder={folder}"]
                started.append(subprocess.Popen(command, cwd=ROOT, env=environment))
            if any([each.wait() for each in started]):
                sys.exit("a worker has failed")


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def work(given: argparse.Namespace) -> None:
    """Trains as one of the workers and prints its shares."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from biobert_tf.common.settings import DeviceConfig, RunConfig
    from biobert_tf.model.config import EncoderConfig
    from biobert_tf.pretraining import record_streams
    from biobert_tf.pretraining.record_streams import RecordStream, Shard
    from biobert_tf.pretraining.task import PretrainingTask
    from biobert_tf.training import records
    from biobert_tf.training import strategy as strategies
    from biobert_tf.training.estimator import Estimator
    from biobert_tf.training.schedule import Schedule
    from biobert_tf.training.trainer import Trainer

    device = DeviceConfig(strategy="multi_worker" if given.workers != "1" else "cpu")
    strategy = strategies.build_strategy(device)
    strategies.make_repeatable()
    task = PretrainingTask(
        max_seq_length=given.length,
        max_predictions_per_seq=given.masked,
        vocab_size=VOCAB_SIZE,
    )
    # Every worker makes the same records: so nobody has to wait for the other's.
    own = given.folder / str(given.number)
    per_file = given.batch * given.steps // NUM_FILES
    shards = []
    for number in range(NUM_FILES):
        path = own / f"{number}.tfrecord"
        records.write(path, rows(given, per_file, number), task.specs)
        shards.append(Shard(path, per_file))
    stream = RecordStream(shards=shards, seed=1)
    config = EncoderConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=given.hidden,
        num_hidden_layers=given.layers,
        num_attention_heads=given.hidden // 64,
        intermediate_size=4 * given.hidden,
        max_position_embeddings=given.length,
    )
    estimator = Estimator(
        task,
        config,
        strategy=strategy,
        device=device,
        run=RunConfig(train_batch_size=given.batch, save_checkpoints_steps=10**6),
        model_dir=given.folder / "model",
    )
    traces, train = own / "traces", Trainer.train
    calls = itertools.count()

    def traced(self: Trainer, num_steps: tf.Tensor) -> object:
        number = next(calls)
        # The first call traces and compiles.
        if number == 1:
            tf.profiler.experimental.start(str(traces))
        with tf.profiler.experimental.Trace(LOOP, call=number):
            return train(self, num_steps)

    Trainer.train = traced  # type: ignore[method-assign]
    data = record_streams.training_data(stream, task.specs, lambda batch, _: batch)
    estimator.train(data, Schedule(given.steps, 1), 1e-4)
    tf.profiler.experimental.stop()
    step, waiting, between = shares(traces)
    print(
        f"{given.workers:>7} {given.number:7} {step:7.1%} {waiting:7.1%} "
        f"{between:8.1%}",
        flush=True,
    )


def rows(
    given: argparse.Namespace, count: int, seed: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields records of random pieces; every row is full."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {
            "input_ids": rng.integers(0, VOCAB_SIZE, given.length),
            "input_mask": np.ones(given.length, int),
            "segment_ids": np.zeros(given.length, int),
            "next_sentence_labels": rng.integers(0, 2, 1),
            "masked_lm_positions": rng.integers(0, given.length, given.masked),
            "masked_lm_ids": rng.integers(0, VOCAB_SIZE, given.masked),
            "masked_lm_weights": np.ones(given.masked, np.float32),
        }


def shares(traces: Path) -> tuple[float, float, float]:
    """Returns the shares of steps, of waits for a batch, and of all else in a trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    [path] = traces.rglob("*.xplane.pb")
    loops, waits = [], []
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        names = {key: each.name for key, each in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns + event.offset_ps / 1e3
                if names[event.metadata_id] == LOOP:
                    loops.append((start, start + event.duration_ps / 1e3))
                elif WAIT.fullmatch(names[event.metadata_id]):
                    waits.append(event.duration_ps / 1e3)
    whole = max(end for _, end in loops) - min(start for start, _ in loops)
    looping = sum(end - start for start, end in loops) / whole
    waiting = sum(waits) / whole
    return looping - waiting, waiting, 1 - looping


if __name__ == "__main__":
    main()
