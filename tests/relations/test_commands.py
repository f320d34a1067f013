# SPDX-License-Identifier: Apache-2.0
"""The commands around relation extraction as they are typed: output, errors, status."""

import json
import os
import subprocess
import sys

import document_toys as toys
import pytest
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.documents import formats
from biobert_tf.relations import reading as relation_reading


@pytest.fixture
def biobert(capsys):
    """Runs a command that must succeed; returns what it prints."""

    def biobert(*words, **given):
        assert program.run(cli.main, argv(words, given)) == 0
        return capsys.readouterr().out

    return biobert


@pytest.fixture
def refusal(capsys):
    """Runs a command that must be refused; returns its one line of an error."""

    def refusal(*words, **given):
        assert program.run(cli.main, argv(words, given)) == 2
        captured = capsys.readouterr()
        [line] = captured.err.splitlines()
        assert line.startswith("error: ")
        assert captured.out == ""
        return line.removeprefix("error: ")

    return refusal


def argv(words, given):
    return ["biobert", *words, *(f"--{name}={value}" for name, value in given.items())]


def rows_of(path):
    return [(r.id, r.text, r.label) for r in relation_reading.read_rows(path, "blue")]


# --- re-eval --------------------------------------------------------------------------


def results(folder, labels, *probabilities):
    """Writes the two files of an evaluation; returns them as flags."""
    header = "index\tsentence\tlabel\n"
    lines = (f"{i}\ts\t{label}\n" for i, label in enumerate(labels))
    files.write_text(folder / "test.tsv", header + "".join(lines))
    text = "".join(f"{line}\n" for line in probabilities)
    files.write_text(folder / "test_results.tsv", text)
    return {
        "answer_path": folder / "test.tsv",
        "output_path": folder / "test_results.tsv",
    }


def test_re_eval_binary_is_the_default(biobert, tmp_path):
    rows = ["0.9\t0.1", "0.2\t0.8", "0.4\t0.6", "0.8\t0.2"]
    given = results(tmp_path, "0101", *rows)
    printed = (
        "f1 score    : 50.00%\n"
        "recall      : 50.00%\n"
        "precision   : 50.00%\n"
        "specificity : 50.00%\n"
    )
    assert biobert("re-eval", **given) == printed
    assert biobert("re-eval", task="binary", **given) == printed


def test_re_eval_chemprot(biobert, tmp_path):
    rows = ["\t".join("1" if i == hit else "0" for i in range(6)) for hit in (1, 1, 5)]
    given = results(tmp_path, ["cpr:4", "CPR:9", "false"], *rows)
    assert biobert("re-eval", task="chemprot", **given) == (
        "f1 score    : 50.00%\nrecall      : 50.00%\nprecision   : 50.00%\n"
    )


def test_re_eval_reads_the_form_it_is_told(biobert, refusal, tmp_path):
    given = results(tmp_path, "1", "0.1\t0.9")
    quoted = 'index\tsentence\tlabel\n0\t"a\nb"\t1\n'
    files.write_text(tmp_path / "test.tsv", quoted)
    assert "100.00%" in biobert("re-eval", data_format="blue", **given)
    assert "test.tsv:2: 2 columns" in refusal("re-eval", data_format="biobert", **given)


@pytest.mark.parametrize(
    ("rows", "flags", "message"),
    [
        (["0.1\t0.9", "0.1"], {}, "test_results.tsv:2: 1 columns instead of 2"),
        (["0.1\tx"], {}, "test_results.tsv:1: 'x' is not a finite number"),
        (["0.1\t0.9"] * 3, {}, "3 rows of probabilities for the 2 sentences of"),
        (["0\t1"] * 2, {"task": "chemprot"}, "test_results.tsv:1: 2 columns instead"),
        (["0\t1"] * 2, {"task": "gad"}, "should be one of <binary|chemprot>"),
        (["0\t1"] * 2, {"answer_path": "gone.tsv"}, "gone.tsv: "),
    ],
)
def test_re_eval_refuses(refusal, tmp_path, rows, flags, message):
    given = results(tmp_path, "01", *rows) | flags
    assert message in refusal("re-eval", **given)


def test_re_eval_needs_both_files(refusal):
    assert refusal("re-eval") == (
        "--output_path and --answer_path must be given; see --help"
    )


# --- re-data --------------------------------------------------------------------------


