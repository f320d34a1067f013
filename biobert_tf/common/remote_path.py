# SPDX-License-Identifier: Apache-2.0
"""Paths such as `gs://bucket/file`, in every place where a `Path` is wanted.

`parse` makes a path of what a user has written. A URL becomes a `RemotePath`, whose
file operations are those of `tf.io.gfile`, on whatever file systems TensorFlow knows:
`gs://` and `ram://`, others with plug-ins. TensorFlow is imported when the first URL is
parsed.
"""

import contextlib
import errno
import fnmatch
import functools
import io
import os
import re
import stat as stat_modes
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path, PosixPath, PurePath
from typing import IO, Any, Final, NoReturn, Self

from biobert_tf.common import stores
from biobert_tf.common.errors import InputError

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)(.*)", re.DOTALL)
# What one request to a store reads.
_BUFFER_BYTES: Final = 1 << 20
MODELS_OF_THE_HUB: Final = "hf"
"""The scheme of `hf://owner/name`, which `checkpoints.hub` turns into a folder."""


def parse(text: str | os.PathLike[str]) -> Path:
    """Returns the path that a user has written; `file://` names a local one.

    Raises:
        InputError: It is a URL whose scheme TensorFlow does not know, or lacks a slash.
    """
    name = os.fspath(text)
    found = _URL.fullmatch(name)
    if found is None or (scheme := found[1].lower()) == MODELS_OF_THE_HUB:
        return Path(text)
    rest = found[3]
    # `Path` has taken one of the two slashes of a URL. A user who forgets one would get
    # a local folder `gs:`.
    if not (found[2] or isinstance(text, Path)):
        right = f"{scheme}:{'///' if scheme == 'file' else '//'}{rest}"
        raise InputError(
            f"{name}: a URL has two slashes behind the colon; write {right}"
        )
    if scheme == "file":
        return _local(f"{scheme}://{rest}" if found[2] else f"{scheme}:///{rest}")
    if scheme not in (known := _schemes()):
        every = ", ".join(f"{each}://" for each in ("file", *sorted(known)))
        raise InputError(f"{name}: TensorFlow does not know {scheme}://; use {every}")
    if not rest.strip("/"):
        raise InputError(f"{name}: names no bucket; write {scheme}://bucket/path")
    return RemotePath(f"{scheme}://{rest}")


def _local(url: str) -> Path:
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InputError(f"{url}: names another machine; write file:///folder/file")
    # Not decoded: TensorFlow, too, takes what follows as it is.
    return Path(url[len("file://") :].removeprefix(parts.netloc))


def is_remote(path: PurePath) -> bool:
    """Returns whether a path is a URL of a file system that TensorFlow knows."""
    return isinstance(path, RemotePath)


def is_of_this_process(path: PurePath) -> bool:
    """Returns whether a path is in TensorFlow's memory, which no other process sees."""
    return is_remote(path) and str(path).startswith("ram://")


def copy(source: Path, target: Path) -> None:
    """Copies a file to or from a store; in a store it appears whole or not at all.

    Raises:
        OSError: The source cannot be read, or the target not written.
    """
    try:
        with _as_os_errors(target):
            _empty(target)
            _gfile().copy(str(source), str(target), overwrite=True)
    except FileNotFoundError as error:
        if not is_remote(target) or not source.exists():
            raise
        raise OSError(errno.ENOENT, "there is no such bucket", str(target)) from error


def _empty(path: Path) -> None:
    """Makes an empty file, if the path is one of `ram://`.

    TensorFlow would write behind what is in the file. And if there is a file `a.txt`,
    it would copy a file `a` into a folder `a`.
    """
    if is_of_this_process(path):
        if path.is_file():
            _gfile().remove(str(path))
        with _gfile().GFile(str(path), "wb") as stream:
            stream.write(b"")


def remove_tree(folder: Path) -> None:
    """Removes a folder of a store and all that is in it, or raises an OSError."""
    with _as_os_errors(folder):
        if _gfile().isdir(str(folder)):
            _gfile().rmtree(str(folder))


@functools.cache
def _schemes() -> frozenset[str]:
    found = _gfile().get_registered_schemes()
    return frozenset(str(each) for each in found) - {"", "file"}


def _gfile() -> Any:
    # Not above: most commands read local files, and `--help` reads none.
    import tensorflow as tf

    return tf.io.gfile


