# SPDX-License-Identifier: Apache-2.0
"""Pieces of HTML for notebooks: what they say, and how they look beside each other."""

import re

import browser
import html_toys as toys
import pytest

from biobert_tf.documents import html_colors, html_fragment
from biobert_tf.documents.document import Mention

HOSTILE = (
    "<script>document.title = 'hacked'</script><img src=x onerror='document.title=1'>"
    "</p></div><style>* { display: none }</style> @GENE$ & $x^2$ \u202e"
)


def mention(text, words, kind, number=0):
    start = text.index(words)
    return Mention(str(number), kind, ((start, start + len(words)),), words, (), 0.5)


def piece(text, *mentions):
    kinds = [each.type for each in mentions]
    return html_fragment.fragment([html_fragment.text(text, mentions)], kinds)


@pytest.fixture
def hostile():
    kind = '"><script>document.title = 1</script>'
    return piece(HOSTILE, mention(HOSTILE, "<script>", kind))


def test_text_is_only_text(hostile):
    reader = toys.Reader()
    reader.feed(f"<article>{hostile.replace('<p class', '<p data-offset=0 class')}")
    assert reader.tags == ["article", "div", "style", "p", "mark", "span"]
    [[passage]] = reader.articles
    assert passage["text"] == HOSTILE
    assert [mark["text"] for mark in passage["marks"]] == ["<script>"]


def test_nothing_comes_from_elsewhere_and_the_style_stays_inside(hostile):
    [style] = re.findall(r"<style>(.*?)</style>", hostile, re.DOTALL)
    assert not re.search(r"url\(|@import|http", style)
    while "{" in style:  # the innermost braces first
        style = re.sub(r"{[^{}]*}", "\0", style)
    *rules, rest = style.split("\0")
    assert len(rules) > 3
    assert all(".biobert-tf" in rule for rule in rules)
    assert not rest.strip()


def test_mathjax_leaves_it_alone(hostile):
    assert hostile.startswith(
        '<div class="biobert-tf tex2jax_ignore mathjax_ignore">\n'
    )


def test_the_class_of_a_type_is_the_same_everywhere():
    text = "a b"
    both = piece(text, mention(text, "a", "Gene"), mention(text, "b", "DISEASE", 1))
    other = piece(text, mention(text, "b", "Disease"))
    [gene, disease] = re.findall(r'<mark class="(\w+)"', both)
    assert re.findall(r'<mark class="(\w+)"', other) == [disease]
    assert gene != disease


# --- in a browser --------------------------------------------------------------------

SHOWN = """
[...document.querySelectorAll(".biobert-tf")].map(one => {
  const mark = getComputedStyle(one.querySelector("mark")), own = getComputedStyle(one);
  const name = getComputedStyle(one.querySelector("mark"), "::after");
  const info = getComputedStyle(one.querySelector(".info"));
  return [own.backgroundColor, own.color, mark.backgroundColor, mark.color, name.color,
    info.color]})
"""
SAYS = ["", 'data-jp-theme-light="true"', 'data-jp-theme-light="false"']
SAYS += ['theme="dark"', 'class="vscode-light"', 'class="vscode-dark"']


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("says", SAYS)
def test_colours_are_those_of_the_notebook_or_else_of_the_system(
    tab, tmp_path, says, is_dark
):
    text = "Aspirin causes nephritis"
    marks = mention(text, "Aspirin", "Chemical"), mention(text, "neph", "Disease", 1)
    body = [html_fragment.text(text, marks), html_fragment.info("2 entities")]
    pieces = [html_fragment.fragment(body, kinds) for kinds in (["Disease"], ["Gene"])]
    pieces += [html_fragment.fragment(body, ["Chemical"])]
    page = tmp_path / "page.html"
    page.write_text(f"<body {says}><mark>x</mark>{''.join(pieces)}", encoding="utf-8")
    tab.open(page, 700, 600, is_dark)
    wants_dark = ("dark" in says or "false" in says) if says else is_dark
    theme = html_colors.DARK if wants_dark else html_colors.LIGHT
    wanted = html_colors.shades("Chemical", theme)
    found = tab.evaluate(SHOWN)
    assert len(found) == 3
    for colors in found:
        page_color, words, surface, inner, name, info = map(hexadecimal, colors)
        assert (page_color, words, info) == (theme.page, theme.text, theme.soft)
        assert (surface, inner, name) == (wanted.surface, theme.text, wanted.name)
    # A mark of the notebook's own has the browser's colour.
    outside = "getComputedStyle(document.querySelector('mark')).backgroundColor"
    assert hexadecimal(tab.evaluate(outside)) == "#ffff00"


def test_nothing_runs_and_nothing_is_wider_than_the_window(tab, tmp_path, hostile):
    page = tmp_path / "page.html"
    wide = "x" * 900
    long = piece(wide, mention(wide, wide[:500], "y" * 90))
    head = "<meta charset=utf-8><title>calm</title>"
    page.write_text(f"{head}{hostile}{long}", encoding="utf-8")
    tab.open(page, 640, 600)
    assert tab.evaluate("document.title") == "calm"
    assert tab.evaluate("document.querySelector('p').textContent") == HOSTILE
    assert tab.evaluate("document.documentElement.scrollWidth") <= 640
    inner = "[...document.querySelectorAll('div')].every(one => one.scrollWidth <= "
    assert tab.evaluate(f"{inner}one.clientWidth)")


def hexadecimal(color):
    """`rgb(1, 2, 3)` as `#010203`."""
    return "#" + "".join(f"{int(x):02x}" for x in re.findall(r"\d+", color))
