import gzip
import json
import math
import random

import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.qa import decoding as qa_decoding
from biobert_tf.qa.decoding import WindowScores
from biobert_tf.qa.features import Featurizer, QaFeatures
from biobert_tf.qa.reading import QaExample, read_examples
from biobert_tf.qa.settings import DecodingSettings
from biobert_tf.text.tokenization import BasicTokenizer, FullTokenizer

# [CLS] who ? [SEP] Steve Smith ' s IL - 2 gen ##e [SEP] [PAD] [PAD]: the context is at
# positions 4 to 12.
CONTEXT = "Steve  Smith's\nIL-2 gene"
PIECES = ["Steve", "Smith", "'", "s", "IL", "-", "2", "gen", "##e"]
WORDS = [0, 1, 1, 1, 2, 2, 2, 3, 3]
LENGTH = 16
LOW = -9.0


def example(qas_id="q", context=CONTEXT):
    return QaExample(
        qas_id=qas_id,
        question_text="who?",
        context=context,
        doc_tokens=tuple(context.split()),
    )


def window(
    starts, ends, *, index=0, pieces=PIECES, words=WORDS, not_max=(), low=LOW, length=16
):
    """A window with the scores `{position: score}`; all others are `low`."""
    tokens = ("[CLS]", "who", "?", "[SEP]", *pieces, "[SEP]")
    where = np.full(length, -1, np.int32)
    where[4 : 4 + len(words)] = words
    is_max_context = where >= 0
    is_max_context[list(not_max)] = False
    logits = np.full((2, length), low, np.float32)
    for row, scores in zip(logits, (starts, ends), strict=True):
        row[list(scores)] = list(scores.values())
    return WindowScores(features(index, tokens, where, is_max_context), *logits)


def features(index, tokens, where, is_max_context):
    nothing = np.zeros(len(where), np.int32)
    return QaFeatures(
        unique_id=0,
        example_index=index,
        doc_span_index=0,
        tokens=tuple(tokens),
        token_to_orig_map=where,
        token_is_max_context=is_max_context,
        input_ids=nothing,
        input_mask=nothing,
        segment_ids=nothing,
        start_position=None,
        end_position=None,
        is_impossible=False,
    )


def decoded(*windows, question=None, do_lower_case=False, **changes):
    settings = DecodingSettings(**changes)
    [prediction] = qa_decoding.decode(
        [question or example()], windows, settings, do_lower_case=do_lower_case
    )
    return prediction


def rows(prediction):
    return [(a.text, a.start_logit, a.end_logit) for a in prediction.nbest]


# --- spans --------------------------------------------------------------------------


def test_answers_by_hand():
    # Starts 5 (Smith) and 8 (IL), ends 5, 10 (2) and 12 (##e); of the six pairs, 8 to 5
    # runs backwards.
    scores = window({5: 3, 8: 2.5}, {5: 1, 10: 2, 12: 0.25})
    prediction = decoded(scores, n_best_size=3)
    assert rows(prediction) == [
        ("Smith's IL-2", 3, 2),
        ("IL-2", 2.5, 2),
        ("Smith", 3, 1),
    ]
    assert prediction.text == "Smith's IL-2"
    assert prediction.null_odds is None
    total = 1 + math.exp(-0.5) + math.exp(-1)
    assert [answer.probability for answer in prediction.nbest] == pytest.approx(
        [1 / total, math.exp(-0.5) / total, math.exp(-1) / total], rel=1e-15
    )


def test_spans_are_places_in_the_context():
    prediction = decoded(window({4: 3, 5: 2, 8: 1}, {5: 3, 12: 0}), n_best_size=3)
    found = {answer.text: CONTEXT[slice(*answer.span)] for answer in prediction.nbest}
    assert found == {
        "Steve Smith": "Steve  Smith",
        "Smith": "Smith",
        "Steve Smith's IL-2 gene": CONTEXT,
    }
    (answer,) = decoded(window({12: 1}, {12: 1}), n_best_size=1).nbest
    # As the original, which looks for the text in the word: the first "e" of "gene".
    assert (answer.text, answer.span) == ("e", (21, 22))


