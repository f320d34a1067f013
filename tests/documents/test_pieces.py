# SPDX-License-Identifier: Apache-2.0
"""Files cut into documents: in pieces of any size, with anything around and inside."""

import io
import json
import random
import tracemalloc
from pathlib import Path

import pytest
from lxml import etree

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.documents import json_pieces, xml_pieces
from biobert_tf.documents.framed import Frame


class Dripping(io.BytesIO):
    """Gives few bytes at a time, as a slow pipe does."""

    def __init__(self, data, size):
        super().__init__(data)
        self._size = size

    def read1(self, size=-1):
        return super().read1(self._size)


@pytest.fixture
def cut(monkeypatch):
    """Cuts a text, read in steps of a size; gives pieces, frame and what is told."""

    def run(module, text, size=1 << 16):
        monkeypatch.setattr(streams, "_HEAD_BYTES", min(size, 1 << 16))
        data = text.encode("utf-8", "surrogateescape")
        stream = Stream(Path("in"), Dripping(data, size))
        frame = Frame("," if module is json_pieces else "\n")
        found, told = [], ""
        try:
            for piece in module.pieces(stream, frame):
                found.append(piece)
        except InputError as error:
            told = str(error)
        return found, frame, told

    return run


def joined(pieces, frame):
    """The file again."""
    parts = dict(frame.parts)
    texts = [parts.get(piece.number, frame.separator) + piece.text for piece in pieces]
    return "".join(texts) + frame.tail


def any_value(rng, depth=0):
    kind = rng.randrange(4 if depth > 3 else 6)
    if kind < 2:
        pieces = ['"', "\\", "{", "}", "[", "]", ":", ",", "\n", "\u00e9", "\U0001f48a"]
        pieces += ["documents", "PubTator3", "passages", " ", "\\u0041", "\x00", "\t"]
        return "".join(rng.choice(pieces) for _ in range(rng.randrange(6)))
    if kind < 4:
        return rng.choice([None, True, 0, -1.5e300, 10**20, [], {}])
    inner = [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return inner
    return {any_key(rng, i): value for i, value in enumerate(inner)}


def any_key(rng, i):
    return rng.choice(["documents", "PubTator3", "passages", "x", f'"{i}\\', f"{i}"])


def any_file(rng):
    documents = [
        {"passages": any_value(rng, 1), "y": any_value(rng)}
        for _ in range(rng.randrange(5))
    ]
    shape = rng.randrange(4)
    if shape == 0:
        key = rng.choice(["documents", "PubTator3"])
        return documents, {"a": any_value(rng, 3), key: documents, "z": any_value(rng)}
    if shape == 1:
        return documents, documents
    if shape == 2:
        half = len(documents) // 2
        parts = documents[:half], [], documents[half:]
        return documents, [{"b": 1, "documents": part, "e": []} for part in parts]
    return documents[:1] or [{}], documents[0] if documents else {}


@pytest.mark.parametrize("seed", range(150))
def test_json_of_any_kind(cut, seed):
    rng = random.Random(seed)
    documents, value = any_file(rng)
    text = json.dumps(
        value, indent=rng.choice([None, 1]), ensure_ascii=rng.choice([True, False])
    )
    for size in (1, rng.randrange(2, 40), 1 << 16):
        pieces, frame, told = cut(json_pieces, text, size)
        assert told == ""
        assert [json.loads(piece.text) for piece in pieces] == documents
        assert [piece.number for piece in pieces] == [*range(1, len(pieces) + 1)]
        for piece in pieces:
            before = text.split("\n")[: piece.line]
            assert piece.text.split("\n")[0] in before[-1]
        assert joined(pieces, frame) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "in:1: not JSON"),
        (" \n ", "in:1: not JSON"),
        ('{"a": "\udcff", "documents": [{}]}', "in:1: byte 0xff is not UTF-8"),
        ('{"documents": [{}],\n"a": "\udcff"}', "in:2: byte 0xff is not UTF-8"),
        ('\n{"documents": [{}, {"a": 1}', "in:2: not JSON: the file ends"),
        ('{"documents": [{}, {"a"', "in:1: not JSON: the file ends inside document 2"),
        ('{"documents": [{}, {"a\\"', "in:1: not JSON: a string has no end"),
        ('{"documents": [{}}', "in:1: not JSON: } closes nothing"),
        ('{"documents": [{}]}]', "in:1: not JSON: text after the end"),
        ('{"documents": [{}]} {}', "in:1: not JSON: text after the end"),
        ('{"documents": [{},,{}]}', "in:1: not JSON: Expecting value"),
        ('{"documents": [{} {}]}', "in:1: not JSON: Expecting ',' delimiter"),
        ('{"documents": [{},]}', "in:1: not JSON: "),
        ('{"documents": [{}], "a": x}', "in:1: not JSON: Expecting value"),
        ("7", "in:1: not BioC: want an object"),
        ('[{"documents": []}, {}]', "in:1: documents beside collections in one list"),
        ('[{}, {"documents": []}]', "in:1: collections beside documents in one list"),
        ('[{"documents": []}, {"documents": {}}]', "in:1: documents beside collect"),
    ],
)
def test_json_that_is_broken(cut, text, told):
    for size in (1, 1 << 16):
        _, frame, found = cut(json_pieces, text, size)
        assert found.startswith(told), found
        frame.text().encode("utf-8")


