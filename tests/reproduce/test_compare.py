# SPDX-License-Identifier: Apache-2.0
"""`biobert compare` on run folders that are written by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from biobert_tf.classification import multi_label, regression, single_label
from biobert_tf.cli import main as cli
from biobert_tf.common import counts, files
from biobert_tf.common.errors import InputError
from biobert_tf.ner import scores as entities
from biobert_tf.reproduce import compare, outcome, units
from biobert_tf.reproduce.plan import Cell, Run

SENTENCES = 30


def f1(gold, predicted, correct):
    score = counts.Score(gold, predicted, correct)
    return {"f1": score.f1, "precision": score.precision, "recall": score.recall}


def write_results(folder, task, scores, seed=1, **more):
    values = {"task": task, "seed": seed, "settings": {"seed": seed, **more}}
    files.write_json(folder / "results.json", {**values, "test": {"scores": scores}})


def write_lines(folder, name, rows):
    files.write_text(folder / name, "".join(json.dumps(row) + "\n" for row in rows))


def ner(folder, found, seed=1, documents=0, first="cancer", **more):
    """A run on sentences of one entity each, of which it finds those of `found`."""
    rows = []
    for i in range(SENTENCES):
        labels = ["B", "O"] if i in found else ["O", "O"]
        row = {"words": [first, str(i)], "labels": labels, "gold": ["B", "O"]}
        if documents:
            row["document"] = i * documents // SENTENCES
        rows.append(row)
    write_lines(folder, "predictions.jsonl", rows)
    write_results(folder, "ner", f1(SENTENCES, len(found), len(found)), seed, **more)
    return folder


def relations(folder, predicted, ids=str, task_name="gad", gold="1"):
    """A run on sentences that all state a relation, with these predicted labels."""
    rows = [
        {"id": ids(i), "text": f"sentence {i}", "label": label, "gold": gold}
        for i, label in enumerate(predicted)
    ]
    write_lines(folder, "predictions.jsonl", rows)
    found = sum(label != "0" for label in predicted)
    right = sum(label == gold for label in predicted)
    scores = f1(len(predicted), found, right)
    write_results(folder, "re", scores, task_name=task_name)
    return folder


def questions(folder, scores, gold, **means):
    """A run on questions with these scores and gold answers."""
    rows = [
        {"id": f"q{i}", "gold": answer, "scores": each}
        for i, (each, answer) in enumerate(zip(scores, gold, strict=True))
    ]
    write_lines(folder, "question_scores.jsonl", rows)
    write_results(folder, "qa", means)
    return folder


def both(tmp_path):
    """Two NER runs, the first of which finds more."""
    first = ner(tmp_path / "first", range(25))
    return first, ner(tmp_path / "second", range(10), seed=2)


# --- what is printed ------------------------------------------------------------------


def test_the_command(tmp_path, capsys):
    first, second = both(tmp_path)
    target = tmp_path / "found.json"
    words = [str(first), str(second), f"--json={target}", "--resamples=2000"]
    cli.main(["biobert", "compare", *words])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "ner, 30 sentences",
        f"first  : {first} (seed 1)",
        f"second : {second} (seed 2)",
    ]
    assert lines[4].split() == ["first", "second", "first", "-", "second", "p"]
    f1_line, precision, recall = (line.split() for line in lines[5:8])
    assert (f1_line[:2], f1_line[4], f1_line[7]) == (["f1", "90.91"], "50.00", "+40.91")
    assert precision[0:2] == ["precision", "100.00"]
    assert recall[0:2] == ["recall", "83.33"]

    found = files.read_json(target)
    assert (found["task"], found["unit"], found["num_units"]) == ("ner", "sentence", 30)
    values = found["scores"]["recall"]
    assert values["first"]["value"] == pytest.approx(25 / 30)
    assert values["difference"]["value"] == pytest.approx(15 / 30)
    low, high = values["difference"]["interval_95"]
    # Fifteen sentences of thirty: Binomial(30, 1/2) / 30.
    assert (low, high) == pytest.approx((10 / 30, 20 / 30), abs=0.034)
    assert values["p_value"] < 0.005
    assert "std" not in values["first"]
    assert found["first"] == [
        {
            "folders": [str(first)],
            "seed": 1,
            "scores": pytest.approx(
                {
                    "f1": 50 / 55,
                    "precision": 1,
                    "recall": 25 / 30,
                    # The entities have one word.
                    "word_macro_f1": 50 / 55,
                }
            ),
        }
    ]


def test_a_seed_repeats_the_numbers(tmp_path):
    runs = [[[folder]] for folder in both(tmp_path)]
    one, same, other = (
        compare.compare(*runs, num_resamples=200, seed=seed).text()
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_a_run_does_not_differ_from_itself(tmp_path):
    first, _ = both(tmp_path)
    report = compare.compare([[first]], [[first]], num_resamples=50)
    found = report.comparisons["f1"]
    assert (found.difference.value, found.p_value) == (0, 1)


def test_several_seeds(tmp_path, capsys):
    first = [ner(tmp_path / f"a{i}", range(20 + i), seed=i) for i in range(3)]
    second = [ner(tmp_path / f"b{i}", range(10 + i), seed=i) for i in range(3)]
    names = [",".join(map(str, runs)) for runs in (first, second)]
    target = tmp_path / "found.json"
    cli.main(["biobert", "compare", *names, "--resamples=500", f"--json={target}"])
    shown = capsys.readouterr().out
    assert f"second : {second[2]} (seed 2)" in shown
    assert "± is the deviation over these" in shown
    found = files.read_json(target)["scores"]["recall"]
    assert found["first"]["value"] == pytest.approx(21 / 30)
    assert found["first"]["std"] == pytest.approx(1 / 30)
    assert found["difference"]["value"] == pytest.approx(10 / 30)


def test_seeds_that_differ_in_more_are_told(tmp_path, caplog):
    runs = [
        ner(tmp_path / name, range(9), seed, learning_rate=rate, output_dir=name)
        for seed, (name, rate) in enumerate([("a", 1), ("b", 1), ("c", 2), ("d", 2)])
    ]
    pairs = [[[runs[0]], [runs[1]]], [[runs[2]], [runs[3]]]]
    compare.compare(*pairs, num_resamples=5)
    assert not caplog.messages
    compare.compare([[runs[0]], [runs[2]]], pairs[1], num_resamples=5)
    assert caplog.messages == [
        f"{runs[0]} and {runs[2]} are taken for one system, but differ in "
        "--learning_rate"
    ]


def test_folds(tmp_path, capsys):
    """A run of folds is scored as the mean over its folds."""
    for name, sizes in (("first", (20, 10)), ("second", (10, 5))):
        folder = tmp_path / name
        for fold, size in zip("12", sizes, strict=True):
            ner(folder / fold, range(size))
        files.write_json(folder / "results.json", {"folds": {"1": {}, "2": {}}})
    words = [str(tmp_path / "first"), str(tmp_path / "second"), "--resamples=100"]
    cli.main(["biobert", "compare", *words])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ner, 60 sentences of 2 folds, whose scores are averaged"
    assert lines[1] == f"first  : {tmp_path / 'first'} (seed 1)"
    mean = (f1(30, 20, 20)["f1"] + f1(30, 10, 10)["f1"]) / 2
    assert f"{100 * mean:.2f}" in lines[5]


# --- units and scores of every problem ------------------------------------------------


def test_units_are_documents_where_the_data_says_so(tmp_path):
    outcome = units.read(ner(tmp_path / "run", range(25), documents=10))
    assert outcome.unit == "document"
    # Entities, then words.
    rows = [[3, 3, 3] * 2, [3, 0, 0] * 2]
    assert outcome.table("document")[[0, 9]].tolist() == rows
    assert outcome.table("sentence").shape == (30, 6)


def test_few_documents_are_taken_by_sentence(tmp_path):
    assert units.read(ner(tmp_path / "run", [1], documents=9)).unit == "sentence"


def test_a_run_without_documents_is_compared_by_sentence(tmp_path):
    first = ner(tmp_path / "first", range(25), documents=10)
    second = ner(tmp_path / "second", range(20))
    report = compare.compare([[first]], [[second]], num_resamples=5)
    assert (report.unit, report.num_units) == ("sentence", 30)


def test_predicted_rows_of_documents_are_no_sentences(tmp_path):
    """`--compat=master` takes them for words; `fixed` numbers the documents."""
    fixed = ner(tmp_path / "fixed", range(25), documents=10)
    master = ner(tmp_path / "master", range(20))
    lines = (master / "predictions.jsonl").read_text().splitlines(keepends=True)
    start = {"words": ["-DOCSTART-"], "labels": ["O"], "gold": ["O"]}
    for i in reversed(range(0, SENTENCES, 3)):
        lines.insert(i, json.dumps(start) + "\n")
    files.write_text(master / "predictions.jsonl", "".join(lines))
    report = compare.compare([[fixed]], [[master]], num_resamples=5)
    assert (report.unit, report.num_units) == ("document", 10)


@pytest.mark.parametrize(
    ("ids", "unit"),
    [
        (str, "sentence"),
        (lambda i: f"{100 + i // 2}.T{i}.T9", "document"),
        (lambda i: f"DDI-DrugBank.d{i // 2}.s0.p{i}", "document"),
        (lambda i: f"1.{i}", "sentence"),
    ],
)
def test_units_of_relations(tmp_path, ids, unit):
    outcome = units.read(relations(tmp_path / "run", "1" * 20, ids))
    assert outcome.unit == unit
    assert len(outcome.table(unit)) == (10 if unit == "document" else 20)


def test_relations_of_many_labels(tmp_path):
    """A wrong relation is predicted and gold, but not correct; no relation is none."""
    labels = ["cpr:3", "cpr:4", "false"]
    run = relations(tmp_path / "run", labels, task_name="chemprot", gold="cpr:3")
    write_results(run, "re", f1(3, 2, 1), task_name="chemprot")
    table = units.read(run).table("sentence")
    assert table.tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


def test_scores_of_spans(tmp_path):
    scores = [{"f1": 1.0, "exact_match": 1.0}, {"f1": 0.5, "exact_match": 0.0}]
    run = questions(tmp_path, scores, [["a"], ["b"]], f1=0.75, exact_match=0.5)
    outcome = units.read(run)
    assert (outcome.unit, outcome.names) == ("question", ("f1", "exact_match"))
    sums = outcome.table("question").sum(0)
    assert outcome.measure(sums).tolist() == [0.75, 0.5]


def test_what_ranks_factoid_questions_comes_first(tmp_path):
    names = ("strict_accuracy", "lenient_accuracy", "mrr")
    columns = zip(names, (0.0, 1.0, 0.5), strict=True)
    row = {f"factoid_{name}": value for name, value in columns}
    outcome = units.read(questions(tmp_path, [row], [[["a"]]], **row))
    assert outcome.names[0] == "factoid_mrr"
    measured = outcome.measure(outcome.table("question").sum(0)).tolist()
    assert dict(zip(outcome.names, measured, strict=True)) == row


def test_scores_of_yes_and_no(tmp_path):
    """As BioASQ's program counts: what is not right is the other answer."""
    gold = ["yes", "yes", "yes", "no"]
    scores = [{"yesno_accuracy": float(right)} for right in (1, 1, 0, 1)]
    run = questions(tmp_path, scores, gold, yesno_accuracy=0.75, yesno_f1_yes=0.8)
    outcome = units.read(run)
    found = outcome.measure(outcome.table("question").sum(0))
    wanted = {
        "yesno_macro_f1": (4 / 5 + 2 / 3) / 2,
        "yesno_accuracy": 3 / 4,
        "yesno_f1_yes": 4 / 5,
        "yesno_f1_no": 2 / 3,
    }
    assert outcome.names == tuple(wanted)
    assert found.tolist() == pytest.approx([*wanted.values()])
    assert outcome.measure(np.zeros(4)).tolist() == [0, 0, 0, 0]


