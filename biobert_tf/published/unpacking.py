# SPDX-License-Identifier: Apache-2.0
"""Unpacks `.tar.gz` and `.zip` files that nobody has to trust.

An archive is read to its end before anything is written. If one member is not a plain
file or folder below the target, the archive is refused whole.
"""

import contextlib
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final, NamedTuple

from biobert_tf.common import room, unpacked_size
from biobert_tf.common.errors import InputError

ENDINGS: Final = (".tar.gz", ".tgz", ".zip")


class _Member(NamedTuple):
    """A member of an archive; `open` reads a file's content.

    `size` is in bytes: no more than these can be read.
    """

    name: str
    is_folder: bool
    is_file: bool
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path) -> None:
    """Unpacks an archive into a folder that is empty or not there.

    Names of members are relative, without `..`; links, devices and pipes are refused,
    also harmless ones. The hidden twins `._NAME` that a Mac adds are left out.

    Raises:
        InputError: The archive is damaged, is none, has a member that is refused,
            unpacks to far more than its size, or does not fit on the disk.
    """
    with _explained(archive), _members(archive, target) as members:
        for member in members:
            if problem := _refusal(member):
                raise InputError.at(
                    archive,
                    None,
                    f"refused, nothing was unpacked: {member.name!r} {problem}",
                )
        for member in members:
            path = target.joinpath(*PurePosixPath(member.name).parts)
            if member.is_folder:
                path.mkdir(parents=True, exist_ok=True)
            elif not path.name.startswith("._"):
                path.parent.mkdir(parents=True, exist_ok=True)
                # "x": a second member of this name would replace the first.
                with member.open() as source, path.open("xb") as stream:
                    shutil.copyfileobj(source, stream)


def _refusal(member: _Member) -> str:
    """Returns what is wrong with a member, or ""."""
    # `..\x` and `C:x` leave the folder on Windows only.
    paths = PurePosixPath(member.name), PureWindowsPath(member.name)
    if any(path.is_absolute() or path.drive or path.root for path in paths):
        return "has an absolute path"
    if any(".." in path.parts for path in paths):
        return "leaves the folder"
    if "\0" in member.name or not member.name:
        return "has a name that is none"
    if not (member.is_file or member.is_folder):
        return "is a link or a device"
    return ""


@contextlib.contextmanager
def _explained(archive: Path) -> Iterator[None]:
    """Turns the errors of damaged archives into an InputError."""
    try:
        yield
    except FileExistsError as error:
        name = Path(error.filename).name
        raise InputError.at(archive, None, f"holds {name} twice") from None
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
        *(EOFError, NotImplementedError, RuntimeError, OSError),
    ) as error:
        if full := room.explained(error):
            raise full from None
        reason = str(error) or type(error).__name__
        problem = f"cannot be unpacked: {reason}; remove it, and download it again"
        raise InputError.at(archive, None, problem) from None


@contextlib.contextmanager
def _members(archive: Path, target: Path) -> Iterator[list[_Member]]:
    """Yields the members of an archive; they can be opened within the block.

    Raises:
        InputError: They unpack to too much.
    """
    allowance = unpacked_size.Allowance(archive, target, "choose another directory")
    members = []
    with contextlib.ExitStack() as stack:
        if archive.name.endswith(".zip"):
            packed_zip = stack.enter_context(zipfile.ZipFile(archive))
            found = (_of_zip(packed_zip, each) for each in packed_zip.infolist())
        else:
            packed_tar = stack.enter_context(tarfile.open(archive, "r:gz"))
            # Read one by one: all of what is before a header must be unpacked.
            found = (_of_tar(packed_tar, each) for each in packed_tar)
        for member in found:
            allowance.take(member.size)
            members.append(member)
        yield members


def _of_zip(packed: zipfile.ZipFile, each: zipfile.ZipInfo) -> _Member:
    # Zero: made where files have no kinds.
    kind = stat.S_IFMT(each.external_attr >> 16)
    # Not `is_dir`, which fails for a name without a character.
    is_dir = each.filename.endswith("/")
    is_file = not is_dir and kind in (0, stat.S_IFREG)
    is_folder = is_dir and kind in (0, stat.S_IFDIR)
    return _Member(
        each.filename, is_folder, is_file, each.file_size, lambda: packed.open(each)
    )


def _of_tar(packed: tarfile.TarFile, each: tarfile.TarInfo) -> _Member:
    def read() -> IO[bytes]:
        stream = packed.extractfile(each)
        assert stream is not None
        return stream

    return _Member(each.name, each.isdir(), each.isreg(), each.size, read)
