# SPDX-License-Identifier: Apache-2.0
"""Reads PubMed citations and PMC articles (XML) as documents, with `corpora.reading`.

A passage is the title, a part of the abstract or a paragraph; the next one begins one
character after its end. The text is the article's as a reader sees it, without markup.
Offsets refer to this text, which every output contains, not to the XML.
"""

from collections.abc import Iterator
from typing import BinaryIO, cast

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import Stream
from biobert_tf.corpora import reading
from biobert_tf.corpora.document import Document, Skipped
from biobert_tf.documents import fields
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Passage


def read(stream: Stream, on_bad: fields.OnBad = streams.refuse) -> Iterator[Loaded]:
    """Yields the citations or articles of a file; the id is the PMID or PMCID.

    Raises:
        InputError: Raised by `on_bad`: a record is damaged or has no text. The message
            names the record.
    """

    def skip(skipped: Skipped) -> None:
        problem = f"{skipped.position}: {skipped.reason}"
        on_bad(fields.error_at(stream.path, None, problem))

    try:
        documents = reading.xml_documents(cast(BinaryIO, stream), stream.name, skip)
        for document in documents:
            yield Loaded(_annotated(document))
    except InputError as error:
        on_bad(error)


def _annotated(document: Document) -> AnnotatedDocument:
    passages = []
    offset = 0
    for paragraph in document.paragraphs:
        passages.append(Passage(offset, paragraph))
        offset = passages[-1].end + 1
    name = document.id.removeprefix("PMID:").removeprefix("PMCID:")
    return AnnotatedDocument(name, tuple(passages), (), ())
