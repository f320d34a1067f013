# SPDX-License-Identifier: Apache-2.0
"""Files and folders: what is read, where it goes, and going on where it was stopped."""

import gzip
import io
import itertools
import json
import os
import sys

import document_toys as toys
import pytest

from biobert_tf.common import leftovers, streams
from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats, jobs, places
from biobert_tf.documents.document import Mention

JSONL = '{"id": "1", "text": "Aspirin."}\n{"id": "2", "text": "Aspirin."}\n'


def put(folder, **given):
    """Writes files; `a__b_txt` is `a/b.txt`."""
    for name, text in given.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return folder


def annotate(items):
    """Finds the aspirin of every document, after looking one document ahead."""
    ahead = []
    for item in items:
        ahead.append(item)
        if len(ahead) > 1:
            yield _annotated(ahead.pop(0))
    yield from map(_annotated, ahead)


def _annotated(item):
    document = item.loaded.document
    text = document.slice(0, document.passages[-1].end) if document.passages else ""
    start = text.find("Aspirin")
    found = [Mention("", "C", ((start, start + 7),), "Aspirin", (), 0.5)]
    return item, found if start >= 0 else []


class Run:
    """One run of a command, and what came of it."""

    def __init__(self, source, output, kind="auto", to="auto", settings=None):
        self.bad = []
        plan = places.plan(source, output, kind, to)
        settings = {"model": "a"} if settings is None else settings
        self.job = jobs.Job(plan, settings, lambda error: self.bad.append(str(error)))
        self.seen = []
        self.totals = self.job.write(annotate(self._watched()))

    def _watched(self):
        for item in self.job.documents():
            self.seen.append(item.loaded.document.id)
            yield item


