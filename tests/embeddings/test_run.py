# SPDX-License-Identifier: Apache-2.0
"""The command, from lines to files: the original's recordings, and our own forms."""

import gzip
import io
import itertools
import json

import feature_toys as toys
import h5py
import ner_toys
import numpy as np
import pytest
from pyarrow import parquet

from biobert_tf import checkpoints
from biobert_tf.checkpoints import tf1
from biobert_tf.cli import main as cli
from biobert_tf.common import files, program
from biobert_tf.embeddings import extraction
from biobert_tf.embeddings import run as extract_features

# What golden/extract_features/README.md calls fair.
GOLDEN_ATOL = 1.1e-5
# Rows of other lengths beside a row change its numbers by so much.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toys.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def source(tmp_path):
    return toys.write_input(tmp_path)


@pytest.fixture(scope="module")
def loaded(model):
    """The model, loaded once for this file."""
    settings = toys.settings(
        init_checkpoint=model,
        max_seq_length=toys.MAX_SEQ_LENGTH,
        batch_size=4,
        strategy="cpu",
    )
    return extraction.load(
        settings.text, settings.model, settings.device, settings.batch_size
    )


@pytest.fixture
def extract(loaded, model, source, tmp_path, monkeypatch):
    """Runs the command on the toy lines; returns the file."""
    monkeypatch.setattr(extraction, "load", lambda *given: loaded)

    def extract(name, **flags):
        return toys.extract(model, source, tmp_path / name, **flags)

    return extract


