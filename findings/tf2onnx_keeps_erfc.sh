#!/usr/bin/env bash
# tf2onnx 1.17 converts a graph with exact GELU to an invalid file and reports success.
#
# TensorFlow 2.20 writes `tf.nn.gelu(x)`, the activation of BERT, with the operation
# `Erfc`. tf2onnx has no rule for it. It logs "Tensorflow op ... is not supported", but
# raises nothing: `convert.from_function` returns a model whose nodes of type `Erfc` no
# version of ONNX knows, and the command line ends with status 0. Only who loads the
# file sees it. GELU written with `tf.math.erf` converts.
#
# Versions: tensorflow 2.20.0, tf2onnx 1.17.0, onnx 1.23.2, Python 3.11.
# Date: 2026-11-29.
# Seen:
#   gelu: returned, with nodes Erfc; checker: No Op registered for Erfc
#   erf:  returned; checker: valid
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    tensorflow==2.20.0 tf2onnx==1.17.0 onnx==1.23.2 'setuptools<82'
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import onnx
import tensorflow as tf
import tf2onnx

FORMS = {
    "gelu": tf.nn.gelu,
    "erf": lambda x: 0.5 * x * (1.0 + tf.math.erf(x * 0.5**0.5)),
}
seen = {}
for name, form in FORMS.items():
    spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
    model, _ = tf2onnx.convert.from_function(
        tf.function(form, autograph=False), input_signature=spec, opset=18
    )
    kinds = {node.op_type for node in model.graph.node}
    try:
        onnx.checker.check_model(model)
        verdict = "valid"
    except onnx.checker.ValidationError as error:
        verdict = str(error).split(" with ")[0]
    seen[name] = ("Erfc" in kinds, verdict)
    print(f"{name}: returned, has Erfc: {'Erfc' in kinds}; checker: {verdict}")
assert seen == {
    "gelu": (True, "No Op registered for Erfc"),
    "erf": (False, "valid"),
}, "tf2onnx changed"
PYTHON