def test_json_documents_may_be_anything(cut):
    members = ["12", '"a"', '[{"documents": []}]', "-1.5e+300", '{"a": 1}', "{}"]
    text = f'{{"documents": [{", ".join(members)}, nonsense, 12]}}'
    for size in (*range(1, 40), 1 << 16):
        pieces, frame, told = cut(json_pieces, text, size)
        assert [piece.text for piece in pieces] == members
        # Nothing behind has passages, where reading could continue.
        assert told == "in:1: not JSON: Expecting value"
        assert frame.text("0") == '{"documents": [0]}'


def test_json_lines(cut):
    text = '\ufeff{"a":\n1}\n\n{"b": [}\n nonsense \n{"c": 3}'
    for size in (1, 1 << 16):
        pieces, frame, told = cut(json_pieces, text, size)
        assert [(piece.text, piece.line) for piece in pieces] == [
            ('{"a":\n1}', 1),
            ('{"b": [}', 4),
            ("nonsense", 5),
            ('{"c": 3}', 6),
        ]
        assert all(piece.is_root for piece in pieces)
        assert (frame.separator, frame.tail, told) == ("\n", "\n", "")


# --- XML -----------------------------------------------------------------------------

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE collection SYSTEM "B">\n<collection a="1">\n'
INSIDE = [
    "",
    "<id>7</id>",
    "<documents/>",
    "<a b='>'/>",
    "text &lt;document&gt;",
    "\u00e9\U0001f48a\n",
    "<!-- kept -->",
    "<!-- <document> - </document> -->",
    "<![CDATA[ </document> <!-- ]]>",
    "<![CDATA[]]><!---->",
    "<document2>x</document2>",
]


@pytest.mark.parametrize("seed", range(60))
def test_xml_of_any_kind(cut, seed):
    rng = random.Random(seed)
    documents = [
        rng.choice(["<document>", "<document\n x='1' >"])
        + "".join(rng.choice(INSIDE) for _ in range(rng.randrange(4)))
        + rng.choice(["</document>", "</document >"])
        for _ in range(rng.randrange(1, 5))
    ]
    if rng.random() < 0.3:
        documents[-1] = "<document/>"
    separator = rng.choice(["", "\n", "\n  "])
    text = f"{HEAD}<source/>{separator.join(documents)}\n<later/></collection>\n"
    for size in (1, rng.randrange(2, 40), 1 << 16):
        pieces, frame, told = cut(xml_pieces, text, size)
        assert [piece.text for piece in pieces] == documents
        assert told == ""
        assert joined(pieces, frame) == text
        for piece in pieces:
            element = xml_pieces.element(piece, Path("in"))
            assert element.tag == "document"
            assert piece.text.split("\n")[0] in text.split("\n")[piece.line - 1]


def test_xml_damage_costs_one_document(cut):
    bad = [
        "<document><id>2</document>",
        "<document><id>3</id>",
        "<document>&nbsp;</document>",
        "<document>\x01</document>",
        "</document>",
        "<document>\udcff</document>",
        "<document><a x=1/></document>",
        "<document><!-- </document>",
        "<document><![CDATA[ </document>",
        "<document><!-- -- </document>",
    ]
    good = "<document><id>1</id><!-- a --><![CDATA[ ]]></document>"
    for one in bad:
        text = f"<collection>\n{good}\n{one}\n{good}\n</collection>"
        pieces, _, told = cut(xml_pieces, text)
        assert told == ""
        assert [piece.text.strip() for piece in pieces] == [good, one, good]
        assert [piece.line for piece in pieces] == [2, 3, 4]
        with pytest.raises(InputError, match=r"in:[34]: (not XML|byte 0xff)"):
            xml_pieces.element(pieces[1], Path("in"))


