import json
import random
import re
from collections import defaultdict
from itertools import chain, pairwise

import demo_vocabulary
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.demo import grammar
from biobert_tf.demo import ner as demo
from biobert_tf.text import tokenization

LABELS = {"O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical"}


@pytest.fixture(scope="module")
def corpus():
    return demo.corpus(demo.SEED)


@pytest.fixture(scope="module")
def tokenizer():
    return tokenization.FullTokenizer(demo.vocab_file(), do_lower_case=False)


def entities(sentences):
    """Yields `(type, words)`; labels are known to be strict BIO."""
    for words, labels in sentences:
        starts = [i for i, label in enumerate(labels) if label[0] == "B"]
        for start in starts:
            end = start + 1
            while end < len(labels) and labels[end][0] == "I":
                end += 1
            yield labels[start][2:], words[start:end]


def all_words(sentences):
    return {word for words, _ in sentences for word in words}


def test_a_toy_grammar_gives_all_its_sentences(monkeypatch):
    monkeypatch.setattr(
        demo,
        "_GRAMMAR",
        """
sentence: [Disease $long] [Chemical c] ( [Chemical $short] ) fell # $how
  | β-x rose
long: mild a
  | a b
short = c2
how: well
""",
    )
    monkeypatch.setattr(demo, "_HELD_OUT", "how = badly")
    labels = ("B-Disease", "I-Disease", "B-Chemical", "O", "B-Chemical", *"OOOO")
    plain = {
        ((*first, "c", "(", "c2", ")", "fell", digit, "well"), labels)
        for first in [("Mild", "a"), ("A", "b")]
        for digit in "23456789"
    } | {(("β-x", "rose"), ("O", "O"))}
    rng = random.Random(0)
    drawn = {demo.sentences(1, rng, held_out=False, seen=set())[0] for _ in range(300)}
    assert drawn == plain

    both = {demo.sentences(1, rng, held_out=True, seen=set())[0] for _ in range(600)}
    assert plain < both
    assert {words[-1] for words, _ in both - plain} == {"badly"}

    [left, *seen] = plain
    assert demo.sentences(1, rng, held_out=False, seen=set(seen)) == [left]


def test_the_generator_is_its_only_randomness():
    random.seed(7)
    before = random.getstate()
    one = demo.sentences(50, random.Random(3), held_out=True, seen=set())
    assert random.getstate() == before
    random.seed(8)
    assert demo.sentences(50, random.Random(3), held_out=True, seen=set()) == one
    assert demo.sentences(50, random.Random(4), held_out=True, seen=set()) != one


def test_the_generator_is_advanced():
    rng = random.Random(3)
    first = demo.sentences(5, rng, held_out=False, seen=set())
    assert demo.sentences(5, rng, held_out=False, seen=set()) != first


def test_two_seeds_give_two_corpora(corpus):
    assert demo.corpus(demo.SEED) == corpus
    assert demo.corpus(demo.SEED + 1)["train"] != corpus["train"]


def test_sizes(corpus):
    assert {name: len(part) for name, part in corpus.items()} == {
        "train": 2000,
        "devel": 150,
        "test": 400,
    }


def test_labels_are_strict_bio(corpus):
    for words, labels in chain(*corpus.values()):
        assert len(words) == len(labels)
        assert set(labels) <= LABELS
        for before, label in pairwise(["O", *labels]):
            if label[0] == "I":
                assert before[1:] == label[1:], (words, labels)


def test_words_can_stand_in_a_file(corpus):
    for word in all_words(chain(*corpus.values())):
        assert word, "an empty word"
        assert re.search(r"\s", word) is None, word
        # Nothing of the grammar's own notation may be left.
        assert not set(word) & set("$[]|#"), word


def test_no_sentence_stands_twice(corpus):
    words = [words for part in corpus.values() for words, _ in part]
    assert len(set(words)) == len(words) == 2550


@pytest.mark.parametrize("seed", [demo.SEED, 1, 2])
def test_one_in_five_of_the_test_entities_has_a_new_word(seed):
    corpus = demo.corpus(seed)
    known = {word.lower() for word in all_words(corpus["train"] + corpus["devel"])}
    found = [{word.lower() for word in words} for _, words in entities(corpus["test"])]
    share = sum(not words <= known for words in found) / len(found)
    assert 0.15 <= share <= 0.25


def test_held_out_words_stay_out_of_training(corpus):
    lists = grammar.parse(demo._HELD_OUT)
    assert {"nephritis", "hyperkalemia"} <= set(lists["illness"])
    assert "ramipril" in lists["substance"]
    held_out = set(chain(*lists.values()))
    assert not held_out & all_words(corpus["train"] + corpus["devel"])
    many = all_words(demo.sentences(3000, random.Random(0), False, set()))
    assert not held_out & many
    used = all_words(corpus["test"])
    assert len(held_out & used) > 0.9 * len(held_out)


def test_unseen_counts_names_with_a_word_that_training_has_not(tmp_path, corpus):
    words = ["Ramipril", "cured", "chronic", "nephritis", "and", "cancer"]
    gold = ["B-Chemical", "O", "B-Disease", "I-Disease", "O", "B-Disease"]
    assert "cancer" in all_words(corpus["devel"] + corpus["train"])
    half = ["B-Chemical", "O", "O", "B-Disease", "O", "O"]  # one whole name
    rows = [{"words": words, "gold": gold, "labels": each} for each in (gold, half)]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert demo.unseen(path) == (3, 4)


