# SPDX-License-Identifier: Apache-2.0
"""Writes the parts of the page as one HTML file: no script, nothing to load."""

from collections.abc import Iterable, Iterator
from html import escape

from biobert_tf.reproduce.page import blocks, style


def text(title: str, parts: Iterable[blocks.Block]) -> str:
    """Returns the page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style.css()}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(map(_html, parts))}</main>\n</body>\n</html>\n"
    )


def _html(part: blocks.Block) -> str:
    match part:
        case blocks.Bullets():
            items = "".join(f"<li>{_cell(item)}</li>\n" for item in part.items)
            return f"<ul>\n{items}</ul>\n"
        case blocks.Facts():
            pairs = part.pairs
            rows = (f"<dt>{escape(k)}</dt>\n<dd>{_cell(v)}</dd>\n" for k, v in pairs)
            return f"<dl>\n{''.join(rows)}</dl>\n"
        case blocks.Figure():
            caption = f"<figcaption>{escape(part.caption)}</figcaption>"
            box = f"{_box(escape(part.caption))}{part.svg}</div>"
            note = f"<p>{escape(part.note)}</p>" if part.note else ""
            return f"<figure>\n{caption}\n{note}\n{box}\n</figure>\n"
        case blocks.Details():
            inner = "".join(map(_html, part.parts))
            summary = f"<summary{_class(part.kind)}>{escape(part.summary)}</summary>"
            return f"<details>\n{summary}\n{inner}</details>\n"
        case blocks.Grid():
            return "".join(_grid(part))
        case _:
            return _words(part)


def _words(part: blocks.Heading | blocks.Text | blocks.Code) -> str:
    words = escape(part.text)
    match part:
        case blocks.Heading():
            name = f' id="{part.id}"' if part.id else ""
            return f"<h{part.level}{name}>{words}</h{part.level}>\n"
        case blocks.Text():
            return f"<p{_class(part.kind)}>{words}</p>\n"
        case blocks.Code():
            return f"<pre><code>{words}</code></pre>\n"


def _grid(grid: blocks.Grid) -> Iterator[str]:
    # A caption of the table itself would be scrolled out of sight with it.
    caption = escape(grid.caption)
    yield f'<p class="caption">{caption}</p>\n'
    yield f"{_box(caption)}\n<table>\n<thead>\n"
    if grid.groups:
        heads = (
            f'<th scope="colgroup" colspan="{number}">{escape(name)}</th>'
            if name
            else f'<td colspan="{number}"></td>'
            for name, number in grid.groups
        )
        yield f'<tr class="groups">{"".join(heads)}</tr>\n'
    words = {*range(grid.num_heads), *grid.words}
    names = (
        f'<th scope="col"{_class(_column(i, words))}>{escape(name)}</th>'
        for i, name in enumerate(grid.header)
    )
    yield f"<tr>{''.join(names)}</tr>\n</thead>\n<tbody>\n"
    for row in grid.rows:
        cells = (
            _table_cell(cell, _column(i, words), i < grid.num_heads)
            for i, cell in enumerate(row)
            if cell.rows
        )
        first = "" if row[0].rows == 1 or not row[0].rows else ' class="first"'
        yield f"<tr{first}>{''.join(cells)}</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"


def _box(label: str) -> str:
    """Returns the start of a box that scrolls, by the keyboard too."""
    return f'<div class="box" role="region" tabindex="0" aria-label="{label}">'


def _column(number: int, words: set[int]) -> str:
    """Returns the class of the cells of a column."""
    return "words name" if number == 0 else "words" if number in words else ""


def _table_cell(cell: blocks.Cell, name: str, is_head: bool) -> str:
    scope = "rowgroup" if cell.rows > 1 else "row"
    tag, attributes = ("th", f' scope="{scope}"') if is_head else ("td", "")
    attributes += f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
    attributes += _class(name)
    attributes += f' title="{escape(cell.note)}"' if cell.note else ""
    return f"<{tag}{attributes}>{_cell(cell)}</{tag}>"


def _cell(cell: blocks.Cell) -> str:
    shown = escape(cell.text)
    if cell.link:
        shown = f'<a href="{escape(cell.link)}">{shown}</a>'
    if cell.kind:
        shown = f"<span{_class(cell.kind)}>{shown}</span>"
    return f"{shown} <small>{escape(cell.small)}</small>" if cell.small else shown


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