@contextlib.contextmanager
def _as_os_errors(path: PurePath) -> Iterator[None]:
    """Turns the errors of TensorFlow into those of `pathlib`."""
    from tensorflow import errors

    if path.parts[0] == "gs:" and (problem := stores.why_unreachable()):
        raise OSError(errno.EHOSTUNREACH, problem, str(path))

    numbers = {
        errors.NotFoundError: errno.ENOENT,
        errors.AlreadyExistsError: errno.EEXIST,
        errors.PermissionDeniedError: errno.EACCES,
        errors.UnauthenticatedError: errno.EACCES,
        errors.ResourceExhaustedError: errno.ENOSPC,
    }
    try:
        yield
    except errors.OpError as error:
        number = numbers.get(type(error), errno.EIO)
        lines = (error.message or os.strerror(number)).splitlines()
        reason = os.strerror(number) if number != errno.EIO else lines[0]
        # OSError chooses its class, such as FileNotFoundError, by the number.
        raise OSError(number, reason, str(path)) from error


class RemotePath(PosixPath):
    """A path below the URL of a store; `str()` and `os.fspath()` return the URL.

    It has no folders of its own: one exists as long as something is in it. What a store
    cannot do, such as links, raises `io.UnsupportedOperation`.
    """

    def __str__(self) -> str:
        """Returns the URL: `PosixPath` has taken one of its two slashes."""
        scheme, colon, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}" if colon else scheme

    def __fspath__(self) -> str:
        """Returns the URL."""
        return str(self)

    @property
    def parents(self) -> Sequence[Self]:  # type: ignore[override]
        """The folders above, up to the bucket."""
        return super().parents[:-2]

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Returns the kind, the size in bytes and the time of the last change."""
        del follow_symlinks
        with _as_os_errors(self):
            found = _gfile().stat(str(self))
            mode = stat_modes.S_IFREG
            if _gfile().isdir(str(self)):
                mode = stat_modes.S_IFDIR
        seconds = found.mtime_nsec // 10**9
        values = (mode | 0o666, 0, 0, 1, 0, 0, found.length, seconds, seconds, seconds)
        return os.stat_result(values, {"st_mtime_ns": found.mtime_nsec})

    lstat = stat

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Returns whether there is a file or a folder."""
        del follow_symlinks
        with _as_os_errors(self):
            return bool(_gfile().exists(str(self))) and self._is_listed()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Returns whether there is a folder."""
        del follow_symlinks
        with _as_os_errors(self):
            return bool(_gfile().isdir(str(self))) and self._is_listed()

    def _is_listed(self) -> bool:
        """Returns False for a path of `ram://` that only begins another.

        TensorFlow takes `ram://a/b` for a folder as soon as there is `ram://a/b.txt`.
        """
        is_whole = self.parts[0] != "ram:" or len(self.parts) == 2
        return is_whole or self.name in self.parent._names()

    def _names(self) -> list[str]:
        """Returns the names in the folder, sorted."""
        # A store may show folders with a slash behind them.
        names = {each.rstrip("/") for each in _gfile().listdir(str(self))}
        if self.parts[0] == "ram:":
            # Of `ram://a/bc`, TensorFlow shows a `c` in `ram://a/b`.
            names = {each for each in names if _gfile().exists(str(self / each))}
        return sorted(names)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Returns whether there is a file."""
        return self.exists() and not self.is_dir()

    def _is_none(self) -> bool:
        return False

    is_fifo = is_symlink = is_socket = is_mount = is_junction = _is_none
    is_block_device = is_char_device = _is_none

    def is_absolute(self) -> bool:
        """Returns True."""
        return True

    def absolute(self) -> Self:
        """Returns the path itself."""
        return self

    def resolve(self, strict: bool = False) -> Self:
        """Returns the path itself: a store has no links and no `..`."""
        if strict:
            self.stat()
        return self

    def expanduser(self) -> Self:
        """Returns the path itself."""
        return self

    def as_uri(self) -> str:
        """Returns the URL."""
        return str(self)

    def samefile(self, other_path: str | os.PathLike[str]) -> bool:
        """Returns whether both are the same URL."""
        return str(self) == os.fspath(other_path)

    def iterdir(self) -> Iterator[Self]:  # type: ignore[override]
        """Yields what is in the folder, sorted by name."""
        with _as_os_errors(self):
            names = self._names()
        yield from (self / name for name in names)

    def glob(self, pattern: str, **options: Any) -> Iterator[Self]:  # type: ignore[override]
        """Yields what matches, sorted; `**` is any number of folders, also none."""
        del options
        yield from dict.fromkeys(self._matching(PurePath(pattern).parts))

    def rglob(self, pattern: str, **options: Any) -> Iterator[Self]:  # type: ignore[override]
        """Yields what matches in this folder or below."""
        del options
        yield from dict.fromkeys(self._matching(("**", *PurePath(pattern).parts)))

    def _matching(self, parts: tuple[str, ...]) -> Iterator[Self]:
        if not parts:
            yield self
            return
        first, rest = parts[0], parts[1:]
        is_deep = first == "**"
        if is_deep:
            yield from self._matching(rest)
        for each in self._named(first):
            if not is_deep:
                yield from each._matching(rest)
            elif each.is_dir():
                yield from each._matching(parts)

    def _named(self, pattern: str) -> list[Self]:
        """Returns what in this folder has such a name."""
        if not any(sign in pattern for sign in "*?["):
            return [self / pattern] if (self / pattern).exists() else []
        inside = self.iterdir() if self.is_dir() else ()
        return [each for each in inside if fnmatch.fnmatchcase(each.name, pattern)]

    def mkdir(
        self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        """Makes the folder, and those above it, if the store knows folders."""
        del mode, parents
        if not exist_ok and self.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))
        if self.parts[0] == "gs:":
            # It has no folders. To note some, TensorFlow asks for a right that those
            # who may write need not have; and it asks for ever if there is no bucket.
            return
        with _as_os_errors(self):
            _gfile().makedirs(str(self))

    def rmdir(self) -> None:
        """Removes an empty folder."""
        if any(True for _ in self.iterdir()):
            number = errno.ENOTEMPTY
            raise OSError(number, os.strerror(number), str(self))
        with _as_os_errors(self):
            _gfile().rmtree(str(self))

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes the file."""
        try:
            with _as_os_errors(self):
                _gfile().remove(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Makes an empty file if there is none."""
        del mode
        if not self.exists():
            self.write_bytes(b"")
        elif not exist_ok:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self))

    def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Does nothing: a store knows other permissions."""

    lchmod = chmod  # type: ignore[assignment]

    def rename(self, target: str | os.PathLike[str]) -> Self:  # type: ignore[override]
        """Moves a file within the store; for folders see `common.files.move`.

        A store copies the file and deletes the first: at every moment there is a whole
        one, and for a while there may be two.
        """
        with _as_os_errors(self):
            _gfile().rename(str(self), os.fspath(target), overwrite=True)
        return type(self)(target)

    replace = rename

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Opens the file as `open` does, to read, to write or to append.

        What is written appears when the file is closed, also after an error: see
        `common.files.replacing`.
        """
        if mode.replace("b", "").replace("t", "") not in ("r", "w", "a"):
            raise io.UnsupportedOperation(f"{self}: cannot be opened with {mode!r}")
        if mode[0] == "r" and self.is_dir():
            number = errno.EISDIR
            raise IsADirectoryError(number, os.strerror(number), str(self))
        raw = _RawFile(self, mode[0])
        size = buffering if buffering > 1 else _BUFFER_BYTES
        binary: io.BufferedReader | io.BufferedWriter
        if mode[0] == "r":
            binary = io.BufferedReader(raw, size)
        else:
            binary = io.BufferedWriter(raw, size)
        if "b" in mode:
            return binary
        return io.TextIOWrapper(binary, encoding or "utf-8", errors, newline)

    def _refuse(self, *arguments: object, **options: object) -> NoReturn:
        """A store has no such thing."""
        raise io.UnsupportedOperation(f"{self}: a store of files cannot do this")

    readlink = symlink_to = hardlink_to = link_to = owner = group = _refuse  # type: ignore


