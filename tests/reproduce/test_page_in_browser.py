# SPDX-License-Identifier: Apache-2.0
"""The page of a report in a real browser: on a phone, in the dark, on paper."""

import base64
import re

import browser
import pytest
import report_toys as toys

from biobert_tf.documents.html_colors import contrast
from biobert_tf.reproduce.page.write import write

SIZES = [(360, 800), (1280, 900)]
# The colour of every text of its own, and that behind it.
COLORS = """
[...document.querySelectorAll("main *:not(svg *)")].filter(one => [...one.childNodes]
  .some(node => node.nodeType == 3 && node.data.trim())).map(one => {
    let around = one;
    const back = () => getComputedStyle(around).backgroundColor;
    while (/, 0\\)$/.test(back())) around = around.parentElement;
    return [getComputedStyle(one).color, back()]})
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with browser.opened(folder / "profile") as tab:
        tab.path = write(toys.report(), folder)[-1]
        yield tab


def color(text):
    """`rgb(1, 2, 3)` as `#010203`."""
    channels = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", text)
    assert channels, text
    return "#" + "".join(f"{int(channel):02x}" for channel in channels.groups())


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_can_be_read(page, width, height, is_dark):
    page.open(page.path, width, height, is_dark)
    assert page.evaluate("innerWidth") == width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(
        "document.querySelectorAll('details').forEach(one => one.open = true)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(COLORS)
    assert len(found) > 200
    for text, surface in found:
        assert contrast(color(text), color(surface)) >= 4.5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (contrast(color(background), "#ffffff") > 10) == is_dark


def test_wide_parts_scroll_in_their_box(page):
    page.open(page.path, *SIZES[0])
    boxes = "[...document.querySelectorAll('.box')]"
    assert page.evaluate(f"{boxes}.every(box => box.clientWidth <= innerWidth)")
    assert page.evaluate(f"{boxes}.some(box => box.scrollWidth > 2 * box.clientWidth)")
    # The name of a data set stays in sight.
    first = "document.querySelector('.box')"
    page.evaluate(f"{first}.scrollLeft = 300")
    assert page.evaluate(f"{first}.scrollLeft") == 300
    name = f"{first}.querySelector('tbody th')"
    left = f"{name}.getBoundingClientRect().left - {first}.getBoundingClientRect().left"
    assert page.evaluate(left) == 0
    size = "Math.min(...[...document.querySelectorAll('svg')].map(one => 13 *"
    size += " one.getBoundingClientRect().width / one.viewBox.baseVal.width))"
    assert page.evaluate(size) > 10  # the size of the text of plots, in pixels


def test_text_is_no_markup(page):
    page.open(page.path, *SIZES[1])
    assert page.evaluate("document.title") == toys.report()["title"]
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_the_page_prints_everything(page):
    """The runs are open on paper, which is always light."""
    page.open(page.path, 1040, 720, is_dark=True)
    hidden = "[...document.querySelectorAll('details pre')]"
    hidden += ".filter(one => !one.checkVisibility()).length"
    assert page.evaluate(hidden) > 10
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.call("Emulation.setEmulatedMedia", media="print", features=[dark])
    assert page.evaluate(hidden) == 0
    color_now = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert color(color_now) == "#ffffff"
    printed = page.call("Page.printToPDF", preferCSSPageSize=True)["data"]
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    assert base64.b64decode(printed).startswith(b"%PDF")
