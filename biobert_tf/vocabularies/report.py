# SPDX-License-Identifier: Apache-2.0
"""Measures how well a vocabulary fits a text: `biobert vocab report`.

A word is a chunk of `BasicTokenizer` with a letter or a digit in it. Other chunks are
punctuation marks and symbols; nearly all are one piece and would flatter the figures.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.text import case
from biobert_tf.text.tokenization import UNKNOWN, FullTokenizer
from biobert_tf.vocabularies import words as corpus_words
from biobert_tf.vocabularies.settings import ReportConfig

# Shorter words save few pieces, and most of them are names of variables.
_MIN_SUGGESTED_CHARS: Final = 3
_MIN_SUGGESTED_COUNT: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class CutWord:
    """A word, its number of occurrences, and the pieces the vocabulary cuts it into."""

    word: str
    count: int
    pieces: tuple[str, ...]

    @property
    def cost(self) -> int:
        """The number of pieces that the text would save if this word were one piece."""
        return self.count * (len(self.pieces) - 1)


@dataclasses.dataclass(frozen=True)
class Report:
    """Statistics of a text cut with a vocabulary; every occurrence of a word counts.

    Attributes:
        vocab_file: The vocabulary.
        do_lower_case: Whether text is lower-cased, as the vocabulary has no capitals.
        num_entries: The number of entries of the vocabulary.
        num_entries_used: The number of entries that occur in the text.
        num_words: The number of words of the text.
        num_distinct_words: The number of different words.
        num_word_pieces: The number of pieces of all words; `[UNK]` counts as one.
        num_whole_words: The number of words that are one piece other than `[UNK]`.
        num_pieces: The number of pieces of the words and all other chunks.
        num_unknown: The number of pieces that are `[UNK]`.
        most_split: Words with letters, those first that would save most pieces.
        most_unknown: Chunks that become `[UNK]`, the most frequent first.
    """

    vocab_file: Path
    do_lower_case: bool
    num_entries: int
    num_entries_used: int
    num_words: int
    num_distinct_words: int
    num_word_pieces: int
    num_whole_words: int
    num_pieces: int
    num_unknown: int
    most_split: tuple[CutWord, ...]
    most_unknown: tuple[CutWord, ...]

    @property
    def pieces_per_word(self) -> float:
        """The mean number of pieces of a word, also called fertility."""
        return self.num_word_pieces / self.num_words

    @property
    def whole_word_rate(self) -> float:
        """The share of the words that are one piece, in [0, 1]."""
        return self.num_whole_words / self.num_words

    @property
    def unknown_rate(self) -> float:
        """The share of all pieces that are `[UNK]`, in [0, 1]."""
        return self.num_unknown / self.num_pieces

    def to_dict(self) -> dict[str, object]:
        """Returns all attributes and rates by name, ready for JSON."""
        return {
            **dataclasses.asdict(self),
            "vocab_file": str(self.vocab_file),
            "pieces_per_word": self.pieces_per_word,
            "whole_word_rate": self.whole_word_rate,
            "unknown_rate": self.unknown_rate,
        }


def report(config: ReportConfig) -> str:
    """Measures vocabularies on a corpus and writes the files that are asked for.

    Returns:
        The report as text; see `as_text`.

    Raises:
        InputError: The corpus or a vocabulary cannot be read, or the corpus has no
            words.
    """
    tokenizers = [
        case.load(Path(name).expanduser()) for name in config.vocab_file.parts
    ]
    tokens = corpus_words.read_tokens(config.sample)
    words = {
        is_lower: corpus_words.count_words(tokens, is_lower)
        for is_lower in {t.basic_tokenizer.do_lower_case for t in tokenizers}
    }
    if not any(is_word(chunk) for counts in words.values() for chunk in counts):
        raise InputError(f"--input={config.sample.input}: the corpus has no words")
    cuts = [cut(t, words[t.basic_tokenizer.do_lower_case]) for t in tokenizers]
    reports = [
        measure(tokenizer, cut_words, config.top)
        for tokenizer, cut_words in zip(tokenizers, cuts, strict=True)
    ]
    if config.output is not None:
        files.write_json(config.output, [each.to_dict() for each in reports])
    if config.suggestions_file is not None:
        suggested = suggestions(cuts[0], config.suggest)
        files.write_text(
            config.suggestions_file, "".join(f"{word}\n" for word in suggested)
        )
    return as_text(reports)


def cut(tokenizer: FullTokenizer, words: Mapping[str, int]) -> list[CutWord]:
    """Cuts every different word once, with the vocabulary of `tokenizer`."""
    cutter = tokenizer.wordpiece_tokenizer
    return [
        CutWord(word, count, tuple(token for token, _, _ in cutter.cut(word)))
        for word, count in words.items()
    ]


def measure(tokenizer: FullTokenizer, cut_words: Sequence[CutWord], top: int) -> Report:
    """Computes the statistics of a text that is cut with a vocabulary.

    Args:
        tokenizer: The tokenizer that cut the words.
        cut_words: Every different chunk of the text, punctuation included; at least
            one of them is a word.
        top: The number of words to list in `most_split` and in `most_unknown`.
    """
    words = [each for each in cut_words if is_word(each.word)]
    unknown = [each for each in cut_words if is_unknown(each)]
    split = [each for each in words if each.cost and _has_letter(each.word)]
    pieces = Counter(piece for each in cut_words for piece in each.pieces)
    return Report(
        vocab_file=tokenizer.vocab_file,
        do_lower_case=tokenizer.basic_tokenizer.do_lower_case,
        num_entries=max(tokenizer.vocab.values()) + 1,
        num_entries_used=len(pieces.keys() - {UNKNOWN}),
        num_words=sum(each.count for each in words),
        num_distinct_words=len(words),
        num_word_pieces=sum(each.count * len(each.pieces) for each in words),
        num_whole_words=sum(
            each.count
            for each in words
            if len(each.pieces) == 1 and not is_unknown(each)
        ),
        num_pieces=sum(each.count * len(each.pieces) for each in cut_words),
        num_unknown=sum(each.count for each in unknown),
        most_split=tuple(_first(split, top, lambda each: each.cost)),
        most_unknown=tuple(_first(unknown, top, lambda each: each.count)),
    )


def suggestions(cut_words: Iterable[CutWord], most: int) -> list[str]:
    """Returns the words that would save most pieces if they became pieces.

    A word that is `[UNK]` counts as two pieces: a piece of its own would not shorten
    the text, but make the word known. Words without a letter, of less than three
    characters, or that occur once are excluded.

    Args:
        cut_words: Every different chunk of the text.
        most: The maximum number of words to return.
    """
    candidates = [
        each
        for each in cut_words
        if each.count >= _MIN_SUGGESTED_COUNT
        and len(each.word) >= _MIN_SUGGESTED_CHARS
        and _has_letter(each.word)
        and (each.cost or is_unknown(each))
    ]
    return [
        each.word
        for each in _first(candidates, most, lambda each: each.cost or each.count)
    ]


def is_word(chunk: str) -> bool:
    """Returns whether a chunk has a letter or a digit in it."""
    return any(char.isalnum() for char in chunk)


def is_unknown(cut_word: CutWord) -> bool:
    """Returns whether a word has become `[UNK]`."""
    return cut_word.pieces == (UNKNOWN,)


def _has_letter(chunk: str) -> bool:
    return any(char.isalpha() for char in chunk)


def _first(
    cut_words: Iterable[CutWord], most: int, worth: Callable[[CutWord], int]
) -> list[CutWord]:
    """Returns the `most` words of highest `worth`; ties in alphabetical order."""
    return sorted(cut_words, key=lambda each: (-worth(each), each.word))[:most]


def as_text(reports: Sequence[Report]) -> str:
    """Returns a table with one column per vocabulary, and the lists of each."""
    rows: list[tuple[str, Callable[[Report], str]]] = [
        ("lower-cased", lambda each: "yes" if each.do_lower_case else "no"),
        ("entries", lambda each: f"{each.num_entries:,}"),
        ("entries used", lambda each: f"{each.num_entries_used:,}"),
        ("words", lambda each: f"{each.num_words:,}"),
        ("different words", lambda each: f"{each.num_distinct_words:,}"),
        ("pieces per word", lambda each: f"{each.pieces_per_word:.4f}"),
        ("words kept whole", lambda each: f"{each.whole_word_rate:.2%}"),
        ("[UNK] of all pieces", lambda each: f"{each.unknown_rate:.4%}"),
    ]
    table = [["", *(f"({i + 1})" for i in range(len(reports)))]]
    table += [[name, *map(shown, reports)] for name, shown in rows]
    width = max(len(cell) for row in table for cell in row[1:]) + 2
    lines = [f"({i + 1}) {each.vocab_file}" for i, each in enumerate(reports)]
    lines += [
        f"{row[0]:20}{''.join(f'{cell:>{width}}' for cell in row[1:])}" for row in table
    ]
    for i, each in enumerate(reports):
        lines += _listed(f"({i + 1}) most split", each.most_split)
        lines += _listed(f"({i + 1}) most often [UNK]", each.most_unknown)
    return "\n".join(lines)


def _listed(title: str, cut_words: Sequence[CutWord]) -> list[str]:
    """Returns the lines of a list of words with its title; none if it is empty."""
    if not cut_words:
        return []
    rows = [
        f"{each.count:8,}  {each.word:.40}: {' '.join(each.pieces)}"
        for each in cut_words
    ]
    return ["", f"{title}:", *rows]
