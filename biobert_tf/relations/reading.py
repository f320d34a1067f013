# SPDX-License-Identifier: Apache-2.0
"""Reads relation files: a sentence and a label per row, in three common forms.

biobert   train and dev have `sentence<TAB>label` without a header; test has the header
          `index<TAB>sentence<TAB>label`. There is no quoting: a `"` is a character.
          BLURB's DDI and ChemProt have `id<TAB>sentence<TAB>label` without a header.
blue      every file has a header that names `sentence` (or `text`) and maybe `label`;
          another first column, or one called `index` or `id`, holds ids. Used by BLUE,
          BLURB and `biobert re-data`. Whether there is CSV quoting is decided from the
          file: most have it, HoC has not.
scibert   one JSON object per line, with `text` and `label`; the entities stand in
          `<< >>` and `[[ ]]`.

In the other two forms, placeholders such as `@GENE$` stand for the entities. Training,
prediction and evaluation read a file in the same way.
"""

import bisect
import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files, json_text, tables
from biobert_tf.common.errors import InputError
from biobert_tf.relations.sets import RelationSet
from biobert_tf.relations.settings import RelationFormat

SPLITS: Final = ("train", "dev", "test")
_SUFFIXES: Final = (".tsv", ".jsonl", ".json", ".txt")
_ID_COLUMNS: Final = ("index", "id")
PLACEHOLDER: Final = re.compile(r"@[A-Za-z][\w-]*\$")
# The marks of each role: set apart by spaces, as they are published, or not. Names of
# chemicals hold brackets of their own: `2-[[4-methyl]amino]phenol`.
_MARKED: Final = (
    (("<< ", re.compile(" >>")), ("<<", re.compile(">>(?!>)"))),
    (("[[ ", re.compile(r" \]\]")), ("[[", re.compile(r"\]\](?!\])"))),
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


def detect(data_dir: Path) -> RelationFormat:
    """Returns the form of a directory's files.

    It is `blue` if the train or dev file begins with a header, which BioBERT's files
    lack. If there is only a test file, `detect_file` decides.

    Raises:
        InputError: A file cannot be read.
    """
    for path in files_of(data_dir):
        if first := files.first_line(path):
            if path.stem == "test" or first.startswith("{"):
                return detect_file(path)
            return "blue" if header(first.split("\t")) else "biobert"
    return "biobert"


def detect_file(path: Path) -> RelationFormat:
    r"""Returns the form of one file alone.

    The test files of BioBERT and BLUE have the same header. It is taken for BLUE's if
    it has quotes or ends in `\r\n`, as in the published files.

    Raises:
        InputError: The file cannot be read.
    """
    first = files.first_line(path)
    if first.startswith("{"):
        return "scibert"
    is_blue = header(first.split("\t")) and ('"' in first or first.endswith("\r\n"))
    return "blue" if is_blue else "biobert"


def header(columns: Iterable[str]) -> list[str]:
    """Returns the names of the columns; [] if `columns` is not a header.

    A column `text` beside one of the usual other names is called `sentence`.
    """
    names = [column.strip('"\r\n').lower() for column in columns]
    is_text = len(names) == 1 or not {"label", *_ID_COLUMNS}.isdisjoint(names)
    if "sentence" not in names and "text" in names and is_text:
        names[names.index("text")] = "sentence"
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
    match data_format:
        case "scibert":
            rows = list(_json_rows(path, text))
        case "blue":
            _require_header(path, text)
            rows = tables.fitting(path, text, functools.partial(_rows, path))
        case _:
            # PARITY(run_re.py:200): quotes are characters like all others.
            rows = _rows(path, tables.plain(text))
            _require_no_header(path, rows)
    return [
        RelationExample(index, text, label, entity_spans(text, data_format), line)
        for line, index, text, label in rows
    ]


def _require_header(path: Path, text: str) -> None:
    """Rejects a first row that is no header."""
    for line, columns in itertools.islice(tables.plain(text), 1):
        if not header(columns):
            raise InputError.at(
                path,
                line,
                f"no header ({columns[0][:40]!r}); want index, sentence and label "
                "columns, or use --data_format=biobert",
            )


def _rows(path: Path, table: Iterator[tables.Row]) -> list[_Row]:
    first = next(table, None)
    if first is None:
        return []
    wanted = header(first[1])
    rows = table if wanted else itertools.chain([first], table)
    if not wanted:
        wanted = ["sentence", "label"]
        if len(first[1]) == 3 and _has_id(first[1]):
            wanted = ["id", *wanted]
    named = [name for name in _ID_COLUMNS if name in wanted]
    id_column = wanted.index(named[0]) if named else 0
    has_id = wanted[id_column] not in ("sentence", "label")
    found = []
    for number, (line, columns) in enumerate(rows):
        if len(columns) != len(wanted):
            raise InputError.at(
                path,
                line,
                f"{len(columns)} columns instead of {len(wanted)}; want "
                f"{'<TAB>'.join(wanted)}",
            )
        values = dict(zip(wanted, columns, strict=True))
        index = columns[id_column] if has_id else str(number)
        found.append((line, index, values["sentence"], values.get("label")))
    return found


def _has_id(columns: Sequence[str]) -> bool:
    """Returns whether a row without a header begins with an id, then a sentence."""
    is_id = len(columns[0].split()) == 1 and not PLACEHOLDER.search(columns[0])
    return is_id and len(columns[1].split()) > 1


def _require_no_header(path: Path, rows: Sequence[_Row]) -> None:
    """Rejects a first row that would be the only example of a class of its own.

    A header with unusual names is such a row: one word among sentences, without an
    entity, and a label that no other row has.
    """
    if len(rows) < 3:
        return
    (line, _, text, label), *others = rows
    is_header = (
        not PLACEHOLDER.search(text)
        and len(text.split()) == 1
        and all(other[3] != label and len(other[2].split()) > 1 for other in others)
    )
    if is_header:
        raise InputError.at(
            path,
            line,
            f"{text!r} and {label!r} look like a header; call its columns sentence and "
            "label, or remove it",
        )


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, (line, content) in enumerate(lines):
        values = json_text.parsed(path, line, content)
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
    scanners = []
    for role, (spaced, tight) in enumerate(_MARKED):
        apart = _Marks(text, role, *spaced)
        is_apart = apart.next(0) is not None
        scanners.append(apart if is_apart else _Marks(text, role, *tight))
    spans: list[EntitySpan] = []
    end = 0
    while found := [span for each in scanners if (span := each.next(end))]:
        spans.append(min(found))
        end = spans[-1].end
    return tuple(spans)


class _Marks:
    """Finds the entities in marks of one kind, in time linear in the text's length.

    A pattern with both marks would look for the end of the text behind every opening
    mark of a text that has no closing one.
    """

    def __init__(
        self, text: str, role: int, opening: str, closing: re.Pattern[str]
    ) -> None:
        self._text, self._role, self._opening = text, role, opening
        self._closings = [match.span() for match in closing.finditer(text)]
        self._last: EntitySpan | None = None
        self._is_done = False

    def next(self, start: int) -> EntitySpan | None:
        """Returns the first entity from a place on; places never decrease."""
        is_behind = self._last is None or self._last.start < start
        if is_behind and not self._is_done:
            self._last = self._found(start)
            self._is_done = self._last is None
        return self._last

    def _found(self, start: int) -> EntitySpan | None:
        begin = self._text.find(self._opening, start)
        inside = begin + len(self._opening)
        # At least one character is between the marks.
        number = bisect.bisect_left(self._closings, (inside + 1, 0))
        if begin < 0 or number == len(self._closings):
            return None
        end, after = self._closings[number]
        inner = self._text[inside:end].strip()
        first = self._text.index(inner, inside)
        return EntitySpan(begin, after, first, first + len(inner), self._role)


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
            path,
            row.line,
            "no label; training and scoring need one in every row (with a header: in "
            "a column called label)",
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
