# SPDX-License-Identifier: Apache-2.0
import gzip
import json
from typing import NamedTuple

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading
from biobert_tf.relations.reading import EntitySpan, RelationExample
from biobert_tf.relations.sets import SETS, custom

GAD, CHEMPROT = SETS["gad"], SETS["chemprot"]


def write(folder, text, name="train.tsv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


class Row(NamedTuple):
    """A row of a file without its entities."""

    line: int
    id: str
    text: str
    label: str | None


def read_rows(path, data_format):
    found = reading.read_rows(path, data_format)
    return [Row(each.line, each.id, each.text, each.label) for each in found]


def rows(folder, text, data_format="auto"):
    return read_rows(write(folder, text), data_format)


def examples(folder, text, data_format="auto", labels=GAD, needs_labels=False):
    path = write(folder, text)
    return reading.read_examples(path, data_format, labels, needs_labels)


def refusal(folder, text, data_format="auto", labels=GAD, needs_labels=False):
    """The message of the error, from the name of the file on."""
    with pytest.raises(InputError) as error:
        examples(folder, text, data_format, labels, needs_labels)
    message = str(error.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")


# --- BioBERT --------------------------------------------------------------------------


def test_biobert_without_a_header(tmp_path):
    assert rows(tmp_path, "@GENE$ is in @DISEASE$ .\t1\nNo .\t0\n") == [
        Row(1, "0", "@GENE$ is in @DISEASE$ .", "1"),
        Row(2, "1", "No .", "0"),
    ]


def test_biobert_with_a_header(tmp_path):
    text = "index\tsentence\tlabel\n7.T1\tOne .\t1\n7.T2\tTwo .\t0"
    assert rows(tmp_path, text) == [
        Row(2, "7.T1", "One .", "1"),
        Row(3, "7.T2", "Two .", "0"),
    ]


def test_biobert_has_no_quoting(tmp_path):
    text = '"Open @GENE$\t1\n"Closed" ""twice""\t0\nEnd"\t1\n'
    assert [row.text for row in rows(tmp_path, text, "biobert")] == [
        '"Open @GENE$',
        '"Closed" ""twice""',
        'End"',
    ]
    text = 'index\tsentence\tlabel\n0\t"a ""b""\t1\n1\tc"\t0\n'
    assert [row.text for row in rows(tmp_path, text)] == ['"a ""b""', 'c"']


def test_biobert_breaks_lines_at_line_feeds_only(tmp_path):
    # str.splitlines and csv would also break at these.
    text = "a\u2028b\x0bc\x85d\t1\n"
    assert [row.text for row in rows(tmp_path, text)] == ["a\u2028b\x0bc\x85d"]


def test_lines_count_blank_ones_and_numbers_do_not(tmp_path):
    assert rows(tmp_path, "\n\na\t1\r\n\r\nb\t0\n\n") == [
        Row(3, "0", "a", "1"),
        Row(5, "1", "b", "0"),
    ]


def test_a_byte_order_mark_is_not_text(tmp_path):
    assert rows(tmp_path, "\ufeffa\t1\n") == [Row(1, "0", "a", "1")]
    path = write(tmp_path, "\ufeffindex\tsentence\tlabel\r\n3\ta\t1\r\n")
    assert reading.detect_file(path) == "blue"
    assert read_rows(path, "auto") == [Row(2, "3", "a", "1")]
    assert reading.detect_file(write(tmp_path, '\ufeff{"text": "a"}')) == "scibert"


def test_biobert_with_a_header_and_no_labels(tmp_path):
    text = "index\tsentence\nx\t@GENE$\ny\t\n"
    assert rows(tmp_path, text) == [
        Row(2, "x", "@GENE$", None),
        Row(3, "y", "", None),
    ]


# --- BLUE -----------------------------------------------------------------------------

BLUE = (
    "index\tsentence\tlabel\r\n"
    '1.T1.T2\t"The ""best"" @GENE$\tever"\tCPR:3\r\n'
    '1.T1.T3\t"Two\r\nlines"\tfalse\r\n'
    '1.T1.T4\t5" of @CHEMICAL$ and "so" on\tcpr:9\r\n'
    "\r\n"
    "1.T1.T5\t'single'\tFalse\r\n"
)


def test_blue(tmp_path):
    assert rows(tmp_path, BLUE) == [
        Row(2, "1.T1.T2", 'The "best" @GENE$\tever', "CPR:3"),
        Row(3, "1.T1.T3", "Two\nlines", "false"),
        # Only a quote that begins a field opens it; the row before has two lines.
        Row(5, "1.T1.T4", '5" of @CHEMICAL$ and "so" on', "cpr:9"),
        Row(7, "1.T1.T5", "'single'", "False"),
    ]
    assert rows(tmp_path, BLUE, "blue") == rows(tmp_path, BLUE, "auto")
    # Line ends are not the form: what matters is how it is read.
    unix = BLUE.replace("\r\n", "\n")
    assert rows(tmp_path, unix, "blue") == rows(tmp_path, BLUE, "auto")
    with pytest.raises(InputError, match=r"train\.tsv:2: 4 columns instead of 3"):
        rows(tmp_path, unix, "auto")


def test_blue_examples_have_the_labels_of_the_set(tmp_path):
    found = examples(tmp_path, BLUE, labels=CHEMPROT, needs_labels=True)
    assert [example.label for example in found] == ["cpr:3", "false", "cpr:9", "false"]
    found = examples(tmp_path, BLUE, labels=None)
    assert [example.label for example in found] == ["CPR:3", "false", "cpr:9", "False"]
    assert found[0] == RelationExample(
        "1.T1.T2",
        'The "best" @GENE$\tever',
        "CPR:3",
        (EntitySpan(11, 17, 11, 17, 0),),
        line=2,
    )


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("index\tsentence\tlabel", "x\ta\t1", Row(2, "x", "a", "1")),
        ("Index\tSentence\tLabel", "x\ta\t1", Row(2, "x", "a", "1")),
        ("id\tsentence\tlabel", "x\ta\t1", Row(2, "x", "a", "1")),
        ("\tsentence\tlabel", "4\ta\t1", Row(2, "4", "a", "1")),
        ("index\tlabel\tsentence", "x\t1\ta", Row(2, "x", "a", "1")),
        ("index\tsentence\tscore\tlabel", "x\ta\t.5\t1", Row(2, "x", "a", "1")),
        ("index\tsentence", "x\ta", Row(2, "x", "a", None)),
        ("sentence\tlabel", "a\t1", Row(2, "0", "a", "1")),
        ("sentence", "a", Row(2, "0", "a", None)),
        ('"index"\t"sentence"\t"label"', '"x"\t"a"\t"1"', Row(2, "x", "a", "1")),
    ],
)
def test_headers(tmp_path, header, row, expected):
    path = write(tmp_path, f"{header}\r\n{row}\r\n")
    assert reading.detect_file(path) == reading.detect(tmp_path) == "blue"
    assert read_rows(path, "auto") == [expected]
    path = write(tmp_path, f"\r\n{header}\n{row}\n")
    assert reading.detect(tmp_path) == "blue"
    assert reading.read_rows(path, "blue")[0].line == 3


