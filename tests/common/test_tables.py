import pytest

from biobert_tf.common import tables
from biobert_tf.common.errors import InputError


def build(rows):
    """Rows of as many cells as the first, or an error."""
    found = list(rows)
    if any(len(cells) != len(found[0][1]) for _, cells in found):
        raise InputError("cells")
    return found


def test_a_quote_is_a_character():
    rows = list(tables.plain('"a\t1\n\n b"\t2\n'))
    assert rows == [(1, ['"a', "1"]), (3, [' b"', "2"])]


def test_quoted_fields(tmp_path):
    text = 'text,label\n"a, ""b""\nc",1\n\nd,2\n'
    assert list(tables.quoted(tmp_path, text, ",")) == [
        (1, ["text", "label"]),
        (2, ['a, "b"\nc', "1"]),
        (5, ["d", "2"]),
    ]
    with pytest.raises(InputError, match=r"x\.csv:2: bad CSV quoting \(.*\); double"):
        list(tables.quoted("x.csv", 'a\n"b"c\n'))


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("a\tb\n", "b"),
        ('a\t"b"\n', "b"),
        ('a\t"b\tc"\n', "b\tc"),
        ('a\t"b" c\n', '"b" c'),
        ('a\t"b\nc\td"\n', 'd"'),  # two whole lines, and no row of two lines
        ('a\t"b\nc"\n', "b\nc"),
    ],
)
def test_quotes_as_they_fit(tmp_path, text, last):
    assert tables.fitting(tmp_path, text, build)[-1][1][-1] == last


def test_a_mistake_in_csv_quoting_is_told(tmp_path):
    with pytest.raises(InputError, match="bad CSV quoting"):
        tables.fitting(tmp_path, 'a\t"b ""c"" d"\ne\t"f" g\n', build)
