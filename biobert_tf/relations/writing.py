# SPDX-License-Identifier: Apache-2.0
"""Writes the candidate pairs of annotated documents as TSV files for training."""

import csv
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.documents.document import AnnotatedDocument, Relation
from biobert_tf.relations import candidates
from biobert_tf.relations.candidates import Candidate
from biobert_tf.relations.settings import PairType, Placeholders

_LOG = logging.getLogger(__name__)

# Characters that end a line or a column for CSV, for str.splitlines or in editors.
_BREAKS: Final = re.compile(r"[\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


@dataclass
class Counts:
    """The numbers of documents, pairs and rows, and of what was lost.

    Attributes:
        types: Mentions by type, as the documents spell it.
        pairs: Pairs of mentions that share a sentence.
        overlapping: Pairs that have one placeholder for both.
        several: Pairs with relations of more than one type; each type is a row.
        pairs_across: Pairs of the given types that share a document but no sentence.
        labels: Rows by label; their sum is the number of rows.
        relations: Relations of a pair in a sentence.
        relations_across: Relations between given types that share no sentence.
        relations_other: Relations between other types.
        relations_differing: Relations between given types of which one mention or both
            differ from their text everywhere.
        relations_unknown: Relations of an id or identifier that no mention has.
        notes: What could not be used, and how often.
    """

    documents: int = 0
    types: Counter[str] = field(default_factory=Counter)
    sentences: int = 0
    pairs: int = 0
    overlapping: int = 0
    several: int = 0
    pairs_across: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    relations: int = 0
    relations_across: int = 0
    relations_other: int = 0
    relations_differing: int = 0
    relations_unknown: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """Returns the counts as text, without a final line break."""
        lost = [
            f"{self.relations_across} across sentences",
            f"{self.relations_other} of other types",
        ]
        if self.relations_differing:
            number = self.relations_differing
            lost.append(f"{number} of mentions that differ from their text")
        if self.relations_unknown:
            lost.append(f"{self.relations_unknown} of identifiers without a mention")
        not_used = "; ".join(f"{n} x {note}" for note, n in sorted(self.notes.items()))
        return (
            f"documents: {self.documents} with mentions: {_by_name(self.types)}\n"
            f"sentences with a pair: {self.sentences}\n"
            f"pairs: {self.pairs}, of these {self.overlapping} overlapping, "
            f"{self.several} with several labels; {self.pairs_across} more share "
            "no sentence\n"
            f"rows: {self.labels.total()}: {_by_name(self.labels)}\n"
            f"relations: {self.relations} found; lost: {', '.join(lost)}"
            + (f"\nnot used: {not_used}" if not_used else "")
        )


def write_pairs(
    documents: Iterable[AnnotatedDocument],
    pairs: Sequence[PairType],
    negative_label: str,
    path: Path,
    placeholders: Placeholders = "type",
) -> Counts:
    """Writes a row `index sentence label` for each pair of mentions in a sentence.

    The file has BLUE's form, `blue` in `reading`: a header, tabs, CSV quoting, CRLF.
    Characters that end lines or columns become spaces. The file is written whole or not
    at all; memory does not grow with the number of documents.

    The candidates are those of `candidates.labelled`.

    Raises:
        InputError: The file cannot be written, or a document cannot be read.
    """
    counts = Counts()
    # A lone surrogate, which JSON can hold and UTF-8 cannot, becomes a question mark.
    with (
        files.replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace", newline="") as stream,
    ):
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(["index", "sentence", "label"])
        for document in documents:
            found = list(
                candidates.labelled(document, pairs, negative_label, placeholders)
            )
            _count(counts, document, found, pairs)
            for candidate in found:
                columns = (candidate.id, candidate.text, candidate.label or "")
                writer.writerow(_BREAKS.sub(" ", column) for column in columns)
    if unknown := candidates.unknown_types(pairs, counts.types):
        _LOG.warning("%s", unknown)
    return counts


def _count(
    counts: Counts,
    document: AnnotatedDocument,
    found: Sequence[Candidate],
    pairs: Sequence[PairType],
) -> None:
    """Adds a document and its candidates to `counts`."""
    rows_of = Counter((each.first, each.second) for each in found)
    overlapping = {(each.first, each.second) for each in found if each.is_overlapping}
    counts.documents += 1
    counts.types.update(mention.type for mention in document.mentions)
    counts.sentences += len({candidate.sentence for candidate in found})
    counts.pairs += len(rows_of)
    counts.overlapping += len(overlapping)
    counts.several += sum(number > 1 for number in rows_of.values())
    counts.pairs_across += candidates.num_pairs(document, pairs) - len(rows_of)
    counts.labels.update(candidate.label or "" for candidate in found)
    together = {
        frozenset(both)
        for first, second in rows_of
        for both in itertools.product(candidates.names(first), candidates.names(second))
    }
    if document.num_unread:
        counts.notes["relations that are not understood"] += document.num_unread
    counts.notes.update(document.others)
    for relation in document.relations:
        if frozenset((relation.first, relation.second)) in together:
            counts.relations += 1
        else:
            _count_lost(counts, document, relation, pairs)


def _count_lost(
    counts: Counts,
    document: AnnotatedDocument,
    relation: Relation,
    pairs: Sequence[PairType],
) -> None:
    """Adds a relation that no row has to `counts`, by its reason."""
    firsts, seconds = (
        [mention for mention in document.mentions if name in candidates.names(mention)]
        for name in (relation.first, relation.second)
    )
    couples = itertools.product(firsts, seconds)
    wanted = [couple for couple in couples if candidates.fits(*couple, pairs)]
    if not firsts or not seconds:
        counts.relations_unknown += 1
    elif not wanted:
        counts.relations_other += 1
    elif all(first.problem or second.problem for first, second in wanted):
        counts.relations_differing += 1
    else:
        counts.relations_across += 1


def _by_name(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {counter[name]}" for name in sorted(counter)) or "none"