# --- what cannot be compared ----------------------------------------------------------


# --- words and texts ------------------------------------------------------------------


def pico(folder, found):
    """A run on three sentences, whose words have types; it predicts those labels."""
    gold = ["B-P I-P O", "B-O I-O O", "B-P O O"]
    rows = [
        {"words": [*"abc"], "labels": one.split(), "gold": other.split()}
        for one, other in zip(found, gold, strict=True)
    ]
    write_lines(folder, "predictions.jsonl", rows)
    pairs = [(row["gold"], row["labels"]) for row in rows]
    scores = entities.score(pairs, seed=0, num_resamples=10).to_dict()
    write_results(folder, "ner", scores)
    return folder


def test_words_are_compared_beside_entities(tmp_path):
    # It has every word, but begins each entity anew.
    words = pico(tmp_path / "words", ["B-P B-P O", "B-O B-O O", "B-P O O"])
    # It has one entity of three, another type than the gold labels have, and no O.
    one = pico(tmp_path / "one", ["B-P I-P O", "B-X I-X O", "O O O"])
    found = compare.compare([[words]], [[one]], num_resamples=50).comparisons
    assert list(found) == ["f1", "precision", "recall", "word_macro_f1"]
    assert found["word_macro_f1"].first.value == 1
    # P: two words of three. O: none.
    assert found["word_macro_f1"].second.value == pytest.approx((4 / 5 + 0) / 2)
    assert found["f1"].first.value == pytest.approx(2 * 1 / (3 + 5))