@pytest.mark.parametrize("bad_mentions", ["keep", "skip", "error"])
def test_re_data_pairs_and_mentions_that_differ(
    biobert, refusal, tmp_path, bad_mentions
):
    source = toys.write(tmp_path / "in.pubtator", "pubtator")
    source.write_text(source.read_text("utf-8").replace("\tGAL4\t", "\tgal4\t", 1))
    given = {"input": source, "output": tmp_path / "out", "pair": "Chemical-Gene"}
    given["bad_mentions"] = bad_mentions
    if bad_mentions == "error":
        assert "document 7: mention T5 ('gal4' at" in refusal(
            "re-data", "pairs", **given
        )
        assert not (tmp_path / "out").exists()
        return
    printed = biobert("re-data", "pairs", **given).splitlines()
    assert printed[-1] == "not used: 1 x mentions that differ from their text"
    assert printed[2].startswith("pairs: 6, ")


def test_re_data_lists_its_commands(biobert, refusal):
    printed = biobert("re-data")
    assert printed.startswith("usage: biobert re-data COMMAND")
    commands = [line.split()[0] for line in printed.splitlines()[1:] if line]
    assert commands == ["chemprot", "drugprot", "pairs", "check"]
    wanted = "no command 'gad'; known: chemprot, drugprot, pairs, check"
    assert refusal("re-data", "gad") == wanted


def release(folder, word="training", ending=""):
    """Writes a part of ChemProt: one abstract, two chemicals, one gene."""
    tables = {
        "abstracts": ["7\tGAL4.\tZinc binds GAL4, not iron."],
        "entities": [
            "7\tT1\tCHEMICAL\t6\t10\tZinc",
            "7\tT2\tGENE-Y\t17\t21\tGAL4",
            "7\tT3\tCHEMICAL\t27\t31\tiron",
        ],
        "relations": ["7\tCPR:4\tY \tINHIBITOR\tArg1:T1\tArg2:T2"],
    }
    for kind, rows in tables.items():
        path = folder / f"chemprot_{word}_{kind}{ending}.tsv"
        files.write_text(path, "".join(f"{row}\n" for row in rows))
    return folder


CHEMPROT_COUNTS = """\
  documents: 1 with mentions: CHEMICAL 2, GENE-Y 1
  sentences with a pair: 1
  pairs: 2, of these 0 overlapping, 0 with several labels; 0 more share no sentence
  rows: 2: CPR:4 1, false 1
  relations: 1 found; lost: 0 across sentences, 0 of other types
"""


def test_re_data_chemprot(biobert, tmp_path):
    release(tmp_path / "in" / "a")
    release(tmp_path / "in" / "b", "test", "_gs")
    printed = biobert(
        "re-data", "chemprot", input=tmp_path / "in", output=tmp_path / "out"
    )
    parts = [f"{name}.tsv\n{CHEMPROT_COUNTS}" for name in ("train", "test")]
    assert printed == "".join(parts)
    for name in ("train", "test"):
        assert rows_of(tmp_path / "out" / f"{name}.tsv") == [
            ("7.T1.T2", "@CHEMICAL$ binds @GENE$, not iron.", "CPR:4"),
            ("7.T3.T2", "Zinc binds @GENE$, not @CHEMICAL$.", "false"),
        ]


def test_re_data_chemprot_in_order(biobert, tmp_path):
    given = {"input": release(tmp_path / "in"), "output": tmp_path / "out"}
    biobert("re-data", "chemprot", placeholders="order", **given)
    texts = [text for _, text, _ in rows_of(tmp_path / "out" / "train.tsv")]
    assert texts[1] == "Zinc binds @CHEMICAL$, not @GENE$."


def test_re_data_chemprot_names_a_bad_row(refusal, tmp_path):
    given = {"input": release(tmp_path / "in"), "output": tmp_path / "out"}
    path = tmp_path / "in" / "chemprot_training_entities.tsv"
    path.write_text(path.read_text().replace("\t6\t10\t", "\t6\t11\t"))
    message = refusal("re-data", "chemprot", **given)
    assert message.startswith(f"{path}:1: document 7: mention T1 ('Zinc' at 6-11)")
    assert list((tmp_path / "out").iterdir()) == []


def test_re_data_pairs(biobert, tmp_path):
    given = {
        "input": toys.write(tmp_path / "in.xml.gz", "bioc_xml"),
        "output": tmp_path / "new" / "pairs.tsv",
        "pair": "Chemical-Gene,Disease-Chemical",
        "negative_label": "none",
    }
    printed = biobert("re-data", "pairs", **given)
    assert printed == (
        "documents: 4 with mentions: Chemical 6, Disease 1, GENE-Y 1, Gene 6\n"
        "sentences with a pair: 5\n"
        "pairs: 8, of these 1 overlapping, 0 with several labels; "
        "14 more share no sentence\n"
        "rows: 8: cpr:4 1, cpr:9 1, none 6\n"
        "relations: 2 found; lost: 0 across sentences, 0 of other types\n"
    )
    rows = rows_of(tmp_path / "new" / "pairs.tsv")
    labels = {name: label for name, _, label in rows if label != "none"}
    assert labels == {"7.T1.T2": "cpr:4", "7.T3.T5": "cpr:9"}
    texts = {name: text for name, text, _ in rows}
    disease = {"7.T9.T3": "@DISEASE$ @CHEMICAL$ helps COX-1 and GAL4."}
    assert texts == toys.TEXTS | disease


