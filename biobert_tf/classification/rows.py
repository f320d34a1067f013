# SPDX-License-Identifier: Apache-2.0
"""Reads the rows of a file: texts, and labels as they stand there."""

import contextlib
import dataclasses
import functools
import itertools
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from biobert_tf.classification import columns, layouts, pubmedqa
from biobert_tf.classification.columns import Columns
from biobert_tf.classification.examples import Target
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common import files, json_text, tables
from biobert_tf.common.errors import InputError

_LOG = logging.getLogger(__name__)

_NO_CONSENSUS: Final = "-"  # As in SNLI: people disagreed.
_SENTENCE: Final = re.compile("_s[0-9]+$")


class Row(NamedTuple):
    """A row; its label is a cell, a JSON value, or None."""

    line: int
    id: str
    text: str
    pair: str | None
    label: object
    group: str


@dataclasses.dataclass(frozen=True)
class Form:
    """How the files of a set are laid out.

    Attributes:
        layout: The name of the layout.
        target: What is learned.
        config: The settings of reading.
        has_quoting: Whether a TSV may have CSV quoting: if every one has a header.
    """

    layout: str
    target: Target
    config: ReadingConfig
    has_quoting: bool = True


def read(path: Path, split: str, form: Form) -> list[Row]:
    """Returns the rows of a file, or of a split of PubMedQA's one file.

    Raises:
        InputError: The file cannot be read, its columns are unknown, or a row is
            malformed; the message names the line.
    """
    if form.layout == "pubmedqa":
        return _questions(path, split, form.config)
    text = files.read_text(path)
    if layouts.LAYOUTS[form.layout].is_json:
        return list(_objects(path, text, form))
    delimiter = layouts.delimiter_of(path, files.first_line(path))
    build = functools.partial(_table, path, form)
    if delimiter == ",":
        return build(tables.quoted(path, text, delimiter))
    return (
        tables.fitting(path, text, build)
        if form.has_quoting
        else build(tables.plain(text))
    )


def has_header(path: Path, form: Form) -> bool:
    """Returns whether a file names its columns, as JSON objects do."""
    if layouts.LAYOUTS[form.layout].is_json or form.layout == "pubmedqa":
        return True
    return _is_header(_cells(path), form)


def columns_of(path: Path, form: Form) -> tuple[Columns, list[str]]:
    """Returns the columns of a table or of JSON lines, and their names, if any."""
    if layouts.LAYOUTS[form.layout].is_json:
        line, values = next(_parsed(path, files.read_text(path)))
        with _at(path, line):
            found = columns.of_names([*values], form.config, form.target)
        return found, [*values]
    cells = _cells(path)
    found = _columns(path, 1, cells, form)
    return found, columns.clean(cells) if _is_header(cells, form) else []


@contextlib.contextmanager
def _at(path: Path, line: int) -> Iterator[None]:
    """Gives an InputError of the block its place."""
    try:
        yield
    except InputError as error:
        raise InputError.at(path, line, str(error)) from None


def _row(line: int, number: int, values: Mapping[str, Any], form: Form) -> Row:
    id_, group = values["id"], values["group"]
    found = str(number) if id_ is None else str(id_)
    if form.layout == "hoc":
        group = _SENTENCE.sub("", found)
    group = "" if group is None else str(group)
    return Row(line, found, values["text"], values["pair"], values["label"], group)


# --- tables ---------------------------------------------------------------------------


def _cells(path: Path) -> list[str]:
    """Returns the cells of the first row of a table."""
    first = files.first_line(path).rstrip("\r\n")
    delimiter = layouts.delimiter_of(path, first)
    if delimiter == "\t":
        return first.split(delimiter)
    return next(tables.quoted(path, files.read_text(path), delimiter))[1]


def _is_header(cells: Sequence[str], form: Form) -> bool:
    if form.layout == "medsts":
        return layouts.number(cells[-1].strip('"')) is None
    own = layouts.LAYOUTS[form.layout].header
    return columns.is_header(cells, form.config) if own == "auto" else own == "yes"


def _columns(path: Path, line: int, cells: Sequence[str], form: Form) -> Columns:
    """Returns the columns of a table by its first row."""
    width = len(cells)
    with _at(path, line):
        if form.layout == "medsts":
            if width < 3:
                wanted = "two sentences and a score, the last of all columns"
                raise InputError(f"{width} columns; want {wanted}")
            id_column = 0 if width > 3 else None
            return Columns(width - 3, width - 2, width - 1, id_column)
        if form.layout == "blurb_yesno":
            if width not in (3, 4):
                wanted = "id, question, context and yes or no, without a header"
                raise InputError(f"{width} columns; want {wanted}")
            return Columns(1, 2, 3 if width == 4 else None, 0)
        if _is_header(cells, form):
            return columns.of_names(cells, form.config, form.target)
        return columns.of_places(cells, form.config)


