# SPDX-License-Identifier: Apache-2.0
"""`biobert annotate`, with a model that has learned four sentences."""

import dataclasses
import gzip
import io
import json
import os
import re
from collections import Counter
from types import SimpleNamespace

import ner_toys as toys
import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import program
from biobert_tf.documents import formats, jobs
from biobert_tf.documents.document import parted
from biobert_tf.ner import annotate_beam, annotator

TEXT = "aspirin helps with nephritis\r\n\r\nsevere Liver cancer .\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    toy = toys.Toy(tmp_path_factory.mktemp("toy"))
    cli.ner(toy.argv(num_train_epochs=60, do_predict=False))
    return toy.output


def annotate(model, capsys, source, output, **values):
    """Runs `biobert annotate`; returns its status and the lines it says."""
    flags = {"model": model, "input": source, "output": output, "strategy": "cpu"}
    argv = [f"--{name}={value}" for name, value in {**flags, **values}.items()]
    status = program.run(cli.annotate, ["biobert annotate", *argv])
    return status, capsys.readouterr().err.splitlines()


def entities(path, format="auto"):
    """The entities of every document of a file: (text, type, place)."""
    found = {}
    for loaded in formats.read(path, format):
        document = loaded.document
        document.check()
        found[document.id] = [
            (mention.text, mention.type, mention.spans) for mention in document.mentions
        ]
    return found


EXPECTED = [
    ("aspirin", "Chem", ((0, 7),)),
    ("nephritis", "Dis", ((19, 28),)),
    ("Liver cancer", "Dis", ((39, 51),)),
]


def write(path, text=TEXT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    "name", ["out.jsonl", "out.jsonl.gz", "out.xml", "out.json", "brat"]
)
def test_formats(model, tmp_path, capsys, name):
    source, output = write(tmp_path / "a.txt"), tmp_path / name
    more = {"out.xml": "bioc_xml", "out.json": "bioc_json", "brat": "brat"}
    given = {"output_format": more[name]} if name in more else {}
    status, said = annotate(model, capsys, source, output, **given)
    assert status == 0
    assert said[-1].startswith("1 documents, 3 entities (Chem 1, Dis 2)")
    assert entities(output) == {"a": EXPECTED}


def test_sentences_of_conll_are_those_of_the_file(model, tmp_path, capsys):
    """As if each came alone: no entity is found over the end of one."""
    sentences = ["aspirin helps", "aspirin/nephritis", "severe Liver", "cancer ."]
    rows = "\n\n".join(sentence.replace(" ", "\n") for sentence in sentences)
    source = write(tmp_path / "a.conll", f"-DOCSTART-\n\n{rows}\n")
    together, alone = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert annotate(model, capsys, source, together, input_format="conll")[0] == 0
    source = write(tmp_path / "b.txt", "\n".join(sentences))
    assert annotate(model, capsys, source, alone, input_format="lines")[0] == 0
    [found] = entities(together).values()
    expected = [each for own in entities(alone).values() for each in own]
    assert len(found) > 2
    assert [each[:2] for each in found] == [each[:2] for each in expected]


# What each set knows: the first all types, the others one. Only the frame tells which.
SETS = {
    "ALL": [("aspirin", "B-Chem"), ("helps", "O"), ("nephritis", "B-Dis")],
    "Dis": [("aspirin", "O-Dis"), ("helps", "O-Dis"), ("nephritis", "B-Dis")],
    "Chem": [("aspirin", "B-Chem"), ("helps", "O-Chem"), ("nephritis", "O-Chem")],
}


