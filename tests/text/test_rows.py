# SPDX-License-Identifier: Apache-2.0
"""Rows with a word each: columns, comments, CoNLL-U, frames."""

import pytest

from biobert_tf.text import rows


def read(text):
    return rows.read(text.split("\n"))


def words(text):
    return [(word.text, word.last) for word in read(text).words]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("10\u00a0mg\tO", ("10\u00a0mg", "O")),
        ("5\u2009% O", ("5\u2009%", "O")),
        ("a\u3000b\tx y\tO\r", ("a\u3000b", "x y", "O")),
        ("p\u2028q  NN   O ", ("p\u2028q", "NN", "O")),
        ("\u00a0\tO", ("\u00a0", "O")),
        (" helps \t O", ("helps", "O")),
        ("a\t\tO", ("a", "O")),
        ("10\u00a0mg", ("10\u00a0mg",)),
        ("\tO", ("O",)),
        ("\u00a0", ()),
        (" \t", ()),
    ],
)
def test_columns(row, expected):
    assert rows.columns(row) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# doc_id = 7\n# text = a B\na\tO", [("a", "O")]),
        ("# sent id = 7\na NN O", [("a", "O")]),
        ("# x =\na", [("a", None)]),
        ("# x = 1", []),
        # A word may be a number sign.
        ("#\tO\na\tO", [("#", "O"), ("a", "O")]),
        ("# O\na O", [("#", "O"), ("a", "O")]),
        ("# = B\na O", [("#", "B"), ("a", "O")]),
        ("#1 = O\na O", [("#1", "O"), ("a", "O")]),
        ("a\tO\n# b = c\tO", [("a", "O"), ("# b = c", "O")]),
    ],
)
def test_comments(text, expected):
    assert words(text) == expected


MISC = "\t".join("_" * 8)


def test_conllu():
    text = (
        f"# newpar\n1-2\tdon't\t{MISC}\n1\tdo\t{MISC}\n2\tn't\t{MISC}\n2.1\tx\t{MISC}\n"
        f"3\t#\t{MISC}"
    )
    assert words(text) == [("do", None), ("n't", None), ("#", None)]
    assert [word.row for word in read(text).words] == [2, 3, 5]
    assert words(f"1\tdo\t{MISC}\tO\n2\tn't\t{MISC}\tB-X") == [
        ("do", "O"),
        ("n't", "B-X"),
    ]
    # Fewer columns, or words that are no numbers, are no CoNLL-U.
    assert words("1\tO\n2\tO") == [("1", "O"), ("2", "O")]
    assert words(f"1\tdo\t{MISC}\na\tdo\t{MISC}") == [("1", "_"), ("a", "_")]


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("<ALL>\tO\na\tB-X\n</ALL>\tO", "ALL", ["a"]),
        ("<X>\tO-X\na\tB-X\nb\tO-X\n</X>\tO-X", "X", ["a", "b"]),
        ("<X> O-X O\na B-X O\n</X> O-X O", "X", ["a"]),  # with a column predicted
        ("a B-X\nb O-X", "X", ["a", "b"]),  # the labels alone say it too
        ("<ALL>\na\n</ALL>", "ALL", ["a"]),
        ("<i>\tO\na\tO\n</i>\tO", "ALL", ["<i>", "a", "</i>"]),
        ("<X>\tO\na\tO\n<\tO", "ALL", ["<X>", "a", "<"]),
        ("<ALL>\tO\n</ALL>\tO", "ALL", []),
    ],
)
def test_frames(text, scope, expected):
    read_ = read(text)
    assert (read_.scope, [word.text for word in read_.words]) == (scope, expected)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a", "a\tO"),
        ("a NN", "a NN O"),
        ("a b\tNN", "a b\tNN\tO"),
        ("\ta b \r", "a b O"),
        ("10\u00a0mg", "10\u00a0mg\tO"),
    ],
)
def test_one_more_column(row, expected):
    assert rows.with_column(row, "O") == expected
    assert rows.columns(expected) == (*rows.columns(row), "O")


def test_sentences():
    text = "\ufeffa O\n\n \n# x = 1\nb O\nc O\n"
    found = [[word.text for word in one.words] for one in rows.sentences(text)]
    assert found == [["a"], ["b", "c"]]
