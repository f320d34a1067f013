"""Training files of annotated documents: rows, counts, and text that breaks files."""

import dataclasses
import random

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage, Relation
from biobert_tf.relations import candidates
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations import writing as tsv
from biobert_tf.relations.settings import EntityPairs

CHEMICAL_GENE = EntityPairs.parse("Chemical-Gene").pairs
TEXT = 'Zinc "binds"\nGAL4. It needs Zn.'


def document(doc_id, text, *mentions, relations=()):
    """Returns a document of one passage; a mention is (id, type, text, concepts)."""
    found = []
    for mention_id, entity_type, name, *concepts in mentions:
        span = text.index(name), text.index(name) + len(name)
        found.append(Mention(mention_id, entity_type, (span,), name, tuple(concepts)))
    return AnnotatedDocument(
        doc_id, (Passage(0, text),), tuple(found), tuple(relations)
    )


ZINC = document(
    "1",
    TEXT,
    ("T1", "Chemical", "Zinc", "MESH:1"),
    ("T2", "GENE-Y", "GAL4", "9"),
    ("T3", "Chemical", "Zn", "MESH:1"),
    relations=[Relation("CPR:3", "T1", "T2"), Relation("CPR:9", "T3", "T2")],
)


def test_a_file_byte_for_byte(tmp_path):
    tsv.write_pairs([ZINC], CHEMICAL_GENE, "false", tmp_path / "new" / "train.tsv")
    assert (tmp_path / "new" / "train.tsv").read_bytes() == (
        b'index\tsentence\tlabel\r\n1.T1.T2\t"@CHEMICAL$ ""binds"" @GENE$."\tCPR:3\r\n'
    )


def test_placeholders_in_order(tmp_path):
    path = tmp_path / "train.tsv"
    swapped = document(
        "1", "GAL4 is zinc.", ("T1", "Chemical", "zinc"), ("T2", "Gene", "GAL4")
    )
    tsv.write_pairs([swapped], CHEMICAL_GENE, "false", path, placeholders="order")
    (row,) = relation_reading.read_rows(path, "blue")
    assert (row.id, row.text) == ("1.T1.T2", "@CHEMICAL$ is @GENE$.")


def test_counts(tmp_path):
    other = document(
        "2",
        "Estrogen receptor binds iron in E2F1, not in mice. GAL4 is a gene.",
        ("T1", "Chemical", "Estrogen"),
        ("T2", "Gene", "Estrogen receptor"),
        ("T3", "Chemical", "iron"),
        ("T4", "Gene", "E2F1"),
        ("T5", "Species", "mice"),
        ("T6", "Gene", "GAL4"),
        relations=[
            Relation("CPR:3", "T3", "T4"),
            Relation("CPR:4", "T4", "T3"),
            Relation("CPR:9", "T3", "T6"),  # in two sentences
            Relation("CPR:9", "T2", "T4"),  # of two genes
            Relation("CPR:9", "T3", "T7"),  # of nothing
        ],
    )
    counts = tsv.write_pairs(
        [ZINC, other], CHEMICAL_GENE, "false", tmp_path / "train.tsv"
    )
    assert vars(counts) == {
        "documents": 2,
        "types": {"Chemical": 4, "GENE-Y": 1, "Gene": 3, "Species": 1},
        "sentences": 2,
        "pairs": 5,
        "overlapping": 1,
        "several": 1,
        "pairs_across": 3,
        "labels": {"CPR:3": 2, "CPR:4": 1, "false": 3},
        "relations": 3,
        "relations_across": 2,
        "relations_other": 1,
        "relations_differing": 0,
        "relations_unknown": 1,
        "notes": {},
    }
    assert counts.summary() == (
        "documents: 2 with mentions: Chemical 4, GENE-Y 1, Gene 3, Species 1\n"
        "sentences with a pair: 2\n"
        "pairs: 5, of these 1 overlapping, 1 with several labels; "
        "3 more share no sentence\n"
        "rows: 6: CPR:3 2, CPR:4 1, false 3\n"
        "relations: 3 found; lost: 2 across sentences, 1 of other types, "
        "1 of identifiers without a mention"
    )
    rows = relation_reading.read_rows(tmp_path / "train.tsv", "blue")
    assert [row.label for row in rows if row.id == "2.T3.T4"] == ["CPR:3", "CPR:4"]


