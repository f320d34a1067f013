# SPDX-License-Identifier: Apache-2.0
"""BRAT folders: what they say, and the same folder with relations added."""

import re

import document_toys as toys
import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.documents import brat, formats, places
from biobert_tf.documents.document import Mention, Passage, Relation
from biobert_tf.relations import writing
from biobert_tf.relations.settings import PairType

TEXT = "Aspirin\nand \U0001f48a ibu-\r\nprofen: COX-1\x85 and 2.\r\n"
ANN = (
    "T1\tCHEMICAL 0 7\tAspirin\n"
    "T2\tCHEMICAL 14 24\tibu-  profen\n"
    "T3\tGENE-Y 26 29;30 31\tCOX 1\n"
    "E1\tBinding:T3 Theme:T1 Theme:T2\n"
    "R2\tCPR:4 Arg1:T1 Arg2:T3\n"
    "R7\tCPR:3 Arg2:T3 Arg1:T2\t\n"
    "R3\tINHIBITOR Interactor:T2 Target:T3\n"
    "R4\tCause Arg1:E1 Arg2:T3\n"
    "A1\tNegation E1\n"
    "M2 odd\n"
    "N1\tReference T1 MESH:D001241\tAspirin \n"
    "*\tEquiv T1 T2\n"
    "#5\tAnnotatorNotes R2\tprobability 0.75\n"
    "#2\tAnnotatorNotes T1\tprobability of nothing\n"
    "#3\tAnnotatorNotes R3\tprobability 7\n"
    "#4\tAnnotatorNotes R7\tprobability nan\n"
    "\n"
)


def folder(tmp_path, **files):
    path = tmp_path / "in"
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (path / f"{stem}.{suffix}").write_bytes(content.encode())
    return path


def contents(path):
    return {file.name: file.read_bytes().decode() for file in path.iterdir()}


def fixed(ann):
    # "ibu-\r\nprofen" is 12 characters: a line end of two counts twice.
    return ann.replace("14 24", "14 26").replace("26 29;30 31", "28 31;32 33")


