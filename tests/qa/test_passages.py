"""The three strategies: which passages a question gets, and what is told of losses."""

import pytest
from bioasq_toys import URL

from biobert_tf.corpora.document import Document
from biobert_tf.qa.bioasq.abstracts import Abstract, Abstracts
from biobert_tf.qa.bioasq.passages import Losses, Passage, PassageMaker
from biobert_tf.qa.bioasq.reading import Question, Snippet

ONE = "Genes. First one. Second one. Third one. Fourth one."
TWO = "Mice. First one."
ABSTRACTS = Abstracts(
    {
        number: Abstract.of(Document(f"PMID:{number}", tuple(text.split(" ", 1))))
        for number, text in (("1", ONE), ("2", TWO))
    }
)


def made(strategy, *snippets, num_sentences=1):
    """Returns the passages of snippets (text, document, is title), and the losses."""
    losses = Losses()
    found = tuple(
        Snippet(text, f"{URL}{number}", bool(title))
        for text, number, *title in snippets
    )
    maker = PassageMaker(strategy, ABSTRACTS, num_sentences)
    return maker.passages(Question("q", "?", "list", (), found), losses), losses


def test_snippets_as_they_are():
    snippets = [("b", "1"), ("a", "9"), ("", "2"), ("b", "2"), ("A", "1")]
    passages, losses = made("snippet", *snippets)
    assert passages == [Passage("b"), Passage("a"), Passage("A")]
    assert losses == Losses(empty=1)


def test_appended():
    passages, losses = made(
        "appended", ("Third one.", "1"), ("Genes.", "1", True), ("First", "2")
    )
    assert passages == [
        Passage("Second one. Third one. Fourth one.", ((12, 22),)),
        Passage("Genes. First one.", ((0, 6),)),
        Passage(TWO, ((6, 11),)),
    ]
    assert losses == Losses()
    passages, _ = made("appended", ("Third one.", "1"), num_sentences=2)
    assert passages == [Passage(ONE.removeprefix("Genes. "), ((23, 33),))]


def test_appended_passages_that_are_one():
    passages, _ = made("appended", ("Third one.", "1"), ("Third", "1"), ("rd one", "1"))
    assert passages == [
        Passage("Second one. Third one. Fourth one.", ((12, 22), (12, 17), (15, 21)))
    ]


def test_abstracts_come_once_in_the_order_of_snippets():
    passages, losses = made(
        "abstract", ("First", "2"), ("Fourth", "1"), ("Mice.", "2", True), ("Gen", "1")
    )
    assert passages == [
        Passage(TWO, ((6, 11), (0, 5))),
        Passage(ONE, ((41, 47), (0, 3))),
    ]
    assert losses == Losses()


@pytest.mark.parametrize("strategy", ["appended", "abstract"])
def test_snippets_stand_in_for_documents_that_are_missing(strategy):
    snippets = [("x", "8"), ("Mice.", "2", True), ("y", "9"), ("z", "8"), ("x", "8")]
    passages, losses = made(strategy, *snippets)
    assert passages == [
        Passage("x"),
        Passage(TWO, ((0, 5),)),
        Passage("y"),
        Passage("z"),
    ]
    assert losses == Losses(missing={"8": None, "9": None})


def test_a_snippet_that_its_abstract_does_not_hold():
    snippets = [("nothing", "1"), ("Mice.", "2", True)]
    passages, losses = made("appended", *snippets)
    assert passages == [Passage("nothing"), Passage(TWO, ((0, 5),))]
    assert losses == Losses(unlocated=1)
    passages, losses = made("abstract", *snippets)
    assert passages == [Passage(ONE), Passage(TWO, ((0, 5),))]
    assert losses == Losses(unlocated=1)


def test_a_snippet_without_a_document():
    losses = Losses()
    question = Question("q", "?", "list", (), (Snippet("a", "", False),))
    maker = PassageMaker("abstract", ABSTRACTS, 1)
    assert maker.passages(question, losses) == [Passage("a")]
    assert losses == Losses(missing={"": None})
