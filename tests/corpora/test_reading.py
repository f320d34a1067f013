# SPDX-License-Identifier: Apache-2.0
"""Corpus files as one stream: globs, kinds, versions across files, real articles.

`python tests/corpora/test_reading.py FOLDER > tests/corpora_counts.json` makes the
table of counts anew from the real files in FOLDER.
"""

import gzip
import hashlib
import json
import pickle
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lxml.etree
import numpy as np
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading, versions
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.corpora.versions import CITATION, Entry, Key

COUNTS = Path(__file__).parents[1] / "corpora_counts.json"
PUBMED = "<PubmedArticleSet>{}</PubmedArticleSet>"


def citation(pmid, title, version=1):
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="{version}">{pmid}</PMID>'
        f"<Article><ArticleTitle>{title}</ArticleTitle></Article></MedlineCitation>"
        "</PubmedArticle>"
    )


def deletion(*pmids, version=1):
    ids = "".join(f'<PMID Version="{version}">{pmid}</PMID>' for pmid in pmids)
    return f"<DeleteCitation>{ids}</DeleteCitation>"


def jats(ids, text):
    return (
        f"<article><front><article-meta>{ids}</article-meta></front><body><p>{text}</p>"
        "</body></article>"
    )


def write(folder, name, text):
    path = folder / name
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def read(path, current=None, **config):
    """Returns paragraphs, what was skipped, and the identifiers of duplicates."""
    skipped, duplicates = [], []
    options = reading.ReadOptions(CorpusConfig(**config), current)
    documents = reading.documents(path, options, skipped.append, duplicates.append)
    return [d.paragraphs for d in documents], skipped, duplicates


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.xml", PUBMED.format(citation(1, "One.")), [("One.",)]),
        ("a.XML.GZ", PUBMED.format(citation(1, "One.")), [("One.",)]),
        ("a.xml", jats("", "One."), [("One.",)]),
        ("a.nxml.gz", jats("", "One."), [("One.",)]),
        ("a.txt", "One.\n\nTwo.", [("One.",), ("Two.",)]),
        ("a.txt.gz", "One.\n\nTwo.", [("One.",), ("Two.",)]),
        ("a", "One.\n\nTwo.", [("One.",), ("Two.",)]),
    ],
)
def test_kinds_of_files(tmp_path, name, text, expected):
    path = write(tmp_path, name.lower(), text).rename(tmp_path / name)
    assert read(path) == (expected, [], [])
    assert reading.is_text(path) == (name in ("a", "a.txt", "a.txt.gz"))


def test_a_block_of_a_text_file(tmp_path):
    path = write(tmp_path, "a.txt", "One.\n\nTwo.\n\nThree.\n")
    options = reading.ReadOptions(CorpusConfig())
    found = reading.documents(path, options, print, block=(6, 12))
    assert [d.paragraphs for d in found] == [("Two.",)]


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.xml: no such file"):
        read(tmp_path / "none.xml")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


def test_strict_text(tmp_path):
    path = write(tmp_path, "a.txt", b"One.\n\n\xff\n")
    assert [s.position for s in read(path)[1]] == ["line 3"]
    with pytest.raises(InputError, match=r"line 3: byte 0xff is not UTF-8"):
        read(path, strict=True)


def test_a_corpus_without_documents(tmp_path):
    paths = [
        write(tmp_path, "a.xml", PUBMED.format("")),
        write(tmp_path, "b.txt", "\n"),
    ]
    with pytest.raises(InputError, match=r"a\.xml, .*b\.txt: no document .* 2 file"):
        list(reading.corpus(paths, reading.ReadOptions(CorpusConfig()), print))


def test_a_corpus_of_two_files(tmp_path):
    paths = [
        write(tmp_path, "a.xml", PUBMED.format(citation(1, "One."))),
        write(tmp_path, "b.txt", "Two.\n\n"),
    ]
    found = reading.corpus(paths, reading.ReadOptions(CorpusConfig()), print)
    assert [d.paragraphs for d in found] == [("One.",), ("Two.",)]


def live(tmp_path, *files):
    """Returns the titles that are read from files in order, and the duplicates."""
    paths = [
        write(tmp_path, f"n{i}.xml.gz", PUBMED.format("".join(records)))
        for i, records in enumerate(files)
    ]
    current = reading.find_current(paths, CorpusConfig())
    found = [read(path, current) for path in paths]
    return (
        [title for documents, _, _ in found for (title,) in documents],
        [id_ for _, _, duplicates in found for id_ in duplicates],
    )


def test_a_later_file_replaces(tmp_path):
    assert live(
        tmp_path,
        [citation(1, "a"), citation(2, "b"), citation(3, "c")],
        [citation(2, "B")],
        [citation(4, "d"), citation(3, "C")],
    ) == (["a", "B", "d", "C"], ["PMID:2", "PMID:3"])


