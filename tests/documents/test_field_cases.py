# SPDX-License-Identifier: Apache-2.0
"""BioC and PubTator as the field writes them: nothing is lost without a word."""

import gzip
import json
import re

import document_toys as toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields, formats
from biobert_tf.documents.document import Relation
from biobert_tf.relations import writing
from biobert_tf.relations.settings import EntityPairs

TITLE = "Aspirin and nephritis"
ABSTRACT = "Aspirin induced nephritis."


def read(path, kind="auto", **given):
    """The documents of a file, and what is told about the others."""
    told = []
    found = list(formats.read(path, kind, told.append, **given))
    return found, [str(error) for error in told]


def one(path, kind="auto", **given):
    [loaded], told = read(path, kind, **given)
    assert told == []
    return loaded.document


def places(document):
    return [(mention.text, mention.spans) for mention in document.mentions]


def write(path, documents, kind):
    """Writes documents; returns what the format could not hold."""
    return dict(formats.write(path, kind, ((each, ()) for each in documents)).notes)


# --- PubTator3's BioC ----------------------------------------------------------------


def annotation(name, kind, text, offset, **infons):
    location = {"offset": offset, "length": len(text)}
    infons = {"type": kind, **infons}
    return {"id": name, "infons": infons, "text": text, "locations": [location]}


DRUG = annotation("2", "Chemical", "Aspirin", 0, identifier="MESH:D001241")
DISEASE = annotation("3", "Disease", "nephritis", 12, identifier="MESH:D009393")
SECOND = annotation("9", "Chemical", "Aspirin", 22, identifier="MESH:D001241")
ROLES = {
    "role1": {"identifier": "MESH:D001241", "type": "Chemical"},
    "role2": {"identifier": "MESH:D009393", "type": "Disease"},
}
BY_PLACE = [{"refid": "0", "role": "2,1"}]


def relation(nodes=BY_PLACE, **infons):
    infons = {"score": "0.99", "type": "Negative_Correlation", **ROLES, **infons}
    return {"id": "R1", "infons": infons, "nodes": nodes}


def pubtator3(*relations, title=(DRUG, DISEASE), abstract=(SECOND,), **given):
    passages = [
        {"offset": 0, "infons": {"type": "title"}, "text": TITLE},
        {"offset": 22, "infons": {"type": "abstract"}, "text": ABSTRACT},
    ]
    for passage, annotations in zip(passages, (title, abstract), strict=True):
        passage["annotations"] = annotations
    document = {"_id": "7|None", "id": "7", "infons": {}, "passages": passages}
    return {"PubTator3": [{**document, "relations": relations, "pmid": 7, **given}]}