def _table(path: Path, form: Form, table: Iterator[tables.Row]) -> list[Row]:
    first = next(table, None)
    if first is None:
        return []
    line, cells = first
    places = vars(_columns(path, line, cells, form)).items()
    is_named = _is_header(cells, form)
    found = []
    for number, (at, row) in enumerate(
        table if is_named else itertools.chain([first], table)
    ):
        if len(row) != len(cells):
            wanted = "the header" if is_named else "the first row"
            problem = f"{len(row)} columns instead of the {len(cells)} of {wanted}"
            raise InputError.at(path, at, problem)
        values = {role: None if place is None else row[place] for role, place in places}
        found.append(_row(at, number, values, form))
    if not is_named and form.config.header == "auto":
        _require_no_header(path, found)
    return found


def _require_no_header(path: Path, rows: Sequence[Row]) -> None:
    """Rejects a first row that looks like a header of unknown names.

    It has one word where all others have several, and a label of its own.
    """
    head, others = rows[0], rows[1:]
    if len(others) < 2 or len(head.text.split()) != 1 or "@" in head.text:
        return
    labels = {str(row.label) for row in others}
    if str(head.label) not in labels and all(len(x.text.split()) > 1 for x in others):
        raise InputError.at(
            path,
            head.line,
            f"{head.text!r} looks like a header; say which columns are which with "
            "--text_column and --label_column, or that it is none with --header=no",
        )


# --- JSON -----------------------------------------------------------------------------


def _parsed(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the line and the object of every line that is not blank."""
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        hint = "; want one object per line"
        values = json_text.parsed(path, line, content, hint)
        if not isinstance(values, dict):
            raise InputError.at(path, line, "no object; want one object per line")
        yield line, values


def _objects(path: Path, text: str, form: Form) -> Iterator[Row]:
    """Yields the rows of a file of JSON objects, which have the keys of the first."""
    keys: dict[str, str | None] = {}
    num_without = 0
    for number, (line, values) in enumerate(_parsed(path, text)):
        keys = keys or _keys(path, line, [*values], form)
        found = {
            role: None if key is None else values.get(key) for role, key in keys.items()
        }
        for role in ("text", "pair"):
            if keys[role] is not None:
                found[role] = _text(path, line, keys[role], found[role])
        if form.layout == "mednli" and found["label"] == _NO_CONSENSUS:
            num_without += 1
            continue
        yield _row(line, number, found, form)
    if num_without:
        _LOG.warning(
            "%s: %d pairs without a gold_label that people agreed on are left out",
            path,
            num_without,
        )


def _text(path: Path, line: int, key: str | None, value: object) -> str:
    if not isinstance(value, str):
        raise InputError.at(path, line, f"no text {key!r}, which every object needs")
    # JSON can hold a lone surrogate; our output, which is UTF-8, cannot.
    return value.encode("utf-8", "replace").decode("utf-8")


def _keys(path: Path, line: int, names: list[str], form: Form) -> dict[str, str | None]:
    """Returns the key of each role, by the keys of the first object."""
    if form.layout == "mednli":
        values = (*layouts.MEDNLI, "pairID" if "pairID" in names else None, None)
        roles = (field.name for field in dataclasses.fields(Columns))
        return dict(zip(roles, values, strict=True))
    with _at(path, line):
        found = columns.of_names(names, form.config, form.target)
    return {role: None if at is None else names[at] for role, at in vars(found).items()}


def _questions(path: Path, split: str, config: ReadingConfig) -> list[Row]:
    """Returns the questions of PubMedQA, in the order of the split."""
    questions, lines = pubmedqa.read(path)
    pmids = [*questions]
    if path.name == pubmedqa.WHOLE:
        pmids = pubmedqa.split(path, questions, split, config.pubmedqa_fold)
    rows = []
    for pmid in pmids:
        question = questions[pmid]
        context = pubmedqa.context(question, config.pubmedqa_context)
        if context is None:
            problem = f"question {pmid} has no LONG_ANSWER"
            raise InputError.at(path, lines[pmid], f"{problem}; see --pubmedqa_context")
        label, text = question.get("final_decision"), question["QUESTION"]
        rows.append(Row(lines[pmid], pmid, text, context, label, ""))
    return rows