class _RawFile(io.RawIOBase):
    """A file of a store, unbuffered."""

    def __init__(self, path: RemotePath, kind: str) -> None:
        """Opens it to read ("r"), to write ("w") or to append ("a")."""
        super().__init__()
        self._path, self._kind = path, kind
        with _as_os_errors(path):
            if kind == "w":
                _empty(path)
            self._file = _gfile().GFile(str(path), f"{kind}b")
            if kind == "r":
                # A missing file is found now, not at the first read.
                self._size = self._file.size()
            else:
                self._file.write(b"")

    @property
    def name(self) -> str:
        """The URL."""
        return str(self._path)

    def readable(self) -> bool:
        """Returns whether the file is open to read."""
        return self._kind == "r"

    def writable(self) -> bool:
        """Returns whether the file is open to write."""
        return self._kind != "r"

    def seekable(self) -> bool:
        """Returns whether the position can be changed."""
        return self._kind == "r"

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer of bytes, and returns how many there were."""
        with _as_os_errors(self._path):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Writes bytes, and returns how many there were."""
        with _as_os_errors(self._path):
            self._file.write(bytes(data))
        return len(data)

    def tell(self) -> int:
        """Returns the position, in bytes."""
        with _as_os_errors(self._path):
            return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position, in bytes."""
        if self._kind != "r":
            raise io.UnsupportedOperation(f"{self._path}: is written in one go")
        start = {io.SEEK_CUR: self.tell, io.SEEK_END: lambda: self._size}
        place = offset + start.get(whence, int)()
        with _as_os_errors(self._path):
            self._file.seek(place)
        return place

    def close(self) -> None:
        """Closes the file; what was written appears."""
        if not self.closed:
            super().close()
            with _as_os_errors(self._path):
                self._file.close()