def test_a_quoted_header_is_of_blue_whatever_the_line_ends(tmp_path):
    text = '"index"\t"sentence"\t"label"\n"0"\t"a ""b"""\t"1"\n'
    assert rows(tmp_path, text) == [Row(2, "0", 'a "b"', "1")]
    assert rows(tmp_path, text, "biobert") == [Row(2, '"0"', '"a ""b"""', '"1"')]


# --- quotes in files with a header ----------------------------------------------------


@pytest.mark.parametrize("data_format", ["blue", "auto"])
@pytest.mark.parametrize(
    "texts",
    [
        # HoC: the second quote ends no field, or there is none.
        ['" Ozone " kills @GENE$ .', "no"],
        ['"Ozone @GENE$ .', "no"],
        ["no", '"Ozone" kills @GENE$ .'],
        # With CSV quoting, these would be one sentence of three lines.
        ['"Ozone @GENE$ .', "no", 'It is "safe"'],
    ],
)
def test_quotes_are_characters_where_csv_does_not_fit(tmp_path, texts, data_format):
    lines = [f"{text}\t1" for text in texts]
    found = rows(tmp_path, "\n".join(["sentence\tlabel", *lines]), data_format)
    if data_format == "auto":
        # Training reads the form from the directory.
        assert reading.detect(tmp_path) == "blue"
    assert [row.text for row in found] == texts
    assert [row.line for row in found] == [*range(2, len(texts) + 2)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Both readings fit: it is quoted, as BLUE's files are.
        ('index\tsentence\n0\t"a ""b"""\n', ['a "b"']),
        # Only CSV fits.
        ('index\tsentence\n0\t"a\tb"\n', ["a\tb"]),
        ('sentence\n"a\nb"\n', ["a\nb"]),
    ],
)
def test_quotes_are_csv_where_that_fits(tmp_path, text, expected):
    assert [row.text for row in rows(tmp_path, text, "blue")] == expected


