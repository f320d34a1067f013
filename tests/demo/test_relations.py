import itertools
import json
import re
from collections import Counter, defaultdict

import pytest

from biobert_tf.demo import grammar
from biobert_tf.demo import ner as demo
from biobert_tf.demo import relations as relation_demo
from biobert_tf.documents import formats
from biobert_tf.relations import candidates, check
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations import sets as relation_sets
from biobert_tf.relations.settings import EntityPairs
from biobert_tf.text import tokenization

PARTS = ("train", "dev", "test")
# What the raw text says, (chemical, disease); its other pairs have no relation.
DOCUMENT_RELATIONS = frozenset(
    {("penicillin", "colitis"), ("caffeine", "nausea"), ("lithium", "nephropathy")}
)


@pytest.fixture(scope="module")
def corpus():
    return relation_demo.corpus(demo.SEED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    relation_demo.write_corpus(folder, demo.SEED)
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return tokenization.FullTokenizer(demo.vocab_file(), do_lower_case=False)


@pytest.fixture(scope="module")
def pairs():
    """The pairs of the raw text: chemical, disease, anonymised sentence."""
    [loaded] = formats.read(relation_demo.DOCUMENT, "jsonl")
    loaded.document.check()
    assert not loaded.document.relations
    assert len(loaded.document.mentions) == 9
    wanted = EntityPairs.parse("Chemical-Disease").pairs
    found = candidates.candidates(loaded.document, wanted)
    return [(each.first.text, each.second.text, each.text) for each in found]


def everything(corpus):
    return [sentence for part in PARTS for sentence in corpus[part]]


def test_sizes_and_balance(corpus):
    assert {name: len(part) for name, part in corpus.items()} == {
        **{"train": 1000, "dev": 120, "test": 200}
    }
    for part in corpus.values():
        labels = [label for _, label in part]
        assert labels.count("0") == labels.count("1") == len(part) / 2
        # Not in turn, nor in blocks.
        changes = sum(a != b for a, b in itertools.pairwise(labels))
        assert 0.35 < changes / len(labels) < 0.65


def test_the_seed_decides_every_byte(folder, tmp_path):
    relation_demo.write_corpus(tmp_path / "same", demo.SEED)
    relation_demo.write_corpus(tmp_path / "other", demo.SEED + 1)
    assert {path.name for path in folder.iterdir()} == {f"{p}.tsv" for p in PARTS}
    for path in folder.iterdir():
        data = path.read_bytes()
        assert (tmp_path / "same" / path.name).read_bytes() == data
        assert (tmp_path / "other" / path.name).read_bytes() != data


def test_files_have_the_biobert_layout(folder, corpus):
    assert relation_reading.detect(folder) == "biobert"
    for part in PARTS:
        text = (folder / f"{part}.tsv").read_bytes().decode("ascii")
        assert text.endswith("\n")
        assert "\r" not in text
        rows = [tuple(line.split("\t")) for line in text.splitlines()]
        if part == "test":
            assert rows.pop(0) == ("index", "sentence", "label")
            assert [row[0] for row in rows] == [str(i) for i in range(len(rows))]
            rows = [row[1:] for row in rows]
        assert rows == corpus[part]


def test_the_linter_finds_nothing(folder):
    report = check.check(folder, labels=relation_sets.SETS["gad"])
    assert report.num_problems == 0, report.summary()


def test_every_sentence_is_about_one_chemical_and_one_disease(corpus):
    for text, _ in everything(corpus):
        assert sorted(relation_reading.PLACEHOLDER.findall(text)) == [
            *("@CHEMICAL$", "@DISEASE$")
        ]
        # Nothing of the grammar's notation is left, and it is spaced as prose is.
        assert not re.search(r"[\[\]|#]|\$\w|\s[,.\-]|  |-\s", text), text
        assert re.fullmatch(r"[A-Z].*\w.*[^\s,]\.", text), text


def test_names_that_only_the_test_has(corpus):
    lists = grammar.parse(relation_demo._HELD_OUT)
    assert "fluconazole" in lists["drug"]
    assert "neuralgia" in lists["ill"]
    new = {*itertools.chain(*lists.values())}

    def used(part):
        return new & {w for text, _ in corpus[part] for w in re.findall(r"\w+", text)}

    assert not used("train") | used("dev")
    assert used("test") == new


def test_unseen_counts_sentences_with_a_new_name(tmp_path):
    rows = [
        {"text": "@CHEMICAL$, not fluconazole, caused it.", "label": "1", "gold": "1"},
        {"text": "Mild neuralgia, @DISEASE$ and zinc.", "label": "1", "gold": "0"},
        {"text": "@CHEMICAL$, not zinc, caused it.", "label": "1", "gold": "0"},
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert relation_demo.unseen(path) == (1, 2)


def form(text):
    """Returns a sentence without its opening, and with names of groups for names."""
    rules = grammar.parse(relation_demo._GRAMMAR, relation_demo._HELD_OUT)
    text = re.sub("^(Overall|[^,]* [^,]*), ", "", text)
    for group in ("drug", "ill", "who", "caused", "eased", "reported"):
        text = re.sub(rf"\b({'|'.join(rules[group])})\b", group, text)
    return text


def test_words_without_their_order_tell_little(corpus):
    def bag(text):
        return frozenset(Counter(re.findall(r"[\w@$]+", form(text))).items())

    labels = defaultdict(set)
    for text, label in everything(corpus):
        labels[bag(text)].add(label)
    is_open = [len(labels[bag(text)]) == 2 for text, _ in corpus["test"]]
    assert 0.5 < sum(is_open) / len(is_open) < 0.7


def test_the_demo_vocabulary_and_encoder_are_enough(corpus, tokenizer, pairs):
    for text in [text for text, _ in everything(corpus)] + [p[2] for p in pairs]:
        pieces = tokenizer.tokenize(text)
        assert "[UNK]" not in pieces, text
        # With [CLS] and [SEP], a max_seq_length of 48 cuts nothing.
        assert len(pieces) <= 46 < demo.ENCODER.max_position_embeddings


def test_the_raw_text_says_what_is_claimed(corpus, pairs):
    assert len(pairs) == 6
    told = {(chemical, disease) for chemical, disease, _ in pairs}
    assert len(told) == 6
    assert told > DOCUMENT_RELATIONS
    assert len(DOCUMENT_RELATIONS) == 3
    known = {text for text, _ in everything(corpus)}
    assert not known & {text for _, _, text in pairs}
    # Each is of a form that the corpus gives that label only.
    labels = defaultdict(set)
    for text, label in everything(corpus):
        labels[form(text)].add(label)
    for chemical, disease, text in pairs:
        is_told = (chemical, disease) in DOCUMENT_RELATIONS
        assert labels[form(text)] == {str(int(is_told))}, text
