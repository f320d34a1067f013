# SPDX-License-Identifier: Apache-2.0
"""Cuts a paragraph into sentences, as character spans of the paragraph.

The library `sentencex` proposes where sentences begin; three biomedical rules
correct it, each measured by benchmarks/sentences.py:

1. Brackets are replaced by braces in the library's input. It mistakes the `(2)` of
   `S(c)O(2)` for the number of a list item and then cuts the whole paragraph there.
2. A proposed cut is rejected if no full stop, question or exclamation mark precedes
   it, after an abbreviation (`Figs.`, `approx.`, `J. Biol.`) or the number of an
   item, and before an ordinary lower-case word; `p53`, `mRNA` or `von Willebrand`
   may begin a sentence.
3. A cut is added after a unit or a single letter that is not an initial (`for 24 h.
   Cells`, `vitamin E. The`), where the library sees an abbreviation, and after
   citations and brackets that follow the full stop (`cloned.[12] The`).

The library's input is ASCII with one character for each character of the paragraph,
so its offsets are valid in the paragraph whatever characters it holds.
"""

import re
import unicodedata
from typing import Final

import sentencex

Span = tuple[int, int]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# After one of these the sentence continues, unless a word of STARTERS follows.
ABBREVIATIONS: Final = _words("""
    approx ca cf dr e.g eq eqn eqns eqs fig figs i.e incl prof ref refs resp st
    suppl viz vs
    biovar f.sp pv sp.nov spp ssp subg subsp var
    acad am ann appl arch assoc biochem biol biophys br chem clin dev endocrinol engl
    environ eur exp genet hum immunol int invest med microbiol mol mutagen nat natl
    neurobiol neurosci nucl pathol pharmacol physiol proc res rev sci soc virol
""")
# After one of these the sentence continues if a number or a single letter follows.
NUMBERED: Final = _words("app chap chr no nos nt p pp sect tab vol")
_NEVER_CITED: Final = ABBREVIATIONS | NUMBERED
# Lower-case words of names and compounds that may begin a sentence.
LOWER_CASE_STARTS: Final = _words("alpha beta de del delta gamma kappa sigma van von")
# Words that may stand before a single letter that ends a sentence.
LETTERED: Final = _words("""
    amphotericin apolipoprotein cathepsin class coenzyme complex concanavalin cyclin
    cyclosporin cyclosporine cytochrome degree degrees exon factor fragile grade
    granzyme group groups haemoglobin hemoglobin hepatitis immunoglobulin influenza
    kappa lane panel phase phospholipase polymyxin protein proteinase proteins serotype
    site stage state streptococcus subunit troponin type vitamin vitamins
""")
# Words that begin sentences and rarely follow an initial or an abbreviation.
STARTERS: Final = _words("""
    After All Although An And As At Because Before Both But By Conversely Despite Due
    Dr Drs During Each Finally For From Furthermore Hence Here How However If In Indeed
    Interestingly It Its Mean Moreover Most Neither No None Of On One Only Other Our
    Patients Results Since Six Some Statistically Subsequently Such Surprisingly Ten
    That The Their Then There Therefore These They This Those Three Thus To Together
    Two Under Unlike Using We What When Whereas Whether While With Within
""")
UNITS: Final = _words("""
    M N cm d dl g h hr hrs kb kcal kg l m mM mg min ml mm mo ms nM ng nl nm pg s sec
    uM ug ul um wk yr
""")

# A full stop, the brackets, quotes and citation numbers after it, and white space. The
# look-behind and the possessive quantifiers keep the search linear.
_CUT: Final = re.compile(
    r"""
    (?<![.?!]) [.?!]++ ['"}]*+
    (?: \{[\d,\-\ ]++\} | (?<=[a-z}]\.) \d{1,3} (?:[,\-]\d{1,3})*+ )?
    (\ ++) (?=\S)
    """,
    re.VERBOSE,
)
# A word and what follows it; a hyphen and a digit may be a negative power (`min-1`).
_FIRST_WORD: Final = re.compile(r"""['"{]*([A-Za-z0-9]+)(-\d|\S?)""")
# The number of characters inspected before a full stop, however long the sentence.
_REACH: Final = 400
# The number of a list item, which is not a sentence of its own.
_ENUMERATOR: Final = re.compile(r"[^A-Za-z]{,3}[A-Za-z0-9]?[^A-Za-z]{,3}$")
_LETTER: Final = re.compile(r"(?:[A-Z]|[IVX]+)[ab]?$")
_NOT_ASCII: Final = re.compile(r"[^\x21-\x7e]")
# Brackets become braces; "<" and ">", which the library pairs like brackets, "=". Other
# characters that have a meaning to the library become their ASCII stand-ins.
_MASKED: Final = str.maketrans(
    "()[]<>\u2018\u2019\u201c\u201d\u2026\u00b5\u03bc\u3002", "{}{}==''\"\".uu."
)


