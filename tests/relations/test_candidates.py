"""Candidate pairs: hand-written sentences, and any text at all put back together."""

import itertools
import random
import re

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import formats
from biobert_tf.documents.document import AnnotatedDocument, Mention, Passage, Relation
from biobert_tf.relations import candidates
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations.settings import EntityPairs, PairType

CHEMICAL_GENE = EntityPairs.parse("Chemical-Gene").pairs
CHARACTERS = (
    "aaabcgimnpstxAGEN   ....?!,;:()[]{}<>\"'/-_@@$$*+0129\n\t\r\x00\x0b\x85\xa0\u2028"
    "\u03b1Δß\u0301²\u2013\u201c…中\U0001f600"
)
LIKE_MARKS = (*(("<<", ">>", "[[", "]]", " << ", " >> ", " [[ ", " ]] ") * 3),)
LOOKALIKES = ("@GENE$", "@ GENE$", "@CHEM-GENE$", "@a$", "@GE", "NE$", "@Δ$")


def marked(text, *passages):
    """Returns a document of texts with mentions as `{id|type|mention}`."""
    offset, found, stretches = 0, [], []
    for piece in (text, *passages):
        plain = ""
        for part in re.split(r"(\{.*?\|.*?\|.*?\})", piece):
            if part.startswith("{") and part.count("|") == 2:
                mention_id, entity_type, part = part[1:-1].split("|")
                start = offset + len(plain)
                span = start, start + len(part)
                found.append(Mention(mention_id, entity_type, (span,), part))
            plain += part
        stretches.append(Passage(offset, plain))
        offset += len(plain) + 1
    return AnnotatedDocument("7", tuple(stretches), tuple(found), ())


def mention(document, mention_id, entity_type, *spans, concepts=()):
    parts = " ".join(document.slice(*span) for span in spans)
    return Mention(mention_id, entity_type, spans, parts, concepts)


def plain(text, *mentions, relations=()):
    """Returns a document of one passage; a mention is (id, type, *spans)."""
    document = AnnotatedDocument("7", (Passage(0, text),), (), tuple(relations))
    found = tuple(mention(document, *values) for values in mentions)
    return AnnotatedDocument("7", document.passages, found, tuple(relations))


def pairs_of(document, pairs="Chemical-Gene", **options):
    found = candidates.candidates(document, EntityPairs.parse(pairs).pairs, **options)
    return {candidate.id: candidate.text for candidate in found}


def test_every_pair_of_a_sentence():
    document = marked(
        "{a|Chemical|Aspirin} and {b|chemical|ibuprofen} inhibit {c|Gene|COX-1}, not "
        "{d|GENE|COX-2}; aspirin helps. {e|Gene|TP53} is none.",
        "A {f|Gene|gene} only.",
        "{g|Disease|Pain} and {h|Chemical|codeine}.",
    )
    assert pairs_of(document) == {
        "7.a.c": "@CHEMICAL$ and ibuprofen inhibit @GENE$, not COX-2; aspirin helps.",
        "7.a.d": "@CHEMICAL$ and ibuprofen inhibit COX-1, not @GENE$; aspirin helps.",
        "7.b.c": "Aspirin and @CHEMICAL$ inhibit @GENE$, not COX-2; aspirin helps.",
        "7.b.d": "Aspirin and @CHEMICAL$ inhibit COX-1, not @GENE$; aspirin helps.",
    }


def test_offsets_are_the_documents():
    document = marked("A title.", "Late {a|Chemical|zinc} in {b|Gene|GAL4}. The end.")
    (found,) = candidates.candidates(document, CHEMICAL_GENE)
    assert document.slice(*found.sentence) == "Late zinc in GAL4."
    assert (found.document, found.first.id, found.second.id) == ("7", "a", "b")
    assert found.label is None and not found.is_overlapping


def test_either_order_in_the_sentence():
    document = marked("{g|GENE-Y|COX-1} binds {c|CHEMICAL|aspirin}.")
    assert pairs_of(document) == {"7.c.g": "@GENE$ binds @CHEMICAL$."}
    assert pairs_of(document, "gene-chemical") == {"7.g.c": "@GENE$ binds @CHEMICAL$."}
    # BLUE's ChemProt numbers the two by their place; the id still says which is which.
    in_order = pairs_of(document, placeholders="order")
    assert in_order == {"7.c.g": "@CHEMICAL$ binds @GENE$."}


