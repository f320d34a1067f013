# SPDX-License-Identifier: Apache-2.0
"""Inputs of all kinds: what is read, and what is told of what cannot be."""

import gzip
import io
import json
import re
import sys

import document_toys as toys
import pytest

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import formats
from biobert_tf.documents.document import Passage

FORMATS = ("jsonl", "pubtator", "bioc_xml", "bioc_json", "conll", "pubmed_xml", "lines")


def load(path, kind="auto", **given):
    """Returns the documents of a file, and what is told of the others."""
    bad = []
    documents = [one.document for one in formats.read(path, kind, bad.append, **given)]
    return documents, [str(error) for error in bad]


def put(path, text):
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# --- plain text ----------------------------------------------------------------------

TEXT = " Caf\u00e9 \U0001f48a\r\n\rheals.\x85\u2028\x00 \ufeff\n\n"


@pytest.mark.parametrize("name", ["a b.txt", "a b.txt.gz", "a b.text"])
@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_a_text_is_what_the_file_holds(tmp_path, name, before):
    [document], bad = load(put(tmp_path / name, before + TEXT))
    assert (document.id, bad) == ("a b", [])
    assert document.passages == (Passage(0, TEXT),)
    assert document.slice(6, 9) == "\U0001f48a\r\n"


def test_an_empty_text_is_a_document(tmp_path):
    [document], _ = load(put(tmp_path / "a.txt", ""))
    assert document.passages == (Passage(0, ""),)


def test_a_text_that_is_not_utf8_is_told_by_line(tmp_path):
    path = put(tmp_path / "a.txt", b"one\ntwo\xff\n")
    reason = f"{path}:2: byte 0xff is not UTF-8; convert the file to UTF-8"
    assert load(path) == ([], [reason])


def test_a_line_may_be_a_document(tmp_path):
    path = put(tmp_path / "a.txt", "\ufefffirst \r\n\n  \nsec\u2028ond\rx\nlast")
    documents, _ = load(path, "lines")
    assert [(one.id, one.passages[0].text) for one in documents] == [
        ("a-1", "first "),
        ("a-4", "sec\u2028ond\rx"),
        ("a-5", "last"),
    ]


def test_another_name_for_documents(tmp_path):
    path = put(tmp_path / "a.txt", "one\ntwo")
    assert load(path, name="sub/a")[0][0].id == "sub/a"
    assert [one.id for one in load(path, "lines", name="x")[0]] == ["x-1", "x-2"]


def test_a_huge_text(tmp_path):
    text = "A long text \U0001f48a. " * 1_400_000
    path = put(tmp_path / "a.txt", text)
    assert path.stat().st_size > 20e6
    [loaded] = formats.read(path, "auto")
    assert loaded.document.passages[0].text == text


# --- articles ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in.xml", "in.xml.gz", "in"])
def test_pubmed(tmp_path, name):
    documents, bad = load(put(tmp_path / name, toys.pubmed(7, 12345678)))
    assert ([one.id for one in documents], bad) == (["7", "12345678"], [])
    assert documents[0].passages == (
        Passage(0, "Aspirin 7 & more."),
        Passage(18, "AIM: To see."),
        Passage(31, "Ca2+ \U0001f48a."),
    )
    assert documents[0].slice(31, 35) == "Ca2+"


def test_a_damaged_citation_costs_no_other(tmp_path):
    text = toys.pubmed(7, 8, 9, 10).replace("<i>8</i>", "<i>8")
    path = put(tmp_path / "in.xml", text)
    documents, bad = load(path)
    assert [one.id for one in documents] == ["7", "9", "10"]
    assert len(bad) == 1
    assert bad[0].startswith(f"{path}: record 2 (PMID:8), line 5: ")
    with pytest.raises(InputError, match="record 2"):
        list(formats.read(path, "auto"))


def test_a_citation_without_text_is_told(tmp_path):
    path = put(tmp_path / "in.xml", toys.pubmed(7).replace("AbstractText", "Other"))
    assert len(load(path)[0]) == 1
    bare = (
        toys.pubmed(7).replace("AbstractText", "Other").replace("ArticleTitle", "Other")
    )
    documents, bad = load(put(path, bare))
    assert (documents, bad) == ([], [f"{path}: record 1 (PMID:7), line 3: no text"])


@pytest.mark.data
def test_real_articles(data):
    pretrain = data / "pretrain"
    [document], _ = load(pretrain / "pubmed-29768149.xml")
    assert document.id == "29768149"
    assert len(document.passages) > 1
    documents, _ = load(pretrain / "test_current_medline.xml.gz")
    assert len(documents) == 4
    [article], _ = load(next((pretrain / "pmc").glob("*.nxml")))
    assert article.id.startswith("PMC")
    for document in (*documents, article):
        for before, after in zip(
            document.passages, document.passages[1:], strict=False
        ):
            assert after.offset == before.end + 1


# --- one bad document ----------------------------------------------------------------

