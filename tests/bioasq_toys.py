"""BioASQ's files and PubMed's, small enough to write down, and what is made of them."""

import json
from xml.sax.saxutils import escape

from biobert_tf.common.comma_lists import FileGlobs
from biobert_tf.qa.bioasq import conversion
from biobert_tf.qa.bioasq.settings import BioAsqDataConfig

URL = "http://www.ncbi.nlm.nih.gov/pubmed/"


def snippet(text, document="1", section="abstract"):
    return {
        "text": text,
        "document": URL + document,
        "beginSection": section,
        "endSection": section,
        "offsetInBeginSection": 0,
        "offsetInEndSection": len(text),
    }


def question(id_, type_, *snippets, answer=None, body="Which gene?"):
    """A question; its snippets are texts of document 1, or made by `snippet`."""
    made = [snippet(s) if isinstance(s, str) else s for s in snippets]
    answers = {} if answer is None else {"exact_answer": answer}
    return {"id": id_, "type": type_, "body": body, "snippets": made, **answers}


def write_bioasq(path, *questions):
    path.write_text(json.dumps({"questions": questions}), "utf-8")
    return path


def write_pubmed(path, citations):
    """Writes citations: by PMID the title, then the parts of the abstract."""
    records = []
    for pmid, (title, *parts) in citations.items():
        texts = "".join(f"<AbstractText>{escape(p)}</AbstractText>" for p in parts)
        records.append(
            f'<PubmedArticle><MedlineCitation><PMID Version="1">{pmid}</PMID><Article>'
            f"<ArticleTitle>{escape(title)}</ArticleTitle><Abstract>{texts}</Abstract>"
            "</Article></MedlineCitation></PubmedArticle>\n"
        )
    text = "".join(records)
    path.write_text(f"<PubmedArticleSet>\n{text}</PubmedArticleSet>\n", "utf-8")
    return path


def config(source, output, question_type="factoid", **flags):
    if "abstracts" in flags:
        flags["abstracts"] = FileGlobs.parse(str(flags["abstracts"]))
    return BioAsqDataConfig(
        input=FileGlobs.parse(str(source)),
        output=output,
        question_type=question_type,
        **flags,
    )


def converted(source, output, question_type="factoid", **flags):
    """Returns the counts of a conversion, and its paragraphs."""
    counts = conversion.convert(config(source, output, question_type, **flags))
    return counts, read_paragraphs(output)


def read_paragraphs(path):
    values = json.loads(path.read_text("utf-8"))
    return [p for entry in values["data"] for p in entry["paragraphs"]]