def test_xml_tags_that_are_text(cut):
    """Also in comments between documents, and where nothing ends them."""
    good = "<document><id>1</id></document>"
    for text, number in (
        (f"<collection><!-- {good} -->{good}<!-- {good} -->\n{good}</collection>", 2),
        (f"<!-- <document> --><collection>{good}</collection>", 1),
        (f"<collection>{good}<!-- {good}{good}", 3),
        (f"<collection>{good}<![CDATA[ {good}", 2),
    ):
        for size in (1, 2, 3, 1 << 16):
            pieces, frame, _ = cut(xml_pieces, text, size)
            assert [piece.text for piece in pieces] == [good] * number
            if frame.tail is not None:
                assert joined(pieces, frame) == text


def test_a_comment_without_an_end_is_not_held(monkeypatch):
    monkeypatch.setattr(xml_pieces, "_LONGEST_SKIPPED", 1000)
    good = "<document><id>1</id></document>\n"
    text = f"<collection><document><!-- </document>{good * 1000}</collection>"
    monkeypatch.setattr(streams, "_HEAD_BYTES", 500)
    stream = Stream(Path("in"), raw := Dripping(text.encode(), 500))
    pieces = xml_pieces.pieces(stream, Frame(""))
    next(pieces)
    assert raw.tell() < 5000
    assert len([*pieces]) == 1000


def test_xml_text_between_documents_is_kept(cut):
    text = "<collection><document/> <!-- a --><document/>\n<b/></collection>"
    pieces, frame, _ = cut(xml_pieces, text, 3)
    assert joined(pieces, frame) == text
    assert frame.text() == "<collection> <!-- a -->\n<b/></collection>"


@pytest.mark.parametrize(
    ("text", "told", "number"),
    [
        ("<collection><document/>", "in:1: not XML around the documents", 1),
        ("<collection><document>\n", "in:2: not XML around the documents", 1),
        ("<collection><document/><b></collection>", "in:1: not XML around", 1),
        ("<collection><document/></collection>x", "in:1: not XML around", 1),
        ("<collection>\udcff<document/></collection>", "in:1: byte 0xff is not", 0),
        ("<collection><document/>\n\udcff</collection>", "in:2: byte 0xff is not", 1),
        (
            "<?xml version='1.0' encoding='x'?><collection/>",
            "in:1: its encoding 'x'",
            0,
        ),
        (
            "<?xml version='1.0' encoding='ascii'?><collection>\u00e9</collection>",
            "in: not ascii, the encoding it declares; convert it to UTF-8",
            0,
        ),
    ],
)
def test_xml_that_is_broken(cut, text, told, number):
    pieces, frame, found = cut(xml_pieces, text)
    assert found.startswith(told), found
    assert len(pieces) == number
    # What is written of such a file is whole.
    if number and "<b>" not in text:
        etree.fromstring(frame.text())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "iso-8859-1", "cp1252"])
def test_xml_in_any_encoding(monkeypatch, encoding):
    declared = "utf-16" if "16" in encoding else encoding
    text = (
        f"<?xml version='1.0' encoding='{declared}'?>\n"
        "<collection><document>\u00e9</document></collection>"
    )
    data = text.encode(encoding)
    if encoding == "utf-16-le":
        data = b"\xff\xfe" + data
    frame = Frame("")
    stream = Stream(Path("in"), io.BytesIO(data))
    [piece] = xml_pieces.pieces(stream, frame)
    assert xml_pieces.element(piece, Path("in")).text == "\u00e9"
    assert frame.text().startswith("<?xml version='1.0' encoding='UTF-8'?>\n")


def test_prefixes_of_the_collection(cut):
    text = '<collection xmlns:x="u&amp;v"><document x:a="1"/></collection>'
    [piece], _, _ = cut(xml_pieces, text)
    element = xml_pieces.element(piece, Path("in"))
    assert element.attrib == {"{u&v}a": "1"}


def test_a_long_document_costs_its_size(cut):
    """What is looked at again and again would cost the square of it."""
    document = "<document>" + "x" * 3_000_000 + "</document>"
    quoted = json.dumps({"passages": "x" * 3_000_000})
    for module, text in (
        (xml_pieces, f"<collection>{document}</collection>"),
        (json_pieces, f'{{"documents": [{quoted}]}}'),
    ):
        tracemalloc.start()
        pieces, _, told = cut(module, text, 1 << 12)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (len(pieces), told) == (1, "")
        assert peak < 8 * len(text)
