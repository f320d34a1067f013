# SPDX-License-Identifier: Apache-2.0
import gzip
import json

import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.reading import QaExample, read_examples

CONTEXT = "Tesla (born 1856)\u202flived\t in\xa0New  York."
WORDS = ("Tesla", "(born", "1856)", "lived", "in\xa0New", "York.")


def question(id_="q1", text="Who?", **more):
    return {"id": id_, "question": text, **more}


def answered(text, start, **more):
    return question(answers=[{"text": text, "answer_start": start}], **more)


def write(tmp_path, *questions, context=CONTEXT):
    """A file with one paragraph."""
    path = tmp_path / "squad.json"
    paragraph = {"context": context, "qas": list(questions)}
    files.write_json(path, {"version": "1.1", "data": [{"paragraphs": [paragraph]}]})
    return path


def refused(path, **settings):
    """The error, without the path it begins with."""
    with pytest.raises(InputError) as caught:
        read_examples(path, **({"is_training": True} | settings))
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


# --- contexts -------------------------------------------------------------------------


def test_a_question_to_predict(tmp_path):
    path = write(tmp_path, answered("1856", 12))
    reading = read_examples(path, is_training=False)
    assert reading.examples == [
        QaExample(qas_id="q1", question_text="Who?", context=CONTEXT, doc_tokens=WORDS)
    ]
    example = reading.examples[0]
    assert (example.orig_answer_text, example.is_impossible) == (None, False)
    assert (example.start_position, example.end_position) == (None, None)
    assert reading.unrecoverable == ()


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("", ()),
        (" \t\r\n\u202f", ()),
        (" a b ", ("a", "b")),
        ("a\n\nb\rc", ("a", "b", "c")),
        # Spaces of Unicode that the original does not know, and other controls.
        (
            "a\xa0b\u2003c\x0bd\x0ce\x85f\u3000g",
            ("a\xa0b\u2003c\x0bd\x0ce\x85f\u3000g",),
        ),
    ],
)
def test_words_and_their_places(tmp_path, context, words):
    path = write(tmp_path, question(), context=context)
    (example,) = read_examples(path, is_training=False).examples
    assert example.doc_tokens == words
    assert (
        tuple(context[a:b] for a, b in qa_reading.word_offsets(example.context))
        == words
    )


def test_places_of_words():
    example = QaExample(
        qas_id="", question_text="", context=" Ab\xe9  c", doc_tokens=("Ab\xe9", "c")
    )
    assert qa_reading.word_offsets(example.context) == [(1, 4), (6, 7)]


def test_questions_share_the_words_of_their_paragraph(tmp_path):
    path = write(tmp_path, question("a"), question("b"))
    first, second = read_examples(path, is_training=False).examples
    assert first.doc_tokens is second.doc_tokens
    assert first.context is second.context


def test_order_is_that_of_the_file(tmp_path):
    paragraphs = [
        {"context": str(i), "qas": [question(f"{i}.{j}") for j in range(2)]}
        for i in range(3)
    ]
    entries = [{"paragraphs": paragraphs[:1]}, {"paragraphs": paragraphs[1:]}]
    files.write_json(tmp_path / "x.json", {"data": entries})
    examples = read_examples(tmp_path / "x.json", is_training=False).examples
    assert [e.qas_id for e in examples] == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]
    assert [e.context for e in examples] == ["0", "0", "1", "1", "2", "2"]


def test_a_number_may_be_an_id(tmp_path):
    path = write(tmp_path, question(17))
    assert read_examples(path, is_training=False).examples[0].qas_id == "17"


# --- answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("Tesla", 0, (0, 0)),
        ("1856", 12, (2, 2)),  # a part of a word
        ("born 1856", 7, (1, 2)),
        ("1856)\u202flived", 12, (2, 3)),  # white space need not be the same
        ("lived\t ", 18, (3, 3)),  # white space belongs to the word before
        (" 1856", 11, (1, 2)),
        ("York.", 33, (5, 5)),  # the last
        ("856", 12, (2, 2)),  # one off, but inside the word
    ],
)
def test_answers(tmp_path, text, start, expected):
    reading = read_examples(write(tmp_path, answered(text, start)), is_training=True)
    (example,) = reading.examples
    assert (example.start_position, example.end_position) == expected
    assert example.orig_answer_text == text
    assert example.is_impossible is False
    assert reading.unrecoverable == ()


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("Edison", 0),
        ("tesla", 0),  # case counts
        ("1856", 6),  # another place
        ("in\xa0New", 25),  # a space to str.split, a letter in the context
        ("York.", 34),  # ends after the context
        ("Tesla", 99),
        ("York.", -5),  # Python would count from the end
        ("", 3),
        (" ", 17),
    ],
)
def test_answers_that_are_not_in_the_context(tmp_path, text, start):
    path = write(tmp_path, answered(text, start), answered("Tesla", 0, id_="q2"))
    reading = read_examples(path, is_training=True)
    assert [example.qas_id for example in reading.examples] == ["q2"]
    assert reading.unrecoverable == ("q1",)
    # Predictions are made for all.
    assert len(read_examples(path, is_training=False).examples) == 2