def texts(folder, rows, scores, labels=("bad", "good"), target="single", **more):
    """A run on texts with these lines of predictions and scores."""
    lines = [{"id": str(i), "text": f"text {i}", **row} for i, row in enumerate(rows)]
    write_lines(folder, "predictions.jsonl", lines)
    settings = {"target": target, "negative_label": "", **more}
    write_results(folder, "classification", scores.to_dict(), **settings)
    values = files.read_json(folder / "results.json")
    files.write_json(folder / "results.json", {**values, "labels": [*labels]})
    return folder


def single(folder, found, groups=None, **more):
    """A run on thirty texts, every third of which is bad."""
    gold = ["bad" if i % 3 == 0 else "good" for i in range(30)]
    scores = single_label.score(
        gold, found, ("bad", "good"), more.get("negative_label"), seed=0
    )
    rows = [
        {"label": one, "gold": other} | ({"group": f"d{i // groups}"} if groups else {})
        for i, (one, other) in enumerate(zip(found, gold, strict=True))
    ]
    return texts(folder, rows, scores, **more)


def test_texts_with_a_label_are_compared(tmp_path):
    first = single(tmp_path / "a", ["bad" if i % 3 == 0 else "good" for i in range(30)])
    second = single(tmp_path / "b", ["good"] * 30)
    report = compare.compare([[first]], [[second]], num_resamples=500)
    assert (report.task, report.unit, report.num_units) == (
        "classification",
        "text",
        30,
    )
    found = report.comparisons
    assert list(found) == ["accuracy", "macro_f1", "f1", "precision", "recall"]
    assert found["accuracy"].difference.value == pytest.approx(10 / 30)
    assert found["macro_f1"].second.value == pytest.approx((0 + 2 * 20 / 50) / 2)
    # Ten texts of thirty: Binomial(30, 1/3) / 30.
    low, high = found["accuracy"].difference.interval
    assert (low, high) == pytest.approx((5 / 30, 15 / 30), abs=0.05)
    assert found["accuracy"].p_value < 0.01


