# SPDX-License-Identifier: Apache-2.0
"""The three forms of a report: what they show, and that no text breaks them."""

import csv
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import report_toys as toys

from biobert_tf.common.errors import InputError
from biobert_tf.documents.html_colors import contrast
from biobert_tf.reproduce.page import figure, style
from biobert_tf.reproduce.page.write import write

VOID = {"meta"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and gathers what the page has."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.elements = [], [], [], []
        self.texts, self.tables = [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            size = (int(attrs.get("colspan", 1)), int(attrs.get("rowspan", 1)))
            self.tables[-1][-1].append(size)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append((tuple(self.open), data))

    @property
    def text(self):
        return "".join(text for _, text in self.texts)


def read(path):
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    assert not reader.open
    return reader


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folder of the pages; only two runs of it have a folder."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("runs/seed-1-0", "javascript:alert(1)"):
        (folder / name).mkdir(parents=True)
    assert write(toys.report(), folder) == [
        folder / "report.md",
        folder / "report.csv",
        folder / "report.html",
    ]
    return folder


def runs(report):
    """The runs of a report."""
    yield from report["squad"]
    for table in report["tables"]:
        for row in table["rows"]:
            for cell in row["cells"]:
                yield from (*cell.get("grid", ()), *cell["runs"])


def widths(rows):
    """The number of columns of each row of a table, with spans."""
    rest, found = [], []
    for row in rows:
        found.append(sum(columns for columns, _ in row) + len(rest))
        rest = [left - 1 for left in rest if left > 1]
        rest += [below - 1 for _, below in row if below > 1]
    return found


def test_the_page_is_well_formed(pages):
    page = read(pages / "report.html")
    assert len(page.ids) == len(set(page.ids))
    assert len(page.tables) > 8
    for table in page.tables:
        assert len(set(widths(table))) == 1, table


def test_the_page_loads_and_runs_nothing(pages):
    page = read(pages / "report.html")
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
    text = (pages / "report.html").read_text("utf-8")
    assert not re.search(r"url\(|@import|https?:(?!//www\.w3\.org/2000/svg)", text)


def test_links_lead_somewhere(pages):
    """To a place on the page, or to a folder that is there."""
    page = read(pages / "report.html")
    places = {link[1:] for link in page.links if link.startswith("#")}
    assert places and places <= set(page.ids)
    folders = {link for link in page.links if not link.startswith("#")}
    assert folders == {"./runs/seed-1-0/", "./javascript%3Aalert%281%29/"}
    text = (pages / "report.md").read_text("utf-8")
    places = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert places and places <= set(re.findall(r'<a id="([^"]*)"></a>', text))


def test_every_score_with_a_folder_is_a_link(tmp_path):
    report = toys.report()
    for run in runs(report):
        (tmp_path / run["folder"]).mkdir(parents=True, exist_ok=True)
    write(report, tmp_path)
    page = read(tmp_path / "report.html")
    scores = {
        f"{score:.2f}" for run in runs(report) for score in run["scores"].values()
    }
    assert len(scores) > 10
    linked = {text for tags, text in page.texts if tags[-1] == "a"}
    assert scores <= linked


@pytest.mark.parametrize("form", ["html", "md"])
def test_every_run_is_there(pages, form):
    """Failed ones say why; each has its command, and how long it took on what."""
    report = toys.report()
    path = pages / f"report.{form}"
    text = read(path).text if form == "html" else path.read_text("utf-8")
    for run in runs(report):
        assert text.count(run["command"]) >= 1
    assert text.count("killed by signal 9: out of memory") >= 2
    statuses = [run["status"] for run in runs(report)]
    assert f"{statuses.count('failed')}\u00a0failed, 1\u00a0stopped" in text
    assert "1 h 02 min" in text and "2 h 01 min" in text
    assert "grid-5e-05" in text and "SQuAD, before" in text
    assert "2 files are read as one" in text
    assert re.search(r"Attempts:?\s+2\b", text)
    assert "Missing data: needs a registration" in text
    assert "not asked" in text
    assert "1 of 940 sentences of test.tsv that are in train.tsv too" in text
    assert "88.35\u00a0\u00b1\u00a00.71" in text
    assert "\u22121.36" in text and "\u2260 differs" in text
    assert "+7.36" in text and "0.001" in text


def test_unverified_numbers_are_marked(pages):
    page = read(pages / "report.html")
    marked = [text for tags, text in page.texts if re.fullmatch("[0-9.]+\u2020", text)]
    assert marked == ["86.76\u2020", "88.02\u2020", "87.38\u2020"]
    classes = [attributes.get("class") for _, attributes in page.elements]
    assert classes.count("unverified") == len(marked) + 1  # the legend
    assert "87.38\u2020" in (pages / "report.md").read_text("utf-8")
    shapes = [each for each in classes if each and "hollow" in each]
    assert [each for each in shapes if "unverified" in each] == ["hollow p0 unverified"]


def columns(line):
    """The cells of a row of a Markdown table."""
    return re.split(r"(?<!\\)\|", line.strip())[1:-1]


def test_tables_of_markdown_are_even(pages):
    text = (pages / "report.md").read_text("utf-8")
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) > 8
    for block in blocks:
        sizes = {len(columns(line)) for line in block.splitlines()}
        assert len(sizes) == 1 and sizes.pop() > 3


def test_text_is_no_markup_in_markdown(pages):
    text = (pages / "report.md").read_text("utf-8")
    outside = re.sub(r"^(`{3,})\n.*\n\1$", "", text, flags=re.MULTILINE)
    assert outside.count("```") == 0
    assert not re.search(r"(?<!\\)<(?!/?details>|/?summary>|a id=|/a>)", outside)
    assert r"\|\`\*\_\[x\](javascript:1)" in outside


def test_numbers_are_no_lists_in_markdown(tmp_path):
    notes = ["1. one", "- two", "84.12", "# three", "+7"]
    write(toys.report() | {"notes": notes}, tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "* 1\\. one\n* \\- two\n* 84.12\n* \\# three\n* +7\n" in text


def lines(pages):
    with (pages / "report.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_file_has_every_number(pages):
    found = lines(pages)
    assert all(None not in line and None not in line.values() for line in found)
    wanted = [max(1, len(run["scores"])) for run in runs(toys.report())]
    kinds = [line["kind"] for line in found]
    assert kinds.count("run") + kinds.count("grid run") == sum(wanted)
    assert kinds.count("grid run") == 6
    best = [line for line in found if line["kind"] == "summary"][2]
    assert (best["dataset"], best["column"]) == ("NCBI-disease", toys.PUBMED)
    assert (best["value"], best["std"], best["n"], best["best"]) == (
        *("88.35", "0.7071", "2"),
        "88.85",
    )
    one = [line for line in found if line["fold"] == "3" and line["seed"] == "2"][2]
    assert (one["metric"], one["value"], one["low"]) == ("f1", "78.5", "76.25")
    assert {line["kind"] for line in found} == {
        *("data set", "finding", "paper", "rerun", "summary", "run", "grid run"),
        *("verdict", "comparison", "pre-training"),
    }
    unverified = [line["value"] for line in found if line["status"] == "unverified"]
    assert unverified == ["86.76", "88.02", "87.38"]


def test_a_spreadsheet_sees_no_formula(pages):
    failed = [line for line in lines(pages) if line["status"] == "failed"]
    assert failed[-1]["why"] == f"'=1+1 {toys.HOSTILE}"
    differences = [line["difference"] for line in lines(pages)]
    assert "-1.36" in differences


def test_a_report_of_nothing_is_a_page(tmp_path):
    write(toys.empty(), tmp_path)
    page = read(tmp_path / "report.html")
    assert "Runs: 2\u00a0to\u00a0do." in page.text
    assert "no result" in page.text and "no run" in page.text
    assert "svg" not in {tag for tag, _ in page.elements}
    report = toys.empty() | {"tables": []}
    write(report, tmp_path)
    assert "Runs: none yet." in read(tmp_path / "report.html").text


def test_a_bad_report_writes_nothing(tmp_path):
    with pytest.raises(InputError):
        write(toys.report() | {"tables": 1}, tmp_path / "pages")
    assert not (tmp_path / "pages").exists()


def test_equal_names_stay_apart(tmp_path):
    report = toys.report()
    row = report["tables"][1]["rows"][0]
    row["cells"] = [row["cells"][0], row["cells"][0]]
    write(report, tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "| Ours: minilm, fixed | Ours: minilm, fixed (2) |" in text


@pytest.mark.parametrize("colors", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_colours_can_be_read(colors):
    for name in ("text", "soft", "link", "good", "bad"):
        assert contrast(colors[name], colors["page"]) >= 4.5
        assert contrast(colors[name], colors["panel"]) >= 4.5
    for i in range(figure.NUM_COLORS):
        assert contrast(colors[f"s{i}"], colors["page"]) >= 3


def test_pages_need_no_tensorflow():
    code = (
        "import sys, biobert_tf.reproduce.page.write; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
