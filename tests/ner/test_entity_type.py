# SPDX-License-Identifier: Apache-2.0
"""`--entity_type`: the name of the entities of models whose labels are B, I and O."""

import json
import re
from pathlib import Path

import ner_toys as toys
import numpy as np
import pytest

import biobert_tf
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export.client import ExportedModel
from biobert_tf.ner import reading, sets
from biobert_tf.text import labels as text_labels

TEXT = "aspirin helps with nephritis"
CPU = DeviceConfig(strategy="cpu")
BIO = ["O", "B", "I"]
SHOWN = ["O", "B-Disease", "I-Disease"]


class Untyped(toys.Toy):
    """A set like those of the paper."""

    def write(self):
        parts = {"train": toys.TRAIN, "devel": toys.DEVEL, "test": toys.TEST}
        toys.write_data(self.data, **{k: toys.untyped(v) for k, v in parts.items()})
        toys.write_released(self.released)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    made = Untyped(tmp_path_factory.mktemp("toy"))
    cli.ner(made.argv(num_train_epochs=60, entity_type="Disease", do_export=True))
    return made


@pytest.fixture
def unnamed(toy, tmp_path):
    """The same model as if it had been trained without the flag."""
    folder = tmp_path / "unnamed"
    files_to_copy = [x for x in toy.output.iterdir() if x.is_file()]
    folder.mkdir()
    for path in files_to_copy:
        (folder / path.name).write_bytes(path.read_bytes())
    recorded = files.read_json(folder / "settings.json")
    assert recorded.pop("entity_type") == "Disease"
    files.write_json(folder / "settings.json", recorded)
    return folder


def run(command, capsys, **flags):
    """Runs a command; returns its status and the last line of what it says."""
    argv = [f"--{name}={value}" for name, value in flags.items()]
    status = program.run(command, ["biobert", *argv])
    return status, capsys.readouterr().err.splitlines()[-1:]


def annotate(tmp_path, capsys, model, name="out.jsonl", **flags):
    source = tmp_path / "in.txt"
    source.write_text(TEXT)
    output = tmp_path / name
    given = {"model": model, "input": source, "output": output, "strategy": "cpu"}
    return (*run(cli.annotate, capsys, **given, **flags), output)


def types_of(path):
    model = biobert_tf.load(path, device=CPU)
    [found] = model.annotate([TEXT])
    assert found
    return {entity.type for entity in found}


