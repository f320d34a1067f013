"""A BERT, a task and batches so small that a training takes a second.

Import it before TensorFlow computes anything: it makes two CPU devices, so that a
strategy of two replicas can run anywhere.
"""

import dataclasses
import functools
import re

import numpy as np
import tensorflow as tf

from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.ner.task import NerTask
from biobert_tf.training import optimizer, records
from biobert_tf.training.estimator import Estimator
from biobert_tf.training.schedule import Schedule

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

LENGTH = 8
CONFIG = EncoderConfig(
    vocab_size=30,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=12,
    # Weights large enough that every part of the model shows in the loss.
    initializer_range=0.2,
)


@functools.cache
def two_replicas():
    """The one strategy of two replicas: those of one process mix up their messages."""
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])


def without_dropout(config=CONFIG):
    return dataclasses.replace(
        config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )


# The tokenizer is for text, of which there is none here.
TASK = NerTask(
    tokenizer=None, labels=("O", "B", "I"), max_seq_length=LENGTH, compat="fixed"
)


def rows(num_rows, seed=0):
    """Random rows; row i begins with piece i + 1, so that it can be recognised.

    From 1 to all of its positions are real, and some of these have no label, so that
    parts of a batch hold different numbers of labelled words.
    """
    rng = np.random.default_rng(seed)
    made = []
    for row in range(num_rows):
        input_ids = rng.integers(1, CONFIG.vocab_size, LENGTH)
        input_ids[0] = row % (CONFIG.vocab_size - 1) + 1
        is_real = np.arange(LENGTH) < rng.integers(1, LENGTH + 1)
        label_ids = np.where(is_real, rng.integers(-1, 3, LENGTH), -1)
        made.append(
            {
                "input_ids": input_ids * is_real,
                "input_mask": is_real.astype(int),
                "segment_ids": rng.integers(0, 2, LENGTH) * is_real,
                "label_ids": label_ids,
            }
        )
    return made


def batches(num_batches, batch_size, seed=0):
    """Random int32 `[batches, batch, length]` per name."""
    made = rows(num_batches * batch_size, seed)
    return {
        name: np.stack([row[name] for row in made])
        .astype(np.int32)
        .reshape(num_batches, batch_size, LENGTH)
        for name in made[0]
    }


def write_rows(path, num_rows, seed=0):
    """Writes the rows as a file of records; returns its path in a list."""
    records.write(path, rows(num_rows, seed), TASK.specs)
    return [path]


def adam(model, num_steps, learning_rate=1e-2):
    """The optimizer of a training of `num_steps` steps, the first two warm-up."""
    rates = optimizer.LinearWarmupDecay(learning_rate, num_steps, 2)
    made = optimizer.AdamWeightDecay(rates)
    made.build(model.trainable_variables)
    return made


def read_scalars(folder):
    """Tag -> the `(step, value)` of all its events."""
    found = {}
    for path in sorted(folder.glob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def estimator(
    model_dir, *, task=TASK, config=CONFIG, strategy=None, device=None, **run
):
    """An estimator of the toy, for trainings of 7 steps of 4 rows that save every 3."""
    settings = {"train_batch_size": 4, "save_checkpoints_steps": 3, "seed": 1, **run}
    return Estimator(
        task,
        config,
        strategy=strategy or tf.distribute.OneDeviceStrategy("/cpu:0"),
        device=device or DeviceConfig(),
        run=RunConfig(**settings),
        model_dir=model_dir,
    )


def train(made, paths, *, shuffle_buffer=10, seed=1, **settings):
    """Trains for 7 steps, or up to `max_steps`; returns the step reached."""
    data = records.shuffled(paths, TASK.specs, shuffle_buffer=shuffle_buffer, seed=seed)
    return made.train(data, Schedule(7, 2), learning_rate=1e-2, **settings)


def predictions(estimator, batch):
    """What an estimator computes of a batch when it predicts."""
    return estimator.task.predictions(batch, estimator.model(batch))


def hlo(function, batch):
    """What XLA is given of a function of a batch."""
    compiled = tf.function(function, jit_compile=True)
    return compiled.experimental_get_compiler_ir(batch)(stage="hlo")


def check_hlo(text):
    """No dynamic dimension, and nothing that leaves the device."""
    assert "ENTRY" in text
    assert "<=" not in text
    for operation in ("custom-call", "infeed", "outfeed", "send", "recv"):
        assert not re.search(rf"\b{operation}(-done)?\(", text), operation


def made_deterministic(dataset):
    """The operations and constants of a pipeline without and with a rewrite.

    It is TensorFlow's for `enable_op_determinism`; it may take what runs ahead away.
    """
    variant = tf.data.experimental.to_variant(dataset)
    specs = tf.nest.flatten(dataset.element_spec)
    found = []
    for rewrites in ([], ["make_deterministic"]):
        rewritten = tf.raw_ops.OptimizeDatasetV2(
            input_dataset=variant,
            optimizations_enabled=rewrites,
            optimizations_disabled=[],
            optimizations_default=[],
            output_types=[spec.dtype for spec in specs],
            output_shapes=[spec.shape for spec in specs],
        )
        graph = tf.raw_ops.DatasetToGraphV2(input_dataset=rewritten).numpy()
        nodes = tf.compat.v1.GraphDef.FromString(graph).node
        found.append([(x.op, x.attr["value"].SerializeToString()) for x in nodes])
    return found
