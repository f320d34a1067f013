# SPDX-License-Identifier: Apache-2.0
"""Entities in all outputs: added to what a file held, and to documents of any other."""

import json
import re
import weakref

import document_toys as toys
import pytest

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats
from biobert_tf.documents.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
)

# Two passages with a gap of one; "breast cancer" goes over a line break.
TITLE, ABSTRACT = "Aspirin \U0001f48a.", "In breast\r\n cancer: COX-1\tbinds."
TEXT = f"{TITLE} {ABSTRACT}"
DOCUMENT = AnnotatedDocument(
    "7", (Passage(0, TITLE), Passage(len(TITLE) + 1, ABSTRACT)), (), ()
)


def mention(text, kind, probability=None, name="", concepts=(), document=DOCUMENT):
    whole = document.slice(0, document.passages[-1].end)
    start = whole.index(text)
    span = (start, start + len(text))
    return Mention(name, kind, (span,), text, concepts, probability)


# Found by two models: the last two overlap.
NEW = [
    mention("Aspirin", "Chemical", 0.98765432),
    mention("breast\r\n cancer", "Disease", 0.5, concepts=("MESH:D001943",)),
    mention("COX-1", "Gene", 1.0),
    mention("COX-1\tbinds", "two words"),
]
ADDED = [*NEW[:2], *[mention("COX-1", "Gene", 1.0, "G"), NEW[3]]]
ADDED.append(Relation("CPR:4", "A", "G", 0.75))
ADDED[0] = mention("Aspirin", "Chemical", 0.98765432, "A")


def write(tmp_path, kind, *documents, **given):
    """Writes documents; returns the path and what was counted."""
    path = tmp_path / "out"
    return path, formats.write(path, kind, documents, **given)


def contents(path):
    if path.is_dir():
        return {file.name: file.read_bytes().decode() for file in path.iterdir()}
    return path.read_bytes().decode()


# --- a document of another format ----------------------------------------------------


def test_new_jsonl(tmp_path):
    path, written = write(tmp_path, "jsonl", (Loaded(DOCUMENT), ADDED))
    assert json.loads(contents(path)) == {
        "id": "7",
        "text": f"{TITLE}\n{ABSTRACT}",
        "entities": [
            {
                **{"id": "A", "start": 0, "end": 7, "type": "Chemical"},
                **{"text": "Aspirin", "probability": 0.987654},
            },
            {
                **{"id": "T1", "start": 14, "end": 29, "type": "Disease"},
                **{"text": "breast\r\n cancer", "probability": 0.5},
                "concepts": ["MESH:D001943"],
            },
            {
                **{"id": "G", "start": 31, "end": 36, "type": "Gene"},
                **{"text": "COX-1", "probability": 1.0},
            },
            {
                **{"id": "T2", "start": 31, "end": 42, "type": "two words"},
                "text": "COX-1\tbinds",
            },
        ],
        "relations": [
            {"type": "CPR:4", "first": "A", "second": "G", "probability": 0.75}
        ],
    }
    assert (written.documents, written.notes) == (1, {})
    assert written.mentions == {"Chemical": 1, "Disease": 1, "Gene": 1, "two words": 1}
    assert written.relations == {"CPR:4": 1}


def test_new_pubtator(tmp_path):
    path, written = write(tmp_path, "pubtator", (Loaded(DOCUMENT), ADDED))
    assert contents(path) == (
        "7|t|Aspirin \U0001f48a.\n"
        "7|a|In breast   cancer: COX-1\tbinds.\n"
        "7\t0\t7\tAspirin\tChemical\t-\t0.987654\n"
        "7\t14\t29\tbreast   cancer\tDisease\tMESH:D001943\t0.500000\n"
        "7\t31\t36\tCOX-1\tGene\t-\t1.000000\n"
        "7\t31\t42\tCOX-1 binds\ttwo words\t-\n"
        "7\tCPR:4\tT1\tT3\t0.750000\n"
        "\n"
    )
    assert written.notes == {"line breaks written as spaces": 2}
    [again] = toys_read(path, "pubtator")
    assert [one.probability for one in again.mentions] == [0.987654, 0.5, 1.0, None]
    assert again.slice(14, 29) == "breast   cancer"


