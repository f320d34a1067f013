# SPDX-License-Identifier: Apache-2.0
"""Makes the tables of the pages: the paper's layout, verdicts, comparisons, runs."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from biobert_tf.reproduce.page import blocks, links, wording
from biobert_tf.reproduce.page.blocks import Grid
from biobert_tf.reproduce.page.report import (
    PAPER,
    Average,
    Averages,
    Cell,
    PretrainingPoint,
    Row,
    Run,
    Table,
    Verdict,
)

_NONE: Final = blocks.Cell(wording.NONE, kind="soft")
_SIGNS: Final = {"agrees": "\u2713 agrees", "differs": "\u2260 differs"}


@dataclasses.dataclass(frozen=True)
class _Place:
    """A cell of ours, and its position in its row."""

    position: int
    cell: Cell


def reruns(table: Table) -> list[str]:
    """Returns the sources of published reruns; their numbers count from 1."""
    sources = [anchor.source for row in table.rows for anchor in row.anchors]
    return list(dict.fromkeys(sources))


def layout(table: Table) -> Grid:
    """Returns the table as the paper has it: data sets down, models across."""
    columns = list(dict.fromkeys(name for row in table.rows for name in row.paper))
    sources = reruns(table)
    ours = list(dict.fromkeys(name for row in table.rows for name in _named(row)))
    groups = [
        ("", 2),
        ("Paper", len(columns)),
        ("Ours", max(1, len(ours))),
        ("Others", len(sources)),
    ]
    return Grid(
        f"{table.label}: {'the paper, ours' if columns else 'ours'}, and reruns by "
        "others",
        (
            *("Data set", "Metric"),
            *columns,
            # Before the many others, so that they are seen without scrolling.
            *(ours or ["no model yet"]),
            *(f"Rerun {i}" for i in range(1, len(sources) + 1)),
        ),
        tuple(
            (
                _dataset(table, i, len(table.metrics) if number == 0 else 0),
                blocks.Cell(wording.metric(metric)),
                *(_paper(row, column, metric) for column in columns),
                *(_ours(table, i, name, metric) for name in ours or [""]),
                *(_rerun(row, source, metric) for source in sources),
            )
            for i, row in enumerate(table.rows)
            for number, metric in enumerate(table.metrics)
        ),
        num_heads=2,
        groups=tuple(group for group in groups if group[1]),
    )


def verdicts(table: Table, to: links.Links) -> Grid | None:
    """Returns what agrees with the paper and reruns, if anything can be said."""
    rows = tuple(
        _verdict(table, i, place, several, to)
        for i, row in enumerate(table.rows)
        for place in _named(row).values()
        for metric in table.metrics
        for several in _alike(place.cell, metric)
    )
    header = (
        *("Data set", "Model", "Metric", "Ours", "Best", "Against"),
        *("Difference", "Tolerance", "Verdict"),
    )
    title = f"{table.label}: do the numbers agree?"
    return Grid(title, header, rows, num_heads=3, words=(5, 8)) if rows else None


def comparisons(table: Table) -> Grid | None:
    """Returns the paired differences between our models, if there are any."""
    rows = tuple(
        (
            blocks.Cell(row.dataset, link=f"#{links.row_id(table, i)}"),
            blocks.Cell(f"{one.first} {wording.MINUS} {one.second}"),
            blocks.Cell(wording.metric(one.metric)),
            blocks.Cell(wording.signed(one.difference)),
            blocks.Cell(wording.interval(one.interval_95)),
            blocks.Cell(wording.probability(one.p_value)),
            blocks.Cell(f"{one.seeds}"),
        )
        for i, row in enumerate(table.rows)
        for one in row.comparisons
    )
    header = (
        *("Data set", "Models", "Metric"),
        *("Difference", "95 % interval", "p", "Seeds"),
    )
    title = f"{table.label}: our models compared on the same test set"
    return Grid(title, header, rows, num_heads=3) if rows else None


def averages(several: tuple[Averages, ...]) -> Grid:
    """Returns the averages of a benchmark: groups down, models across."""
    names = [one.name for one in several[0].averages]
    return Grid(
        "Averages over data sets",
        ("Mean", *(f"{one.model}, {one.compat}" for one in several)),
        tuple(
            (
                blocks.Cell(name, "the score" if several[0].averages[i].ranks else ""),
                *(_average(one.averages[i]) for one in several),
            )
            for i, name in enumerate(names)
        ),
    )


def _average(value: Average) -> blocks.Cell:
    over = f"{value.num_sets} of {value.of_sets}"
    if value.num_sets < value.of_sets:
        over += ", incomplete"
    kind: blocks.Kind = "soft" if value.num_sets < value.of_sets else ""
    mean = wording.NONE if value.mean is None else wording.percent(value.mean)
    return blocks.Cell(mean, over, kind=kind)


def pretraining(points: tuple[PretrainingPoint, ...]) -> Grid:
    """Returns the scores of checkpoints, by the number of steps of each."""
    return Grid(
        "Score against pre-training steps",
        ("Model", "Data set", "Steps", "Score"),
        tuple(
            (
                blocks.Cell(point.model),
                blocks.Cell(point.dataset),
                blocks.Cell(f"{point.steps:,}"),
                blocks.Cell(wording.percent(point.score)),
            )
            for point in points
        ),
        num_heads=2,
    )


def runs(
    caption: str, several: tuple[Run, ...], metrics: tuple[str, ...], to: links.Links
) -> Grid:
    """Returns a table of runs with the 95 % intervals of their scores."""
    header = ("Run", "Seed", "Fold", "Status", *map(wording.metric, metrics))
    return Grid(
        caption,
        (*header, "Time", "Device"),
        tuple(
            (
                blocks.Cell(run.name, link=to.to_run(run)),
                blocks.Cell(f"{run.seed}"),
                _NONE if run.fold is None else blocks.Cell(f"{run.fold}"),
                run_status(run),
                *(score(run, metric, to) for metric in metrics),
                blocks.Cell(wording.duration(run.seconds or None)),
                blocks.Cell(run.device) if run.device else _NONE,
            )
            for run in several
        ),
        words=(3, len(header) + 1),
    )


def score(run: Run, metric: str, to: links.Links) -> blocks.Cell:
    """Returns a score of a run with its interval; it links to the run's folder."""
    if metric not in run.scores:
        return _NONE
    ends = run.interval_95.get(metric)
    small = "" if ends is None else wording.interval(ends)
    text = wording.percent(run.scores[metric])
    return blocks.Cell(text, small, link=to.to_run(run))


