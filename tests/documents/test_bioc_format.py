# SPDX-License-Identifier: Apache-2.0
"""BioC in XML and JSON: what it says, and the same file with relations added."""

import copy
import gzip
import json

import document_toys as toys
import pytest
from lxml import etree

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.documents import bioc_json, bioc_xml, formats
from biobert_tf.documents.document import Mention, Passage, Relation

# Passages with text and with sentences; annotations in a passage, in a sentence and in
# the document, one without location; relations of two, of one and of no node.
XML = """<?xml version='1.0' encoding='UTF-8' standalone='no'?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection mine="1">
  <source>S</source><date/><key>K</key><infon key="a">1</infon>
  <document>
    <id>10</id>
    <infon key="empty"/><infon key="x">1</infon><infon key="x">2</infon>
    <passage other="y">
      <infon key="type">title</infon>
      <offset>0</offset>
      <text>Aspirin &amp; \U0001f48a ibuprofen</text>
      <annotation id="1">
        <infon key="type">Chemical</infon><infon key="identifier">D1;D2</infon>
        <location offset="0" length="7"/>
        <text>Aspirin</text>
      </annotation>
      <annotation id="m">
        <infon key="type">Disease</infon><infon key="MESH">-1</infon>
        <location offset="12" length="3"/><location offset="19" length="2"/>
        <text>ibu en</text>
      </annotation>
      <annotation id="index"><infon key="type">T</infon><text>pain</text></annotation>
      <relation id="R4">
        <infon key="type">CPR:4</infon><infon key="probability">0.5</infon>
        <node refid="1" role="agent"/><node refid="G" role=""/>
      </relation>
    </passage>
    <passage>
      <offset>22</offset>
      <sentence><offset>22</offset><text>It binds.</text></sentence>
      <sentence><offset>32</offset><text>COX-1.</text>
        <annotation id="G">
          <location offset="32" length="5"/><text>COX-1</text>
        </annotation>
      </sentence>
    </passage>
    <annotation id="D"><infon key="type">T</infon>
      <location offset="19" length="5"/><text>en It</text></annotation>
    <relation id="R9"><node refid="1" role="trigger"/></relation>
    <relation id="X7"><node refid="R4" role="a"/><node refid="1" role="b"/></relation>
    <relation><infon key="relation">CID</infon><infon key="Chemical">D1</infon>
      <infon key="Disease">D003</infon></relation>
    <relation id="b"><infon key="type">Bind</infon><infon key="entity1">1</infon>
      <infon key="entity2">2</infon></relation>
    <unknown/>
  </document>
  <document><id>11</id><!-- kept --><passage><offset>0</offset></passage></document>
  <later/>
</collection>
"""
MENTIONS = (
    Mention("1", "Chemical", ((0, 7),), "Aspirin", ("D1", "D2")),
    Mention("m", "Disease", ((12, 15), (19, 21)), "ibu en"),
    Mention("G", "", ((32, 37),), "COX-1"),
    Mention("D", "T", ((19, 24),), "en It"),
)
PASSAGES = (
    Passage(0, "Aspirin & \U0001f48a ibuprofen"),
    Passage(22, "It binds."),
    Passage(32, "COX-1."),
)
RELATIONS = (
    Relation("CPR:4", "1", "G", 0.5, "R4"),
    Relation("CID", "D1", "D003"),
    Relation("Bind", "1", "2", None, "b"),
)
NEW = [Relation("CPR:3", "m", "G", 0.98765432), Relation("CPR:9", "1", "m")]


def load_xml(tmp_path, text, name="in.xml"):
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return toys.read(bioc_xml, path)


def canonical(text):
    tree = etree.fromstring(text if isinstance(text, bytes) else text.encode())
    for element in tree.iter():
        if element.tag not in ("text", "infon"):
            element.text = (element.text or "").strip()
        element.tail = (element.tail or "").strip()
    return etree.tostring(tree, method="c14n")


def test_xml_reads_all(tmp_path):
    first, second = (loaded.document for loaded in load_xml(tmp_path, XML))
    assert (first.id, second.id) == ("10", "11")
    assert first.passages == PASSAGES
    assert first.mentions == MENTIONS
    assert first.relations == RELATIONS
    assert (second.passages, second.mentions, second.relations) == ((), (), ())


@pytest.mark.parametrize("name", ["out.xml", "out.xml.gz"])
def test_xml_comes_back_with_all_it_held(tmp_path, name):
    documents = load_xml(tmp_path, XML, "in" + name[3:])
    path = tmp_path / name
    assert (
        formats.write(path, "bioc_xml", [(one, []) for one in documents]).documents == 2
    )
    data = path.read_bytes()
    text = gzip.decompress(data) if name.endswith("gz") else data
    assert canonical(text) == canonical(XML)
    assert text.startswith(
        b"<?xml version='1.0' encoding='UTF-8' standalone='no'?>\n"
        b'<!DOCTYPE collection SYSTEM "BioC.dtd">\n<collection mine="1">'
    )
    assert all(line.strip() for line in text.splitlines())
    formats.write(
        tmp_path / ("again" + name), "bioc_xml", [(one, []) for one in documents]
    )
    assert (tmp_path / ("again" + name)).read_bytes() == data


