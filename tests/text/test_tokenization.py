# SPDX-License-Identifier: Apache-2.0
"""Tokenizer: by hand on toy vocabularies, then equal to the recorded original."""

import gzip
import itertools
import json
import pickle
import random
import re
import subprocess
import sys
import unicodedata

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.text import tokenization

TOY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "want", "##want"),
    *("##ed", "wa", "runn", "##ing", ",", "low", "est"),
]
# Latin, Greek, CJK, punctuation, jamo, parts of an Indic vowel, combining marks.
LETTERS = (
    "abcdeiosu\u03c3\u03c2\u4e2d.,-\u1100\u1161\u11a8\u09c7\u09be"
    "\u1b44\u302e\u0301\u0307\u0323"
)


def write_vocab(folder, tokens):
    path = folder / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    return path


@pytest.fixture
def toy(tmp_path):
    return tokenization.FullTokenizer(write_vocab(tmp_path, TOY), do_lower_case=True)


@pytest.fixture(params=[False, True], ids=["cased", "lower"])
def speller(request, tmp_path):
    """Cuts words into single characters, as far as it has them."""
    upper = "" if request.param else LETTERS.upper()
    letters = dict.fromkeys(LETTERS + upper)
    tokens = [*TOY[:4], *letters, *(f"##{letter}" for letter in letters)]
    return tokenization.FullTokenizer(write_vocab(tmp_path, tokens), request.param)


def spans(tokenizer, text):
    return [(p.token, p.start, p.end) for p in tokenizer.tokenize_with_offsets(text)]


# --- by hand ---------------------------------------------------------------------


def test_pieces_and_ids_by_hand(toy):
    pieces = toy.tokenize("UNwant\u00e9d,running")
    assert pieces == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert toy.convert_tokens_to_ids(pieces) == [4, 6, 7, 11, 9, 10]
    assert toy.ids("UNwant\u00e9d,running") == [4, 6, 7, 11, 9, 10]
    assert toy.ids(b"UNwant\xff\xc3\xa9d") == [4, 6, 7]
    assert toy.ids(" ") == []
    assert toy.convert_ids_to_tokens([1, 4, 10]) == ["[UNK]", "un", "##ing"]
    assert toy.inv_vocab[6] == "##want"


@pytest.mark.parametrize(
    "text, chunks",
    [
        (" \tHeLLo!how  \n Are yoU?  ", "HeLLo ! how Are yoU ?"),
        ("a\u00a0b\u3000c\u2028d", "a b c d"),  # Zs, and what split() splits on
        ("a\x00b\x07c\ufffdd\u00ade\u200bf\ue000g\ud800h", "abcdefgh"),  # C*, U+FFFD
        ("a\x0bb\x0cc\x1cd\x85e", "abcde"),  # white space to Python, control to BERT
        ("a\x0bb", "ab"),  # the same in ASCII alone
        ("a\x7fb", "ab"),
        ("a\t\u03b2\nc\rd", "a \u03b2 c d"),  # these three are not control
        ("ah\u535a\u63a8zz", "ah \u535a \u63a8 zz"),  # CJK stands alone
        ("\u30c6\u30b9\ud55c", "\u30c6\u30b9\ud55c"),  # kana and hangul do not
        ("a$b^c`d~e+f_g", "a $ b ^ c ` d ~ e + f _ g"),  # ASCII symbols
        ("1\u20132\u00b73\u00d74", "1 \u2013 2 \u00b7 3\u00d74"),  # Pd, Po, but not Sm
        (
            "\u201ca\u201d\u2045b\u2046c\u203fd",  # Pi, Pf, Ps, Pe, Pc
            "\u201c a \u201d \u2045 b \u2046 c \u203f d",
        ),
        ("", ""),
    ],
)
def test_chunks_by_hand(text, chunks):
    assert tokenization.BasicTokenizer(False).tokenize(text) == chunks.split()


