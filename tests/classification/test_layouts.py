"""Each published layout: what is read of it, and what is refused."""

import json
import logging
import re

import pytest

from biobert_tf.classification import layouts, pubmedqa, reading
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.errors import InputError

HOC = (
    "labels\tsentence\tindex\n"
    "0_0,1_0,2_0,3_0,4_0,5_0,6_1,7_0,8_0,9_1\tVessels grow and swell .\t77_s0\n"
    '0_0,1_0,2_0,3_0,4_0,5_0,6_0,7_0,8_0,9_0\t" No hallmark here .\t77_s1\n'
    "0_1,1_0,2_0,3_0,4_0,5_0,6_0,7_0,8_0,9_0\tIt spreads to bone .\t9_s0\n"
)
BIOSSES = (
    "pair_id\tsent1\tsent2\tscore\n"
    "8\tAspirin thins the blood.\tThe blood is thinned by aspirin.\t3.8\n"
    "2\tAspirin thins the blood.\tMice are small.\t0.0\n"
)
MEDSTS_OF_BLUE = (
    "index\tgenre\tsentence1\tsentence2\tscore\n"
    "0\tnotes\tTake one tablet.\tTake a tablet daily.\t4.5\n"
    "1\tnotes\tTake one tablet.\tShe sleeps well.\t1\n"
)
MEDSTS = "Take one tablet.\tTake a tablet daily.\t4.5\nShe sleeps.\tIt rains now.\t0\n"
YESNO = (
    "5a\tDoes aspirin help?\tIt helped all patients.\tYes\n"
    "5b\tIs water toxic?\tNobody has died of it.\tno\n"
)


def pair_of_mednli(number, label):
    return {
        "gold_label": label,
        "pairID": f"p{number}",
        "sentence1": f"The patient has fever {number}.",
        "sentence1_parse": "(ROOT)",
        "sentence2": "The patient is ill.",
    }


def mednli(*labels):
    pairs = [pair_of_mednli(number, label) for number, label in enumerate(labels)]
    return "".join(f"{json.dumps(pair)}\n" for pair in pairs)


def question(number, answer, **others):
    return {
        "QUESTION": f"Does drug {number} work?",
        "CONTEXTS": [f"It was tried {number} times. ", "It often worked."],
        "LABELS": ["METHODS", "RESULTS"],
        "LONG_ANSWER": "It works in most patients.",
        "final_decision": answer,
        **others,
    }


def pubmedqa_file(*answers):
    questions = {str(100 + i): question(i, each) for i, each in enumerate(answers)}
    return json.dumps(questions, indent=4)


ANSWERS = ["yes"] * 22 + ["no"] * 12 + ["maybe"] * 6


def opened(folder, config=None, **contents):
    """Opens a folder of files; in their names `__` is a dot."""
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return reading.open_set(folder, config or ReadingConfig())


def refusal(folder, split="train", config=None, **contents):
    with pytest.raises(InputError) as caught:
        opened(folder, config, **contents).read(split, needs_labels=True)
    return str(caught.value).removeprefix(f"{folder}/")


# --- what is read ---------------------------------------------------------------------


