# SPDX-License-Identifier: Apache-2.0
"""Cuts text into WordPieces: tokens, ids and the span of text of each piece.

The pieces are exactly those of dmis-lab/biobert's `FullTokenizer`
(tokenization.py:161). They depend on the Unicode tables of the Python version: a
character that the tables do not know counts as a control character.

Reading order is data order:
    text -> cleaned text -> words (no white space) -> chunks (lower-cased, cut at
    punctuation) -> pieces
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files, remote_path
from biobert_tf.common.errors import InputError

UNKNOWN: Final = "[UNK]"
_REQUIRED: Final = (UNKNOWN, "[CLS]", "[SEP]")

# Words repeat, so they are cached. Without a limit a pass over PubMed would cache tens
# of millions of them; emptying the cache at the limit is cheaper per word than tracking
# the order of use, and the frequent words are back within a few sentences.
_MAX_CACHED_WORDS: Final = 2**16
_MAX_CACHED_CHARACTERS: Final = 2**16


class Piece(NamedTuple):
    """A WordPiece and the characters `text[start:end]` it came from.

    The span covers everything between the piece's first and last character, including
    control characters that were dropped inside it and, when lower-casing, the stripped
    combining marks that follow it. `[UNK]` covers all characters it replaces.
    """

    token: str
    id: int
    start: int
    end: int


class _Chunk(NamedTuple):
    """A part of a word to cut into pieces, with one span for each character."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


class _Word(NamedTuple):
    """The cached result for a word; spans of `pieces` are relative to the word."""

    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    pieces: tuple[Piece, ...]


def load_vocab(vocab_file: Path | str) -> dict[str, int]:
    r"""Reads a vocabulary: one token per line, its id is the 0-based line number.

    As in the original (tokenization.py:121), white space around a token is removed, a
    blank line is the token "", a repeated token keeps its first place and takes its
    last id, and every `\r` is dropped. Unlike in the original, a byte order mark is
    not part of the first token.

    Raises:
        InputError: The file cannot be read, or a line that is named is not UTF-8.
    """
    # files.read_text would end a line at a lone \r and so shift the ids after it;
    # TensorFlow's reader, which the original uses, drops the \r.
    text = files.read_verbatim(remote_path.parse(vocab_file)).replace("\r", "")
    lines = text.removesuffix("\n").split("\n") if text else []
    return {line.strip(): i for i, line in enumerate(lines)}


def _first_cased(vocab: Iterable[str]) -> str | None:
    """Returns the first token with an upper-case letter, bracketed ones aside."""
    words = (token for token in vocab if not token.startswith("["))
    return next((word for word in words if word != word.lower()), None)


def is_lower_cased(vocab: Iterable[str]) -> bool:
    """Returns whether a vocabulary has letters, but none in upper case.

    `[CLS]` and such do not count. A vocabulary without letters that have two cases
    shows nothing; like BioBERT's, it is not taken for lower-cased.
    """
    words = [token for token in vocab if not token.startswith("[")]
    return all(w == w.lower() for w in words) and any(w != w.upper() for w in words)


def check_case(vocab: Mapping[str, int], do_lower_case: bool, vocab_file: Path) -> None:
    """Raises InputError if `do_lower_case` contradicts the case of the vocabulary.

    A vocabulary without letters that have two cases agrees with either. The original
    checks the name of the checkpoint instead (tokenization.py:28), which no BioBERT
    checkpoint matches.
    """
    cased = _first_cased(vocab)
    if do_lower_case and cased is not None:
        raise InputError.at(
            vocab_file,
            vocab[cased] + 1,
            f"the vocabulary is cased ({cased!r} has an upper-case letter) but "
            "do_lower_case is true; set it to false",
        )
    if not do_lower_case and is_lower_cased(vocab):
        raise InputError.at(
            vocab_file,
            None,
            "the vocabulary is lower-cased (no token has an upper-case letter) but "
            "do_lower_case is false; set it to true",
        )


class BasicTokenizer:
    """Cuts text at white space, punctuation and CJK characters."""

    def __init__(self, do_lower_case: bool) -> None:
        """Stores whether to lower-case the chunks and strip their accents."""
        self.do_lower_case = do_lower_case

    def tokenize(self, text: str | bytes) -> list[str]:
        """Returns the chunks of `text`; bytes are UTF-8, invalid ones are dropped."""
        words = _clean(_as_str(text)).split()
        return [chunk.text for word in words for chunk in self.chunks(word)]

    def chunks(self, word: str) -> Iterator[_Chunk]:
        """Yields the chunks of a cleaned word, with spans relative to the word."""
        text, starts, ends = (
            lower_without_accents(word)
            if self.do_lower_case
            else _Chunk(word, range(len(word)), range(1, len(word) + 1))
        )
        for a, b in _punctuation_cuts(text):
            yield _Chunk(text[a:b], starts[a:b], ends[a:b])


