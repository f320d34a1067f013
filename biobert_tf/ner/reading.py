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
from biobert_tf.text import rows as text_rows
from biobert_tf.text.labels import DOCUMENT_START, LABEL, Label, chunks, iob

OUTSIDE: Final = "O"
_BIO: Final = re.compile(r"[OBI](-\S+)?")
_TYPE: Final = re.compile(r"[^\s,]+")
_ORIGINAL_LABELS: Final = ("B", "I", "O")
# PARITY(run_ner.py:192): ids count from 1 and padding is a class of its own.
_ORIGINAL_LABEL_LIST: Final = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")
# PARITY(run_ner.py:154-155): at v20200409, sentences are cut after this many words.
_PAPER_MAX_WORDS: Final = 30


@dataclasses.dataclass(frozen=True)
class NerExample:
    """A sentence; `labels` are None if the file has none.

    `line` is the 1-based one of the first word; `ends_blank` says whether a blank line
    follows the sentence; `scope` is the type that the labels know, or `text.rows.ALL`.
    `document` is the number of the document that it is in, from 0, if rows of
    `-DOCSTART-` begin the documents; else None.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...] | None
    line: int = 1
    ends_blank: bool = True
    scope: str = text_rows.ALL
    document: int | None = None


class _Sentence(NamedTuple):
    """The words of a sentence, in columns: Python checks these less for garbage."""

    lines: tuple[int, ...]
    words: tuple[str, ...]
    labels: tuple[str | None, ...]
    ends_blank: bool
    scope: str = text_rows.ALL
    document: int | None = None


def devel_file(folder: Path) -> Path:
    """Returns the development file of a set: `devel.tsv`, or `dev.tsv` if only it is.

    BioBERT's sets have the first, copies of BLURB's the second.
    """
    usual, other = folder / "devel.tsv", folder / "dev.tsv"
    return other if other.is_file() and not usual.is_file() else usual


def read_examples(path: Path, compat: Compat, needs_labels: bool) -> list[NerExample]:
    """Reads the sentences of a file.

    The word is the first column, the label the last. A file whose rows all have one
    column is unlabelled. `fixed` reads rows like `text.rows`, skips `-DOCSTART-` rows,
    checks every label, and turns IOB1, IOBES and BILOU labels into BIO without changing
    an entity. `master` and `paper` split rows at any white space and accept B, I and O
    only.

    Raises:
        InputError: The file does not exist, is not UTF-8 or has no sentence; a row has
            one column among labelled rows; or a label is malformed or missing.
    """
    sentences = list(_sentences(path, compat == "fixed"))
    if not sentences:
        raise InputError.at(path, 1, "holds no sentence; want `word label` lines")
    is_unlabelled = all(set(one.labels) == {None} for one in sentences)
    if is_unlabelled and needs_labels:
        problem = "one column, no label; want `word label` lines"
        raise InputError.at(path, sentences[0].lines[0], problem)
    return [
        NerExample(
            words=sentence.words,
            labels=None if is_unlabelled else _labels(path, sentence, compat),
            line=sentence.lines[0],
            ends_blank=sentence.ends_blank,
            scope=sentence.scope,
            document=sentence.document,
        )
        for sentence in sentences
    ]


def _sentences(path: Path, is_fixed: bool) -> Iterator[_Sentence]:
    # The final newline does not begin another line.
    lines = files.read_text(path).removesuffix("\n").split("\n")

    def has_word(numbered: tuple[int, str]) -> bool:
        row = numbered[1]
        if not row or row.isspace():
            return False
        return not (is_fixed and _is_start(row))

    num_documents = 0
    for is_sentence, group in itertools.groupby(enumerate(lines, start=1), has_word):
        if not is_sentence:
            num_documents += _num_starts(group)
            continue
        numbers, rows = zip(*group, strict=True)
        ends_blank = numbers[-1] < len(lines)
        if is_fixed:
            read = text_rows.read(rows)
            if read.words:
                places, words, labels = zip(*read.words, strict=True)
                found = tuple([numbers[place] for place in places])
                document = num_documents - 1 if num_documents else None
                known = (ends_blank, read.scope, document)
                yield _Sentence(found, words, labels, *known)
            continue
        columns = [row.split() for row in rows]
        words = tuple([row[0] for row in columns])
        labels = tuple([row[-1] if len(row) > 1 else None for row in columns])
        yield _Sentence(numbers, words, labels, ends_blank)


def _num_starts(numbered: Iterable[tuple[int, str]]) -> int:
    return sum(_is_start(row) for _, row in numbered)


def _is_start(row: str) -> bool:
    """Returns whether a row is one that begins a document."""
    return DOCUMENT_START in row and row.split()[0] == DOCUMENT_START


def _labels(path: Path, sentence: _Sentence, compat: Compat) -> tuple[str, ...]:
    """Returns the last column, checked."""
    labels = []
    for line, text, label in zip(
        sentence.lines, sentence.words, sentence.labels, strict=True
    ):
        if label == OUTSIDE:
            labels.append(label)
            continue
        problem = ""
        if label is None:
            problem = (
                f"one column ({text!r}) where other rows have a label; "
                "add the label, or remove all labels to predict only"
            )
        elif compat == "fixed" and not LABEL.fullmatch(label):
            problem = f"label {label!r} is not O, B-TYPE or I-TYPE"
        elif compat != "fixed" and label not in _ORIGINAL_LABELS:
            problem = (
                f"label {label!r}: the original's programs know B, I and O only; types "
                "need run_ner.py --compat=fixed"
            )
        elif label[:2] == "O-" and label != f"O-{sentence.scope}":
            problem = (
                f"label {label!r} after O-{sentence.scope}; write the sentence twice, "
                "once with the labels of each type"
            )
        if problem:
            raise InputError.at(path, line, problem)
        labels.append(label or "")
    return to_bio(labels) if compat == "fixed" else tuple(labels)


def to_bio(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the labels in BIO: an entity's first word is B, its others are I.

    The entities are those that conlleval finds (`I` after `O` begins an entity).
    """
    if set(labels) == {OUTSIDE}:
        return tuple(labels)
    bio = list(labels)
    for chunk in chunks(iob(labels)):
        inside = [str(Label("I", chunk.type))] * (chunk.end - chunk.start - 1)
        bio[chunk.start : chunk.end] = [str(Label("B", chunk.type)), *inside]
    return tuple(bio)


