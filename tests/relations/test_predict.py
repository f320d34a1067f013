# SPDX-License-Identifier: Apache-2.0
"""Documents in, the same with relations out; what `run_re.py` says is the measure."""

import dataclasses
import gzip
import json
import logging
import os
import weakref
from pathlib import Path

import document_toys as toys
import ner_toys
import numpy as np
import pytest
import re_toys

from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.beam_settings import BeamConfig
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.documents import formats
from biobert_tf.documents.document import Relation
from biobert_tf.relations import candidates, predict_beam
from biobert_tf.relations import predict as re_predict
from biobert_tf.relations import reading as relation_reading
from biobert_tf.relations.settings import EntityPairs, RelationNames, RePredictConfig
from biobert_tf.training import inference

CPU = DeviceConfig(strategy="cpu")
# Both are rounded to six digits, from numbers that differ by the order of a sum.
CLOSE = 2e-6
# A model that learns in a few steps: narrower weights, no dropout.
TEACHABLE = dataclasses.replace(
    toys.CONFIG,
    initializer_range=0.2,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toys.write_chemprot_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def loaded(model):
    """The model, loaded once for this file."""
    return re_predict.load(model, CPU)


@pytest.fixture
def predict(loaded, model, tmp_path, monkeypatch):
    """Predicts a file into another of the same form; returns the summary."""
    monkeypatch.setattr(re_predict, "load", lambda path, device: loaded)

    def predict(source, output=None, **given):
        values = {"pair": "Chemical-Gene", "device": CPU, "model": model, **given}
        output = output or tmp_path / f"out{source.suffix}"
        return re_predict.predict(
            RePredictConfig(input=source, output=output, **parsed(values))
        )

    return predict


def config_of(source, model, **given):
    values = {
        "input": source,
        "output": source.with_name(f"new-{source.name}"),
        "pair": "Chemical-Gene",
        "model": model,
        "device": CPU,
        **given,
    }
    return RePredictConfig(**parsed(values))


def parsed(values):
    """Values of flags, those that are small languages parsed."""
    kinds = {"pair": EntityPairs, "relation_names": RelationNames}
    return values | {
        name: kind.parse(values[name]) for name, kind in kinds.items() if name in values
    }


def run_re(model, data, output, **given):
    """Predicts `data` by run_re.py; returns its predictions by id."""
    values = {
        "data_dir": data,
        "output_dir": output,
        "init_checkpoint": model,
        "task_name": "chemprot",
        "max_seq_length": toys.MAX_SEQ_LENGTH,
        "strategy": "cpu",
        "do_predict": True,
        **given,
    }
    cli.re(["run_re.py", *(f"--{name}={value}" for name, value in values.items())])
    return rows_of(output / "predictions.jsonl")


def rows_of(path):
    lines = path.read_text("utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def pairs_file(source, data, *flags):
    """Writes the pairs of documents as `data/test.tsv`; returns `data`."""
    given = [f"--input={source}", f"--output={data / 'test.tsv'}"]
    cli.main(["biobert", "re-data", "pairs", "--pair=Chemical-Gene", *given, *flags])
    return data


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    """What run_re.py says of the pairs of the documents, written as a test file."""
    folder = tmp_path_factory.mktemp("expected")
    source = toys.write(folder / "in.jsonl", "jsonl")
    return run_re(model, pairs_file(source, folder / "data"), folder / "output")


def say(task, estimator, examples, tmp_path):
    """What a model says of sentences, `[sentences, labels]`."""
    rows = (record.features for record in task.featurize(examples))
    return estimator.predict(rows, 64)["probabilities"]


def relations_in(path, kind):
    """The relations of every document, by its id."""
    return {one.document.id: one.document.relations for one in formats.read(path, kind)}


def relations_of(predictions, negative="false"):
    """Document, type, mentions and probability of what is predicted as a relation."""
    found = []
    for name, row in predictions.items():
        document, first, second = name.split(".")
        if row["label"] != negative:
            probability = max(row["probabilities"].values())
            found.append((document, row["label"], first, second, probability))
    return sorted(found)


def added(path, kind, documents=toys.DOCUMENTS):
    """As `relations_of`: what a file of toy documents has more than they had."""
    found = []
    for document in documents:
        relations = relations_in(path, kind)[document.id]
        had, new = (
            relations[: len(document.relations)],
            relations[len(document.relations) :],
        )
        assert tuple((r.type, r.first, r.second) for r in had) == document.relations
        found += [(document.id, r.type, r.first, r.second, r.probability) for r in new]
    return sorted(found)


def assert_same(found, wanted):
    assert [one[:-1] for one in found] == [one[:-1] for one in wanted]
    probabilities = [one[-1] for one in wanted]
    assert [one[-1] for one in found] == pytest.approx(probabilities, abs=CLOSE)


# --- the same as run_re.py ------------------------------------------------------------


def test_the_toys_say_enough(expected):
    """So that what follows does not compare one answer with itself."""
    assert {name: row["text"] for name, row in expected.items()} == toys.TEXTS
    assert len({row["label"] for row in expected.values()} - {"false"}) >= 2
    assert "false" in {row["label"] for row in expected.values()}
    assert len({row["probabilities"]["false"] for row in expected.values()}) == 7


NAMES = [
    ("pubtator", "in.txt"),
    ("pubtator", "in.pubtator.gz"),
    ("bioc_xml", "in.xml"),
    ("bioc_xml", "in.xml.gz"),
    ("bioc_json", "in.json"),
    ("brat", "in"),
    ("jsonl", "in.jsonl"),
    ("jsonl", "in.jsonl.gz"),
]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_format(predict, expected, tmp_path, kind, name):
    source = toys.write(tmp_path / name, kind)
    output = tmp_path / f"out-{name}"
    summary = predict(source, output)
    assert formats.detect(output) == kind
    wanted = relations_of(expected)
    assert_same(added(output, kind), wanted)
    assert (summary.documents, summary.pairs) == (4, 7)
    counts = {kind: 0 for _, kind, *_ in wanted}
    for _, one, *_ in wanted:
        counts[one] += 1
    assert summary.relations == counts
    if name.endswith(".gz"):
        gzip.decompress(output.read_bytes())


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_nothing_else_changes(predict, tmp_path, kind):
    source = toys.write(tmp_path / "in", kind)
    predict(source, tmp_path / "out")
    pairs = zip(
        formats.read(source, kind), formats.read(tmp_path / "out", kind), strict=True
    )
    for before, after in pairs:
        relations = before.document.relations
        bare = dataclasses.replace(after.document, relations=relations)
        assert bare == before.document


def test_lines_stay_as_they_were(predict, tmp_path):
    """Lines are added, or one is replaced; all others keep every byte."""
    for kind in ("pubtator", "brat"):
        source = toys.write(tmp_path / kind, kind)
        output = tmp_path / f"out-{kind}"
        predict(source, output)
        paths = [source] if kind == "pubtator" else sorted(source.iterdir())
        for path in paths:
            new = output if kind == "pubtator" else output / path.name
            added_lines = iter(new.read_bytes().splitlines(keepends=True))
            assert all(
                line in added_lines
                for line in path.read_bytes().splitlines(keepends=True)
            )
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source)
    pairs = zip(
        source.read_text("utf-8").splitlines(),
        (tmp_path / "out.jsonl").read_text("utf-8").splitlines(),
        strict=True,
    )
    for before, after in pairs:
        old, new = json.loads(before), json.loads(after)
        assert new.pop("relations")[: len(old["relations"])] == old.pop("relations")
        assert new == old
        assert new["year"] == 2020


def test_every_pair_is_a_candidate(predict, expected, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source, candidates=tmp_path / "new" / "pairs.jsonl")
    found = rows_of(tmp_path / "new" / "pairs.jsonl")
    assert list(found) == list(expected) == list(toys.TEXTS)
    for name, row in expected.items():
        assert list(found[name]) == ["id", "text", "label", "probabilities"]
        assert found[name]["text"] == row["text"]
        assert found[name]["label"] == row["label"]
        assert list(found[name]["probabilities"]) == list(re_toys.CHEMPROT)
        values = pytest.approx(row["probabilities"], abs=CLOSE)
        assert found[name]["probabilities"] == values


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_any_batch_size(predict, expected, tmp_path, batch_size):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source, predict_batch_size=batch_size)
    assert_same(added(tmp_path / "out.jsonl", "jsonl"), relations_of(expected))


