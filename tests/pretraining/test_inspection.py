import dataclasses
import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.pretraining.data import inspection, tf_examples

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "##e"]
PAD, UNK, CLS, SEP, MASK, A, B, C, D, E = range(10)

# Three records of length 10 with at most 3 predictions.
STATIC = {
    "input_ids": [
        [CLS, A, MASK, C, SEP, D, E, SEP, PAD, PAD],  # b masked, d kept
        [CLS, UNK, SEP, B, SEP, PAD, PAD, PAD, PAD, PAD],  # c replaced by b
        [CLS, A, B, SEP, C, D, A, B, MASK, SEP],  # [UNK] masked
    ],
    "input_mask": [[1] * 8 + [0] * 2, [1] * 5 + [0] * 5, [1] * 10],
    "segment_ids": [
        [0] * 5 + [1] * 3 + [0] * 2,
        [0] * 3 + [1] * 2 + [0] * 5,
        [0] * 4 + [1] * 6,
    ],
    "masked_lm_positions": [[2, 5, 0], [3, 0, 0], [8, 0, 0]],
    "masked_lm_ids": [[B, D, 0], [C, 0, 0], [UNK, 0, 0]],
    "masked_lm_weights": [[1, 1, 0], [1, 0, 0], [1, 0, 0]],
    "next_sentence_labels": [[0], [1], [1]],
}


def arrays(features):
    return {
        name: np.array(rows, np.float32 if name.endswith("weights") else np.int64)
        for name, rows in features.items()
    }


def write(path, features):
    with path.open("wb") as stream:
        tf_examples.write_records(stream, tf_examples.serialize(arrays(features)))
    return path


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return path


@pytest.fixture
def static(tmp_path):
    return write(tmp_path / "static.tfrecord", STATIC)


def test_rates_by_hand(static, vocab_file):
    found = inspection.inspect([static], vocab_file)
    assert (found.num_files, found.num_records, found.masking) == (1, 3, "static")
    assert found.num_tokens == 8 + 5 + 10
    assert found.padding_share == pytest.approx(7 / 30)
    assert found.random_next_share == pytest.approx(2 / 3)
    assert found.mean_a_tokens == pytest.approx((5 + 3 + 4) / 3)
    assert found.mean_b_tokens == pytest.approx((3 + 2 + 6) / 3)
    assert found.mask_rate == pytest.approx(4 / 23)
    assert found.masked_share == pytest.approx(2 / 4)
    assert found.kept_share == pytest.approx(1 / 4)
    assert found.replaced_share == pytest.approx(1 / 4)
    # One that is seen, and one under a mask.
    assert found.unknown_rate == pytest.approx(2 / 23)
    assert found.feature_lengths == {
        "input_ids": 10,
        "input_mask": 10,
        "segment_ids": 10,
        "masked_lm_positions": 3,
        "masked_lm_ids": 3,
        "masked_lm_weights": 3,
        "next_sentence_labels": 1,
    }
    assert found.length_histogram == {
        length: {5: 1, 8: 1, 10: 1}.get(length, 0) for length in range(1, 11)
    }


def test_bins_of_the_histogram_reach_to_their_names():
    counts = np.zeros(41, np.int64)
    counts[[3, 4, 39, 40]] = [1, 10, 100, 1000]
    found = inspection._histogram(counts)
    assert list(found) == [*range(3, 40, 3), 40]
    assert {end: count for end, count in found.items() if count} == {
        3: 1,
        6: 10,
        39: 100,
        40: 1000,
    }


def test_examples_show_both_parts_and_what_is_predicted(static, vocab_file):
    found = inspection.inspect([static], vocab_file, num_examples=2)
    assert found.examples == (
        f"{static}: record 0: 8 of 10 positions, B is the next one\n"
        "  A: [CLS] a [MASK]{b} c [SEP]\n"
        "  B: d{d} ##e [SEP]",
        f"{static}: record 1: 5 of 10 positions, B is random\n"
        "  A: [CLS] [UNK] [SEP]\n"
        "  B: b{c} [SEP]",
    )


def test_without_a_vocabulary(static):
    found = inspection.inspect([static], num_examples=1)
    assert found.examples[0].endswith("A: 2 5 4{6} 7 3\n  B: 8{8} 9 3")
    assert found.mask_rate == pytest.approx(4 / 23)
    assert found.masked_share is found.unknown_rate is None


def test_dynamic_records(tmp_path, vocab_file):
    unmasked = {k: rows for k, rows in STATIC.items() if not k.startswith("masked")}
    path = write(tmp_path / "dynamic.tfrecord", unmasked)
    found = inspection.inspect([path], vocab_file, num_examples=1)
    assert found.masking == "dynamic"
    assert found.mask_rate is found.kept_share is None
    assert found.unknown_rate == pytest.approx(1 / 23)
    assert found.examples[0].endswith("A: [CLS] a [MASK] c [SEP]\n  B: d ##e [SEP]")


def test_most_records_over_files(static, tmp_path):
    other = write(tmp_path / "other.tfrecord", STATIC)
    assert inspection.inspect([static, other]).num_records == 6
    assert inspection.inspect([static, other], max_records=4).num_records == 4
    assert inspection.inspect([static, other], max_records=3).num_tokens == 23
    found = inspection.inspect([static, other], num_examples=4)
    assert f"{other}: record 0: 8 of" in found.examples[3]