def test_hoc(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    held = opened(tmp_path, train__tsv=HOC)
    assert caplog.messages == [f"{tmp_path}: layout hoc, target multi"]
    assert (held.target, held.has_pairs, held.has_groups) == ("multi", False, True)
    assert held.labels == layouts.HALLMARKS
    first, second, third = held.read("train", needs_labels=True)
    assert (first.id, first.line, first.group) == ("77_s0", 2, "77")
    assert first.labels == ("inducing angiogenesis", "tumor promoting inflammation")
    assert (second.labels, second.text) == ((), '" No hallmark here .')
    assert (third.group, third.labels) == ("9", ("activating invasion and metastasis",))
    assert first.pair is None
    assert first.value is None


def test_hoc_where_no_sentence_has_a_label(tmp_path):
    header, _, none, _ = HOC.splitlines(keepends=True)
    [only] = opened(tmp_path, test__tsv=header + none).read("test", True)
    assert only.labels == ()


def test_hoc_without_labels(tmp_path):
    text = "sentence\tindex\nIt spreads .\t9_s12\n"
    [only] = opened(tmp_path, train__tsv=HOC, test__tsv=text).read("test", False)
    assert (only.labels, only.group, only.id) == (None, "9", "9_s12")


def test_biosses(tmp_path):
    held = opened(tmp_path, train__tsv=BIOSSES)
    assert (held.form.layout, held.target, held.labels) == ("biosses", "regression", ())
    assert held.has_pairs
    first, second = held.read("train", needs_labels=True)
    assert (first.id, first.value, first.labels) == ("8", 3.8, None)
    assert first.pair == "The blood is thinned by aspirin."
    assert second.value == 0.0


@pytest.mark.parametrize(
    ("text", "ids", "line"), [(MEDSTS, ["0", "1"], 1), (MEDSTS_OF_BLUE, ["0", "1"], 2)]
)
def test_medsts(tmp_path, text, ids, line):
    held = opened(tmp_path, train__tsv=text)
    assert (held.form.layout, held.target) == ("medsts", "regression")
    found = held.read("train", needs_labels=True)
    assert [each.id for each in found] == ids
    assert found[0].value == 4.5
    assert found[0].line == line
    assert (found[0].text, found[0].pair) == (
        "Take one tablet.",
        "Take a tablet daily.",
    )


def test_mednli(tmp_path, caplog):
    text = mednli("entailment", "-", "neutral", "Contradiction")
    held = opened(tmp_path, mli_train_v1__jsonl=text, test__jsonl=mednli("neutral"))
    assert held.form.layout == "mednli"
    assert held.labels == ("contradiction", "entailment", "neutral")
    found = held.read("train", needs_labels=True)
    assert [each.labels for each in found] == [
        ("entailment",),
        ("neutral",),
        ("contradiction",),
    ]
    assert [each.id for each in found] == ["p0", "p2", "p3"]
    assert [each.line for each in found] == [1, 3, 4]
    assert found[0].text == "The patient has fever 0."
    assert found[0].pair == "The patient is ill."
    assert "1 pairs without a gold_label" in caplog.text
    assert len(held.read("test", needs_labels=True)) == 1


def test_blurb_yesno(tmp_path):
    unanswered = "5c\tIs it so?\tIt is so.\n"
    held = opened(tmp_path, train__tsv=YESNO, test__tsv=unanswered)
    assert (held.form.layout, held.labels) == ("blurb_yesno", ("no", "yes"))
    found = held.read("train", needs_labels=True)
    assert [(each.id, each.labels) for each in found] == [
        ("5a", ("yes",)),
        ("5b", ("no",)),
    ]
    assert (found[0].text, found[0].pair) == (
        "Does aspirin help?",
        "It helped all patients.",
    )
    [only] = held.read("test", needs_labels=False)
    assert (only.labels, only.pair) == (None, "It is so.")


def test_pubmedqa(tmp_path):
    held = opened(tmp_path, ori_pqal__json=pubmedqa_file(*ANSWERS))
    assert (held.form.layout, held.labels) == ("pubmedqa", ("yes", "no", "maybe"))
    assert held.has_pairs
    sets = {split: held.read(split, needs_labels=True) for split in reading.SPLITS}
    assert {split: len(found) for split, found in sets.items()} == {
        "train": 17,
        "dev": 3,
        "test": 20,
    }
    ids = [each.id for found in sets.values() for each in found]
    assert sorted(ids) == [str(100 + i) for i in range(40)]
    answers = [each.labels for each in sets["test"]]
    assert answers == [("yes",)] * 11 + [("no",)] * 6 + [("maybe",)] * 3
    lines = held.path("train").read_text("utf-8").splitlines()
    for each in sets["dev"]:
        assert f'"{each.id}"' in lines[each.line - 1]
        number = int(each.id) - 100
        assert each.text == f"Does drug {number} work?"
        assert each.pair == f"It was tried {number} times. It often worked."


def test_pubmedqa_folds_are_apart(tmp_path):
    text = pubmedqa_file(*ANSWERS)
    tested, developed = set(), []
    for fold in range(10):
        held = opened(tmp_path, ReadingConfig(pubmedqa_fold=fold), ori_pqal__json=text)
        train, dev, test = ({x.id for x in held.rows(s)} for s in reading.SPLITS)
        assert not train & dev
        assert not (train | dev) & test
        tested |= {frozenset(test)}
        developed += dev
    assert len(tested) == 1
    assert len({*developed}) == len(developed) == 20


def test_pubmedqa_with_another_test_set(tmp_path):
    text = pubmedqa_file(*ANSWERS)
    truth = json.dumps({"101": "yes", "139": "maybe"})
    held = opened(tmp_path, ori_pqal__json=text, test_ground_truth__json=truth)
    assert [each.id for each in held.rows("test")] == ["101", "139"]
    rest = {each.id for split in ("train", "dev") for each in held.rows(split)}
    assert len(rest) == 38
    assert not rest & {"101", "139"}


def test_pubmedqa_split_by_its_script(tmp_path):
    held = opened(
        tmp_path,
        train_set__json=pubmedqa_file("yes", "no"),
        test_set__json=pubmedqa_file("maybe"),
        ori_pqal__json=pubmedqa_file(*ANSWERS),
    )
    assert [each.labels for each in held.rows("train")] == [("yes",), ("no",)]
    assert len(held.rows("test")) == 1
    held = opened(tmp_path, train__json=pubmedqa_file("maybe"))
    for layout in ("auto", "pubmedqa"):
        path = layouts.find(tmp_path, "train", layout)
        assert path == held.path("train") == tmp_path / "train_set.json"


@pytest.mark.parametrize(
    ("wanted", "pair"),
    [
        ("abstract", "It was tried 0 times. It often worked."),
        ("conclusion", "It works in most patients."),
        (
            "both",
            "It was tried 0 times. It often worked. It works in most patients.",
        ),
    ],
)
def test_pubmedqa_contexts(tmp_path, wanted, pair):
    config = ReadingConfig(pubmedqa_context=wanted)
    held = opened(tmp_path, config, train__json=pubmedqa_file("no"))
    assert held.read("train", needs_labels=True)[0].pair == pair


def test_pubmedqa_on_one_line(tmp_path):
    text = json.dumps({"7": question(7, "maybe")})
    [only] = opened(tmp_path, train__json=text).rows("train")
    assert (only.id, only.line, only.labels) == ("7", 1, ("maybe",))


# --- what is refused ------------------------------------------------------------------


def test_bad_hoc(tmp_path):
    text = HOC.replace("9_1\t", "9_2\t")
    assert refusal(tmp_path, train__tsv=HOC + "x\ta b\t1_s1\n") == (
        "train.tsv:5: labels 'x'; want 0_0,1_0,... to 9_0, and _1 for yes"
    )
    config = ReadingConfig(layout="hoc")
    assert "train.tsv:2: labels '0_0,1_0" in refusal(
        tmp_path, config=config, train__tsv=text
    )
    assert "train.tsv:4: 2 columns instead of the 3 of the header" in refusal(
        tmp_path, train__tsv=HOC.replace("\t9_s0", "")
    )
    assert refusal(tmp_path, train__tsv=HOC + "\ta b\t1_s1\n").startswith(
        "train.tsv:5: no label or number; training and scoring need one"
    )


def test_bad_biosses(tmp_path):
    for score in ("high", "nan", "inf", "1,5"):
        text = BIOSSES.replace("3.8", score)
        assert refusal(tmp_path, train__tsv=text) == (
            f"train.tsv:2: {score!r} is no finite number; regression needs one"
        )
    text = BIOSSES.replace("\t0.0", "\t")
    assert refusal(tmp_path, train__tsv=text).startswith("train.tsv:3: no label or num")


def test_bad_medsts(tmp_path):
    config = ReadingConfig(layout="medsts")
    assert "train.tsv:1: 2 columns; want two sentences and a score" in refusal(
        tmp_path, config=config, train__tsv="a b\t1.5\n"
    )
    assert "train.tsv:3: 2 columns instead of the 3" in refusal(
        tmp_path, train__tsv=f"{MEDSTS}a\t2\n"
    )


def test_bad_mednli(tmp_path):
    config = ReadingConfig(layout="mednli")
    good = mednli("neutral")
    assert refusal(tmp_path, train__jsonl=good + mednli("perhaps")) == (
        "train.jsonl:2: label 'perhaps' is none of contradiction, entailment, neutral"
    )
    assert refusal(tmp_path, train__jsonl=f'{good}{{"a": \n') == (
        "train.jsonl:2: not JSON: Expecting value; want one object per line"
    )
    assert refusal(tmp_path, config=config, train__jsonl='{"sentence1": "a"}\n') == (
        "train.jsonl:1: no text 'sentence2', which every object needs"
    )


def test_bad_yesno(tmp_path):
    assert refusal(tmp_path, train__tsv=f"{YESNO}5c\tIs it?\tIt is.\tmaybe\n") == (
        "train.tsv:3: label 'maybe' is none of no, yes"
    )
    config = ReadingConfig(layout="blurb_yesno")
    assert refusal(tmp_path, config=config, train__tsv="a\tb\n").startswith(
        "train.tsv:1: 2 columns; want id, question, context and yes or no"
    )


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"QUESTION": 3}, "question 101: no text QUESTION"),
        ({"CONTEXTS": "a"}, "question 101: CONTEXTS is no list of texts"),
        (
            {"final_decision": 1},
            "question 101: final_decision is 1; want yes, no, maybe",
        ),
    ],
)
def test_bad_pubmedqa(tmp_path, changed, problem):
    questions = {"100": question(0, "yes"), "101": question(1, "no", **changed)}
    text = json.dumps(questions, indent=1)
    line = text.split('"101"')[0].count("\n") + 1
    assert refusal(tmp_path, train__json=text) == f"train.json:{line}: {problem}"


