# SPDX-License-Identifier: Apache-2.0
"""Reads relation files: a sentence and a label per row, in three common forms.

biobert   train and dev have `sentence<TAB>label` without a header; test has the header
          `index<TAB>sentence<TAB>label`. There is no quoting: a `"` is a character.
blue      every file has a header that names `sentence` and maybe `label`. The first
          column is an index unless it is the sentence. CSV quoting. Used by BLUE, BLURB
          and `biobert re-data`.
scibert   one JSON object per line, with `text` and `label`; the entities stand in
          `<< >>` and `[[ ]]`.

In the other two forms, placeholders such as `@GENE$` stand for the entities. Training,
prediction and evaluation read a file in the same way.
"""

import csv
import dataclasses
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.relations.sets import RelationSet
from biobert_tf.relations.settings import RelationFormat

SPLITS: Final = ("train", "dev", "test")
_SUFFIXES: Final = (".tsv", ".jsonl", ".json", ".txt")
PLACEHOLDER: Final = re.compile(r"@[A-Za-z][\w-]*\$")
# The marks of each role: set apart by spaces, as they are published, or not. Names of
# chemicals hold brackets of their own: `2-[[4-methyl]amino]phenol`.
_MARKED: Final = (
    (r"<< (.+?) >>", r"<<(.+?)>>(?!>)"),
    (r"\[\[ (.+?) \]\]", r"\[\[(.+?)\]\](?!\])"),
)


class EntitySpan(NamedTuple):
    """Where an entity stands in a sentence, in characters, half-open.

    Attributes:
        start, end: The placeholder, or the entity with its marks.
        inner_start, inner_end: The entity without marks; the same for a placeholder.
        role: 0 for `<< >>`, 1 for `[[ ]]`; for placeholders, 0 for the first in the
            sentence, else 1.
    """

    start: int
    end: int
    inner_start: int
    inner_end: int
    role: int


@dataclasses.dataclass(frozen=True)
class RelationExample:
    """A sentence with its entities: one row of a file.

    Attributes:
        id: The index column; the number of the row, from 0, if there is none.
        text: The sentence as the file has it.
        label: The label as the file or the set spells it; None if unknown.
        entities: The entities in the order of the text. Published sets have sentences
            with one (`@CHEM-GENE$` if the two overlap), with more, and with none.
        line: 1-based line where the row begins.
    """

    id: str
    text: str
    label: str | None
    entities: tuple[EntitySpan, ...]
    line: int = 1


_Row = tuple[int, str, str, str | None]
"""Line, id, sentence and label of a row."""


# --- which file, which form ---------------------------------------------------------