def test_a_negative_label_is_left_out(tmp_path):
    found = ["bad" if i % 2 == 0 else "good" for i in range(30)]
    run = single(tmp_path / "a", found, negative_label="good")
    # Bad are 10 texts, and 15 are called so; 5 of them are.
    scores = units.read(run)
    values = scores.measure(scores.table("text").sum(0))
    assert dict(zip(scores.names, values, strict=True))["f1"] == pytest.approx(10 / 25)


def test_texts_of_documents_are_drawn_together(tmp_path):
    alike = ["good"] * 30
    first, second = (single(tmp_path / x, alike, groups=3) for x in "ab")
    report = compare.compare([[first]], [[second]], num_resamples=50)
    assert (report.unit, report.num_units) == ("document", 10)
    # Of few documents, texts are drawn.
    third, fourth = (single(tmp_path / x, alike, groups=15) for x in "cd")
    report = compare.compare([[third]], [[fourth]], num_resamples=50)
    assert (report.unit, report.num_units) == ("text", 30)


def several(folder, found, gold, groups):
    scores = multi_label.score(gold, found, ("a", "b"), seed=0, groups=groups)
    rows = [
        {"labels": [*one], "gold": [*other]} | ({"group": group} if group else {})
        for one, other, group in zip(
            found, gold, groups or [""] * len(gold), strict=True
        )
    ]
    return texts(folder, rows, scores, labels=("a", "b"), target="multi")


