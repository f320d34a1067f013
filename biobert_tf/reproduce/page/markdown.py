# SPDX-License-Identifier: Apache-2.0
"""Writes the parts of the page as GitHub's Markdown; plots are in the HTML alone."""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Final

from biobert_tf.reproduce.page import blocks

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~$])")
_LIST: Final = re.compile(r"^(?:[-+=](?=[-+=\s]|$)|\d+(?=[.)](?:\s|$)))")


def text(parts: Iterable[blocks.Block]) -> str:
    """Returns the Markdown of the parts."""
    return "\n".join(line for part in parts for line in _lines(part))


def _lines(part: blocks.Block) -> Iterator[str]:
    """Yields the lines of a part, the last of which is empty."""
    match part:
        case blocks.Bullets():
            # Another sign than that of facts: two lists in a row stay two.
            yield from (f"* {_cell(item)}" for item in part.items)
        case blocks.Facts():
            pairs = part.pairs
            yield from (f"- {_escaped(name)}: {_cell(cell)}" for name, cell in pairs)
        case blocks.Grid():
            yield from _grid(part)
        case blocks.Details():
            yield f"<details><summary>{html.escape(part.summary)}</summary>\n"
            yield from (line for inner in part.parts for line in _lines(inner))
            yield "</details>"
        case blocks.Figure():
            return
        case _:
            yield _words(part)
    yield ""


def _words(part: blocks.Heading | blocks.Text | blocks.Code) -> str:
    match part:
        case blocks.Heading():
            place = f'<a id="{part.id}"></a>\n\n' if part.id else ""
            return f"{place}{'#' * part.level} {_escaped(part.text)}"
        case blocks.Text():
            return _escaped(part.text)
        case blocks.Code():
            fence = "`" * max(3, _longest(part.text) + 1)
            return f"{fence}\n{part.text}\n{fence}"


def _grid(grid: blocks.Grid) -> Iterator[str]:
    yield f"**{_escaped(grid.caption)}**\n"
    names = [name for name, number in grid.groups for _ in range(number)]
    groups = names or [""] * len(grid.header)
    header = zip(groups, grid.header, strict=True)
    yield _row(
        _escaped(f"{group}: {name}" if group else name) for group, name in header
    )
    yield _row(["---"] * len(grid.header))
    yield from (_row(map(_cell, row)) for row in grid.rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: blocks.Cell) -> str:
    if not cell.rows:
        return ""
    shown = _escaped(cell.text)
    if cell.link:
        shown = f"[{shown}]({cell.link})"
    return f"{shown} ({_escaped(cell.small)})" if cell.small else shown


def _escaped(words: str) -> str:
    """Returns text that Markdown shows as it is."""
    safe = _SPECIAL.sub(r"\\\1", words.replace("&", "&amp;"))
    return _LIST.sub(_escape_start, safe)


def _escape_start(match: re.Match[str]) -> str:
    # A number followed by a point begins a list: the point is escaped there.
    return match[0] + "\\" if match[0].isdigit() else "\\" + match[0]


def _longest(words: str) -> int:
    """Returns the length of the longest run of backticks."""
    return max(map(len, re.findall("`+", words)), default=0)
