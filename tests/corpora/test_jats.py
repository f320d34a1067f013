# SPDX-License-Identifier: Apache-2.0
"""PMC articles: which text is read, how it reads, and what damage costs."""

import gzip
import io
import itertools
import tarfile
import tracemalloc

import pytest

from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Document
from biobert_tf.corpora.settings import CorpusConfig

NAMESPACES = (
    'xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:mml="http://www.w3.org/1998/Math/MathML"'
)


def article(
    body="", *, title="A title", ids='pmc">PMC12', abstract="", back="", **more
):
    found = [f'<article-id pub-id-type="{id_}</article-id>' for id_ in ids.split("|")]
    return (
        '<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS" "jats.dtd">'
        f"<article {NAMESPACES}><front><journal-meta><journal-title>J. Noise"
        f"</journal-title></journal-meta><article-meta>{''.join(found)}<title-group>"
        f"<article-title>{title}</article-title>{more.get('titles', '')}</title-group>"
        "<contrib-group><contrib><name><surname>Noise</surname></name></contrib>"
        "</contrib-group><aff>Noise</aff><permissions><license><license-p>Noise"
        f"</license-p></license></permissions>{abstract}<kwd-group><kwd>noise</kwd>"
        f"</kwd-group></article-meta></front><body>{body}</body><back>{back}<ref-list>"
        "<ref><mixed-citation>Noise</mixed-citation></ref></ref-list><ack><p>Noise</p>"
        "</ack></back><floats-group><fig><caption><p>Noise</p></caption></fig>"
        f"</floats-group>{more.get('sub', '')}</article>"
    )


def read(data, name="a.nxml", **config):
    """Returns the documents and what was skipped."""
    skipped = []
    data = data.encode() if isinstance(data, str) else data
    options = reading.ReadOptions(CorpusConfig(**config))
    return list(reading.read(io.BytesIO(data), name, options, skipped.append)), skipped


def body(xml):
    (document,), skipped = read(article(xml))
    assert skipped == []
    assert document.paragraphs[0] == "A title"
    return list(document.paragraphs[1:])


def cite(number, kind="bibr"):
    return f'<xref ref-type="{kind}" rid="x">{number}</xref>'