def test_a_later_record_of_a_file_replaces(tmp_path):
    records = [citation(1, "a"), citation(2, "b"), citation(1, "A"), citation(1, "Z")]
    assert live(tmp_path, records) == (["b", "Z"], ["PMID:1", "PMID:1"])


def test_a_higher_version_replaces_a_lower_one_wherever_it_is(tmp_path):
    assert live(
        tmp_path,
        [citation(1, "v2", version=2), citation(1, "v1")],
        [citation(1, "again v1")],
    ) == (["v2"], ["PMID:1", "PMID:1"])


def test_deletions(tmp_path):
    assert live(
        tmp_path,
        [citation(1, "a"), citation(2, "b"), citation(3, "c"), deletion(1)],
        [citation(4, "d"), deletion(2, 9)],
        [citation(2, "B")],
    ) == (["c", "d", "B"], ["PMID:1", "PMID:2"])


def test_deleting_an_old_version_keeps_the_new_one(tmp_path):
    files = ([citation(1, "v2", version=2)], [deletion(1)])
    assert live(tmp_path, *files)[0] == ["v2"]
    assert live(tmp_path, *files, [deletion(1, version=2)])[0] == []


def test_damage_does_not_shift_the_records(tmp_path):
    damaged = citation(2, "b").replace("</Article>", "")
    assert live(
        tmp_path,
        [citation(1, "a"), damaged, citation(3, "c"), citation(4, "d")],
        [citation(3, "C"), damaged],
    ) == (["a", "d", "C"], ["PMID:3"])


def test_records_without_a_usable_identifier_stay(tmp_path):
    titles = ["a", "b", "c"]
    records = [
        citation(pmid, t) for pmid, t in zip(["", "x1", "1" * 30], titles, strict=True)
    ]
    assert live(tmp_path, records, records)[0] == titles * 2


def test_citations_and_articles_do_not_replace_each_other(tmp_path):
    pmid = '<article-id pub-id-type="pmid">1</article-id>'
    pmc = '<article-id pub-id-type="pmc">1</article-id>'
    paths = [
        write(tmp_path, "a.xml", PUBMED.format(citation(1, "citation"))),
        write(tmp_path, "b.nxml", jats(pmid, "by PMID")),
        write(tmp_path, "c.nxml", jats(pmid + pmc, "by PMCID")),
        write(tmp_path, "d.nxml", jats(pmc, "by PMCID again")),
        write(tmp_path, "e.txt", "text\n"),
    ]
    current = reading.find_current(paths, CorpusConfig())
    assert set(current) == {str(path) for path in paths[:-1]}
    assert [read(path, current)[0] for path in paths] == [
        [("citation",)],
        [("by PMID",)],
        [],
        [("by PMCID again",)],
        [("text",)],
    ]


def test_the_index_is_small_and_made_in_parallel(tmp_path):
    paths = [
        write(
            tmp_path, f"n{i}.xml", PUBMED.format(citation(i, "a") + citation(99, "b"))
        )
        for i in range(5)
    ]
    config = CorpusConfig()
    current = reading.find_current(paths, config)
    with ThreadPoolExecutor(2) as pool:
        parallel = reading.find_current(paths, config, pool.map)
    copied = pickle.loads(pickle.dumps(parallel))
    for path in paths:
        assert current[str(path)].dtype == bool
        expected = [True, path == paths[-1]]
        np.testing.assert_array_equal(current[str(path)], expected)
        np.testing.assert_array_equal(copied[str(path)], expected)