def test_reads_all(tmp_path):
    path = folder(tmp_path, b_txt=TEXT, b_ann=fixed(ANN), a_txt="Nothing.")
    first, second = (loaded.document for loaded in brat.read(path))
    assert (first.id, first.passages, first.mentions) == (
        *("a", (Passage(0, "Nothing."),)),
        (),
    )
    assert second.id == "b"
    assert second.passages == (Passage(0, TEXT),)
    assert second.mentions == (
        Mention("T1", "CHEMICAL", ((0, 7),), "Aspirin", ("MESH:D001241",)),
        Mention("T2", "CHEMICAL", ((14, 26),), "ibu-  profen"),
        Mention("T3", "GENE-Y", ((28, 31), (32, 33)), "COX 1"),
    )
    assert second.relations == (
        Relation("CPR:4", "T1", "T3", 0.75, "R2"),
        Relation("CPR:3", "T2", "T3", None, "R7"),
        Relation("INHIBITOR", "T2", "T3", None, "R3"),
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_same_bytes_come_back(tmp_path, end):
    ann = fixed(ANN).replace("\n", end)
    path = folder(tmp_path, b_txt=TEXT, b_ann=ann, a_txt="", a_ann="")
    documents = [(loaded, []) for loaded in brat.read(path)]
    assert formats.write(tmp_path / "out" / "deep", "brat", documents).documents == 2
    assert contents(tmp_path / "out" / "deep") == contents(path)


NEW = [
    Relation("CPR:9", "T2", "T3", 0.98765432),
    Relation("two words", "T1", "T3"),
    Relation("CPR:4", "T1", "T3", 1.0),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_relations_are_added(tmp_path, end):
    ann = fixed(ANN).rstrip("\n").replace("\n", end)
    path = folder(tmp_path, b_txt=TEXT, b_ann=ann)
    (loaded,) = brat.read(path)
    brat.write(tmp_path / "out", [(loaded, NEW)])
    lines = [
        ann,
        "R8\tCPR:9 Arg1:T2 Arg2:T3",
        "#6\tAnnotatorNotes R8\tprobability 0.987654",
        "R9\ttwo_words Arg1:T1 Arg2:T3",
        "R10\tCPR:4 Arg1:T1 Arg2:T3",
        "#7\tAnnotatorNotes R10\tprobability 1.000000",
        "",
    ]
    out = {"b.txt": TEXT, "b.ann": end.join(lines)}
    assert contents(tmp_path / "out") == out
    (again,) = brat.read(tmp_path / "out")
    assert again.document.relations[3:] == (
        Relation("CPR:9", "T2", "T3", 0.987654, "R8"),
        Relation("two_words", "T1", "T3", None, "R9"),
        Relation("CPR:4", "T1", "T3", 1.0, "R10"),
    )


def test_identifiers(tmp_path):
    ann = (
        "T1\tDisease 4 17\tbreast cancer\n"
        "N1\tReference T1 MESH:D1\tBreast Neoplasms\n"
        "N4\tReference T1 ID:672\tx\nN5\tReference T1 MESH:D1\n"
        "N6\tReference E1 A:1\ty\n"
    )
    path = folder(tmp_path, a_txt="The breast cancer cell", a_ann=ann)
    (loaded,) = formats.read(path, "auto")
    [mention] = loaded.document.mentions
    assert mention.concepts == ("MESH:D1", "672")
    concepts = ("5742", "tmVar:p|X", "ID:1", "two words")
    new = Mention("", "Cell", ((18, 22),), "cell", concepts, 0.5)
    formats.write(tmp_path / "same", "brat", [(loaded, [new])])
    text = contents(tmp_path / "same")["a.ann"]
    assert text == ann + (
        "T2\tCell 18 22\tcell\nN7\tReference T2 ID:5742\tcell\n"
        "N8\tReference T2 tmVar:p|X\tcell\nN9\tReference T2 ID:ID:1\tcell\n"
        "#1\tAnnotatorNotes T2\tprobability 0.500000\n"
    )
    # Another format keeps them, and gives them back.
    (again,) = formats.read(tmp_path / "same", "auto")
    assert again.document.mentions[1].concepts == concepts[:3]
    formats.write(tmp_path / "x.jsonl", "jsonl", [(again, [])])
    [other] = formats.read(tmp_path / "x.jsonl", "auto")
    notes = formats.write(tmp_path / "back", "brat", [(other, [])]).notes
    assert notes == {}
    (back,) = formats.read(tmp_path / "back", "auto")
    assert back.document.mentions == again.document.mentions


def test_case_of_identifiers(cases):
    [loaded] = formats.read(cases / "brat_norm", "auto")
    assert loaded.document.mentions == (
        Mention("T1", "Disease", ((4, 17),), "breast cancer", ("MESH:D001943",)),
    )


A1 = "T1\tChemical 0 7\tAspirin\nT2\tDisease 16 25\tnephritis"
A2 = "T3\tCause 8 15\tinduced\nE1\tCause:T3 Theme:T1\nR1\tCauses Arg1:T1 Arg2:T2\n"


def test_bionlp(tmp_path):
    text = "Aspirin induced nephritis."
    path = folder(tmp_path, a_txt=text, a_a1=A1, a_a2=A2, b_txt=text, b_a1=A1)
    first, second = formats.read(path, "auto")
    assert [one.id for one in first.document.mentions] == ["T1", "T2", "T3"]
    assert first.document.relations == (Relation("Causes", "T1", "T2", None, "R1"),)
    assert [one.id for one in second.document.mentions] == ["T1", "T2"]
    formats.write(tmp_path / "out", "brat", [(first, []), (second, [])])
    assert contents(tmp_path / "out") == {
        "a.txt": text,
        "a.ann": f"{A1}\n{A2}",
        "b.txt": text,
        "b.ann": A1,
    }
    # A folder of documents sees them as well, and .ann goes before.
    plan = places.plan(path, tmp_path / "new", "auto", "auto")
    assert [(one.source.name, one.format) for one in plan.places] == [
        ("a.txt", "brat"),
        ("b.txt", "brat"),
    ]
    (path / "a.ann").write_text("T1\tChemical 0 7\tAspirin\n")
    first, _ = formats.read(path, "auto")
    assert len(first.document.mentions) == 1


@pytest.mark.parametrize(
    ("a1", "a2", "problem"),
    [
        (A1, "T1\tX 0 1\tA\n", r"a\.a1\+\.a2:3: a second mention has the id T1"),
        (A1, "T3\tX 0 1\n", r"a\.a1\+\.a2:3: cannot be read"),
    ],
)
def test_broken_bionlp(tmp_path, a1, a2, problem):
    path = folder(tmp_path, a_txt="Aspirin induced nephritis.", a_a1=a1, a_a2=a2)
    with pytest.raises(InputError, match=problem):
        list(brat.read(path))
    (path / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.a1: no a\.txt beside it"):
        list(brat.read(path))


def test_case_of_bionlp(cases):
    [loaded] = formats.read(cases / "a1", "auto")
    assert [one.type for one in loaded.document.mentions] == ["Chemical", "Disease"]
    assert [one.type for one in loaded.document.relations] == ["Causes"]


EVENTS = (
    "T1\tChemical 0 7\tAspirin\n"
    "E1\tBinding:T1 Theme:T1\n"
    "E2\tCause:T1 Theme:E1\n"
    "A1\tNegation E1\n"
    "A2\tStage T1 T9\n"
    "M1\tSpeculation E2\n"
    "*\tEquiv T1 T1\n"
    "#1\tAnnotatorNotes T1\tprobability 0.5\n"
    "#2\tAnnotatorNotes E1\tsure\n"
    "N1\tReference T1 MESH:D1\tAspirin\n"
    "N2\tNormalization T1\n"
)
KINDS = {
    "events": 2,
    "modifications": 3,
    "equivalences": 1,
    "notes": 1,
    "other identifiers": 1,
}


@pytest.mark.parametrize("kind", sorted(formats.WRITTEN))
def test_what_is_only_kept_is_counted(tmp_path, kind):
    path = folder(tmp_path, b_txt="Aspirin.", b_ann=EVENTS)
    pairs = [(loaded, ()) for loaded in brat.read(path)]
    written = formats.write(tmp_path / "out", kind, pairs)
    lost = {f"{name} dropped": number for name, number in KINDS.items()}
    is_own = kind == "brat"
    assert {name: written.notes[name] for name in lost} == (
        dict.fromkeys(lost, 0) if is_own else lost
    )


def test_training_data_counts_what_is_only_kept(tmp_path):
    path = folder(tmp_path, b_txt="Aspirin.", b_ann=EVENTS)
    found = (loaded.document for loaded in brat.read(path))
    counts = writing.write_pairs(
        found, [PairType("a", "b")], "false", tmp_path / "x.tsv"
    )
    assert counts.notes == KINDS


def test_what_names_a_skipped_mention_is_not_counted(tmp_path):
    ann = EVENTS + "T2\tChemical 0 7\tIbuprofen\nE3\tCause:T2\nR1\tx A:E3 B:T1\n"
    path = folder(tmp_path, b_txt="Aspirin.", b_ann=ann)
    for done, number, unread in (("keep", 3, 1), ("skip", 2, 0)):
        [loaded] = formats.read(path, "brat", bad_mentions=done)
        assert loaded.document.others.count("events") == number
        assert loaded.document.num_unread == unread


@pytest.mark.parametrize(
    "line",
    [
        "E1\tBinding:T9 Theme:T1",
        "E1\tBinding:T1 Theme:T9",
        "A1\tNegation T9",
        "M1\tNegation T9",
        "*\tEquiv T1 T9",
    ],
)
@pytest.mark.parametrize("suffix", ["ann", "a2"])
def test_an_event_of_a_missing_mention(tmp_path, line, suffix):
    ann = f"T1\tChemical 0 7\tAspirin\n{line}\n"
    path = folder(tmp_path, b_txt="Aspirin.", **{f"b_{suffix}": ann})
    name = line.partition("\t")[0]
    problem = rf"b\.{suffix}:2: .*{re.escape(name)} names T9, which is not in the file"
    with pytest.raises(InputError, match=problem):
        list(brat.read(path))


def test_events_of_real_files_are_counted(data, tmp_path):
    path = data / "documents" / "brat" / "BioNLP-ST_2011_ID"
    pairs = [(loaded, ()) for loaded in brat.read(path, lambda error: None)]
    lines = [
        line
        for loaded, _ in pairs
        for line in loaded.source.annotations.splitlines()
        if line[0] == "E"
    ]
    written = formats.write(tmp_path / "out", "jsonl", pairs)
    assert written.notes["events dropped"] == len(lines) > 0


def test_a_folder_may_be_written_in_place(tmp_path):
    path = folder(tmp_path, a_txt="a b", a_ann="T1\tX 0 1\ta\nT2\tX 2 3\tb", b_txt="c")
    new = {"a": [Relation("r", "T1", "T2")], "b": []}
    brat.write(path, ((one, new[one.document.id]) for one in brat.read(path)))
    assert contents(path) == {
        "a.txt": "a b",
        "a.ann": "T1\tX 0 1\ta\nT2\tX 2 3\tb\nR1\tr Arg1:T1 Arg2:T2\n",
        "b.txt": "c",
        "b.ann": "",
    }


@pytest.mark.parametrize("start", [0, 1])
def test_a_byte_order_mark_may_be_counted(tmp_path, start):
    ann = f"\ufeffT1\tX {start} {start + 7}\tAspirin\n"
    path = folder(tmp_path, a_txt="\ufeffAspirin", a_ann=ann)
    (loaded,) = brat.read(path)
    assert loaded.document.passages == (Passage(start, "Aspirin"),)
    brat.write(tmp_path / "out", [(loaded, [])])
    assert contents(tmp_path / "out") == contents(path)


def test_a_byte_order_mark_hides_no_error(tmp_path):
    path = folder(tmp_path, a_txt="\ufeffAspirin", a_ann="T1\tX 2 9\tAspirin\n")
    with pytest.raises(InputError, match="not inside the text, which is 0-7"):
        list(map(toys.refusing, brat.read(path)))


@pytest.mark.parametrize(
    ("ann", "line", "problem"),
    [
        ("T1\tX 0 1\ta\nT2\tX 0 1\n", 2, "cannot be read"),
        ("T1\tX 0\ta\n", 1, "cannot be read"),
        ("T1\tX 0 1;\ta\n", 1, "cannot be read"),
        ("hello\n", 1, "cannot be read: 'hello'"),
        ("T1\tX 0 1\ta\n\nR1\tr Arg1:T1\n", 3, "cannot be read"),
        ("R1\tr Arg1:T1 Arg2:T1 Arg3:T1\n", 1, "cannot be read"),
        ("R1\tr Arg1:T1 Arg2:T2\nT1\tX 0 1\ta\n", 1, "R1 relates T2, which is not"),
        ("T1\tX 0 1\ta\nT1\tX 1 2\tb\n", 2, "a second mention has the id T1"),
        ("T1\tX 0 1\ta\nT2\tX 1 2\tB\n", 2, "document a: mention T2 ('B' at 1-2)"),
        ("T1\tX 0 9\ta\n", 1, "not inside the text"),
        ("T1\tX 0 " + "9" * 5000 + "\ta\n", 1, "cannot be read"),
        ("T1\tX 0 \u0661\ta\n", 1, "cannot be read"),
    ],
)
def test_broken_files(tmp_path, ann, line, problem):
    path = folder(tmp_path, a_txt="abc", a_ann=ann)
    with pytest.raises(InputError) as caught:
        list(map(toys.refusing, brat.read(path)))
    assert str(caught.value).startswith(f"{path / 'a.ann'}:{line}: ")
    assert problem in str(caught.value)


def test_broken_folders(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        list(brat.read(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"holds no \.txt"):
        list(brat.read(folder(tmp_path)))
    with pytest.raises(InputError, match=r"b\.ann: no b\.txt beside it"):
        list(brat.read(folder(tmp_path, a_txt="a", b_ann="")))
    (tmp_path / "in" / "a.txt").write_bytes(b"a\n\xe9")
    (tmp_path / "in" / "b.ann").unlink()
    with pytest.raises(InputError, match=r"a\.txt:2: byte 0xe9"):
        list(brat.read(tmp_path / "in"))


def test_a_file_is_no_folder_to_write_to(tmp_path):
    (loaded,) = brat.read(folder(tmp_path, a_txt="a"))
    with pytest.raises(InputError, match="cannot be written"):
        brat.write(tmp_path / "in" / "a.txt", [(loaded, [])])
