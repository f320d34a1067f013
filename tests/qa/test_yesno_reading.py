# SPDX-License-Identifier: Apache-2.0
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.yesno_reading import read_examples
from biobert_tf.text.tokenization import FullTokenizer

CONTEXT = "Papilin is  secreted."
WORDS = ("Papilin", "is", "secreted.")


def question(id_="q_000", **more):
    return {"id": id_, "question": "Is it?", **more}


def example(id_="q_000", is_yes=None, context=CONTEXT, words=WORDS):
    return QaExample(
        qas_id=id_,
        question_text="Is it?",
        context=context,
        doc_tokens=words,
        is_yes=is_yes,
    )


@pytest.fixture
def squad(tmp_path):
    def write(*questions):
        path = tmp_path / "yesno.json"
        paragraph = {"context": CONTEXT, "qas": list(questions)}
        files.write_json(path, {"data": [{"paragraphs": [paragraph]}]})
        return path

    return write


@pytest.fixture
def table(tmp_path):
    def write(text, name="yesno.tsv"):
        (tmp_path / name).write_bytes(text.encode())
        return tmp_path / name

    return write


def refused(path, needs_labels=True, line=None):
    """The error, without the place it begins with."""
    with pytest.raises(InputError) as caught:
        read_examples(path, needs_labels)
    place = f"{path}: " if line is None else f"{path}:{line}: "
    message = str(caught.value)
    assert message.startswith(place) and "\n" not in message
    return message.removeprefix(place)


# --- SQuAD's form -------------------------------------------------------------------


@pytest.mark.parametrize("needs_labels", [True, False])
def test_answers(squad, needs_labels):
    path = squad(
        question("q_000", answers="yes", is_impossible=False),
        question("q_001", answers="no", is_impossible=True),
        question("r", answers="No"),
    )
    assert read_examples(path, needs_labels) == [
        example("q_000", True),
        example("q_001", False),
        example("r", False),
    ]


@pytest.mark.parametrize("more", [{}, {"answers": []}, {"is_impossible": False}])
def test_questions_to_predict(squad, more):
    path = squad(question(**more))
    assert read_examples(path, needs_labels=False) == [example()]
    assert refused(path) == (
        "question 'q_000' has no answer; training needs yes or no for every question"
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answers": ["yes"]}, "'answers' ['yes'], want \"yes\" or \"no\""),
        ({"answers": True}, '\'answers\' True, want "yes" or "no"'),
        (
            {"answers": "yes", "is_impossible": True},
            "'is_impossible' True, want False beside 'answers' 'yes'",
        ),
        (
            {"answers": "no", "is_impossible": False},
            "'is_impossible' False, want True beside 'answers' 'no'",
        ),
        (
            {"answers": "no", "is_impossible": "yes"},
            "'is_impossible' 'yes', want true or false",
        ),
    ],
)
@pytest.mark.parametrize("needs_labels", [True, False])
def test_wrong_answers(squad, more, problem, needs_labels):
    path = squad(question("a", answers="yes"), question("b", **more))
    assert refused(path, needs_labels) == f"question 'b' has {problem}"


def test_a_third_answer(squad, table):
    """The message says what to do with it."""
    paths = {
        squad(question("a", answers="maybe")): "question 'a' has 'answers' 'maybe', ",
        table("a\tIs it?\tb\tmaybe\n"): "the answer is 'maybe', ",
    }
    for path, problem in paths.items():
        with pytest.raises(InputError, match=f": {problem}want .*yes.* or .*no.*") as e:
            read_examples(path, needs_labels=False)
        assert "; leave such questions out, or train more classes with " in str(e.value)
        assert "run_re.py --task_name=custom" in str(e.value)


def test_a_flat_file(tmp_path):
    path = tmp_path / "yesno.json"
    files.write_json(path, [question(7, context=CONTEXT, answers="yes")])
    assert read_examples(path, needs_labels=True) == [example("7", True)]


def test_files_of_another_form(squad, tmp_path):
    assert refused(squad()) == "holds no question"
    assert refused(squad({"id": "7"})) == "question '7' lacks 'question'"
    files.write_json(tmp_path / "golden.json", {"questions": []})
    assert "biobert bioasq-data" in refused(tmp_path / "golden.json")
    assert refused(tmp_path / "none.json") == "no such file"
    assert refused(tmp_path / "none.tsv") == "no such file"


