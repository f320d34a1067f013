# SPDX-License-Identifier: Apache-2.0
"""Turns marked-up XML into paragraphs of readable text.

Kept are the characters of italics, bold, small capitals and named content; sub- and
superscripts in line (`Ca2+`, `IC50`), with `^` only between digits (`10^-6`); links to
figures, tables and sections; citations by author.
Dropped are citations by number with the brackets around them, notes, formulas that
cannot be written in one line, graphics, floats, labels.
"""

import html
import html.entities
import itertools
import re
from collections.abc import Callable
from typing import Any, Final

from biobert_tf.corpora import mathml
from biobert_tf.corpora.document import normalize
from biobert_tf.corpora.xml_records import local_name

# Neither can occur in XML.
_GAP: Final = "\x00"  # where something was dropped
_BREAK: Final = "\x01"  # between paragraphs

_BLOCKS: Final = {
    *("abstract", "answer", "app", "body", "boxed-text", "def-item", "def-list"),
    *("disp-quote", "explanation", "list", "list-item", "p", "question", "sec"),
    *("speech", "statement", "verse-group"),
}
_DROPPED: Final = {
    *("aff", "annotation", "array", "attrib", "chem-struct-wrap", "code"),
    *("disp-formula", "disp-formula-group", "DispFormula", "fig", "fig-group"),
    *("floats-group", "fn", "fn-group", "glyph-data", "graphic", "index-term"),
    *("inline-graphic", "inline-media", "inline-supplementary-material", "label"),
    *("license", "media", "object-id", "permissions", "preformat", "private-char"),
    *("ref-list", "related-article", "related-object", "rt", "sig-block", "speaker"),
    *("supplementary-material", "table", "table-wrap", "table-wrap-group", "tex-math"),
}
# Links to notes and author details are dropped; other links are read as text.
_NOTES: Final = frozenset(["fn", "table-fn", "aff", "corresp", "author-notes"])

_DASHES: Final = r"\u2013\u2014\u2212-"  # en dash, em dash, minus, hyphen
_WORD: Final = re.compile(r"[^\W\d_]{2}")
_NUMBERS: Final = re.compile(rf"[\s\d,;{_DASHES}]*")
_YEAR: Final = re.compile(r"\D*(?:19|20)\d\d[a-z]?\D*")
_TOLD: Final = re.compile(
    r"\b(?:by|from|in|of|see|to|with)\s*"
    rf"(?:\[[\s\d,;{_DASHES}]*\]?[\s,;{_DASHES}]*)*$"
)
_BEFORE_NUMBER: Final = re.compile(rf"\b[Rr]efs?\.?[\s\d,;{_DASHES}]*(?:and\s)?\s*$")
_SENTENCE_WORDS: Final = 4
_LOOK_BACK: Final = 200
_EXPONENT: Final = re.compile(rf"[+{_DASHES}]?\d")

_SEPARATORS: Final = rf"[\s,;\x00{_DASHES}]"
_LEAD: Final = (
    r"(?:for|an?|see|also|but|e\.g\.|i\.e\.|cf\.|[Rr]eviewed|[Rr]eviews?|in|by|and|as"
    r"|therein|[Rr]efs?\.?|[Rr]eferences?|examples?|instance|from|the|described"
    r"|discussed|reported|shown|summari[sz]ed)(?!\w)"
)
_FILLER: Final = re.compile(rf"(?:{_SEPARATORS}|(?<!\w){_LEAD})*")
_ASIDE_BEGUN: Final = re.compile(rf"(?:^|[,;])\s*(?:{_LEAD}\s+)*$")
_OPEN_NUMBERS: Final = re.compile(rf"\[[\s\d,;{_DASHES}]*$")
_SEGMENT: Final = re.compile(r"[,;]?[^,;]+|[,;]")
_BRACKET: Final = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")
_EMPTY: Final = re.compile(rf"^[\s,;{_DASHES}]*$")
_RUN: Final = re.compile(rf"\s*\x00(?:[\s,;{_DASHES}]*\x00)*\s*(\.(?=\s|$))?")

_TAG: Final = re.compile(
    r"</?(?:i|b|u|p|br|em|sup|sub|bold|italic|strong)\s*/?>", re.IGNORECASE
)
_REFERENCE: Final = re.compile(
    r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,7}|#x[\da-fA-F]{1,6});"
)
_TEX: Final = re.compile(
    r"\\documentclass.{0,5000}?\\end\{document\}"
    r"|\$\$[^$]{1,2000}\$\$|\$[^$]{1,200}\$|\[Formula: see text\]",
    re.DOTALL,
)


class UndefinedEntityError(Exception):
    """A record refers to an XML entity that is not defined."""


def paragraphs(element: Any) -> list[str]:
    """Returns the paragraphs of an element in reading order, normalised, not empty.

    Text outside a `p` (a bare list item, a title that is a sentence) is a paragraph as
    well; a list or a quotation inside a `p` splits it.

    Raises:
        UndefinedEntityError: The text refers to an entity that is not defined.
    """
    parts: list[str] = []
    _append(element, parts)
    found = (_tidy(text) for text in "".join(parts).split(_BREAK))
    return [text for text in found if text]


def line(element: Any | None) -> str:
    """Returns the text of an element as one paragraph; "" if there is none."""
    return "" if element is None else " ".join(paragraphs(element))


def _append(element: Any, parts: list[str]) -> None:
    """Appends the text of an element, without its tail."""
    name = local_name(element)
    border = [_BREAK] if name in _BLOCKS else []
    parts += border
    if element.text:
        parts.append(element.text)
    for child in element:
        _append_child(child, parts)
        if child.tail:
            # "<italic>et al </italic>." has its space on the wrong side.
            if parts and child.tail[0] in ".,;:?!)]":
                parts[-1] = parts[-1].rstrip()
            parts.append(child.tail)
    parts += border