@pytest.mark.parametrize(
    "text, chunks",
    [
        ("H\u00c9LLO a\u0301b", "hello ab"),
        ("\u0130X \u03a3\u0391\u03a3,\u03a3", "ix \u03c3\u03b1\u03c2 , \u03c3"),
        # The sigma is not final: the comma is in its word when it is lower-cased.
        ("\u0391\u03a3'\u0391", "\u03b1\u03c3 ' \u03b1"),
        ("\ufb01x\u00b2\u00bd", "\ufb01x\u00b2\u00bd"),  # NFD, not NFKD
        ("\u0301 \u0301, x", ", x"),  # nothing is left of the first word
        ("\ud55c", "\u1112\u1161\u11ab"),
        ("a\u302e\u1b44", "a\u1b44\u302e"),  # canonical order of kept marks
    ],
)
def test_lower_case_by_hand(text, chunks):
    assert tokenization.BasicTokenizer(True).tokenize(text) == chunks.split()


@pytest.mark.parametrize(
    "first, last",
    [
        *((0x4E00, 0x9FFF), (0x3400, 0x4DB5), (0xF900, 0xFA2D)),
        *((0x20000, 0x2A6D6), (0x2A700, 0x2B734), (0x2B820, 0x2CEA1)),
        (0x2F800, 0x2FA1D),
    ],
)
def test_ends_of_the_cjk_blocks(first, last):
    tokenize = tokenization.BasicTokenizer(False).tokenize
    for char in (chr(first), chr(last)):
        assert tokenize(f"a{char}b") == ["a", char, "b"]


@pytest.mark.parametrize("char", ["\u33ff", "\u4dc0", "\ua000", "\ufb00"])
def test_neighbours_of_the_cjk_blocks(char):
    assert tokenization.BasicTokenizer(False).tokenize(f"a{char}b") == [f"a{char}b"]


def test_the_length_limit_is_after_stripping_accents():
    wordpiece = tokenization.WordpieceTokenizer({"a": 0, "##a": 1})
    assert wordpiece.tokenize("a" * 200) == ["a"] + ["##a"] * 199
    assert wordpiece.tokenize("a" * 201 + " a") == ["[UNK]", "a"]
    word = tokenization.BasicTokenizer(True).tokenize("a\u0301" * 200)
    assert len(wordpiece.tokenize(word[0])) == 200


def test_wordpiece_takes_any_vocabulary():
    assert tokenization.WordpieceTokenizer({}).tokenize("a b") == ["[UNK]", "[UNK]"]
    short = tokenization.WordpieceTokenizer({"a": 0, "##bc": 1}, "?", 3)
    assert short.tokenize("abc abcb ab") == ["a", "##bc", "?", "?"]


def test_bytes_drop_what_is_not_utf8(toy):
    assert toy.tokenize(b"un\xffwant\xc3") == ["un", "##want"]
    assert toy.wordpiece_tokenizer.tokenize(b"un\xffwant\xc3") == ["un", "##want"]


def test_an_unknown_token_or_id_is_named(toy):
    with pytest.raises(InputError, match=r"vocab\.txt: has no token 'gene'"):
        toy.convert_tokens_to_ids(["un", "gene"])
    with pytest.raises(InputError, match=r"vocab\.txt: has no token with id 99"):
        toy.convert_ids_to_tokens([99])


