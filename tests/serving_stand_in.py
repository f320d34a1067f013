"""A stand-in for TensorFlow Serving, which no registry of packages offers.

The gRPC service is the generated code of TensorFlow Serving's own protocol, so that a
client speaks with it as with the real server. The JSON of its REST interface is put
together here after its documentation: rows as `instances` and `predictions`, columns as
`inputs` and `outputs`.
"""

import concurrent.futures
import contextlib
import http.server
import json
import threading

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  The real server has its operations built in.
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Models:
    """Exported models by name."""

    def __init__(self, **directories):
        self._loaded = {
            name: tf.saved_model.load(str(path)) for name, path in directories.items()
        }

    def run(self, name, signature, values):
        function = self._loaded[name].signatures[signature or "serving_default"]
        specs = function.structured_input_signature[1]
        tensors = {key: tf.constant(v, specs[key].dtype) for key, v in values.items()}
        return {key: v.numpy() for key, v in function(**tensors).items()}

    def specs(self, name, signature):
        function = self._loaded[name].signatures[signature or "serving_default"]
        return function.structured_input_signature[1]


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """What a gRPC client calls."""

    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):  # noqa: N802  The protocol's name.
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        spec = request.model_spec
        outputs = self._models.run(spec.name, spec.signature_name, inputs)
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response


@contextlib.contextmanager
def grpc_server(models):
    """Gives the address of a server."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Service(models), server
        )
        port = server.add_insecure_port("localhost:0")
        server.start()
        try:
            yield f"localhost:{port}"
        finally:
            server.stop(None).wait()


def predict(models, name, body):
    """Answers the JSON of a request as the real server does."""
    signature = body.get("signature_name")
    if "inputs" in body:
        inputs, specs = body["inputs"], models.specs(name, signature)
        if not isinstance(inputs, dict):
            inputs = {next(iter(specs)): inputs}
        outputs = models.run(name, signature, inputs)
        columns = {key: plain(value) for key, value in outputs.items()}
        return {
            "outputs": columns if len(columns) > 1 else next(iter(columns.values()))
        }
    rows = body["instances"]
    if not isinstance(rows[0], dict):
        key = next(iter(models.specs(name, signature)))
        rows = [{key: row} for row in rows]
    outputs = models.run(
        name, signature, {key: [row[key] for row in rows] for key in rows[0]}
    )
    assert {len(value) for value in outputs.values()} == {len(rows)}
    columns = {key: plain(value) for key, value in outputs.items()}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {
        "predictions": [
            {key: column[i] for key, column in columns.items()}
            for i in range(len(rows))
        ]
    }


def plain(value):
    """An array as JSON has it."""
    if value.dtype == object:
        return np.vectorize(bytes.decode, otypes=[object])(value).tolist()
    return value.tolist()


@contextlib.contextmanager
def rest_server(models):
    """Gives the address of a server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
            size = int(self.headers["Content-Length"])
            answer = predict(models, name, json.loads(self.rfile.read(size)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
