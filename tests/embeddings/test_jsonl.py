# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np

from biobert_tf.embeddings.writing import json_line


def test_a_line():
    vectors = np.array(
        [[[0.12345649, -1.5], [1e-9, 2.0]], [[100.0, -0.0], [1 / 3, 1e6]]], np.float32
    )
    assert json_line(3, ["[CLS]", "é"], [-1, 0], vectors) == (
        '{"linex_index": 3, "features": ['
        '{"token": "[CLS]", "layers": [{"index": -1, "values": [0.123456, -1.5]}, '
        '{"index": 0, "values": [0.0, 2.0]}]}, '
        '{"token": "\\u00e9", "layers": [{"index": -1, "values": [100.0, -0.0]}, '
        '{"index": 0, "values": [0.333333, 1000000.0]}]}]}\n'
    )


def test_rounded_as_python_does():
    values = np.random.default_rng(1).normal(size=(50, 2, 20)).astype(np.float32)
    features = json.loads(json_line(0, ["x"] * 50, [0, 1], values))["features"]
    assert [
        [[*map(repr, layer["values"])] for layer in feature["layers"]]
        for feature in features
    ] == [
        [[repr(round(float(value), 6)) for value in layer] for layer in piece]
        for piece in values
    ]