# --- offsets ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        (" un  want", [("un", 1, 3), ("[UNK]", 5, 9)]),
        ("u\x00n\x00w", [("[UNK]", 0, 5)]),
        ("\x00un\x00,", [("un", 1, 3), (",", 4, 5)]),  # not the control characters
        ("u\u00adn", [("un", 0, 3)]),  # except inside
        ("u\u0301n\u0301,\u0301", [("un", 0, 4), (",", 4, 6)]),  # accents belong
        ("\u0301un", [("un", 1, 3)]),
        ("low\u535aest", [("low", 0, 3), ("[UNK]", 3, 4), ("est", 4, 7)]),
        ("\x00\u535a\x00est", [("[UNK]", 1, 2), ("est", 3, 6)]),
    ],
)
def test_offsets_by_hand(tmp_path, text, expected):
    tokens = [token for token in TOY if token != "want"]
    toy = tokenization.FullTokenizer(write_vocab(tmp_path, tokens), do_lower_case=True)
    assert spans(toy, text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a\u0130b", [("a", 0, 1), ("##i", 1, 2), ("##b", 2, 3)]),  # lower() is longer
        ("\u03a3\u03a3", [("\u03c3", 0, 1), ("##\u03c2", 1, 2)]),
        ("a\u00e9e\u0301", [("a", 0, 1), ("##e", 1, 2), ("##e", 2, 4)]),
        # One character, three pieces: they share its span.
        ("\uac01", [("\u1100", 0, 1), ("##\u1161", 0, 1), ("##\u11a8", 0, 1)]),
        ("a\u09cb", [("a", 0, 1), ("##\u09c7", 1, 2), ("##\u09be", 1, 2)]),
        # Two characters that change places share the span of both.
        ("a\u302e\u1b44e", [("a", 0, 1), ("##\u1b44", 1, 3), ("##\u302e", 1, 3),
                            ("##e", 3, 4)]),
        ("a\u302e\u0323e", [("a", 0, 1), ("##\u302e", 1, 3), ("##e", 3, 4)]),
    ],
)  # fmt: skip
def test_offsets_where_lower_case_changes_the_length(tmp_path, text, expected):
    letters = "abei\u03c3\u03c2\u1100\u1161\u11a8\u09c7\u09be\u1b44\u302e"
    tokens = [*TOY[:4], *letters, *(f"##{letter}" for letter in letters)]
    path = write_vocab(tmp_path, tokens)
    assert spans(tokenization.FullTokenizer(path, True), text) == expected


def stripped(text, do_lower_case):
    """What BERT sees of a text, written plainly; final sigma is undone."""
    text = "".join(
        c
        for c in text
        if unicodedata.category(c)[0] != "C" and c != "\ufffd" and not c.isspace()
    )
    if do_lower_case:
        text = unicodedata.normalize("NFD", text.lower())
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    return text.replace("\u03c2", "\u03c3") if do_lower_case else text


def check_offsets(tokenizer, text):
    """Holds for any text: order, and every piece is what its span says."""
    pieces = tokenizer.tokenize_with_offsets(text)
    do_lower_case = tokenizer.basic_tokenizer.do_lower_case
    assert [p.token for p in pieces] == tokenizer.tokenize(text)
    assert [p.id for p in pieces] == tokenizer.convert_tokens_to_ids(
        p.token for p in pieces
    )
    assert tokenizer.ids(text) == [p.id for p in pieces]
    for piece in pieces:
        assert 0 <= piece.start < piece.end <= len(text)
        span = text[piece.start : piece.end]
        assert not any(c in " \t\n\r\u3000" for c in span)
    for left, right in itertools.pairwise(pieces):
        assert left.start <= right.start and left.end <= right.end
    # Pieces that share characters are checked together; only lower case makes any.
    groups: list[list[tokenization.Piece]] = []
    for piece in pieces:
        if groups and groups[-1][-1].end > piece.start:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    assert do_lower_case or all(len(group) == 1 for group in groups)
    for group in groups:
        joined = "".join(p.token.removeprefix("##") for p in group)
        if "[UNK]" not in joined:
            span = text[group[0].start : group[-1].end]
            want = stripped(span, do_lower_case)
            assert stripped(joined, do_lower_case) == want, (text, span)
    return pieces


ODD = list(
    "abe,. \u00e9\u0130\u03a3\u03c3\u0301\u0323\u00ad\x00\ufffd\x85\u3000\u4e2d\u5b57"
    "\uac01\u09cb\u302e\u1b44\u2028\ufb01\u1e9e\U0001d15e\U0001f9ec\ud800-"
)


def test_offsets_of_random_odd_text(speller):
    rng = random.Random(20240607)
    num_pieces = 0
    for _ in range(3000):
        text = "".join(rng.choices(ODD, k=rng.randrange(12)))
        num_pieces += len(check_offsets(speller, text))
    assert num_pieces > 5000


