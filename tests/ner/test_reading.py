# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.ner import reading as ner_reading
from biobert_tf.ner.reading import NerExample

COMPATS = ("fixed", "master", "paper")


def write(tmp_path, text):
    path = tmp_path / "test.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def read(tmp_path, text, compat="fixed", needs_labels=False):
    return ner_reading.read_examples(write(tmp_path, text), compat, needs_labels)


def brief(examples):
    """Words and labels of every sentence, joined by blanks."""
    return [
        (" ".join(e.words), None if e.labels is None else " ".join(e.labels))
        for e in examples
    ]


TWO = [("IL-2 gene", "B I"), ("helps", "O")]


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize(
    "text",
    [
        "IL-2\tB\ngene\tI\n\nhelps\tO\n\n",
        "IL-2\tB\r\ngene\tI\r\n\r\nhelps\tO\r\n\r\n",  # Windows
        "IL-2\tB\rgene\tI\r\rhelps\tO\r\r",  # old Mac
        "IL-2 B\ngene   I \n\n helps \t O\n\n",  # any white space
        "IL-2\tB\ngene\tI\n\n\n \n\t\nhelps\tO\n\n\n",  # blank lines repeat
        "\n\nIL-2\tB\ngene\tI\n\nhelps\tO\n\n",  # and come first
        "IL-2\tB\ngene\tI\n\nhelps\tO\n",  # none is last
        "IL-2\tB\ngene\tI\n\nhelps\tO",  # nor a final newline
        "IL-2\tNN\t3\tB\ngene\tI\n\nhelps VB O\n\n",  # the label is the last column
        "\ufeffIL-2\tB\ngene\tI\n\nhelps\tO\n\n",  # byte order mark
    ],
)
def test_ways_to_write_two_sentences(tmp_path, compat, text):
    assert brief(read(tmp_path, text, compat)) == TWO


def test_other_white_space_is_part_of_a_word(tmp_path):
    """The original splits there."""
    text = "IL-2\u00a0gene\tB\n5\u2009% O\n\u00a0\tO\n\n"
    [example] = read(tmp_path, text)
    assert example.words == ("IL-2\u00a0gene", "5\u2009%", "\u00a0")
    assert example.labels == ("B", "O", "O")
    text = "IL-2\u00a0B\ngene\u2003I\n\nhelps\u3000O\n\n"
    assert brief(read(tmp_path, text, "master")) == TWO


def test_comments_and_conllu(tmp_path):
    text = "# doc_id = 7\n\n# text = a b\na\tB-X\nb\tO\n\n"
    assert brief(read(tmp_path, text)) == [("a b", "B-X O")]
    columns = "\t".join("_" * 8)
    text = (
        f"# newdoc\n1-2\tab\t{columns}\tO\n1\ta\t{columns}\tB-X\n2\tb\t{columns}\tO\n"
    )
    assert brief(read(tmp_path, text)) == [("a b", "B-X O")]


PARTIAL = "<D>\tO-D\na\tB-D\nb\tI-D\nc\tO-D\n</D>\tO-D\n\n"


def test_partially_labelled_sets(tmp_path):
    """AIONER's frames are no words; what they say is the scope of the labels."""
    text = PARTIAL + "<ALL>\tO\na\tB-G\n</ALL>\tO\n\nb\tB-G\nc\tO-G\n\n"
    examples = read(tmp_path, text)
    assert brief(examples) == [
        ("a b c", "B-D I-D O-D"),
        ("a", "B-G"),
        ("b c", "B-G O-G"),
    ]
    assert [example.scope for example in examples] == ["D", "ALL", "G"]
    assert [example.line for example in examples] == [2, 8, 11]
    labels = ner_reading.label_list(examples, "fixed")
    assert " ".join(labels) == "O O-D O-G B-D I-D B-G I-G"
    ner_reading.require_bio(labels)
    with pytest.raises(InputError, match=r":2: label 'O-G' after O-D; write the sent"):
        read(tmp_path, "a O-D\nb O-G\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "ws",
            [
                (
                    "Aspirin 10\u00a0mg 5\u2009% a\u3000b x\x85y p\u2028q r\x1cs",
                    "B-Chemical" + " O" * 6,
                )
            ],
        ),
        (
            "nbsp",
            [("Aspirin 10\u00a0mg induced nephritis .", "B-Chemical O O B-Disease O")],
        ),
        (
            "bilou",
            [
                (
                    "Aspirin induced acute renal nephritis .",
                    "B-Chemical O B-Disease I-Disease I-Disease O",
                )
            ],
        ),
        ("comment_ner", [("Aspirin induced nephritis .", "B-Chemical O B-Disease O")]),
        ("tsvangle", [("< 0.05 was found in nephritis .", "O O O O O B-Disease O")]),
    ],
)
def test_cases(cases, name, expected):
    path = cases / name / "test.tsv"
    assert brief(ner_reading.read_examples(path, "fixed", False)) == expected


