"""`biobert data-check` of questions: small files with every fault, real files."""

import json

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.qa import check
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.checking import Ruler

CONTEXT = "Aspirin helps. Zinc does not."


def question(id_, text="What helps?", answers=(("Aspirin", 0),), **more):
    spans = [{"text": answer, "answer_start": start} for answer, start in answers]
    return {"id": id_, "question": text, "answers": spans, **more}


def write(folder, name, *questions, context=CONTEXT):
    """Writes a file in SQuAD's form, with one paragraph."""
    paragraphs = [{"context": context, "qas": list(questions)}]
    (folder / name).write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))


def found(folder):
    """Returns kind and files -> how many, and the ids of the examples."""
    [only] = check.check(folder).sets
    return {
        (each.kind, *each.files): (
            each.num,
            [[place.line for place in example.places] for example in each.examples],
        )
        for each in only.problems
    }


def test_every_fault(tmp_path):
    write(
        tmp_path,
        "train.json",
        question("1"),
        question("2", answers=[("Aspirin", 0), ("Aspirin helps", 0)]),
        question("3", answers=[("Zinc", 15)]),
        question("4", "Where?", answers=[("Zinc", 14)]),
        question("4", "Who?", answers=()),
    )
    write(tmp_path, "dev.json", question("5"), question("6", "what  helps?"))
    write(tmp_path, "test.json", question("7"), context="Another context: Aspirin.")
    assert found(tmp_path) == {
        ("leak", "dev.json", "train.json"): (1, [["5", "1"]]),
        # Answers that share a text agree.
        ("contradiction", "train.json"): (1, [["1", "3"]]),
        ("contradiction_between", "dev.json", "train.json"): (1, [["5", "1", "3"]]),
        ("duplicate", "train.json"): (2, [["2", "1"], ["3", "1"]]),
        ("near_duplicate", "dev.json"): (1, [["6", "1"]]),
        ("question_leak", "test.json", "train.json"): (1, [["7", "3"]]),
        ("question_leak", "test.json", "dev.json"): (1, [["7", "5"]]),
        ("repeated_id", "train.json"): (1, [["4", "4"]]),
        ("misplaced_answer", "train.json"): (1, [["4"]]),
        ("misplaced_answer", "test.json"): (1, [["7"]]),
    }


def test_ids_of_a_table_may_occur_again(tmp_path):
    """Training takes them; only predictions are stored by id."""
    rows = ["1\tIs it?\tYes.\tyes", "1\tWas it?\tNo.\tno"]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    assert found(tmp_path) == {("repeated_id", "train.tsv"): (1, [["1", "1"]])}


def test_lines_of_json_may_have_blank_lines_between(tmp_path):
    one, two = (json.dumps(flat(id_, f"}} {{ {id_}?")) for id_ in "12")
    (tmp_path / "train.jsonl").write_text(f"\n{one}\n\n{two}\n\n")
    [only] = check.check(tmp_path).sets
    assert [each.num_rows for each in only.files] == [2]


def flat(id_, question):
    answers = {"text": ["Yes"], "answer_start": [0]}
    return {"id": id_, "question": question, "context": "Yes.", "answers": answers}


def test_counts(tmp_path):
    write(
        tmp_path,
        "train-v2.0.json",
        question("1"),
        question("2", "Who?", (), is_impossible=True),
        question("3", "Where?", ()),
    )
    yesno = tmp_path / "yesno"
    yesno.mkdir()
    rows = ["1\tIs it?\tIt is.\tyes", "2\tIs it?\tIt is.\tno", "3\tIs he?\tIt is.\t"]
    (yesno / "test.tsv").write_text("\n".join(rows))
    by_label = [
        dict(check.check(folder).sets[0].files[0].by_label)
        for folder in (tmp_path, yesno)
    ]
    assert by_label == [
        {"no answer": 1, "span": 1, "without answer": 1},
        {"no": 1, "without answer": 1, "yes": 1},
    ]
    assert found(tmp_path) == {}
    assert found(yesno) == {
        ("contradiction", "test.tsv"): (1, [["1", "2"]]),
        ("duplicate", "test.tsv"): (1, [["2", "1"]]),
    }
    # BioASQ's form of yes/no questions.
    for name, answer in (("a.json", "yes"), ("b.json", "No")):
        write(yesno, name, {"id": name, "question": "Is it?", "answers": answer})
    problems = found(yesno)
    assert problems["contradiction_between", "b.json", "a.json"] == (
        1,
        [["b.json", "a.json"]],
    )


def test_the_longest_question(tmp_path):
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(["[UNK]", "[CLS]", "[SEP]", "helps", "##s"]))
    write(tmp_path, "train.json", question("1"), question("2", "Who ? ?"))
    ruler = Ruler(FullTokenizer(vocab, do_lower_case=False), max_seq_length=13)
    longest = check.check(tmp_path, ruler).sets[0].files[0].longest
    # Three words and signs of the question, seven of the context, three special ones.
    assert (longest.num, longest.unit, longest.num_longer) == (13, "pieces", 0)
    assert longest.place.line == "1"


def test_which_files(tmp_path):
    golden = {"questions": [{"id": "1", "body": "What?", "type": "factoid"}]}
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    (tmp_path / "words.tsv").write_text("a\tO\n")
    assert not check.is_set(tmp_path)
    with pytest.raises(InputError, match="holds no questions"):
        check.check(tmp_path)
    for name in ("test.json", "dev.json", "my_train.json", "batch.json"):
        write(tmp_path, name, question(name))
    names = [path.name for path in check.files_of(tmp_path)]
    assert names == ["my_train.json", "dev.json", "test.json", "batch.json"]
    (tmp_path / "dev.json").write_text('{"question": [')
    with pytest.raises(InputError, match=r"dev\.json:1: not JSON"):
        check.check(tmp_path)


@pytest.mark.data
def test_real_files(data):
    report = check.check(data / "qa" / "BLURB-BioASQ-yesno")
    assert [file.file for file in report.sets[0].files] == [
        *("train.tsv", "dev.tsv", "test.tsv")
    ]
    assert report.num_problems == 0
    squad = check.check(data / "qa" / "squad")
    assert squad.sets[0].files[0].by_label == {"span": 10_570}
    assert "misplaced_answer" not in squad.totals()
    # Two batches of BioASQ ask one question twice, of the same texts.
    assert check.check(data / "qa" / "BioASQ").totals()["leak"] > 0
