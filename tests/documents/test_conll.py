# SPDX-License-Identifier: Apache-2.0
"""Words with labels: read as documents, written with one more column."""

import document_toys as toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import conll, conll_words, formats
from biobert_tf.documents.document import (
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
)
from biobert_tf.ner import conlleval

TYPED = (
    "-DOCSTART- -X- 7 O\n\n"
    "Breast NN B-Disease\ncancer NN I-Disease\ntoo RB O\n\n\n"
    "\u03b2-actin\u2028x NN S-Gene\n\U0001f48a NN S-Gene\n\n"
    "-DOCSTART-\n\n-DOCSTART-\tname with\u3000space\tO\n\nend O\n"
)


def load(tmp_path, text):
    path = tmp_path / "in.conll"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return toys.read(conll, path)


def written(tmp_path, *documents):
    path = tmp_path / "out"
    counts = formats.write(path, "conll", documents)
    return path.read_bytes().decode(), counts.notes


def new(document, text, kind="X", probability=None):
    start = document.passages[0].text.index(text)
    return Mention("", kind, ((start, start + len(text)),), text, (), probability)


# --- reading -------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_documents_are_marked(tmp_path, end):
    documents = load(tmp_path, TYPED.replace("\n", end))
    first, second, third = (one.document for one in documents)
    assert (first.id, second.id) == ("7", "11")
    assert third.id == "name with\u3000space"
    # White space other than tab and space is part of a word.
    assert first.passages == (
        Passage(0, "Breast cancer too\n\u03b2-actin\u2028x \U0001f48a"),
    )
    assert first.mentions == (
        Mention("T1", "Disease", ((0, 13),), "Breast cancer"),
        Mention("T2", "Gene", ((18, 27),), "\u03b2-actin\u2028x"),
        Mention("T3", "Gene", ((28, 29),), "\U0001f48a"),
    )
    assert second.passages == (Passage(0, ""),)
    assert third.passages == (Passage(0, "end"),)
    words = [list(sentence) for sentence in documents[0].source.sentences]
    assert [(word.start, word.end) for word in words[1]] == [(18, 27), (28, 29)]
    assert list(documents[0].source.spans()) == [
        ((0, 6), (7, 13), (14, 17)),
        ((18, 27), (28, 29)),
    ]


COLUMNS = "\t".join("_" * 8)
OTHER = (
    "# doc_id = 7\n# text = Aspirin helps\nAspirin\tU-Chem\nhelps\tO\n\n"
    "<Dis>\tO-Dis\nLiver\tB-Dis\ncancer\tL-Dis\ntoo\tO-Dis\n</Dis>\tO-Dis\n\n"
    "# newdoc id = 8 a\n\n# newdoc\nend\tO\n"
)


def test_comments_and_frames_are_no_words(tmp_path):
    first, second, third = load(tmp_path, OTHER)
    assert [one.document.id for one in (first, second, third)] == ["7", "8 a", "14"]
    assert first.document.passages[0].text == "Aspirin helps\nLiver cancer too"
    assert [(one.type, one.text) for one in first.document.mentions] == [
        ("Chem", "Aspirin"),
        ("Dis", "Liver cancer"),
    ]
    assert second.document.passages[0].text == ""
    added = [new(first.document, "helps\nLiver", "X"), new(first.document, "too", "Y")]
    text, notes = written(tmp_path, (first, added), (second, []), (third, []))
    assert notes == {}
    assert text == (
        "# doc_id = 7\n# text = Aspirin helps\nAspirin\tU-Chem\tO\nhelps\tO\tB-X\n\n"
        "<Dis>\tO-Dis\tO\nLiver\tB-Dis\tB-X\ncancer\tL-Dis\tO\ntoo\tO-Dis\tB-Y\n"
        "</Dis>\tO-Dis\tO\n\n# newdoc id = 8 a\n\n# newdoc\nend\tO\tO\n\n"
    )


def test_frames_are_read_again_behind_a_new_column(tmp_path):
    documents = load(tmp_path, OTHER)
    text, _ = written(tmp_path, *((one, []) for one in documents))
    again = load(tmp_path, text)
    assert [one.document.id for one in again[:2]] == ["7", "8 a"]
    assert [one.document.passages for one in again] == [
        one.document.passages for one in documents
    ]


def test_comments_at_the_beginning_belong_to_the_first_document(tmp_path):
    text = (
        "# licence = x\n\n# global.columns = ID FORM\n# newdoc id = 7\na\tO\n\nb\tB-X\n"
    )
    [loaded] = load(tmp_path, text)
    assert loaded.document.id == "7"
    assert loaded.document.passages[0].text == "a\nb"
    found, _ = written(tmp_path, (loaded, []))
    assert found == text.replace("O\n", "O\tO\n").replace("B-X\n", "B-X\tO\n\n")
    documents = load(tmp_path, "# licence = x\n\na\tO\n\n# y = z\nb\tB-X\n")
    assert [one.document.passages[0].text for one in documents] == ["a", "b"]
    assert [one.document.id for one in documents] == ["1", "5"]


