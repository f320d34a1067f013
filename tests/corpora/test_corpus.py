"""`biobert corpus`: any corpus file to the original text format, with its report."""

import gzip
import hashlib
import io
import json
import logging
import re
import tarfile
from pathlib import Path

import pytest

from biobert_tf.common import clock
from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import corpus, reading
from biobert_tf.corpora.corpus import CorpusReport, write_corpus
from biobert_tf.corpora.document import Document, Skipped, sentences
from biobert_tf.corpora.settings import CorpusConfig

PUBMED = """<?xml version="1.0" encoding="utf-8"?>
<PubmedArticleSet>
{}
</PubmedArticleSet>
"""
CITATION = """<PubmedArticle><MedlineCitation Status="MEDLINE">
<PMID Version="{version}">{pmid}</PMID>
<Article><ArticleTitle>{title}</ArticleTitle>
<Abstract>{abstract}</Abstract></Article>
</MedlineCitation></PubmedArticle>
"""
ARTICLE = """<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>
<article-id pub-id-type="pmc">77</article-id>
<title-group><article-title>Slow growth of <italic>E. coli</italic></article-title>
</title-group></article-meta></front>
<body><sec><title>Results</title><p>Cells grew (Fig. 2). They died.</p></sec></body>
</article>
"""


def citation(pmid: int, *parts: str, title: str = "A title", version: int = 1) -> str:
    text = "".join(f"<AbstractText>{part}</AbstractText>" for part in parts)
    return CITATION.format(pmid=pmid, title=title, abstract=text, version=version)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Corpus files of every kind; the second update replaces PMID 1."""
    (tmp_path / "a1.xml").write_text(
        PUBMED.format(
            citation(1, "Old text. It is wrong.")
            + citation(
                2, "Doses were 5 mg. The rats, e.g. males,\n lived.", "p53 rose."
            )
        )
    )
    with gzip.open(tmp_path / "a2.xml.gz", "wt", encoding="utf-8") as file:
        file.write(PUBMED.format(citation(1, "β-Cells\u2028died.", version=2)))
    (tmp_path / "b.nxml").write_text(ARTICLE)
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        data = ARTICLE.replace("77", "78").encode()
        info = tarfile.TarInfo("x/78.nxml")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    (tmp_path / "d.txt").write_text("One. Not cut.\nTwo.\n\n\nThree.\n")
    return tmp_path


def inputs(folder: Path) -> str:
    return f"{folder}/*.xml*,{folder}/*.nxml,{folder}/c.*,{folder}/d.txt"


def fail(skipped: Skipped) -> None:
    pytest.fail(str(skipped))


def read(path: Path) -> list[tuple[str, ...]]:
    options = reading.ReadOptions(CorpusConfig())
    return [each.paragraphs for each in reading.documents(path, options, fail)]


EXPECTED = """A title
Doses were 5 mg.
The rats, e.g. males, lived.
p53 rose.

A title
β-Cells died.

Slow growth of E. coli
Cells grew (Fig. 2).
They died.

Slow growth of E. coli
Cells grew (Fig. 2).
They died.

One. Not cut.
Two.

