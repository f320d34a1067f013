# SPDX-License-Identifier: Apache-2.0
"""Expands a grammar at random into labelled words.

The notation, in which the demo corpora are written:

    name: a b | c     a rule with two alternatives; it goes on in lines that begin with
                      a space
    name = a b        a rule with two alternatives of one word
    $name             any alternative of that rule
    #                 a digit from 2 to 9
    [Disease $name]   labels what is inside: B-Disease, I-Disease, ...

An alternative given twice is twice as likely. Words are separated as in the files of
BioBERT: punctuation stands alone, except inside a word.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

# The alternatives of every rule.
Rules = Mapping[str, tuple[str, ...]]

_TOKEN: Final = re.compile(r"\[(\w+) ([^]]+)\]|(\S+)")
# What stands in prose without a space before it, or after it.
_CLOSING: Final = (",", ".", "?", ")", "-")
_OPENING: Final = ("(", "-")


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Returns the alternatives of every rule of a grammar, by name."""
    rules = {}
    for rule in re.split(r"\n+(?=\S)", text.strip()):
        name, sign, body = re.split(r"\s*([:=])\s", rule, maxsplit=1)
        alternatives = body.split("|") if sign == ":" else body.split()
        rules[name] = tuple(" ".join(each.split()) for each in alternatives)
    return rules


def expand(text: str, rules: Rules, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yields the words of one expansion of `text`.

    Args:
        text: An alternative of a rule, or `$name`.
        rules: Of `parse`.
        rng: The only source of randomness; it is advanced.

    Yields:
        `(word, label)`, the label in BIO.
    """
    for kind, inside, token in _TOKEN.findall(text):
        if kind:
            for i, (word, _) in enumerate(expand(inside, rules, rng)):
                yield word, f"{'I' if i else 'B'}-{kind}"
        elif token.startswith("$"):
            yield from expand(rng.choice(rules[token[1:]]), rules, rng)
        else:
            yield re.sub("#", lambda _: rng.choice("23456789"), token), "O"


def prose(words: Sequence[str]) -> tuple[str, list[int]]:
    """Returns words as running text, and where in it every word begins."""
    text, starts = "", []
    for word in words:
        if text and word not in _CLOSING and not text.endswith(_OPENING):
            text += " "
        starts.append(len(text))
        text += word
    return text, starts