def test_xml_relations_are_added(tmp_path):
    documents = load_xml(tmp_path, XML)
    path = tmp_path / "out.xml"
    formats.write(path, "bioc_xml", zip(documents, [NEW, []], strict=True))
    added = (
        '<relation id="R10"><infon key="type">CPR:3</infon>'
        '<infon key="probability">0.987654</infon>'
        '<node refid="m" role="Arg1"/><node refid="G" role="Arg2"/></relation>'
        '<relation id="R11"><infon key="type">CPR:9</infon>'
        '<node refid="1" role="Arg1"/><node refid="m" role="Arg2"/></relation>'
    )
    want = XML.replace("<unknown/>", f"<unknown/>{added}")
    assert canonical(path.read_bytes()) == canonical(want)
    again = toys.read(bioc_xml, path)[0].document
    assert again.relations[3:] == (
        Relation("CPR:3", "m", "G", 0.987654, "R10"),
        Relation("CPR:9", "1", "m", None, "R11"),
    )
    formats.write(path, "bioc_xml", [(one, []) for one in documents])
    assert canonical(path.read_bytes()) == canonical(XML)


def test_xml_may_be_written_in_place(tmp_path):
    load_xml(tmp_path, XML)
    path = tmp_path / "in.xml"
    with streams.reading(path) as stream:
        documents = ((one, []) for one in bioc_xml.read(stream))
        assert formats.write(path, "bioc_xml", documents).documents == 2
    assert canonical(path.read_bytes()) == canonical(XML)


def test_xml_without_documents(tmp_path):
    assert load_xml(tmp_path, "<collection><source/></collection>") == []
    formats.write(tmp_path / "out.xml", "bioc_xml", [])
    assert canonical((tmp_path / "out.xml").read_bytes()) == (
        b"<collection><source></source><date></date><key></key></collection>"
    )


def test_xml_in_another_encoding(tmp_path):
    text = XML.replace("UTF-8", "ISO-8859-1").replace("\U0001f48a", "\xe9")
    path = tmp_path / "in.xml"
    path.write_bytes(text.encode("latin-1"))
    documents = toys.read(bioc_xml, path)
    assert documents[0].document.passages[0].text == "Aspirin & \xe9 ibuprofen"
    formats.write(path, "bioc_xml", [(one, []) for one in documents])
    assert "\xe9".encode() in path.read_bytes()


def test_xml_is_read_document_by_document(tmp_path):
    path = tmp_path / "in.xml"
    document = XML[XML.index("<document>") : XML.index("</document>") + 11]
    path.write_text(f"<collection>{document * 100}<broken", encoding="utf-8")
    with streams.reading(path) as stream:
        documents = bioc_xml.read(stream)
        first, *_ = (next(documents) for _ in range(3))
        assert first.document.mentions == MENTIONS
        with pytest.raises(InputError, match=r"in\.xml:\d+: not XML"):
            list(documents)


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("</collection>", "", 50, "not XML"),
        ("<date/>", "<date>", 50, "not XML around the documents: Opening and"),
        ("collection", "set", 3, "not BioC: the root is <set>, not <collection>"),
        (">Aspirin</text>", ">aspirin</text>", 5, "document 10: mention 1 ('aspirin'"),
        ('"0" length="7"', '"-1" length="7"', 5, "not inside the text, which is 0-38"),
        ('"0" length="7"', '"0" length="-7"', 5, "empty or reversed span"),
        ('"0" length="7"', '"0" length="x"', 5, "document number 1 is not valid BioC"),
        ('"0" length="7"', '"0"', 5, "'length' is missing"),
        ("<offset>0</offset>", "", 5, "document number 1 is not valid BioC"),
        ("<offset>0</offset>", "<offset>a</offset>", 5, "'a'"),
        ("<offset>0</offset>", f"<offset>{'9' * 5000}</offset>", 5, "4300 digits"),
        (' role="trigger"', "", 5, "'role' is missing"),
        ("ibuprofen</text>", "<i>ibuprofen</i></text>", 5, "markup or a comment"),
        ("ibuprofen</text>", "<!-- -->ibuprofen</text>", 5, "markup or a comment"),
        ("&amp;", "&alpha;", 11, "Entity 'alpha' not defined"),
    ],
)
def test_broken_xml(tmp_path, old, new, line, problem):
    assert old in XML
    with pytest.raises(InputError) as caught:
        load_xml(tmp_path, XML.replace(old, new))
    message = str(caught.value)
    assert problem in message
    assert message.startswith(f"{tmp_path / 'in.xml'}:{line}: ")
    assert "\n" not in message