Three.
"""


def test_text_provenance_and_report(folder):
    output = folder / "out" / "corpus.txt"
    report = write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())
    assert output.read_bytes() == EXPECTED.encode()
    assert Path(f"{output}.ids.tsv").read_text().splitlines() == [
        "document\tid\tfirst_line\tsentences",
        "1\tPMID:2\t1\t4",
        "2\tPMID:1\t6\t2",
        "3\tPMCID:PMC77\t9\t3",
        "4\tPMCID:PMC78\t13\t3",
        f"5\t{folder}/d.txt:1\t17\t2",
        f"6\t{folder}/d.txt:5\t20\t1",
    ]
    lines = [line for line in EXPECTED.splitlines() if line]
    assert report == CorpusReport(
        splitter=report.splitter,
        num_files=5,
        num_documents=6,
        num_sentences=len(lines),
        num_words=sum(len(line.split()) for line in lines),
        num_characters=sum(map(len, lines)),
        num_duplicates=1,
        documents_by_file={
            f"{folder}/a1.xml": 1,
            f"{folder}/a2.xml.gz": 1,
            f"{folder}/b.nxml": 1,
            f"{folder}/c.tar.gz": 1,
            f"{folder}/d.txt": 2,
        },
    )
    assert report.splitter.startswith("sentencex 1.")
    saved = json.loads(Path(f"{output}.report.json").read_text())
    assert saved == vars(report)
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "corpus.txt",
        "corpus.txt.ids.tsv",
        "corpus.txt.report.json",
    ]


def test_first_lines_of_the_ids_are_right(folder):
    output = folder / "corpus.txt"
    write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())
    lines = output.read_text().splitlines()
    rows = Path(f"{output}.ids.tsv").read_text().splitlines()[1:]
    for row, document in zip(rows, read(output), strict=True):
        _, _, first, count = row.split("\t")
        start = int(first) - 1
        assert tuple(lines[start : start + int(count)]) == document


def test_read_back_it_gives_the_same_sentences(folder):
    output = folder / "corpus.txt"
    write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())
    options = reading.ReadOptions(
        CorpusConfig(),
        reading.find_current(FileGlobs.parse(inputs(folder)).files(), CorpusConfig()),
    )
    expected = [
        tuple(sentences(document))
        for document in reading.corpus(
            FileGlobs.parse(inputs(folder)).files(), options, pytest.fail
        )
    ]
    assert read(output) == expected
    again = folder / "again.txt"
    write_corpus(FileGlobs.parse(str(output)), again, CorpusConfig())
    assert again.read_bytes() == output.read_bytes()


def test_a_name_in_gz_gives_gzip_that_is_always_the_same(folder):
    digests = set()
    for name in ("one.txt.gz", "two.txt.gz"):
        output = folder / "out" / name
        write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())
        assert gzip.decompress(output.read_bytes()).decode() == EXPECTED
        assert output.read_bytes()[4:8] == bytes(4), "a time in the header"
        digests.add(hashlib.sha256(output.read_bytes()).digest())
    assert len(digests) == 1


def test_what_is_skipped_is_told(folder):
    (folder / "bad.xml").write_text(
        PUBMED.format(citation(5, "Good text.") + "<PubmedArticle><Medl")
    )
    output = folder / "corpus.txt"
    report = write_corpus(FileGlobs.parse(f"{folder}/bad.xml"), output, CorpusConfig())
    assert report.num_documents == 1
    assert report.num_skipped == len(report.skipped) >= 1
    assert report.skipped[0]["path"] == f"{folder}/bad.xml"
    assert report.skipped[0]["position"] and report.skipped[0]["reason"]
    assert sum(report.skipped_by_reason.values()) == report.num_skipped
    reason = next(iter(report.skipped_by_reason))
    assert f"1 x {reason}" in report.summary()


def test_strict_stops_and_leaves_no_file(folder):
    (folder / "bad.xml").write_text(PUBMED.format("<PubmedArticle><Medl"))
    output = folder / "out" / "corpus.txt"
    with pytest.raises(InputError, match=r"bad\.xml"):
        write_corpus(
            FileGlobs.parse(f"{folder}/bad.xml"), output, CorpusConfig(strict=True)
        )
    assert list(folder.glob("out/*")) == []


def test_a_failure_keeps_the_earlier_output(folder):
    output = folder / "corpus.txt"
    write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())
    before = {path.name: path.read_bytes() for path in folder.glob("corpus.txt*")}
    (folder / "empty.txt").write_text("\n \n")
    with pytest.raises(InputError, match=r"empty\.txt: no document"):
        write_corpus(FileGlobs.parse(f"{folder}/empty.txt"), output, CorpusConfig())
    after = {path.name: path.read_bytes() for path in folder.glob("corpus.txt*")}
    assert after == before and len(after) == 3


def test_the_output_is_no_input(folder):
    with pytest.raises(InputError, match=r"d\.txt: is one of the inputs"):
        write_corpus(
            FileGlobs.parse(f"{folder}/d.txt"), folder / "d.txt", CorpusConfig()
        )
    assert (folder / "d.txt").read_text().startswith("One.")
    with pytest.raises(InputError, match="-: two files are written beside the corpus"):
        write_corpus(FileGlobs.parse(f"{folder}/d.txt"), Path("-"), CorpusConfig())


def test_one_document_of_text_is_refused_unless_allowed(folder):
    (folder / "one.txt").write_text("One.\nTwo.\n")
    output = folder / "corpus.txt"
    with pytest.raises(InputError, match="blank line"):
        write_corpus(FileGlobs.parse(f"{folder}/one.txt"), output, CorpusConfig())
    config = CorpusConfig(allow_single_document=True)
    write_corpus(FileGlobs.parse(f"{folder}/one.txt"), output, config)
    assert output.read_text() == "One.\nTwo.\n"


def test_lists_of_skips_and_reasons_do_not_grow_without_end(
    folder, monkeypatch, tmp_path, caplog
):
    monkeypatch.setattr(corpus, "_MOST_SKIPS_LISTED", 3)
    monkeypatch.setattr(corpus, "_MOST_SKIPS_LOGGED", 2)
    monkeypatch.setattr(corpus, "_MOST_REASONS", 2)

    def skipping(stream, name, options, on_skip, on_duplicate):
        for number in (1, 1, 2, 3, 4, 4, 1):
            on_skip(Skipped(name, f"record {number}", f"reason {number}"))
        on_duplicate("PMID:1")
        yield Document("PMID:2", ("A title.",))

    monkeypatch.setattr(reading, "read", skipping)
    report = write_corpus(
        FileGlobs.parse(f"{folder}/d.txt"), tmp_path / "corpus.txt", CorpusConfig()
    )
    assert report.skipped_by_reason == {
        "other reasons": 3,
        "reason 1": 3,
        "reason 2": 1,
    }
    assert list(report.skipped_by_reason.values()) == [3, 3, 1]
    assert report.num_skipped == 7
    assert [skip["position"] for skip in report.skipped] == [
        "record 1",
        "record 1",
        "record 2",
    ]
    assert report.num_duplicates == 1
    assert caplog.messages == [f"{folder}/d.txt: record 1: reason 1; skipped"] * 2


def test_why_nothing_is_left_is_told(folder, caplog):
    (folder / "bad.xml").write_text("junk")
    with pytest.raises(InputError, match=r"bad\.xml: no document with text"):
        write_corpus(
            FileGlobs.parse(f"{folder}/bad.xml"), folder / "corpus.txt", CorpusConfig()
        )
    [message] = caplog.messages
    assert message.startswith(f"{folder}/bad.xml: from the start: not XML")


def test_progress_is_logged_by_bytes(folder, monkeypatch, caplog):
    monkeypatch.setattr(clock, "SECONDS_BETWEEN_REPORTS", 0.0)
    with caplog.at_level(logging.INFO, "biobert_tf"):
        write_corpus(
            FileGlobs.parse(inputs(folder)), folder / "corpus.txt", CorpusConfig()
        )
    begin, *lines = [x for x in caplog.messages if x.startswith("reading: ")]
    assert begin.endswith("/1.51kB")
    assert [line.split(", ")[-2] for line in lines] == [
        f"{number} documents" for number in range(1, 7)
    ]
    done, total = re.match(r"reading: (\S+)/(\S+)B, ", lines[-1]).groups()
    assert done == total
    assert lines[-1].endswith(", 00:00 left")


def test_the_summary_names_every_count(folder):
    report = write_corpus(
        FileGlobs.parse(inputs(folder)), folder / "corpus.txt", CorpusConfig()
    )
    summary = report.summary().splitlines()
    assert [line.split()[:2] for line in summary] == [
        ["files", "5"],
        ["documents", "6"],
        ["sentences", "15"],
        ["words", str(report.num_words)],
        ["characters", str(report.num_characters)],
        ["duplicates", "1"],
        ["skipped", "0"],
    ]


@pytest.mark.data
def test_real_files(data, tmp_path):
    folder = data / "pretrain"
    patterns = f"{folder}/*.xml*,{folder}/pmc/*,{folder}/craft/*"
    output = tmp_path / "corpus.txt"
    report = write_corpus(FileGlobs.parse(patterns), output, CorpusConfig())
    assert report.num_files == len(FileGlobs.parse(patterns).files())
    assert min(report.documents_by_file.values()) > 0
    found = read(output)
    assert len(found) == report.num_documents > 600
    lines = [line for document in found for line in document]
    assert len(lines) == report.num_sentences > 10_000
    # Sentences of scientific text have 20 to 30 words; titles have fewer.
    assert 18 < report.num_words / report.num_sentences < 30
    assert sum(len(line) > 1000 for line in lines) < len(lines) / 1000
    # Few end in what is never the end of a sentence.
    wrong = ("Fig.", "Figs.", "e.g.", "i.e.", "vs.", "approx.", " E.", "Dr.")
    assert sum(line.endswith(wrong) for line in lines) <= 5


def test_a_report_is_never_beside_a_text_it_does_not_describe(folder, monkeypatch):
    output = folder / "corpus.txt"
    write_corpus(FileGlobs.parse(inputs(folder)), output, CorpusConfig())

    def killed(path, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus.files, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        write_corpus(FileGlobs.parse(f"{folder}/d.txt"), output, CorpusConfig())
    assert output.read_text() == "One. Not cut.\nTwo.\n\nThree.\n"
    assert not Path(f"{output}.report.json").exists()
