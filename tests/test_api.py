# SPDX-License-Identifier: Apache-2.0
"""`biobert_tf.load`, with tiny models of every kind."""

import doctest
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import ner_toys
import numpy as np
import pytest
import qa_toys
import re_toys

import biobert_tf
from biobert_tf.checkpoints import convert
from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export.settings import ExportConfig

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
CPU = DeviceConfig(strategy="cpu")
# The command of a kind, its toy, and how many epochs teach the toy something.
RUNS = {
    "ner": (cli.ner, ner_toys.Toy, 60),
    "re": (cli.re, re_toys.Toy, 20),
    "qa": (cli.qa, qa_toys.Toy, 30),
}


def load(path, **more):
    return biobert_tf.load(path, device=CPU, batch_size=4, **more)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A trained model of every script."""
    folder = tmp_path_factory.mktemp("models")
    for name, (command, toy, num_epochs) in RUNS.items():
        made = toy(folder / name)
        command(
            made.argv(num_train_epochs=num_epochs, output_dir=folder / f"{name}-out")
        )
    return {name: load(folder / f"{name}-out") for name in RUNS}


def test_kinds(models):
    assert {name: model.kind for name, model in models.items()} == {
        "ner": "ner",
        "re": "re",
        "qa": "qa",
    }


def test_annotate(models):
    text = "severe\nLiver cancer ."
    [none, some] = models["ner"].annotate(["", text])
    assert none == []
    [entity] = [entity for entity in some if entity.type == "Dis"]
    assert entity.text == text[entity.start : entity.end] == "Liver cancer"
    assert 0 < entity.probability <= 1


def test_classify(models):
    texts = [text for text, _ in re_toys.TEST]
    found = models["re"].classify(texts)
    path = models["re"].path / "predictions.jsonl"
    expected = [line.split('"label": "')[1][0] for line in path.open(encoding="utf-8")]
    assert [relation.label for relation in found] == expected
    written = np.loadtxt(models["re"].path / "test_results.tsv")
    ours = [list(relation.probabilities.values()) for relation in found]
    np.testing.assert_allclose(ours, written, atol=1e-5)
    for relation in found:
        assert relation.probability == max(relation.probabilities.values())


def test_texts_without_the_marks_of_the_training(models, caplog):
    model = models["re"]
    lacking = "lack the marks of the training (@DISEASE$, @GENE$), text"
    with pytest.raises(InputError) as caught:
        model.classify(["aspirin helps .", "<< aspirin >> helps [[ men ]]"])
    assert str(caught.value).startswith(f"2 of 2 texts {lacking} 0 first; put them")
    found = model.classify([re_toys.TEST[0][0], "aspirin helps ."])
    assert len(found) == 2
    assert caplog.messages[-1].startswith(f"1 of 2 texts {lacking} 1 first")
    # Blank texts do not count.
    assert len(model.classify(["", " \n"])) == 2
    assert len(caplog.messages) == 1
    with pytest.raises(InputError, match=f"^1 of 1 texts {re.escape(lacking)} 1 first"):
        model.classify(["", "aspirin helps ."])


def test_answer(models):
    question, passage, _ = qa_toys.TRAIN[0]
    model = models["qa"]
    [best, *_] = model.answer(question, passage)
    assert (best.text, best.source) == ("cancer", "0")
    assert passage[best.start : best.end] == "cancer"
    [other] = model.answer(question, ["1 2 3 .", passage], num_answers=1)
    named = model.answer(question, {"x": "1 2 3 .", "y": passage}, num_answers=1)
    assert [answer.source for answer in named] == ["xy"[int(other.source)]]


@pytest.mark.parametrize("kind", ["ner", "re", "qa"])
def test_embed(models, kind):
    model = models[kind]
    texts = ["Liver cancer", "", "aspirin helps with nephritis " * 9]
    mean = model.embed(texts)
    assert mean.shape == (3, 8)
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean[1], 0)
    pieces = model.embed(texts, pooling="none")
    assert [len(vectors) for vectors in pieces] == [2, 0, 5 * 9]
    np.testing.assert_allclose(pieces[0].mean(axis=0), mean[0], atol=1e-6)
    assert model.embed(texts, layers=(-1, 0)).shape == (3, 16)
    # In any order, alone or with others.
    np.testing.assert_allclose(model.embed(texts[::-1])[::-1], mean, atol=1e-5)
    assert model.embed([]).shape == (0, 8)


def test_a_checkpoint_of_no_run_gives_vectors(tmp_path):
    folder = ner_toys.write_model(tmp_path / "model")
    model = load(folder, max_seq_length=12)
    assert model.kind == "encoder"
    assert model.embed(["Liver"]).shape == (1, 8)
    with pytest.raises(InputError, match="it is a model of kind encoder, not ner"):
        model.annotate(["Liver"])


@pytest.mark.parametrize(
    "kind, method, arguments",
    [
        ("ner", "classify", [["x"]]),
        ("ner", "answer", ["x", "y"]),
        ("re", "annotate", [["x"]]),
        ("qa", "classify", [["x"]]),
    ],
)
def test_what_a_model_cannot_do(models, kind, method, arguments):
    with pytest.raises(
        InputError, match=f"cannot {method}: it is a model of kind {kind}"
    ):
        getattr(models[kind], method)(*arguments)


def test_a_text_alone_is_refused(models):
    for call in (models["ner"].annotate, models["re"].classify, models["qa"].embed):
        with pytest.raises(TypeError, match="want a list of texts, not one text"):
            call("Liver cancer")


def test_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        load(tmp_path / "absent")


def test_unknown_layer(models):
    with pytest.raises(InputError, match="no layer 1; the model has 1"):
        models["ner"].embed(["x"], layers=(1,))


def test_the_package_imports_no_tensorflow_until_it_is_needed():
    code = "import sys, biobert_tf; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    # As every other test here shows, `load` is there.
    with pytest.raises(AttributeError, match="has no attribute 'unload'"):
        _ = biobert_tf.unload


def test_dir_and_the_members_in_help_are_the_public_names():
    """However many of its modules are imported, as they are here.

    Under PACKAGE CONTENTS, `help` lists the modules besides.
    """
    assert {"api", "common"} <= vars(biobert_tf).keys()
    results = ["Annotations", "Answers", "Classification", "Classifications"]
    results += ["Entities", "Entity", "FoundAnswer"]
    results += ["Relation", "Relations"]
    others = ["InputError", "Model", "__version__", "load"]
    assert dir(biobert_tf) == sorted([*results, *others])
    for name in dir(biobert_tf):
        assert getattr(biobert_tf, name) is not None
    shown = pydoc.render_doc(biobert_tf, renderer=pydoc.plaintext)
    classes = re.findall(r"(?m)^    class (\w+)", shown)
    assert classes == sorted([*results, "InputError", "Model"])
    functions = shown.partition("\nFUNCTIONS\n")[2].partition("\nVERSION\n")[0]
    assert re.findall(r"(?m)^    (\w+)\(", functions) == ["load"]
    assert "\nDATA\n" not in shown


def test_the_example_of_the_package(models, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "ncbi").symlink_to(models["ner"].path)
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(biobert_tf)
    assert (found.failed, found.attempted) == (0, 4)


def test_results_know_their_texts(models):
    text = "severe\nLiver cancer ."
    found = models["ner"].annotate([text, ""])
    assert isinstance(found, biobert_tf.Annotations)
    assert [each.text for each in found] == [text, ""]
    assert ">Liver cancer</mark> ." in found._repr_html_()
    sentence = "@GENE$ causes @DISEASE$ ."
    relations = models["re"].classify([sentence])
    assert relations.texts == [sentence]
    assert ">@DISEASE$</mark> ." in relations._repr_html_()
    question, passage, _ = qa_toys.TRAIN[0]
    answers = models["qa"].answer(question, passage)
    assert (answers.question, answers.texts) == (question, {"0": passage})
    assert ">cancer</mark>" in answers._repr_html_()


def test_a_model_is_shown(models):
    shown = {name: model._repr_html_() for name, model in models.items()}
    for name, method in {"ner": "annotate", "re": "classify", "qa": "answer"}.items():
        assert f"<code>{method}</code> and <code>embed</code>" in shown[name]
    assert f"Model <bdi>{models['ner'].path}</bdi>" in shown["ner"]
    assert "<bdi>B-Chem</bdi>, <bdi>I-Chem</bdi>" in shown["ner"]


def test_settings_are_those_of_the_run(models):
    for name, (_, _, num_epochs) in RUNS.items():
        settings = models[name].settings
        assert settings["num_train_epochs"] == num_epochs
        assert settings["output_dir"] == str(models[name].path)
        assert settings == files.read_json(models[name].path / "settings.json")


# --- the page ------------------------------------------------------------------------


def test_the_page(models, tmp_path, monkeypatch):
    """Every example of docs/python.md gives what it shows."""
    names = {"ner": "ncbi", "re": "gad", "qa": "factoid"}
    (tmp_path / "runs").mkdir()
    for kind, name in names.items():
        (tmp_path / "runs" / name).symlink_to(models[kind].path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    source = "\n".join(blocks)
    test = doctest.DocTestParser().get_doctest(source, {}, PAGE.name, str(PAGE), 0)
    told = []
    found = doctest.DocTestRunner().run(test, out=told.append)
    assert not found.failed, "".join(told)
    assert found.attempted >= 40
    # Each example is run: none is in another kind of block.
    assert len(blocks) == PAGE.read_text("utf-8").count("```python")


# --- other forms of a model ----------------------------------------------------------

TEXTS = {
    "ner": lambda model: model.annotate(["severe\nLiver cancer .", ""]),
    "re": lambda model: model.classify([text for text, _ in re_toys.TEST]),
    "qa": lambda model: model.answer(*qa_toys.TRAIN[0][:2]),
}


def same(found, wanted):
    """Checks results of any kind: everything equal, numbers nearly."""
    if isinstance(wanted, list):
        assert len(found) == len(wanted)
        for pair in zip(found, wanted, strict=True):
            same(*pair)
    elif hasattr(wanted, "to_dict"):
        found, wanted = found.to_dict(), wanted.to_dict()
        for name, value in wanted.items():
            numbers = value if isinstance(value, dict | float) else None
            assert found[name] == (value if numbers is None else pytest.approx(value))
    else:
        raise AssertionError(wanted)


@pytest.mark.parametrize("kind", ["ner", "re", "qa"])
def test_an_export_and_a_copy_give_the_same(models, tmp_path, kind):
    wanted = TEXTS[kind](models[kind])
    exported = exporting.export(
        ExportConfig(model=models[kind].path, output=tmp_path / "out", tokens=False)
    )
    convert.convert(models[kind].path, tmp_path / "copy")
    # As Transformers 5 saves a model.
    (tmp_path / "copy" / "vocab.txt").unlink()
    for path in (exported, tmp_path / "copy"):
        model = load(path)
        assert model.kind == kind
        assert model.labels == models[kind].labels
        same(TEXTS[kind](model), wanted)


# --- what is told --------------------------------------------------------------------


def test_devices_by_name(models):
    path = models["ner"].path
    model = biobert_tf.load(path, device="cpu", mixed_precision="bfloat16")
    assert model.device == DeviceConfig(strategy="cpu", mixed_precision="bfloat16")
    half = DeviceConfig(mixed_precision="float16")
    assert biobert_tf.load(path, device=half).device == half
    assert load(path, mixed_precision="float16").device.mixed_precision == "float16"
    assert biobert_tf.load(path).device == DeviceConfig()
    with pytest.raises(InputError, match="device 'cuda' is none of auto, cpu, gpu"):
        biobert_tf.load(path, device="cuda")
    assert biobert_tf.load(path, engine="openvino").device.engine == "openvino"
    with pytest.raises(InputError, match="engine 'onnx' is none of tensorflow, openvi"):
        biobert_tf.load(path, engine="onnx")
    with pytest.raises(InputError, match="batch_size=0: must be at least 1"):
        biobert_tf.load(path, batch_size=0)


def test_what_is_no_text(models):
    for texts in (["a", b"b"], {"x": "a", "y": None}):
        with pytest.raises(
            TypeError, match=r"text 1 is not a str but (bytes|NoneType)"
        ):
            models["qa"].answer("what ?", texts)
    with pytest.raises(TypeError, match="text 0 is not a str but NoneType"):
        models["qa"].answer(None, ["a"])
    for call in (models["ner"].annotate, models["re"].classify, models["qa"].embed):
        with pytest.raises(TypeError, match="text 1 is not a str but int"):
            call(["a", 7])


def test_a_sentence_whose_entities_are_too_long(models):
    long = "@GENE$ causes " + "@DISEASE$ " * 9
    with pytest.raises(InputError, match="text 1: its entities are too long for a mod"):
        models["re"].classify(["@GENE$ causes @DISEASE$ .", long])


def test_marks_are_entities_where_there_are_no_placeholders(models):
    """Cut around them, as `run_re.py` cuts files of SciBERT's form."""
    before = "severe " * 20
    marked = "<< @ >> causes [[ $ ]]"
    # The model knows placeholders, which some text must have.
    known = re_toys.TEST[0][0]
    texts = [before + marked, before + "helps with"]
    _, shown, whole = models["re"].classify([known, *texts])
    assert shown.probabilities != whole.probabilities
    _, plain = models["re"].classify([known, before + "@ causes $"])
    assert plain.probabilities == pytest.approx(whole.probabilities)


def test_case_is_found_out(tmp_path):
    folder = ner_toys.write_model(tmp_path / "model")
    assert load(folder).text.do_lower_case is False
    pieces = [piece if piece[0] == "[" else piece.lower() for piece in ner_toys.VOCAB]
    ner_toys.write_vocab(folder / "vocab.txt", pieces)
    model = load(folder, max_seq_length=12)
    assert model.text.do_lower_case is True
    np.testing.assert_array_equal(model.embed(["LIVER"]), model.embed(["liver"]))
    # What a tokenizer's files say goes before what the vocabulary shows.
    files.write_json(folder / "tokenizer_config.json", {"do_lower_case": False})
    assert load(folder).text.do_lower_case is False
    assert load(folder, do_lower_case=True).text.do_lower_case is True
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer_config.json").unlink()
    assert load(folder).text.do_lower_case is False
