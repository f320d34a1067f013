# SPDX-License-Identifier: Apache-2.0
"""Draws SVG: marks, lines and text on a canvas, scales and their ticks.

Lengths are pixels. Colours are those of the page: an element has a class, and the class
of a series, `s0` to `s3`, sets its colour. Shapes and dashes tell series apart without
colours. Each element may have a title, which a browser shows at the pointer.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

NUM_COLORS: Final = 4
SHAPES: Final = ("circle", "square", "diamond", "up", "down", "cross")
FONT_SIZE: Final = 13
_CHARACTER_WIDTH: Final = 7.8  # of usual fonts, on average and rounded up
_RADIUS: Final = 5
_DASHES: Final = ("", "6 3", "2 3", "8 3 2 3", "12 4")
_LEGEND_STEP: Final = 22  # between two lines of a legend
_OUTLINES: Final = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "up": ((0, -1.2), (1.2, 1), (-1.2, 1)),
    "down": ((0, 1.2), (1.2, -1), (-1.2, -1)),
}


@dataclasses.dataclass(frozen=True)
class Look:
    """How a mark looks: its shape, its class, and the dashes of its line."""

    shape: str
    kind: str
    dashes: str = ""


def look(number: int) -> Look:
    """Returns the look of a series; those of neighbours differ in grey too."""
    shape = SHAPES[number % len(SHAPES)]
    dashes = _DASHES[number % len(_DASHES)]
    return Look(shape, f"s{number % NUM_COLORS}", dashes)


@dataclasses.dataclass(frozen=True)
class Scale:
    """Maps numbers from low to high onto pixels; if logarithmic, low is above 0."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Returns the pixel of a number."""
        low, high, value = map(self._unit, (self.low, self.high, value))
        share = (value - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _unit(self, value: float) -> float:
        return math.log10(value) if self.is_log else value

    def ticks(self, wanted: int) -> list[float]:
        """Returns round numbers within the scale, about as many as wanted."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), 40)
            numbers = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            found = [one for one in numbers if self.low <= one <= self.high]
            return found[:: math.ceil(len(found) / wanted)] if found else []
        rough = (self.high - self.low) / wanted
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def padded(values: Sequence[float], least: float) -> tuple[float, float]:
    """Returns ends around values: a twentieth away, and at least `least` apart."""
    low, high = min(values), max(values)
    margin = max((high - low) / 20, (least - (high - low)) / 2)
    return low - margin, high + margin


def number(value: float) -> str:
    """Returns the text of a tick."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def shortened(text: str, width: float) -> str:
    """Returns text that fits into so many pixels."""
    most = int(width / _CHARACTER_WIDTH)
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


class Canvas:
    """Collects the elements of one picture."""

    def __init__(self, width: float) -> None:
        """Starts an empty picture."""
        self._width = width
        self._parts: list[str] = []

    def line(
        self, x1: float, y1: float, x2: float, y2: float, kind: str, title: str = ""
    ) -> None:
        """Draws a line."""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self._add("line", f'{ends} class="{kind}"', _titled(title))

    def path(
        self, points: Iterable[tuple[float, float]], one: Look, title: str
    ) -> None:
        """Draws a line through points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{one.dashes}"' if one.dashes else ""
        kind = f'class="curve {one.kind}"'
        self._add("polyline", f'points="{places}" {kind}{dashes}', _titled(title))

    def mark(self, x: float, y: float, one: Look, title: str = "") -> None:
        """Draws the mark of a series."""
        kind, radius = f'class="{one.kind}"', _RADIUS
        if one.shape == "circle":
            place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
            self._add("circle", f"{place} {kind}", _titled(title))
        elif one.shape == "cross":
            low_x, high_x, low_y, high_y = (
                x - radius,
                x + radius,
                y - radius,
                y + radius,
            )
            path = f"M{low_x:.1f} {low_y:.1f}L{high_x:.1f} {high_y:.1f}"
            path += f"M{low_x:.1f} {high_y:.1f}L{high_x:.1f} {low_y:.1f}"
            self._add("path", f'd="{path}" {kind}', _titled(title))
        else:
            outline = _OUTLINES[one.shape]
            corners = ((x + dx * radius, y + dy * radius) for dx, dy in outline)
            places = " ".join(f"{one:.1f},{other:.1f}" for one, other in corners)
            self._add("polygon", f'points="{places}" {kind}', _titled(title))

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", kind: str = ""
    ) -> None:
        """Writes text; `anchor` says which end is at x: start, middle or end."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._add("text", f'{place} class="{kind}"', escape(words))

    def legend(self, x: float, y: float, entries: Iterable[tuple[Look, str]]) -> float:
        """Writes what marks mean, in lines; returns the y below them."""
        left = x
        for one, words in entries:
            words = shortened(words, self._width - x - 2 * FONT_SIZE)
            width = len(words) * _CHARACTER_WIDTH + 3 * FONT_SIZE
            if left > x and left + width > self._width:
                left, y = x, y + _LEGEND_STEP
            self.mark(left + _RADIUS, y, one)
            self.text(left + 2 * _RADIUS + 6, y + FONT_SIZE / 3, words)
            left += width
        return y + _LEGEND_STEP

    def svg(self, name: str, height: float, title: str, description: str) -> str:
        """Returns the picture; the name makes ids that are unique on the page."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {self._width:g} {height:g}" '
            f'aria-labelledby="{name}-title {name}-desc">\n'
            f'<title id="{name}-title">{escape(title)}</title>\n'
            f'<desc id="{name}-desc">{escape(description)}</desc>\n'
            f"{''.join(self._parts)}</svg>"
        )

    def _add(self, tag: str, attributes: str, content: str) -> None:
        self._parts.append(f"<{tag} {attributes}>{content}</{tag}>\n")


def _titled(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
