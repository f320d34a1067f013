# SPDX-License-Identifier: Apache-2.0
"""Reads PMC articles (JATS) as documents: title, abstracts, paragraphs of the body.

Decisions, with their reasons:
- A heading inside the body is dropped unless it is a sentence: a heading between two
  sentences would break what next-sentence prediction learns. The heading of a part of
  an abstract becomes its label, "Methods: We ...", as in PubMed.
- Captions are dropped with their floats: they have no fixed place in reading order.
- Everything in `back` (references, acknowledgements, appendices, notes) is dropped; so
  are sections of the body with such contents (funding, competing interests ...).
- Sub-articles (translations, reviews, letters) and translated abstracts are dropped;
  so are abstracts that are a picture or summarise the article in one line.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from biobert_tf.corpora import markup, versions
from biobert_tf.corpora.versions import Entry
from biobert_tf.corpora.xml_records import XmlRecord

_NO_ABSTRACT: Final = frozenset(
    ["graphical", "teaser", "toc", "short", "precis", "stereochemical", "video"]
)
_APPARATUS_HEADINGS: Final = """
    abbreviations, accession numbers, acknowledgement, acknowledgements,
    acknowledgment, acknowledgments, additional file, additional files, author
    contribution, author contributions, authors contribution, authors contributions,
    availability of data and materials, competing interest, competing interests,
    conflict of interest, conflict of interest statement, conflicts of interest,
    consent for publication, data availability, data availability statement,
    declaration of competing interest, declaration of interest, declaration of
    interests, disclosure, disclosures, electronic supplementary material, financial
    disclosure, financial support, footnote, footnotes, funding, list of
    abbreviations, prepublication history, references, supplemental data,
    supplemental information, supplemental material, supplementary data,
    supplementary information, supplementary material, supplementary materials,
    supporting information
"""
_APPARATUS: Final = frozenset(" ".join(_APPARATUS_HEADINGS.split()).split(", "))


def entries(record: XmlRecord, name: str) -> Iterator[Entry]:
    """Yields the one article of a record; `name` is the file's, if it has no id."""
    meta = record.element.find("{*}front/{*}article-meta")
    ids = {} if meta is None else _identifiers(meta)
    number = ids.get("pmcid", ids.get("pmc", "")).removeprefix("PMC")
    if number:
        # Since 2024 PMC writes "PMC123.2" beside "PMC123".
        version = ids.get("pmcid-ver", "").rpartition(".")[2]
        key = versions.key(versions.ARTICLE_BY_PMCID, number, version)
        id_ = f"PMCID:PMC{number}"
    elif pmid := ids.get("pmid", ""):
        key = versions.key(versions.ARTICLE_BY_PMID, pmid)
        id_ = f"PMID:{pmid}"
    else:
        key = None
        id_ = f"DOI:{ids['doi']}" if "doi" in ids else f"{name}:record {record.number}"
    yield Entry(key, id_, lambda: _paragraphs(record.element, meta))


def _identifiers(meta: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in meta.iterchildren("{*}article-id"):
        text = (element.text or "").strip()
        if text:
            found.setdefault(element.get("pub-id-type", ""), text)
    return found


def _paragraphs(article: Any, meta: Any | None) -> Iterator[str]:
    if meta is not None:
        title = markup.line(meta.find("{*}title-group/{*}article-title"))
        subtitle = markup.line(meta.find("{*}title-group/{*}subtitle"))
        yield f"{title}: {subtitle}" if title and subtitle else title
        for abstract in meta.iterfind("{*}abstract"):
            if abstract.get("abstract-type") not in _NO_ABSTRACT:
                yield from _abstract(abstract)
    body = article.find("{*}body")
    if body is not None:
        _drop_apparatus(body)
        yield from markup.paragraphs(body)


def _abstract(abstract: Any) -> Iterator[str]:
    """Yields an abstract's paragraphs; a section's first begins with its heading."""
    if abstract.find("{*}sec") is None:
        yield from markup.paragraphs(abstract)
        return
    for part in abstract.iterchildren("{*}sec", "{*}p"):
        label = _heading(part).rstrip(" :.")
        for text in markup.paragraphs(part):
            yield f"{label}: {text}" if label else text
            label = ""


def _heading(section: Any) -> str:
    return markup.line(section.find("{*}title"))


def _drop_apparatus(body: Any) -> None:
    for section in list(body.iter("{*}sec")):
        words = re.sub(r"[^a-z ]", "", _heading(section).lower()).strip()
        is_supplement = section.get("sec-type") == "supplementary-material"
        if words in _APPARATUS or is_supplement:
            section.clear()