# --- columns without the usual header -------------------------------------------------


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("text\tlabel", "@GENE$ a\tyes", Row(2, "0", "@GENE$ a", "yes")),
        ("Text\tLabel", "a\tyes", Row(2, "0", "a", "yes")),
        ("id\ttext\tlabel", "7\ta\tyes", Row(2, "7", "a", "yes")),
        ("id\ttext", "7\ta", Row(2, "7", "a", None)),
        ("text\tindex", "a\t7", Row(2, "7", "a", None)),
        ("label\ttext", "yes\ta", Row(2, "0", "a", "yes")),
        ("text", "a", Row(2, "0", "a", None)),
        # HoC: its `labels` are many at once, and no label of ours.
        ("labels\tsentence\tindex", "0_0,1_1\ta\t5_s0", Row(2, "5_s0", "a", None)),
        ("text\tsentence\tlabel", "7\ta\t1", Row(2, "7", "a", "1")),
    ],
)
@pytest.mark.parametrize("data_format", ["biobert", "blue"])
def test_other_headers(tmp_path, header, row, expected, data_format):
    path = write(tmp_path, f"{header}\n{row}\n")
    assert reading.detect(tmp_path) == "blue"
    assert read_rows(path, data_format) == [expected]


def test_a_word_among_the_sentences_is_no_header(tmp_path):
    assert rows(tmp_path, "text\tyes\nb c\tno\n") == [
        Row(1, "0", "text", "yes"),
        Row(2, "1", "b c", "no"),
    ]


@pytest.mark.parametrize("header", ["utterance\tgold", "n\tutterance\tgold"])
def test_an_unknown_header_does_not_become_a_class(tmp_path, header):
    width = header.count("\t") + 1
    lines = [("0", "a b", "yes"), ("1", "c d", "no"), ("2", "e f", "yes")]
    text = "\n".join([header, *("\t".join(line[-width:]) for line in lines)])
    expected = "look like a header" if width == 2 else "3 columns instead of 2"
    assert expected in refusal(tmp_path, text, labels=None)
    # Nothing else is taken for one.
    for row in ("@GENE$\tgold", "utter ance\tgold", "utterance\tyes"):
        text = "\n".join([row, *("\t".join(line[1:]) for line in lines)])
        assert len(examples(tmp_path, text, labels=None)) == 4


def test_three_columns_without_a_header(tmp_path):
    text = (
        'DDI.d1.s0.p0\t@DRUG$ and "@DRUG$ .\tDDI-int\nDDI.d1.s0.p1\tNo .\tDDI-false\n'
    )
    assert rows(tmp_path, text) == [
        Row(1, "DDI.d1.s0.p0", '@DRUG$ and "@DRUG$ .', "DDI-int"),
        Row(2, "DDI.d1.s0.p1", "No .", "DDI-false"),
    ]
    assert reading.detect(tmp_path) == "biobert"
    # Without an id, the third column is a mistake, as ever.
    message = refusal(tmp_path, text.replace("DDI.d1.s0.p0", "DDI d1"))
    assert message.startswith("train.tsv:1: 3 columns instead of 2")


# --- SciBERT --------------------------------------------------------------------------


def test_scibert(tmp_path):
    lines = [
        '{"text": "<< Aspirin >> and \\"[[ COX ]]\\" .", "label": "INHIBITOR"}',
        "",
        '{"label": 1, "id": 12, "text": "caf\\u00e9 \u2028 x", "metadata": []}',
        '{"text": "@GENE$", "id": null, "label": null}',
    ]
    assert rows(tmp_path, "\n".join(lines)) == [
        Row(1, "0", '<< Aspirin >> and "[[ COX ]]" .', "INHIBITOR"),
        Row(3, "12", "café \u2028 x", "1"),
        Row(4, "2", "@GENE$", None),
    ]