def test_several_labels_are_compared_by_document(tmp_path):
    gold = [["a"], [], ["b"], ["a", "b"]]
    groups = ["d1", "d1", "d2", "d3"]
    # In another sentence of the same document, a label is right.
    first = several(tmp_path / "a", [[], ["a"], ["b"], ["a", "b"]], gold, groups)
    second = several(tmp_path / "b", [[], [], ["b"], ["a"]], gold, groups)
    report = compare.compare([[first]], [[second]], num_resamples=50)
    assert (report.unit, report.num_units) == ("document", 3)
    found = report.comparisons
    assert next(iter(found)) == "f1"
    assert found["f1"].first.value == 1
    # Of four labels of documents two are found.
    assert found["f1"].second.value == pytest.approx(2 * 2 / (4 + 2))
    assert found["exact_match"].second.value == pytest.approx(1 / 3)
    # Without documents, by text.
    third = several(tmp_path / "c", [[], ["a"], ["b"], ["a", "b"]], gold, None)
    report = compare.compare([[third]], [[third]], num_resamples=50)
    assert (report.unit, report.num_units) == ("text", 4)
    assert report.comparisons["f1"].first.value == pytest.approx(2 * 3 / (4 + 4))


def numbers(folder, found, gold):
    scores = regression.score(gold, found, seed=0)
    rows = [
        {"value": round(one, 6), "gold": other, "pair": "b"}
        for one, other in zip(found, gold, strict=True)
    ]
    return texts(folder, rows, scores, labels=("number",), target="auto")


def test_numbers_are_compared_by_their_correlation(tmp_path):
    rng = np.random.default_rng(0)
    gold = rng.uniform(0, 4, 40).round(1)
    near, far = (gold + rng.normal(0, noise, 40) for noise in (0.2, 2.0))
    first = numbers(tmp_path / "a", near.tolist(), gold.tolist())
    second = numbers(tmp_path / "b", far.tolist(), gold.tolist())
    report = compare.compare([[first]], [[second]], num_resamples=2000)
    assert (report.unit, report.num_units) == ("text", 40)
    assert list(report.comparisons) == ["pearson"]
    found = report.comparisons["pearson"]
    for one, values in ((found.first, near), (found.second, far)):
        assert one.value == pytest.approx(stats.pearsonr(gold, values)[0], abs=1e-6)
    drawn = [
        stats.pearsonr(gold[i], far[i])[0] for i in rng.integers(40, size=(2000, 40))
    ]
    assert found.second.interval == pytest.approx(
        tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.03
    )
    assert found.p_value < 0.01


