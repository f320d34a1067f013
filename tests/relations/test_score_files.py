# SPDX-License-Identifier: Apache-2.0
import csv
import json

import numpy as np
import pytest

from biobert_tf.common import single_label
from biobert_tf.common.counts import Score
from biobert_tf.common.errors import InputError
from biobert_tf.relations import scores as relations

HEADER = "index\tsentence\tlabel"
ORDER = {
    "binary": ["0", "1"],
    "chemprot": ["cpr:3", "cpr:4", "cpr:5", "cpr:6", "cpr:9", "false"],
}
COUNTED = {"binary": [1], "chemprot": [0, 1, 2, 3, 4]}


def write(tmp_path, probabilities, answers, end="\n"):
    """Returns the two files, of given lines."""
    output, answer = tmp_path / "test_results.tsv", tmp_path / "test.tsv"
    output.write_text("".join(f"{line}\n" for line in probabilities))
    answer.write_bytes("".join(f"{line}{end}" for line in answers).encode())
    return output, answer


def answers_of(labels):
    return [HEADER, *(f"{i}\ts{i}\t{label}" for i, label in enumerate(labels))]


def one_hot(task, label):
    return "\t".join("0.9" if label == one else "0.02" for one in ORDER[task])


# --- what is read -------------------------------------------------------------------


def test_binary_by_hand(tmp_path):
    rows = ["0.9\t0.1", "0.2\t0.8", "1.0e-04\t9.999E-1", "0.5\t0.5"]
    paths = write(tmp_path, rows, answers_of("0111"))
    scores = relations.evaluate(*paths, "binary")
    assert scores.by_label == {"0": Score(1, 2, 1), "1": Score(3, 2, 2)}
    assert relations.report(scores) == (
        "f1 score    : 80.00%\n"
        "recall      : 66.67%\n"
        "precision   : 100.00%\n"
        "specificity : 100.00%\n"
    )


@pytest.mark.parametrize("task", ORDER)
def test_the_first_of_equals_is_predicted(tmp_path, task):
    width = len(ORDER[task])
    rows = ["\t".join(["0.1"] * width), "\t".join(["0.1"] * (width - 2) + ["0.4"] * 2)]
    paths = write(tmp_path, rows, answers_of([ORDER[task][0]] * 2))
    by_label = relations.evaluate(*paths, task).by_label
    predicted = [label for label in by_label if by_label[label].num_predicted]
    assert predicted == sorted({ORDER[task][0], ORDER[task][-2]})


@pytest.mark.parametrize("missing", ORDER["chemprot"])
def test_a_missing_class_shifts_nothing(tmp_path, missing):
    labels = [label for label in ORDER["chemprot"] if label != missing] * 2
    rows = [one_hot("chemprot", label) for label in labels]
    scores = relations.evaluate(*write(tmp_path, rows, answers_of(labels)), "chemprot")
    assert scores.f1 == scores.accuracy == 1
    assert scores.by_label[missing] == Score(0, 0, 0)


def test_the_case_of_labels_does_not_matter(tmp_path):
    labels = ["CPR:3", "cpr:4", "Cpr:9", "False", "FALSE", "false"]
    rows = [one_hot("chemprot", label.lower()) for label in labels]
    scores = relations.evaluate(*write(tmp_path, rows, answers_of(labels)), "chemprot")
    assert scores.accuracy == 1
    assert scores.num_gold == 3


def test_chemprot_without_the_column_of_false(tmp_path):
    rows = ["0.1\t0.2\t0.1\t0.1\t0.5", "0.9\t0\t0\t0\t0.1"]
    paths = write(tmp_path, rows, answers_of(["cpr:9", "false"]))
    scores = relations.evaluate(*paths, "chemprot")
    assert (scores.num_gold, scores.num_predicted, scores.num_correct) == (1, 2, 1)


def test_blank_lines_and_windows_line_ends(tmp_path):
    output, answer = write(tmp_path, ["0.9\t0.1\r", "", "0.1\t0.9\r"], answers_of("01"))
    assert relations.evaluate(output, answer, "binary").accuracy == 1


def test_quotes_are_characters(tmp_path):
    answers = [HEADER, '0\t"never closed @GENE$\t1', "1\tplain\t0", '2\tend"\t1']
    rows = ["0\t1", "1\t0", "0\t1"]
    scores = relations.evaluate(*write(tmp_path, rows, answers), "binary")
    assert (scores.num_examples, scores.accuracy) == (3, 1)


def test_blue_quotes_are_csv_quotes(tmp_path):
    answers = [HEADER, '0\t"a ""b"" c\td"\t1', "1\tplain\t0"]
    rows = ["0\t1", "1\t0"]
    by_ends = write(tmp_path, rows, answers, end="\r\n")
    assert relations.evaluate(*by_ends, "binary").accuracy == 1
    by_flag = write(tmp_path, rows, answers)
    assert relations.evaluate(*by_flag, "binary", "blue").accuracy == 1


