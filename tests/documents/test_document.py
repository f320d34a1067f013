# SPDX-License-Identifier: Apache-2.0
"""Texts with mentions: slices, and mentions that are not what the text has."""

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents.document import (
    AnnotatedDocument,
    Mention,
    Passage,
    split_concepts,
)

PASSAGES = (Passage(0, "Aspirin."), Passage(9, "It \U0001f48a heals\nall."))


def document(*mentions, passages=PASSAGES):
    found = tuple(
        Mention(f"T{i}", "X", spans, text)
        for i, (spans, text) in enumerate(mentions, start=1)
    )
    return AnnotatedDocument("7", passages, found, ())


def problem(*mentions, passages=PASSAGES):
    with pytest.raises(InputError) as caught:
        document(*mentions, passages=passages).check()
    return str(caught.value)


def test_slices():
    text = document()
    assert text.slice(0, 7) == "Aspirin"
    assert text.slice(12, 19) == "\U0001f48a heals"[:7]
    assert text.slice(5, 11) == "in. It"
    assert text.slice(0, 0) == ""
    assert text.slice(8, 9) == " "
    for start, end in [(-1, 3), (20, 25), (5, 3)]:
        with pytest.raises(ValueError, match=f"{start}-{end}"):
            text.slice(start, end)


def test_a_passage_may_start_anywhere():
    text = document(passages=(Passage(100, "abc"), Passage(104, "def")))
    assert text.slice(101, 106) == "bc de"
    with pytest.raises(ValueError, match="not inside the text, which is 100-107"):
        text.slice(0, 2)


def test_a_huge_gap_costs_no_memory():
    far = (Passage(0, "abc"), Passage(10**17, "def"))
    with pytest.raises(ValueError, match="more than the passages hold"):
        document(passages=far).slice(0, 10**17 + 1)
    assert "not inside" in problem((((1, 10**18),), "abc"), passages=far)


def test_true_mentions_pass():
    document(
        (((0, 7),), "Aspirin"),
        (((14, 23),), "heals all"),  # a line break given as a space
        (((0, 3), (14, 19)), "Asp heals"),
        (((0, 3), (4, 7)), "Asprin"),  # parts joined by nothing
        (((0, 3), (4, 7)), "Aspirin"),  # all from the first to the last character
    ).check()


def test_wrong_mentions_are_named_with_what_is_there():
    assert problem((((0, 7),), "Aspirin"), (((1, 7),), "Aspirin")) == (
        "document 7: mention T2 ('Aspirin' at 1-7): the text there is 'spirin'"
    )
    assert "is 'Asp'" in problem((((0, 3),), "ASP"))
    assert "is 'Asp heals'" in problem((((0, 3), (14, 19)), "Asp kills"))
    assert "not inside the text, which is 0-24" in problem((((20, 25),), "all. "))
    assert "is 'Asp'" in problem((((0, 3),), "A p"))


@pytest.mark.parametrize("spans", [(), ((3, 3),), ((5, 3),), ((0, 2), (7, 4))])
def test_empty_spans_are_refused(spans):
    assert "empty or reversed" in problem((spans, "x"))


def test_ids_are_unique():
    twice = Mention("T1", "X", ((0, 3),), "Asp")
    both = AnnotatedDocument("7", PASSAGES, (twice, twice), ())
    assert list(both.problems()) == [("T1", "a second mention has the id T1")]


def test_other_units_are_recognised():
    # "heals" is at 14 in characters, 15 in UTF-16, 17 in bytes.
    assert "its offsets seem to count UTF-16 units" in problem((((15, 20),), "heals"))
    assert "its offsets seem to count UTF-8 bytes" in problem((((17, 22),), "heals"))
    assert "seems" not in problem((((16, 21),), "heals"))


@pytest.mark.parametrize(
    ("field", "concepts"),
    [
        ("MESH:D003000|MESH:D006323", ("MESH:D003000", "MESH:D006323")),
        ("D1;D2,D3", ("D1", "D2", "D3")),
        ("D1|D1|-1", ("D1",)),
        ("-", ()),
        ("-1", ()),
        ("", ()),
        ("c|DEL|189_192|", ("c|DEL|189_192|",)),
        ("tmVar:p|SUB|V|600|E;HGVS:p.V600E", ("tmVar:p|SUB|V|600|E;HGVS:p.V600E",)),
    ],
)
def test_concepts(field, concepts):
    assert split_concepts(field) == concepts
