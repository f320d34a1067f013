"""The tokenizer inside a graph is the tokenizer beside it, to the last byte."""

import gzip
import json
import random
import unicodedata

import ner_toys
import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.export import characters
from biobert_tf.export import text as graph_text
from biobert_tf.export import tokenizer as graph_tokenizer
from biobert_tf.qa import reading as qa_reading
from biobert_tf.text import tokenization
from biobert_tf.text import words as ner_words

TEXTS = tf.TensorSpec([None], tf.string)
LETTERS = "AaBbz09_ -'./,()\u00e9\u03a3\u03c3\u03b1\u0301\u0323\u00ad\u00a0\u202f\u4e2d"


def utf8(text):
    return text.encode("utf-8", "surrogatepass")


def place(text, index):
    """The byte where a character begins."""
    return len(utf8(text[:index]))


class Graph:
    """A tokenizer as a graph, and the one it must equal."""

    def __init__(self, vocab_file, do_lower_case):
        self.tokenizer = tokenization.FullTokenizer(vocab_file, do_lower_case)
        self.graph = graph_tokenizer.GraphTokenizer(self.tokenizer)
        self.run = tf.function(
            lambda texts: self.graph(graph_text.characters(texts)),
            input_signature=[TEXTS],
        )

    def pieces(self, texts):
        """`(id, start byte, end byte)` of the pieces of every text."""
        found = self.run(tf.constant(list(texts), tf.string))
        rows = [[] for _ in texts]
        columns = (values.numpy().tolist() for values in found)
        for id_, start, end, unit in zip(*columns, strict=True):
            rows[unit].append((id_, start, end))
        return rows

    def differing(self, texts):
        """The texts whose pieces or offsets are not those of the tokenizer."""
        wrong = []
        for text, found in zip(texts, self.pieces(map_utf8(texts)), strict=True):
            wanted = [
                (piece.id, place(text, piece.start), place(text, piece.end))
                for piece in self.tokenizer.tokenize_with_offsets(text)
            ]
            if found != wanted:
                wrong.append(text)
        return wrong


def map_utf8(texts):
    return [utf8(text) for text in texts]


def some_texts(seed, number, pool):
    """Random texts, half of them of ASCII, a tenth of what is difficult."""
    rng = random.Random(seed)

    def char():
        kind = rng.random()
        if kind < 0.5:
            return chr(rng.randrange(32, 127))
        return rng.choice(LETTERS if kind < 0.6 else pool)

    return ["".join(char() for _ in range(rng.randrange(60))) for _ in range(number)]


@pytest.fixture(scope="module")
def assigned():
    codes = range(characters.NUM_CODES)
    return [c for c in map(chr, codes) if unicodedata.category(c) not in ("Cn", "Co")]


