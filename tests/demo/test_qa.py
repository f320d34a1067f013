# SPDX-License-Identifier: Apache-2.0
import itertools
import random
import re
from collections import Counter

import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.demo import grammar
from biobert_tf.demo import ner as demo
from biobert_tf.demo import qa as qa_demo
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.bioasq import answers as bioasq_answers
from biobert_tf.text import tokenization


@pytest.fixture(scope="module")
def corpus():
    return qa_demo.corpus(demo.SEED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    qa_demo.write_corpus(folder, demo.SEED)
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return tokenization.FullTokenizer(demo.vocab_file(), do_lower_case=False)


def everything(corpus):
    return [story for stories in corpus.values() for story in stories]


def test_sizes(corpus):
    assert {name: len(stories) for name, stories in corpus.items()} == {
        **{"train": 800, "test": 80}
    }
    assert {len(story.passages) for story in corpus["train"]} == {1}
    assert {len(story.passages) for story in corpus["test"]} == {2}
    assert {len(story.questions) for story in everything(corpus)} == {5}


def test_the_seed_decides(corpus):
    assert qa_demo.corpus(demo.SEED) == corpus
    assert qa_demo.corpus(demo.SEED + 1)["train"] != corpus["train"]


def test_answers_stand_where_the_story_says_and_nowhere_else(corpus):
    for story in everything(corpus):
        for passage in story.passages:
            assert set(passage.starts) == set(qa_demo.ROLES)
            for role, start in passage.starts.items():
                name = story.names[role]
                assert passage.text[start : start + len(name)] == name
        assert len(set(story.names.values())) == len(qa_demo.ROLES)


def test_no_passage_tells_two_stories(corpus):
    texts = [p.text for story in everything(corpus) for p in story.passages]
    assert len(set(texts)) == len(texts)


def test_who_does_not_read_the_question_answers_one_in_five(corpus):
    for story in everything(corpus):
        answers = [story.names[question.role] for question in story.questions]
        assert len(set(answers)) == 5


def test_names_that_only_the_test_has(corpus):
    names = {
        split: {story.names[role] for story in stories for role in story.names}
        for split, stories in corpus.items()
    }
    new = {"rosuvastatin", "oxacillin", "fibrosarcoma", "renal injury"}
    assert not new & names["train"]
    # The time and the dose have digits, so that they may be new too.
    roles = ("drug1", "drug2", "disease1", "disease2")
    asked = [story.names[role] for story in corpus["test"] for role in roles]
    share = sum(name not in names["train"] for name in asked) / len(asked)
    assert 0.15 < share < 0.35


def test_passages_may_be_kept_out():
    rules = grammar.parse(grammar.text("qa"))
    one = qa_demo.story(rules, random.Random(0), set(), 1)
    told = {one.passages[0].text}
    other = qa_demo.story(rules, random.Random(0), told, 1)
    assert told == {one.passages[0].text, other.passages[0].text}
    assert len(told) == 2


def test_unseen_counts_questions_about_names_that_training_has_not(tmp_path, corpus):
    known = {name for story in corpus["train"] for name in story.names.values()}
    asked = [
        (question.id, story.names[question.role])
        for story in corpus["test"]
        for question in story.questions
        if question.role[-1] in "12"
    ]
    new = [id_ for id_, name in asked if name not in known]
    assert len(new) > 20
    questions = [
        {"id": id_, "exact_answer": [["" if id_ == new[0] else name.upper()], ["x"]]}
        for id_, name in asked
    ]
    # The questions about doses, times and groups do not count.
    answered = {id_ for id_, _ in asked}
    for story in corpus["test"]:
        for question in story.questions:
            if question.id not in answered:
                questions.append({"id": question.id, "exact_answer": [["x"]]})
    files.write_json(tmp_path / "answers.json", {"questions": questions})
    assert qa_demo.unseen(tmp_path / "answers.json") == (len(new) - 1, len(new))


def test_files_are_read_as_those_of_bioasq(folder, corpus):
    train = qa_reading.read_examples(folder / "train.json", is_training=True)
    assert len(train.examples) == 800 * 5
    assert train.unrecoverable == ()
    test = qa_reading.read_examples(folder / "test.json", is_training=False)
    passages = Counter(example.qas_id[:-4] for example in test.examples)
    golden = bioasq_answers.read_gold(files.read_json(folder / "golden.json"), 5)
    assert list(passages.values()) == [2] * 400
    assert {question.id for question in golden} == set(passages)
    assert {len(question.id) for question in golden} == {24}
    contexts = {example.context.lower() for example in test.examples}
    for question in golden:
        [name] = question.answer.items[0]
        assert any(name in context for context in contexts)


def test_all_is_in_the_vocabulary_and_fits(folder, tokenizer):
    for name, is_training in (("train", True), ("test", False)):
        path = folder / f"{name}.json"
        for example in qa_reading.read_examples(path, is_training=is_training).examples:
            question = tokenizer.tokenize(example.question_text)
            context = tokenizer.tokenize(example.context)
            assert "[UNK]" not in [*question, *context]
            assert len(question) <= 20
            assert len(question) + len(context) + 3 <= 96


def test_the_new_passage_is_new_and_holds_the_answers(corpus):
    texts = {p.text for story in everything(corpus) for p in story.passages}
    assert qa_demo.PASSAGE not in texts
    for answer in qa_demo.QUESTIONS.values():
        assert qa_demo.PASSAGE.count(answer) == 1


def test_the_demo_from_end_to_end_on_few_stories(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(qa_demo.NUM_STORIES, "train", 20)
    monkeypatch.setitem(qa_demo.NUM_STORIES, "test", 2)
    output = tmp_path / "demo"
    cli.main(["biobert", "demo", "--task=qa", f"--output_dir={output}"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("factoid : strict accuracy") for line in lines) == 1
    [share] = [line for line in lines if "never seen in training" in line]
    assert re.fullmatch(r"answers .*: \d+ of \d+ \(\d+\.\d%\) right", share)
    place = lines.index("answers found in it")
    shown = lines[place + 1 : place + 1 + len(qa_demo.QUESTIONS)]
    for line, question in itertools.zip_longest(shown, qa_demo.QUESTIONS):
        assert question in line