ROWS = "Aspirin B-C\nheals O\n\n"
SAMPLES = {
    "jsonl": '{"id": "1", "text": "Aspirin."}\n{"id": "2", "text": "Aspirin."}\n'
    '{"id": "3", "text": "Aspirin."}\n',
    "pubtator": "1|t|Aspirin.\n1|a|\n\n2|t|Aspirin.\n2|a|\n\n3|t|Aspirin.\n3|a|\n",
    "bioc_xml": "<collection>\n"
    + "\n".join(
        f"<document><id>{i}</id><passage><offset>0</offset><text>Aspirin.</text>"
        "</passage></document>"
        for i in (1, 2, 3)
    )
    + "\n</collection>\n",
    "bioc_json": json.dumps(
        {
            "documents": [
                {"id": i, "passages": [{"offset": 0, "text": "Aspirin."}]}
                for i in (1, 2, 3)
            ]
        },
        indent=1,
    ),
    "conll": "".join(f"-DOCSTART- {i} O\n\n{ROWS}" for i in (1, 2, 3)),
    "pubmed_xml": toys.pubmed(1, 2, 3),
    "lines": "1 Aspirin.\n2 Aspirin.\n3 Aspirin.\n",
}
# What makes the second document bad, and what is told of it behind file and line.
DAMAGE = {
    "jsonl": ('{"id": "2", "text": "Aspirin."}', "{oops", ":2: not JSON"),
    "pubtator": ("2|a|", "2\t0\t1\tx\tC", ":5: document 2: mention T1 ('x' at 0-1)"),
    "bioc_xml": ("<id>2</id>", "<id>2", ":3: not XML: Opening and ending tag mismatch"),
    "bioc_json": ('"id": 2,', '"id": 2', ": not JSON: Expecting ',' delimiter"),
    "conll": ("2 O\n\nAspirin B-C", "2 O\n\nAspirin X-C", ":8: label 'X-C' is not O"),
    "pubmed_xml": ("<i>2</i>", "<i>2", ": record 2 (PMID:2), line 5: "),
    "lines": ("2 Aspirin", "\udcff Aspirin", ":2: byte 0xff is not UTF-8"),
}


def ids(documents):
    return [re.sub(r"^(in|plain)-", "", one.id) for one in documents]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bad_document_costs_no_other(tmp_path, kind):
    path = put(tmp_path / "in", SAMPLES[kind])
    documents, bad = load(path, kind)
    assert (ids(documents), bad) == (["1", "2", "3"], [])
    assert "Aspirin" in documents[1].passages[0].text
    good, damaged, reason = DAMAGE[kind]
    assert SAMPLES[kind].count(good) == 1
    put(path, SAMPLES[kind].replace(good, damaged).encode("utf-8", "surrogateescape"))
    documents, bad = load(path, kind)
    assert ids(documents) == ["1", "3"]
    assert len(bad) == 1
    assert bad[0].startswith(str(path))
    assert reason in bad[0]
    with pytest.raises(InputError) as caught:
        list(formats.read(path, kind))
    assert str(caught.value) == bad[0]