@pytest.mark.parametrize(
    "starts, ends",
    [
        ({1: 9}, {5: 9}),  # begins in the question
        ({0: 9}, {0: 9}),  # [CLS]
        ({13: 9}, {13: 9}),  # [SEP]
        ({14: 9}, {14: 9}),  # padding
        ({5: 9}, {13: 9}),  # ends after the context
        ({5: 9}, {2: 9}),  # ends in the question
        ({8: 9}, {5: 9}),  # backwards
        ({4: 9}, {7: 9}),  # four pieces
        ({6: 9}, {6: 9}),  # more context elsewhere
    ],
)
def test_a_span_that_cannot_be_an_answer_gives_empty(starts, ends):
    scores = window(starts, ends, not_max=[6])
    prediction = decoded(scores, n_best_size=1, max_answer_length=3)
    assert rows(prediction) == [("empty", 0.0, 0.0)]
    assert prediction.nbest[0].probability == 1.0
    assert prediction.nbest[0].span is None
    assert prediction.text == "empty"


def test_the_longest_answer_and_one_that_ends_where_context_is_short():
    longest = decoded(window({4: 9}, {6: 9}), n_best_size=1, max_answer_length=3)
    assert longest.text == "Steve Smith'"
    ends = decoded(window({4: 9}, {5: 9}, not_max=[5]), n_best_size=1)
    assert ends.text == "Steve Smith"


def test_question_and_padding_take_places_among_the_best():
    scores = window({14: 9, 1: 8, 5: 7}, {5: 9})
    assert decoded(scores, n_best_size=2).text == "empty"
    assert decoded(scores, n_best_size=3).text == "Smith"


def test_of_equal_texts_the_best_counts():
    other = window({5: 4}, {5: 0})
    prediction = decoded(window({5: 3}, {5: 0}), other, n_best_size=1)
    assert rows(prediction) == [("Smith", 4, 0)]
    prediction = decoded(window({5: 3, 8: 2}, {5: 0, 8: 1}), other, n_best_size=3)
    assert rows(prediction) == [("Smith's IL", 3, 1), ("Smith", 4, 0), ("IL", 2, 1)]


def test_equal_sums_stay_in_the_order_of_windows_starts_and_ends():
    # In each window: start 5 with ends 5 and 6; start 4 is as good, but comes first.
    first = window({4: 1, 5: 1}, {5: 1, 6: 1})
    second = window({4: 1, 8: 1}, {8: 1, 6: 1})
    texts = [answer.text for answer in decoded(first, second, n_best_size=8).nbest]
    assert texts[:6] == [
        "Steve Smith",
        "Steve Smith'",
        "Smith",
        "Smith'",
        "Steve Smith's IL",
        "IL",
    ]


def test_sums_are_not_rounded_to_float32():
    # In float32 both sums are 16777216; the better start would come first.
    scores = window({4: 2.0**24, 8: 2.0**24 + 2}, {5: 1, 10: -2}, low=-1e9)
    assert decoded(scores, n_best_size=2).text == "Steve Smith"


def naive(windows, n_best_size, max_answer_length):
    """All valid pairs, best first, in plain loops."""
    found = []
    for number, scores in enumerate(windows):
        best = [
            sorted(range(LENGTH), key=lambda i, logits=logits: -logits[i])
            for logits in (scores.start_logits.tolist(), scores.end_logits.tolist())
        ]
        for start in best[0][:n_best_size]:
            for end in best[1][:n_best_size]:
                where = scores.features.token_to_orig_map
                is_inside = where[start] >= 0 and where[end] >= 0
                is_best = scores.features.token_is_max_context[start]
                if is_inside and is_best and 0 <= end - start < max_answer_length:
                    found.append((number, start, end))
    return sorted(
        found,
        key=lambda span: (
            -float(windows[span[0]].start_logits[span[1]])
            - float(windows[span[0]].end_logits[span[2]])
        ),
    )