ONE, TWO, THREE = cite(1), cite(2), cite(3)
PLOS = cite("[4]")
SMITH = cite("Smith et al., 2004")
TEX = (
    "<tex-math>\\documentclass{minimal}\\begin{document}$$x$$\\end{document}</tex-math>"
)


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        # citations by number go, with their brackets and separators
        (f"It is so [{ONE}].", "It is so."),
        (f"It is [{ONE},{TWO}] so.", "It is so."),
        (f"It is [{ONE}-{THREE}], so", "It is, so"),
        (f"It is so.<sup>{ONE},{TWO}</sup> Next.", "It is so. Next."),
        (f"It is so.<sup>{ONE}\u2013{TWO}</sup>Next.", "It is so. Next."),
        (f"so<sup>[{ONE}]</sup>, and", "so, and"),
        (f"so<sup>{ONE}-3</sup> and", "so and"),
        (f"in mice {PLOS}\u2013{PLOS}.", "in mice."),
        (f"in mice {PLOS}, {PLOS} and men", "in mice and men"),
        (f"genes ({ONE}; {TWO}) and", "genes and"),
        (f"genes (reviewed in [{ONE}]) and", "genes and"),
        (f"genes (for a review, see {ONE} and {TWO}).", "genes."),
        (f"genes [[{ONE}-{TWO}], reviewed in [{THREE}]].", "genes."),
        (f"genes (EGFP, [{ONE}]) and", "genes (EGFP) and"),
        (f"genes (EGFP; reviewed in {ONE}) and", "genes (EGFP) and"),
        (f"genes ([{ONE}] and others) and", "genes (and others) and"),
        (f"dissected ([{ONE}] were", "dissected (were"),
        (f"by Smith et al. [{ONE}]. Briefly", "by Smith et al. Briefly"),
        (f"so [{ONE}]... and a [{ONE}] .5", "so... and a .5"),
        (f"a factor{ONE}-dependent one", "a factor-dependent one"),
        (f"one{ONE}two", "one two"),
        # unless the sentence needs them
        (f"as described in [{ONE},{TWO}].", "as described in [1,2]."),
        (f"according to {PLOS}, {PLOS}.", "according to [4], [4]."),
        (f"see ref. {ONE} and {TWO}.", "see ref. 1 and 2."),
        (f"In 2004 {PLOS} it", "In 2004 it"),
        # citations by author stay
        (f"It is so ({SMITH}; {cite('Jones 2005')}).",) * 2,
        (f"Smith ({cite(2004)}) found",) * 2,
        # other links stay, notes go
        (f"(Fig. {cite('2A', 'fig')}, Table {cite(1, 'table')})", "(Fig. 2A, Table 1)"),
        (f"all mice{cite('*', 'fn')} and<fn><p>Note.</p></fn> men", "all mice and men"),
        (f"all<sup>{cite('a', 'table-fn')}</sup> mice", "all mice"),
        # what only looks like litter stays
        ("Ca<sup>2+</sup>, CD4<sup>+</sup>, Pax6<sup>-/-</sup>", "Ca2+, CD4+, Pax6-/-"),
        ("KS(-) and (-)-menthol [3H] (n) [ ]", "KS(-) and (-)-menthol [3H] (n) [ ]"),
        ("F[1,12] = 8.42 (mono-, di-)", "F[1,12] = 8.42 (mono-, di-)"),
        ("a &lt; b &gt; c &amp; d", "a < b > c & d"),
        # scripts and inline markup
        ("10<sup>6</sup> 10<sup>-6</sup> 10<sup>th</sup>", "10^6 10^-6 10th"),
        ("<sup>125</sup>I mm<sup>2</sup> x<sub>2</sub>", "125I mm2 x2"),
        ("<italic>E. coli </italic>, <bold>b</bold><sc>c</sc>", "E. coli, bc"),
        ("<named-content>a<italic>b</italic></named-content>c", "abc"),
        ("TNF-&alpha; &#x003b2;<break/>c", "TNF-\u03b1 β c"),
        ("one<!-- no --> <?pi no?>two", "one two"),
        (
            'at <ext-link xlink:href="http://a.b"/>; <uri>http://c.d</uri>.',
            "at http://a.b; http://c.d.",
        ),
        # floats and graphics
        ("one <fig><label>F</label><caption><p>C.</p></caption></fig> two", "one two"),
        ("an <inline-graphic/> icon (<inline-graphic/>).", "an icon."),
        (f"by <disp-formula>{TEX}</disp-formula> where", "by where"),
        # formulas
        (f"an <inline-formula>{TEX}</inline-formula> x", "an x"),
        (
            "an <inline-formula><alternatives>"
            f"{TEX}<mml:math><mml:mi>β</mml:mi><mml:mo>=</mml:mo><mml:msup><mml:mn>10"
            "</mml:mn><mml:mrow><mml:mo>\u2212</mml:mo><mml:mn>6</mml:mn></mml:mrow>"
            "</mml:msup></mml:math><graphic/></alternatives></inline-formula> x",
            "an β = 10^\u22126 x",
        ),
        (
            "so <mml:math><mml:mfrac><mml:mi>a</mml:mi><mml:mrow><mml:mi>b</mml:mi>"
            "<mml:mo>+</mml:mo><mml:mi>c</mml:mi></mml:mrow></mml:mfrac></mml:math>",
            "so a/(b + c)",
        ),
        (
            "so <mml:math><mml:semantics><mml:mrow><mml:msub><mml:mi>x</mml:mi><mml:mi>"
            "i</mml:mi></mml:msub><mml:msqrt><mml:mn>2</mml:mn></mml:msqrt></mml:mrow>"
            "<mml:annotation>\\tex</mml:annotation></mml:semantics></mml:math> b",
            "so xi√2 b",
        ),
        ("so (<mml:math><mml:mtable/></mml:math>) b", "so b"),
        ("so <mml:math><mml:munder><mml:mo>∑</mml:mo><mml:mi>i</mml:mi></mml:munder>"
         "</mml:math> b", "so b"),
    ],
)  # fmt: skip
def test_text_of_a_paragraph(xml, expected):
    if expected == xml:
        expected = xml.replace(SMITH, "Smith et al., 2004")
        expected = expected.replace(cite("Jones 2005"), "Jones 2005")
        expected = expected.replace(cite(2004), "2004")
    assert body(f"<p>{xml}</p>") == [expected]


def test_body_paragraphs_in_order():
    assert body(
        "<p>Zero.</p><sec><title>Results</title><p>One.</p><sec><label>1</label>"
        "<title>Mice.</title><p>Two.</p></sec><sec><title>Is it really so?</title>"
        "<p>Three.</p></sec></sec><sec><title/><p>Four.</p></sec>"
    ) == ["Zero.", "One.", "Two.", "Is it really so?", "Three.", "Four."]


def test_lists_boxes_and_quotations():
    assert body(
        "<p>Namely: <list><list-item><label>1.</label><p>one,</p></list-item>"
        "<list-item><p>two.</p></list-item></list> And so on.</p><boxed-text>"
        "<caption><title>Box</title></caption><sec><title>B</title><p>Boxed.</p></sec></boxed-text>"
        "<disp-quote><p>Quoted.</p><attrib>X</attrib></disp-quote><def-list><def-item>"
        "<term>GFP</term><def><p>a protein</p></def></def-item></def-list>"
    ) == [
        "Namely:",
        "one,",
        "two.",
        "And so on.",
        "Boxed.",
        "Quoted.",
        "GFP: a protein",
    ]