def test_bytes_instead_of_characters_are_named(tmp_path):
    with pytest.raises(InputError, match="its offsets seem to count UTF-8 bytes"):
        load_xml(
            tmp_path,
            XML.replace('"12" length="3"', '"15" length="3"').replace(
                '"19" length="2"', '"22" length="2"'
            ),
        )


@pytest.mark.parametrize("text", ["", "hello", "<collection", "\x00"])
def test_what_is_no_xml(tmp_path, text):
    with pytest.raises(InputError, match=r"in\.xml:1: not XML"):
        load_xml(tmp_path, text)


@pytest.mark.parametrize(
    "entity",
    ['x "boom"', 'x SYSTEM "secret.txt"', '% x SYSTEM "secret.txt"'],
)
def test_entities_are_refused(tmp_path, entity):
    (tmp_path / "secret.txt").write_text("secret")
    declared = f'"BioC.dtd" [<!ENTITY {entity}>]'
    with pytest.raises(InputError, match="declares entities"):
        load_xml(tmp_path, XML.replace('"BioC.dtd"', declared))


def test_the_dtd_is_not_read(tmp_path):
    (tmp_path / "BioC.dtd").write_text('<!ENTITY alpha "secret">')
    with pytest.raises(
        InputError, match=r"in\.xml:11: not XML: Entity 'alpha' not defined$"
    ):
        load_xml(
            tmp_path,
            XML.replace("&amp;", "&alpha;")
            .replace("'no'", "'yes'")
            .replace(" standalone='yes'", ""),
        )


# --- JSON ---------------------------------------------------------------------------

DOCUMENT = {
    "_id": "10|None",
    "id": 10,
    "infons": {"license": None, "deep": {"a": [1]}},
    "passages": [
        {
            "infons": {"type": "title"},
            "offset": 0,
            "text": "Aspirin & \U0001f48a ibuprofen",
            "sentences": [],
            "annotations": [
                {
                    "id": 1,
                    "infons": {"type": "Chemical", "identifier": "D1;D2", "n": [2]},
                    "text": "Aspirin",
                    "locations": [{"offset": 0, "length": 7, "mine": True}],
                },
                {
                    "id": "m",
                    "infons": {"type": "Disease", "identifier": None},
                    "text": "ibu en",
                    "locations": [
                        {"offset": 12, "length": 3},
                        {"offset": 19, "length": 2},
                    ],
                },
                {"id": "index", "text": "pain", "locations": []},
            ],
            "relations": [
                {
                    "id": "R4",
                    "infons": {"type": "CPR:4", "probability": "0.5"},
                    "nodes": [{"refid": 1, "role": "agent"}, {"refid": "G"}],
                }
            ],
        },
        {
            "offset": 22,
            "infons": None,
            "sentences": [
                {"offset": 22, "text": "It binds."},
                {
                    "offset": 32,
                    "text": "COX-1.",
                    "annotations": [
                        {"id": "G", "locations": [{"offset": 32, "length": 5}]}
                    ],
                },
            ],
        },
    ],
    "annotations": [
        {
            "id": "D",
            "infons": {"type": "T"},
            "text": "en It",
            "locations": [{"offset": 19, "length": 5}],
        }
    ],
    "relations": [
        {"id": "R9", "infons": {}, "nodes": [{"refid": "1", "role": "trigger"}]},
        {"infons": {"relation": "CID", "Chemical": "D1", "Disease": "D003"}},
        {
            "id": "b",
            "infons": {"type": "Bind", "entity1": "1", "entity2": "2"},
            "nodes": [],
        },
    ],
    "authors": ["A", "B"],
}
OTHER = {"id": "11", "infons": {}, "passages": [], "year": 2001}
COLLECTION = {"source": "S", "mine": 1, "documents": [DOCUMENT, OTHER], "after": {}}


def load_json(tmp_path, value):
    path = tmp_path / "in.json"
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return toys.read(bioc_json, path)


def written_json(tmp_path, documents):
    path = tmp_path / "out.json"
    assert formats.write(path, "bioc_json", documents).documents == len(documents)
    return path.read_text("utf-8")


def test_json_reads_all(tmp_path):
    first, second = (loaded.document for loaded in load_json(tmp_path, COLLECTION))
    assert (first.id, second.id) == ("10", "11")
    assert first.passages == PASSAGES
    assert first.mentions == MENTIONS
    assert first.relations == RELATIONS
    assert second.passages == ()


