"""LiteRT files of exported models, run by LiteRT beside the SavedModel."""

import dataclasses
import functools
import re
import types
from pathlib import Path

import ner_toys
import numpy as np
import pytest
import re_toys
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from biobert_tf import problems
from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export import litert, model_card, saved_model
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads
from biobert_tf.ner.problem import NER
from biobert_tf.training import reload

ROOT = Path(__file__).parents[2]
# Wide enough for weights to be most of a file and to be quantised: LiteRT leaves
# matrices of less than 1,024 numbers alone.
CONFIG = dataclasses.replace(
    re_toys.CONFIG,
    vocab_size=512,
    hidden_size=128,
    intermediate_size=1024,
    initializer_range=0.05,
)
VOCAB = [
    *re_toys.VOCAB,
    *(f"word{i}" for i in range(CONFIG.vocab_size - len(re_toys.VOCAB))),
]
LENGTH = CONFIG.max_position_embeddings
MODELS = {
    "encoder": (heads.PretrainingModel(CONFIG, seed=1), ()),
    "masked_lm": (heads.PretrainingModel(CONFIG, seed=1), ()),
    "ner": (heads.TokenClassifier(CONFIG, 5, seed=1), ner_toys.LABELS),
    "qa": (heads.SpanClassifier(CONFIG, seed=1), ("start", "end")),
    "re": (heads.SequenceClassifier(CONFIG, 2, seed=1), ("0", "1")),
    "yesno": (heads.SequenceClassifier(CONFIG, 2, seed=1), ("no", "yes")),
}
OUTPUTS = {
    "encoder": {"sequence_output", "pooled_output"},
    "masked_lm": {"piece_ids", "probabilities"},
    "ner": {"probabilities"},
    "qa": {"start_logits", "end_logits"},
    "re": {"probabilities"},
    "yesno": {"probabilities", "evidence"},
}
# Those with a value or more for every piece.
OF_PIECES = {
    "encoder": {"sequence_output"},
    "masked_lm": set(),
    "ner": {"probabilities"},
    "qa": {"start_logits", "end_logits"},
    "re": set(),
    "yesno": set(),
}
# How far int8 may be off, as a share of the largest output: twice what was measured,
# 0.0198 (of the pooled output), 0.0107, 0.0030, 0.0058, 0.0022 and 0.0058.
NEAR = {
    "encoder": 0.04,
    "masked_lm": 0.022,
    "ner": 0.006,
    "qa": 0.012,
    "re": 0.005,
    "yesno": 0.012,
}
# Rows and pieces, up to the positions of the model.
SIZES = [(1, 3), (3, LENGTH), (2, 7), (1, LENGTH)]
SETTINGS = {"re": {"task_name": "gad"}, "yesno": {"question_type": "yesno"}}
NAMES = {"float": litert.FLOAT, "int8": litert.INT8}


def write_model(folder, kind):
    """Writes a model of random weights; returns its folder."""
    model, labels = MODELS[kind]
    ner_toys.write_vocab(folder / "vocab.txt", VOCAB)
    ner_toys.save_model(model, labels, folder)
    settings = {"max_seq_length": LENGTH, "max_query_length": 4, "doc_stride": 4}
    files.write_json(folder / "settings.json", {**settings, **SETTINGS.get(kind, {})})
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The export of a NER model, with both files."""
    folder = tmp_path_factory.mktemp("exported")
    model = write_model(folder / "model", "ner")
    return exporting.export(
        ExportConfig(model=model, output=folder / "ner", litert="both")
    )


@pytest.fixture(scope="module")
def converted(exported, tmp_path_factory):
    """Returns the files of a kind, the function they are made of, and what is told.

    Of an export the files are the part that is fast to make; those of NER are in one.
    """

    @functools.cache
    def inner(kind):
        if kind == "ner":
            folder, model = exported, exported.parent / "model"
        else:
            folder = tmp_path_factory.mktemp(kind)
            model = write_model(folder / "model", kind)
        problem = problems.of_kind(kind)
        found = problem.loaded(reload.find(model), DeviceConfig())
        served = problem.serve(found)
        if kind == "ner":
            card = files.read_json(exported / model_card.JSON)["litert"]
        else:
            card = litert.save(found, served, folder, "both")
        return folder, saved_model.tokens_function(served, served.score), card

    return inner


def inputs(kind, num_rows, length, seed=0):
    """Rows of different length, the first of them full."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, num_rows)
    lengths[0] = length
    shape = (num_rows, length)
    mask = np.arange(length) < lengths[:, np.newaxis]
    batch = {
        "input_ids": rng.integers(0, CONFIG.vocab_size, shape) * mask,
        "input_mask": mask,
        "segment_ids": rng.integers(0, 2, shape) * mask,
    }
    if kind == "masked_lm":
        places = rng.integers(0, lengths.min(), (num_rows, 3))
        batch["masked_lm_positions"] = places
    return {name: values.astype(np.int32) for name, values in batch.items()}