def test_conllu(tmp_path):
    rows = [
        f"{i}\t{word}\t{COLUMNS}" for i, word in (("1-2", "ab"), (1, "a"), (2, "b"))
    ]
    [loaded] = load(tmp_path, "\n".join(rows))
    assert loaded.document.passages[0].text == "a b"
    text, _ = written(tmp_path, (loaded, [new(loaded.document, "b")]))
    labels = ("O", "O", "B-X")
    lines = [f"{row}\t{label}\n" for row, label in zip(rows, labels, strict=True)]
    assert text == "".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conllcomment/a.conll", [("Chemical", "Aspirin"), ("Disease", "nephritis")]),
        ("conllcomment/u.conllu", []),
        ("comment_ner/test.tsv", [("Chemical", "Aspirin"), ("Disease", "nephritis")]),
        ("ws/test.tsv", [("Chemical", "Aspirin")]),
        ("nbsp/test.tsv", [("Chemical", "Aspirin"), ("Disease", "nephritis")]),
        ("tsvangle/test.tsv", [("Disease", "nephritis")]),
        ("aioner/all.conll", [("Disease", "Liver cancer")]),
        ("aioner/train.conll", [("Disease", "Liver cancer")]),
        (
            "bilou/test.tsv",
            [("Chemical", "Aspirin"), ("Disease", "acute renal nephritis")],
        ),
    ],
)
def test_cases(cases, name, expected):
    [loaded] = formats.read(cases / name, "conll")
    document = loaded.document
    assert [(one.type, one.text) for one in document.mentions] == expected
    has_id = name.startswith("c")
    assert document.id == ("7" if has_id else "1")
    words = document.passages[0].text.split(" ")
    assert words[:2] in (
        ["Aspirin", "induced"],
        ["Aspirin", "10\u00a0mg"],
        ["Liver", "cancer"],
        ["<", "0.05"],
    )


@pytest.mark.data
def test_a_real_file_with_comments(data):
    documents = formats.read(
        data / "documents" / "conll" / "BC5CDR-example.conll", "auto"
    )
    assert [one.document.id for one in documents] == ["354896"]


def test_without_marks_a_sentence_is_a_document(tmp_path):
    text = "\ufeff\nBreast B\ncancer I\n\n \n\ntoo O\n-DOCSTART- O\na O\n\nb O"
    documents = [one.document for one in load(tmp_path, text)]
    assert [(one.id, one.passages[0].text) for one in documents] == [
        ("2", "Breast cancer"),
        ("7", "too"),
        ("8", "a\nb"),
    ]
    assert documents[0].mentions == (Mention("T1", "", ((0, 13),), "Breast cancer"),)


@pytest.mark.parametrize("text", ["a\nb\n", "a NN\nb VB\n", "a I\n\nb B\n"])
def test_words_without_labels(tmp_path, text):
    documents = [one.document for one in load(tmp_path, text)]
    mentions = [one for document in documents for one in document.mentions]
    # A column of B and I alone is labels only where some other row says so.
    assert mentions == []


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a O\n\nb O\nc\n", 4, "one column where other rows have a label"),
        ("a O\n\nb B-X\nc X-X\n", 4, "label 'X-X' is not O, B-TYPE or I-TYPE"),
        ("a O\n\nb O\n\udcff O\n", 4, "byte 0xff is not UTF-8"),
    ],
)
def test_bad_rows(tmp_path, text, line, problem):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'in.conll'}:{line}: {problem}")


@pytest.mark.data
def test_a_real_set(data, tmp_path):
    path = data / "ner" / "NCBI-disease" / "test.tsv"
    assert formats.detect(path) == "conll"
    documents = list(formats.read(path, "auto"))
    assert sum(len(one.document.mentions) for one in documents) == 960
    for one in documents:
        one.document.check()
    # The gold labels as predictions: all of them are right.
    gold = [(one, []) for one in documents]
    same = [
        (one, [Mention("", m.type, m.spans, m.text) for m in one.document.mentions])
        for one in documents
    ]
    formats.write(tmp_path / "none", "conll", gold)
    formats.write(tmp_path / "same", "conll", same)
    counts = scores(tmp_path / "same")
    assert counts.correct.total() == counts.gold.total() == counts.found.total() == 960
    counts = scores(tmp_path / "none")
    assert (counts.gold.total(), counts.found.total()) == (960, 0)


def scores(path):
    return conlleval.evaluate(conlleval.read_sentences(path, "\t"))


# --- writing rows that were read -----------------------------------------------------


def test_one_more_column(tmp_path):
    documents = load(tmp_path, TYPED)
    first = documents[0].document
    added = [new(first, "cancer too", "Q"), new(first, "\U0001f48a", "two words")]
    rest = [(one, []) for one in documents[1:]]
    text, notes = written(tmp_path, (documents[0], added), *rest)
    assert text == (
        "-DOCSTART- -X- 7 O O\n\n"
        "Breast NN B-Disease O\ncancer NN I-Disease B-Q\ntoo RB O I-Q\n\n"
        "\u03b2-actin\u2028x NN S-Gene O\n\U0001f48a NN S-Gene B-two_words\n\n"
        "-DOCSTART-\tO\n\n"
        "-DOCSTART-\tname with\u3000space\tO\tO\n\nend O O\n\n"
    )
    assert notes == {}


