# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import decoding as qa_decoding
from biobert_tf.qa import yesno as bioasq_yesno
from biobert_tf.qa.features import Featurizer
from biobert_tf.qa.reading import QaExample
from biobert_tf.qa.yesno import YesNoAnswer
from biobert_tf.text.tokenization import FullTokenizer


def example(id_, context="a", is_yes=None):
    words = tuple(context.split())
    return QaExample(
        qas_id=id_, question_text="a", context=context, doc_tokens=words, is_yes=is_yes
    )


@pytest.fixture
def featurize(tmp_path):
    """Makes windows of one word."""
    files.write_text(tmp_path / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na")
    featurizer = Featurizer(
        tokenizer=FullTokenizer(tmp_path / "vocab.txt"),
        max_seq_length=5,
        doc_stride=1,
        max_query_length=1,
    )
    return featurizer.featurize


@pytest.fixture
def decode(featurize):
    def decode(examples, logits):
        rows = featurize(examples)
        scores = map(np.float32, logits)
        windows = zip(rows, scores, strict=True)
        return list(bioasq_yesno.decode(examples, windows))

    return decode


# --- passages and questions ---------------------------------------------------------


def test_passages(decode):
    examples = [example("q_000", "a a a"), example("q_001", ""), example("r")]
    logits = [(0, 3), (1, 0.5), (2.5, 3), (4, -1)]
    assert decode(examples, logits) == [
        YesNoAnswer("q_000", 1.0),  # of 3, -0.5 and 0.5
        YesNoAnswer("q_001", 0.0),
        YesNoAnswer("r", -5.0),
    ]


def test_differences_are_not_rounded_to_float32(decode):
    assert decode([example("q")], [(1, 1e8)]) == [YesNoAnswer("q", 99_999_999.0)]


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite(decode, score):
    with pytest.raises(InputError, match=r"question 'r_000': .* not finite"):
        decode([example("q"), example("r_000")], [(0, 1), (score, 1)])


def test_windows_out_of_order(featurize):
    examples = [example("q"), example("r")]
    windows = [(row, np.zeros(2)) for row in featurize(examples)]
    with pytest.raises(ValueError, match="window of example 0 is out of order"):
        list(bioasq_yesno.decode(examples, windows[::-1]))


def test_passages_are_decoded_one_by_one(featurize):
    read = []

    def windows():
        for row in featurize(map(example, "abc")):
            read.append(row.example_index)
            yield row, np.zeros(2)

    answers = bioasq_yesno.decode(map(example, "abc"), windows())
    assert next(answers).id == "a"
    assert read == [0, 1]


def test_questions():
    passages = {"q_000": 3.0, "r": -1.0, "q_001": -1.0, "q_002": -1.0, "s_001": 0.0}
    answers = bioasq_yesno.pool(YesNoAnswer(*item) for item in passages.items())
    # One sure passage outweighs two doubtful ones.
    assert answers == [
        YesNoAnswer("q", pytest.approx(1 / 3)),
        YesNoAnswer("r", -1.0),
        YesNoAnswer("s", 0.0),
    ]
    assert [answer.is_yes for answer in answers] == [True, False, False]
    assert [answer.text for answer in answers] == ["yes", "no", "no"]
    (known,) = bioasq_yesno.pool([YesNoAnswer("s_001", 0.0)], ["s_001"])
    assert known.id == "s_001"


def test_a_long_passage_counts_once(decode):
    examples = [example("q_000", "a a a a"), example("q_001")]
    passages = decode(examples, [(0, 1)] * 4 + [(2, 0)])
    assert bioasq_yesno.pool(passages) == [YesNoAnswer("q", -0.5)]


@pytest.mark.parametrize(
    ("evidence", "probability"),
    [
        (0.0, 0.5),
        (math.log(3), 0.75),
        (-math.log(3), 0.25),
        (1e4, 1.0),
        (-1e4, 0.0),
        (-40.0, math.exp(-40)),
    ],
)
def test_probabilities(evidence, probability):
    found = YesNoAnswer("q", evidence).probability
    assert found == pytest.approx(probability, rel=1e-15)


# --- gold ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "labels", "border", "macro_f1", "before"),
    [
        # Separable, but not at 0.
        ([1.0, 2.0, 4.0], [False, False, True], 3.0, 1.0, 1 / 4),
        # Two borders are as good: the one next to 0 is taken.
        ([1.0, 2.0, 3.0, 4.0], [False, True, False, True], 1.5, 11 / 15, 1 / 3),
        # Equal evidence on both sides: no border lies on it.
        ([1.0, 1.0, 3.0], [False, True, True], 2.0, 2 / 3, 2 / 5),
        # Always yes is best.
        ([1.0, 2.0], [True, True], 0.0, 1 / 2, 1 / 2),
    ],
)
def test_the_best_border(values, labels, border, macro_f1, before):
    questions = [YesNoAnswer(str(i), value) for i, value in enumerate(values)]
    is_yes = {str(i): label for i, label in enumerate(labels)}
    found = bioasq_yesno.best_border(questions, is_yes)
    assert found.evidence == border
    assert found.macro_f1 == pytest.approx(macro_f1)
    assert found.macro_f1_before == pytest.approx(before)
    assert found.num_questions == len(values)
    moved = [YesNoAnswer(a.id, a.evidence - border) for a in questions]
    assert bioasq_yesno.best_border(moved, is_yes).evidence == 0