def test_new_brat(tmp_path):
    path, written = write(tmp_path, "brat", (Loaded(DOCUMENT), ADDED))
    assert contents(path) == {
        "7.txt": f"{TITLE}\n{ABSTRACT}",
        "7.ann": (
            "T1\tChemical 0 7\tAspirin\n"
            "#1\tAnnotatorNotes T1\tprobability 0.987654\n"
            "T2\tDisease 14 20;23 29\tbreast cancer\n"
            "N1\tReference T2 MESH:D001943\tbreast cancer\n"
            "#2\tAnnotatorNotes T2\tprobability 0.500000\n"
            "T3\tGene 31 36\tCOX-1\n"
            "#3\tAnnotatorNotes T3\tprobability 1.000000\n"
            "T4\ttwo_words 31 42\tCOX-1\tbinds\n"
            "R1\tCPR:4 Arg1:T1 Arg2:T3\n"
            "#4\tAnnotatorNotes R1\tprobability 0.750000\n"
        ),
    }
    assert written.notes == {}
    [again] = toys_read(path, "brat")
    assert again.mentions[1].concepts == ("MESH:D001943",)
    assert [one.probability for one in again.mentions] == [0.987654, 0.5, 1.0, None]
    assert again.relations[0].probability == 0.75


def test_new_bioc_xml(tmp_path):
    path, written = write(tmp_path, "bioc_xml", (Loaded(DOCUMENT), ADDED))
    text = contents(path)
    assert text.startswith("<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE coll")
    assert text.endswith("</document>\n</collection>\n")
    assert "<offset>11</offset><text>In breast&#13;\n cancer: COX-1\tbinds.</te" in text
    assert (
        '<annotation id="A"><infon key="type">Chemical</infon>'
        '<infon key="probability">0.987654</infon><location offset="0" length="7"/>'
        "<text>Aspirin</text></annotation></passage><passage>"
    ) in text
    assert text.count("<passage>") == 2
    assert '<infon key="identifier">MESH:D001943</infon>' in text
    [again] = toys_read(path, "bioc_xml")
    require_all(again)
    assert written.notes == {}


def test_new_bioc_json(tmp_path):
    path, written = write(tmp_path, "bioc_json", (Loaded(DOCUMENT), ADDED))
    collection = json.loads(contents(path))
    assert {*collection} == {"source", "date", "key", "infons", "documents"}
    [title, abstract] = collection["documents"][0]["passages"]
    assert title["annotations"] == [
        {
            "id": "A",
            "infons": {"type": "Chemical", "probability": "0.987654"},
            "text": "Aspirin",
            "locations": [{"offset": 0, "length": 7}],
        }
    ]
    assert len(abstract["annotations"]) == 3
    require_all(toys_read(path, "bioc_json")[0])
    assert written.notes == {}


def require_all(document):
    """Checks that a document of BioC is what was written."""
    assert document.passages == DOCUMENT.passages
    assert document.relations == (Relation("CPR:4", "A", "G", 0.75, "R1"),)
    found = [(one.type, one.spans[0], one.probability) for one in document.mentions]
    assert found == [
        ("Chemical", (0, 7), 0.987654),
        ("Disease", (14, 29), 0.5),
        ("Gene", (31, 36), 1.0),
        ("two words", (31, 42), None),
    ]
    assert document.mentions[1].concepts == ("MESH:D001943",)


def toys_read(path, kind):
    return [loaded.document for loaded in formats.read(path, kind)]


def test_several_documents_share_a_collection(tmp_path):
    other = AnnotatedDocument("8", (Passage(0, "\u00e9"),), (), ())
    for kind in ("bioc_xml", "bioc_json", "jsonl", "pubtator", "brat"):
        path, written = write(
            tmp_path / kind, kind, *((Loaded(one), []) for one in (DOCUMENT, other))
        )
        assert written.documents == 2
        again = toys_read(path, kind)
        assert [one.id for one in again] == ["7", "8"]
        assert again[1].slice(0, 1) == "\u00e9"


# --- what a format cannot hold -------------------------------------------------------


def one_text(name, text):
    return Loaded(AnnotatedDocument(name, (Passage(0, text),), (), ()))


