# SPDX-License-Identifier: Apache-2.0
"""`biobert classify`: documents in, labels out, as the run's own predictions."""

import json
from collections import Counter

import classification_toys as toys
import ner_toys
import pytest

from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.documents import jobs

# As the results of a run, without what was read.
GIVEN = ("label", "labels", "value", "probabilities")


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def given(row):
    """What a model says."""
    return {name: row[name] for name in GIVEN if name in row}


def near(row):
    """What a model says, its numbers nearly."""
    found = given(row)
    return {
        name: value if name in GIVEN[:2] else pytest.approx(value, abs=2e-6)
        for name, value in found.items()
    }


def predicted(models, name):
    return rows_of(models[name] / "predictions.jsonl")


def write(path, rows):
    files.write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return path


def classify(model, capsys, source, output, **values):
    """Runs `biobert classify`; returns its status and the lines it says."""
    flags = {"model": model, "input": source, "output": output, "strategy": "cpu"}
    argv = [f"--{name}={value}" for name, value in {**flags, **values}.items()]
    status = program.run(cli.classify, ["biobert classify", *argv])
    return status, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("name", ["single", "multi", "pair"])
def test_as_the_predictions_of_the_run(models, tmp_path, capsys, name):
    """Also for long texts, which are read in windows, and for pairs."""
    wanted = predicted(models, name)
    texts = [{k: row[k] for k in ("text", "pair") if k in row} for row in wanted]
    source = write(tmp_path / "a.jsonl", [{"more": [1], **one} for one in texts])
    output = tmp_path / "b.jsonl"
    status, said = classify(models[name], capsys, source, output)
    assert status == 0
    found = rows_of(output)
    assert [given(row) for row in found] == [near(row) for row in wanted]
    # Beside what the documents have, there is nothing else.
    for row, text in zip(found, texts, strict=True):
        known = {k: v for k, v in row.items() if k not in GIVEN}
        assert known == {"more": [1], **text}
    count = _counted(wanted)
    assert said[-1] == f"{len(wanted)} documents{': ' if count else ''}{count}"


def _counted(rows):
    """The numbers of labels in rows, as the command says them."""
    several = (
        row.get("labels", [row[x] for x in ["label"] if x in row]) for row in rows
    )
    counts = Counter(label for labels in several for label in labels)
    return ", ".join(f"{label} {number}" for label, number in sorted(counts.items()))


XML = """<collection><source></source><date></date><key></key>
<document><id>7</id><passage><offset>0</offset><text>severe cancer .</text></passage>\
<passage><offset>16</offset><text>aspirin helps with severe cancer .</text></passage>\
</document>
</collection>
"""


def test_passages_have_their_own_labels_and_a_document_all(models, tmp_path, capsys):
    (tmp_path / "a.xml").write_text(XML)
    one, _, three = predicted(models, "multi")
    status, said = classify(
        models["multi"],
        capsys,
        tmp_path / "a.xml",
        tmp_path / "b.jsonl",
        unit="passage",
    )
    assert (status, said[-1]) == (
        0,
        f"1 documents, 2 passages: {_counted([one, three])}",
    )
    [row] = rows_of(tmp_path / "b.jsonl")
    assert [given(part) for part in row["parts"]] == [near(one), near(three)]
    assert [(part["start"], part["end"]) for part in row["parts"]] == [
        (0, 15),
        (16, 50),
    ]
    both = {*one["labels"], *three["labels"]}
    assert row["labels"] == [label for label in ("bad", "ill") if label in both]
    for label, value in row["probabilities"].items():
        most = max(each["probabilities"][label] for each in (one, three))
        assert value == pytest.approx(most, abs=2e-6)
    # In BioC they are infons of the passages.
    output = tmp_path / "b.xml"
    assert classify(
        models["single"], capsys, tmp_path / "a.xml", output, unit="passage"
    )[0] == (0)
    passages = output.read_text().split("<passage>")
    assert ["label" in part.partition("<offset>")[0] for part in passages] == [
        *(False, True, True),
    ]


def test_sentences(models, tmp_path, capsys):
    text = "Severe cancer . Aspirin helps ."
    files.write_text(tmp_path / "a.txt", f"{text}\n")
    files.write_text(tmp_path / "none.txt", "\n")
    output = tmp_path / "out"
    status, said = classify(models["multi"], capsys, tmp_path, output, unit="sentence")
    assert (status, said[-1].partition(":")[0]) == (0, "2 documents, 2 sentences")
    [row] = rows_of(output / "a.jsonl")
    assert [text[part["start"] : part["end"]] for part in row["parts"]] == [
        *("Severe cancer .", "Aspirin helps ."),
    ]
    # Without a sentence there is no label.
    [row] = rows_of(output / "none.jsonl")
    assert (row["labels"], row["probabilities"]) == ([], {"bad": 0, "ill": 0})
    assert "parts" not in row
    # BioC has the labels of the document alone, and none of one label each.
    xml = tmp_path / "b.xml"
    found = classify(models["multi"], capsys, tmp_path / "a.txt", xml, unit="sentence")
    assert found[0] == 0
    assert xml.read_text().count('key="labels"') == 1
    status, said = classify(
        models["single"], capsys, tmp_path / "a.txt", xml, unit="sentence"
    )
    assert (status, said[-1]) == (
        2,
        f"error: {xml}: BioC has no place for what is said of sentences; give "
        "--output_format=jsonl, or --unit=document or passage",
    )