def test_relations_of_concepts_are_found_where_one_sentence_holds_them(tmp_path):
    relations = (Relation("CID", "9", "MESH:1"),)
    by_concept = dataclasses.replace(ZINC, relations=relations)
    counts = tsv.write_pairs([by_concept], CHEMICAL_GENE, "0", tmp_path / "train.tsv")
    assert (counts.labels, counts.relations) == ({"CID": 1}, 1)
    assert counts.relations_across == counts.relations_other == 0


def test_relations_are_lost_for_their_own_reason(tmp_path):
    differing = dataclasses.replace(ZINC.mentions[1], problem="differs")
    others = document("1", TEXT, ("T4", "Species", "binds"), ("T5", "Gene", "GAL4"))
    relations = (
        Relation("CID", "9", "MESH:1"),  # its gene differs from its text
        Relation("CID", "T3", "T2"),
        Relation("CID", "MESH:1", "10"),
        Relation("CID", "T4", "T2"),
    )
    mentions = (ZINC.mentions[0], differing, ZINC.mentions[2], others.mentions[0])
    lost = dataclasses.replace(ZINC, mentions=mentions, relations=relations)
    counts = tsv.write_pairs([lost], CHEMICAL_GENE, "0", tmp_path / "train.tsv")
    assert counts.summary().splitlines()[-1] == (
        "relations: 0 found; lost: 0 across sentences, 1 of other types, "
        "2 of mentions that differ from their text, 1 of identifiers without a mention"
    )
    # A second mention of the gene, which has its text, brings the relation back.
    second = dataclasses.replace(others.mentions[1], concepts=("9",))
    lost = dataclasses.replace(lost, mentions=(*mentions, second))
    counts = tsv.write_pairs([lost], CHEMICAL_GENE, "0", tmp_path / "train.tsv")
    assert (counts.relations, counts.relations_differing) == (1, 1)


def test_a_type_that_no_document_has_is_said(tmp_path, caplog):
    pairs = EntityPairs.parse("Chemical-Gene,Chem-Gene").pairs
    tsv.write_pairs([ZINC], pairs, "0", tmp_path / "train.tsv")
    [message] = caplog.messages
    assert message.startswith("--pair: no document has an entity of the type Chem; the")


def test_no_document_leaves_a_header(tmp_path):
    path = tmp_path / "train.tsv"
    counts = tsv.write_pairs([], CHEMICAL_GENE, "0", path)
    assert path.read_bytes() == b"index\tsentence\tlabel\r\n"
    assert "rows: 0: none" in counts.summary()


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    def documents():
        yield ZINC
        raise InputError("the second document is broken")

    path = tmp_path / "train.tsv"
    path.write_text("what was there")
    with pytest.raises(InputError, match="second document"):
        tsv.write_pairs(documents(), CHEMICAL_GENE, "0", path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("seed", range(4))
def test_any_text_is_read_back(tmp_path, seed):
    rng = random.Random(seed)
    characters = "ab \"\"''\t\n\r\x00\x0b\x0c\x1c\x85\u2028\u2029\xa0\ufeffβ\U0001f600"
    written, found = [], []
    for i in range(60):
        text = "".join(
            [*rng.choices(characters, k=9), "zinc", *rng.choices(characters, k=9)]
        )
        written.append(
            document(
                f"{i}",
                text + 'GAL4"',
                ("a\t", "Chemical", "zinc"),
                ("b", "Gene", "GAL4"),
            )
        )
        found += candidates.candidates(written[-1], CHEMICAL_GENE)
    path = tmp_path / "train.tsv"
    tsv.write_pairs(written, CHEMICAL_GENE, "no\nne", path)
    rows = relation_reading.read_examples(path, "auto", None, needs_labels=True)
    assert len(rows) == len(found) == 60
    for row, candidate in zip(rows, found, strict=True):
        kept = [c for c in candidate.text if not (c.isspace() or c in "\x1c\x85")]
        assert [c for c in row.text if not c.isspace()] == kept
        assert len(row.text) == len(candidate.text)
        assert row.text.splitlines() == [row.text] and "\t" not in row.text
        assert len(row.entities) == 2
        assert row.label == "no ne"


def test_a_lone_surrogate_cannot_stop_a_file(tmp_path):
    broken = document(
        "1", "\ud800 zinc GAL4", ("a", "Chemical", "zinc"), ("b", "Gene", "GAL4")
    )
    tsv.write_pairs([broken], CHEMICAL_GENE, "0", tmp_path / "train.tsv")
    (row,) = relation_reading.read_rows(tmp_path / "train.tsv", "blue")
    assert row.text == "? @CHEMICAL$ @GENE$"
