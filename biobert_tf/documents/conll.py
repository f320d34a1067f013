# SPDX-License-Identifier: Apache-2.0
r"""Reads and writes CoNLL files: a word per line, its label last.

    -DOCSTART-<TAB>id<TAB>O
    <blank line>
    Breast<TAB>B-Disease
    cancer<TAB>I-Disease
    <blank line>

A blank line ends a sentence; `text.rows` says how its rows are read, also comments,
CoNLL-U and AIONER's frames. A document begins at a `-DOCSTART-`, `# doc_id = ID` or
`# newdoc id = ID` and ends at the next; before the first, every sentence is a document,
named by the number of its first line. Its text joins words with a space and sentences
with a line break. If the last column at the beginning of the file has labels (BIO,
IOB1, IOBES or BILOU, with or without types), they are the mentions.

New mentions become one more column; the others are kept, and so are comments. So a file
with the columns `word gold predicted` can be scored by conlleval. A word that a mention
covers in part gets its label. Of overlapping mentions the longest is written, of
equally long ones the most probable. The format cannot hold probabilities, concepts, ids
and relations.
"""

import bisect
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import BOM, Stream
from biobert_tf.documents import conll_words, conversion, fields
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    parted,
)
from biobert_tf.text import rows as text_rows
from biobert_tf.text.labels import DOCUMENT_START, LABEL, Label, chunks, iob

_IS_LABELLED: Final = re.compile(r"O(-\S+)?|[BIESLU]-\S+")
_NEW_DOCUMENT: Final = re.compile(
    r"#\s*(?:newdoc(?:\s+id\s*=|\s*$)|doc_id\s*=)([^\t]*)"
)
_NO_ID: Final = frozenset(["O", "-X-", "_"])

Block = list[tuple[int, str]]
"""The numbered lines of a document."""


class Word(NamedTuple):
    """A row of the file without its end, and its word's offsets in the document.

    The row of a comment, or of another row that is no word, has the same offset twice.
    """

    row: str
    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """A document as rows."""

    head: str  # the `-DOCSTART-` row of the document; "" if it has none
    sentences: Iterable[Sequence[Word]]

    def spans(self) -> Iterator[tuple[tuple[int, int], ...]]:
        """Yields the offsets of the words of each sentence."""
        for sentence in self.sentences:
            spans = tuple((one.start, one.end) for one in sentence)
            if words := tuple(span for span in spans if span[0] < span[1]):
                yield words


@dataclass(frozen=True)
class _Cut:
    """The sentences of a text of another format, cut anew whenever they are read.

    The mentions are disjoint and in order.
    """

    text: str
    mentions: Sequence[Mention]

    def __iter__(self) -> Iterator[Sequence[Word]]:
        for sentence in conll_words.sentences(self.text, self.mentions):
            yield [Word(self.text[start:end], start, end) for start, end in sentence]


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the documents of a file.

    Raises:
        InputError: Raised by `on_bad`: a row has no label although others have one, or
            its label has another form. The message names the line.
    """
    is_labelled = _is_labelled(stream)
    return fields.readable(
        _blocks(stream),
        lambda block: _document(stream.path, block, is_labelled),
        on_bad,
    )


def _blocks(stream: Stream) -> Iterator[Block]:
    """Yields the rows of each document; comments before the first belong to it."""
    block: Block = []
    is_marked, is_begun, is_between = False, False, True
    for number, line in stream.lines():
        row = line.removeprefix(BOM) if number == 1 else line
        row = row.rstrip("\r\n")
        is_blank = not row or row.isspace()
        is_comment = is_between and text_rows.is_comment(row)
        is_named = is_comment and _NEW_DOCUMENT.fullmatch(row) is not None
        is_head = _is_marked(row)
        is_start = is_named or is_head
        is_end = is_start or (is_blank and not is_marked)
        if is_end and block and (is_begun or is_head):
            yield block
            block, is_begun = [], False
        is_between = is_blank or is_comment
        is_begun = is_begun or is_start or not is_between
        is_marked = is_marked or is_start
        if is_marked or block or not is_blank:
            block.append((number, row))
    if any(row.strip() for _, row in block):
        yield block


def _document(path: Path, block: Block, is_labelled: bool) -> Loaded:
    for number, row in block:
        streams.require_utf8(path, number, row)
    first, head = block[0]
    is_marked = _is_marked(head)
    texts: list[str] = []
    sentences: list[tuple[Word, ...]] = []
    mentions: list[Mention] = []
    offset = 0
    rows = block[1:] if is_marked else block
    for is_blank, group in itertools.groupby(rows, lambda each: not each[1].strip()):
        if is_blank:
            continue
        sentence = list(group)
        read = text_rows.read([row for _, row in sentence])
        text = " ".join(word.text for word in read.words)
        surfaces = {word.row: word.text for word in read.words}
        words = []
        for i, (_, row) in enumerate(sentence):
            length = len(surfaces.get(i, ""))
            words.append(Word(row, offset, offset + length))
            offset += length + 1 if length else 0
        if is_labelled:
            labels = [
                _label_of(path, sentence[word.row][0], word) for word in read.words
            ]
            spans = [words[word.row][1:] for word in read.words]
            mentions += _mentions(spans, labels, text, len(mentions) + 1)
        if text:
            texts.append(text)
        sentences.append(tuple(words))
    name = _id(block)
    document = AnnotatedDocument(
        name or str(first),
        (Passage(0, "\n".join(texts)),),
        tuple(mentions),
        (),
        is_numbered=not name,
    )
    return Loaded(document, Source(head if is_marked else "", tuple(sentences)))


def _is_marked(row: str) -> bool:
    return DOCUMENT_START in row and row.split(maxsplit=1)[0] == DOCUMENT_START


def _id(block: Block) -> str:
    """Returns the id in the rows where a document begins; "" if it has none."""
    for _, row in itertools.takewhile(lambda each: each[1][:1] in "#", block):
        if match := _NEW_DOCUMENT.fullmatch(row):
            return match[1].strip()
    head = block[0][1]
    if not _is_marked(head):
        return ""
    columns = head.split("\t") if "\t" in head else head.split()
    return " ".join(part for part in columns[1:] if part not in _NO_ID).strip()


def _is_labelled(stream: Stream) -> bool:
    """Returns whether any row of a file's head ends with a label."""
    return any(
        word.text != DOCUMENT_START and _IS_LABELLED.fullmatch(word.last or "")
        for sentence in text_rows.sentences(stream.head.decode("utf-8", "replace"))
        for word in sentence.words
    )


