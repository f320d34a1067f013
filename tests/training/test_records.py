from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.training import records
from biobert_tf.training.records import FeatureSpec, InputPipeline

SPECS = {
    "input_ids": FeatureSpec(2),
    "label_ids": FeatureSpec(1, padding=-1),
    "weights": FeatureSpec(3, dtype="float32", padding=0.5),
}


def row(number):
    """A row that can be recognised by its first id."""
    return {
        "input_ids": [number, 100 + number],
        "label_ids": [number % 2],
        "weights": [number / 2, 0.25, -1.0],
    }


def write(path, numbers):
    assert records.write(path, map(row, numbers), SPECS) == len(numbers)
    return path


def materialize(dataset):
    return [{name: values.numpy() for name, values in b.items()} for b in dataset]


def firsts(dataset, num_batches=None):
    """The first ids, batch by batch."""
    taken = dataset if num_batches is None else dataset.take(num_batches)
    return [batch["input_ids"][:, 0].tolist() for batch in materialize(taken)]


def order_of(dataset, num_batches):
    """The first ids of the first batches, one after the other."""
    return list(chain(*firsts(dataset, num_batches)))


def train(paths, pipeline, num_skipped=0, **changed):
    settings = {"shuffle_buffer": 100, "seed": 1, **changed}
    return records.shuffled(paths, SPECS, **settings).batches(pipeline, num_skipped)


# --- files ----------------------------------------------------------------------------


def test_round_trip(tmp_path):
    path = write(tmp_path / "new" / "x.tf_record", [3, 4])
    first, second = records.rows([path], SPECS)
    assert {name: (v.dtype, v.tolist()) for name, v in first.items()} == {
        "input_ids": (np.int32, [3, 103]),
        "label_ids": (np.int32, [1]),
        "weights": (np.float32, [1.5, 0.25, -1.0]),
    }
    assert second["input_ids"].tolist() == [4, 104]


def test_stored_as_the_original_stores(tmp_path):
    """`tf.train.Example`s with lists of int64 and float, under the feature's name."""
    path = write(tmp_path / "x.tf_record", [3])
    (serialized,) = tf.data.TFRecordDataset(str(path))
    features = tf.train.Example.FromString(serialized.numpy()).features.feature
    assert sorted(features) == sorted(SPECS)
    assert list(features["input_ids"].int64_list.value) == [3, 103]
    assert list(features["weights"].float_list.value) == [1.5, 0.25, -1.0]


def test_same_rows_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, range(5)) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_row_of_another_length_is_a_bug(tmp_path):
    path = tmp_path / "x.tf_record"
    with pytest.raises(AssertionError, match="input_ids"):
        records.write(path, [row(1), {**row(2), "input_ids": [1, 2, 3]}], SPECS)
    assert list(tmp_path.iterdir()) == []


def test_count(tmp_path):
    paths = [write(tmp_path / "a", range(3)), write(tmp_path / "b", range(2))]
    paths.append(write(tmp_path / "c", []))
    assert records.count(paths) == 5


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tf_record: no such file"):
        records.count([tmp_path / "absent.tf_record"])


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_truncated_file(tmp_path, cut):
    path = write(tmp_path / "x.tf_record", range(4))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"x\.tf_record: .* after 3 whole records"):
        records.count([path])


def test_damaged_file(tmp_path):
    path = write(tmp_path / "x.tf_record", range(4))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged after 2 whole records"):
        records.count([path])


# --- training -------------------------------------------------------------------------


def test_no_reader_has_a_tuning_thread(tmp_path):
    """In tests none has one in any case; see conftest.py."""
    path = write(tmp_path / "x.tf_record", [3, 4])
    data = records.shuffled([path], SPECS, shuffle_buffer=2, seed=1)
    batches = data.batches(InputPipeline(batch_size=1), 0)
    for dataset in (records.stored([path]), batches):
        assert dataset.options().autotune.enabled is False


def test_training_batches_are_parsed(tmp_path):
    path = write(tmp_path / "x", [3])
    (batch,) = materialize(train([path], InputPipeline(1)).take(1))
    assert {name: (v.dtype, v.tolist()) for name, v in batch.items()} == {
        "input_ids": (np.int32, [[3, 103]]),
        "label_ids": (np.int32, [[1]]),
        "weights": (np.float32, [[1.5, 0.25, -1.0]]),
    }


def test_training_batches_have_static_shapes(tmp_path):
    dataset = train([write(tmp_path / "x", range(3))], InputPipeline(2))
    assert {n: s.shape.as_list() for n, s in dataset.element_spec.items()} == {
        "input_ids": [2, 2],
        "label_ids": [2, 1],
        "weights": [2, 3],
    }


