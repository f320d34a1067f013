# SPDX-License-Identifier: Apache-2.0
"""Chooses the answers to submit for a list question.

A model scores spans one by one and does not say how many to submit. Some questions name
the number: "Which two drugs are included in the Harvoni pill?" For the others, all
answers above a threshold are submitted.

The idea and the threshold are those of dmis-lab/bioasq-biobert
(transform_n2b_list.py). That program takes any number among the first five words and
submits at most one answer below the threshold. It also drops every answer that ends in
a bracket or a sign; 15 of the 799 names in the gold lists of BioASQ 4b and 5b do.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Final

from biobert_tf.common.settings import at_least, setting

_NO_ANSWER: Final = "empty"
"""The text that decoding writes where no span is valid."""

_SEPARATORS: Final = ".,;:/-"
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_JOINT: Final = re.compile(r",? and |,? or |, |/")


def _words(text: str) -> list[str]:
    return text.split()


_ONES: Final = _words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_NUMBERS: Final = {word: number for number, word in enumerate(_ONES, start=1)}
# Medicine's words for a syndrome with a given number of signs.
_GROUPS: Final = {
    "triad": 3,
    "trilogy": 3,
    "tetrad": 4,
    "tetralogy": 4,
    "pentad": 5,
    "pentalogy": 5,
}
# "List the components of the triad" asks for _PARTS of a group; "What is associated
# with the triad" does not: words of _RELATIONS lead outside the group.
_PARTS: Final = _words(
    "abnormalities anomalies aspects characteristics components criteria defects "
    "elements features findings manifestations members parts signs symptoms"
)
_RELATIONS: Final = _words(
    "after against as associated at before between by causing during for from in on "
    "than that through to treating via which who with"
)

_REQUEST: Final = (
    r"(?:^|[.,;:?!]\s*|\bplease\s+)(?:can you |could you |please )?"
    r"(?:describe|enumerate|give|identify|indicate|list|mention|name|provide|report"
    r"|specify|state)(?:\s+(?:me|us))?"
)
_MODIFIER: Final = (
    r"(?:all|any|are|at\s+least|best|classic|classical|common|currently|different"
    r"|distinct|first|following|frequent|frequently|important|its|known|main|major"
    r"|most|only|other|please|possible|some|the|their|these|those|top|typical|up\s+to"
    r"|were)"
)
_NUMBER: Final = re.compile(
    rf"(?:(?P<request>{_REQUEST})|\b(?:which|what|who))(?:\s+{_MODIFIER})*"
    rf"\s+(?P<number>[1-9][0-9]?|100|{'|'.join(_ONES)})"
    # A word or nothing must follow, which excludes "5-HT", "2.5", "3%", "10, 20 or 30".
    r"(?:\s+(?P<next>[^\W\d_]+)|\s*[?.!]?\s*$)",
    re.IGNORECASE,
)
_GROUP: Final = re.compile(
    rf"(?:{_REQUEST}|\b(?:which|what)\s+(?:are|is))"
    rf"(?P<between>[^.?!]*?)\s(?P<group>{'|'.join(_GROUPS)})\b",
    re.IGNORECASE,
)
# A number before one of these words does not count the answers.
_NO_COUNT: Final = _words(
    # one or more, 2 to 5
    "and or to "
    # two-component systems, three-dimensional models, one-carbon units
    "carbon component dimensional domain fold hit hybrid letter part photon point "
    "stage step stranded way "
    # 5 alpha reductase, 3 prime ends
    "alpha beta gamma delta hydroxy methyl prime "
    # 24 hour rhythms
    "hour minute second day week month year old mg kg ml mm cm kb bp"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListSettings:
    """The settings that decide how many answers to a list question are submitted."""

    list_threshold: float = setting(
        0.42,
        "Submit the answers to a list question whose scores, summed over its passages, "
        "exceed this.",
        free=True,
    )
    use_number: bool = setting(
        True,
        "If a list question names a number, submit that many answers, whatever their "
        "scores.",
        free=True,
    )

    def __post_init__(self) -> None:
        """Rejects a negative threshold."""
        at_least(self, list_threshold=0)


def list_answers(
    answers: Sequence[tuple[str, float]], question: str, settings: ListSettings
) -> list[str]:
    """Returns the answers to submit, best first; at least one if there is any.

    Truncated answers, such as `TP53 (p53` or `TP53,`, are dropped. So is "TP53 and
    MDM2" if "TP53" and "MDM2" are answers too.

    The answers come from all passages with their scores, best first, as
    `bioasq_form.pool` returns them.
    """
    whole = [answer for answer in answers if is_whole(answer[0])] or answers[:1]
    texts = [text for text, _ in whole]
    number = number_named(question) if settings.use_number else None
    if number is None:
        num_good = sum(score > settings.list_threshold for _, score in whole)
        return _without_joint(texts[: max(1, num_good)])
    for end in range(number, len(texts)):
        chosen = _without_joint(texts[:end])
        if len(chosen) == number:
            return chosen
    return _without_joint(texts)


def is_whole(text: str) -> bool:
    """Returns whether a text can be a complete name.

    A text with unpaired brackets or a separator at its end cannot. A paired bracket or
    another sign may end it: `prostaglandin I(2)`, `CD4+`, `8%`.
    """
    text = text.strip()
    return text not in ("", _NO_ANSWER) and text[-1] not in _SEPARATORS and _pairs(text)


def _pairs(text: str) -> bool:
    """Returns whether every bracket is closed by its own kind, in order."""
    awaited = []
    for char in text:
        if char in _CLOSING:
            awaited.append(_CLOSING[char])
        elif char in _CLOSING.values() and (not awaited or awaited.pop() != char):
            return False
    return not awaited


def _without_joint(texts: Iterable[str]) -> list[str]:
    """Drops the texts that only join other ones, such as "A and B" with "A" and "B"."""
    texts = list(texts)
    known = {text.lower() for text in texts}
    return [
        text
        for text in texts
        if len(parts := _JOINT.split(text.lower())) == 1 or not known.issuperset(parts)
    ]


def number_named(question: str) -> int | None:
    """Returns the number of answers that a question asks for; None if it names none.

    The number must stand where the question says what it asks for: "list 3 features",
    "which are the two most common", "composed of which two drugs". Numbers that are
    part of a name, a date or a measure stand elsewhere. A triad counts as three.
    """
    for match in _NUMBER.finditer(question):
        number, following = match["number"].lower(), (match["next"] or "").lower()
        # "Name one drug" asks for one; "which one is" and "one of the" may not.
        is_vague = number in ("1", "one") and (
            not match["request"] or following == "of"
        )
        if following not in _NO_COUNT and not is_vague:
            return _NUMBERS.get(number) or int(number)
    for match in _GROUP.finditer(question):
        if _asks_for_members(match["between"].lower().split()):
            return _GROUPS[match["group"].lower()]
    return None


def _asks_for_members(words: list[str]) -> bool:
    """Returns whether a question asks for a group's members, by the words before it."""
    if "of" in words:
        before = words[: words.index("of")]
        if not before or before[-1] not in _PARTS:
            return False
    return not any(word in _RELATIONS for word in words)
