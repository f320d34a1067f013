"""ONNX files of exported models, run by ONNX Runtime beside TensorFlow."""

import re
import sys
from pathlib import Path

import ner_toys
import numpy as np
import onnxruntime
import pytest
import re_toys
import tensorflow as tf

from biobert_tf import problems
from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export import model_card, onnx, saved_model
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads
from biobert_tf.training import reload

CONFIG = re_toys.CONFIG
LENGTH = CONFIG.max_position_embeddings
MODELS = {
    "masked_lm": (heads.PretrainingModel(CONFIG, seed=1), ()),
    "ner": (heads.TokenClassifier(CONFIG, 5, seed=1), ner_toys.LABELS),
    "qa": (heads.SpanClassifier(CONFIG, seed=1), ("start", "end")),
}


def write_model(folder, kind):
    model, labels = MODELS[kind]
    ner_toys.write_vocab(folder / "vocab.txt", re_toys.VOCAB)
    ner_toys.save_model(model, labels, folder)
    settings = {"max_seq_length": LENGTH, "max_query_length": 4, "doc_stride": 4}
    files.write_json(folder / "settings.json", settings)
    return folder


def served(kind, folder):
    found = problems.of_kind(kind).loaded(reload.find(folder), DeviceConfig())
    return found, problems.of_kind(kind).serve(found)


@pytest.mark.parametrize("kind", ["masked_lm", "qa"])
def test_equal_for_any_batch_and_length(kind, tmp_path):
    found, model = served(kind, write_model(tmp_path / "model", kind))
    card = onnx.save(found, model, tmp_path)
    assert card["bytes"] == (tmp_path / card["file"]).stat().st_size
    session = onnxruntime.InferenceSession(str(tmp_path / onnx.FILE))
    function = saved_model.tokens_function(model, model.score)
    rng = np.random.default_rng(0)
    for rows, length in ((1, 3), (3, LENGTH), (2, 7)):
        ids = {
            "input_ids": rng.integers(5, CONFIG.vocab_size, (rows, length)),
            "input_mask": np.arange(length) < rng.integers(2, length + 1, (rows, 1)),
            "segment_ids": rng.integers(0, 2, (rows, length)),
            "masked_lm_positions": rng.integers(0, length, (rows, 2)),
        }
        batch = {name: ids[name].astype(np.int32) for name in model.specs}
        wanted = function(
            **{name: tf.constant(values) for name, values in batch.items()}
        )
        numeric = [name for name, values in wanted.items() if values.dtype != tf.string]
        assert {output.name for output in session.get_outputs()} == set(numeric)
        for name, values in zip(numeric, session.run(numeric, batch), strict=True):
            np.testing.assert_allclose(values, wanted[name], rtol=2e-6, atol=2e-6)


def test_export_writes_the_file_and_says_so(tmp_path, capsys):
    model = write_model(tmp_path / "model", "ner")
    output = tmp_path / "export"
    cli.main(["biobert", "export", f"--model={model}", f"--output={output}", "--onnx"])
    assert capsys.readouterr().out == f"wrote {output}\n"
    card = files.read_json(output / model_card.JSON)["onnx"]
    assert card["difference"] <= onnx.LARGEST_DIFFERENCE
    page = (output / model_card.MARKDOWN).read_text("utf-8")
    assert f"`onnx/model.onnx` ({(output / onnx.FILE).stat().st_size:,} bytes" in page
    # The example of docs/serving.md, behind that for LiteRT, whose inputs it takes.
    docs = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    [before] = re.findall(r"```python litert\n(.+?)\ninterpreter =", docs, re.DOTALL)
    [code] = re.findall(r"```python onnx\n(.+?)```", docs, re.DOTALL)
    exec(before.replace("exported/ncbi", str(output)) + "\n" + code, {})
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (shown[0][0], shown[-1][0]) == ("[CLS]", "[SEP]")
    assert {label for _, label, _ in shown} <= set(ner_toys.LABELS)


def test_a_file_that_answers_otherwise_is_refused(tmp_path, monkeypatch):
    model = write_model(tmp_path / "model", "ner")
    found, made = served("ner", model)

    class Wrong:
        def __init__(self, *_, **__):
            pass

        def run(self, names, row):
            return [np.zeros((*row["input_ids"].shape, 5), np.float32) for _ in names]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(InputError, match=r"outputs differ by \S+ from TensorFlow's"):
        onnx.save(found, made, tmp_path)


def test_a_file_that_does_not_run_is_refused(tmp_path, monkeypatch):
    found, made = served("ner", write_model(tmp_path / "model", "ner"))

    def broken(*_, **__):
        raise onnxruntime.capi.onnxruntime_pybind11_state.Fail("no such node\nat 1")

    monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
    with pytest.raises(
        InputError, match=r"^--onnx: no valid ONNX was made: no such node$"
    ):
        onnx.save(found, made, tmp_path)


def test_what_cannot_be_made_is_refused_at_once(tmp_path, monkeypatch):
    settings = {"model": tmp_path / "model", "output": tmp_path / "export"}
    with pytest.raises(InputError, match="--onnx needs --dtype=float32, not bfloat16"):
        ExportConfig(**settings, onnx=True, dtype="bfloat16")
    write_model(tmp_path / "model", "ner")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"needs the package tf2onnx: pip install"):
        exporting.export(ExportConfig(**settings, onnx=True))
    assert not (tmp_path / "export").exists()
