"""Exported models, loaded where nothing but TensorFlow is known."""

import dataclasses
import json
import logging
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import ner_toys
import numpy as np
import pytest
import re_toys
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig, RunConfig
from biobert_tf.export import client as serving
from biobert_tf.export import model_card, saved_model
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads
from biobert_tf.ner import task as ner
from biobert_tf.text.tokenization import FullTokenizer
from biobert_tf.training import strategy as strategies
from biobert_tf.training.estimator import Estimator

TEXTS = [
    "aspirin\u00ad helps with nephritis .",
    "",
    "\u4e2d Liver cancer \U0001f9ec " * 9,
]
SETTINGS = {
    "do_lower_case": False,
    "max_seq_length": 12,
    "init_checkpoint": "biobert",
    "data_dir": "NER/toy",
}
RESULTS = {"task": "ner", "global_step": 7, "test": {"scores": {"f1": 0.5}}}
# Reads both forms as a stranger would: the plain one first, without TensorFlow Text,
# also with TensorFlow's own tool. Then runs a command of a page, a `python -c`.
STRANGER = """
import contextlib, io, json, sys, traceback
import tensorflow as tf
folder, texts, tool, page = map(json.loads, sys.argv[1:])

def shown(code, *words):
    said, sys.argv = io.StringIO(), ["-c", *words]
    with contextlib.redirect_stdout(said):
        try:
            exec(code)
        except SystemExit as ended:
            return said.getvalue() if not ended.code else str(ended)
        except Exception:
            return traceback.format_exc()
    return said.getvalue()

plain = tf.saved_model.load(folder + "/tokens").signatures
ids = {"input_ids": [[2, 5, 6, 3]], "input_mask": [[1] * 4], "segment_ids": [[0] * 4]}
ids = {name: tf.constant(values) for name, values in ids.items()}
scores = plain["serving_default"](**ids)["probabilities"].numpy().tolist()
of_tool = shown(*tool)
assert "tensorflow_text" not in sys.modules
of_page = shown(*page)
import tensorflow_text
loaded = tf.saved_model.load(folder)
again = loaded.signatures["tokens"](**ids)["probabilities"].numpy().tolist()
found = loaded.signatures["serving_default"](text=tf.constant(texts))
bytes_found = {k: v.numpy().tolist() for k, v in found.items()}
assert "biobert_tf" not in sys.modules
print(json.dumps(
    [scores, again, bytes_found, of_tool, of_page],
    default=lambda value: value.decode(),
))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A NER model as a finished training leaves it."""
    folder = ner_toys.write_model(tmp_path_factory.mktemp("model"))
    files.write_json(folder / "settings.json", SETTINGS)
    files.write_json(folder / "results.json", RESULTS)
    return folder


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    output = tmp_path_factory.mktemp("export") / "ner"
    return exporting.export(ExportConfig(model=model, output=output))


def annotated(model):
    """What `NerTask` finds in the texts."""
    task = ner.NerTask(
        tokenizer=FullTokenizer(model / "vocab.txt"),
        labels=ner_toys.LABELS,
        max_seq_length=12,
        compat="fixed",
    )
    device = DeviceConfig(strategy="cpu")
    estimator = Estimator(
        task,
        ner_toys.CONFIG,
        strategy=strategies.build_strategy(device),
        device=device,
        run=RunConfig(),
        model_dir=model,
    )
    from biobert_tf import checkpoints

    estimator.initialize(checkpoints.locate(model).read())
    return ner_toys.annotated(task, estimator, TEXTS, batch_size=4)


