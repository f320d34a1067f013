# SPDX-License-Identifier: Apache-2.0
"""What classifiers say of documents: where it is written, and that all else stays."""

import json

import pytest
from lxml import etree

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, places
from biobert_tf.documents.document import Mention, Verdict

ONE = Verdict({"label": "bad", "probabilities": {"bad": 0.75, "good": 0.25}})
SEVERAL = Verdict({"labels": ["a", "b"], "probabilities": {"a": 0.75, "b": 0.625}})
NUMBER = Verdict({"value": 2.5}, prefix="their_")
INFONS = {"label": "bad", "probability_bad": "0.750000", "probability_good": "0.250000"}

XML = """<?xml version='1.0' encoding='UTF-8'?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>s</source><date></date><key></key>
  <document>
    <id>7</id>
    <infon key="journal">X &amp; Y</infon>
    <passage>
      <infon key="type">title</infon>
      <offset>0</offset>
      <text>Zinc.</text>
      <annotation id="T1">
        <infon key="type">C</infon><location offset="0" length="4"/><text>Zinc</text>
      </annotation>
    </passage>
    <passage>
      <offset>6</offset>
      <sentence>
        <offset>6</offset>
        <text>Zinc.</text>
      </sentence>
    </passage>
  </document>
  <document><passage><offset>0</offset><text><!-- --></text></passage></document>
  <document><id>9</id><passage><offset>0</offset><text>Men.</text></passage></document>
</collection>
"""


def written(tmp_path, text, source, target, additions, to=None):
    """The text of a file after verdicts were added to its documents, by their ids."""
    path, out = tmp_path / source, tmp_path / "out" / target
    path.write_text(text, encoding="utf-8")
    out.parent.mkdir(exist_ok=True)
    kind = formats.detect(path)
    bad = []
    documents = list(formats.read(path, kind, bad.append))
    pairs = ((one, additions.get(one.document.id, [])) for one in documents)
    formats.write(out, to or kind, pairs, bad.append)
    return out.read_text("utf-8")


def test_json_lines_keep_everything_else(tmp_path):
    lines = [
        '{"id": 7, "x" : [1.50, null], "text": "Zinc. Men."}\n',
        '{"text":"untouched",  "id": "8"}\n',
    ]
    parts = [
        Verdict({"labels": ["a"]}, (0, 5), "my_"),
        Verdict({"labels": []}, (6, 10), "my_"),
    ]
    added = [ONE, NUMBER, *parts, Mention("", "C", ((0, 4),), "Zinc")]
    text = written(tmp_path, "".join(lines), "a.jsonl", "b.jsonl", {"7": added})
    first, second = text.splitlines(keepends=True)
    assert second == lines[1]
    values = json.loads(first)
    assert [*values] == [
        *("id", "x", "text", "entities"),
        *("label", "probabilities", "their_value", "my_parts"),
    ]
    assert (values["id"], values["x"], values["their_value"]) == (7, [1.5, None], 2.5)
    assert values["probabilities"] == {"bad": 0.75, "good": 0.25}
    assert values["my_parts"] == [
        {"start": 0, "end": 5, "labels": ["a"]},
        {"start": 6, "end": 10, "labels": []},
    ]
    # What is written is read again.
    [again, _] = formats.read(tmp_path / "out" / "b.jsonl", "auto")
    assert [one.text for one in again.document.mentions] == ["Zinc"]


def test_bioc_xml_has_infons(tmp_path):
    added = [
        SEVERAL,
        Verdict({"labels": ["a"]}, (0, 5)),
        Verdict({"labels": []}, (6, 11)),
    ]
    text = written(tmp_path, XML, "a.xml", "b.xml", {"7": added})
    new = """    <infon key="labels">a;b</infon>
    <infon key="probability_a">0.750000</infon>
    <infon key="probability_b">0.625000</infon>
"""
    # Each stands behind the infons that were there, or before the offset.
    expected = XML.replace("X &amp; Y</infon>\n", f"X &amp; Y</infon>\n{new}")
    title = '<infon key="type">title</infon>\n      '
    expected = expected.replace(title, f'{title}<infon key="labels">a</infon>\n      ')
    sentence = "<sentence>\n        "
    expected = expected.replace(
        sentence, f'{sentence}<infon key="labels"></infon>\n        '
    )
    # A document with a comment in its text is left out.
    lines = expected.splitlines(keepends=True)
    expected = "".join(line for line in lines if "<!-- -->" not in line)
    assert text.replace('"labels"/>', '"labels"></infon>') == expected


