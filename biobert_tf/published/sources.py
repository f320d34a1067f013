# SPDX-License-Identifier: Apache-2.0
"""Reads where the data sets and checkpoints of the manifest are had: `sources.toml`."""

import dataclasses
import functools
import tomllib
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from biobert_tf.common.errors import InputError
from biobert_tf.published import manifest
from biobert_tf.published.transfer import Remote

Form = Literal["as it is", "untyped"]
"""What is done with a file: nothing, or the types of its labels are removed."""

WEIGHTS: Final = "weights"
"""The folder for checkpoints, below that for data."""
_FILE: Final = Path(__file__).with_name("sources.toml")


@dataclasses.dataclass(frozen=True)
class Way:
    """One of the ways to a set or checkpoint.

    Attributes:
        title: Where it is from, for people.
        remotes: What to fetch, by file of the set; or, by "", an archive with all.
        inside: The end of the path of the folder in the archive; "" is any folder.
        form: What is done with each file.
        differs: How its files differ from those with known checksums; "" if they do
            not.
    """

    title: str
    remotes: Mapping[str, Remote]
    inside: str
    form: Form
    differs: str

    @property
    def archive(self) -> Remote | None:
        """The archive, if there is one."""
        return self.remotes.get("")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a data set or checkpoint is had.

    Attributes:
        name: Its name for `biobert download`.
        folder: Its folder below `--to`, with `/` between parts.
        files: Its files and their checksums, "" where none is known; a checkpoint's may
            be globs.
        joined: Files that are made by joining others.
        by_hand: What to do if it can not be fetched by a program; "" if it can.
        ways: The ways to it, the best first.
    """

    name: str
    about: str
    licence: str
    folder: str
    files: Mapping[str, str]
    joined: Mapping[str, tuple[str, ...]]
    by_hand: str
    ways: tuple[Way, ...]


@functools.cache
def load() -> Mapping[str, Source]:
    """Returns the sources by name: the rows, then SQuAD, then the columns."""
    found = tomllib.loads(_FILE.read_text("utf-8"))
    known = manifest.load()
    folders = {row.name: row.folder for row in known.rows}
    needed = {row.name: dict.fromkeys(row.files, "") for row in known.rows}
    folders["squad"] = known.squad.folder
    folders |= {
        column.source: f"{WEIGHTS}/{column.folders[0]}" for column in known.columns
    }
    return {
        name: _source(name, folder, needed.get(name, {}), found)
        for name, folder in folders.items()
    }


def named(names: list[str]) -> list[Source]:
    """Returns the sources of some names, in any case; "all" stands for all.

    The name of a column of the paper's tables is a name too.

    Raises:
        InputError: There is no such name.
    """
    known = load()
    by_name = {name.casefold(): source for name, source in known.items()}
    for column in manifest.load().columns:
        by_name[column.name.casefold()] = known[column.source]
    chosen: dict[str, Source] = {}
    for name in names:
        if name == "all":
            chosen |= known
        elif source := by_name.get(name.casefold()):
            chosen[source.name] = source
        else:
            raise InputError(
                f"no data set or checkpoint {name!r}; known: all, {', '.join(known)}"
            )
    return list(chosen.values())


def _source(
    name: str, folder: str, needed: Mapping[str, str], found: Mapping[str, Any]
) -> Source:
    values = found["sources"][name]
    checksums = {**needed, **values.get("checksums", {})}
    joined = {key: tuple(parts) for key, parts in values.get("joined", {}).items()}
    sent = {key: known for key, known in checksums.items() if key not in joined}
    return Source(
        name=name,
        about=values["about"],
        licence=values["licence"],
        folder=folder,
        files=checksums,
        joined=joined,
        by_hand=values.get("by_hand", "").strip("\n"),
        ways=tuple(_way(each, sent, found) for each in values.get("ways", ())),
    )


def _way(
    values: Mapping[str, Any], files: Mapping[str, str], found: Mapping[str, Any]
) -> Way:
    folder = values["folder"]
    if name := values.get("archive"):
        place = found["archives"][name]
        addresses = tuple(place["addresses"])
        remotes = {"": Remote(name, addresses, place.get("checksum", ""))}
    else:
        place = found["origins"][values["origin"]]
        remotes = {
            file: _remote(values["origin"], place["addresses"], folder, file, checksum)
            for file, checksum in values.get("checksums", files).items()
        }
    form, differs = values.get("form", "as it is"), values.get("differs", "")
    return Way(place["title"], remotes, folder if name else "", form, differs)


def _remote(
    origin: str, addresses: list[str], folder: str, file: str, checksum: str
) -> Remote:
    path = f"{folder}/{file}" if folder else file
    # Folders may have names such as [RE]Chemprot.
    quoted = urllib.parse.quote(path)
    urls = tuple(f"{address}{quoted}" for address in addresses)
    return Remote(f"{origin}/{path}", urls, checksum)
