# SPDX-License-Identifier: Apache-2.0
import feature_toys as toys
import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings import tables
from biobert_tf.embeddings.tables import Block


def block(num_rows, value=0.5, layers=2, width=3):
    columns = {"num_pieces": np.full(num_rows, 7, np.int32)}
    vectors = np.full([num_rows, layers, width], value, np.float32)
    labels = tuple(f"w{i}" for i in range(num_rows))
    return Block(np.array([num_rows]), labels, columns, vectors)


@pytest.mark.parametrize(
    ("given", "labels", "columns", "vector_shape"),
    [
        ({}, "pieces", ("starts", "ends"), (2, 8)),
        ({"words": True}, "words", ("starts", "ends", "num_pieces"), (2, 8)),
        ({"pooling": "mean"}, None, ("num_pieces",), (2, 8)),
        ({"pooling": "cls", "layer_mix": "concat"}, None, ("num_pieces",), (16,)),
        ({"layer_mix": "sum"}, "pieces", ("starts", "ends"), (8,)),
    ],
)
def test_layouts(given, labels, columns, vector_shape):
    layout = tables.layout(toys.settings(layers="-1,0", **given), hidden_size=8)
    assert (layout.labels, layout.columns) == (labels, columns)
    assert layout.vector_shape == vector_shape
    assert layout.layers == (-1, 0)
    assert layout.dtype == np.float32


def layout(**given):
    return tables.layout(toys.settings(layers="-1,0", words=True, **given), 3)


def only_num_pieces(made):
    return tables.dataclasses.replace(made, columns=("num_pieces",))


def test_blocks_are_merged(monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 5 * 6 * 4)
    blocks = [block(n) for n in (2, 0, 3, 1, 9, 0)]
    merged = [*tables.merged(blocks, only_num_pieces(layout()))]
    assert [one.counts.tolist() for one in merged] == [[2, 0, 3], [1, 9], [0]]
    assert merged[0].labels == ("w0", "w1", "w0", "w1", "w2")
    assert [one.vectors.shape for one in merged] == [(5, 2, 3), (10, 2, 3), (0, 2, 3)]
    assert merged[1].columns["num_pieces"].tolist() == [7] * 10


def test_mixed_layers_are_one_axis():
    blocks = [block(2, layers=1)]
    [one] = tables.merged(blocks, only_num_pieces(layout(layer_mix="mean")))
    assert one.vectors.shape == (2, 3)


def test_numbers_that_float16_cannot_hold(monkeypatch):
    made = only_num_pieces(layout(dtype="float16"))
    [one] = tables.merged([block(2, 0.1)], made)
    assert one.vectors.dtype == np.float16
    np.testing.assert_array_equal(one.vectors, np.float16(0.1))
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 1)
    blocks = [block(1), block(0), block(2), block(1, 70000.0)]
    with pytest.raises(InputError) as caught:
        [*tables.merged(blocks, made)]
    assert str(caught.value) == (
        "text 3 (from 0) has a number that float16 cannot hold; give --dtype=float32"
    )
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 2**20)
    with pytest.raises(InputError, match=r"^text 3 \(from 0\)"):
        [*tables.merged(blocks, made)]
