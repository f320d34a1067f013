# SPDX-License-Identifier: Apache-2.0
"""Writes the requests with which TensorFlow Serving warms up a model at start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

NAME: Final = "assets.extra/tf_serving_warmup_requests"
"""The file that the server reads, in the directory of a SavedModel."""


def write(directory: Path, strings: Mapping[str, Sequence[str]]) -> None:
    """Writes requests for the text signature: the strings once, and eight times.

    Args:
        directory: The directory of the SavedModel.
        strings: The strings of a request, by name of the input.
    """
    path = directory / NAME
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for times in (1, 8):
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name="serving_default"),
                inputs={
                    name: tf.make_tensor_proto(list(values) * times)
                    for name, values in strings.items()
                },
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