def test_nothing_but_the_folder_of_the_model_is_needed(model, expected, tmp_path):
    """And the folder stays as it was."""
    before = {path: path.read_bytes() for path in model.iterdir()}
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    re_predict.predict(config_of(source, model))
    output = tmp_path / "new-in.jsonl"
    assert_same(added(output, "jsonl"), relations_of(expected))
    assert {path: path.read_bytes() for path in model.iterdir()} == before


def test_placeholders_in_order(predict, loaded, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    data = pairs_file(source, tmp_path / "data", "--placeholders=order")
    task, estimator = loaded.task, loaded.estimator
    examples = relation_reading.read_examples(
        data / "test.tsv", "blue", None, needs_labels=True
    )
    texts = {example.id: example.text for example in examples}
    assert texts["7.T8.T6"] == "Severe @CHEMICAL$ causes @GENE$ receptor."
    wanted = say(task, estimator, examples, tmp_path)
    predict(source, placeholders="order", candidates=tmp_path / "pairs.jsonl")
    found = rows_of(tmp_path / "pairs.jsonl")
    assert {name: row["text"] for name, row in found.items()} == texts
    values = [list(row["probabilities"].values()) for row in found.values()]
    np.testing.assert_allclose(values, wanted, rtol=0, atol=CLOSE)


def test_a_model_with_entity_markers_and_labels_that_all_count(tmp_path):
    """Marks, as SciBERT; run_re.py reads the same sentences as JSON lines."""
    given = {"task_name": "custom", "entity_markers": True}
    model = toys.write_model(tmp_path / "model", ("down", "up"), seed=4, **given)
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    rows = [
        {"id": pair.id, "text": pair.text}
        for one in formats.read(source, "jsonl")
        for pair in candidates.candidates(
            one.document, EntityPairs.parse("Chemical-Gene").pairs, "marks"
        )
    ]
    assert rows[3]["text"] == "Severe [[ GAL4 ]] causes << aspirin >> receptor."
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    files.write_text(tmp_path / "data" / "test.jsonl", lines)
    wanted = run_re(model, tmp_path / "data", tmp_path / "run", **given)

    path = tmp_path / "pairs.jsonl"
    config = config_of(source, model, placeholders="marks", candidates=path)
    summary = re_predict.predict(config)
    found = added(tmp_path / "new-in.jsonl", "jsonl")
    assert_same(found, relations_of(wanted, negative=None))
    assert len(found) == sum(summary.relations.values()) == 7
    assert {one[1] for one in found} == {"down", "up"}
    for name, row in rows_of(path).items():
        assert row["text"] == wanted[name]["text"]
        values = pytest.approx(wanted[name]["probabilities"], abs=CLOSE)
        assert row["probabilities"] == values


@pytest.mark.parametrize(
    ("labels", "negative", "given"),
    [
        (("a", "no", "b"), "no", {"negative_label": "no"}),
        (("a", "None", "b"), "None", {}),
    ],
)
def test_the_negative_label_of_a_custom_set(tmp_path, labels, negative, given):
    model = toys.write_model(tmp_path / "model", labels, 5, task_name="custom", **given)
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    path = tmp_path / "pairs.jsonl"
    re_predict.predict(config_of(source, model, candidates=path))
    found = rows_of(path)
    assert {row["label"] for row in found.values()} > {negative}
    output = tmp_path / "new-in.jsonl"
    assert_same(added(output, "jsonl"), relations_of(found, negative))


# --- pairs ----------------------------------------------------------------------------


def test_several_types_of_pairs(predict, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    path = tmp_path / "pairs.jsonl"
    summary = predict(source, pair="Disease-Chemical,Chemical-Gene", candidates=path)
    texts = {name: row["text"] for name, row in rows_of(path).items()}
    disease = {"7.T9.T3": "@DISEASE$ @CHEMICAL$ helps COX-1 and GAL4."}
    assert texts == toys.TEXTS | disease
    assert summary.pairs == 8


def test_first_and_second_are_as_asked_for(predict, expected, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source, pair="Gene-Chemical")
    swapped = sorted(
        (document, kind, second, first, probability)
        for document, kind, first, second, probability in relations_of(expected)
    )
    assert_same(added(tmp_path / "out.jsonl", "jsonl"), swapped)


def test_sentences_cut_around_their_entities_are_counted(predict, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source)
    assert f"{source}: 7 pairs, 1 cut, 1 windowed" in caplog.messages


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_documents_without_pairs(predict, tmp_path, kind):
    source = toys.write(tmp_path / "in", kind, toys.DOCUMENTS[1:3])
    path = tmp_path / "pairs.jsonl"
    summary = predict(source, tmp_path / "out", candidates=path)
    assert summary.text() == "2 documents, 0 pairs, 0 relations"
    assert path.read_text() == ""
    assert added(tmp_path / "out", kind, toys.DOCUMENTS[1:3]) == []


def test_nothing_to_pair_is_said(predict, tmp_path, caplog):
    source = toys.write(tmp_path / "in", "brat", toys.DOCUMENTS[1:3])
    predict(source)
    [message] = [each for each in caplog.messages if "no sentence has" in each]
    assert message == (
        f"{source}: no sentence has a pair of Chemical-Gene; read as brat, it has "
        "1 entities: Chemical 1"
    )
    (source / "9.json").write_text("{}")
    (source / "more").mkdir()
    predict(source, tmp_path / "again")
    assert (
        f"{source}: read as BRAT, NAME.txt with NAME.ann; not read: 2 others "
        "(9.json, ...)"
    ) in caplog.messages


def test_a_type_that_no_document_has_is_said(predict, tmp_path, caplog):
    """Here another pair is found, so that the number of pairs is no sign."""
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    predict(source, pair="Chemical-Gene,Chem-Gene,Drug-Disease")
    [message] = [each for each in caplog.messages if "--pair" in each]
    start = f"{source}: --pair: no document has an entity of the type Chem or Drug"
    assert message.startswith(start)
    assert "they have Chemical " in message
    caplog.clear()
    predict(source)
    assert not [each for each in caplog.messages if "--pair" in each]


def test_placeholders_that_the_model_has_not_seen_are_said(
    predict, model, tmp_path, caplog
):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    record = model / "settings.json"
    before = files.read_json(record)
    seen = ("@CHEMICAL$", "@GENE$", "@CHEM-GENE$")
    try:
        files.write_json(record, {**before, "marks": ["@chemical$", "@DISEASE$"]})
        predict(source)
        files.write_json(record, {**before, "marks": list(seen)})
        predict(source)
    finally:
        files.write_json(record, before)
    [message] = [each for each in caplog.messages if "stand for" in each]
    assert message.startswith(
        "@CHEM-GENE$, @GENE$ stand for entities, but the model was trained with "
        "@chemical$, @DISEASE$"
    )


@pytest.mark.parametrize("kind", ["jsonl", "pubtator", "bioc_xml"])
def test_an_output_with_an_unknown_suffix_is_refused(predict, tmp_path, kind):
    source = toys.write(tmp_path / "in.odd", kind)
    with pytest.raises(InputError) as caught:
        predict(source, tmp_path / "out.foo.gz")
    message = f"{tmp_path / 'out.foo.gz'}: no format has the suffix .foo; want one of"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(", the input's format")
    # That of the input is good, and so is none.
    assert predict(source, tmp_path / "out.odd").pairs == 7
    assert predict(source, tmp_path / "out").pairs == 7


def test_bionlp_is_read(predict, expected, tmp_path):
    """The same predictions as for the same annotations in .ann files."""
    source = toys.write(tmp_path / "in", "brat")
    for path in source.glob("*.ann"):
        path.rename(path.with_suffix(".a1"))
    assert predict(source).pairs == 7
    assert len(list((tmp_path / "out").glob("*.ann"))) == len(toys.DOCUMENTS)


@pytest.mark.parametrize("kind", ["pubtator", "jsonl"])
def test_no_document_at_all(predict, tmp_path, kind):
    source = tmp_path / "in"
    source.write_bytes(b"")
    summary = predict(source, tmp_path / "out", input_format=kind)
    assert summary.text() == "0 documents, 0 pairs, 0 relations"
    assert (tmp_path / "out").read_bytes() == b""


# --- which relations ------------------------------------------------------------------


def test_least_probability(predict, expected, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    wanted = relations_of(expected)
    chances = sorted(chance for *_, chance in wanted)
    assert len(chances) >= 4
    least = (chances[1] + chances[2]) / 2
    path = tmp_path / "pairs.jsonl"
    summary = predict(source, min_probability=least, candidates=path)
    kept = [one for one in wanted if one[-1] > least]
    assert_same(added(tmp_path / "out.jsonl", "jsonl"), kept)
    assert sum(summary.relations.values()) == len(kept) == len(wanted) - 2
    # Candidates are all pairs, whatever becomes of them.
    assert list(rows_of(path)) == list(toys.TEXTS)


def test_a_relation_just_probable_enough_stays(loaded, tmp_path):
    """Of equals the first label; a probability is not below itself."""
    source = toys.write(tmp_path / "in.jsonl", "jsonl", toys.DOCUMENTS[3:])
    values = {"relation_names": "cpr:3=x", "min_probability": 0.5}
    config = config_of(source, tmp_path, **values)
    finder = re_predict._Finder(config, "jsonl", loaded.task)
    table = np.array([[0.5, 0, 0, 0, 0, 0.5], [0.4, 0.3, 0, 0, 0, 0.3]], np.float32)
    [(_, found)] = finder.with_relations(table, None)
    assert found == [Relation("x", "T1", "T2", 0.5)]
    assert finder.counts == {"x": 1}


def test_names_of_relations(predict, expected, tmp_path):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    names = "cpr:9=Substrate of, CPR:6=Antagonist"
    path = tmp_path / "pairs.jsonl"
    summary = predict(source, relation_names=names, candidates=path)
    called = {"cpr:9": "Substrate of", "cpr:6": "Antagonist"}
    wanted = sorted(
        (document, called.get(kind, kind), *rest)
        for document, kind, *rest in relations_of(expected)
    )
    assert_same(added(tmp_path / "out.jsonl", "jsonl"), wanted)
    assert set(summary.relations) == {kind for _, kind, *_ in wanted}
    # The labels of the model are what they are.
    assert {row["label"] for row in rows_of(path).values()} <= set(re_toys.CHEMPROT)
    assert "2 Substrate of" not in summary.text()
    assert f"Substrate of {summary.relations['Substrate of']}" in summary.text()


@pytest.mark.parametrize("text", ["cpr:9", "cpr:9=", "=x", "cpr:8=x", "cpr:9=x,y"])
def test_names_of_no_relation(predict, tmp_path, text):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    with pytest.raises(InputError, match=r"^--relation_names: '.*' is not LABEL=NAME"):
        predict(source, relation_names=text)


# --- what cannot be used --------------------------------------------------------------

BROKEN = {
    "pubtator": ("9|a|Liver.\n", "9|a|Liver.\n9\tzinc\n", ":21: .*: 2 columns"),
    "bioc_xml": ("<id>9</id>", "<id>9<id>", ":3: not XML"),
    "bioc_json": (
        '15, "text": "Liver."',
        '"x", "text": "Liver."',
        "number 3 is not valid",
    ),
    "jsonl": ('"text": "Severe cancer', '"words": "Severe cancer', ":3: want an obj"),
}


@pytest.mark.parametrize("kind", toys.FORMATS)
def test_a_broken_document_stops_everything(predict, tmp_path, kind):
    source = toys.write(tmp_path / "in", kind)
    if kind == "brat":
        (source / "9.ann").write_text("T1\tChemical 0 99\tLiver\n")
        message = "9.ann:1: document 9: mention T1"
    else:
        old, new, message = BROKEN[kind]
        text = source.read_text("utf-8")
        assert text.count(old) == 1
        source.write_text(text.replace(old, new), "utf-8")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=message) as caught:
        predict(
            source,
            out / "documents",
            candidates=out / "pairs.jsonl",
            bad_mentions="error",
        )
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize("bad_mentions", ["keep", "skip"])
@pytest.mark.parametrize("kind", toys.FORMATS)
def test_a_mention_that_differs_from_its_text_is_in_no_pair(
    predict, expected, tmp_path, kind, bad_mentions
):
    """All other pairs get their relations, and the mention is counted."""
    odd = toys.write(tmp_path / "odd.jsonl", "jsonl")
    lines = odd.read_text("utf-8").splitlines()
    values = json.loads(lines[0])
    [wrong] = [each for each in values["entities"] if each["id"] == "T5"]
    wrong["text"] = "GAL 4"
    odd.write_text("\n".join([json.dumps(values), *lines[1:]]), "utf-8")
    source, out = tmp_path / "in", tmp_path / "out"
    found = formats.read(odd, "jsonl", bad_mentions="keep")
    formats.write(source, kind, ((one, ()) for one in found))
    path = tmp_path / "pairs.jsonl"
    given = {"bad_mentions": bad_mentions, "candidates": path}
    summary = predict(source, out, **given)
    done = {"keep": "carried along", "skip": "left out"}[bad_mentions]
    assert summary.notes == {f"mentions that differ from their text {done}": 1}
    assert summary.text().endswith(f"; 1 x mentions that differ from their text {done}")
    assert len(rows_of(path)) == len(toys.TEXTS) - 1
    again = formats.read(out, kind, bad_mentions="keep")
    kept = [bad.text for one in again for bad in one.document.bad_mentions]
    assert kept == (["GAL 4"] if bad_mentions == "keep" else [])


def test_a_failure_while_writing_leaves_nothing(predict, tmp_path, monkeypatch):
    def failing(path):
        raise InputError("the disk is gone")
        yield

    reads = iter([formats.read, lambda path, kind, **given: failing(path)])
    monkeypatch.setattr(
        formats, "read", lambda *args, **given: next(reads)(*args, **given)
    )
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    for name in ("out.jsonl", "pairs.jsonl"):
        (tmp_path / name).write_text("old")
    with pytest.raises(InputError, match="the disk is gone"):
        predict(source, candidates=tmp_path / "pairs.jsonl")
    names = {path.name: path.read_text() for path in tmp_path.glob("[!i]*")}
    assert names == {"out.jsonl": "old", "pairs.jsonl": "old"}


def test_a_name_longer_than_a_record(tmp_path):
    model = toys.write_chemprot_model(tmp_path / "model", max_seq_length=12)
    long = toys.Document(
        "3",
        "GAL4 with severe-severe-severe-severe.",
        "",
        (("Chemical", "severe-severe-severe-severe", 0), ("Gene", "GAL4", 0)),
    )
    source = toys.write(tmp_path / "in.jsonl", "jsonl", [long])
    with pytest.raises(InputError) as caught:
        re_predict.predict(config_of(source, model, placeholders="marks"))
    assert str(caught.value) == (
        f"{source}: the entities of the pair 3.T1.T2 are too long for a model with "
        "max_seq_length 12; take one of them out"
    )
    re_predict.predict(config_of(source, model))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: folder.rename(folder.with_name("elsewhere")),
        lambda folder: (folder / "settings.json").unlink(),
        lambda folder: (folder / "labels.json").unlink(),
        lambda folder: (folder / "settings.json").write_text("{}"),
    ],
)
def test_no_model(model, tmp_path, damage):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damage(folder)
    with pytest.raises(InputError) as caught:
        re_predict.load(folder, CPU)
    wanted = f"{folder}: holds no model of run_re.py; give its --output_dir"
    if not folder.exists():
        wanted = f"{folder}: no such directory; give the --output_dir of run_re.py"
    assert str(caught.value) == wanted