def test_words_are_labelled_whole(tmp_path):
    [loaded] = load(tmp_path, "-DOCSTART-\nunhappy\nend\n")
    document = loaded.document
    text, notes = written(tmp_path, (loaded, [new(document, "happy e")]))
    assert "unhappy\tB-X\nend\tI-X\n" in text
    assert notes == {"mentions widened to whole words": 1}
    text, notes = written(tmp_path, (loaded, [new(document, " ")]))
    assert "unhappy\tO\nend\tO\n" in text
    assert notes == {"mentions without a word dropped": 1}


def test_the_longest_wins_then_the_more_probable(tmp_path):
    [loaded] = load(tmp_path, "-DOCSTART-\na\nb\nc\nd\ne\n")
    document = loaded.document
    found = [
        new(document, "b", "B", 1.0),
        new(document, "a b", "AB", 0.1),
        new(document, "c d", "CD", 0.5),
        new(document, "d e", "DE", 0.6),
        new(document, "e", "E"),
    ]
    text, notes = written(tmp_path, (loaded, found))
    assert text == "-DOCSTART-\tO\n\na\tB-AB\nb\tI-AB\nc\tO\nd\tB-DE\ne\tI-DE\n\n"
    assert notes == {"overlapping mentions dropped": 3, "probabilities dropped": 2}
    touching = [new(document, "a b", "X"), new(document, "c", "X")]
    text, notes = written(tmp_path, (loaded, touching))
    assert "a\tB-X\nb\tI-X\nc\tB-X\nd\tO\n" in text
    assert notes == {}


def test_relations_have_no_place(tmp_path):
    [loaded] = load(tmp_path, "-DOCSTART-\na\n")
    mention = Mention("M", "", ((0, 1),), "a")
    text, notes = written(tmp_path, (loaded, [mention, Relation("r", "M", "M")]))
    assert "a\tB\n" in text
    assert notes == {"relations dropped": 1}


@pytest.mark.parametrize("is_own", [True, False])
def test_identifiers_and_probabilities_are_counted(tmp_path, is_own):
    [loaded] = load(tmp_path, "-DOCSTART-\na\nb\nc\n")
    loaded = loaded if is_own else Loaded(loaded.document)
    added = [
        Mention("M", "X", ((0, 1),), "a", ("D1", "D2"), 0.0),
        Mention("N", "X", ((2, 3),), "b", ("D1",)),
        Mention("O", "X", ((4, 5),), "c"),
    ]
    _, notes = written(tmp_path, (loaded, added))
    assert notes == {"concepts dropped": 2, "probabilities dropped": 1}


# --- writing any other document ------------------------------------------------------


def other(text, *mentions):
    document = AnnotatedDocument("a\tb", (Passage(0, text),), (), ())
    return Loaded(document), [new(document, *one) for one in mentions]


def test_text_is_cut_into_words_of_sentences(tmp_path):
    text = "Cafe\u0301 (IL-2) helps. It\r\ndoes.\n\nNo full stop\n \nEnd\u3002"
    found, notes = written(tmp_path, other(text, ("IL-2", "G"), ("helps. It", "X")))
    sentences = [
        "Cafe\u0301 O,( O,IL B-G,- I-G,2 I-G,) O,helps B-X,. I-X,It I-X,does O,. O",
        "No O,full O,stop O",
        "End O,\u3002 O",
    ]
    rows = "\n\n".join(one.replace(" ", "\t").replace(",", "\n") for one in sentences)
    assert found == f"-DOCSTART-\ta b\tO\n\n{rows}\n\n"
    assert notes == {}


def test_words_are_cut_where_mentions_are(tmp_path):
    found, _ = written(tmp_path, other("antiHER2mAb", ("HER2", "G")))
    assert found.endswith("anti\tO\nHER2\tB-G\nmAb\tO\n\n")


def test_old_mentions_are_labelled_too(tmp_path):
    document = AnnotatedDocument(
        "7", (Passage(0, "a b"),), (Mention("1", "A", ((0, 1),), "a"),), ()
    )
    found, _ = written(tmp_path, (Loaded(document), [new(document, "b", "B")]))
    assert found == "-DOCSTART-\t7\tO\n\na\tB-A\nb\tB-B\n\n"
    [again] = load(tmp_path, found)
    assert [(one.type, one.spans) for one in again.document.mentions] == [
        ("A", ((0, 1),)),
        ("B", ((2, 3),)),
    ]


def test_disjoint_mentions_are_in_order():
    def one(start, end, probability=None):
        return Mention("", "", ((start, end),), "", (), probability)

    kept = conll_words.disjoint([one(8, 9), one(0, 2), one(1, 4, 0.1), one(4, 6)])
    assert [mention.spans[0] for mention in kept] == [(1, 4), (4, 6), (8, 9)]
    first, second = one(0, 2, 0.3), one(1, 3, 0.3)
    assert conll_words.disjoint([first, second]) == [first]
