# SPDX-License-Identifier: Apache-2.0
"""Serializes arrays of features as records of a TFRecord file, many at once in NumPy.

A record has the bytes of `tf.train.Example.SerializeToString(deterministic=True)`: the
wire format of protocol buffers, with features sorted by name. A field of that format is
one byte for its number and type, the number of bytes that follow, and these bytes.
"""

import itertools
import struct
from collections.abc import Iterable, Mapping
from typing import BinaryIO, Final, NamedTuple

import google_crc32c
import numpy as np

# The fields of an Example (tensorflow/core/example/{example,feature}.proto).
_EXAMPLE_FEATURES: Final = 0x0A
_FEATURES_ENTRY: Final = 0x0A
_ENTRY_KEY: Final = 0x0A
_ENTRY_VALUE: Final = 0x12
_FEATURE_FLOAT_LIST: Final = 0x12
_FEATURE_INT64_LIST: Final = 0x1A
_LIST_VALUES: Final = 0x0A

_CRC_MASK_DELTA: Final = 0xA282EAD8


class _Grid(NamedTuple):
    """Byte strings, one in each row; both fields are `[rows, width]`."""

    cells: np.ndarray  # uint8
    is_used: np.ndarray  # bool; the other cells are not part of the string


def serialize(features: Mapping[str, np.ndarray]) -> list[bytes]:
    """Returns one serialized `tf.train.Example` for each row of the features.

    Features are arrays `[rows, length]`. Integers, which must not be negative, become
    an `int64_list`; float32 becomes a `float_list`. A few thousand rows at a time are
    fastest and keep memory small.

    Raises:
        ValueError: An integer is negative.
        TypeError: An array has neither integers nor float32.
    """
    entries = [
        _field(_FEATURES_ENTRY, _entry(name.encode(), features[name]))
        for name in sorted(features)
    ]
    grid = _field(_EXAMPLE_FEATURES, _side_by_side(entries))
    string = grid.cells[grid.is_used].tobytes()
    ends = grid.is_used.sum(1).cumsum().tolist()
    return [string[start:end] for start, end in itertools.pairwise([0, *ends])]


def frame(record: bytes) -> bytes:
    """Returns `record` with length and checksums, as a TFRecord file stores it."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked_crc(length), record, _masked_crc(record)))


def write_records(stream: BinaryIO, records: Iterable[bytes]) -> None:
    """Writes records to a TFRecord file, open for binary writing."""
    stream.writelines(map(frame, records))


def _masked_crc(data: bytes) -> bytes:
    """Returns the checksum of `data` (tensorflow/core/lib/hash/crc32c.h, Mask)."""
    crc = google_crc32c.value(data)
    rotated = crc >> 15 | crc << 17
    return struct.pack("<I", (rotated + _CRC_MASK_DELTA) & 0xFFFFFFFF)


def _entry(name: bytes, values: np.ndarray) -> _Grid:
    """Returns the map entry of a feature for each row of `values`."""
    if values.dtype.kind in "iu":
        tag, packed = _FEATURE_INT64_LIST, _varints(values)
    elif values.dtype == np.float32:
        tag = _FEATURE_FLOAT_LIST
        packed = _full(np.ascontiguousarray(values, "<f4").view(np.uint8))
    else:
        raise TypeError(f"{name.decode()}: {values.dtype} is neither int nor float32")
    # Without values the field is omitted, not empty.
    content = _field(_LIST_VALUES, packed) if values.shape[1] else packed
    feature = _field(tag, content)
    key = _field(_ENTRY_KEY, _repeated(name, len(values)))
    return _side_by_side([key, _field(_ENTRY_VALUE, feature)])


def _field(tag: int, content: _Grid) -> _Grid:
    """Returns `content` preceded by the field's tag and length."""
    lengths = content.is_used.sum(1, keepdims=True)
    tags = _repeated(bytes([tag]), len(lengths))
    return _side_by_side([tags, _varints(lengths), content])


def _repeated(string: bytes, num_rows: int) -> _Grid:
    return _full(np.tile(np.frombuffer(string, np.uint8), (num_rows, 1)))


def _side_by_side(grids: list[_Grid]) -> _Grid:
    cells, is_used = zip(*grids, strict=True)
    return _Grid(np.hstack(cells), np.hstack(is_used))


def _full(cells: np.ndarray) -> _Grid:
    return _Grid(cells, np.ones(cells.shape, np.bool_))


def _varints(values: np.ndarray) -> _Grid:
    """Returns the base-128 integers of each row, seven bits a byte, lowest first."""
    if values.min(initial=0) < 0:
        raise ValueError(f"{values.min()} is negative")
    num_bytes = max(1, -(-int(values.max(initial=0)).bit_length() // 7))
    cells = np.empty((*values.shape, num_bytes), np.uint8)
    is_used = np.empty(cells.shape, np.bool_)
    for i in range(num_bytes):
        rest = values >> 7 * i
        is_used[..., i] = rest > 0 if i else True
        cells[..., i] = (rest & 0x7F) | (rest > 0x7F) * 0x80
    shape = len(values), values.shape[1] * num_bytes
    return _Grid(cells.reshape(shape), is_used.reshape(shape))
