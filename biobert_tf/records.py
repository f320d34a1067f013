# SPDX-License-Identifier: Apache-2.0
"""Features on disk and back: TFRecord files in, batches of static shape out.

A task declares its features once, as `FeatureSpec`s; the same declaration writes,
parses and pads. Everything here is a function of (files, seed, position), so that a
run can stop after any step and go on with the next batch.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import tensorflow as tf

from biobert_tf import files
from biobert_tf.errors import InputError

Features = Mapping[str, Sequence[int] | Sequence[float]]

EXAMPLE_INDEX: Final = "example_index"
"""Batch entry, int32 `[batch]`: position in the file; -1 marks a padding row."""


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """One feature of a record.

    Attributes:
        length: Number of values, always the same (a TPU needs static shapes).
        dtype: How the values are stored; int64 becomes int32 in a batch.
        padding: Value of a padding row.
    """

    length: int
    dtype: Literal["int64", "float32"] = "int64"
    padding: int | float = 0


Specs = Mapping[str, FeatureSpec]


@dataclasses.dataclass(frozen=True)
class InputPipeline:
    """Which part of every global batch a worker reads.

    Attributes:
        batch_size: Rows per replica and step.
        num_workers: Processes that share a global batch.
        worker: Which of them this is, from 0.
    """

    batch_size: int
    num_workers: int = 1
    worker: int = 0


def write(path: Path, rows: Iterable[Features], specs: Specs) -> int:
    """Writes one record per row; the file is whole or absent.

    Args:
        path: The TFRecord file.
        rows: For every name in `specs` its `length` values.
        specs: What a record holds.

    Returns:
        The number of records.
    """
    num_rows = 0
    with files.replacing(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as w:
        for row in rows:
            w.write(_serialize(row, specs))
            num_rows += 1
    return num_rows


def _serialize(row: Features, specs: Specs) -> bytes:
    feature = {}
    for name, spec in specs.items():
        values = row[name]
        assert len(values) == spec.length, (name, len(values), spec.length)
        if spec.dtype == "int64":
            feature[name] = tf.train.Feature(
                int64_list=tf.train.Int64List(value=values)
            )
        else:
            feature[name] = tf.train.Feature(
                float_list=tf.train.FloatList(value=values)
            )
    return tf.train.Example(
        features=tf.train.Features(feature=feature)
    ).SerializeToString(deterministic=True)


def count(paths: Sequence[Path]) -> int:
    """Returns the number of records in `paths`, reading every byte.

    Raises:
        InputError: A file is missing, or damaged after some record.
    """
    total = 0
    for path in paths:
        if not path.is_file():
            raise InputError.at(path, None, "no such file")
        dataset = tf.data.TFRecordDataset(str(path))
        try:
            total += _length(dataset)
        except tf.errors.DataLossError:
            num_rows = _length(dataset.ignore_errors())
            raise InputError.at(
                path,
                None,
                f"truncated or damaged after {num_rows} whole records; write it again",
            ) from None
    return total


def _length(dataset: tf.data.Dataset) -> int:
    return int(dataset.reduce(np.int64(0), lambda total, _: total + 1))


def train_batches(
    paths: Sequence[Path],
    specs: Specs,
    pipeline: InputPipeline,
    *,
    shuffle_buffer: int,
    seed: int,
    num_skipped: int = 0,
) -> tf.data.Dataset:
    """Returns endless batches in an order that depends on `seed` alone.

    Every epoch is shuffled anew and holds every record once; batches run across
    the border of two epochs, so none is short.

    Args:
        paths: TFRecord files, read in this order.
        specs: What a record holds.
        pipeline: Rows per batch, and the part of this worker.
        shuffle_buffer: Records among which the next is drawn.
        seed: Seeds the order.
        num_skipped: Records already used, over all workers: where to go on.

    Returns:
        Batches of int32 or float32 `[batch_size, length]` per name.
    """
    dataset = tf.data.TFRecordDataset([str(path) for path in paths])
    dataset = dataset.shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=True)
    dataset = dataset.repeat().skip(num_skipped)
    dataset = dataset.batch(pipeline.batch_size, drop_remainder=True)
    dataset = dataset.shard(pipeline.num_workers, pipeline.worker)
    dataset = dataset.map(
        lambda records: _parse(records, specs), num_parallel_calls=tf.data.AUTOTUNE
    )
    return dataset.prefetch(2)


def eval_batches(
    paths: Sequence[Path], specs: Specs, pipeline: InputPipeline, num_batches: int
) -> tf.data.Dataset:
    """Returns every record once, in order, padded to `num_batches` whole batches.

    Args:
        paths: TFRecord files, read in this order.
        specs: What a record holds.
        pipeline: Rows per batch, and the part of this worker.
        num_batches: Batches over all workers; a multiple of their number.

    Returns:
        As `train_batches`, and `EXAMPLE_INDEX`.
    """
    dataset = tf.data.TFRecordDataset([str(path) for path in paths])
    dataset = dataset.map(lambda record: _parse(record, specs)).enumerate()
    dataset = dataset.map(
        lambda index, row: {**row, EXAMPLE_INDEX: tf.cast(index, tf.int32)}
    )
    padding = tf.data.Dataset.from_tensors(_padding_row(specs)).repeat()
    dataset = dataset.concatenate(padding).take(num_batches * pipeline.batch_size)
    dataset = dataset.batch(pipeline.batch_size, drop_remainder=True)
    return dataset.shard(pipeline.num_workers, pipeline.worker).prefetch(2)


def _parse(records: tf.Tensor, specs: Specs) -> dict[str, tf.Tensor]:
    """Parses one serialized record or a vector of them."""
    layout = {
        name: tf.io.FixedLenFeature([spec.length], spec.dtype)
        for name, spec in specs.items()
    }
    parsed = tf.io.parse_example(records, layout)
    return {
        name: tf.cast(values, tf.int32) if values.dtype == tf.int64 else values
        for name, values in parsed.items()
    }


def _padding_row(specs: Specs) -> dict[str, np.ndarray]:
    row = {
        name: np.full(
            [spec.length],
            spec.padding,
            np.int32 if spec.dtype == "int64" else np.float32,
        )
        for name, spec in specs.items()
    }
    return {**row, EXAMPLE_INDEX: np.array(-1, np.int32)}