def test_more_records_than_a_batch(static, monkeypatch):
    whole = inspection.inspect([static], num_examples=3)
    monkeypatch.setattr(inspection, "_RECORDS_PER_BATCH", 2)
    assert inspection.inspect([static], num_examples=3) == whole


def test_report(static, vocab_file):
    found = inspection.inspect([static], vocab_file, num_examples=1)
    lines = inspection.report(found).splitlines()
    assert lines[1] == "  A: [CLS] a [MASK]{b} c [SEP]"
    assert "3 records in 1 files, static masking" in lines
    assert "padding              23.33 %" in lines
    assert "  kept               25.00 %" in lines
    assert "               8           1 " + "#" * 40 in lines
    assert "               9           0 " in lines


def test_as_json(static, vocab_file):
    found = inspection.inspect([static], vocab_file)
    values = json.loads(json.dumps(dataclasses.asdict(found)))
    assert values["num_records"] == 3
    assert values["length_histogram"]["8"] == 1


def refusal(paths, vocab_file=None):
    with pytest.raises(InputError) as error:
        inspection.inspect(paths, vocab_file)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_such_file(tmp_path):
    assert "x.tfrecord: no such file" in refusal([tmp_path / "x.tfrecord"])


def test_no_records(tmp_path):
    (tmp_path / "x").touch()
    assert "has no records" in refusal([tmp_path / "x"])


def test_an_empty_file_beside_others_is_fine(static, tmp_path):
    (tmp_path / "x").touch()
    assert inspection.inspect([tmp_path / "x", static]).num_records == 3


@pytest.mark.parametrize("num_whole", [0, 2])
def test_a_damaged_file_names_its_whole_records(static, num_whole):
    data = bytearray(static.read_bytes())
    data[num_whole * len(data) // 3 + 60] ^= 1
    static.write_bytes(data)
    assert f"truncated or damaged after {num_whole} whole" in refusal([static])


def test_records_of_another_kind(tmp_path):
    path = write(tmp_path / "ner", {"input_ids": [[1]], "label_ids": [[1]]})
    message = refusal([path])
    assert "they lack input_mask, next_sentence_labels, segment_ids" in message
    assert "they have input_ids, label_ids" in message


def test_records_that_are_no_examples(tmp_path):
    path = tmp_path / "x"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff\xff")
    assert "record 1 is not a tf.train.Example" in refusal([path])


def shortened(features, length):
    return {
        name: [row[:length] for row in rows] if len(rows[0]) == 10 else rows
        for name, rows in features.items()
    }


def test_files_of_two_lengths_name_both(static, tmp_path):
    other = write(tmp_path / "other", shortened(STATIC, 9))
    message = refusal([static, other])
    assert message.startswith(f"{other}: input_ids has 9 values, but 10 in {static}")


def test_static_and_dynamic_files_do_not_mix(static, tmp_path):
    unmasked = {k: rows for k, rows in STATIC.items() if not k.startswith("masked")}
    other = write(tmp_path / "other", unmasked)
    assert "masked_lm_ids has no values, but 3" in refusal([static, other])


def test_two_lengths_in_one_file(static, tmp_path):
    other = write(tmp_path / "other", shortened(STATIC, 9))
    static.write_bytes(static.read_bytes() + other.read_bytes())
    assert "records differ in their features" in refusal([static])


def test_another_vocabulary(static, vocab_file):
    vocab_file.write_text("\n".join(WORDS[:-1]) + "\n")
    message = refusal([static], vocab_file)
    assert "has id 9, but the vocabulary ends at 8" in message


@pytest.mark.golden
def test_recorded_files(golden, tmp_path):
    folder = golden / "pretraining_data"
    vocab_files = {
        "cased": golden / "tokenization" / "vocab_cased.txt",
        "uncased": golden / "tokenization" / "vocab_uncased.txt",
        "small": golden / "model" / "vocab.txt",
    }
    for run, settings in json.loads((folder / "settings.json").read_text()).items():
        paths = []
        for name in settings["outputs"]:
            paths.append(tmp_path / f"{run}-{name}")
            data = gzip.decompress((folder / run / f"{name}.gz").read_bytes())
            paths[-1].write_bytes(data)
        found = inspection.inspect(paths, vocab_files[settings["vocab"]])
        total = settings["total_instances"]
        assert found.num_records == total
        assert sum(found.length_histogram.values()) == total
        assert found.feature_lengths["input_ids"] == settings["max_seq_length"]
        num_random = sum(file["random_next"] for file in settings["files"].values())
        assert found.random_next_share * total == pytest.approx(num_random)
        # At most one piece more than asked for by rounding, fewer by the limit.
        assert found.mask_rate <= settings["masked_lm_prob"] + total / found.num_tokens
        num_masked = found.mask_rate * found.num_tokens
        # Five standard deviations; a random piece equals the old one sometimes.
        for share, wanted in (
            (found.masked_share, 0.8),
            (found.kept_share, 0.1),
            (found.replaced_share, 0.1),
        ):
            deviation = (wanted * (1 - wanted) / num_masked) ** 0.5
            assert share == pytest.approx(wanted, abs=5 * deviation)
