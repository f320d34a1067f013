# SPDX-License-Identifier: Apache-2.0
"""PubMed files: what a citation reads like, and what damage costs."""

import gzip
import io
import subprocess
import sys
import textwrap

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Document
from biobert_tf.corpora.settings import CorpusConfig

DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2024'
    '//EN" "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_240101.dtd">'
)


def citation(pmid, title, *abstract, more="", version=1, outside=""):
    parts = f"<Abstract>{''.join(abstract)}</Abstract>" if abstract else ""
    return (
        f'<MedlineCitation Status="MEDLINE"><PMID Version="{version}">{pmid}</PMID>\n'
        f"<Article><Journal><Title>J</Title></Journal><ArticleTitle>{title}"
        f"</ArticleTitle>{parts}{more}</Article>{outside}</MedlineCitation>\n"
    )


def article(*args, **kwargs):
    ids = '<ArticleIdList><ArticleId IdType="pubmed">1</ArticleId></ArticleIdList>'
    return (
        f"<PubmedArticle>{citation(*args, **kwargs)}<PubmedData>{ids}</PubmedData>"
        "</PubmedArticle>\n"
    )


def part(text, label=None):
    attribute = "" if label is None else f' Label="{label}" NlmCategory="METHODS"'
    return f"<AbstractText{attribute}>{text}</AbstractText>"


def file_of(*records, root="PubmedArticleSet", doctype=DOCTYPE):
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}{doctype}\n<{root}>\n{''.join(records)}</{root}>\n".encode()


def read(data, name="a.xml", **config):
    """Returns the documents and what was skipped."""
    skipped = []
    options = reading.ReadOptions(CorpusConfig(**config))
    return list(reading.read(io.BytesIO(data), name, options, skipped.append)), skipped


def paragraphs(*args, **kwargs):
    config = kwargs.pop("config", {})
    (document,), skipped = read(file_of(article(*args, **kwargs)), **config)
    assert skipped == []
    return document.paragraphs


def test_title_and_labelled_parts_in_order():
    parts = [part("We did it.", "METHODS"), part("It worked.", "RESULTS")]
    assert read(file_of(article(7, "A title.", *parts)))[0] == [
        Document(
            "PMID:7", ("A title.", "METHODS: We did it.", "RESULTS: It worked."), False
        )
    ]


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("We did.", None, "We did."),
        ("We did.", "UNLABELLED", "We did."),
        ("We did.", "", "We did."),
        ("We did.", "Aim:", "Aim: We did."),
        ("AIM: We did.", "Aim", "AIM: We did."),  # not twice
        ("p&lt;0.05 (n &gt; 3) &amp; R&amp;D", None, "p<0.05 (n > 3) & R&D"),
        ("10<sup>-6</sup> M Ca<sup>2+</sup>", None, "10^-6 M Ca2+"),
        (
            "H<sub>2</sub>O, <i>E. coli</i>, β-<b>actin</b>",
            None,
            "H2O, E. coli, β-actin",
        ),
        ("10&#x2009;mg\n  twice", None, "10 mg twice"),
        ("e\u0301 \u212b ﬁ x²", None, "é Å ﬁ x²"),  # NFC, not NFKC
        ("gly\u00adco\u200bgen\ufeff", None, "glycogen"),
        ("Long (ABSTRACT TRUNCATED AT 250 WORDS)", None, "Long"),
        ("a&lt;sup&gt;2&lt;/sup&gt; p&amp;lt;0.1", None, "a2 p<0.1"),
        ("costs $30 a week, not $5 (US$)", None, "costs $30 a week, not $5 (US$)"),
        ("An [Formula: see text] or $$\\alpha _2$$ costs $5.", None, "An or costs $5."),
        (
            'is <mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:mi>p'
            "</mml:mi><mml:mo>=</mml:mo><mml:mn>.05</mml:mn></mml:math>.",
            None,
            "is p = .05.",
        ),
    ],
)
def test_abstract_text(text, label, expected):
    assert paragraphs(1, "T.", part(text, label)) == ("T.", expected)


def test_what_is_left_out():
    assert paragraphs(
        1,
        "[A translated title].",
        part("Text."),
        "<CopyrightInformation>(c) 2020</CopyrightInformation>",
        more="<VernacularTitle>Ein Titel.</VernacularTitle>",
        outside="<KeywordList><Keyword>cell</Keyword></KeywordList>"
        f"<OtherAbstract Type='Publisher' Language='fre'>{part('Autre.')}"
        "</OtherAbstract>",
    ) == ("[A translated title].", "Text.")