def test_pubmedqa_that_cannot_be_split(tmp_path):
    text = json.dumps({"1": question(1, "yes"), "2": question(2, None)})
    assert refusal(tmp_path, ori_pqal__json=text) == (
        "ori_pqal.json: question 2 has no final_decision of yes, no, maybe, by which "
        "the sets are made"
    )
    truth = json.dumps({"55": "yes"})
    assert refusal(
        tmp_path, ori_pqal__json=pubmedqa_file(*ANSWERS), test_ground_truth__json=truth
    ) == ("test_ground_truth.json: question 55 is not in ori_pqal.json")


def test_pubmedqa_without_its_conclusion(tmp_path):
    questions = {"100": question(0, "yes", LONG_ANSWER=None)}
    config = ReadingConfig(pubmedqa_context="both")
    assert refusal(tmp_path, config=config, train__json=json.dumps(questions)) == (
        "train.json:1: question 100 has no LONG_ANSWER; see --pubmedqa_context"
    )


# --- which layout ---------------------------------------------------------------------


def test_a_target_that_the_layout_has_not(tmp_path):
    config = ReadingConfig(layout="hoc", target="single")
    with pytest.raises(InputError, match="whose target is multi; leave --target out"):
        opened(tmp_path, config, train__tsv=HOC)


