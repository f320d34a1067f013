# SPDX-License-Identifier: Apache-2.0
"""JSON of PubAnnotation, doccano and spaCy, indented or in lists, read and written."""

import json

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats
from biobert_tf.documents.document import Mention, Relation

TEXT = "Aspirin induced nephritis in children."
MENTIONS = [("Chemical", ((0, 7),)), ("Disease", ((16, 25),))]
PUBANNOTATION = {
    "target": "x",
    "text": TEXT,
    "sourcedb": "PubMed",
    "sourceid": "7",
    "denotations": [
        {"id": "T1", "span": {"begin": 0, "end": 7}, "obj": "Chemical"},
        {"id": "T2", "span": [{"begin": 16, "end": 25}], "obj": "Disease"},
    ],
    "relations": [{"id": "R1", "subj": "T1", "pred": "Causes", "obj": "T2"}],
}
DOCCANO = {
    "id": 7,
    "text": TEXT,
    "entities": [
        {"id": 11, "label": "Chemical", "start_offset": 0, "end_offset": 7},
        {"id": 12, "label": "Disease", "start_offset": 16, "end_offset": 25},
    ],
    "relations": [{"id": 5, "from_id": 11, "to_id": 12, "type": "Causes"}],
}
ROWS = {
    "id": 7,
    "text": TEXT,
    "label": [[0, 7, "Chemical"], [16, 25, "Disease"]],
    "Comments": [],
}
PRODIGY = {
    "id": 7,
    "text": TEXT,
    "tokens": [],
    "spans": [
        {"start": 0, "end": 7, "label": "Chemical", "token_start": 0},
        {"start": 16, "end": 25, "label": "Disease"},
    ],
    "relations": [
        {
            "head": 0,
            "child": 2,
            "head_span": {"start": 0, "end": 7, "label": "Chemical"},
            "child_span": {"start": 16, "end": 25, "label": "Disease"},
            "label": "Causes",
        }
    ],
}
FORMS = [PUBANNOTATION, DOCCANO, PRODIGY, ROWS]
KEYS = ["denotations", "entities", "spans", "label"]


def load(path, values):
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    assert formats.detect(path) == "jsonl"
    return list(formats.read(path, "auto"))


def brief(document):
    return [(one.type, one.spans) for one in document.mentions]


@pytest.mark.parametrize("values", FORMS)
@pytest.mark.parametrize("indent", [None, 1])
def test_forms(tmp_path, values, indent):
    text = json.dumps(values, indent=indent)
    [loaded] = load(tmp_path / "in", text)
    document = loaded.document
    assert document.id == "7"
    assert brief(document) == MENTIONS
    first, second = (mention.id for mention in document.mentions)
    wanted = [] if values is ROWS else [("Causes", first, second)]
    found = [(one.type, one.first, one.second) for one in document.relations]
    assert found == wanted
    # Nothing added, nothing changed.
    formats.write(tmp_path / "same", "jsonl", [(loaded, [])])
    assert (tmp_path / "same").read_text() == text + "\n"
    # What is added has the document's form, or is understood beside it.
    added = [
        Mention("", "Group", ((29, 37),), "children", ("D1",), 0.5),
        Mention("P", "Part", ((0, 7), (29, 37)), "Aspirin children"),
        Relation("CPR:4", "P", second, 0.25),
    ]
    formats.write(tmp_path / "out", "jsonl", [(loaded, added)])
    [again] = formats.read(tmp_path / "out", "auto")
    assert again.document.mentions[:2] == document.mentions
    assert [
        (m.type, m.spans, m.concepts, m.probability)
        for m in again.document.mentions[2:]
    ] == [
        ("Group", ((29, 37),), ("D1",), 0.5),
        ("Part", ((0, 7), (29, 37)), (), None),
    ]
    assert again.document.relations == (
        *document.relations,
        Relation("CPR:4", "P", second, 0.25),
    )
    kept = json.loads((tmp_path / "out").read_text())
    assert all(
        kept[key] == values[key]
        for key in values
        if key not in ("label", "denotations", "entities", "spans", "relations")
    )
    assert ("\n " in (tmp_path / "out").read_text()) == (indent is not None)