@pytest.fixture(scope="module")
def told(exported):
    """What the stranger says: scores twice, what is in TEXTS, and two commands."""
    tool = "from tensorflow.python.tools.saved_model_cli import main; main()"
    values = "input_ids=[[2,5,3]];input_mask=[[1,1,1]];segment_ids=[[0,0,0]]"
    flags = ["--tag_set=serve", "--signature_def=serving_default"]
    run = ["run", f"--dir={exported}/tokens", *flags, f"--input_exprs={values}"]
    page = (Path(__file__).parents[2] / "docs/serving.md").read_text("utf-8")
    [block] = re.findall(r"^python -c .*?(?=\n```)", page, re.DOTALL | re.MULTILINE)
    line = block.replace("\\\n", " ").replace("exported/ncbi", str(exported))
    given = str(exported), TEXTS, [tool, *run], shlex.split(line)[2:]
    result = subprocess.run(
        [sys.executable, "-c", STRANGER, *map(json.dumps, given)],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_stranger_finds_what_the_annotator_finds(model, told):
    scores, again, found, *_ = told
    np.testing.assert_allclose(scores, again, atol=1e-6)
    assert found == json.loads(json.dumps(found))
    for i, (example, prediction) in enumerate(annotated(model)):
        assert [word for word in found["words"][i] if word] == list(example.words)
        assert [label for label in found["labels"][i] if label] == list(
            prediction.labels
        )
        entities = prediction.entities
        np.testing.assert_allclose(
            found["entity_probabilities"][i][: len(entities)],
            [entity.probability for entity in entities],
            atol=1e-5,
        )
        for start, end, word in zip(
            found["starts"][i], found["ends"][i], found["words"][i], strict=True
        ):
            assert TEXTS[i].encode()[start:end].decode() == word or start == -1


def test_the_tool_of_tensorflow_runs_it(told):
    *_, of_tool, _ = told
    assert "Result for output key probabilities" in of_tool


def test_the_tool_of_tensorflow_takes_text(told):
    """As docs/serving.md calls it."""
    *_, of_page = told
    shown = of_page.split("Result for output key ")
    assert len(shown) > 1, of_page
    [words_shown] = [part for part in shown if part.startswith("words:")]
    assert words_shown == (
        "words:\n[[b'BRCA1' b'in' b'breast' b'cancer' b'.']\n"
        " [b'aspirin' b'' b'' b'' b'']]\n"
    )


def test_the_folder_stands_alone(exported):
    held = {
        str(path.relative_to(exported))
        for path in exported.rglob("*")
        if path.is_file()
    }
    assert held >= {
        "saved_model.pb",
        "tokens/saved_model.pb",
        "assets/vocab.txt",
        "assets/labels.json",
        "assets/bert_config.json",
        "assets.extra/tf_serving_warmup_requests",
        "model_card.json",
        "model_card.md",
    }
    assert not [path for path in exported.parent.iterdir() if path != exported]
    labels = files.read_json(exported / "assets/labels.json")["labels"]
    assert labels == list(ner_toys.LABELS)


def test_the_card_says_what_the_model_is(exported):
    card = files.read_json(exported / model_card.JSON)
    assert card["kind"] == "ner"
    assert card["scores"] == {"test": {"f1": 0.5}}
    assert card["data"] == {"data_dir": "NER/toy"}
    assert card["parameters"] == 997
    signature = card["signatures"]["serving_default"]
    assert signature["inputs"] == {"text": {"dtype": "string", "shape": [None]}}
    assert signature["outputs"]["starts"] == {"dtype": "int32", "shape": [None, None]}
    page = (exported / model_card.MARKDOWN).read_text("utf-8")
    for line in (
        "| test | f1 | 0.5 |",
        "| Labels | O, B-Chem",
        "## Licence",
        "biobert",
    ):
        assert line in page


def test_warm_up_requests_are_answered(exported):
    loaded = tf.saved_model.load(str(exported)).signatures
    sizes = []
    for record in tf.data.TFRecordDataset(str(exported / saved_model.WARMUP)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        outputs = loaded[request.model_spec.signature_name](**inputs)
        sizes.append(len(outputs["words"]))
    assert sizes == [1, 8]


def test_records_of_a_training_are_scored(exported):
    names = ("input_ids", "input_mask", "segment_ids")
    rows = {"input_ids": [2, 5, 6, 3], "input_mask": [1] * 4, "segment_ids": [0] * 4}
    feature = {
        name: tf.train.Feature(
            int64_list=tf.train.Int64List(value=[*rows[name], *[0] * 8])
        )
        for name in names
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    loaded = serving.ExportedModel(exported)
    found = loaded._loaded.signatures["examples"](
        examples=tf.constant([example.SerializeToString()])
    )
    wanted = loaded.score(**{name: [rows[name]] for name in names})
    np.testing.assert_allclose(
        found["probabilities"][:, :4], wanted["probabilities"], atol=1e-5
    )


def test_an_export_replaces_nothing_else(model, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    config = ExportConfig(model=model, output=tmp_path)
    with pytest.raises(InputError, match="is not an export"):
        exporting.export(config)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# --- other kinds ---------------------------------------------------------------------


def export_model(folder, kind_of_head, labels=(), settings=None, **flags):
    """Exports a model of random weights; returns it loaded."""
    ner_toys.write_vocab(folder / "model/vocab.txt", re_toys.VOCAB)
    ner_toys.save_model(kind_of_head, labels, folder / "model")
    if settings is not None:
        files.write_json(folder / "model/settings.json", settings)
    exporting.export(
        ExportConfig(
            model=folder / "model", output=folder / "out", tokens=False, **flags
        )
    )
    return serving.ExportedModel(folder / "out")


def test_vectors_of_any_model_in_another_type(tmp_path, model, exported):
    """They take the place of an export of another kind."""
    output = shutil.copytree(exported, tmp_path / "out")
    config = ExportConfig(
        model=model, output=output, kind="encoder", dtype="bfloat16", tokens=False
    )
    (output / "stale").touch()
    exporting.export(config)
    assert not (output / "stale").exists()
    assert not (output / "tokens").exists()
    loaded = serving.ExportedModel(output)
    assert loaded.kind == "encoder"
    assert loaded.card["dtype"] == "bfloat16"
    found = loaded(text=["aspirin helps"])
    assert found["pieces"].tolist() == [["aspirin", "helps"]]
    assert found["sequence_output"].shape == (1, 2, 8)
    assert found["sequence_output"].dtype == np.float32


def test_masked_pieces(tmp_path):
    model = heads.PretrainingModel(re_toys.CONFIG, seed=1)
    loaded = export_model(tmp_path, model)
    assert loaded.kind == "masked_lm"
    found = loaded(text=["severe [MASK] ."])
    assert found["pieces"].shape == (1, 1, 10)
    assert loaded.card["max_seq_length"] == 16


# --- what users get wrong ------------------------------------------------------------


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"kind": "qa"}, "is a model of kind ner, not qa"),
        ({"max_seq_length": 17}, "max_position_embeddings"),
        ({"model": "elsewhere"}, "elsewhere"),
    ],
)
def test_what_cannot_be_exported(model, tmp_path, change, expected):
    config = ExportConfig(model=model, output=tmp_path / "out")
    values = {
        name: tmp_path / value if name == "model" else value
        for name, value in change.items()
    }
    with pytest.raises(InputError, match=expected):
        exporting.export(dataclasses.replace(config, **values))
    assert not (tmp_path / "out").exists()