def rows_of(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def vectors_of(row):
    """The vectors of a JSON line, `[pieces, layers, width]`."""
    return np.array([[x["values"] for x in f["layers"]] for f in row["features"]])


# --- the original ---------------------------------------------------------------------


def shape_of(row):
    """Everything in a JSON line but the numbers; the order of keys too."""
    features = [
        (list(f), f["token"], [(list(x), x["index"]) for x in f["layers"]])
        for f in row["features"]
    ]
    return list(row), row["linex_index"], features


@pytest.mark.golden
def test_recorded_runs(golden, tmp_path, capsys):
    settings = files.read_json(golden / "extract_features" / "settings.json")
    for name, run in settings["runs"].items():
        output = tmp_path / f"{name}.jsonl"
        words = {
            "input_file": golden / "extract_features" / "input.txt",
            "output_file": output,
            "init_checkpoint": golden / settings["checkpoint"],
            "vocab_file": golden / settings["vocab"],
            "bert_config_file": golden / settings["config"],
        }
        flags = [*(f"--{k}={v}" for k, v in words.items()), *run["flags"]]
        status = program.run(cli.main, ["biobert", "extract-features", *flags])
        if run["returncode"]:
            # The original dies with an IndexError.
            assert status == 2
            assert capsys.readouterr().err.startswith("error: --layers=-1,-2,-3,-4: no")
            assert not output.exists()
            continue
        assert status == 0
        found = rows_of(output)
        recorded = golden / "extract_features" / f"{name}.jsonl.gz"
        for row, expected in zip(found, rows_of(recorded), strict=True):
            assert shape_of(row) == shape_of(expected)
            np.testing.assert_allclose(
                vectors_of(row), vectors_of(expected), rtol=0, atol=GOLDEN_ATOL
            )


def test_json_lines(extract, capsys):
    found = rows_of(extract("out.jsonl"))
    assert [row["linex_index"] for row in found] == [*range(7)]
    tokens = [" ".join(f["token"] for f in row["features"]) for row in found]
    assert tokens == [
        "[CLS] Liver cancer nephr ##itis . [SEP]",
        "[CLS] severe aspirin helps with severe nephr [SEP]",
        "[CLS] [SEP]",
        "[CLS] aspirin helps [SEP] severe cancer [SEP]",
        "[CLS] Liver cancer [SEP]",
        "[CLS] Liver cancer . [SEP] severe nephr [SEP]",
        "[CLS] nephr ##itis . nephr ##itis . [SEP]",
    ]
    said = capsys.readouterr().out
    assert said.endswith("out.jsonl: 7 texts, 44 pieces, 3 cut at --max_seq_length\n")


def test_the_progress_is_measured_in_bytes(extract, source, tmp_path, monkeypatch):
    told, totals = [], []

    class Meter(extract_features.Meter):
        def __init__(self, what, unit, total, *, is_bytes):
            totals.append(total)
            super().__init__(what, unit, total, is_bytes=is_bytes)

        def add(self, number, note=""):
            told.append((number, note))

    monkeypatch.setattr(extract_features, "Meter", Meter)
    source.write_text("Liver cancer\n\naspirin\n", encoding="utf-8")
    extract("out.jsonl")
    assert told == [(13, "1 texts"), (1, "2 texts"), (8, "3 texts")]
    assert totals == [source.stat().st_size + 1]
    packed = tmp_path / "in.txt.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    extract("again.jsonl", input_file=packed)
    assert totals[1:] == [None]


def test_packed_json_lines(extract):
    assert rows_of(extract("out.jsonl.gz")) == rows_of(extract("out.json"))


def test_standard_input_and_output(loaded, model, monkeypatch, extract, capfdbinary):
    expected = extract("out.jsonl").read_bytes()
    capfdbinary.readouterr()
    lines = "".join(f"{line}\n" for line in toys.LINES).encode()
    stream = io.TextIOWrapper(io.BytesIO(lines), encoding="latin-1")
    monkeypatch.setattr("sys.stdin", stream)
    toys.extract(model, "-", "-", format="jsonl")
    said = capfdbinary.readouterr()
    assert said.out == expected
    assert said.err.startswith(b"-: 7 texts, ")


# --- tables ---------------------------------------------------------------------------


def npz(path):
    with np.load(path) as table:
        return dict(table)


def per_text(table, name):
    """Cuts a column into those of the texts."""
    pairs = itertools.pairwise(table["offsets"].tolist())
    return [table[name][start:end] for start, end in pairs]


def strings(table, name):
    return bytes(table[name]).decode().split()


def test_pieces(extract, capsys):
    table = npz(extract("out.npz"))
    assert capsys.readouterr().out.endswith(
        "7 texts, 39 pieces, 3 longer than --max_seq_length, read in windows\n"
    )
    assert table["layers"].tolist() == [-1, 0]
    assert table["offsets"].tolist() == [0, 5, 14, 14, 18, 20, 29, 39]
    pieces = strings(table, "pieces")
    assert " ".join(pieces[:7]) == "Liver cancer nephr ##itis . severe aspirin"
    starts, ends = per_text(table, "starts"), per_text(table, "ends")
    for line, some_starts, some_ends in zip(toys.LINES, starts, ends, strict=True):
        covered = [line[a:b] for a, b in zip(some_starts, some_ends, strict=True)]
        stripped = line.replace(" ||| ", "").replace("\u200b", "").replace(" ", "")
        assert "".join(covered) == stripped
    # What fits is as in the original, without [CLS] and [SEP].
    recorded = rows_of(extract("out.jsonl"))
    for number in (0, 3, 4):
        is_piece = [f["token"][0] != "[" for f in recorded[number]["features"]]
        np.testing.assert_allclose(
            per_text(table, "vectors")[number],
            vectors_of(recorded[number])[is_piece],
            **CLOSE,
        )


def test_words(extract):
    pieces, words = npz(extract("pieces.npz")), npz(extract("words.npz", words=True))
    assert words["offsets"].tolist() == [0, 3, 11, 11, 15, 18, 26, 28]
    assert strings(words, "words") == [
        word for line in toys.LINES for word in line.split() if word != "|||"
    ]
    assert words["num_pieces"].tolist() == [
        *(1, 1, 3),
        *(1, 1, 1, 1, 1, 2, 1, 1),
        *(1, 1, 1, 1),
        *(1, 0, 1),
        *(1, 1, 1, 1, 1, 2, 1, 1),
        *(9, 1),
    ]
    by_text = per_text(pieces, "vectors")
    means = per_text(words, "vectors")
    np.testing.assert_allclose(means[0][2], by_text[0][2:].mean(axis=0), **CLOSE)
    np.testing.assert_allclose(means[6][0], by_text[6][:9].mean(axis=0), **CLOSE)
    assert not means[4][1].any()
    first = npz(extract("first.npz", words=True, word_pooling="first"))
    np.testing.assert_allclose(per_text(first, "vectors")[0][2], by_text[0][2], **CLOSE)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_texts(extract, pooling):
    pieces = npz(extract("pieces.npz"))
    table = npz(extract("out.npz", pooling=pooling))
    assert table.keys() == {"layers", "num_pieces", "vectors"}
    assert table["vectors"].shape == (7, 2, 8)
    assert table["num_pieces"].tolist() == [5, 9, 0, 4, 2, 9, 10]
    is_zero = ~table["vectors"].any(axis=(1, 2))
    assert is_zero.tolist() == [i == 2 and pooling != "cls" for i in range(7)]
    if pooling != "cls":
        reduce = {"mean": np.mean, "max": np.max}[pooling]
        for number in (0, 1, 5, 6):
            expected = reduce(per_text(pieces, "vectors")[number], axis=0)
            np.testing.assert_allclose(table["vectors"][number], expected, **CLOSE)


def test_mixed_layers(extract):
    each = npz(extract("each.npz", pooling="max"))["vectors"]
    concat = npz(extract("concat.npz", pooling="max", layer_mix="concat"))["vectors"]
    assert concat.shape == (7, 16)
    np.testing.assert_allclose(concat, each.reshape(7, 16), **CLOSE)
    pieces = npz(extract("pieces.npz"))["vectors"]
    mean = npz(extract("mean.npz", layer_mix="mean"))["vectors"]
    np.testing.assert_allclose(mean, pieces.mean(axis=1), **CLOSE)


def test_the_same_in_every_form(extract):
    table = npz(extract("out.npz", words=True, dtype="float16"))
    assert table["vectors"].dtype == np.float16
    full = npz(extract("full.npz", words=True))
    np.testing.assert_allclose(table["vectors"], full["vectors"], rtol=1e-3, atol=1e-6)
    with h5py.File(extract("out.h5", words=True, dtype="float16")) as file:
        assert file.keys() == table.keys()
        assert file["words"].asstr()[:].tolist() == strings(table, "words")
        for name in table.keys() - {"words"}:
            np.testing.assert_array_equal(file[name][:], table[name])
    path = extract("out.parquet", words=True, dtype="float16")
    frame = parquet.read_table(path).to_pydict()
    assert frame["words"] == strings(table, "words")
    counts = np.diff(table["offsets"])
    assert frame["line_index"] == np.repeat(np.arange(7), counts).tolist()
    np.testing.assert_array_equal(frame["layer_-1"], table["vectors"][:, 0])
    np.testing.assert_array_equal(frame["layer_0"], table["vectors"][:, 1])


def test_workers_that_are_not_the_chief_write_nothing(extract, monkeypatch):
    monkeypatch.setattr(extraction.Extractor, "is_chief", False)
    for name in ("out.jsonl", "out.npz"):
        assert not extract(name).exists()


# --- what cannot be used --------------------------------------------------------------


@pytest.fixture
def refusal(model, source, tmp_path, capsys):
    """Runs the command, changed by flags; returns its error."""

    def refusal(name="out.npz", **flags):
        output = tmp_path / "new" / name
        before = {path for path in tmp_path.rglob("*")}
        argv = toys.argv(model, source, output, **flags)
        assert program.run(cli.main, argv) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert {path for path in tmp_path.rglob("*") if path.is_file()} <= before
        return line.removeprefix("error: ")

    return refusal


def test_input_that_cannot_be_used(refusal, source, tmp_path):
    absent = tmp_path / "absent.txt"
    assert refusal(input_file=absent) == f"{absent}: no such file"
    source.write_bytes(b"")
    assert refusal() == f"{source}: is empty; want one text per line"


def test_a_bad_line_after_good_ones(extract, source, tmp_path, capsys):
    source.write_bytes(b"Liver\n" * 30 + b"\xff\n")
    for name in ("out.npz", "out.jsonl", "out.h5", "out.parquet"):
        with pytest.raises(ValueError, match=rf"^{source}:31: byte 0xff is not UTF-8"):
            extract(name)
    assert [*tmp_path.iterdir()] == [source]


def test_output_that_cannot_be_used(refusal, tmp_path):
    assert refusal("out.txt").startswith(f"--output_file={tmp_path}/new/out.txt: want")
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    assert refusal(output_file=folder) == f"{folder}: is a folder; want a file"


@pytest.mark.parametrize("name", ["out.npz", "out.jsonl"])
def test_output_that_cannot_be_written(extract, tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ValueError, match=rf"^{tmp_path}/file/{name}: cannot be written"
    ):
        extract(f"file/{name}")


def test_a_disk_that_fills_up(extract, tmp_path, monkeypatch):
    def full(path, output_format, layout, blocks):
        next(iter(blocks))
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(extract_features.writing, "write", full)
    with pytest.raises(ValueError, match=r"out.npz: the disk is full: "):
        extract("out.npz")
    assert not [*tmp_path.glob("*out*")]


def test_layers_that_are_not_there(refusal):
    message = "--layers=-3: no layer -3; the model has 2: -2 to 1"
    assert refusal(layers="-3") == message
    assert refusal("out.jsonl", layers="-3") == message


def test_a_model_that_is_not_there(refusal, tmp_path):
    absent = tmp_path / "nowhere"
    assert refusal(init_checkpoint=absent).startswith(f"{absent}: ")


def test_a_checkpoint_without_encoder(refusal, model, tmp_path):
    weights = checkpoints.locate(model).read().weights
    head = {k: v for k, v in weights.items() if k.startswith("output_")}
    ner_toys.write_released(tmp_path / "head", toys.CONFIG)
    prefix = tmp_path / "head" / "model.ckpt-1"
    tf1.write(head, prefix, 1)
    assert (
        refusal(init_checkpoint=prefix) == f"{prefix}: holds no variable of the model"
    )


def test_rows_longer_than_the_model_takes(refusal):
    assert refusal(max_seq_length=17).startswith("--max_seq_length=17 is above the max")


def test_pyarrow_is_asked_for_at_once(refusal, monkeypatch):
    def absent():
        raise extract_features.InputError("no pyarrow")

    monkeypatch.setattr(extract_features.writing, "_pyarrow", absent)
    assert refusal("out.parquet") == "no pyarrow"
