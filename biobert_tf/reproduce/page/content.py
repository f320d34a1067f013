# SPDX-License-Identifier: Apache-2.0
"""Puts the parts of the page in order, for Markdown and HTML alike."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from biobert_tf.documents import html_marks
from biobert_tf.reproduce.page import blocks, links, plots, score_plot, tables, wording
from biobert_tf.reproduce.page.blocks import Block
from biobert_tf.reproduce.page.report import Cell, Report, Row, Run, Table

_LEGEND: Final = (
    "All scores are percent. Ours are means over n seeds \u00b1 their standard "
    "deviation; folds are averaged within a seed first. An interval in brackets is the "
    "95 % bootstrap interval of one run."
)
_UNVERIFIED: Final = (
    f"{wording.DAGGER} Not found in a readable source: shown, never compared with."
)
_RULE: Final = (
    "A mean of n seeds agrees with a published number if they differ by at most the "
    "tolerance, which is 2 \u00d7 the square root of std\u00b2 / n + published "
    "std\u00b2 / published n. Only the checkpoint of a column is compared with that "
    "column."
)
_AVERAGES: Final = (
    "A mean is over the main scores of the data sets that have one. If some lack one, "
    "it is incomplete, and no number to compare with others. The mean that is called "
    "the score ranks models."
)
_AGREEMENTS: Final = {"agrees": "agree", "differs": "differ"}


def page(report: Report, to: links.Links) -> Iterator[Block]:
    """Yields the parts of the page from top to bottom."""
    yield blocks.Heading(1, report.title)
    yield blocks.Text(_progress(report))
    yield blocks.Code(report.command)
    devices = ", ".join(report.machine.devices)
    processors = html_marks.counted(report.machine.processors, "processor")
    facts = {
        "Machine": f"{report.machine.system}, {processors}; {devices or 'no device'}",
        "Versions": f"biobert_tf {report.version}, TensorFlow {report.tensorflow}",
        "Started": report.started,
        "Working time": wording.duration(report.wall_seconds),
    }
    yield blocks.Facts(tuple((key, blocks.Cell(text)) for key, text in facts.items()))
    if report.notes:
        yield blocks.Bullets(tuple(map(blocks.Cell, report.notes)))
    yield blocks.Text(_LEGEND)
    yield blocks.Text(_UNVERIFIED, kind="unverified")
    yield blocks.Text(_RULE)
    if len(report.tables) > 1:
        yield blocks.Bullets(
            tuple(
                blocks.Cell(_title(table), link=f"#{links.table_id(table)}")
                for table in report.tables
            )
        )
    if report.averages:
        yield blocks.Heading(2, "Averages")
        yield tables.averages(report.averages)
        yield blocks.Text(_AVERAGES)
    for table in report.tables:
        yield from _table(table, to)
    if report.squad:
        yield blocks.Heading(2, "SQuAD, before the questions of BioASQ")
        yield from _runs("Runs on SQuAD", "SQuAD", report.squad, (), {}, to)
    if report.pretraining_curve:
        yield blocks.Heading(2, "Score against pre-training steps")
        yield plots.pretraining(report.pretraining_curve)
        yield tables.pretraining(report.pretraining_curve)


def _progress(report: Report) -> str:
    """Says how much is done, and how much of it agrees."""
    runs = Counter(run.status for run in report.runs())
    rows = Counter(row.status for table in report.tables for row in table.rows)
    decided = Counter(
        _AGREEMENTS.get(verdict.verdict, verdict.verdict)
        for cell in report.cells()
        for verdict in cell.verdicts
    )
    parts = [
        f"Runs: {wording.counts(runs) or 'none yet'}",
        f"Data sets: {wording.counts(rows) or 'none'}",
        f"Comparisons with published numbers: {wording.counts(decided) or 'none yet'}",
    ]
    return ". ".join(parts) + "."


def _title(table: Table) -> str:
    return f"{table.label}: {table.title}"


def _table(table: Table, to: links.Links) -> Iterator[Block]:
    yield blocks.Heading(2, _title(table), links.table_id(table))
    yield tables.layout(table)
    sources = tables.reruns(table)
    if sources:
        numbered = enumerate(sources, start=1)
        items = (blocks.Cell(f"Rerun {i}: {source}") for i, source in numbered)
        yield blocks.Bullets(tuple(items))
    yield from filter(None, [score_plot.scores(table)])
    yield from filter(None, [tables.verdicts(table, to), tables.comparisons(table)])
    for i, row in enumerate(table.rows):
        if tables.is_shown(row):
            yield from _row(table, i, row, to)


def _row(table: Table, position: int, row: Row, to: links.Links) -> Iterator[Block]:
    yield blocks.Heading(3, row.dataset, links.row_id(table, position))
    if row.status == "ran" and row.why:
        yield blocks.Text(row.why)
    elif row.status != "ran":
        why = f"{row.status}: {row.why}" if row.why else row.status
        yield blocks.Text(why[:1].upper() + why[1:], kind="failed")
    items = [wording.test_size(row), *map(wording.finding, row.card)]
    kind: blocks.Kind = "failed" if row.counts_agree is False else ""
    yield blocks.Bullets(
        (blocks.Cell(items[0], kind=kind), *map(blocks.Cell, items[1:]))
    )
    if any(anchor.settings for anchor in row.anchors):
        numbers = tables.reruns(table)
        yield blocks.Facts(
            tuple(
                (
                    f"Settings of rerun {numbers.index(anchor.source) + 1}",
                    blocks.Cell(wording.settings(anchor.settings)),
                )
                for anchor in row.anchors
                if anchor.settings
            )
        )
    yield from filter(None, [plots.curves(table, position)])
    for i, cell in enumerate(row.cells):
        yield blocks.Heading(4, cell.name, links.cell_id(table, position, i))
        yield from _cell(table, cell, to)


def _cell(table: Table, cell: Cell, to: links.Links) -> Iterator[Block]:
    column = f"This is the paper's {cell.column}."
    yield blocks.Text(column if cell.column else "The paper has no such model.")
    if not cell.runs:
        yield blocks.Text("No run yet.", kind="soft")
    search = f"Grid search of {cell.name}, scored on the development set"
    # The settings of a cell are those that the grid chose.
    yield from _runs(search, cell.name, cell.grid, table.metrics, {}, to)
    done = f"Runs of {cell.name}"
    yield from _runs(done, cell.name, cell.runs, table.metrics, cell.settings, to)


def _runs(
    caption: str,
    name: str,
    runs: tuple[Run, ...],
    metrics: tuple[str, ...],
    settings: Mapping[str, object],
    to: links.Links,
) -> Iterator[Block]:
    """Yields a table of runs and what repeats each of them, if there are any."""
    if runs:
        yield tables.runs(caption, runs, metrics, to)
    for run in runs:
        yield _run(name, run, metrics, settings, to)


def _run(
    name: str,
    run: Run,
    metrics: tuple[str, ...],
    settings: Mapping[str, object],
    to: links.Links,
) -> Block:
    """Returns what a reader needs to repeat a run, or to see why it failed."""
    fold = "" if run.fold is None else f", fold {run.fold}"
    status = f"{run.status}: {run.why}" if run.why else run.status
    scores = {
        wording.metric(metric): tables.score(run, metric, to)
        for metric in (*metrics, *run.scores)
        if metric in run.scores
    }
    facts = {
        "Status": blocks.Cell(status),
        "Folder": blocks.Cell(run.folder or wording.NONE, link=to.to_run(run)),
        **scores,
        "Settings": blocks.Cell(wording.settings(settings) or "see the command"),
        "Seed": blocks.Cell(f"{run.seed}"),
        "Fold": blocks.Cell(wording.NONE if run.fold is None else f"{run.fold}"),
        "Device": blocks.Cell(run.device or wording.NONE),
        "Started": blocks.Cell(run.started or wording.NONE),
        "Time": blocks.Cell(wording.duration(run.seconds or None)),
        "Attempts": blocks.Cell(f"{run.attempts}"),
    }
    parts: list[Block] = [blocks.Facts(tuple(facts.items()))]
    parts += [blocks.Code(run.command)] if run.command else []
    kind: blocks.Kind = "failed" if run.status in ("failed", "stopped") else ""
    title = f"{name}, seed {run.seed}{fold}"
    return blocks.Details(f"{title}: {status}", tuple(parts), kind)
