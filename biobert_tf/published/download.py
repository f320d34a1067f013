# SPDX-License-Identifier: Apache-2.0
"""Brings data sets and checkpoints into the layout of the manifest.

A set appears in its folder at one instant, when all its files are there and have the
known checksums. `ORIGIN.md` in the folder says where they are from, and their licence.
"""

import dataclasses
import fnmatch
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.published import checksums, sources, unpacking, untyped
from biobert_tf.published.sources import Source, Way
from biobert_tf.published.transfer import Fetcher, Patience

ORIGIN: Final = "ORIGIN.md"
DOWNLOADS: Final = "downloads"
"""The folder below `--to` where files lie until their sets are whole."""
_PATIENCE: Final = Patience()


@dataclasses.dataclass(frozen=True)
class Summary:
    """What became of the sets and checkpoints that were asked for, by name."""

    ready: tuple[str, ...]
    fetched: tuple[str, ...]
    by_hand: tuple[str, ...]
    failed: tuple[str, ...]

    def text(self) -> str:
        """Returns one line for each outcome that occurs."""
        said = {
            "already there": self.ready,
            "fetched": self.fetched,
            "to be fetched by you, see above": self.by_hand,
            "failed, see above": self.failed,
        }
        return "\n".join(f"{what}: {', '.join(of)}" for what, of in said.items() if of)


def download(
    wanted: Sequence[Source], to: Path, patience: Patience = _PATIENCE
) -> Summary:
    """Fetches sets and checkpoints that are not there; one that fails costs itself.

    What has to be said about each is printed: its licence, or what to do by hand.

    Raises:
        InputError: The package pooch is not installed, or `to` is in a store.
    """
    fetcher = Fetcher(to / DOWNLOADS, patience)
    outcomes: dict[str, list[str]] = {
        field.name: [] for field in dataclasses.fields(Summary)
    }
    # Several sets come from one archive.
    archives: set[Path] = set()
    for source in wanted:
        try:
            outcome = _bring(source, to, fetcher, archives)
        except InputError as error:
            print(f"{source.name}: {error}\n")
            outcome = "failed"
        outcomes[outcome].append(source.name)
    if not outcomes["failed"]:
        _remove(archives)
    _remove_empty(to / DOWNLOADS)
    return Summary(**{key: tuple(names) for key, names in outcomes.items()})


def _bring(source: Source, to: Path, fetcher: Fetcher, archives: set[Path]) -> str:
    """Brings a source into its folder and returns the name of the outcome.

    Raises:
        InputError: It cannot be had, or its folder holds other files.
    """
    folder = to / source.folder
    lacking = missing(source, folder)
    if not lacking:
        return "ready"
    if source.by_hand:
        names = "\n".join(f"  {folder / name}" for name in lacking)
        print(f"{_notice(source)}\n{source.by_hand}\n\nMissing:\n{names}\n")
        return "by_hand"
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError.at(
            folder,
            None,
            f"there are files, but {', '.join(lacking)} are missing or differ from the "
            "known ones; add them, or move the folder away and download again",
        )
    print(f"{_notice(source)}\n")
    problems = []
    for way in source.ways:
        try:
            local, new = _fetch(way, fetcher)
            archives |= new if way.archive else set()
            _assemble(source, way, local, folder)
            _remove(() if way.archive else new)
            return "fetched"
        except InputError as error:
            problems.append(f"  {way.title}: {error}")
    raise InputError(
        "could not be had.\n"
        + "\n".join(problems)
        + "\nFetch the files of one of these lists with another program or computer, "
        "put each where it says, and run the same command again:\n"
        + "\n".join(_places(source, to))
    )


def missing(source: Source, folder: Path) -> list[str]:
    """Returns the files of a source that a folder lacks or has with other content.

    Files that `ORIGIN.md` lists with their present checksums are right.

    Raises:
        InputError: A file cannot be read.
    """
    origin = folder / ORIGIN
    written = files.read_text(origin) if origin.is_file() else ""
    return [
        name
        for name, known in source.files.items()
        if not (found := sorted(folder.glob(name)))
        or not all(
            checksums.agrees(path, known) or checksums.of(path) in written
            for path in found
        )
    ]


