# SPDX-License-Identifier: Apache-2.0
import dataclasses
import gzip
import itertools
import json

import numpy as np
import pytest

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.qa import features as qa_features
from biobert_tf.qa import reading as qa_reading
from biobert_tf.qa.features import (
    FIRST_UNIQUE_ID,
    Featurizer,
    doc_spans,
    improved_answer_span,
    max_context_spans,
)
from biobert_tf.qa.reading import QaExample
from biobert_tf.text.tokenization import FullTokenizer

PIECES = "[PAD] [UNK] [CLS] [SEP] who ? a b c d e ##x ##y ( ) - . 1 2"
ID = {piece: i for i, piece in enumerate(PIECES.split())}
SETTINGS = {"max_seq_length": 12, "doc_stride": 3, "max_query_length": 4}


@pytest.fixture
def tokenizer(tmp_path):
    files.write_text(tmp_path / "vocab.txt", PIECES.replace(" ", "\n"))
    return FullTokenizer(tmp_path / "vocab.txt")


def example(context, answer=None, query="who ?", **more):
    """A question whose answer is given as `(text, first word, last word)`."""
    text, first, last = answer or (None, None, None)
    return QaExample(
        qas_id="q",
        question_text=query,
        context=context,
        doc_tokens=tuple(context.split(" ")) if context else (),
        orig_answer_text=text,
        start_position=first,
        end_position=last,
        **more,
    )


def impossible(context):
    return example(context, ("", -1, -1), is_impossible=True)


def featurize(tokenizer, *examples, **changes):
    featurizer = Featurizer(tokenizer=tokenizer, **(SETTINGS | changes))
    return list(featurizer.featurize(examples))


def shown(row):
    """The pieces of the context in a row."""
    return " ".join(
        token
        for token, word in zip(row.tokens, row.token_to_orig_map, strict=False)
        if word >= 0
    )


def labels(rows):
    return [(row.start_position, row.end_position) for row in rows]


# --- rows -----------------------------------------------------------------------------


def test_a_row(tokenizer):
    (row,) = featurize(tokenizer, example("ax (b) zz"))
    tokens = "[CLS] who ? [SEP] a ##x ( b ) [UNK] [SEP]"
    assert row.tokens == tuple(tokens.split())
    ids = [ID[token] for token in row.tokens]
    assert row.input_ids.tolist() == [*ids, 0]
    assert row.input_mask.tolist() == [1] * 11 + [0]
    assert row.segment_ids.tolist() == [0] * 4 + [1] * 7 + [0]
    words = [-1] * 4 + [0, 0, 1, 1, 1, 2] + [-1] * 2
    assert row.token_to_orig_map.tolist() == words
    assert row.token_is_max_context.tolist() == [word >= 0 for word in words]
    assert (row.unique_id, row.example_index, row.doc_span_index) == (10**9, 0, 0)
    assert (row.start_position, row.end_position) == (None, None)
    assert row.is_impossible is False
    assert {row.input_ids.dtype, row.input_mask.dtype, row.segment_ids.dtype} == {
        np.dtype(np.int32)
    }
    assert row.token_to_orig_map.dtype == np.int32
    assert row.token_is_max_context.dtype == bool


def test_windows_of_a_long_context(tokenizer):
    # Room for 7 pieces beside the question.
    rows = featurize(tokenizer, example("a b c d e 1 2 . a b c d e"), doc_stride=4)
    assert [shown(row) for row in rows] == [
        "a b c d e 1 2",
        "e 1 2 . a b c",
        "a b c d e",
    ]
    assert [row.doc_span_index for row in rows] == [0, 1, 2]
    assert [row.token_to_orig_map[4] for row in rows] == [0, 4, 8]
    is_max = [
        "".join(str(int(x)) for x in row.token_is_max_context[4:]) for row in rows
    ]
    # Among three pieces shown twice, those with more on their poorer side; `1` has
    # one on either side in both, and goes to the first.
    assert is_max == ["11111100", "00111100", "00111000"]
    assert rows[0].input_mask.tolist() == [1] * 12
    assert rows[2].input_mask.tolist() == [1] * 10 + [0] * 2


def test_rows_are_numbered_through_all_questions(tokenizer):
    contexts = ["a b c d e 1 2 . a b", "a b", "", "a b c"]
    rows = featurize(tokenizer, *map(example, contexts))
    numbers = [(row.example_index, row.doc_span_index) for row in rows]
    assert numbers == [(0, 0), (0, 1), (1, 0), (3, 0)]
    assert [row.unique_id - FIRST_UNIQUE_ID for row in rows] == [0, 1, 2, 3]