def test_keys_of_what_is_added(tmp_path):
    added = [Mention("", "Group", ((29, 37),), "children")]
    written = []
    for values in FORMS:
        [loaded] = load(tmp_path / "in", values)
        relation = Relation("r", loaded.document.mentions[0].id, "T3")
        new = [Mention("T3", "Group", ((29, 37),), "children"), relation]
        formats.write(tmp_path / "out", "jsonl", [(loaded, new)])
        whole = json.loads((tmp_path / "out").read_text())
        entities = next(
            whole[key] for key in ("denotations", "spans", "entities") if key in whole
        )
        written.append((entities[-1], whole["relations"][-1]))
    assert added
    assert written == [
        (
            {
                "id": "T3",
                "span": {"begin": 29, "end": 37},
                "obj": "Group",
                "text": "children",
            },
            {"pred": "r", "subj": "T1", "obj": "T3"},
        ),
        (
            {
                "id": "T3",
                "start_offset": 29,
                "end_offset": 37,
                "label": "Group",
                "text": "children",
            },
            {"type": "r", "from_id": 11, "to_id": "T3"},
        ),
        (
            {"id": "T3", "start": 29, "end": 37, "label": "Group", "text": "children"},
            {
                "label": "r",
                "head_span": {
                    "start": 0,
                    "end": 7,
                    "token_start": 0,
                    "label": "Chemical",
                },
                "child_span": {"start": 29, "end": 37, "label": "Group"},
            },
        ),
        (
            {"id": "T3", "start": 29, "end": 37, "type": "Group", "text": "children"},
            {"type": "r", "first": "T1", "second": "T3"},
        ),
    ]


@pytest.mark.parametrize("values", FORMS)
def test_bad_mentions_are_left_out(tmp_path, values):
    wrong = json.loads(json.dumps(values).replace("25", "99"))
    (tmp_path / "in").write_text(json.dumps(wrong))
    [loaded] = formats.read(tmp_path / "in", "auto", bad_mentions="skip")
    assert brief(loaded.document) == MENTIONS[:1]
    formats.write(tmp_path / "out", "jsonl", [(loaded, [])])
    [again] = formats.read(tmp_path / "out", "auto")
    assert brief(again.document) == MENTIONS[:1]
    assert again.document.relations == ()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lists(tmp_path, indent, mark):
    values = [PUBANNOTATION, {"text": "a"}, DOCCANO]
    loaded = load(tmp_path / "in", mark + json.dumps(values, indent=indent))
    assert [one.document.id for one in loaded] == ["7", "2", "7"]
    assert [len(one.document.mentions) for one in loaded] == [2, 0, 2]
    # A list stays a list, also without its first document.
    added = [Mention("", "X", ((0, 1),), "a")]
    formats.write(tmp_path / "out", "jsonl", [(loaded[1], added), (loaded[2], [])])
    again = json.loads((tmp_path / "out").read_text())
    assert [len(one["entities"]) for one in again] == [1, 2]
    assert again[1] == DOCCANO


def test_indented_documents_one_after_the_other(tmp_path):
    text = json.dumps(PUBANNOTATION, indent=1)
    loaded = load(tmp_path / "in", f"{text}\n{text}\n")
    assert len(loaded) == 2
    formats.write(tmp_path / "out", "jsonl", [(one, []) for one in loaded])
    assert (tmp_path / "out").read_text() == f"{text}\n{text}\n"
    # Among lines, an indented document becomes a line.
    [line] = load(tmp_path / "line", {"text": "a"})
    formats.write(tmp_path / "both", "jsonl", [(line, []), (loaded[0], [])])
    assert (tmp_path / "both").read_text().count("\n") == 2
    assert len(list(formats.read(tmp_path / "both", "auto"))) == 2


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('[{"text": "a"}\n {"text": "b"}]', 2, "not JSON: want a comma"),
        ('[{"text": "a"},\n]', 2, "not JSON: Expecting value"),
        ('[{"text": "a"}', 1, "not JSON: the list has no end"),
        ('[{"text": "a"}]\n 7', 1, "not JSON: text after the list"),
        ('[{"text": "a"},\n {"text": 3}]', 2, 'want an object with "text"'),
        ('[{"text": "a"},\n [1]]', 2, 'want an object with "text"'),
        ('{\n "text": "a",\n "id":\n}', 4, "not JSON: Expecting value"),
        ('{\n "text": "a", "denotations": [{"obj": "X"}]}', 1, "T1 has no offsets"),
        ('{\n "text": "a", "denotations": [{"span": 1, "obj": "X"}]}', 1, "no offsets"),
        (
            '{"text": "a", "denotations": [{"span": {"begin": 0, "end": 1}}]}',
            1,
            'no "type"',
        ),
        (
            '{"text": "a", "spans": [{"start": 0, "end": 1, "label": "X"}], '
            '"relations": [{"label": "r", "head_span": {"start": 0, "end": 1}, '
            '"child_span": {"start": 0, "end": 2}}]}',
            1,
            "a relation names 0-2, where no entity is",
        ),
        ("[" * 100_000, 1, "not JSON: "),
    ],
)
def test_broken_files(tmp_path, text, line, problem):
    (tmp_path / "in.jsonl").write_text(text)
    with pytest.raises(InputError) as caught:
        list(formats.read(tmp_path / "in.jsonl", "jsonl"))
    assert str(caught.value).startswith(f"{tmp_path / 'in.jsonl'}:{line}: ")
    assert problem in str(caught.value)