def run_status(run: Run) -> blocks.Cell:
    """Returns how a run ended, and why."""
    kinds: dict[str, blocks.Kind] = {"done": "", "to do": "soft"}
    return blocks.Cell(run.status, run.why, kind=kinds.get(run.status, "failed"))


def _named(row: Row) -> dict[str, _Place]:
    """Returns the cells of a row by name; equal names are numbered."""
    found: dict[str, _Place] = {}
    for position, cell in enumerate(row.cells):
        name, number = cell.name, 1
        while name in found:
            number += 1
            name = f"{cell.name} ({number})"
        found[name] = _Place(position, cell)
    return found


def _dataset(table: Table, position: int, num_rows: int) -> blocks.Cell:
    row = table.rows[position]
    link = f"#{links.row_id(table, position)}" if is_shown(row) else ""
    return blocks.Cell(row.dataset, link=link, rows=num_rows)


def is_shown(row: Row) -> bool:
    """Whether a data set has a part of its own on the page."""
    return row.status != "not asked" or bool(row.cells)


def _paper(row: Row, column: str, metric: str) -> blocks.Cell:
    value = row.paper.get(column, {}).get(metric)
    if value is None:
        return _NONE
    note = value.source or value.status
    kind: blocks.Kind = "" if value.is_verified else "unverified"
    return blocks.Cell(wording.published(value), note=note, kind=kind)


def _rerun(row: Row, source: str, metric: str) -> blocks.Cell:
    for anchor in row.anchors:
        if anchor.source == source and metric in anchor.values:
            value = anchor.values[metric]
            return blocks.Cell(
                wording.spread(value), wording.number_of_seeds(value), note=source
            )
    return _NONE