def test_texts_of_another_test_are_refused(tmp_path):
    gold = [[1.0, 2.0, 3.5], [1.0, 2.0, 4.0]]
    one, other = (
        numbers(tmp_path / x, [1.5, 2.5, 3.0], values)
        for x, values in zip("ab", gold, strict=True)
    )
    with pytest.raises(InputError, match=r"b/predictions\.jsonl:3: is not what"):
        compare.compare([[one]], [[other]])
    label = single(tmp_path / "c", ["good"] * 30)
    with pytest.raises(InputError, match="has the scores accuracy"):
        compare.compare([[one]], [[label]])


def test_damaged_texts_are_told(tmp_path):
    one = single(tmp_path / "a", ["good"] * 30)
    path = one / "predictions.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"label": "good"', '"label": "unknown"', 1))
    with pytest.raises(InputError, match="is not what a run wrote; predict again"):
        units.read(one)
    path.write_text(text.replace('"gold"', '"old"'))
    with pytest.raises(InputError, match="is not a line that a run wrote"):
        units.read(one)


def refused(*words):
    with pytest.raises(InputError) as caught:
        cli.main(["biobert", "compare", *map(str, words)])
    return str(caught.value)


def test_another_test_is_refused(tmp_path):
    first = ner(tmp_path / "first", [1])
    second = ner(tmp_path / "second", [1], first="Cancer")
    advice = "compare runs that predicted one test file"
    assert refused(first, second) == (
        f"{second / 'predictions.jsonl'}:1: is not what stands in "
        f"{first / 'predictions.jsonl'}:1, or has another gold answer; {advice}"
    )
    lines = (first / "predictions.jsonl").read_text().splitlines(keepends=True)
    files.write_text(second / "predictions.jsonl", "".join(lines[:-1]))
    write_results(second, "ner", f1(29, 1, 1))
    assert refused(first, second) == (
        f"{second / 'predictions.jsonl'}: 29 sentences, but "
        f"{first / 'predictions.jsonl'} has 30; {advice}"
    )
    scores = {"yesno_accuracy": 1.0}
    other = questions(tmp_path / "qa", [scores], ["yes"], **scores)
    assert refused(first, other).startswith(
        f"{other / 'question_scores.jsonl'}: is of `biobert qa`, "
    )
    scores = {"factoid_mrr": 1.0}
    factoid = questions(tmp_path / "factoid", [scores], ["x"], **scores)
    assert refused(factoid, other).startswith(
        f"{other / 'question_scores.jsonl'}: has the scores yesno_macro_f1 "
    )


def test_another_problem_is_refused(tmp_path):
    first, second = ner(tmp_path / "a", [1]), relations(tmp_path / "b", "11")
    assert "is of `biobert re`, " in refused(first, second)


def test_other_gold_answers_are_refused(tmp_path):
    scores = {"yesno_accuracy": 1.0}
    first = questions(tmp_path / "first", [scores], ["yes"], **scores)
    second = questions(tmp_path / "second", [scores], ["no"], **scores)
    assert "or has another gold answer" in refused(first, second)


def test_as_many_seeds_are_wanted(tmp_path):
    first, second = both(tmp_path)
    assert refused(f"{first},{second}", first) == (
        "2 runs against 1; give as many of both, in the order of their seeds"
    )
    assert refused(f"{first},{first}", f"{first},{second}") == (
        f"{first} is named twice in one system; name each run once"
    )
    assert refused(",", first).startswith("no run to compare; name ")
    assert (
        refused(first, second, "--resamples=0") == "--resamples=0: must be at least 1"
    )
    assert refused(first, second, "--seed=-1") == "--seed=-1: must be at least 0"


