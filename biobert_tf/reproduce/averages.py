# SPDX-License-Identifier: Apache-2.0
"""Averages the tables of a benchmark: over the sets of a group, then over all.

BLURB's score is the mean over groups, so that many sets of one task do not outweigh the
others; BLUE's is the mean over sets. Both are given, and which one ranks. A set that
has no score is left out, and each mean says over how many it is.

All scores are in percent, and are means over seeds.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from biobert_tf.published.manifest import Manifest, Means
from biobert_tf.reproduce.page.report import Average

_DIGITS: Final = 4
_NAMES: Final[Mapping[Means, str]] = {
    "groups": "macro average over groups",
    "sets": "macro average over sets",
}


def of(published: Manifest, tables: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Returns the averages of each model and mode, ready for JSON; none of the paper.

    The tables are those of the report. The groups come first, then the two means.
    """
    if published.means is None:
        return []
    cells = [
        (cell["model"], cell["compat"])
        for table in tables
        for row in table["rows"]
        for cell in row["cells"]
    ]
    return [
        {
            "model": model,
            "compat": compat,
            "averages": [
                dataclasses.asdict(each)
                for each in _averages(published.means, tables, model, compat)
            ],
        }
        for model, compat in dict.fromkeys(cells)
    ]


def _averages(
    means: Means, tables: Sequence[Mapping[str, Any]], model: str, compat: str
) -> list[Average]:
    groups = []
    scores: list[float] = []
    for table in tables:
        found = _scores(table, model, compat)
        scores += found
        name = f"{table['title']} ({table['main']})"
        groups.append(
            Average(
                name=name,
                mean=_mean(found),
                num_sets=len(found),
                of_sets=len(table["rows"]),
            )
        )
    over: dict[Means, float | None] = {
        "groups": _mean([each.mean for each in groups if each.mean is not None]),
        "sets": _mean(scores),
    }
    num_rows = sum(each.of_sets for each in groups)
    return [
        *groups,
        *(
            Average(
                name=_NAMES[kind],
                mean=mean,
                num_sets=len(scores),
                of_sets=num_rows,
                ranks=kind == means,
            )
            for kind, mean in over.items()
        ),
    ]


def _scores(table: Mapping[str, Any], model: str, compat: str) -> list[float]:
    """Returns the mean main score of each set of a table that has one."""
    return [
        cell["summary"][table["main"]]["mean"]
        for row in table["rows"]
        for cell in row["cells"]
        if (cell["model"], cell["compat"]) == (model, compat)
        and table["main"] in cell["summary"]
    ]


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), _DIGITS) if values else None


def text(benchmark: str, report: Mapping[str, Any]) -> str:
    """Returns the table of a benchmark as it is printed."""
    lines = []
    for found in report["averages"]:
        lines += ["", f"{benchmark}: {found['model']}, {found['compat']}"]
        rows = [_line(each) for each in found["averages"]]
        width = max(len(name) for name, _, _ in rows)
        lines += [f"  {name:{width}}  {mean:>6}  {over}" for name, mean, over in rows]
    missing = [
        f"{row['dataset']} is left out: {row['why']}"
        for table in report["tables"]
        for row in table["rows"]
        if row["status"] == "missing data"
    ]
    return "".join(
        f"{line}\n" for line in [*lines, *([""] if missing else []), *missing]
    )


def _line(average: Mapping[str, Any]) -> tuple[str, str, str]:
    """Returns name, mean and what it is over; an incomplete mean is marked."""
    mean = "none" if average["mean"] is None else f"{average['mean']:.2f}"
    return average["name"], mean, over(average["num_sets"], average["of_sets"])


def over(num_sets: int, of_sets: int) -> str:
    """Says over how many sets a mean is: "9 of 13 sets, incomplete"."""
    mark = ", incomplete" if num_sets < of_sets else ""
    return f"{num_sets} of {of_sets} set{'s' if of_sets > 1 else ''}{mark}"