def test_case_of_aioner(cases):
    examples = [
        one
        for name in ("all", "train")
        for one in ner_reading.read_examples(
            cases / "aioner" / f"{name}.conll", "fixed", True
        )
    ]
    assert [example.scope for example in examples] == ["ALL", "Disease"]
    assert brief(examples) == [
        ("Liver cancer helps .", "B-Disease I-Disease O O"),
        (
            "Liver cancer and aspirin .",
            "B-Disease I-Disease O-Disease O-Disease O-Disease",
        ),
    ]


def test_words_are_untouched(tmp_path):
    text = 'Sj\u00f6gren\tB\n[CLS]\tO\n##ing\tO\n\u200b\tO\n\ufffd\tO\n"\tO\n\n'
    [example] = read(tmp_path, text)
    assert example.words == (
        "Sj\u00f6gren",
        "[CLS]",
        "##ing",
        "\u200b",
        "\ufffd",
        '"',
    )


def test_lines_and_ends_are_kept(tmp_path):
    text = "\na O\nb O\n\n\nc O\n"
    assert read(tmp_path, text) == [
        NerExample(("a", "b"), ("O", "O"), line=2, ends_blank=True),
        NerExample(("c",), ("O",), line=6, ends_blank=False),
    ]


@pytest.mark.parametrize(
    "end, ends_blank",
    [("", False), ("\n", False), ("\n\n", True), ("\n ", True), ("\r\n\r\n", True)],
)
def test_the_last_sentence_may_lack_its_blank_line(tmp_path, end, ends_blank):
    [example] = read(tmp_path, f"a O{end}")
    assert example.ends_blank is ends_blank


def test_document_starts_are_no_sentences(tmp_path):
    text = "-DOCSTART- -X- O O\n\na NN O\nb NN O\n-DOCSTART- -X- O O\nc NN O\n"
    assert brief(read(tmp_path, text)) == [("a b", "O O"), ("c", "O")]
    assert brief(read(tmp_path, "-DOCSTART-\n\na\n")) == [("a", None)]


def test_document_starts_number_the_documents(tmp_path):
    text = "a O\n\n-DOCSTART- O\n\nb O\n\nc O\n-DOCSTART- (7)\n-DOCSTART-\nd O\n"
    examples = read(tmp_path, text)
    assert [example.document for example in examples] == [None, 0, 0, 2]
    assert read(tmp_path, "a O\n")[0].document is None
    assert read(tmp_path, "-DOCSTART- O\n\na O\n", "master")[1].document is None


def test_document_starts_are_words_to_the_original(tmp_path):
    examples = read(tmp_path, "-DOCSTART-\tO\n\na\tO\n\n", "master")
    assert brief(examples) == [("-DOCSTART-", "O"), ("a", "O")]


@pytest.mark.parametrize("compat", COMPATS)
def test_unlabelled(tmp_path, compat):
    examples = read(tmp_path, "IL-2\ngene\n\nhelps\n", compat)
    assert brief(examples) == [("IL-2 gene", None), ("helps", None)]


