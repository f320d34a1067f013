import json

import pytest

from biobert_tf.checkpoints import tokenizer_files
from biobert_tf.common.errors import InputError

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "B"]
IDS = {piece: i for i, piece in enumerate(PIECES)}
DATA = ("\n".join(PIECES) + "\n").encode()


@pytest.fixture
def tokenizer(tmp_path):
    """Writes a `tokenizer.json`, changed by a function; returns its path."""

    def inner(change=lambda values: None):
        vocabulary = tokenizer_files.Vocabulary(DATA, IDS)
        tokenizer_files.write(tmp_path, vocabulary, do_lower_case=False, max_length=9)
        path = tmp_path / "tokenizer.json"
        values = json.loads(path.read_text())
        change(values)
        path.write_text(json.dumps(values))
        return path

    return inner


def test_files(tokenizer, tmp_path):
    tokenizer()
    assert (tmp_path / "vocab.txt").read_bytes() == DATA
    assert json.loads((tmp_path / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "do_lower_case": False,
        "strip_accents": False,
        "tokenize_chinese_chars": True,
        "model_max_length": 9,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    assert values["model"]["max_input_chars_per_word"] == 200
    assert values["model"]["vocab"] == IDS
    assert values["normalizer"]["lowercase"] is False
    assert values["normalizer"]["strip_accents"] is False
    added = {token["content"]: token["id"] for token in values["added_tokens"]}
    assert added == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}


def test_tokens_that_the_vocabulary_lacks_are_not_made_up(tmp_path):
    pieces = ["[UNK]", "[CLS]", "[SEP]", "a"]
    vocabulary = tokenizer_files.Vocabulary(b"", {x: i for i, x in enumerate(pieces)})
    tokenizer_files.write(tmp_path, vocabulary, do_lower_case=True, max_length=9)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert not {"pad_token", "mask_token"} & set(config)
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    assert len(values["added_tokens"]) == 3


# --- reading ---------------------------------------------------------------------


def test_a_list_of_pieces(tmp_path):
    """A repeated token takes its last id; all bytes are kept."""
    path = tmp_path / "pieces.txt"
    path.write_bytes(b"[UNK]\r\n[CLS]\n[SEP]\na\na\n")
    vocabulary = tokenizer_files.read_vocabulary(path)
    assert vocabulary.data == path.read_bytes()
    assert vocabulary.ids == {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 4}


def test_a_tokenizer(tokenizer):
    assert tokenizer_files.read_vocabulary(tokenizer()) == (DATA, IDS)


def test_added_tokens_belong_to_it(tokenizer):
    def add(values):
        values["added_tokens"].append({"content": "@GENE$", "id": 8})

    vocabulary = tokenizer_files.read_vocabulary(tokenizer(add))
    assert vocabulary.data == DATA + b"@GENE$\n"
    assert vocabulary.ids == {**IDS, "@GENE$": 8}


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda v: v.pop("model"), "not a WordPiece tokenizer"),
        (
            lambda v: v["model"].update(continuing_subword_prefix="@@"),
            "not a WordPiece tokenizer",
        ),
        (lambda v: v["model"].update(vocab=[["a", -1.0]]), "not a WordPiece tokenizer"),
        (lambda v: v["model"]["vocab"].update(c=9), "ids of its tokens are not 0, 1"),
        (lambda v: v["model"]["vocab"].update({" c": 8}), "' c' cannot be a line"),
        (lambda v: v["model"]["vocab"].update({"c\nd": 8}), "cannot be a line"),
    ],
)
def test_a_tokenizer_unlike_bert(tokenizer, change, problem):
    with pytest.raises(InputError, match=rf"tokenizer\.json: .*{problem}"):
        tokenizer_files.read_vocabulary(tokenizer(change))


def test_what_every_text_needs(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[UNK]\n[SEP]\na\n")
    with pytest.raises(InputError, match=r"vocab\.txt: lacks \[CLS\]; give a BERT"):
        tokenizer_files.read_vocabulary(path)
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        tokenizer_files.read_vocabulary(tmp_path / "none.txt")


# --- what is stored of the case ----------------------------------------------------


@pytest.mark.parametrize(
    "config, normalizer, expected",
    [
        ({"do_lower_case": True}, {"lowercase": False}, True),
        ({"do_lower_case": False}, {"lowercase": True}, False),
        ({}, {"lowercase": True}, True),
        (None, {"lowercase": False}, False),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_case(tmp_path, config, normalizer, expected):
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"normalizer": normalizer}))
    assert tokenizer_files.lower_cases(tmp_path) is expected


@pytest.mark.parametrize(
    "config, expected",
    [
        ({"do_lower_case": True, "strip_accents": None}, []),
        ({"do_lower_case": True, "strip_accents": True}, []),
        ({"do_lower_case": True, "strip_accents": False}, ["strip_accents=False"]),
        ({"do_lower_case": False, "strip_accents": True}, ["strip_accents=True"]),
        ({"tokenize_chinese_chars": False}, ["tokenize_chinese_chars=False"]),
        ({}, []),
    ],
)
def test_peculiarities(tmp_path, config, expected):
    assert tokenizer_files.peculiarities(tmp_path) == []
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert tokenizer_files.peculiarities(tmp_path) == expected


@pytest.mark.parametrize(
    "steps, lowers, expected",
    [
        (["NFD", "Lowercase", "StripAccents"], True, []),
        (["NFC", "Lowercase"], True, ["strip_accents=False"]),
        (["NFC"], False, []),
        ([{"lowercase": False}, "Lowercase"], True, ["strip_accents=False"]),
        ([{"lowercase": True, "strip_accents": None}], True, []),
    ],
)
def test_steps_of_a_normalizer(tmp_path, steps, lowers, expected):
    made = [
        {"type": step} if isinstance(step, str) else {"type": "BertNormalizer", **step}
        for step in steps
    ]
    normalizer = {"type": "Sequence", "normalizers": made}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({"normalizer": normalizer}))
    assert tokenizer_files.lower_cases(tmp_path) is lowers
    assert tokenizer_files.peculiarities(tmp_path) == expected