def names(folder):
    """The files below a folder, but for the settings."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name != jobs.SETTINGS_FILE
    )


def read(path, kind="auto"):
    return [loaded.document for loaded in formats.read(path, kind)]


# --- one input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "to", "target", "kind"),
    [
        ("out.jsonl", "auto", "out.jsonl", "jsonl"),
        ("out.xml", "auto", "out.xml", "bioc_xml"),
        ("out.json.gz", "auto", "out.json.gz", "bioc_json"),
        ("out.tsv", "auto", "out.tsv", "conll"),
        ("out.txt", "pubtator", "out.txt", "pubtator"),
        ("out", "auto", "out", "jsonl"),
        ("out", "brat", "out/in.ann", "brat"),
        ("folder", "auto", "folder/in.jsonl", "jsonl"),
        ("folder", "html", "folder/in.html", None),
        ("folder", "brat", "folder/in.ann", "brat"),
    ],
)
def test_one_file(tmp_path, output, to, target, kind):
    put(tmp_path, in_txt="Aspirin heals.")
    (tmp_path / "folder").mkdir()
    run = Run(tmp_path / "in.txt", tmp_path / output, to=to)
    assert (run.bad, run.seen, run.totals.num_kept) == ([], ["in"], 0)
    assert run.totals.written.mentions == {"C": 1}
    assert (tmp_path / target).is_file()
    if kind:
        [again] = read(tmp_path / (output if kind == "brat" else target), kind)
        assert again.mentions[0].text == "Aspirin"
    # A single file is written again, whatever is there.
    assert Run(tmp_path / "in.txt", tmp_path / output, to=to).seen == ["in"]


def test_the_same_format_by_default(tmp_path):
    title = "<Article><ArticleTitle>Aspirin.</ArticleTitle></Article>"
    citation = f"<MedlineCitation><PMID>1</PMID>{title}</MedlineCitation>"
    article = f"<PubmedArticle>{citation}</PubmedArticle>"
    whole = f"<PubmedArticleSet>{article}</PubmedArticleSet>"
    put(tmp_path, in_pubtator="1|t|Aspirin.\n", in_xml_gz=whole)
    Run(tmp_path / "in.pubtator", tmp_path / "out")
    assert (tmp_path / "out").read_text().startswith("1|t|Aspirin.\n1\t0\t7\tAspirin\t")
    (tmp_path / "folder").mkdir()
    Run(tmp_path / "in.pubtator", tmp_path / "folder")
    Run(tmp_path / "in.xml.gz", tmp_path / "folder")
    assert names(tmp_path / "folder") == ["in.jsonl.gz", "in.pubtator"]


PUBANNOTATION = (
    '[{"sourceid": "7", "text": "Aspirin.", "denotations": [], "attributes": [7]},\n'
    '{"sourceid": "8", "text": "Nothing.", "denotations": []}]'
)


@pytest.mark.parametrize("inside", ["", "in.json"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("out.json", "jsonl"), ("out.json.gz", "jsonl"), ("out.xml", "bioc_xml")],
)
def test_the_same_suffix_is_the_same_format(tmp_path, inside, name, kind):
    """Whether one file is read or a folder is merged."""
    folder = put(tmp_path / "in", in_json=PUBANNOTATION)
    put(folder, **({} if inside else {"sub__two_json": PUBANNOTATION}))
    run = Run(folder / inside, tmp_path / name)
    assert run.bad == []
    assert formats.detect(tmp_path / name) == kind
    with streams.reading(tmp_path / name) as stream:
        assert ('"attributes": [7]' in stream.text()) == (kind == "jsonl")
    # A suffix still means its usual format where the input has another.
    (folder / "in.json").rename(folder / "in.jsonl")
    source = folder / inside.replace("json", "jsonl")
    Run(source, tmp_path / "usual.json")
    assert formats.detect(tmp_path / "usual.json") == "bioc_json"


def test_standard_streams(tmp_path, monkeypatch, capfdbinary):
    def give():
        data = io.BytesIO(JSONL.encode())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))

    give()
    run = Run(streams.STANDARD, streams.STANDARD)
    assert run.seen == ["1", "2"]
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert [len(json.loads(line)["entities"]) for line in lines] == [1, 1]
    give()
    (tmp_path / "folder").mkdir()
    Run(streams.STANDARD, tmp_path / "folder", to="html")
    assert names(tmp_path / "folder") == ["stdin.html"]


@pytest.mark.parametrize(
    ("source", "output", "to", "message"),
    [
        ("in.jsonl", "in.jsonl", "auto", "is the input; choose another output"),
        ("folder", "folder", "auto", "is the input; choose another output"),
        ("in.jsonl", "out", "text", "--output_format=text is read only; want one of"),
        ("in.jsonl", "out", "pubmed_xml", "is read only"),
        (
            "a.txt",
            "out.txt",
            "auto",
            "name the format to write, as in --output_format=",
        ),
        (
            "in.jsonl",
            "out.foo",
            "auto",
            r"no format has the suffix .foo; want one of .jsonl, .*, or --output",
        ),
        ("none", "out", "auto", "none: no such file"),
        ("folder", "out", "auto", "folder: holds no file that can be read"),
        (
            "odd",
            "out",
            "auto",
            "odd: holds no file that can be read; the first error: ",
        ),
    ],
)
def test_what_is_refused(tmp_path, source, output, to, message):
    put(tmp_path, in_jsonl=JSONL, a_txt="a", odd__a_pdf="%PDF")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=message):
        Run(tmp_path / source, tmp_path / output, to=to)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "output", "to"),
    [
        ("in.jsonl", "out.foo", "jsonl"),
        ("in.foo", "out.foo.gz", "auto"),
        ("in.jsonl", "out", "auto"),
        ("in.jsonl", "folder.foo", "auto"),
    ],
)
def test_a_suffix_that_no_format_has(tmp_path, source, output, to):
    """Good where the format is named, the input has it too, or it is a folder's."""
    put(tmp_path, **{source.replace(".", "_"): JSONL})
    (tmp_path / "folder.foo").mkdir()
    Run(tmp_path / source, tmp_path / output, to=to)
    written = tmp_path / output
    assert (written / "in.jsonl" if written.is_dir() else written).is_file()


# --- folders -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return put(
        tmp_path / "in",
        b_txt="Aspirin b.",
        a_jsonl_gz=JSONL,
        sub__b_txt="No drug.",
        sub__deep__c_pubtator="1|t|Aspirin.\n\n2|t|Aspirin.\n",
        _hidden="x",
        sub__pair_txt="Aspirin pair.",
        sub__pair_ann="T1\tX 0 7\tAspirin\n",
        sub__annotation_conf="[entities]",
        empty_jsonl="",
    )


