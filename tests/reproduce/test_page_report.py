# SPDX-License-Identifier: Apache-2.0
"""Reading report.json: types, and messages about bad ones."""

import json

import pytest
import report_toys as toys

from biobert_tf.common.errors import InputError
from biobert_tf.reproduce.page import parsing, report


def test_everything_is_read():
    found = report.read(toys.report())
    row = found.tables[0].rows[0]
    assert found.machine.devices == ("CPU",)
    assert row.test_size == {"sentences": 940, "mentions": 960}
    assert row.paper["BERT"]["f1"] == report.Published(
        value=85.63, status="secondary source", source=None
    )
    assert not row.paper["BioBERT v1.0 (+ PubMed)"]["f1"].is_verified
    assert row.anchors[0].values["f1"] == report.Spread(mean=88.63, std=0.71, n=5)
    cell = row.cells[0]
    assert cell.settings == {"learning_rate": "5e-05", "num_train_epochs": "20.0"}
    assert cell.summary["f1"].best == 88.85
    assert cell.unfinished() == {"failed": 1, "stopped": 1, "to do": 1}
    assert cell.runs[0].interval_95["f1"] == (87.85 - 2.25, 87.85 + 2.0)
    assert cell.runs[0].curve[-1] == (300.0, 87.0)
    assert row.comparisons[0].p_value == 0.0002


def at(place):
    """The object of a report that holds a member, and the member's key."""
    values = whole = toys.report()
    *path, last = place
    for key in path:
        values = values[key]
    return whole, values, last


ROW = ("tables", 0, "rows", 0)
RUN = (*ROW, "cells", 0, "runs", 0)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("title",), 3, "title is 3; it must be a text"),
        (("tables",), {}, "tables is {}; it must be a list"),
        (("machine",), [], "machine is []; it must be an object"),
        (("wall_seconds",), float("nan"), "wall_seconds is nan; it must be a finite"),
        (("wall_seconds",), True, "wall_seconds is True; it must be a finite number"),
        (("machine", "processors"), 2.0, "must be a whole number"),
        (
            (*ROW, "status"),
            "lost",
            "tables[0].rows[0].status is 'lost'; it must be one",
        ),
        ((*ROW, "counts_agree"), 1, "it must be true or false"),
        ((*RUN, "seed"), "1", "tables[0].rows[0].cells[0].runs[0].seed is '1'"),
        ((*RUN, "scores", "f1"), None, "runs[0].scores.f1 is None"),
        ((*RUN, "interval_95", "f1"), [1.0], "it must be a list of 2"),
        (("tables", 0, "main"), "mrr", "tables[0]: main is 'mrr'; it must be one of"),
        (("tables", 1, "number"), 6, "tables: number 6 is there twice"),
        (("pretraining_curve", 0, "steps"), -1, "steps is -1; it must be at least 0"),
        (("title",), ["x" * 100], "title is ['xxx"),
    ],
)
def test_a_bad_value_is_named(place, value, message):
    whole, values, key = at(place)
    values[key] = value
    with pytest.raises(InputError) as error:
        report.read(whole)
    assert message in str(error.value)
    assert len(str(error.value)) < 150


def test_a_missing_member_is_named():
    whole, values, key = at((*RUN, "status"))
    del values[key]
    with pytest.raises(InputError, match=r"cells\[0\]\.runs\[0\]\.status is missing"):
        report.read(whole)


def test_what_a_later_version_adds_is_ignored():
    whole = toys.report() | {"colour": "red"}
    assert report.read(whole) == report.read(toys.report())


def test_the_file_is_named(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(toys.report() | {"title": None}), "utf-8")
    with pytest.raises(InputError) as error:
        report.read(path)
    assert str(error.value) == f"{path}: title is None; it must be a text"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\n two\t three ", "one two three"),
        ("a\u202eb", "a[U+202E]b"),
        ("a\x00b\ud800", "a[U+0000]b[U+D800]"),
        (
            "\u05e2\u05d1\u05e8\u05d9\u05ea \u200d",
            "\u05e2\u05d1\u05e8\u05d9\u05ea \u200d",
        ),
    ],
)
def test_nothing_is_invisible(text, shown):
    assert parsing.one_line(text) == shown