def test_a_broken_document_costs_itself(tmp_path):
    values = [PUBANNOTATION, {"text": "a", "entities": [{}]}, DOCCANO]
    (tmp_path / "in").write_text(json.dumps(values))
    bad = []
    found = list(formats.read(tmp_path / "in", "jsonl", bad.append))
    assert (len(found), len(bad)) == (2, 1)


def test_other_labels_are_no_mentions(tmp_path):
    """Of texts that are classified, and of spans that are something else."""
    values = {"text": TEXT, "label": ["good"], "spans": [1], "labels": "x"}
    [loaded] = load(tmp_path / "in", values)
    assert loaded.document.mentions == ()


SPANS = PRODIGY["spans"]
OFFSETS = DOCCANO["entities"]
TRACK = {"project": "p", "denotations": PUBANNOTATION["denotations"]}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"label": [[0, 7, "X"], [16, 25, "Y"], [0, 5]]},
            'row 3 of "label" is [0, 5], not [start, end, type]',
        ),
        (
            {"labels": [[0, 7.0, "X"]]},
            'an offset of row 1 of "labels" is 7.0, not a whole number',
        ),
        ({"entities": [["X", 0, 7]]}, 'row 1 of "entities" is ["X", 0, 7], not'),
        ({"entities": [[0, 7, "X"], {"start": 0}]}, 'row 2 of "entities" is {"start"'),
        ({"label": [{"start": 0, "end": 7, "labels": ["X"]}]}, 'row 1 of "label" is'),
        ({"denotations": {}}, '"denotations" must be a list of objects'),
        ({"entities": "x", "spans": SPANS}, '"entities" must be a list of objects'),
        (
            {"entities": {}, "label": ROWS["label"]},
            '"entities" must be a list of objects',
        ),
        (
            {"annotations": [{"start_offset": 0, "end_offset": 7, "label": 5}]},
            'entity T1 has no "type"',
        ),
        (
            {"entities": OFFSETS, "spans": SPANS},
            'entities are under "entities" and "spans"; want them under one key',
        ),
        ({"entities": OFFSETS, "label": ROWS["label"]}, '"label" and "entities"'),
        ({"denotations": [], "tracks": [TRACK]}, '"tracks" have the denotations of'),
    ],
)
def test_old_mentions_are_read_or_refused(tmp_path, values, problem):
    """Never ignored; the document costs itself."""
    lines = [{"text": TEXT, **values}, DOCCANO]
    (tmp_path / "in").write_text("\n".join(map(json.dumps, lines)))
    bad = []
    [loaded] = formats.read(tmp_path / "in", "jsonl", bad.append)
    assert loaded.document.id == "7"
    [error] = map(str, bad)
    assert error.startswith(f"{tmp_path / 'in'}:1: ")
    assert problem in error


