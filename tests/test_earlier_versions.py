# SPDX-License-Identifier: Apache-2.0
"""Models and exports that each version wrote are loaded, and give what they gave.

`fixtures/make.py` has written them, once for a version.
"""

import importlib.util
import tarfile
from pathlib import Path

import numpy as np
import pytest

import biobert_tf
from biobert_tf.common import files

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def make():
    """The module that made the fixtures."""
    found = importlib.util.spec_from_file_location("make", FIXTURES / "make.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_this_version_is_kept():
    assert biobert_tf.__version__ in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["model", "export.tar.gz"])
def test_weights_give_what_they_gave(version, name, make):
    recorded = files.read_json(FIXTURES / version / "outputs.json")
    found = make.outputs(FIXTURES / version / name)
    assert len(found["entities"]) == len(recorded["entities"]) > 0
    for one, before in zip(found["entities"], recorded["entities"], strict=True):
        chance = before.pop("probability")
        assert one.pop("probability") == pytest.approx(chance, abs=1e-5)
        assert one == before
    np.testing.assert_allclose(found["vector"], recorded["vector"], atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_graph_of_an_export_runs(version, make, tmp_path):
    from biobert_tf.export.client import ExportedModel

    with tarfile.open(FIXTURES / version / make.EXPORT) as archive:
        archive.extractall(tmp_path, filter="data")
    model = ExportedModel(tmp_path / "export")
    assert model.kind == "ner"
    recorded = files.read_json(FIXTURES / version / "outputs.json")["entities"]
    found = model(text=[make.TEXT])
    assert [str(one) for one in found["entity_types"].ravel()] == [
        entity["type"] for entity in recorded
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_small_and_names_no_computer(version):
    kept = [path for path in (FIXTURES / version).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < MOST_BYTES
    for path in kept:
        for place in (b"/home/", b"/root/", b"/tmp/"):
            assert place not in path.read_bytes()
