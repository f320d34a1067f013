# SPDX-License-Identifier: Apache-2.0
"""Measures how well a vocabulary fits a text: `biobert vocab report`.

A word is a chunk of `BasicTokenizer` with a letter or a digit in it. Other chunks are
punctuation marks and symbols; nearly all are one piece and would flatter the figures.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError
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

    @property
    def is_unknown(self) -> bool:
        """Whether the word has become `[UNK]`."""
        return self.pieces == (UNKNOWN,)

    @property
    def has_letter(self) -> bool:
        """Whether the word has a letter in it."""
        return any(map(str.isalpha, self.word))


Report = dict[str, Any]
"""Statistics of a text that is cut with a vocabulary; see `_measure`."""

# The rows of the table: a title, a key of `Report`, and its format.
_ROWS: Final = (
    ("lower-cased", "do_lower_case", ""),
    ("entries", "num_entries", ","),
    ("entries used", "num_entries_used", ","),
    ("words", "num_words", ","),
    ("different words", "num_distinct_words", ","),
    ("pieces per word", "pieces_per_word", ".4f"),
    ("words kept whole", "whole_word_rate", ".2%"),
    ("[UNK] of all pieces", "unknown_rate", ".4%"),
)
_LISTS: Final = (("most split", "most_split"), ("most often [UNK]", "most_unknown"))


def report(config: ReportConfig) -> str:
    """Measures vocabularies on a corpus and writes the files that are asked for.

    Returns:
        A table with one column per vocabulary, and the lists of each.

    Raises:
        InputError: The corpus or a vocabulary cannot be read, or the corpus has no
            words.
    """
    tokenizers = [
        FullTokenizer(remote_path.parse(name).expanduser(), None)
        for name in config.vocab_file.parts
    ]
    tokens = corpus_words.read_tokens(config.sample)
    words = {
        is_lower: corpus_words.count_words(tokens, is_lower)
        for is_lower in {t.basic_tokenizer.do_lower_case for t in tokenizers}
    }
    if not any(_is_word(chunk) for counts in words.values() for chunk in counts):
        raise InputError(f"--input={config.sample.input}: the corpus has no words")
    cuts = [_cut(t, words[t.basic_tokenizer.do_lower_case]) for t in tokenizers]
    pairs = zip(tokenizers, cuts, strict=True)
    reports = [_measure(*each, config.top) for each in pairs]
    if config.output is not None:
        files.write_json(config.output, reports)
    if config.suggestions_file is not None:
        lines = [f"{word}\n" for word in suggestions(cuts[0], config.suggest)]
        files.write_text(config.suggestions_file, "".join(lines))
    return _as_text(reports)


def _cut(tokenizer: FullTokenizer, words: Mapping[str, int]) -> list[CutWord]:
    """Cuts every different word once, with the vocabulary of `tokenizer`."""
    cutter = tokenizer.wordpiece_tokenizer
    return [
        CutWord(word, count, tuple(token for token, _, _ in cutter.cut(word)))
        for word, count in words.items()
    ]


def _measure(tokenizer: FullTokenizer, chunks: Sequence[CutWord], top: int) -> Report:
    """Returns the statistics of a text that is cut with a vocabulary, ready for JSON.

    `chunks` are all different chunks of the text, punctuation included; at least one
    is a word. `top` words are listed in `most_split`, those first that would save most
    pieces, and in `most_unknown`, the most frequent first.

    Every occurrence of a word counts; `[UNK]` counts as one piece, but not as a whole
    word. Rates are in [0, 1]; `pieces_per_word` is also called fertility.
    """
    words = [each for each in chunks if _is_word(each.word)]
    unknown = [each for each in chunks if each.is_unknown]
    whole = [each for each in words if not each.cost and not each.is_unknown]
    split = [each for each in words if each.cost and each.has_letter]
    used = {piece for each in chunks for piece in each.pieces} - {UNKNOWN}
    num_words = _total(words)
    num_word_pieces = num_words + sum(each.cost for each in words)
    num_pieces = sum(each.count * len(each.pieces) for each in chunks)
    most_split = _first(split, top, lambda each: each.cost)
    most_unknown = _first(unknown, top, lambda each: each.count)
    return {
        "vocab_file": str(tokenizer.vocab_file),
        "do_lower_case": tokenizer.basic_tokenizer.do_lower_case,
        "num_entries": max(tokenizer.vocab.values()) + 1,
        "num_entries_used": len(used),
        "num_words": num_words,
        "num_distinct_words": len(words),
        "num_word_pieces": num_word_pieces,
        "num_whole_words": _total(whole),
        "num_pieces": num_pieces,
        "num_unknown": _total(unknown),
        "most_split": [*map(dataclasses.asdict, most_split)],
        "most_unknown": [*map(dataclasses.asdict, most_unknown)],
        "pieces_per_word": num_word_pieces / num_words,
        "whole_word_rate": _total(whole) / num_words,
        "unknown_rate": _total(unknown) / num_pieces,
    }


def suggestions(cut_words: Iterable[CutWord], most: int) -> list[str]:
    """Returns at most `most` words that would save most pieces if they became pieces.

    A word that is `[UNK]` counts as two pieces: a piece of its own would not shorten
    the text, but make the word known. Words without a letter, of less than three
    characters, or that occur once are excluded.
    """
    candidates = [
        each
        for each in cut_words
        if each.count >= _MIN_SUGGESTED_COUNT
        and len(each.word) >= _MIN_SUGGESTED_CHARS
        and each.has_letter
        and (each.cost or each.is_unknown)
    ]
    first = _first(candidates, most, lambda each: each.cost or each.count)
    return [each.word for each in first]


def _is_word(chunk: str) -> bool:
    return any(map(str.isalnum, chunk))


def _total(cut_words: Iterable[CutWord]) -> int:
    return sum(each.count for each in cut_words)


def _first(
    cut_words: Iterable[CutWord], most: int, worth: Callable[[CutWord], int]
) -> list[CutWord]:
    """Returns the `most` words of highest `worth`; ties in alphabetical order."""
    return sorted(cut_words, key=lambda each: (-worth(each), each.word))[:most]


def _as_text(reports: Sequence[Report]) -> str:
    table = [["", *(f"({i + 1})" for i in range(len(reports)))]]
    for title, name, form in _ROWS:
        table.append([title, *(_shown(each[name], form) for each in reports)])
    width = max(len(cell) for row in table for cell in row[1:]) + 2
    lines = [f"({i}) {each['vocab_file']}" for i, each in enumerate(reports, start=1)]
    for title, *cells in table:
        lines.append(f"{title:20}" + "".join(f"{cell:>{width}}" for cell in cells))
    for i, each in enumerate(reports, start=1):
        for title, name in _LISTS:
            if each[name]:
                lines += ["", f"({i}) {title}:"]
            for cut in each[name]:
                pieces = " ".join(cut["pieces"])
                lines.append(f"{cut['count']:8,}  {cut['word']:.40}: {pieces}")
    return "\n".join(lines)


def _shown(value: object, form: str) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else format(value, form)
