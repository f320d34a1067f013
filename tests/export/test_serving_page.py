"""The requests of docs/serving.md, sent to a server."""

import json
import re
import urllib.request
from pathlib import Path

import ner_toys
import pytest
import serving_stand_in

from biobert_tf.cli import exporting
from biobert_tf.common import files
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    ner_toys.write_model(folder / "ner")
    ner_toys.write_vocab(folder / "qa/vocab.txt")
    span = heads.SpanClassifier(ner_toys.CONFIG, seed=1)
    ner_toys.save_model(span, ("start", "end"), folder / "qa")
    lengths = {"max_query_length": 6, "doc_stride": 4}
    files.write_json(folder / "qa/settings.json", lengths)
    exported = {
        name: exporting.export(
            ExportConfig(
                model=folder / name,
                output=folder / "out" / name,
                max_seq_length=16,
                tokens=False,
            )
        )
        for name in ("ner", "qa")
    }
    return serving_stand_in.Models(**exported)


def test_rest(models):
    requests = re.findall(r"```json (\w+)\n(.+?)\n```", PAGE, re.DOTALL)
    answers = []
    with serving_stand_in.rest_server(models) as address:
        for name, body in requests:
            url = f"{address}/v1/models/{name}:predict"
            with urllib.request.urlopen(url, body.encode()) as response:
                answers.append(json.load(response))
    rows, columns, ids, qa = answers
    words = ["BRCA1", "is", "mutated", "in", "breast", "cancer", "."]
    assert [row["words"] for row in rows["predictions"]] == [
        words,
        ["aspirin", *[""] * 6],
    ]
    assert columns["outputs"]["words"] == [["aspirin", "helps"]]
    assert len(ids["outputs"]["labels"][0]) == 3
    assert qa["predictions"][0]["answer"] in "BRCA1 is mutated."


def test_grpc(models):
    [code] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    with serving_stand_in.grpc_server(models) as address:
        names = {}
        exec(code.replace("localhost:8500", address), names)
    assert names["entities"].shape[0] == 1
