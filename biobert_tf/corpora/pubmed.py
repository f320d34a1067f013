# SPDX-License-Identifier: Apache-2.0
"""Reads PubMed citations as documents: the title, then the parts of the abstract.

Decisions, with their reasons:
- The label of an abstract part is kept as PubMed shows it, "METHODS: We ...", except
  "UNLABELLED", with which NLM marks parts without a label.
- A translated title keeps its brackets: PubMed shows them, and so do the corpora that
  are annotated on PubMed. "[Not Available]." is not a title.
- A title alone is a document of one sentence.
- VernacularTitle, CopyrightInformation and keywords are dropped; so is OtherAbstract
  (other languages, plain-language summaries), unless asked for.
- NLM's "(ABSTRACT TRUNCATED AT 250 WORDS)" is removed.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from biobert_tf.corpora import markup, versions
from biobert_tf.corpora.document import normalize
from biobert_tf.corpora.versions import Entry
from biobert_tf.corpora.xml_records import XmlRecord, local_name

_NO_LABEL: Final = frozenset(["", "UNLABELLED", "UNLABELED", "UNASSIGNED", "ABSTRACT"])
_NO_TITLE: Final = frozenset(["not available", "in process citation", "no title"])
_NO_ABSTRACT: Final = frozenset(["abstract available from the publisher."])
_TRUNCATED: Final = re.compile(r"\s*\(ABSTRACT TRUNCATED[^()]{0,40}\)\s*$")
_DELETIONS: Final = frozenset(["DeleteCitation", "DeleteDocument"])


def entries(record: XmlRecord, name: str, other_abstracts: bool) -> Iterator[Entry]:
    """Yields the entries of a PubMed record: one citation or book, or deletions.

    `name` is that of the file, for records without PMID.
    """
    element = record.element
    if local_name(element) in _DELETIONS:
        for pmid in element.iterfind("PMID"):
            yield Entry(_key(pmid), f"PMID:{_number(pmid)}", None)
        return
    # The record is the citation itself, or holds it.
    citation = next(element.iterchildren("MedlineCitation", "BookDocument"), element)
    pmid = citation.find("PMID")
    number = _number(pmid)
    id_ = f"PMID:{number}" if number else f"{name}:record {record.number}"
    yield Entry(_key(pmid), id_, lambda: _paragraphs(citation, other_abstracts))


def _number(pmid: Any | None) -> str:
    return "" if pmid is None else (pmid.text or "").strip()


def _key(pmid: Any | None) -> versions.Key | None:
    if pmid is None:
        return None
    return versions.key(versions.CITATION, _number(pmid), pmid.get("Version", "1"))


def _paragraphs(citation: Any, other_abstracts: bool) -> Iterator[str]:
    # A book chapter holds its title and abstract directly, a citation in its Article.
    article = citation.find("Article")
    article = citation if article is None else article
    yield _title(article)
    yield from _abstract(article.find("Abstract"))
    if other_abstracts:
        for abstract in citation.iterfind("OtherAbstract"):
            yield from _abstract(abstract)


def _title(article: Any) -> str:
    title = markup.line(article.find("ArticleTitle"))
    title = title or markup.line(article.find("Book/BookTitle"))
    return "" if title.strip("[]. ").lower() in _NO_TITLE else title


def _abstract(abstract: Any | None) -> Iterator[str]:
    """Yields one paragraph for each part of an abstract, "" for an empty part."""
    if abstract is None:
        return
    for part in abstract.iterfind("AbstractText"):
        text = _TRUNCATED.sub("", markup.line(part))
        if text.lower() in _NO_ABSTRACT:
            continue
        label = normalize(part.get("Label", "")).rstrip(" :.")
        is_labelled = label.upper() not in _NO_LABEL and text
        repeats = text[: len(label) + 1].upper() == f"{label.upper()}:"
        yield f"{label}: {text}" if is_labelled and not repeats else text