@pytest.mark.parametrize(
    ("kind", "name", "text", "reason"),
    [
        ("bioc_xml", "8", "a\x00", "document 8: XML cannot hold U+0000; write another"),
        ("bioc_xml", "8\ufffe", "a", "document 8\ufffe: XML cannot hold U+FFFE"),
        ("pubtator", "a|b", "a", "document 'a|b': PubTator cannot hold this id; give"),
        ("pubtator", "", "a", "document '': PubTator cannot hold this id"),
        ("pubtator", "a\nb", "a", "document 'a\\nb': PubTator cannot hold this id"),
        (
            "brat",
            "x" * 201,
            "a",
            "its id cannot be a file name; give one of 1 to 200 bytes",
        ),
        ("brat", "", "a", "document '': its id cannot be a file name"),
        *(
            (kind, "8", "a\ud83d", "document 8: U+D83D is half of a surrogate pair")
            for kind in sorted(formats.WRITTEN)
        ),
    ],
)
def test_what_cannot_be_written_is_told_and_left_out(
    tmp_path, kind, name, text, reason
):
    documents = [(one_text(each, "fine"), []) for each in ("1", "2")]
    documents.insert(1, (one_text(name, text), []))
    bad = []
    path, written = write(tmp_path, kind, *documents, on_bad=bad.append)
    assert written.documents == 2
    assert reason in str(bad[0])
    assert len(bad) == 1
    assert "\n" not in str(bad[0])
    if kind not in ("html", "conll"):
        assert [one.id for one in toys_read(path, kind)] == ["1", "2"]
    with pytest.raises(InputError, match=re.escape(str(bad[0]))):
        write(tmp_path / "strict", kind, *documents)


def test_passages_that_are_no_text(tmp_path):
    far = AnnotatedDocument("8", (Passage(0, "ab"), Passage(1, "cd")), (), ())
    wide = AnnotatedDocument("8", (Passage(0, "ab"), Passage(10**9, "cd")), (), ())
    for document in (far, wide):
        for kind in ("jsonl", "pubtator", "brat", "conll"):
            with pytest.raises(InputError, match="document 8: a passage begins at 1"):
                write(tmp_path, kind, (Loaded(document), []))
        write(tmp_path, "bioc_json", (Loaded(document), []))
        assert toys_read(tmp_path / "out", "bioc_json") == [document]


def test_a_document_may_begin_anywhere(tmp_path):
    late = AnnotatedDocument("8", (Passage(5, "Aspirin"),), (), ())
    new = [Mention("", "C", ((5, 12),), "Aspirin")]
    for kind in ("jsonl", "pubtator", "brat", "bioc_xml"):
        write(tmp_path / kind, kind, (Loaded(late), new))
        [again] = toys_read(tmp_path / kind / "out", kind)
        assert again.mentions[0].spans == ((5, 12),)
        assert again.slice(5, 12) == "Aspirin"


def test_discontinuous_mentions(tmp_path):
    text = one_text("8", "breast and ovarian cancer")
    new = [Mention("", "D", ((0, 6), (19, 25)), "breast cancer")]
    for kind in ("jsonl", "bioc_xml", "bioc_json", "brat"):
        _, written = write(tmp_path / kind, kind, (text, new))
        assert written.notes == {}
        [again] = toys_read(tmp_path / kind / "out", kind)
        assert again.mentions[0].spans == ((0, 6), (19, 25))
    path, written = write(tmp_path, "pubtator", (text, new))
    assert written.notes == {"discontinuous mentions written from end to end": 1}
    assert "8\t0\t25\tbreast and ovarian cancer\tD\t-\n" in contents(path)


def test_relations_of_concepts(tmp_path):
    path = tmp_path / "in"
    path.write_text("1|t|ab\n1\t0\t1\ta\tC\tX\n1\tr\tX\tY\n")
    [loaded] = formats.read(path, "auto")
    for kind in ("jsonl", "brat", "bioc_xml", "bioc_json"):
        _, written = write(tmp_path / kind, kind, (loaded, []))
        assert written.notes["relations of concepts dropped"] == 1
    _, written = write(tmp_path, "pubtator", (loaded, []), is_merged=True)
    assert contents(tmp_path / "out") == contents(path)


def test_concepts_that_one_field_cannot_hold(tmp_path):
    two = [mention("COX-1", "G", concepts=("a|b", "c"))]
    for kind in ("pubtator", "bioc_xml", "bioc_json"):
        path, written = write(tmp_path / kind, kind, (Loaded(DOCUMENT), two))
        assert written.notes["concepts dropped"] == 1
        assert toys_read(path, kind)[0].mentions[0].concepts == ()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a/b", "a%2Fb"),
        ("../x", "%2E.%2Fx"),
        (".hidden", "%2Ehidden"),
        ("50%~\x00", "50%25%7E%00"),
        ("\u00e9 \U0001f48a (1)", "\u00e9 \U0001f48a (1)"),
        ("x" * 200, "x" * 200),
    ],
)
def test_names_of_brat_files(tmp_path, name, file):
    path, _ = write(tmp_path, "brat", *[(one_text(name, str(i)), []) for i in range(3)])
    assert contents(path) == {
        f"{file}{end}.{suffix}": text if suffix == "txt" else ""
        for end, text in (("", "0"), ("~2", "1"), ("~3", "2"))
        for suffix in ("txt", "ann")
    }