def test_other_abstracts_on_request():
    other = (
        f"<OtherAbstract Language='fre'>{part('Autre.')}</OtherAbstract>"
        f"<OtherAbstract>{part('Abstract available from the publisher.')}"
        "</OtherAbstract>"
    )
    config = {"other_abstracts": True}
    expected = ("T.", "Text.", "Autre.")
    assert paragraphs(1, "T.", part("Text."), outside=other, config=config) == expected


def test_bare_citations_and_wrapped_ones():
    bare = file_of(citation(1, "One."), citation(2, "Two."), root="MedlineCitationSet")
    mixed = file_of(citation(1, "One."), article(2, "Two."))
    single = article(1, "One.").encode()
    assert [d.id for d in read(bare)[0]] == ["PMID:1", "PMID:2"]
    assert [d.id for d in read(mixed)[0]] == ["PMID:1", "PMID:2"]
    assert [d.paragraphs for d in read(single)[0]] == [("One.",)]


def test_a_book_chapter():
    book = (
        "<PubmedBookArticle><BookDocument><PMID Version='1'>5</PMID><Book><BookTitle>"
        f"Book</BookTitle></Book>%s<Abstract>{part('Text.')}</Abstract></BookDocument>"
        "</PubmedBookArticle>"
    )
    chapter = book % "<ArticleTitle>Chapter</ArticleTitle>"
    documents, _ = read(file_of(chapter, book % ""))
    assert [d.paragraphs for d in documents] == [
        ("Chapter", "Text."),
        ("Book", "Text."),
    ]


@pytest.mark.parametrize("title", ["", "[Not Available].", "[In Process Citation]"])
def test_a_citation_without_text_is_counted_but_is_no_damage(title):
    data = file_of(article(1, "One."), article(2, title), article(3, "Three."))
    documents, skipped = read(data, strict=True)
    assert [d.id for d in documents] == ["PMID:1", "PMID:3"]
    assert skipped == [("a.xml", "record 2 (PMID:2), line 7", "no text", False)]


def test_a_citation_without_identifier():
    data = file_of(article("", "One."))
    assert read(data)[0] == [Document("a.xml:record 1", ("One.",))]


RECORDS = [article(n, f"Title {n}.", part(f"Text {n}.")) for n in range(1, 8)]


def damaged(change):
    """Returns a file of seven citations, the fourth of them changed."""
    return file_of(*RECORDS[:3], change(RECORDS[3]), *RECORDS[4:])


@pytest.mark.parametrize(
    ("change", "lost", "position", "reason"),
    [
        (lambda r: r.replace("</Abs", "</Obs"), {4}, "record 4 (PMID:4), line", "tag"),
        (lambda r: r.replace("Text 4", "Te\x01t"), {4}, "record 4 (PMID:4), line", "1"),
        (lambda r: r.replace("Text 4", "T & t"), {4}, "record 4 (PMID:4), line", "En"),
        (
            lambda r: r.replace("Text 4", "&nope;"),
            {4},
            "record 4 (PMID:4), line",
            "nope",
        ),
        (lambda r: r.replace("<PubmedD", "<<Pub"), {4}, "record 4 (PMID:4)", ""),
        (
            lambda r: r.replace("</PubmedArticle>", ""),
            {4},
            "record 4 (PMID:4), line",
            "not closed before the next record",
        ),
        (lambda r: r.replace("<PubmedArticle>", ""), set(), "after record 4, line", ""),
        (lambda r: r.replace("<PubmedA", "<PubmedA <"), {4}, "after record 3, li", ""),
        (lambda r: r.replace("cle><Med", "cle <><Med"), {4}, "after record 3, li", ""),
        (lambda r: "</Junk>" + r, set(), "after record 3, line", "Junk"),
        (lambda r: r[:150], {4}, "record 4", ""),
    ],
)
def test_damage_costs_the_damaged_record_only(change, lost, position, reason):
    documents, skipped = read(damaged(change))
    assert [d.id for d in documents] == [
        f"PMID:{n}" for n in range(1, 8) if n not in lost
    ]
    (only,) = skipped
    assert only.path == "a.xml"
    assert only.is_damage
    assert only.position.startswith(position)
    assert reason in only.reason


def test_damage_names_the_line_also_after_other_damage():
    data = damaged(lambda r: r.replace("</Abs", "</Obs"))
    data = data.replace(b"Text 6.", b"Text \xff 6.")
    lines = [i for i, line in enumerate(data.split(b"\n"), 1) if b"</Obs" in line]
    lines += [i for i, line in enumerate(data.split(b"\n"), 1) if b"\xff" in line]
    documents, skipped = read(data)
    assert [d.id for d in documents] == [f"PMID:{n}" for n in (1, 2, 3, 5, 7)]
    assert f"AbstractText line {lines[0]} and Obs" in skipped[0].reason
    assert [s.position for s in skipped] == [
        f"record {n} (PMID:{n}), line {line}"
        for n, line in zip((4, 6), lines, strict=True)
    ]


