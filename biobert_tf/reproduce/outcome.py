# SPDX-License-Identifier: Apache-2.0
"""Makes `report.json` of a plan and the folders of its runs, at any time.

All scores are in percent. The pages of the report are made of this file.
"""

import dataclasses
import functools
import importlib.metadata
import itertools
import logging
import math
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__
from biobert_tf.published.manifest import Anchor, AnchorValue, PaperValue, Row, Table
from biobert_tf.reproduce import averages, compare, records, running, survey
from biobert_tf.reproduce.plan import Cell, Plan, Run, name_of
from biobert_tf.reproduce.survey import Survey

_LOG = logging.getLogger(__name__)

FILE: Final = "report.json"
_EVALUATIONS: Final = "evaluations.json"
_DIGITS: Final = 4


@dataclasses.dataclass(frozen=True)
class Session:
    """The work on a report so far.

    Attributes:
        command: The command line of the last session.
        started: When the first session started, in UTC.
        wall_seconds: How long all sessions together have worked.
    """

    command: str
    started: str
    wall_seconds: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """Scores of a cell over its seeds; std is None for one seed."""

    mean: float
    std: float | None
    best: float
    n: int


def write(plan: Plan, session: Session, devices: Sequence[str]) -> Path:
    """Writes `report.json` below `--output`; returns its path.

    Raises:
        InputError: A file of a run is damaged, or the report cannot be written.
    """
    path = plan.config.output / FILE
    files.write_json(path, report(plan, session, devices))
    return path


def report(plan: Plan, session: Session, devices: Sequence[str]) -> dict[str, Any]:
    """Returns the report, ready for JSON.

    Raises:
        InputError: A file of a run is damaged.
    """
    published = plan.config.published
    tables = [_table(plan, table) for table in plan.config.tables()]
    return {
        "title": published.title,
        "version": __version__,
        "tensorflow": _version_of_tensorflow(),
        "command": session.command,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count() or 1,
            "devices": list(devices),
        },
        "started": session.started,
        "wall_seconds": round(session.wall_seconds, 1),
        "notes": list(plan.notes),
        "squad": [_run(run, plan) for run in plan.squad],
        "tables": tables,
        "averages": averages.of(published, tables),
        "pretraining_curve": list(_curve(plan, tables)),
    }


