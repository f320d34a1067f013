# SPDX-License-Identifier: Apache-2.0
import feature_toys as toys
import ner_toys
import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings import tables
from biobert_tf.embeddings.framing import Framer
from biobert_tf.embeddings.reading import parse
from biobert_tf.text.tokenization import FullTokenizer


def rows(num_rows, value=0.5, layers=2, width=3):
    return {
        "words": np.array([f"w{i}" for i in range(num_rows)], object),
        "num_pieces": np.full(num_rows, 7, np.int32),
        "vectors": np.full([num_rows, layers, width], value, np.float32),
    }


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["pieces", "starts", "ends"]),
        ({"words": True}, ["words", "starts", "ends", "num_pieces"]),
        ({"pooling": "mean"}, ["num_pieces"]),
    ],
)
def test_rows_of_a_text(given, names, tmp_path):
    tokenizer = FullTokenizer(ner_toys.write_vocab(tmp_path / "vocab.txt"))
    frame = Framer(tokenizer, 64).windowed(parse("Liver nephritis"))
    shape = (2, 8) if "pooling" in given else (3, 2, 8)
    vectors = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    settings = toys.settings(**given)
    found = tables.rows_of(frame, vectors, settings)
    assert [*found] == [*names, "vectors"]
    num_rows = {"pieces": 3, "words": 2, "num_pieces": 1}[names[0]]
    assert found["vectors"].shape == (num_rows, 2, 8)
    for name, values in found.items():
        expected = {"pieces": object, "words": object, "vectors": np.float32}
        assert values.dtype == expected.get(name, np.int32)
        assert len(values) == num_rows


def blocks(texts, **given):
    return tables.blocks(iter(texts), toys.settings(layers="-1,0", **given))


def test_texts_are_merged(monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 5 * 6 * 4)
    merged = [*blocks([rows(n) for n in (2, 0, 3, 1, 9, 0)])]
    assert [one.ends.tolist() for one in merged] == [[2, 2, 5], [6, 15], [15]]
    assert [one.texts.tolist() for one in merged] == [
        [0, 0, 2, 2, 2],
        [3, *[4] * 9],
        [],
    ]
    columns = [one.columns for one in merged]
    assert columns[0]["words"].tolist() == ["w0", "w1", "w0", "w1", "w2"]
    shapes = [one["vectors"].shape for one in columns]
    assert shapes == [(5, 2, 3), (10, 2, 3), (0, 2, 3)]
    assert columns[1]["num_pieces"].tolist() == [7] * 10


@pytest.mark.parametrize("mix", ["concat", "mean", "sum"])
def test_mixed_layers_are_one_axis(mix):
    [one] = blocks([rows(2, layers=1)], layer_mix=mix)
    assert one.columns["vectors"].shape == (2, 3)


def test_numbers_that_float16_cannot_hold(monkeypatch):
    [one] = blocks([rows(2, 0.1)], dtype="float16")
    assert one.columns["vectors"].dtype == np.float16
    np.testing.assert_array_equal(one.columns["vectors"], np.float16(0.1))
    texts = [rows(1), rows(0), rows(2), rows(1, 70000.0)]
    for block_bytes in (1, 2**20):
        monkeypatch.setattr(tables, "_BLOCK_BYTES", block_bytes)
        with pytest.raises(InputError) as caught:
            [*blocks(texts, dtype="float16")]
        assert str(caught.value) == (
            "text 3 (from 0) has a number that float16 cannot hold; give "
            "--dtype=float32"
        )
