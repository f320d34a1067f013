"""Sentence boundaries: hand-written hard cases, invariants on any text at all."""

import functools
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from biobert_tf.corpora import document as documents
from biobert_tf.corpora.document import Document
from biobert_tf.text import sentences

HERE = Path(__file__).parents[1]
# What sentences are made of, and what breaks software: marks, brackets, quotes, every
# kind of white space, control characters, combining marks, other scripts, emoji.
ALPHABET = (
    "aabceghimnpstxABCEIMT  ....?!,;:()[]{}<>\"'/-*#=+0123459%"
    "\n\t\r\x00\x0b\x1c\x7f\x85\xa0\u2009\u2028\u3000"
    "\u03b1βΔµéß\u0301²½°·\u2013\u2014\u2018\u2019\u201c\u201d\u2026。中ǅ\U0001f600\ud800"
)


def cases(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def cut(paragraph: str) -> list[str]:
    return [paragraph[start:end] for start, end in sentences.spans(paragraph)]


def assert_sound(paragraph: str) -> None:
    """Spans are in order, disjoint, trimmed, and hold all but white space."""
    end = 0
    for start, stop in sentences.spans(paragraph):
        assert end <= start < stop <= len(paragraph)
        assert not paragraph[end:start].strip()
        assert paragraph[start:stop] == paragraph[start:stop].strip()
        end = stop
    assert not paragraph[end:].strip()


@pytest.mark.parametrize("case", cases("sentence_cases.txt"))
def test_hard_cases(case):
    expected = case.split(" ¶ ")
    assert cut(" ".join(expected)) == expected


@pytest.mark.parametrize("case", cases("sentence_cases_failing.txt"))
@pytest.mark.xfail(strict=True, reason="known to be cut wrongly")
def test_known_failures(case):
    expected = case.split(" ¶ ")
    assert cut(" ".join(expected)) == expected


def test_there_are_enough_cases_each_once():
    lines = cases("sentence_cases.txt")
    assert len(set(lines)) == len(lines) >= 80


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003"])
def test_nothing_to_cut(text):
    assert sentences.spans(text) == []


def test_spans_are_of_the_paragraph_itself():
    text = "  β-Cells (\U0001f600)  grew.\u2009  E. coli  did not. "
    assert [text[a:b] for a, b in sentences.spans(text)] == [
        "β-Cells (\U0001f600)  grew.",
        "E. coli  did not.",
    ]
    assert sentences.spans(text)[0][0] == 2


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_covered_once(seed):
    rng = random.Random(seed)
    for _ in range(300):
        assert_sound("".join(rng.choices(ALPHABET, k=rng.randrange(80))))


def test_every_kind_of_character_is_one_ascii_character():
    text = "".join(map(chr, range(0x3100)))
    stand_ins = sentences._ascii(text)
    assert len(stand_ins) == len(text)
    assert stand_ins.isascii() and stand_ins.isprintable()
    is_space = [character.isspace() for character in text]
    assert [character == " " for character in stand_ins] == is_space


@pytest.mark.parametrize(
    "text",
    [
        "." * 100_000,
        "?!" * 50_000,
        ". " * 50_000,
        "a" * 1_000_000,
        "A. " * 30_000,
        "e.g. " * 30_000,
        "a.) A " * 30_000,
        "(" + "a.) A " * 30_000,
        ".[1]" * 30_000,
        ".(1 1" * 30_000,
        "a.1,1" * 30_000,
        "." + '"' * 100_000,
        "(" * 100_000,
        "(1) " * 30_000,
        " " * 100_000,
        "\n" * 100_000,
        ". " + " " * 100_000,
        "β. Δ " * 30_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_pathological_text_takes_no_longer_than_other_text(text):
    # Quadratic time would take minutes here and be noticed.
    assert_sound(text)


def test_a_document_that_is_split_stays_as_it_is():
    lines = ("One. Two.", "three")
    assert documents.sentences(Document("a.txt:1", lines, is_split=True)) == [*lines]


def test_a_document_is_cut_paragraph_by_paragraph():
    document = Document("PMID:1", ("A title without a full stop", "We did. It was."))
    assert documents.sentences(document) == [
        "A title without a full stop",
        "We did.",
        "It was.",
    ]


def test_needs_no_tensorflow():
    code = (
        "import sys; import biobert_tf.text.sentences; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@functools.cache
def annotated(path: Path) -> list[str]:
    """Sentences of an NER set, their tokens joined so that marks touch words."""
    blocks = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
    found = []
    for block in blocks:
        text = " ".join(line.split("\t")[0] for line in block.splitlines() if line)
        text = re.sub(r" ([.,;:?!)\]])", r"\1", text)
        text = re.sub(r"([(\[]) ", r"\1", text)
        text = re.sub(r"(?<=\d)\. (?=\d)", ".", text)
        # The sets have sentences that end within a number, and some that do not end.
        if re.search(r"[a-z)]\.$", text) and re.match(r"[A-Z][a-z]", text):
            found.append(text)
    return found


@pytest.mark.data
@pytest.mark.parametrize("name", ["NCBI-disease/devel", "BC5CDR-disease/devel"])
def test_finds_the_sentences_of_annotated_abstracts(data, name):
    gold = annotated(data / "ner" / f"{name}.tsv")
    num_right = num_found = num_gold = 0
    for first in range(0, len(gold), 8):
        paragraph = " ".join(gold[first : first + 8])
        assert_sound(paragraph)
        ends = {end for _, end in sentences.spans(paragraph)[:-1]}
        expected, end = set(), 0
        for sentence in gold[first : first + 8][:-1]:
            end += len(sentence)
            expected.add(end)
            end += 1
        num_right += len(ends & expected)
        num_found += len(ends)
        num_gold += len(expected)
    assert num_gold > 500
    assert num_right / num_found > 0.99
    assert num_right / num_gold > 0.99