SHAPES = [
    COLLECTION,
    {"PubTator3": [DOCUMENT, OTHER], "page": 1},
    [DOCUMENT, OTHER],
    [{"documents": [DOCUMENT], "key": "k"}, {"documents": []}, {"documents": [OTHER]}],
    DOCUMENT,
    {"documents": []},
    [],
]


@pytest.mark.parametrize("shape", SHAPES)
def test_json_comes_back_with_all_it_held(tmp_path, shape):
    documents = load_json(tmp_path, shape)
    assert len(documents) == json.dumps(shape).count('"passages"')
    text = written_json(tmp_path, [(one, []) for one in documents])
    written_json(tmp_path, [(one, NEW[:0]) for one in documents[:1]])
    if documents:
        assert text == (tmp_path / "in.json").read_text("utf-8")


@pytest.mark.parametrize("shape", SHAPES[:5])
def test_json_relations_are_added(tmp_path, shape):
    documents = load_json(tmp_path, shape)
    text = written_json(
        tmp_path, [(one, NEW if i == 0 else []) for i, one in enumerate(documents)]
    )
    new = [
        {
            "id": "R10",
            "infons": {"type": "CPR:3", "probability": "0.987654"},
            "nodes": [{"refid": "m", "role": "Arg1"}, {"refid": "G", "role": "Arg2"}],
        },
        {
            "id": "R11",
            "infons": {"type": "CPR:9"},
            "nodes": [{"refid": "1", "role": "Arg1"}, {"refid": "m", "role": "Arg2"}],
        },
    ]
    expanded = json.dumps({**DOCUMENT, "relations": DOCUMENT["relations"] + new})
    assert json.loads(text) == json.loads(
        json.dumps(shape).replace(json.dumps(DOCUMENT), expanded)
    )
    again = load_json(tmp_path, text)[0].document
    assert again.relations[3] == Relation("CPR:3", "m", "G", 0.987654, "R10")


def test_json_lines_stay_lines(tmp_path):
    text = "\ufeff" + json.dumps(DOCUMENT) + "\n\n" + json.dumps(OTHER)
    documents = load_json(tmp_path, text)
    lines = written_json(tmp_path, [(documents[0], NEW), (documents[1], [])]).split(
        "\n"
    )
    assert len(lines) == 3
    assert json.loads(lines[1]) == OTHER
    assert len(json.loads(lines[0])["relations"]) == 5
    with pytest.raises(InputError, match=r"in\.json:2: not JSON"):
        load_json(tmp_path, json.dumps(OTHER) + "\n{oops}")
    with pytest.raises(InputError, match=r"in\.json:2: not BioC: want an object"):
        load_json(tmp_path, json.dumps(OTHER) + "\n3")


def changed(keys, value):
    root = copy.deepcopy(COLLECTION)
    inner = root
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return root


ANNOTATION = ("documents", 0, "passages", 0, "annotations", 0)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", ":1: not JSON"),
        ('{"documents": [}', ":1: not JSON"),
        ("3", ":1: not BioC: want an object"),
        ({}, ":1: not BioC: want an object"),
        ({"documents": {}}, ":1: not BioC: want an object"),
        ([{"documents": [3]}], "document number 1 is not valid BioC"),
        ([3], "document number 1 is not valid BioC"),
        ([{"id": 3}], "document number 1 is not valid BioC: 'passages' is missing"),
        ([OTHER, COLLECTION], ":1: collections beside documents in one list; not BioC"),
        (
            changed((*ANNOTATION, "text"), "aspirin"),
            "document 10: mention 1 ('aspirin'",
        ),
        (changed((*ANNOTATION, "text"), 5), "the text of annotation 1 is not a string"),
        (changed((*ANNOTATION, "infons"), [1]), "document number 1 is not valid BioC"),
        (changed((*ANNOTATION, "locations"), 5), "document number 1 is not valid BioC"),
        (
            changed((*ANNOTATION, "locations", 0, "offset"), "0"),
            "an offset is '0', not",
        ),
        (changed((*ANNOTATION, "locations", 0, "length"), 7.0), "a length is 7.0, not"),
        (changed(("documents", 0, "passages", 0, "offset"), None), "an offset is None"),
        (changed(("documents", 0, "passages", 0, "text"), 5), "is not valid BioC"),
        (
            changed(("documents", 1, "passages"), [{"offset": 0, "text": 5}]),
            "number 2 is not valid BioC: the text of a passage is not a string",
        ),
        (changed(("documents", 0, "passages"), None), "document number 1 is not"),
        (changed(("documents", 1), "passages"), "document number 2 is not"),
        (
            '{"documents": [{"id": "1", "passages": [], "x": '
            + "[" * 600
            + "]" * 600
            + "}]}",
            "maximum recursion depth exceeded",
        ),
        ('{"documents": [], "a": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_broken_json(tmp_path, value, problem):
    with pytest.raises(InputError) as caught:
        load_json(tmp_path, value)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'in.json'}:")