def test_floats_between_paragraphs():
    assert body(
        "<p>One.</p><fig><label>Figure 1</label><caption><p>C.</p></caption></fig>"
        "<table-wrap><label>Table 1</label><table><tr><td>1</td></tr></table>"
        "<table-wrap-foot><fn><p>N.</p></fn></table-wrap-foot></table-wrap><p>Two.</p>"
        "<supplementary-material><media><caption><p>S.</p></caption></media>"
        "</supplementary-material><disp-formula><label>(1)</label>x</disp-formula>"
    ) == ["One.", "Two."]


@pytest.mark.parametrize(
    "heading",
    ["Competing interests", "Authors' contributions", "5. Funding", "ACKNOWLEDGEMENTS",
     "Pre-publication history", "Supporting Information", "List of abbreviations"],
)  # fmt: skip
def test_sections_that_are_apparatus(heading):
    xml = f"<sec><title>{heading}</title><p>No.</p><sec><p>No.</p></sec></sec>"
    assert body(f"<p>One.</p>{xml}<p>Two.</p>") == ["One.", "Two."]


def test_abstracts():
    sections = (
        "<abstract><title>Abstract</title><sec><title>Aims:</title><p>We aim.</p>"
        "<p>High.</p></sec><p>Loose.</p></abstract>"
    )
    plain = "<abstract><p>Plain.</p></abstract>"
    kinds = "".join(
        f'<abstract abstract-type="{kind}"><title>T</title><p>{kind}.</p></abstract>'
        for kind in ("graphical", "summary", "teaser")
    )
    foreign = "<trans-abstract><p>Fremd.</p></trans-abstract>"
    data = article("<p>Body.</p>", abstract=sections + plain + kinds + foreign)
    (document,), _ = read(data)
    assert document.paragraphs == (
        "A title",
        "Aims: We aim.",
        "High.",
        "Loose.",
        "Plain.",
        "summary.",
        "Body.",
    )


def test_title_with_notes_and_subtitle():
    titles = "<subtitle>a trial</subtitle><alt-title>Short</alt-title>"
    title = f"On <italic>E. coli</italic>{cite('*', 'fn')}"
    (document,), _ = read(article(title=title, titles=titles))
    assert document.paragraphs == ("On E. coli: a trial",)


def test_sub_articles_are_left_out():
    sub = f"<sub-article><front-stub/><body><p>Letter.</p></body></sub-article>{''}"
    (document,), _ = read(article("<p>Body.</p>", sub=sub))
    assert document.paragraphs == ("A title", "Body.")


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ('pmid">7|pmc">12|doi">10.1/x', "PMCID:PMC12"),
        ('pmid">7|pmcid">PMC12|pmcid-ver">PMC12.3', "PMCID:PMC12"),
        ('pmid">7|doi">10.1/x', "PMID:7"),
        ('doi">10.1/x', "DOI:10.1/x"),
        ('publisher-id">x', "a.nxml:record 1"),
    ],
)
def test_identifiers(ids, expected):
    assert [d.id for d in read(article(ids=ids))[0]] == [expected]


def test_namespaced_and_collected_articles():
    plain = article("<p>One.</p>").partition("<article ")[2]
    inside = f'<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.4/" {plain}'
    data = f"<pmc-articleset>{inside}<article {plain}</pmc-articleset>"
    documents, skipped = read(data, "a.xml")
    assert [d.paragraphs for d in documents] == [("A title", "One.")] * 2
    assert skipped == []


def oai(*articles, root="OAI-PMH", more=""):
    records = "".join(
        f"<record><header>\n<identifier>oai:{i}</identifier></header><metadata>"
        f"{one.partition('jats.dtd')[2][2:]}</metadata></record>\n"
        for i, one in enumerate(articles)
    )
    return (
        '<?xml version="1.0"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<request verb='ListRecords'>x</request>{more}<ListRecords>\n{records}"
        "<resumptionToken>y</resumptionToken></ListRecords></OAI-PMH>\n"
    ).replace("OAI-PMH", root)


def test_articles_in_answers_of_a_server():
    articles = [article(f"<p>Text {i}.</p>", ids=f'pmc">PMC{i}') for i in range(4)]
    alone = [read(one)[0][0] for one in articles]
    documents, skipped = read(oai(*articles))
    assert (documents, skipped) == (alone, [])
    # One that is damaged costs itself, and is told with its line.
    data = oai(*articles).replace("Text 2.</p>", "Text 2.")
    documents, [lost] = read(data)
    assert [one.id for one in documents] == [alone[i].id for i in (0, 1, 3)]
    line = data[: data.index("Text 2")].count("\n") + 1
    assert lost.position == f"record 3 (PMCID:PMC2), line {line}"
    # A file that ends early, and an answer without articles.
    documents, [lost] = read(oai(*articles).replace("</OAI-PMH>", ""))
    assert (documents, lost.position.split(",")[0]) == (alone, "after record 4")
    documents, [lost] = read(oai(more='<error code="x">No match.</error>'))
    assert lost.reason == "holds no record but the server's error: No match."