def test_scibert_answers(tmp_path):
    texts = ["<< A >> of [[ b ]]", "<< A >> or [[ c ]]"]
    answers = [
        json.dumps({"text": text, "label": label})
        for text, label in zip(texts, ["CPR:3", "false"], strict=True)
    ]
    rows = [one_hot("chemprot", "cpr:3"), one_hot("chemprot", "false")]
    assert relations.evaluate(*write(tmp_path, rows, answers), "chemprot").accuracy == 1


def test_the_same_files_give_the_same_intervals(tmp_path):
    rows = ["0.9\t0.1", "0.2\t0.8", "0.4\t0.6", "0.5\t0.5"] * 5
    labels = list("01101" * 4)
    scores = relations.evaluate(*write(tmp_path, rows, answers_of(labels)), "binary")
    predicted = list("0110" * 5)
    assert scores == single_label.score(labels, predicted, ("0", "1"), "0", seed=0)
    assert scores != single_label.score(labels, predicted, ("0", "1"), "0", seed=1)


# --- what is refused ----------------------------------------------------------------

GOOD = ["0.9\t0.1", "0.1\t0.9"]


@pytest.mark.parametrize(
    "rows, labels, message",
    [
        (GOOD, "0", "test_results.tsv: 2 rows .* 1 sentences of .*/test.tsv"),
        (GOOD[:1], "01", "test_results.tsv: 1 rows .* 2 sentences of .*/test.tsv"),
        ([GOOD[0], "0.1"], "01", "test_results.tsv:2: 1 columns instead of 2"),
        (["0.1\t0.2\t0.7"], "0", "test_results.tsv:1: 3 columns instead of 2"),
        (["0.5"], "0", "test_results.tsv:1: 1 columns instead of 2"),
        (["0.9 0.1"], "0", "test_results.tsv:1: 1 columns instead of 2"),
        ([GOOD[0], "0.1\tx"], "01", "test_results.tsv:2: 'x' is not a finite number"),
        ([GOOD[0], "nan\t1"], "01", "test_results.tsv:2: 'nan' is not a finite number"),
        (["-inf\t1"], "0", "test_results.tsv:1: '-inf' is not a finite number"),
        (["\t1"], "0", "test_results.tsv:1: '' is not a finite number"),
        ([], "0", "test_results.tsv:1: empty"),
        ([" ", ""], "0", "test_results.tsv:1: empty"),
        (GOOD, "02", "test.tsv:3: label '2' is none of 0 1"),
        (GOOD, ["0", ""], "test.tsv:3: no label"),
        (GOOD, [], "test.tsv:1: .*no sentence"),
    ],
)
def test_bad_files_are_refused(tmp_path, rows, labels, message):
    paths = write(tmp_path, rows, answers_of(labels))
    with pytest.raises(InputError, match=message) as caught:
        relations.evaluate(*paths, "binary")
    assert "\n" not in str(caught.value)


def test_the_width_is_that_of_the_first_row(tmp_path):
    five, six = one_hot("chemprot", "cpr:3")[:-5], one_hot("chemprot", "cpr:3")
    labels = ["cpr:3", "cpr:3"]
    for first, second, other in ((five, six, "6.*of 5"), (six, five, "5.*of 6")):
        paths = write(tmp_path, [first, second], answers_of(labels))
        with pytest.raises(InputError, match=f"tsv:2: {other}"):
            relations.evaluate(*paths, "chemprot")


def test_an_answer_file_without_labels_is_refused(tmp_path):
    paths = write(tmp_path, GOOD, ["index\tsentence", "0\ta", "1\tb"])
    with pytest.raises(InputError, match=r"test\.tsv:2: no label"):
        relations.evaluate(*paths, "binary")


def test_missing_files_are_refused(tmp_path):
    output, answer = write(tmp_path, GOOD, answers_of("01"))
    with pytest.raises(InputError, match=r"none\.tsv: no such file"):
        relations.evaluate(tmp_path / "none.tsv", answer, "binary")
    with pytest.raises(InputError, match=r"none\.tsv: "):
        relations.evaluate(output, tmp_path / "none.tsv", "binary")


def test_an_unknown_task_is_refused(tmp_path):
    paths = write(tmp_path, GOOD, answers_of("01"))
    with pytest.raises(InputError, match="--task=gad: want binary or chemprot"):
        relations.evaluate(*paths, "gad")


# --- recorded runs of the original --------------------------------------------------


def columns_of(path):
    """Returns the columns of each line, quotes as characters."""
    return [line.split("\t") for line in path.read_text("utf-8").split("\n") if line]