def test_spans_are_those_of_plain_loops():
    rng = random.Random(5)
    num_spans = 0
    for _ in range(200):
        # Few different scores: many ties.
        windows = [
            window(
                {i: rng.randrange(4) for i in range(LENGTH)},
                {i: rng.randrange(4) / 2 for i in range(LENGTH)},
                not_max=rng.sample(range(LENGTH), 4),
            )
            for _ in range(rng.randint(1, 3))
        ]
        sizes = {
            "n_best_size": rng.randint(1, 16),
            "max_answer_length": rng.randint(1, 9),
        }
        spans = qa_decoding._valid_spans("q", windows, DecodingSettings(**sizes))
        ranked = [span[:3] for span in qa_decoding._ranked(spans, None)]
        assert ranked == naive(windows, **sizes)
        num_spans += len(ranked)
    assert num_spans > 2000


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match=r"question 'q'.*not finite"):
        decoded(window({5: float("nan")}, {5: 1}))
    with pytest.raises(InputError, match=r"question 'q'.*not finite"):
        decoded(window({5: 1}, {5: float("inf")}))


@pytest.mark.parametrize("name", ["n_best_size", "max_answer_length"])
def test_sizes_below_one_are_refused(name):
    assert getattr(DecodingSettings(**{name: 1}), name) == 1
    with pytest.raises(InputError, match=f"--{name}=0: must be at least 1"):
        DecodingSettings(**{name: 0})


# --- questions without an answer ----------------------------------------------------


def v2(*windows, **changes):
    return decoded(*windows, version_2_with_negative=True, **changes)


def test_the_null_answer_is_one_of_the_answers():
    scores = window({0: 2, 5: 3}, {0: 1, 5: 1.5})
    prediction = v2(scores, n_best_size=2)
    # Starting at [CLS] is no answer but the null answer; it is the second best.
    assert rows(prediction) == [("Smith", 3, 1.5), ("", 2, 1)]
    assert prediction.nbest[1].span is None
    assert prediction.null_odds == -1.5
    assert prediction.text == "Smith"


@pytest.mark.parametrize(
    "threshold, text", [(-1.5, "Smith"), (-1.75, ""), (0.0, "Smith")]
)
def test_null_wins_above_the_threshold(threshold, text):
    scores = window({0: 2, 5: 3}, {0: 1, 5: 1.5})
    assert v2(scores, null_score_diff_threshold=threshold).text == text


def test_the_null_score_is_that_of_the_least_sure_window():
    surest = window({0: 5}, {0: 5})
    least = window({0: 1, 5: 3}, {0: 2, 5: 3})
    equal = window({0: 2}, {0: 1})
    prediction = v2(surest, least, equal)
    assert prediction.null_odds == -3.0
    assert ("", 1, 2) in rows(prediction)


def test_the_null_answer_is_appended_to_a_full_list():
    scores = window({5: 3, 0: 1}, {5: 3, 0: 1})
    prediction = v2(scores, n_best_size=1)
    assert rows(prediction) == [("Smith", 3, 3), ("", 1, 1)]
    assert sum(answer.probability for answer in prediction.nbest) == pytest.approx(1)
    # Of equal sums it is the last, and takes one of the places where it is better.
    tied = window({5: 3, 0: 3}, {5: 3, 0: 3})
    assert rows(v2(tied, n_best_size=2))[:2] == [("Smith", 3, 3), ("", 3, 3)]
    better = window({5: 3, 0: 4}, {5: 3, 0: 4})
    assert rows(v2(better, n_best_size=2)) == [("", 4, 4), ("Smith", 3, 3)]
    assert v2(better, n_best_size=2).text == ""


def test_without_valid_span_there_is_no_answer():
    prediction = v2(window({0: 1, 14: 9}, {0: 1}), n_best_size=1)
    assert rows(prediction) == [("", 1, 1)]
    assert prediction.text == ""
    assert prediction.null_odds == 1_000_000.0
    never = v2(window({14: 9}, {0: 1}), n_best_size=1, null_score_diff_threshold=2e6)
    assert never.text == ""


