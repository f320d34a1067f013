# SPDX-License-Identifier: Apache-2.0
"""The page of annotated documents: what it says, and that it needs nothing else."""

import gzip
import re

import html_toys as toys
import pytest

from biobert_tf.documents import formats, html_colors
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Mention, Passage


@pytest.fixture
def page(tmp_path):
    return toys.write(tmp_path / "page.html")


def test_marks_are_the_mentions(page):
    toys.require_true(toys.read(page).articles, toys.DOCUMENTS)


def test_crossing_mentions_are_in_parts(tmp_path):
    document = toys.bare("1", "abcdef")
    new = [
        Mention("", "X", ((0, 4),), "abcd"),
        Mention("", "Y", ((2, 6),), "cdef"),
        Mention("", "Z", ((3, 4),), "d"),
    ]
    text = toys.write(tmp_path / "p", [(Loaded(document), new)]).read_text("utf-8")
    [body] = re.findall(r'data-offset="0">(.*)</p>', text)
    bare = re.sub(r' (data-\w+|title|tabindex)="[^"]*"', "", body)
    assert bare == (
        '<mark class="t0">ab<mark class="t1 part">c<mark class="t2">d</mark></mark>'
        '</mark><mark class="t1">ef</mark>'
    )


def test_a_mention_over_two_passages_is_in_parts(tmp_path):
    document = toys.bare("1", "ab", "cd")
    new = [Mention("", "X", ((1, 4),), "b c")]
    page = toys.write(tmp_path / "p", [(Loaded(document), new)])
    marks = [mark for one in toys.read(page).articles[0] for mark in one["marks"]]
    assert [mark["text"] for mark in marks] == ["b", "c"]
    assert [mark["values"]["class"] for mark in marks] == ["t0 part", "t0"]


def test_probabilities_and_concepts_are_said(page):
    marks = [
        mark["values"]
        for article in toys.read(page).articles
        for passage in article
        for mark in passage["marks"]
    ]
    titles = {values["data-id"]: values["title"] for values in marks[:2]}
    assert titles == {
        "A": "Chemical, probability 0.9987, MESH:D001241",
        "I": "Chemical, probability 0.95",
    }
    assert {values["title"] for values in marks} >= {"CellLine", "DNA, probability 0.8"}


def test_the_legend_counts_all(page):
    text = page.read_text("utf-8")
    labels = re.findall(r"(?s)<label .*?<bdi>(.*?)</bdi> <b>(.*?)</b>", text)
    assert labels[:3] == [("Disease", "4"), ("Gene", "4"), ("Chemical", "2")]
    assert sum(int(count) for _, count in labels) == 19
    assert "<h1>5 annotated documents</h1>" in text
    assert '<p class="info">19 entities</p>' in text
    assert (
        '<p class="info">2 entities: <bdi>Gene</bdi> 1, <bdi>Species</bdi> 1</p>'
        in text
    )
    assert '<p class="info">0 entities</p>' in text


def test_relations_are_listed(page):
    text = page.read_text("utf-8")
    assert "<summary>1 relation</summary>" in text
    assert (
        "<li><bdi>CPR:4</bdi>: <bdi>Aspirin</bdi> \u2192 <bdi>ibuprofen</bdi>, "
        "probability 0.875</li>" in text
    )


def test_nothing_comes_from_elsewhere(page):
    reader = toys.read(page)
    assert not {*reader.tags} & {"script", "link", "img", "iframe", "object", "base"}
    for tag, values in reader.attributes:
        assert not {"src", "href", "style", "onclick"} & {*values}, tag
    style = re.search(r"<style>(.*?)</style>", page.read_text("utf-8"), re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in style


def test_an_empty_page(tmp_path):
    text = toys.write(tmp_path / "p", []).read_text("utf-8")
    assert "<h1>0 annotated documents</h1>" in text
    assert "fieldset>" not in text
    assert text.endswith("</html>\n")


def test_the_same_documents_give_the_same_page(tmp_path):
    first, again = (toys.write(tmp_path / name) for name in ("a", "b.gz"))
    assert gzip.decompress(again.read_bytes()) == first.read_bytes()


def test_many_documents_and_types(tmp_path):
    def documents():
        for i in range(300):
            text = f"Aspirin number {i}."
            document = AnnotatedDocument(str(i), (Passage(0, text),), (), ())
            yield Loaded(document), [Mention("", f"type{i % 40}", ((0, 7),), "Aspirin")]

    counts = formats.write(tmp_path / "p", "html", documents())
    assert counts.documents == 300
    reader = toys.read(tmp_path / "p")
    assert len(reader.articles) == 300
    assert reader.tags.count("label") == 40
    marks = [
        mark["values"] for [passage] in reader.articles for mark in passage["marks"]
    ]
    assert all(mark["class"] == f"t{mark['data-type'][4:]}" for mark in marks)


# --- colours -------------------------------------------------------------------------

TYPES = ["Disease", "Chemical", "Gene", "Protein", "Species", "CellLine", "Mutation"]


@pytest.mark.parametrize("theme", [html_colors.LIGHT, html_colors.DARK])
def test_every_type_can_be_read(theme):
    for kind in [*TYPES, "", *map(str, range(500))]:
        found = html_colors.shades(kind, theme)
        assert html_colors.contrast(theme.text, found.surface) >= 7
        assert html_colors.contrast(found.name, found.surface) >= 4.5
        # The line below a mention, on the page.
        assert html_colors.contrast(found.name, theme.page) >= 4.5


def test_contrast_is_that_of_wcag():
    assert html_colors.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert html_colors.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert html_colors.contrast("#0000ff", "#ff0000") == pytest.approx(2.15, abs=0.005)


def test_colours_follow_the_name():
    for theme in (html_colors.LIGHT, html_colors.DARK):
        assert html_colors.shades("GENE", theme) == html_colors.shades("gene", theme)
        usual = {html_colors.shades(kind, theme) for kind in TYPES}
        assert len(usual) == len(TYPES)
    # A page written tomorrow has the colours of one written today.
    assert html_colors.shades("Phenotype", html_colors.LIGHT) == (
        *("#e1d354", "#5b5410"),
    )