def test_an_answer_that_begins_before_the_first_word(tmp_path):
    path = write(tmp_path, answered(" Tesla", 0), context=" Tesla")
    assert read_examples(path, is_training=True).unrecoverable == ("q1",)


@pytest.mark.parametrize("answers", [[], [{"text": "Tesla", "answer_start": 0}] * 2])
def test_training_needs_one_answer(tmp_path, answers):
    path = write(tmp_path, question("a"), question("b/7", answers=answers))
    assert len(read_examples(path, is_training=False).examples) == 2
    path = write(tmp_path, question("b/7", answers=answers))
    message = refused(path)
    assert message.startswith(f"question 'b/7' has {len(answers)} answers")
    # The hint fits the number, and is not what was done already.
    assert ("--version_2_with_negative" in message) == (not answers)
    path = write(tmp_path, question("b/7", answers=answers, is_impossible=False))
    message = refused(path, version_2_with_negative=True)
    assert message.startswith(f"question 'b/7' has {len(answers)} answers")
    assert "--version_2_with_negative" not in message


def test_version_2(tmp_path):
    path = write(
        tmp_path,
        question(answers=[], is_impossible=True),
        answered("Tesla", 0, id_="q2", is_impossible=False),
        # More than one is good where none counts.
        question("q3", answers=[{}, {}], is_impossible=True),
    )
    reading = read_examples(path, is_training=True, version_2_with_negative=True)
    found = [
        (e.qas_id, e.is_impossible, e.orig_answer_text, e.start_position)
        for e in reading.examples
    ]
    assert found == [
        ("q1", True, "", -1),
        ("q2", False, "Tesla", 0),
        ("q3", True, "", -1),
    ]
    assert [e.end_position for e in reading.examples] == [-1, 0, -1]
    predicted = read_examples(path, is_training=False, version_2_with_negative=True)
    assert {(e.is_impossible, e.start_position) for e in predicted.examples} == {
        (False, None)
    }
    assert "--version_2_with_negative" in refused(path)


# --- flat files -----------------------------------------------------------------------


def flat(id_, *answers, context=CONTEXT):
    columns = {
        "text": [text for text, _ in answers],
        "answer_start": [start for _, start in answers],
    }
    return question(id_, context=context, title="t", answers=columns)


FLAT = [flat("q1", ("1856", 12)), flat(7, ("Tesla", 0)), flat("q3", context="a b")]


@pytest.mark.parametrize("form", ["object", "list", "lines", "one line"])
def test_forms_of_flat_files(tmp_path, form):
    path = tmp_path / "x.json"
    rows = FLAT[:1] if form == "one line" else FLAT
    if form in ("object", "list"):
        values = {"version": "0.1.0", "data": rows} if form == "object" else rows
        files.write_json(path, values)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    examples = read_examples(path, is_training=False).examples
    assert [e.qas_id for e in examples] == ["q1", "7", "q3"][: len(rows)]
    assert examples[0].doc_tokens == WORDS
    reading = read_examples(path, is_training=True, version_2_with_negative=True)
    found = [(e.orig_answer_text, e.start_position) for e in reading.examples]
    assert found == [("1856", 2), ("Tesla", 0), ("", -1)][: len(rows)]
    if rows == FLAT:
        # Questions about one context share its words.
        assert examples[0].doc_tokens is examples[1].doc_tokens
        assert "has 0 answers" in refused(path)
    else:
        assert read_examples(path, is_training=True).examples == reading.examples


