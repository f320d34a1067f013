# SPDX-License-Identifier: Apache-2.0
"""Damaged XML of every kind: never a crash, a hang or markup in the text."""

import gzip
import io
import random
import re
import tarfile

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.corpora.settings import CorpusConfig

NUM_VARIANTS = 500

# Each with both ends of its elements, so that any sample is well-formed.
WORDS = [
    *("We", "show", "that", "TNF-&#945;", "&lt;", "10<sup>-6</sup> M", "Fig. 2"),
    *("in <i>E. coli</i>", "(n &gt; 3),", "p &lt; 0.05;", "Ca<sup>2+</sup>", "&amp;"),
    *("IC<sub>50</sub>", "of <b>p53</b>.", "et al.", "\u03b2-actin"),
]


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(4, 12)))


def pubmed(rng):
    records = "".join(
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM">\n<PMID '
        f'Version="1">{rng.randrange(10**8)}</PMID><Article PubModel="Print">'
        f"<ArticleTitle>{sentence(rng)}</ArticleTitle><Abstract>\n"
        f'<AbstractText Label="METHODS" NlmCategory="METHODS">{sentence(rng)}'
        f"</AbstractText><AbstractText>{sentence(rng)}</AbstractText></Abstract>"
        "</Article></MedlineCitation><PubmedData><ArticleIdList/></PubmedData>"
        "</PubmedArticle>\n"
        for _ in range(4)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC '
        '"-//NLM//DTD PubMedArticle//EN" "https://dtd.nlm.nih.gov/pubmed_240101.dtd">\n'
        f"<PubmedArticleSet>\n{records}<DeleteCitation><PMID>5</PMID></DeleteCitation>"
        "</PubmedArticleSet>\n"
    ).encode()


def jats(rng):
    paragraphs = "".join(
        f'<sec id="s{i}"><title>Results</title><p>{sentence(rng)} [<xref '
        f'ref-type="bibr" rid="B{i}">{i}</xref>,<xref ref-type="bibr">9</xref>].</p>'
        "<fig><label>F</label></fig><p>An <inline-formula><mml:math><mml:msup><mml:mi>"
        "x</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math></inline-formula> "
        f"{sentence(rng)}</p>"
        "</sec>"
        for i in range(4)
    )
    return (
        '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS//EN" "JATS-archivearticle1.dtd">\n'
        '<article xmlns:mml="http://www.w3.org/1998/Math/MathML"><front><article-meta>'
        f'<article-id pub-id-type="pmc">{rng.randrange(10**7)}</article-id>'
        f"<title-group><article-title>{sentence(rng)}</article-title></title-group>"
        f"<abstract><p>{sentence(rng)}</p></abstract></article-meta></front><body>{paragraphs}</body>"
        "<back><ref-list><ref>R</ref></ref-list></back></article>\n"
    ).encode()


def tar(rng):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for i in range(3):
            data = jats(rng)
            info = tarfile.TarInfo(f"PMC{i}.nxml")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def flip(data, rng):
    position = rng.randrange(len(data))
    changed = data[position] ^ (1 << rng.randrange(8))
    return data[:position] + bytes([changed]) + data[position + 1 :]


def span(data, rng):
    begin = rng.randrange(len(data))
    return begin, min(len(data), begin + rng.choice([1, 3, 10, 40, 200, 2000]))


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def drop(data, rng):
    begin, end = span(data, rng)
    return data[:begin] + data[end:]


def repeat(data, rng):
    begin, end = span(data, rng)
    return data[:end] + data[begin:]


def move(data, rng):
    begin, end = span(data, rng)
    rest = data[:begin] + data[end:]
    to = rng.randrange(len(rest) + 1)
    return rest[:to] + data[begin:end] + rest[to:]