def _version_of_tensorflow() -> str:
    for name in ("tensorflow", "tensorflow-tpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


# --- rows and cells -------------------------------------------------------------------


def _table(plan: Plan, table: Table) -> dict[str, Any]:
    surveys = {each.row.name: each for each in plan.surveys}
    return {
        "number": table.number,
        "name": table.name,
        "title": table.title,
        "metrics": list(table.metrics),
        "main": table.main,
        "rows": [
            _row(plan, table, row, surveys.get(row.name))
            for row in plan.config.published.rows
            if row.table == table.number
        ],
    }


def _row(plan: Plan, table: Table, row: Row, found: Survey | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dataset": row.name,
        "problem": row.problem,
        "status": "not asked",
        "why": " ".join(row.notes),
        "test_size": {},
        "counts_agree": None,
        "card": [],
        "paper": {
            column: {name: dataclasses.asdict(each) for name, each in cell.items()}
            for column, cell in row.paper.items()
        },
        "anchors": [_anchor(each) for each in row.anchors],
        "cells": [],
        "comparisons": [],
    }
    cells = [cell for cell in plan.cells if cell.row == row.name]
    if found is not None and found.why:
        return {**values, "status": "missing data", "why": found.why}
    # `--compat=paper` is for named entities only.
    if found is None or not cells:
        return values
    return {
        **values,
        "status": "ran",
        "why": " ".join(found.notes),
        "test_size": found.test_size(),
        "counts_agree": found.counts_agree,
        "card": [survey.as_dict(each) for each in found.card],
        "cells": [_cell(plan, table, row, found, cell) for cell in cells],
        "comparisons": list(_comparisons(plan, table, row)),
    }


def _comparisons(plan: Plan, table: Table, row: Row) -> Iterator[dict[str, Any]]:
    """Yields each two cells of a row compared, by the seeds that both have done."""
    cells = [cell for cell in plan.cells if cell.row == row.name]
    for first, second in itertools.combinations(cells, 2):
        runs, others = _done(plan, first), _done(plan, second)
        seeds = [seed for seed in runs if seed in others]
        if not seeds:
            continue
        found = _compared(
            tuple(runs[seed] for seed in seeds),
            tuple(others[seed] for seed in seeds),
            name_of(row, table.main),
        )
        if found is not None:
            names = [f"{cell.model.name}/{cell.compat}" for cell in (first, second)]
            ends = {"first": names[0], "second": names[1]}
            yield {**ends, **found, "seeds": len(seeds)}


def _done(plan: Plan, cell: Cell) -> dict[int, tuple[Path, ...]]:
    """Returns the folders of the tests of each seed whose folds are all done."""
    output = plan.config.output
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in cell.runs:
        runs[run.seed].append(run)
    return {
        seed: tuple(output / run.name for run in folds)
        for seed, folds in runs.items()
        if all(records.state(run, output).status == "done" for run in folds)
    }


# The report is made anew after every run, and a comparison takes seconds.
@functools.cache
def _compared(
    first: tuple[tuple[Path, ...], ...],
    second: tuple[tuple[Path, ...], ...],
    metric: str,
) -> dict[str, Any] | None:
    """Returns the difference by a score, in percent; see `compare.compare`.

    None: the runs cannot be compared, which the log explains.
    """
    try:
        found = compare.compare(first, second)
    except InputError as error:
        _LOG.warning("no comparison: %s", error)
        return None
    main = found.comparisons[metric]
    interval = main.difference.interval
    return {
        "metric": metric,
        "difference": round(100 * main.difference.value, _DIGITS),
        "interval_95": [round(100 * end, _DIGITS) for end in interval],
        "p_value": main.p_value,
    }


def _anchor(anchor: Anchor) -> dict[str, Any]:
    return {
        "source": anchor.source,
        "values": {k: dataclasses.asdict(v) for k, v in anchor.values.items()},
        "settings": dict(anchor.settings),
    }


def _cell(
    plan: Plan, table: Table, row: Row, found: Survey, cell: Cell
) -> dict[str, Any]:
    runs = [_run(run, plan, table, row) for run in cell.runs]
    summary = {
        name: one
        for name in table.metrics
        if (one := summarised(runs, name)) is not None
    }
    grid = [_run(run, plan, table, row) for run in cell.grid]
    chosen = running.chosen(cell.runs[0], plan.config.output)
    return {
        "model": cell.model.name,
        "column": cell.model.column,
        "compat": cell.compat,
        "settings": {**cell.settings, **(chosen or {})},
        "grid": grid,
        "runs": runs,
        "summary": {k: _rounded(dataclasses.asdict(v)) for k, v in summary.items()},
        "verdicts": [
            _rounded(each) for each in _verdicts(table, row, found, cell, summary)
        ],
    }


def summarised(runs: Sequence[Mapping[str, Any]], metric: str) -> Summary | None:
    """Returns the summary of a score over seeds; None if no seed is done.

    The folds of a seed are averaged first; a seed with a fold that is not done is left
    out. The standard deviation is that of a sample.
    """
    by_seed: dict[int, list[float | None]] = defaultdict(list)
    for run in runs:
        by_seed[run["seed"]].append(run["scores"].get(metric))
    seeds = [
        statistics.fmean(values)
        for found in by_seed.values()
        if len(values := [each for each in found if each is not None]) == len(found)
    ]
    if not seeds:
        return None
    std = statistics.stdev(seeds) if len(seeds) > 1 else None
    return Summary(statistics.fmean(seeds), std, max(seeds), len(seeds))


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in values.items()
    }


# --- runs -----------------------------------------------------------------------------


def _run(
    run: Run, plan: Plan, table: Table | None = None, row: Row | None = None
) -> dict[str, Any]:
    """Returns a run; without a table, as of SQuAD, it has no scores."""
    output = plan.config.output
    state = records.state(run, output)
    chosen = running.chosen(run, output)
    first = state.attempts[0] if state.attempts else None
    last = state.attempts[-1] if state.attempts else None
    why = state.why
    if state.status == "to do":
        failed = [name for name in run.needs if _has_failed(name, plan)]
        why = f"{failed[0]}, which it needs, failed" if failed else ""
    return {
        "name": run.name.removeprefix("runs/"),
        "seed": run.seed,
        "fold": run.fold,
        "status": state.status,
        "why": why,
        "folder": run.name,
        "command": records.command(run, output, chosen or {}),
        "seconds": round(state.seconds, 1),
        "device": last.device if last else "",
        "started": first.started if first else "",
        "attempts": len(state.attempts),
        **_scores(run, output, _names(table, row)),
    }


def _has_failed(name: str, plan: Plan) -> bool:
    run = next(run for run in plan.runs() if run.name == name)
    return records.state(run, plan.config.output).status == "failed"


def _names(table: Table | None, row: Row | None) -> dict[str, str]:
    """Returns what results call each metric of a table."""
    if table is None or row is None:
        return {}
    return {name: name_of(row, name) for name in table.metrics}


