# SPDX-License-Identifier: Apache-2.0
"""The estimate of memory, and what is said where there is too little."""

import dataclasses
import os
import re
import subprocess
import sys

import engine
import pytest
import tensorflow as tf
from tensorflow.python.client import device_lib

from biobert_tf.common import room
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.encoder import Encoder
from biobert_tf.training import memory
from biobert_tf.training import strategy as strategies
from biobert_tf.training.inference import Inference
from biobert_tf.training.memory import PredictionMemory, TrainingMemory

SIZES = {
    "vocab_size": 100,
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 512,
}
BASE = EncoderConfig(vocab_size=28996)


def needed(config=BASE, value_bytes=4, num_devices=1, length=128, **run):
    return TrainingMemory(
        config=config,
        num_weights=108_000_000,
        length=length,
        num_scores=0,
        value_bytes=value_bytes,
        num_devices=num_devices,
        run=RunConfig(**run),
    )


# --- the estimate ---------------------------------------------------------------------


def test_what_does_not_depend_on_the_batch():
    weights = 108_000_000
    assert needed().fixed_bytes == 20 * weights
    split = needed(gradient_accumulation_steps=2)
    assert split.fixed_bytes == 24 * weights
    assert split.rows == 16
    assert needed(num_devices=4).rows == 8


def test_what_fits_fits():
    whole = needed()
    for rows in (1, 7, 32):
        limit = whole.fixed_bytes + rows * whole.row_bytes
        assert whole.fitting(limit) == rows
        assert whole.fitting(limit - 1) == rows - 1
    assert whole.total_bytes == whole.fixed_bytes + 32 * whole.row_bytes
    assert whole.fitting(1000) == 0


def test_what_saves_memory():
    half, again = needed(value_bytes=2), needed(recompute=True)
    assert again.row_bytes < half.row_bytes < needed().row_bytes
    scores = dataclasses.replace(needed(), num_scores=20 * 28996)
    assert scores.row_bytes - needed().row_bytes == 12 * 20 * 28996
    long = needed(length=256)
    assert 2 * needed().row_bytes < long.row_bytes < 4 * needed().row_bytes


def test_the_weights_of_an_encoder():
    config = EncoderConfig(**SIZES)
    counted = PredictionMemory(config=config, value_bytes=4).fixed_bytes
    variables = Encoder(config).variables
    assert counted == sum(4 * each.shape.num_elements() for each in variables)


# --- what is said ---------------------------------------------------------------------


def test_advice_names_what_fits():
    """The numbers that it gives take no more than the limit, and one more row does."""
    whole = needed(train_batch_size=64)
    limit = whole.fixed_bytes + 20 * whole.row_bytes
    text = whole.advice(limit)
    assert text.startswith(
        "by estimate 20 rows of 128 pieces fit: set --gradient_accumulation_steps=4 "
        "(same result), or --train_batch_size=20, or --recompute (then "
    )
    again = needed(recompute=True).fitting(limit)
    half = needed(value_bytes=2).fitting(limit)
    assert f"--recompute (then {again} rows fit)" in text
    assert f"--mixed_precision=bfloat16 (then {half} rows fit)" in text
    assert text.endswith(", or a lower --max_seq_length")


def test_advice_of_what_is_not_set_yet():
    saving = needed(value_bytes=2, recompute=True, train_batch_size=64)
    text = saving.advice(saving.fixed_bytes + 20 * saving.row_bytes)
    assert "--recompute" not in text
    assert "--mixed_precision" not in text


def test_advice_if_nothing_fits_or_everything_should():
    whole = needed(train_batch_size=8)
    nothing = "by estimate 0 rows of 128 pieces fit: set "
    alone = whole.advice(whole.fixed_bytes)
    assert alone == f"{nothing}a lower --max_seq_length"
    some = whole.advice(whole.fixed_bytes + whole.row_bytes * 2 // 3)
    assert some.startswith(f"{nothing}--recompute (then ")
    # The estimate itself says that the batch does not fit: what it says counts.
    most = whole.advice(whole.fixed_bytes + 6 * whole.row_bytes)
    assert most.startswith("by estimate 6 rows of 128 pieces fit: set ")
    assert whole.advice(10**12).startswith(
        "by estimate 4 rows of 128 pieces fit: set --gradient_accumulation_steps=2 "
    )
    assert "--gradient_accumulation_steps (same" in whole.advice(None)


@pytest.mark.parametrize("num_devices, steps, rows", [(2, 3, 7), (4, 1, 5), (1, 4, 3)])
def test_an_advised_batch_size_can_be_divided(num_devices, steps, rows):
    """It is what the same command takes, and computes the rows that fit at a time."""
    parts = num_devices * steps
    given = {"num_devices": num_devices, "gradient_accumulation_steps": steps}
    whole = needed(train_batch_size=16 * parts, **given)
    text = whole.advice(whole.fixed_bytes + rows * whole.row_bytes)
    size = int(re.search(r"--train_batch_size=(\d+)", text)[1])
    assert size % parts == 0
    assert needed(train_batch_size=size, **given).rows == rows


def test_a_warning_before_the_training(caplog):
    whole = needed()
    whole.warn(None)
    whole.warn(whole.total_bytes)
    assert not caplog.records
    whole.warn(whole.total_bytes - 1)
    (record,) = caplog.records
    size = room.size(whole.total_bytes)
    wanted = f"a step of 32 rows of 128 pieces takes about {size} of memory, and "
    assert record.message.startswith(wanted)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return engine.write_rows(tmp_path_factory.mktemp("data") / "x", 11)


def oom(*_, **__):
    """What TensorFlow does on a GPU."""
    raise tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[64,12,512,512] on GPU:0"
    )