def test_folds_and_a_single_run_are_refused(tmp_path):
    first, folds = ner(tmp_path / "first", [1]), tmp_path / "folds"
    for fold in "12":
        ner(folds / fold, [1])
    files.write_json(folds / "results.json", {"folds": {"1": {}, "2": {}}})
    assert refused(first, folds) == (
        f"{folds / '1' / 'predictions.jsonl'}: is of a run of 2 folds, but "
        f"{first / 'predictions.jsonl'} of 1; compare runs of the same folds"
    )


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        (None, "no such file; give the --output_dir of a run that has ended"),
        ({"task": "pretraining"}, "is not of run_ner.py, run_re.py, "),
        ({"task": "ner"}, "has no scores of a test; predict a labelled test file"),
        ({"task": "ner", "test": {"examples": 3}}, "has no scores of a test; "),
        ({"task": "ner", "test": {"scores": {"f1": 1}}}, "lacks the seed or the "),
    ],
)
def test_a_run_without_scores_is_refused(tmp_path, results, problem):
    first, second = both(tmp_path)
    (second / "results.json").unlink()
    if results is not None:
        files.write_json(second / "results.json", results)
    message = refused(first, second)
    assert message.startswith(f"{second / 'results.json'}: {problem}")


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    first, second = both(tmp_path)
    write_results(second, "ner", f1(30, 11, 11))
    assert refused(first, second) == (
        f"{second / 'predictions.jsonl'}: is not what {second / 'results.json'} was "
        "made of: f1 is 0.5000 here, 0.5366 there; predict again with --do_train=false"
    )
    (second / "predictions.jsonl").unlink()
    assert refused(first, second) == (
        f"{second / 'predictions.jsonl'}: no such file; predict again with "
        "--do_train=false"
    )


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"words": [], "labels": [], "gold": []}', '{"words": "a"}']
)
def test_a_broken_line_is_named(tmp_path, line):
    first, second = both(tmp_path)
    lines = (second / "predictions.jsonl").read_text().splitlines()
    lines[2] = line
    files.write_text(second / "predictions.jsonl", "\n".join(lines) + "\n")
    problem = "is not a line that a run wrote; predict again"
    assert refused(first, second) == f"{second / 'predictions.jsonl'}:3: {problem}"


# --- the report of `biobert reproduce` ------------------------------------------------


def cell(name, folder, seeds):
    """A cell of NCBI-disease, of which each seed finds these sentences."""
    runs = []
    for seed, found in seeds.items():
        run = Run(f"{name}/{seed}", "test", "ner", "NCBI-disease", seed, {})
        runs.append(run)
        if found is not None:
            ner(folder / run.name, found, seed)
    model = SimpleNamespace(name=name)
    return Cell("NCBI-disease", model, "fixed", {}, (), tuple(runs))


def test_cells_are_compared_by_the_seeds_that_both_have_done(tmp_path):
    cells = [
        cell("large", tmp_path, {1: range(24), 2: range(20), 3: range(30)}),
        cell("small", tmp_path, {1: range(12), 2: range(10), 3: None}),
        cell("waits", tmp_path, {1: None}),
    ]
    config = SimpleNamespace(output=tmp_path)
    plan = SimpleNamespace(cells=cells, config=config)
    row = SimpleNamespace(name="NCBI-disease", problem="ner")
    table = SimpleNamespace(main="f1")
    (found,) = outcome._comparisons(plan, table, row)
    assert (found["first"], found["second"]) == ("large/fixed", "small/fixed")
    assert (found["metric"], found["seeds"]) == ("f1", 2)
    runs = [
        [[tmp_path / each / f"{seed}"] for seed in (1, 2)]
        for each in ("large", "small")
    ]
    expected = compare.compare(*runs).comparisons["f1"]
    assert found["difference"] == pytest.approx(
        100 * expected.difference.value, abs=1e-4
    )
    assert found["interval_95"] == pytest.approx(
        [100 * end for end in expected.difference.interval], abs=1e-4
    )
    assert found["p_value"] == expected.p_value < 0.01
    # A run whose files do not fit costs its own comparisons.
    files.write_text(tmp_path / "small" / "2" / "predictions.jsonl", "{\n")
    outcome._compared.cache_clear()
    assert list(outcome._comparisons(plan, table, row)) == []
