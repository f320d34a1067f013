# SPDX-License-Identifier: Apache-2.0
"""Runs a model on rows of any length, in batches of similar length, on any strategy.

Everything that predicts does it here: evaluations, predictions, annotations, answers
and features.
"""

import collections
import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.model.config import EncoderConfig
from biobert_tf.training import memory, openvino_engine, precision
from biobert_tf.training import strategy as strategies
from biobert_tf.training.records import FeatureSpec, Specs

Row = Mapping[str, np.ndarray]
"""Model input of one row by name, including `input_ids`, int32 `[length]`.

All names have that length, except those that `Specs` give another.
"""
Outputs = dict[str, np.ndarray]
Batch = Mapping[str, tf.Tensor]
Step = Callable[[Batch], Mapping[str, tf.Tensor]]
"""A function from a replica's batch, int32 `[batch, length]` per name, to outputs.

The outputs are tensors `[batch, ...]` by name.
"""
Then = Callable[[Batch, Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]
"""What a task makes of a batch and the outputs of a step for it."""
Program = Callable[[Mapping[str, np.ndarray]], Callable[[], Outputs]]
"""A step, compiled: starts a whole batch and returns the wait for its outputs."""

ItemT = TypeVar("ItemT")

# Lengths to pad to: few, as a compiler makes a program for each.
_LENGTHS: Final = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
BATCHES_SORTED: Final = 64
"""Rows are sorted by length among those of this many batches."""
# A second batch is in flight when the outputs of the first are awaited, and no third.
# (A GPU computes it meanwhile; a CPU computes every batch when it is started.)
_BATCHES_AHEAD: Final = 1


class Inference:
    """Runs steps on rows.

    Attributes:
        strategy: The strategy that runs the steps.
        batch_size: Most rows of a batch, over all devices.
        keeps_weights: Whether programs keep the weights of their first batch.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        strategy: tf.distribute.Strategy,
        device: DeviceConfig,
        config: EncoderConfig | None = None,
    ) -> None:
        """Keeps the strategy that `build_strategy(device)` returned.

        With the sizes of the encoder, errors can say which batch fits into memory.

        Raises:
            InputError: The devices cannot share a batch.
        """
        replicas = strategy.num_replicas_in_sync
        if batch_size % replicas:
            raise InputError(
                f"--batch_size={batch_size} is not a multiple of {replicas} devices"
            )
        self.strategy = strategy
        self.batch_size = batch_size
        self._dtype = precision.dtype(device)
        self._memory = None
        if config is not None:
            self._memory = memory.PredictionMemory(
                config=config, value_bytes=self._dtype.size
            )
        self._xla = strategies.uses_xla(device, strategy)
        self.keeps_weights = device.engine == "openvino"
        self._has_static_shapes = not self.keeps_weights and (
            strategies.has_static_shapes(device, strategy)
        )

    def run(
        self,
        program: Program,
        rows: Iterable[Row],
        max_seq_length: int,
        specs: Specs | None = None,
    ) -> Iterator[Outputs]:
        """Yields the outputs of a program for every row, in the order of the rows.

        Args:
            program: What `compiled` returned for a step.
            rows: The rows, of which a few thousand are held at a time.
            max_seq_length: Most pieces of a row of this model.
            specs: The features of a row, where not all are int32 per piece.

        Yields:
            Arrays by name; an axis of positions is as long as in the row's batch.

        Raises:
            InputError: A batch does not fit into memory.
        """
        with self._explained(max_seq_length):
            yield from self._run(program, iter(rows), max_seq_length, specs)

    def _explained(self, length: int) -> contextlib.AbstractContextManager[None]:
        rows = self.batch_size // self.strategy.num_replicas_in_sync
        return memory.explained_prediction(rows, length, self._memory, self.strategy)

    def _run(
        self,
        program: Program,
        rows: Iterator[Row],
        max_seq_length: int,
        specs: Specs | None,
    ) -> Iterator[Outputs]:
        while held := list(itertools.islice(rows, BATCHES_SORTED * self.batch_size)):
            # The longest first, so that a lack of memory shows at once.
            order = sorted(range(len(held)), key=lambda i: -len(held[i]["input_ids"]))
            batches = (
                order[start : start + self.batch_size]
                for start in range(0, len(order), self.batch_size)
            )
            started = (
                (i, self._start(program, [held[n] for n in i], max_seq_length, specs))
                for i in batches
            )
            found: list[Outputs] = [{}] * len(held)
            for numbers, running in _ahead(started):
                outputs = self._finish(running, len(numbers))
                for place, i in enumerate(numbers):
                    found[i] = {name: values[place] for name, values in outputs.items()}
            yield from found

    def run_batch(
        self, program: Program, rows: Sequence[Row], max_seq_length: int
    ) -> Outputs:
        """Returns a program's outputs for at most `batch_size` rows, `[rows, ...]`."""
        with self._explained(max_seq_length):
            return self._finish(self._start(program, rows, max_seq_length), len(rows))

    def _start(
        self,
        program: Program,
        rows: Sequence[Row],
        max_seq_length: int,
        specs: Specs | None = None,
    ) -> Callable[[], Outputs]:
        """Starts a batch; it is still computed when this returns."""
        return program(self.padded(rows, max_seq_length, specs))

    def _finish(self, wait: Callable[[], Outputs], num_rows: int) -> Outputs:
        """Waits for the outputs of a batch."""
        return {name: values[:num_rows] for name, values in wait().items()}

    def compiled(self, step: Step, then: Then | None = None) -> Program:
        """Returns `step` and then `then` on every replica, compiled when it is run.

        XLA and TPUs need a program for every length; otherwise one serves all lengths.
        `then` may use operations that OpenVINO does not know.
        """
        if self.keeps_weights:
            program = openvino_engine.Program(step, self._dtype)
            return functools.partial(_followed, program, then) if then else program
        if then is not None:
            step = functools.partial(_both, step, then)
        if self._xla:
            step = tf.function(step, jit_compile=True, autograph=False)
        has_any_shape = not self._has_static_shapes
        # A signature cannot describe the values of several devices.
        has_signature = has_any_shape and self.strategy.num_replicas_in_sync == 1
        function = tf.function(
            lambda batch: self.strategy.run(step, args=(batch,)),
            autograph=False,
            reduce_retracing=has_any_shape and not has_signature,
        )
        run = functools.partial(_of_any_shape, function) if has_signature else function
        compiled: set[str] = set()

        def start(batch: Mapping[str, np.ndarray]) -> Callable[[], Outputs]:
            what = f"predictions of {batch['input_ids'].shape[1]} pieces"
            with strategies.compiling(self.strategy, what, compiled):
                return functools.partial(self._gathered, run(self._distributed(batch)))

        return start

    def _gathered(self, running: Mapping[str, tf.Tensor]) -> Outputs:
        """Returns the outputs of all replicas, which a GPU may still compute."""
        return {
            name: self.strategy.gather(values, axis=0).numpy()
            for name, values in running.items()
        }

    def padded(
        self, rows: Sequence[Row], most: int, specs: Specs | None = None
    ) -> dict[str, np.ndarray]:
        """Returns a batch of rows, `[size, length]` per name, and its `input_mask`.

        No row of the model has more pieces than `most`; for `specs` see `run`.
        """
        longest = max(len(row["input_ids"]) for row in rows)
        length = longest
        if self._has_static_shapes:
            length = next((n for n in _LENGTHS if longest <= n < most), most)
        size = len(rows) + -len(rows) % self.strategy.num_replicas_in_sync
        if self._has_static_shapes:
            size = self.batch_size
        batch = {}
        for name in ("input_mask", *rows[0]):
            spec = (specs or {}).get(name, FeatureSpec(most))
            width = spec.width(length, most)
            dtype = np.int32 if spec.dtype == "int64" else np.float32
            batch[name] = np.full([size, width], spec.padding, dtype)
        for i, row in enumerate(rows):
            batch["input_mask"][i, : len(row["input_ids"])] = 1
            for name, values in row.items():
                batch[name][i, : len(values)] = values
        return batch

    def _distributed(self, batch: Mapping[str, np.ndarray]) -> Batch:
        """Gives every replica its part of a batch."""
        parts = {
            name: np.split(values, self.strategy.num_replicas_in_sync)
            for name, values in batch.items()
        }

        def part(
            context: tf.distribute.experimental.ValueContext,
        ) -> dict[str, tf.Tensor]:
            number = context.replica_id_in_sync_group
            return {name: tf.constant(split[number]) for name, split in parts.items()}

        return self.strategy.experimental_distribute_values_from_function(part)


def _ahead(items: Iterable[ItemT]) -> Iterator[ItemT]:
    """Yields items in order; the next is made before each is yielded."""
    made: collections.deque[ItemT] = collections.deque()
    for item in items:
        made.append(item)
        if len(made) > _BATCHES_AHEAD:
            yield made.popleft()
    yield from made


def _both(step: Step, then: Then, batch: Batch) -> Mapping[str, tf.Tensor]:
    return then(batch, step(batch))


def _followed(
    program: Program, then: Then, batch: Mapping[str, np.ndarray]
) -> Callable[[], Outputs]:
    """Starts a batch; the wait for its outputs runs `then` on them."""
    wait = program(batch)

    def both() -> Outputs:
        tensors = {name: tf.constant(values) for name, values in batch.items()}
        return {
            name: np.array(values) for name, values in then(tensors, wait()).items()
        }

    return both


def _of_any_shape(
    program: tf.types.experimental.GenericFunction, batch: Batch
) -> Mapping[str, tf.Tensor]:
    """Runs a function that is traced once for batches of any size and length."""
    specs = {
        name: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
        for name, tensor in batch.items()
    }
    outputs: Mapping[str, tf.Tensor] = program.get_concrete_function(specs)(batch)
    return outputs
