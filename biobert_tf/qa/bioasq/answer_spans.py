# SPDX-License-Identifier: Apache-2.0
"""Finds an answer in a text, as a character span.

An answer is found as whole words: neither end of it cuts a word, and none cuts a
number (`2` is not in `2.5`). The ways to look for it, in this order:

1. `exact`: as it is written,
2. `case`: but for case,
3. `form`: but for case, white space, hyphens, a final full stop, and Greek letters that
   are written as names. `IL1 beta` is `IL-1β`, `IgG4` is `IgG-4`.

A name of one or two characters is only found as it is written: `AS` is not `as`.

docs/question_answering_data.md says what each adds on real questions, and what looser
ones would.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

Span = tuple[int, int]
Level = Literal["exact", "case", "form"]

# Letters whose names stand in biomedical text, in lower case. Short names, which are
# parts of many words (eta, mu, pi), are none.
_GREEK: Final = {
    "alpha": "\u03b1",
    "beta": "\u03b2",
    "gamma": "\u03b3",
    "delta": "\u03b4",
    "epsilon": "\u03b5",
    "zeta": "\u03b6",
    "theta": "\u03b8",
    "kappa": "\u03ba",
    "lambda": "\u03bb",
    "sigma": "\u03c3",
    "omega": "\u03c9",
}
_GREEK_NAMES: Final = {letter: name for name, letter in _GREEK.items()}
_ANY_GREEK: Final = "|".join((*_GREEK, *_GREEK_NAMES))
_HYPHENS: Final = r"\-\u2010-\u2013\u2212"
_GAPS: Final = f" {_HYPHENS}"
# What a name is made of, between gaps: Greek, a number, other letters, a sign. A hyphen
# at its end is a sign: of a charge, or of a number.
_ATOM: Final = re.compile(
    rf"{_ANY_GREEK}|\d+(?:[.,]\d+)*|(?:(?!{_ANY_GREEK})[^\W\d_])+"
    rf"|[^{_GAPS}]|^[{_HYPHENS}]|[{_HYPHENS}]$"
)
_HYPHEN: Final = re.compile(f"[{_HYPHENS}]")
# Of a name that may differ from the text.
_LEAST_LENGTH: Final = 3


class Found(NamedTuple):
    """The characters `[start, end)` where an answer stands, and how it was found."""

    start: int
    end: int
    level: Level


class Text:
    """A text to look for answers in, prepared once for all of them."""

    def __init__(self, text: str, preferred: Sequence[Span] = ()) -> None:
        """Prepares a text.

        Args:
            text: As `corpora.document.normalize` leaves it.
            preferred: Where an answer is taken rather than elsewhere; empty: all places
                are equal.
        """
        self.text = text
        self.folded = fold(text)  # As long as the text.
        self.preferred = preferred

    def best(self, spans: Iterable[Span]) -> Span | None:
        """Returns the first whole span in a preferred place, else the first whole."""
        first = None
        for start, end in spans:
            if not is_whole(self.text, start, end):
                continue
            first = first or (start, end)
            if not self.preferred or any(
                begin <= start and end <= stop for begin, stop in self.preferred
            ):
                return start, end
        return first


class Answer:
    """An answer under all its names, prepared once for all texts."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepares an answer.

        Args:
            names: The answer and its synonyms, the best first, none empty, all as
                `corpora.document.normalize` leaves them.
        """
        folded = [fold(name) for name in names if len(name) >= _LEAST_LENGTH]
        self._searches: list[tuple[Level, re.Pattern[str]]] = [
            *(("exact", re.compile(re.escape(name))) for name in names),
            *(("case", re.compile(re.escape(name))) for name in folded),
            *(
                ("form", _pattern(name))
                for name in folded
                if any(map(str.isalnum, name))
            ),
        ]

    def find(self, text: Text) -> Found | None:
        """Returns where the first of the names stands that the text holds.

        A name that is found as it is written comes before one that is found but for
        case, and so on.
        """
        for level, pattern in self._searches:
            where = text.text if level == "exact" else text.folded
            if (span := text.best(_matches(pattern, where))) is not None:
                return Found(*span, level)
        return None


def is_whole(text: str, start: int, end: int) -> bool:
    """Tells whether a span cuts neither a word nor a number at its ends.

    Letters, digits and marks on them make words: `IL-2` is whole in `anti-IL-2` and
    in `(IL-2)`, not in `IL-2R`. What is neither ends everywhere: `(R)-` of `x(R)-y`.
    """
    return not (_is_inside(text, start) or _is_inside(text, end))


def fold(text: str) -> str:
    """Returns text without case, character for character, so that places remain."""
    if text.isascii():
        return text.lower()
    return "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


def _is_inside(text: str, place: int) -> bool:
    """Tells whether a word or a number goes on across a place."""
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if _is_of_word(before) and _is_of_word(after):
        return True
    # 1.5 and 1,200 go on at either side of the mark.
    if before.isdigit():
        return after in ".," and text[place + 1 : place + 2].isdigit()
    return after.isdigit() and before in ".," and text[place - 2 : place - 1].isdigit()


def _is_of_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    """Yields all matches, those that overlap too."""
    match = pattern.search(text)
    while match:
        yield match.span()
        match = pattern.search(text, match.start() + 1)


def _pattern(name: str) -> re.Pattern[str]:
    """Returns what finds the forms of a folded name with a letter or a digit.

    Gaps are as good as none, and none as good as gaps: between letters, digits, Greek
    and signs.
    """
    atoms = _ATOM.findall(name.rstrip(" ."))
    return re.compile(f"[{_GAPS}]*".join(map(_spelled, atoms)))


def _spelled(atom: str) -> str:
    letter = _GREEK.get(atom, atom)
    if letter in _GREEK_NAMES:
        return f"(?:{letter}|{_GREEK_NAMES[letter]})"
    return f"[{_HYPHENS}]" if _HYPHEN.fullmatch(atom) else re.escape(atom)
