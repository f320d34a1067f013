# SPDX-License-Identifier: Apache-2.0
"""The endless shuffled stream of training records, which can start at any record.

An epoch is divided into groups of files. Every epoch puts the files in a new order. The
files of a group are read in turns, and the next record is drawn from a buffer that
holds records of the group. The order within a group therefore depends on the seed and
the group's number alone: a resumed training skips whole epochs and whole groups without
opening a file, and reads at most one group to find its place.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from biobert_tf.training import records
from biobert_tf.training.records import InputPipeline, Prepare, Specs, TrainingData

# Files that are open at a time; the original reads 4 (run_pretraining.py:328).
_FILES_PER_GROUP: Final = 16
# Size of the shuffle buffer in records. The original's 100 are too few where
# neighbours come from one document.
_SHUFFLE_BUFFER: Final = 10_000
_MOST_GROUPS: Final = 2**62
# What TensorFlow makes of a seed that is given alone (framework/random_seed.py): the
# seed of graphs, and this one's remainder.
_GRAPH_SEED: Final = 87654321
_MOST_SEEDS: Final = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Shard:
    """A TFRecord file and the number of its records."""

    path: Path
    num_records: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordStream:
    """The endless stream of the records of some files, in an order of a random seed.

    The files must be in the same order in every run. The records of `files_per_group`
    files are mixed, in a buffer of `shuffle_buffer` records.
    """

    shards: Sequence[Shard]
    seed: int
    shuffle_buffer: int = _SHUFFLE_BUFFER
    files_per_group: int = _FILES_PER_GROUP

    @property
    def num_records(self) -> int:
        """Number of records of an epoch."""
        return sum(shard.num_records for shard in self.shards)

    def records(self, num_skipped: int = 0) -> tf.data.Dataset:
        """Returns the endless stream from record `num_skipped` on.

        Its items are a record's number in the stream, int64, and its serialized string.
        """
        first, num_left = self._find(num_skipped)
        rest = tf.data.Dataset.range(first + 1, _MOST_GROUPS)
        dataset = self._group(tf.constant(first, tf.int64)).skip(num_left)
        return dataset.concatenate(rest.flat_map(self._group)).enumerate(num_skipped)

    @property
    def _num_groups(self) -> int:
        """Number of groups of an epoch."""
        return -(-len(self.shards) // self.files_per_group)

    def _find(self, num_skipped: int) -> tuple[int, int]:
        """Returns the group that holds record `num_skipped`, and its index there."""
        epoch, num_left = divmod(num_skipped, self.num_records)
        sizes = np.array([shard.num_records for shard in self.shards])
        for group in range(epoch * self._num_groups, (epoch + 1) * self._num_groups):
            num_records = sizes[self._members(tf.constant(group, tf.int64))].sum()
            if num_left < num_records:
                return group, num_left
            num_left -= num_records
        raise AssertionError("an epoch is the sum of its groups")

    def _group(self, group: tf.Tensor) -> tf.data.Dataset:
        """Returns the shuffled records of a group, whose number counts all epochs."""
        names = tf.gather(
            [str(shard.path) for shard in self.shards], self._members(group)
        )
        dataset = tf.data.Dataset.from_tensor_slices(names).interleave(
            tf.data.TFRecordDataset,
            cycle_length=self.files_per_group,
            # Not as many as there are processors: a bucket answers late, but to all.
            num_parallel_calls=self.files_per_group,
            deterministic=True,
        )
        return self._shuffled(dataset, _draw([], self.seed, group, purpose=1))

    def _shuffled(self, dataset: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
        """Returns `dataset.shuffle(buffer, seed)`, made by an older operation.

        Its order is the same. But the operation of `shuffle` counts as state; in a
        function of a pipeline, and if TensorFlow is to be deterministic, it would make
        every `prefetch` and parallel map of the whole pipeline wait for the caller.
        """
        shuffled = tf.raw_ops.ShuffleDataset(
            input_dataset=tf.data.experimental.to_variant(dataset),
            buffer_size=tf.constant(self.shuffle_buffer, tf.int64),
            seed=tf.constant(_GRAPH_SEED, tf.int64),
            seed2=seed % _MOST_SEEDS,
            output_types=[tf.string],
            output_shapes=[[]],
            reshuffle_each_iteration=False,
        )
        return tf.data.experimental.from_variant(shuffled, dataset.element_spec)

    def _members(self, group: tf.Tensor) -> tf.Tensor:
        """Returns the numbers of the files of a group, int32 `[files]`."""
        epoch, place = group // self._num_groups, group % self._num_groups
        order = tf.argsort(_draw([len(self.shards)], self.seed, epoch, purpose=0))
        # Groups of equal size, give or take one.
        first, last = (
            (place + i) * len(self.shards) // self._num_groups for i in (0, 1)
        )
        return order[first:last]


def _draw(
    shape: Sequence[int], seed: int, number: tf.Tensor, *, purpose: int
) -> tf.Tensor:
    """Returns random int64 values that depend on all arguments and on nothing else."""
    # Always on the CPU: other devices draw other numbers from the same seed.
    with tf.device("/cpu:0"):
        return tf.random.stateless_uniform(
            shape,
            seed=tf.stack([tf.constant(2 * seed + purpose, tf.int64), number]),
            minval=0,
            maxval=2**62,
            dtype=tf.int64,
            alg="philox",
        )


def training_data(stream: RecordStream, specs: Specs, prepare: Prepare) -> TrainingData:
    """Returns the training data that a stream provides.

    All workers read the same stream and each takes its part of every global batch, so
    the number of workers changes no batch. Each record is parsed by one worker only.
    """

    def batches(pipeline: InputPipeline, num_skipped: int) -> tf.data.Dataset:
        dataset = records.own_batches(stream.records(num_skipped), pipeline)
        dataset = dataset.map(
            lambda numbers, batch: prepare(records.parse(batch, specs), numbers),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        return records.untuned(dataset.prefetch(2))

    return TrainingData([shard.path for shard in stream.shards], specs, batches)
