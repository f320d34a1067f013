# SPDX-License-Identifier: Apache-2.0
"""Flags that hold several values with commas between them: names, or globs of files."""

import dataclasses
import fnmatch
import glob
from pathlib import Path
from typing import Self

from biobert_tf.common import remote_path
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import FlagValue


@dataclasses.dataclass(frozen=True)
class CommaList(FlagValue):
    """Values without the white space around them; a value may be empty."""

    parts: tuple[str, ...] = ("",)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Splits a text at its commas."""
        return cls(text, tuple(part.strip() for part in text.split(",")))

    @property
    def named(self) -> tuple[str, ...]:
        """The values that are not empty."""
        return tuple(filter(None, self.parts))


@dataclasses.dataclass(frozen=True)
class FileGlobs(CommaList):
    """Comma-separated globs of files."""

    def files(self) -> list[Path]:
        """Returns the files, each once, in order of the globs.

        The files of one glob are sorted by name: PubMed's names are in order of
        publication. `**` matches folders of any depth.

        Raises:
            InputError: A glob matches no file.
        """
        found: dict[Path, None] = {}
        for pattern in self.named:
            found |= dict.fromkeys(files_of(pattern))
        if not found:
            raise InputError(f"{self.text!r} names no file")
        return list(found)

    def files_as_found(self) -> list[Path]:
        """Returns the files as `tf.gfile.Glob` does, in the order of the globs.

        The files of one glob are in the order in which the file system lists them,
        hidden ones too. A file that is named twice is there twice.

        Raises:
            InputError: A glob matches no file.
        """
        found = [file for pattern in self.named for file in files_of(pattern, True)]
        if not found:
            raise InputError(f"{self.text!r} names no file")
        return found


def files_of(pattern: str, as_found: bool = False) -> list[Path]:
    """Returns the files of one glob; InputError if there is none.

    They are sorted by name, without hidden ones; or `as_found`, by `tf.gfile.Glob`.
    """
    if not (paths := matching(pattern, as_found)):
        raise InputError(f"{pattern}: no file matches; check the path")
    return paths


def matching(pattern: str, as_found: bool = False) -> list[Path]:
    """Returns the files of one glob as `files_of` does, or none."""
    paths = [path for path in _glob(pattern, as_found) if path.is_file()]
    # By string: `d-1/a` stands before `d/a`, as among the URLs of a cluster's files.
    return paths if as_found else sorted(paths, key=str)


def _glob(pattern: str, with_hidden: bool) -> list[Path]:
    whole = remote_path.parse(pattern)
    # A file of exactly this name takes precedence over the glob.
    if whole.is_file():
        return [whole]
    if not remote_path.is_remote(whole):
        is_deep = not with_hidden
        names = glob.glob(str(whole), recursive=is_deep, include_hidden=with_hidden)
        return [Path(name) for name in names]
    scheme, bucket, *parts = whole.parts
    found = type(whole)(scheme, bucket).glob("/".join(parts) or "*")
    return [path for path in found if with_hidden or not _is_hidden(path, parts)]


def _is_hidden(path: Path, pattern: list[str]) -> bool:
    """Returns whether a path has a hidden part that no part of a glob asks for."""
    asked = [part for part in pattern if part.startswith(".")]
    return any(
        part.startswith(".") and not any(fnmatch.fnmatchcase(part, x) for x in asked)
        for part in path.parts
    )