@pytest.mark.parametrize("error", [oom, MemoryError])
def test_a_training_without_memory(tmp_path, paths, monkeypatch, caplog, error):
    made = engine.estimator(tmp_path)

    def fail(*_):
        raise error() if error is MemoryError else oom()

    monkeypatch.setattr("biobert_tf.training.trainer.Trainer.train", fail)
    monkeypatch.setattr(memory, "device_memory", lambda _: 150_000)
    with pytest.raises(InputError) as caught:
        engine.train(made, paths)
    text = str(caught.value)
    assert text.startswith("out of memory: a step of 4 rows of 8 pieces takes about ")
    assert "and 150.0 kB are there; by estimate 2 rows of 8 pieces fit: set" in text
    assert (
        "--gradient_accumulation_steps=2 (same result), or --train_batch_size" in text
    )
    assert "\n" not in text


def test_other_errors_of_a_training_stay(tmp_path, paths, monkeypatch):
    def fail(*_):
        raise tf.errors.InternalError(None, None, "a bug")

    monkeypatch.setattr("biobert_tf.training.trainer.Trainer.train", fail)
    with pytest.raises(tf.errors.InternalError):
        engine.train(engine.estimator(tmp_path), paths)


def test_a_prediction_without_memory(tmp_path, monkeypatch):
    made = engine.estimator(tmp_path)
    monkeypatch.setattr(Inference, "_start", oom)
    monkeypatch.setattr(memory, "device_memory", lambda _: 10**9)
    rows = engine.rows(3)
    wanted = r"^out of memory: a prediction of 8 rows of 8 pieces; by estimate 4 rows "
    with pytest.raises(InputError, match=rf"{wanted}fit: lower --predict_batch_size "):
        made.predict(rows, batch_size=8)
    monkeypatch.setattr(memory, "device_memory", lambda _: 0)
    with pytest.raises(InputError, match=r"by estimate 0 rows fit"):
        made.predict(rows, batch_size=8)
    device = DeviceConfig(strategy="cpu")
    alone = Inference(
        batch_size=6, strategy=strategies.build_strategy(device), device=device
    )
    with pytest.raises(InputError, match=r"6 rows of 8 pieces; try 3 rows: lower"):
        alone.run_batch(lambda batch: batch, rows, 8)


def test_the_memory_of_gpus_counts_where_there_are_any(monkeypatch):
    def memory_of(kind):
        return memory.device_memory(tf.distribute.OneDeviceStrategy(f"/{kind}:0"))

    monkeypatch.setattr(room, "host_memory", lambda: 123)
    assert memory_of("cpu") == 123

    class Device:
        def __init__(self, device_type, memory_limit):
            self.device_type, self.memory_limit = device_type, memory_limit

    found = [Device("CPU", 1), Device("GPU", 16), Device("GPU", 15)]
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: found)
    assert memory_of("gpu") == 15
    assert memory_of("tpu") is None
    # The training may be on the processor all the same.
    assert memory_of("cpu") == 123


# --- a real lack of memory ------------------------------------------------------------


# Scores of 40 rows of 2,048 pieces take 10 GB; the process may have 4 GB more.
LACKING = """
import dataclasses, resource, sys
import engine, numpy as np
from pathlib import Path
from biobert_tf.common import program, room
from biobert_tf.training import records
from biobert_tf.training.schedule import Schedule
folder, length = Path(sys.argv[1]), 2048
task = dataclasses.replace(engine.TASK, max_seq_length=length)
config = dataclasses.replace(
    engine.CONFIG, max_position_embeddings=length, num_attention_heads=16
)
made = engine.estimator(folder, task=task, config=config, train_batch_size=40)
rows = [{name: np.ones(length, int) for name in task.specs}] * 40
records.write(folder / "x", rows, task.specs)
data = records.shuffled([folder / "x"], task.specs, shuffle_buffer=1, seed=1)
held = room._kilobytes(room._STATUS, "VmSize") + 8 * 10**9
resource.setrlimit(resource.RLIMIT_AS, (held, held))
def predict(argv): made.predict(rows, 40)
def train(argv): made.train(data, Schedule(7, 2), 1e-2)
for main in (predict, train):
    assert program.run(main, []) == 2
"""


def test_a_process_that_may_not_have_more(tmp_path):
    """TensorFlow says so where it fails to allocate a tensor, on a CPU too."""
    done = subprocess.run(
        [sys.executable, "-c", LACKING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    predicting, training = said
    assert predicting.startswith(
        "error: out of memory: a prediction of 40 rows of 2048 pieces; by estimate "
    )
    assert training.startswith(
        "error: out of memory: a step of 40 rows of 2048 pieces takes about "
    )
    assert "--gradient_accumulation_steps" in training
