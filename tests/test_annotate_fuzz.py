# SPDX-License-Identifier: Apache-2.0
"""Any text with any mentions, through every format: offsets hold, or it is told."""

import random
import re

import pytest

from biobert_tf.annotate import formats
from biobert_tf.annotate.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
)

NUM_DOCUMENTS = 60
READ_BACK = ("jsonl", "pubtator", "bioc_xml", "bioc_json", "brat")

# From every plane; no surrogates. Ends of lines, white space of all kinds, marks that
# combine, joiners, what turns direction, what markup would be, numbers and columns.
PIECES = [
    *("\n", "\r\n", "\r", "\t", " ", "  ", "\x85", "\u2028", "\u2029", "\u3000"),
    *("\xa0", "\n\n"),
    *("e\u0301", "\u0301", "a\u0308\u0323", "\u200d", "\u200b", "\u00ad", "\ufeff"),
    *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\u202e"),
    *("\u05d0\u05d1", "\u0627\u0644", "\u0939\u093f", "\uac00", "\u4e2d\u6587"),
    *("<script>", "&amp;", "]]>", "<!--", "</document>", '"', "'", "\\", "{", "}"),
    *("|t|", "|", "T1", "#1", "-DOCSTART-", "O", "0", "12", "a", "Aspirin", "COX-1."),
    *("%s", "\\u0041", "\\ud83d", "/", "-", "_", ".", "; "),
]
CONTROLS = [
    "\v",
    "\f",
    "\x1c",
    "\x00",
    "\x01",
    "\x08",
    "\x1f",
    "\x7f",
    "\x9f",
    "\ufffe",
    "\uffff",
]
TYPES = ["Chemical", "Gene", "two words", "", "\u0393-type", "B-x", 'q"<&>']


def any_character(rng):
    while True:
        code = rng.choice(
            [
                rng.randrange(0x20, 0x250),
                rng.randrange(0x250, 0x10000),
                rng.randrange(0x10000, 0x20000),
                rng.randrange(0x10000, 0x110000),
            ]
        )
        if not 0xD800 <= code <= 0xDFFF and not 0xFFFE <= code <= 0xFFFF:
            return chr(code)


def any_text(rng, has_controls):
    pieces = PIECES + (CONTROLS if has_controls else [])
    return "".join(
        rng.choice(pieces) if rng.random() < 0.7 else any_character(rng)
        for _ in range(rng.randrange(0, 60))
    )


def any_document(rng, number, has_controls=False):
    passages = []
    offset = rng.choice([0, 0, 0, 3])
    for _ in range(rng.choice([1, 1, 2, 3])):
        passages.append(Passage(offset, any_text(rng, has_controls)))
        offset = passages[-1].end + rng.choice([0, 1, 1, 4])
    return AnnotatedDocument(f"d{number}", tuple(passages), (), ())


def any_mention(rng, document):
    """A mention with its text as it stands; None where there is no text."""
    passage = rng.choice(document.passages)
    if not passage.text:
        return None
    start = passage.offset + rng.randrange(len(passage.text))
    end = min(start + rng.choice([1, 1, 2, 5, 30]), passage.end)
    text = document.slice(start, end)
    probability = rng.choice([None, round(rng.random(), 6), 1.0])
    concepts = rng.choice([(), (), ("MESH:D1",), ("D1", "D2")])
    kind = rng.choice(TYPES)
    return Mention("", kind, ((start, end),), text, concepts, probability)


def any_annotated(rng, number, has_controls=False):
    document = any_document(rng, number, has_controls)
    found = [any_mention(rng, document) for _ in range(rng.randrange(5))]
    return Loaded(document), [mention for mention in found if mention]


def squeezed(text):
    return re.sub(r"\s", "", text)


def written(tmp_path, kind, documents):
    """Writes documents; returns their place, what was counted and what was told."""
    bad = []
    path = tmp_path / f"out.{kind}"
    counts = formats.write(path, kind, documents, bad.append)
    return path, counts, [str(error) for error in bad]


@pytest.mark.parametrize("kind", READ_BACK)
@pytest.mark.parametrize("seed", range(3))
def test_offsets_hold(tmp_path, kind, seed):
    rng = random.Random(seed)
    documents = [any_annotated(rng, i) for i in range(NUM_DOCUMENTS)]
    path, counts, bad = written(tmp_path, kind, documents)
    told = {error.split(":")[0].removeprefix("document ") for error in bad}
    again = {one.document.id: one.document for one in formats.read(path, kind)}
    kept = [each for each in documents if each[0].document.id not in told]
    assert set(again) == {loaded.document.id for loaded, _ in kept}
    assert counts.documents == len(kept)
    assert sum(counts.mentions.values()) == sum(len(added) for _, added in kept)
    for loaded, added in kept:
        found = again[loaded.document.id]
        assert len(found.mentions) == len(added)
        for mention in added:
            require_same(kind, loaded.document, mention, found)


def require_same(kind, document, mention, found):
    """Checks that a mention came back at its place with what it was."""
    start, end = mention.extent
    alike = [one for one in found.mentions if lies_in(one, start, end, mention.text)]
    assert alike, (mention, found)
    wanted = "Entity" if kind == "brat" and not mention.type else mention.type
    if kind == "brat":
        wanted = wanted.replace(" ", "_")
    same = [
        one
        for one in alike
        if one.type == wanted
        and one.probability == mention.probability
        and one.concepts == (() if kind == "brat" else mention.concepts)
    ]
    assert same, (mention, alike)
    for one in same:
        slices = [found.slice(*span) for span in one.spans]
        assert squeezed("".join(slices)) == squeezed(document.slice(start, end))
        if kind not in ("brat", "pubtator"):
            assert one.spans == mention.spans
            assert found.slice(start, end) == document.slice(start, end) == one.text


def lies_in(one, start, end, text):
    first, last = one.extent
    return start <= first and last <= end and squeezed(one.text) == squeezed(text)