# What the files of every format say of the types, and how to find it.
WRITTEN = {
    "out.jsonl": r'"type": ?"(\w+)"',
    "out.pubtator": r"\t(?:aspirin|nephritis)\t(\w+)",
    "out.xml": r'<infon key="type">(\w+)<',
    "out.json": r'"type": ?"(\w+)"',
    "out.html": r'<mark[^>]* data-type="(\w+)"',
    "out.conll": r"B-(\w+)",
    "brat": r"(?m)^T\d+\t(\w+) ",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_annotated_documents(toy, tmp_path, capsys, name):
    formats = {"out.xml": "bioc_xml", "out.json": "bioc_json", "brat": "brat"}
    flags = {"output_format": formats[name]} if name in formats else {}
    for given, wanted in ({}, "Disease"), ({"entity_type": "Drug"}, "Drug"):
        folder = tmp_path / wanted
        folder.mkdir()
        model = toy.output
        status, _, output = annotate(folder, capsys, model, name, **given, **flags)
        assert status == 0
        text = (output / "in.ann" if name == "brat" else output).read_text("utf-8")
        assert set(re.findall(WRITTEN[name], text)) == {wanted}
        assert len(re.findall(WRITTEN[name], text)) == 2
        assert "MISC" not in text


def test_without_a_type_it_is_misc(unnamed, tmp_path, capsys):
    assert types_of(unnamed) == {"MISC"}
    _, [line], _ = annotate(tmp_path, capsys, unnamed)
    assert "(MISC 2)" in line


def test_a_run_stores_it_beside_labels_that_stay(toy, tmp_path, capsys):
    assert files.read_json(toy.output / "labels.json")["labels"] == BIO
    rows = (toy.output / "predictions.jsonl").read_text().splitlines()
    found = [entity for row in rows for entity in json.loads(row)["entities"]]
    assert found
    assert {entity["type"] for entity in found} == {"Disease"}
    # The scores are those of the original, which calls what has no type MISC.
    results = files.read_json(toy.output / "results.json")
    assert [*results["test"]["scores"]["by_type"]] == ["MISC"]
    conll = (toy.output / "NER_result_conll.txt").read_text()
    assert "B-MISC" in conll
    assert "Disease" not in conll
    # A prediction with the model, and its export, need not be told.
    output = tmp_path / "again"
    flags = {"do_train": False, "init_checkpoint": toy.output, "do_export": True}
    cli.ner(toy.argv(output_dir=output, **flags))
    assert (output / "predictions.jsonl").read_text().splitlines() == rows
    assert types_of(output / "export") == {"Disease"}
    # Another name does not make it another training.
    cli.ner(toy.argv(num_train_epochs=60, entity_type="Drug", do_predict=False))
    assert types_of(toy.output) == {"Drug"}
    cli.ner(toy.argv(num_train_epochs=60, entity_type="Disease", do_predict=False))


def test_several_models(toy, unnamed, tmp_path, capsys):
    both = f"{toy.output},{unnamed}"
    for i, (given, wanted) in enumerate(
        [
            ({}, "Disease 2, MISC 2"),
            ({"entity_type": ",Drug"}, "Disease 2, Drug 2"),
            ({"entity_type": "Drug, Gene"}, "Drug 2, Gene 2"),
        ]
    ):
        name = f"{i}.jsonl"
        status, [line], _ = annotate(tmp_path, capsys, both, name, **given)
        assert status == 0
        assert f"({wanted})" in line
    status, [line], _ = annotate(tmp_path, capsys, both, entity_type="Drug")
    assert status == 2
    assert line.startswith("error: --entity_type=Drug: 1 types for 2 models; want one")


def test_exports_and_their_clients(toy, unnamed, tmp_path, capsys):
    flags = {"output": tmp_path / "named", "entity_type": "Disease"}
    assert run(cli.export, capsys, model=unnamed, **flags)[0] == 0
    for path in (tmp_path / "named", toy.output / "export"):
        assert files.read_json(path / "assets/labels.json")["labels"] == BIO
        client = ExportedModel(path)
        # Those who read numbers (`tokens`, LiteRT, ONNX) find the labels in the card.
        assert client.card["labels"] == SHOWN
        found = client(text=[TEXT])
        assert set(found["entity_types"].ravel()) == {"Disease"}
        assert set(found["labels"].ravel()) == {"O", "B-Disease"}
        assert types_of(path) == {"Disease"}
    # The numbers do not depend on the name.
    flags = {"output": tmp_path / "plain"}
    assert run(cli.export, capsys, model=unnamed, **flags)[0] == 0
    plain = ExportedModel(tmp_path / "plain")(text=[TEXT])
    assert set(plain["entity_types"].ravel()) == {"MISC"}
    for name in plain.keys() - {"entity_types", "labels"}:
        np.testing.assert_array_equal(plain[name], found[name])


def test_an_export_of_a_model_that_transformers_saved(toy, tmp_path, capsys):
    pytest.importorskip("safetensors.numpy")
    saved = tmp_path / "hf"
    cli.convert(["", f"--from={toy.output}", f"--to={saved}"])
    (saved / "settings.json").unlink()
    config = files.read_json(saved / "config.json")
    config["id2label"] = {str(i): label for i, label in enumerate(BIO)}
    files.write_json(saved / "config.json", config)
    assert types_of(saved) == {"MISC"}
    assert biobert_tf.load(saved, entity_type="Drug").labels == ("O", "B", "I")
    exported = tmp_path / "export"
    flags = {"output": exported, "entity_type": "Drug", "max_seq_length": 12}
    assert run(cli.export, capsys, model=saved, **flags)[0] == 0
    assert files.read_json(exported / "assets/labels.json")["labels"] == BIO
    assert types_of(exported) == {"Drug"}
    # And what is made of that.
    cli.convert(["", f"--from={exported}", f"--to={tmp_path / 'hf2'}"])
    config = files.read_json(tmp_path / "hf2/config.json")
    assert config["id2label"]["1"] == "B-Drug"
    assert types_of(tmp_path / "hf2") == {"Drug"}


def test_a_conversion_and_back(toy, tmp_path):
    pytest.importorskip("safetensors.numpy")
    hf, back = tmp_path / "hf", tmp_path / "back/model.ckpt-7"
    cli.convert(["", f"--from={toy.output}", f"--to={hf}"])
    config = files.read_json(hf / "config.json")
    assert [config["id2label"][str(i)] for i in range(3)] == SHOWN
    model = biobert_tf.load(hf)
    assert (model.labels, model.entity_type) == (("O", "B", "I"), "Disease")
    assert types_of(hf) == {"Disease"}
    cli.convert(["", f"--from={hf}", f"--to={back}"])
    for name in ("labels.json", "settings.json"):
        before, after = (files.read_json(x / name) for x in (toy.output, back.parent))
        assert before == after
    # Where the settings are lost, the labels have types.
    (hf / "settings.json").unlink()
    assert biobert_tf.load(hf).labels == tuple(SHOWN)
    assert types_of(hf) == {"Disease"}


def test_in_python(toy, unnamed):
    model = biobert_tf.load(unnamed, device=CPU, entity_type="Drug")
    assert model.entity_type == "Drug"
    [found] = model.annotate([TEXT])
    assert {entity.type for entity in found} == {"Drug"}
    assert biobert_tf.load(toy.output).entity_type == "Disease"


def test_labels_with_types_are_refused(tmp_path, capsys):
    model = toys.write_model(tmp_path / "model")
    files.write_json(
        model / "settings.json", {"train_on": "train", "max_seq_length": 12}
    )
    problem = r"entity type 'Drug': the labels have types already \(Chem, Dis\); leave"
    wanted = f"{re.escape(str(model))}: {problem}"
    status, [line], output = annotate(tmp_path, capsys, model, entity_type="Drug")
    assert (status, output.exists()) == (2, False)
    assert re.match(f"error: {wanted}", line)
    flags = {"model": model, "output": tmp_path / "export", "entity_type": "Drug"}
    status, [line] = run(cli.export, capsys, **flags)
    assert (status, (tmp_path / "export").exists()) == (2, False)
    assert re.match(f"error: {wanted}", line)
    with pytest.raises(InputError, match=wanted):
        biobert_tf.load(model, entity_type="Drug")
    # The type that all of them have already is no other.
    one = toys.write_model(tmp_path / "one", labels=("O", "B-Dis", "I-Dis"))
    files.write_json(one / "settings.json", {"train_on": "train", "max_seq_length": 12})
    assert annotate(tmp_path, capsys, one, entity_type="Dis")[0] == 0
    typed = toys.Toy(tmp_path / "toy")
    with pytest.raises(InputError, match=f"{re.escape(str(typed.data))}: {problem}"):
        cli.ner(typed.argv(entity_type="Drug"))
    assert not typed.output.exists()


@pytest.mark.parametrize("name", ["a b", "a,b", " "])
def test_a_type_is_one_word(name):
    wanted = f"^runs/x: entity type '{name}': want one name without spaces and commas"
    with pytest.raises(InputError, match=wanted):
        reading.require_untyped(BIO, name, Path("runs/x"))


def test_models_that_find_no_entities(tmp_path, capsys):
    from biobert_tf.model import heads

    toys.write_vocab(tmp_path / "vocab.txt")
    network = heads.SequenceClassifier(toys.CONFIG, 2, seed=1)
    toys.save_model(network, ("0", "1"), tmp_path)
    flags = {"output": tmp_path / "x", "entity_type": "Drug", "max_seq_length": 12}
    status, [line] = run(cli.export, capsys, model=tmp_path, **flags)
    assert status == 2
    assert "--entity_type=Drug is for models of kind ner; " in line
    with pytest.raises(InputError, match="entity type 'Drug': it is a model of kind"):
        biobert_tf.load(tmp_path, entity_type="Drug")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("NCBI-disease", "Disease"),
        ("BC5CDR_chem", "Chemical"),
        ("bc2gm", "Gene"),
        ("s800", "Species"),
        ("JNLPBA-typed", None),
        ("data", None),
    ],
)
def test_known_sets(tmp_path, name, wanted):
    assert sets.type_of(tmp_path / name) == wanted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NCBI-disease", "--entity_type=Disease names them, if"),
        ("data", "--entity_type=NAME names them"),
    ],
)
def test_a_training_suggests_it(tmp_path, caplog, name, said):
    caplog.set_level("INFO", "biobert_tf.ner.run")
    toy = Untyped(tmp_path)
    toy.data = toy.data.rename(tmp_path / name)
    cli.ner(toy.argv(num_train_epochs=1, do_predict=False))
    [line] = [x for x in caplog.messages if "--entity_type" in x]
    assert line.startswith("the labels have no types, so entities will be called MISC")
    assert said in line
    assert files.read_json(toy.output / "settings.json")["entity_type"] == ""


def test_shown_labels_and_back():
    labels = list(toys.ORIGINAL_LABELS)
    shown = text_labels.typed(labels, "Disease")
    assert shown == ["[PAD]", "B-Disease", "I-Disease", "O", "X", "[CLS]", "[SEP]"]
    assert text_labels.untyped(shown, "Disease") == labels
    assert text_labels.typed(labels, "") == labels
    assert text_labels.untyped(["B-Gene"], "Disease") == ["B-Gene"]
