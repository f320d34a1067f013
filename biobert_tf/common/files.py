# SPDX-License-Identifier: Apache-2.0
"""Reads UTF-8 and JSON files, and writes files whole or not at all."""

import atexit
import contextlib
import errno
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from biobert_tf.common import durable, json_text, leftovers, remote_path, room
from biobert_tf.common.errors import InputError

JsonDict = dict[str, Any]
"""A JSON object as it is read: its values have no type until they are checked."""

JsonSource = Path | Mapping[str, Any]
"""A JSON object, or the file that holds it."""
ParsedT = TypeVar("ParsedT")


def read_text(path: Path) -> str:
    r"""Returns what `read_verbatim` does, but `\r\n` and `\r` become `\n`."""
    return read_verbatim(path).replace("\r\n", "\n").replace("\r", "\n")


def read_verbatim(path: Path) -> str:
    """Returns the text of a UTF-8 file unchanged, without a byte order mark.

    Raises:
        InputError: The file is missing, unreadable or not UTF-8; see `decode`.
    """
    with explained_reading(path):
        data = path.read_bytes()
    return decode(data, path).removeprefix("\ufeff")


def first_line(path: Path) -> str:
    """Returns the first line that is not blank, with its line end; "" without any.

    Raises:
        InputError: The file cannot be read.
    """
    with explained_reading(path), path.open("rb") as stream:
        first = next((line for line in stream if line.strip()), b"")
        return first.decode("utf-8-sig", errors="replace")


@contextlib.contextmanager
def explained_reading(path: Path) -> Iterator[None]:
    """Turns an `OSError` into an InputError that says why a file cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise InputError.at(path, None, "no such file") from None
    except OSError as error:
        raise InputError.at(path, None, f"cannot be read: {error.strerror}") from None


def decode(data: bytes, path: Path | str, line: int = 1) -> str:
    """Returns bytes of UTF-8 decoded, every character unchanged.

    The data begins at the line of this 1-based number of the file `path`.

    Raises:
        InputError: It is not UTF-8; the message names the line of the first bad byte.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise InputError.at(path, line, not_utf8(error)) from None


def not_utf8(error: UnicodeDecodeError) -> str:
    """Says in words which byte is not UTF-8, and what to do about it."""
    bad = error.object[error.start]
    return f"byte 0x{bad:02x} is not UTF-8; convert the file to UTF-8"


def read_json(path: Path) -> JsonDict:
    """Returns the JSON object stored in `path`.

    Raises:
        InputError: The file is missing, is not JSON (see `json_text`), or is not an
            object.
    """
    values = json_text.parsed(path, None, read_text(path))
    if not isinstance(values, dict):
        raise InputError.at(path, 1, "expected a JSON object")
    return values


def parse_json(
    source: JsonSource,
    parse: Callable[[Mapping[str, Any]], ParsedT],
    read: Callable[[Path], JsonDict] = read_json,
) -> ParsedT:
    """Returns what `parse` makes of a JSON object; an InputError names the file."""
    if not isinstance(source, Path):
        return parse(source)
    values = read(source)
    try:
        return parse(values)
    except InputError as error:
        raise InputError.at(source, None, str(error)) from None


@contextlib.contextmanager
def replacing(path: Path, needed: int | None = None) -> Iterator[Path]:
    """Yields a path; the file or folder that the block makes there becomes `path`.

    A reader sees either what was at `path` before or the whole new one, even if the
    process is killed or the machine crashes; see `durable`. A folder that is not empty
    cannot be replaced. A missing parent directory is created. For a folder in a store
    see `move`, and for `needed` see `scratch`.

    Raises:
        InputError: The directory cannot be written, or `path` cannot be replaced.
    """
    with scratch(path, needed) as folder:
        temporary = folder / path.name
        yield temporary
        with explained_writing(path):
            move(temporary, path)


