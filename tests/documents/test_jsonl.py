# SPDX-License-Identifier: Apache-2.0
"""Documents as JSON lines: what they say, and the same file with relations added."""

import json

import document_toys as toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, jsonl
from biobert_tf.documents.document import Mention, Passage, Relation

FULL = {
    "id": 7,
    "journal": {"year": 1999, "x": None},
    "text": "A \U0001f9ec binds B.",
    "entities": [
        {"id": 3, "start": 0, "end": 1, "type": "Chemical", "concepts": ["D1", 2]},
        {"start": 10, "end": 11, "label": "Gene", "text": "B", "mine": [1]},
        {"id": "d", "spans": [[0, 1], [4, 9]], "type": "Event", "text": "A binds"},
    ],
    "relations": [
        {"head": 3, "tail": "T2", "type": "CPR:4", "probability": 0.5, "by": "me"},
        {"id": "r", "first": "d", "second": "T2", "label": "CPR:9"},
    ],
}
LINES = [
    json.dumps(FULL),
    '  {"text":"\\u00e9 raw  spacing" , "entities":null}',
    '{"text": "", "id": "empty", "entities": []}',
]


def load(tmp_path, text):
    path = tmp_path / "in.jsonl"
    path.write_bytes(text.encode())
    return toys.read(jsonl, path)


def written(tmp_path, documents):
    path = tmp_path / "out.jsonl"
    assert formats.write(path, "jsonl", documents).documents == len(documents)
    return path.read_bytes().decode()


def test_reads_all(tmp_path):
    first, second, third = (one.document for one in load(tmp_path, "\n".join(LINES)))
    assert [first.id, second.id, third.id] == ["7", "2", "empty"]
    assert first.passages == (Passage(0, FULL["text"]),)
    assert first.mentions == (
        Mention("3", "Chemical", ((0, 1),), "A", ("D1", "2")),
        Mention("T2", "Gene", ((10, 11),), "B"),
        Mention("d", "Event", ((0, 1), (4, 9)), "A binds"),
    )
    assert first.relations == (
        Relation("CPR:4", "3", "T2", 0.5),
        Relation("CPR:9", "d", "T2", None, "r"),
    )
    assert (second.passages, second.mentions) == (
        (Passage(0, "\xe9 raw  spacing"),),
        (),
    )
    assert third.passages == (Passage(0, ""),)


def test_the_same_bytes_come_back(tmp_path):
    text = "\ufeff" + "\r\n".join(LINES) + "\n"
    loaded = load(tmp_path, text)
    assert written(tmp_path, [(one, []) for one in loaded]) == text
    assert written(
        tmp_path, [(one, []) for one in load(tmp_path, "\n\n" + LINES[2])]
    ) == (LINES[2] + "\n")


def test_relations_are_added(tmp_path):
    loaded = load(tmp_path, "\n".join(LINES[:1]))[0]
    new = [Relation("CPR:3", "3", "T2", 2 / 3), Relation("CPR:5", "d", "3")]
    line = written(tmp_path, [(loaded, new)])
    assert line.endswith("\n")
    assert "\U0001f9ec" in line
    first, second, third = FULL["entities"]
    assert json.loads(line) == {
        **FULL,
        # A relation names its entities by ids that are in the file.
        "entities": [first, {"id": "T2", **second}, third],
        "relations": [
            *FULL["relations"],
            {"type": "CPR:3", "head": 3, "tail": "T2", "probability": 0.666667},
            {"type": "CPR:5", "head": "d", "tail": 3},
        ],
    }
    (again,) = load(tmp_path, line)
    assert again.document.relations[2] == Relation("CPR:3", "3", "T2", 0.666667)
    assert loaded.source.values == FULL