@pytest.mark.parametrize(
    "config",
    [
        ReadingConfig(target="single"),
        ReadingConfig(label_column="score"),
        ReadingConfig(layout="table"),
    ],
)
def test_what_is_said_rules_a_layout_out(tmp_path, config):
    text = MEDSTS_OF_BLUE
    held = opened(tmp_path, config, train__tsv=text)
    assert (held.form.layout, held.target) == ("table", "single")
    assert held.has_pairs
    found = held.read("train", needs_labels=True)
    assert [each.labels for each in found] == [("4.5",), ("1",)]


def test_a_score_or_a_class(tmp_path):
    text = "Aspirin helps.\tIt does so.\t1\nMice are small.\tIt rains now.\t0\n"
    assert refusal(tmp_path, train__tsv=text) == (
        "train.tsv:1: may be medsts, if the last column is a score, or table, if it is "
        "a label; say which with --layout"
    )
    for target, layout in (("regression", "medsts"), ("single", "table")):
        held = opened(tmp_path, ReadingConfig(target=target), train__tsv=text)
        assert held.form.layout == layout


def test_two_files_for_one_split(tmp_path):
    contents = {"ori_pqal__json": pubmedqa_file(*ANSWERS), "train__tsv": HOC}
    assert refusal(tmp_path, **contents) == (
        f"{tmp_path}: train.tsv and ori_pqal.json may both be the train set; say which "
        "with --layout, or move one away"
    )
    held = opened(tmp_path, ReadingConfig(layout="pubmedqa"), **contents)
    assert len(held.rows("train")) == 17
    assert len(opened(tmp_path, ReadingConfig(layout="hoc")).rows("train")) == 3