def test_a_folder_like_the_input(folder, tmp_path):
    out = tmp_path / "out"
    run = Run(folder, out)
    assert run.bad == []
    assert run.seen == ["1", "2", "b", "b", "1", "2", "pair"]
    assert names(out) == [
        *("a.jsonl.gz", "b.jsonl", "empty.jsonl", "sub/b.jsonl"),
        *("sub/deep/c.pubtator", "sub/pair.ann", "sub/pair.txt"),
    ]
    assert run.totals.written.documents == 7
    assert run.totals.written.mentions == {"C": 6}
    assert len(run.job.todo) == 6
    assert [len(one.mentions) for one in read(out / "a.jsonl.gz")] == [1, 1]
    assert (out / "empty.jsonl").read_bytes() == b""
    [pair] = read(out / "sub" / "pair.txt", "brat")
    assert [one.id for one in pair.mentions] == ["T1", "T2"]


def test_all_in_one_format(folder, tmp_path):
    Run(folder, tmp_path / "html", to="html")
    assert names(tmp_path / "html") == [
        *("a.html", "b.html", "empty.html", "sub/b.html", "sub/deep/c.html"),
        "sub/pair.html",
    ]
    run = Run(folder, tmp_path / "brat", to="brat")
    assert names(tmp_path / "brat") == [
        *("a/1.ann", "a/1.txt", "a/2.ann", "a/2.txt", "b.ann", "b.txt"),
        *("sub/b.ann", "sub/b.txt", "sub/deep/c/1.ann", "sub/deep/c/1.txt"),
        *("sub/deep/c/2.ann", "sub/deep/c/2.txt", "sub/pair.ann", "sub/pair.txt"),
    ]
    assert run.totals.written.documents == 7
    # What is there is left as it is, the folders and the empty one too.
    again = Run(folder, tmp_path / "brat", to="brat")
    assert (again.seen, again.totals.num_kept) == ([], 6)


@pytest.mark.parametrize("name", ["out.jsonl", "out.xml", "out.json", "out.html"])
def test_all_in_one_file(folder, tmp_path, name):
    run = Run(folder, tmp_path / name)
    assert run.seen == ["1", "2", "b", "sub/b", "1", "2", "sub/pair"]
    assert (tmp_path / name).is_file()
    if name != "out.html":
        assert [one.id for one in read(tmp_path / name)] == run.seen
        assert sum(len(one.mentions) for one in read(tmp_path / name)) == 7


@pytest.mark.parametrize("kind", ["bioc_xml", "bioc_json"])
def test_collections_become_one(tmp_path, kind):
    for name in "ab":
        toys.write(tmp_path / "in" / f"{name}.x", kind)
    out = tmp_path / ("out.xml" if kind == "bioc_xml" else "out.json")
    Run(tmp_path / "in", out)
    assert [one.id for one in read(out)] == ["7", "8", "9", "10"] * 2


def test_names_that_meet(tmp_path):
    source = put(tmp_path / "in", a_jsonl=JSONL, a_txt="Aspirin.", a_tsv="Aspirin O\n")
    Run(source, tmp_path / "out", to="bioc_json")
    assert names(tmp_path / "out") == [
        *("a.jsonl.json", "a.tsv.json", "a.txt.json"),
    ]
    assert [one.id for one in read(tmp_path / "out" / "a.txt.json")] == ["a"]
    put(source, **{"a_txt_json": '{"documents": []}', "a_json": '{"documents": []}'})
    with pytest.raises(InputError, match="is also that of another file; rename it"):
        Run(source, tmp_path / "other", to="bioc_json")


def test_one_format_is_said_for_all(tmp_path):
    source = put(tmp_path / "in", a_txt="Aspirin.\nAspirin.", b="1|t|x")
    assert Run(source, tmp_path / "out", kind="lines").seen == ["a-1", "a-2", "b-1"]