def test_articles_joined_one_behind_the_other():
    articles = [article(ids=f'pmc">PMC{i}') for i in range(3)]
    documents, skipped = read("\n".join(articles))
    assert [one.id for one in documents] == [f"PMCID:PMC{i}" for i in range(3)]
    assert skipped == []


def test_an_article_without_text():
    documents, (only,) = read(article(title=""), strict=True)
    assert documents == []
    assert only == ("a.nxml", "record 1 (PMCID:PMC12), line 1", "no text", False)


def test_a_damaged_article():
    documents, (only,) = read(article("<p>One.</p>").replace("</p></ack>", "</ack>"))
    assert documents == []
    assert only.position == "record 1 (PMCID:PMC12), line 1"
    assert "tag mismatch" in only.reason


def test_compressed_article():
    data = article("<p>One.</p>")
    assert read(gzip.compress(data.encode()), "a.nxml.gz") == read(data)


def tar_of(**members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"folder/{name.replace('_', '.')}")
            data = text.encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.nxml")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def numbered(number):
    return article(f"<p>Text {number}.</p>", ids=f'pmc">{number}')


MEMBERS = {f"a{n}_nxml": numbered(n) for n in range(1, 5)} | {"b_jpg": "<x>"}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.TAR.GZ"])
def test_archives(name):
    documents, skipped = read(gzip.compress(tar_of(**MEMBERS)), name)
    assert documents == read(tar_of(**MEMBERS), "a.tar")[0]
    assert [d.paragraphs for d in documents] == [
        ("A title", f"Text {n}.") for n in range(1, 5)
    ]
    assert skipped == []


def test_a_damaged_member_costs_that_member():
    members = MEMBERS | {"a2_nxml": numbered(2)[:-40], "a3_nxml": "no XML"}
    documents, skipped = read(tar_of(**members), "a.tar")
    assert [d.id for d in documents] == ["PMCID:PMC1", "PMCID:PMC4"]
    assert [s.position for s in skipped] == [
        "member folder/a2.nxml, record 1 (PMCID:PMC2), line 1",
        "member folder/a3.nxml, from the start",
    ]


def test_a_damaged_header_costs_that_member():
    data = bytearray(tar_of(**MEMBERS))
    begin = data.index(b"folder/a2.nxml")
    data[begin + 5] ^= 1
    documents, (only,) = read(bytes(data), "a.tar")
    assert [d.id for d in documents] == [f"PMCID:PMC{n}" for n in (1, 3, 4)]
    assert only.position == "member after folder/a1.nxml"
    assert "damaged header" in only.reason


def test_joined_archives():
    data = tar_of(a_nxml=numbered(1)) + tar_of(b_nxml=numbered(2))
    documents, skipped = read(data, "a.tar")
    assert [d.id for d in documents] == ["PMCID:PMC1", "PMCID:PMC2"]
    assert skipped == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_truncated_archive(pack):
    data = tar_of(**MEMBERS)
    whole = pack(data)
    cut = data.index(b"folder/a4.nxml") + 700 if pack is bytes else len(whole) - 30
    documents, skipped = read(whole[:cut], "a.tar" if pack is bytes else "a.tar.gz")
    assert [d.id for d in documents][:3] == [f"PMCID:PMC{n}" for n in (1, 2, 3)]
    assert skipped
    assert all(s.is_damage for s in skipped)


def test_what_is_no_archive():
    documents, skipped = read(b"no tar at all" * 100, "a.tar")
    assert documents == []
    assert skipped


class Members(io.RawIOBase):
    """An archive of so many empty files that are no articles."""

    def __init__(self, num_members):
        header = tarfile.TarInfo("folder/a.jpg").tobuf(tarfile.USTAR_FORMAT)
        self.parts = itertools.repeat(header, num_members)

    def read(self, size=-1):
        return next(self.parts, b"")


def peak_bytes(num_members):
    tracemalloc.start()
    try:
        options = reading.ReadOptions(CorpusConfig())
        assert not list(reading.read(Members(num_members), "a.tar", options, print))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_an_archive():
    # The headers of 2000 members take about 3 MB.
    assert peak_bytes(2000) - peak_bytes(100) < 500_000


def test_document_of_an_article():
    data = article("<p>One.</p>")
    assert read(data)[0] == [Document("PMCID:PMC12", ("A title", "One."), False)]
