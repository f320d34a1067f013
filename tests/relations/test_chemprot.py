"""Official ChemProt and DrugProt, in miniature: what is read, written and refused."""

import shutil

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.relations import chemprot
from biobert_tf.relations import reading as relation_reading

TITLE = "β-Carotene and COX-2."
ABSTRACT = (
    'Aspirin inhibits COX-2 and COX-1 \U0001f600. "Zinc" binds GAL4. Late aspirin.'
)
ENTITIES = [
    ("T1", "CHEMICAL", "β-Carotene", 0),
    ("T2", "CHEMICAL", "Aspirin", 0),
    ("T3", "CHEMICAL", "Zinc", 0),
    ("T4", "GENE-Y", "COX-2", 0),
    ("T5", "GENE-Y", "COX-2", 1),
    ("T6", "GENE-N", "COX-1", 0),
    ("T7", "GENE", "GAL4", 0),
    ("T8", "CHEMICAL", "aspirin", 0),
]
GOLD = [("CPR:4", "T2", "T5"), ("CPR:9", "T3", "T7"), ("CPR:4", "T8", "T6")]
OTHERS = [("CPR:10", "T2", "T6"), ("CPR:2", "T1", "T4")]
PUBLISHED = [
    ("7.T1.T4", "@CHEMICAL$ and @GENE$.", "false"),
    ("7.T2.T5", "@CHEMICAL$ inhibits @GENE$ and COX-1 \U0001f600.", "CPR:4"),
    ("7.T2.T6", "@CHEMICAL$ inhibits COX-2 and @GENE$ \U0001f600.", "false"),
    ("7.T3.T7", '"@CHEMICAL$" binds @GENE$.', "CPR:9"),
]


def place(name, number):
    text = f"{TITLE} {ABSTRACT}"
    start = -1
    for _ in range(number + 1):
        start = text.index(name, start + 1)
    return start, start + len(name)


def table(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), "utf-8")


def release(folder, word="training", ending="", *, gold=True, relations=True):
    """Writes a part of a release as it is published; returns its folder."""
    folder.mkdir(parents=True)
    table(folder / f"chemprot_{word}_abstracts{ending}.tsv", [("7", TITLE, ABSTRACT)])
    table(
        folder / f"chemprot_{word}_entities{ending}.tsv",
        [("7", i, t, *place(name, n), name) for i, t, name, n in ENTITIES],
    )
    if gold:
        table(
            folder / f"chemprot_{word}_gold_standard.tsv",
            [("7", group, f"Arg1:{a}", f"Arg2:{b}") for group, a, b in GOLD],
        )
    if relations:
        table(
            folder / f"chemprot_{word}_relations{ending}.tsv",
            [
                ("7", group, flag, "NAME", f"Arg1:{a}", f"Arg2:{b}")
                for flag, known in (("Y ", GOLD), ("N ", OTHERS))
                for group, a, b in known
            ],
        )
    return folder


def rows_of(path):
    return [(r.id, r.text, r.label) for r in relation_reading.read_rows(path, "blue")]


