"""The manifest is whole, and its counts are those of the real files."""

import json
from pathlib import Path

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest

FOUND = manifest.load()


def test_every_row_of_the_papers_tables_is_there():
    paper = json.loads(
        (Path(manifest.__file__).parent / "paper.json").read_text("utf-8")
    )
    for number, table in paper["tables"].items():
        rows = [r.name for r in FOUND.rows if r.table == int(number) and r.paper]
        assert sorted(rows) == sorted(table["rows"])
    columns = {name for row in FOUND.rows for name in row.paper}
    assert columns == {"SOTA", *(each.name for each in FOUND.columns)}


def test_the_papers_values_have_their_status():
    value = FOUND.row("NCBI-disease").paper["BioBERT v1.1 (+ PubMed)"]["f1"]
    assert (value.value, value.is_verified) == (89.71, True)
    # It contradicts its precision and recall.
    assert not FOUND.row("BC5CDR-disease").paper["BERT"]["f1"].is_verified


def test_a_value_that_is_verified_has_ratios_that_fit():
    for row in FOUND.rows:
        for column, values in row.paper.items():
            if set(values) != {"precision", "recall", "f1"} or column == "SOTA":
                continue
            if all(value.is_verified for value in values.values()):
                p, r, f = (values[x].value for x in ("precision", "recall", "f1"))
                assert abs(2 * p * r / (p + r) - f) < 0.02, (row.name, column)


def test_anchors_name_columns_and_have_settings():
    names = {each.name for each in FOUND.columns}
    anchors = [anchor for row in FOUND.rows for anchor in row.anchors]
    assert len(anchors) == 27
    for anchor in anchors:
        # Either it is clear what to compare it with, or why nothing is.
        assert (anchor.column in names) != bool(anchor.why)
        assert anchor.values or anchor.settings
    rerun = FOUND.row("BC5CDR-disease").anchors[0]
    assert rerun.values["f1"] == manifest.AnchorValue(85.7, 0.4, 5)
    assert rerun.settings["num_train_epochs"] == 30


def test_the_grid_is_the_papers():
    points = FOUND.grid_points()
    assert len(points) == 12
    assert {"train_batch_size": 64, "learning_rate": 1e-5} in points


def test_a_row_is_found_in_any_case():
    assert FOUND.row("ncbi-DISEASE").name == "NCBI-disease"
    with pytest.raises(InputError, match="no data set 'NCBI'; known: NCBI-disease, "):
        FOUND.row("NCBI")
