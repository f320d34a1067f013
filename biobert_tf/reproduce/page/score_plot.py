# SPDX-License-Identifier: Apache-2.0
"""Plots the main score of each data set of a table: the paper, reruns and ours."""

import statistics
from collections.abc import Iterator
from typing import Final

from biobert_tf.reproduce.page import figure, links, wording
from biobert_tf.reproduce.page.blocks import Figure
from biobert_tf.reproduce.page.report import Cell, Row, Table

_WIDTH: Final = 760
_LEFT: Final = 210
_RIGHT: Final = 24
_STEP: Final = 22  # between two lines of a data set
_GAP: Final = 12  # above a data set
_RERUN: Final = figure.Look("cross", "paper")
_NOTE: Final = (
    "Hollow marks are the paper's, dashed ones unverified. Filled marks are means of "
    "ours: upright strokes are single runs, the long line is the 95 % interval of a "
    "run, averaged over the runs."
)


def scores(table: Table) -> Figure | None:
    """Returns the plot of the data sets that have a score of ours, if any has."""
    rows = [row for row in table.rows if any(_runs(row, table.main))]
    if not rows:
        return None
    return Figure(_title(table), _NOTE, _Plot(table, rows).svg())


def _title(table: Table) -> str:
    metric = wording.metric(table.main)
    return f"{table.label}: {metric} of each data set, in percent"


def _runs(row: Row, metric: str) -> Iterator[float]:
    """Yields the scores of our runs on a data set."""
    for cell in row.cells:
        yield from (run.scores[metric] for run in cell.runs if metric in run.scores)


def mean_interval(cell: Cell, metric: str) -> tuple[float, float] | None:
    """Returns the 95 % interval of a run, its ends averaged over the runs."""
    found = [run.interval_95.get(metric) for run in cell.runs]
    ends = [pair for pair in found if pair is not None]
    if not ends:
        return None
    return statistics.fmean(low for low, _ in ends), statistics.fmean(
        high for _, high in ends
    )


class _Plot:
    """One picture while it is drawn."""

    def __init__(self, table: Table, rows: list[Row]) -> None:
        self._table, self._rows, self._metric = table, rows, table.main
        columns = dict.fromkeys(name for row in rows for name in row.paper)
        names = dict.fromkeys(cell.name for row in rows for cell in row.cells)
        # The last of the shapes is that of reruns.
        shapes = figure.SHAPES[:-1]
        self._paper = {
            name: figure.Look(shapes[i % len(shapes)], f"hollow p{i // len(shapes)}")
            for i, name in enumerate(columns)
        }
        self._ours = {name: figure.look(i) for i, name in enumerate(names)}
        low, high = figure.padded(
            [value for row in rows for value in self._all(row)], 2
        )
        ends = max(0.0, low), min(100.0, high)
        self._x = figure.Scale(*ends, _LEFT, _WIDTH - _RIGHT)
        self._canvas = figure.Canvas(_WIDTH)
        self._said: list[str] = []

    def _all(self, row: Row) -> Iterator[float]:
        """Yields every number that is drawn for a data set."""
        metric = self._metric
        yield from (
            paper[metric].value for paper in row.paper.values() if metric in paper
        )
        for anchor in row.anchors:
            if metric in anchor.values:
                value = anchor.values[metric]
                yield from (
                    value.mean - (value.std or 0),
                    value.mean + (value.std or 0),
                )
        for cell in row.cells:
            yield from mean_interval(cell, metric) or ()
        yield from _runs(row, metric)

    def svg(self) -> str:
        """Draws everything."""
        entries = [(one, f"paper: {name}") for name, one in self._paper.items()]
        entries.append((_RERUN, "rerun by others \u00b1 its standard deviation"))
        entries += [(one, f"ours: {name}") for name, one in self._ours.items()]
        top = self._canvas.legend(4, figure.FONT_SIZE, entries) + 8
        bottom = top + sum(map(self._height, self._rows))
        for tick in self._x.ticks(8):
            x = self._x(tick)
            self._canvas.line(x, top, x, bottom, "grid")
            label = figure.number(round(tick, 6))
            self._canvas.text(x, bottom + 18, label, "middle", "axis")
        y = top
        for row in self._rows:
            self._row(row, y)
            y += self._height(row)
        self._canvas.line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, "base")
        name = f"scores-{links.table_id(self._table)}"
        said = "; ".join(self._said)
        return self._canvas.svg(name, bottom + 26, _title(self._table), f"{said}.")

    def _height(self, row: Row) -> float:
        num_lines = 2 + bool(row.anchors) + len(row.cells)
        return num_lines * _STEP + _GAP

    def _row(self, row: Row, y: float) -> None:
        """Draws a data set below y."""
        y += _GAP + _STEP / 2
        self._canvas.text(4, y, figure.shortened(row.dataset, _WIDTH / 2), kind="name")
        y += _STEP
        self._label(y, "paper")
        for name, paper in row.paper.items():
            if self._metric in paper:
                one, value = self._paper[name], paper[self._metric]
                kind = one.kind if value.is_verified else f"{one.kind} unverified"
                title = f"{name}: {wording.published(value)}"
                shape = figure.Look(one.shape, kind)
                self._canvas.mark(self._x(value.value), y, shape, title)
        if row.anchors:
            y += _STEP
            self._reruns(row, y)
        for cell in row.cells:
            y += _STEP
            self._cell(row, cell, y)

    def _reruns(self, row: Row, y: float) -> None:
        self._label(y, "reruns")
        for anchor in row.anchors:
            if self._metric in anchor.values:
                value = anchor.values[self._metric]
                title = f"{anchor.source}: {wording.spread(value)}"
                self._whisker(
                    value.mean - (value.std or 0), value.mean + (value.std or 0), y
                )
                self._canvas.mark(self._x(value.mean), y, _RERUN, title)

    def _cell(self, row: Row, cell: Cell, y: float) -> None:
        """Draws the mean, the runs and the interval of a model."""
        one = self._ours[cell.name]
        self._label(y, cell.name)
        ends = mean_interval(cell, self._metric)
        if ends is not None:
            self._canvas.line(
                self._x(ends[0]), y, self._x(ends[1]), y, f"ends {one.kind}"
            )
        for run in cell.runs:
            if self._metric in run.scores:
                x = self._x(run.scores[self._metric])
                self._canvas.line(x, y - 8, x, y + 8, f"ends {one.kind}", run.name)
        summary = cell.summary.get(self._metric)
        if summary is None:
            said = wording.counts(cell.unfinished()) or "no result"
            self._canvas.text(_LEFT + 4, y + 4, said, kind="axis")
        else:
            said = wording.spread(summary)
            self._canvas.mark(self._x(summary.mean), y, one, f"{cell.name}: {said}")
        self._said.append(f"{row.dataset}, {cell.name}: {said}")

    def _label(self, y: float, words: str) -> None:
        self._canvas.text(16, y + 4, figure.shortened(words, _LEFT - 20))

    def _whisker(self, low: float, high: float, y: float) -> None:
        self._canvas.line(self._x(low), y, self._x(high), y, "paper")
