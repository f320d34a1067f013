"""The built-in corpus of texts with labels."""

import itertools
import json
import re
from collections import Counter

import pytest

from biobert_tf.classification import check
from biobert_tf.demo import classification as demo
from biobert_tf.demo import grammar
from biobert_tf.demo.ner import SEED

PARTS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def corpus():
    return demo.corpus(SEED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    demo.write_corpus(folder, SEED)
    return folder


def everything(corpus):
    return [sentence for part in PARTS for sentence in corpus[part]]


def test_sizes_and_labels(corpus):
    assert {name: len(part) for name, part in corpus.items()} == {
        **{"train": 1000, "dev": 120, "test": 200}
    }
    kinds = Counter(labels for _, labels in everything(corpus))
    wanted = [(), *((x,) for x in demo.LABELS), *itertools.combinations(demo.LABELS, 2)]
    assert set(kinds) == set(wanted)
    assert min(kinds.values()) > 80


def test_the_seed_decides_every_byte(folder, tmp_path):
    demo.write_corpus(tmp_path / "same", SEED)
    demo.write_corpus(tmp_path / "other", SEED + 1)
    assert {path.name for path in folder.iterdir()} == {f"{p}.tsv" for p in PARTS}
    for path in folder.iterdir():
        data = path.read_bytes()
        assert (tmp_path / "same" / path.name).read_bytes() == data
        assert (tmp_path / "other" / path.name).read_bytes() != data


def test_the_linter_finds_nothing(folder):
    report = check.check(folder)
    assert report.num_problems == 0, report.summary()


def test_sentences_are_prose(corpus):
    for text, _ in everything(corpus):
        assert not re.search(r"[\[\]|#]|\$\w|\s[,.]|  ", text), text
        assert re.fullmatch(r"[A-Z].*\w\.", text), text
    assert not {*demo.TEXTS} & {text for text, _ in everything(corpus)}


def test_what_decides_a_label_is_more_than_a_word(corpus):
    """Every word of a benefit or harm stands in a sentence without that label too."""
    rules = grammar.parse(*demo._GRAMMARS)
    verbs = [*rules["caused"], *rules["eased"], *rules["left"], "increased", "reduced"]
    for label in ("benefit", "harm"):
        for word in verbs:
            found = {label in x for text, x in corpus["train"] if f" {word} " in text}
            if found:
                assert False in found, (label, word)


def test_names_that_only_the_test_has(corpus):
    new = {*itertools.chain(*grammar.parse(demo._HELD_OUT).values())}

    def used(part):
        return new & {w for text, _ in corpus[part] for w in re.findall(r"\w+", text)}

    assert not used("train") | used("dev")
    assert used("test") == new


def test_unseen_counts_sentences_with_a_new_name(tmp_path):
    rows = [
        {"text": "Zinc eased neuralgia.", "labels": ["a", "b"], "gold": ["b", "a"]},
        {"text": "Mild neuralgia, and zinc.", "labels": ["a"], "gold": []},
        {"text": "Zinc caused it.", "labels": ["a"], "gold": []},
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert demo.unseen(path) == (1, 2)
