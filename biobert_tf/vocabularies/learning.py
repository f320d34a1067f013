# SPDX-License-Identifier: Apache-2.0
"""Learns a WordPiece vocabulary from text: `biobert vocab learn`.

SentencePiece merges the most frequent pairs of characters (its `bpe` model). Its pieces
become WordPieces: SentencePiece marks the start of a word with `▁`, WordPiece marks
the inside of a word with `##`. The tokenizer cuts a word into the longest pieces from
left to right and does not follow the order of the merges. Two things follow, both
measured on biomedical text:

- Byte-pair merges suit that cutting. The unigram model does not: its pieces are made to
  be chosen by probability (8,000 entries, held-out text: 1.38 pieces per word with
  merges, 1.63 with the unigram model).
- Many merges are only steps towards longer ones and are never used. They are dropped,
  and later merges take their place (1.36 pieces per word).
"""

import dataclasses
import io
import itertools
import logging
import math
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import sentencepiece

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.text.tokenization import BasicTokenizer, WordpieceTokenizer
from biobert_tf.vocabularies import words as corpus_words
from biobert_tf.vocabularies.settings import LearnConfig

_LOG = logging.getLogger(__name__)

# Order and ids are those of BERT's cased vocabulary: [UNK] is 100, [MASK] 103.
SPECIAL: Final = (
    "[PAD]",
    *(f"[unused{n}]" for n in range(1, 100)),
    *("[UNK]", "[CLS]", "[SEP]", "[MASK]"),
)
CONTINUATION: Final = "##"
_WORD_START: Final = "\u2581"
# SentencePiece reserves these two characters.
_RESERVED: Final = frozenset({_WORD_START, "\u2585"})
# In characters. SentencePiece's default, 16, excludes "immunohistochemistry".
_MAX_PIECE_CHARS: Final = 32


@dataclasses.dataclass(frozen=True)
class Learned:
    """What `learn` did.

    Attributes:
        vocab_file: The vocabulary that was written.
        num_single: The number of entries of one character, with and without `##`.
        num_words: The number of words of the text, counting every occurrence.
        left_out: Characters too rare to get a piece, the most frequent first.
    """

    vocab_file: Path
    num_entries: int
    num_single: int
    num_words: int
    num_distinct: int
    left_out: tuple[str, ...]

    def summary(self) -> str:
        """Returns a report of a few lines."""
        merged = self.num_entries - len(SPECIAL) - self.num_single
        lines = [
            f"looked at {self.num_words:,} words, {self.num_distinct:,} different",
            f"wrote {self.vocab_file}: {self.num_entries:,} entries: {len(SPECIAL)} "
            f"special, {self.num_single:,} single characters, {merged:,} longer pieces",
        ]
        if self.left_out:
            lines.append(
                f"{len(self.left_out):,} rare characters have no piece: "
                f"{' '.join(self.left_out[:20])}"
            )
        return "\n".join(lines)


def learn(config: LearnConfig) -> Learned:
    """Learns a vocabulary from a corpus and writes it, whole or not at all.

    The same text, settings and version of SentencePiece give the same file.

    Raises:
        InputError: The corpus cannot be read or is empty, or `vocab_size` is too
            small for the characters or too large for the text.
    """
    tokens = corpus_words.read_tokens(config.sample)
    words = corpus_words.count_words(tokens, config.do_lower_case)
    if not words:
        raise InputError(f"--input={config.sample.input}: the corpus has no words")
    covered, left_out = alphabet(words, config.character_coverage)
    base = base_vocabulary(covered, config.do_lower_case)
    _LOG.info("learning pieces from %d different words", len(words))
    vocabulary = grow(base, words, config.vocab_size)
    files.write_text(config.output, "".join(f"{piece}\n" for piece in vocabulary))
    return Learned(
        vocab_file=config.output,
        num_entries=len(vocabulary),
        num_single=len(base) - len(SPECIAL),
        num_words=words.total(),
        num_distinct=len(words),
        left_out=tuple(char for char in left_out if char not in base),
    )


def alphabet(words: Mapping[str, int], coverage: float) -> tuple[list[str], list[str]]:
    """Divides the characters of counted words into those to cover and the rarest.

    As few characters as possible cover a share of all occurrences, `coverage` in
    (0, 1]. Both lists begin with the most frequent character.
    """
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for char in word:
            counts[char] += count
    ranked = sorted(counts, key=lambda char: (-counts[char], char))
    needed = math.ceil(coverage * counts.total())
    before = itertools.accumulate((counts[char] for char in ranked), initial=0)
    size = sum(total < needed for total in itertools.islice(before, len(ranked)))
    return ranked[:size], ranked[size:]