def test_scibert_half_a_surrogate_pair_can_be_written_again(tmp_path):
    [row] = rows(tmp_path, '{"text": "a\\ud83d b \\ud83d\\ude00"}')
    assert row.text == "a? b \U0001f600"


def test_scibert_entities_are_marks_and_not_placeholders(tmp_path):
    text = "@GENE$ << a >>"
    [example] = examples(tmp_path, json.dumps({"text": text, "label": 0}))
    assert example == RelationExample("0", text, "0", (EntitySpan(7, 14, 10, 11, 0),))


def marked(text):
    """What stands in the marks, and the role."""
    found = reading.entity_spans(text, "scibert")
    starts = [span.start for span in found]
    assert starts == sorted(starts)
    for span in found:
        assert text[span.start : span.end][:2] == ("<<", "[[")[span.role]
        assert text[span.start : span.end][-2:] == (">>", "]]")[span.role]
    return [(text[span.inner_start : span.inner_end], span.role) for span in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<< Aspirin >> and [[ COX - 2 ]]", [("Aspirin", 0), ("COX - 2", 1)]),
        ("[[ COX ]] of <<aspirin>>", [("COX", 1), ("aspirin", 0)]),
        ("<<a>>[[b]]", [("a", 0), ("b", 1)]),
        ("<<  a\tb >>", [("a\tb", 0)]),
        ("<< a\nb >> [[ c\nd ]]", [("a\nb", 0), ("c\nd", 1)]),
        # Names with brackets, and brackets around names.
        ("<< 2-[[4-a]b]c >> [[ d ]]", [("2-[[4-a]b]c", 0), ("d", 1)]),
        ("2-[[4-a]]b << c >> [[ d ]]", [("c", 0), ("d", 1)]),
        ("[[ [3H]a ]] [[[3H]b]]", [("[3H]a", 1)]),
        ("[[[3H]b]] [[c-[2]]]", [("[3H]b", 1), ("c-[2]", 1)]),
        ("[see [[ a ]]] (<< b >>>)", [("a", 1), ("b", 0)]),
        ("p<<0.05, q>>0.1: << a >>", [("a", 0)]),
        ("< a > [ b ] << c ]] <<", []),
        ("<<>> [[]]", []),
        ("[[ ]]", [("", 1)]),
        ("", []),
    ],
)
def test_scibert_marks(text, expected):
    assert marked(text) == expected


def test_scibert_spans_hold_the_marks(tmp_path):
    assert reading.entity_spans("a << bc >>, [[d]]", "scibert") == (
        EntitySpan(2, 10, 5, 7, 0),
        EntitySpan(12, 17, 14, 15, 1),
    )


# --- placeholders ---------------------------------------------------------------------


@pytest.mark.parametrize("data_format", ["biobert", "blue", "auto"])
def test_placeholders(data_format):
    text = "<< x >> @GENE$-@CHEM-GENE$ a@problem1$s"
    assert reading.entity_spans(text, data_format) == (
        EntitySpan(8, 14, 8, 14, 0),
        EntitySpan(15, 26, 15, 26, 1),
        EntitySpan(28, 38, 28, 38, 1),
    )


@pytest.mark.parametrize(
    "text", ["", "@GENE", "GENE$", "@$", "@ GENE$", "@1A$", "@A B$"]
)
def test_no_placeholders(text):
    assert reading.entity_spans(text, "biobert") == ()


# --- which file, which form -----------------------------------------------------------


def test_find(tmp_path):
    assert reading.find(tmp_path, "train") is None
    for name in ("train.txt", "train.json", "train.jsonl", "train.tsv"):
        (tmp_path / "train.csv").touch()
        path = write(tmp_path, "", name)
        assert reading.find(tmp_path, "train") == path
    assert reading.find(tmp_path, "test") is None
    assert reading.find(tmp_path / "absent", "train") is None
    (tmp_path / "dev.tsv").mkdir()
    assert reading.find(tmp_path, "dev") is None
    path = write(tmp_path, "", "dev.txt")
    assert reading.find(tmp_path, "dev") == path