def test_what_is_no_export(tmp_path):
    with pytest.raises(InputError, match="is not an export"):
        serving.ExportedModel(tmp_path)


def test_a_run_exports_its_model(tmp_path, capsys, caplog):
    toy = ner_toys.Toy(tmp_path)
    flags = {"do_export": True, "num_train_epochs": 1}
    with caplog.at_level(logging.INFO):
        assert program.run(cli.ner, toy.argv(**flags)) == 0
    card = files.read_json(toy.output / "export" / model_card.JSON)
    assert card["kind"] == "ner"
    assert card["scores"]["test"]["f1"] is not None
    said = capsys.readouterr()
    assert "wrote" in said.out
    # What TensorFlow tells of a write is for nobody.
    assert "exported a model of kind ner" in caplog.text
    for noise in ("Assets written", "will be renamed"):
        assert noise not in caplog.text + said.err


def test_a_run_exports_what_it_predicts_with(tmp_path):
    """The settings are those of the run, not of the model that it was given."""
    model = re_toys.write_model(tmp_path / "model", ("0", "1"))
    known = {"task_name": "gad", "entity_markers": False, "max_seq_length": 12}
    files.write_json(model / "settings.json", known)
    toy = re_toys.Toy(tmp_path / "toy")
    flags = {"init_checkpoint": model, "do_train": False, "do_export": True}
    argv = toy.argv(**flags, max_seq_length=10, compat="master")
    assert program.run(cli.re, argv) == 0
    card = files.read_json(toy.output / "export" / model_card.JSON)
    assert card["max_seq_length"] == 10
    assert card["settings"]["compat"] == "master"
    kept = files.read_json(toy.output / "export/assets/settings.json")
    assert kept["compat"] == "master"