def test_entities_of_old_doccano(tmp_path):
    annotations = [{**one, "user": 1} for one in OFFSETS]
    [loaded] = load(tmp_path / "in", {"text": TEXT, "annotations": annotations})
    assert brief(loaded.document) == MENTIONS
    new = [Mention("", "Group", ((29, 37),), "children")]
    formats.write(tmp_path / "out", "jsonl", [(loaded, new)])
    written = json.loads((tmp_path / "out").read_text())["annotations"]
    assert [one["start_offset"] for one in written] == [0, 16, 29]
    # Those of texts that are classified are none, nor are empty tracks.
    values = {"text": TEXT, "annotations": [{"label": 1, "user": 1}]}
    [loaded] = load(tmp_path / "in", {**values, "tracks": [{"denotations": []}]})
    assert loaded.document.mentions == ()


@pytest.mark.parametrize(
    ("other", "key", "start"),
    [
        (DOCCANO, "entities", "start_offset"),
        ({"text": TEXT, "annotations": OFFSETS}, "annotations", "start_offset"),
        (PRODIGY, "spans", "start"),
        (PUBANNOTATION, "denotations", "span"),
        (ROWS, "label", "start"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_empty_list_gets_the_keys_of_its_file(tmp_path, other, key, start, is_first):
    lines = [{"text": TEXT, key: []}, other]
    text = "\n".join(map(json.dumps, lines if is_first else reversed(lines)))
    loaded = load(tmp_path / "in", text)
    new = [Mention("", "Group", ((29, 37),), "children")]
    formats.write(tmp_path / "out", "jsonl", [(one, new) for one in loaded])
    written = [json.loads(line) for line in (tmp_path / "out").open()]
    # Rows become our objects, whether there are some or not.
    place = "entities" if key == "label" else key
    assert [start in one[place][-1] for one in written] == [True, True]
    assert [key in one for one in written] == [key != "label"] * 2


def test_relations_that_are_added_name_what_is_in_the_file(tmp_path):
    """Entities without an id get one, or are named by their places."""
    for values in FORMS:
        bare = {**json.loads(json.dumps(values)), "relations": []}
        [key] = (key for key in KEYS if key in bare)
        for entity in bare[key] if values is not ROWS else ():
            entity.pop("id", None)
        [loaded] = load(tmp_path / "in", bare)
        formats.write(
            tmp_path / "out", "jsonl", [(loaded, [Relation("r", "T1", "T2")])]
        )
        written = json.loads((tmp_path / "out").read_text())
        [relation] = written["relations"]
        if values is PRODIGY:
            assert relation == {
                "label": "r",
                "head_span": SPANS[0],
                "child_span": SPANS[1],
            }
            assert written["spans"] == SPANS
        else:
            [key] = (key for key in KEYS if key in written)
            assert {"T1", "T2"} == {one["id"] for one in written[key]}
            assert {"T1", "T2"} <= {*relation.values()}
        [again] = formats.read(tmp_path / "out", "jsonl")
        assert again.document.relations == (Relation("r", "T1", "T2"),)


# What spaCy 3's `Doc.to_json` returns.
SPACY = {
    "text": TEXT,
    "ents": [
        {"start": 0, "end": 7, "label": "Chemical"},
        {"start": 16, "end": 25, "label": "Disease"},
    ],
    "sents": [{"start": 0, "end": 38}],
    "spans": {"sc": [{"start": 0, "end": 7, "label": "Noun", "kb_id": ""}]},
    "tokens": [{"id": 0, "start": 0, "end": 7}, {"id": 1, "start": 8, "end": 15}],
}


@pytest.mark.parametrize("old", [SPACY["ents"], [], None])
def test_documents_of_spacy(tmp_path, old):
    values = {**SPACY, "ents": old}
    if old is None:  # No model has looked for entities.
        old = values.pop("ents") or []
    [loaded] = load(tmp_path / "in", values)
    assert brief(loaded.document) == MENTIONS[: len(old)]
    added = [Mention("T9", "Group", ((29, 37),), "children", (), 0.5)]
    formats.write(tmp_path / "out", "jsonl", [(loaded, added)])
    written = json.loads((tmp_path / "out").read_text())
    [*kept, new] = written.pop("ents")
    assert kept == old
    assert (new["start"], new["end"], new["label"]) == (29, 37, "Group")
    assert written == {key: values[key] for key in values if key != "ents"}
    [again] = formats.read(tmp_path / "out", "auto")
    assert brief(again.document) == [*brief(loaded.document), ("Group", ((29, 37),))]


def test_tokens_of_prodigy_are_no_sign_of_spacy(tmp_path):
    tokens = [{"text": "Aspirin", "start": 0, "end": 7, "id": 0}]
    [loaded] = load(tmp_path / "in", {"text": TEXT, "tokens": tokens})
    added = [Mention("T9", "Group", ((29, 37),), "children")]
    formats.write(tmp_path / "out", "jsonl", [(loaded, added)])
    written = json.loads((tmp_path / "out").read_text())
    assert [one["type"] for one in written["entities"]] == ["Group"]
    assert "ents" not in written


def test_rows_under_spans(tmp_path):
    spans = [[0, 7, "Chemical"], [16, 25, "Disease"]]
    [loaded] = load(tmp_path / "in", {"text": TEXT, "spans": spans})
    assert brief(loaded.document) == MENTIONS
    # Offsets alone may be of anything.
    [loaded] = load(tmp_path / "in", {"text": TEXT, "spans": [[0, 7], [16, 25]]})
    assert brief(loaded.document) == []
    spans[1][2] = 5
    with pytest.raises(InputError, match=r'row 2 of "spans" is \[16, 25, 5\], not'):
        load(tmp_path / "in", {"text": TEXT, "spans": spans})


@pytest.mark.parametrize(
    "more",
    [
        {"spans": [[0, 3, "sentence"]]},
        {"ents": [{"start": 0, "end": 3, "label": "Noun"}]},
        {
            "spans": [[0, 3, "sentence"]],
            "ents": [{"start": 0, "end": 3, "label": "Noun"}],
        },
    ],
)
@pytest.mark.parametrize("key", ["entities", "label"])
def test_further_lists_beside_entities_are_no_entities(tmp_path, more, key):
    entities = [{"start": 0, "end": 7, "type": "Chemical"}]
    if key == "label":
        entities = [[0, 7, "Chemical"]]
    [loaded] = load(tmp_path / "in", {"text": TEXT, key: entities, **more})
    assert brief(loaded.document) == MENTIONS[:1]
    formats.write(tmp_path / "out", "jsonl", [(loaded, [])])
    written = json.loads((tmp_path / "out").read_text())
    assert {name: written[name] for name in more} == more


def test_both_further_lists_alone_are_refused(tmp_path):
    values = {"text": TEXT, "spans": [[0, 7, "X"]], "ents": SPANS}
    with pytest.raises(InputError, match='entities are under "spans" and "ents"'):
        load(tmp_path / "in", values)


def test_entities_of_one_place_are_named_by_ids(tmp_path):
    spans = [*SPANS, {**SPANS[0], "label": "Drug"}]
    [loaded] = load(tmp_path / "in", {**PRODIGY, "spans": spans})
    new = [Relation("r", "T1", "T2")]
    formats.write(tmp_path / "out", "jsonl", [(loaded, new)])
    [again] = formats.read(tmp_path / "out", "jsonl")
    assert again.document.relations[1:] == (Relation("r", "T1", "T2"),)


@pytest.mark.parametrize(
    ("name", "ids", "num_relations"),
    [
        ("pubanno/doc.json", ["7"], 1),
        ("pubanno/one_line.json", ["7"], 1),
        ("pubanno/list.json", ["7", "7"], 2),
        ("doccano/a.jsonl", ["1"], 1),
        ("doccano/b.jsonl", ["1"], 0),
        ("doccano/spacy.jsonl", ["1"], 0),
    ],
)
def test_cases(cases, name, ids, num_relations):
    documents = [one.document for one in formats.read(cases / name, "auto")]
    assert [one.id for one in documents] == ids
    assert all(brief(one) == MENTIONS for one in documents)
    assert sum(len(one.relations) for one in documents) == num_relations


def test_case_of_an_indented_document(cases):
    [loaded] = formats.read(cases / "pubanno" / "pretty.json", "auto")
    assert loaded.document.passages[0].text == "Aspirin induced nephritis."


@pytest.mark.data
def test_real_files(data):
    counts = {}
    for path in sorted((data / "documents" / "pubannotation").iterdir()):
        [loaded] = formats.read(path, "auto")
        loaded.document.check()
        counts[path.name] = len(loaded.document.mentions)
        assert counts[path.name] == len(json.loads(path.read_text())["denotations"])
    assert len(counts) == 3
