# SPDX-License-Identifier: Apache-2.0
"""Converts official releases of ChemProt and DrugProt to training files.

These are the sets of BioCreative VI, track 5, and BioCreative VII, track 1. Each part
of a release is a folder, such as `chemprot_training` or `training`, of tables without
header or quoting:

    *_abstracts.tsv      PMID, title, abstract (DrugProt spells it `abstracs`)
    *_entities.tsv       PMID, T1, CHEMICAL or GENE-Y or GENE-N, start, end, text
    *_relations.tsv      PMID, CPR:3, Y or N, ACTIVATOR, Arg1:T1, Arg2:T2; in DrugProt
                         PMID, ACTIVATOR, Arg1:T1, Arg2:T2
    *_gold_standard.tsv  PMID, CPR:3, Arg1:T1, Arg2:T2 (ChemProt only)

File names of ChemProt's test part end in `_gs.tsv`. Offsets count the characters of the
title, one separator, and the abstract. The gold standard has the groups that the track
evaluates: 3, 4, 5, 6 and 9. If it is missing, they are taken from the relations. In
DrugProt all 13 types are evaluated; the relations of its test part are not published.
"""

import re
import textwrap
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage, Relation
from biobert_tf.relations import writing
from biobert_tf.relations.settings import PairType, Placeholders

NEGATIVE: Final = "false"
PAIRS: Final = (PairType("CHEMICAL", "GENE"),)
ENTITY_TYPES: Final = ("CHEMICAL", "GENE", "GENE-N", "GENE-Y")
_ENTITY_COLUMNS: Final = "PMID<TAB>T1<TAB>CHEMICAL<TAB>start<TAB>end<TAB>text"
_ABSTRACTS: Final = re.compile("abstract?s")


class Release(NamedTuple):
    """How the parts of a release are called, and what their relations are.

    Attributes:
        splits: Word in the names of a part's files -> the split that is written.
        example: A file name, for messages.
        known: Pattern of the relations that a row may name.
        like: Such a relation, for messages.
        evaluated: The relations that are kept.
        columns: The columns of a row, for messages; `widths` are their numbers.
    """

    splits: Mapping[str, str]
    example: str
    known: re.Pattern[str]
    like: str
    evaluated: tuple[str, ...]
    columns: str
    widths: tuple[int, ...]


CHEMPROT: Final = Release(
    splits={"training": "train", "development": "dev", "test": "test"},
    example="chemprot_training_abstracts.tsv, chemprot_development_abstracts.tsv or "
    "chemprot_test_abstracts_gs.tsv",
    known=re.compile(r"CPR:\d+"),
    like="a group such as CPR:3",
    evaluated=("CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9"),
    columns="PMID<TAB>CPR:3<TAB>Arg1:T1<TAB>Arg2:T2 (gold standard) or "
    "PMID<TAB>CPR:3<TAB>Y<TAB>ACTIVATOR<TAB>Arg1:T1<TAB>Arg2:T2",
    widths=(4, 6),
)
_DRUGPROT_TYPES: Final = (
    *("INDIRECT-DOWNREGULATOR", "INDIRECT-UPREGULATOR", "DIRECT-REGULATOR"),
    *("ACTIVATOR", "INHIBITOR", "AGONIST", "AGONIST-ACTIVATOR", "AGONIST-INHIBITOR"),
    *("ANTAGONIST", "PRODUCT-OF", "SUBSTRATE", "SUBSTRATE_PRODUCT-OF", "PART-OF"),
)
DRUGPROT: Final = Release(
    splits={"training": "train", "development": "dev"},
    example="drugprot_training_abstracs.tsv or drugprot_development_abstracs.tsv",
    known=re.compile("|".join(_DRUGPROT_TYPES)),
    like="a type of DrugProt such as INHIBITOR",
    evaluated=_DRUGPROT_TYPES,
    columns="PMID<TAB>INHIBITOR<TAB>Arg1:T1<TAB>Arg2:T2",
    widths=(4,),
)


class Part(NamedTuple):
    """The files of one part of a release; `relations` may be its gold standard."""

    abstracts: Path
    entities: Path
    relations: Path


def convert(
    source: Path,
    target: Path,
    placeholders: Placeholders = "type",
    release: Release = CHEMPROT,
) -> dict[str, writing.Counts]:
    """Writes `train.tsv`, `dev.tsv` and `test.tsv` for the parts of a release.

    The files have BLUE's form (`writing.write_pairs`); with `placeholders="order"` also
    its placeholders. Returns their counts, by file name. `source` is the folder of one
    part, or any folder above the folders of parts.

    Raises:
        InputError: There is no part, or two of one split; a file is missing; or a row
            is malformed (the message names it).
    """
    return {
        f"{split}.tsv": writing.write_pairs(
            read(part, release), PAIRS, NEGATIVE, target / f"{split}.tsv", placeholders
        )
        for split, part in find_parts(source, release).items()
    }


def summary(counts: Mapping[str, writing.Counts]) -> str:
    """Returns the counts of files as text, without a final line break."""
    return "\n".join(
        f"{name}\n{textwrap.indent(each.summary(), '  ')}"
        for name, each in counts.items()
    )