@pytest.mark.parametrize("source", ["-", "pipe"])
def test_re_data_pairs_refuses_to_detect_the_format_of_a_pipe(
    refusal, tmp_path, source
):
    """The bytes that tell it would be lost."""
    if source == "pipe":
        source = str(tmp_path / "in")
        os.mkfifo(source)
    output = tmp_path / "o.tsv"
    message = refusal("re-data", "pairs", input=source, output=output, pair="a-b")
    assert message == f"{source}: a pipe; want a file, to read it twice"
    assert not output.exists()


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_re_data_pairs_reads_every_format(biobert, tmp_path, kind):
    source = toys.write(tmp_path / "in", kind)
    given = {"input": source, "output": tmp_path / "o.tsv", "pair": "Chemical-Gene"}
    biobert("re-data", "pairs", **given)
    found = {name: text for name, text, _ in rows_of(tmp_path / "o.tsv")}
    assert found == toys.TEXTS
    first = (tmp_path / "o.tsv").read_bytes()
    biobert("re-data", "pairs", input_format=kind, **given)
    assert (tmp_path / "o.tsv").read_bytes() == first


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"pair": "Gene"}, "'Gene' is not a pair of entity types; want Chemical-Gene"),
        ({"input": "gone"}, "gone: no such file"),
        ({"input_format": "pubtator"}, "in.jsonl:1: a document must begin with"),
        ({"input_format": "word"}, "should be one of <auto|pubtator|"),
        # Entities between marks are found in JSON lines only, and this makes a table.
        ({"placeholders": "marks"}, "should be one of <type|order>"),
        ({"output": "{}"}, "is the input; choose another"),
    ],
)
def test_re_data_pairs_refuses(refusal, tmp_path, flags, message):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    before = source.read_bytes()
    given = {
        "input": source,
        "output": tmp_path / "out.tsv",
        "pair": "Chemical-Gene",
    } | {name: value.format(source) for name, value in flags.items()}
    assert message in refusal("re-data", "pairs", **given)
    assert not (tmp_path / "out.tsv").exists()
    assert source.read_bytes() == before


