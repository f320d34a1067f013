# SPDX-License-Identifier: Apache-2.0
"""Any text with any mentions, through every format: offsets hold, or it is told."""

import dataclasses
import random
import re

import html_toys
import pytest

from biobert_tf.documents import formats
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Mention, Passage

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
    passages = [passage for passage in document.passages if passage.text]
    if not passages:
        return None
    first, last = passages[0].offset, passages[-1].end
    start = rng.randrange(first, last)
    end = min(start + rng.choice([1, 1, 2, 5, 30]), last)
    text = document.slice(start, end)
    probability = rng.choice([None, round(rng.random(), 6), 1.0])
    concepts = rng.choice([(), (), ("MESH:D1",), ("D1", "D2")])
    kind = rng.choice(TYPES)
    return Mention("", kind, ((start, end),), text, concepts, probability)


def any_annotated(rng, number, has_controls=False):
    document = any_document(rng, number, has_controls)
    found = [any_mention(rng, document) for _ in range(rng.randrange(5))]
    return Loaded(document), [mention for mention in found if mention]


def any_documents(seed, has_controls):
    rng = random.Random(seed)
    return rng, [any_annotated(rng, i, has_controls) for i in range(NUM_DOCUMENTS)]


def squeezed(text):
    return re.sub(r"\s", "", text)


def written(path, kind, documents):
    """Writes documents; returns those that were, and what was told of the others."""
    bad = []
    counts = formats.write(path, kind, documents, bad.append)
    told = {str(error).split(":")[0].removeprefix("document ") for error in bad}
    kept = [each for each in documents if each[0].document.id not in told]
    assert len(bad) == len(told)
    assert counts.documents == len(kept)
    assert sum(counts.mentions.values()) == sum(len(added) for _, added in kept)
    return kept, bad, counts


@pytest.mark.parametrize("kind", READ_BACK)
@pytest.mark.parametrize("has_controls", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_offsets_hold(tmp_path, kind, seed, has_controls):
    rng, documents = any_documents(seed, has_controls)
    kept, bad, _ = written(tmp_path / "out", kind, documents)
    if kind == "bioc_xml" and has_controls:
        assert all("XML cannot hold U+" in str(error) for error in bad)
        assert NUM_DOCUMENTS > len(kept) > 2
    else:
        assert not bad
    again = list(formats.read(tmp_path / "out", kind))
    require_all(kind, kept, again)
    # And once more, into the format they are in.
    originals = {loaded.document.id: loaded.document for loaded, _ in kept}
    added = [(one, one_more(rng, originals[one.document.id], one)) for one in again]
    twice, bad, counts = written(tmp_path / "twice", kind, added)
    assert not (bad or counts.notes)
    both = [
        (loaded, [*old, *new])
        for (loaded, old), (_, new) in zip(in_order(kept), in_order(twice), strict=True)
    ]
    require_all(kind, both, list(formats.read(tmp_path / "twice", kind)))


def one_more(rng, original, loaded):
    """A mention at a place of the original, as the text is there now; or none."""
    mention = any_mention(rng, original)
    if mention is None:
        return []
    return [dataclasses.replace(mention, text=loaded.document.slice(*mention.extent))]


def in_order(documents):
    return sorted(documents, key=lambda each: each[0].document.id)


def require_all(kind, wanted, again):
    found = {one.document.id: one.document for one in again}
    assert len(found) == len(again) == len(wanted)
    for loaded, added in wanted:
        document = found[loaded.document.id]
        assert len(document.mentions) == len(added)
        for mention in added:
            require_same(kind, loaded.document, mention, document)


def require_same(kind, document, mention, found):
    """Checks that a mention came back at its place with what it was."""
    start, end = mention.extent
    wanted = "Entity" if kind == "brat" and not mention.type else mention.type
    if kind == "brat":
        wanted = wanted.replace(" ", "_")
    same = [
        one
        for one in found.mentions
        if lies_in(one, start, end, mention.text)
        and one.type == wanted
        and one.probability == mention.probability
        and one.concepts == mention.concepts
    ]
    assert same, (mention, found)
    is_exact = any(one.offset <= start and end <= one.end for one in document.passages)
    for one in same:
        slices = [found.slice(*span) for span in one.spans]
        assert squeezed("".join(slices)) == squeezed(document.slice(start, end))
        if kind not in ("brat", "pubtator"):
            assert one.spans == mention.spans
            if is_exact:
                assert found.slice(start, end) == document.slice(start, end) == one.text


def lies_in(one, start, end, text):
    first, last = one.extent
    return start <= first and last <= end and squeezed(one.text) == squeezed(text)


@pytest.mark.parametrize("has_controls", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_words_hold(tmp_path, seed, has_controls):
    _, documents = any_documents(seed, has_controls)
    kept, bad, counts = written(tmp_path / "out", "conll", documents)
    assert not bad
    again = {
        one.document.id: one.document for one in formats.read(tmp_path / "out", "conll")
    }
    num_written = 0
    for loaded, added in kept:
        document = again[loaded.document.id]
        whole = loaded.document.slice(
            loaded.document.passages[0].offset, loaded.document.passages[-1].end
        )
        assert squeezed(document.passages[0].text) == squeezed(whole)
        wanted = {(squeezed(one.text), one.type.replace(" ", "_")) for one in added}
        assert {(squeezed(one.text), one.type) for one in document.mentions} <= wanted
        num_written += len(document.mentions)
    # Written mentions may lose their identifiers and probabilities.
    num_left_out = sum(
        number for name, number in counts.notes.items() if "mentions" in name
    )
    assert num_written + num_left_out == sum(len(added) for _, added in kept)


@pytest.mark.parametrize("has_controls", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_marks_hold(tmp_path, seed, has_controls):
    _, documents = any_documents(seed, has_controls)
    in_text = [
        (loaded, [one for one in added if is_in_text(loaded.document, one)])
        for loaded, added in documents
    ]
    _, bad, _ = written(tmp_path / "out", "html", in_text)
    assert not bad
    articles = html_toys.read(tmp_path / "out").articles
    html_toys.require_true(articles, in_text)


def is_in_text(document, mention):
    """Whether it is in one passage; else only a part of it can be marked."""
    start, end = mention.extent
    return any(one.offset <= start and end <= one.end for one in document.passages)
