"""Tables and JSON lines of any columns: files to examples."""

import json
import logging

import pytest

from biobert_tf.classification import reading
from biobert_tf.classification.settings import ReadingConfig
from biobert_tf.common.comma_lists import CommaList
from biobert_tf.common.errors import InputError
from biobert_tf.relations import reading as relation_reading

ROWS = (("Aspirin helps most.", "good"), ("It harms mice.", "bad"), ("No one.", "good"))


def tsv(*rows, separator="\t"):
    return "".join(separator.join(row) + "\n" for row in rows)


def write(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content.encode("utf-8"))


def opened(folder, config=None, **contents):
    write(folder, **contents)
    return reading.open_set(folder, config or ReadingConfig())


def read(folder, config=None, split="train", **contents):
    return opened(folder, config, **contents).read(split, needs_labels=True)


def refusal(folder, config=None, split="train", **contents):
    with pytest.raises(InputError) as caught:
        read(folder, config, split, **contents)
    return str(caught.value).removeprefix(f"{folder}/")


def labels(examples):
    return [each.labels for each in examples]


def texts(examples):
    return [each.text for each in examples]


# --- which column is what -------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "text", "pair", "label", "id_"),
    [
        ("sentence label", 0, None, 1, None),
        ("index sentence label", 1, None, 2, 0),
        ("label text", 1, None, 0, None),
        ("id Text Class", 1, None, 2, 0),
        ("label sentence1 sentence2", 1, 2, 0, None),
        ("guid question context label", 1, 2, 3, 0),
        ("premise hypothesis gold_label", 0, 1, 2, None),
        ("note text note2 labels", 1, None, 3, None),
        ("text", 0, None, None, None),
    ],
)
def test_columns_of_a_header(tmp_path, header, text, pair, label, id_):
    names = header.split()
    cells = [f"cell {name} of it" for name in names]
    held = opened(tmp_path, test__tsv=tsv(names, cells))
    [found] = held.read("test", needs_labels=False)
    assert held.has_pairs == (pair is not None)
    assert found.text == cells[text]
    assert found.pair == (None if pair is None else cells[pair])
    assert found.labels == (None if label is None else (cells[label],))
    assert found.id == ("0" if id_ is None else cells[id_])
    assert found.line == 2


def test_a_column_of_labels_has_several(tmp_path):
    held = tsv(("text", "labels"), ("A b.", "good|bad"), ("C d.", ""))
    assert labels(read(tmp_path, train__tsv=held)) == [("good", "bad"), ()]
    # What is asked for, or what a model was trained for, comes first.
    asked = ReadingConfig(target="single")
    assert reading.open_set(tmp_path, asked).target == "single"
    assert reading.open_set(tmp_path, ReadingConfig(), "single").target == "single"


@pytest.mark.parametrize(
    ("row", "text", "pair", "label", "id_"),
    [
        ("a b|1", 0, None, 1, None),
        ("x1|a b|1", 1, None, 2, 0),
        ("a b|c d|1.5", 0, 1, 2, None),
        ("x1|a b|c d|maybe", 1, 2, 3, 0),
        ("a b", 0, None, None, None),
    ],
)
def test_columns_by_their_places(tmp_path, row, text, pair, label, id_):
    cells = row.split("|")
    config = ReadingConfig(layout="table")
    held = opened(tmp_path, config, test__tsv=tsv(cells))
    [found] = held.read("test", needs_labels=False)
    assert found.text == cells[text]
    assert found.pair == (None if pair is None else cells[pair])
    assert found.labels == (None if label is None else (cells[label],))
    assert found.id == ("0" if id_ is None else cells[id_])
    assert found.line == 1


