# SPDX-License-Identifier: Apache-2.0
"""Plots learning curves, and scores against the number of pre-training steps."""

import dataclasses
from collections.abc import Sequence
from typing import Final

from biobert_tf.reproduce.page import figure, links, wording
from biobert_tf.reproduce.page.blocks import Figure
from biobert_tf.reproduce.page.report import PretrainingPoint, Table

_WIDTH: Final = 760
_HEIGHT: Final = 300  # of the axes
_LEFT: Final = 56
_RIGHT: Final = 40
_CURVES: Final = "Each line is a run, scored while it trained."
_LOG_FROM: Final = 20  # the ratio of two numbers from which a scale is logarithmic


@dataclasses.dataclass(frozen=True)
class _Series:
    """Points that a line joins; each has x, y and a title. An empty label is hidden."""

    label: str
    look: figure.Look
    points: tuple[tuple[float, float, str], ...]


def curves(table: Table, position: int) -> Figure | None:
    """Returns the scores of a data set's runs while they trained, if any were kept."""
    row = table.rows[position]
    series = [
        _Series(
            cell.name if is_first else "",
            figure.look(i),
            tuple(
                (step, score, f"{run.name}: {wording.percent(score)} at {step:,.0f}")
                for step, score in run.curve
            ),
        )
        for i, cell in enumerate(row.cells)
        for is_first, run in _first([run for run in cell.runs if run.curve])
    ]
    if not series:
        return None
    title = f"Learning curves on {row.dataset}"
    name = f"curves-{links.row_id(table, position)}"
    return Figure(title, _CURVES, _plot(name, title, "Training step", series))


def pretraining(points: Sequence[PretrainingPoint]) -> Figure:
    """Returns the scores of checkpoints by data set."""
    datasets = dict.fromkeys(point.dataset for point in points)
    series = [
        _Series(
            dataset,
            figure.look(i),
            tuple(
                (point.steps, point.score, f"{point.model}: {point.score:.2f}")
                for point in sorted(points, key=lambda point: point.steps)
                if point.dataset == dataset
            ),
        )
        for i, dataset in enumerate(datasets)
    ]
    title = "Score against pre-training steps"
    return Figure(title, "", _plot("pretraining", title, "Pre-training steps", series))


def _first(things: list) -> list:
    return [(i == 0, thing) for i, thing in enumerate(things)]


def _plot(name: str, title: str, x_name: str, series: Sequence[_Series]) -> str:
    """Draws lines between points over two axes."""
    canvas = figure.Canvas(_WIDTH)
    entries = [(one.look, one.label) for one in series if one.label]
    top = canvas.legend(_LEFT, figure.FONT_SIZE, entries) + 2 * figure.FONT_SIZE
    bottom = top + _HEIGHT
    all_x = [x for one in series for x, _, _ in one.points]
    all_y = [y for one in series for _, y, _ in one.points]
    is_log = min(all_x) > 0 and max(all_x) >= _LOG_FROM * min(all_x)
    # On a logarithmic scale the ends are numbers of the data, which are above 0.
    ends = (min(all_x), max(all_x)) if is_log else figure.padded(all_x, 1)
    across = figure.Scale(*ends, _LEFT + 8, _WIDTH - _RIGHT, is_log)
    up = figure.Scale(*figure.padded(all_y, 1), bottom, top)
    for tick in up.ticks(6):
        canvas.line(_LEFT, up(tick), _WIDTH - _RIGHT, up(tick), "grid")
        label = figure.number(round(tick, 6))
        canvas.text(_LEFT - 8, up(tick) + 4, label, "end", "axis")
    for tick in across.ticks(6):
        if tick >= 0:
            canvas.line(across(tick), bottom, across(tick), bottom + 5, "grid")
            label = figure.number(round(tick, 6))
            canvas.text(across(tick), bottom + 20, label, "middle", "axis")
    canvas.line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, "base")
    for one in series:
        places = [(across(x), up(y)) for x, y, _ in one.points]
        canvas.path(places, one.look, one.label)
        for (x, y), (_, _, point_title) in zip(places, one.points, strict=True):
            canvas.mark(x, y, one.look, point_title)
    scale = ", logarithmic" if is_log else ""
    center = (_LEFT + _WIDTH - _RIGHT) / 2
    canvas.text(center, bottom + 40, f"{x_name}{scale}", "middle", "axis")
    canvas.text(0, top - 16, "Score, %", "start", "axis")
    said = "; ".join(
        f"{one.label or 'another run'}: {wording.percent(one.points[0][1])} at "
        f"{one.points[0][0]:,.0f} to {wording.percent(one.points[-1][1])} at "
        f"{one.points[-1][0]:,.0f}"
        for one in series
    )
    return canvas.svg(name, bottom + 50, title, f"{x_name}{scale}, and score. {said}.")