def put(tmp_path, value, name="in.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


BY_CONCEPT = Relation(
    "Negative_Correlation", "MESH:D001241", "MESH:D009393", 0.99, "R1", ("9", "3")
)


def test_relations_of_pubtator3_are_of_concepts(tmp_path):
    document = one(put(tmp_path, pubtator3(relation())))
    assert document.relations == (BY_CONCEPT,)
    assert document.num_unread == 0


def test_full_texts_have_no_nodes(tmp_path):
    document = one(put(tmp_path, pubtator3(relation([]), relation([{}]))))
    assert [(each.first, each.second) for each in document.relations] == [
        ("MESH:D001241", "MESH:D009393")
    ] * 2
    assert document.relations[0].pair is None


def test_a_role_that_no_mention_has_is_the_mention_at_its_place(tmp_path):
    """As in relations of variants, whose mentions have longer identifiers."""
    for name in (None, "-", "RS#:1", [], ["RS#:1"]):
        role = {"identifier": name}
        document = one(put(tmp_path, pubtator3(relation(role2=role))))
        [found] = document.relations
        assert (found.first, found.second) == ("MESH:D001241", "3")


def test_nodes_alone_point_by_place(tmp_path):
    given = relation()
    given["infons"] = {"type": "Bind"}
    document = one(put(tmp_path, pubtator3(given)))
    assert document.relations == (Relation("Bind", "9", "3", None, "R1"),)


XML = """<collection><document><id>7</id>
<passage><offset>0</offset><text>Aspirin and nephritis</text>
<annotation id="2"><infon key="identifier">MESH:D001241</infon>
<infon key="type">Chemical</infon><location offset="0" length="7"/>
<text>Aspirin</text></annotation>
<annotation id="3"><infon key="identifier">MESH:D009393</infon>
<infon key="type">Disease</infon><location offset="12" length="9"/>
<text>nephritis</text></annotation></passage>
<passage><offset>22</offset><text>Aspirin induced nephritis.</text>
<annotation id="9"><infon key="identifier">MESH:D001241</infon>
<infon key="type">Chemical</infon><location offset="22" length="7"/>
<text>Aspirin</text></annotation></passage>
<relation id="R1"><infon key="score">0.99</infon>
<infon key="role1">Chemical|MESH:D001241</infon>
<infon key="role2">Disease|MESH:D009393</infon>
<infon key="type">Negative_Correlation</infon>
<node refid="0" role="2,1"/></relation>
</document></collection>"""


def test_xml_of_pubtator3_says_the_same(tmp_path):
    path = put(tmp_path, XML, "in.xml")
    assert one(path).relations == (BY_CONCEPT,)
    path = put(tmp_path, XML.replace('<node refid="0" role="2,1"/>', "<node/>"), "b")
    [found] = one(path, "bioc_xml").relations
    assert (found.first, found.second, found.pair) == (
        *("MESH:D001241", "MESH:D009393"),
        None,
    )


UNREAD = [
    relation([{"refid": "0", "role": "2,99"}], role1=None),
    relation([{"refid": "77", "role": "a"}, {"refid": "2", "role": "b"}], role2=None),
    relation([{"refid": str(i), "role": ""} for i in (2, 3, 9)], role1={}),
]


@pytest.mark.parametrize("kind", ["jsonl", "pubtator", "brat", "bioc_xml"])
def test_every_conversion_counts_relations_that_are_not_understood(tmp_path, kind):
    path = put(tmp_path, pubtator3(relation(), *UNREAD))
    [loaded], _ = read(path)
    assert (len(loaded.document.relations), loaded.document.num_unread) == (1, 3)
    target = tmp_path / f"out.{kind}"
    assert write(target, [loaded], kind)[
        "relations that are not understood dropped"
    ] == len(UNREAD)
    # Formats without relations of concepts name the two mentions of the node.
    [again] = one(target, kind).relations
    pair = (again.first, again.second)
    named = {"pubtator": (BY_CONCEPT.first, BY_CONCEPT.second), "brat": ("T3", "T2")}
    assert pair == named.get(kind, BY_CONCEPT.pair)
    assert write(tmp_path / "same.json", [loaded], "bioc_json") == {}
    assert json.loads((tmp_path / "same.json").read_text()) == json.loads(
        path.read_text()
    )


def rows(path, target):
    pairs = EntityPairs.parse("Chemical-Gene,Chemical-Disease").pairs
    documents = [loaded.document for loaded in read(path)[0]]
    counts = writing.write_pairs(documents, pairs, "false", target)
    lines = target.read_text("utf-8").splitlines()[1:]
    return counts, [tuple(line.split("\t")[1:]) for line in lines]


def test_training_data_counts_relations_that_are_not_understood(tmp_path):
    counts, _ = rows(put(tmp_path, pubtator3(relation(), *UNREAD)), tmp_path / "out")
    assert counts.relations == 1
    assert counts.summary().splitlines()[-1] == (
        "not used: 3 x relations that are not understood"
    )


def test_one_abstract_of_ncbi_in_two_formats_gives_the_same_rows(data, tmp_path):
    folder = data / "documents" / "pubtator3"
    _, lines = rows(folder / "nm_22429397_abstract_240916.pubtator", tmp_path / "a")
    _, values = rows(folder / "nm_22439397_abstract_240916.json", tmp_path / "b")
    assert values == lines
    assert sum(label == "Negative_Correlation" for _, label in lines) == 6


@pytest.mark.parametrize(
    "name",
    [
        "nm_22439397_abstract_240916.json",
        "10.1016_j.molcel.2019.03.023.json",
        "10.1126_scisignal.abf3535.json",
    ],
)
def test_places_of_real_relations_are_of_their_concepts(data, name):
    document = one(data / "documents" / "pubtator3" / name)
    concepts = {mention.id: mention.concepts for mention in document.mentions}
    assert document.relations
    assert document.num_unread == 0
    for each in document.relations:
        assert each.first in concepts[each.pair[0]]
        assert each.second in concepts[each.pair[1]]
        assert 0 < each.probability <= 1


def test_identifiers_may_be_lists(tmp_path):
    several = annotation("2", "Chemical", "Aspirin", 0, identifier=["D1", 2, "D1"])
    document = one(put(tmp_path, pubtator3(title=(several,))))
    assert document.mentions[0].concepts == ("D1", "2")
    roles = {"role1": {"identifier": ["D9", 2]}, "role2": {"identifier": ["D8"]}}
    document = one(put(tmp_path, pubtator3(relation([], **roles), title=(several,))))
    assert [(each.first, each.second) for each in document.relations] == [("2", "D8")]


def test_infons_of_another_form_are_no_ids(tmp_path):
    value = pubtator3(infons=["a"])
    value["PubTator3"][0]["passages"][0]["infons"] = ["b"]
    assert one(put(tmp_path, value)).id == "7"


@pytest.mark.parametrize(
    ("given", "front", "ids"),
    [
        ({"_id": "29355051|PMC5796662"}, {}, ("29355051", "PMC5796662")),
        (
            {"_id": None, "pmid": 29355051, "pmcid": "PMC5796662"},
            {},
            ("29355051", "PMC5796662"),
        ),
        (
            {"_id": None},
            {"article-id_pmc": "5796662", "article-id_pmid": "29355051"},
            ("29355051", "PMC5796662"),
        ),
        ({"_id": "None|PMC5796662"}, {}, ("PMC5796662", "PMC5796662")),
        ({"_id": "7|PMC1"}, {"article-id_pmc": "PMC1"}, ("5796662", "")),
        (
            {"id": "PMC5796662", "_id": "29355051|PMC5796662"},
            {},
            ("PMC5796662", ""),
        ),
    ],
)
def test_the_id_of_a_full_text_is_its_pmid(tmp_path, given, front, ids):
    """Its `id` is the PMC number, which is the PMID of another article."""
    value = pubtator3(**{"id": "5796662", "pmid": None, **given})
    value["PubTator3"][0]["passages"][0]["infons"] |= front
    [loaded], _ = read(put(tmp_path, value))
    document = loaded.document
    assert (document.id, document.pmc_id) == ids
    formats.write(tmp_path / "out.jsonl", "jsonl", [(loaded, ())])
    line = json.loads((tmp_path / "out.jsonl").read_text())
    assert line["id"] == ids[0]
    assert line.get("pmcid", "") == ids[1]
    for kind in ("bioc_xml", "pubtator"):
        formats.write(tmp_path / kind, kind, [(loaded, ())])
        assert one(tmp_path / kind, kind).id == ids[0]
    assert (ids[1] or TITLE) in (tmp_path / "bioc_xml").read_text()


# --- BioC without ids ----------------------------------------------------------------


@pytest.mark.parametrize("names", [(None, None), ("", ""), ("0", "0"), ("T1", "T1")])
@pytest.mark.parametrize("kind", ["bioc_json", "bioc_xml"])
def test_missing_and_double_ids(tmp_path, kind, names):
    """They are read; a relation that names one is in doubt; new ones name new ids."""
    nodes = [{"refid": names[0] or "", "role": "a"}, {"refid": "3", "role": "b"}]
    doubtful = {"id": "R1", "infons": {"type": "old"}, "nodes": nodes}
    first, second = (
        {**each, "id": name} for each, name in zip((DRUG, SECOND), names, strict=True)
    )
    value = pubtator3(doubtful, title=(first, DISEASE), abstract=(second,))
    text = json.dumps(value)
    if kind == "bioc_xml":
        ids = ["" if name is None else f' id="{name}"' for name in names]
        text = XML.replace(' id="2"', ids[0]).replace(' id="9"', ids[1])
        named = f'<node refid="{names[0] or ""}" role="a"/><node refid="3" role="b"/>'
        text = re.sub(
            "(?s)<relation.*</relation>", "<relation id='R1'>?</relation>", text
        )
        text = text.replace("?", named)
    path = put(tmp_path, text)
    [loaded], _ = read(path, kind)
    document = loaded.document
    new = [document.mentions[0].id, document.mentions[2].id]
    assert len({*new, "3"}) == 3
    assert not {*new} & {*names}
    assert (document.relations, document.num_unread) == ((), 1)
    formats.write(tmp_path / "same", kind, [(loaded, ())])
    assert (tmp_path / "same").read_bytes() == path.read_bytes()
    added = [Relation("new", new[1], "3"), Relation("new", new[0], "3")]
    formats.write(tmp_path / "out", kind, [(loaded, added)])
    again = one(tmp_path / "out", kind)
    assert [mention.id for mention in again.mentions] == [new[0], "3", new[1]]
    assert [(each.first, each.second) for each in again.relations] == [
        (new[1], "3"),
        (new[0], "3"),
    ]
    assert again.num_unread == 1


def test_a_relation_of_no_annotation_means_none_without_an_id(tmp_path):
    nodes = [{"refid": "T1", "role": "a"}, {"refid": "3", "role": "b"}]
    doubtful = {"id": "R1", "infons": {"type": "old"}, "nodes": nodes}
    value = pubtator3(doubtful, title=({**DRUG, "id": ""}, DISEASE))
    document = one(put(tmp_path, value))
    assert document.mentions[0].id == "T1"
    assert (document.relations, document.num_unread) == ((), 1)


def test_cases_of_bioc(cases):
    for name in (
        "noid.xml",
        "noid2.xml",
        "dup.xml",
        "dupids.json",
        "wsoff.xml",
        "ok.json",
    ):
        found = [text for text, _ in places(one(cases / "bioc" / name))]
        assert found in (["Aspirin", "Aspirin"], ["Aspirin", "nephritis"])


def test_case_of_pubtator3(cases):
    [found] = one(cases / "pubtator3" / "relation.json").relations
    assert (found.type, found.probability) == ("Negative_Correlation", 0.99)
    assert (found.first, found.second) == ("MESH:D001241", "MESH:D009369")


# --- PubTator ------------------------------------------------------------------------

HEAD = f"7|t|{TITLE}\n7|a|{ABSTRACT}\n"


@pytest.mark.parametrize(
    "row",
    [
        "7\tT1\tChemical\t0\t7\tAspirin",
        "7\tT1\tChemical\t0\t7\taspirin",
        "7\tChemical\t0\t7\tAspirin",
        "7\tAspirin\tChemical\t0\t7",
        "7\t 0\t7\tAspirin\tChemical\tD1",
        "7\t12.0\t21.0\tnephritis\tDisease\tD2",
        "7\t-1\t7\tAspirin\tChemical",
        "7\t\tD1\tD2",
        "7\tCID\tD1\t",
    ],
)
def test_rows_that_are_neither_mention_nor_relation(tmp_path, row):
    path = put(tmp_path, f"{HEAD}{row}\n\n8|t|Next.\n", "in.pubtator")
    [loaded], [told] = read(path)
    assert loaded.document.id == "8"
    shown = row.replace("\t", "<TAB>")
    assert told.startswith(f"{path}:3: neither a mention nor a relation: {shown}: ")


@pytest.mark.parametrize(
    "row",
    [
        "CID\tD001241\tD009393",
        "Bind\t1576\t5243\t0.25",
        "Bind\t0\t8",
        "Association\tD1\tc|SUB|A|1|G\tNovel",
        "T cell\tT1\tT2",
    ],
)
def test_rows_that_are_relations(tmp_path, row):
    mention = "7\t0\t7\tAspirin\tChemical\n"
    document = one(put(tmp_path, f"{HEAD}{mention}7\t{row}\n", "in.pubtator"))
    [found] = document.relations
    assert [found.type, found.first, found.second] == row.split("\t")[:3]


def test_sections_with_longer_names(tmp_path):
    """As GNorm2 writes full texts; a table between bars stays a text."""
    text = f"7|title|{TITLE}\n7|paragraph|{ABSTRACT}\n7|fig_caption|Fig.\n"
    mention = "7\t22\t29\tAspirin\tChemical\n"
    path = put(tmp_path, f"{text}{mention}", "in")
    document = one(path)
    assert [passage.offset for passage in document.passages] == [0, 22, 49]
    assert places(document) == [("Aspirin", ((22, 29),))]
    write(tmp_path / "out", read(path)[0], "pubtator")
    assert (tmp_path / "out").read_text() == f"{text}{mention}"
    assert formats.detect(put(tmp_path, "name|dose|unit\na|b|c\n", "t.txt")) == "text"


def test_lone_carriage_returns_end_lines(tmp_path):
    text = f"{HEAD}7\t0\t7\tAspirin\tChemical\n7\t12\t21\tnephritis\tDisease\n"
    path = tmp_path / "in.pubtator"
    path.write_bytes(text.replace("\n", "\r").encode())
    [loaded], _ = read(path)
    assert len(loaded.document.passages) == len(loaded.document.mentions) == 2
    added = [Relation("CID", "T1", "T2")]
    formats.write(tmp_path / "out", "pubtator", [(loaded, added)])
    want = f"{text}7\tCID\tT1\tT2\n".replace("\n", "\r")
    assert (tmp_path / "out").read_bytes() == want.encode()


def test_cases_of_pubtator(cases):
    for name in ("fbk.pubtator", "pad.pubtator"):
        found, [told] = read(cases / "ptodd" / name)
        assert found == []
        assert ":3: neither a mention nor a relation: 7<TAB>" in told
    found, _ = read(cases / "ptodd" / "crlf.tsv")
    assert [places(each.document) for each in found] == [
        [("Aspirin", ((0, 7),))],
        [("nephritis", ((0, 9),))],
    ]


def test_five_columns_of_real_files_are_mentions(data):
    for name in ("GNormPlus_Test", "NLMgene_Test"):
        path = data / "documents" / "pubtator" / f"{name}.PubTator"
        found, told = read(path, bad_mentions="keep")
        num_rows = sum(line.count("\t") > 3 for line in path.read_text().splitlines())
        assert told == []
        assert sum(len(each.document.mentions) for each in found) == num_rows


# --- mentions that differ from their text --------------------------------------------

BAD = toys.Document(
    "7",
    "Aspirin and",
    "severe nephritis of aspirin.",
    (
        ("Chemical", "Aspirin", 0),
        ("Disease", "severe nephritis", 0),
        ("Chemical", "aspirin", 0),
    ),
    (("a", "T1", "T2"), ("b", "T1", "T3")),
)
GOOD = toys.Document(
    "8", "Liver cancer.", "Nothing.", (("Disease", "Liver cancer", 0),)
)


def put_bad(tmp_path, kind):
    """Files in which T2 says "severe  nephrosis"."""
    path = toys.write(tmp_path / f"in-{kind}", kind, (BAD, GOOD))
    for file in path.glob("*.ann") if path.is_dir() else [path]:
        end = re.compile('severe nephritis(?= *[<\t\n"](?! of))')
        file.write_text(end.sub("severe  nephrosis", file.read_text("utf-8")))
    return path


DIFFERS = "mentions that differ from their text"


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_a_bad_mention_is_kept(tmp_path, kind):
    path = put_bad(tmp_path, kind)
    notes = formats.Written().notes
    found, told = read(path, kind, bad_mentions="keep", notes=notes)
    assert told == []
    assert dict(notes) == {f"{DIFFERS} carried along": 1}
    bad = found[0].document.bad_mentions
    assert [(each.id, each.text) for each in bad] == [("T2", "severe  nephrosis")]
    assert "the text there is 'severe nephritis'" in bad[0].problem
    assert len(found[0].document.relations) == 2
    for target in toys.FORMATS:
        out = tmp_path / f"out-{target}"
        assert write(out, found, target) == {}
        again, told = read(out, target, bad_mentions="keep")
        assert told == []
        for old, new in zip(found, again, strict=True):
            assert places(new.document) == places(old.document)
            assert [one.type for one in new.document.relations] == [
                one.type for one in old.document.relations
            ]
        assert len(again[0].document.bad_mentions) == 1
    for target in ("conll", "html"):
        lost = write(tmp_path / "out", found, target)
        assert lost[f"{DIFFERS} dropped"] == 1


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_a_bad_mention_is_skipped(tmp_path, kind):
    """With the relation of it; the names in other relations stay right."""
    notes = formats.Written().notes
    path = put_bad(tmp_path, kind)
    found, told = read(path, kind, bad_mentions="skip", notes=notes)
    assert told == []
    assert dict(notes) == {f"{DIFFERS} left out": 1}
    for target in toys.FORMATS:
        write(tmp_path / f"out-{target}", found, target)
        again, told = read(tmp_path / f"out-{target}", target)
        assert told == []
        first, second = (each.document for each in again)
        assert [text for text, _ in places(first)] == ["Aspirin", "aspirin"]
        assert [text for text, _ in places(second)] == ["Liver cancer"]
        names = [first.mentions[0].id, first.mentions[1].id]
        [kept] = first.relations
        assert [kept.type, kept.first, kept.second] == ["b", *names]


@pytest.mark.parametrize("kind", ["bioc_json", "bioc_xml"])
def test_bioc_loses_the_relations_of_a_mention_that_is_skipped(tmp_path, kind):
    """Also one of three mentions, which is not understood; nothing else changes."""
    path = put_bad(tmp_path, kind)
    text = path.read_text("utf-8")
    # The second relation becomes one that is not understood.
    third = {
        "bioc_json": (r'(\{[^{}]*"refid": "T3"[^{}]*\})', r'\1, \1, {"refid": "T2"}'),
        "bioc_xml": (r'(<node refid="T3"[^>]*>)', r'\1<node refid="T2" role="x"/>'),
    }
    text, number = re.subn(*third[kind], text)
    assert number == 1
    path.write_text(text)
    [kept, _], _ = read(path, kind, bad_mentions="keep")
    assert (len(kept.document.relations), kept.document.num_unread) == (1, 1)
    found, told = read(path, kind, bad_mentions="skip")
    assert told == []
    assert (found[0].document.relations, found[0].document.num_unread) == ((), 0)
    write(tmp_path / "out", found, kind)
    out = (tmp_path / "out").read_text("utf-8")
    assert "refid" in text
    assert "refid" not in out
    [again, _], told = read(tmp_path / "out", kind)
    assert told == []
    assert (again.document.relations, again.document.num_unread) == ((), 0)


def test_places_are_no_ids_of_a_mention_that_is_skipped(tmp_path):
    nodes = [{"refid": "0", "role": "9,0"}]
    texts = ("Aspirn", "Aspirin", "Aspirin")
    annotations = [annotation(str(i), "X", one, 0) for i, one in enumerate(texts)]
    annotations[0]["locations"][0]["length"] = 7
    passage = {"offset": 0, "text": "Aspirin", "annotations": annotations}
    related = {"id": "R", "infons": {"type": "x"}, "nodes": nodes}
    value = {"id": "1", "passages": [passage], "relations": [related]}
    path = put(tmp_path, {"documents": [value]})
    [found], _ = read(path, bad_mentions="skip")
    assert len(found.document.mentions) == 2
    assert found.document.num_unread == 1
    write(tmp_path / "out.json", [found], "bioc_json")
    assert '"9,0"' in (tmp_path / "out.json").read_text()


def test_pubannotation_loses_the_attributes_of_an_entity_that_is_skipped(tmp_path):
    ends = {"T1": (0, 7), "T2": (8, 11), "T3": (0, 7)}
    value = {
        "text": "Aspirin and",
        "denotations": [
            {"id": name, "span": {"begin": start, "end": end}, "obj": "X"}
            for name, (start, end) in ends.items()
        ],
        "relations": [
            {"id": "R1", "pred": "x", "subj": "T1", "obj": "T2"},
            {"id": "R2", "pred": "x", "subj": "T1", "obj": "T3"},
        ],
        "attributes": [
            {"id": f"A{i}", "subj": name, "pred": "p", "obj": "T2"}
            for i, name in enumerate(("T1", "T2", "R1", "R2"))
        ],
    }
    value["denotations"][1]["text"] = "nad"
    path = tmp_path / "in.json"
    path.write_text(json.dumps(value))
    [found], told = read(path, bad_mentions="skip")
    assert told == []
    write(tmp_path / "out.json", [found], "jsonl")
    out = json.loads((tmp_path / "out.json").read_text())
    assert [one["id"] for one in out["denotations"]] == ["T1", "T3"]
    assert [one["id"] for one in out["relations"]] == ["R2"]
    assert [one["subj"] for one in out["attributes"]] == ["T1", "R2"]


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_a_bad_mention_is_an_error(tmp_path, kind):
    path = put_bad(tmp_path, kind)
    found, [told] = read(path, kind)
    assert [each.document.id for each in found] == ["8"]
    assert re.search(r":\d+: document 7: mention T2 \('severe  nephrosis' at", told)


def test_brat_loses_what_names_a_mention_that_is_skipped(tmp_path):
    (tmp_path / "a.txt").write_text("ab cd ef")
    lines = [
        "T1\tX 0 2\tab",
        "T2\tX 3 5\tcD",
        "T3\tX 6 8\tef",
        "E1\tBind:T2 Theme:T1",
        "E2\tBind:T3 Cause:E1",
        "A1\tNegation E2",
        "E3\tBind:T3 Theme:T1",
        "*\tEquiv T1 T2",
        "*\tEquiv T1 T3",
        "#1\tAnnotatorNotes T1\tnot T2",
        "#2\tAnnotatorNotes T2\ta note",
        "R1\tr Arg1:T1 Arg2:T2",
        "R2\tr Arg1:T1 Arg2:T3",
    ]
    (tmp_path / "a.ann").write_text("\n".join(lines) + "\n")
    found, _ = read(tmp_path, "brat", bad_mentions="skip")
    write(tmp_path / "out", found, "brat")
    kept = (tmp_path / "out" / "a.ann").read_text().splitlines()
    assert kept == [lines[i] for i in (0, 2, 6, 8, 9, 12)]


def test_a_bad_mention_is_in_no_pair(tmp_path):
    path = put_bad(tmp_path, "pubtator")
    pairs = EntityPairs.parse("Chemical-Disease").pairs
    documents = [
        loaded.document for loaded in formats.read(path, "auto", bad_mentions="keep")
    ]
    counts = writing.write_pairs(documents, pairs, "false", tmp_path / "out")
    assert (counts.pairs, counts.pairs_across) == (0, 0)
    assert (counts.relations_differing, counts.relations_other) == (1, 1)


@pytest.mark.parametrize("start", [-5, 90])
def test_a_bad_place(tmp_path, start):
    """Beyond the text it is carried along; before it no format could hold it."""
    entity = {"start": start, "end": 95, "type": "X"}
    path = put(tmp_path, {"text": "Aspirin.", "entities": [entity]}, "in.jsonl")
    found, told = read(path, bad_mentions="keep")
    if start < 0:
        assert found == []
        assert "-5-95 is not inside the text" in told[0]
        return
    for target in toys.FORMATS:
        write(tmp_path / target, found, target)
        [again], _ = read(tmp_path / target, target, bad_mentions="keep")
        assert [one.spans for one in again.document.bad_mentions] == [((90, 95),)]


def test_case_of_a_mismatch(cases, tmp_path):
    path = cases / "mismatch" / "doc.pubtator"
    found, told = read(path, bad_mentions="keep")
    assert (len(found), told) == (2, [])
    assert len(found[0].document.bad_mentions) == 1
    write(tmp_path / "keep", found, "pubtator")
    assert (tmp_path / "keep").read_bytes() == path.read_bytes()
    found, told = read(path, bad_mentions="skip")
    write(tmp_path / "skip", found, "pubtator")
    lines = path.read_text().splitlines(keepends=True)
    assert (tmp_path / "skip").read_text() == "".join(lines[:2] + lines[3:])
    with pytest.raises(InputError, match="mention T1"):
        list(formats.read(path, "auto"))


def test_a_title_with_tabs_is_no_mention(tmp_path):
    path = tmp_path / "in.pubtator"
    title = "Table\t0\t5\tTable\tX"
    path.write_text(f"7|t|{title}\n7|a|\n7\t0\t5\tTable\tX\n7\t0\t3\tbad\tX\n\n")
    [found], told = read(path, "pubtator", bad_mentions="skip")
    assert told == []
    assert found.document.passages[0].text == title
    assert [text for text, _ in places(found.document)] == ["Table"]


@pytest.mark.parametrize("name", [None, "T2"])
def test_entities_without_an_id_keep_their_names(tmp_path, name):
    entities = [
        {"start": 0, "end": 7, "type": "X", "text": "aspirin"},
        {"start": 12, "end": 21, "type": "X", "id": name},
    ]
    linked = {"type": "r", "first": "T2", "second": "T2"}
    line = {"text": TITLE, "entities": entities, "relations": [linked]}
    path = put(tmp_path, line, "in.jsonl")
    found, _ = read(path, bad_mentions="skip")
    write(tmp_path / "out.jsonl", found, "jsonl")
    again = one(tmp_path / "out.jsonl")
    assert [each.id for each in again.mentions] == ["T2"]
    assert again.relations == (Relation("r", "T2", "T2"),)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        (
            "a.pubtator",
            f"{HEAD}7\t0\t7\taspirin\tX\n",
            "a mention differs from its text",
        ),
        ("a.pubtator", f"{HEAD}7\t0\n", "rows or values that are not understood"),
        ("a.jsonl", '{"text": 1}', "rows or values that are not understood"),
        ("a.jsonl", "{", "not JSON"),
        # The name of a file is no reason.
        ("BioC.JSON.jsonl", '{"text": 1}', "rows or values that are not understood"),
        ("a.jsonl", b"\xff", "not UTF-8"),
        ("a.jsonl", HEAD.encode("utf-16"), "not UTF-8"),
        ("a.json", '{"documents": [3]}', "not BioC"),
        ("a.xml", "<collection>", "not XML"),
        ("a.xml", "<x/>", "not BioC"),
        (
            "a.txt.gz",
            gzip.compress(b"Aspirin. " * 99, mtime=0)[:-9],
            "the file is damaged or missing",
        ),
        ("a.pdf", "%PDF", "its format is unknown"),
        ("a.ann", "", "its format is unknown"),
    ],
)
def test_what_is_left_out_has_a_kind(tmp_path, name, text, kind):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = []
    try:
        list(formats.read(path, "auto", told.append))
    except InputError as error:
        told.append(error)
    assert [fields.kind(error) for error in told] == [kind]