def test_questions_about_one_context_are_told_apart(tokenizer):
    queries = ["who", "a b ?", ""]
    rows = featurize(tokenizer, *(example("ax b", query=query) for query in queries))
    assert [" ".join(row.tokens) for row in rows] == [
        f"[CLS] {query} [SEP] a ##x b [SEP]".replace("  ", " ") for query in queries
    ]
    assert [row.example_index for row in rows] == [0, 1, 2]


def test_a_long_question_is_cut(tokenizer):
    (row,) = featurize(tokenizer, example("a", query="b c d e 1 2 ?"))
    assert " ".join(row.tokens) == "[CLS] b c d e [SEP] a [SEP]"
    # A short one leaves more room for the context.
    (row,) = featurize(tokenizer, example("a a a a a a a a a", query=""))
    assert len(row.tokens) == 12


def test_rows_are_made_one_by_one(tokenizer):
    read = []

    def examples():
        for i in itertools.count():
            read.append(i)
            yield example("a b")

    rows = Featurizer(tokenizer=tokenizer, **SETTINGS).featurize(examples())
    assert [next(rows).example_index for _ in range(3)] == [0, 1, 2]
    assert read == [0, 1, 2]


@pytest.fixture
def joined(monkeypatch):
    """The contexts that are made of their words, in order."""
    contexts = []
    join = qa_features._join

    def spy(words, cut):
        contexts.append(" ".join(words))
        return join(words, cut)

    monkeypatch.setattr(qa_features, "_join", spy)
    return contexts


def test_a_context_is_cut_once_for_its_questions(tokenizer, joined):
    contexts = ["ax", "ax", "b", "ax"]
    rows = featurize(tokenizer, *map(example, contexts))
    assert [shown(row) for row in rows] == ["a ##x", "a ##x", "b", "a ##x"]
    assert joined == ["ax", "b"]


def test_long_contexts_are_not_remembered(tokenizer, joined, monkeypatch):
    monkeypatch.setattr(qa_features, "_MAX_WORDS_OF_CACHED", 2)
    contexts = ["a b c", "a b c", "a b", "a b c", "a b"]
    rows = featurize(tokenizer, *map(example, contexts))
    assert [shown(row) for row in rows] == contexts
    # They are cut once where their questions follow each other.
    assert joined == ["a b c", "a b", "a b c"]


def test_words_are_cut_once_for_all_contexts(tokenizer, monkeypatch):
    cut = []
    tokenize = tokenizer.basic_tokenizer.tokenize
    monkeypatch.setattr(
        tokenizer.basic_tokenizer,
        "tokenize",
        lambda word: cut.append(word) or tokenize(word),
    )
    contexts = ["ax (b)", "(b) ax ax", "c (b)"]
    rows = featurize(tokenizer, *(example(context, query="") for context in contexts))
    assert [shown(row) for row in rows] == [
        "a ##x ( b )",
        "( b ) a ##x a ##x",
        "c ( b )",
    ]
    assert cut == ["ax", "(b)", "c"]
    # Unless there are too many words to remember.
    cut.clear()
    monkeypatch.setattr(qa_features, "_MAX_CACHED_WORDS", 1)
    featurize(tokenizer, *(example(context, query="") for context in contexts))
    assert cut == ["ax", "(b)", "ax", "c", "(b)"]


def test_a_full_memory_changes_no_row(tokenizer, joined, monkeypatch):
    contexts = ["ax b (c) d", "b ax", "(c) d", "ax b (c) d"]
    expected = featurize(tokenizer, *map(example, contexts))
    monkeypatch.setattr(qa_features, "_MAX_CACHED_WORDS", 2)
    monkeypatch.setattr(qa_features, "_MAX_CACHED_CONTEXTS", 1)
    rows = featurize(tokenizer, *map(example, contexts))
    assert [row.tokens for row in rows] == [row.tokens for row in expected]
    assert [row.input_ids.tolist() for row in rows] == [
        row.input_ids.tolist() for row in expected
    ]
    assert joined == [*contexts[:3], *contexts]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_seq_length": 7}, "--max_seq_length=7 "),
        ({"max_query_length": 9}, "--max_query_length=9 "),
        ({"max_query_length": -1}, "--max_query_length=-1 "),
        ({"doc_stride": 0}, "--doc_stride=0 "),
    ],
)
def test_lengths_that_leave_no_room(tokenizer, changes, expected):
    with pytest.raises(InputError, match=expected):
        Featurizer(tokenizer=tokenizer, **(SETTINGS | changes))


