import json
from collections import Counter

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.relations import check
from biobert_tf.relations import sets as relation_sets
from biobert_tf.relations.check import KINDS

GOOD = "@GENE$ is linked to @DISEASE$."
BINARY = relation_sets.SETS["gad"]


def write(folder, **files):
    """Writes files of BioBERT's form; rows are (sentence, label)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        lines = ["\t".join(row) for row in rows]
        if name == "test":
            lines = ["index\tsentence\tlabel"] + [
                f"{i}\t{line}" for i, line in enumerate(lines)
            ]
        text = "".join(f"{line}\n" for line in lines)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")


def row(number, label="0"):
    return f"{GOOD} {number}", label


def found(problems):
    """Returns kind and files -> how many."""
    return {(problem.kind, *problem.files): problem.num for problem in problems}


def examples(problems, kind):
    """Returns the lines of all examples of a kind, each with its places."""
    return [
        [str(place) for place in example.places]
        for problem in problems
        if problem.kind == kind
        for example in problem.examples
    ]


def problems_of(folder, **options):
    report = check.check(folder, **options)
    [only] = report.sets
    assert only.name == "."
    assert not report.across
    assert report.num_problems == sum(problem.num for problem in only.problems)
    return only.problems


def test_a_clean_set(tmp_path):
    write(
        tmp_path,
        train=[row(1), row(2, "1"), row(3, "1")],
        dev=[],
        test=[row(4, "1"), ("@CHEM-GENE$ is both.", "0")],
    )
    report = check.check(tmp_path, labels=BINARY)
    assert report.num_problems == 0
    assert report.totals() == {}
    assert report.summary() == (
        f"{tmp_path}\n"
        "set, form biobert\n"
        "  train.tsv: 3 rows, 2 (66.7%) 1, 1 (33.3%) 0\n"
        "  dev.tsv: 0 rows\n"
        "  test.tsv: 2 rows, 1 (50.0%) 0, 1 (50.0%) 1\n"
        "problems: 0\n"
    )


def test_contradictions_within_and_between_files(tmp_path):
    write(
        tmp_path,
        train=[row(1, "0"), row(2, "0"), row(1, "0"), row(1, "1"), row(3, "1")],
        test=[row(2, "1"), row(9, "0"), row(3, "1"), row(1, "1"), row(2, "1")],
    )
    problems = problems_of(tmp_path)
    assert found(problems) == {
        ("leak", "test.tsv", "train.tsv"): 4,
        ("contradiction", "train.tsv"): 1,
        ("contradiction_between", "test.tsv", "train.tsv"): 2,
        ("duplicate", "train.tsv"): 2,
        ("duplicate", "test.tsv"): 1,
    }
    assert examples(problems, "contradiction") == [
        ["train.tsv:1 (0)", "train.tsv:4 (1)"]
    ]
    assert examples(problems, "contradiction_between") == [
        ["test.tsv:2 (1)", "train.tsv:2 (0)"],
        ["test.tsv:5 (1)", "train.tsv:1 (0)", "train.tsv:4 (1)"],
    ]


def test_labels_spelt_differently_contradict_nothing(tmp_path):
    rows = [("@CHEMICAL$ @GENE$", "CPR:3"), ("@CHEMICAL$ @GENE$", "cpr:3")]
    write(tmp_path, train=rows)
    [contradiction, duplicate] = problems_of(tmp_path)
    assert (contradiction.kind, duplicate.kind) == ("contradiction", "duplicate")
    chemprot = relation_sets.SETS["chemprot"]
    [duplicate] = problems_of(tmp_path, labels=chemprot)
    assert duplicate.kind == "duplicate"
    [file] = check.check(tmp_path, labels=chemprot).sets[0].files
    assert dict(file.by_label) == {
        **{"cpr:3": 2, "cpr:4": 0, "cpr:5": 0, "cpr:6": 0, "cpr:9": 0, "false": 0}
    }
    assert next(iter(file.by_label)) == "cpr:3"


def test_leaks_between_all_files_count_rows(tmp_path):
    write(
        tmp_path,
        train=[row(1), row(2), row(1)],
        dev=[row(2), row(5), row(6)],
        test=[row(1), row(1), row(2), row(5), row(7)],
    )
    problems = [p for p in problems_of(tmp_path) if p.kind == "leak"]
    assert found(problems) == {
        ("leak", "dev.tsv", "train.tsv"): 1,
        ("leak", "test.tsv", "train.tsv"): 3,
        ("leak", "test.tsv", "dev.tsv"): 2,
    }
    # The test file has a header: its first sentence is in line 2.
    assert examples(problems, "leak") == [
        ["dev.tsv:1 (0)", "train.tsv:2 (0)"],
        ["test.tsv:2 (0)", "train.tsv:1 (0)"],
        ["test.tsv:3 (0)", "train.tsv:1 (0)"],
        ["test.tsv:4 (0)", "train.tsv:2 (0)"],
        ["test.tsv:4 (0)", "dev.tsv:1 (0)"],
        ["test.tsv:5 (0)", "dev.tsv:2 (0)"],
    ]


def test_duplicates_have_all_places_counted_and_the_first_shown(tmp_path):
    write(tmp_path, train=[row(n) for n in (1, 2, 1, 3, 2, 1, 4, 4)])
    [problem] = problems_of(tmp_path)
    assert (problem.kind, problem.num) == ("duplicate", 4)
    assert examples([problem], "duplicate") == [
        ["train.tsv:3 (0)", "train.tsv:1 (0)"],
        ["train.tsv:5 (0)", "train.tsv:2 (0)"],
        ["train.tsv:6 (0)", "train.tsv:1 (0)"],
    ]


def test_near_duplicates_are_a_class_of_their_own(tmp_path):
    same = "@GENE$ is  linked to @DISEASE$ ."
    write(
        tmp_path,
        train=[(GOOD, "0"), (same, "0"), (same, "0")],
        test=[(GOOD.replace("linked", "LINKED"), "1"), (GOOD, "0"), row(1), row(1)],
    )
    problems = problems_of(tmp_path)
    # By kind, not by file.
    assert [problem.kind for problem in problems] == [
        *("leak", "duplicate", "duplicate", "near_duplicate", "near_duplicate")
    ]
    assert found(problems) == {
        ("leak", "test.tsv", "train.tsv"): 1,
        ("duplicate", "train.tsv"): 1,
        ("duplicate", "test.tsv"): 1,
        ("near_duplicate", "train.tsv"): 1,
        ("near_duplicate", "test.tsv"): 1,
    }
    assert examples(problems, "near_duplicate") == [
        ["train.tsv:2 (0)", "train.tsv:1 (0)"],
        ["test.tsv:2 (1)", "train.tsv:1 (0)"],
    ]


def test_placeholders(tmp_path):
    write(
        tmp_path,
        train=[
            ("No entity here, not even $GENE@ or user@host.", "0"),
            ("Only @GENE$ is named.", "0"),
            ("Both in @GENE-DISEASE$.", "0"),
            ("@GENE$ and @GENE$ are named.", "0"),
            ("@GENE$ and @DISEASE$ and @GENE$ are named.", "0"),
            ("@GENE$, @DISEASE$ and @CHEMICAL$ are named.", "0"),
            ("@GENE$ and @DISEASE$ are named.", "0"),
            ("", "0"),
            (" ", "1"),
            ("", "1"),
        ],
    )
    problems = problems_of(tmp_path)
    assert found(problems) == {
        ("empty", "train.tsv"): 3,
        ("no_placeholder", "train.tsv"): 1,
        ("one_placeholder", "train.tsv"): 1,
        ("doubled_placeholder", "train.tsv"): 1,
        ("many_placeholders", "train.tsv"): 2,
    }
    assert examples(problems, "no_placeholder") == [["train.tsv:1 (0)"]]
    assert examples(problems, "one_placeholder") == [["train.tsv:2 (0)"]]
    assert examples(problems, "doubled_placeholder") == [["train.tsv:4 (0)"]]
    assert examples(problems, "many_placeholders") == [
        *(["train.tsv:5 (0)"], ["train.tsv:6 (0)"])
    ]
    assert examples(problems, "empty") == [
        [f"train.tsv:{line} ({label})"] for line, label in [(8, 0), (9, 1), (10, 1)]
    ]


def test_two_drugs_are_no_doubled_placeholder(tmp_path):
    write(
        tmp_path,
        train=[("@DRUG$ with @DRUG$.", "0"), ("@DRUG-DRUG$ here.", "0")],
        test=[("@DRUG$, @DRUG$ or @DRUG$.", "0"), ("@DRUG$ alone.", "0")],
    )
    assert found(problems_of(tmp_path)) == {
        ("one_placeholder", "test.tsv"): 1,
        ("many_placeholders", "test.tsv"): 1,
    }


def test_labels(tmp_path):
    rows = [row(1, "0"), row(2, "yes"), row(3, ""), row(3, "1"), row(5, "yes")]
    write(tmp_path, train=rows, test=[row(6, ""), row(7, "")])
    # A missing label contradicts none.
    assert found(problems_of(tmp_path)) == {
        ("duplicate", "train.tsv"): 1,
        ("no_label", "train.tsv"): 1,
    }
    problems = problems_of(tmp_path, labels=BINARY)
    assert found(problems) == {
        ("duplicate", "train.tsv"): 1,
        ("no_label", "train.tsv"): 1,
        ("unknown_label", "train.tsv"): 2,
    }
    assert examples(problems, "no_label") == [["train.tsv:3"]]
    assert examples(problems, "unknown_label") == [
        *(["train.tsv:2 (yes)"], ["train.tsv:5 (yes)"])
    ]
    train, test = check.check(tmp_path, labels=BINARY).sets[0].files
    assert dict(train.by_label) == {"yes": 2, "0": 1, "1": 1}
    assert [*train.by_label] == ["yes", "0", "1"]
    assert (test.num_rows, dict(test.by_label)) == (2, {})


def test_blue_and_scibert_files(tmp_path):
    lines = [
        "index\tsentence\tlabel",
        'a\t"@GENE$ ""is"" at\ntwo lines; @DISEASE$"\tfalse',
        'b\t"@GENE$ is alone"\tfalse',
    ]
    blue = tmp_path / "blue"
    blue.mkdir()
    (blue / "train.tsv").write_text("\r\n".join(lines) + "\r\n", newline="")
    problems = problems_of(blue)
    assert check.check(blue).sets[0].data_format == "blue"
    assert examples(problems, "one_placeholder") == [["train.tsv:4 (false)"]]

    scibert = tmp_path / "scibert"
    scibert.mkdir()
    texts = ["<< a >> and [[ b ]]", "<< a >> and << b >>", "[[ b ]] and @GENE$"]
    (scibert / "test.json").write_text(
        "".join(json.dumps({"text": text, "label": "x"}) + "\n" for text in texts)
    )
    problems = problems_of(scibert)
    assert found(problems) == {
        ("one_placeholder", "test.json"): 1,
        ("doubled_placeholder", "test.json"): 1,
    }
    assert examples(problems, "doubled_placeholder") == [["test.json:2 (x)"]]


def test_the_format_can_be_given(tmp_path):
    write(tmp_path, train=[('"@GENE$ of @DISEASE$', "0")])
    assert check.check(tmp_path, "auto").sets[0].data_format == "biobert"
    with pytest.raises(InputError, match=r"train\.tsv:1: no header|quoting"):
        check.check(tmp_path, "blue")


# --- folds --------------------------------------------------------------------------


def write_folds(folder, tests, trains=None):
    """Writes folds 1, 2, ...: numbers of the sentences of each part."""
    for i, test in enumerate(tests):
        others = [n for j, part in enumerate(tests) if j != i for n in part]
        train = trains[i] if trains else others
        write(
            folder / str(i + 1),
            train=[row(n) for n in train],
            test=[row(n) for n in test],
        )


def test_folds_that_part_the_set(tmp_path):
    # 5 stands twice: its copies may be tested apart.
    write_folds(tmp_path, [[n, 100 + n] for n in range(10)] + [[5]])
    write(tmp_path / "notes", train=[row(99)])
    (tmp_path / "12").mkdir()
    report = check.check(tmp_path)
    assert [each.name for each in report.sets] == [str(n) for n in range(1, 12)]
    assert report.across == ()
    assert report.totals() == {"leak": 2, "duplicate": 9}
    assert "every row is in the test file of exactly one fold" in report.summary()
    leaks = [p for each in report.sets for p in each.problems if p.kind == "leak"]
    assert found(leaks) == {
        ("leak", "6/test.tsv", "6/train.tsv"): 1,
        ("leak", "11/test.tsv", "11/train.tsv"): 1,
    }


def test_folds_that_do_not(tmp_path):
    trains = [[3, 4, 5, 6], [1, 2, 5, 6], [1, 2, 3, 4, 7]]
    write_folds(tmp_path, [[1, 2], [3, 4], [5, 1]], trains)
    report = check.check(tmp_path)
    # In fold 3, 1 is held twice, so that it may be tested twice; 6 and 7 never are.
    assert found(report.across) == {
        ("missing_in_fold", "1"): 2,
        ("missing_in_fold", "2"): 2,
        ("missing_in_fold", "3"): 1,
        ("never_tested",): 2,
    }
    assert examples(report.across, "missing_in_fold")[-1] == ["1/train.tsv:4 (0)"]
    assert report.num_problems == 7 + 1
    assert "exactly one fold" not in report.summary()


def test_folds_that_test_a_row_again(tmp_path):
    write_folds(tmp_path, [[1, 2], [3, 1]], [[3, 4], [2, 4]])
    report = check.check(tmp_path)
    assert found(report.across) == {("never_tested",): 1, ("tested_again",): 1}
    assert examples(report.across, "tested_again") == [
        ["1/test.tsv:2 (0)", "2/test.tsv:3 (0)"]
    ]


def test_a_set_with_numbered_folders_is_a_set(tmp_path):
    write(tmp_path, train=[row(1)])
    write(tmp_path / "1", train=[row(2), row(2)])
    assert problems_of(tmp_path) == ()


# --- the report ---------------------------------------------------------------------


def test_every_kind_has_words_and_the_report_is_json(tmp_path):
    write(tmp_path / "1", train=[row(1), row(1, "1")], test=[row(1), ("x" * 91, "1")])
    write(tmp_path / "2", train=[row(3)], test=[row(2)])
    report = check.check(tmp_path)
    assert set(report.totals()) <= set(KINDS)
    values = json.loads(json.dumps(report.to_dict()))
    assert values["num_problems"] == report.num_problems > 0
    assert values["totals"] == report.totals()
    fold, _ = values["sets"]
    assert fold["files"][0] == {
        "file": "1/train.tsv",
        "num_rows": 2,
        "by_label": {"0": 1, "1": 1},
        "longest": None,
        "rows": "rows",
    }
    assert fold["problems"][0] == {
        "kind": "leak",
        "files": ["1/test.tsv", "1/train.tsv"],
        "num": 1,
        "examples": [
            {
                "text": f"{GOOD} 1",
                "places": [
                    {"file": "1/test.tsv", "line": 2, "label": "0"},
                    {"file": "1/train.tsv", "line": 1, "label": "0"},
                ],
            }
        ],
    }
    summary = report.summary()
    assert (
        "  leak, 1: rows of 1/test.tsv that are in 1/train.tsv too\n"
        f"    1/test.tsv:2 (0), 1/train.tsv:1 (0): {GOOD} 1\n"
    ) in summary
    assert f"1/test.tsv:3 (1): {'x' * 87}...\n" in summary
    assert "  leak                         1\n  contradiction  " in summary


# --- errors -------------------------------------------------------------------------


def test_nothing_to_check(tmp_path):
    with pytest.raises(InputError, match="absent: no such directory"):
        check.check(tmp_path / "absent")
    (tmp_path / "1").mkdir()
    (tmp_path / "devel.tsv").touch()
    with pytest.raises(InputError, match=r"holds no train\.tsv"):
        check.check(tmp_path)


def test_a_malformed_file_is_an_error_that_names_the_line(tmp_path):
    write(tmp_path / "1", train=[row(1)])
    write(tmp_path / "2", train=[row(1), ("three", "columns", "here")])
    with pytest.raises(InputError, match=r"2/train\.tsv:2: 3 columns"):
        check.check(tmp_path)


# --- real data ----------------------------------------------------------------------


def raw_rows(path, has_header):
    lines = path.read_bytes().decode("utf-8").split("\n")[int(has_header) :]
    # Sentence and label; the test file has an index before them.
    return [tuple(line.split("\t")[-2:]) for line in lines if line]


@pytest.mark.data
def test_the_leaks_of_gad(data):
    folder = data / "re" / "GAD"
    report = check.check(folder, labels=BINARY)
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.is_dir())
    assert [each.name for each in report.sets] == [str(n) for n in numbers]
    leaks = []
    tested = Counter()
    for each in report.sets:
        train = raw_rows(folder / each.name / "train.tsv", has_header=False)
        test = raw_rows(folder / each.name / "test.tsv", has_header=True)
        known = {sentence for sentence, _ in train}
        expected = {
            "leak": sum(sentence in known for sentence, _ in test),
            "duplicate": (len(train) - len(known))
            + (len(test) - len({sentence for sentence, _ in test})),
        }
        num = Counter()
        for problem in each.problems:
            num[problem.kind] += problem.num
        assert {kind: num[kind] for kind in expected} == expected
        by_file = {file.file: file for file in each.files}
        for name, rows in (("train", train), ("test", test)):
            file = by_file[f"{each.name}/{name}.tsv"]
            assert dict(file.by_label) == Counter(label for _, label in rows)
        leaks.append(expected["leak"])
        tested.update(test)
    # As the issue says: 1 to 28 per fold.
    assert (min(leaks), max(leaks)) == (1, 28)
    assert report.totals()["leak"] == sum(leaks)
    assert tested == Counter(train + test)
    assert report.across == ()


@pytest.mark.data
def test_chemprot(data):
    chemprot = relation_sets.SETS["chemprot"]
    report = check.check(data / "re" / "chemprot", labels=chemprot)
    # A pair may have two relations; two pairs may read alike once anonymised.
    assert set(report.totals()) <= {"contradiction", "duplicate"}
    assert report.sets[0].data_format == "blue"