def test_a_model_of_run_ner(tmp_path):
    folder = ner_toys.write_model(tmp_path / "model")
    values = {"train_on": "train", "do_lower_case": False, "max_seq_length": 8}
    files.write_json(folder / "settings.json", values)
    with pytest.raises(InputError, match=r"holds no model of run_re\.py; give its"):
        re_predict.load(folder, CPU)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.ckpt-7.index", "model"),
        ("vocab.txt", "--vocab_file is not given, and there is no vocab.txt"),
        ("bert_config.json", "--bert_config_file is not given, and there is no"),
    ],
)
def test_a_model_in_part(model, tmp_path, name, message):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.iterdir():
        if path.name != name:
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=message) as caught:
        re_predict.load(folder, CPU)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"output": "in.jsonl"}, "--output=.*in.jsonl is the input; choose another"),
        ({"output": "../{}/in.jsonl"}, "--output=.*in.jsonl is the input; choose"),
        ({"output": "link.jsonl"}, "--output=.*link.jsonl is the input; choose"),
        ({"candidates": "in.jsonl"}, "--candidates=.* is the input; choose another"),
        ({"candidates": "x", "output": "x"}, "--candidates=.*x is the output; choose"),
        ({"output": "folder"}, "folder: is a folder; want a file"),
        ({"candidates": "folder"}, "folder: is a folder; want a file"),
        ({"output": "file", "input": "brat"}, "file: is a file; want a folder"),
        ({"output": "./brat", "input": "brat"}, "--output=.*brat is the input; choose"),
    ],
)
def test_places_that_cannot_be_written(predict, tmp_path, given, message):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    toys.write(tmp_path / "brat", "brat")
    (tmp_path / "link.jsonl").symlink_to(source)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    before = source.read_bytes()
    paths = {
        name: tmp_path / value.format(tmp_path.name) for name, value in given.items()
    }
    with pytest.raises(InputError, match=message):
        predict(paths.pop("input", source), **paths)
    assert source.read_bytes() == before
    assert (tmp_path / "file").read_text() == "old"
    assert not list((tmp_path / "folder").iterdir())