# --- labels ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels, expected",
    [
        ("O", "O"),
        ("B-D I-D O B-G", "B-D I-D O B-G"),  # BIO stays
        ("B I I O", "B I I O"),
        ("I-D I-D O I-D", "B-D I-D O B-D"),  # IOB1: I begins
        ("I I O I B", "B I O B B"),
        ("I-D B-D I-D", "B-D B-D I-D"),  # B only between neighbours
        ("I-D I-G", "B-D B-G"),  # another type begins
        ("B-D I-G", "B-D B-G"),
        ("B-D I-D E-D O", "B-D I-D I-D O"),  # IOBES
        ("S-D S-D", "B-D B-D"),
        ("O S-D O", "O B-D O"),
        ("S O S", "B O B"),
        ("B-D E-D B-D E-D", "B-D I-D B-D I-D"),
        ("B-D E-D S-D B-D I-D E-D", "B-D I-D B-D B-D I-D I-D"),
        ("U-D B-D I-D L-D O", "B-D B-D I-D I-D O"),  # BILOU
        ("U L O", "B I O"),
        ("O-D I-D O-D", "O-D B-D O-D"),
        ("B-cell-line I-cell-line", "B-cell-line I-cell-line"),
    ],
)
def test_to_bio(labels, expected):
    assert " ".join(ner_reading.to_bio(labels.split())) == expected


def test_reading_gives_bio(tmp_path):
    assert brief(read(tmp_path, "a I-D\nb I-D\nc S-D\n")) == [("a b c", "B-D I-D B-D")]


def test_the_original_reads_labels_as_they_stand(tmp_path):
    assert brief(read(tmp_path, "a I\nb I\n", "master")) == [("a b", "I I")]


@pytest.mark.parametrize(
    "sentences, expected",
    [
        (["O O"], "O"),
        (["B I", "O"], "O B I"),
        (["B-G O B-D", "I-G I-D"], "O B-D I-D B-G I-G"),  # sorted, B and I of each
    ],
)
def test_label_list(sentences, expected):
    examples = [
        NerExample(tuple("abc"[: len(s.split())]), tuple(s.split())) for s in sentences
    ]
    assert " ".join(ner_reading.label_list(examples, "fixed")) == expected


@pytest.mark.parametrize("compat", ["master", "paper"])
def test_label_list_of_the_original(compat):
    expected = ("[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]")
    assert ner_reading.label_list([], compat) == expected


@pytest.mark.parametrize("labels", ["O B I", "B-D I-D O", "[PAD] B I O X [CLS] [SEP]"])
def test_labels_of_a_model(labels):
    ner_reading.require_bio(labels.split())


@pytest.mark.parametrize("labels", ["LABEL_0 LABEL_1", "B I", "O B-D I-D S-D", "O B-"])
def test_labels_of_a_model_that_cannot_be_read(labels):
    with pytest.raises(InputError, match=r"^the labels of the model are "):
        ner_reading.require_bio(labels.split())