def find(data_dir: Path, split: str) -> Path | None:
    """Returns the file of a split, `.tsv`, else `.jsonl`, `.json` or `.txt`, if any."""
    paths = (data_dir / f"{split}{suffix}" for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def files_of(data_dir: Path) -> list[Path]:
    """Returns the train, dev and test files of a set, as far as it has them."""
    return [path for split in SPLITS if (path := find(data_dir, split))]


def folds_of(data_dir: Path) -> list[Path]:
    """Returns the folders in a folder that are called by a number, by number."""
    if not data_dir.is_dir():
        return []
    found = [path for path in data_dir.iterdir() if path.is_dir()]
    numbered = [path for path in found if re.fullmatch("[0-9]+", path.name)]
    return sorted(numbered, key=lambda path: (int(path.name), path.name))


def detect(data_dir: Path) -> RelationFormat:
    """Returns the form of a directory's files.

    It is `blue` if the train or dev file begins with a header, which BioBERT's files
    lack. If there is only a test file, `detect_file` decides.

    Raises:
        InputError: A file cannot be read.
    """
    for path in files_of(data_dir):
        if first := _first_line(path):
            if path.stem == "test" or first.startswith("{"):
                return detect_file(path)
            return "blue" if _header(first.split("\t")) else "biobert"
    return "biobert"


def detect_file(path: Path) -> RelationFormat:
    r"""Returns the form of one file alone.

    The test files of BioBERT and BLUE have the same header. It is taken for BLUE's if
    it has quotes or ends in `\r\n`, as in the published files.

    Raises:
        InputError: The file cannot be read.
    """
    first = _first_line(path)
    if first.startswith("{"):
        return "scibert"
    is_blue = _header(first.split("\t")) and ('"' in first or first.endswith("\r\n"))
    return "blue" if is_blue else "biobert"


def _first_line(path: Path) -> str:
    """Returns the first line that is not blank, with its line end; "" without any."""
    with files.explained_reading(path), path.open("rb") as stream:
        first = next((line for line in stream if line.strip()), b"")
        return first.decode("utf-8-sig", errors="replace")


def _header(columns: Iterable[str]) -> list[str]:
    """Returns the names of the columns; [] if `columns` is not a header."""
    names = [column.strip('"\r\n').lower() for column in columns]
    return names if "sentence" in names else []


# --- rows ---------------------------------------------------------------------------


def read_rows(path: Path, data_format: RelationFormat) -> list[RelationExample]:
    """Reads the rows of a file, with labels as written; a label may be empty.

    Raises:
        InputError: The file does not exist or is not UTF-8; a row has a different
            number of columns than the first, bad quoting, or is not a JSON object. The
            message names the line.
    """
    if data_format == "auto":
        data_format = detect_file(path)
    text = files.read_text(path)
    rows = (
        _json_rows(path, text)
        if data_format == "scibert"
        else _table_rows(path, text, is_quoted=data_format == "blue")
    )
    return [
        RelationExample(index, text, label, entity_spans(text, data_format), line)
        for line, index, text, label in rows
    ]


def _table(path: Path, text: str, is_quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number and the columns of every row that is not blank."""
    if not is_quoted:
        # PARITY(run_re.py:200): quotes are characters like all others.
        lines = enumerate(text.split("\n"), start=1)
        yield from ((number, line.split("\t")) for number, line in lines if line)
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    begin = 1
    try:
        for columns in reader:
            if columns:
                yield begin, columns
            begin = reader.line_num + 1
    except csv.Error as error:
        raise InputError.at(
            path,
            begin,
            f"bad CSV quoting ({error}); use --data_format=biobert if quotes are plain "
            "characters",
        ) from None


def _table_rows(path: Path, text: str, is_quoted: bool) -> Iterator[_Row]:
    table = _table(path, text, is_quoted)
    first = next(table, None)
    if first is None:
        return
    line, columns = first
    header = _header(columns)
    if is_quoted and not header:
        raise InputError.at(
            path,
            line,
            f"no header ({columns[0][:40]!r}); want index, sentence and label "
            "columns, or use --data_format=biobert",
        )
    wanted = header or ["sentence", "label"]
    rows = table if header else itertools.chain([first], table)
    for number, (line, columns) in enumerate(rows):
        if len(columns) != len(wanted):
            raise InputError.at(
                path,
                line,
                f"{len(columns)} columns instead of {len(wanted)}; want "
                f"{'<TAB>'.join(wanted)}",
            )
        values = dict(zip(wanted, columns, strict=True))
        index = str(number) if wanted[0] == "sentence" else columns[0]
        yield line, index, values["sentence"], values.get("label")


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, (line, content) in enumerate(lines):
        try:
            values = json.loads(content)
        except json.JSONDecodeError as error:
            raise InputError.at(path, line, f"not JSON: {error.msg}") from None
        sentence = values.get("text") if isinstance(values, dict) else None
        if not isinstance(sentence, str):
            raise InputError.at(path, line, 'no "text"; want {"text": ..., "label"}')
        label, index = values.get("label"), values.get("id")
        # JSON can hold a lone surrogate; our output, which is UTF-8, cannot.
        sentence = sentence.encode("utf-8", "replace").decode("utf-8")
        index = str(number if index is None else index)
        yield line, index, sentence, None if label is None else str(label)


# --- examples -----------------------------------------------------------------------


def entity_spans(text: str, data_format: RelationFormat) -> tuple[EntitySpan, ...]:
    """Returns where the entities of a sentence stand, in the order of the text.

    These are `<< >>` and `[[ ]]` in the form `scibert`, placeholders in any other.
    """
    if data_format != "scibert":
        return tuple(
            EntitySpan(*match.span(), *match.span(), role=min(i, 1))
            for i, match in enumerate(PLACEHOLDER.finditer(text))
        )
    pattern = "|".join(
        spaced if re.search(spaced, text, re.DOTALL) else tight
        for spaced, tight in _MARKED
    )
    spans = []
    for match in re.finditer(pattern, text, re.DOTALL):
        group = match.lastindex or 0
        inner = match[group].strip()
        start = match.start(group) + match[group].index(inner)
        spans.append(EntitySpan(*match.span(), start, start + len(inner), group - 1))
    return tuple(spans)


def read_examples(
    path: Path,
    data_format: RelationFormat,
    relation_set: RelationSet | None,
    needs_labels: bool,
) -> list[RelationExample]:
    """Reads the examples of a file, of any labels if `relation_set` is None.

    Raises:
        InputError: The file cannot be read (see `read_rows`) or is empty, labels are
            missing though needed, or a label is not in the set.
    """
    rows = read_rows(path, data_format)
    if not rows:
        raise InputError.at(path, 1, "holds no sentence; want rows of sentence, label")
    # A file without any label is for prediction; if only some are missing, it is wrong.
    is_labelled = needs_labels or any(row.label for row in rows)
    return [
        dataclasses.replace(
            row, label=_label(path, row, relation_set) if is_labelled else None
        )
        for row in rows
    ]


def _label(path: Path, row: RelationExample, relation_set: RelationSet | None) -> str:
    if not row.label:
        raise InputError.at(
            path, row.line, "no label; training and scoring need one in every row"
        )
    if relation_set is None:
        return row.label
    known = relation_set.canonical(row.label)
    if known is None:
        raise InputError.at(
            path,
            row.line,
            f"label {row.label!r} is none of {' '.join(relation_set.labels)}, the "
            f"labels of {relation_set.name}",
        )
    return known
