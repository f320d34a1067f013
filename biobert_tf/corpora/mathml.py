# SPDX-License-Identifier: Apache-2.0
"""Writes short MathML formulas as one line of plain text, where that is possible.

Symbols, numbers, operators, indices, fractions and roots can be written in one line;
sums with limits, matrices, tables and TeX annotations cannot.
"""

from collections.abc import Sequence
from typing import Any, Final

from biobert_tf.corpora.xml_records import local_name

_SPACED: Final = frozenset(
    "=<>≤≥≠≈≅≃~≡±∓⋅·÷+-→←↔∝∈∧⩽⩾≪≫\u00d7\u2212\u2228\u223c"  # times, minus, or, tilde
)
_ROWS: Final = frozenset(
    ["math", "mrow", "mstyle", "mpadded", "menclose", "merror", "maction"]
)
_TOKENS: Final = frozenset(["mi", "mn", "mtext", "ms"])
_ARITY: Final = {"msub": 2, "msup": 2, "msubsup": 3, "mfrac": 2, "mover": 2}


class UnreadableError(Exception):
    """The formula cannot be written in one line."""


def linear(element: Any) -> str:
    """Returns `math`, or a part of it, as text: `10^-6`, `x_i` reads `xi`, `a/b`, `√x`.

    Raises:
        UnreadableError: The formula cannot be written in one line.
    """
    name = local_name(element)
    if name in _TOKENS:
        return (element.text or "").strip()
    if name in _ROWS:
        return _row(list(element))
    if name == "semantics" and len(element):
        return linear(element[0])
    if name == "mspace":
        return " "
    if name == "mfenced":
        inner = ", ".join(linear(child) for child in element)
        return f"{element.get('open', '(')}{inner}{element.get('close', ')')}"
    if name == "msqrt":
        return "√" + _atom(_row(list(element)))
    if _ARITY.get(name) == len(element):
        return _scripted(name, [linear(child) for child in element])
    raise UnreadableError(name)


def _row(children: Sequence[Any]) -> str:
    text = ""
    for child in children:
        if local_name(child) != "mo":
            text += linear(child)
            continue
        operator = (child.text or "").strip()
        # An operator at the beginning of a row is a sign and gets no spaces.
        is_spaced = operator in _SPACED and operator and text.strip()
        text += f" {operator} " if is_spaced else operator
    return text


def _scripted(name: str, parts: Sequence[str]) -> str:
    if name == "mfrac":
        return f"{_atom(parts[0])}/{_atom(parts[1])}"
    if name == "mover":
        # A bar, hat or tilde over a letter is dropped; anything longer is a limit.
        if len(parts[1]) > 1:
            raise UnreadableError(name)
        return parts[0]
    if name == "msub":
        return parts[0] + parts[1]
    return "".join(parts[:-1]) + "^" + _atom(parts[-1])


def _atom(text: str) -> str:
    return f"({text.strip()})" if " " in text.strip() else text.strip()
