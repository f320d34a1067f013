# SPDX-License-Identifier: Apache-2.0
r"""Compares sentence splitters on biomedical text: boundaries found, and speed.

    python -m benchmarks.sentences --data=DIR

DIR holds `ner/SET/FILE.tsv`: one token per line, a blank line after each sentence. The
tokens are joined into text again, with eight sentences in a paragraph; a splitter has
to find the seven boundaries between them. The texts in `SEEN` were looked at while the
rules of `text.sentences` were written; the others were not. BC2GM is left out: its
sentences are unrelated, and many of them begin or end within a sentence. The last
column of scores is the share of the hand-written paragraphs of
tests/sentence_cases*.txt that are cut exactly right; these were looked at too.

All splitters take turns in one run, so that the ratios of their speeds hold on a busy
machine. The program names the splitters that are not installed; install them with `pip
install pysbd syntok segtok blingfire nupunkt sentence-splitter`. The rows below
`sentencex` add our corrections to it one after the other; the last row is the splitter
that the package uses.
"""

import contextlib
import functools
import importlib
import re
import statistics
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from benchmarks import turns
from biobert_tf.text import sentences

ROOT = Path(__file__).parents[1]
SEEN = ("NCBI-disease/train", "BC5CDR-disease/test", "JNLPBA-typed/test")
UNSEEN = ("NCBI-disease/test", "NCBI-disease/devel", "BC5CDR-disease/devel")
CASES = "hand-written"
CASE_FILES = ("sentence_cases.txt", "sentence_cases_failing.txt")
PARAGRAPH = 8

Split = Callable[[str], Iterable[str]]
Paragraph = list[str]

# Text with the spaces that the tokenization put in -> the text before it.
JOINS = [
    (r" ([.,;:?!)\]}%])", r"\1"),
    (r"([(\[{]) ", r"\1"),
    (r" ([-/'+]) ", r"\1"),
    (r"(?<=\d)([.,]) (?=\d)", r"\1"),
    (r"(?<![A-Za-z])([A-Za-z]\.) (?=[A-Za-z]\.)", r"\1"),
    (r"([<>=~]|\+/-) ?\. (?=\d)", r"\1 ."),
    (r"(?<!\d)\. (?=0\d)", " ."),
    (r"([.?!])(?: \.)+$", r"\1"),
    (r" ?\(ABSTRACT TRUNCATED AT \d+ WORDS\)", ""),
    (r'" ([^"]*?) "', r'"\1"'),
]


class Score(NamedTuple):
    """The numbers of boundaries that are right, wrong and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]."""
        return 2 * self.right / (2 * self.right + self.wrong + self.missed)

    def __str__(self) -> str:
        """Returns precision, recall and F1 in percent."""
        precision = self.right / (self.right + self.wrong)
        recall = self.right / (self.right + self.missed)
        return f"{100 * precision:6.2f}{100 * recall:6.2f}{100 * self.f1:6.2f}"


def read_sentences(path: Path) -> Iterator[str]:
    """Yields the sentences of a data set as text.

    The sets leave the number of a list item ("2.") at the end of the sentence before
    the item. Here it begins the item's sentence.
    """
    number = ""
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        tokens = [line.split("\t")[0] for line in block.splitlines() if line.strip()]
        text = " ".join(token for token in tokens if token != "-DOCSTART-")
        for blank, written in JOINS:
            text = re.sub(blank, written, text)
        item = re.search(r"(?:^|(?<=[.?!]) )[1-9]\d?\.$", text)
        sentence = text[: item.start()] if item else text
        if sentence.strip(" ."):
            yield number + sentence
            number = ""
        if item:
            number = f"{item[0].strip()} "


def read_paragraphs(path: Path) -> list[Paragraph]:
    """Returns paragraphs of up to eight sentences of a data set.

    A sentence without a full stop is a title and ends its paragraph. Some sentences of
    the data sets end within a number ("6." "05"); they are joined.
    """
    paragraphs: list[Paragraph] = [[]]
    for sentence in read_sentences(path):
        last = paragraphs[-1]
        if last and re.search(r"\d\.$", last[-1]) and sentence[0].isdigit():
            last[-1] += sentence
        else:
            last.append(sentence)
        if len(last) >= PARAGRAPH or not re.search(r"[.?!][)\]\"']*$", last[-1]):
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]


def read_cases(path: Path) -> list[Paragraph]:
    """Returns the hand-written paragraphs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split(" ¶ ") for line in lines if line and not line.startswith("#")]


def boundaries(parts: Iterable[str]) -> set[int]:
    """Returns the ends of sentences in their text, in characters without spaces."""
    ends, end = [], 0
    for part in parts:
        end += sum(map(len, part.split()))
        ends.append(end)
    return set(ends[:-1])


def score(split: Split, paragraphs: list[Paragraph]) -> Score:
    """Counts the boundaries that `split` finds within `paragraphs`."""
    right = wrong = missed = 0
    for paragraph in paragraphs:
        gold = boundaries(paragraph)
        found = boundaries(split(" ".join(paragraph)))
        right += len(gold & found)
        wrong += len(found - gold)
        missed += len(gold - found)
    return Score(right, wrong, missed)


def exact(split: Split, paragraphs: list[Paragraph]) -> float:
    """Returns the share of `paragraphs`, in [0, 1], that `split` cuts exactly right."""
    return statistics.mean(
        boundaries(paragraph) == boundaries(split(" ".join(paragraph)))
        for paragraph in paragraphs
    )


def naive(text: str) -> list[str]:
    """Cuts before every capital letter or digit that follows a full stop."""
    return re.split(r"(?<=[.?!]) (?=[A-Z0-9])", text)


def load_pysbd() -> Split:
    """Returns pysbd's English rules."""
    return (
        importlib.import_module("pysbd").Segmenter(language="en", clean=False).segment
    )


