# SPDX-License-Identifier: Apache-2.0
"""Finds problems in a set of labelled words, for `biobert data-check`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading
from biobert_tf.ner.reading import NerExample
from biobert_tf.text import rows as text_rows
from biobert_tf.text.labels import DOCUMENT_START, LABEL
from biobert_tf.training import checking
from biobert_tf.training.checking import FileReport, Place, Report, Row, Ruler

# Kind of problem -> what is counted; {0} and {1} are the files concerned.
KINDS: Final = checking.kinds_of(
    "sentences",
    "sentences",
    broken_iob2="words of {0} whose label breaks IOB2: an I that begins an entity, or "
    "a label of IOB1, IOBES or BILOU; training reads them as IOB2",
)
# The first of each that is there; train_dev is train and devel together.
_SPLITS: Final = (("train", "train_dev"), ("devel", "dev"), ("test",))
_NUM_SPECIAL: Final = 2  # [CLS] and [SEP]
_NUM_PROBED: Final = 100  # Rows that tell whether a file holds labelled words.


def files_of(data_dir: Path) -> list[Path]:
    """Returns the files of training, development and test that are there."""
    found = []
    for names in _SPLITS:
        paths = [data_dir / f"{name}.tsv" for name in names]
        found += [path for path in paths if path.is_file()][:1]
    return found


def is_set(data_dir: Path) -> bool:
    """Returns whether most of the first rows of a folder are a word and its label."""
    for path in files_of(data_dir):
        lines = files.read_text(path).split("\n")
        rows = [text_rows.columns(line) for line in lines if line.strip()]
        rows = [row for row in rows[:_NUM_PROBED] if row]
        rows = [row for row in rows if row[0] != DOCUMENT_START]
        fitting = [
            len(row) in range(2, 12) and LABEL.fullmatch(row[-1]) is not None
            for row in rows
        ]
        if rows:
            return sum(fitting) > len(rows) / 2
    return False


def check(data_dir: Path, ruler: Ruler | None = None) -> Report:
    """Checks the files of a set; `ruler` measures the sentences.

    The label of a sentence is that of all its words, as training reads them; none if it
    knows one type only. A file without labels is measured, and searched for in the
    others.

    Raises:
        InputError: There is nothing to check, or a file cannot be read; then the
            message names the line.
    """
    paths = files_of(data_dir)
    if not paths:
        raise InputError.at(data_dir, None, "holds no train.tsv, devel.tsv or test.tsv")
    rows: dict[str, list[Row]] = {}
    reports = []
    broken: list[checking.Finding] = []
    for path in paths:
        examples = reading.read_examples(path, "fixed", needs_labels=False)
        rows[path.name] = [_row(path.name, example) for example in examples]
        words = list(_labelled(path, examples))
        labels = Counter(row.place.label or "" for row, _ in words)
        longest = ruler.longest(rows[path.name], _NUM_SPECIAL) if ruler else None
        reports.append(
            FileReport(
                path.name,
                len(examples),
                dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
                longest,
                "sentences",
            )
        )
        changed = [(row,) for row, label in words if row.place.label != label]
        broken += checking.findings("broken_iob2", (path.name,), changed)
    found = [*checking.repetitions(rows), *checking.near_duplicates(rows), *broken]
    report = checking.set_report(".", "conll", reports, found, KINDS)
    return Report(data_dir, (report,), (), KINDS)


def _row(name: str, example: NerExample) -> Row:
    # Labels that know one type only agree with those of another type.
    is_whole = example.labels and example.scope == text_rows.ALL
    label = " ".join(example.labels or ()) if is_whole else None
    return Row(Place(name, example.line, label), " ".join(example.words))


def _labelled(path: Path, examples: Sequence[NerExample]) -> Iterator[tuple[Row, str]]:
    """Yields every word with its label in the file, and the label that training reads.

    They differ where a label of the file is not IOB2.
    """
    lines = [text_rows.columns(line) for line in files.read_text(path).split("\n")]
    for example in examples:
        number = example.line
        for word, label in zip(example.words, example.labels or (), strict=False):
            # Rows between the words, such as comments, are no words.
            while word not in lines[number - 1]:
                number += 1
            yield Row(Place(path.name, number, lines[number - 1][-1]), word), label
            number += 1