# --- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, line, problem",
    [
        ("a O\nb O\n\nc\n", 4, "one column ('c') where other rows have a label"),
        ("a\nb O\n", 1, "one column ('a')"),
        ("a O\nb D-B\n", 2, "label 'D-B' is not O, B-TYPE or I-TYPE"),
        ("\n\na o\n", 3, "label 'o' is not"),
        ("a O-\n", 1, "label 'O-' is not"),
        ("a B-\n", 1, "label 'B-' is not"),
        ("a B_D\n", 1, "label 'B_D' is not"),
        ("", 1, "holds no sentence"),
        ("\n \n\n", 1, "holds no sentence"),
        ("-DOCSTART-\tO\n\n", 1, "holds no sentence"),
        (b"a O\n\nSj\xf6gren B\n", 3, "byte 0xf6 is not UTF-8"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, line, problem):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        ner_reading.read_examples(path, "fixed", needs_labels=False)
    assert str(caught.value).startswith(f"{path}:{line}: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compat", ["master", "paper"])
@pytest.mark.parametrize("label", ["B-Chemical", "S", "X"])
def test_the_original_knows_no_other_labels(tmp_path, compat, label):
    path = write(tmp_path, f"a O\n\nb {label}\n")
    with pytest.raises(InputError) as caught:
        ner_reading.read_examples(path, compat, needs_labels=False)
    assert str(caught.value).startswith(
        f"{path}:3: label {label!r}: the original's programs know B, I and O only"
    )


def test_training_needs_labels(tmp_path):
    path = write(tmp_path, "\na\nb\n")
    with pytest.raises(InputError) as caught:
        ner_reading.read_examples(path, "fixed", needs_labels=True)
    assert str(caught.value).startswith(f"{path}:2: one column, no label")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tsv: no such file"):
        ner_reading.read_examples(tmp_path / "absent.tsv", "fixed", needs_labels=False)


# --- the paper's cuts -----------------------------------------------------------------


def sentence(labels, ends_blank=True):
    words = tuple(f"w{i}" for i in range(len(labels)))
    return NerExample(words, tuple(labels), ends_blank=ends_blank)


@pytest.mark.parametrize(
    "labels, lengths",
    [
        ("O" * 30, [30]),  # nothing to cut
        ("O" * 31, [30, 1]),
        ("O" * 61, [30, 30, 1]),
        ("O" * 28 + "BIII", [28, 4]),  # after the last O: the entity stays whole
        ("O" + "B" + "I" * 34, [1, *[1] * 5, 30]),  # no O among 30: one word
        ("B" + "I" * 29 + "O", [1, 30]),
        ("O" * 29 + "BO" + "O" * 5, [29, 7]),
    ],
)
def test_paper_chunks(labels, lengths):
    chunks = ner_reading.paper_chunks(sentence(labels))
    assert [len(chunk) for chunk in chunks] == lengths
    assert [i for chunk in chunks for i in chunk] == list(range(len(labels)))


def test_paper_loses_a_sentence_without_a_blank_line():
    assert ner_reading.paper_chunks(sentence("BI", ends_blank=False)) == []


def test_paper_cuts_unlabelled_text_every_30_words():
    example = NerExample(tuple("x" * 40), None)
    assert ner_reading.paper_chunks(example) == [range(0, 30), range(30, 40)]


# --- recorded outputs -----------------------------------------------------------------


def joined(words):
    return " ".join(words)


def recorded_runs(golden):
    """Every run of the original that read its files: folder, record, compat."""
    for file in sorted(golden.glob("ner/*/*/run.json")):
        run = json.loads(file.read_text("utf-8"))
        if run["status"] == "ok":
            compat = "paper" if file.parent.name.startswith("tag_") else "master"
            yield file.parent, run, compat


@pytest.mark.golden
@pytest.mark.parametrize(
    "name, key", [("train_dev.tsv", "train_examples"), ("test.tsv", "test_examples")]
)
def test_reader_is_the_originals(golden, name, key):
    num_runs = 0
    for folder, run, compat in recorded_runs(golden):
        path = folder.parent / "data" / name
        ours = []
        for example in ner_reading.read_examples(path, compat, needs_labels=True):
            whole = range(len(example.words))
            chunks = ner_reading.paper_chunks(example) if compat == "paper" else [whole]
            for chunk in chunks:
                part = slice(chunk.start, chunk.stop)
                ours.append((joined(example.words[part]), joined(example.labels[part])))
        theirs = [(example["text"], example["label"]) for example in run[key]]
        assert ours == theirs, folder
        num_runs += 1
    assert num_runs


@pytest.mark.golden
def test_what_the_original_crashes_on(golden):
    """A label without an id; `fixed` reads it."""
    for file in sorted(golden.glob("ner/*/*/run.json")):
        run = json.loads(file.read_text("utf-8"))
        if run["status"] == "error" and run["error_type"] == "KeyError":
            path = file.parents[1] / "data" / "test.tsv"
            label = run["error_message"].strip("'")
            with pytest.raises(InputError, match=f"label '{label}': the original's"):
                ner_reading.read_examples(path, "master", needs_labels=True)
            examples = ner_reading.read_examples(path, "fixed", needs_labels=True)
            assert label in ner_reading.label_list(examples, "fixed")


@pytest.mark.data
def test_real_files_are_read_whole(data):
    paths = sorted(data.glob("ner/*/test.tsv"))
    assert paths
    for path in paths:
        rows = [
            line.split()
            for line in path.read_text("utf-8").split("\n")
            if line.split() and not line.startswith("-DOCSTART-")
        ]
        examples = ner_reading.read_examples(path, "fixed", needs_labels=True)
        assert [word for e in examples for word in e.words] == [r[0] for r in rows]
        labels = [label for e in examples for label in e.labels]
        # IOB1, which EBM-PICO has, begins most entities with I; as read they begin
        # with B.
        is_iob1 = path.parent.name == "EBM-PICO"
        read = [label.replace("B-", "I-") if is_iob1 else label for label in labels]
        assert read == [row[-1] for row in rows]