def _scores(run: Run, output: Path, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the scores of a run in percent, their intervals and its curve."""
    found = records.results(output / run.name)
    stage = "devel" if run.purpose == "grid" else "test"
    values = (found or {}).get(stage, {}).get("scores", {})
    intervals = values.get("interval_95", {})
    return {
        "scores": {
            name: round(100 * values[own], _DIGITS)
            for name, own in names.items()
            if own in values
        },
        "interval_95": {
            name: [round(100 * end, _DIGITS) for end in intervals[own]]
            for name, own in names.items()
            if own in intervals
        },
        "curve": _evaluations(run, output),
    }


def _evaluations(run: Run, output: Path) -> list[list[float]]:
    """Returns `[step, main score]` of each evaluation while a run trained."""
    path = output / run.name / _EVALUATIONS
    if not run.main or not path.is_file():
        return []
    return [
        [each["step"], round(100 * each["scores"][run.main], _DIGITS)]
        for each in files.read_json(path)["evaluations"]
    ]


# --- beside published numbers ---------------------------------------------------------


def _verdicts(
    table: Table, row: Row, found: Survey, cell: Cell, summary: Mapping[str, Summary]
) -> Iterator[dict[str, Any]]:
    """Yields what a cell's scores say about those of its column."""
    if not summary:
        return
    column = cell.model.column
    if column is None or found.not_compared:
        why = found.not_compared or f"not a checkpoint of the paper: {cell.model.why}"
        yield _verdict("paper", table.main, None, None, "not compared", why)
        return
    why = ""
    if len(found.folds) < row.folds:
        why = f"only {len(found.folds)} of {row.folds} folds were run"
    published = row.paper.get(column, {})
    for name in [name for name in published if name in summary]:
        yield beside_paper(name, summary[name], published[name], why)
    for anchor in row.anchors:
        if anchor.column in (column, None):
            for name in [name for name in anchor.values if name in summary]:
                one = anchor.values[name]
                reason = why or anchor.why
                yield against(anchor.source, name, summary[name], one, reason)


def beside_paper(
    metric: str, ours: Summary, published: PaperValue, why: str
) -> dict[str, Any]:
    """Returns the difference from a verified number of the paper."""
    if not published.is_verified:
        why = "the paper's number is unverified"
        return _verdict("paper", metric, None, None, "not compared", why)
    difference = ours.mean - published.value
    why = why or "the paper has the best of its runs, without a spread"
    return _verdict("paper", metric, difference, None, "not compared", why)


def against(
    source: str, metric: str, ours: Summary, anchor: AnchorValue, why: str
) -> dict[str, Any]:
    """Returns the verdict on our mean by the rule of acceptance.

    They agree if |ours - anchor| <= 2 sqrt(std^2 / n + anchor_std^2 / anchor_n). For a
    rerun with one seed, our standard deviation stands for its own. `why` says why
    nothing can be compared; "" if it can.
    """
    difference = ours.mean - anchor.mean
    if not why and ours.std is None:
        why = "one seed of ours has no spread"
    if not why and anchor.n is None:
        why = "it does not say how many seeds it has"
    if why or ours.std is None or anchor.n is None:
        return _verdict(source, metric, difference, None, "not compared", why)
    spread = ours.std if anchor.std is None else anchor.std
    tolerance = 2 * math.sqrt(ours.std**2 / ours.n + spread**2 / anchor.n)
    said = "" if anchor.std is not None else "its spread is taken to be ours"
    agrees = "agrees" if abs(difference) <= tolerance else "differs"
    return _verdict(source, metric, difference, tolerance, agrees, said)


def _verdict(
    source: str,
    metric: str,
    difference: float | None,
    tolerance: float | None,
    verdict: str,
    why: str,
) -> dict[str, Any]:
    return {
        "against": source,
        "metric": metric,
        "difference": difference,
        "tolerance": tolerance,
        "verdict": verdict,
        "why": why,
    }


def _curve(plan: Plan, tables: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields the scores by steps of pre-training, if several checkpoints have them."""
    steps = {cell.model.name: cell.model.steps for cell in plan.cells}
    known = {name: number for name, number in steps.items() if number is not None}
    if len(known) < 2:
        return
    for table in tables:
        for row in table["rows"]:
            for cell in row["cells"]:
                found = cell["summary"].get(table["main"])
                # One curve for a row: the first mode.
                modes = plan.config.compat.values(row["dataset"])
                is_first = cell["compat"] == modes[0]
                if found and is_first and cell["model"] in known:
                    yield {
                        "model": cell["model"],
                        "steps": known[cell["model"]],
                        "dataset": row["dataset"],
                        "score": found["mean"],
                    }