def test_the_shortest_row(tokenizer):
    rows = featurize(tokenizer, example("a b c", query="a b c d e"), max_seq_length=8)
    assert [shown(row) for row in rows] == ["a", "b", "c"]


# --- answers --------------------------------------------------------------------------

LONG = "a b c d e 1 2 . a b c d e"


def test_an_answer_inside_a_word(tokenizer):
    (row,) = featurize(tokenizer, example("a (1-2).", ("2", 1, 1)))
    assert row.tokens[row.start_position] == row.tokens[row.end_position] == "2"
    (row,) = featurize(tokenizer, example("a (1-2).", ("1-", 1, 1)))
    assert labels([row]) == [(6, 7)]


def test_an_answer_that_pieces_cannot_tell(tokenizer):
    # `a` of `ax` is a ##x; the word stays whole.
    (row,) = featurize(tokenizer, example("b axy c", ("x", 1, 1)))
    assert labels([row]) == [(5, 7)]


def test_the_last_word_ends_with_the_context(tokenizer):
    (row,) = featurize(tokenizer, example("a bx cxy", ("bx cxy", 1, 2)))
    assert labels([row]) == [(5, 9)]


def test_windows_without_the_answer(tokenizer):
    question = example(LONG, ("e 1 2", 4, 6))
    # Windows begin at 0, 3 and 6.
    kept = featurize(tokenizer, question, windows_without_answer="keep")
    assert labels(kept) == [(8, 10), (5, 7), (0, 0)]
    skipped = featurize(tokenizer, question, example("a", ("a", 0, 0)))
    assert labels(skipped) == [(8, 10), (5, 7), (4, 4)]
    assert [row.doc_span_index for row in skipped] == [0, 1, 0]
    assert [row.unique_id - FIRST_UNIQUE_ID for row in skipped] == [0, 1, 2]
    assert [shown(row) for row in skipped[:2]] == ["a b c d e 1 2", "d e 1 2 . a b"]


def test_an_answer_cut_by_the_window_is_not_in_it(tokenizer):
    question = example(LONG, ("2 .", 6, 7))
    kept = featurize(tokenizer, question, windows_without_answer="keep")
    assert labels(kept) == [(0, 0), (7, 8), (4, 5)]
    question = example(LONG, ("c d", 2, 3))
    kept = featurize(tokenizer, question, windows_without_answer="keep")
    assert labels(kept) == [(6, 7), (0, 0), (0, 0)]


def test_windows_to_predict_are_never_skipped(tokenizer):
    rows = featurize(tokenizer, example(LONG))
    assert labels(rows) == [(None, None)] * 3


@pytest.mark.parametrize("way", ["skip", "keep"])
def test_impossible_questions_keep_all_windows(tokenizer, way):
    rows = featurize(tokenizer, impossible(LONG), windows_without_answer=way)
    assert labels(rows) == [(0, 0)] * 3
    assert all(row.is_impossible for row in rows)


def test_an_answer_without_a_piece(tokenizer):
    # Of control characters alone. The original learns that it ends before it begins.
    question = example("a b \x00 c", ("\x00", 2, 2))
    assert labels(featurize(tokenizer, question, windows_without_answer="keep")) == [
        (6, 5)
    ]
    assert featurize(tokenizer, question) == []


@pytest.mark.parametrize(
    ("words", "answer", "expected"),
    [
        (range(1, 4), "b", range(2, 3)),
        (range(1, 4), "a b", range(1, 3)),
        (range(0, 5), "a", range(0, 1)),  # the first of two
        (range(1, 5), "c a", range(3, 5)),  # at the very end
        (range(0, 4), "c a", range(0, 4)),  # beyond the words
        (range(1, 3), "a b c", range(1, 3)),
        (range(1, 3), "d", range(1, 3)),
        (range(1, 3), "", range(1, 3)),
        (range(2, 2), "a", range(2, 2)),
    ],
)
def test_improved_answer_span(words, answer, expected):
    assert improved_answer_span(list("aabca"), words, answer.split()) == expected