def spans(paragraph: str) -> list[Span]:
    """Returns the half-open character spans of the sentences of `paragraph`.

    The spans are in order and disjoint, neither begin nor end with white space, and
    cover every other character. Time and memory grow linearly with the paragraph.
    """
    text = _ascii(paragraph)
    proposed = set()
    end = 0
    for piece in sentencex.segment("en", text):
        end += len(piece)
        proposed.add(end)
    assert end == len(text), "sentencex lost characters"
    found: list[Span] = []
    start = len(text) - len(text.lstrip(" "))
    for cut in _CUT.finditer(text):
        if _is_boundary(text, start, cut, cut.end() in proposed):
            found.append((start, cut.start(1)))
            start = cut.end()
    stop = len(text.rstrip(" "))
    return [*found, (start, stop)] if start < stop else found


def _ascii(paragraph: str) -> str:
    """Returns `paragraph` in printable ASCII, character for character."""
    text = paragraph.translate(_MASKED)
    return _NOT_ASCII.sub(lambda match: _stand_in(match[0]), text)


def _stand_in(character: str) -> str:
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if category[0] == "L":
        return "A" if category in ("Lu", "Lt") else "a"
    return "0" if category[0] == "N" else "-"


def _is_boundary(text: str, start: int, cut: re.Match[str], proposed: bool) -> bool:
    """Returns whether the sentence that begins at `start` ends at `cut`, of `_CUT`.

    The text is `_ascii`; `proposed` says whether the library cuts here.
    """
    nearby = text[max(start, cut.start() - _REACH) : cut.start()]
    first = _FIRST_WORD.match(text, cut.end())
    if _ENUMERATOR.match(nearby) or first is None:
        return proposed and first is None
    before, word = ["", *nearby.rsplit(" ", 2)][-2:]
    word = word.lstrip("'\"{")
    if proposed:
        return not _goes_on(word, first)
    if not first[1][0].isupper():
        return False
    marks = cut[0].rstrip()
    if "{" in marks:
        return True
    if marks.endswith("}"):
        return text[start] == "{" and "{" not in nearby[1:]
    if marks[-1].isdigit():
        return word.lower() not in _NEVER_CITED
    return _is_hidden_end(before, word, first[1])


def _goes_on(word: str, first: re.Match[str]) -> bool:
    """Returns whether a sentence goes on with `first` after the full stop of `word`."""
    lower, following = word.lower(), first[1]
    if lower in ABBREVIATIONS:
        return following not in STARTERS
    if lower in NUMBERED:
        return following[0].isdigit() or len(following) == 1
    if first[2] in ("-", "}"):
        return False
    if first[2].startswith("-"):
        return following in UNITS
    is_ordinary = following.isalpha() and following.islower()
    return is_ordinary and following not in LOWER_CASE_STARTS


def _is_hidden_end(before: str, word: str, following: str) -> bool:
    """Returns whether `word` ends its sentence though it looks like an abbreviation.

    It stands between `before` and `following`, which begins with a capital letter.
    """
    if word.lower() in ABBREVIATIONS:
        return False
    if following in STARTERS:
        return True
    if word in UNITS and (before[-1:].isdigit() or before.endswith(("}", "per"))):
        return True
    if len(following) == 1 and following != "A":
        return False
    if "/" in word or (len(word) > 1 and word.isupper() and word.isalpha()):
        return True
    noun = before.lower().rpartition("-")[2]
    return _LETTER.match(word) is not None and noun in LETTERED
