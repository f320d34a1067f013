# SPDX-License-Identifier: Apache-2.0
"""Every format that is read, packed or not, with every kind of bad file."""

import gzip
import re

import document_toys as toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, jobs, places

PARAGRAPH = "<p>Aspirin {0}.</p>"


def jats(number, paragraph=PARAGRAPH):
    return (
        f'<article><front><article-meta><article-id pub-id-type="pmc">{number}'
        "</article-id><title-group><article-title>Aspirin.</article-title>"
        f"</title-group></article-meta></front><body>{paragraph.format(number)}</body>"
        "</article>\n"
    )


def sample(kind, text="Aspirin."):
    """A file of three documents; the text is that of the second."""
    if kind == "jats":
        parts = [jats(1), jats(2, f"<p>{text}</p>" if text else ""), jats(3)]
        return f"<pmc-articleset>{''.join(parts)}</pmc-articleset>"
    if kind == "conll":
        rows = "".join(f"{word} O\n" for word in text.split())
        first, _, third = (f"-DOCSTART- {i} O\n\nAspirin O\n\n" for i in (1, 2, 3))
        return f"{first}-DOCSTART- 2 O\n\n{rows}\n{third}"
    if kind == "lines":
        return f"1 Aspirin.\n{text}\n3 Aspirin.\n"
    if kind == "pubmed_xml":
        given = toys.ARTICLE.format(2).replace("To\n see.", text)
        return toys.pubmed(1, 3).replace(
            toys.ARTICLE.format(3), given + toys.ARTICLE.format(3)
        )
    bodies = {1: "Aspirin.", 2: text, 3: "Aspirin."}
    return toys.TEXT_OF[kind]([toys.Document(str(i), "A", bodies[i]) for i in bodies])


KINDS = (
    *("jsonl", "pubtator", "bioc_xml", "bioc_json", "conll", "lines"),
    *("pubmed_xml", "jats"),
)
# XML says its own encoding.
XML = ("bioc_xml", "pubmed_xml", "jats")


def format_of(kind):
    return "pubmed_xml" if kind == "jats" else kind


@pytest.fixture(params=["in", "in.gz"])
def put(request, tmp_path):
    """Writes a file, packed or not; returns its path."""

    def inner(data):
        data = (
            data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        )
        path = tmp_path / request.param
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return inner


def latin_1(kind):
    """A file whose second document is no UTF-8."""
    return sample(kind, "Sj~gren's.").encode().replace(b"~", b"\xf6")


def load(path, kind):
    bad = []
    found = list(formats.read(path, format_of(kind), bad.append))
    return [one.document for one in found], [str(error) for error in bad]


def names(documents):
    return [re.sub(r"^(in-|PMC)", "", one.id) for one in documents]


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_good(put, kind):
    documents, bad = load(put(sample(kind)), kind)
    assert (names(documents), bad) == (["1", "2", "3"], [])


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_of_latin_1(put, kind):
    """One document is lost, and told with its line or number."""
    path = put(latin_1(kind))
    documents, bad = load(path, kind)
    assert names(documents) == ["1", "3"]
    assert len(bad) == 1
    assert bad[0].startswith(str(path))
    assert re.search(r":\d+: byte 0xf6|record 2 .*, line \d+: ", bad[0])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", KINDS)
def test_utf_16(put, kind, encoding):
    text = sample(kind)
    mark = "" if encoding == "utf-16" else "\ufeff"
    path = put((mark + text).encode(encoding))
    documents, bad = load(path, kind)
    if kind in XML:
        assert (names(documents), bad) == (["1", "2", "3"], [])
    else:
        assert documents == []
        assert bad == [f"{path}:1: is UTF-16; convert it to UTF-8"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_document(put, kind):
    """It is a document without entities, or none where an empty line is none."""
    documents, bad = load(put(sample(kind, "")), kind)
    wanted = ["1", "3"] if kind == "lines" else ["1", "2", "3"]
    assert (names(documents), bad) == (wanted, [])


@pytest.mark.parametrize("kind", [*KINDS, "text"])
def test_an_empty_file(put, kind):
    path = put("")
    documents, bad = load(path, kind)
    if kind == "text":
        assert [one.passages[0].text for one in documents] == [""]
        return
    assert documents == []
    if kind in XML or kind == "bioc_json":
        [told] = bad
        assert told.startswith(str(path))
    else:
        assert bad == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_document(put, kind):
    text = " ".join(["Aspirin" * 10] * 72_000)
    assert len(text) > 5e6
    documents, bad = load(put(sample(kind, text)), kind)
    assert (names(documents), bad) == (["1", "2", "3"], [])
    assert max(len(one.text) for one in documents[1].passages) >= len(text)


def test_a_long_document_of_brat(tmp_path):
    text = "Aspirin " * 625_000
    (tmp_path / "b.txt").write_text(text)
    (tmp_path / "b.ann").write_text(f"T1\tC {len(text) - 8} {len(text) - 1}\tAspirin\n")
    [loaded] = formats.read(tmp_path, "brat")
    loaded.document.check()
    (tmp_path / "b.txt").write_bytes(text.encode("utf-16"))
    [told] = load(tmp_path, "brat")[1]
    assert told.startswith(f"{tmp_path / 'b.txt'}:1: byte 0xff is not UTF-8")
    (tmp_path / "b.txt").write_text("")
    [told] = load(tmp_path, "brat")[1]
    assert told.startswith(f"{tmp_path / 'b.ann'}:1: document b: mention T1")


# --- written -------------------------------------------------------------------------


def annotated(source, target, kind):
    """Writes what can be read; returns what was written and what was told."""
    bad = []
    plan = places.plan(source, target, format_of(kind), "jsonl")
    job = jobs.Job(plan, {}, bad.append)
    return job.write((item, ()) for item in job.documents()), bad


@pytest.mark.parametrize("kind", KINDS)
def test_the_others_are_written(put, tmp_path, kind):
    path = put(latin_1(kind))
    totals, bad = annotated(path, tmp_path / "out.jsonl", kind)
    assert (totals.written.documents, len(bad)) == (2, 1)
    again = [one.document for one in formats.read(tmp_path / "out.jsonl", "jsonl")]
    assert names(again) == ["1", "3"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_if_nothing_can_be_read(put, tmp_path, kind):
    path = put(b"\xff" * 99)
    target = tmp_path / "out.jsonl"
    with pytest.raises(InputError) as caught:
        annotated(path, target, kind)
    problem = "nothing to write: no document can be read; the first error: "
    assert str(caught.value).startswith(f"{target}: {problem}{path}")
    assert not target.exists()
    folder = tmp_path / "folder"
    folder.mkdir()
    path.rename(folder / path.name)
    with pytest.raises(InputError, match=problem):
        annotated(folder, tmp_path / "out", kind)
    assert [each.name for each in (tmp_path / "out").iterdir()] == [jobs.SETTINGS_FILE]
    # A file that can be read is written, whatever the others are.
    (folder / "good").write_text(sample(kind))
    totals, bad = annotated(folder, tmp_path / "out", kind)
    assert (totals.written.documents, len(bad)) == (3, 1)
