# SPDX-License-Identifier: Apache-2.0
"""Finds out how a file is laid out, from what stands in it."""

import contextlib
import json
from pathlib import Path

from biobert_tf.classification import columns, layouts, pubmedqa
from biobert_tf.classification.settings import COLUMNS, ReadingConfig
from biobert_tf.common import files, tables
from biobert_tf.common.errors import InputError


def layout_of(path: Path, config: ReadingConfig) -> str | None:
    """Returns the layout of a file, or that of the settings; None if it is empty.

    A layout that does not fit what the settings say is not considered: one with another
    target, or one that has columns and labels of its own where they are named.

    Raises:
        InputError: The file cannot be read; its beginning is of no layout, or of one of
            two. The message names both.
    """
    first = files.first_line(path)
    if not first:
        return None
    if config.layout != "auto":
        return config.layout
    if first.lstrip().startswith(("{", "[")):
        return _of_json(path, first, config)
    rows = _rows(path, first)
    names = columns.clean(rows[0])
    signs = {
        "hoc": _is_hoc(names, rows),
        "biosses": {"sent1", "sent2", "score"} <= {*names},
        "medsts": names[-3:] == ["sentence1", "sentence2", "score"],
        "blurb_yesno": _is_yesno(rows[0]),
    }
    for name, is_seen in signs.items():
        if is_seen and _fits(name, config):
            return name
    if _fits("medsts", config) and _has_scores(rows):
        return _scores_or_classes(path, rows, config)
    return "table"


def _rows(path: Path, first: str) -> list[list[str]]:
    delimiter, text = layouts.delimiter_of(path, first), files.read_text(path)
    is_csv = delimiter == ","
    table = tables.quoted(path, text, delimiter) if is_csv else tables.plain(text)
    return [cells for _, cells in table]


def _is_hoc(names: list[str], rows: list[list[str]]) -> bool:
    """Returns whether a table has HoC's header, and its flags in the first row."""
    if not {"labels", "sentence", "index"} <= {*names}:
        return False
    at = names.index("labels")
    flags = [cells[at] for cells in rows[1:2] if at < len(cells)]
    return all(layouts.hallmarks(cell) is not None for cell in flags)


def _fits(name: str, config: ReadingConfig) -> bool:
    named = [getattr(config, each) for each in (*COLUMNS, "labels", "label_separator")]
    is_open = config.header == "auto" and not any(named)
    return is_open and config.target in ("auto", layouts.LAYOUTS[name].target)


def _of_json(path: Path, first: str, config: ReadingConfig) -> str:
    value = None
    # Also what is nested too deeply, or has a number of thousands of digits.
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(first)
    if isinstance(value, dict) and not pubmedqa.is_one(value):
        is_mednli = {*layouts.MEDNLI} <= {*value} and _fits("mednli", config)
        return "mednli" if is_mednli else "jsonl"
    whole = value
    if value is None:
        with contextlib.suppress(ValueError, RecursionError):
            whole = json.loads(files.read_text(path))
    if isinstance(whole, dict) and pubmedqa.is_one(whole):
        return "pubmedqa"
    raise InputError.at(
        path,
        1,
        "neither jsonl, one object per line, nor pubmedqa, an object of questions by "
        "PMID; write every example as one line",
    )


def _is_yesno(cells: list[str]) -> bool:
    has_texts = len(cells) == 4 and all(len(cell.split()) > 1 for cell in cells[1:3])
    return has_texts and cells[3].strip().lower() in ("yes", "no")


def _has_scores(rows: list[list[str]]) -> bool:
    """Returns whether rows are two texts and a number, without a header."""
    texts = rows[0][:2]
    has_texts = len(rows[0]) == 3 and all(len(cell.split()) > 1 for cell in texts)
    return has_texts and layouts.number(rows[0][2]) is not None


def _scores_or_classes(path: Path, rows: list[list[str]], config: ReadingConfig) -> str:
    numbers = [layouts.number(cells[-1]) for cells in rows]
    if config.target == "regression":
        return "medsts"
    if any(value is not None and not value.is_integer() for value in numbers):
        return "medsts"
    raise InputError.at(
        path,
        1,
        "may be medsts, if the last column is a score, or table, if it is a label; say "
        "which with --layout",
    )
