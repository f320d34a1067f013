"""What is found about real data: the flaws that a report shows."""

import pytest

from biobert_tf.published import manifest
from biobert_tf.reproduce import survey
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.checking import Ruler
from biobert_tf.training.fold_numbers import Folds


@pytest.fixture(scope="module")
def ruler(data):
    vocab_file = data / "vocab" / "bert-base-cased-vocab.txt"
    return Ruler(FullTokenizer(vocab_file, False), 128)


def look(name, data, ruler, folds=""):
    row = manifest.load().row(name)
    return survey.look(row, data, Folds.parse(folds), ruler)


@pytest.mark.data
def test_the_card_of_a_set(data, ruler):
    found = look("NCBI-disease", data, ruler)
    assert found.counts_agree and found.has_devel and not found.why
    assert found.test_size() == {"sentences": 940, "words": 24497, "mentions": 960}
    card = {(flaw.finding, flaw.text): (flaw.count, flaw.of) for flaw in found.card}
    longer = "sentences of test.tsv that are longer than 128 pieces"
    assert card["too_long", longer] == (2, 940)
    assert card["leak", "sentences of test.tsv that are in train.tsv too"][1] == 940


@pytest.mark.data
def test_the_folds_that_are_run_are_added_up(data, ruler):
    found = look("GAD", data, ruler, "1-3")
    assert found.folds == (1, 2, 3)
    assert found.test_size() == {"examples": 534 + 533 + 533, "positives": 841}
    assert all(flaw.text.endswith("3 folds added up") for flaw in found.card)
    assert {flaw.of for flaw in found.card} <= {1600, 4796 + 4797 + 4797}
    assert not found.has_devel


@pytest.mark.data
def test_data_that_is_not_the_papers_is_not_compared(data, ruler):
    found = look("chemprot", data, ruler)
    assert found.counts_agree is False
    assert found.not_compared.startswith("This is not the paper's split")
    found = look("BioASQ-4b", data, ruler)
    assert found.test_size() == {"questions": 161, "entries": 652}
    assert "None of them is a question of 4b." in found.not_compared


@pytest.mark.data
def test_what_is_missing_is_named(data, ruler):
    found = look("JNLPBA-typed", data, ruler)
    assert found.why == f"{data}/ner/JNLPBA-typed/train.tsv is missing"