@contextlib.contextmanager
def scratch(path: Path, needed: int | None = None) -> Iterator[Path]:
    """Yields a private folder, hidden beside `path`, that is deleted after the block.

    What `move` takes from it to its parent directory gets there at one instant. If that
    is in a store, the folder is a local one, below `TMPDIR`. A missing parent is
    created. `needed` is the number of bytes to be written, if it is known. What killed
    processes have left of `path` is removed; see `leftovers`.

    Raises:
        InputError: The parent cannot be written, or the disk was full or failed in the
            block.
    """
    is_remote = remote_path.is_remote(path)
    with explained_writing(path):
        make_folder(path.parent)
        place = Path(tempfile.gettempdir()) if is_remote else path.parent
        folder = leftovers.HiddenFolder(place, path.name)
    try:
        with folder as made, durable.passing(made):
            yield made
    except Exception as error:
        if room.disk_is_full(error) and is_remote:
            advice = "set TMPDIR to another disk"
            raise room.full_disk(place / path.name, needed, advice) from None
        if room.disk_is_full(error):
            raise room.full_disk(path, needed) from None
        if room.disk_failed(error):
            raise room.failed_disk(path) from None
        raise


def move(source: Path, target: Path, last: str = "") -> None:
    """Moves a file or a folder to where there is none, or replaces a file.

    On a local disk that happens at one instant, and outlasts a crash. A store knows
    only whole files: each of them appears at one instant, and those of a folder that
    are called `last` after all others, for its readers to know that the folder is
    whole. Of several, those of inner folders come first.

    Raises:
        OSError: The source cannot be read, or the target not written.
    """
    if not (remote_path.is_remote(source) or remote_path.is_remote(target)):
        durable.replace(source, target)
    elif not source.is_dir():
        remote_path.copy(source, target)
        source.unlink()
    else:
        if files_below(target):
            number = errno.ENOTEMPTY
            raise OSError(number, os.strerror(number), str(target))
        names = sorted(path.relative_to(source) for path in files_below(source))
        names.sort(key=lambda name: (name.name == last, -len(name.parts)))
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            remote_path.copy(source / name, target / name)
        remove_tree(source)


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, if they are missing.

    Raises:
        OSError: That is not possible.
    """
    if remote_path.is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)
    else:
        durable.make_folder(folder)


def files_below(folder: Path) -> list[Path]:
    """Returns the files in a folder and in its folders, sorted by path."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def numbered_folders(folder: Path) -> list[Path]:
    """Returns the folders in a folder that are called by a number, by number."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir()]
    numbered = [path for path in found if re.fullmatch("[0-9]+", path.name)]
    return sorted(numbered, key=lambda path: (int(path.name), path.name))


def remove_first(path: Path) -> None:
    """Removes a file, if it is there, before anything that follows.

    Raises:
        OSError: That is not possible.
    """
    if remote_path.is_remote(path):
        path.unlink(missing_ok=True)
    else:
        durable.remove(path)


def remove_tree(folder: Path) -> None:
    """Removes a folder and all that is in it, as far as that is possible."""
    if not remote_path.is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        remote_path.remove_tree(folder)


@contextlib.contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """Yields a local path of the same name with the content of a file.

    It is the file, or for one in a store a copy that is deleted after the block.

    Raises:
        InputError: The file cannot be read.
    """
    if not remote_path.is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="biobert-") as folder:
        copy = Path(folder, path.name)
        with explained_reading(path):
            remote_path.copy(path, copy)
        yield copy


def folder_until_exit(prefix: str) -> Path:
    """Returns a new folder below `TMPDIR` that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    durable.pass_at_exit(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def explained_writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` into an InputError that says why `path` cannot be written."""
    try:
        yield
    except OSError as error:
        if room.disk_is_full(error):
            raise room.full_disk(path) from None
        if room.disk_failed(error):
            raise room.failed_disk(path) from None
        raise InputError.at(
            path, None, f"cannot be written: {error.strerror}; choose another directory"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, values: object) -> None:
    """Writes `values` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def json_object(path: Path) -> Iterator[Callable[[str, object], None]]:
    """Yields a function that adds one member to the JSON object stored in `path`.

    The file, indented by 4, appears when the block has succeeded. The members are not
    kept in memory; the caller makes sure that their keys differ. It is written with
    `replacing`.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="ascii", newline="") as stream,
    ):
        separators = itertools.chain(["{"], itertools.repeat(","))

        def add(key: str, value: object) -> None:
            # Without its braces, an object of one member is a line of the whole.
            member = json.dumps({key: value}, indent=4)[1:-2]
            stream.write(next(separators) + member)

        yield add
        stream.write("{}\n" if next(separators) == "{" else "\n}\n")