def runner(folder, form):
    interpreter = Interpreter(str(folder / NAMES[form]))
    return interpreter.get_signature_runner("tokens")


def both(kind, converted, form, num_rows, length):
    """What the SavedModel and a file give for the same rows."""
    folder, function, _ = converted(kind)
    batch = inputs(kind, num_rows, length)
    wanted = function(**{name: tf.constant(value) for name, value in batch.items()})
    wanted = {name: values.numpy() for name, values in wanted.items()}
    return wanted, runner(folder, form)(**batch)


def read(path):
    """The tables of a file."""
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)


# --- what they compute ---------------------------------------------------------------


@pytest.mark.parametrize("num_rows, length", SIZES)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_float_is_the_saved_model(kind, num_rows, length, converted):
    wanted, found = both(kind, converted, "float", num_rows, length)
    assert set(found) == OUTPUTS[kind]
    for name in OUTPUTS[kind]:
        assert found[name].dtype == wanted[name].dtype
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("num_rows, length", SIZES)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_int8_is_near_the_saved_model(kind, num_rows, length, converted):
    wanted, found = both(kind, converted, "int8", num_rows, length)
    # Which of 512 pieces are best is a matter of the last digit in a random model.
    for name in OUTPUTS[kind] - {"piece_ids"}:
        difference = np.abs(found[name] - wanted[name]).max()
        assert 0 < difference < NEAR[kind] * np.abs(wanted[name]).max()


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_padding_changes_no_piece(kind, form, converted):
    folder, _, _ = converted(kind)
    run = runner(folder, form)
    batch = inputs(kind, num_rows=3, length=LENGTH)
    padded = run(**batch)
    lengths = batch["input_mask"].sum(1)
    assert len(set(lengths)) > 1
    for i, length in enumerate(lengths):
        # Columns are pieces, but for those that are places of pieces.
        row = {
            name: values[i : i + 1, : None if "positions" in name else length]
            for name, values in batch.items()
        }
        for name, values in run(**row).items():
            shown = padded[name][i : i + 1]
            if name in OF_PIECES[kind]:
                shown = shown[:, :length]
            np.testing.assert_allclose(values, shown, rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused(converted):
    folder, _, _ = converted("ner")
    for form in NAMES:
        run = runner(folder, form)
        with pytest.raises(RuntimeError, match=r"failed to (invoke|prepare)"):
            run(**inputs("ner", 1, LENGTH + 1))
        unknown = inputs("ner", 1, 3)
        unknown["input_ids"][0, 1] = CONFIG.vocab_size
        with pytest.raises(RuntimeError, match="gather index"):
            run(**unknown)
        # And the runner goes on.
        assert run(**inputs("ner", 2, 3))["probabilities"].shape == (2, 3, 5)


@pytest.mark.parametrize("form", NAMES)
def test_a_classifier_may_read_the_mean(form, tmp_path):
    """Of rows with and without padding; no problem need know of it."""
    folder = write_model(tmp_path / "model", "re")
    problem = problems.of_kind("re")
    found = problem.loaded(reload.find(folder), DeviceConfig())
    model = found.build(
        functools.partial(heads.SequenceClassifier, pooling="mean"), num_labels=2
    )
    served = dataclasses.replace(
        problem.serve(found),
        model=model,
        score=lambda batch: {"probabilities": tf.nn.softmax(model(batch)["logits"])},
    )
    litert.save(found, served, tmp_path, form)
    for num_rows, length in SIZES:
        batch = inputs("re", num_rows, length)
        given = {name: tf.constant(values) for name, values in batch.items()}
        wanted = saved_model.tokens_function(served, served.score)(**given)
        shown = runner(tmp_path, form)(**batch)["probabilities"]
        most = 1e-5 if form == "float" else NEAR["re"]
        np.testing.assert_allclose(shown, wanted["probabilities"], rtol=0, atol=most)


# --- what is in them -----------------------------------------------------------------


@pytest.mark.parametrize("kind", OUTPUTS)
def test_only_operations_of_litert_itself(kind, converted):
    folder, _, _ = converted(kind)
    for name in NAMES.values():
        codes = read(folder / name).operatorCodes
        assert codes
        for code in codes:
            assert code.builtinCode != schema.BuiltinOperator.CUSTOM
            assert code.customCode is None
        # The exact GELU is one operation, not an erf that LiteRT lacks.
        assert schema.BuiltinOperator.GELU in {code.builtinCode for code in codes}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_int8_is_small_because_its_weights_are_int8(kind, converted):
    folder, _, card = converted(kind)
    sizes = {name: card["files"][name]["bytes"] for name in NAMES.values()}
    assert sizes == {name: (folder / name).stat().st_size for name in sizes}
    assert sizes[litert.INT8] < 0.35 * sizes[litert.FLOAT]
    model = read(folder / litert.INT8)
    of_type = {"FLOAT32": [], "INT8": []}
    names = {getattr(schema.TensorType, name): name for name in of_type}
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and tensor.type in names:
            of_type[names[tensor.type]].append(len(data))
    # All but the positions, which are cut to the length before they are added.
    positions = 4 * LENGTH * CONFIG.hidden_size
    assert max(size for size in of_type["FLOAT32"] if size != positions) <= 4 * 1024
    assert sum(of_type["INT8"]) > 0.8 * sizes[litert.INT8]


@pytest.mark.parametrize(
    "choice, names",
    [
        ("none", []),
        ("float", [litert.FLOAT]),
        ("int8", [litert.INT8]),
        ("both", [litert.FLOAT, litert.INT8]),
    ],
)
def test_the_files_that_were_asked_for(choice, names, exported, monkeypatch, tmp_path):
    found = NER.loaded(reload.find(exported.parent / "model"), DeviceConfig())
    served = NER.serve(found)
    fast = types.SimpleNamespace(convert=lambda: b"weights")
    monkeypatch.setattr(
        tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: fast
    )
    card = litert.save(found, served, tmp_path, choice)
    assert list(card.get("files", {})) == names
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(str(path.relative_to(tmp_path)) for path in written) == names
    assert len(list(tmp_path.iterdir())) == bool(names)
    if not names:
        assert card == {}


# --- in an export --------------------------------------------------------------------


def test_the_example_of_the_card_runs(exported, monkeypatch):
    page = (exported / model_card.MARKDOWN).read_text("utf-8")
    card = files.read_json(exported / model_card.JSON)["litert"]
    for name, weights in ((litert.FLOAT, "float32"), (litert.INT8, "int8")):
        size = (exported / name).stat().st_size
        assert f"| {name} | {weights} | {size:,} |" in page
        assert card["files"][name] == {"weights": weights, "bytes": size}
    assert "| tokens | output | probabilities | float32 | [any, any, 5] |" in page
    [code] = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    names = {}
    monkeypatch.chdir(exported)
    exec(code, names)
    loaded = tf.saved_model.load(str(exported / "tokens")).signatures
    wanted = loaded["serving_default"](
        **{name: tf.constant(values) for name, values in card["example"].items()}
    )
    np.testing.assert_allclose(
        names["found"]["probabilities"], wanted["probabilities"], rtol=0, atol=1e-5
    )


def test_the_example_of_the_page_runs(exported, capsys):
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    [code] = re.findall(r"```python litert\n(.+?)```", page, re.DOTALL)
    exec(code.replace("exported/ncbi", str(exported)), {})
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shown[0][0] == "[CLS]"
    assert shown[-1][0] == "[SEP]"
    assert {label for _, label, _ in shown} <= set(ner_toys.LABELS)


def test_a_conversion_that_fails_leaves_the_old_export(exported, monkeypatch):
    def files_of(folder):
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    before = files_of(exported)

    class Failing:
        optimizations = ()

        def convert(self):
            if self.optimizations:
                raise RuntimeError("no int8")
            return b"new"

    monkeypatch.setattr(
        tf.lite.TFLiteConverter, "from_saved_model", lambda *_, **__: Failing()
    )
    # It was written before, and takes long.
    monkeypatch.setattr(saved_model, "save", lambda *_: {})
    config = ExportConfig(
        model=exported.parent / "model", output=exported, litert="both", tokens=False
    )
    with pytest.raises(RuntimeError, match="no int8"):
        exporting.export(config)
    assert files_of(exported) == before
    assert {path.name for path in exported.parent.iterdir()} == {"model", "ner"}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_type_is_refused(dtype, tmp_path, capsys):
    argv = ["biobert", "export", f"--model={tmp_path}", f"--output={tmp_path}/out"]
    flags = ["--litert=int8", f"--dtype={dtype}"]
    assert program.run(cli.main, [*argv, *flags]) == 2
    assert capsys.readouterr().err == (
        f"error: --litert=int8 needs --dtype=float32, not {dtype}; the files "
        "compute in float32\n"
    )
    assert not (tmp_path / "out").exists()


def test_an_unknown_form_is_refused(tmp_path, capsys):
    argv = ["biobert", "export", f"--model={tmp_path}", f"--output={tmp_path}/out"]
    assert program.run(cli.main, [*argv, "--litert=int4"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "--litert=int4" in line
    assert "none|float|int8|both" in line