def test_strict_holds_for_the_index(tmp_path):
    path = write(tmp_path, "a.xml", PUBMED.format("<PubmedArticle>"))
    reading.find_current([path], CorpusConfig())
    with pytest.raises(InputError, match="strict"):
        reading.find_current([path], CorpusConfig(strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_live_records_against_a_simulation(seed):
    rng = random.Random(seed)
    files = []
    for _ in range(5):
        added = [(rng.randrange(6), rng.randrange(1, 4)) for _ in range(8)]
        deleted = [
            (rng.randrange(6), rng.randrange(1, 4)) for _ in range(rng.randrange(3))
        ]
        files.append((added, deleted))
    winners = {}  # number -> version, file, position
    for i, (added, deleted) in enumerate(files):
        for j, (number, version) in enumerate(added):
            if version >= winners.get(number, (0,))[0]:
                winners[number] = (version, i, j)
        for number, version in deleted:
            if version >= winners.get(number, (99,))[0]:
                del winners[number]
    indexes = [
        versions.index(
            [
                *(Entry(Key(CITATION, *key), "", lambda: None) for key in added),
                *(Entry(Key(CITATION, *key), "", None) for key in deleted),
            ],
        )
        for added, deleted in files
    ]
    is_live = versions.resolve(indexes)
    found = {
        (i, j)
        for i, (added, _) in enumerate(files)
        for j in range(len(added))
        if is_live[i][j]
    }
    assert found == {(i, j) for _, i, j in winners.values()}


def corpus_files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def counts(path):
    """Returns what `corpora_counts.json` says of a file."""
    documents, skipped, _ = read(path, strict=True)
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "documents": len(documents),
        "paragraphs": sum(map(len, documents)),
        "words": sum(len(text.split()) for found in documents for text in found),
        "skipped": len(skipped),
    }


MARKUP = re.compile(
    r"</?(?:p|i|b|u|sup|sub|sec|xref|italic|bold|title|article\S*|Abstract\S*|mml:\S*"
    r"|ext-link|fig|td|tr|label)\b[^<>]*>|&(?:lt|gt|amp|quot|apos|#\w+);"
)
TEX = re.compile(r"\\(?:documentclass|usepackage|begin|end|frac|alpha|text)\b|\$\$")
# Brackets that held citations only, or separators that stood between them.
LITTER = re.compile(
    r"\(\s*\)|\[\s*\]|[(\[]\s*[,;][^()\[\]]*[)\]]|,\s*;|\s,|\(\s*\u2013"
)


@pytest.mark.data
def test_real_files_read_cleanly(data):
    paths = corpus_files(data / "pretrain")
    assert paths
    for path in paths:
        documents, skipped, _ = read(path, strict=True)
        assert documents, path
        assert not any(s.is_damage for s in skipped)
        for text in (text for found in documents for text in found):
            assert text == text.strip()
            assert text
            assert "  " not in text
            for pattern in (MARKUP, TEX):
                assert not pattern.search(text), (path.name, text)
            assert not re.search("[\x00-\x1f]", text)
            if path.suffix == ".nxml":
                assert not LITTER.search(text), (path.name, text)


BACK_MATTER = re.compile(
    "(?i)(list of )?abbreviations|competing interests|disclosure|funding"
    "|authors?'? ?contributions?|author's contributions|supplementary material"
    "|supporting information|pre-publication history|appendix"
)


PLAIN_TEXT = ".//p//text()[not(ancestor::fig or ancestor::table-wrap)]"


def triples(text):
    """All words that follow each other, by three."""
    words = text.split()
    return {*zip(words, words[1:], words[2:], strict=False)}


@pytest.mark.data
def test_real_articles_have_all_their_parts(data):
    """Most words of the abstract and of every section, and no title of a reference.

    What stands in tables and figures is not text; therefore most.
    """
    articles = [p for p in corpus_files(data / "pretrain") if p.suffix == ".nxml"]
    assert articles
    num_references = 0
    for path in articles:
        ((title, *paragraphs),), _, _ = read(path)
        assert 5 <= len(title.split()) <= 40
        assert sum(len(text.split()) for text in paragraphs) > 1000, path.name
        # No reference list, no acknowledgement, no licence.
        text = "\n".join(paragraphs)
        assert not re.search(r"Creative Commons|Published by ", text)
        tree = lxml.etree.parse(path, lxml.etree.XMLParser(load_dtd=False))
        sections = [
            section
            for section in tree.findall("./body/sec")
            if not BACK_MATTER.match(section.findtext("title", ""))
        ]
        assert len(sections) > 2, path.name
        held = triples(text)
        for part in (tree.find(".//abstract"), *sections):
            wanted = triples("".join(part.xpath(PLAIN_TEXT)))
            share = len(wanted & held) / len(wanted)
            assert share > 0.75, (path.name, part.findtext("title"), share)
        for reference in tree.iterfind(".//ref-list//article-title"):
            cited = " ".join("".join(reference.itertext()).split())
            if len(cited) > 30:
                assert cited not in text, path.name
                num_references += 1
    assert num_references


@pytest.mark.data
def test_real_files_against_the_table(data):
    table = json.loads(COUNTS.read_text("utf-8"))
    found = {path.name: path for path in corpus_files(data / "pretrain")}
    same = {
        name: counts(path)
        for name, path in found.items()
        if name in table
        and hashlib.sha256(path.read_bytes()).hexdigest() == table[name]["sha256"]
    }
    if not same:
        pytest.skip("none of the files is one of those in corpora_counts.json")
    assert same == {name: table[name] for name in same}


if __name__ == "__main__":
    rows = {path.name: counts(path) for path in corpus_files(Path(sys.argv[1]))}
    print(json.dumps(rows, indent=1))
