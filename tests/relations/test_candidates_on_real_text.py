"""Candidate pairs on real text: the published ChemProt rebuilt, and PubMed re-sliced.

A row of BLUE's ChemProt hides two mentions of a sentence, and the other rows of the
sentence show them. So all of them together give back the sentence and the places of
its mentions; `python tests/relations/test_candidates_on_real_text.py FOLDER` prints
how far the candidates of those sentences agree with the published rows.
"""

import itertools
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from biobert_tf.corpora import reading
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage
from biobert_tf.relations import candidates
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations.settings import EntityPairs

PAIRS = EntityPairs.parse("Chemical-Gene").pairs
LONGEST_MENTION = 150  # Characters.
FILLER = "Xylin"  # Stands for a mention that every row of its sentence hides.
ORIGIN, END = ("text", "start"), ("text", "end")
Point = tuple[str, str]  # A mention and which of its ends.


@dataclass(frozen=True)
class Hidden:
    """What a published row shows around its two mentions.

    `middle` is None where one placeholder stands for both; else `a` comes before `b`.
    """

    a: str
    b: str
    left: str
    middle: str | None
    right: str


@dataclass(frozen=True)
class Sentence:
    document: str
    rows: dict[tuple[str, str], str]  # Published text by chemical and gene.

    def mentions(self):
        return sorted({mention for key in self.rows for mention in key})