def test_mentions_of_one_type():
    document = marked("{a|Drug|A1} with {b|Drug|B1} and {c|Drug|C1}")
    assert pairs_of(document, "Drug-Drug") == {
        "7.a.b": "@DRUG$ with @DRUG$ and C1",
        "7.a.c": "@DRUG$ with B1 and @DRUG$",
        "7.b.c": "A1 with @DRUG$ and @DRUG$",
    }


@pytest.mark.parametrize(
    "wanted, found, is_match",
    [
        ("Gene", "gene", True),
        ("gene", "GENE-Y", True),
        ("Gene", "GeneFamily", False),
        ("GENE-Y", "GENE", False),
        ("GENE-Y", "GENE-N", False),
        ("GENE-Y", "gene-y", True),
    ],
)
def test_types_match_by_what_stands_before_the_dash(wanted, found, is_match):
    document = marked("{a|Chemical|zinc} {b|" + found + "|GAL4}")
    assert len(pairs_of(document, f"Chemical:{wanted}")) == is_match


@pytest.mark.parametrize(
    "pairs, types, expected",
    [
        ("CHEMICAL:GENE-Y", "CHEMICAL GENE-Y", "@CHEMICAL$ @GENE$"),
        ("Cell_Line:Gene/Rna", "cell_line gene/RNA", "@CELL_LINE$ @GENE_RNA$"),
        ("Cell-Line:Gene", "Cell-Line Gene-X", "@CELL-LINE$ @GENE$"),
    ],
)  # fmt: skip
def test_names_of_placeholders(pairs, types, expected):
    first, second = types.split()
    document = plain("x y", ("a", first, (0, 1)), ("b", second, (2, 3)))
    assert list(pairs_of(document, pairs).values()) == [expected]
    assert len(relation_reading.entity_spans(expected, "blue")) == 2


@pytest.mark.parametrize(
    "pairs, first, second, expected",
    [
        ("Chemical-Gene", (4, 12), (4, 20), "The @CHEM-GENE$ binds."),  # nested
        ("Chemical-Gene", (4, 20), (4, 20), "The @CHEM-GENE$ binds."),  # the same
        ("Gene-Chemical", (4, 12), (10, 20), "The @CHEM-GENE$ binds."),  # crossing
        ("Chemical-Disease", (4, 12), (11, 20), "The @CHEMICAL-DISEASE$ binds."),
        ("Drug-Drug", (4, 12), (4, 20), "The @DRUG-DRUG$ binds."),
        ("Chemical-Gene", (4, 12), (12, 20), "The @CHEMICAL$@GENE$ binds."),  # touch
    ],
)
def test_overlapping_mentions(pairs, first, second, expected):
    types = pairs.split("-")
    document = plain(
        "The estrogenreceptor binds.", ("a", types[0], first), ("b", types[1], second)
    )
    (found,) = candidates.candidates(document, EntityPairs.parse(pairs).pairs)
    assert found.text == expected
    assert found.is_overlapping == ("@CHEMICAL$@GENE$" not in expected)


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ((4, 12), (12, 20), "The @CHEM-GENE$ binds."),
        ((12, 20), (4, 12), "The @CHEM-GENE$ binds."),
        ((4, 12), (11, 20), "The @CHEM-GENE$ binds."),
        ((4, 12), (13, 20), "The @CHEMICAL$r@GENE$ binds."),
    ],
)
def test_blue_joins_mentions_that_touch(first, second, expected):
    document = plain(
        "The estrogenreceptor binds.", ("a", "Chemical", first), ("b", "Gene", second)
    )
    assert pairs_of(document, placeholders="order") == {"7.a.b": expected}


def test_a_mention_is_not_paired_with_its_double():
    document = plain("IL2 is.", ("a", "Gene", (0, 3)), ("b", "gene", (0, 3)))
    assert pairs_of(document, "Gene-Gene") == {}
    assert candidates.num_pairs(document, EntityPairs.parse("Gene-Gene").pairs) == 0
    other = plain("IL2 is.", ("a", "Gene", (0, 3)), ("b", "Drug", (0, 3)))
    assert pairs_of(other, "Gene-Drug") == {"7.a.b": "@GENE-DRUG$ is."}


def test_a_pair_asked_for_twice_comes_once():
    document = marked("{a|Chemical|zinc} {b|Gene|GAL4}")
    twice = pairs_of(document, "Chemical-Gene,Gene-Chemical, chemical-gene")
    assert twice == {"7.a.b": "@CHEMICAL$ @GENE$"}
    wanted = EntityPairs.parse("Chemical-Gene,Gene-Chemical").pairs
    assert candidates.num_pairs(document, wanted) == 1
    assert len(list(candidates.candidates(document, wanted))) == 1