@pytest.mark.parametrize("only", ["gold", "relations", "both"])
def test_a_part(tmp_path, only):
    source = release(
        tmp_path / "part", gold=only != "relations", relations=only != "gold"
    )
    counts = chemprot.convert(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.tsv"]
    assert rows_of(tmp_path / "out" / "train.tsv") == PUBLISHED
    assert chemprot.summary(counts) == (
        "train.tsv\n"
        "  documents: 1 with mentions: CHEMICAL 4, GENE 1, GENE-N 1, GENE-Y 2\n"
        "  sentences with a pair: 3\n"
        "  pairs: 4, of these 0 overlapping, 0 with several labels; "
        "12 more share no sentence\n"
        "  rows: 4: CPR:4 1, CPR:9 1, false 2\n"
        "  relations: 2 found; lost: 1 across sentences, 0 of other types"
    )


def test_a_whole_release(tmp_path):
    root = tmp_path / "ChemProt_Corpus"
    release(root / "chemprot_training")
    release(root / "chemprot_development" / "chemprot_development", "development")
    release(root / "chemprot_test_gs", "test", "_gs", relations=False)
    release(root / "chemprot_sample", "sample")
    # The test set as it was given to participants, and what a Mac leaves behind.
    release(root / "chemprot_test", "test", gold=False, relations=False)
    (root / "__MACOSX").mkdir()
    for path in (root / "chemprot_training").iterdir():
        (root / "__MACOSX" / f"._{path.name}").write_bytes(b"\x00\xff")
    counts = chemprot.convert(root, tmp_path / "out")
    assert list(counts) == ["train.tsv", "dev.tsv", "test.tsv"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "dev.tsv",
        "test.tsv",
        "train.tsv",
    ]
    for name in counts:
        assert rows_of(tmp_path / "out" / name) == PUBLISHED
    assert chemprot.summary(counts).count("rows: 4") == 3


def test_documents(tmp_path):
    part = chemprot.find_parts(release(tmp_path / "part"))["train"]
    (document,) = chemprot.read(part)
    assert [(p.offset, p.text) for p in document.passages] == [
        (0, TITLE),
        (len(TITLE) + 1, ABSTRACT),
    ]
    assert [m.id for m in document.mentions] == [f"T{i}" for i in range(1, 9)]
    assert [(r.type, r.first, r.second) for r in document.relations] == GOLD


def test_windows_line_ends_and_blank_lines(tmp_path):
    source = release(tmp_path / "part")
    for path in source.iterdir():
        data = path.read_bytes().replace(b"\n", b"\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + data + b"\r\n")
    chemprot.convert(source, tmp_path / "out")
    assert rows_of(tmp_path / "out" / "train.tsv") == PUBLISHED


def test_placeholders_in_order(tmp_path):
    source = release(tmp_path / "part")
    names = {"T3": ("GAL4", 0, "CHEMICAL"), "T7": ("Zinc", 0, "GENE-Y")}
    rows = [
        ("7", i, *((names[i][2], *place(*names[i][:2]), names[i][0]) if i in names
                   else (t, *place(name, n), name)))
        for i, t, name, n in ENTITIES
    ]  # fmt: skip
    table(source / "chemprot_training_entities.tsv", rows)
    for placeholders, text in (
        ("type", '"@GENE$" binds @CHEMICAL$.'),
        ("order", '"@CHEMICAL$" binds @GENE$.'),
    ):
        chemprot.convert(source, tmp_path / "out", placeholders)
        row = rows_of(tmp_path / "out" / "train.tsv")[-1]
        assert row == ("7.T3.T7", text, "CPR:9")


@pytest.mark.parametrize(
    "kind, row, message",
    [
        ("abstracts", "8\tTitle", "abstracts.tsv:2: 2 columns; want PMID<TAB>title"),
        ("abstracts", "7\tA\tB", "abstracts.tsv:2: a second abstract of document 7"),
        ("entities", "7\tT9\tGENE-Y\t1\t2", "entities.tsv:9: 5 columns; want PMID"),
        ("entities", "8\tT9\tGENE-Y\t0\t1\tX", "entities.tsv:9: document '8' has"),
        ("entities", "7\tT8\tGENE-Y\t0\t1\tβ", "entities.tsv:9: a second entity T8 of"),
        ("entities", "7\tT9\tGENE-X\t0\t1\tβ", "entities.tsv:9: entity type 'GENE-X'"),
        ("entities", "7\tT9\tGENE-Y\t-1\t1\tβ", "entities.tsv:9: '-1', '1' are not o"),
        ("entities", "7\tT9\tGENE-Y\t0\t1\tX", "entities.tsv:9: document 7: men"),
        ("entities", "7\tT9\tGENE-Y\t0\t999\tX", r"entities.tsv:9: .* is not inside"),
        ("gold_standard", "7\tCPR:3\tArg1:T1", "standard.tsv:4: 3 columns; want PMID"),
        ("gold_standard", "9\tCPR:3\tArg1:T1\tArg2:T4", "4: document '9' has no"),
        ("gold_standard", "7\tNOT\tArg1:T1\tArg2:T4", "4: 'NOT' is not a group"),
        ("gold_standard", "7\tCPR:3\tArg1:T1\tArg2:T9", "has no entity 'T9'"),
        ("gold_standard", "7\tCPR:3\tArg2:T1\tArg1:T4", "has no entity 'Arg2:T1'"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(tmp_path, kind, row, message):
    source = release(tmp_path / "part")
    path = source / f"chemprot_training_{kind}.tsv"
    path.write_text(path.read_text("utf-8") + row + "\n", "utf-8")
    with pytest.raises(InputError, match=message):
        chemprot.convert(source, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    "missing, message",
    [
        ("abstracts", "no chemprot_training_abstracts.tsv, .* unpack the release"),
        ("entities", "chemprot_training_entities.tsv: no such file"),
        ("gold_standard", "gold_standard.tsv: no such file, and no file of relations"),
    ],
)
def test_a_missing_file_is_named(tmp_path, missing, message):
    source = release(tmp_path / "part", relations=False)
    (source / f"chemprot_training_{missing}.tsv").unlink()
    with pytest.raises(InputError, match=message):
        chemprot.convert(source, tmp_path / "out")


def test_no_folder_and_two_of_a_kind(tmp_path):
    with pytest.raises(InputError, match="gone: no such folder"):
        chemprot.convert(tmp_path / "gone", tmp_path / "out")
    source = release(tmp_path / "in" / "one")
    shutil.copytree(source, tmp_path / "in" / "two")
    with pytest.raises(InputError, match=r"two.*the same split as .*one.*remove one"):
        chemprot.convert(tmp_path / "in", tmp_path / "out")


# --- DrugProt -------------------------------------------------------------------------


def drugprot(folder, word="training"):
    """Writes a part of DrugProt, with its misspelt name; returns its folder."""
    folder.mkdir(parents=True)
    table(folder / f"drugprot_{word}_abstracs.tsv", [("7", TITLE, ABSTRACT)])
    table(
        folder / f"drugprot_{word}_entities.tsv",
        [("7", i, t, *place(name, n), name) for i, t, name, n in ENTITIES],
    )
    table(
        folder / f"drugprot_{word}_relations.tsv",
        [
            ("7", "INHIBITOR", "Arg1:T2", "Arg2:T5"),
            ("7", "PART-OF", "Arg1:T3", "Arg2:T7"),
        ],
    )
    return folder


DRUGPROT = [
    (id_, text, {"CPR:4": "INHIBITOR", "CPR:9": "PART-OF"}.get(label, label))
    for id_, text, label in PUBLISHED
]


def test_drugprot(tmp_path):
    root = tmp_path / "drugprot-gs-training-development"
    drugprot(root / "training")
    drugprot(root / "development", "development")
    # The test part has no relations; nothing can be made of it.
    (root / "test-background").mkdir()
    table(root / "test-background" / "test_background_abstracts.tsv", [("8", "A", "B")])
    counts = chemprot.convert(root, tmp_path / "out", release=chemprot.DRUGPROT)
    assert list(counts) == ["train.tsv", "dev.tsv"]
    for name in counts:
        assert rows_of(tmp_path / "out" / name) == DRUGPROT


def test_drugprot_refusals(tmp_path):
    source = drugprot(tmp_path / "in")
    path = source / "drugprot_training_relations.tsv"
    with path.open("a") as stream:
        stream.write("7\tINHIBITOR-OF\tArg1:T2\tArg2:T5\n")
    with pytest.raises(InputError, match="3: 'INHIBITOR-OF' is not a type of DrugProt"):
        chemprot.convert(source, tmp_path / "out", release=chemprot.DRUGPROT)
    path.unlink()
    with pytest.raises(InputError, match="no such file, and no file of relations"):
        chemprot.convert(source, tmp_path / "out", release=chemprot.DRUGPROT)
    with pytest.raises(InputError, match=r"no drugprot_training_abstracs\.tsv or "):
        chemprot.convert(tmp_path / "out", tmp_path, release=chemprot.DRUGPROT)


@pytest.mark.data
def test_drugprot_as_published(cases, tmp_path):
    source = cases / "drugprot"
    counts = chemprot.convert(source, tmp_path / "out", release=chemprot.DRUGPROT)
    assert rows_of(tmp_path / "out" / "train.tsv") == [
        ("17512723.T1.T2", "@CHEMICAL$ and @GENE$", "false"),
        ("17512723.T3.T4", "@CHEMICAL$ inhibits @GENE$ in children.", "INHIBITOR"),
        ("17512723.T6.T5", "@GENE$ is activated by @CHEMICAL$.", "ACTIVATOR"),
    ]
    assert counts["train.tsv"].relations == 2