def test_a_pipe_is_refused(predict, tmp_path, monkeypatch):
    # To open one that nobody writes to would wait for ever.
    monkeypatch.setattr(formats, "detect", None)
    os.mkfifo(tmp_path / "in")
    with pytest.raises(InputError, match="in: a pipe; want a file, to read it twice"):
        predict(tmp_path / "in")
    with pytest.raises(InputError, match="-: a pipe; want a file, to read it twice"):
        predict(Path("-"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_probability": -0.1}, "--min_probability=-0.1: must be at least 0"),
        ({"min_probability": 1.1}, "--min_probability=1.1: must be at most 1"),
        ({"min_probability": float("nan")}, "--min_probability=nan: must be at le"),
        ({"predict_batch_size": 0}, "--predict_batch_size=0: must be at least 1"),
        ({"pair": "Chemical"}, "'Chemical' is not a pair of entity types"),
    ],
)
def test_settings_that_mean_nothing(predict, tmp_path, given, message):
    source = toys.write(tmp_path / "in.jsonl", "jsonl")
    with pytest.raises(InputError, match=message):
        predict(source, **given)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


# --- memory ---------------------------------------------------------------------------


def test_documents_are_not_held(predict, tmp_path, monkeypatch):
    number = 60
    many = [
        dataclasses.replace(toys.DOCUMENTS[3], id=str(i), relations=())
        for i in range(number)
    ]
    source = toys.write(tmp_path / "in.jsonl", "jsonl", many)
    alive = weakref.WeakSet()
    most = []
    read = formats.read

    def watched(path, kind, **given):
        for loaded in read(path, kind, **given):
            alive.add(loaded.document)
            most.append(len(alive))
            yield loaded

    # Documents are equal by value; only these objects are to be counted.
    monkeypatch.setattr(formats, "read", watched)
    assert predict(source).documents == number
    assert len(most) == 2 * number
    assert max(most) <= 3


