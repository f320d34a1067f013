# SPDX-License-Identifier: Apache-2.0
"""Flags that hold several values with commas between them: names, or globs of files."""

import dataclasses
import glob
from pathlib import Path
from typing import Self

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
    names = [pattern]
    # A file of exactly this name takes precedence over the glob.
    if not Path(pattern).is_file():
        names = glob.glob(pattern, recursive=not as_found, include_hidden=as_found)
    paths = [Path(name) for name in names if Path(name).is_file()]
    if not paths:
        raise InputError(f"{pattern}: no file matches; check the path")
    # By string: `d-1/a` stands before `d/a`, as among the URLs of a cluster's files.
    return paths if as_found else sorted(paths, key=str)