class WordpieceTokenizer:
    """Cuts words into the longest pieces of a vocabulary, from left to right."""

    def __init__(
        self,
        vocab: Mapping[str, int],
        unk_token: str = UNKNOWN,
        max_input_chars_per_word: int = 200,
    ) -> None:
        """Stores the tokens; those that begin with `##` continue a word.

        A word that cannot be cut, or is longer than the maximum, is `unk_token`.
        """
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        self._max_token_chars = max(map(len, vocab), default=0)

    def tokenize(self, text: str | bytes) -> list[str]:
        """Returns the pieces of `text`, whose words are separated by white space."""
        return [token for word in _as_str(text).split() for token, *_ in self.cut(word)]

    def cut(self, word: str) -> list[tuple[str, int, int]]:
        """Returns `(token, start, end)` for each piece `word[start:end]`."""
        if len(word) > self.max_input_chars_per_word:
            return [(self.unk_token, 0, len(word))]
        pieces = []
        start = 0
        while start < len(word):
            # No piece is longer than the longest token of the vocabulary.
            end = min(len(word), start + self._max_token_chars)
            prefix = "##" if start else ""
            while end > start and prefix + word[start:end] not in self.vocab:
                end -= 1
            if end == start:
                return [(self.unk_token, 0, len(word))]
            pieces.append((prefix + word[start:end], start, end))
            start = end
        return pieces


class FullTokenizer:
    """Cuts text into WordPieces as the released models expect them."""

    def __init__(
        self, vocab_file: Path | str, do_lower_case: bool | None = False
    ) -> None:
        """Reads the vocabulary.

        `do_lower_case`, which also strips accents, is False for all released BioBERT
        models; None: as `is_lower_cased` says.

        Raises:
            InputError: The file cannot be read, is not UTF-8, is empty, or lacks
                `[UNK]`, `[CLS]` or `[SEP]`.
        """
        self.vocab_file = remote_path.parse(vocab_file)
        self.vocab = load_vocab(vocab_file)
        if missing := [token for token in _REQUIRED if token not in self.vocab]:
            problem = f"lacks {', '.join(missing)}" if self.vocab else "is empty"
            raise InputError.at(vocab_file, None, f"{problem}; give a BERT vocabulary")
        self.inv_vocab = {id_: token for token, id_ in self.vocab.items()}
        if do_lower_case is None:
            do_lower_case = is_lower_cased(self.vocab)
        self.basic_tokenizer = BasicTokenizer(do_lower_case)
        self.wordpiece_tokenizer = WordpieceTokenizer(self.vocab)
        self._cache: dict[str, _Word] = {}

    def tokenize(self, text: str | bytes) -> list[str]:
        """Returns the pieces of `text`; bytes are UTF-8, invalid ones are dropped."""
        if isinstance(text, str) and (known := self._cache.get(text)) is not None:
            return [*known.tokens]
        words = map(self._look_up, _clean(_as_str(text)).split())
        return [token for word in words for token in word.tokens]

    def ids(self, text: str | bytes) -> list[int]:
        """Returns the ids of the pieces that `tokenize` returns."""
        words = map(self._look_up, _clean(_as_str(text)).split())
        return [id_ for word in words for id_ in word.ids]

    def tokenize_with_offsets(self, text: str) -> list[Piece]:
        """Returns the pieces of `text` with their ids and their spans in `text`.

        The tokens are those of `tokenize`. Spans are never empty; their starts and
        their ends never decrease. Spans overlap only where lower-casing turns one
        character into several pieces (Hangul syllables, two-part vowel signs) or puts
        combining characters in canonical order: such pieces share the characters.
        """
        origin = _origins(text)
        pieces = []
        # \S+ matches what str.split() returns: both use str.isspace.
        for match in re.finditer(r"\S+", _clean(text)):
            first = match.start()
            for token, id_, start, end in self._look_up(match.group()).pieces:
                begin, last = origin[first + start], origin[first + end - 1]
                pieces.append(Piece(token, id_, begin, last + 1))
        return pieces

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Returns the id of each token; InputError if one is not in the vocabulary."""
        try:
            return [self.vocab[token] for token in tokens]
        except KeyError as error:
            problem = f"has no token {error.args[0]!r}"
            raise InputError.at(self.vocab_file, None, problem) from None

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Returns the token of each id; InputError if one has none."""
        try:
            return [self.inv_vocab[id_] for id_ in ids]
        except KeyError as error:
            problem = f"has no token with id {error.args[0]}"
            raise InputError.at(self.vocab_file, None, problem) from None

    def _look_up(self, word: str) -> _Word:
        if (found := self._cache.get(word)) is None:
            if len(self._cache) >= _MAX_CACHED_WORDS:
                self._cache.clear()
            self._cache[word] = found = self._cut_word(word)
        return found

    def _cut_word(self, word: str) -> _Word:
        pieces = tuple(
            Piece(token, self.vocab[token], chunk.starts[start], chunk.ends[end - 1])
            for chunk in self.basic_tokenizer.chunks(word)
            for token, start, end in self.wordpiece_tokenizer.cut(chunk.text)
        )
        ids = tuple(piece.id for piece in pieces)
        return _Word(tuple(piece.token for piece in pieces), ids, pieces)