def test_gold():
    examples = [
        example("q_000", is_yes=True),
        example("q_001", is_yes=None),
        example("q_002", is_yes=True),
        example("r", is_yes=False),
        example("s"),
    ]
    dummy = {"type": "yesno", "ideal_answer": "Dummy"}
    assert bioasq_yesno.gold(examples) == {
        "questions": [
            dummy | {"id": "q", "exact_answer": "yes"},
            dummy | {"id": "r", "exact_answer": "no"},
        ]
    }
    assert bioasq_yesno.gold([example("s")]) == {"questions": []}
    two = [example("q_000", is_yes=True), example("q_001", is_yes=False)]
    with pytest.raises(InputError, match="question 'q' is answered yes for one"):
        bioasq_yesno.gold(two)
    assert len(bioasq_yesno.gold(two, ["q_000", "q_001"])["questions"]) == 2


# --- files --------------------------------------------------------------------------


def test_submissions():
    questions = [YesNoAnswer("q", 0.0), YesNoAnswer("r", math.log(3))]
    shown, with_probabilities = bioasq_yesno.transform(questions)
    dummy = {"type": "yesno", "ideal_answer": "Dummy"}
    assert shown == {
        "questions": [
            dummy | {"id": "q", "exact_answer": "no"},
            dummy | {"id": "r", "exact_answer": "yes"},
        ]
    }
    first, second = with_probabilities["questions"]
    assert first == dummy | {"id": "q", "exact_answer": [["no", 0.5], ["yes", 0.5]]}
    assert second == dummy | {
        "id": "r",
        "exact_answer": [["yes", pytest.approx(0.75)], ["no", pytest.approx(0.25)]],
    }


def test_files_of_passages(tmp_path):
    with qa_decoding.prediction_files(tmp_path / "new") as write:
        for answer in (YesNoAnswer("q_000", 0.0), YesNoAnswer("q_001", 1e4)):
            write(*answer.entries)
        assert not (tmp_path / "new/predictions.json").exists()
    written = {
        path.name: json.loads(path.read_text("ascii"))
        for path in (tmp_path / "new").iterdir()
    }
    assert written == {
        "predictions.json": {"q_000": "no", "q_001": "yes"},
        "nbest_predictions.json": {
            "q_000": {"yes": 0.5, "no": 0.5},
            "q_001": {"yes": 1.0, "no": 0.0},
        },
    }


def test_no_file_is_left_of_a_failure(tmp_path):
    with pytest.raises(InputError), qa_decoding.prediction_files(tmp_path) as write:
        write("q", "no", {"yes": 0.5, "no": 0.5})
        raise InputError("later")
    assert not list(tmp_path.iterdir())