@pytest.mark.parametrize(
    "config",
    [
        ReadingConfig(
            text_column="Body", label_column="kind", id_column="No", group_column="Doc"
        ),
        ReadingConfig(
            text_column="2",
            label_column="3",
            id_column="1",
            group_column="4",
            header="yes",
        ),
    ],
)
def test_named_columns(tmp_path, config, caplog):
    caplog.set_level(logging.INFO)
    text = tsv(("No", "Body", "Kind", "doc"), ("7", "Short.", "x", "d1"))
    held = opened(tmp_path, config, train__tsv=text)
    [found] = held.read("train", needs_labels=True)
    assert (found.id, found.text, found.labels, found.group) == (
        "7",
        "Short.",
        ("x",),
        "d1",
    )
    assert held.has_groups
    assert caplog.messages == [
        f"{tmp_path}: layout table, target single; text is 'body', label is 'kind', "
        "id is 'no', group is 'doc'"
    ]


def test_numbered_columns_without_a_header(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    config = ReadingConfig(text_column="2", label_column="1")
    found = read(tmp_path, config, train__tsv=tsv(*((b, a) for a, b in ROWS)))
    assert texts(found) == [text for text, _ in ROWS]
    assert labels(found) == [("good",), ("bad",), ("good",)]
    assert "text is column 2, label is column 1" in caplog.text


def test_a_first_row_that_is_no_header(tmp_path):
    rows = (("text", "label"), ("label", "text"))
    assert len(read(tmp_path, ReadingConfig(header="no"), train__tsv=tsv(*rows))) == 2
    assert len(read(tmp_path, train__tsv=tsv(*rows))) == 1


@pytest.mark.parametrize("first", [("Question", "good"), ("@GENE$-@DISEASE$", "new")])
def test_a_first_row_of_one_word(tmp_path, first):
    found = read(tmp_path, train__tsv=tsv(first, *ROWS))
    assert (len(found), found[0].text) == (4, first[0])


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"text_column": "body"},
            "--text_column=body: no such column; the columns are",
        ),
        ({"text_column": "9", "header": "yes"}, "--text_column=9: no such column; the"),
        ({"text_column": "9"}, "there are 2, without a header"),
        ({"label_column": "2"}, "say which column is the text with --text_column"),
        ({"text_column": "2", "label_column": "2"}, "column 2 would be text and label"),
    ],
)
def test_columns_that_are_not_there(tmp_path, config, problem):
    message = refusal(tmp_path, ReadingConfig(**config), train__tsv=tsv(*ROWS))
    assert message.startswith("train.tsv:1: ")
    assert problem in message


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("text sentence label", "the text may be sentence or text; say which with"),
        ("sentence1 label", "no column is known to be the text (sentence1, label)"),
    ],
)
def test_a_header_in_doubt(tmp_path, header, problem):
    text = tsv(header.split(), ["a b"] * len(header.split()))
    assert problem in refusal(tmp_path, train__tsv=text)


def test_places_in_doubt(tmp_path):
    for row in (["a b", "1", "0"], ["a", "b", "c"], ["a b"] * 5):
        message = refusal(tmp_path, train__tsv=tsv(row))
        assert f"{len(row)} columns without a header, and their places" in message


def test_a_header_of_unknown_names(tmp_path):
    text = tsv(("Befund", "Klasse"), *ROWS)
    assert refusal(tmp_path, train__tsv=text) == (
        "train.tsv:1: 'Befund' looks like a header; say which columns are which with "
        "--text_column and --label_column, or that it is none with --header=no"
    )
    config = ReadingConfig(text_column="Befund", label_column="Klasse")
    assert len(read(tmp_path, config)) == 3
    assert len(read(tmp_path, ReadingConfig(header="no"))) == 4


# --- cells ----------------------------------------------------------------------------


def test_csv(tmp_path):
    text = (
        "\ufeffid,text,label\r\n"
        '1,"Aspirin, ""the"" drug\r\nof all",good\r\n'
        "\r\n"
        "2,,bad\r\n"
    )
    first, second = read(tmp_path, train__csv=text)
    assert first.text == 'Aspirin, "the" drug\nof all'
    assert (second.text, second.id, second.line, second.labels) == (
        "",
        "2",
        5,
        ("bad",),
    )


def test_csv_without_a_header(tmp_path):
    found = read(tmp_path, train__csv='"Aspirin, again",good\nIt fails.,bad\n')
    assert texts(found) == ["Aspirin, again", "It fails."]


