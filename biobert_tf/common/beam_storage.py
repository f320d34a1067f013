# SPDX-License-Identifier: Apache-2.0
"""Reads and writes files at paths, or at URLs that Apache Beam's file systems know.

A place is a path or a URL, as a string: a `Path` would make `gs:/bucket` of
`gs://bucket`. A file appears whole or not at all: a local file by renaming, an object
in a cloud store when its last byte has been written.
"""

import contextlib
import io
import pickle
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from biobert_tf.common import files
from biobert_tf.common.errors import InputError


class FoundFile(NamedTuple):
    """A file at a path or URL; `changed_ns` is in nanoseconds since 1970."""

    place: str
    num_bytes: int
    changed_ns: int


def is_remote(place: str) -> bool:
    """Returns whether a place is a URL."""
    return "://" in place


def find(pattern: str) -> list[FoundFile]:
    """Returns the files that match a place, sorted by name.

    A URL may have wild cards; a path has none.

    Raises:
        InputError: Beam lacks the URL's file system, or that does not answer.
    """
    if is_remote(pattern):
        try:
            found = _file_systems().match([pattern])[0].metadata_list
        except (OSError, ValueError) as error:
            raise InputError.at(pattern, None, f"cannot be listed: {error}") from None
        return sorted(
            FoundFile(f.path, f.size_in_bytes, int(f.last_updated_in_seconds * 1e9))
            for f in found
        )
    path = Path(pattern)
    if not path.is_file():
        return []
    stat = path.stat()
    return [FoundFile(pattern, stat.st_size, stat.st_mtime_ns)]


@contextlib.contextmanager
def local_copy(place: str) -> Iterator[Path]:
    """Provides a path to read a file from: the file, or a copy that the block keeps.

    The copy has the file's name. If an `InputError` in the block names the copy, the
    place is named instead.

    Raises:
        InputError: The file cannot be copied.
    """
    if not is_remote(place):
        yield Path(place)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / posixpath.basename(place)
        try:
            source = _file_systems().open(place, **_as_it_is())
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise InputError.at(place, None, f"cannot be read: {error}") from None
        try:
            yield path
        except InputError as error:
            raise InputError(str(error).replace(str(path), place)) from None


def put(source: Path | BinaryIO, place: str) -> None:
    """Copies a local file or a stream to a place.

    Raises:
        InputError: The place cannot be written.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream:
            put(stream, place)
    elif not is_remote(place):
        with files.replacing(Path(place)) as temporary, temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
    else:
        try:
            with _file_systems().create(place, **_as_it_is()) as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise InputError.at(place, None, f"cannot be written: {error}") from None


def put_object(value: object, place: str) -> None:
    """Pickles an object to a place; raises as `put` does."""
    put(io.BytesIO(pickle.dumps(value)), place)


def get_object(place: str) -> Any:
    """Returns the object that `put_object` wrote; raises as `local_copy` does."""
    with local_copy(place) as path:
        return pickle.loads(path.read_bytes())


def move(destinations: Mapping[str, str]) -> None:
    """Moves files from the keys to the values, replacing files that exist there.

    Raises:
        InputError: A file cannot be moved.
    """
    remote = {a: b for a, b in destinations.items() if is_remote(a) or is_remote(b)}
    try:
        for source, destination in destinations.items():
            if source not in remote:
                files.move(Path(source), Path(destination))
        if remote:
            _file_systems().rename(list(remote), list(remote.values()))
    except OSError as error:
        raise InputError(f"the files cannot be moved: {error}") from None


def delete(folder: str) -> None:
    """Deletes a folder and its contents, as far as that is possible."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        _file_systems().delete([file.place for file in find(f"{folder}/**")])


def _file_systems() -> Any:
    # Imported here, as only URLs need Apache Beam.
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


def _as_it_is() -> dict[str, str]:
    """Returns the options that keep a file system from unpacking `.gz`."""
    from apache_beam.io.filesystem import CompressionTypes

    return {"compression_type": CompressionTypes.UNCOMPRESSED}