@pytest.fixture(scope="module", params=[False, True], ids=["cased", "lower"])
def speller(request, tmp_path_factory):
    """Cuts words into single characters, as far as it has them."""
    letters = sorted(set(LETTERS + LETTERS.lower() + "".join(map(chr, range(33, 127)))))
    if request.param:
        letters = [letter for letter in letters if letter == letter.lower()]
    tokens = [*ner_toys.SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    return Graph(ner_toys.write_vocab(path, tokens), request.param)


def test_pieces_and_bytes_by_hand(tmp_path):
    graph = Graph(ner_toys.write_vocab(tmp_path / "vocab.txt"), False)
    ids = ner_toys.ID
    # The soft hyphen inside belongs to the piece, the one behind the word does not.
    assert graph.pieces([b"neph\xc2\xadritis\xc2\xad zebra.", b"", b"\xff with"]) == [
        [
            (ids["nephr"], 0, 7),
            (ids["##itis"], 7, 11),
            (ids["[UNK]"], 14, 19),
            (ids["."], 19, 20),
        ],
        [],
        [(ids["with"], 2, 6)],
    ]
    assert graph.pieces([]) == []


def test_equal_on_texts_of_all_characters(speller, assigned):
    texts = some_texts(1, 1000, assigned)
    assert not speller.differing(texts)


def test_equal_on_words_at_the_longest_length(speller):
    words = ["a" * 200, "a" * 201, "\u0e01" * 201, "\u00e9" * 200, "\u00e9" * 201]
    words += ["a" * 200 + "\u0301" * 9, "a" * 150 + "-" + "a" * 150, "\x00" * 300 + "a"]
    assert not speller.differing([f"{word}, a" for word in words])


def test_final_sigmas(speller):
    words = [
        "\u0391\u03a3",
        "\u03a3",
        "A\u03a3'\u0391",
        "A'\u03a3.",
        "A\u0301\u03a3\u00ad-",
    ]
    assert not speller.differing(
        [*words, " ".join(words), "1\u03a3", "\u03c3\u03c2\u03a3"]
    )


def test_what_may_differ_is_the_order_of_marks_that_stay(speller, assigned):
    """The one exception: two marks, kept, whose canonical order is another."""
    marks = [
        char
        for char in assigned
        if unicodedata.combining(char) and unicodedata.category(char) != "Mn"
    ]
    assert {unicodedata.category(char) for char in marks} == {"Mc"}
    assert len(marks) < 40
    texts = [f"a{first}{second}" for first in marks for second in marks]
    wrong = speller.differing(texts)
    assert all(unicodedata.normalize("NFD", text) != text for text in wrong)


def test_a_repeated_token_has_its_last_line_for_an_id(tmp_path):
    vocab = [*ner_toys.VOCAB, "", "aspirin"]
    graph = Graph(ner_toys.write_vocab(tmp_path / "vocab.txt", vocab), False)
    assert graph.pieces([b"aspirin"]) == [[(len(vocab) - 1, 0, 7)]]


def test_a_token_that_is_too_long_is_named(tmp_path):
    path = ner_toys.write_vocab(tmp_path / "vocab.txt", [*ner_toys.VOCAB, "a" * 300])
    with pytest.raises(InputError, match=r"vocab\.txt: .*length.*aaa"):
        Graph(path, False)


# --- words ---------------------------------------------------------------------------


def graph_words(cut, tokenizer, texts):
    """`(text, start byte, end byte)` of the words of every text."""
    found = graph_text.characters(tf.constant(map_utf8(texts)))
    words = cut(found, tokenizer.graph.traits(found.codes))
    rows = [[] for _ in texts]
    columns = (v.numpy().tolist() for v in (words.starts, words.ends, words.rows))
    for start, end, row in zip(*columns, strict=True):
        rows[row].append((utf8(texts[row])[start:end].decode(), start, end))
    return rows


def test_words_of_entities_are_those_of_the_annotator(speller, assigned):
    pool = [char for char in assigned if unicodedata.category(char) != "Cs"]
    texts = some_texts(2, 500, pool)
    texts += ["a--b", "-a", "a-", "a.-b", "a-b-c", "", " "]
    found = graph_words(graph_text.ner_words, speller, texts)
    for text, words in zip(texts, found, strict=True):
        assert [word for word, *_ in words] == ner_words.words(text), text


def test_words_of_contexts_are_those_of_squad(speller, assigned):
    pool = [char for char in assigned if unicodedata.category(char) != "Cs"]
    texts = [*some_texts(3, 500, pool), " a\u202fb\n\tc ", "", "\u00a0"]
    found = graph_words(graph_text.qa_words, speller, texts)
    for text, words in zip(texts, found, strict=True):
        assert [(start, end) for _, start, end in words] == [
            (place(text, start), place(text, end))
            for start, end in qa_reading.word_offsets(text)
        ]


# --- recorded from the original ------------------------------------------------------


def read_rows(path):
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["cased", "uncased"])
def test_equals_the_original_on_every_text(golden, kind):
    folder = golden / "tokenization"
    graph = Graph(folder / f"vocab_{kind}.txt", kind == "uncased")
    rows = read_rows(folder / "real.jsonl.gz") + read_rows(
        folder / "adversarial.jsonl.gz"
    )
    stable = [row for row in rows if row["unicode_stable"]]
    assert len(stable) > 0.99 * len(rows) > 0
    found = graph.pieces([utf8(row["text"]) for row in stable])
    assert [[id_ for id_, *_ in pieces] for pieces in found] == [
        row[kind]["ids"] for row in stable
    ]
    # With newer tables than those of the recording, equal to our own tokenizer.
    others = [row["text"] for row in rows if not row["unicode_stable"]]
    shortest = sorted((row["text"] for row in stable), key=len)[:100]
    assert not graph.differing([*others, *shortest])
    of_bytes = read_rows(folder / "bytes.jsonl.gz")
    found = graph.pieces([bytes.fromhex(row["bytes_hex"]) for row in of_bytes])
    for row, pieces in zip(of_bytes, found, strict=True):
        ids = graph.tokenizer.convert_tokens_to_ids(row[kind])
        assert [id_ for id_, *_ in pieces] == ids
