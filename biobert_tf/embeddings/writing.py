# SPDX-License-Identifier: Apache-2.0
"""Writes tables of vectors to files: NumPy's .npz, HDF5, or Parquet.

Files are written block by block, so a table is never whole in memory.
"""

import contextlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final

import h5py
import numpy as np

from biobert_tf.common.errors import InputError
from biobert_tf.embeddings.settings import Format
from biobert_tf.embeddings.tables import Block, Layout

_CHUNK_BYTES: Final = 2**18


def require(output_format: Format) -> None:
    """Checks that a format can be written.

    Raises:
        InputError: The package for the format is not installed.
    """
    if output_format == "parquet":
        _pyarrow()


def write(
    path: Path, output_format: Format, layout: Layout, blocks: Iterable[Block]
) -> None:
    """Writes a table.

    Args:
        path: The file to write.
        output_format: The file's format; not `jsonl`.
        layout: The layout of the table.
        blocks: The rows of the table.
    """
    writers: dict[str, Callable[[Path, Layout, Iterable[Block]], None]] = {
        "npz": _write_npz,
        "hdf5": _write_hdf5,
        "parquet": _write_parquet,
    }
    writers[output_format](path, layout, blocks)


def _numbers(layout: Layout) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Returns the dtype and the shape per row of every numeric column."""
    columns = {name: (np.dtype(np.int32), ()) for name in layout.columns}
    return {**columns, "vectors": (layout.dtype, layout.vector_shape)}


def _values(block: Block) -> dict[str, np.ndarray]:
    return {**block.columns, "vectors": block.vectors}


# --- NumPy ----------------------------------------------------------------------------


def _write_npz(path: Path, layout: Layout, blocks: Iterable[Block]) -> None:
    """Writes an archive of arrays.

    An array begins with its shape, and an archive is written array after array, so
    every column is collected in a temporary file until all rows are known. Strings are
    UTF-8 bytes with a line end after each: fixed-length strings could become too large.
    """
    num_rows, counts = 0, [np.zeros(1, np.int64)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent)))
        names = [*_numbers(layout), *([layout.labels] if layout.labels else [])]
        spools = {
            name: stack.enter_context((folder / name).open("w+b")) for name in names
        }
        for block in blocks:
            num_rows += len(block.vectors)
            counts.append(block.counts)
            for name, values in _values(block).items():
                spools[name].write(np.ascontiguousarray(values).data)
            if layout.labels:
                text = "".join(f"{label}\n" for label in block.labels)
                spools[layout.labels].write(text.encode("utf-8"))
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            _add(archive, "layers", np.array(layout.layers, np.int32))
            if layout.labels:
                _add(archive, "offsets", np.cumsum(np.concatenate(counts)))
            for name, (dtype, shape) in _numbers(layout).items():
                _move(archive, name, spools[name], dtype, (num_rows, *shape))
            if layout.labels:
                spool = spools[layout.labels]
                _move(
                    archive, layout.labels, spool, np.dtype(np.uint8), (spool.tell(),)
                )


def _add(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    with archive.open(f"{name}.npy", "w") as member:
        np.lib.format.write_array(member, values)


def _move(
    archive: zipfile.ZipFile,
    name: str,
    spool: BinaryIO,
    dtype: np.dtype,
    shape: tuple[int, ...],
) -> None:
    """Writes the bytes of `spool` as an array of the archive."""
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": shape,
    }
    spool.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        shutil.copyfileobj(spool, member)


# --- HDF5 -----------------------------------------------------------------------------


def _write_hdf5(path: Path, layout: Layout, blocks: Iterable[Block]) -> None:
    """Writes a file with one data set per column."""
    with _Stream(path, "w+") as stream:
        with h5py.File(stream, "w") as file:
            _fill_hdf5(file, stream, layout, blocks)
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
        """Raises the first error of a write, if there was one.

        Raises:
            OSError: A write has failed.
        """
        if self._error is not None:
            raise self._error


def _fill_hdf5(
    file: h5py.File, stream: _Stream, layout: Layout, blocks: Iterable[Block]
) -> None:
    """Writes data sets block by block."""
    file["layers"] = np.array(layout.layers, np.int32)
    for name, (dtype, shape) in _numbers(layout).items():
        _create(file, name, dtype, shape)
    if layout.labels:
        _create(file, layout.labels, h5py.string_dtype(), ())
        _create(file, "offsets", np.dtype(np.int64), ())
        _append(file, {"offsets": np.zeros(1, np.int64)})
    num_rows = 0
    for block in blocks:
        _append(file, _values(block))
        if layout.labels:
            offsets = num_rows + np.cumsum(block.counts)
            num_rows = int(offsets[-1])
            labels = np.array(block.labels, object)
            _append(file, {"offsets": offsets, layout.labels: labels})
        file.flush()
        stream.require_written()


def _create(
    file: h5py.File, name: str, dtype: np.dtype, shape: tuple[int, ...]
) -> None:
    """Creates a data set to which rows of `shape` can be appended."""
    row_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    file.create_dataset(
        name,
        (0, *shape),
        dtype,
        maxshape=(None, *shape),
        chunks=(max(1, _CHUNK_BYTES // row_bytes), *shape),
    )


def _append(file: h5py.File, columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        dataset = file[name]
        start = len(dataset)
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values


# --- Parquet --------------------------------------------------------------------------


def _pyarrow() -> ModuleType:
    """Returns the package pyarrow.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "Parquet needs the package pyarrow: pip install 'biobert_tf[features]'; or "
            "name an --output_file that ends in .npz or .h5"
        ) from None
    return pyarrow


def _write_parquet(path: Path, layout: Layout, blocks: Iterable[Block]) -> None:
    """Writes a table with a column per layer, or one column of the mixed layers."""
    pa = _pyarrow()
    number = pa.from_numpy_dtype(layout.dtype)
    names = [f"layer_{layer}" for layer in layout.layers]
    vectors = ["vectors"] if layout.is_mixed else names
    fields: list[tuple[str, Any]] = [
        ("line_index", pa.int64()),
        *([(layout.labels, pa.string())] if layout.labels else []),
        *((name, pa.int32()) for name in layout.columns),
        *((name, pa.list_(number, layout.width)) for name in vectors),
    ]
    schema = pa.schema(fields)
    num_texts = 0
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for block in blocks:
            lines = num_texts + np.arange(len(block.counts))
            num_texts += len(block.counts)
            by_layer = block.vectors.reshape(-1, len(vectors), layout.width)
            columns = [
                pa.array(np.repeat(lines, block.counts)),
                *([pa.array(block.labels, pa.string())] if layout.labels else []),
                *(pa.array(block.columns[name]) for name in layout.columns),
                *(
                    pa.FixedSizeListArray.from_arrays(
                        pa.array(by_layer[:, k].ravel()), layout.width
                    )
                    for k in range(len(vectors))
                ),
            ]
            writer.write_table(pa.table(columns, schema=schema))
