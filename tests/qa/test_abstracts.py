"""Abstracts out of PubMed files: which, what text, and where snippets stand in it."""

import gzip

import pytest
from bioasq_toys import URL, write_pubmed

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.common.errors import InputError
from biobert_tf.corpora.document import Document
from biobert_tf.qa.bioasq.abstracts import Abstract, pmid, read_abstracts

TITLE = "Genes of mice."
BACKGROUND = "BACKGROUND: Mice have genes. We looked."
RESULTS = "RESULTS: Genes of mice. Much was found."
ABSTRACT = Abstract.of(Document("PMID:1", (TITLE, BACKGROUND, RESULTS)))


def located(snippet, *, is_title=False):
    span = ABSTRACT.locate(snippet, is_title)
    return span and (ABSTRACT.text[slice(*span)], span[0])


def widened(snippet, num_sentences):
    span = ABSTRACT.locate(snippet, False)
    return ABSTRACT.text[slice(*ABSTRACT.widened(span, num_sentences))]


def test_the_text():
    assert ABSTRACT.text == f"{TITLE} {BACKGROUND} {RESULTS}"
    assert ABSTRACT.starts == (0, 15, 55)
    assert Abstract.of(Document("PMID:1", ("One.",))) == Abstract("One.", (0,))


def test_snippets_are_located():
    assert located("We looked.") == ("We looked.", 44)
    # BioASQ writes parts without a space between them.
    assert located("looked.RESULTS: Genes") == ("looked. RESULTS: Genes", 47)
    assert located("We look ed.") == ("We looked.", 44)
    assert located("we looked.") is None
    # The same words are in the title and behind it.
    assert located("Genes of mice.", is_title=True) == ("Genes of mice.", 0)
    assert located("Genes of mice.") == ("Genes of mice.", 64)
    # Only the title has it, whatever the section says.
    assert located("Genes of mice. BACKGROUND") == ("Genes of mice. BACKGROUND", 0)
    one = Abstract.of(Document("PMID:1", ("\u0130 Ox genes.",)))
    assert one.locate("Ox genes.", False) == one.locate("Oxgenes.", True) == (2, 11)


def test_sentences_around():
    assert widened("We looked", 1) == (
        "BACKGROUND: Mice have genes. We looked. RESULTS: Genes of mice."
    )
    # A piece of a sentence brings the whole of it, and a part of the abstract ends one.
    assert widened("genes. We", 1) == ABSTRACT.text.removesuffix(" Much was found.")
    assert widened("looked. RESULTS", 1) == ABSTRACT.text.removeprefix(f"{TITLE} ")
    assert widened("We looked", 2) == ABSTRACT.text
    assert widened("We looked", 99) == ABSTRACT.text
    assert widened("found.", 1) == RESULTS
    assert ABSTRACT.widened((0, 5), 1) == (0, 43)


@pytest.mark.parametrize(
    "document, number",
    [
        (f"{URL}123", "123"),
        ("https://pubmed.ncbi.nlm.nih.gov/123/", "123"),
        ("123", "123"),
        ("PMID:00123", "123"),
        ("http://www.ncbi.nlm.nih.gov/pmc/articles/PMC123", None),
        ("http://www.ncbi.nlm.nih.gov/pubmed/1234567890", None),
        ("", None),
        ("0", None),
        ("pubmed/12a", None),
        ("pubmed/\u0661", None),
    ],
)
def test_pmids(document, number):
    assert pmid(document) == number


def test_only_what_is_wanted_and_in_its_newest_version(tmp_path):
    write_pubmed(tmp_path / "a1.xml", {1: ("Old.", "No."), 2: ("Two.",), 4: ("Four.",)})
    newer = write_pubmed(tmp_path / "a2.xml", {1: ("New.", "A.", "B."), 3: ("Three.",)})
    end = "</PubmedArticleSet>"
    deletion = '<DeleteCitation><PMID Version="1">4</PMID></DeleteCitation>'
    text = newer.read_text().replace(end, deletion + end)
    newer.unlink()
    (tmp_path / "a2.xml.gz").write_bytes(gzip.compress(text.encode()))
    found = read_abstracts(
        FileGlobs.parse(f"{tmp_path}/a1.xml,{tmp_path}/*.gz"), {"1", "2", "4", "5"}
    )
    assert found.by_pmid == {
        "1": Abstract("New. A. B.", (0, 5, 8)),
        "2": Abstract("Two.", (0,)),
    }
    assert found.num_damaged == 0
    assert found.of(f"{URL}1") is found.by_pmid["1"]
    assert found.of(f"{URL}4") is None
    assert found.of("nowhere") is None


def test_damage_is_counted(tmp_path):
    path = write_pubmed(
        tmp_path / "a.xml", {1: ("One.",), 2: ("Two.",), 3: ("Three.",)}
    )
    path.write_text(path.read_text().replace("Two.", "T&wo;"))
    found = read_abstracts(FileGlobs.parse(str(path)), {"1", "2", "3"})
    assert list(found.by_pmid) == ["1", "3"]
    assert found.num_damaged == 1


def test_no_abstract_at_all(tmp_path):
    path = write_pubmed(tmp_path / "a.xml", {1: ("One.",)})
    with pytest.raises(InputError) as caught:
        read_abstracts(FileGlobs.parse(str(path)), {"2", "3"})
    assert str(caught.value) == (
        f"--abstracts={path}: none of the 2 abstracts that the snippets are from is in "
        "1 file(s)"
    )
    with pytest.raises(InputError, match=r"b\*\.xml: no file matches"):
        read_abstracts(FileGlobs.parse(f"{tmp_path}/b*.xml"), {"1"})