def test_what_a_format_cannot_hold_has_a_kind(tmp_path):
    told = []
    path = put(tmp_path, {"text": "\x00", "id": "a|b"}, "in.jsonl")
    for kind in ("bioc_xml", "pubtator"):
        documents = ((loaded, ()) for loaded in read(path)[0])
        formats.write(tmp_path / kind, kind, documents, told.append)
    assert {fields.kind(error) for error in told} == {"the output cannot hold it"}
    assert len(told) == 2


# --- joiners -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "joiner", [" ", "", " ... ", "...", " [...] ", "\u2026", " | ", ";"]
)
@pytest.mark.parametrize("kind", ["jsonl", "bioc_json", "brat", "pubtator"])
def test_parts_may_be_joined(tmp_path, joiner, kind):
    text = f"Breast{joiner}cancers"
    entity = {"spans": [[0, 6], [19, 26]], "type": "Disease", "text": text}
    line = {"text": "Breast and ovarian cancers respond.", "entities": [entity]}
    path = put(tmp_path, line, "in.jsonl")
    [loaded], told = read(path)
    assert told == []
    assert places(loaded.document) == [(text, ((0, 6), (19, 26)))]
    write(tmp_path / "out", [loaded], kind)
    again = one(tmp_path / "out", kind)
    if kind == "pubtator":
        assert places(again) == [("Breast and ovarian cancers", ((0, 26),))]
    else:
        assert [spans for _, spans in places(again)] == [((0, 6), (19, 26))]


def test_case_of_an_ellipsis(cases):
    assert places(one(cases / "ellipsis" / "doc.json")) == [
        ("Breast ... cancers", ((0, 6), (19, 26)))
    ]