def test_brat_is_said_for_all(folder, tmp_path):
    put(folder / "sub", d_ann="", readme_md="# Read me")
    run = Run(folder / "sub", tmp_path / "out", kind="brat")
    assert run.seen == ["b", "pair"]
    assert run.bad == [f"{folder / 'sub' / 'd.ann'}: no d.txt beside it"]
    run = Run(folder, tmp_path / "out.jsonl")
    assert run.bad[0].startswith(f"{folder / 'sub' / 'readme.md'}:1: neither PubTator")
    assert run.bad[1:] == [f"{folder / 'sub' / 'd.ann'}: no d.txt beside it"]


def test_a_bad_file_costs_no_other(folder, tmp_path):
    put(folder, a_pdf="%PDF", c_jsonl='{"text": "Aspirin."}\n{oops\n', d_ann="")
    (folder / "e.txt").write_bytes(b"\xff")
    (folder / "f.xml.gz").write_bytes(gzip.compress(b"<collection/>")[:-9])
    run = Run(folder, tmp_path / "out")
    told = [error.replace(f"{folder}/", "").split(" ")[0] for error in run.bad]
    assert told == ["a.pdf:1:", "c.jsonl:2:", "d.ann:", "e.txt:1:", "f.xml.gz:"]
    assert run.seen == ["1", "2", "b", "1", "b", "1", "2", "pair"]
    assert "c.jsonl" in names(tmp_path / "out")


def test_a_file_that_goes_away_has_no_output(folder, tmp_path):
    plan = places.plan(folder, tmp_path / "out", "auto", "auto")
    (folder / "b.txt").unlink()
    told = []
    job = jobs.Job(plan, {"model": "a"}, lambda error: told.append(str(error)))
    totals = job.write(annotate(job.documents()))
    assert told == [f"{folder / 'b.txt'}: no such file"]
    assert totals.written.documents == 6
    assert "b.jsonl" not in names(tmp_path / "out")


def test_the_output_may_be_inside(folder):
    assert len(Run(folder, folder / "out").seen) == 7
    assert Run(folder, folder / "out").seen == []
    Run(folder, folder / "sub" / "all.jsonl")
    run = Run(folder, folder / "sub" / "all.jsonl")
    # The output of the first run is read as any other file; this one's is not.
    assert len(run.seen) == 7 + 7


BIOC = """{"documents": [
{"passages": [{"offset": 0, "text": "Aspirin."}]},
{"id": "7", "passages": [{"offset": 0, "text": "Aspirin."}]}]}"""


@pytest.mark.parametrize("target", ["all.pubtator", "all.xml", "all.json"])
def test_merged_documents_without_an_id_are_named_by_their_file(tmp_path, target):
    """And all others keep their ids; so does a file that is not merged."""
    line = '{"text": "Aspirin."}\n'
    given = {"a_jsonl": line * 2, "b__c_jsonl": line, "d_json": BIOC}
    folder = put(tmp_path / "in", **given, e_conll="a\tO\nb\tO\nAspirin\tB-C\n")
    run = Run(folder, tmp_path / target)
    expected = ["a-1", "a-2", "b/c-1", "d-1", "7", "e-1"]
    assert (run.bad, sorted(run.seen)) == ([], sorted(expected))
    assert {one.id for one in read(tmp_path / target)} == {*expected}
    assert Run(folder / "a.jsonl", tmp_path / "one.pubtator").seen == ["1", "2"]
    assert "2" in Run(folder, tmp_path / "folder").seen


# --- going on ------------------------------------------------------------------------


def test_what_is_whole_is_kept(folder, tmp_path):
    out = tmp_path / "out"
    Run(folder, out)
    (out / "sub" / "b.jsonl").unlink()
    (out / "sub" / "pair.ann").unlink()
    before = (out / "a.jsonl.gz").read_bytes()
    run = Run(folder, out)
    assert run.seen == ["b", "pair"]
    assert run.totals.num_kept == 4
    assert (out / "a.jsonl.gz").read_bytes() == before
    assert len(names(out)) == 7


def test_what_has_changed_is_written_again(folder, tmp_path):
    Run(folder, tmp_path / "out")
    for name in ("b.txt", "sub/pair.ann"):
        newer = (tmp_path / "out" / "a.jsonl.gz").stat().st_mtime + 10
        os.utime(folder / name, (newer, newer))
    assert Run(folder, tmp_path / "out").seen == ["b", "pair"]