# --- TSV ----------------------------------------------------------------------------


@pytest.mark.parametrize("needs_labels", [True, False])
def test_rows(table, needs_labels):
    path = table(
        f"q_000\tIs it?\t{CONTEXT}\tyes\n"
        f"q_001\tIs it?\t{CONTEXT}\tno\r\n"
        "\n"
        "\r\n"
        '"r"\tIs it?\t"a\rb" \u2028 c\x85\tNo'
    )
    assert read_examples(path, needs_labels) == [
        example("q_000", True),
        example("q_001", False),
        example('"r"', False, '"a\rb" \u2028 c\x85', ('"a', 'b"', "\u2028", "c\x85")),
    ]


def test_rows_to_predict(table):
    path = table("q_000\tIs it?\ta\t\nq_001\tIs it?\ta\nq_002\tIs it?\ta\tyes\n")
    examples = read_examples(path, needs_labels=False)
    assert [(e.qas_id, e.is_yes) for e in examples] == [
        ("q_000", None),
        ("q_001", None),
        ("q_002", True),
    ]
    assert refused(path).startswith("question 'q_000' has no answer")


def test_a_table_is_known_by_its_name(table):
    row = "q\tIs it?\ta\tyes\n"
    assert len(read_examples(table(row, "X.TSV"), True)) == 1
    assert "not JSON" in refused(table(row, "x.txt"), line=1)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("q\tIs it?", "2 columns instead of 4"),
        ("q\tIs it?\ta\tyes\t", "5 columns instead of 4"),
        (" ", "1 columns instead of 4"),
        ("q\tIs it?\ta\tmaybe", "the answer is 'maybe', want yes or no"),
        ("q\tIs it?\ta\tyes ", "the answer is 'yes ', want yes or no"),
    ],
)
@pytest.mark.parametrize("needs_labels", [True, False])
def test_wrong_rows(table, row, problem, needs_labels):
    path = table(f"p\tIs it?\ta\tno\n{row}\n")
    assert refused(path, needs_labels, line=2).startswith(problem)
    assert refused(table("\n"), needs_labels) == "holds no question"


# --- both ---------------------------------------------------------------------------


def test_ids_of_predictions_are_distinct(squad, table):
    paths = [
        squad(question("q", answers="yes"), question("q", answers="yes")),
        table("q\tIs it?\ta\tyes\n" * 2),
    ]
    for path in paths:
        message = refused(path, needs_labels=False)
        assert message.startswith("question 'q' occurs twice")
        assert len(read_examples(path, needs_labels=True)) == 2


@pytest.mark.parametrize("answers", ["yes", "no"])
def test_all_windows_are_made(squad, tmp_path, answers):
    vocab = "[PAD] [UNK] [CLS] [SEP] is it ?".replace(" ", "\n")
    files.write_text(tmp_path / "vocab.txt", vocab)
    featurizer = Featurizer(
        tokenizer=FullTokenizer(tmp_path / "vocab.txt"),
        max_seq_length=8,
        doc_stride=1,
        max_query_length=3,
    )
    path = squad(question(answers=answers, is_impossible=answers == "no"))
    rows = list(featurizer.featurize(read_examples(path, needs_labels=True)))
    # "Papilin is", "is secreted", "secreted ."
    assert [row.token_to_orig_map.max() for row in rows] == [1, 2, 2]
    assert {(row.start_position, row.is_impossible) for row in rows} == {(None, False)}
    shuffled = qa_reading.training_order(read_examples(path, True), seed=1)
    assert isinstance(shuffled[0], QaExample)


@pytest.mark.data
def test_published_tables(data):
    for split, counts in {
        "train": (552, 118),
        "dev": (62, 13),
        "test": (94, 46),
    }.items():
        path = data / f"qa/BLURB-BioASQ-yesno/{split}.tsv"
        examples = read_examples(path, needs_labels=True)
        assert read_examples(path, needs_labels=False) == examples
        num_yes = sum(bool(e.is_yes) for e in examples)
        assert (num_yes, len(examples) - num_yes) == counts
        # Nothing of the file is lost.
        answers = {True: "yes", False: "no"}
        text = "".join(
            f"{e.qas_id}\t{e.question_text}\t{e.context}\t{answers[e.is_yes]}\n"
            for e in examples
        )
        assert text.encode() == path.read_bytes()