def test_re_data_pairs_writes_nothing_of_a_broken_file(refusal, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    with source.open("a") as stream:
        stream.write('{"text": 3}\n')
    given = {"input": source, "output": tmp_path / "o" / "x", "pair": "Chemical-Gene"}
    assert f"{source}:5: want an object with" in refusal("re-data", "pairs", **given)
    assert list((tmp_path / "o").iterdir()) == []


# --- re-data check --------------------------------------------------------------------


@pytest.fixture
def leaking(tmp_path):
    """A set of which one test sentence is in the training file too."""
    rows = {"train": re_toys.TRAIN, "test": [*re_toys.TEST, re_toys.TRAIN[0]]}
    return re_toys.write_data(tmp_path / "data", **rows)


def test_re_data_check(biobert, leaking, tmp_path):
    path = tmp_path / "report.json"
    printed = biobert("re-data", "check", str(leaking), "--json", str(path))
    assert "rows of test.tsv that are in train.tsv too" in printed
    assert "1" in json.dumps(files.read_json(path))
    assert biobert("re-data", "check", str(leaking)) == printed


def test_re_data_check_can_fail(biobert, leaking):
    words = ["biobert", "re-data", "check", str(leaking), "--strict"]
    with pytest.raises(SystemExit) as caught:
        program.run(cli.main, words)
    assert caught.value.code == 1
    clean = re_toys.write_data(leaking / "clean", train=re_toys.TRAIN[:2])
    biobert("re-data", "check", str(clean), "--strict")


def test_re_data_check_knows_the_labels_of_a_set(biobert, refusal, tmp_path):
    data = re_toys.write_data(tmp_path / "data", train=[("@GENE$ @DISEASE$", "2")])
    wrong = "with a label that is not in the set"
    assert wrong not in biobert("re-data", "check", str(data))
    for name in ("gad", "GAD"):
        assert wrong in biobert("re-data", "check", str(data), f"--task_name={name}")
    message = refusal("re-data", "check", str(data), "--task_name=ner")
    assert message.startswith("--task_name=ner: want one of gad, euadr, ")
    assert "gone" in refusal("re-data", "check", str(tmp_path / "gone"))


def test_re_data_check_reads_the_form_it_is_told(biobert, refusal, tmp_path, capsys):
    files.write_text(tmp_path / "train.tsv", '"@GENE$\ta" @DISEASE$\t1\n')
    words = ("re-data", "check", str(tmp_path))
    assert "train.tsv:1: 3 columns" in refusal(*words)
    quoted = 'index\tsentence\tlabel\n0\t"@GENE$\n@DISEASE$"\t1\n'
    files.write_text(tmp_path / "train.tsv", quoted)
    biobert(*words, "--data_format=blue")
    assert "train.tsv:2: 2 columns" in refusal(*words, "--data_format=biobert")
    with pytest.raises(SystemExit) as caught:
        program.run(cli.main, ["biobert", *words, "--data_format=words"])
    assert caught.value.code == 2
    assert "invalid choice: 'words'" in capsys.readouterr().err


# --- re-predict -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toys.write_chemprot_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def given(model, tmp_path):
    """The flags of a prediction that works."""
    return {
        "model": model,
        "input": toys.write(tmp_path / "in.pubtator", "pubtator"),
        "output": tmp_path / "out" / "documents",
        "pair": "Chemical-Gene",
        "candidates": tmp_path / "out" / "pairs.jsonl",
        "strategy": "cpu",
    }


def test_re_predict(biobert, given):
    given["relation_names"] = "cpr:9=Substrate"
    printed = biobert("re-predict", **given)
    lines = given["candidates"].read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = [row["label"] for row in rows if row["label"] != "false"]
    documents = list(formats.read(given["output"], "pubtator"))
    chances = [r.probability for one in documents for r in one.document.relations]
    assert len([p for p in chances if p is not None]) == len(labels)
    counts = {label: labels.count(label) for label in labels}
    counts["Substrate"] = counts.pop("cpr:9")
    shown = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
    assert printed == f"4 documents, 7 pairs, {len(labels)} relations: {shown}\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model": "gone"}, "gone: no such directory; give the --output_dir of run_re"),
        ({"input": "gone"}, "gone: no such file"),
        ({"pair": "Gene-Chemical-X"}, "is not a pair of entity types; want"),
        ({"min_probability": "2"}, "--min_probability=2.0: must be at most 1"),
        ({"min_probability": "x"}, "could not convert string to float"),
        ({"relation_names": "x=y"}, "--relation_names: 'x=y' is not LABEL=NAME with"),
        ({"placeholders": "none"}, "should be one of <type|order|marks>"),
        ({"input_format": "jsonl"}, "in.pubtator:1: not JSON"),
        ({"output": "{input}"}, "in.pubtator is the input; choose another"),
        ({"predict_batch_size": "0"}, "--predict_batch_size=0: must be at least 1"),
        ({"threshold": "1"}, "Unknown command line flag 'threshold'"),
    ],
)
def test_re_predict_refuses(refusal, given, tmp_path, flags, message):
    before = given["input"].read_bytes()
    flags = {name: value.format(**given) for name, value in flags.items()}
    assert message in refusal("re-predict", **given | flags)
    assert given["input"].read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_re_predict_needs_four_flags(refusal):
    assert refusal("re-predict") == (
        "--model and --input and --output and --pair must be given; see --help"
    )


def test_re_predict_names_a_broken_document(refusal, given, tmp_path):
    text = given["input"].read_text("utf-8").replace("\tzinc\t", "\tiron\t")
    given["input"].write_text(text, "utf-8")
    message = refusal("re-predict", **given, bad_mentions="error")
    assert message.startswith(f"{given['input']}:17: document 8: mention T1 ('iron' at")
    assert not (tmp_path / "out").exists()


def test_a_file_that_begins_like_none_is_refused(refusal, given, tmp_path):
    given["input"].write_bytes(b"")
    assert "neither PubTator, BioC" in refusal("re-predict", **given)
    assert not (tmp_path / "out").exists()


def test_help_needs_no_tensorflow():
    script = (
        "import sys\n"
        "from biobert_tf.cli import main as cli\n"
        "from biobert_tf.common import program\n"
        "for name in ('re-eval', 're-predict', 're-data pairs', 're-data chemprot'):\n"
        "    try: program.run(cli.main, ['biobert', *name.split(), '--help'])\n"
        "    except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    for name in ("answer_path", "relation_names", "negative_label", "placeholders"):
        assert f"--{name}: " in found.stdout
