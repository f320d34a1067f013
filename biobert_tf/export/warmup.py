# SPDX-License-Identifier: Apache-2.0
"""Requests with which TensorFlow Serving warms a model up before it answers others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

NAME: Final = "assets.extra/tf_serving_warmup_requests"
"""Where the server looks, in the directory of a SavedModel."""


def write(directory: Path, strings: Mapping[str, Sequence[str]]) -> None:
    """Writes requests to the text signature: one string, and several at once.

    Args:
        directory: Of the SavedModel.
        strings: The strings of a request, by input.
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