def test_an_empty_context_has_no_windows():
    assert rows(decoded()) == [("empty", 0.0, 0.0)]
    assert rows(v2()) == [("", 0.0, 0.0)]
    assert v2().null_odds == 1_000_000.0


# --- question by question -----------------------------------------------------------


def test_windows_are_grouped_by_question_and_read_when_needed():
    pulled = []

    def windows():
        for index, position in [(1, 4), (1, 5), (3, 8)]:
            pulled.append(index)
            yield window({position: position}, {position: 1}, index=index)

    questions = [example(f"q{i}") for i in range(5)]
    found = []
    predictions = qa_decoding.decode(
        questions, windows(), DecodingSettings(n_best_size=1), do_lower_case=False
    )
    for prediction in predictions:
        found.append((prediction.qas_id, prediction.text, len(pulled)))
    # One window ahead, to know where a question ends.
    assert found == [
        ("q0", "empty", 1),
        ("q1", "Smith", 3),
        ("q2", "empty", 3),
        ("q3", "IL", 3),
        ("q4", "empty", 3),
    ]


@pytest.mark.parametrize("indices", [[1, 0], [0, 1, 0], [2], [0, 1, 2]])
def test_windows_out_of_order_or_of_no_question_are_a_mistake(indices):
    windows = [window({5: 1}, {5: 1}, index=i) for i in indices]
    with pytest.raises(ValueError, match="out of order"):
        list(
            qa_decoding.decode(
                [example("a"), example("b")],
                windows,
                DecodingSettings(),
                do_lower_case=False,
            )
        )


# --- texts --------------------------------------------------------------------------


def final_text(predicted, original, do_lower_case):
    """The part of the words that the letters of the predicted pieces are."""
    places = [i for i, char in enumerate(original) if char != " "]
    tokenized = " ".join(BasicTokenizer(do_lower_case).tokenize(original))
    letters = qa_decoding.aligned_letters(predicted, tokenized, len(places))
    if letters is None:
        return original
    return original[places[letters[0]] : places[letters[-1]] + 1]


@pytest.mark.parametrize(
    "predicted, original, do_lower_case, text",
    [
        ("steve smith", "Steve Smith's", True, "Steve Smith"),
        ("smith", "Steve Smith's", True, "Smith"),
        ("s", "Steve Smith's", True, "S"),  # the first of three
        ("IL - 2", "(IL-2)", False, "IL-2"),
        (") ,", "(IL-2), so", False, "),"),
        ("il", "(IL-2)", False, "(IL-2)"),  # not found: the whole
        ("naive", "nai\u0308ve t", True, "nai\u0308ve t"),  # without accent: shorter
        ("naive", "na\u00efve t", True, "na\u00efve"),
        ("", "abc", False, "abc"),
        ("", "", False, ""),
        ("a ", "a b", False, "a b"),
        (" b", "a b", False, "a b"),
        ("a b", "a\u00a0b c", False, "a\u00a0b c"),  # no space to the original
    ],
)
def test_final_text(predicted, original, do_lower_case, text):
    assert final_text(predicted, original, do_lower_case) == text


def test_pieces_are_put_together():
    pieces = ["g", "##en", "##es", ".", "the", "x", "##y", "-", "z"]
    words = [0, 0, 0, 0, 1, 2, 2, 2, 2]

    def text(start, end):
        scores = window({start: 1}, {end: 1}, pieces=pieces, words=words)
        question = example(context="genes. the xy-z")
        return decoded(scores, question=question, n_best_size=1).text

    assert text(4, 6) == "genes"
    assert text(8, 10) == "the xy"
    # A piece from the middle of a word is looked for in the word.
    assert text(5, 6) == "enes"
    assert text(10, 12) == "y-z"


