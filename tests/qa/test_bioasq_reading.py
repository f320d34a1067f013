"""BioASQ's own files: every form of an answer, and what is refused by name."""

import json

import pytest
from bioasq_toys import URL, question, snippet, write_bioasq

from biobert_tf.common.errors import InputError
from biobert_tf.qa.bioasq.reading import Question, Snippet, read_pool, read_questions


@pytest.fixture
def path(tmp_path):
    return tmp_path / "b.json"


def read(path, *questions):
    return list(read_questions(write_bioasq(path, *questions)))


def test_a_question(path):
    given = question(
        "q1",
        "factoid",
        snippet("IL-2  binds\n it.", "12", "title"),
        snippet("\ufeffNo\xa0gene\u200b.", "7"),
        answer=[["IL-2", "Il 2"]],
        body="Which  gene?",
    )
    assert read(path, given) == [
        Question(
            "q1",
            "Which  gene?",
            "factoid",
            (("IL-2", "Il 2"),),
            (
                Snippet("IL-2 binds it.", f"{URL}12", True),
                Snippet("No gene.", f"{URL}7", False),
            ),
        )
    ]


@pytest.mark.parametrize(
    "type_, answer, expected",
    [
        ("factoid", "a", [("a",)]),
        ("factoid", ["a", "b"], [("a", "b")]),
        ("factoid", [["a", "b"], ["c"]], [("a", "b", "c")]),
        ("factoid", [["a", "b"], "c"], [("a", "b", "c")]),
        ("list", "a", [("a",)]),
        ("list", ["a", "b"], [("a",), ("b",)]),
        ("list", [["a", "b"], ["c"]], [("a", "b"), ("c",)]),
        ("list", [["a", "b"], "c"], [("a", "b"), ("c",)]),
        ("yesno", "yes", [("yes",)]),
        ("yesno", ["no"], [("no",)]),
        # Names are cleaned as the texts are; those without text are none.
        ("factoid", [" a\n b ", "", "\u200b"], [("a b",)]),
        ("list", [["", " "], [], ["c"]], [("c",)]),
        ("list", [[5], [2.5]], [("5",), ("2.5",)]),
        ("factoid", "\ud800x", [("?x",)]),
        *(
            (type_, none, [])
            for type_ in ("factoid", "list")
            for none in ("", [], [[]])
        ),
        # What a summary has there is its own matter.
        ("summary", {"a": 1}, []),
    ],
)
def test_answers(path, type_, answer, expected):
    [found] = read(path, question("q", type_, answer=answer))
    assert list(found.answers) == expected


@pytest.mark.parametrize(
    "answer, verdict",
    [
        *((text, "yes") for text in ("yes", "Yes", "YES.", " yes ", "“Yes!”", ["yes"])),
        *((text, "no") for text in ("no", "No", "no.")),
        *((text, None) for text in ("maybe", "yes no", "none", "", "not", "yes, but")),
        (["yes", "no"], None),
        (None, None),
    ],
)
def test_verdicts(path, answer, verdict):
    [found] = read(path, question("q", "yesno", answer=answer))
    assert found.verdict == verdict


def test_what_may_be_missing(path):
    bare = {"id": "q", "body": "Why?", "type": "list"}
    assert read(path, bare) == [Question("q", "Why?", "list", (), ())]
    empty = {**bare, "exact_answer": None, "snippets": None}
    assert read(path, empty) == [Question("q", "Why?", "list", (), ())]
    for rest in ({}, {"document": None, "beginSection": None}):
        [found] = read(path, {**bare, "snippets": [{"text": "t", **rest}]})
        assert found.snippets == (Snippet("t", "", False),)


@pytest.mark.parametrize(
    "changed, problem",
    [
        ({"body": None}, "question 'q' has no text as its 'body'"),
        ({"type": "Factoid"}, "question 'q' has the unknown type 'Factoid'; want fac"),
        ({"type": ["list"]}, "question 'q' has the unknown type ['list']"),
        ({"exact_answer": {"a": 1}}, "question 'q' has {'a': 1} in its 'exact_answer'"),
        ({"exact_answer": [[["a"]]]}, "question 'q' has ['a'] in its 'exact_answer'"),
        ({"exact_answer": [True]}, "question 'q' has True in its 'exact_answer'"),
        (
            {"snippets": {"text": "a"}},
            "question 'q' has 'snippets' {'text': 'a'}, want",
        ),
        ({"snippets": ["a"]}, "question 'q' has snippet 1 'a', want an object"),
        ({"snippets": [snippet("a"), {}]}, "question 'q' has 'text' None in snippet 2"),
        (
            {"snippets": [{"text": "a", "document": 5}]},
            "question 'q' has 'document' 5 in snippet 1, want a text",
        ),
        ({"id": ""}, "question 2 has no 'id'"),
        ({"id": 7.5}, "question 2 has no 'id'"),
    ],
)
def test_a_bad_question_is_named(path, changed, problem):
    fine = question("fine", "factoid", "a")
    bad = {**question("q", "factoid", "a"), **changed}
    with pytest.raises(InputError) as caught:
        read(path, fine, bad)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("{}", "{path}: no list of 'questions'; want a file of BioASQ task b"),
        ('{"questions": {}}', "{path}: no list of 'questions'; want"),
        ('{"questions": [[]]}', "{path}: question 1 has no 'id'"),
        (
            '{"data": []}',
            "{path}: has 'data' but no 'questions': it is in the form of ",
        ),
        ('{\n"questions": [}', "{path}:2: not JSON: "),
        ("[]", "{path}:1: expected a JSON object"),
    ],
)
def test_a_bad_file_is_named(path, text, problem):
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_questions(path))
    assert str(caught.value).startswith(problem.format(path=path))


def test_files_are_pooled(tmp_path):
    first = write_bioasq(
        tmp_path / "a.json",
        question("a", "factoid", body="first"),
        question("b", "list"),
        question("a", "factoid", body="again"),
    )
    second = write_bioasq(
        tmp_path / "b.json",
        question("c", "factoid"),
        question("a", "factoid", body="second"),
        question("b", "factoid", body="of another type"),
    )
    pool = read_pool([first, second], "factoid")
    assert [(q.id, q.body) for q in pool.questions] == [
        ("a", "first"),
        ("c", "Which gene?"),
        ("b", "of another type"),
    ]
    assert (pool.num_read, pool.num_repeated) == (6, 2)


def test_no_question_of_the_type(tmp_path):
    path = write_bioasq(
        tmp_path / "a.json", question("a", "list"), question("b", "list")
    )
    other = write_bioasq(tmp_path / "b.json", question("c", "summary"))
    with pytest.raises(InputError) as caught:
        read_pool([path, other], "yesno")
    assert str(caught.value) == (
        f"{path}, {other}: no yesno question; there are 2 list, 1 summary"
    )
    path.write_text('{"questions": []}')
    with pytest.raises(InputError, match="no list question; there are none at all"):
        read_pool([path], "list")


@pytest.mark.data
def test_the_golden_files(data):
    counts = {}
    for name in ("4B", "5B"):
        path = data / "qa" / "BioASQ" / f"{name}_golden.json"
        raw = json.loads(path.read_text("utf-8"))["questions"]
        found = list(read_questions(path))
        assert [q.id for q in found] == [q["id"] for q in raw]
        assert [len(q.snippets) for q in found] == [len(q["snippets"]) for q in raw]
        verdicts = [q.verdict for q in found if q.type == "yesno"]
        counts[name] = verdicts.count("yes"), verdicts.count("no"), len(verdicts)
    assert counts == {"4B": (127, 6, 133), "5B": (94, 36, 130)}