def test_number_words_are_no_entities(corpus):
    labels = defaultdict(set)
    for words, tags in corpus["train"]:
        for word, tag in zip(words, tags, strict=True):
            labels[word.lower()].add(tag)
    assert {"two", "three", "several"} <= set(labels)
    assert labels["two"] == labels["three"] == labels["several"] == {"O"}


def test_a_list_of_words_is_not_enough(corpus):
    labels_of = defaultdict(set)
    for words, labels in corpus["train"]:
        for word, label in zip(words, labels, strict=True):
            labels_of[word].add(label)
    assert labels_of["gold"] == labels_of["lead"] == {"B-Chemical", "O"}
    assert labels_of["stroke"] >= {"B-Disease", "O"}
    assert labels_of["MS"] == {"B-Disease", "O"}
    assert labels_of["RA"] == {"B-Disease", "B-Chemical"}
    assert labels_of["apoptosis"] == labels_of["placebo"] == {"O"}


def test_what_a_reader_must_cope_with_is_there(corpus):
    train = corpus["train"]
    labels = [labels for _, labels in train]
    assert sum(set(each) == {"O"} for each in labels) > 60
    assert sum(each[0] == "B-Disease" for each in labels) > 20
    assert sum(each[0] == "B-Chemical" for each in labels) > 20
    assert sum(each[-1] != "O" for each in labels) > 20
    # Two entities with nothing in between.
    assert any(
        pair == ("B-Chemical", "B-Disease")
        for each in labels
        for pair in pairwise(each)
    )
    found = list(entities(train))
    for kind in ("Disease", "Chemical"):
        assert sum(each == kind for each, _ in found) > 800
        assert sum(each == kind and len(words) > 1 for each, words in found) > 100
    words = all_words(train)
    assert {"IL-2-induced", "β-carotene", "Guillain-Barré", "'s", "±", "%"} <= words


def test_length(corpus):
    lengths = [len(words) for words, _ in corpus["train"]]
    assert 10 <= sum(lengths) / len(lengths) <= 18


def test_files_have_the_biobert_layout(tmp_path, corpus):
    demo.write_corpus(tmp_path / "new", demo.SEED)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "train.tsv",
        "devel.tsv",
        "test.tsv",
    }
    for name, sentences in corpus.items():
        text = (tmp_path / "new" / f"{name}.tsv").read_bytes().decode("utf-8")
        assert "\r" not in text
        assert text.endswith("\n\n")
        blocks = text.removesuffix("\n\n").split("\n\n")
        read = [[line.split("\t") for line in block.split("\n")] for block in blocks]
        assert [tuple(zip(*rows, strict=True)) for rows in read] == sentences


def test_the_vocabulary_file_is_what_the_procedure_gives():
    text = demo.vocab_file().read_text(encoding="utf-8")
    assert text.splitlines() == demo_vocabulary.build_vocab(), "see vocab/README.md"


def test_the_vocabulary_file_is_berts(tokenizer):
    lines = demo.vocab_file().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "[PAD]"
    assert len(lines) == len(set(lines)) == demo.ENCODER.vocab_size
    assert {"[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]"} <= set(lines)
    tokenization.check_case(tokenizer.vocab, False, demo.vocab_file())


@pytest.mark.parametrize("seed", [demo.SEED, 1])
def test_the_vocabulary_covers_the_corpus(tokenizer, seed):
    for words, _ in chain(*demo.corpus(seed).values()):
        per_word = [tokenizer.tokenize(word) for word in words]
        assert all(per_word), "a word without pieces"
        pieces = [*chain(*per_word)]
        assert "[UNK]" not in pieces, words
        # With [CLS] and [SEP], a max_seq_length of 64 cuts nothing.
        assert len(pieces) < 62 < demo.ENCODER.max_position_embeddings


def test_known_words_are_whole_and_new_words_are_cut(tokenizer, corpus):
    assert tokenizer.tokenize("patients with cancer") == ["patients", "with", "cancer"]
    assert tokenizer.tokenize("neuritis")[-1] == "##itis"
    assert tokenizer.tokenize("clotrimazole")[-1] == "##azole"
    known = all_words(corpus["train"])
    for kind, words in entities(corpus["test"]):
        for word in words:
            # A word may be new only by the capital of a first word.
            if word not in known and word.lower() not in known:
                assert len(tokenizer.tokenize(word)) > 1, (kind, word)


def test_the_raw_sentence_is_new_and_covered(tokenizer, corpus):
    squeezed = demo.RAW_SENTENCE.replace(" ", "")
    for words, _ in chain(*corpus.values()):
        assert "".join(words) != squeezed
    assert "[UNK]" not in tokenizer.tokenize(demo.RAW_SENTENCE)


def test_vocab_file_is_found_in_a_clone_and_when_installed(tmp_path, monkeypatch):
    package = tmp_path / "biobert_tf"
    monkeypatch.setattr(demo, "__file__", str(package / "demo" / "ner.py"))
    with pytest.raises(InputError, match=r"demo-vocab\.txt: no such file"):
        demo.vocab_file()
    for folder in (package, tmp_path):  # the clone's is preferred
        (folder / "vocab").mkdir(parents=True)
        (folder / "vocab" / "demo-vocab.txt").touch()
        assert demo.vocab_file() == folder / "vocab" / "demo-vocab.txt"
