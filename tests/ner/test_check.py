"""`biobert data-check` of words with labels: small sets with every fault, real sets."""

import json
from collections import Counter

import ner_toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.ner import check, reading
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training.checking import Ruler


def write(folder, **splits):
    """Writes files of sentences; a sentence is `word/label word/label`."""
    folder.mkdir(exist_ok=True)
    for name, sentences in splits.items():
        rows = ["\n".join(s.replace("/", "\t").split(" ")) for s in sentences]
        (folder / f"{name}.tsv").write_text("\n\n".join(rows) + "\n", "utf-8")
    return folder


def found(folder):
    """Returns kind and files -> how many, and the places of the examples."""
    [only] = check.check(folder).sets
    return {
        (each.kind, *each.files): (
            each.num,
            [[(p.file, p.line) for p in example.places] for example in each.examples],
        )
        for each in only.problems
    }


def test_a_clean_set(tmp_path):
    write(tmp_path, train=["a/B b/I c/O", "d/O"], devel=["e/O"], test=["f/B g/O"])
    report = check.check(tmp_path)
    assert report.num_problems == 0
    assert report.summary() == (
        f"{tmp_path}\nset, form conll\n"
        "  train.tsv: 2 sentences, 2 (50.0%) O, 1 (25.0%) B, 1 (25.0%) I\n"
        "  devel.tsv: 1 sentences, 1 (100.0%) O\n"
        "  test.tsv: 1 sentences, 1 (50.0%) B, 1 (50.0%) O\n"
        "problems: 0\n"
    )


def test_leaks_contradictions_and_duplicates(tmp_path):
    write(
        tmp_path,
        train=["a/B b/I", "c/O", "c/O", "d/O e/B", "d/O e/O", "G/O"],
        test=["a/B b/O", "c/O", "x/O", "g/O"],
    )
    assert found(tmp_path) == {
        ("leak", "test.tsv", "train.tsv"): (
            2,
            [[("test.tsv", 1), ("train.tsv", 1)], [("test.tsv", 4), ("train.tsv", 4)]],
        ),
        ("contradiction", "train.tsv"): (1, [[("train.tsv", 8), ("train.tsv", 11)]]),
        ("contradiction_between", "test.tsv", "train.tsv"): (
            1,
            [[("test.tsv", 1), ("train.tsv", 1)]],
        ),
        ("duplicate", "train.tsv"): (
            2,
            [
                [("train.tsv", 6), ("train.tsv", 4)],
                [("train.tsv", 11), ("train.tsv", 8)],
            ],
        ),
        ("near_duplicate", "test.tsv"): (1, [[("test.tsv", 8), ("train.tsv", 14)]]),
    }


@pytest.mark.parametrize(
    "sentence, lines",
    [
        ("a/B-X b/I-X c/O d/B-Y", []),
        ("a/I-X b/O", [1]),
        ("a/O b/I-X c/I-X", [2]),
        ("a/B-X b/I-Y", [2]),
        ("a/S-X b/O c/B-X d/E-X", [1, 4]),
    ],
)
def test_labels_that_break_iob2(tmp_path, sentence, lines):
    write(tmp_path, train=[sentence])
    text = (tmp_path / "train.tsv").read_text("utf-8")
    (tmp_path / "train.tsv").write_text(f"-DOCSTART-\tO\n\n{text}", "utf-8")
    problems = found(tmp_path)
    places = [[("train.tsv", line + 2)] for line in lines]
    expected = {("broken_iob2", "train.tsv"): (len(lines), places)} if lines else {}
    assert problems == expected
    # Labels are counted as the file has them.
    [train] = check.check(tmp_path).sets[0].files
    assert train.by_label == Counter(word[2:] for word in sentence.split(" "))


def test_the_longest_sentence(tmp_path):
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(ner_toys.VOCAB), "utf-8")
    write(tmp_path, train=["nephritis/O nephritis/O", "a/O b/O c/O"], test=["a/O"])
    for tokenizer, expected in (
        # nephr ##itis nephr ##itis, with [CLS] and [SEP]
        (FullTokenizer(vocab), [(6, "pieces", 1, 1), (3, "pieces", 1, 0)]),
        (None, [(3, "words", 4, None), (1, "words", 1, None)]),
    ):
        report = check.check(tmp_path, Ruler(tokenizer, max_seq_length=5))
        all_longest = [file.longest for file in report.sets[0].files]
        assert [
            (each.num, each.unit, each.place.line, each.num_longer)
            for each in all_longest
        ] == expected
        shown = "; 1 over --max_seq_length=5" if tokenizer else ""
        line = (
            f"longest: {expected[0][0]} {expected[0][1]} (train.tsv:{expected[0][2]})"
        )
        assert f"    {line}{shown}\n" in report.summary()
        assert json.loads(json.dumps(report.to_dict()))["num_problems"] == 0


