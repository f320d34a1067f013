# SPDX-License-Identifier: Apache-2.0
"""All formats alike: found out, read, written back; damage is always an InputError."""

import gzip
import json
import random

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, places
from biobert_tf.documents.document import Mention, Relation

NUM_VARIANTS = 150

TEXT = "Aspirin \U0001f48a inhibits COX-1."
ANN = "T1\tChemical 0 7\tAspirin\nT2\tGene 19 24\tCOX-1\nR1\tCPR:4 Arg1:T1 Arg2:T2\n"
PUBTATOR = (
    f"7|t|{TEXT}\n7|a|\n7\t0\t7\tAspirin\tChemical\tD1\n"
    "7\t19\t24\tCOX-1\tGene\t5742\n7\tCPR:4\tD1\t5742\n\n8|t|Next.\n"
)
BIOC_XML = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection><source>S</source>"
    f"<document><id>7</id><passage><offset>0</offset><text>{TEXT}</text>"
    '<annotation id="T1"><infon key="type">Chemical</infon>'
    '<location offset="0" length="7"/><text>Aspirin</text></annotation>'
    '<annotation id="T2"><infon key="type">Gene</infon>'
    '<location offset="19" length="5"/><text>COX-1</text></annotation></passage>'
    '<relation id="R1"><infon key="type">CPR:4</infon><node refid="T1" role="a"/>'
    '<node refid="T2" role="b"/></relation></document>\n'
    "<document><id>8</id></document></collection>\n"
)
BIOC_JSON = json.dumps(
    {
        "source": "S",
        "documents": [
            {
                "id": "7",
                "passages": [
                    {
                        "offset": 0,
                        "text": TEXT,
                        "annotations": [
                            {
                                "id": "T1",
                                "infons": {"type": "Chemical"},
                                "text": "Aspirin",
                                "locations": [{"offset": 0, "length": 7}],
                            },
                            {
                                "id": "T2",
                                "infons": {"type": "Gene"},
                                "text": "COX-1",
                                "locations": [{"offset": 19, "length": 5}],
                            },
                        ],
                    }
                ],
                "relations": [
                    {
                        "id": "R1",
                        "infons": {"type": "CPR:4"},
                        "nodes": [{"refid": "T1"}, {"refid": "T2"}],
                    }
                ],
            },
            {"id": "8", "passages": []},
        ],
    },
    ensure_ascii=False,
)
JSONL = (
    json.dumps(
        {
            "id": "7",
            "text": TEXT,
            "entities": [
                {"start": 0, "end": 7, "type": "Chemical"},
                {"start": 19, "end": 24, "type": "Gene", "text": "COX-1"},
            ],
            "relations": [{"type": "CPR:4", "first": "T1", "second": "T2"}],
        },
        ensure_ascii=False,
    )
    + '\n{"id": "8", "text": "Next."}\n'
)
FILES = {
    "pubtator": PUBTATOR,
    "bioc_xml": BIOC_XML,
    "bioc_json": BIOC_JSON,
    "brat": ANN,
    "jsonl": JSONL,
}
NEW = Relation("CPR:9", "T1", "T2", 0.75)