def test_the_passages_of_a_document_are_one_text(models, tmp_path, capsys):
    text = toys.SINGLE[2]["text"]
    files.write_text(tmp_path / "a.pubtator", f"7|t|{text[:33]}\n7|a|{text[33:]}\n\n")
    output = tmp_path / "b.json"
    status, _ = classify(
        models["single"],
        capsys,
        tmp_path / "a.pubtator",
        output,
        output_format="bioc_json",
    )
    [document] = json.loads(output.read_text())["documents"]
    wanted = predicted(models, "single")[2]
    assert status == 0
    assert document["infons"].keys() == {"label", "probability_bad", "probability_good"}
    assert document["infons"]["label"] == wanted["label"]
    for label, value in wanted["probabilities"].items():
        found = float(document["infons"][f"probability_{label}"])
        assert found == pytest.approx(value, abs=2e-6)


def test_a_bad_document_costs_itself(models, tmp_path, capsys, caplog):
    rows = [{"id": "1", "text": "a"}, {"id": "2", "text": "a", "pair": "b"}]
    source = write(tmp_path / "a.jsonl", [*rows, {"text": 7}, {"id": "4", "text": "b"}])
    output = tmp_path / "b.jsonl"
    status, said = classify(models["single"], capsys, source, output)
    assert status == 0
    assert [row["id"] for row in rows_of(output)] == ["1", "4"]
    assert said[-1].endswith(
        "; 2 left out, see above: 1 x a second text is missing, or not read, 1 x rows "
        "or values that are not understood"
    )
    told = f'left out: {source}: document 2 has a second text, "pair", but the model'
    assert told in caplog.text
    status, said = classify(models["pair"], capsys, source, tmp_path / "c.jsonl")
    assert [row["id"] for row in rows_of(tmp_path / "c.jsonl")] == ["2"]
    # If there is none at all, nothing is written.
    alone = write(tmp_path / "alone.jsonl", rows[:1])
    status, said = classify(models["pair"], capsys, alone, tmp_path / "d.jsonl")
    assert (status, (tmp_path / "d.jsonl").exists()) == (2, False)
    wanted = f"the first error: {alone}: document 1 has no second text; the model reads"
    assert wanted in said[-1]


def test_results_of_a_second_model(models, tmp_path, capsys, caplog):
    rows = [{"text": "severe cancer .", "label": "known"}, {"text": "aspirin helps ."}]
    source = write(tmp_path / "a.jsonl", rows)
    output = tmp_path / "b.jsonl"
    status, _ = classify(models["single"], capsys, source, output)
    assert status == 0
    assert len(rows_of(output)) == 1
    told = f'{source}: document 1 has a value "label" already; give another --prefix'
    assert told in caplog.text
    for name in ("single", "multi"):
        status, _ = classify(models[name], capsys, source, output, prefix=f"{name}_")
        assert status == 0
        source, output = output, tmp_path / "c.jsonl"
    first, second = rows_of(source)
    assert [*first] == [
        *("text", "label", "single_label", "single_probabilities"),
        *("multi_labels", "multi_probabilities"),
    ]
    assert (first["label"], first["single_label"]) == ("known", "bad")
    assert second["single_label"] == "good"


def test_a_folder_goes_on_where_it_was(models, tmp_path, capsys):
    source, output = tmp_path / "in", tmp_path / "out"
    files.write_text(source / "a.txt", "severe cancer .")
    files.write_text(source / "deep" / "b.txt", "aspirin helps .\n\naspirin")
    (source / "broken.txt").write_bytes(b"Sj\xf6gren")
    status, said = classify(models["single"], capsys, source, output)
    assert status == 0
    assert said[-1].endswith("; 1 left out, see above: 1 x not UTF-8")
    names = sorted(str(p.relative_to(output)) for p in output.rglob("*.jsonl"))
    assert names == ["a.jsonl", "deep/b.jsonl"]
    before = (output / "a.jsonl").stat().st_mtime_ns
    (output / "deep" / "b.jsonl").unlink()
    (source / "broken.txt").unlink()
    status, said = classify(models["single"], capsys, source, output)
    assert said[-1] == "1 documents: good 1; 1 files were there already"
    assert (output / "a.jsonl").stat().st_mtime_ns == before
    status, said = classify(models["single"], capsys, source, output)
    assert said[-1] == f"all 2 files are classified already, in {output}"
    for other in ({"unit": "passage"}, {"prefix": "x"}):
        status, said = classify(models["single"], capsys, source, output, **other)
        assert status == 2
        assert "was written with other settings" in said[-1]
    assert (output / jobs.SETTINGS_FILE).is_file()


def test_lines_in_batches_of_any_size(models, tmp_path, capsys, monkeypatch):
    """Few characters are held at a time; the results are the same."""
    from biobert_tf.classification import classifier

    texts = [row["text"] for row in toys.SINGLE] * 3
    files.write_text(tmp_path / "a.txt", "".join(f"{text}\n" for text in texts))
    monkeypatch.setattr(classifier, "_MAX_HELD", 40)
    status, _ = classify(
        models["single"],
        capsys,
        tmp_path / "a.txt",
        tmp_path / "b.jsonl",
        input_format="lines",
        predict_batch_size=2,
    )
    assert status == 0
    wanted = predicted(models, "single") * 3
    found = rows_of(tmp_path / "b.jsonl")
    assert [given(row) for row in found] == [near(row) for row in wanted]
    assert [row["id"] for row in found] == [f"a-{i}" for i in range(1, 13)]


def test_what_cannot_be_used(models, tmp_path, capsys):
    source = write(tmp_path / "a.jsonl", [{"text": "a", "pair": "b"}])
    output = tmp_path / "b.jsonl"
    status, said = classify(models["pair"], capsys, source, output, unit="passage")
    assert (status, said[-1]) == (
        2,
        "error: --unit=passage: the model reads pairs, one to a document",
    )
    folder = ner_toys.write_model(tmp_path / "ner")
    status, said = classify(folder, capsys, source, output)
    assert (status, "holds no model of biobert classification" in said[-1]) == (2, True)
    assert not output.exists()
