# SPDX-License-Identifier: Apache-2.0
"""Reads NER files: one word per line, its label last, blank lines between sentences.

`--compat` chooses one of three ways to read a file: ours, or that of one of the two
versions of the original.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import Compat
from biobert_tf.text.labels import DOCUMENT_START, LABEL, Label, chunks, iob

OUTSIDE: Final = "O"
_BIO: Final = re.compile(r"O|[BI](-\S+)?")
_ORIGINAL_LABELS: Final = ("B", "I", "O")
# PARITY(run_ner.py:192): ids count from 1 and padding is a class of its own.
_ORIGINAL_LABEL_LIST: Final = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")
# PARITY(run_ner.py:154-155): at v20200409, sentences are cut after this many words.
_PAPER_MAX_WORDS: Final = 30


@dataclasses.dataclass(frozen=True)
class NerExample:
    """A sentence; `labels` are None if the file has none.

    `line` is the 1-based one of the first word; `ends_blank` says whether a blank line
    follows the sentence.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...] | None
    line: int = 1
    ends_blank: bool = True


class _Row(NamedTuple):
    line: int
    columns: list[str]


def read_examples(path: Path, compat: Compat, needs_labels: bool) -> list[NerExample]:
    """Reads the sentences of a file.

    Columns are separated by any white space; the word is the first, the label the
    last. A file whose rows all have one column is unlabelled. `fixed` skips
    `-DOCSTART-` rows, checks every label, and turns IOB1 and IOBES labels into BIO
    without changing an entity; `master` and `paper` accept B, I and O only.

    Raises:
        InputError: The file does not exist, is not UTF-8 or has no sentence; a row has
            one column among labelled rows; or a label is malformed or missing.
    """
    sentences = list(_sentences(path, skips_document_start=compat == "fixed"))
    if not sentences:
        raise InputError.at(path, 1, "holds no sentence; want `word label` lines")
    is_unlabelled = all(len(row.columns) == 1 for rows, _ in sentences for row in rows)
    if is_unlabelled and needs_labels:
        first = sentences[0][0][0]
        problem = "one column, no label; want `word label` lines"
        raise InputError.at(path, first.line, problem)
    return [
        NerExample(
            words=tuple(row.columns[0] for row in rows),
            labels=None if is_unlabelled else _labels(path, rows, compat),
            line=rows[0].line,
            ends_blank=ends_blank,
        )
        for rows, ends_blank in sentences
    ]


def _sentences(
    path: Path, skips_document_start: bool
) -> Iterator[tuple[list[_Row], bool]]:
    """Yields the rows of every sentence, and whether a blank line ends it."""
    # The final newline does not begin another line.
    lines = files.read_text(path).removesuffix("\n").split("\n")
    rows = (_Row(number, line.split()) for number, line in enumerate(lines, start=1))

    def has_word(row: _Row) -> bool:
        is_skipped = skips_document_start and row.columns[:1] == [DOCUMENT_START]
        return bool(row.columns) and not is_skipped

    for is_sentence, group in itertools.groupby(rows, has_word):
        if is_sentence:
            sentence = list(group)
            yield sentence, sentence[-1].line < len(lines)


def _labels(path: Path, rows: Sequence[_Row], compat: Compat) -> tuple[str, ...]:
    """Returns the last column, checked."""
    for line, columns in rows:
        label, problem = columns[-1], ""
        if len(columns) == 1:
            problem = (
                f"one column ({label!r}) where other rows have a label; "
                "add the label, or remove all labels to predict only"
            )
        elif compat == "fixed" and not LABEL.fullmatch(label):
            problem = f"label {label!r} is not O, B-TYPE or I-TYPE"
        elif compat != "fixed" and label not in _ORIGINAL_LABELS:
            problem = (
                f"label {label!r}: --compat={compat} knows B, I and O only, like the "
                "original; use --compat=fixed"
            )
        if problem:
            raise InputError.at(path, line, problem)
    labels = [row.columns[-1] for row in rows]
    return to_bio(labels) if compat == "fixed" else tuple(labels)


def to_bio(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the labels in BIO: an entity's first word is B, its others are I.

    The entities are those that conlleval finds (`I` after `O` begins an entity).
    """
    bio = [OUTSIDE] * len(labels)
    for chunk in chunks(iob(labels)):
        inside = [str(Label("I", chunk.type))] * (chunk.end - chunk.start - 1)
        bio[chunk.start : chunk.end] = [str(Label("B", chunk.type)), *inside]
    return tuple(bio)


def label_list(examples: Iterable[NerExample], compat: Compat) -> tuple[str, ...]:
    """Returns the labels that a model predicts; a label's index is its id.

    `fixed`: O, then B and I of every type in the data, types sorted. Otherwise the
    original's seven (run_ner.py:192), which other programs' checkpoints expect.
    """
    if compat != "fixed":
        return _ORIGINAL_LABEL_LIST
    types = sorted(
        {chunk.type for example in examples for chunk in chunks(example.labels or ())}
    )
    return (OUTSIDE, *(str(Label(tag, name)) for name in types for tag in "BI"))


def of_word(label: str) -> str:
    """Returns what a predicted label means for a word: `O`, `B` or `I`, with its type.

    PARITY(ner_detokenize.py:45-46): X, [CLS], [SEP] and [PAD] on a word mean O
    (run_ner.py:638-639 for [PAD]).
    """
    return label if label[0] in "BI" else OUTSIDE


def require_bio(labels: Sequence[str]) -> None:
    """Checks that a model's labels are BIO, so that its predictions form entities.

    Raises:
        InputError: `O` is missing, or a label is not `O`, `B` or `I` (with or without a
            type), nor one of the original's.
    """
    bad = [x for x in labels if not _BIO.fullmatch(x) and x not in _ORIGINAL_LABEL_LIST]
    if OUTSIDE not in labels or bad:
        raise InputError(
            f"the labels of the model are {' '.join(labels)}: want O, and B and I with "
            "or without a type; rename them in labels.json beside the checkpoint"
        )


def paper_chunks(example: NerExample) -> list[range]:
    """Returns the word ranges into which the tag v20200409 cuts a sentence.

    PARITY(run_ner.py:152-179): at v20200409, while more than 30 words are left,
    the sentence is cut after the last gold `O` among the next 30, or after one word
    if there is none. The cut looks at the gold labels, on the test file too, so that
    no entity is ever cut: scores of this mode are flattered by it. A last sentence
    without a blank line behind it is lost.
    """
    if not example.ends_blank:
        return []
    labels = example.labels or (OUTSIDE,) * len(example.words)
    start, end = 0, len(labels)
    ranges = []
    while end - start > _PAPER_MAX_WORDS:
        window = labels[start : start + _PAPER_MAX_WORDS]
        outside = [i for i, label in enumerate(window) if label == OUTSIDE]
        cut = start + (outside[-1] if outside else 0) + 1
        ranges.append(range(start, cut))
        start = cut
    return [*ranges, range(start, end)]