HEADERLESS, HEADED = "a\t1\n", "index\tsentence\tlabel\n0\ta\t1\n"
CRLF, JSON = HEADED.replace("\n", "\r\n"), '{"text": "a"}\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "biobert"),
        ({"train.tsv": HEADERLESS, "test.tsv": HEADED}, "biobert"),
        # The test file alone would be taken for BLUE's.
        ({"train.tsv": HEADERLESS, "test.tsv": CRLF}, "biobert"),
        ({"dev.tsv": HEADERLESS, "test.tsv": CRLF}, "biobert"),
        # As GAD is published: the dev file is there, and empty.
        ({"train.tsv": HEADERLESS, "dev.tsv": "", "test.tsv": HEADED}, "biobert"),
        ({"dev.tsv": "", "test.tsv": CRLF}, "blue"),
        ({"dev.tsv": "\n\n", "test.tsv": CRLF}, "blue"),
        ({"train.tsv": "", "dev.tsv": HEADED, "test.tsv": HEADED}, "blue"),
        ({"train.tsv": HEADED, "dev.tsv": HEADED, "test.tsv": HEADED}, "blue"),
        ({"train.tsv": CRLF, "dev.tsv": CRLF, "test.tsv": CRLF}, "blue"),
        ({"dev.tsv": HEADED}, "blue"),
        ({"train.tsv": HEADERLESS.replace("\n", "\r\n")}, "biobert"),
        ({"test.tsv": HEADED}, "biobert"),
        ({"test.tsv": CRLF}, "blue"),
        ({"test.tsv": HEADERLESS}, "biobert"),
        ({"test.tsv": ""}, "biobert"),
        ({"train.txt": JSON, "dev.txt": JSON, "test.txt": JSON}, "scibert"),
        ({"train.jsonl": JSON}, "scibert"),
        ({"test.json": JSON}, "scibert"),
        ({"train.tsv": "\n" + JSON}, "scibert"),
        ({"other.tsv": CRLF}, "biobert"),
    ],
)
def test_detect(tmp_path, files, expected):
    for name, text in files.items():
        write(tmp_path, text, name)
    assert reading.detect(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "biobert"),
        (HEADERLESS, "biobert"),
        (HEADED, "biobert"),
        (CRLF, "blue"),
        ("\r\n" + CRLF, "blue"),
        (HEADERLESS.replace("\n", "\r\n"), "biobert"),
        ("index\tsentence\tlabel", "biobert"),
        (JSON, "scibert"),
        (b"\xff\xfeindex", "biobert"),
    ],
)
def test_detect_file(tmp_path, text, expected):
    assert reading.detect_file(write(tmp_path, text)) == expected


def test_a_form_that_is_said_is_not_guessed(tmp_path):
    [row] = rows(tmp_path, CRLF.replace("\ta\t", '\t"a"\t'), "biobert")
    assert row == Row(2, "0", '"a"', "1")
    [row] = rows(tmp_path, HEADED.replace("\ta\t", '\t"a"\t'), "blue")
    assert row == Row(2, "0", "a", "1")
    [row] = rows(tmp_path, '{"x\t1\n', "biobert")
    assert row == Row(1, "0", '{"x', "1")


# --- labels, or none ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data_format"),
    [
        ("index\tsentence\n0\ta\n1\tb\n", "biobert"),
        ("index\tsentence\tlabel\n0\ta\t\n1\tb\t\n", "biobert"),
        ("a\t\nb\t\n", "biobert"),
        ("index\tsentence\r\n0\ta\r\n1\tb\r\n", "blue"),
        ('{"text": "a"}\n{"text": "b"}', "scibert"),
        ('{"text": "a", "label": null}\n{"text": "b", "label": ""}', "scibert"),
    ],
)
@pytest.mark.parametrize("labels", [GAD, None])
def test_files_without_labels(tmp_path, text, data_format, labels):
    found = examples(tmp_path, text, data_format, labels)
    assert [(example.text, example.label) for example in found] == [
        ("a", None),
        ("b", None),
    ]
    message = refusal(tmp_path, text, data_format, labels, needs_labels=True)
    assert message == (
        f"train.tsv:{found[0].line}: no label; training and scoring need one "
        "in every row (with a header: in a column called label)"
    )


@pytest.mark.parametrize("needs_labels", [True, False])
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\t1\nb\t\nc\t0\n", 2),
        ("index\tsentence\tlabel\r\n0\ta\t\r\n1\tb\t1\r\n", 2),
        ('{"text": "a", "label": 0}\n\n{"text": "b"}', 3),
    ],
)
def test_a_gap_among_labels_is_a_mistake(tmp_path, text, line, needs_labels):
    message = refusal(tmp_path, text, needs_labels=needs_labels)
    assert message.startswith(f"train.tsv:{line}: no label; ")


