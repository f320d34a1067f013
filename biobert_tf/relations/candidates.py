# SPDX-License-Identifier: Apache-2.0
"""Makes candidates: sentences with a pair of mentions hidden behind placeholders.

A pair is given as two types, in any case. `Gene` also matches types that begin with
`Gene-`, such as ChemProt's `GENE-Y` and `GENE-N`; it does not match `GeneFamily`.

A mention is replaced by the given type in capitals: `@CHEMICAL$`, `@GENE$` (also if
`GENE-Y` was given). Characters other than letters, digits, dashes and underscores
become underscores. Two mentions that share a character become one placeholder over
both: `@CHEM-GENE$` for a chemical with a gene, else `@FIRST-SECOND$`, as in the sets
that BLUE and BLURB publish.

In the ChemProt that BLUE publishes the placeholders do not give types: in every row the
mention that comes first is `@CHEMICAL$`, because its converter swaps the places of the
two without their types. It also takes two that merely touch for overlapping. A model
trained on it needs new text in the same form: `placeholders="order"`. In SciBERT's JSON
lines the mentions stay in the text, between marks, `<< first >>` and `[[ second ]]`:
`placeholders="marks"`.

The rest of the sentence is kept: other mentions, the same name elsewhere, white space.
Only text that looks like a placeholder gets a space behind its `@`; with marks,
brackets such as `[[` get a space between them. BERT reads the same pieces, and only the
pair is found again (`reading.entity_spans`).

Of a discontinuous mention only the first fragment is replaced, because the other entity
often lies between the fragments ("breast and ovarian cancer"). Fragments separated by
white space only count as one: some tools split a mention at the end of a line.
"""

import bisect
import dataclasses
import functools
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from biobert_tf.documents.document import AnnotatedDocument, Mention
from biobert_tf.relations.reading import PLACEHOLDER
from biobert_tf.relations.settings import PairType, Placeholders
from biobert_tf.text import sentences

Span = tuple[int, int]