def test_tabs_in_a_csv(tmp_path):
    text = tsv(("text", "label"), ("One, two.", "a"))
    assert texts(read(tmp_path, train__csv=text)) == ["One, two."]


def test_bad_csv(tmp_path):
    assert "train.csv:2: bad CSV quoting" in refusal(
        tmp_path, train__csv='text,label\n"a" b,1\n'
    )
    assert "train.csv:3: 3 columns instead of the 2 of the header" in refusal(
        tmp_path, train__csv="text,label\na b,1\na,b,1\n"
    )


def test_quotes_of_a_tsv_are_characters_without_a_header(tmp_path):
    text = tsv(('"Aspirin" helps.', "1"), ('"All of it"', "0"))
    header = tsv(("index", "sentence", "label"), ("0", '"Quoted it is"', "1"))
    held = opened(tmp_path, train__tsv=text, test__tsv=header)
    assert texts(held.rows("train")) == ['"Aspirin" helps.', '"All of it"']
    # As in GAD: the test file has a header, and is of the same kind.
    assert texts(held.rows("test")) == ['"Quoted it is"']
    (tmp_path / "train.tsv").unlink()
    assert texts(opened(tmp_path).rows("test")) == ["Quoted it is"]


def test_an_empty_text_is_kept(tmp_path):
    found = read(tmp_path, train__tsv=tsv(("text", "label"), ("", "1"), ("a", "0")))
    assert texts(found) == ["", "a"]


def test_rows_of_another_width(tmp_path):
    assert refusal(tmp_path, train__tsv=tsv(*ROWS, ("a b",))) == (
        "train.tsv:4: 1 columns instead of the 2 of the first row"
    )


# --- targets --------------------------------------------------------------------------


def test_labels_of_the_training_file(tmp_path):
    held = opened(tmp_path, train__tsv=tsv(*ROWS))
    assert held.labels is None
    found = held.read("train", needs_labels=True)
    assert reading.labels_of(found) == ("bad", "good")
    with pytest.raises(InputError, match=r"tsv:2: label 'bad' is none of good, other"):
        held.read("train", needs_labels=True, labels=("good", "other"))


def test_labels_that_are_several_of_the_others():
    assert reading.joined_labels(("a", "a|b", "b", "b; a")) == ("a|b", "b; a")
    assert reading.joined_labels(("a", "and|or", "b", "|")) == ()


def test_a_joined_label_is_warned_of(tmp_path, caplog):
    held = opened(tmp_path, train__tsv=tsv(("x", "a"), ("y", "b"), ("z", "a|b")))
    assert held.training_labels() == ("a", "a|b", "b")
    assert "a|b is learned as a label of its own" in caplog.text


def test_named_labels(tmp_path):
    config = ReadingConfig(labels=CommaList.parse("good,bad,unseen"))
    held = opened(tmp_path, config, train__tsv=tsv(*ROWS))
    assert held.labels == ("good", "bad", "unseen")
    assert len(held.read("train", needs_labels=True)) == 3
    config = ReadingConfig(labels=CommaList.parse("good,Bad"))
    assert refusal(tmp_path, config) == (
        "train.tsv:2: label 'bad' is none of good, Bad"
    )


@pytest.mark.parametrize("target", ["single", "multi", "regression"])
def test_a_file_without_labels(tmp_path, target):
    config = ReadingConfig(target=target, layout="table")
    value = "1" if target == "regression" else "a"
    held = opened(
        tmp_path,
        config,
        train__tsv=tsv(("text", "label"), ("One.", value), ("Two.", value)),
        test__tsv=tsv(("text", "label"), ("One.", ""), ("Two.", "")),
    )
    found = held.read("test", needs_labels=False)
    assert [(each.labels, each.value) for each in found] == [(None, None)] * 2
    with pytest.raises(InputError, match=r"test\.tsv:2: no label or number; training"):
        held.read("test", needs_labels=True)


def test_a_file_where_some_labels_are_missing(tmp_path):
    text = tsv(("text", "label"), ("One.", "a"), ("Two.", ""))
    held = opened(tmp_path, test__tsv=text)
    with pytest.raises(InputError, match=r"test\.tsv:3: no label or number"):
        held.read("test", needs_labels=False)
    assert labels(held.rows("test")) == [("a",), None]


