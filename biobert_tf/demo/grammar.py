# SPDX-License-Identifier: Apache-2.0
"""Expands a grammar at random into labelled words.

The grammars of the demo corpora, the `.txt` files beside this one, use this notation:

    name: a b | c     a rule with two alternatives; lines that begin with a space
                      continue it
    name = a b        a rule with two alternatives of one word
    $name             any alternative of that rule
    #                 a digit from 2 to 9
    [Disease $name]   labels the words inside: B-Disease, I-Disease, ...

An alternative given twice is twice as likely. Words are separated as in the files of
BioBERT: punctuation is a word of its own, except inside a word.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

# The alternatives of every rule.
Rules = Mapping[str, tuple[str, ...]]
ItemT = TypeVar("ItemT")

_TOKEN: Final = re.compile(r"\[(\w+) ([^]]+)\]|(\S+)")
# Punctuation without a space before it, and without one after it.
_CLOSING: Final = (",", ".", "?", ")", "-")
_OPENING: Final = ("(", "-")


def text(name: str) -> str:
    """Returns the text of a grammar of this package."""
    return (Path(__file__).parent / f"{name}.txt").read_text("utf-8")


def parse(*texts: str) -> dict[str, tuple[str, ...]]:
    """Returns the alternatives of every rule, by name; a later text adds to a rule."""
    rules: dict[str, tuple[str, ...]] = {}
    for rule in re.split(r"\n+(?=\S)", "\n".join(texts).strip()):
        name, sign, body = re.split(r"\s*([:=])\s", rule, maxsplit=1)
        alternatives = body.split("|") if sign == ":" else body.split()
        added = tuple(" ".join(each.split()) for each in alternatives)
        rules[name] = rules.get(name, ()) + added
    return rules


def expand(text: str, rules: Rules, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yields `(word, label)` of one expansion of an alternative, the label in BIO."""
    for kind, inside, token in _TOKEN.findall(text):
        if kind:
            for i, (word, _) in enumerate(expand(inside, rules, rng)):
                yield word, f"{'I' if i else 'B'}-{kind}"
        elif token.startswith("$"):
            yield from expand(rng.choice(rules[token[1:]]), rules, rng)
        else:
            yield re.sub("#", lambda _: rng.choice("23456789"), token), "O"


def prose(words: Iterable[str]) -> tuple[str, list[int]]:
    """Returns words as running text, and the offset of every word in it."""
    text, starts = "", []
    for word in words:
        if text and word not in _CLOSING and not text.endswith(_OPENING):
            text += " "
        starts.append(len(text))
        text += word
    return text, starts


def distinct(num: int, draw: Callable[[int], ItemT], seen: set[ItemT]) -> list[ItemT]:
    """Returns `num` different items that are not in `seen`, and adds them to it.

    `draw` makes an item, given the number of items found so far.
    """
    found: list[ItemT] = []
    while len(found) < num:
        item = draw(len(found))
        if item not in seen:
            seen.add(item)
            found.append(item)
    return found