def test_lower_case_equals_nfd_of_the_whole_word():
    rng = random.Random(7)
    marks = [chr(c) for c in range(0x110000) if unicodedata.combining(chr(c))]
    basic = tokenization.BasicTokenizer(True)
    for _ in range(2000):
        word = "".join(rng.choices(marks, k=4) + rng.choices(ODD[:6] + marks, k=4))
        expected = unicodedata.normalize("NFD", word.lower())
        kept = "".join(c for c in expected if unicodedata.category(c) != "Mn")
        assert "".join(basic.tokenize(word)) == "".join(kept.split())


# --- the cache -------------------------------------------------------------------


def uncached(tokenizer, text):
    return [
        piece
        for chunk in tokenizer.basic_tokenizer.tokenize(text)
        for piece in tokenizer.wordpiece_tokenizer.tokenize(chunk)
    ]


def test_the_cache_changes_nothing_and_is_bounded(monkeypatch, speller):
    monkeypatch.setattr(tokenization, "_MAX_CACHED_WORDS", 2)
    for text in ("ab ba ab, ab", "ba ab ce ab ba", "e\u0301 ab e\u0301"):
        for _ in range(2):
            assert speller.tokenize(text) == uncached(speller, text)
            check_offsets(speller, text)
            assert 0 < len(speller._cache) <= 2


def test_a_tokenizer_can_be_sent_to_another_process(toy):
    toy.tokenize("unwanted")
    assert pickle.loads(pickle.dumps(toy)).tokenize("Unwanted") == [
        "un", "##want", "##ed",
    ]  # fmt: skip