@pytest.mark.parametrize(
    ("separator", "cells"),
    [
        ("", ["a|b", "", "c; a ;b"]),
        (",", ["a,b", "", "c, a,b,"]),
        (" / ", ["a / b", "", "c / a / b"]),
    ],
)
def test_several_labels(tmp_path, separator, cells):
    config = ReadingConfig(target="multi", label_separator=separator)
    rows = [(f"Text {i}.", cell) for i, cell in enumerate(cells)]
    text = tsv(("text", "labels"), *rows)
    found = read(tmp_path, config, train__tsv=text)
    assert labels(found) == [("a", "b"), (), ("c", "a", "b")]
    assert reading.labels_of(found) == ("a", "b", "c")


def test_a_label_twice(tmp_path):
    config = ReadingConfig(target="multi")
    assert refusal(
        tmp_path, config, train__tsv=tsv(("text", "labels"), ("T", "a|a"))
    ) == (
        "train.tsv:2: a label stands twice in a, a; want the names of the labels, each "
        "once"
    )


def test_numbers(tmp_path):
    config = ReadingConfig(target="regression", layout="table")
    text = tsv(("text", "label", "score"), ("One.", "x", "-1.5e1"), ("Two.", "y", "2"))
    held = opened(tmp_path, config, train__tsv=text)
    found = held.read("train", needs_labels=True)
    assert [each.value for each in found] == [-15.0, 2.0]
    assert held.labels == ()
    config = ReadingConfig(
        target="regression", layout="table", labels=CommaList.parse("a,b")
    )
    assert refusal(tmp_path, config) == "--labels: a regression has none; leave it out"


# --- JSON lines -----------------------------------------------------------------------


def jsonl(*values):
    return "".join(f"{json.dumps(value)}\n" for value in values)


