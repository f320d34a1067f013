# SPDX-License-Identifier: Apache-2.0
"""The parts of a page, whatever form it is written in.

Texts are plain: each form escapes them. A link is a relative URL, `#id` for a place on
the page, or "".
"""

import dataclasses
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["", "unverified", "agrees", "differs", "failed", "soft"]
"""What a text means, which a form may show by its look."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text in a grid or list; `small` is a second line, `note` where or why.

    A cell that spans several rows has the number of them; those below have 0.
    """

    text: str
    small: str = ""
    link: str = ""
    note: str = ""
    kind: Kind = ""
    rows: int = 1


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table; the first `num_heads` cells of a row say what the row is.

    `groups` are headings above the header: texts and the number of columns. `words` are
    the numbers of other columns, from 0, that have words: they are aligned as such.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    num_heads: int = 1
    groups: tuple[tuple[str, int], ...] = ()
    words: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 6, and the id that links name."""

    level: int
    text: str
    id: str = ""


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Kind = ""


@dataclasses.dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Facts:
    """Names and their values."""

    pairs: tuple[tuple[str, Cell], ...]


@dataclasses.dataclass(frozen=True)
class Code:
    """A command to copy."""

    text: str


@dataclasses.dataclass(frozen=True)
class Figure:
    """A plot as an SVG element, which only a form that can show it has."""

    caption: str
    note: str
    svg: str


@dataclasses.dataclass(frozen=True)
class Details:
    """Parts that a reader opens."""

    summary: str
    parts: tuple["Block", ...]
    kind: Kind = ""


Block: TypeAlias = Grid | Heading | Text | Bullets | Facts | Code | Figure | Details