def test_a_run_that_is_stopped_leaves_whole_files(folder, tmp_path):
    plan = places.plan(folder, tmp_path / "out", "auto", "auto")

    def stopped(items):
        for i, item in enumerate(items):
            if i == 5:
                raise KeyboardInterrupt
            yield item, []

    job = jobs.Job(plan, {"model": "a"})
    with pytest.raises(KeyboardInterrupt) as caught:
        job.write(stopped(job.documents()))
    kept = f"4 of 6 files are whole in {tmp_path / 'out'}"
    assert str(caught.value) == f"{kept}; the same command does the others"
    # The file with the first and the second document of two is not among them.
    assert names(tmp_path / "out") == [
        *("a.jsonl.gz", "b.jsonl", "empty.jsonl", "sub/b.jsonl"),
    ]
    assert Run(folder, tmp_path / "out").seen == ["1", "2", "pair"]


@pytest.mark.parametrize("old", [None, "old"])
def test_a_single_output_that_is_stopped(tmp_path, old):
    put(tmp_path, in_txt="Aspirin.")
    output = tmp_path / "out.jsonl"
    if old is not None:
        output.write_text(old)

    def stopped(items):
        yield next(items), []
        raise KeyboardInterrupt

    job = jobs.Job(places.plan(tmp_path / "in.txt", output, "auto", "auto"), {})
    with pytest.raises(KeyboardInterrupt) as caught:
        job.write(stopped(job.documents()))
    state = "is not written" if old is None else "is as before"
    assert str(caught.value).startswith(f"{output} {state}; ")
    assert [path.name for path in sorted(tmp_path.iterdir())] == (
        ["in.txt"] if old is None else ["in.txt", "out.jsonl"]
    )
    assert old is None or output.read_text() == old


def test_a_folder_of_brat_takes_its_place_whole(folder, tmp_path):
    plan = places.plan(folder, tmp_path / "out", "auto", "brat")
    job = jobs.Job(plan, {"model": "a"})

    def stopped(items):
        yield next(items), []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.write(stopped(job.documents()))
    assert names(tmp_path / "out") == []
    assert Run(folder, tmp_path / "out", to="brat").totals.num_kept == 0


def test_other_settings_are_refused(folder, tmp_path):
    Run(folder, tmp_path / "out")
    with pytest.raises(InputError, match="was written with other settings; choose"):
        Run(folder, tmp_path / "out", settings={"model": "b"})
    put(tmp_path, mine__a_txt="x")
    with pytest.raises(InputError, match="holds files that this command did not write"):
        Run(folder, tmp_path / "mine")
    assert names(tmp_path / "mine") == ["a.txt"]


def test_what_a_killed_job_left_is_not_foreign(folder, tmp_path):
    left = tmp_path / "out" / f".{jobs.SETTINGS_FILE}.abcdefgh~"
    left.mkdir(parents=True)
    Run(folder, tmp_path / "out")
    assert (tmp_path / "out" / jobs.SETTINGS_FILE).is_file()
    assert left.exists() is not leftovers._is_local(tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.xml"])
def test_an_empty_input_is_named_with_its_reason(tmp_path, name):
    """A user who hides warnings sees it too."""
    source, target = tmp_path / name, tmp_path / "out.jsonl"
    source.touch()
    job = jobs.Job(places.plan(source, target, "auto", "jsonl"), {}, lambda error: None)
    with pytest.raises(InputError, match=rf"the first error: .*{name}:1: not "):
        job.write((item, ()) for item in job.documents())
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "jsonl"),
        ("<PubmedArticleSet/>", "pubmed_xml"),
        *itertools.product(["", "\n \n"], ["jsonl", "pubtator", "conll", "lines"]),
    ],
)
def test_an_input_without_documents_is_refused(tmp_path, text, kind):
    source, target = put(tmp_path, a_txt=text) / "a.txt", tmp_path / "out.jsonl"
    problem = "out.jsonl: nothing to write: there is no document"
    with pytest.raises(InputError, match=problem):
        Run(source, target, kind)
    assert not target.exists()
    # So are several that are written to one file.
    (tmp_path / "in").mkdir()
    source.rename(tmp_path / "in" / "a.txt")
    with pytest.raises(InputError, match=problem):
        Run(tmp_path / "in", target, kind)
    assert not target.exists()
