# SPDX-License-Identifier: Apache-2.0
"""Makes tables and a picture of what was seen."""

import functools
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from biobert_tf.common import room
from biobert_tf.reproduce.page import figure, style

Results = Mapping[str, Any]

WHAT: Final = ("MiB", "threads", "open files")
_LEAST: Final = 10  # samples
_MARKS: Final = ("<!-- long runs: begin -->\n", "<!-- long runs: end -->")
_WIDTH: Final = 900
_LEFT: Final = 62
_PANEL: Final = 210
_GAP: Final = 80
_HEIGHT: Final = 90
_ROW: Final = 190


Samples = Sequence[Sequence[float]]
"""Each begins with what was done."""


def quarters(samples: Samples) -> tuple[Samples, Samples]:
    """Returns the samples of the first and of the last quarter of what was seen."""
    start, end = samples[0][0], samples[-1][0]
    quarter = (end - start) / 4
    first = [sample for sample in samples if sample[0] <= start + quarter]
    return first, [sample for sample in samples if sample[0] >= end - quarter]


def medians(samples: Samples, place: int) -> list[float]:
    """Returns the medians of a value in both; `place` is that in a sample."""
    return [
        statistics.median(sample[place] for sample in part)
        for part in quarters(samples)
    ]


def slope(samples: Samples, place: int) -> float:
    """Returns the growth of a value per 1,000 steps or sentences.

    It is the median of the slopes between all pairs of samples (Theil and Sen), which
    does not heed what is there for a moment only, as while a state is saved; NaN
    without a pair.
    """
    done, values = (np.array([sample[i] for sample in samples]) for i in (0, place))
    first, second = np.triu_indices(len(samples), 1)
    between = done[second] - done[first]
    grown = (values[second] - values[first])[between > 0]
    slopes = grown / between[between > 0]
    return 1000 * float(np.median(slopes)) if len(slopes) else float("nan")


def _series(results: Results) -> Iterator[tuple[str, str, Results, Samples]]:
    """Yields the name, the phase, the work and the samples of what took a while."""
    for name, work in results["works"].items():
        for phase, samples in work["phases"].items():
            if len(samples) >= _LEAST:
                yield name, phase, work, samples


def tables(results: Results) -> str:
    """Returns Markdown: the machine, what was held, what was written, the commands."""
    rows = []
    for name, phase, work, samples in _series(results):
        _, end = quarters(samples)
        for place, what in enumerate(WHAT, start=1):
            first, last = medians(samples, place)
            digits = 1 if place == 1 else 0
            rows.append(
                [
                    f"{name}: {phase}" if place == 1 else "",
                    f"{work['size']:,} {work['unit']}" if place == 1 else "",
                    what,
                    f"{first:,.{digits}f}",
                    f"{last:,.{digits}f}",
                    f"{slope(samples, place):+.4f}",
                    f"{slope(end, place):+.4f}",
                ]
            )
    heads = ["command", "size", "of its processes", "first quarter", "last quarter"]
    heads += ["slope per 1,000", "of the last quarter"]
    written = [
        [
            name,
            *_per_thousand(work, "event_bytes"),
            *_per_thousand(work, "log_bytes"),
            f"{work['seconds']:,.0f}",
            f"{work['peak_mib']:,.0f}",
        ]
        for name, work in results["works"].items()
    ]
    more = ["command", "events", "per 1,000", "log", "per 1,000"]
    more += ["seconds", "peak MiB"]
    lines = "\n".join(_command(work) for work in results["works"].values())
    return (
        f"{results['machine']}\n\n{_table(heads, rows)}\n{_table(more, written)}\n"
        f"The commands, in a folder `DIR`:\n\n```\n{lines}\n```\n"
    )


def _per_thousand(work: Results, key: str) -> tuple[str, str]:
    held = work[key]
    if not held:
        return "", ""
    return room.size(held), room.size(1000 * held / work["size"])


