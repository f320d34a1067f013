# SPDX-License-Identifier: Apache-2.0
"""Tables into files and back, as docs/features.md reads them."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyarrow import parquet

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings import writing
from biobert_tf.embeddings.tables import Block

PATHS = (Path(__file__).parent, *Path(__file__).parents[1:3])
LAYERS = (-1, 0)
# Texts of 2, 0 and 1 words, in two blocks, and a block of a text without words.
COUNTS = ([2, 0], [1], [0])
LABELS = ("naïve", "\U0001f600", "β|c")
OFFSETS = [0, 2, 2, 3, 3]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What a table of toys holds."""

    labels: str | None = "words"
    columns: tuple[str, ...] = ("starts", "ends", "num_pieces")
    vector_shape: tuple[int, ...] = (2, 3)
    dtype: type = np.float32

    @property
    def is_mixed(self):
        return len(self.vector_shape) == 1


WORDS = Layout()
TEXTS = Layout(labels=None, columns=("num_pieces",))


def numbers(layout, num_rows):
    shape = (num_rows, *layout.vector_shape)
    return (
        np.arange(np.prod(shape), dtype=np.float32).reshape(shape).astype(layout.dtype)
    )


def blocks(layout, counts=None):
    """The blocks of a table whose columns are 0, 1, 2 and so on."""
    counts = counts or (COUNTS if layout.labels else ([1, 1], [1]))
    vectors = numbers(layout, 3)
    start = num_texts = 0
    for some in counts:
        end = start + sum(some)
        column = np.arange(start, end, dtype=np.int32)
        labels = np.array(LABELS[start:end], object)
        yield Block(
            {
                **({layout.labels: labels} if layout.labels else {}),
                **{name: column for name in layout.columns},
                "vectors": vectors[start:end],
            },
            np.repeat(num_texts + np.arange(len(some)), some),
            start + np.cumsum(some),
        )
        start = end
        num_texts += len(some)


def variants(layout):
    half = dataclasses.replace(layout, dtype=np.float16)
    return [layout, half, dataclasses.replace(layout, vector_shape=(3,))]


LAYOUTS = [*variants(WORDS), *variants(TEXTS)]


def check(layout, table):
    """Checks a mapping of arrays."""
    labels = {"offsets", layout.labels} if layout.labels else set()
    assert table.keys() == {"layers", "vectors", *layout.columns, *labels}
    assert table["layers"].dtype == np.int32
    assert table["layers"].tolist() == [-1, 0]
    vectors = np.asarray(table["vectors"])
    assert vectors.dtype == layout.dtype
    np.testing.assert_array_equal(vectors, numbers(layout, 3))
    for name in layout.columns:
        assert table[name].dtype == np.int32
        assert table[name].tolist() == [0, 1, 2]
    if layout.labels:
        assert table["offsets"].dtype == np.int64
        assert table["offsets"].tolist() == OFFSETS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_npz(tmp_path, layout):
    path = tmp_path / "out.npz"
    writing.write(path, "npz", LAYERS, blocks(layout))
    with np.load(path) as table:
        check(layout, dict(table))
        if layout.labels:
            assert bytes(table["words"]).decode().split() == list(LABELS)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_hdf5(tmp_path, layout):
    path = tmp_path / "out.h5"
    writing.write(path, "hdf5", LAYERS, blocks(layout))
    with h5py.File(path) as file:
        check(layout, {name: dataset[:] for name, dataset in file.items()})
        if layout.labels:
            assert file["words"].asstr()[:].tolist() == list(LABELS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parquet(tmp_path, layout):
    path = tmp_path / "out.parquet"
    writing.write(path, "parquet", LAYERS, blocks(layout))
    table = parquet.read_table(path).to_pydict()
    names = ["vectors"] if layout.is_mixed else ["layer_-1", "layer_0"]
    labels = [layout.labels] if layout.labels else []
    assert [*table] == ["line_index", *labels, *layout.columns, *names]
    assert table["line_index"] == ([0, 0, 2] if layout.labels else [0, 1, 2])
    for name in layout.columns:
        assert table[name] == [0, 1, 2]
    if layout.labels:
        assert table["words"] == list(LABELS)
    vectors = numbers(layout, 3).reshape(3, len(names), -1)
    for k, name in enumerate(names):
        assert table[name] == vectors[:, k].tolist()


@pytest.mark.parametrize("output_format", ["npz", "hdf5", "parquet"])
def test_nothing(tmp_path, output_format):
    path = tmp_path / "out"
    writing.write(path, output_format, LAYERS, blocks(WORDS, [[0]]))
    if output_format == "npz":
        with np.load(path) as table:
            assert table["offsets"].tolist() == [0, 0]
            assert table["vectors"].shape == (0, 2, 3)
            assert bytes(table["words"]) == b""
    elif output_format == "hdf5":
        with h5py.File(path) as file:
            assert file["offsets"][:].tolist() == [0, 0]
            assert file["vectors"].shape == (0, 2, 3)
    else:
        assert parquet.read_table(path).num_rows == 0


FULL = """
import resource, sys
from pathlib import Path
import test_writing as own
from biobert_tf.embeddings import writing

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, -1))
for output_format in ("npz", "hdf5", "parquet"):
    try:
        blocks = (block for _ in range(2000) for block in own.blocks(own.WORDS))
        writing.write(Path(sys.argv[1]) / "out", output_format, own.LAYERS, blocks)
    except OSError as error:
        print(output_format, "File too large" in str(error))
# The system may write a part of what it is given.
with writing._Stream(Path(sys.argv[1]) / "part", "w+") as stream:
    print(stream.write(b"x" * 100_001))
    try:
        stream.require_written()
    except OSError as error:
        print(error.strerror)
"""


def test_a_full_disk_is_an_error_and_no_more(tmp_path):
    """In a process of its own: HDF5 left to itself would end it when it ends."""
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
    )
    assert done.stdout.splitlines() == [
        *("npz True", "hdf5 True", "parquet True"),
        *("100001", "File too large"),
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_pyarrow_is_needed_for_parquet_alone(monkeypatch):
    for name in [*sys.modules]:
        if name.partition(".")[0] == "pyarrow":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for output_format in ("jsonl", "npz", "hdf5"):
        writing.require(output_format)
    with pytest.raises(InputError, match=r"pip install 'biobert_tf\[features\]'; or "):
        writing.require("parquet")