def test_jsonl(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    text = jsonl(
        {"id": 7, "sentence1": "A b.", "sentence2": "C.", "label": "x"},
        {"label": 1, "sentence2": "\ud800", "sentence1": "", "more": []},
        {"sentence1": "D", "sentence2": "E", "label": ["y"], "id": "q"},
    )
    held = opened(tmp_path, train__jsonl="\n" + text)
    first, second, third = held.read("train", needs_labels=True)
    assert (first.id, first.text, first.pair, first.line) == ("7", "A b.", "C.", 2)
    assert (second.id, second.text, second.pair) == ("1", "", "?")
    assert labels((first, second, third)) == [("x",), ("1",), ("y",)]
    assert third.id == "q"
    assert "layout jsonl, target single; text is 'sentence1', pair is" in caplog.text


def test_jsonl_with_several_labels(tmp_path):
    config = ReadingConfig(target="multi")
    text = jsonl(
        {"text": "A", "labels": ["x", "y|z"]},
        {"text": "B", "labels": []},
        {"text": "C", "labels": "x;y"},
        {"text": "D", "labels": 3},
    )
    found = read(tmp_path, config, train__jsonl=text)
    assert labels(found) == [("x", "y|z"), (), ("x", "y"), ("3",)]


def test_jsonl_with_numbers(tmp_path):
    config = ReadingConfig(target="regression")
    values = [{"text": "A", "score": score} for score in (1, 0.5, "2.5")]
    found = read(tmp_path, config, train__jsonl=jsonl(*values))
    assert [each.value for each in found] == [1.0, 0.5, 2.5]


@pytest.mark.parametrize(
    ("value", "target", "problem"),
    [
        ({"label": "x"}, "single", "no text 'text', which every object needs"),
        ({"text": 3, "label": "x"}, "single", "no text 'text', which every"),
        ({"text": "B", "label": ["x", "y"]}, "single", "2 labels (x, y); for several"),
        ({"text": "B", "label": {"x": 1}}, "single", "label {'x': 1}; want a text, a"),
        ({"text": "B", "label": [None]}, "multi", "label None; want a text, a number"),
        ({"text": "B", "label": [0, 1, 0]}, "multi", "a label stands twice in 0, 1, 0"),
        ({"text": "B", "label": True}, "regression", "True is no finite number"),
        ({"text": "B"}, "single", "no label or number"),
        ([], "single", "no object; want one object per line"),
    ],
)
def test_bad_jsonl(tmp_path, value, target, problem):
    good = {"text": "A", "label": 1}
    config = ReadingConfig(target=target)
    message = refusal(tmp_path, config, train__jsonl=jsonl(good, value))
    assert message.startswith(f"train.jsonl:2: {problem}")


# --- files ----------------------------------------------------------------------------


def test_which_file(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds no train, dev or test set; want train.tsv, train.csv, "
        "train.txt, train.jsonl, train.json and so on"
    )
    (tmp_path / "dev.tsv").touch()
    assert refusal(tmp_path).startswith("dev.tsv:1: holds no text; want a text")
    held = opened(tmp_path, train__txt=tsv(*ROWS))
    assert held.path("train") == tmp_path / "train.txt"
    assert held.path("test") is None
    assert held.rows("test") == []
    with pytest.raises(InputError, match=r"no test set; want test\.tsv, test\.csv, "):
        held.read("test", needs_labels=False)
    with pytest.raises(InputError, match=r"dev\.tsv:1: holds no text; want a text"):
        held.read("dev", needs_labels=True)
    with pytest.raises(InputError, match=r"absent: no such directory"):
        reading.open_set(tmp_path / "absent", ReadingConfig())


def test_two_files_of_a_split(tmp_path):
    write(tmp_path, train__tsv=tsv(*ROWS), train__jsonl=jsonl({"text": "A"}))
    message = refusal(tmp_path)
    assert "train.tsv and train.jsonl may both be the train set; say which" in message
    assert len(opened(tmp_path, ReadingConfig(layout="table")).rows("train")) == 3
    assert len(opened(tmp_path, ReadingConfig(layout="jsonl")).rows("train")) == 1


def test_a_second_text_in_one_file_only(tmp_path):
    pair = tsv(("sentence1", "sentence2", "label"), ("A.", "B.", "1"))
    single = tsv(("sentence", "label"), ("A.", "1"))
    assert refusal(tmp_path, split="test", train__tsv=pair, test__tsv=single) == (
        "test.tsv:2: lacks a second text, which the other files have"
    )
    assert refusal(tmp_path, split="test", train__tsv=single, test__tsv=pair) == (
        "test.tsv:2: has a second text, which the other files lack"
    )


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "train.tsv").write_bytes(b"text\tlabel\na\t1\n\xff\t0\n")
    assert "train.tsv:3: byte 0xff is not UTF-8" in refusal(tmp_path)


# --- real sets ------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    "folder",
    [*(f"GAD/{fold}" for fold in range(1, 11)), "GAD-BLURB", "DDI-BLURB", "chemprot"],
)
def test_tables_are_read_as_relations_are(data, folder):
    data_dir = data / "re" / folder
    form = relation_reading.detect(data_dir)
    held = reading.open_set(data_dir, ReadingConfig())
    assert held.form.layout == "table"
    assert not held.has_pairs
    num = 0
    for split in reading.SPLITS:
        path = relation_reading.find(data_dir, split)
        expected = relation_reading.read_rows(path, form) if path else []
        found = held.rows(split)
        assert [(x.id, x.line, x.text, x.labels) for x in found] == [
            (x.id, x.line, x.text, (x.label,)) for x in expected
        ]
        num += len(found)
    assert num


@pytest.mark.data
def test_sets_without_a_layout_are_tables_too(data):
    """The same examples, if a published set is read by the names of its columns."""
    for folder, target in (("BIOSSES", "regression"), ("HoC", "single")):
        config = ReadingConfig(layout="table", target=target)
        whole = reading.open_set(data / "classification" / folder, ReadingConfig())
        plain = reading.open_set(data / "classification" / folder, config)
        for split in reading.SPLITS:
            found = plain.rows(split)
            assert [(x.id, x.text, x.pair, x.value) for x in found] == [
                (x.id, x.text, x.pair, x.value) for x in whole.rows(split)
            ]