def test_which_files(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no train\.tsv, devel\.tsv or test\.tsv"
    ):
        check.check(tmp_path)
    write(tmp_path, train_dev=["a/O"], dev=["b/O"])
    assert [path.stem for path in check.files_of(tmp_path)] == ["train_dev", "dev"]
    write(tmp_path, train=["a/O"], devel=["b/O"], test=["c/O"])
    names = [path.stem for path in check.files_of(tmp_path)]
    assert names == ["train", "devel", "test"]


def test_sentences_without_labels_only_leak(tmp_path):
    write(tmp_path, train=["a/B", "b/O"], test=["a", "c"])
    assert found(tmp_path) == {
        ("leak", "test.tsv", "train.tsv"): (1, [[("test.tsv", 1), ("train.tsv", 1)]])
    }


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a\tO\nb\tB\n", True),
        ("-DOCSTART-\tO\n\na NN B-X\n", True),
        ("@GENE$ in @DISEASE$ .\t1\nno @GENE$ at @DISEASE$ .\t0\n", False),
        ("id\tsentence\tlabel\n", False),
        ("", False),
    ],
)
def test_what_is_taken_for_words(tmp_path, text, expected):
    (tmp_path / "train.tsv").write_text(text, "utf-8")
    assert check.is_set(tmp_path) == expected


def test_other_forms_of_rows(tmp_path):
    """AIONER's frames, comments, words with a space."""
    text = (
        "# id = 7\n<Disease>\tO-Disease\na b\tS-Disease\nc\tO-Disease\n"
        "</Disease>\tO-Disease\n\na b\tO\nc\tI-Gene\n"
    )
    (tmp_path / "train.tsv").write_text(text, "utf-8")
    assert check.is_set(tmp_path)
    assert found(tmp_path) == {
        ("duplicate", "train.tsv"): (1, [[("train.tsv", 7), ("train.tsv", 3)]]),
        ("broken_iob2", "train.tsv"): (2, [[("train.tsv", 3)], [("train.tsv", 8)]]),
    }
    text = "a\u00a0b\tO\nc\tO\n"
    (tmp_path / "train.tsv").write_text(text, "utf-8")
    [file] = check.check(tmp_path, Ruler(None, 5)).sets[0].files
    assert file.longest.num == 2


@pytest.mark.data
@pytest.mark.parametrize(
    "case, broken",
    [("bilou", 2), ("ws", 0), ("nbsp", 0), ("comment_ner", 0), ("tsvangle", 0)],
)
def test_files_that_once_were_misread(cases, case, broken):
    assert check.is_set(cases / case)
    expected = {"broken_iob2": broken} if broken else {}
    assert check.check(cases / case).totals() == expected


@pytest.mark.data
def test_real_sets(data):
    """What is found, counted again in a plainer way."""
    folder = data / "ner" / "BC2GM"
    held = {}
    for name in ("train", "devel", "test"):
        examples = reading.read_examples(folder / f"{name}.tsv", "fixed", True)
        held[f"{name}.tsv"] = [(one.words, one.labels) for one in examples]
    [only] = check.check(folder).sets
    numbers = {(each.kind, *each.files): each.num for each in only.problems}
    train = {words for words, _ in held["train.tsv"]}
    leaks = [words for words, _ in held["test.tsv"] if words in train]
    assert leaks and numbers["leak", "test.tsv", "train.tsv"] == len(leaks)
    num_labellings = len(set(held["train.tsv"])) - len(train)
    assert numbers["contradiction", "train.tsv"] == num_labellings > 0
    duplicates = len(held["train.tsv"]) - len(train)
    assert numbers["duplicate", "train.tsv"] == duplicates
    assert not any(kind == "broken_iob2" for kind, *_ in numbers)
    broken = [
        problem
        for problem in check.check(data / "ner" / "EBM-PICO").sets[0].problems
        if problem.kind == "broken_iob2"
    ]
    assert [problem.files for problem in broken] == [("dev.tsv",), ("test.tsv",)]
