# SPDX-License-Identifier: Apache-2.0
"""Writes every number of a report as one line of a CSV file, for other programs.

The first line names the columns; `kind` says what a line is: `data set` (its status),
`finding` (of a check of its files), `paper`, `rerun`, `summary` (ours), `run`,
`grid run` (scored on development data), `verdict`, `comparison`, `pre-training` or
`average` (of a benchmark, over `n` data sets; its status says of how many).
Numbers have up to four decimals. A text that a spreadsheet would take for a formula
begins with an apostrophe.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final, TypeAlias

from biobert_tf.reproduce.page.report import Cell, Report, Row, Run

COLUMNS: Final = (
    *("table", "dataset", "kind", "model", "compat", "column", "seed", "fold"),
    *("metric", "value", "std", "n", "best", "low", "high", "status", "against"),
    *("difference", "tolerance", "p_value", "steps", "seconds", "device", "started"),
    *("folder", "command", "why"),
)
_Line: TypeAlias = dict[str, object]


def text(report: Report) -> str:
    """Returns the file."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for line in _lines(report):
        writer.writerow({name: _safe(value) for name, value in line.items()})
    return stream.getvalue()


def _lines(report: Report) -> Iterator[_Line]:
    for table in report.tables:
        for row in table.rows:
            place = {"table": table.number, "dataset": row.dataset}
            for line in (*_data_set(row), *_published(row), *_ours(row)):
                yield {**place, **line}
    yield from (
        {**line, "dataset": "SQuAD"} for run in report.squad for line in _run(run)
    )
    yield from _averages(report)
    for point in report.pretraining_curve:
        yield {
            "dataset": point.dataset,
            "kind": "pre-training",
            "model": point.model,
            "steps": point.steps,
            "value": point.score,
        }


def _averages(report: Report) -> Iterator[_Line]:
    for several in report.averages:
        for one in several.averages:
            yield {
                "dataset": one.name,
                "kind": "average",
                "model": several.model,
                "compat": several.compat,
                "value": one.mean,
                "n": one.num_sets,
                "status": f"of {one.of_sets}",
            }


def _data_set(row: Row) -> Iterator[_Line]:
    yield {"kind": "data set", "status": row.status, "why": row.why}
    for finding in row.card:
        numbers = {"value": finding.count, "n": finding.of}
        said = {"status": finding.finding, "why": finding.text}
        yield {"kind": "finding", **numbers, **said}


def _published(row: Row) -> Iterator[_Line]:
    for column, metrics in row.paper.items():
        for metric, value in metrics.items():
            yield {
                "kind": "paper",
                "column": column,
                "metric": metric,
                "value": value.value,
                "status": value.status,
                "why": value.source,
            }
    for anchor in row.anchors:
        for metric, spread in anchor.values.items():
            numbers = {"value": spread.mean, "std": spread.std, "n": spread.n}
            yield {"kind": "rerun", "metric": metric, **numbers, "why": anchor.source}


def _ours(row: Row) -> Iterator[_Line]:
    for cell in row.cells:
        model = {"model": cell.model, "compat": cell.compat, "column": cell.column}
        for line in _cell(cell):
            yield {**model, **line}
        for run in cell.grid:
            yield from ({**model, **line, "kind": "grid run"} for line in _run(run))
        for run in cell.runs:
            yield from ({**model, **line} for line in _run(run))
    for one in row.comparisons:
        yield {
            "kind": "comparison",
            "model": one.first,
            "against": one.second,
            "metric": one.metric,
            "difference": one.difference,
            "low": one.interval_95[0],
            "high": one.interval_95[1],
            "p_value": one.p_value,
            "n": one.seeds,
        }


def _cell(cell: Cell) -> Iterator[_Line]:
    for metric, value in cell.summary.items():
        numbers = {"value": value.mean, "std": value.std, "n": value.n}
        yield {"kind": "summary", "metric": metric, **numbers, "best": value.best}
    for verdict in cell.verdicts:
        yield {
            "kind": "verdict",
            "against": verdict.against,
            "metric": verdict.metric,
            "difference": verdict.difference,
            "tolerance": verdict.tolerance,
            "status": verdict.verdict,
            "why": verdict.why,
        }


def _run(run: Run) -> Iterator[_Line]:
    """Yields a line for each score, or one for a run that has none."""
    said = {
        "kind": "run",
        "seed": run.seed,
        "fold": run.fold,
        "status": run.status,
        "seconds": run.seconds,
        "device": run.device,
        "started": run.started,
        "folder": run.folder,
        "command": run.command,
        "why": run.why,
    }
    if not run.scores:
        yield said
    for metric, value in run.scores.items():
        low, high = run.interval_95.get(metric, (None, None))
        yield {**said, "metric": metric, "value": value, "low": low, "high": high}


def _safe(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        return f"'{value}"
    return value