def _command(work: Results) -> str:
    words = ["biobert" if word == "biobert_tf" else word for word in work["words"]]
    is_module = words[0] == "-m"
    return " ".join(words[1:] if is_module else ["python", *words])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def update(page: str, results: Results) -> str:
    """Returns a page with its tables, between marks, made anew."""
    begin, end = map(re.escape, _MARKS)
    found = re.compile(f"({begin}).*?({end})", re.DOTALL)
    return found.sub(functools.partial(_between, tables(results)), page)


def _between(text: str, marks: re.Match[str]) -> str:
    return f"{marks[1]}{text}{marks[2]}"


# --- the picture ----------------------------------------------------------------------


def picture(results: Results) -> str:
    """Returns an SVG, light and dark: a row of panels for each line of the table."""
    canvas = figure.Canvas(_WIDTH)
    top = 10.0
    said = []
    for number, (name, phase, work, samples) in enumerate(_series(results)):
        title = f"{name}: {phase}, {work['size']:,} {work['unit']}"
        canvas.text(4, top + 14, title, kind="name")
        for place, what in enumerate(WHAT, start=1):
            left = _LEFT + (place - 1) * (_PANEL + _GAP)
            panel = _Panel(canvas, left, top + 50, work["size"])
            panel.draw(samples, place, figure.look(number), what)
            first, last = medians(samples, place)
            said.append(f"{name} {phase}, {what}: {first:,.0f} to {last:,.0f}")
        top += _ROW
    svg = canvas.svg(
        "long-runs", top, "Memory, threads and open files", "; ".join(said)
    )
    head, rest = svg.split("\n", 1)
    return f"{head}\n<style>{_css()}</style>\n{rest}\n"


class _Panel:
    """Axes from 0, so that what is flat looks flat."""

    def __init__(
        self, canvas: figure.Canvas, left: float, top: float, size: int
    ) -> None:
        self._canvas, self._left, self._top = canvas, left, top
        self._across = figure.Scale(0, size, left, left + _PANEL)
        self._size = size

    def draw(
        self,
        samples: Samples,
        place: int,
        look: figure.Look,
        what: str,
    ) -> None:
        """Draws the values at a place of the samples."""
        canvas, left, right = self._canvas, self._left, self._left + _PANEL
        bottom = self._top + _HEIGHT
        most = max(sample[place] for sample in samples)
        up = figure.Scale(0, 1.15 * most, bottom, self._top)
        for tick in up.ticks(3):
            canvas.line(left, up(tick), right, up(tick), "grid")
            canvas.text(left - 6, up(tick) + 4, figure.number(tick), "end", "axis")
        for tick in (0, self._size / 2, self._size):
            label = figure.number(tick)
            canvas.text(self._across(tick), bottom + 18, label, "middle", "axis")
        canvas.line(left, bottom, right, bottom, "base")
        canvas.text(left, self._top - 8, what, kind="axis")
        points = ((self._across(one[0]), up(one[place])) for one in samples)
        canvas.path(points, figure.Look(look.shape, look.kind), what)


def _css() -> str:
    names = ("page", "text", "soft", "line", *(f"s{i}" for i in range(4)))
    light, dark = (
        " ".join(f"--{name}: {colors[name]};" for name in names)
        for colors in (style.LIGHT, style.DARK)
    )
    series = " ".join(f".s{i} {{ stroke: var(--s{i}); }}" for i in range(4))
    return (
        f"svg {{ {light} background: var(--page); }}\n"
        f"@media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }}\n"
        "text { fill: var(--text); font-size: 13px; font-family: sans-serif; }\n"
        ".axis { fill: var(--soft); }\n"
        ".name { font-weight: 600; } .grid { stroke: var(--line); }\n"
        f".base {{ stroke: var(--soft); }} {series}\n"
        ".curve { fill: none; stroke-width: 1.6; }"
    )


def update_files(page: Path, results: Results) -> None:
    """Makes the tables of a page anew, and the picture beside it."""
    page.write_text(update(page.read_text("utf-8"), results), "utf-8")
    page.with_suffix(".svg").write_text(picture(results), "utf-8")