def test_discontinuous_mentions():
    text = "Breast and ovarian cancer need BRCA1."
    document = plain(
        text,
        ("a", "Disease", (0, 6), (19, 25)),
        ("b", "Disease", (11, 25)),
        ("c", "Gene", (31, 36)),
    )
    assert pairs_of(document, "Gene-Disease,Disease-Disease") == {
        "7.a.b": "@DISEASE$ and @DISEASE$ need BRCA1.",
        "7.c.a": "@DISEASE$ and ovarian cancer need @GENE$.",
        "7.c.b": "Breast and @DISEASE$ need @GENE$.",
    }


def test_fragments_in_any_order_and_across_a_line():
    text = "Acetyl\n salicylic acid binds COX."
    document = plain(text, ("a", "Chemical", (8, 22), (0, 6)), ("b", "Gene", (29, 32)))
    assert pairs_of(document) == {"7.a.b": "@CHEMICAL$ binds @GENE$."}


def test_a_mention_joins_the_sentences_that_it_crosses():
    text = "It is by J. Smith. Jones found zinc. GAL4 did not."
    cut = plain(text, ("a", "Gene", (37, 41)), ("b", "Chemical", (31, 35)))
    assert pairs_of(cut) == {}
    joined = plain(text, ("a", "Gene", (37, 41)), ("b", "Chemical", (31, 39)))
    assert pairs_of(joined) == {"7.b.a": "Jones found @CHEM-GENE$ did not."}
    # A mention of no interest may be a whole paragraph.
    other = plain(
        text,
        ("a", "Gene", (37, 41)),
        ("b", "Chemical", (31, 35)),
        ("c", "Section", (0, 50)),
    )
    assert pairs_of(other) == {}


def test_a_mention_across_passages_is_in_no_sentence():
    document = marked("One {a|Chemical|zinc} {b|Gene|GAL4} here", "and there")
    crossing = mention(document, "c", "Gene", (14, 21))
    document = AnnotatedDocument(
        "7", document.passages, (*document.mentions, crossing), ()
    )
    assert list(pairs_of(document)) == ["7.a.b"]


def test_what_looks_like_a_placeholder_is_none():
    document = marked(
        "@GENE$ @CHEM-GENE$ {a|Chemical|@GENE$} costs @5$ or {b|Gene|GAL4}$ a@b$"
    )
    (text,) = pairs_of(document).values()
    assert text == "@ GENE$ @ CHEM-GENE$ @CHEMICAL$ costs @5$ or @GENE$$ a@ b$"
    found = relation_reading.entity_spans(text, "blue")
    assert [text[s.start : s.end] for s in found] == ["@CHEMICAL$", "@GENE$"]


@pytest.mark.parametrize("text", ["Chemical", "A-B-C", "", "A-", "A-B,,C-D", "A:B:C"])
def test_no_pair(text):
    with pytest.raises(InputError, match="not a pair of entity types; want Chemical"):
        EntityPairs.parse(text)


def test_parse_pairs():
    assert EntityPairs.parse("A-B, C:D-E,A-B").pairs == (
        PairType("A", "B"),
        PairType("C", "D-E"),
    )
    with pytest.raises(InputError, match="'5HT' must begin with a letter"):
        EntityPairs.parse("5HT-Gene")


def labels_of(document, pairs="Chemical-Gene"):
    wanted = EntityPairs.parse(pairs).pairs
    return [(c.id, c.label) for c in candidates.labelled(document, wanted, "none")]


def test_labels_by_mention_in_either_direction():
    document = marked("{a|Chemical|A1} {b|Chemical|B1} {c|Gene|C1} {d|Gene|D1}")
    relations = (Relation("up", "a", "c"), Relation("down", "d", "b"))
    document = AnnotatedDocument("7", document.passages, document.mentions, relations)
    assert labels_of(document) == [
        ("7.a.c", "up"),
        ("7.a.d", "none"),
        ("7.b.c", "none"),
        ("7.b.d", "down"),
    ]


def test_labels_by_concept():
    document = marked("{a|Chemical|zinc}, {b|Chemical|Zn}, {c|Gene|GAL4}")
    concepts = (("MESH:1",), ("MESH:2", "MESH:1"), ("9",))
    found = tuple(
        Mention(m.id, m.type, m.spans, m.text, names)
        for m, names in zip(document.mentions, concepts, strict=True)
    )
    document = AnnotatedDocument(
        "7", document.passages, found, (Relation("CID", "MESH:1", "9"),)
    )
    assert labels_of(document) == [("7.a.c", "CID"), ("7.b.c", "CID")]