# --- windows --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_pieces", "room", "doc_stride", "expected"),
    [
        (0, 4, 2, []),
        (1, 4, 2, [(0, 1)]),
        (4, 4, 2, [(0, 4)]),
        (5, 4, 2, [(0, 4), (2, 5)]),
        (6, 4, 2, [(0, 4), (2, 6)]),
        (7, 4, 2, [(0, 4), (2, 6), (4, 7)]),
        (9, 4, 9, [(0, 4), (4, 8), (8, 9)]),  # never further than a window
        (3, 1, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_doc_spans(num_pieces, room, doc_stride, expected):
    spans = doc_spans(num_pieces, room, doc_stride)
    assert [(span.start, span.stop) for span in spans] == expected


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], ""),
        ([(0, 3)], "000"),
        ([(0, 4), (2, 6)], "000111"),  # min(2, 1) > min(0, 3); min(3, 0) < min(1, 2)
        ([(0, 5), (2, 7), (4, 9)], "000011222"),
        ([(0, 4), (1, 5)], "00011"),  # a tie at 2: the first of equal length,
        ([(0, 5), (4, 6)], "000001"),  # else the longer, be it the first
        ([(0, 3), (2, 7)], "0011111"),  # or the second
    ],
)
def test_max_context(spans, expected):
    owners = max_context_spans([range(start, stop) for start, stop in spans])
    assert "".join(map(str, owners)) == expected


def original_owner(spans, piece):
    """The sentence of the original's comment, said once more, for one piece."""
    contexts = [
        min(piece - span.start, span.stop - 1 - piece) + 0.01 * len(span)
        if piece in span
        else -1
        for span in spans
    ]
    return contexts.index(max(contexts))


def test_max_context_of_random_windows():
    random = np.random.default_rng(7)
    for _ in range(300):
        num_pieces, room, stride = random.integers(1, [120, 40, 40])
        spans = doc_spans(int(num_pieces), int(room), int(stride))
        expected = [original_owner(spans, piece) for piece in range(num_pieces)]
        assert max_context_spans(spans).tolist() == expected


# --- the original ---------------------------------------------------------------------


def as_recorded(row):
    """A row as the recording has it."""
    positions = np.flatnonzero(row.token_to_orig_map >= 0)
    assert not row.token_is_max_context[row.token_to_orig_map < 0].any()
    num_tokens = len(row.tokens)
    assert row.input_mask.tolist() == [1] * num_tokens + [0] * (
        len(row.input_mask) - num_tokens
    )
    assert not row.input_ids[num_tokens:].any()
    assert not row.segment_ids[num_tokens:].any()
    plain = ("unique_id", "example_index", "doc_span_index", "is_impossible")
    return {name: getattr(row, name) for name in plain} | {
        "tokens": list(row.tokens),
        "token_to_orig_map": [
            [int(i), int(row.token_to_orig_map[i])] for i in positions
        ],
        "token_is_max_context": row.token_is_max_context[positions]
        .astype(int)
        .tolist(),
        "n_tokens": num_tokens,
        "input_ids": row.input_ids[:num_tokens].tolist(),
        "segment_ids": row.segment_ids[:num_tokens].tolist(),
        "padded_length": len(row.input_ids),
        "start_position": row.start_position,
        "end_position": row.end_position,
    }


@pytest.mark.golden
def test_features_of_the_original(golden):
    settings = files.read_json(golden / "qa/features/settings.json")["settings"]
    assert settings
    for name, setting in settings.items():
        reading = qa_reading.read_examples(
            golden / "qa/data" / setting["file"],
            is_training=setting["training"],
            version_2_with_negative=setting.get("version_2_with_negative", False),
        )
        featurizer = Featurizer(
            tokenizer=FullTokenizer(
                golden / f"tokenization/vocab_{setting['vocab']}.txt",
                setting["do_lower_case"],
            ),
            max_seq_length=setting["max_seq_length"],
            doc_stride=setting["doc_stride"],
            max_query_length=setting["max_query_length"],
            windows_without_answer="keep",
        )
        examples = reading.examples[: setting.get("limit")]
        path = golden / f"qa/features/{name}.features.jsonl.gz"
        with gzip.open(path, "rt", encoding="ascii") as lines:
            expected = [json.loads(line) for line in lines]
        rows = list(featurizer.featurize(examples))
        assert len(rows) == setting["features"], name
        assert [as_recorded(row) for row in rows] == expected, name

        skipping = dataclasses.replace(featurizer, windows_without_answer="skip")
        wanted = [
            (row["example_index"], row["doc_span_index"])
            for row in expected
            if not setting["training"] or row["is_impossible"] or row["start_position"]
        ]
        rows = list(skipping.featurize(examples))
        assert [(row.example_index, row.doc_span_index) for row in rows] == wanted