def _label_of(path: Path, number: int, word: text_rows.Word) -> str:
    """Returns the label of a word; raises `InputError` if it has none."""
    if word.last is None:
        problem = "one column where other rows have a label; add the label"
        raise InputError.at(path, number, problem)
    if not LABEL.fullmatch(word.last):
        problem = f"label {word.last[:40]!r} is not O, B-TYPE or I-TYPE"
        raise InputError.at(path, number, problem)
    return word.last


def _mentions(
    spans: Sequence[tuple[int, int]], labels: Sequence[str], text: str, number: int
) -> Iterator[Mention]:
    """Yields the mentions of a sentence, numbered in the document from `number`.

    The spans are the offsets of its words, the labels theirs, and `text` is its text.
    """
    if all(label[0] == "O" for label in labels):
        return
    for i, chunk in enumerate(chunks(iob(labels)), start=number):
        start, end = spans[chunk.start][0], spans[chunk.end - 1][1]
        surface = text[start - spans[0][0] : end - spans[0][0]]
        yield Mention(f"T{i}", chunk.type, ((start, end),), surface)


def convert(loaded: Loaded, added: Added, notes: conversion.Notes) -> Annotated:
    """Turns any document into rows and disjoint mentions."""
    if isinstance(loaded.source, Source):
        mentions, relations = parted(added)
    else:
        whole = conversion.united(loaded.document, added, notes, False, False)
        mentions, relations = [*whole.mentions], [*whole.relations]
    kept = conll_words.disjoint(mentions)
    counts = Counter({"relations dropped": len(relations)})
    counts["overlapping mentions dropped"] = len(mentions) - len(kept)
    if isinstance(loaded.source, Source):
        with_words, num_widened = _with_words(loaded.source, kept)
        counts["mentions widened to whole words"] = num_widened
    else:
        text = conversion.flat(whole)
        with_words = [one for one in kept if text.slice(*one.extent).strip()]
        head = "\t".join([DOCUMENT_START, re.sub(r"\s", " ", text.id)])
        source = Source(head, _Cut(text.passages[0].text, with_words))
        loaded, _ = conversion.converted(text, source)
    counts["mentions without a word dropped"] = len(kept) - len(with_words)
    counts["discontinuous mentions written from end to end"] = sum(
        len(mention.spans) > 1 for mention in with_words
    )
    counts["concepts dropped"] = sum(bool(one.concepts) for one in with_words)
    counts["probabilities dropped"] = sum(
        one.probability is not None for one in with_words
    )
    notes.update(+counts)
    return loaded, with_words


def _with_words(
    source: Source, mentions: Sequence[Mention]
) -> tuple[list[Mention], int]:
    """Returns the mentions that cover a word, and how many cover a word in part."""
    if not mentions:
        return [], 0
    starts = [start for sentence in source.spans() for start, _ in sentence]
    ends = [end for sentence in source.spans() for _, end in sentence]
    kept = []
    num_widened = 0
    for mention in mentions:
        start, end = mention.extent
        first = bisect.bisect_right(ends, start)
        behind = bisect.bisect_left(starts, end)
        if first < behind:
            kept.append(mention)
            num_widened += starts[first] < start or ends[behind - 1] > end
    return kept, num_widened


def texts(documents: Iterable[Annotated]) -> Iterator[str]:
    """Yields the sentences of documents with a column of labels added."""
    for loaded, added in documents:
        yield from _sentences(loaded, added)


def _sentences(loaded: Loaded, added: Added) -> Iterator[str]:
    """Yields the labelled rows of each sentence and its blank line as one string."""
    source = loaded.source
    if source.head:
        yield text_rows.with_column(source.head, "O\n\n")
    mentions = sorted(parted(added)[0], key=lambda one: one.extent)
    ends = [mention.extent[1] for mention in mentions]
    for sentence in source.sentences:
        rows = []
        before = None
        for row, word_start, word_end in sentence:
            if word_start == word_end:
                is_comment = row[0] == "#" and "\t" not in row
                rows.append(
                    f"{row}\n" if is_comment else text_rows.with_column(row, "O\n")
                )
                continue
            i = bisect.bisect(ends, word_start)
            is_inside = i < len(mentions) and mentions[i].extent[0] < word_end
            inside = i if is_inside else None
            label = "O"
            if is_inside:
                kind = re.sub(r"\s", "_", mentions[i].type)
                label = str(Label("I" if inside == before else "B", kind))
            before = inside
            rows.append(text_rows.with_column(row, f"{label}\n"))
        rows.append("\n")
        yield "".join(rows)