def test_strict_stops_at_damage():
    data = damaged(lambda r: r.replace("</Abs", "</Obs"))
    with pytest.raises(InputError, match=r"^a.xml: record 4 \(PMID:4\), line .*strict"):
        read(data, strict=True)


def test_a_file_that_ends_early():
    data = file_of(*RECORDS)
    documents, skipped = read(data[: data.index(b"Title 5")])
    assert [d.id for d in documents] == [f"PMID:{n}" for n in range(1, 5)]
    assert [s.position.split(",")[0] for s in skipped] == ["record 5 (PMID:5)"]


def test_files_joined_one_behind_the_other():
    """As `cat` does; also with a file without records, and without declarations."""
    bare = file_of(*RECORDS[3:5], doctype="").partition(b"?>")[2]
    joined = file_of(*RECORDS[:2]) + file_of() + file_of(*RECORDS[2:3]) + bare
    documents, skipped = read(joined + file_of(*RECORDS[5:]))
    assert documents == read(file_of(*RECORDS))[0]
    assert skipped == []
    # Damage behind the joint is told with its line in the whole.
    data = file_of(*RECORDS[:2]) + file_of(*RECORDS[2:]).replace(
        b"Title 4.</", b"</x></"
    )
    documents, [lost] = read(data)
    assert len(documents) == 6
    line = data[: data.index(b"</x>")].count(b"\n") + 1
    assert lost.position.startswith("record 4 (PMID:4), line ")
    assert f" line {line} " in f"{lost.position} "
    # Text between the files, or entities that the second declares, are damage.
    for between in (b"x", b"<!DOCTYPE a [<!ENTITY e 'e'>]>"):
        documents, skipped = read(
            file_of(*RECORDS[:2]) + between + file_of(*RECORDS[2:])
        )
        assert (len(documents), len(skipped)) == (7, 1)
    single = "".join(f'<?xml version="1.0"?>\n{record}' for record in RECORDS)
    documents, skipped = read(single.encode())
    assert (len(documents), skipped) == (7, [])


@pytest.mark.parametrize("error", ["Cannot process ID list", " a\n"])
def test_an_error_of_entrez(error):
    data = f"<?xml version='1.0'?><eFetchResult>\n<ERROR>{error}</ERROR></eFetchResult>"
    documents, [skipped] = read(data.encode())
    assert documents == []
    assert skipped.reason == f"holds no record but the server's error: {error.strip()}"


@pytest.mark.parametrize(
    ("name", "ids", "problem"),
    [
        ("concat", ["PMID:1", "PMID:2"], ""),
        ("one", ["PMID:1"], ""),
        ("two", ["PMID:2"], ""),
        ("set", ["PMCID:PMC1"], ""),
        ("oai", ["PMCID:PMC1"], ""),
        ("err", [], "holds no record but the server's error: Cannot process ID list"),
    ],
)
def test_cases(cases, name, ids, problem):
    documents, skipped = read((cases / "xml" / f"{name}.xml").read_bytes())
    assert [one.id for one in documents] == ids
    assert [one.reason for one in skipped] == [problem] * bool(problem)


def test_compressed():
    assert read(gzip.compress(file_of(*RECORDS)), "a.xml.gz") == read(file_of(*RECORDS))


def test_a_truncated_compressed_file():
    many = [article(n, f"Title {n * 7919}.") for n in range(3000)]
    data = gzip.compress(file_of(*many))
    documents, skipped = read(data[: len(data) // 2], "a.xml.gz")
    # Everything that can be unpacked is read, up to the record that is cut.
    assert 1000 < len(documents) < 2000
    assert [(s.position, s.reason) for s in skipped] == [
        (f"after record {len(documents)}", "compressed data is truncated")
    ]


def test_a_wrong_checksum_is_told_and_everything_kept():
    data = bytearray(gzip.compress(file_of(*RECORDS)))
    data[-6] ^= 1
    documents, skipped = read(bytes(data), "a.xml.gz")
    assert len(documents) == 7
    assert "CRC" in skipped[0].reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"plain text", "not XML"),
        (b"<html><body/></html>", "<html> is neither PubMed nor JATS"),
        (b"<?xml version='1.0' encoding='klingon'?><PubmedArticleSet/>", "not XML"),
    ],
)
def test_what_is_no_corpus_file(data, reason):
    documents, (only,) = read(data)
    assert documents == []
    assert (only.position, only.is_damage) == ("from the start", True)
    assert reason in only.reason


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_other_encodings(encoding):
    text = file_of(article(1, "Café.")).decode().replace("UTF-8", encoding)
    assert read(text.encode(encoding))[0][0].paragraphs == ("Café.",)