def test_importing_does_not_load_tensorflow():
    code = (
        "import sys, biobert_tf.text.tokenization; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- vocabulary files ------------------------------------------------------------


def test_load_vocab_lines(tmp_path):
    path = tmp_path / "vocab.txt"
    # A byte order mark, a lone \r (dropped as TensorFlow's reader does), a line
    # separator that is not one here, a repetition, a blank line, an open end.
    path.write_bytes("\ufeff[PAD]\r\na\rb\nx\u2028y\n[PAD]\n\n z".encode())
    assert list(tokenization.load_vocab(str(path)).items()) == [
        ("[PAD]", 3), ("ab", 1), ("x\u2028y", 2), ("", 4), ("z", 5),
    ]  # fmt: skip


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.txt: no such file"):
        tokenization.load_vocab(tmp_path / "nowhere.txt")


def test_a_vocabulary_that_is_not_utf8_is_refused_by_line(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"[PAD]\n[UNK]\ncaf\xe9\n")
    with pytest.raises(InputError, match=r"vocab\.txt:3: byte 0xe9 is not UTF-8"):
        tokenization.FullTokenizer(path)


@pytest.mark.parametrize(
    "tokens, problem",
    [
        ([], r"vocab\.txt: is empty"),
        (["a", "[CLS]"], r"vocab\.txt: lacks \[UNK\], \[SEP\]"),
    ],
)
def test_a_file_that_is_no_bert_vocabulary(tmp_path, tokens, problem):
    path = write_vocab(tmp_path, tokens)
    assert list(tokenization.load_vocab(path)) == tokens
    with pytest.raises(InputError, match=problem):
        tokenization.FullTokenizer(path)


@pytest.mark.parametrize(
    "tokens, refused",
    [
        ("[CLS] a ##B c", True),
        ("[CLS] [Z] a \u211d b", False),  # a capital that lower() leaves alone
        ("[CLS] 1 \u4e2d ##,", None),  # no letter has a case
        ("[CLS] [UNK]", None),
    ],
)
def test_check_case(tmp_path, tokens, refused):
    path = tmp_path / "vocab.txt"
    vocab = {token: i for i, token in enumerate(tokens.split())}
    for do_lower_case in (False, True):
        if do_lower_case is not refused:
            tokenization.check_case(vocab, do_lower_case, path)
    if refused is True:
        with pytest.raises(InputError, match=r"vocab\.txt:3: .*'##B'.* to false"):
            tokenization.check_case(vocab, True, path)
    if refused is False:
        with pytest.raises(InputError, match=r"vocab\.txt: .*lower-cased.* to true"):
            tokenization.check_case(vocab, False, path)


# --- recorded from the original --------------------------------------------------


def read_rows(path):
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def recorded(recording):
    folder = recording / "tokenization"
    names = {"cased": False, "uncased": True}
    tokenizers = {
        name: tokenization.FullTokenizer(folder / f"vocab_{name}.txt", do_lower_case)
        for name, do_lower_case in names.items()
    }
    return folder, tokenizers


def same_but_for_newer_characters(tokenize, text, expected):
    """Whether some characters unassigned in Unicode 3.2 explain any difference.

    The recording took characters its older tables did not know for control
    characters and dropped them; which ones is found by trying. Characters in
    Unicode 3.2 were known to every Python there is.
    """
    newer = sorted({c for c in text if unicodedata.ucd_3_2_0.category(c) == "Cn"})
    for size in range(len(newer) + 1):
        for dropped in itertools.combinations(newer, size):
            if tokenize("".join(c for c in text if c not in dropped)) == expected:
                return True
    return False


@pytest.mark.parametrize("name", ["real", "adversarial"])
def test_equals_the_original_on_every_text(recorded, name):
    folder, tokenizers = recorded
    rows = read_rows(folder / f"{name}.jsonl.gz")
    assert len(rows) == json.loads((folder / "stats.json").read_text())[name]
    for row, (kind, tokenizer) in itertools.product(rows, tokenizers.items()):
        text, want = row["text"], row[kind]
        assert tokenizer.convert_tokens_to_ids(want["tokens"]) == want["ids"]
        if row["unicode_stable"]:
            pieces = check_offsets(tokenizer, text)
            assert [piece.token for piece in pieces] == want["tokens"], row["id"]
            assert [piece.id for piece in pieces] == want["ids"], row["id"]
            assert uncached(tokenizer, text) == want["tokens"], row["id"]
        else:
            assert same_but_for_newer_characters(
                tokenizer.tokenize, text, want["tokens"]
            ), row["id"]


def test_basic_tokenizer_equals_the_original(recorded):
    rows = read_rows(recorded[0] / "basic.jsonl.gz")
    assert rows
    for row in rows:
        for key, do_lower_case in (("basic_cased", False), ("basic_lower", True)):
            tokenize = tokenization.BasicTokenizer(do_lower_case).tokenize
            if row["unicode_stable"]:
                assert tokenize(row["text"]) == row[key]
            else:
                assert same_but_for_newer_characters(tokenize, row["text"], row[key])


def test_bytes_equal_the_original(recorded):
    folder, tokenizers = recorded
    rows = read_rows(folder / "bytes.jsonl.gz")
    assert rows
    for row, (kind, tokenizer) in itertools.product(rows, tokenizers.items()):
        assert tokenizer.tokenize(bytes.fromhex(row["bytes_hex"])) == row[kind]


def test_wordpiece_equals_the_original(recording):
    toy = json.loads((recording / "tokenization" / "wordpiece_toy.json").read_text())
    tokenizer = tokenization.WordpieceTokenizer(
        {token: i for i, token in enumerate(toy["vocab"])},
        toy["unk_token"],
        toy["max_input_chars_per_word"],
    )
    assert toy["cases"]
    for case in toy["cases"]:
        assert tokenizer.tokenize(case["word"]) == case["pieces"], case["word"]


@pytest.mark.golden
def test_load_vocab_equals_the_original(golden):
    folder = golden / "tokenization" / "vocab_files"
    expected = json.loads((folder / "expected.json").read_text())
    assert set(expected) == {path.name for path in folder.glob("*.txt")}
    for name, items in expected.items():
        vocab = tokenization.load_vocab(folder / name)
        assert [list(item) for item in vocab.items()] == items, name


def test_check_case_knows_the_released_vocabularies(recorded):
    folder, tokenizers = recorded
    for kind, right in (("cased", False), ("uncased", True)):
        vocab, path = tokenizers[kind].vocab, folder / f"vocab_{kind}.txt"
        tokenization.check_case(vocab, right, path)
        with pytest.raises(InputError, match=re.escape(path.name)):
            tokenization.check_case(vocab, not right, path)
