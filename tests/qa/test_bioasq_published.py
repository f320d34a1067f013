"""The test files that BioBERT published, made again of BioASQ's golden files."""

import re

import bioasq_toys
import pytest

from biobert_tf.corpora.document import normalize
from biobert_tf.qa.bioasq import reading as bioasq_reading
from biobert_tf.qa.bioasq.abstracts import pmid

MASK = 2**64 - 1


def python2_hash(text):
    """The hash that Python 2 gives to a text of ASCII, without its sign."""
    value = ord(text[0]) << 7
    for character in text:
        value = (1000003 * value) ^ ord(character)
    return (value ^ len(text)) & MASK


def python2_set(texts):
    """The order in which a set of Python 2 yields what was put into it in order."""
    table = [None] * 8

    def put(text):
        place = shift = python2_hash(text)
        while (there := table[place % len(table)]) not in (None, text):
            place, shift = 5 * place + shift + 1, shift >> 5
        table[place % len(table)] = text
        return there is None

    used = 0
    for text in texts:
        used += put(text)
        if 3 * used >= 2 * len(table):
            old = list(filter(None, table))
            table = [None] * (1 << (4 * used).bit_length())
            for text in old:
                put(text)
    return list(filter(None, table))


def published_order(question):
    """The PMIDs of a question's snippets in the order of the published passages."""
    return python2_set([pmid(s.document) for s in question.snippets])


@pytest.fixture(params=range(1, 6), ids=lambda number: f"4b-{number}")
def batch(request, data, tmp_path):
    """Golden file, its questions, the published paragraphs, and PubMed's file."""
    folder = data / "qa" / "BioASQ"
    golden = folder / f"4B{request.param}_golden.json"
    published = bioasq_toys.read_paragraphs(
        folder / f"BioASQ-test-factoid-4b-{request.param}.json"
    )
    questions = bioasq_reading.read_pool([golden], "factoid").questions
    pmids = [number for q in questions for number in published_order(q)]
    citations = {
        number: re.split(r"(?<=\.) ", paragraph["context"], maxsplit=1)
        for number, paragraph in zip(pmids, published, strict=True)
    }
    pubmed = bioasq_toys.write_pubmed(tmp_path / "pubmed.xml", citations)
    return golden, questions, published, pubmed


def repaired(context):
    """A published context without what our reading of PubMed's files puts right."""
    context = context.replace("&amp;", "&")
    return normalize(re.sub(r"\(ABSTRACT TRUNCATED AT \d+ WORDS\)$", "", context))


@pytest.mark.data
def test_the_published_test_files_come_out(batch, tmp_path):
    golden, questions, published, pubmed = batch
    counts, ours = bioasq_toys.converted(
        golden,
        tmp_path / "ours.json",
        split="test",
        strategy="abstract",
        abstracts=str(pubmed),
    )
    entries = [paragraph["qas"] for paragraph in published]
    assert [paragraph["qas"] for paragraph in ours] == entries
    # Theirs are in no order: that of a set of Python 2. Ours come as the snippets do.
    contexts = iter(repaired(paragraph["context"]) for paragraph in published)
    expected = []
    for question in questions:
        by_pmid = {number: next(contexts) for number in published_order(question)}
        wanted = dict.fromkeys(pmid(s.document) for s in question.snippets)
        expected += [by_pmid[number] for number in wanted]
    assert [paragraph["context"] for paragraph in ours] == expected
    assert counts.num_kept == len(questions)
    assert not counts.dropped
    assert not counts.losses.missing
    # Two published contexts of the first batch lack what stood between < and >. All
    # other snippets are in the abstracts that the order gives them.
    is_first = golden.name.startswith("4B1")
    assert counts.losses.unlocated == (2 if is_first else 0)


def test_the_order_of_python_2():
    # As Python 2.7.18 prints `list(set(...))` of them.
    assert "".join(python2_set("abcdefgh")) == "acbedgfh"
    pmids = "2137344 7946181 8466736 25110833 25189622 26121906 25894691"
    assert " ".join(python2_set(pmids.split())) == (
        "2137344 8466736 25189622 26121906 25110833 7946181 25894691"
    )