def test_an_encoding_holds_after_damage():
    text = damaged(lambda r: r.replace("</Abs", "</Obs")).decode()
    text = text.replace("UTF-8", "iso-8859-1").replace("Title 5", "Café")
    documents, _ = read(text.encode("iso-8859-1"))
    assert documents[3].paragraphs == ("Café.", "Text 5.")


def test_named_entities_of_the_dtd_are_read_without_it():
    assert paragraphs(1, "T.", part("TNF-&alpha;&nbsp;up")) == ("T.", "TNF-\u03b1 up")


def test_what_the_opening_declares_holds_for_every_record():
    math = "<m:math><m:mi>p</m:mi><m:mo>=</m:mo><m:mn>.05</m:mn></m:math>"
    records = [article(n, f"TNF-&alpha; {math}.") for n in (1, 2, 3)]
    records[1] = records[1].replace("</Article>", "")
    data = file_of(*records).replace(
        b"<PubmedArticleSet>",
        b'<PubmedArticleSet\n xmlns:m="http://www.w3.org/1998/Math/MathML">',
    )
    documents, (only,) = read(data)
    assert [d.paragraphs for d in documents] == [("TNF-\u03b1 p = .05.",)] * 2
    line = data[: data.index(b"</MedlineCitation>", data.index(b">2<"))].count(b"\n")
    assert only.position == f"record 2 (PMID:2), line {line + 1}"


def entities(*declarations, text="&a;"):
    doctype = f"<!DOCTYPE PubmedArticleSet [{''.join(declarations)}]>"
    return file_of(article(1, text), doctype=doctype)


def test_an_entity_bomb_is_refused():
    levels = [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)]
    data = entities('<!ENTITY a0 "lol">', *levels, text="&a9;")
    documents, (only,) = read(data)
    assert documents == []
    assert "refused: it declares entities" in only.reason
    with pytest.raises(InputError, match="refused"):
        read(data, strict=True)


@pytest.mark.parametrize(
    "declaration", ['<!ENTITY a SYSTEM "%s">', '<!ENTITY %% a SYSTEM "%s"> %%a;']
)
def test_an_external_entity_is_refused_and_not_read(declaration, tmp_path):
    secret = tmp_path / "secret.dtd"
    secret.write_text('<!ENTITY a "secret">')
    documents, (only,) = read(entities(declaration % secret.as_uri()))
    assert documents == []
    assert "refused: it declares entities" in only.reason


def test_an_external_dtd_is_ignored(tmp_path):
    dtd = tmp_path / "broken.dtd"
    dtd.write_text("<!ENTITY alpha 'stolen'> no DTD at all")
    doctype = f'<!DOCTYPE PubmedArticleSet SYSTEM "{dtd.as_uri()}">'
    data = file_of(article(1, "TNF-&alpha;."), doctype=doctype)
    assert read(data) == ([Document("PMID:1", ("TNF-\u03b1.",))], [])


MEASURE = r"""
    import io, itertools, pathlib, re, sys
    from biobert_tf.corpora import reading
    from biobert_tf.pretraining.settings import CorpusConfig

    RECORD = (
        "<PubmedArticle><MedlineCitation><PMID>%d</PMID><Article><ArticleTitle>Title"
        "</ArticleTitle><Abstract><AbstractText>%s</AbstractText></Abstract></Article>"
        "</MedlineCitation></PubmedArticle>"
    )

    class Endless(io.RawIOBase):
        def __init__(self, num_records):
            records = (RECORD % (i, "Some text. " * 100) for i in range(num_records))
            self.parts = itertools.chain(
                ["<PubmedArticleSet>"], records, ["</PubmedArticleSet>"]
            )

        def read(self, size=-1):
            return next(self.parts, "").encode()

    options = reading.ReadOptions(CorpusConfig())
    documents = reading.read(Endless(int(sys.argv[1])), "a.xml", options, print)
    num_documents = sum(1 for _ in documents)
    # Not ru_maxrss: that begins with the size of the parent.
    status = pathlib.Path("/proc/self/status").read_text()
    print(num_documents, re.search(r"VmHWM:\s+(\d+) kB", status)[1])
"""


def peak_kilobytes(num_records):
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(num_records)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    num_documents, peak = map(int, done.stdout.split())
    assert num_documents == num_records
    return peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file():
    # 1.3 MB and 26 MB of XML; as a tree the latter would take 60 MB.
    assert peak_kilobytes(20_000) - peak_kilobytes(1_000) < 10_000