def test_sets_of_different_types_make_one_tagger(tmp_path, capsys, caplog):
    toy = toys.Toy(tmp_path / "toy")
    vocab = [*toys.VOCAB, "<", ">", "/", *SETS]
    config = dataclasses.replace(
        toys.CONFIG, vocab_size=len(vocab), max_position_embeddings=20
    )
    toys.write_released(toy.released, config, vocab)
    sets = {
        name: [(f"<{name}>", f"O-{name}"), *rows, (f"</{name}>", f"O-{name}")]
        for name, rows in SETS.items()
        if name != "ALL"
    }
    train = [SETS["ALL"], *sets.values()]
    toys.write_data(toy.data, train=train, devel=train, test=train)
    cli.ner(toy.argv(num_train_epochs=60, max_seq_length=20))
    assert not [r for r in caplog.records if r.name == "biobert_tf.ner.run"]
    labels = json.loads((toy.output / "labels.json").read_text())["labels"]
    assert labels == ["O", "O-Chem", "O-Dis", "B-Chem", "I-Chem", "B-Dis", "I-Dis"]
    # Each test sentence is asked for what its labels know; frames are no words.
    predictions = (toy.output / "predictions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in predictions]
    words = ["aspirin", "helps", "nephritis"]
    assert [row["words"] for row in rows] == [words] * 3
    assert [[one["type"] for one in row["entities"]] for row in rows] == [
        ["Chem", "Dis"],
        ["Dis"],
        ["Chem"],
    ]
    conll = (toy.output / "NER_result_conll.txt").read_text()
    assert "helps O O\nnephritis B-Dis B-Dis\n\naspirin O O\n" in conll
    # Documents are asked for all types.
    source = write(tmp_path / "a.txt", "aspirin helps nephritis")
    assert annotate(toy.output, capsys, source, tmp_path / "out.jsonl")[0] == 0
    assert [one[1] for one in entities(tmp_path / "out.jsonl")["a"]] == ["Chem", "Dis"]
    # Without a set that knows all types, the command says so.
    toys.write_data(toy.data, train=list(sets.values()), devel=[sets["Dis"]])
    output = tmp_path / "partial"
    argv = toy.argv(output_dir=output, max_seq_length=20, do_predict=False)
    cli.ner(argv)
    [record] = [r for r in caplog.records if r.name == "biobert_tf.ner.run"]
    assert record.getMessage().startswith("no training sentence is labelled for all")


def test_html(model, tmp_path, capsys):
    source = write(tmp_path / "a.txt", TEXT + "<script>")
    status, _ = annotate(model, capsys, source, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text("utf-8")
    assert status == 0
    for text, _, _ in EXPECTED:
        assert re.search(rf"<mark[^>]*>{text}<", page), text
    assert "<script>" not in page


@pytest.mark.parametrize("given", [{}, {"input_format": "pubtator"}])
def test_a_pipe_is_read_once(model, tmp_path, capsys, given):
    text = "7|t|aspirin helps\n7|a|\n"
    readable, writable = os.pipe()
    with os.fdopen(readable), os.fdopen(writable, "w") as stream:
        stream.write(text)
        stream.close()
        output = tmp_path / "out.jsonl"
        source = f"/dev/fd/{readable}"
        assert annotate(model, capsys, source, output, **given)[0] == 0
    assert entities(output) == {"7": [("aspirin", "Chem", ((0, 7),))]}


def test_standard_input_and_output(model, tmp_path, capsysbinary, monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO(TEXT.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    argv = [f"--model={model}", "--input=-", "--output=-", "--strategy=cpu"]
    argv += ["--input_format=text", "--output_format=jsonl"]
    assert program.run(cli.annotate, ["biobert annotate", *argv]) == 0
    [line] = capsysbinary.readouterr().out.splitlines()
    document = json.loads(line)
    assert document["text"] == TEXT
    found = [document["text"][e["start"] : e["end"]] for e in document["entities"]]
    assert found == [text for text, _, _ in EXPECTED]
    assert all(0 < entity["probability"] <= 1 for entity in document["entities"])


def test_several_models_and_a_least_probability(model, tmp_path, capsys):
    source = write(tmp_path / "a.txt")
    both = f"{model}, {model}"
    status, said = annotate(both, capsys, source, tmp_path / "out.jsonl")
    assert status == 0
    assert entities(tmp_path / "out.jsonl") == {"a": EXPECTED}
    given = {"min_probability": 1.0}
    status, said = annotate(model, capsys, source, tmp_path / "none.jsonl", **given)
    assert said[-1].startswith("1 documents, 0 entities")


def test_a_folder_goes_on_where_it_was(model, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    write(source / "b.txt")
    write(source / "deep" / "c.txt", "Liver cancer")
    (source / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (source / "broken.txt").write_bytes(b"Sj\xf6gren")
    status, said = annotate(model, capsys, source, output, output_format="jsonl")
    assert status == 0
    assert "3 documents" in said[-1]
    assert said[-1].endswith("; 1 left out, see above: 1 x not UTF-8")
    names = sorted(
        str(path.relative_to(output))
        for path in output.rglob("*")
        if path.is_file() and path.name[0] != "."
    )
    assert names == ["a.jsonl.gz", "b.jsonl", "deep/c.jsonl"]
    before = (output / "b.jsonl").stat().st_mtime_ns
    (output / "deep" / "c.jsonl").unlink()
    status, said = annotate(model, capsys, source, output, output_format="jsonl")
    assert "1 documents" in said[-1]
    assert "2 files were there already" in said[-1]
    assert (output / "b.jsonl").stat().st_mtime_ns == before
    (source / "broken.txt").unlink()
    status, said = annotate(model, capsys, source, output, output_format="jsonl")
    assert (status, said[-1]) == (0, f"all 3 files are annotated already, in {output}")
    # What a job stored before there was `--entity_type`.
    stored = json.loads((output / jobs.SETTINGS_FILE).read_text())
    assert sorted(stored) == [
        *("bad_mentions", "input_format", "min_probability", "mixed_precision"),
        *("models", "output_format"),
    ]
    # Other settings would give other files.
    for given in ({"min_probability": 0.5}, {"engine": "openvino"}):
        given["output_format"] = "jsonl"
        status, said = annotate(model, capsys, source, output, **given)
        assert status == 2
        wanted = f"error: {output}: was written with other settings; "
        assert said[-1].startswith(wanted)


def test_the_progress_counts_documents(model, tmp_path, capsys, monkeypatch):
    told = []

    class Meter(jobs.Meter):
        def to(self, done, note=""):
            told.append((done, note))

    monkeypatch.setattr(jobs, "Meter", Meter)
    documents = "".join(json.dumps({"text": "Liver cancer"}) + "\n" for _ in range(2))
    write(tmp_path / "in" / "a.jsonl", documents)
    write(tmp_path / "in" / "b.jsonl", documents)
    annotate(model, capsys, tmp_path / "in", tmp_path / "out")
    first, second = "file 1 of 2", "file 2 of 2"
    assert told == [(1, first), (2, first), (3, second), (4, second)]
    told.clear()
    annotate(model, capsys, tmp_path / "in" / "a.jsonl", tmp_path / "out.jsonl")
    assert told == [(1, ""), (2, "")]


def test_the_first_few_bad_documents_of_a_file_are_named(
    model, tmp_path, capsys, caplog
):
    for name, number in (("PMID:1.jsonl", 9), ("PMID:2.jsonl", 7), ("c.jsonl", 5)):
        write(tmp_path / "in" / name, "{\n" * number)
    output = tmp_path / "out.jsonl"
    status, said = annotate(model, capsys, tmp_path / "in", output)
    assert status == 2
    told = [m.removeprefix("left out: ") for m in caplog.messages if "left out" in m]
    counts = Counter(re.sub(r":\d+: not .*", "", line) for line in told)
    assert counts == {
        f"{tmp_path / 'in' / 'PMID:1.jsonl'}": 5,
        f"{tmp_path / 'in' / 'PMID:2.jsonl'}": 5,
        f"{tmp_path / 'in' / 'c.jsonl'}": 5,
        f"{tmp_path / 'in' / 'PMID:1.jsonl'}: 4 more": 1,
        f"{tmp_path / 'in' / 'PMID:2.jsonl'}: 2 more": 1,
    }
    write(tmp_path / "in" / "d.txt", "aspirin")
    status, said = annotate(model, capsys, tmp_path / "in", output)
    assert status == 0
    assert said[-1].endswith("; 21 left out, see above: 21 x not JSON")


def test_a_bad_document_loses_no_other(model, tmp_path, capsys):
    lines = [{"id": str(i), "text": "Liver cancer", "entities": []} for i in range(3)]
    text = "\n".join([json.dumps(lines[0]), "{", *map(json.dumps, lines[1:])])
    source = write(tmp_path / "in.jsonl", text)
    status, said = annotate(model, capsys, source, tmp_path / "out.jsonl")
    assert status == 0
    assert said[-1].endswith("; 1 left out, see above: 1 x not JSON")
    found = entities(tmp_path / "out.jsonl")
    assert list(found) == ["0", "1", "2"]


MISMATCH = (
    "7|t|aspirin\n7|a|severe Liver cancer .\n7\t0\t7\tASPIRIN\tDrug\n\n8|t|aspirin\n"
)


@pytest.mark.parametrize(
    ("given", "ids", "note"),
    [
        ({}, "78", "1 x mentions that differ from their text carried along"),
        ({"bad_mentions": "keep"}, "78", "text carried along"),
        ({"bad_mentions": "skip"}, "78", "text left out"),
        ({"bad_mentions": "error"}, "8", "1 x a mention differs from its text"),
    ],
)
def test_an_old_entity_that_differs_from_its_text(
    model, tmp_path, capsys, given, ids, note
):
    source = write(tmp_path / "in.pubtator", MISMATCH)
    status, said = annotate(model, capsys, source, tmp_path / "out.pubtator", **given)
    assert status == 0
    assert said[-1].endswith(note)
    written = (tmp_path / "out.pubtator").read_text()
    kept = given.get("bad_mentions", "keep") == "keep"
    assert ("\tASPIRIN\t" in written) == kept
    assert [line[0] for line in written.splitlines() if "|t|" in line] == [*ids]
    assert written.count("\tLiver cancer\tDis\t") == ("7" in ids)


def test_entities_that_were_there_stay(model, tmp_path, capsys):
    old = {"id": "T1", "start": 0, "end": 7, "type": "Drug"}
    document = {"id": "d", "text": TEXT, "entities": [old]}
    source = write(tmp_path / "in.jsonl", json.dumps(document))
    annotate(model, capsys, source, tmp_path / "out.jsonl")
    [loaded] = formats.read(tmp_path / "out.jsonl", "jsonl")
    assert parted(loaded.document.mentions)[0][0].type == "Drug"
    assert len(loaded.document.mentions) == 4
    assert len({mention.id for mention in loaded.document.mentions}) == 4


@pytest.mark.parametrize(
    "values, message",
    [
        ({"model": " , "}, "--model names no directory"),
        ({"min_probability": 2}, "--min_probability=2.0: must be at most 1"),
        ({"predict_batch_size": 0}, "--predict_batch_size=0: must be at least 1"),
        ({"input": "absent.txt"}, "absent.txt: no such file"),
        (
            {"model": "absent"},
            "absent: no such directory; give the --output_dir of run_ner.py",
        ),
        ({"output_format": "text"}, "--output_format=text is read only; want one of"),
        ({"output_format": "xml"}, "flag --output_format=xml: value should be one of"),
    ],
)
def test_refusals(model, tmp_path, capsys, values, message):
    flags = {"source": write(tmp_path / "a.txt"), **values}
    source = flags.pop("input", flags.pop("source"))
    flags.pop("source", None)
    given = flags.pop("model", model)
    status, said = annotate(given, capsys, source, tmp_path / "out.jsonl", **flags)
    errors = [line for line in said if line.startswith("error: ")]
    assert (status, len(errors)) == (2, 1)
    assert errors[0].startswith(f"error: {message}")
    assert not (tmp_path / "out.jsonl").exists()


# --- several machines -----------------------------------------------------------------


def tree(folder):
    """The files of a folder, hidden ones too, as bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def tell(lines, folder):
    """The last line that a command said, whatever its folder was called."""
    return lines[-1].replace(str(folder), "OUTPUT")


@pytest.fixture
def small_shards(monkeypatch):
    """Runs of few words, and units of few files: shards hold documents of several."""
    pytest.importorskip("apache_beam", reason="pip install '.[beam]'")
    monkeypatch.setattr(annotator, "_MAX_HELD_WORDS", 14)
    monkeypatch.setattr(annotate_beam, "_UNIT_BYTES", 120)


def mixed_folder(folder):
    """Documents of several formats, of which some cannot be read."""
    lines = [json.dumps({"text": "severe Liver cancer . aspirin"}) for _ in range(5)]
    write(folder / "a.jsonl", "\n".join([*lines[:2], "{", *lines[2:]]) + "\n")
    write(folder / "b.pubtator", MISMATCH)
    write(folder / "c.txt")
    write(folder / "deep" / "d.jsonl", "{\n")
    write(folder / "deep" / "e.conll", "Liver O\ncancer O\n")
    (folder / "deep" / "f.jsonl").write_bytes(b"")
    (folder / "g.txt").write_bytes(b"Sj\xf6gren")
    return folder


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("out", {}),
        ("out.jsonl", {"min_probability": 0.9}),
        ("brat", {"output_format": "brat", "bad_mentions": "skip"}),
    ],
)
def test_a_runner_writes_what_one_machine_writes(
    model, tmp_path, capsys, small_shards, name, given
):
    source = mixed_folder(tmp_path / "in")
    said, found = [], []
    for runner in ("local", "DirectRunner"):
        output = tmp_path / runner / name
        status, lines = annotate(model, capsys, source, output, runner=runner, **given)
        assert status == 0
        said.append(tell(lines, output))
        found.append(tree(tmp_path / runner))
    assert "3 left out, see above: 2 x not JSON, 1 x not UTF-8" in said[0]
    assert said[0] == said[1]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["out", "out.jsonl"])
def test_a_runner_and_files_that_are_broken_or_empty(
    model, tmp_path, capsys, small_shards, name
):
    broken = write(tmp_path / "in" / "a.jsonl", "{\n" * 100)
    (tmp_path / "in" / "b.jsonl").write_bytes(b"")
    said, found = [], []
    for runner in ("local", "DirectRunner"):
        output = tmp_path / runner / name
        source = broken.parent
        status, lines = annotate(model, capsys, source, output, runner=runner)
        said.append((status, tell(lines, output)))
        found.append(tree(tmp_path / runner))
    assert said[0][1].startswith("0 documents, 0 entities; 100 left out")
    assert said[0] == said[1]
    assert found[0] == found[1]


@pytest.mark.parametrize("text", ["{\n", ""])
def test_a_runner_writes_nothing_if_one_machine_does(
    model, tmp_path, capsys, small_shards, text
):
    source = write(tmp_path / "a.jsonl", text)
    said = []
    for runner in ("local", "DirectRunner"):
        output = tmp_path / runner / "out.jsonl"
        status, lines = annotate(model, capsys, source, output, runner=runner)
        assert status == 2
        said.append(tell(lines, output))
        assert not tree(tmp_path / runner)
    assert said[0] == said[1]


@pytest.mark.parametrize("runner", ["local", "DirectRunner"])
def test_an_output_below_a_file(model, tmp_path, capsys, runner):
    source = write(tmp_path / "a.txt", "aspirin helps .\n")
    status, said = annotate(model, capsys, source, source / "b.jsonl", runner=runner)
    assert status == 2
    assert "cannot be written: " in said[-1]
    assert said[-1].endswith("; choose another directory")
    assert tree(tmp_path) == {"a.txt": b"aspirin helps .\n"}


def test_options_without_a_runner(model, tmp_path, capsys):
    source = write(tmp_path / "a.txt", "aspirin helps .\n")
    given = {"pipeline_options": "--streaming"}
    status, said = annotate(model, capsys, source, tmp_path / "b.jsonl", **given)
    assert status == 2
    assert said[-1] == "error: --pipeline_options are for a runner: add --runner"


def test_a_runner_goes_on_where_it_was(
    model, tmp_path, capsys, small_shards, monkeypatch
):
    source, output = mixed_folder(tmp_path / "in"), tmp_path / "DirectRunner" / "out"
    annotate(model, capsys, source, tmp_path / "local" / "out")
    annotate_run, left, num_run = annotator.Annotator.annotate_run, [3], []

    def stop(self, documents):
        num_run.append(len(documents))
        if len(num_run) in left:
            raise RuntimeError("the launcher is lost")
        return annotate_run(self, documents)

    monkeypatch.setattr(annotator.Annotator, "annotate_run", stop)
    given = {"runner": "DirectRunner"}
    with pytest.raises(RuntimeError, match="the launcher is lost"):
        annotate(model, capsys, source, output, **given)
    assert [name for name in tree(tmp_path / "DirectRunner") if "/found/" in name]
    assert annotate(model, capsys, source, output, **given)[0] == 0
    # The interrupted shard is all that has been begun twice.
    assert sum(num_run) == 9 + num_run[2]
    assert tree(tmp_path / "DirectRunner") == tree(tmp_path / "local")


@pytest.mark.parametrize(
    ("source", "target"), [("-", "out.jsonl"), ("a.txt", "-"), ("gs://b/a.txt", "o")]
)
def test_what_a_runner_cannot_reach(model, capsys, source, target):
    given = {"runner": "DirectRunner", "output_format": "jsonl"}
    status, said = annotate(model, capsys, source, target, **given)
    assert status == 2
    assert said[-1].endswith(
        "--runner=DirectRunner wants a file or a folder that all machines see at the "
        "same path"
    )