def base_vocabulary(covered: Sequence[str], do_lower_case: bool) -> list[str]:
    """Returns the entries that a vocabulary always has, whatever is learnt.

    They are the special entries, every covered or printable ASCII character, and with
    `##` every character that can continue a word. Punctuation and CJK characters
    cannot: they are always words.
    """
    tokenizer = BasicTokenizer(do_lower_case)
    ascii_ = string.digits + string.ascii_letters + string.punctuation
    chars = sorted({*covered, *(ascii_.lower() if do_lower_case else ascii_)})
    inner = [char for char in chars if tokenizer.tokenize(f"a{char}") == [f"a{char}"]]
    return [*SPECIAL, *chars, *(CONTINUATION + char for char in inner)]


def grow(base: Sequence[str], words: Mapping[str, int], vocab_size: int) -> list[str]:
    """Returns `base` and the merges of `words` that the tokenizer will use.

    Together they are `vocab_size` entries. `base` includes every covered character;
    `words` has the number of occurrences of each word.

    Raises:
        InputError: `base` is longer than `vocab_size`, or the words have too few parts.
    """
    wanted = vocab_size - len(base)
    if wanted < 0:
        raise InputError(
            f"--vocab_size={vocab_size}: must be at least {len(base)}, the special "
            "entries and the characters of the corpus; or lower --character_coverage"
        )
    known = set(base)
    cuttable = {word: n for word, n in words.items() if known.issuperset(word)}
    asked = 2 * wanted
    while True:
        merges = _merges(cuttable, asked)
        pieces = [piece for piece in merges if piece not in known]
        vocabulary = _used(base, pieces, cuttable, vocab_size)
        if len(vocabulary) == vocab_size:
            return vocabulary
        if len(merges) < asked:
            raise InputError(
                f"--vocab_size={vocab_size}: the useful parts of the corpus's words "
                f"make {len(vocabulary)} entries; lower it, or give more text"
            )
        asked *= 2


def _merges(words: Mapping[str, int], size: int) -> list[str]:
    """Returns at most `size` WordPieces of a byte-pair model, in order of merging."""
    trainable = [w for w in words if _RESERVED.isdisjoint(w) and len(w) > 1]
    if not trainable or not size:
        return []
    num_chars = len(set("".join(trainable)))
    # In an order independent of the order of the files.
    ranked = sorted(trainable, key=lambda word: (-words[word], word))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        # SentencePiece would first turn sentences into words with counts; skip that.
        sentence_iterator=(f"{word}\t{words[word]}" for word in ranked),
        input_format="tsv",
        model_writer=model,
        model_type="bpe",
        # The two further entries are <unk> and the mark of a word's start.
        vocab_size=size + num_chars + 2,
        hard_vocab_limit=False,
        # Change, drop or separate no character: BasicTokenizer has done that.
        normalization_rule_name="identity",
        character_coverage=1.0,
        split_by_unicode_script=False,
        max_sentencepiece_length=_MAX_PIECE_CHARS,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    # The first is <unk>; the single characters come after the merges.
    pieces = map(processor.id_to_piece, range(1, processor.get_piece_size()))
    return [to_wordpiece(piece) for piece in pieces if len(piece) > 1]


def to_wordpiece(piece: str) -> str:
    """Returns a SentencePiece as a WordPiece: `▁cell` becomes `cell`, `s` `##s`."""
    if piece.startswith(_WORD_START):
        return piece.removeprefix(_WORD_START)
    return CONTINUATION + piece


def _used(
    base: Sequence[str],
    pieces: Sequence[str],
    words: Mapping[str, int],
    vocab_size: int,
) -> list[str]:
    """Returns `base` and the first of `pieces`, without pieces that no word uses.

    These are at most `vocab_size`. The best of the pieces come first, and none is in
    `base`; all characters of the words are.
    """
    useless: set[str] = set()
    while True:
        useful = (piece for piece in pieces if piece not in useless)
        taken = list(itertools.islice(useful, vocab_size - len(base)))
        tokenizer = WordpieceTokenizer(dict.fromkeys([*base, *taken], 0))
        used = {token for word in words for token, _, _ in tokenizer.cut(word)}
        # The later pieces that replace unused ones may make others unused: repeat.
        if used.issuperset(taken):
            return [*base, *taken]
        useless.update(set(taken) - used)