@pytest.mark.parametrize("name", ["out.xml", "out.json"])
def test_bioc_of_another_format(tmp_path, name):
    text = "7|t|Zinc.\n7|a|Of men.\n7\t0\t4\tZinc\tC\t-\n\n"
    kind = {"out.xml": "bioc_xml", "out.json": "bioc_json"}[name]
    title = Verdict({"value": 0.25}, (0, 5))
    found = written(tmp_path, text, "a.pubtator", name, {"7": [ONE, title]}, kind)
    if kind == "bioc_json":
        [document] = json.loads(found)["documents"]
        infons = [part["infons"] for part in (document, *document["passages"])]
    else:
        parts = etree.fromstring(found.encode()).xpath("//document | //passage")
        infons = [{x.get("key"): x.text for x in p.findall("infon")} for p in parts]
    assert infons == [INFONS, {"value": "0.250000"}, {}]
    [again] = formats.read(tmp_path / "out" / name, kind)
    assert [one.text for one in again.document.mentions] == ["Zinc"]
    assert formats.kept_names(again, kind) == {*INFONS, "value"}
    assert formats.kept_names(again, "jsonl") == set()


def test_bioc_json_keeps_everything_else(tmp_path):
    # Two passages of the same length at the same place, as careless converters write.
    same = {"offset": 0, "text": "Zinc.", "infons": {"n": None}}
    whole = {"x": {"y": 1}, "documents": [{"id": "7", "passages": [same, same]}]}
    text = json.dumps(whole)
    added = [Verdict({"value": 1}, (0, 5)), Verdict({"value": 2}, (0, 5)), NUMBER]
    found = json.loads(written(tmp_path, text, "a.json", "b.json", {"7": added}))
    first, second = ({**same, "infons": {"n": None, "value": x}} for x in "12")
    assert found["x"] == whole["x"]
    assert found["documents"] == [
        {"id": "7", "passages": [first, second], "infons": {"their_value": "2.500000"}}
    ]


def test_names_that_documents_keep(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    documents = list(formats.read(tmp_path / "a.xml", "auto", lambda error: None))
    found = [formats.kept_names(one, "bioc_xml") for one in documents]
    assert found == [{"journal", "type"}, set()]


def plan(tmp_path, name, output, **more):
    source = tmp_path / name
    source.parent.mkdir(exist_ok=True, parents=True)
    source.write_text("7|t|Zinc.\n7|a|\n")
    wanted = {"input_format": "auto", "output_format": "auto", **more}
    given = places.plan(
        more.pop("source", source),
        tmp_path / output,
        wanted["input_format"],
        wanted["output_format"],
        formats.WITH_VERDICTS,
    )
    return [place.target_format for place in given.places]


def test_formats_that_hold_no_verdicts_are_not_written(tmp_path):
    assert plan(tmp_path, "a.pubtator", "out.jsonl") == ["jsonl"]
    known = "want one of bioc_json, bioc_xml, jsonl"
    with pytest.raises(InputError) as caught:
        plan(tmp_path, "a.pubtator", "out.pubtator")
    assert str(caught.value) == (
        f"{tmp_path / 'out.pubtator'}: pubtator cannot hold what is added; {known}, or "
        "--output_format"
    )
    with pytest.raises(
        InputError, match=f"^--output_format=brat cannot hold .*{known}$"
    ):
        plan(tmp_path, "a.pubtator", "out", output_format="brat")
    with pytest.raises(InputError, match=r"^--output_format=lines is read only"):
        plan(tmp_path, "a.pubtator", "out", output_format="lines")


def test_a_folder_of_such_formats_becomes_json_lines(tmp_path):
    folder = tmp_path / "in"
    (tmp_path / "out").mkdir()
    assert plan(tmp_path, "in/a.pubtator", "out", source=folder) == ["jsonl"]
