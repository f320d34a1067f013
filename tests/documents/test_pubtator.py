# SPDX-License-Identifier: Apache-2.0
"""PubTator files: what they say, and the same file with relations added."""

import document_toys as toys
import pytest

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.documents import pubtator
from biobert_tf.documents.document import Mention, Passage, Relation

# The title ends in a space, a rocket is one character, U+2028 and \x85 end no line.
TEXT = (
    "10|t|Clonidine and \U0001f680 asystole \n"
    "10|a|Naloxone\u2028\x85 reverses it.\n"
    "10\t0\t9\tClonidine\tChemical\tMESH:D003000|MESH:D3\n"
    "10\t16\t24\tasystole\tDisease\tD006323\tlast|column\n"
    "10\t26\t34\tNaloxone\tChemical\t-1\n"
    "10\t46\t48\tit\tDisease\n"
    "10\tCID\tMESH:D003000\tD006323\n"
    "10\tAssociation\tMESH:D3\tD006323\tNovel\n"
    "10\tBind\t1576\t5243\t1\t3.5\tNo\t0.25\n"
    "\n"
    "11|t|\n"
    "11|a|Nothing here.\n"
    "\n"
    "\n"
    "x-12|t|No abstract"
)


def load(tmp_path, text):
    path = tmp_path / "in.txt"
    path.write_bytes(text.encode())
    return toys.read(pubtator, path)


def written(tmp_path, documents):
    path = tmp_path / "out.txt"
    path.write_bytes("".join(pubtator.texts(documents)).encode())
    return path.read_bytes().decode()


def test_reads_all(tmp_path):
    first, second, third = (loaded.document for loaded in load(tmp_path, TEXT))
    assert [first.id, second.id, third.id] == ["10", "11", "x-12"]
    assert first.passages == (
        Passage(0, "Clonidine and \U0001f680 asystole "),
        Passage(26, "Naloxone\u2028\x85 reverses it."),
    )
    assert first.mentions == (
        Mention(
            *("T1", "Chemical", ((0, 9),), "Clonidine", ("MESH:D003000", "MESH:D3"))
        ),
        Mention("T2", "Disease", ((16, 24),), "asystole", ("D006323",)),
        Mention("T3", "Chemical", ((26, 34),), "Naloxone"),
        Mention("T4", "Disease", ((46, 48),), "it"),
    )
    assert first.relations == (
        Relation("CID", "MESH:D003000", "D006323"),
        Relation("Association", "MESH:D3", "D006323"),
        Relation("Bind", "1576", "5243", 0.25),
    )
    assert second.passages == (Passage(0, ""), Passage(1, "Nothing here."))
    assert third.passages == (Passage(0, "No abstract"),)


@pytest.mark.parametrize("text", [TEXT, "\ufeff" + TEXT, "\n\n" + TEXT, TEXT + "\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_same_bytes_come_back(tmp_path, text, end):
    text = text.replace("\n", end)
    loaded = load(tmp_path, text)
    assert len(loaded) == 3
    assert loaded[0].document.mentions[3].text == "it"
    assert written(tmp_path, [(one, []) for one in loaded]) == text


def test_an_empty_file_holds_nothing(tmp_path):
    assert load(tmp_path, "") == load(tmp_path, "\n \n") == []


def test_documents_need_no_blank_line_between(tmp_path):
    text = TEXT.replace("\n\n", "\n")
    loaded = load(tmp_path, text)
    assert [one.document.id for one in loaded] == ["10", "11", "x-12"]
    assert written(tmp_path, [(one, []) for one in loaded]) == text


def test_relations_are_added_by_concept(tmp_path):
    loaded = load(tmp_path, TEXT)
    new = [
        Relation("CID", "T1", "T2", 0.5),
        Relation("CID", "T3", "T2", 0.125),  # no concept: both by mention
        Relation("CID", "T3", "T4", 1 / 3),
    ]
    other = [Relation("new", "T9", "T8")]
    text = written(tmp_path, [(loaded[0], new), (loaded[1], []), (loaded[2], other)])
    old = TEXT.split("0.25\n")
    assert text == (
        f"{old[0]}0.25\n"
        "10\tCID\tMESH:D003000\tD006323\t0.500000\n"
        "10\tCID\tMESH:D3\tD006323\t0.500000\n"
        "10\tCID\tT3\tT2\t0.125000\n"
        "10\tCID\tT3\tT4\t0.333333\n"
        f"{old[1]}\nx-12\tnew\tT9\tT8\n"
    )
    (tmp_path / "out.txt").write_text(text, encoding="utf-8")
    again = toys.read(pubtator, tmp_path / "out.txt")[0].document
    assert again.relations[-1] == Relation("CID", "T3", "T4", 0.333333)


def test_the_largest_probability_of_a_pair_counts(tmp_path):
    text = "1|t|a b a\n1\t0\t1\ta\tC\tX\n1\t2\t3\tb\tD\tY\r\n1\t4\t5\ta\tC\tX"  # mixed
    (loaded,) = load(tmp_path, text)
    new = [Relation("r", "T1", "T2", 0.2), Relation("r", "T3", "T2", 0.9)]
    new += [Relation("r", "T1", "T2", 0.3), Relation("s", "T1", "T2", 0.1)]
    assert written(tmp_path, [(loaded, new)]) == (
        f"{text}\r\n1\tr\tX\tY\t0.900000\r\n1\ts\tX\tY\t0.100000\r\n"
    )


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("hello\n", 1, "must begin with PMID|t|title"),
        ("1|t|ab\n\n1\t0\t1\ta\tC\n", 3, "must begin with PMID|t|title"),
        ("1|t|ab\n2\t0\t1\ta\tC\n", 2, "'2' inside document 1"),
        ("1|t|ab\n1\t0\t1\ta\n", 2, "4 columns; want"),
        ("1|t|ab\n1\tfoo\n", 2, "2 columns; want"),
        ("1|t|ab\n1\t0\t-1\ta\tC\tD\n", 2, "columns; want"),
        ("1|t|ab\n\n2|t|ab\n2\t0\t1\tb\tC\n", 4, "document 2: mention T1 ('b' at 0-1)"),
        ("1|t|ab\n1\t0\t9\tab\tC\n", 2, "not inside the text, which is 0-2"),
        ("1|t|ab\n1\t0\t" + "9" * 18 + "\tab\tC\n", 2, "not inside the text"),
        ("1|t|ab\n1\t0\t" + "9" * 9999 + "\tab\tC\n", 2, "5 columns; want"),
        ("1|t|ab\n1\t1\t1\t\tC\n", 2, "empty or reversed"),
    ],
)
def test_broken_files(tmp_path, text, line, problem):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'in.txt'}:{line}: ")
    assert problem in str(caught.value)


def test_bad_bytes_are_named_by_line(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"1|t|a\n1|a|\xff\n")
    with pytest.raises(InputError, match=r"in\.txt:2: byte 0xff is not UTF-8"):
        toys.read(pubtator, path)


def test_documents_are_read_one_by_one(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text(TEXT + "\n\nbroken\n", encoding="utf-8")
    with streams.reading(path) as stream:
        documents = pubtator.read(stream)
        assert [next(documents).document.id for _ in range(3)] == ["10", "11", "x-12"]
        with pytest.raises(InputError, match="17: a document must begin"):
            next(documents)