def _as_str(text: str | bytes) -> str:
    # PARITY(tokenization.py:84): invalid bytes are dropped, also inside a word.
    return text if isinstance(text, str) else text.decode("utf-8", "ignore")


# PARITY(tokenization.py:274-281): kana, hangul and newer ideographs are not set apart.
_CJK: Final = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)


class _CleanedCharacters(dict[int, str]):
    """A table for `str.translate`, filled as characters are looked up."""

    def __missing__(self, code: int) -> str:
        self[code] = cleaned_character(code)
        return self[code]


def cleaned_character(code: int) -> str:
    """Returns the text that replaces a character (tokenization.py:251, 286)."""
    char = chr(code)
    category = unicodedata.category(char)
    if char in "\t\n\r" or category == "Zs":
        return " "
    # PARITY(tokenization.py:381): all of C* is dropped, so also private-use, unassigned
    # and surrogate characters (Google's BERT drops only Cc and Cf).
    if char == "\ufffd" or category.startswith("C"):
        return ""
    return f" {char} " if _CJK.match(char) else char


_CLEANED: Final = _CleanedCharacters()
# Everything else in ASCII is a control character. Most text needs no cleaning.
_UNCLEAN: Final = re.compile(r"[^\t\n\r -~]")


def _clean(text: str) -> str:
    """Drops control characters, puts spaces around CJK characters, unifies spaces."""
    return text.translate(_CLEANED) if _UNCLEAN.search(text) else text


def _origins(text: str) -> Sequence[int]:
    """Returns for each character of `_clean(text)` its index in `text`."""
    if not _UNCLEAN.search(text):
        return range(len(text))
    return [i for i, char in enumerate(text) for _ in _CLEANED[ord(char)]]


def lower_without_accents(word: str) -> _Chunk:
    """Lower-cases `word` and strips its accents, keeping track of the characters.

    The text is `word.lower()` in canonical decomposition (NFD) without its
    non-spacing marks (tokenization.py:220-229).
    """
    lowered = word.lower()
    if word.isascii():
        return _Chunk(lowered, range(len(word)), range(1, len(word) + 1))
    # The lower case of a letter may depend on its neighbours (final sigma); the number
    # of letters it becomes does not.
    sources = (i for i, char in enumerate(word) for _ in char.lower())
    parts = [
        (part, i)
        for char, i in zip(lowered, sources, strict=True)
        for part in unicodedata.normalize("NFD", char)
    ]
    # Canonical order is a stable sort of a run of marks by combining class.
    classes = [unicodedata.combining(part) for part, _ in parts]
    runs = itertools.accumulate(each == 0 for each in classes)
    ordered = sorted(zip(runs, classes, parts, strict=True), key=lambda each: each[:2])
    kept = [part for _, _, part in ordered if unicodedata.category(part[0]) != "Mn"]
    # The span of a character ends at the next one kept, so it covers stripped marks.
    bases = sorted({i for _, i in kept})
    end_of = dict(itertools.pairwise([*bases, len(word)]))
    # Where canonical order swapped characters, each gets the span of all of them.
    starts = list(itertools.accumulate((i for _, i in reversed(kept)), min))[::-1]
    ends = list(itertools.accumulate((end_of[i] for _, i in kept), max))
    return _Chunk("".join(char for char, _ in kept), starts, ends)


@functools.lru_cache(_MAX_CACHED_CHARACTERS)
def is_punctuation(char: str) -> bool:
    """Returns whether a character is punctuation and so a chunk of its own."""
    # PARITY(tokenization.py:393): includes the ASCII symbols $+<=>^`|~, not in P*.
    is_ascii_symbol = "!" <= char <= "~" and not char.isalnum()
    return is_ascii_symbol or unicodedata.category(char).startswith("P")


def _punctuation_cuts(chars: str) -> Iterator[tuple[int, int]]:
    """Yields the half-open ranges of the chunks of a word."""
    start = 0
    for i, char in enumerate(chars):
        if is_punctuation(char):
            if start < i:
                yield start, i
            yield i, i + 1
            start = i + 1
    if start < len(chars):
        yield start, len(chars)