def place(tmp_path, kind, data, name="in"):
    path = tmp_path / name
    if kind == "brat":
        path.mkdir(exist_ok=True)
        (path / "7.txt").write_text(TEXT, encoding="utf-8")
        (path / "8.txt").write_text("Next.", encoding="utf-8")
        (path / "7.ann").write_bytes(data)
    else:
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_all_formats_say_the_same(tmp_path, kind):
    path = place(tmp_path, kind, FILES[kind].encode())
    assert formats.detect(path) == kind
    documents = list(formats.read(path, "auto"))
    assert [one.document.id for one in documents] == ["7", "8"]
    first = documents[0].document
    assert first.slice(8, 18) == "\U0001f48a inhibits"
    assert [(m.id, m.type, m.spans, m.text) for m in first.mentions] == [
        ("T1", "Chemical", ((0, 7),), "Aspirin"),
        ("T2", "Gene", ((19, 24),), "COX-1"),
    ]
    assert [one.type for one in first.relations] == ["CPR:4"]

    out = tmp_path / "out"
    written = formats.write(out, kind, zip(documents, [[NEW], []], strict=True))
    assert (written.documents, written.relations) == (2, {"CPR:9": 1})
    again = list(formats.read(out, kind))
    new = again[0].document.relations[1]
    assert (new.type, new.probability) == ("CPR:9", 0.75)
    assert (new.first, new.second) == (
        ("D1", "5742") if kind == "pubtator" else ("T1", "T2")
    )
    assert again[0].document.mentions == first.mentions
    assert again[1].document == documents[1].document


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "brat"])
def test_compressed_files(tmp_path, kind):
    path = place(tmp_path, kind, FILES[kind].encode(), "in.gz")
    documents = [(one, []) for one in formats.read(path, "auto")]
    formats.write(tmp_path / "out.GZ", kind, documents)
    formats.write(tmp_path / "out", kind, documents)
    with gzip.open(tmp_path / "out.GZ") as stream:
        assert stream.read() == (tmp_path / "out").read_bytes()
    # No time and no name: the same documents give the same file.
    assert (tmp_path / "out.GZ").read_bytes()[3:8] == bytes(5)
    data = path.read_bytes()
    for damaged in (data[:-9], b"no gzip", data[:20] + b"\0\0\0" + data[23:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"in\.gz"):
            list(formats.read(path, kind))


@pytest.mark.parametrize("kind", FILES)
def test_what_is_not_there(tmp_path, kind):
    with pytest.raises(InputError, match="no such f"):
        list(formats.read(tmp_path / "nowhere", kind))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("\ufeff\n\n1|t|a", "pubtator"),
        ("\ufeff <collection/>", "bioc_xml"),
        ("{\n", "bioc_json"),
        ("[", "bioc_json"),
        ('{"passages": []}', "bioc_json"),
        ('{"PubTator3": []}', "bioc_json"),
        ('{"text": "a"}', "jsonl"),
        ("{" + '"a":{' * 9999, "bioc_json"),
        ('[{"text": "a"}]', "jsonl"),
        ('[\n {"id": 1, "passages": [{"text": "a"}]}]', "bioc_json"),
        ('{\n  "text": "a"\n}', "jsonl"),
        ("<\tO\n0.05\tO\n.\tO\n", "conll"),
        ("<i>a</i> O\nb O\n\nc O\n", "conll"),
        ("<ALL>\tO\na\tO\nb\tO\nc\tB-X\n</ALL>\tO\n", "conll"),
        ("# doc_id = 7\n# x = y\na\u2028b\tO\nb\tO\nc\tL-X\n", "conll"),
        ("# newpar\n1\ta" + "\t_" * 8, "conll"),
        ("-DOCSTART-\n\na b", "conll"),
        ("<foo/>", "bioc_xml"),
    ],
)
def test_detection(tmp_path, text, kind):
    path = tmp_path / "in"
    path.write_text(text, encoding="utf-8")
    assert formats.detect(path) == kind


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.txt", "<5 mg of aspirin", "text"),
        ("a.txt", "<p>5 mg of aspirin", "text"),
        ("a.txt", "<?xml version='1.0'?>\n<p>5 mg", "text"),
        ("a.txt", "<collection></collection>", "bioc_xml"),
        ("a.tsv", "<p>\n5\n", "conll"),
        ("a.tsv", "<\n5\n", "conll"),
        ("a.conllu", "<\n5\n", "conll"),
        ("a.tsv.gz", "<?xml version='1.0'?>\n<x/>", "bioc_xml"),
        ("a.xml", "<p>5 mg", "bioc_xml"),
        ("a.xml", "<PubmedArticleSet>", "pubmed_xml"),
        ("a.tsv", "<PubmedArticleSet>", "pubmed_xml"),
        ("a.json", '{\n "text": "a"', "jsonl"),
    ],
)
def test_detection_looks_at_names(tmp_path, name, text, kind):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if ".gz" in name else text.encode())
    assert formats.detect(path) == kind


@pytest.mark.parametrize(
    "text", ["text\tlabel\nA good drug .\tgood\n", "1\tAspirin helps men.\n"]
)
def test_a_table_of_texts_is_no_conll(tmp_path, text):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match="is a table of texts, and no CoNLL"):
        formats.detect(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tsvangle/n.txt", "text"),
        ("tsvangle/test.tsv", "conll"),
        ("ws/test.tsv", "conll"),
        ("nbsp/test.tsv", "conll"),
        ("bilou/test.tsv", "conll"),
        ("aioner/all.conll", "conll"),
        ("aioner/train.conll", "conll"),
        ("conllcomment/a.conll", "conll"),
        ("conllcomment/u.conllu", "conll"),
        ("comment_ner/test.tsv", "conll"),
        ("pubanno/doc.json", "jsonl"),
        ("pubanno/list.json", "jsonl"),
        ("pubanno/one_line.json", "jsonl"),
        ("pubanno/pretty.json", "jsonl"),
        ("doccano/a.jsonl", "jsonl"),
        ("doccano/b.jsonl", "jsonl"),
        ("doccano/spacy.jsonl", "jsonl"),
        ("xml/concat.xml", "pubmed_xml"),
        ("xml/err.xml", "pubmed_xml"),
        ("xml/oai.xml", "pubmed_xml"),
        ("xml/one.xml", "pubmed_xml"),
        ("xml/set.xml", "pubmed_xml"),
    ],
)
def test_detection_of_cases(cases, tmp_path, name, kind):
    """Also under a name that tells nothing."""
    assert formats.detect(cases / name) == kind
    if kind != "text":
        (tmp_path / "in").write_bytes((cases / name).read_bytes())
        assert formats.detect(tmp_path / "in") == kind