def _ours(table: Table, position: int, name: str, metric: str) -> blocks.Cell:
    """Returns our mean, or why there is none."""
    row = table.rows[position]
    place = _named(row).get(name)
    if place is None:
        text = "no run" if row.status == "ran" else row.status
        return blocks.Cell(text, kind="soft", note=row.why)
    unfinished = wording.counts(place.cell.unfinished())
    value = place.cell.summary.get(metric)
    link = f"#{links.cell_id(table, position, place.position)}"
    if value is None:
        kind: blocks.Kind = "failed" if "failed" in unfinished else "soft"
        return blocks.Cell("no result", unfinished, link=link, kind=kind)
    said = [
        wording.number_of_seeds(value),
        f"best{wording.SPACE}{wording.percent(value.best)}",
    ]
    said += [unfinished] if unfinished else []
    return blocks.Cell(wording.spread(value), ", ".join(said), link=link)


def _alike(cell: Cell, metric: str) -> Iterator[list[Verdict]]:
    """Yields verdicts on a metric; those without numbers for one reason together."""
    reasons: dict[str, list[Verdict]] = {}
    for verdict in cell.verdicts:
        if verdict.metric != metric:
            continue
        if verdict.verdict == "not compared" and verdict.difference is None:
            reasons.setdefault(verdict.why, []).append(verdict)
        else:
            yield [verdict]
    yield from reasons.values()


def _verdict(
    table: Table,
    position: int,
    place: _Place,
    several: list[Verdict],
    to: links.Links,
) -> tuple[blocks.Cell, ...]:
    """Returns the row of one verdict, or of several that are alike."""
    row, cell, first = table.rows[position], place.cell, several[0]
    link = f"#{links.cell_id(table, position, place.position)}"
    ours = cell.summary.get(first.metric)
    mean = best = _NONE
    if ours is not None:
        number = wording.number_of_seeds(ours)
        mean = blocks.Cell(wording.spread(ours), number, link=link)
        best = _best(cell, first.metric, ours.best, to)
    against = (_against(table, row, cell, verdict) for verdict in several)
    return (
        blocks.Cell(row.dataset, link=f"#{links.row_id(table, position)}"),
        blocks.Cell(cell.name, link=link),
        blocks.Cell(wording.metric(first.metric)),
        mean,
        best,
        blocks.Cell("; ".join(against)),
        _number(wording.signed, first.difference),
        _number(wording.percent, first.tolerance),
        _decision(first),
    )


def _number(said: Callable[[float], str], value: float | None) -> blocks.Cell:
    return _NONE if value is None else blocks.Cell(said(value))


def _best(cell: Cell, metric: str, best: float, to: links.Links) -> blocks.Cell:
    """Returns the best of the seeds; it links to its run, if one run made it."""
    found = [run for run in cell.runs if run.scores.get(metric) == best]
    link = to.to_run(found[0]) if len(found) == 1 else ""
    return blocks.Cell(wording.percent(best), link=link)


def _against(table: Table, row: Row, cell: Cell, verdict: Verdict) -> str:
    """Returns whose number a verdict is about, and the number."""
    if verdict.against == PAPER:
        name = f"paper, {cell.column}" if cell.column else "paper"
        value = row.paper.get(cell.column or "", {}).get(verdict.metric)
        return name if value is None else f"{name}: {wording.published(value)}"
    sources, metric = reruns(table), verdict.metric
    if verdict.against not in sources:
        return verdict.against
    name = f"rerun {sources.index(verdict.against) + 1}"
    values = (one.values for one in row.anchors if one.source == verdict.against)
    found = (wording.spread(each[metric]) for each in values if metric in each)
    return ": ".join([name, *found])


def _decision(verdict: Verdict) -> blocks.Cell:
    if verdict.verdict == "not compared":
        return blocks.Cell(verdict.verdict, verdict.why, kind="soft")
    return blocks.Cell(_SIGNS[verdict.verdict], verdict.why, kind=verdict.verdict)
