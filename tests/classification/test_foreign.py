"""Classifiers as directories of Transformers: from ours, and to ours."""

import json
import os

import classification_toys as toys
import numpy as np
import pytest

from biobert_tf import problems
from biobert_tf.classification import tasks
from biobert_tf.classification.problem import CLASSIFICATION
from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.export.client import ExportedModel
from biobert_tf.export.settings import ExportConfig
from biobert_tf.training import reload

pytest.importorskip("safetensors.numpy")
# Nothing is to be looked for on the network.
os.environ["HF_HUB_OFFLINE"] = "1"

# Those that Transformers has a class for.
NAMES = [name for name, model in toys.MODELS.items() if model.pooling == "cls"]
TYPES = {
    "single": "single_label_classification",
    "multi": "multi_label_classification",
    "regression": "regression",
}
# Of one row each.
WORDS = ["aspirin helps", "Liver cancer .", "zebra", "nephritis", "", "helps helps"]


def convert(source, target):
    cli.convert(["", f"--from={source}", f"--to={target}"])
    return target


def write(folder, name):
    """Writes a toy and converts it; returns both folders."""
    own = toys.write_model(folder / "own", toys.MODELS[name])
    return own, convert(own, folder / "hf")


def save(folder, name, **changed):
    """Writes a toy as Transformers saves it: without settings of ours.

    `changed` are entries of config.json; None removes one.
    """
    own, saved = write(folder, name)
    (saved / "settings.json").unlink()
    path = saved / "config.json"
    values = files.read_json(path) | changed
    files.write_json(path, {k: v for k, v in values.items() if v is not None})
    return own, saved


def numbers(loaded, texts=WORDS, pairs=None):
    """What a model predicts: the probabilities or the number of every text."""
    predictions = toys.predicted(loaded, texts, pairs)[2]
    return np.array(
        [x.probabilities if x.value is None else [x.value] for x in predictions]
    )


# --- ours ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back_nothing_is_lost(name, tmp_path):
    model = toys.MODELS[name]
    own, there = write(tmp_path, name)
    config = files.read_json(there / "config.json")
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["problem_type"] == TYPES[model.target]
    assert config["id2label"] == {str(i): x for i, x in enumerate(model.labels)}
    back = convert(there, tmp_path / "back" / "model.ckpt-7").parent
    again = convert(convert(there, tmp_path / "hf2"), tmp_path / "hf3")
    assert files.read_json(again / "config.json") == config
    texts, pairs = toys.texts(1, 20), toys.texts(2, 20) if model.has_pairs else None
    wanted = numbers(toys.load(own), texts, pairs)
    for folder in (there, back, again):
        assert problems.of_model(reload.find(folder))[1] == "classification"
        recorded = files.read_json(folder / "settings.json")
        assert recorded == files.read_json(own / "settings.json")
        np.testing.assert_array_equal(numbers(toys.load(folder), texts, pairs), wanted)


def test_thresholds_are_named(tmp_path, capsys):
    write(tmp_path, "multi")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "with thresholds that Transformers does not use: bad 0.3, ill 0.7; they are in "
        "settings.json"
    )
    write(tmp_path / "regression", "regression")
    assert "with thresholds" not in capsys.readouterr().out


def test_the_mean_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="with --pooling=mean, and Transformers has no"
    ):
        write(tmp_path, "single_mean")
    assert not (tmp_path / "hf").exists()


# --- what Transformers saved ---------------------------------------------------------

UNNAMED = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("multi", {}),
        ("regression", {}),
        ("regression", UNNAMED),
        ("regression", {**UNNAMED, "problem_type": None}),
    ],
)
def test_config_json_tells_the_target(name, changed, tmp_path):
    model = toys.MODELS[name]
    own, saved = save(tmp_path, name, **changed)
    found = reload.find(saved)
    assert found.labels == model.labels
    assert problems.of_found(found) is CLASSIFICATION
    assert problems.of_model(found) == (CLASSIFICATION, "classification")
    wanted = numbers(toys.load(own))
    back = convert(saved, tmp_path / "back" / "model.ckpt").parent
    there = convert(back, tmp_path / "there")
    for folder in (saved, back, there):
        loaded = toys.load(folder)
        assert tasks.of_model(loaded)[1] == tasks.Facts(model.target, False)
        # As long as the model has positions.
        assert loaded.text.max_seq_length == 16
        np.testing.assert_allclose(numbers(loaded), wanted, rtol=0, atol=1e-5)
    config = files.read_json(there / "config.json")
    assert config["problem_type"] == TYPES[model.target]


