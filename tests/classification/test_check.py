"""What `biobert data-check` finds in texts with labels."""

import json

import pytest

from biobert_tf.classification import check
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.qa import check as qa_check
from biobert_tf.relations import check as relation_check
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.checking import Ruler

HEADER = ("id", "sentence1", "sentence2", "label")


def write(folder, **files):
    """Writes tables of pairs; rows are the texts and the label."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        cells = [HEADER, *((f"{name}{i}", *row) for i, row in enumerate(rows))]
        text = "".join("\t".join(row) + "\n" for row in cells)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")


def pair(number, label="a"):
    return f"Text {number} is one.", "It is so.", label


def found(report):
    [only] = report.sets
    return {(each.kind, *each.files): each.num for each in only.problems}


def places(report, kind):
    [only] = report.sets
    return [
        [str(place) for place in example.places]
        for problem in only.problems
        if problem.kind == kind
        for example in problem.examples
    ]


def test_a_clean_set(tmp_path):
    write(tmp_path, train=[pair(1), pair(2, "b"), pair(3)], test=[pair(4, "b")])
    assert check.check(tmp_path).summary() == (
        f"{tmp_path}\n"
        "set, form table\n"
        "  train.tsv: 3 rows, 2 (66.7%) a, 1 (33.3%) b\n"
        "  test.tsv: 1 rows, 1 (100.0%) b, 0 (0.0%) a\n"
        "problems: 0\n"
    )


def test_every_kind_of_problem(tmp_path):
    write(
        tmp_path,
        train=[
            pair(1),
            pair(2, "b"),
            pair(2, "b"),
            pair(3, "a"),
            pair(3, "b"),
            ("text 1 IS one.", "It is so.", "a"),
            ("", "It is so.", "a"),
            ("Text.", " ", "a"),
        ],
        dev=[pair(9), pair(8, "")],
        test=[pair(1), pair(2, "a"), pair(7, "other")],
    )
    report = check.check(tmp_path)
    assert found(report) == {
        ("leak", "test.tsv", "train.tsv"): 2,
        ("contradiction", "train.tsv"): 1,
        ("contradiction_between", "test.tsv", "train.tsv"): 1,
        ("duplicate", "train.tsv"): 2,
        ("near_duplicate", "train.tsv"): 1,
        ("empty", "train.tsv"): 2,
        ("no_label", "dev.tsv"): 1,
        ("unknown_label", "test.tsv"): 1,
    }
    assert places(report, "unknown_label") == [["test.tsv:4 (other)"]]
    assert places(report, "empty") == [["train.tsv:8 (a)"], ["train.tsv:9 (a)"]]
    assert places(report, "contradiction") == [["train.tsv:5 (a)", "train.tsv:6 (b)"]]
    assert {*check.KINDS} >= {*report.totals()}


def test_the_same_text_with_another_second_text(tmp_path):
    rows = [("One text.", "First.", "a"), ("One text.", "Second.", "b")]
    write(tmp_path, train=rows)
    assert found(check.check(tmp_path)) == {}


def test_named_labels(tmp_path):
    write(tmp_path, train=[pair(1), pair(2, "b")])
    config = ReadingConfig(labels=CommaList.parse("a,c"))
    report = check.check(tmp_path, config)
    assert found(report) == {("unknown_label", "train.tsv"): 1}
    assert report.sets[0].files[0].by_label == {"a": 1, "b": 1, "c": 0}


def test_several_labels_and_documents(tmp_path):
    flags = "0_{},1_0,2_0,3_0,4_0,5_0,6_0,7_0,8_0,9_{}"
    rows = {
        "train": [
            (1, 1, "Both.", "5_s0"),
            (0, 0, "None.", "5_s1"),
            (0, 1, "None.", "6_s0"),
        ],
        "test": [
            (1, 0, "New.", "7_s0"),
            (1, 0, "Newer.", "5_s9"),
            (0, 0, "So.", "5_s8"),
        ],
    }
    for name, held in rows.items():
        lines = [f"{flags.format(a, b)}\t{text}\t{id_}" for a, b, text, id_ in held]
        text = "\n".join(["labels\tsentence\tindex", *lines])
        (tmp_path / f"{name}.tsv").write_text(text)
    report = check.check(tmp_path)
    assert found(report) == {
        ("group_leak", "test.tsv", "train.tsv"): 1,
        ("contradiction", "train.tsv"): 1,
        ("duplicate", "train.tsv"): 1,
    }
    assert places(report, "contradiction") == [
        ["train.tsv:3 (none)", "train.tsv:4 (tumor promoting inflammation)"]
    ]
    numbers = report.sets[0].files[0].by_label
    assert numbers["tumor promoting inflammation"] == 2
    assert numbers["cellular energetics"] == 0
    assert len(numbers) == 10


def test_scores(tmp_path):
    text = "pair_id\tsent1\tsent2\tscore\n1\tA b.\tC d.\t1.50\n2\tA b.\tC d.\t1.5\n"
    (tmp_path / "train.tsv").write_text(text)
    report = check.check(tmp_path)
    assert found(report) == {("duplicate", "train.tsv"): 1}
    assert report.sets[0].files[0].by_label == {}
    (tmp_path / "train.tsv").write_text(text.replace("1.50", "2"))
    assert places(check.check(tmp_path), "contradiction") == [
        ["train.tsv:2 (2)", "train.tsv:3 (1.5)"]
    ]


def test_lengths(tmp_path):
    write(tmp_path, train=[pair(1), ("A much longer text than that.", "It is.", "b")])
    report = check.check(tmp_path, ruler=Ruler(None, 8))
    longest = report.sets[0].files[0].longest
    assert (longest.num, longest.unit, longest.place.line) == (8, "words", 3)


def test_lengths_in_pieces(tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n")
    ruler = Ruler(FullTokenizer(vocabulary, do_lower_case=True), 5)
    write(tmp_path, train=[("a", "b", "x"), ("a b", "b", "x")])
    longest = check.check(tmp_path, ruler=ruler).sets[0].files[0].longest
    # [CLS] a b [SEP] b [SEP]
    assert (longest.num, longest.unit, longest.num_longer) == (6, "pieces", 1)


def test_the_order_of_several_labels_means_nothing(tmp_path):
    text = "text\tlabels\nA b.\tx|y\nA b.\ty|x\n"
    (tmp_path / "train.tsv").write_text(text)
    config = ReadingConfig(target="multi")
    assert found(check.check(tmp_path, config)) == {("duplicate", "train.tsv"): 1}


def test_sets_in_one_file(tmp_path):
    question = {"QUESTION": "Is it {}?", "CONTEXTS": ["Yes."], "final_decision": "yes"}
    held = {str(i): {**question, "QUESTION": f"Is it {min(i, 38)}?"} for i in range(40)}
    (tmp_path / "ori_pqal.json").write_text(json.dumps(held, indent=1))
    [only] = check.check(tmp_path).sets
    names = [f"ori_pqal.json[{split}]" for split in ("train", "dev", "test")]
    assert [each.file for each in only.files] == names
    assert [each.num_rows for each in only.files] == [18, 2, 20]
    assert [each.kind for each in only.problems] in (["leak"], ["duplicate"])


def test_folds(tmp_path):
    write(tmp_path / "1", train=[pair(1), pair(2)], test=[pair(3), pair(4)])
    write(tmp_path / "2", train=[pair(1), pair(4)], test=[pair(3)])
    report = check.check(tmp_path)
    assert [each.name for each in report.sets] == ["1", "2"]
    assert [(each.kind, each.files, each.num) for each in report.across] == [
        ("missing_in_fold", ("2",), 1),
        ("never_tested", (), 2),
        ("tested_again", (), 1),
    ]


def test_nothing_to_check(tmp_path):
    with pytest.raises(
        InputError, match="holds no train, dev or test set, and no fold"
    ):
        check.check(tmp_path)
    with pytest.raises(InputError, match="no such directory"):
        check.check(tmp_path / "absent")
    assert not check.is_set(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "is_ours"),
    [
        ("train.tsv", "sentence\tlabel\nA b.\t1\n", False),
        ("train.tsv", "Aspirin\tB\nis\tO\n\nIt\tO\n", False),
        ("train.jsonl", '{"text": "A", "label": "1"}\n', False),
        ("train.tsv", "1a\tIs it so?\tIt is so.\tyes\n", False),
        ("train.json", '{"data": []}\n', False),
        ("train.csv", "text,label\nA b.,1\n", True),
        ("train.tsv", "sent1\tsent2\tscore\nA b.\tC.\t1\n", True),
        ("train.tsv", "sentence1\tsentence2\tlabel\nA b.\tC.\t1\n", True),
        ("train.jsonl", '{"sentence1": "A", "sentence2": "B", "label": 1}\n', True),
        ("ori_pqal.json", '{"1": {"QUESTION": "A?", "CONTEXTS": []}}\n', True),
    ],
)
def test_what_is_ours(tmp_path, name, text, is_ours):
    (tmp_path / name).write_text(text)
    assert check.is_set(tmp_path) == is_ours
    if is_ours:
        assert not relation_check.is_set(tmp_path)
        assert not qa_check.is_set(tmp_path)


@pytest.mark.data
def test_real_sets(data):
    expected = {
        "HoC": {"leak": 13, "contradiction": 1, "duplicate": 11},
        "BIOSSES": {},
        "PubMedQA": {},
    }
    for name, totals in expected.items():
        folder = data / "classification" / name
        assert check.check(folder).totals() == totals
        assert check.is_set(folder)
        assert not relation_check.is_set(folder)
        assert not qa_check.is_set(folder)


@pytest.mark.data
def test_folds_as_relations(data):
    folder = data / "re" / "GAD"
    ours, theirs = check.check(folder), relation_check.check(folder)
    assert ours.totals() == theirs.totals()
    assert ours.across == theirs.across
    assert not check.is_set(folder)