@pytest.mark.parametrize("needs_labels", [True, False])
def test_a_label_that_the_set_has_not(tmp_path, needs_labels):
    text = "a\t1\nb\t2\n"
    assert refusal(tmp_path, text, needs_labels=needs_labels) == (
        "train.tsv:2: label '2' is none of 0 1, the labels of gad"
    )
    text = BLUE.replace("'single'\tFalse", "x\tCPR:10")
    assert refusal(tmp_path, text, labels=CHEMPROT, needs_labels=needs_labels) == (
        "train.tsv:7: label 'CPR:10' is none of cpr:3 cpr:4 cpr:5 cpr:6 cpr:9 false, "
        "the labels of chemprot"
    )
    own = custom(["up", "down"], "")
    assert refusal(tmp_path, "a\tup\nb\tUp\n", "auto", own, needs_labels) == (
        "train.tsv:2: label 'Up' is none of up down, the labels of custom"
    )


# --- files that cannot be read --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data_format", "message"),
    [
        ("a\t1\nb\n", "auto", "2: 1 columns instead of 2; want sentence<TAB>label"),
        ("a\tb\t1\n", "auto", "1: 3 columns instead of 2; want sentence<TAB>label"),
        ("a\r\t1\n", "auto", "1: 1 columns instead of 2; want sentence<TAB>label"),
        (
            HEADED + "\n1\tb\tc\t1\n",
            "auto",
            "4: 4 columns instead of 3; want index<TAB>sentence<TAB>label",
        ),
        (
            CRLF + '1\t"b\r\nb"\r\n',
            "auto",
            "3: 2 columns instead of 3; want index<TAB>sentence<TAB>label",
        ),
        (
            "index\tsentence\n0\ta\t1\n",
            "auto",
            "2: 3 columns instead of 2; want index<TAB>sentence",
        ),
        (
            "\n" + HEADERLESS,
            "blue",
            "2: no header ('a'); want index, sentence and label columns, or use "
            "--data_format=biobert",
        ),
        (
            CRLF + '1\t"b" c\t1\r\n2\td\r\n',
            "auto",
            "3: bad CSV quoting ('\\t' expected after '\"'); double the quotes inside "
            "a quoted field, or quote no field and give every line the columns of the "
            "header",
        ),
        (
            # All lines have three columns, but the first sentence shows CSV quoting.
            CRLF.replace("a", '"a ""b"""') + '1\t"b\t1\r\n2\tc\t0\r\n',
            "blue",
            "3: bad CSV quoting (unexpected end of data); double the quotes inside a "
            "quoted field, or quote no field and give every line the columns of the "
            "header",
        ),
        (JSON + '{"text": \n', "auto", "2: not JSON: Expecting value"),
        (JSON + "a\t1\n", "auto", "2: not JSON: Expecting value"),
        (JSON + '{"Text": ""}', "auto", '2: no "text"; want {"text": ..., "label"}'),
        ('{"text": 5}', "auto", '1: no "text"; want {"text": ..., "label"}'),
        ('["text"]', "scibert", '1: no "text"; want {"text": ..., "label"}'),
        ("", "auto", "1: holds no sentence; want rows of sentence, label"),
        ("\n\n", "biobert", "1: holds no sentence; want rows of sentence, label"),
        ("", "blue", "1: holds no sentence; want rows of sentence, label"),
        (" \n", "scibert", "1: holds no sentence; want rows of sentence, label"),
        (CRLF[:22], "auto", "1: holds no sentence; want rows of sentence, label"),
        (
            b"a\t1\nb\xe9\t0\n",
            "auto",
            "2: byte 0xe9 is not UTF-8; convert the file to UTF-8",
        ),
        (
            CRLF.encode() + b"1\tb\xff\t0\r\n",
            "auto",
            "3: byte 0xff is not UTF-8; convert the file to UTF-8",
        ),
        (
            b'{"text": "\xe9"}',
            "auto",
            "1: byte 0xe9 is not UTF-8; convert the file to UTF-8",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, data_format, message):
    assert refusal(tmp_path, text, data_format) == f"train.tsv:{message}"


def test_absent_files(tmp_path):
    path = tmp_path / "absent.tsv"
    for read in (reading.detect_file, lambda path: reading.read_rows(path, "auto")):
        with pytest.raises(InputError, match=r"absent\.tsv: no such file"):
            read(path)
    with pytest.raises(InputError, match=r"absent\.tsv: no such file"):
        reading.read_rows(path, "biobert")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        reading.detect_file(tmp_path)


# --- recorded outputs and real data ---------------------------------------------------


def recorded(golden):
    """Yields task, split, file and what the original's reader returned of it."""
    for path in sorted(golden.glob("re/*/examples_*.jsonl.gz")):
        split = path.name.removeprefix("examples_").removesuffix(".jsonl.gz")
        lines = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
        data_dir = path.parent / "data"
        assert reading.detect(data_dir) == "biobert"
        rows = [json.loads(line) for line in lines]
        yield path.parent.name, split, reading.find(data_dir, split), rows


@pytest.mark.golden
def test_examples_are_the_originals(golden):
    num_files = 0
    for task, split, path, expected in recorded(golden):
        found = reading.read_examples(path, "biobert", SETS[task], needs_labels=True)
        # The original counts lines from 0, the header too.
        ours = [(f"{split}-{example.line - 1}", example.text) for example in found]
        assert ours == [(row["guid"], row["text_a"]) for row in expected], path
        labels = [row["label"] for row in expected]
        if split == "test":
            # The original knows no label of a test file, but writes one.
            assert set(labels) == {SETS[task].negative}
            header, *lines = path.read_text("utf-8").splitlines()
            assert header == "index\tsentence\tlabel"
            assert [example.id for example in found] == [
                line.split("\t")[0] for line in lines
            ]
            labels = [line.split("\t")[2] for line in lines]
        assert [example.label for example in found] == labels
        num_files += 1
    assert num_files


@pytest.mark.data
def test_real_sets(data):
    for name, data_dir, data_format in (
        ("gad", data / "re" / "GAD" / "1", "biobert"),
        ("chemprot", data / "re" / "chemprot", "blue"),
    ):
        assert reading.detect(data_dir) == data_format
        for split in reading.SPLITS:
            path = reading.find(data_dir, split)
            if not path.stat().st_size:
                assert (name, split) == ("gad", "dev")
                continue
            found = reading.read_examples(path, data_format, SETS[name], True)
            header = path.read_bytes().startswith(b"index\tsentence")
            assert len(found) == path.read_bytes().count(b"\n") - header
            assert all(example.text and example.entities for example in found)
            assert {example.label for example in found} == set(SETS[name].labels)
            if data_format == "blue":
                assert reading.read_examples(path, "auto", SETS[name], True) == found


@pytest.mark.data
def test_blurb(data):
    """Three columns without a header, and quotes that are characters."""
    for split in ("dev", "test"):
        path = data / "re" / "DDI-BLURB" / f"{split}.tsv"
        found = reading.read_examples(path, "auto", SETS["ddi13"], needs_labels=True)
        lines = path.read_text("utf-8").splitlines()
        assert ["\t".join((r.id, r.text, r.label)) for r in found] == lines
    assert reading.detect(data / "classification" / "HoC") == "blue"
    for split in reading.SPLITS:
        path = data / "classification" / "HoC" / f"{split}.tsv"
        found = reading.read_rows(path, "blue")
        lines = path.read_text("utf-8").splitlines()[1:]
        assert [(r.text, r.id) for r in found] == [
            tuple(line.split("\t")[1:]) for line in lines
        ]


@pytest.mark.data
def test_files_that_once_were_misread(cases):
    expected = ["yes", "no"] * 8
    for name in ("hdr", "hdr2", "h3", "h4", "nohdr"):
        folder = cases / "re" / name
        form = reading.detect(folder)
        assert form == ("biobert" if name == "nohdr" else "blue")
        found = reading.read_examples(folder / "train.tsv", form, None, True)
        labels = ["1", "0"] * 8 if name == "h4" else expected
        assert [example.label for example in found] == labels
        assert all(len(example.entities) == 2 for example in found)
        assert found[0].id == ("1" if name == "h3" else "0")
        if (folder / "test.tsv").exists():
            test = reading.read_examples(folder / "test.tsv", form, None, True)
            assert [example.label for example in test] == expected[:4]
