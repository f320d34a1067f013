#!/usr/bin/env bash
# TensorFlow's LiteRT converter accepts GELU with `erf` in one order of its products only.
#
# LiteRT has no operation for `erf`. `(0.5 x) (1 + erf(x / sqrt 2))` is recognised and
# becomes its operation GELU. The same formula as `x (0.5 (1 + erf(x / sqrt 2)))`, which
# is how the original BERT code multiplies (cdf first), is not recognised, and the
# conversion fails with "Could not translate MLIR to FlatBuffer" because `Erf` is left.
#
# Version: tensorflow 2.20.0, CPU, Python 3.11. Date: 2026-11-29.
# Seen:
#   (0.5 x) (1 + erf): GELU
#   x (0.5 (1 + erf)): fails: Erf is left
#   tf.nn.gelu:        GELU
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.20.0 'setuptools<82'
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import tensorflow as tf


def cdf(x):
    return 1.0 + tf.math.erf(x * 0.5**0.5)


FORMS = {
    "(0.5 x) (1 + erf)": lambda x: (0.5 * x) * cdf(x),
    "x (0.5 (1 + erf))": lambda x: x * (0.5 * cdf(x)),
    "tf.nn.gelu": tf.nn.gelu,
}
seen = []
for name, form in FORMS.items():
    spec = [tf.TensorSpec([None, 4], tf.float32)]
    function = tf.function(form, input_signature=spec, autograph=False)
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    try:
        lite = tf.lite.Interpreter(model_content=converter.convert())
        verdict = "/".join(op["op_name"] for op in lite._get_ops_details())
    except Exception as error:  # The converter's own error type is private.
        verdict = "fails: Erf is left" if "tf.Erf" in str(error) else str(error)
    seen.append(verdict)
    print(f"{name}: {verdict}")
assert seen == ["GELU", "fails: Erf is left", "GELU"], "LiteRT's converter changed"
PYTHON
