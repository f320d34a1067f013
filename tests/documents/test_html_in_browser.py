# SPDX-License-Identifier: Apache-2.0
"""The page of annotated documents in a real browser: what it shows, and how."""

import re

import browser
import html_toys as toys
import pytest

from biobert_tf.documents import html_colors

SIZES = [(360, 800), (1280, 900)]
# What the page says, as `html_toys.Reader` has it; the text is that of the elements.
READ = """
[...document.querySelectorAll("article")].map(article =>
  [...article.querySelectorAll("p.text")].map(passage => ({
    offset: Number(passage.dataset.offset),
    text: passage.textContent,
    marks: [...passage.querySelectorAll("mark")].map(mark => ({
      text: mark.textContent,
      values: Object.fromEntries([...mark.attributes].map(a => [a.name, a.value]))}))
  })))
"""
COLORS = """
[...document.querySelectorAll("mark")].map(mark => {
  const style = getComputedStyle(mark), name = getComputedStyle(mark, "::after");
  return [style.backgroundColor, style.color, name.color, style.borderBottomColor]})
"""
OTHERS = """
[...document.querySelectorAll("h1, h2, .info, legend, label, summary")].map(one => {
  let around = one;
  const style = getComputedStyle(one);
  const back = () => getComputedStyle(around).backgroundColor;
  while (around.parentElement && /, 0\\)$/.test(back())) around = around.parentElement;
  return [style.color, back()]})
"""
# Where the characters of a word are, from left to right.
PLACES = """
(() => {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const start = walk.currentNode.data.indexOf(%r);
    if (start < 0) continue;
    const range = document.createRange();
    return [...%r].map((_, i) => {
      range.setStart(walk.currentNode, start + i);
      range.setEnd(walk.currentNode, start + i + 1);
      return range.getBoundingClientRect().left});
  }})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with browser.opened(folder / "profile") as tab:
        tab.path = toys.write(folder / "page.html")
        yield tab


def color(text):
    """`rgb(1, 2, 3)` as `#010203`."""
    channels = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", text)
    assert channels, text
    return "#" + "".join(f"{int(channel):02x}" for channel in channels.groups())


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_can_be_read(page, tmp_path, width, height, is_dark):
    page.open(page.path, width, height, is_dark)
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    theme = html_colors.DARK if is_dark else html_colors.LIGHT
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color(background) == theme.page
    marks = page.evaluate(COLORS)
    assert len(marks) > 20
    for surface, text, name, line in marks:
        assert html_colors.contrast(color(text), color(surface)) >= 7
        assert html_colors.contrast(color(name), color(surface)) >= 4.5
        assert html_colors.contrast(color(line), theme.page) >= 3
    others = page.evaluate(OTHERS)
    assert len(others) > 20
    for text, surface in others:
        assert html_colors.contrast(color(text), color(surface)) >= 4.5
    picture = tmp_path / f"{width}x{height}-{'dark' if is_dark else 'light'}.png"
    page.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_text_is_the_document(page):
    page.open(page.path, *SIZES[0])
    toys.require_true(page.evaluate(READ), toys.DOCUMENTS)


def test_text_is_no_markup(page):
    page.open(page.path, *SIZES[0])
    assert page.evaluate("document.title") == "5 annotated documents"
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('main > article').length") == 5
    heading = page.evaluate("document.querySelectorAll('h2')[1].textContent")
    assert heading == toys.DOCUMENTS[1][0].document.id


def test_controls_of_direction_turn_nothing(page):
    """An override would show what follows it from right to left."""
    page.open(page.path, *SIZES[1])
    for word in ("override", "hacked", "width"):
        places = page.evaluate(PLACES % (word, word))
        assert places == sorted(places)


def test_line_breaks_are_shown(page):
    page.open(page.path, *SIZES[1])
    # What is not laid out yet has no lines.
    page.evaluate("document.querySelector('article mark').focus()")
    text = page.evaluate("document.querySelectorAll('p.text')[1].innerText")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    assert lines[:3] == [
        "HER2-positive breast cancer cells take tumour necrosis factor alpha.",
        "",
        "  Indented\tline, another",
    ]
    assert lines[3].startswith("end. BRCA1")


def test_the_tab_key_shows_probabilities(page):
    page.open(page.path, *SIZES[0])
    num_boxes = page.evaluate("document.querySelectorAll('input').length")
    for _ in range(num_boxes + 2):
        page.press_tab()
    assert page.evaluate("document.activeElement.textContent") == "ibuprofen"
    told = "getComputedStyle(document.activeElement, '::before')"
    assert page.evaluate(f"{told}.content") == '"Chemical, probability 0.95"'
    assert page.evaluate(f"{told}.position") == "fixed"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != (
        "none"
    )
    # An article that is not laid out until it is near holds what is fixed inside it.
    article = "document.querySelector('article:last-child')"
    style = f"getComputedStyle({article}).contentVisibility"
    assert page.evaluate(style) == "auto"
    page.evaluate(f"{article}.querySelector('mark').focus()")
    assert page.evaluate(style) == "visible"
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[0][0]


def test_boxes_hide_a_type(page):
    page.open(page.path, *SIZES[0])
    shown = (
        "[...document.querySelectorAll('mark')].map(mark => [mark.dataset.type,"
        " getComputedStyle(mark).backgroundColor != 'rgba(0, 0, 0, 0)',"
        " mark.classList.contains('part') ? null :"
        " getComputedStyle(mark, '::after').content != 'none'])"
    )
    assert all(both[0] and both[1] is not False for _, *both in page.evaluate(shown))
    text = page.evaluate("document.querySelector('main').textContent")
    page.evaluate(
        "[...document.querySelectorAll('label')]"
        ".find(one => one.innerText.startsWith('Disease')).click()"
    )
    for kind, *both in page.evaluate(shown):
        is_seen = kind != "Disease"
        assert both[0] is is_seen
        assert both[1] in (is_seen, None)
    assert page.evaluate("document.querySelector('main').textContent") == text