def test_lower_case_pieces_give_the_letters_of_the_context():
    scores = window({4: 1}, {5: 1}, pieces=[piece.lower() for piece in PIECES])
    lower = decoded(scores, n_best_size=1, do_lower_case=True)
    assert lower.text == "Steve Smith"
    # With another case than the tokenizer's nothing is found: whole words.
    assert decoded(scores, n_best_size=1).text == "Steve Smith's"


# --- files --------------------------------------------------------------------------


def read_all(folder):
    return {path.name: path.read_text("ascii") for path in folder.iterdir()}


def test_files_by_hand(tmp_path):
    answers = (
        qa_decoding.Answer("\u03b1", 0.75, 1.0, -0.5, (0, 1)),
        qa_decoding.Answer("", 0.25, 0.0, 0.1, None),
    )
    with qa_decoding.prediction_files(tmp_path / "new", True) as write:
        for prediction in (
            qa_decoding.Prediction("q\ud800", "\u03b1", answers, -2.5),
            qa_decoding.Prediction("b", "", answers[1:], 3.0),
        ):
            write(*prediction.entries)
    assert read_all(tmp_path / "new") == {
        "predictions.json": '{\n    "q\\ud800": "\\u03b1",\n    "b": ""\n}\n',
        "null_odds.json": '{\n    "q\\ud800": -2.5,\n    "b": 3.0\n}\n',
        "nbest_predictions.json": """{
    "q\\ud800": [
        {
            "text": "\\u03b1",
            "probability": 0.75,
            "start_logit": 1.0,
            "end_logit": -0.5
        },
        {
            "text": "",
            "probability": 0.25,
            "start_logit": 0.0,
            "end_logit": 0.1
        }
    ],
    "b": [
        {
            "text": "",
            "probability": 0.25,
            "start_logit": 0.0,
            "end_logit": 0.1
        }
    ]
}
""",
    }


def test_files_without_questions(tmp_path):
    with qa_decoding.prediction_files(tmp_path, False):
        pass
    assert read_all(tmp_path) == {
        "predictions.json": "{}\n",
        "nbest_predictions.json": "{}\n",
    }


def test_no_file_is_left_by_a_failure(tmp_path):
    (tmp_path / "predictions.json").write_text("old")
    with (
        pytest.raises(InputError, match="finite"),
        qa_decoding.prediction_files(tmp_path, True) as write,
    ):
        for score in (1, float("nan")):
            prediction = v2(window({5: score}, {5: 1}))
            write(*prediction.entries)
    assert read_all(tmp_path) == {"predictions.json": "old"}


# --- against the original -----------------------------------------------------------

NAMES = ("predictions.json", "nbest_predictions.json", "null_odds.json")


def json_lines(path):
    with gzip.open(path, "rt", encoding="ascii") as stream:
        yield from map(json.loads, stream)


def recorded_examples(path):
    for values in json_lines(path):
        words = values["doc_tokens"]
        # The words are enough to decode; a lone space between them is as good as any.
        yield QaExample(
            qas_id=values["qas_id"],
            question_text=values["question_text"],
            context=" ".join(words),
            doc_tokens=tuple(words),
        )


def recorded_windows(path, logits):
    scores = scores_by_id(logits)
    length = logits["start_logits"].shape[1]
    for values in json_lines(path):
        where = np.full(length, -1, np.int32)
        is_max_context = np.zeros(length, bool)
        for (piece, word), is_max in zip(
            values["token_to_orig_map"], values["token_is_max_context"], strict=True
        ):
            where[piece], is_max_context[piece] = word, is_max
        index, tokens = values["example_index"], values["tokens"]
        row = features(index, tokens, where, is_max_context)
        yield WindowScores(row, *scores[values["unique_id"]])


def scores_by_id(logits):
    columns = (logits["unique_ids"], logits["start_logits"], logits["end_logits"])
    return {int(id_): scores for id_, *scores in zip(*columns, strict=True)}


