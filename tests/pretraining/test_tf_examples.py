"""Records are TensorFlow's bytes, and TensorFlow reads them."""

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.pretraining.data import tf_examples


def tensorflow_bytes(features):
    """The same rows, serialized by protocol buffers one by one."""
    records = []
    for row in range(len(next(iter(features.values())))):
        example = tf.train.Example()
        for name, values in features.items():
            feature = example.features.feature[name]
            if values.dtype.kind == "f":
                feature.float_list.value.extend(values[row].tolist())
            else:
                feature.int64_list.value.extend(values[row].tolist())
        records.append(example.SerializeToString(deterministic=True))
    return records


def test_a_record_by_hand():
    # 300 = 0b10_0101100: low seven bits first, the high bit says that more follow.
    record = b"\n\r\n\x0b\n\x01a\x12\x06\x1a\x04\n\x02\xac\x02"
    assert tf_examples.serialize({"a": np.array([[300]])}) == [record]


def test_a_frame_by_hand():
    # Checked with tf.io.TFRecordWriter of TensorFlow 2.20.
    assert tf_examples.frame(b"abc").hex() == (
        "0300000000000000" + "b099490e" + b"abc".hex() + "6e57f121"
    )


@pytest.mark.parametrize(
    "values",
    [
        [[0, 1, 127], [128, 16383, 16384]],
        [[2**21 - 1, 2**21], [2**31, 2**32]],
        [[2**62, 2**63 - 1], [0, 0]],
        [[0] * 200, [1] * 200],  # lengths of two bytes
        [[]],
    ],
)
def test_integers_have_tensorflows_bytes(values):
    features = {"x": np.array(values, np.int64)}
    assert tf_examples.serialize(features) == tensorflow_bytes(features)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.uint8])
def test_dtypes_of_integers_do_not_matter(dtype):
    features = {"x": np.array([[0, 255, 128]], dtype)}
    assert tf_examples.serialize(features) == tensorflow_bytes(features)


def test_floats_have_tensorflows_bytes():
    values = np.array([[0.0, 1.0, -2.5], [np.inf, 1e-45, 3.0]], np.float32)
    features = {"x": values, "strided": values[:, ::2]}
    assert tf_examples.serialize(features) == tensorflow_bytes(features)


def test_tensorflow_reads_what_is_written(tmp_path):
    records = [b"", b"one", bytes(range(256)) * 300]
    with (tmp_path / "ours").open("wb") as stream:
        tf_examples.write_records(stream, records)
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)
    read = tf.data.TFRecordDataset(str(tmp_path / "ours"))
    assert [record.numpy() for record in read] == records
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_features_are_read_back(tmp_path):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 30000, (50, 128))
    weights = rng.random((50, 20), np.float32)
    with (tmp_path / "file").open("wb") as stream:
        tf_examples.write_records(
            stream, tf_examples.serialize({"weights": weights, "ids": ids})
        )
    read = tf.data.TFRecordDataset(str(tmp_path / "file")).batch(50)
    parsed = tf.io.parse_example(
        next(iter(read)),
        {
            "ids": tf.io.FixedLenFeature([128], tf.int64),
            "weights": tf.io.FixedLenFeature([20], tf.float32),
        },
    )
    np.testing.assert_array_equal(parsed["ids"], ids)
    np.testing.assert_array_equal(parsed["weights"], weights)


def test_no_rows_are_no_records():
    assert tf_examples.serialize({"x": np.zeros((0, 3), np.int64)}) == []


def test_negative_integers_are_refused():
    with pytest.raises(ValueError, match="-1 is negative"):
        tf_examples.serialize({"x": np.array([[3, -1]])})


@pytest.mark.parametrize("values", [np.zeros((1, 1)), np.array([["text"]])])
def test_other_types_are_refused(values):
    with pytest.raises(TypeError, match=f"x: {values.dtype} is neither"):
        tf_examples.serialize({"x": values})