def find_parts(source: Path, release: Release = CHEMPROT) -> dict[str, Part]:
    """Returns the parts of a release by split, in the order train, dev, test.

    A folder of samples is skipped. Abstracts without relations are skipped if the split
    has another file of abstracts: the test set was first published without relations.

    Raises:
        InputError: There is no part, or two of one split; or a part lacks relations.
    """
    if not source.is_dir():
        raise InputError.at(source, None, "no such folder")
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(source.rglob("*abstra*.tsv")):
        for word, split in release.splits.items():
            is_hidden = path.name.startswith(".")
            if word in path.name and _ABSTRACTS.search(path.name) and not is_hidden:
                found[split].append(path)
    if not found:
        raise InputError.at(
            source, None, f"no {release.example} in it; unpack the release there"
        )
    splits = release.splits.values()
    return {split: _part(found[split]) for split in splits if split in found}


def _part(candidates: Sequence[Path]) -> Part:
    """Returns the part of the only file of abstracts that has relations."""
    found = [
        (path, relations) for path in candidates if (relations := _relations(path))
    ]
    if not found:
        raise InputError.at(
            _sibling(candidates[0], "gold_standard"),
            None,
            "no such file, and no file of relations either",
        )
    (abstracts, relations), *others = found
    for path, _ in others:
        raise InputError.at(
            path, None, f"is the same split as {abstracts}; remove one of them"
        )
    return Part(abstracts, _sibling(abstracts, "entities"), relations)


def _relations(abstracts: Path) -> Path | None:
    gold = _sibling(abstracts, "gold_standard")
    paths = (
        gold.with_name(gold.name.replace("_gs.tsv", ".tsv")),
        gold,
        _sibling(abstracts, "relations"),
    )
    return next((path for path in paths if path.is_file()), None)


def _sibling(abstracts: Path, kind: str) -> Path:
    return abstracts.with_name(_ABSTRACTS.sub(kind, abstracts.name))


def read(part: Part, release: Release = CHEMPROT) -> Iterator[AnnotatedDocument]:
    """Yields the documents of a part, in the order of the abstracts.

    Title and abstract are a passage each; only relations that are evaluated are kept.

    Raises:
        InputError: A file is missing; a row has a wrong number of columns; an id
            repeats; an entity or relation names an unknown document or entity; or
            offsets do not give the entity's text. The message names the line.
    """
    texts = _read_abstracts(part.abstracts)
    mentions = _read_entities(part.entities, texts)
    relations = _read_relations(part.relations, mentions, release)
    for pmid, passages in texts.items():
        document = AnnotatedDocument(
            pmid,
            passages,
            tuple(mention for _, mention in mentions[pmid].values()),
            tuple(relations[pmid]),
        )
        for mention_id, problem in document.problems():
            line, _ = mentions[pmid][mention_id]
            raise InputError.at(part.entities, line, f"document {pmid}: {problem}")
        yield document


def _rows(
    path: Path, columns: str, *widths: int, known: Container[str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number and the columns of every row of a table.

    `columns` says what it should have, for messages; `widths` are the numbers of
    columns that are allowed, `known` the documents (None: all).
    """
    for number, line in enumerate(files.read_text(path).split("\n"), start=1):
        if not line:
            continue
        values = line.split("\t")
        if len(values) not in widths:
            raise InputError.at(path, number, f"{len(values)} columns; want {columns}")
        if known is not None and values[0] not in known:
            raise InputError.at(path, number, f"document {values[0]!r} has no abstract")
        yield number, values


def _read_abstracts(path: Path) -> dict[str, tuple[Passage, ...]]:
    texts: dict[str, tuple[Passage, ...]] = {}
    columns = "PMID<TAB>title<TAB>abstract"
    for line, (pmid, title, abstract) in _rows(path, columns, 3):
        if pmid in texts:
            raise InputError.at(path, line, f"a second abstract of document {pmid}")
        texts[pmid] = Passage(0, title), Passage(len(title) + 1, abstract)
    return texts


def _read_entities(
    path: Path, texts: Mapping[str, object]
) -> dict[str, dict[str, tuple[int, Mention]]]:
    """Returns line number and mention, by document id and mention id."""
    found: dict[str, dict[str, tuple[int, Mention]]] = {pmid: {} for pmid in texts}
    for line, values in _rows(path, _ENTITY_COLUMNS, 6, known=texts):
        pmid, mention_id, entity_type, start, end, text = values
        if mention_id in found[pmid]:
            problem = f"a second entity {mention_id} of document {pmid}"
            raise InputError.at(path, line, problem)
        if entity_type not in ENTITY_TYPES:
            problem = f"entity type {entity_type!r} is none of {' '.join(ENTITY_TYPES)}"
            raise InputError.at(path, line, problem)
        if not (start.isdecimal() and end.isdecimal()):
            raise InputError.at(path, line, f"{start!r}, {end!r} are not offsets")
        span = int(start), int(end)
        found[pmid][mention_id] = line, Mention(mention_id, entity_type, (span,), text)
    return found


def _read_relations(
    path: Path, mentions: Mapping[str, Mapping[str, object]], release: Release
) -> dict[str, list[Relation]]:
    """Returns the relations that are evaluated, by document id."""
    found: dict[str, list[Relation]] = {pmid: [] for pmid in mentions}
    for line, (pmid, group, *_, first, second) in _rows(
        path, release.columns, *release.widths, known=mentions
    ):
        if not release.known.fullmatch(group):
            raise InputError.at(path, line, f"{group!r} is not {release.like}")
        ids = first.removeprefix("Arg1:"), second.removeprefix("Arg2:")
        if unknown := [name for name in ids if name not in mentions[pmid]]:
            problem = f"document {pmid} has no entity {unknown[0]!r}"
            raise InputError.at(path, line, problem)
        if group in release.evaluated:
            found[pmid].append(Relation(group, *ids))
    return found
