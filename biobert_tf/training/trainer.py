# SPDX-License-Identifier: Apache-2.0
"""Runs training steps on every replica, many of them in one compiled call."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import orbit
import tensorflow as tf
import tf_keras

from biobert_tf.model import heads
from biobert_tf.model.layers import Dropout
from biobert_tf.training import finite, optimizer, progress
from biobert_tf.training.clipping import Clipping
from biobert_tf.training.task import Batch, Task

Sums = tuple[list[tf.Tensor], tf.Tensor, list[tf.Tensor]]
"""Losses, the squared norm of unsummed rows, and dense gradients."""

ReducedT = TypeVar("ReducedT")


class Trainer(orbit.StandardTrainer):
    """Orbit's inner loop around BERT's training step.

    The loss and the gradient are those of the global batch, however it is divided: the
    totals that a loss divides by are summed over all replicas first, then every part
    adds its share. The gradient is clipped after the all-reduce.

    That is so unless each core clips: then the batch of a replica, with all of its
    accumulated parts, takes the place of the global batch, and the result depends on
    the number of replicas. Reported are the means over the replicas.
    """

    def __init__(
        self,
        task: Task,
        model: heads.Model,
        optimizer: tf_keras.optimizers.Optimizer,
        dataset: tf.distribute.DistributedDataset | tf.data.Dataset,
        *,
        seed: int,
        max_loop_steps: int,
        accumulation_steps: int = 1,
        xla: bool = False,
        clipping: Clipping = "whole",
        dropout: Callable[[tf.Tensor], Dropout] = Dropout,
    ) -> None:
        """Creates the trainer under the current strategy's scope.

        Args:
            task: The task, which defines the loss.
            model: The model to train.
            optimizer: What `optimizer.build` returned, or a built `LossScaleOptimizer`
                around it; `iterations` is the global step.
            dataset: Endless batches of static shape.
            seed: Random seed of the dropout.
            max_loop_steps: Most steps in one call of `train`.
            accumulation_steps: Parts of a replica's batch, computed one after another.
            xla: Whether to compile the forward and backward pass with XLA.
            clipping: See `Clipping`.
            dropout: Returns the dropout of a seed.
        """
        super().__init__(
            dataset,
            orbit.StandardTrainerOptions(use_tf_function=True, use_tf_while_loop=True),
        )
        self.optimizer = optimizer
        self._task = task
        self._model = model
        self._variables = model.trainable_variables
        self._seed = seed
        self._accumulation_steps = accumulation_steps
        self._clipping = clipping
        self._dropout = dropout
        # Which gradients are IndexedSlices; known once the step has been traced.
        self._is_sparse: list[bool] = []
        self._scales_loss = isinstance(
            optimizer, tf_keras.mixed_precision.LossScaleOptimizer
        )
        self._inner_optimizer = (
            optimizer.inner_optimizer if self._scales_loss else optimizer
        )
        self._forward_backward: Callable[..., Sums] = tf.function(
            self._forward_backward_eagerly, jit_compile=xla or None, autograph=False
        )
        self._loop_start = _replicated(tf.zeros([], tf.int64))
        # The values that are reported of every step.
        self._names = (*task.loss_names, "learning_rate", "gradient_norm")
        if self._scales_loss:
            self._names += ("loss_scale",)
        self._history = _replicated(
            tf.zeros([max_loop_steps, len(self._names)], tf.float32)
        )
        # Whether a step of the loop has diverged, and which gradients were finite then.
        self._has_diverged = _replicated(tf.constant(False))
        self._are_finite = _replicated(tf.ones([len(self._variables)], tf.bool))
        self._inner_optimizer.hold(self._has_diverged)

    def train_loop_begin(self) -> None:
        """Stores the step at which the loop starts."""
        self._loop_start.assign(self.optimizer.iterations)
        self._has_diverged.assign(False)

    # Nothing below needs AutoGraph, whose conversion takes longer than the tracing.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, iterator: Iterator[Batch]) -> None:
        """Runs `replica_step` on every replica's next batch."""
        strategy = tf.distribute.get_strategy()
        strategy.run(self.replica_step, args=(next(iterator),))

    def train_loop_end(self) -> dict[str, np.ndarray]:
        """Returns the reported values of the loop's steps, float `[steps]` per name.

        The names are the task's `loss_names`, `learning_rate` and `gradient_norm`; and
        `loss_scale`, if the optimizer scales the loss.
        """
        num_steps = self.optimizer.iterations.numpy() - self._loop_start.numpy()
        history = self._history.numpy()[:num_steps]
        return dict(zip(self._names, history.T, strict=True))

    @property
    def weights(self) -> Sequence[tf.Variable]:
        """Returns the weights that are trained."""
        return self._variables

    def why_diverged(self) -> str:
        """Says what was not finite in the first step of the loop that diverged.

        The weights are still those of that step.
        """
        return finite.explanation(self._variables, self._are_finite.numpy())

    def replica_step(self, batch: Batch) -> None:
        """Updates the weights once with this replica's batch; in replica context.

        A step that diverges changes no weight, nor do those after it.
        """
        context = tf.distribute.get_replica_context()
        step = self.optimizer.iterations
        seed_2 = tf.stack([tf.cast(step, tf.int32), self._seed])
        seed_2 = tf.random.experimental.stateless_fold_in(
            seed_2, tf.cast(context.replica_id_in_sync_group, tf.int32)
        )
        is_own = self._clipping == "per_core"
        totals = self._task.loss_totals(batch)
        if not is_own:
            totals = _over_replicas(tf.distribute.ReduceOp.SUM, totals)
        sums = self._accumulate(batch, totals, seed_2)
        if not is_own:
            sums = _over_replicas(tf.distribute.ReduceOp.SUM, sums)
        losses, row_square, gradients = sums
        if self._scales_loss:
            gradients = self.optimizer.get_unscaled_gradients(gradients)
            row_square /= tf.square(self.optimizer.loss_scale)
        halves = tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])
        norm = self._global_norm(halves, row_square)
        clipped = optimizer.clip(gradients, norm)
        if is_own:
            # PARITY(optimization.py:71-76): CrossShardOptimizer sums. Only its own
            # compute_gradients would divide by the number of cores, and BERT calls
            # tf.gradients.
            clipped = _over_replicas(tf.distribute.ReduceOp.SUM, clipped)
            shown = (losses, norm, halves)
            shown = _over_replicas(tf.distribute.ReduceOp.MEAN, shown)
            losses, norm, halves = shown
        self._look(losses[0], norm, halves)
        rate = tf.cast(self._inner_optimizer.schedule(step), tf.float32)
        row = tf.cast(step - self._loop_start, tf.int32)
        values = [*losses, rate, norm]
        if self._scales_loss:
            values.append(self.optimizer.loss_scale)
        self._history.assign(
            tf.tensor_scatter_nd_update(self._history, [[row]], [tf.stack(values)])
        )
        self.optimizer.apply_gradients(
            zip(clipped, self._variables, strict=True), skip_gradients_aggregation=True
        )

    def _accumulate(self, batch: Batch, totals: Batch, seed_2: tf.Tensor) -> Sums:
        """Returns the sums of `_forward_backward` over the parts of a batch."""
        num_parts = self._accumulation_steps
        if num_parts == 1:
            return self._forward_backward(batch, totals, seed_2)
        parts = {name: _in_parts(values, num_parts) for name, values in batch.items()}

        def add_part(index: tf.Tensor, sums: Sums) -> tuple[tf.Tensor, Sums]:
            part = {name: values[index] for name, values in parts.items()}
            part_seed_2 = tf.random.experimental.stateless_fold_in(seed_2, index)
            more = self._forward_backward(part, totals, part_seed_2)
            return index + 1, tf.nest.map_structure(tf.add, sums, more)

        zeros = (
            [tf.zeros([]) for _ in self._task.loss_names],
            tf.zeros([]),
            [tf.zeros(variable.shape) for variable in self._variables],
        )
        # One part at a time: parallel parts would need the memory this saves.
        _, sums = tf.while_loop(
            lambda index, _: index < num_parts,
            add_part,
            (tf.constant(0), zeros),
            parallel_iterations=1,
            maximum_iterations=num_parts,
        )
        return sums

    def _forward_backward_eagerly(
        self, batch: Batch, totals: Batch, seed_2: tf.Tensor
    ) -> Sums:
        """Returns losses, squared norm of unsummed rows, and dense gradients.

        If the optimizer scales the loss, the latter two are scaled too.
        """
        with tf.GradientTape() as tape:
            outputs = self._model(batch, self._dropout(seed_2))
            losses = self._task.losses(batch, outputs, totals)
            loss = losses["loss"]
            if self._scales_loss:
                loss = self.optimizer.get_scaled_loss(loss)
        gradients = tape.gradient(loss, self._variables)
        self._is_sparse = [isinstance(g, tf.IndexedSlices) for g in gradients]
        row_square = tf.zeros([])
        for gradient in itertools.compress(gradients, self._is_sparse):
            row_square += tf.reduce_sum(tf.square(gradient.values))
        dense = [tf.cast(tf.convert_to_tensor(g), tf.float32) for g in gradients]
        return [losses[name] for name in self._task.loss_names], row_square, dense

    def _look(self, loss: tf.Tensor, norm: tf.Tensor, halves: tf.Tensor) -> None:
        """Holds the weights from the first step of the loop on that diverges.

        What that is `progress.check_finite` defines. To look at all weights within the
        step would cost time in every one, or make the processor wait for the device.
        """
        is_bad = ~tf.math.is_finite(norm)
        if self._scales_loss:
            is_bad &= self.optimizer.loss_scale <= progress.LEAST_SCALE
        is_bad |= ~tf.math.is_finite(loss)
        are_finite = tf.math.is_finite(halves)
        self._are_finite.assign(
            tf.where(self._has_diverged, self._are_finite, are_finite)
        )
        self._has_diverged.assign(self._has_diverged | is_bad)

    def _global_norm(self, halves: tf.Tensor, row_square: tf.Tensor) -> tf.Tensor:
        """Returns the norm that the clipping uses.

        `halves` are half the squared norms of the gradients, `[variables]`. They are
        summed as `tf.linalg.global_norm` does.
        """
        if self._clipping != "gathered":
            return tf.sqrt(tf.reduce_sum(halves) * 2.0)
        dense = [
            place for place, is_sparse in enumerate(self._is_sparse) if not is_sparse
        ]
        norm = tf.sqrt(tf.reduce_sum(tf.gather(halves, dense)) * 2.0)
        return tf.sqrt(tf.square(norm) + row_square)


def _over_replicas(reduce: tf.distribute.ReduceOp, values: ReducedT) -> ReducedT:
    """Reduces a structure of tensors over all replicas of all workers."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    flat = context.all_reduce(reduce, tf.nest.flatten(values))
    return tf.nest.pack_sequence_as(values, flat)


def _in_parts(values: tf.Tensor, num_parts: int) -> tf.Tensor:
    """Returns `[parts, rows, ...]` of `[parts * rows, ...]`."""
    inner = values.shape[1:]
    sizes = inner if inner.is_fully_defined() else tf.unstack(tf.shape(values)[1:])
    return tf.reshape(values, [num_parts, -1, *sizes])


def _replicated(initial: tf.Tensor) -> tf.Variable:
    """Returns a variable that every replica sets to the same value."""
    return tf.Variable(
        initial,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
