# SPDX-License-Identifier: Apache-2.0
"""Writes tables of vectors to files: JSON lines, NumPy's .npz, HDF5, or Parquet.

Files are written block by block, so a table is never whole in memory.
"""

import io
import itertools
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import h5py
import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.settings import Format
from biobert_tf.embeddings.tables import Block, Columns

_CHUNK_BYTES: Final = 2**18


def require(output_format: Format) -> None:
    """Checks that a format can be written.

    Raises:
        InputError: The package for the format is not installed.
    """
    if output_format == "parquet":
        _pyarrow()


def write(
    path: Path, output_format: Format, layers: Sequence[int], blocks: Iterable[Block]
) -> None:
    """Writes a table of at least one block; its format is not `jsonl`.

    `layers` are the numbers as the user gave them.
    """
    writers = {"npz": _write_npz, "hdf5": _write_hdf5, "parquet": _write_parquet}
    writers[output_format](path, layers, blocks)


def _with_offsets(blocks: Iterable[Block]) -> Iterator[Columns]:
    """Yields the columns of blocks, with `offsets` if a text may have many rows."""
    for i, (columns, _, ends) in enumerate(blocks):
        offsets = {"offsets": ends if i else np.insert(ends, 0, 0)}
        yield columns | (offsets if columns.keys() & {"pieces", "words"} else {})


# --- JSON lines -----------------------------------------------------------------------


def json_line(
    index: int, tokens: Sequence[str], layers: Sequence[int], vectors: np.ndarray
) -> str:
    """Returns the line of text `index`, from 0, as the original's extract_features.py.

    The tokens include `[CLS]` and `[SEP]`; `vectors` are float32
    `[pieces, layers, width]`.
    """
    # Rounds as Python's round(x, 6) of the same number in float64 does.
    rounded = np.round(vectors.astype(np.float64), 6).tolist()
    features = [
        {
            "token": token,
            "layers": [
                {"index": layer, "values": values}
                for layer, values in zip(layers, layer_values, strict=True)
            ],
        }
        for token, layer_values in zip(tokens, rounded, strict=True)
    ]
    # PARITY(extract_features.py:393): "linex", not "line".
    return json.dumps({"linex_index": index, "features": features}) + "\n"


# --- NumPy ----------------------------------------------------------------------------


def _write_npz(path: Path, layers: Sequence[int], blocks: Iterable[Block]) -> None:
    """Writes an archive of arrays.

    An array begins with its shape, and an archive is written array after array, so
    every column is collected in a temporary file until all rows are known. Strings are
    UTF-8 bytes with a line end after each: fixed-length strings could become too large.
    """
    headers: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        fixed = {"layers": np.array(layers, np.int32)}
        for columns in itertools.chain([fixed], _with_offsets(blocks)):
            for name, values in columns.items():
                if values.dtype == object:
                    text = "".join(f"{label}\n" for label in values)
                    values = np.frombuffer(text.encode("utf-8"), np.uint8)
                header = np.lib.format.header_data_from_array_1_0(values)
                before, *_ = headers.get(name, {"shape": [0]})["shape"]
                headers[name] = header | {
                    "fortran_order": False,
                    "shape": (before + len(values), *values.shape[1:]),
                }
                with Path(folder, name).open("ab") as spool:
                    spool.write(values.tobytes())
        with zipfile.ZipFile(path, "w") as archive:
            for name, header in headers.items():
                with (
                    Path(folder, name).open("rb") as spool,
                    archive.open(f"{name}.npy", "w", force_zip64=True) as member,
                ):
                    np.lib.format.write_array_header_1_0(member, header)
                    shutil.copyfileobj(spool, member)


# --- HDF5 -----------------------------------------------------------------------------


def _write_hdf5(path: Path, layers: Sequence[int], blocks: Iterable[Block]) -> None:
    """Writes a file with one data set per column."""
    with _Stream(path, "w+") as stream:
        with h5py.File(stream, "w") as file:
            file["layers"] = np.array(layers, np.int32)
            for columns in _with_offsets(blocks):
                for name, values in columns.items():
                    _append(file, name, values)
                file.flush()
                stream.require_written()
        stream.require_written()


class _Stream(io.FileIO):
    """A file that stores write errors instead of raising them.

    If a write fails inside HDF5, for instance on a full disk, HDF5 tries to write again
    when it closes the file, and then crashes the process.
    """

    _error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = self._error or error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def require_written(self) -> None:
        """Raises the `OSError` of the first write that has failed, if any has."""
        if self._error is not None:
            raise self._error


def _append(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Appends rows to a data set, and creates it first if there is none."""
    if name not in file:
        row = values.shape[1:]
        row_bytes = values.dtype.itemsize * int(np.prod(row))
        file.create_dataset(
            name,
            (0, *row),
            h5py.string_dtype() if values.dtype == object else values.dtype,
            maxshape=(None, *row),
            chunks=(max(1, _CHUNK_BYTES // row_bytes), *row),
        )
    dataset = file[name]
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


# --- Parquet --------------------------------------------------------------------------


def _pyarrow() -> ModuleType:
    """Returns the package pyarrow; raises `InputError` if it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "Parquet needs the package pyarrow: pip install 'biobert_tf[features]'; or "
            "name an --output_file that ends in .npz or .h5"
        ) from None
    return pyarrow


def _write_parquet(path: Path, layers: Sequence[int], blocks: Iterable[Block]) -> None:
    """Writes a table with a column per layer, or one column of the mixed layers."""
    pa = _pyarrow()

    def table(block: Block) -> Any:
        columns = {"line_index": block.texts, **block.columns}
        vectors = columns.pop("vectors")
        if vectors.ndim == 2:
            columns["vectors"] = vectors
        else:
            for i, layer in enumerate(layers):
                columns[f"layer_{layer}"] = vectors[:, i]
        return pa.table({name: column(values) for name, values in columns.items()})

    def column(values: np.ndarray) -> Any:
        if values.ndim == 2:
            numbers = pa.array(values.ravel())
            return pa.FixedSizeListArray.from_arrays(numbers, values.shape[1])
        return pa.array(values, pa.string() if values.dtype == object else None)

    tables = map(table, blocks)
    first = next(tables)
    with pa.parquet.ParquetWriter(path, first.schema) as writer:
        for each in itertools.chain([first], tables):
            writer.write_table(each)
