# SPDX-License-Identifier: Apache-2.0
"""Makes Markdown of the results: a short table, and one of all pairs."""

import functools
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

Results = Mapping[str, Any]

_MARKS: Final = ("<!-- {} of make bench -->\n", "<!-- end of {} -->")


def short(results: Results) -> str:
    """Returns a row for each work and group: our fastest side and the fastest other."""
    rows = []
    for name, work in results["works"].items():
        sides = _sides(work)
        for group in dict.fromkeys(ratio["group"] for ratio in work["ratios"]):
            own = [ratio for ratio in work["ratios"] if ratio["group"] == group]
            ours, other = (
                min((sides[group, each[key]] for each in own), key=_median)
                for key in ("ours", "other")
            )
            [ratio] = (
                each
                for each in own
                if (each["ours"], each["other"]) == (ours["name"], other["name"])
            )
            cells = [f"{s['name']}: {_shown(_median(s))} s" for s in (ours, other)]
            rows.append([f"{name} {group}".strip(), *cells, _ratio(ratio)])
    return _table(["work", "ours", "fastest other", "times as fast"], rows)


def full(results: Results) -> str:
    """Returns the machine and, for each work, a table of all pairs."""
    given = results["inputs"]
    size = "; a quarter of the work" if given["quick"] else ""
    parts = [
        _machine(results["machine"]),
        f"Data: {given['data']}; model: {given['model']}{size}.\n",
    ]
    for name, work in results["works"].items():
        parts.append(f"### {name}\n\n{work['title']}; turns: {work['turns']}.\n")
        sides = _sides(work)
        rows = []
        for ratio in work["ratios"]:
            pair = [sides[ratio["group"], ratio[key]] for key in ("ours", "other")]
            cells = [
                (s["name"], _shown(_median(s)), f"{s['peak_mib']:,.0f}") for s in pair
            ]
            rows.append([ratio["group"], *cells[0], *cells[1], _ratio(ratio)])
        heads = ["", "ours", "s", "MiB", "other", "s", "MiB", "times as fast"]
        parts.append(_table(heads, rows))
        parts += filter(None, [_remarks(work["sides"])])
    return "\n".join(parts)


def _sides(work: Results) -> dict[tuple[str, str], Results]:
    return {(side["group"], side["name"]): side for side in work["sides"]}


def _remarks(sides: Iterable[Results]) -> str:
    """Returns a list of failures, of scores, and of how far answers agree."""
    lines = []
    for side in sides:
        known: Results = {"notes": {}, **side}
        if "error" in known:
            said = f"failed: {known['error']}"
        elif scores := known["notes"].get("f1"):
            said = f"F1 {100 * statistics.median(scores):.2f}"
        elif "entities" in known["notes"]:
            said = f"{known['notes']['entities']:,} entities"
        elif known.get("equal_to_first", 1) < 1:
            said = f"{known['equal_to_first']:.3%} as the first side"
        elif "answer_length" in known:
            own, first = known["answer_length"]
            said = f"{own:,} pieces, the first side {first:,}"
        else:
            continue
        name = f"{side['group']} {side['name']}".strip()
        lines.append(f"- {name}: {said}\n")
    return "".join(lines)


def update(page: str, results: Results) -> str:
    """Returns a page with its tables, between marks, made anew."""
    for name, make in (("short table", short), ("tables", full)):
        begin, end = (mark.format(name) for mark in _MARKS)
        found = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
        # A function, so that backslashes stay what they are.
        page = found.sub(functools.partial(_between, make(results)), page)
    return page


def _between(text: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}{text}{marks[2]}"


def update_file(path: Path, results: Results) -> None:
    """Makes the tables of a page anew."""
    path.write_text(update(path.read_text("utf-8"), results), "utf-8")


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


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