def printed(gold, predicted, counted, is_binary):
    """Returns what is to be printed of integer labels."""
    num_correct = np.sum((gold == predicted) & np.isin(gold, counted))
    recall = num_correct / max(np.isin(gold, counted).sum(), 1)
    precision = num_correct / max(np.isin(predicted, counted).sum(), 1)
    f1 = 2 * precision * recall / (precision + recall) if num_correct else 0.0
    lines = [("f1 score", f1), ("recall", recall), ("precision", precision)]
    if is_binary:
        negatives = predicted[gold == 0]
        lines.append(("specificity", np.sum(negatives == 0) / max(len(negatives), 1)))
    return "".join(f"{name:<12}: {100 * value:.2f}%\n" for name, value in lines)


def joined_rows(path):
    """Says whether a reader that honours quotes sees fewer rows than there are."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t"))
    return len(rows) != len(columns_of(path))


def check(folder, case):
    """Compares one case; returns whether the original got it right."""
    task, runs = case["task"], case["runs"].values()
    output, answer = folder / "test_results.tsv", folder / "answer.tsv"
    labels = [columns[-1] for columns in columns_of(answer)[1:]]
    probabilities = np.array(columns_of(output), np.float64)
    if len(labels) != len(probabilities):
        assert all(run["returncode"] and run["error"] for run in runs)
        both = f"{len(probabilities)} rows .* {len(labels)} sentences"
        with pytest.raises(InputError, match=both):
            relations.evaluate(output, answer, task)
        return False
    predicted = probabilities.argmax(1)
    right_ids = {label: ORDER[task].index(label.lower()) for label in labels}
    gold = np.array([right_ids[label] for label in labels])
    by_hand = printed(gold, predicted, COUNTED[task], task == "binary")
    ours = relations.report(relations.evaluate(output, answer, task))
    assert ours == by_hand
    lacks_positives = task == "binary" and not gold.any() and not predicted.any()
    if joined_rows(answer) or lacks_positives:
        assert all(run["returncode"] and run["stdout"] != ours for run in runs)
        return False
    if task == "chemprot":
        ids = {label: i for i, label in enumerate(sorted(set(labels)))}
        if ids != right_ids:
            shifted = np.array([ids[label] for label in labels])
            theirs = printed(shifted, predicted, COUNTED[task], False)
            assert all(run["stdout"] == theirs for run in runs)
            return False
    assert all((run["returncode"], run["stdout"]) == (0, ours) for run in runs)
    return True


@pytest.mark.golden
def test_printed_as_recorded_where_the_original_is_right(golden):
    """What is right is decided by the files alone.

    The original is wrong or fails where the rows are not equally many, quotes join
    rows, a binary set has no positive label at all, or the labels of ChemProt that
    occur, sorted, have other numbers than in the full list; what it then prints is
    what those other numbers give.
    """
    root = golden / "re" / "re_eval"
    cases = json.loads((root / "expected.json").read_text("utf-8"))["cases"]
    right = [case["task"] for case in cases if check(root / case["case"], case)]
    assert set(right) == set(ORDER)
    assert len(right) < len(cases)


@pytest.mark.golden
def test_some_recorded_numbers_are_wrong(golden):
    root = golden / "re" / "re_eval"
    num_different = 0
    for case in json.loads((root / "expected.json").read_text("utf-8"))["cases"]:
        for run in case["runs"].values():
            if run["returncode"] == 0:
                paths = (
                    root / case["case"] / name
                    for name in ("test_results.tsv", "answer.tsv")
                )
                ours = relations.report(relations.evaluate(*paths, case["task"]))
                num_different += ours != run["stdout"]
    assert num_different


# --- real data ----------------------------------------------------------------------


@pytest.mark.data
def test_gad_of_the_released_weights(data):
    folder = data / "parity" / "re_gad1"
    first, *lines = (folder / "expected_metrics.txt").read_text().splitlines()
    names = first.split()
    counts = dict(zip(names[::2], map(int, names[1::2]), strict=True))
    scores = relations.evaluate(
        folder / "test_results.tsv", data / "re" / "GAD" / "1" / "test.tsv", "binary"
    )
    assert relations.report(scores).splitlines() == lines
    assert scores.confusion == {
        "0": {"0": counts["tn"], "1": counts["fp"]},
        "1": {"0": counts["fn"], "1": counts["tp"]},
    }


@pytest.mark.data
def test_quoted_answers_of_blue_are_read_whole(data, tmp_path):
    answer = data / "re" / "chemprot" / "test.tsv"
    raw = answer.read_bytes()
    assert b"\r\n" in raw
    assert b'\t"' in raw
    lines = raw.decode("utf-8").split("\r\n")
    labels = [line.split("\t")[-1].lower() for line in lines[1:] if line]
    output = tmp_path / "test_results.tsv"
    output.write_text("".join(one_hot("chemprot", label) + "\n" for label in labels))
    scores = relations.evaluate(output, answer, "chemprot")
    assert scores.accuracy == 1
    assert scores.num_examples == len(labels)
    assert scores.num_gold == sum(label != "false" for label in labels)