def insert(data, rng):
    position = rng.randrange(len(data))
    noise = rng.choice(
        [
            *(rng.randbytes(rng.randrange(1, 9)), b"<", b"&", b'"', b">", b"<!--"),
            *(b"&x;", b"<![CDATA[", b"<?", b"</PubmedArticle>", b"<article>", b"]]>"),
            *(b"<p>", b"\0", b"<!DOCTYPE x [<!ENTITY x 'y'>]>", b"&#1;", b"</body>"),
            b"<a:b c='",
        ]
    )
    return data[:position] + noise + data[position:]


def swap_tags(data, rng):
    tags = [match.span() for match in re.finditer(rb"<[^<>]+>", data)]
    if len(tags) < 2:
        return data
    (a, b), (c, d) = sorted(rng.sample(tags, 2))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


CHANGES = [flip, cut, drop, repeat, move, insert, swap_tags]
# What is left of a tag; a lone "<" or ">" is text.
MARKUP = re.compile(
    r"</?(?:PubmedA|Medline|Abstract|Article|PMID|article|front|body|sec|title|xref|mml"
    r"|p>|sup>|sub>|i>|b>)|<!|\]\]>|ref-type=|[\x00-\x08]"
)


def variants(make, seed):
    """Yields damaged files: one to three changes, some of them after compression."""
    rng = random.Random(seed)
    for number in range(NUM_VARIANTS):
        data = make(rng)
        is_packed = number % 5 == 0
        if is_packed:
            data = gzip.compress(data, mtime=0)
        for _ in range(rng.randrange(1, 4)):
            data = rng.choice(CHANGES)(data, rng) if data else data
        yield data, is_packed


def check(data, name):
    """Reads a file leniently and strictly; returns the counts of documents, damage."""
    skipped = []
    lenient = reading.ReadOptions(CorpusConfig())
    documents = list(reading.read(io.BytesIO(data), name, lenient, skipped.append))
    num_damaged = sum(s.is_damage for s in skipped)
    for document in documents:
        assert document.paragraphs
        for text in document.paragraphs:
            assert text, (name, data)
            assert not MARKUP.search(text), (text, data)
    strict = reading.ReadOptions(CorpusConfig(strict=True))
    try:
        again = list(reading.read(io.BytesIO(data), name, strict, skipped.append))
    except InputError:
        assert num_damaged
    else:
        # Nothing is lost without a word.
        assert again == documents
        assert not num_damaged
    return len(documents), num_damaged


@pytest.mark.parametrize(
    ("make", "name", "seed"),
    [
        (pubmed, "a.xml", 1),
        (pubmed, "b.xml", 2),
        (jats, "a.nxml", 3),
        (tar, "a.tar", 4),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_damaged_files(make, name, seed):
    num_documents = sum(
        check(data, name + ".gz" * is_packed)[0]
        for data, is_packed in variants(make, seed)
    )
    # Of 4, 1 and 3 records in a small file, heavily damaged. Seen: 1.5, 0.03, 0.9.
    at_least = {pubmed: 1.2, jats: 0.02, tar: 0.7}[make]
    assert num_documents > at_least * NUM_VARIANTS


def test_every_record_but_the_damaged_one_outlives_damage_inside():
    rng = random.Random(5)
    for _ in range(100):
        data = pubmed(rng)
        begin = data.index(b"<AbstractText", data.index(b"<PubmedArticle>") + 1)
        end = data.index(b"</Article>", begin)
        position = rng.randrange(begin + 1, end)
        broken = data[:position] + rng.choice([b"<", b"& ", b"\xff"]) + data[position:]
        assert check(broken, "a.xml") in ((3, 1), (4, 0))


@pytest.mark.data
def test_damaged_pieces_of_real_files(data):
    rng = random.Random(6)
    paths = sorted((data / "pretrain").rglob("*.*xml*"))
    for path in paths:
        content = path.read_bytes()
        if path.suffix == ".gz":
            # A small file with the head of the real one and some of its records.
            content = gzip.decompress(content)[:60_000]
        for _ in range(6):
            damaged = content
            for _ in range(3):
                damaged = rng.choice(CHANGES)(damaged, rng) if damaged else damaged
            check(damaged, path.name.removesuffix(".gz"))
