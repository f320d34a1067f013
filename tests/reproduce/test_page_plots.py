# SPDX-License-Identifier: Apache-2.0
"""Plots: numbers are where the scale says, and all of them are there."""

import xml.etree.ElementTree as ElementTree

import pytest
import report_toys as toys

from biobert_tf.reproduce.page import figure, plots, report, score_plot

NAME = "{http://www.w3.org/2000/svg}"


def tree(picture):
    """The elements of a plot, which is XML too."""
    root = ElementTree.fromstring(picture.svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    for mark in root.iter(f"{NAME}circle"):
        assert 0 <= float(mark.get("cx")) <= width
        assert 0 <= float(mark.get("cy")) <= height
    for text in root.iter(f"{NAME}text"):
        assert 0 <= float(text.get("x")) <= width
        assert 0 <= float(text.get("y")) <= height
    return root


def titles(root):
    """The titles of marks and lines, in order."""
    return [one.text for one in root.iter(f"{NAME}title")][1:]


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (figure.Scale(79.3, 91.2, 0, 100), [80, 82, 84, 86, 88, 90]),
        (figure.Scale(0, 1, 0, 100), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (figure.Scale(1e4, 1e6, 0, 100, True), [1e4, 5e4, 2e5, 1e6]),
        (figure.Scale(3e5, 4e5, 0, 100, True), []),
    ],
)
def test_ticks_are_round(scale, ticks):
    assert scale.ticks(6) == pytest.approx(ticks)


def test_scales():
    assert figure.Scale(80, 90, 100, 300)(85) == 200
    assert figure.Scale(100, 10_000, 0, 200, is_log=True)(1000) == pytest.approx(100)
    assert figure.padded([5.0], 1) == (4.5, 5.5)
    assert figure.padded([0.0, 100.0], 1) == (-5.0, 105.0)


def test_scores_of_a_table():
    table = report.read(toys.report()).tables[0]
    root = tree(score_plot.scores(table))
    said = titles(root)
    assert "BioBERT v1.0 (+ PubMed): 87.38\u2020" in said
    assert f"{toys.BMC}: 88.63\u00a0\u00b1\u00a00.71" in said
    assert "biobert-v1.1, fixed: 88.35\u00a0\u00b1\u00a00.71" in said
    assert said.count("seed-1") == 3  # three models have a run
    texts = [text.text for text in root.iter(f"{NAME}text")]
    assert "2\u00a0to\u00a0do" in texts
    assert "linnaeus" not in texts
    description = root.find(f"{NAME}desc").text
    assert "NCBI-disease, minilm, fixed: 80.99" in description


def test_better_scores_are_further_right():
    table = report.read(toys.report()).tables[1]
    root = tree(score_plot.scores(table))
    places = [
        (float(line.get("x1")), line.find(f"{NAME}title").text)
        for line in root.iter(f"{NAME}line")
        if line.find(f"{NAME}title") is not None
    ]
    assert [name for _, name in sorted(places)] == [
        f"seed-{seed}-fold-{fold}" for fold in (1, 2, 3) for seed in (1, 2)
    ]


def test_intervals_are_averaged():
    cell = report.read(toys.report()).tables[0].rows[0].cells[0]
    ends = score_plot.mean_interval(cell, "f1")
    assert ends == pytest.approx((88.35 - 2.25, 88.35 + 2.0))


def test_learning_curves():
    table = report.read(toys.report()).tables[0]
    root = tree(plots.curves(table, 0))
    lines = list(root.iter(f"{NAME}polyline"))
    assert len(lines) == 3  # runs
    assert len({line.get("stroke-dasharray") for line in lines}) == 2  # models
    x = [float(pair.split(",")[0]) for pair in lines[0].get("points").split()]
    assert x == sorted(x) and x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    assert plots.curves(table, 1) is None


@pytest.mark.parametrize(
    ("steps", "is_log"), [([10_000, 1_000_000], True), ([0, 9], False), ([5], False)]
)
def test_pretraining(steps, is_log):
    points = [
        report.PretrainingPoint(model=f"m{one}", steps=one, dataset="d", score=80.0)
        for one in reversed(steps)
    ]
    root = tree(plots.pretraining(points))
    assert [one for one in titles(root) if one.startswith("m")] == [
        f"m{one}: 80.00" for one in steps
    ]
    texts = [text.text for text in root.iter(f"{NAME}text")]
    assert ("Pre-training steps, logarithmic" in texts) == is_log


def test_series_differ_without_colour():
    looks = [figure.look(i) for i in range(6)]
    assert len({(one.shape, one.dashes) for one in looks}) == len(looks)


def test_a_plot_shows_what_can_be_shown():
    """No score of ours: no plot. One run without a summary: its stroke."""
    table = report.read(toys.empty()).tables[0]
    assert score_plot.scores(table) is None
    values = toys.report()
    cell = values["tables"][1]["rows"][0]["cells"][0]
    cell["summary"], cell["runs"] = {}, cell["runs"][:1]
    root = tree(score_plot.scores(report.read(values).tables[1]))
    assert "no result" in [text.text for text in root.iter(f"{NAME}text")]
    assert "seed-1-fold-1" in titles(root)