def test_several_relations_are_several_rows_in_their_order():
    relations = [Relation(t, "a", "b") for t in ("CPR:6", "CPR:5", "CPR:6")]
    document = plain(
        "zinc GAL4", ("a", "Chemical", (0, 4)), ("b", "Gene", (5, 9)),
        relations=relations,
    )  # fmt: skip
    assert labels_of(document) == [("7.a.b", "CPR:6"), ("7.a.b", "CPR:5")]


# --- marks ----------------------------------------------------------------------------


def entities_of(text):
    """What stands in the marks, by role."""
    spans = relation_reading.entity_spans(text, "scibert")
    return [(span.role, text[span.inner_start : span.inner_end]) for span in spans]


def test_marks_are_the_pairs_types_whatever_comes_first():
    document = marked("{g|GENE-Y|COX-1} binds {c|CHEMICAL|aspirin}, COX-1, @GENE$.")
    text = "[[ COX-1 ]] binds << aspirin >>, COX-1, @GENE$."
    assert pairs_of(document, placeholders="marks") == {"7.c.g": text}
    assert entities_of(text) == [(1, "COX-1"), (0, "aspirin")]
    text = "<< COX-1 >> binds [[ aspirin ]], COX-1, @GENE$."
    found = pairs_of(document, "Gene-Chemical", placeholders="marks")
    assert found == {"7.g.c": text}


def test_marks_of_mentions_of_one_type_are_by_order():
    document = marked("{a|Drug|A1} with {b|Drug|B1}")
    found = pairs_of(document, "Drug-Drug", placeholders="marks")
    assert found == {"7.a.b": "<< A1 >> with [[ B1 ]]"}


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ((4, 12), (4, 20), "The << estrogenreceptor >> binds."),
        ((4, 12), (10, 20), "The << estrogenreceptor >> binds."),
        ((10, 20), (4, 20), "The << estrogenreceptor >> binds."),
        ((4, 12), (12, 20), "The << estrogen >>[[ receptor ]] binds."),
        ((12, 20), (4, 12), "The [[ estrogen ]]<< receptor >> binds."),
    ],
)
def test_marks_of_overlapping_mentions_are_around_both(first, second, expected):
    text = "The estrogenreceptor binds."
    document = plain(text, ("a", "Chemical", first), ("b", "Gene", second))
    (found,) = candidates.candidates(document, CHEMICAL_GENE, "marks")
    assert found.text == expected
    assert found.is_overlapping == ("[[" not in expected)


def test_marks_stand_around_the_first_fragment():
    document = plain(
        "Acetyl\n acid and lactic acid bind COX.",
        ("a", "Chemical", (7, 12), (0, 6)),
        ("b", "Gene", (34, 37)),
        ("c", "Chemical", (0, 6), (24, 28)),
    )
    assert pairs_of(document, placeholders="marks") == {
        "7.a.b": "<< Acetyl\n acid >> and lactic acid bind [[ COX ]].",
        "7.c.b": "<< Acetyl >>\n acid and lactic acid bind [[ COX ]].",
    }


def test_brackets_of_the_text_are_no_marks():
    document = marked(
        "In [[ x ]] << y >> <<<{a|Chemical|2-[[4-methyl]amino]]phenol}>> and "
        "{b|Gene|a >> b}]] or [{c|Gene|[}"
    )
    found = pairs_of(document, placeholders="marks")
    chemical = "In [ [ x ] ] < < y > > < < <<< 2-[ [4-methyl]amino] ]phenol >>> > and "
    assert found == {
        "7.a.b": f"{chemical}[[ a > > b ]]] ] or [ [",
        "7.a.c": f"{chemical}a > > b] ] or [[[ [ ]]",
    }
    phenol = (0, "2-[ [4-methyl]amino] ]phenol")
    assert entities_of(found["7.a.b"]) == [phenol, (1, "a > > b")]
    assert entities_of(found["7.a.c"]) == [phenol, (1, "[")]


def test_labels_go_with_marks():
    document = marked("{a|Chemical|A1} {c|Gene|C1}")
    document = AnnotatedDocument(
        "7", document.passages, document.mentions, (Relation("up", "a", "c"),)
    )
    found = candidates.labelled(document, CHEMICAL_GENE, "none", "marks")
    assert [(c.text, c.label) for c in found] == [("<< A1 >> [[ C1 ]]", "up")]


