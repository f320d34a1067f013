# SPDX-License-Identifier: Apache-2.0
"""Questions in forms that public reports show: training, prediction and scoring agree.

The files stand beside the project; `test_reading` and its neighbours have small
equivalents.
"""

import pytest

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.qa import reading, squad_scores, yesno_reading
from biobert_tf.qa.contexts import read_contexts


def read_all(path, version_2=False):
    """The ids that training, prediction and scoring read."""
    trained = reading.read_examples(
        path, is_training=True, version_2_with_negative=version_2
    )
    predicted = reading.read_examples(path, is_training=False)
    gold = squad_scores.gold_of(path)
    return (
        [example.qas_id for example in trained.examples],
        [example.qas_id for example in predicted.examples],
        [question.id for question in gold.questions],
    )


@pytest.mark.parametrize(("name", "id_"), [("covidqa.json", "262"), ("hf.json", "q1")])
def test_one_reader(cases, name, id_):
    path = cases / "qa" / name
    assert read_all(path) == ([id_], [id_], [id_])
    [example] = reading.read_examples(path, is_training=True).examples
    assert example.orig_answer_text == "amoxicillin"
    [word] = example.doc_tokens[example.start_position : example.end_position + 1]
    assert word == "amoxicillin"
    [text] = read_contexts(FileGlobs.parse(str(path)))
    assert text.text == example.context
    scores = squad_scores.evaluate(path, {id_: "amoxicillin"})
    assert (scores.exact_match, scores.missing) == (1.0, ())


def test_two_answers(cases):
    path = cases / "qa" / "squad2.json"
    for version_2 in (False, True):
        with pytest.raises(
            InputError, match=r"'q1' has 2 answers; .*; keep one of"
        ) as e:
            read_all(path, version_2)
        assert "--version_2" not in str(e.value)
    predicted = reading.read_examples(path, is_training=False).examples
    assert [example.qas_id for example in predicted] == ["q1", "q2"]
    scores = squad_scores.evaluate(path, {"q1": "amoxicillin", "q2": ""})
    assert scores.exact_match == scores.no_answer.f1 == 1.0


def test_emrqa_is_refused_alike(cases):
    path = cases / "qa" / "emrqa.json"
    messages = set()
    for read in (
        lambda: reading.read_examples(path, is_training=True),
        lambda: reading.read_examples(path, is_training=False),
        lambda: yesno_reading.read_examples(path, needs_labels=False),
        lambda: squad_scores.evaluate(path, {}),
        lambda: list(read_contexts(FileGlobs.parse(str(path)))),
    ):
        with pytest.raises(InputError) as caught:
            read()
        messages.add(str(caught.value))
    [message] = messages
    assert message.startswith(f"{path}: data[0].paragraphs[0] has 'context' ['In this")
    assert "emrQA's own files" in message


def test_three_classes(cases):
    path = cases / "qa" / "maybe.tsv"
    problem = r"maybe\.tsv:2: the answer is 'maybe', want yes or no; leave such ques"
    with pytest.raises(InputError, match=problem):
        yesno_reading.read_examples(path, needs_labels=True)
