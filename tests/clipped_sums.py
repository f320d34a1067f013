"""Trainings whose cores clip, each its own gradient, before these are summed.

    python clipped_sums.py RESULTS

trains the toy on eight replicas, and by a reference in NumPy. RESULTS is an `.npz`
file: the norms of the cores' gradients, and `ours:` and `theirs:` of the weights and
the reported values.
"""

import dataclasses
import sys

import engine
import numpy as np
import tensorflow as tf
import tf_keras

from biobert_tf.checkpoints import native
from biobert_tf.training import optimizer
from biobert_tf.training.trainer import Trainer


def compared(task, config, rows, num_steps, strategy, loss_scale=None, **settings):
    """Trains on rows, `[steps * rows, ...]` per name; returns what RESULTS holds."""
    num_cores = strategy.num_replicas_in_sync
    size = len(rows["input_ids"]) // num_steps // num_cores
    rates = optimizer.LinearWarmupDecay(1e-3, num_steps + 1, 1)

    def dataset_fn(context):
        return tf.data.Dataset.from_tensor_slices(rows).batch(size)

    with strategy.scope():
        model = task.build_model(config, seed=1)
        adam = optimizer.build("adamw", rates, model.trainable_variables, False)
        if loss_scale:
            adam = tf_keras.mixed_precision.LossScaleOptimizer(
                adam, initial_scale=loss_scale
            )
        trainer = Trainer(
            task,
            model,
            adam,
            strategy.distribute_datasets_from_function(dataset_fn),
            seed=1,
            max_loop_steps=num_steps,
            clipping="per_core",
            **settings,
        )
        history = trainer.train(tf.constant(num_steps))
    copy = task.build_model(config, seed=1)
    batches = {k: v.reshape(num_steps, -1, *v.shape[1:]) for k, v in rows.items()}
    norms, losses = train(task, copy, batches, num_cores, rates)
    reported = {"loss": losses.mean(1), "gradient_norm": norms.mean(1)}
    ours = {**native.extract(model.variables), **{k: history[k] for k in reported}}
    theirs = {**native.extract(copy.variables), **reported}
    return {
        "norms": norms,
        **{f"ours:{name}": values for name, values in ours.items()},
        **{f"theirs:{name}": values for name, values in theirs.items()},
    }


def train(task, model, batches, num_cores, rates):
    """Trains a model without dropout on arrays `[steps, rows, ...]`, in NumPy.

    Returns the gradients' norms and the losses, both `[steps, cores]`.
    """
    variables = model.trainable_variables
    m, v = ([np.zeros(each.shape) for each in variables] for _ in range(2))
    num_steps = len(batches["input_ids"])
    norms, losses = np.zeros([2, num_steps, num_cores])
    for step in range(num_steps):
        total = [0.0] * len(variables)
        for core in range(num_cores):
            batch = {k: np.split(x[step], num_cores)[core] for k, x in batches.items()}
            losses[step, core], own = differentiated(task, model, batch)
            norm = norms[step, core] = np.sqrt(sum(np.sum(g**2) for g in own))
            total = [t + g / max(norm, 1) for t, g in zip(total, own, strict=True)]
        for at, (variable, g) in enumerate(zip(variables, total, strict=True)):
            m[at] = 0.9 * m[at] + 0.1 * g
            v[at] = 0.999 * v[at] + 0.001 * g**2
            weight = variable.numpy().astype(np.float64)
            update = m[at] / (np.sqrt(v[at]) + 1e-6)
            if "LayerNorm" not in variable.name and "bias" not in variable.name:
                update += 0.01 * weight
            variable.assign(weight - float(rates(step)) * update)
    return norms, losses


def differentiated(task, model, batch):
    """Returns the loss of a core's batch, and its gradient in float64."""
    batch = {name: tf.constant(values) for name, values in batch.items()}
    with tf.GradientTape() as tape:
        losses = task.losses(batch, model(batch), task.loss_totals(batch))
    gradients = tape.gradient(losses["loss"], model.trainable_variables)
    dense = (tf.convert_to_tensor(gradient) for gradient in gradients)
    return losses["loss"], [each.numpy().astype(np.float64) for each in dense]


def main(results):
    # More devices than the engine has made, but none has computed anything yet.
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 8
    )
    # Less work than it saves in so short a training.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    strategy = tf.distribute.MirroredStrategy([f"/cpu:{number}" for number in range(8)])
    batches = engine.batches(4, 64, seed=4)
    # Half of the cores have few labelled words, and with them a long gradient.
    batches["label_ids"].reshape(4, 4, 16, -1)[:, :, 9:] = -1
    rows = {name: np.concatenate(each) for name, each in batches.items()}
    config = dataclasses.replace(engine.without_dropout(), initializer_range=0.02)
    found = compared(engine.TASK, config, rows, 4, strategy)
    np.savez(results, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
