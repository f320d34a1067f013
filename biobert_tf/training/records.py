# SPDX-License-Identifier: Apache-2.0
"""Writes features to TFRecord files, and reads them as batches of static shape.

A task declares its features once, as `FeatureSpec`s; the same declaration is used to
write, check, parse and pad them. All batches depend on the files, the seed and the
position only, so a run can stop after any step and resume with the next batch. For
files too large to be read twice see `pretraining.record_streams`.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import tensorflow as tf

from biobert_tf.common import files
from biobert_tf.common.errors import InputError

Features = Mapping[str, Sequence[int] | Sequence[float] | np.ndarray]

# Records that are parsed together.
_ROWS_AT_ONCE: Final = 256
# Records that wait to be parsed. While a shuffle fills its buffer, which may mean that
# many files of a bucket are opened, these last for seconds of steps.
_ROWS_WAITING: Final = 10_000
# Files of this size together are read once, and their records kept.
_MOST_BYTES_KEPT: Final = 2**28


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """One feature of a record.

    Attributes:
        length: Number of values in a batch's rows (a TPU needs static shapes).
        dtype: Type of the stored values; int64 becomes int32 in a batch.
        padding: Value in padding rows.
        below: Upper bound (exclusive) of the values, which must not be negative; None
            for no check.
        flag: The flag that sets `length`, for error messages.
        is_short: Whether records leave out the values of padding. They hold as many as
            `input_mask` counts, and batches are filled up.
        of_text: Whether the values are of the whole text. Otherwise, where there are as
            many as a row has pieces, they are of the pieces.
    """

    length: int
    dtype: Literal["int64", "float32"] = "int64"
    padding: int | float = 0
    below: int | None = None
    flag: str | None = None
    is_short: bool = False
    of_text: bool = False

    def width(self, length: int, most: int) -> int:
        """Returns the number of values in rows of `length` pieces, `most` at most."""
        return length if self.length == most and not self.of_text else self.length


Specs = Mapping[str, FeatureSpec]
Batch = dict[str, tf.Tensor]
Prepare = Callable[[Batch, tf.Tensor], Batch]
"""A function from parsed records and their numbers, int64 `[batch]`, to inputs."""


@dataclasses.dataclass(frozen=True)
class InputPipeline:
    """The part of every global batch that a worker, numbered from 0, reads.

    `batch_size` is the number of rows per replica and step.
    """

    batch_size: int
    num_workers: int = 1
    worker: int = 0


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The source of a training's batches.

    Attributes:
        paths: TFRecord files.
        specs: The features of a record.
        batches: A function of `(pipeline, num_skipped)` that returns the endless
            batches after the first `num_skipped` records, counted over all workers:
            int32 or float32 `[batch_size, length]` per name.
    """

    paths: Sequence[Path]
    specs: Specs
    batches: Callable[[InputPipeline, int], tf.data.Dataset]


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the dataset, read without TensorFlow's own tuning thread.

    Whoever frees the iterator waits for that thread. TensorFlow 2.20 wakes the thread
    just before it marks the end; a thread that looks too early sleeps again, for up to
    a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def stored(paths: Iterable[Path]) -> tf.data.Dataset:
    """Returns the records of files in order, serialized, untuned: string `[]`."""
    return untuned(tf.data.TFRecordDataset([str(path) for path in paths]))


def shuffled(
    paths: Sequence[Path], specs: Specs, *, shuffle_buffer: int, seed: int
) -> TrainingData:
    """Returns training data of files that one shuffle can read.

    The order depends on `seed` alone. Every epoch is shuffled anew and holds every
    record once. A batch may contain the end of one epoch and the start of the next, so
    all batches are full. `shuffle_buffer` is in records.
    """

    def batches(pipeline: InputPipeline, num_skipped: int) -> tf.data.Dataset:
        dataset = stored(paths)
        if sum(path.stat().st_size for path in paths) <= _MOST_BYTES_KEPT:
            dataset = dataset.cache()
        dataset = dataset.shuffle(shuffle_buffer, seed, reshuffle_each_iteration=True)
        dataset = own_batches(dataset.repeat().skip(num_skipped), pipeline)
        dataset = dataset.map(
            lambda records: parse(records, specs), num_parallel_calls=tf.data.AUTOTUNE
        )
        return dataset.prefetch(2)

    return TrainingData(paths, specs, batches)