@pytest.mark.parametrize(
    "kind", ["jsonl", "pubtator", "bioc_xml", "bioc_json", "conll"]
)
def test_a_document_that_is_not_utf8_costs_no_other(tmp_path, kind):
    data = SAMPLES[kind].encode()
    second = data.index(b"Aspirin", data.index(b"Aspirin") + 1)
    path = put(tmp_path / "in", data[:second] + b"\xe9\n"[:1] + data[second:])
    line = data.count(b"\n", 0, second) + 1
    documents, bad = load(path, kind)
    assert ids(documents) == ["1", "3"]
    assert bad == [f"{path}:{line}: byte 0xe9 is not UTF-8; convert the file to UTF-8"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_gives_what_is_whole(tmp_path, kind):
    number = {"bioc_json": 30, "pubmed_xml": 20}.get(kind, 60)
    many = many_documents(kind, number)
    path = tmp_path / "in.gz"
    data = gzip.compress(many.encode(), compresslevel=0)
    path.write_bytes(data[: len(data) * 2 // 3])
    documents, bad = load(path, kind)
    assert number // 3 < len(documents) < number
    assert ids(documents) == [str(i) for i in range(1, len(documents) + 1)]
    assert len(bad) == 1
    assert "in.gz" in bad[0]
    assert "truncated" in bad[0]
    # Cut, but not packed: the end is missing, or a document is.
    plain = tmp_path / "plain"
    plain.write_bytes(many.encode()[: len(many) * 2 // 3])
    found = ids(load(plain, kind)[0])
    assert found[:10] == [str(i) for i in range(1, 11)]


def many_documents(kind, number):
    """A file of documents named 1, 2, ..."""
    if kind == "pubmed_xml":
        return toys.pubmed(*range(1, number + 1))
    if kind == "lines":
        return "A line.\n" * number
    if kind == "conll":
        return "".join(f"-DOCSTART- {i} O\n\n{ROWS}" for i in range(1, number + 1))
    documents = [
        toys.Document(str(i), "A title.", "x" * 99) for i in range(1, number + 1)
    ]
    return toys.TEXT_OF[kind](documents)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_more_is_read_than_is_needed(tmp_path, kind):
    """A reader that waits for the end would hold all of a file in memory."""
    data = many_documents(kind, 40_000 if kind in ("lines", "conll") else 3000).encode()
    raw = io.BytesIO(data)
    stream = Stream(tmp_path / "in.xml", raw)
    documents = formats._READ[kind](stream, streams.refuse)
    for _ in range(3):
        next(documents)
    assert raw.tell() < len(data) / 2


def test_a_brat_folder_with_bad_documents(tmp_path):
    for name in "abc":
        put(tmp_path / f"{name}.txt", "Aspirin.")
        put(tmp_path / f"{name}.ann", "T1\tC 0 7\tAspirin\n")
    put(tmp_path / "b.ann", "T1\tC 0 7\taspirin\n")
    put(tmp_path / "d.ann", "")
    documents, bad = load(tmp_path)
    assert [one.id for one in documents] == ["a", "c"]
    assert bad[0] == f"{tmp_path / 'd.ann'}: no d.txt beside it"
    assert bad[1].startswith(f"{tmp_path / 'b.ann'}:1: document b: mention T1")
    put(tmp_path / "c.txt", b"\xff")
    assert [one.id for one in load(tmp_path)[0]] == ["a"]
    [document], _ = load(tmp_path / "a.txt", "brat")
    assert document.mentions[0].text == "Aspirin"
    assert load(tmp_path / "d.txt", "brat") == ([], bad[:1])


# --- what it is ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.txt", "Aspirin heals.", "text"),
        ("a.txt", "[Corrected] article", "text"),
        ("a.txt", "<p53> is high", "text"),
        ("a.txt", "{Aspirin}", "text"),
        ("a.txt", "7|t|Aspirin", "pubtator"),
        ("a.txt", '{"text": "a"}', "jsonl"),
        ("a.txt", "<collection>", "bioc_xml"),
        ("a.txt", "Vitamin B\nVitamin O", "text"),
        ("a.txt", "-DOCSTART- -X- O\n", "conll"),
        ("a.txt", "a O\n\nb B-X\nc I-X\n", "conll"),
        ("a.tsv", "a\nb\n", "conll"),
        ("a.jsonl", "", "jsonl"),
        ("a.jsonl.gz", "", "jsonl"),
        ("a.pubtator", "\n", "pubtator"),
        ("a.xml", "", "bioc_xml"),
        (
            "a",
            "<!-- x --><!DOCTYPE PubmedArticleSet [ ]>\n<PubmedArticleSet>",
            "pubmed_xml",
        ),
        ("a", '<?xml version="1.0"?><j:article xmlns:j="x">', "pubmed_xml"),
        ("a", "<other>", "bioc_xml"),
        # A first document that is longer than what is looked at, or damaged.
        ("a", '{"id": "1", "text": "' + "x" * 100_000 + '"}', "jsonl"),
        ("a", '{"text": "a"\n{"text": "b"}\n', "jsonl"),
        ("a", '{\n "documents": [\n  {"passages": [{"text": "a"}]}]}', "bioc_json"),
        ("a", '[{"id": "1", "passages": [{"text": "a"', "bioc_json"),
    ],
)
def test_detection(tmp_path, name, text, kind):
    assert formats.detect(put(tmp_path / name, text)) == kind


def test_what_is_none(tmp_path):
    for name, text in (("a", "hello"), ("a.pdf", "%PDF"), ("a.md", "# Title")):
        with pytest.raises(InputError, match="neither PubTator, BioC"):
            formats.detect(put(tmp_path / name, text))
    with pytest.raises(InputError, match="HTML pages are written, never read"):
        formats.detect(put(tmp_path / "a.html", "<!DOCTYPE html><html>"))
    with pytest.raises(InputError, match="HTML pages are written, never read"):
        list(formats.read(tmp_path / "a.html", "html"))
    with pytest.raises(InputError, match="no such folder"):
        list(formats.read(tmp_path / "a.md", "brat"))


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("Aspirin heals.\r\n", "auto", ["stdin"]),
        ("", "auto", ["stdin"]),
        ("one\ntwo\n", "lines", ["stdin-1", "stdin-2"]),
        (SAMPLES["jsonl"], "auto", ["1", "2", "3"]),
        (SAMPLES["bioc_xml"], "auto", ["1", "2", "3"]),
        (SAMPLES["pubmed_xml"], "auto", ["1", "2", "3"]),
        (SAMPLES["jsonl"] + "{", "jsonl", ["1", "2", "3"]),
    ],
)
def test_standard_input(monkeypatch, is_packed, text, kind, names):
    data = gzip.compress(text.encode()) if is_packed else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    documents, bad = load(streams.STANDARD, kind)
    assert [one.id for one in documents] == names
    assert [error.split(" ")[0] for error in bad] == ["stdin:4:"] * text.endswith("{")
    if text.startswith("Aspirin"):
        assert documents[0].passages == (Passage(0, text),)