def compact(text):
    """What BERT reads: white space and the gaps in brackets say nothing."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("seed", range(4))
def test_marks_in_any_text_are_found_again(seed):
    rng = random.Random(seed)
    num_found = 0
    for _ in range(150):
        document = random_document(rng, LIKE_MARKS)
        for candidate in candidates.candidates(document, CHEMICAL_GENE, "marks"):
            num_found += 1
            found = entities_of(candidate.text)
            mentions = [(0, candidate.first), (1, candidate.second)]
            places = [(m.spans[0], role) for role, m in mentions]
            if candidate.is_overlapping:
                start = min(start for (start, _), _ in places)
                places = [((start, max(end for (_, end), _ in places)), 0)]
            wanted = [(role, document.slice(*span)) for span, role in sorted(places)]
            assert [(role, compact(text)) for role, text in found] == [
                (role, compact(text)) for role, text in wanted
            ]
            bare = candidate.text
            spans = relation_reading.entity_spans(bare, "scibert")
            for span in reversed(spans):
                inner = bare[span.inner_start : span.inner_end]
                bare = bare[: span.start] + inner + bare[span.end :]
            sentence = document.slice(*candidate.sentence)
            assert compact(bare) == compact(sentence)
    assert num_found > 100


# --- any text -------------------------------------------------------------------------


def random_document(rng, more=LOOKALIKES):
    pieces = [*CHARACTERS, *more]
    passages, offset = [], rng.randrange(3)
    for _ in range(rng.randrange(1, 4)):
        text = "".join(rng.choices(pieces, k=rng.randrange(60)))
        passages.append(Passage(offset, text))
        offset += len(text) + rng.randrange(1, 3)
    document = AnnotatedDocument("7", tuple(passages), (), ())
    found = []
    for i in range(rng.randrange(8)):
        passage = rng.choice(passages)
        if passage.text:
            start = rng.randrange(passage.offset, passage.end)
            end = min(start + rng.randrange(1, 9), passage.end)
            entity_type = rng.choice(["Chemical", "Gene", "GENE-Y", "Other"])
            found.append(mention(document, f"T{i}", entity_type, (start, end)))
    return AnnotatedDocument("7", tuple(passages), tuple(found), ())


def restored(document, candidate):
    """Returns the text of a candidate with the mentions back in their places."""
    spans = relation_reading.entity_spans(candidate.text, "blue")
    places = sorted((candidate.first.spans[0], candidate.second.spans[0]))
    if len(spans) == 1:
        places = [(places[0][0], max(end for _, end in places))]
    text = candidate.text
    for span, place in reversed(list(zip(spans, places, strict=True))):
        text = text[: span.start] + document.slice(*place) + text[span.end :]
    return text


def without_gaps(text):
    """Takes back the space behind the @ of what looks like a placeholder."""
    return re.sub(r"@ (?=[A-Za-z][\w-]*\$)", "@", text)


@pytest.mark.parametrize("seed", range(8))
def test_any_text_can_be_put_back(seed):
    rng = random.Random(seed)
    num_found = 0
    for _ in range(150):
        document = random_document(rng)
        document.check()
        found = list(candidates.candidates(document, CHEMICAL_GENE))
        num_found += len(found)
        for candidate in found:
            sentence = document.slice(*candidate.sentence)
            assert without_gaps(restored(document, candidate)) == without_gaps(sentence)
        keys = [frozenset((c.first.id, c.second.id)) for c in found]
        assert len(set(keys)) == len(keys)
        every = [
            (a, b)
            for a, b in itertools.combinations(document.mentions, 2)
            if sorted((a.type[:4].upper(), b.type[:4].upper())) == ["CHEM", "GENE"]
        ]
        assert candidates.num_pairs(document, CHEMICAL_GENE) == len(every)
        assert set(keys) <= {frozenset((a.id, b.id)) for a, b in every}
        # What is lost is lost to a boundary of sentences.
        sentences = {c.sentence for c in found}
        for a, b in every:
            together = any(
                start <= m.spans[0][0] < m.spans[0][1] <= end
                for start, end in sentences
                for m in (a,)
                if start <= b.spans[0][0] < b.spans[0][1] <= end
            )
            assert together == (frozenset((a.id, b.id)) in keys)
    assert num_found > 100


@pytest.mark.data
def test_pairs_of_one_type_in_a_real_kind_of_file(cases):
    path = cases / "re" / "ddi.jsonl"
    kind = formats.with_relations(path, "auto")
    [loaded] = formats.read(path, kind)
    assert pairs_of(loaded.document, "Chemical-Chemical") == {
        "1.T1.T2": "@CHEMICAL$ increased the effect of @CHEMICAL$ and caffeine.",
        "1.T1.T3": "@CHEMICAL$ increased the effect of lithium and @CHEMICAL$.",
        "1.T2.T3": "Aspirin increased the effect of @CHEMICAL$ and @CHEMICAL$.",
    }