def test_files_of_two_layouts(tmp_path):
    assert refusal(tmp_path, train__tsv=HOC, test__tsv=BIOSSES) == (
        "test.tsv:1: looks like biosses, but train.tsv like hoc; say which it is with "
        "--layout"
    )


@pytest.mark.parametrize("text", ['[{"text": "a"}]', '{"a": 1,\n"b": 2}', '{"a"'])
def test_json_of_no_layout(tmp_path, text):
    assert "train.json:1: neither jsonl, one object per line, nor pubmedqa" in refusal(
        tmp_path, train__json=text
    )


def test_settings_that_a_layout_has_itself():
    for name, value in (("text_column", "a"), ("header", "no")):
        with pytest.raises(InputError, match=f"--{name} is for --layout=table"):
            ReadingConfig(layout="hoc", **{name: value})
    with pytest.raises(InputError, match="--pubmedqa_fold=10: want 0 to 9"):
        ReadingConfig(pubmedqa_fold=10)


# --- real sets ------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "layout", "counts"),
    [
        ("classification/HoC", "hoc", (12_119, 1_798, 3_547)),
        ("classification/BIOSSES", "biosses", (64, 16, 20)),
        ("classification/PubMedQA", "pubmedqa", (450, 50, 500)),
        ("qa/BLURB-BioASQ-yesno", "blurb_yesno", (670, 75, 140)),
    ],
)
def test_real_sets(data, folder, layout, counts):
    held = reading.open_set(data / folder, ReadingConfig())
    assert held.form.layout == layout
    sets = [held.read(split, needs_labels=True) for split in reading.SPLITS]
    assert tuple(map(len, sets)) == counts
    for found in sets:
        assert all(each.text for each in found)
        assert len({each.id for each in found}) == len(found)
        assert all((each.pair is not None) == held.has_pairs for each in found)
        if held.target == "regression":
            assert all(0 <= each.value <= 4 for each in found)


@pytest.mark.data
def test_hallmarks_mean_what_they_are_called(data):
    """The names are in BLUE's order: a word of each is frequent in its sentences."""
    words = (
        "metasta|invas|migrat",
        "immun|T cell",
        "glycoly|metabol|glucose",
        "telomer|senescen|immortal",
        "cycle|arrest|suppress",
        "damage|repair|genom",
        "angiogen|vascular",
        "apopto|death",
        "prolifer|growth",
        "inflam|cytokin",
    )
    held = reading.open_set(data / "classification" / "HoC", ReadingConfig())
    found = held.read("train", needs_labels=True)
    for name, pattern in zip(layouts.HALLMARKS, words, strict=True):
        shares = {
            label: share(pattern, [each for each in found if label in each.labels])
            for label in layouts.HALLMARKS
        }
        ranked = sorted(shares, key=shares.get, reverse=True)
        # Cells that grow without a signal also lack a brake.
        assert name in ranked[: 2 if "suppressors" in name else 1], (name, shares)


def share(pattern, examples):
    held = [bool(re.search(pattern, each.text)) for each in examples]
    return sum(held) / len(held)


@pytest.mark.data
def test_pubmedqa_is_split_as_published(data):
    folder = data / "classification" / "PubMedQA"
    held = reading.open_set(folder, ReadingConfig())
    questions, _ = pubmedqa.read(folder / pubmedqa.WHOLE)
    truth = json.loads((folder / pubmedqa.TRUTH).read_text("utf-8"))
    # The authors' rule gives the same order, too.
    assert {each.id: each.labels[0] for each in held.rows("test")} == truth
    assert [each.id for each in held.rows("test")] == [*truth]
    elsewhere = folder / "elsewhere" / pubmedqa.WHOLE
    assert pubmedqa.split(elsewhere, questions, "test", 0) == [*truth]
    developed = [
        pmid
        for fold in range(10)
        for pmid in pubmedqa.split(elsewhere, questions, "dev", fold)
    ]
    assert {*developed} == {*questions} - {*truth}
    assert len(developed) == 500
