# SPDX-License-Identifier: Apache-2.0
"""What the models read of a document, and its entities as new mentions."""

from collections.abc import Iterable

from biobert_tf.documents import conll
from biobert_tf.documents.document import AnnotatedDocument, Loaded, Mention
from biobert_tf.ner.annotator import Document, FoundEntity, RawSentence


def text_of(loaded: Loaded) -> Document:
    """Returns the input of the models: words if the file has words, else the text."""
    document, source = loaded.document, loaded.source
    if not isinstance(source, conll.Source):
        return document.passages
    return [
        RawSentence(tuple(document.slice(*place) for place in offsets), offsets)
        for offsets in source.spans()
    ]


def mentions(
    document: AnnotatedDocument, found: Iterable[FoundEntity], min_probability: float
) -> list[Mention]:
    """Returns the entities that are probable enough as new mentions of a document.

    Their ids are given later.
    """
    return [
        Mention(
            id="",
            type=entity.type,
            spans=((entity.start, entity.end),),
            text=document.slice(entity.start, entity.end),
            probability=entity.probability,
        )
        for entity in found
        if entity.probability >= min_probability
    ]
