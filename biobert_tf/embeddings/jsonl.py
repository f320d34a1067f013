# SPDX-License-Identifier: Apache-2.0
"""JSON lines as extract_features.py of the original writes them."""

import json
from collections.abc import Sequence

import numpy as np


def json_line(
    index: int, tokens: Sequence[str], layers: Sequence[int], vectors: np.ndarray
) -> str:
    """Returns the line of one text, with its end.

    Args:
        index: Number of the text, from 0.
        tokens: Pieces, `[CLS]` and `[SEP]` among them.
        layers: As they were asked for.
        vectors: float32 `[pieces, layers, width]`.
    """
    # As Python's round(x, 6) of the same number in float64.
    rounded = np.round(vectors.astype(np.float64), 6).tolist()
    features = [
        {
            "token": token,
            "layers": [
                {"index": layer, "values": values}
                for layer, values in zip(layers, layer_values, strict=True)
            ],
        }
        for token, layer_values in zip(tokens, rounded, strict=True)
    ]
    # PARITY(extract_features.py:393): "linex", not "line".
    return json.dumps({"linex_index": index, "features": features}) + "\n"