def load_syntok() -> Split:
    """Returns syntok, with its tokens joined into sentences."""
    segmenter = importlib.import_module("syntok.segmenter")

    def split(text: str) -> Iterator[str]:
        for paragraph in segmenter.process(text):
            for sentence in paragraph:
                yield "".join(token.spacing + token.value for token in sentence)

    return split


def load_segtok() -> Split:
    """Returns segtok's splitter for single-line text."""
    return importlib.import_module("segtok.segmenter").split_single


def load_blingfire() -> Split:
    """Returns Bling Fire's default model."""
    module = importlib.import_module("blingfire")
    return lambda text: module.text_to_sentences(text).split("\n")


def load_nupunkt() -> Split:
    """Returns nupunkt's default model, for legal English."""
    return importlib.import_module("nupunkt").sent_tokenize


def load_sentence_splitter() -> Split:
    """Returns the Moses splitter's English prefixes."""
    return importlib.import_module("sentence_splitter").SentenceSplitter("en").split


def load_sentencex() -> Split:
    """Returns sentencex without our corrections."""
    module = importlib.import_module("sentencex")
    return lambda text: module.segment("en", text)


def ours(text: str) -> list[str]:
    """Cuts as the package does: sentencex with all our corrections."""
    return [text[start:end] for start, end in sentences.spans(text)]


def without(*rules: str) -> Split:
    """Returns our splitter without some of its rules (`RULES`)."""

    def split(text: str) -> list[str]:
        with contextlib.ExitStack() as stack:
            for rule in rules:
                name, value = RULES[rule]
                stack.enter_context(mock.patch.object(sentences, name, value))
            return ours(text)

    return split


RULES = {
    "take back": ("_goes_on", lambda word, first: False),
    "add": ("_is_hidden_end", lambda before, word, following: False),
}
LOADERS: dict[str, Callable[[], Split]] = {
    "naive": lambda: naive,
    "pysbd": load_pysbd,
    "syntok": load_syntok,
    "segtok": load_segtok,
    "sentence_splitter": load_sentence_splitter,
    "blingfire": load_blingfire,
    "nupunkt": load_nupunkt,
    "sentencex": load_sentencex,
    " + masks": lambda: without("take back", "add"),
    " + cuts taken back": lambda: without("add"),
    " + cuts added: ours": lambda: ours,
}


def installed() -> dict[str, Split]:
    """Returns the splitters that can be imported; prints the names of the others."""
    splitters = {}
    for name, load in LOADERS.items():
        try:
            splitters[name] = load()
        except ImportError:
            print(f"{name}: not installed")
    return splitters


def speeds(
    splitters: dict[str, Split], paragraphs: list[Paragraph], num_turns: int
) -> dict[str, float]:
    """Returns each splitter's sentences per second of a core, the median of turns."""
    texts = [" ".join(paragraph) for paragraph in paragraphs]
    num_sentences = sum(map(len, paragraphs))

    def cut(split: Split) -> None:
        for text in texts:
            # Some splitters are generators.
            list(split(text))

    ways = {n: functools.partial(cut, split) for n, split in splitters.items()}
    medians = turns.median_cores(ways, num_turns)
    return {name: num_sentences / seconds for name, seconds in medians.items()}


def main() -> None:
    """Prints one line per splitter."""
    flags = turns.parser(__doc__, turns=3, data="folder of real data sets").parse_args()
    folder = flags.data / "ner"
    texts = {name: read_paragraphs(folder / f"{name}.tsv") for name in SEEN + UNSEEN}
    cases = [c for name in CASE_FILES for c in read_cases(ROOT / "tests" / name)]
    splitters = installed()
    speed = speeds(splitters, texts[UNSEEN[0]], flags.turns)
    for names, kind in ((SEEN, "seen"), (UNSEEN, "not seen")):
        for name in names:
            print(f"{name}: {sum(map(len, texts[name])):,} sentences, {kind}")
    print(f"{CASES}: {len(cases)} paragraphs")
    print(f"{'precision, recall, F1 in %':22}", *(f"{n:>18.18}" for n in texts), CASES)
    for name, split in splitters.items():
        scores = (str(score(split, paragraphs)) for paragraphs in texts.values())
        print(
            f"{name:22}",
            *scores,
            f"{100 * exact(split, cases):12.1f}",
            f"{speed[name]:10,.0f} sentences/s",
            f"{speed[name] / speed['sentencex']:6.3f} x sentencex",
        )


if __name__ == "__main__":
    main()
