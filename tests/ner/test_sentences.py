# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from biobert_tf.documents.document import Passage
from biobert_tf.ner import annotator


def cut(text, offset=0):
    return list(annotator.cut(Passage(offset, text)))


def test_sentences_and_places():
    first, second = cut("Liver cancer.  It\nhelps (p<0.5).", offset=10)
    assert first.words == ("Liver", "cancer", ".")
    assert first.offsets == ((10, 15), (16, 22), (22, 23))
    assert second.words == ("It", "helps", "(", "p", "<", "0.5", ")", ".")
    assert second.offsets[0] == (25, 27)
    assert second.offsets[-1] == (41, 42)


@pytest.mark.parametrize(
    "gap", ["\n\n", "\r\n\r\n", "\n \t\n", "\r\r", "\n\n\n\n  ", "\u2029\u2029"]
)
def test_an_empty_line_ends_a_sentence(gap):
    assert [s.words for s in cut(f"A title{gap}and text")] == [
        ("A", "title"),
        ("and", "text"),
    ]


@pytest.mark.parametrize("gap", ["\n", "\r\n", " \n  ", "\u00a0"])
def test_a_line_break_alone_does_not(gap):
    assert [s.words for s in cut(f"liver{gap}cancer")] == [("liver", "cancer")]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u3000\u2003"])
def test_nothing(text):
    assert cut(text) == []


def test_no_character_is_lost():
    rng = random.Random(3)
    alphabet = "aB1 .-'\n\r\t(\u00e9\u0301\u200d\U0001d4b3\u4e2d\u0645\u2029\x00\x85?!"
    for _ in range(300):
        text = "".join(rng.choices(alphabet, k=rng.randrange(40)))
        found = cut(text)
        for sentence in found:
            for word, (start, end) in zip(
                sentence.words, sentence.offsets, strict=True
            ):
                assert text[start:end] == word
        places = [place for sentence in found for place in sentence.offsets]
        assert places == sorted(places)
        covered = {i for start, end in places for i in range(start, end)}
        spaces = {i for i, char in enumerate(text) if char.isspace()}
        assert covered | spaces == set(range(len(text)))
        assert not covered & spaces
