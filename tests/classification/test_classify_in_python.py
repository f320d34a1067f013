# SPDX-License-Identifier: Apache-2.0
"""`biobert_tf.load(path).classify`, with models of `biobert classification`."""

import doctest
import json
import re
from pathlib import Path

import numpy as np
import pytest

import biobert_tf
from biobert_tf.cli import exporting
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export.client import ExportedModel
from biobert_tf.export.settings import ExportConfig

PAGE = Path(__file__).parents[2] / "docs" / "classification.md"
CPU = DeviceConfig(strategy="cpu")


def load(path, **more):
    return biobert_tf.load(path, device=CPU, batch_size=4, **more)


def predicted(path):
    lines = (path / "predictions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def classify(model, rows):
    pairs = [row["pair"] for row in rows] if "pair" in rows[0] else None
    return model.classify([row["text"] for row in rows], pairs)


def require_same(found, wanted):
    """Checks results against rows of predictions.jsonl, which have six digits."""
    assert len(found) == len(wanted)
    for one, row in zip(found, wanted, strict=True):
        values = one.to_dict()
        assert (one.text, one.pair) == (row["text"], row.get("pair"))
        for name in {"label", "labels", "value", "probabilities"} & row.keys():
            is_exact = name.startswith("label")
            exact = row[name] if is_exact else pytest.approx(row[name], abs=2e-6)
            assert values[name] == exact


@pytest.mark.parametrize("name", ["single", "multi", "pair"])
def test_as_the_predictions_of_the_run(models, name):
    model = load(models[name])
    assert model.kind == "classification"
    assert "<code>classify</code> and <code>embed</code>" in model._repr_html_()
    wanted = predicted(models[name])
    found = classify(model, wanted)
    assert isinstance(found, biobert_tf.Classifications)
    require_same(found, wanted)
    # In another order, and alone.
    require_same(classify(model, wanted[::-1]), wanted[::-1])
    require_same(classify(model, wanted[2:]), wanted[2:])
    assert model.classify([], [] if name == "pair" else None) == []


@pytest.mark.parametrize("name", ["single", "multi", "pair"])
def test_an_export_gives_the_same(models, tmp_path, name):
    wanted = predicted(models[name])
    exported = exporting.export(
        ExportConfig(model=models[name], output=tmp_path / "out", tokens=False)
    )
    model = load(exported)
    assert model.kind == "classification"
    require_same(classify(model, wanted), wanted)
    # The graph takes strings without any of our code.
    texts = {
        key: [row[key] for row in wanted]
        for key in ("text", "pair")[: 1 + (name == "pair")]
    }
    said = ExportedModel(exported)(**texts)
    if name == "pair":
        np.testing.assert_allclose(
            said["value"], [x["value"] for x in wanted], atol=2e-5
        )
    else:
        rows = [[*row["probabilities"].values()] for row in wanted]
        np.testing.assert_allclose(said["probabilities"], rows, atol=2e-5)


def test_pairs_where_there_should_be_none(models):
    single, pair = load(models["single"]), load(models["pair"])
    with pytest.raises(InputError, match=r"^the model reads single texts$"):
        single.classify(["a"], ["b"])
    with pytest.raises(
        InputError, match=r"^the model reads pairs of texts: give pairs$"
    ):
        pair.classify(["a"])
    with pytest.raises(InputError, match=r"^2 texts, but 1 pairs$"):
        pair.classify(["a", "b"], ["c"])
    for texts, pairs in (("a", ["b"]), (["a"], "b")):
        with pytest.raises(TypeError, match="want a list of texts, not one text"):
            pair.classify(texts, pairs)


def test_another_engine_gives_the_same(models):
    pytest.importorskip("openvino", reason="openvino is not installed")
    wanted = predicted(models["single"])
    require_same(classify(load(models["single"], engine="openvino"), wanted), wanted)


def test_the_examples_of_the_page(models, tmp_path, monkeypatch):
    names = {"single": "one-label", "multi": "several-labels", "pair": "similarity"}
    (tmp_path / "runs").mkdir()
    for kind, name in names.items():
        (tmp_path / "runs" / name).symlink_to(models[kind])
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    test = doctest.DocTestParser().get_doctest(
        "\n".join(blocks), {}, PAGE.name, str(PAGE), 0
    )
    told = []
    found = doctest.DocTestRunner().run(test, out=told.append)
    assert not found.failed, "".join(told)
    assert found.attempted >= 10