def own_batches(dataset: tf.data.Dataset, pipeline: InputPipeline) -> tf.data.Dataset:
    """Returns a worker's part of every global batch of records, some made ahead.

    Every worker reads all records, but it parses those of its own batches only. Its
    records lie all over the files, and TensorFlow reads files of a bucket in blocks of
    many megabytes: to read less, batches would have to depend on the workers.
    """
    dataset = dataset.batch(pipeline.batch_size, drop_remainder=True)
    dataset = dataset.shard(pipeline.num_workers, pipeline.worker)
    return dataset.prefetch(1 + _ROWS_WAITING // pipeline.batch_size)


def write(path: Path, rows: Iterable[Features], specs: Specs) -> int:
    """Writes one record per row, and returns their number.

    A row has the values of every feature in `specs`, `length` of each, those of padding
    too. The file appears whole or not at all.
    """
    num_rows = 0
    with files.replacing(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as w:
        for row in rows:
            w.write(_serialize(row, specs))
            num_rows += 1
    return num_rows


def _serialize(row: Features, specs: Specs) -> bytes:
    example = tf.train.Example()
    num_pieces = None
    for name, spec in specs.items():
        values = row[name]
        assert len(values) == spec.length, (name, len(values), spec.length)
        if spec.is_short:
            num_pieces = num_pieces or sum(row["input_mask"])
            values = values[:num_pieces]
        feature = example.features.feature[name]
        kind = feature.int64_list if spec.dtype == "int64" else feature.float_list
        kind.value.extend(values)
    return example.SerializeToString(deterministic=True)


def count(paths: Sequence[Path]) -> int:
    """Returns the number of records in `paths`, reading every byte.

    Raises:
        InputError: A file is missing, or damaged after some record.
    """
    total = 0
    for path in paths:
        if not path.is_file():
            raise InputError.at(path, None, "no such file")
        dataset = stored([path])
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


def check(paths: Sequence[Path], specs: Specs, most: int | None = None) -> None:
    """Checks that records fit `specs`: `most` in every file, or all, which is slow.

    Raises:
        InputError: A file is missing or damaged, or a record lacks a feature or has
            one of another length or with values out of range. The message names file
            and record.
    """
    for path in paths:
        if most is None or not path.is_file():
            count([path])
        dataset = stored([path]).take(-1 if most is None else most)
        try:
            for number, record in enumerate(dataset, 1):
                if problem := problem_of(record.numpy(), specs):
                    raise InputError.at(path, None, f"record {number} {problem}")
        except tf.errors.DataLossError:
            count([path])
            raise


def features_of(path: Path) -> dict[str, int] | None:
    """Returns name and length of every feature of a file's first record, if any.

    Raises:
        InputError: The file is missing, damaged, or not a TFRecord of examples.
    """
    try:
        for record in stored([path]).take(1):
            features = _features(record.numpy())
            return {name: len(_values(value)) for name, value in features.items()}
    except (tf.errors.DataLossError, tf.errors.NotFoundError):
        count([path])
        raise
    except ValueError:
        raise InputError.at(path, None, "record 1 is not a tf.train.Example") from None
    return None


def problem_of(record: bytes, specs: Specs) -> str | None:
    """Returns why a record does not fit `specs`, as part of a message, or None."""
    try:
        features = _features(record)
    except ValueError:
        return "is not a tf.train.Example"
    if missing := sorted(set(specs) - set(features)):
        return f"lacks {', '.join(missing)}; it has {', '.join(sorted(features))}"
    for name, spec in specs.items():
        values = _values(features[name])
        if len(values) > spec.length or not (
            spec.is_short or len(values) == spec.length
        ):
            wanted = f"{spec.flag}={spec.length}" if spec.flag else str(spec.length)
            return f"has {name} of length {len(values)}, want {wanted}"
        if spec.below is not None:
            for value in (min(values), max(values)):
                if not 0 <= value < spec.below:
                    return f"has {value} in {name}, want 0 to {spec.below - 1}"
    return None


def _features(record: bytes) -> Mapping[str, tf.train.Feature]:
    """Returns the features of a serialized example; ValueError if it is not one."""
    try:
        return tf.train.Example.FromString(record).features.feature
    # A DecodeError of protobuf, which is not imported here.
    except Exception as error:
        raise ValueError(str(error)) from None


def _values(feature: tf.train.Feature) -> Sequence[int] | Sequence[float]:
    return getattr(feature, feature.WhichOneof("kind") or "int64_list").value


def rows(
    paths: Sequence[Path],
    specs: Specs,
    num_rows: int | None = None,
    prepare: Prepare | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the records of files in order, int32 or float32 `[length]` per name.

    `num_rows` is the number of records to read, from the first; None means all.
    `prepare` is applied to them.

    Raises:
        InputError: A file is missing or damaged, or a record does not fit.
    """
    dataset = stored(paths)
    dataset = dataset.take(-1 if num_rows is None else num_rows)
    dataset = dataset.batch(_ROWS_AT_ONCE).map(lambda batch: parse(batch, specs))
    number = 0
    with explained(paths, specs):
        for batch in dataset:
            size = len(batch["input_ids"])
            if prepare is not None:
                batch = prepare(batch, tf.range(number, number + size, dtype=tf.int64))
            number += size
            arrays = {name: values.numpy() for name, values in batch.items()}
            for i in range(size):
                yield {name: values[i] for name, values in arrays.items()}


@contextlib.contextmanager
def explained(paths: Sequence[Path], specs: Specs) -> Iterator[None]:
    """Finds the record that caused an error of TensorFlow in the block.

    Raises:
        InputError: A record is damaged or does not fit; the message names its file.
    """
    try:
        yield
    except (
        tf.errors.DataLossError,
        tf.errors.InvalidArgumentError,
        tf.errors.NotFoundError,
    ):
        check(paths, specs)
        raise


def parse(records: tf.Tensor, specs: Specs) -> Batch:
    """Parses one serialized record or a vector of them, inside a pipeline.

    Raises:
        tf.errors.InvalidArgumentError: A record does not fit `specs`. This is raised
            when the pipeline runs; `check` finds the record.
    """
    parsed = tf.io.parse_example(
        records, {name: _layout(spec) for name, spec in specs.items()}
    )
    for name, spec in specs.items():
        if spec.is_short:
            parsed[name] = _filled_up(parsed[name], spec)
        if spec.below is not None:
            # On the CPU a gather out of range fails. An assertion would have a side
            # effect, so that TensorFlow would not parse in parallel.
            parsed[name] = tf.gather(tf.range(spec.below), parsed[name])
    return {
        name: tf.cast(values, tf.int32) if values.dtype == tf.int64 else values
        for name, values in parsed.items()
    }


def _layout(
    spec: FeatureSpec,
) -> tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature:
    if not spec.is_short:
        return tf.io.FixedLenFeature([spec.length], spec.dtype)
    return tf.io.FixedLenSequenceFeature(
        [], spec.dtype, allow_missing=True, default_value=spec.padding
    )


def _filled_up(values: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
    """Fills rows up to the length of a batch; fails if one is longer."""
    before = [[0, 0]] * (len(values.shape) - 1)
    missing = spec.length - tf.shape(values)[-1]
    filled = tf.pad(values, [*before, [0, missing]], constant_values=spec.padding)
    filled.set_shape([*values.shape[:-1], spec.length])
    return filled