def published(path: Path) -> list[Sentence]:
    """Returns the sentences of a file: rows that share mentions, directly or not."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def find(mention):
        while leader.setdefault(mention, mention) != mention:
            mention = leader[mention]
        return mention

    rows = [
        (row.id.split("."), row.text)
        for row in relation_reading.read_rows(path, "blue")
    ]
    for (document, chemical, gene), _ in rows:
        leader[find((document, chemical))] = find((document, gene))
    groups = defaultdict(dict)
    for (document, chemical, gene), text in rows:
        groups[find((document, chemical))][chemical, gene] = text
    return [Sentence(document, group) for (document, _), group in groups.items()]


# --- sentences rebuilt ----------------------------------------------------------------


def readings(sentence: Sentence) -> Iterator[list[Hidden]]:
    """Yields the rows with every order of the two mentions that is possible.

    The published placeholders do not say which mention is which. One that is hidden
    at some place in one row begins nowhere further left, nor ends further right, than
    in any other.
    """
    cut = []
    reach: Counter[Point] = Counter()
    for key, text in sentence.rows.items():
        *places, last = relation_reading.entity_spans(text, "blue")
        first = (places or [last])[0]
        middle = text[first.end : last.start] if places else None
        cut.append((key, text[: first.start], middle, text[last.end :]))
        for mention in key:
            for side, length in (("start", first.start), ("end", len(text) - last.end)):
                reach[mention, side] = max(reach[mention, side], length)
    options = [
        [
            Hidden(a, b, left, middle, right)
            for a, b in (key, key[::-1])[: 1 if middle is None else 2]
            if middle is None
            or (reach[a, "start"], reach[b, "end"]) == (len(left), len(right))
        ]
        for key, left, middle, right in cut
    ]
    for choice in itertools.islice(itertools.product(*options), 64):
        yield list(choice)


class Puzzle:
    """Places of mentions in a sentence, from what its rows show around them."""

    def __init__(self, rows: list[Hidden], mentions: list[str]):
        self.rows, self.mentions = rows, mentions
        self.tries = 1500
        self.distances: dict[Point, list[tuple[Point, int]]] = defaultdict(list)
        self.middles: dict[str, str] = {}
        for row in rows:
            if row.middle is not None:
                self.tie(ORIGIN, (row.a, "start"), len(row.left))
                self.tie((row.a, "end"), (row.b, "start"), len(row.middle))
                self.tie((row.b, "end"), END, len(row.right))
                longest = self.middles.get(row.a, "")
                self.middles[row.a] = max(longest, row.middle, key=len)
        self.left = max((row.left for row in rows), key=len)
        self.right = max((row.right for row in rows), key=len)

    def tie(self, one: Point, other: Point, distance: int) -> None:
        self.distances[one].append((other, distance))
        self.distances[other].append((one, -distance))

    def solve(self, known: dict[Point, int]):
        """Returns text and spans, or None; unknown lengths are tried, short first."""
        self.tries -= 1
        if self.tries < 0 or not self.spread(known) or self.characters(known) is None:
            return None
        if END in known and all(point in known for point in self.distances):
            return self.finish(known)
        for point, place in self.guesses(known):
            if solution := self.solve({**known, point: place}):
                return solution
        return None

    def spread(self, known: dict[Point, int]) -> bool:
        """Adds all places that follow from the known; tells whether they agree."""
        todo = list(known)
        while todo:
            point = todo.pop()
            for other, distance in self.distances[point]:
                if other not in known:
                    todo.append(other)
                if known.setdefault(other, known[point] + distance) != (
                    known[point] + distance
                ):
                    return False
        return True

    def guesses(self, known: dict[Point, int]) -> Iterator[tuple[Point, int]]:
        """Yields places of one unknown point next to what is known."""
        lengths = range(1, LONGEST_MENTION)
        for end, other, sign in (("end", "start", 1), ("start", "end", -1)):
            points = [
                (known[mention, other], (mention, end))
                for mention in self.mentions
                if (mention, other) in known
                and (mention, end) in self.distances
                and (mention, end) not in known
            ]
            if points:
                place, point = min(points)
                yield from ((point, place + sign * length) for length in lengths)
                return
        shortest = max(len(row.left) + len(row.right) for row in self.rows)
        yield from ((END, shortest + length) for length in lengths)

    def characters(self, known: dict[Point, int]) -> dict[int, str] | None:
        """Returns what is known of the text, or None if two rows disagree."""
        shown = [(0, self.left)]
        shown += [
            (known[mention, "end"], middle)
            for mention, middle in self.middles.items()
            if (mention, "end") in known
        ]
        if END in known:
            shown.append((known[END] - len(self.right), self.right))
        characters: dict[int, str] = {}
        for start, text in shown:
            for place, character in enumerate(text, start):
                if characters.setdefault(place, character) != character:
                    return None
        return characters

    def finish(self, known: dict[Point, int]):
        """Returns text and spans, filled where no row shows anything."""
        known = dict(known)
        for mention in self.mentions:
            mine = [row for row in self.rows if mention in (row.a, row.b)]
            # Of mentions that always overlap, each is as small as it can be.
            known.setdefault((mention, "start"), max(len(row.left) for row in mine))
            known.setdefault(
                (mention, "end"), known[END] - max(len(row.right) for row in mine)
            )
        characters = self.characters(known)
        length = known[END]
        if characters is None or not set(characters) <= set(range(length)):
            return None
        text = "".join(characters.get(place, "\0") for place in range(length))
        spans = {m: (known[m, "start"], known[m, "end"]) for m in self.mentions}
        if not all(0 <= start < end <= length for start, end in spans.values()):
            return None
        return filled(text, spans) if self.agrees(text, spans) else None

    def agrees(self, text: str, spans: dict[str, tuple[int, int]]) -> bool:
        for row in self.rows:
            (start, end), (other_start, other_end) = spans[row.a], spans[row.b]
            if row.middle is None:
                before, after = min(start, other_start), max(end, other_end)
                is_right = start < other_end and other_start < end
            else:
                before, after = start, other_end
                is_right = text[end:other_start] == row.middle and end <= other_start
            if not is_right or (text[:before], text[after:]) != (row.left, row.right):
                return False
        return True


def filled(text: str, spans: dict[str, tuple[int, int]]):
    """Returns text and spans with a word for what no row shows."""
    for gap in reversed(list(re.finditer("\0+", text))):
        inside = range(gap.start() + 1, gap.end())
        is_whole = not any(end in inside for span in spans.values() for end in span)
        word = FILLER if is_whole else "X" * len(gap[0])
        text = text[: gap.start()] + word + text[gap.end() :]
        shift = len(word) - len(gap[0])
        spans = {
            mention: tuple(place + shift * (place >= gap.end()) for place in span)
            for mention, span in spans.items()
        }
    return text, spans


def rebuilt(sentence: Sentence) -> AnnotatedDocument | None:
    """Returns a sentence and mentions that give the published rows, if found."""
    mentions = sentence.mentions()
    solutions = (
        Puzzle(rows, mentions).solve({ORIGIN: 0}) for rows in readings(sentence)
    )
    solution = next((each for each in solutions if each), None)
    if solution is None:
        return None
    text, spans = solution
    chemicals = {chemical for chemical, _ in sentence.rows}
    found = tuple(
        Mention(
            mention,
            "CHEMICAL" if mention in chemicals else "GENE-Y",
            (span,),
            text[slice(*span)],
        )
        for mention, span in spans.items()
    )
    return AnnotatedDocument(sentence.document, (Passage(0, text),), found, ())


def swapped(text: str) -> str:
    names = {"@CHEMICAL$": "@GENE$", "@GENE$": "@CHEMICAL$"}
    return re.sub(r"@(CHEMICAL|GENE)\$", lambda match: names[match[0]], text)


def compare(path: Path) -> Counter[str]:
    """Counts how far the candidates of a published file agree with its rows."""
    counts: Counter[str] = Counter()
    for sentence in published(path):
        counts["sentences"] += 1
        counts["rows"] += len(sentence.rows)
        document = rebuilt(sentence)
        if document is None:
            continue
        document.check()
        counts["rebuilt sentences"] += 1
        counts["rebuilt rows"] += len(sentence.rows)
        by_type, by_order = (
            {
                (c.first.id, c.second.id): c
                for c in candidates.candidates(document, PAIRS, placeholders)
            }
            for placeholders in ("type", "order")
        )
        assert set(by_type) == set(by_order) <= set(sentence.rows)
        counts["sentences not cut"] += by_type.keys() == sentence.rows.keys()
        for key, candidate in by_order.items():
            text = sentence.rows[key]
            # A sentence that is cut is a part of the published one.
            assert candidate.text in text
            counts["rows of the same pair"] += 1
            counts["rows of the same text"] += candidate.text == text
            typed = by_type[key].text
            assert typed in (candidate.text, swapped(candidate.text))
            counts["rows with the gene first"] += typed != candidate.text
            assert candidate.is_overlapping == ("@CHEM-GENE$" in text)
    return counts


# --- tests ----------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("split", ["dev", "test"])
def test_published_rows(data, split, monkeypatch):
    path = data / "re" / "chemprot" / f"{split}.tsv"
    counts = compare(path)
    assert counts["rebuilt sentences"] >= 0.98 * counts["sentences"]
    assert counts["rows of the same pair"] >= 0.95 * counts["rebuilt rows"]
    assert counts["rows of the same text"] >= 0.9 * counts["rebuilt rows"]
    # With the published boundaries of sentences every pair and every text is the same.
    monkeypatch.setattr(
        candidates.sentences, "spans", lambda paragraph: [(0, len(paragraph))]
    )
    counts = compare(path)
    assert counts["rows of the same text"] == counts["rebuilt rows"]
    assert counts["sentences not cut"] == counts["rebuilt sentences"]


@pytest.mark.data
@pytest.mark.parametrize(
    "pattern, most", [("medline16n0902.xml.gz", 200), ("craft/*.nxml", 2)]
)
def test_mentions_anywhere_in_real_text(data, pattern, most):
    rng = random.Random(0)
    paths = sorted((data / "pretrain").glob(pattern))[:2]
    options = reading.ReadOptions(CorpusConfig())
    num_found = 0
    for path in paths:
        texts = reading.documents(path, options, lambda *_: None, lambda *_: None)
        for text in itertools.islice(texts, most):
            document = annotated(text.paragraphs, rng)
            for candidate in candidates.candidates(document, PAIRS):
                num_found += 1
                assert_sound(document, candidate)
    assert num_found > 500


def annotated(paragraphs, rng) -> AnnotatedDocument:
    """Returns a document with mentions at random words, some of two words."""
    passages, mentions, offset = [], [], 0
    for paragraph in paragraphs:
        passages.append(Passage(offset, paragraph))
        words = list(
            re.finditer(r"\S+( \S+)?" if rng.random() < 0.2 else r"\w+", paragraph)
        )
        for word in rng.sample(words, len(words) // 8):
            span = offset + word.start(), offset + word.end()
            entity_type = rng.choice(["Chemical", "Gene"])
            mentions.append(Mention(f"T{len(mentions)}", entity_type, (span,), word[0]))
        offset += len(paragraph) + 1
    document = AnnotatedDocument("1", tuple(passages), tuple(mentions), ())
    document.check()
    return document


def assert_sound(document, candidate) -> None:
    """The sentence holds both mentions, and is the text but for the placeholders."""
    begin, stop = candidate.sentence
    sentence = document.slice(begin, stop)
    assert sentence == sentence.strip()
    spans = relation_reading.entity_spans(candidate.text, "blue")
    assert len(spans) == (1 if candidate.is_overlapping else 2)
    places = sorted((candidate.first.spans[0], candidate.second.spans[0]))
    assert begin <= places[0][0] and places[1][1] <= stop
    before = document.slice(begin, places[0][0])
    after = document.slice(max(end for _, end in places), stop)
    assert candidate.text[: spans[0].start] == before
    assert candidate.text[spans[-1].end :] == after
    if not candidate.is_overlapping:
        middle = document.slice(places[0][1], places[1][0])
        assert candidate.text[spans[0].end : spans[1].start] == middle


if __name__ == "__main__":
    for each in sorted(Path(sys.argv[1]).glob("*.tsv")):
        print(each.name, dict(compare(each)))