def test_relations_are_first_and_second_by_default(tmp_path):
    entities = (
        '[{"start": 0, "end": 1, "type": "X"}, {"start": 2, "end": 3, "type": "Y"}]'
    )
    (loaded,) = load(tmp_path, f'{{"entities": {entities}, "text": "a b", "z": 1}}')
    values = json.loads(written(tmp_path, [(loaded, [Relation("r", "T1", "T2", 1.0)])]))
    assert values["relations"] == [
        {"type": "r", "first": "T1", "second": "T2", "probability": 1.0}
    ]
    assert [entity["id"] for entity in values["entities"]] == ["T1", "T2"]
    assert list(values) == ["entities", "text", "z", "relations"]


ENTITY = '{"start": 0, "end": 1, "type": "X"}'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", 'want an object with "text"'),
        ("3", 'want an object with "text"'),
        ('{"text": 5}', 'want an object with "text"'),
        ('{"text": "a", "id": [1]}', "neither a string nor a whole number"),
        ('{"text": "a", "entities": {}}', '"entities" must be a list of objects'),
        ('{"text": "a", "entities": [1]}', '"entities" must be a list of objects'),
        ('{"text": "a", "entities": [{"start": 0, "end": 1}]}', 'T1 has no "type"'),
        (f'{{"text": "a", "entities": [{ENTITY[:-1]}, "concepts": 1}}]}}', "concepts"),
        (f'{{"text": "a", "entities": [{ENTITY[:-1]}, "text": 1}}]}}', '"text" of'),
        (f'{{"text": "a", "entities": [{ENTITY[:-1]}, "text": "b"}}]}}', "is 'a'"),
        (f'{{"text": "", "entities": [{ENTITY}]}}', "0-1 is not inside the text"),
        (f'{{"text": "a", "entities": [{ENTITY}], "relations": [{{}}]}}', 'no "type"'),
        (
            f'{{"text": "a", "entities": [{ENTITY}], '
            '"relations": [{"type": "r", "first": "T1", "second": "T2"}]}',
            "a relation names 'T2', which is not an entity's id",
        ),
        (
            '{"text": "a", "entities": [{"type": "X", "end": 1}]}',
            "is None, not a whole",
        ),
        (
            '{"text": "a", "entities": [{"type": "X", "start": 0, "end": true}]}',
            "is True, not a whole",
        ),
        (
            '{"text": "a", "entities": [{"type": "X", "start": 0, "end": 1.0}]}',
            "is 1.0, not a whole",
        ),
        ('{"text": "a", "entities": [{"type": "X", "spans": [[0]]}]}', '"spans" of'),
        (
            '{"text": "a", "entities": [{"type": "X", "spans": []}]}',
            "empty or reversed",
        ),
        (
            f'{{"text": "a", "entities": [{ENTITY}, {ENTITY[:-1]}, "id": "T1"}}]}}',
            "second",
        ),
        ('{"text": "\\ud83d"}', "half of a surrogate pair"),
        ('{"text": "a", "x": "\\uDC00"}', "half of a surrogate pair"),
        ("[" * 100_000, "cannot be read as JSON"),
        ('{"text": ' + "9" * 5000 + "}", "cannot be read as JSON"),
    ],
)
def test_broken_files(tmp_path, line, problem):
    with pytest.raises(InputError) as caught:
        load(tmp_path, f'{{"text": "fine"}}\n\n{line}\n')
    assert str(caught.value).startswith(f"{tmp_path / 'in.jsonl'}:3: ")
    assert problem in str(caught.value)


def test_a_whole_surrogate_pair_is_a_character(tmp_path):
    (loaded,) = load(tmp_path, '{"text": "\\ud83d\\ude80"}')
    assert loaded.document.passages == (Passage(0, "\U0001f680"),)


def test_messages_are_one_line(tmp_path):
    line = (
        f'{{"text": "a", "id": "1\\r\\n2", "entities": [{ENTITY[:-1]}, "text": "b"}}]}}'
    )
    with pytest.raises(InputError) as caught:
        load(tmp_path, line)
    assert "document 1  2: mention T1" in str(caught.value)
