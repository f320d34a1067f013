# SPDX-License-Identifier: Apache-2.0
"""What damaged files once did to a reader, kept as small files."""

import pytest
from fuzz import readers
from fuzz.test_readers import ALL, outcome

from biobert_tf.common import flags
from biobert_tf.common.errors import InputError
from biobert_tf.corpora.document import Skipped
from biobert_tf.ner.settings import NerConfig
from biobert_tf.qa.squad_json import JsonObject
from biobert_tf.relations import reading

DEEP = b"[" * 3000
BY_NAME = {reader.name: reader for reader in ALL}
# Once a RecursionError, or a ValueError of Python's own.
NOT_READ = {
    "relations, scibert": [b'{"text": ' + DEEP, b'{"text": ' + b"9" * 5000 + b"}"],
    "SQuAD": [DEEP, b'{"data": ' + b"9" * 5000 + b"}"],
    "SQuAD, to predict": [b'{"data": [{"paragraphs": ' + DEEP],
    "BioASQ": [DEEP, b'{"questions": ' + DEEP],
    "settings.json": [b'{"seed": ' + b"9" * 5000 + b"}"],
    "labels.json": [DEEP],
    "texts, JSON lines": [DEEP, b'{"text": ' + DEEP],
    "texts, PubMedQA": [DEEP],
    "flagfile": [
        b"--" + b"n-" * 3000,
        b"# \xa3\n",
        b"--data_dir=d\n--no" + b"x" * 5000,
    ],
    "tokenizer.json": [
        readers.TOKENIZER.replace(b'"normalizers": [', b'"normalizers": [null, '),
        readers.TOKENIZER.replace(b'"BertNormalizer"', b"[]"),
        readers.TOKENIZER.replace(b'"##E": 10', b'"##E": null'),
        readers.TOKENIZER.replace(b'"##E"', b'"\\ud83d"'),
    ],
    # Once a size of True, and one beyond what TensorFlow can count.
    "bert_config.json": [
        readers.CONFIG.replace(b'"vocab_size": 11', b'"vocab_size": true'),
        readers.CONFIG.replace(b'"vocab_size": 11', b'"vocab_size": 99999999999'),
    ],
}
CASES = [(name, data) for name, several in NOT_READ.items() for data in several]


@pytest.mark.parametrize(("name", "data"), CASES, ids=lambda value: str(value)[:20])
def test_it_is_refused(name, data, tmp_path):
    reader = BY_NAME[name]
    outcome(reader, reader.seed, tmp_path / "work", most_lines=10**9)
    assert outcome(reader, data, tmp_path / "work") == "refused"


def test_true_is_no_number():
    question = JsonObject("question 1", {"answer_start": True, "is_impossible": 1})
    with pytest.raises(InputError, match="want an integer"):
        question.get("answer_start", int)
    with pytest.raises(InputError, match="want true or false"):
        question.get("is_impossible", bool)
    assert JsonObject("", {"is_impossible": False}).get("is_impossible", bool) is False


def test_a_message_is_one_short_line():
    """A label of pages, or with codes that clear the screen, was shown as it is."""
    message = str(InputError.at("a.tsv", 3, f"label {'x' * 5000}: \x1b[2J\r\nwant O"))
    assert message.startswith("a.tsv:3: label xxx")
    assert message.endswith("x: \\x1b[2J want O")
    assert " ... " in message
    assert len(message) < 1100
    assert (
        str(InputError.at("a", None, "\u03b2-actin \ud83d"))
        == "a: \u03b2-actin \\ud83d"
    )
    assert str(Skipped("a.xml", "record 1 (PMID:1\x1b\n2)", "x")) == (
        "a.xml: record 1 (PMID:1\\x1b 2): x"
    )


def test_a_manifest_of_other_values_is_none(tmp_path):
    from fuzz import tensors

    made = tmp_path / "made"
    made.mkdir()
    [reader] = [one for one in tensors.readers(made) if "manifest" in one.name]
    for old, new in (
        (b'"num_records": 3', b'"num_records": "3"'),
        (b'"num_documents": 2', b'"num_documents": null'),
        (b'"do_lower_case": false', b'"do_lower_case": 0'),
    ):
        data = reader.seed.replace(old, new)
        assert data != reader.seed
        assert outcome(reader, data, tmp_path / "work", most_lines=10**7) == "refused"


def test_a_long_flag_is_told(tmp_path):
    with pytest.raises(InputError, match="no flag --n-n-n"):
        flags.parse(NerConfig, ["ner", "--" + "n-" * 3000])


# A pattern that went back over a text again and again took hours for these.
LONG_LINES = {
    "relations, blue": ("sentence\tlabel\n{}\tx\n", '"'),
    "relations, scibert": ('{{"text": "{}"}}\n', "<< "),
}


@pytest.mark.parametrize("name", LONG_LINES)
def test_a_megabyte_of_marks_is_read_at_once(name, tmp_path):
    form, unit = LONG_LINES[name]
    data = form.format(unit * 300_000).encode()
    reader = BY_NAME[name]
    outcome(reader, reader.seed, tmp_path / "work", most_lines=10**9)
    assert outcome(reader, data, tmp_path / "work", most_lines=10**9) == "read"


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("<< a >> and [[ b ]]", ["a", "b"]),
        ("[[ b ]] and << a >> << c", ["b", "a"]),
        ("2-[[4-methyl]amino]phenol << a >> [[ b ]]", ["a", "b"]),
        ("<<a>>> [[b]]", ["a>", "b"]),
        ("<< [[ a ]] >> [[ b ]]", ["[[ a ]]", "b"]),
        (">> << a [[ b ]]", ["b"]),
    ],
)
def test_entities_in_marks(text, entities):
    found = reading.entity_spans(text, "scibert")
    assert [text[one.inner_start : one.inner_end] for one in found] == entities