def _append_child(child: Any, parts: list[str]) -> None:
    name = local_name(child)
    if not name:
        if f"{child.name};" not in html.entities.html5:
            raise UndefinedEntityError(f"entity &{child.name}; is not defined")
        parts.append(html.entities.html5[f"{child.name};"])
    elif name in _DROPPED:
        parts.append(_GAP)
    elif name in _SPECIAL:
        parts.append(_SPECIAL[name](child, parts))
    else:
        _append(child, parts)


def _inner(element: Any) -> str:
    parts: list[str] = []
    _append(element, parts)
    return "".join(parts)


def _link(element: Any, parts: list[str]) -> str:
    kind = element.get("ref-type")
    text = _inner(element)
    if kind in _NOTES:
        return _GAP
    if kind != "bibr" or _WORD.search(text) or _YEAR.fullmatch(text):
        return text
    return text if _is_needed("".join(parts[-12:])[-_LOOK_BACK:]) else _GAP


def _is_needed(before: str) -> bool:
    """Returns whether a sentence needs a citation: "as in [12]", "see ref. 12".

    An aside such as "(reviewed in [12])" does not: it is dropped as a whole.
    """
    if _BEFORE_NUMBER.search(before):
        return True
    if not _TOLD.search(before):
        return False
    before = _BRACKET.sub("", _OPEN_NUMBERS.sub("", before))
    begin = max(before.rfind("("), before.rfind("["))
    is_aside = begin >= 0 and _ASIDE_BEGUN.search(before[begin + 1 :])
    return not is_aside


def _address(element: Any, parts: list[str]) -> str:
    """Returns the text of a link; if it has none, its address, as in print."""
    address = element.get("{http://www.w3.org/1999/xlink}href")
    return _inner(element) or address or _GAP


def _superscript(element: Any, parts: list[str]) -> str:
    text = _inner(element)
    if _GAP in text and _NUMBERS.fullmatch(text.replace(_GAP, "")):
        return _GAP
    before = next((part[-1] for part in reversed(parts) if part), "")
    is_exponent = before.isdecimal() and _EXPONENT.match(text)
    return f"^{text}" if is_exponent else text


def _formula(element: Any, parts: list[str]) -> str:
    try:
        return mathml.linear(element)
    except mathml.UnreadableError:
        return _GAP


def _alternatives(element: Any, parts: list[str]) -> str:
    for child in element:
        if local_name(child) not in _DROPPED:
            inner: list[str] = []
            _append_child(child, inner)
            return "".join(inner)
    return _GAP


def _title(element: Any, parts: list[str]) -> str:
    """Returns a heading that is a sentence; other headings are not running text."""
    text = _inner(element)
    tidy = _tidy(text.replace(_BREAK, " "))
    if tidy.endswith((".", "?", "!")) and len(tidy.split()) >= _SENTENCE_WORDS:
        return f"{_BREAK}{text}{_BREAK}"
    return _BREAK


# Each returns the text of an element, given all text before it.
_SPECIAL: Final[dict[str, Callable[[Any, list[str]], str]]] = {
    "alternatives": _alternatives,
    "break": lambda element, parts: " ",
    "def": lambda element, parts: _inner(element).replace(_BREAK, " "),
    "ext-link": _address,
    "math": _formula,
    "sup": _superscript,
    "term": lambda element, parts: f"{_inner(element).strip()}: ",
    "title": _title,
    "uri": _address,
    "xref": _link,
}


def _tidy(text: str) -> str:
    """Returns text without gaps, and without brackets that contained only gaps."""
    if "$" in text or "\\" in text or "[Formula" in text:
        text = _TEX.sub(_without_tex, text)
    # Some publishers escaped their markup once too often.
    if "&" in text:
        text = _REFERENCE.sub(lambda match: html.unescape(match[0]), text)
    if "<" in text:
        text = _TAG.sub("", text)
    if _GAP in text:
        text = _close_gaps(normalize(text))
    return normalize(text)


def _without_tex(match: re.Match[str]) -> str:
    is_money = match[0].startswith("$") and not set("\\^_") & set(match[0])
    return match[0] if is_money else _GAP


def _close_gaps(text: str) -> str:
    while (cleaned := _BRACKET.sub(_clean_bracket, text)) != text:
        text = cleaned
    return _RUN.sub(_joint, text)


def _clean_bracket(match: re.Match[str]) -> str:
    text = match[0]
    if _GAP not in text:
        return text
    left = _RUN.sub(_joint, _without_asides(text[1:-1]).strip(" ,;")).strip()
    return f"{text[0]}{left}{text[-1]}" if not _EMPTY.match(left) else _GAP


def _without_asides(text: str) -> str:
    """Drops asides such as "; for a review, see [12]" with their citation."""
    kept = []
    for is_filler, run in itertools.groupby(
        _SEGMENT.findall(text), lambda segment: bool(_FILLER.fullmatch(segment))
    ):
        joined = "".join(run)
        if not (is_filler and _GAP in joined):
            kept.append(joined)
    return "".join(kept)


def _joint(match: re.Match[str]) -> str:
    """Returns what replaces a gap, between the text before and the text after it."""
    before = match.string[match.start() - 1] if match.start() else "("
    after = match.string[match.end()] if match.end() < len(match.string) else ")"
    if match[1]:
        # "Smith et al. [12]." ends with one full stop.
        return "" if before == "." else "."
    if before in "([{" or after in ",;:?!)]}":
        return ""
    if match[0][-1] == " ":
        return " "
    # A space, if only the gap separated two words.
    return " " if after.isalnum() and (before.isalnum() or before in ".,;:)]") else ""