@pytest.mark.parametrize("said", ["single_label_classification", None])
def test_one_label_is_a_relation_unless_somebody_says_otherwise(said, tmp_path):
    own, saved = save(tmp_path, "single", problem_type=said)
    found = reload.find(saved)
    assert problems.of_found(found).command == "re"
    assert problems.of_model(found)[1] == "re"
    wanted = numbers(toys.load(own))
    np.testing.assert_allclose(numbers(toys.load(saved)), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind"), [("single", "classification"), ("multi", "auto")]
)
def test_an_export_of_it_knows_what_it_was(name, kind, tmp_path):
    own, saved = save(tmp_path, name)
    output = tmp_path / "out"
    exporting.export(ExportConfig(model=saved, output=output, kind=kind, tokens=False))
    wanted = numbers(toys.load(own))
    loaded = toys.load(output)
    assert tasks.of_model(loaded)[1] == tasks.Facts(toys.MODELS[name].target, False)
    np.testing.assert_allclose(numbers(loaded), wanted, rtol=0, atol=1e-5)
    found = ExportedModel(output)(text=WORDS)["probabilities"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_settings_beside_it_say_the_rest(tmp_path):
    """As docs/conversion.md shows them."""
    own, saved = save(tmp_path, "regression_pairs")
    facts = {"target": "regression", "has_pairs": True}
    record = {"kind": "classification", "classification": facts}
    files.write_json(saved / "settings.json", record)
    wanted = numbers(toys.load(own), WORDS, WORDS[::-1])
    assert problems.of_model(reload.find(saved))[1] == "classification"
    loaded = toys.load(saved)
    assert CLASSIFICATION.serve(loaded).text_inputs == ("text", "pair")
    found = numbers(loaded, WORDS, WORDS[::-1])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        (
            "single",
            {"problem_type": "ranking"},
            "problem_type is 'ranking'; want single_label_classification, multi_label",
        ),
        (
            "single",
            {"problem_type": "regression"},
            "names 3 outputs of a regression; only one can be used",
        ),
        (
            "multi",
            {"id2label": {str(i): f"LABEL_{i}" for i in range(3)}},
            "the model's labels are unknown: config.json names them LABEL_0, LABEL_1",
        ),
    ],
)
def test_what_cannot_be_used(name, changed, message, tmp_path):
    _, saved = save(tmp_path, name, **changed)
    with pytest.raises(InputError, match=message):
        toys.load(saved)
    with pytest.raises(InputError, match=message):
        exporting.export(ExportConfig(model=saved, output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# --- runs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("single", toys.Toy),
        ("multi", toys.MultiToy),
        ("regression_pairs", toys.PairToy),
    ],
)
def test_a_run_predicts_with_it_and_exports_it(name, kind, tmp_path):
    has_number = toys.MODELS[name].target == "regression"
    changed = {"id2label": {"0": "score"}} if has_number else {}
    own, saved = save(tmp_path, name, **changed)
    toy = kind(tmp_path / "toy")
    rows = [{"text": word} for word in WORDS]
    if toys.MODELS[name].has_pairs:
        rows = [
            row | {"pair": word} for row, word in zip(rows, WORDS[::-1], strict=True)
        ]
    toys.write(toy.data, test=rows)
    # The model tells the target.
    given = {"init_checkpoint": saved, "do_train": None, "target": None}
    argv = toy.argv(**given, do_export=True, pooling=None, max_seq_length=16)
    cli.main(["biobert", "classification", *argv[1:]])
    lines = (toy.output / "predictions.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    told = [
        list(row["probabilities"].values())
        if "probabilities" in row
        else [row["value"]]
        for row in found
    ]
    pairs = WORDS[::-1] if toys.MODELS[name].has_pairs else None
    wanted = numbers(toys.load(own), WORDS, pairs)
    np.testing.assert_allclose(told, wanted, rtol=0, atol=1e-5)
    exported = toys.load(toy.output / "export")
    np.testing.assert_allclose(
        numbers(exported, WORDS, pairs), wanted, rtol=0, atol=1e-5
    )


def test_a_target_that_config_json_denies_is_refused(tmp_path):
    _, saved = save(tmp_path, "multi")
    toy = toys.Toy(tmp_path / "toy")
    argv = toy.argv(init_checkpoint=saved, do_train=None, target="single")
    with pytest.raises(InputError, match="says target multi, not single"):
        cli.main(["biobert", "classification", *argv[1:]])


# --- Transformers itself --------------------------------------------------------------


@pytest.mark.parametrize("name", ["single", "multi", "regression_pairs"])
def test_three_ways_are_equal(name, tmp_path):
    """Predictions of a run, answers of its SavedModel, and PyTorch's after conversion.

    And Transformers saves the model as one that we read.
    """
    why = "pip install -e '.[benchmark]' to run this test"
    torch = pytest.importorskip("torch", reason=why)
    transformers = pytest.importorskip("transformers", reason=why)
    model = toys.MODELS[name]
    own, there = write(tmp_path, name)
    words = [word for word in WORDS if word]  # Transformers takes "" for no text
    pairs = words[::-1] if model.has_pairs else None
    wanted = numbers(toys.load(own), words, pairs)
    config = ExportConfig(model=own, output=tmp_path / "out", tokens=False)
    given = {"text": words} | ({"pair": pairs} if pairs else {})
    answers = ExportedModel(exporting.export(config))(**given)
    is_number = model.target == "regression"
    served = answers["value"][:, np.newaxis] if is_number else answers["probabilities"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(there)
    loaded, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        there, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert loaded.config.problem_type == TYPES[model.target]
    assert loaded.config.num_labels == len(model.labels)
    with torch.no_grad():
        batch = tokenizer(*given.values(), padding=True, return_tensors="pt")
        logits = loaded.eval()(**batch).logits
    if model.target == "multi":
        logits = torch.sigmoid(logits)
    elif model.target == "single":
        logits = torch.softmax(logits, -1)
    assert np.std(wanted, axis=0).min() > 1e-3
    np.testing.assert_allclose(served, wanted, rtol=0, atol=2e-5)
    np.testing.assert_allclose(logits.numpy(), wanted, rtol=0, atol=2e-5)
    loaded.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    found = toys.load(tmp_path / "saved")
    facts = tasks.of_model(found)[1]
    assert facts == tasks.Facts(model.target, False)
    if not model.has_pairs:
        np.testing.assert_allclose(numbers(found, words), wanted, rtol=0, atol=1e-5)