# --- from relations to relations ------------------------------------------------------


def test_round_trip(tmp_path):
    """Documents with relations make a training file, and its model finds them again."""
    signs = ("with", "causes")
    documents = [
        toys.Document(
            str(i),
            f"{'Severe ' * (i % 3)}GAL4 {signs[i % 2]} aspirin.",
            "",
            (("Chemical", "aspirin", 0), ("Gene", "GAL4", 0)),
            (("Up", "T1", "T2"),) * (i % 2),
        )
        for i in range(12)
    ]
    source = toys.write(tmp_path / "in.xml", "bioc_xml", documents)
    data = pairs_file(source, tmp_path / "data", "--negative_label=none")
    (data / "train.tsv").write_bytes((data / "test.tsv").read_bytes())
    toy = re_toys.Toy(tmp_path / "toy")
    ner_toys.write_released(toy.released, TEACHABLE, toys.VOCAB)
    argv = toy.argv(
        data_dir=data,
        task_name="custom",
        max_seq_length=toys.MAX_SEQ_LENGTH,
        num_train_epochs=15,
        train_batch_size=4,
        learning_rate=5e-3,
    )
    cli.re(argv)
    wanted = relations_of(rows_of(toy.output / "predictions.jsonl"), "none")
    assert [one[:2] for one in wanted] == sorted(
        (str(i), "Up") for i in range(1, 12, 2)
    )

    bare = [dataclasses.replace(one, relations=()) for one in documents]
    source = toys.write(tmp_path / "bare.xml", "bioc_xml", bare)
    summary = re_predict.predict(config_of(source, toy.output))
    assert summary.text() == "12 documents, 12 pairs, 6 relations: Up 6"
    assert_same(added(tmp_path / "new-bare.xml", "bioc_xml", bare), wanted)


@pytest.mark.parametrize("pair", ["Chemical-Gene", "Nothing-Gene"])
def test_a_runner_writes_what_one_machine_writes(model, tmp_path, monkeypatch, pair):
    pytest.importorskip("apache_beam", reason="pip install '.[beam]'")
    # Shards of two pairs.
    monkeypatch.setattr(inference, "BATCHES_SORTED", 1)
    monkeypatch.setattr(predict_beam, "_RUNS", 1)
    source = toys.write(tmp_path / "in.pubtator", "pubtator")
    found = []
    for runner in ("local", "DirectRunner"):
        folder = tmp_path / runner
        given = {"output": folder / "out.pubtator", "candidates": folder / "c.jsonl"}
        config = config_of(source, model, pair=pair, predict_batch_size=2, **given)
        config = dataclasses.replace(config, beam=BeamConfig(runner=runner))
        summary = re_predict.predict(config)
        written = {path.name: path.read_bytes() for path in folder.iterdir()}
        found.append((summary, written))
    assert found[0][0].pairs == (7 if pair == "Chemical-Gene" else 0)
    assert found[0] == found[1]