def test_what_a_file_is_taken_for_is_said(tmp_path, caplog):
    caplog.set_level("INFO")
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.txt").write_text("a")
    (source / "b.tsv").write_text("<\tO\n")
    (source / "c.tsv").write_text("a\n")
    places.plan(source, tmp_path / "out", "auto", "jsonl")
    places.plan(source / "c.tsv", tmp_path / "out.jsonl", "auto", "jsonl")
    places.plan(source / "c.tsv", tmp_path / "out.jsonl", "lines", "jsonl")
    path = place(tmp_path, "jsonl", JSONL.encode(), "other")
    assert formats.with_relations(path, "auto") == "jsonl"
    assert caplog.messages == [
        f"{source}: read as text (1 files), conll (2 files)",
        f"{source / 'c.tsv'}: read as conll",
        f"{path}: read as jsonl",
    ]


@pytest.mark.parametrize("text", ["", "\n \n", "hello\n1|t|a", "1\t2\t3"])
def test_what_is_no_format(tmp_path, text):
    (tmp_path / "in").write_text(text)
    with pytest.raises(InputError, match="neither PubTator, BioC"):
        list(formats.read(tmp_path / "in", "auto"))


@pytest.mark.parametrize("kind", FILES)
def test_a_failed_run_leaves_the_old_file(tmp_path, kind):
    def interrupted():
        yield documents[0], [NEW]
        raise RuntimeError("no more")

    documents = list(formats.read(place(tmp_path, kind, FILES[kind].encode()), kind))
    out = tmp_path / "out"
    if kind == "brat":
        out.mkdir()
    old = (out / "8.txt") if kind == "brat" else out
    old.write_text("old")
    with pytest.raises(RuntimeError, match="no more"):
        formats.write(out, kind, interrupted())
    assert old.read_text() == "old"
    names = {path.name for path in (out if kind == "brat" else tmp_path).iterdir()}
    assert names == ({"7.txt", "7.ann", "8.txt"} if kind == "brat" else {"in", "out"})


@pytest.mark.parametrize("kind", FILES)
def test_unknown_mentions_are_refused(tmp_path, kind):
    documents = list(formats.read(place(tmp_path, kind, FILES[kind].encode()), kind))
    wrong = [(documents[0], [Relation("r", "T1", "T9")])]
    with pytest.raises(ValueError, match=r"document 7 has no mention \['T9'\]"):
        formats.write(tmp_path / "out", kind, wrong)
    assert not (tmp_path / "out").exists()


PIECES = [
    *(b"\t", b"\n", b" ", b'"', b"<", b">", b"{", b"}", b"[", b"]", b":", b"|", b"&x;"),
    *(b"0", b"9", b"-1", b"99999999999999999999", b"1e400", b"null", b"\\ud800", b"T1"),
    *(b"\xff", b"\x00", b"\xef\xbb\xbf", "\u2028".encode(), b"\r", b"<!-- -->", b"R1"),
]


def damaged(data, rng):
    """A copy of `data` with one to three bites, moves or foreign pieces."""
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.choice([0, 1, 1, 5, 40]))
        piece = rng.choice([b"", rng.choice(PIECES), data[start:end] * 2])
        data = data[:start] + piece + data[end:] or b" "
    return data


def is_sound(mention: Mention, document):
    there = "".join(document.slice(start, end) for start, end in mention.spans)
    return "".join(mention.text.split()) == "".join(there.split())


@pytest.mark.parametrize("kind", FILES)
def test_damage_of_any_kind(tmp_path, kind):
    rng = random.Random(7)
    num_read = 0
    for _ in range(NUM_VARIANTS):
        path = place(tmp_path, kind, damaged(FILES[kind].encode(), rng))
        try:
            documents = list(formats.read(path, kind))
        except InputError as error:
            assert "\n" not in str(error)
            assert str(path) in str(error)
            continue
        num_read += 1
        for one in documents:
            assert all(is_sound(m, one.document) for m in one.document.mentions)
        pairs = [[m.id for m in one.document.mentions] for one in documents]
        new = [[Relation("r", p[0], p[1], 0.5)] if len(p) > 1 else [] for p in pairs]
        formats.write(tmp_path / "out", kind, zip(documents, new, strict=True))
        again = list(formats.read(tmp_path / "out", kind))
        assert [one.document.mentions for one in again] == [
            one.document.mentions for one in documents
        ]
    assert NUM_VARIANTS * 0.05 < num_read < NUM_VARIANTS * 0.8
