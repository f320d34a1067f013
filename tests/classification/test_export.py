"""Exports of classifiers: every form and signature says what a run predicts."""

import re
from pathlib import Path

import classification_toys as toys
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from biobert_tf.classification import tasks
from biobert_tf.cli import exporting
from biobert_tf.common import files
from biobert_tf.export import client, litert, model_card, onnx
from biobert_tf.export.settings import ExportConfig
from biobert_tf.training import records

# Two of these read pairs, two the mean.
NAMES = ("single_mean", "multi_pairs", "regression", "regression_pairs_cut")
OUTPUTS = {
    "single": {"label", "probabilities"},
    "multi": {"is_label", "probabilities"},
    "regression": {"value"},
}


@pytest.fixture(scope="module", params=NAMES)
def exported(request, tmp_path_factory):
    """What a model is, its folder, and its export in all forms."""
    folder = tmp_path_factory.mktemp(request.param)
    model = toys.write_model(folder / "model", toys.MODELS[request.param])
    config = ExportConfig(
        model=model, output=folder / "export", litert="both", onnx=True, tokens=False
    )
    exporting.export(config)
    return toys.MODELS[request.param], model, folder / "export"


def short(model, folder):
    """Texts of one row, the rows, and what a run predicts for them."""
    words = ["aspirin helps", "Liver cancer .", "zebra", "nephritis", "", "helps helps"]
    pairs = words[::-1] if model.has_pairs else None
    loaded = toys.load(folder)
    _, rows, predictions = toys.predicted(loaded, words, pairs)
    assert len(rows) == len(words)
    given = {"text": words} | ({"pair": pairs} if pairs else {})
    task, _ = tasks.of_model(loaded)
    return given, [row.features for row in rows], predictions, task.specs


def numbers(model, predictions):
    """The numbers that a model predicts, under the name that exports give them."""
    if model.target == "regression":
        return "value", np.array([each.value for each in predictions])
    return "probabilities", np.array([each.probabilities for each in predictions])


def test_every_signature_says_the_same(exported):
    model, folder, export = exported
    given, rows, predictions, specs = short(model, folder)
    name, wanted = numbers(model, predictions)
    read = client.ExportedModel(export)
    assert read.kind == "classification"
    of_text = read(**given)
    assert set(of_text) == {*OUTPUTS[model.target], "num_windows"}
    np.testing.assert_allclose(of_text[name], wanted, rtol=0, atol=1e-5)
    of_ids = read.score(**inputs(rows))
    path = export.parent / "records"
    records.write(path, rows, specs)
    serialized = [each.numpy() for each in tf.data.TFRecordDataset(str(path))]
    of_records = read._loaded.signatures["examples"](examples=tf.constant(serialized))
    for found in (of_ids, of_records):
        assert set(found) == OUTPUTS[model.target]
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-5)
    if model.target == "single":
        told = [each.labels[0] for each in predictions]
        assert told == of_text["label"].tolist() == of_ids["label"].tolist()
    if model.target == "multi":
        told = [
            [label in each.labels for label in model.labels] for each in predictions
        ]
        assert told == of_text["is_label"].tolist() == of_ids["is_label"].tolist()


def test_litert_and_onnx_say_the_same(exported):
    model, folder, export = exported
    _, rows, predictions, _ = short(model, folder)
    name, wanted = numbers(model, predictions)
    session = onnxruntime.InferenceSession(str(export / onnx.FILE))
    names = [each.name for each in session.get_outputs()]
    found = [dict(zip(names, session.run(names, inputs(rows)), strict=True))]
    for form in (litert.FLOAT, litert.INT8):
        runner = Interpreter(str(export / form)).get_signature_runner("tokens")
        found.append(runner(**inputs(rows)))
    for outputs in found:
        assert set(outputs) == OUTPUTS[model.target] - {"label"}
        np.testing.assert_allclose(outputs[name], wanted, rtol=0, atol=1e-5)
        if model.target == "multi":
            assert outputs["is_label"].tolist() == [
                [label in each.labels for label in model.labels] for each in predictions
            ]


def inputs(rows):
    """Rows as the signature of ids takes them."""
    names = ("input_ids", "input_mask", "segment_ids")
    return {name: np.array([row[name] for row in rows], np.int32) for name in names}


def test_the_card_says_what_is_told(exported):
    model, _, export = exported
    card = files.read_json(export / model_card.JSON)
    assert card["labels"] == list(model.labels)
    answers = card["answers"]
    assert answers["target"] == model.target
    assert answers["pairs_of_texts"] is model.has_pairs
    page = (export / model_card.MARKDOWN).read_text("utf-8")
    assert f"| Target | {model.target} |" in page
    assert f"| Labels | {', '.join(model.labels)} |" in page
    assert f"| Pairs of texts | {'yes' if model.has_pairs else 'no'} |" in page
    if model.target == "regression":
        assert answers["thresholds"] == {}
        assert "Thresholds" not in page
    elif model.target == "single":
        assert answers["thresholds"] == {"good": 0.2}
        assert "| Thresholds | good 0.2 |" in page
    else:
        assert answers["thresholds"] == dict.fromkeys(toys.LABELS, 0.5)
        assert "| Thresholds | bad 0.5, good 0.5, ill 0.5 |" in page


def test_an_export_is_a_model_that_predicts_alike(exported):
    """Also after it was exported again, with pairs and thresholds."""
    model, folder, export = exported
    config = ExportConfig(model=export, output=export.parent / "again", tokens=False)
    pairs = toys.texts(2, 20) if model.has_pairs else None
    found = [
        numbers(model, toys.predicted(toys.load(place), toys.texts(1, 20), pairs)[2])[1]
        for place in (folder, export, exporting.export(config))
    ]
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_the_example_of_the_page_runs(tmp_path, capsys):
    model = toys.write_model(tmp_path / "model", toys.MODELS["multi"])
    output = tmp_path / "out"
    exporting.export(ExportConfig(model=model, output=output, tokens=False))
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    [code] = re.findall(r"```python classification\n(.+?)```", page, re.DOTALL)
    names = {}
    exec(code.replace("exported/hoc", str(output)), names)
    _, _, predictions = toys.predicted(toys.load(model), names["texts"])
    shown = capsys.readouterr().out.splitlines()
    for text, each, line in zip(names["texts"], predictions, shown, strict=True):
        pairs = zip(toys.LABELS, each.probabilities, strict=True)
        told = [f"{label} {p:.2f}" for label, p in pairs if label in each.labels]
        assert line == f"{text} {told}"
    assert any(each.labels for each in predictions)


@pytest.mark.parametrize("name", NAMES)
def test_openvino_predicts_alike(name, tmp_path):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    model = toys.MODELS[name]
    toys.write_model(tmp_path, model)
    pairs = toys.texts(2, 20) if model.has_pairs else None
    found = []
    for engine in ("tensorflow", "openvino"):
        loaded = toys.load(tmp_path, engine=engine)
        _, _, predictions = toys.predicted(loaded, toys.texts(1, 20), pairs)
        found.append(numbers(model, predictions)[1])
    np.testing.assert_allclose(*found, rtol=0, atol=1e-5)
