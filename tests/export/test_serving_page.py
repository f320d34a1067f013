"""The requests of docs/serving.md, sent to a server."""

import json
import re
import urllib.request
from pathlib import Path

import classification_toys
import ner_toys
import numpy as np
import pytest
import serving_stand_in

import biobert_tf
from biobert_tf.cli import exporting
from biobert_tf.common import files
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folders of an exported NER and QA model, and one that rates pairs."""
    folder = tmp_path_factory.mktemp("served")
    rates = classification_toys.MODELS["regression_pairs"]
    classification_toys.write_model(folder / "classification", rates)
    ner_toys.write_model(folder / "ner")
    ner_toys.write_vocab(folder / "qa/vocab.txt")
    span = heads.SpanClassifier(ner_toys.STRONG, seed=1)
    ner_toys.save_model(span, ("start", "end"), folder / "qa")
    lengths = {"max_seq_length": 16, "max_query_length": 6, "doc_stride": 4}
    of_run = {"question_type": "factoid", **lengths}
    files.write_json(folder / "qa/settings.json", of_run)
    files.write_json(folder / "ner/settings.json", {"train_on": "train", **lengths})
    return {
        name: exporting.export(
            ExportConfig(
                model=folder / name,
                output=folder / "out" / name,
                max_seq_length=16,
                tokens=False,
            )
        )
        for name in ("ner", "qa", "classification")
    }


@pytest.fixture(scope="module")
def models(exported):
    return serving_stand_in.Models(**exported)


def entities(exported, text):
    """What the library finds in a text: entity, type, start, end and probability."""
    [found] = biobert_tf.load(exported["ner"], device="cpu").annotate([text])
    return [(e.text, e.type, e.start, e.end, e.probability) for e in found]


ENTITY = ("entities", "entity_types", "entity_starts", "entity_ends")


def check_entities(row, expected):
    """Compares a row of outputs, padded to the longest row, with `entities`."""
    assert expected
    pad = len(row["entities"]) - len(expected)
    expected = [*expected, *[("", "", -1, -1, 0)] * pad]
    *places, probabilities = zip(*expected, strict=True)
    assert [[*row[name]] for name in ENTITY] == [[*values] for values in places]
    assert row["entity_probabilities"] == pytest.approx(probabilities, abs=1e-5)


def test_rest(exported, models):
    requests = re.findall(r"```json (\w+)\n(.+?)\n```", PAGE, re.DOTALL)
    answers = []
    with serving_stand_in.rest_server(models) as address:
        for name, body in requests:
            url = f"{address}/v1/models/{name}:predict"
            with urllib.request.urlopen(url, body.encode()) as response:
                answers.append(json.load(response))
    bodies = [json.loads(body) for _, body in requests]
    rows, columns, ids, qa, pairs = answers
    words = ["BRCA1", "is", "mutated", "in", "breast", "cancer", "."]
    assert [row["words"] for row in rows["predictions"]] == [
        words,
        ["aspirin", *[""] * 6],
    ]
    for text, row in zip(bodies[0]["instances"], rows["predictions"], strict=True):
        check_entities(row, entities(exported, text))
    assert columns["outputs"]["words"] == [["aspirin", "helps"]]
    [text] = bodies[1]["inputs"]["text"]
    row = {name: values[0] for name, values in columns["outputs"].items()}
    check_entities(row, entities(exported, text))
    [labels], [probabilities] = (
        ids["outputs"]["labels"],
        ids["outputs"]["probabilities"],
    )
    assert labels == [ner_toys.LABELS[np.argmax(p)] for p in probabilities]
    assert np.sum(probabilities, axis=-1) == pytest.approx([1, 1, 1])
    asked = bodies[3]["instances"][0]
    [best] = biobert_tf.load(exported["qa"], device="cpu").answer(
        asked["question"], asked["context"], num_answers=1
    )
    [answer] = qa["predictions"]
    assert answer["answer"] == best.text
    assert asked["context"][answer["start"] : answer["end"]] == best.text
    assert answer["probability"] == pytest.approx(best.probability, abs=1e-5)
    [given], [answer] = bodies[4]["instances"], pairs["predictions"]
    loaded = classification_toys.load(exported["classification"])
    values = ([given["text"]], [given["pair"]])
    _, _, [rated] = classification_toys.predicted(loaded, *values)
    assert answer["num_windows"] == 1
    assert answer["value"] == pytest.approx(rated.value, abs=1e-5)


def test_grpc(exported, models):
    [code] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    with serving_stand_in.grpc_server(models) as address:
        names = {}
        exec(code.replace("localhost:8500", address), names)
    found = entities(exported, "aspirin helps")
    assert [[text.decode() for text in row] for row in names["entities"]] == [
        [text for text, *_ in found]
    ]
