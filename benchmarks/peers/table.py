# SPDX-License-Identifier: Apache-2.0
"""Makes Markdown of the results: a short table, and one of all pairs."""

import re
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

Results = Mapping[str, Any]

_MARKS: Final = ("<!-- {} of make bench -->\n", "<!-- end of {} -->")


def short(results: Results) -> str:
    """Returns a row for each work and group: our fastest side and the fastest other."""
    rows = []
    for name, work in results["works"].items():
        sides = [side for side in work["sides"] if "error" not in side]
        for group in dict.fromkeys(side["group"] for side in sides):
            fastest = {
                is_ours: min(
                    (
                        s
                        for s in sides
                        if (s["group"], s["is_ours"]) == (group, is_ours)
                    ),
                    key=_median,
                    default=None,
                )
                for is_ours in (True, False)
            }
            if fastest[True] and fastest[False]:
                pair = {"ours": fastest[True]["name"], "other": fastest[False]["name"]}
                [ratio] = (r for r in work["ratios"] if _is_of(r, group, pair))
                rows.append(
                    [
                        f"{name} {group}".strip(),
                        f"{pair['ours']}: {_shown(_median(fastest[True]))} s",
                        f"{pair['other']}: {_shown(_median(fastest[False]))} s",
                        _ratio(ratio),
                    ]
                )
    return _table(("work", "ours", "fastest other", "times as fast"), rows)


def full(results: Results) -> str:
    """Returns the machine and, for each work, a table of all pairs."""
    parts = [_machine(results["machine"])]
    for name, work in results["works"].items():
        parts.append(f"### {name}\n\n{work['title']}; {work['turns']} turns.\n")
        sides = {(side["group"], side["name"]): side for side in work["sides"]}
        rows = []
        for ratio in work["ratios"]:
            pair = [sides[ratio["group"], ratio[key]] for key in ("ours", "other")]
            cells = [
                text
                for side in pair
                for text in (
                    side["name"],
                    _shown(_median(side)),
                    f"{side['peak_mib']:,.0f}",
                )
            ]
            rows.append([ratio["group"], *cells, _ratio(ratio)])
        heads = ("", "ours", "s", "MiB", "other", "s", "MiB", "times as fast")
        if not any(row[0] for row in rows):
            heads, rows = heads[1:], [row[1:] for row in rows]
        parts.append(_table(heads, rows))
        parts += [
            f"{side['group']} {side['name']} failed: {side['error']}\n".lstrip()
            for side in work["sides"]
            if "error" in side
        ]
    return "\n".join(parts)


def update(page: str, results: Results) -> str:
    """Returns a page with its tables, between marks, made anew."""
    for name, make in (("short table", short), ("tables", full)):
        begin, end = (mark.format(name) for mark in _MARKS)
        found = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
        text = make(results)
        page = found.sub(lambda match, text=text: f"{match[1]}{text}{match[2]}", page)
    return page


def update_file(path: Path, results: Results) -> None:
    """Makes the tables of a page anew."""
    path.write_text(update(path.read_text("utf-8"), results), "utf-8")


def _is_of(ratio: Results, group: str, pair: Mapping[str, str]) -> bool:
    return ratio["group"] == group and all(ratio[key] == pair[key] for key in pair)


def _median(side: Results) -> float:
    return statistics.median(side["seconds"])


def _shown(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def _ratio(ratio: Results) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})"


def _machine(machine: Results) -> str:
    versions = {
        name: version
        for found in machine["packages"].values()
        for name, version in found.items()
    }
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{machine['processor']}, {machine['cores']} cores "
        f"({', '.join(machine['instructions'])}), {machine['memory_gib']} GiB; "
        f"{machine['system']}, Python {machine['python']}; {packages}.\n"
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    held = [list(heads)]
    lines = [held[0], ["---"] * len(held[0]), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
