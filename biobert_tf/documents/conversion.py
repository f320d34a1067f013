# SPDX-License-Identifier: Apache-2.0
"""Converts documents from one format to another: the steps that all formats share.

For a document of another format, a writer first makes a document in its own format with
the text alone (`Loaded`), then adds the old annotations in the same way as new ones.
"""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields
from biobert_tf.documents.document import (
    Added,
    Annotated,
    AnnotatedDocument,
    Loaded,
    Mention,
    Passage,
    Relation,
    Verdict,
    parted,
    split_concepts,
    verdicts,
)

Notes = Counter[str]
"""What a format could not represent exactly, and how often."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# The longest gap between passages; a longer one is a mistake in the offsets.
_LONGEST_GAP: Final = 100_000


def numbered(loaded: Loaded, added: Added) -> list[Mention | Relation | Verdict]:
    """Returns what is added, with a new id for every mention whose id is "".

    Raises:
        ValueError: A mention has the id of another or does not match the text at its
            offsets, or a relation names an unknown mention.
    """
    document = loaded.document
    known = {mention.id for mention in document.mentions}
    new, relations = parted(added)
    taken = known | loaded.taken | {mention.id for mention in new}
    numbers = itertools.count(fields.next_number("T", taken))
    mentions = [
        mention if mention.id else dataclasses.replace(mention, id=f"T{next(numbers)}")
        for mention in new
    ]
    names = [mention.id for mention in mentions]
    if len({*names}) < len(names) or {*names} & (known | loaded.taken):
        raise ValueError(f"document {document.id}: an id of a new mention is taken")
    only_new = dataclasses.replace(document, mentions=tuple(mentions))
    for _, problem in only_new.problems():
        raise ValueError(f"document {document.id}: {problem}")
    for relation in relations:
        if unknown := {relation.first, relation.second} - known - {*names}:
            raise ValueError(f"document {document.id} has no mention {sorted(unknown)}")
    return [*mentions, *relations, *verdicts(added)]


def united(
    document: AnnotatedDocument,
    added: Added,
    notes: Notes,
    keeps_concepts: bool,
    keeps_bad: bool = True,
) -> AnnotatedDocument:
    """Returns a document with what is added to it: mentions with ids, and relations.

    Unless the format keeps them, relations of concepts instead of mentions and mentions
    that differ from their text are dropped, and counted in `notes`.

    Raises:
        InputError: The document contains half of a surrogate pair.
    """
    lost = Counter({"relations that are not understood dropped": document.num_unread})
    lost.update(f"{kind} dropped" for kind in document.others)
    if not keeps_bad:
        names = {mention.id for mention in document.bad_mentions}
        lost["mentions that differ from their text dropped"] = len(names)
        lost["relations of such mentions dropped"] = len(document.relations)
        document = document.without(names)
        lost["relations of such mentions dropped"] -= len(document.relations)
    new, new_relations = parted(added)
    mentions = (*document.mentions, *new)
    known = {mention.id for mention in mentions}
    relations = []
    for relation in (*document.relations, *new_relations):
        if keeps_concepts or known >= {relation.first, relation.second}:
            relations.append(relation)
        elif relation.pair and known.issuperset(relation.pair):
            first, second = relation.pair
            relations.append(dataclasses.replace(relation, first=first, second=second))
        else:
            lost["relations of concepts dropped"] += 1
    notes.update(+lost)
    whole = dataclasses.replace(document, mentions=mentions, relations=tuple(relations))
    for text in strings(whole):
        if not text.isascii() and (bad := _SURROGATES.search(text)):
            raise InputError(
                f"document {shown(document.id)}: U+{ord(bad[0]):04X} is half of a "
                "surrogate pair, which is not a character"
            )
    return whole


def strings(document: AnnotatedDocument) -> Iterable[str]:
    """Yields all strings of a document: its text, ids, types, concepts."""
    yield document.id
    yield from (passage.text for passage in document.passages)
    for mention in document.mentions:
        yield from (mention.id, mention.type, mention.text, *mention.concepts)
    for relation in document.relations:
        yield from (relation.type, relation.first, relation.second)


def shown(text: str) -> str:
    """Returns text shortened and escaped for one line of a message."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:80]


def flat(document: AnnotatedDocument) -> AnnotatedDocument:
    r"""Returns the same document with a single passage that begins at 0.

    Offsets do not change. A gap between two passages becomes spaces and a final `\n`.

    Raises:
        InputError: Passages overlap or are too far apart to be one text.
    """
    parts: list[str] = []
    end = 0
    for passage in sorted(document.passages, key=lambda passage: passage.offset):
        gap = passage.offset - end
        if gap < 0 or gap > _LONGEST_GAP:
            problem = f"a passage begins at {passage.offset}, the one before it ends at"
            problem = f"document {shown(document.id)}: {problem} {end}"
            raise InputError(f"{problem}; give the text in one piece")
        if gap:
            parts.append(" " * (gap - 1) + ("\n" if parts else " "))
        parts.append(passage.text)
        end = passage.end
    return dataclasses.replace(document, passages=(Passage(0, "".join(parts)),))


def renumbered(document: AnnotatedDocument) -> AnnotatedDocument:
    """Returns the same document with the ids T1, T2, ... for its mentions in order."""
    names = {
        mention.id: f"T{i}" for i, mention in enumerate(document.mentions, start=1)
    }
    mentions = (dataclasses.replace(one, id=names[one.id]) for one in document.mentions)
    relations = []
    for one in document.relations:
        first, second = (names.get(name, name) for name in (one.first, one.second))
        relations.append(dataclasses.replace(one, first=first, second=second))
    return dataclasses.replace(
        document, mentions=tuple(mentions), relations=tuple(relations)
    )


def converted(document: AnnotatedDocument, source: object) -> Annotated:
    """Returns a document whose mentions and relations are additions to its text.

    `source` is the text of the document in the format of a writer.
    """
    bare = dataclasses.replace(document, mentions=(), relations=())
    return Loaded(bare, source), [*document.mentions, *document.relations]


def joined_concepts(concepts: Sequence[str], notes: Notes | None = None) -> str:
    """Joins identifiers into the one field that PubTator and BioC have for them.

    Returns "", and counts it in `notes`, if `split_concepts` could not split the field
    again.
    """
    field = ";".join(concepts)
    if split_concepts(field) == tuple(concepts) and not re.search(r"[\t\n\r]", field):
        return field
    if notes is not None:
        notes["concepts dropped"] += 1
    return ""
