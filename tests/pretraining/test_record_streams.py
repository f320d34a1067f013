import collections
import dataclasses
import functools
import itertools

import engine
import numpy as np
import pretraining_toys
import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.pretraining import record_streams
from biobert_tf.pretraining.data.documents import PieceTable
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.pretraining.masking import DynamicMasking
from biobert_tf.pretraining.record_streams import RecordStream, Shard
from biobert_tf.training import packing, records
from biobert_tf.training.records import FeatureSpec, InputPipeline

SPECS = {"number": FeatureSpec(1, below=1000)}
SIZES = (5, 3, 0, 4, 6)
NUM_RECORDS = sum(SIZES)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Five files, one of them empty; the records are numbered through."""
    folder = tmp_path_factory.mktemp("records")
    numbers = itertools.count()
    made = []
    for index, size in enumerate(SIZES):
        path = folder / f"{index}.tfrecord"
        rows = [{"number": [next(numbers)]} for _ in range(size)]
        assert records.write(path, rows, SPECS) == size
        made.append(Shard(path, records.count([path])))
    assert tuple(shard.num_records for shard in made) == SIZES
    return made


def stream_of(shards, **changed):
    settings = {"seed": 1, "shuffle_buffer": 4, "files_per_group": 2, **changed}
    return RecordStream(shards=shards, **settings)


def order(stream, count, num_skipped=0):
    """The numbers of the next records, and their numbers in the stream."""
    dataset = stream.records(num_skipped).take(count)
    pairs = [(int(n), records.parse(r, SPECS)["number"]) for n, r in dataset]
    assert [n for n, _ in pairs] == list(range(num_skipped, num_skipped + count))
    return [int(number[0]) for _, number in pairs]


@pytest.fixture(scope="module")
def whole(shards):
    """Three epochs and a bit."""
    return order(stream_of(shards), 3 * NUM_RECORDS + 5)


def test_every_epoch_holds_every_record_once(shards, whole):
    assert stream_of(shards).num_records == NUM_RECORDS
    epochs = [
        whole[i : i + NUM_RECORDS] for i in range(0, 3 * NUM_RECORDS, NUM_RECORDS)
    ]
    assert all(sorted(epoch) == list(range(NUM_RECORDS)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_order_depends_on_the_seed_alone(shards, whole):
    assert order(stream_of(shards), len(whole)) == whole
    assert order(stream_of(shards, seed=2), len(whole)) != whole


def test_files_are_mixed_anew(shards):
    """Groups of two files, without a buffer: which files are together changes."""
    ends = np.cumsum(SIZES)
    stream = stream_of(shards, shuffle_buffer=1)
    together = set()
    num_turns = 0
    many = order(stream, 6 * NUM_RECORDS)
    for epoch in range(6):
        numbers = many[epoch * NUM_RECORDS : (epoch + 1) * NUM_RECORDS]
        files = [int(np.searchsorted(ends, n, side="right")) for n in numbers]
        together.add(tuple(dict.fromkeys(files)))
        num_turns += sum(a != b for a, b in itertools.pairwise(files))
        # Inside a file the order is that of the file.
        for file in set(files):
            own = [n for n, f in zip(numbers, files, strict=True) if f == file]
            assert own == sorted(own)
    assert len(together) > 3
    # Five files one after the other would be 3 turns an epoch.
    assert num_turns > 6 * 5


@pytest.mark.parametrize("num_skipped", [0, 1, 5, 9, 17, 18, 19, 36, 50])
def test_going_on_at_any_place(shards, whole, num_skipped):
    count = len(whole) - num_skipped
    assert order(stream_of(shards), count, num_skipped) == whole[num_skipped:]


def test_what_is_passed_over_is_not_read(shards, tmp_path):
    """A place a million epochs on; and one in the middle of an epoch.

    There the other files are absent: those before it are not opened.
    """
    far = 10**6 * NUM_RECORDS
    assert sorted(order(stream_of(shards), NUM_RECORDS, far)) == list(
        range(NUM_RECORDS)
    )
    numbers = order(stream_of(shards, files_per_group=1), NUM_RECORDS)
    last_file = int(np.searchsorted(np.cumsum(SIZES), numbers[-1], side="right"))
    size = SIZES[last_file]
    only = [
        shard if index == last_file else Shard(tmp_path / "absent", shard.num_records)
        for index, shard in enumerate(shards)
    ]
    place = NUM_RECORDS - size
    found = order(stream_of(only, files_per_group=1), size, place)
    assert found == numbers[place:]


def batches(shards, pipeline, count, num_skipped=0, **changed):
    """Batches to which `prepare` has added 1000 times the numbers it is given."""

    def prepare(batch, numbers):
        return {"number": batch["number"] + 1000 * tf.cast(numbers[:, None], tf.int32)}

    data = record_streams.training_data(stream_of(shards, **changed), SPECS, prepare)
    assert data.paths == [shard.path for shard in shards]
    dataset = data.batches(pipeline, num_skipped)
    assert dataset.element_spec["number"].shape == [pipeline.batch_size, 1]
    return [batch["number"][:, 0].numpy().tolist() for batch in dataset.take(count)]


def test_batches_are_the_stream(shards, whole):
    """Also across the border of epochs."""
    expected = [n + 1000 * i for i, n in enumerate(whole[:40])]
    found = batches(shards, InputPipeline(4), 10)
    assert list(itertools.chain(*found)) == expected
    assert batches(shards, InputPipeline(4), 4, num_skipped=24) == found[6:]


def test_workers_share_every_global_batch(shards):
    expected = batches(shards, InputPipeline(4), 6)
    for num_skipped in (0, 8):
        parts = [
            batches(shards, InputPipeline(2, 2, worker), 6, num_skipped)
            for worker in (0, 1)
        ]
        shared = [a + b for a, b in zip(*parts, strict=True)]
        done = num_skipped // 4
        assert shared[: 6 - done] == expected[done:]


def test_the_order_is_that_of_shuffle(shards, monkeypatch):
    """So a training that an earlier version began goes on with the records due."""
    stream = stream_of(shards)
    found = order(stream, 2 * NUM_RECORDS)
    monkeypatch.setattr(
        RecordStream,
        "_shuffled",
        lambda self, dataset, seed: dataset.shuffle(
            self.shuffle_buffer, seed=seed, reshuffle_each_iteration=False
        ),
    )
    assert order(stream, 2 * NUM_RECORDS) == found


@pytest.mark.parametrize("mode, is_dynamic", [("on", True), ("dense", False)])
def test_batches_are_made_ahead(mode, is_dynamic, tmp_path):
    """Nothing in the pipeline counts as state: then none of it would run ahead."""
    path = tmp_path / "x.tfrecord"
    pretraining_toys.write_records(path, 8, is_dynamic=is_dynamic)
    pieces = PieceTable.of(pretraining_toys.ID)
    masking = DynamicMasking(pieces=pieces, pairs=PairConfig(), seed=1)
    task = dataclasses.replace(
        pretraining_toys.STATIC, masking=masking if is_dynamic else None
    )
    prepare = functools.partial(task.prepare, training=True)
    stream = RecordStream(shards=[Shard(path, 8)], seed=1)
    data = record_streams.training_data(stream, task.specs, prepare)
    data = packing.Packer(mode == "dense").packed(data)
    dataset = data.batches(InputPipeline(4), 0)
    before, after = engine.made_deterministic(dataset)
    operations = {operation for operation, _ in before}
    assert {"PrefetchDataset", "ParallelMapDatasetV2"} <= operations
    assert "ParallelInterleaveDatasetV4" in operations
    assert after == before


def test_a_large_buffer_mixes(shards):
    """First records of epochs are drawn evenly: none of 18 comes in half of them."""
    stream = stream_of(shards, shuffle_buffer=100, files_per_group=16)
    numbers = order(stream, 40 * NUM_RECORDS)
    firsts = collections.Counter(numbers[::NUM_RECORDS])
    assert len(firsts) > 8
    assert max(firsts.values()) < 20


def test_values_out_of_range_stop_the_pipeline(tmp_path):
    path = tmp_path / "x.tfrecord"
    records.write(path, [{"number": [n]} for n in (1, 2, 1000)], SPECS)
    stream = RecordStream(shards=[Shard(path, 3)], seed=1)
    data = record_streams.training_data(stream, SPECS, lambda batch, numbers: batch)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(data.batches(InputPipeline(1), 0).take(3))
    with pytest.raises(InputError, match="record 3 has 1000 in number, want 0 to 999"):
        records.check([path], SPECS)