# --- a document of the same format ---------------------------------------------------


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_old_entities_stay_and_new_ones_get_free_ids(tmp_path, kind):
    source = toys.write(tmp_path / "in", kind)
    documents = list(formats.read(source, kind))
    new = {
        one.document.id: [
            mention("GAL4", "Gene", 0.5, document=one.document),
            mention(one.document.slice(3, 9), "X", document=one.document),
        ]
        for one in documents
        if "GAL4" in one.document.slice(0, one.document.passages[-1].end)
    }
    added = [(one, new.get(one.document.id, [])) for one in documents]
    path, written = write(tmp_path, kind, *added)
    assert written.mentions == {"Gene": 2, "X": 2}
    again = list(formats.read(path, kind))
    for before, after in zip(documents, again, strict=True):
        old, found = before.document, after.document
        assert found.passages == old.passages
        assert found.relations == old.relations
        kept = [one for one in found.mentions if one in old.mentions]
        assert tuple(kept) == old.mentions
        fresh = [one for one in found.mentions if one not in old.mentions]
        want = new.get(old.id, [])
        # BioC has a passage after the other, not the order of what was added.
        assert sorted((m.spans, m.type, m.text, m.probability) for m in fresh) == (
            sorted((m.spans, m.type, m.text, m.probability) for m in want)
        )
        names = [one.id for one in found.mentions]
        assert len(names) == len({*names})


def test_jsonl_keeps_all_else(tmp_path):
    values = {
        "id": 3,
        "text": "Aspirin binds.",
        "year": 2020,
        "entities": [{"id": "T9", "start": 8, "end": 13, "label": "Verb"}],
    }
    source = tmp_path / "in"
    source.write_text(f"{json.dumps(values)}\n")
    [loaded] = formats.read(source, "jsonl")
    new = [mention("Aspirin", "C", 0.25, document=loaded.document)]
    path, _ = write(tmp_path, "jsonl", (loaded, new))
    entity = {"id": "T10", "start": 0, "end": 7, "type": "C", "text": "Aspirin"}
    assert json.loads(contents(path)) == {
        **values,
        "entities": [*values["entities"], {**entity, "probability": 0.25}],
    }


def test_pubtator_mentions_come_before_relations(tmp_path):
    source = tmp_path / "in"
    before = "1|t|ab c\r\n1|a|\r\n1\t0\t2\tab\tC\tX\r\n"
    source.write_bytes(f"{before}1\tr\tX\tX\r\n\r\n2|t|c".encode())
    first, second = formats.read(source, "pubtator")
    new = [[Mention("", "D", ((3, 4),), "c")], [Mention("", "D", ((0, 1),), "c")]]
    path, _ = write(tmp_path, "pubtator", *zip((first, second), new, strict=True))
    assert contents(path) == (
        f"{before}1\t3\t4\tc\tD\t-\r\n1\tr\tX\tX\r\n\r\n2|t|c\n2\t0\t1\tc\tD\t-\n"
    )


def test_ids_of_other_things_are_not_taken(tmp_path):
    """BioC: an annotation without location, and a relation, have ids too."""
    text = (
        "<collection><document><id>1</id><passage><offset>0</offset><text>ab</text>"
        '<annotation id="T4"/><relation id="T7"/></passage></document></collection>'
    )
    source = tmp_path / "in"
    source.write_text(text)
    [loaded] = formats.read(source, "auto")
    path, _ = write(tmp_path, "bioc_xml", (loaded, [Mention("", "C", ((0, 2),), "ab")]))
    annotation = '<annotation id="T8"><infon key="type">C</infon>'
    assert f'<annotation id="T4"/>{annotation}' in contents(path)
    assert contents(path).endswith(
        '<relation id="T7"/></passage></document></collection>'
    )
    with pytest.raises(ValueError, match="an id of a new mention is taken"):
        write(tmp_path, "bioc_xml", (loaded, [Mention("T4", "C", ((0, 2),), "ab")]))