def _fetch(way: Way, fetcher: Fetcher) -> tuple[dict[str, Path], set[Path]]:
    """Returns the local files of a way by name, and those that were not there before.

    Raises:
        InputError: One of them cannot be had.
    """
    local, new = {}, set()
    for name, remote in way.remotes.items():
        is_there = fetcher.path(remote).is_file()
        local[name] = fetcher.fetch(remote)
        new |= set() if is_there else {local[name]}
    return local, new


def _assemble(
    source: Source, way: Way, local: Mapping[str, Path], folder: Path
) -> None:
    """Makes the folder of a source of what was fetched.

    Raises:
        InputError: What was fetched is not the source.
    """
    with files.scratch(folder) as scratch:
        if way.archive:
            made = _unpacked(source, way, local[""], scratch / "archive")
        else:
            made = scratch / "files"
            for name, path in local.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                if way.form == "untyped":
                    untyped.convert(path, made / name)
                else:
                    shutil.copyfile(path, made / name)
        for name, parts in source.joined.items():
            (made / name).write_bytes(
                b"".join((made / part).read_bytes() for part in parts)
            )
        _check(source, way, made)
        _write_origin(source, way, made)
        with files.explained_writing(folder):
            files.move(made, folder)


def _unpacked(source: Source, way: Way, archive: Path, target: Path) -> Path:
    """Returns the only folder of an archive with the files of a source."""
    unpacking.unpack(archive, target)
    wanted = [name for name in source.files if name not in source.joined]
    folders = [target, *sorted(path for path in target.rglob("*") if path.is_dir())]
    ending = f"/{way.inside}" if way.inside else ""
    found = [
        path
        for path in folders
        if f"/{path.relative_to(target).as_posix()}".endswith(ending)
        and all(any(path.glob(name)) for name in wanted)
    ]
    if len(found) != 1:
        count = "no folder" if not found else f"{len(found)} folders"
        where = f" whose path ends with {way.inside}" if way.inside else ""
        raise InputError.at(
            archive, None, f"holds {count}{where} with {', '.join(wanted)}"
        )
    return found[0]


def _check(source: Source, way: Way, folder: Path) -> None:
    if way.differs:
        print(f"{source.name}: note that {way.differs}\n")
        return
    if wrong := missing(source, folder):
        raise InputError(
            f"{', '.join(wrong)} of {way.title} differ from the known files"
        )


def _write_origin(source: Source, way: Way, folder: Path) -> None:
    """Writes the notice, and the checksums of the files, beside them."""
    paths = [path for path in files.files_below(folder) if _is_of(source, path, folder)]
    sums = "\n".join(
        f"    {checksums.of(path)}  {path.relative_to(folder).as_posix()}"
        for path in paths
    )
    unchecked = [name for name, known in source.files.items() if not known]
    notes = [f"note: {way.differs}"] if way.differs else []
    if unchecked:
        notes.append(f"not verified, no checksum is known: {', '.join(unchecked)}")
    if way.form == "untyped":
        notes.append("the types of the labels were removed")
    lines = [_notice(source), f"from: {way.title}", *notes]
    addresses = sorted({each.addresses[0] for each in way.remotes.values()})
    text = "\n".join([*lines, "", *addresses, "", "checksums:", "", sums, ""])
    files.write_text(folder / ORIGIN, text)


def _is_of(source: Source, path: Path, folder: Path) -> bool:
    name = path.relative_to(folder).as_posix()
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in source.files)


def _notice(source: Source) -> str:
    return f"{source.name}: {source.about}\nlicence: {source.licence}"


def _places(source: Source, to: Path) -> Iterator[str]:
    """Yields which file to put where, for every way."""
    for way in source.ways:
        yield f"{way.title}:"
        for remote in way.remotes.values():
            yield f"  {remote.addresses[0]}\n    -> {to / DOWNLOADS / remote.name}"


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    """Removes a folder and those in it, as far as they hold no files."""
    inner = sorted(path for path in folder.rglob("*") if path.is_dir())
    for path in [*reversed(inner), folder]:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def overview(to: Path | None) -> str:
    """Returns a line for each source: its name, what it is, and whether it is there."""
    lines = []
    for source in sources.load().values():
        is_there = to is not None and not missing(source, to / source.folder)
        mark = "there" if is_there else "by hand" if source.by_hand else ""
        lines.append(f"{source.name:24}{mark:9}{source.about}")
    return "\n".join(lines)