def test_errors_in_flat_files(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(f"{json.dumps(FLAT[0])}\n{json.dumps(FLAT[1])[:-1]}\n")
    with pytest.raises(InputError, match=r"x\.json:\d: not JSON"):
        read_examples(path, is_training=False)
    files.write_json(path, {"data": [question("q1", answers={"text": ["a"]})]})
    assert refused(path) == "data[0] lacks 'context'"
    row = flat("q1", ("1856", 12))
    row["answers"]["text"] *= 2
    files.write_json(path, {"data": [row]})
    assert refused(path) == "question 'q1'.answers has 2 texts, but 1 places"


# --- errors ---------------------------------------------------------------------------


def test_no_such_file(tmp_path):
    assert refused(tmp_path / "none.json") == "no such file"


def test_not_json(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"data":\n[}', encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.json:2: not JSON"):
        read_examples(path, is_training=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "lacks 'data'"),
        ({"questions": []}, "biobert bioasq-data"),
        ({"data": {}}, "has 'data' {}, want a list"),
        ({"data": []}, "holds no question"),
        ({"data": [{"paragraphs": []}]}, "holds no question"),
        ({"data": [3]}, "data[0] is 3, want an object"),
        ({"data": [{}]}, "data[0] lacks 'paragraphs'"),
        (
            {"data": [{"paragraphs": [{"qas": []}]}]},
            "data[0].paragraphs[0] lacks 'context'",
        ),
        (
            {"data": [{"paragraphs": [{"context": ["x" * 90], "qas": []}]}]},
            f"data[0].paragraphs[0] has 'context' ['{'x' * 38}..., want a string",
        ),
        (
            {"data": [{"paragraphs": [{"context": ""}]}]},
            "data[0].paragraphs[0] lacks 'qas'",
        ),
    ],
)
def test_wrong_structure(tmp_path, values, expected):
    files.write_json(tmp_path / "x.json", values)
    assert expected in refused(tmp_path / "x.json", is_training=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"question": "?"}, "data[0].paragraphs[0].qas[1] lacks 'id'"),
        ({"id": None}, "data[0].paragraphs[0].qas[1] has 'id' None, want a string"),
        ({"id": "7_1"}, "question '7_1' lacks 'question'"),
        (question("7_1"), "question '7_1' lacks 'answers'"),
        (
            question("7_1", answers=["x"]),
            "question '7_1'.answers[0] is 'x', want an object",
        ),
        (
            question("7_1", answers=[{"answer_start": 0}]),
            "question '7_1'.answers[0] lacks 'text'",
        ),
        (
            question("7_1", answers=[{"text": "Tesla"}]),
            "question '7_1'.answers[0] lacks 'answer_start'",
        ),
        (
            question("7_1", answers=[{"text": "Tesla", "answer_start": "0"}]),
            "question '7_1'.answers[0] has 'answer_start' '0', want an integer",
        ),
    ],
)
def test_wrong_questions(tmp_path, values, expected):
    assert refused(write(tmp_path, answered("Tesla", 0), values)) == expected


def test_version_2_needs_its_key(tmp_path):
    path = write(tmp_path, answered("Tesla", 0))
    message = refused(path, version_2_with_negative=True)
    assert message == "question 'q1' lacks 'is_impossible'"


def test_ids_of_predictions_are_distinct(tmp_path):
    path = write(tmp_path, answered("Tesla", 0), answered("1856", 12))
    assert refused(path, is_training=False).startswith("question 'q1' occurs twice")
    assert len(read_examples(path, is_training=True).examples) == 2


# --- the original ---------------------------------------------------------------------


def settings_of(golden):
    settings = files.read_json(golden / "qa/features/settings.json")["settings"]
    assert settings
    return settings


def reading_of(golden, setting):
    return read_examples(
        golden / "qa/data" / setting["file"],
        is_training=setting["training"],
        version_2_with_negative=setting.get("version_2_with_negative", False),
    )


@pytest.mark.golden
def test_examples_of_the_original(golden):
    for name, setting in settings_of(golden).items():
        path = golden / f"qa/features/{name}.examples.jsonl.gz"
        with gzip.open(path, "rt", encoding="ascii") as lines:
            expected = [json.loads(line) for line in lines]
        examples = reading_of(golden, setting).examples[: setting.get("limit")]
        assert len(examples) == setting["examples"]
        found = [
            {key: getattr(example, key) for key in recorded}
            for example, recorded in zip(examples, expected, strict=True)
        ]
        assert [e | {"doc_tokens": list(e["doc_tokens"])} for e in found] == expected


@pytest.mark.golden
def test_questions_that_the_original_leaves_out(golden):
    for setting in settings_of(golden).values():
        reading = reading_of(golden, setting)
        path = golden / "qa/data" / setting["file"]
        num_questions = sum(
            len(paragraph["qas"])
            for entry in files.read_json(path)["data"]
            for paragraph in entry["paragraphs"]
        )
        assert len(reading.examples) + len(reading.unrecoverable) == num_questions


@pytest.mark.golden
def test_order_of_the_original(golden):
    orders = 0
    for setting in settings_of(golden).values():
        if expected := setting.get("training_order_after_shuffle"):
            examples = reading_of(golden, setting).examples
            shuffled = qa_reading.training_order(examples, seed=12345)
            assert [example.qas_id for example in shuffled] == expected
            assert [example.qas_id for example in examples] != expected
            orders += 1
    assert orders


@pytest.mark.golden
def test_two_answers_are_refused_as_by_the_original(golden):
    path = golden / "qa/data/squad_two_answers.json"
    assert "needs exactly 1" in refused(path)


def test_another_seed_is_another_order():
    examples = [
        QaExample(qas_id=str(i), question_text="", context="", doc_tokens=())
        for i in range(20)
    ]
    orders = [qa_reading.training_order(examples, seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2], key=lambda e: int(e.qas_id)) == examples


# --- real files -----------------------------------------------------------------------


@pytest.mark.data
def test_bioasq_passages(data):
    paths = sorted((data / "qa/BioASQ").glob("BioASQ-test-factoid-*.json"))
    assert paths
    for path in paths:
        for example in read_examples(path, is_training=False).examples:
            offsets = qa_reading.word_offsets(example.context)
            assert [example.context[a:b] for a, b in offsets] == list(
                example.doc_tokens
            )


@pytest.mark.data
def test_bioasq_files_are_told_from_squad(data):
    path = next((data / "qa/BioASQ").glob("*_golden.json"))
    assert "biobert bioasq-data" in refused(path)