_MARKS: Final = (("<<", ">>"), ("[[", "]]"))
# The first of two brackets that could be mistaken for a mark, or for half of one.
_LIKE_A_MARK: Final = re.compile(r"<(?=<)|>(?=>)|\[(?=\[)|\](?=\])")
_CHEMPROT_GENES: Final = ("GENE-Y", "GENE-N")
_NOT_IN_PLACEHOLDER: Final = re.compile(r"[^\w-]")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Two mentions in one sentence.

    Attributes:
        document: Id of the document.
        first, second: The mentions in the order of the pair's types; if both have one
            type, in that of the text.
        sentence: Offsets of the sentence in the document, half-open.
        text: The sentence with placeholders for the two; it may hold line breaks.
        label: Type of the relation between the two, or the label for no relation; None
            if it is to be predicted.
        is_overlapping: Whether one placeholder stands for both mentions.
    """

    document: str
    first: Mention
    second: Mention
    sentence: Span
    text: str
    label: str | None
    is_overlapping: bool

    @property
    def id(self) -> str:
        """The ids of document and mentions, as in BLUE: `10064839.T49.T56`."""
        return f"{self.document}.{self.first.id}.{self.second.id}"


def candidates(
    document: AnnotatedDocument,
    pairs: Sequence[PairType],
    placeholders: Placeholders = "type",
) -> Iterator[Candidate]:
    """Yields the candidates of a document, in the order of the text.

    Each unordered pair comes once, for the first of `pairs` that it matches. A mention
    is not paired with one of the same type at the same place. If a mention of a given
    type crosses a sentence border, the two sentences are joined, because the border is
    wrong. A mention that crosses passages is in no candidate.

    Args:
        document: The document. Mentions with a `problem` are in no candidate.
        pairs: The types to pair.
        placeholders: "type": a mention's placeholder is its type. "order": the mention
            that comes first gets the pair's first type, and two that touch become one
            placeholder, as in BLUE's ChemProt. "marks": the mentions stay between
            marks; two that overlap are marked as one.
    """
    wanted = tuple(pairs)
    mentions = _wanted_mentions(document, wanted)
    mentions.sort(key=lambda mention: mention.extent)
    starts = [mention.extent[0] for mention in mentions]
    for sentence in _sentences(document, mentions):
        low, high = (bisect.bisect_left(starts, offset) for offset in sentence)
        inside = [m for m in mentions[low:high] if m.extent[1] <= sentence[1]]
        for couple in itertools.combinations(inside, 2):
            if oriented := _oriented(*couple, wanted):
                pair, first, second = oriented
                hidden = _hidden(document, pair, (first, second), placeholders)
                yield Candidate(
                    document.id,
                    first,
                    second,
                    sentence,
                    _anonymised(document, sentence, hidden, placeholders),
                    label=None,
                    is_overlapping=len(hidden) == 1,
                )


def labelled(
    document: AnnotatedDocument,
    pairs: Sequence[PairType],
    negative_label: str,
    placeholders: Placeholders = "type",
) -> Iterator[Candidate]:
    """Yields the candidates of a document with labels from its relations.

    A relation holds for two mentions if it names their ids or concepts, in any order:
    the types tell the two apart, and two mentions of one type have one row for both
    directions. A pair with several relations comes once for each relation type, in the
    order of the relations, as in the published ChemProt. A pair without a relation has
    `negative_label`.
    """
    types: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for i, relation in enumerate(document.relations):
        types[relation.first, relation.second][i] = relation.type
        types[relation.second, relation.first][i] = relation.type
    for candidate in candidates(document, pairs, placeholders):
        found: dict[int, str] = {}
        for key in itertools.product(names(candidate.first), names(candidate.second)):
            found.update(types.get(key, {}))
        labels = dict.fromkeys(found[i] for i in sorted(found))
        for label in labels or (negative_label,):
            yield dataclasses.replace(candidate, label=label)


def names(mention: Mention) -> tuple[str, ...]:
    """Returns the names by which a relation may refer to a mention: id and concepts."""
    return (mention.id, *mention.concepts)


def fits(first: Mention, second: Mention, pairs: Sequence[PairType]) -> bool:
    """Returns whether two mentions have the types of a pair, wherever they stand."""
    return _oriented(first, second, tuple(pairs)) is not None


def unknown_types(pairs: Sequence[PairType], types: Counter[str]) -> str:
    """Returns what to say if mentions have no type that a pair names, else "".

    `types` counts the mentions of all documents by their type.
    """
    named = dict.fromkeys(name for pair in pairs for name in vars(pair).values())
    absent = [name for name in named if not any(_matches(name, x) for x in types)]
    if not absent:
        return ""
    held = ", ".join(f"{name} {number}" for name, number in sorted(types.items()))
    return (
        f"--pair: no document has an entity of the type {' or '.join(absent)}; they "
        f"have {held or 'no entities'}"
    )


def num_pairs(document: AnnotatedDocument, pairs: Sequence[PairType]) -> int:
    """Returns the number of pairs the document would have if it were one sentence."""
    wanted = tuple(pairs)
    # Mentions of one type at one place are no pair.
    places: dict[str, Counter[tuple[Span, ...]]] = defaultdict(Counter)
    for mention in _wanted_mentions(document, wanted):
        places[mention.type.casefold()][tuple(sorted(mention.spans))] += 1
    total = 0
    for a, b in itertools.combinations_with_replacement(places, 2):
        if _orientation(a, b, wanted) and a != b:
            total += places[a].total() * places[b].total()
        elif _orientation(a, b, wanted):
            same_place = sum(math.comb(count, 2) for count in places[a].values())
            total += math.comb(places[a].total(), 2) - same_place
    return total


def _wanted_mentions(
    document: AnnotatedDocument, pairs: tuple[PairType, ...]
) -> list[Mention]:
    types = {name for pair in pairs for name in (pair.first, pair.second)}
    return [
        mention
        for mention in document.mentions
        if not mention.problem and any(_matches(name, mention.type) for name in types)
    ]


@functools.lru_cache
def _matches(wanted: str, found: str) -> bool:
    wanted, found = wanted.casefold(), found.casefold()
    return found == wanted or found.startswith(f"{wanted}-")


@functools.lru_cache
def _orientation(
    a: str, b: str, pairs: tuple[PairType, ...]
) -> tuple[PairType, bool] | None:
    """Returns the pair that two types match, and whether in swapped order."""
    for pair in pairs:
        for is_swapped, (x, y) in enumerate(((a, b), (b, a))):
            if _matches(pair.first, x) and _matches(pair.second, y):
                return pair, bool(is_swapped)
    return None


def _oriented(
    a: Mention, b: Mention, pairs: tuple[PairType, ...]
) -> tuple[PairType, Mention, Mention] | None:
    orientation = _orientation(a.type, b.type, pairs)
    is_same_type = a.type.casefold() == b.type.casefold()
    if orientation is None or (is_same_type and sorted(a.spans) == sorted(b.spans)):
        return None
    pair, is_swapped = orientation
    return (pair, b, a) if is_swapped else (pair, a, b)


def _sentences(
    document: AnnotatedDocument, mentions: Sequence[Mention]
) -> Iterator[Span]:
    """Yields the sentences of passages with two mentions, as document offsets."""
    extents = [mention.extent for mention in mentions]
    for passage in document.passages:
        at, stop = passage.offset, passage.end
        inside = [(start, end) for start, end in extents if at <= start and end <= stop]
        if len(inside) > 1:
            cut = sentences.spans(passage.text)
            yield from _joined([*inside, *((at + a, at + b) for a, b in cut)])


def _joined(intervals: Iterable[Span], gap: int = 0) -> Iterator[Span]:
    """Yields the unions of intervals that share a character, in order.

    `gap` of 1 also joins those that touch.
    """
    (begin, stop), *others = sorted(intervals)
    for start, end in others:
        if start >= stop + gap:
            yield begin, stop
            begin = start
        stop = max(stop, end)
    yield begin, stop


def _hidden(
    document: AnnotatedDocument,
    pair: PairType,
    mentions: tuple[Mention, Mention],
    placeholders: Placeholders,
) -> list[tuple[Span, str]]:
    """Returns the spans to replace and their replacements, in order: two or one."""
    places = [_place(document, mention) for mention in mentions]
    # PARITY(blue/bert/create_chemprot_bert.py:39-42): the end is taken for inside.
    joint_places = list(_joined(places, gap=int(placeholders == "order")))
    is_overlapping = len(joint_places) == 1
    if is_overlapping:
        places = joint_places
    if placeholders == "marks":
        texts = [
            f"{before} {_shown(document.slice(*place), placeholders)} {after}"
            for place, (before, after) in zip(places, _MARKS, strict=False)
        ]
        return sorted(zip(places, texts, strict=True))
    types = _name(pair.first), _name(pair.second)
    if is_overlapping:
        is_chemprot = {*types} == {"CHEMICAL", "GENE"}
        joint = "CHEM-GENE" if is_chemprot else "-".join(types)
        return [(places[0], f"@{joint}$")]
    if placeholders == "order":
        # PARITY(blue/bert/create_chemprot_bert.py:49-50): see the module.
        places.sort()
    return sorted(zip(places, (f"@{name}$" for name in types), strict=True))


def _place(document: AnnotatedDocument, mention: Mention) -> Span:
    """Returns the span that a mention's placeholder replaces."""
    (start, end), *others = sorted(mention.spans)
    for next_start, next_end in others:
        if next_start > end and document.slice(end, next_start).strip():
            break
        end = max(end, next_end)
    return start, end


def _name(wanted: str) -> str:
    name = _NOT_IN_PLACEHOLDER.sub("_", wanted.upper())
    return "GENE" if name in _CHEMPROT_GENES else name


def _anonymised(
    document: AnnotatedDocument,
    sentence: Span,
    hidden: Sequence[tuple[Span, str]],
    placeholders: Placeholders,
) -> str:
    """Returns the sentence with `hidden`, sorted and disjoint spans, replaced."""
    at, stop = sentence
    pieces = []
    for (start, end), replacement in hidden:
        pieces += [_shown(document.slice(at, start), placeholders), replacement]
        at = end
    return "".join([*pieces, _shown(document.slice(at, stop), placeholders)])


def _shown(text: str, placeholders: Placeholders) -> str:
    """Returns the text changed so that nothing in it looks like an entity of a pair."""
    if placeholders == "marks":
        return _LIKE_A_MARK.sub(r"\g<0> ", text)
    return PLACEHOLDER.sub(lambda match: f"@ {match[0][1:]}", text)
