# SPDX-License-Identifier: Apache-2.0
"""Plans which files a command reads and where it writes the documents of each.

    file, standard input       ->  file, standard output, BRAT folder
    folder                     ->  a folder with the same structure, file by file
    folder                     ->  one file, if the output's name has a file's suffix

A folder is read with all its subfolders, in the order of the paths, except hidden files
and the output. `NAME.txt` with `NAME.ann` beside it is a BRAT document, and so is one
with `NAME.a1`.
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.streams import STANDARD, STANDARD_INPUT
from biobert_tf.documents import brat, detection, formats
from biobert_tf.documents.detection import SUFFIXES, Format

_LOG = logging.getLogger(__name__)

# The first suffix that names a format.
_SUFFIX_OF: Final[dict[Format, str]] = {
    **{kind: suffix for suffix, kind in reversed(SUFFIXES.items())},
    "brat": "",
}
_OF_BRAT: Final = (".txt", *brat.SUFFIXES)
_NOT_PACKED: Final = frozenset(["html", "brat"])


@dataclasses.dataclass(frozen=True)
class Place:
    """A file with documents, and the file they are written to."""

    source: Path  # for BRAT the .txt of a document
    format: Format  # of the source; `auto` only for a pipe
    name: str  # of documents that have no other
    target: Path  # for BRAT the folder
    target_format: Format
    whole: Path  # exists only when the whole target is written


@dataclasses.dataclass(frozen=True)
class Plan:
    """The files to read and write, in the order of the output.

    `folder` gets one file for each file read; it is None if all documents are written
    to one target. `bad` has the errors of files that cannot be read at all.
    """

    places: tuple[Place, ...]
    folder: Path | None
    bad: tuple[InputError, ...] = ()


def plan(
    source: Path,
    output: Path,
    input_format: Format,
    output_format: Format,
    writable: Collection[Format] = formats.WRITTEN,
) -> Plan:
    """Returns the plan of the files to read and write.

    The source and the output are a file, a folder, or `-`. The input format `auto`
    detects that of each file; the output format `auto` keeps the format that is read if
    the output has the same suffix, uses the suffix of the output if it has another,
    else keeps the format, or takes JSON lines for text and PubMed. It takes none but
    those in `writable`.

    Raises:
        InputError: There is nothing to read, the output is the input, or the output's
            format cannot be written or is unknown.
    """
    if output_format not in ("auto", *writable):
        is_written = output_format in formats.WRITTEN
        reason = "cannot hold what is added" if is_written else "is read only"
        known = ", ".join(sorted(writable))
        problem = f"--output_format={output_format} {reason}; want one of {known}"
        raise InputError(problem)
    if source != STANDARD and source.resolve() == output.resolve():
        raise InputError.at(output, None, "is the input; choose another output")
    if source.is_dir():
        found = _of_folder(source, output, input_format, output_format, writable)
    else:
        kind = input_format
        if kind == "auto" and not streams.is_pipe(source):
            kind = formats.detect(source)
        place = _single(source, kind, output, output_format, writable)
        found = Plan((place,), None)
    kinds = Counter(place.format for place in found.places)
    if input_format == "auto" and "auto" not in kinds:
        by_kind = [f"{name} ({number} files)" for name, number in kinds.items()]
        shown = ", ".join(by_kind if source.is_dir() else kinds)
        _LOG.info("%s: read as %s", source, shown)
    return found


def _single(
    source: Path,
    kind: Format,
    output: Path,
    output_format: Format,
    writable: Collection[Format],
) -> Place:
    shown = STANDARD_INPUT if source == STANDARD else source
    is_folder = output.is_dir()
    target_format = _target_format(
        kind, [shown], output, output_format, is_folder, writable
    )
    if is_folder and target_format != "brat":
        output /= _target_name(Path(shown.name), kind, target_format)
    name = streams.bare_name(shown.name)
    return Place(source, kind, name, output, target_format, output)


def _target_format(
    kind: Format,
    sources: Collection[Path],
    output: Path,
    output_format: Format,
    is_folder: bool,
    writable: Collection[Format],
) -> Format:
    if output_format != "auto":
        return output_format
    # A suffix may stand for several formats, as .json for BioC and PubAnnotation.
    suffixes = {*map(detection.suffix, sources)}
    if kind in writable and suffixes == {detection.suffix(output)}:
        return kind
    named = None if is_folder else SUFFIXES.get(detection.suffix(output))
    if named is not None and named in writable:
        return named
    if named in formats.WRITTEN:
        known = ", ".join(sorted(writable))
        problem = f"{named} cannot hold what is added; want one of {known}"
        raise InputError.at(output, None, f"{problem}, or --output_format")
    if not is_folder and kind != "brat":
        remedy = ", or --output_format"
        detection.require_known_suffix(output, sources, writable, remedy)
    if kind in writable and kind != "html":
        return kind
    if named is not None:
        problem = "name the format to write, as in --output_format=pubtator"
        raise InputError.at(output, None, problem)
    return "jsonl"


def _target_name(source: Path, kind: Format, target_format: Format) -> Path:
    """Returns the target's path in its folder, given the source's path in its own."""
    if kind == target_format:
        return source
    # A browser cannot open a compressed page, and a folder cannot be compressed.
    is_packed = streams.is_compressed(source.name) and target_format not in _NOT_PACKED
    end = _SUFFIX_OF[target_format] + (".gz" if is_packed else "")
    return source.with_name(streams.bare_name(source.name) + end)


def _of_folder(
    source: Path,
    output: Path,
    input_format: Format,
    output_format: Format,
    writable: Collection[Format],
) -> Plan:
    found: dict[Path, Format] = {}
    bad: list[InputError] = []
    for path in _files(source, output):
        try:
            kind = _detected(path) if input_format == "auto" else input_format
            if kind != "brat":
                found[path] = kind
            elif path.suffix in _OF_BRAT:
                found[path.with_suffix(".txt")] = kind
        except InputError as error:
            bad.append(error)
    if not found:
        told = f"; the first error: {bad[0]}" if bad else ""
        raise InputError.at(source, None, f"holds no file that can be read{told}")
    is_file = output == STANDARD or (
        not output.is_dir() and SUFFIXES.get(detection.suffix(output)) is not None
    )
    if not is_file or output_format == "brat":
        places = [
            _inside(
                path, path.relative_to(source), kind, output, output_format, writable
            )
            for path, kind in found.items()
        ]
        return Plan(tuple(_distinct(places)), output, tuple(bad))
    kinds = {*found.values()}
    common = kinds.pop() if len(kinds) == 1 else "text"
    target_format = _target_format(
        common, found, output, output_format, False, writable
    )
    merged = []
    for path, kind in found.items():
        # A document's name is its path in the folder, without suffix.
        name = path.relative_to(source).with_name(streams.bare_name(path.name))
        place = Place(path, kind, name.as_posix(), output, target_format, output)
        merged.append(place)
    return Plan(tuple(merged), None, tuple(bad))


def _files(source: Path, output: Path) -> Iterator[Path]:
    """Yields the files that may hold documents; `InputError` for a closed folder."""
    avoided = output.resolve()

    def is_shown(path: Path) -> bool:
        return path.name[0] != "." and path.resolve() != avoided

    found: list[Path] = []
    folders = [source]
    while folders:
        inside: dict[bool, list[Path]] = {True: [], False: []}
        try:
            for path in (folder := folders.pop()).iterdir():
                inside[path.is_dir()].append(path)
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise InputError.at(folder, None, problem) from None
        # A link to a folder above would never end.
        folders += (p for p in inside[True] if is_shown(p) and not p.is_symlink())
        names = {path.name for path in inside[False]}
        has_brat = any(name.endswith(brat.SUFFIXES) for name in names)
        for path in filter(is_shown, inside[False]):
            is_known = has_brat and path.name.endswith(brat.CONFIGURATION)
            if path.name.endswith(brat.SUFFIXES):
                is_known = path.with_suffix(".txt").name in names
            if not is_known:
                found.append(path)
    yield from sorted(found, key=lambda path: path.parts)


def _detected(path: Path) -> Format:
    is_brat = path.suffix in _OF_BRAT and brat.annotations_of(path)
    return "brat" if is_brat else formats.detect(path)


def _inside(
    path: Path,
    inner: Path,
    kind: Format,
    output: Path,
    output_format: Format,
    writable: Collection[Format],
) -> Place:
    """Returns the place of a file, at `inner` in its folder, in an output folder."""
    target_format = _target_format(kind, [path], output, output_format, True, writable)
    name = streams.bare_name(path.name)
    if target_format == "brat" and kind in ("brat", "text"):
        target = output / inner.parent
        stem = name if kind == "brat" else brat.file_name(name)
        return Place(path, kind, name, target, target_format, target / f"{stem}.ann")
    target = output / _target_name(inner, kind, target_format)
    return Place(path, kind, name, target, target_format, target)


def _distinct(places: list[Place]) -> Iterator[Place]:
    """Yields the places, changed so that no two are written to the same file.

    Files that differ only in their suffix keep it: `a.xml.jsonl`, `a.json.jsonl`.
    """
    counts = Counter(place.whole for place in places)
    seen: set[Path] = set()
    for place in places:
        if counts[place.whole] > 1 and place.whole == place.target:
            inner = place.source.name + _SUFFIX_OF[place.target_format]
            target = place.target.with_name(inner)
            place = dataclasses.replace(place, target=target, whole=target)
        if place.whole in seen:
            problem = f"its output, {place.whole}, is also that of another file"
            raise InputError.at(place.source, None, f"{problem}; rename it")
        seen.add(place.whole)
        yield place