def label_list(examples: Iterable[NerExample], compat: Compat) -> tuple[str, ...]:
    """Returns the labels that a model predicts; a label's index is its id.

    `fixed`: O, the labels O-TYPE of partially labelled sets (`text.rows`), then B and I
    of every type in the data, types sorted. Otherwise the original's seven
    (run_ner.py:192), which other programs' checkpoints expect.
    """
    if compat != "fixed":
        return _ORIGINAL_LABEL_LIST
    types = sorted(
        {chunk.type for example in examples for chunk in chunks(example.labels or ())}
    )
    partial = {x for one in examples for x in one.labels or () if x.startswith("O-")}
    return (
        OUTSIDE,
        *sorted(partial),
        *(str(Label(tag, name)) for name in types for tag in "BI"),
    )


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


def require_untyped(labels: Iterable[str], entity_type: str, source: Path) -> None:
    """Checks that the entities of labels may get this type; "" means none.

    `source` is where the labels come from, for messages.

    Raises:
        InputError: It is not one word, or the labels have other types.
    """
    if not entity_type:
        return
    if not _TYPE.fullmatch(entity_type):
        problem = "want one name without spaces and commas, such as Disease"
        raise InputError.at(source, None, f"entity type {entity_type!r}: {problem}")
    known = sorted({label[2:] for label in labels if re.match("[OBI]-", label)})
    if known and known != [entity_type]:
        problem = f"the labels have types already ({', '.join(known)}); leave it out"
        raise InputError.at(source, None, f"entity type {entity_type!r}: {problem}")


def is_framed(labels: Iterable[str]) -> bool:
    """Returns whether a model with these labels reads sentences in AIONER's frames.

    Only models of partially labelled sets need them (`text.rows`).
    """
    return any(label.startswith("O-") for label in labels)


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