def assert_same(ours, originals, place):
    """Texts and their order are equal, numbers to 1e-6."""
    assert type(ours) is type(originals), place
    if isinstance(ours, float):
        assert ours == pytest.approx(originals, rel=1e-6, abs=0), place
    elif isinstance(ours, dict):
        assert list(ours) == list(originals), place
        for key in ours:
            assert_same(ours[key], originals[key], f"{place} {key}")
    elif isinstance(ours, list):
        for i, (our, original) in enumerate(zip(ours, originals, strict=True)):
            assert_same(our, original, f"{place} {i}")
    else:
        assert ours == originals, place


def assert_files_are_the_originals(predictions, is_v2, folder, originals):
    with qa_decoding.prediction_files(folder, is_v2) as write:
        for prediction in predictions:
            write(*prediction.entries)
            for answer in prediction.nbest:
                assert (answer.span is None) == (answer.text in ("", "empty"))
    for name in NAMES:
        assert (folder / name).exists() == (originals / name).exists()
        if (folder / name).exists():
            ours = json.loads((folder / name).read_text("ascii"))
            assert_same(ours, json.loads((originals / name).read_text()), originals)


@pytest.mark.golden
def test_predictions_are_the_originals(golden, tmp_path):
    qa = golden / "qa"
    cases = json.loads((qa / "predictions/settings.json").read_text())
    assert cases
    for name, values in cases.items():
        folder = qa / "predictions" / name
        stem = f"features/{values.pop('features')}"
        status = values.pop("status")
        values.pop("error", None)
        with np.load(folder / "logits.npz") as logits:
            windows = list(recorded_windows(qa / f"{stem}.features.jsonl.gz", logits))
        questions = list(recorded_examples(qa / f"{stem}.examples.jsonl.gz"))
        do_lower_case = values.pop("do_lower_case")
        how = DecodingSettings(**values)
        predictions = list(
            qa_decoding.decode(questions, windows, how, do_lower_case=do_lower_case)
        )
        assert len(predictions) == len(questions)
        if status == "ok":
            assert_files_are_the_originals(
                predictions,
                values["version_2_with_negative"],
                tmp_path / name,
                folder,
            )
        else:
            # The original dies of the questions without any valid span.
            odds = [prediction.null_odds for prediction in predictions]
            assert qa_decoding.NO_SPAN_ODDS in odds


@pytest.mark.golden
def test_final_texts_are_the_originals(golden):
    cases = json.loads((golden / "qa/predictions/final_text_cases.json").read_text())
    assert cases
    for case in cases:
        given = (case[name] for name in ("pred_text", "orig_text", "do_lower_case"))
        text = final_text(*given)
        assert text == case["final_text"], case


@pytest.mark.golden
def test_a_run_from_the_file_to_the_predictions_is_the_originals(golden, tmp_path):
    folder = golden / "qa/end_to_end"
    run = json.loads((folder / "run.json").read_text())
    flags = dict(flag.removeprefix("--").split("=") for flag in run["flags"])
    do_lower_case = flags["do_lower_case"] == "true"
    reading = read_examples(golden / run["predict_file"], is_training=False)
    featurizer = Featurizer(
        tokenizer=FullTokenizer(golden / run["vocab"], do_lower_case),
        max_seq_length=int(flags["max_seq_length"]),
        doc_stride=int(flags["doc_stride"]),
        max_query_length=int(flags["max_query_length"]),
    )
    with np.load(folder / "logits.npz") as logits:
        scores = scores_by_id(logits)
    windows = (
        WindowScores(row, *scores[row.unique_id])
        for row in featurizer.featurize(reading.examples)
    )
    predictions = qa_decoding.decode(
        reading.examples,
        windows,
        DecodingSettings(
            n_best_size=int(flags["n_best_size"]),
            max_answer_length=int(flags["max_answer_length"]),
        ),
        do_lower_case=do_lower_case,
    )
    contexts = {e.qas_id: e.context for e in reading.examples}
    predictions = list(predictions)
    for prediction in predictions:
        for answer in prediction.nbest:
            place = contexts[prediction.qas_id][slice(*answer.span)]
            assert place.split() == answer.text.split()
    assert_files_are_the_originals(predictions, False, tmp_path, folder)
