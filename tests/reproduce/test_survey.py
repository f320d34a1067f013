"""What is found about real data: the flaws that a report shows."""

import pytest

from biobert_tf.published import manifest
from biobert_tf.relations.settings import Folds
from biobert_tf.reproduce import survey
from biobert_tf.text.tokenization import FullTokenizer


@pytest.fixture(scope="module")
def tokenizer(data):
    return FullTokenizer(data / "vocab" / "bert-base-cased-vocab.txt", False)


def look(name, data, tokenizer, folds=""):
    row = manifest.load().row(name)
    return survey.look(row, data, Folds.parse(folds), tokenizer)


@pytest.mark.data
def test_the_card_of_a_set(data, tokenizer):
    found = look("NCBI-disease", data, tokenizer)
    assert found.counts_agree and found.has_devel and not found.why
    assert found.test_size() == {"sentences": 940, "words": 24497, "mentions": 960}
    card = {(flaw.finding, flaw.text): (flaw.count, flaw.of) for flaw in found.card}
    longer = "sentences of test.tsv that are longer than 128 pieces"
    assert card["too_long", longer] == (2, 940)
    assert card["leak", "sentences of test.tsv that are in train.tsv too"][1] == 940


@pytest.mark.data
def test_the_folds_that_are_run_are_added_up(data, tokenizer):
    found = look("GAD", data, tokenizer, "1-3")
    assert found.folds == (1, 2, 3)
    assert found.test_size() == {"examples": 534 + 533 + 533, "positives": 841}
    assert all(flaw.text.endswith("3 folds added up") for flaw in found.card)
    assert {flaw.of for flaw in found.card} <= {1600, 4796 + 4797 + 4797}
    assert not found.has_devel


@pytest.mark.data
def test_data_that_is_not_the_papers_is_not_compared(data, tokenizer):
    found = look("chemprot", data, tokenizer)
    assert found.counts_agree is False
    assert found.not_compared.startswith("This is not the paper's split")
    found = look("BioASQ-4b", data, tokenizer)
    assert found.test_size() == {"questions": 161, "entries": 652}
    assert "None of them is a question of 4b." in found.not_compared


@pytest.mark.data
def test_what_is_missing_is_named(data, tokenizer):
    found = look("JNLPBA-typed", data, tokenizer)
    assert found.why == f"{data}/ner/JNLPBA-typed/train.tsv is missing"