def test_every_epoch_holds_every_record_once(tmp_path):
    """Five records in batches of two: the border of the epochs is inside a batch."""
    path = write(tmp_path / "x", range(5))
    order = order_of(train([path], InputPipeline(2)), 10)
    epochs = [order[i : i + 5] for i in range(0, 20, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_order_depends_on_the_seed_alone(tmp_path):
    path = write(tmp_path / "x", range(20))
    first = firsts(train([path], InputPipeline(4)), 10)
    assert firsts(train([path], InputPipeline(4)), 10) == first
    assert firsts(train([path], InputPipeline(4), seed=2), 10) != first


def test_a_small_buffer_keeps_the_neighbourhood(tmp_path):
    path = write(tmp_path / "x", range(20))
    order = order_of(train([path], InputPipeline(4), shuffle_buffer=3), 5)
    assert order != sorted(order)
    # What comes at position i was among the first i + 3 records.
    assert all(number < i + 3 for i, number in enumerate(order))
    order = order_of(train([path], InputPipeline(4), shuffle_buffer=1), 5)
    assert order == list(range(20))


def test_several_files_are_one(tmp_path):
    paths = [write(tmp_path / "a", range(3)), write(tmp_path / "b", range(3, 7))]
    order = order_of(train(paths, InputPipeline(7)), 1)
    assert sorted(order) == list(range(7))


@pytest.mark.parametrize("num_batches", [1, 2, 3, 7])
def test_going_on_where_it_stopped(tmp_path, num_batches):
    """Also beyond the first epoch, which has two and a half batches."""
    path = write(tmp_path / "x", range(5))
    whole = firsts(train([path], InputPipeline(2)), 12)
    rest = train([path], InputPipeline(2), num_skipped=2 * num_batches)
    assert firsts(rest, 12 - num_batches) == whole[num_batches:]


def test_workers_share_every_global_batch(tmp_path):
    path = write(tmp_path / "x", range(10))
    whole = firsts(train([path], InputPipeline(4)), 6)
    parts = [
        firsts(train([path], InputPipeline(2, num_workers=2, worker=worker)), 6)
        for worker in (0, 1)
    ]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole
    resumed = [
        firsts(
            train([path], InputPipeline(2, 2, worker), num_skipped=2 * 4),
            4,
        )
        for worker in (0, 1)
    ]
    assert [a + b for a, b in zip(*resumed, strict=True)] == whole[2:]


# --- rows -----------------------------------------------------------------------------


def test_rows_are_the_records_in_order(tmp_path):
    paths = [write(tmp_path / "a", range(300)), write(tmp_path / "b", [7])]
    found = list(records.rows(paths, SPECS))
    firsts = [int(row["input_ids"][0]) for row in found]
    assert firsts == [*range(300), 7]
    assert [row["weights"].tolist() for row in found[:2]] == [
        [0.0, 0.25, -1.0],
        [0.5, 0.25, -1.0],
    ]
    assert len(list(records.rows(paths, SPECS, 299))) == 299


# --- records that do not fit ----------------------------------------------------------

CHECKED = {"input_ids": FeatureSpec(2, below=110, flag="--max_seq_length")}


def test_records_that_fit(tmp_path):
    records.check([write(tmp_path / "x", range(5))], CHECKED)
    batches = train([tmp_path / "x"], InputPipeline(5)).take(1)
    assert len(materialize(batches)) == 1


@pytest.mark.parametrize(
    "specs, problem",
    [
        ({"mask": FeatureSpec(1)}, "lacks mask; it has input_ids, label_ids, weights"),
        (
            {"input_ids": FeatureSpec(3, flag="--max_seq_length")},
            "has input_ids of length 2, want --max_seq_length=3",
        ),
        ({"weights": FeatureSpec(1)}, "has weights of length 3, want 1"),
        (
            {"input_ids": FeatureSpec(2, below=100)},
            "has 100 in input_ids, want 0 to 99",
        ),
    ],
)
def test_records_that_do_not_fit(tmp_path, specs, problem):
    path = write(tmp_path / "x", range(5))
    with pytest.raises(InputError) as raised:
        records.check([path], specs)
    assert str(raised.value) == f"{path}: record 1 {problem}"


def test_values_out_of_range(tmp_path):
    """Also below zero; the pipeline stops there, and the check says where."""
    path = tmp_path / "x"
    for values in ([0, 110], [-1, 3]):
        records.write(path, [{"input_ids": v} for v in ([0, 109], values)], CHECKED)
        data = records.shuffled([path], CHECKED, shuffle_buffer=1, seed=1)
        batches = data.batches(InputPipeline(2), 0)
        with pytest.raises(tf.errors.InvalidArgumentError):
            materialize(batches.take(1))
        bad = next(v for v in values if not 0 <= v < 110)
        with pytest.raises(InputError, match=f"record 2 has {bad} in input_ids"):
            records.check([path], CHECKED)
        records.check([path], CHECKED, most=1)


def test_check_names_the_file_that_is_damaged(tmp_path):
    paths = [write(tmp_path / name, range(4)) for name in "ab"]
    paths[1].write_bytes(paths[1].read_bytes()[:-5])
    with pytest.raises(InputError, match="b: truncated or damaged after 3 whole"):
        records.check(paths, CHECKED)
    with pytest.raises(InputError, match="absent: no such file"):
        records.check([tmp_path / "absent"], CHECKED, most=1)


def test_features_of(tmp_path):
    path = write(tmp_path / "x", [3])
    assert records.features_of(path) == {"input_ids": 2, "label_ids": 1, "weights": 3}
    assert records.features_of(write(tmp_path / "empty", [])) is None
    with tf.io.TFRecordWriter(str(tmp_path / "other")) as writer:
        writer.write(b"\xff\xff")
    for look in (
        lambda: records.features_of(tmp_path / "other"),
        lambda: records.check([tmp_path / "other"], CHECKED),
    ):
        with pytest.raises(InputError, match=r"other: record 1 is not a tf\.train"):
            look()


def test_rows_are_prepared(tmp_path):
    """With the numbers of the records."""
    path = write(tmp_path / "x", range(5, 8))

    def prepare(batch, numbers):
        assert numbers.dtype == tf.int64
        return {"sum": batch["input_ids"][:, 0] + 10 * tf.cast(numbers, tf.int32)}

    found = list(records.rows([path], SPECS, prepare=prepare))
    assert found == [{"sum": 5}, {"sum": 16}, {"sum": 27}]