@pytest.mark.parametrize("kind", ["bioc_xml", "bioc_json"])
def test_annotations_stand_in_their_sentence_or_the_document(tmp_path, kind):
    text = (
        "<document><id>1</id><passage><infon key='a'>b</infon><offset>0</offset>"
        "<sentence><offset>0</offset><text>One.</text></sentence>"
        "<sentence><offset>5</offset><text>Two.</text></sentence></passage>"
        "<relation id='R1'><node refid='x' role=''/></relation></document>"
    )
    values = {
        "id": "1",
        "passages": [
            {
                "offset": 0,
                "sentences": [
                    {"offset": 0, "text": "One."},
                    {"offset": 5, "text": "Two.", "annotations": []},
                ],
            }
        ],
    }
    source = tmp_path / "in"
    source.write_text(
        f"<collection>{text}</collection>" if kind == "bioc_xml" else json.dumps(values)
    )
    [loaded] = formats.read(source, kind)
    spans = {"Two": (5, 8), "One": (0, 3), "One. Two": (0, 8)}
    new = [Mention("", "C", (span,), surface) for surface, span in spans.items()]
    path, _ = write(tmp_path, kind, (loaded, new))
    [again] = toys_read(path, kind)
    assert {one.text: one.spans[0] for one in again.mentions} == spans
    found = contents(path)
    if kind == "bioc_json":
        document = json.loads(found)
        one, two = document["passages"][0]["sentences"]
        assert [item["text"] for item in two["annotations"]] == ["Two"]
        assert [item["text"] for item in one["annotations"]] == ["One"]
        assert [item["text"] for item in document["annotations"]] == ["One. Two"]
        return
    order = re.findall(r"<(passage|sentence|annotation|relation)\b", found)
    assert order == [
        *("passage", "sentence", "annotation", "sentence", "annotation"),
        *("annotation", "relation"),
    ]


def test_a_frame_without_bad_documents(tmp_path):
    """What stands around the documents stays whole, whichever of them is skipped."""
    good = '{"id": "%s", "passages": []}'
    for bad in range(4):
        parts = [good % i if i != bad else '{"id": "x"}' for i in range(4)]
        text = (
            f'[{{"documents": [{parts[0]},\n {parts[1]}], "k": 1}},\n'
            f' {{"documents": [ {parts[2]} ,{parts[3]}]}}]\n'
        )
        source = tmp_path / "in"
        source.write_text(text)
        documents = formats.read(source, "bioc_json", lambda error: None)
        path, _ = write(tmp_path, "bioc_json", *((one, []) for one in documents))
        want = json.loads(text)
        del want[bad // 2]["documents"][bad % 2]
        assert json.loads(contents(path)) == want


# --- mistakes of a caller ------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        ([Mention("", "C", ((0, 3),), "Xsp")], "the text there is 'Asp'"),
        ([Mention("", "C", ((0, 99),), "Asp")], "not inside the text"),
        ([Mention("", "C", (), "")], "empty or reversed span"),
        ([Mention("a", "C", ((0, 3),), "Asp")] * 2, "an id of a new mention is taken"),
        ([Relation("r", "T1", "T2")], r"has no mention \['T1', 'T2'\]"),
    ],
)
def test_mistakes_are_no_input_errors(tmp_path, new, problem):
    bad = []
    with pytest.raises(ValueError, match=problem) as caught:
        write(tmp_path, "jsonl", (Loaded(DOCUMENT), new), on_bad=bad.append)
    assert not isinstance(caught.value, InputError)
    assert not bad
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", sorted(formats.WRITTEN))
def test_documents_are_written_one_by_one(tmp_path, kind):
    alive = weakref.WeakSet()
    most = 0

    def documents():
        nonlocal most
        for i in range(100):
            text = f"Aspirin {i}."
            document = AnnotatedDocument(str(i), (Passage(0, text),), (), ())
            alive.add(document.passages[0])
            most = max(most, len(alive))
            yield Loaded(document), [Mention("", "C", ((0, 7),), "Aspirin", (), 0.5)]
            del document

    formats.write(tmp_path / "out", kind, documents())
    assert most <= 4


def test_standard_output(tmp_path, capfdbinary):
    formats.write(streams.STANDARD, "pubtator", [(one_text("1", "ab"), [])])
    assert capfdbinary.readouterr().out == b"1|t|ab\n1|a|\n\n"
