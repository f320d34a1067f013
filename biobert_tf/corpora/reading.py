# SPDX-License-Identifier: Apache-2.0
"""Reads corpus files of any kind as one stream of documents.

The name of a file decides its kind: `.xml` and `.nxml` are PubMed or JATS, by their
root element; `.tar` is an archive of them; each may be `.gz` (or `.tgz`); anything else
is text.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from biobert_tf.common import streams
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import archives, jats, markup, plain, pubmed, xml_records
from biobert_tf.corpora.document import Document, OnSkip, Skipped
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.corpora.versions import Entry, index, resolve

Map = Callable[[Callable[[Path], np.ndarray], Sequence[Path]], Iterable[np.ndarray]]
"""`map`, or the `map` of a process pool: results in the order of the paths."""

Current = Mapping[str, np.ndarray]
"""For each XML file, bool `[entries]`: whether the entry is a live record."""

OnDuplicate = Callable[[str], None]
"""Called with the `Document.id` of a record that a later one replaces or deletes."""


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How to read a corpus; if `current` is None, all records are live."""

    config: CorpusConfig
    current: Current | None = None


def is_text(path: Path | str) -> bool:
    """Returns whether a file of this name is text, neither XML nor an archive."""
    return _form(path) == "text"


def _form(path: Path | str) -> str:
    name = str(path).lower().removesuffix(".gz")
    if name.endswith((".tar", ".tgz")):
        return "tar"
    return "xml" if name.endswith(archives.XML_NAMES) else "text"


def _ignore(_: object) -> None:
    """Does nothing."""


def documents(
    path: Path,
    options: ReadOptions,
    on_skip: OnSkip,
    on_duplicate: OnDuplicate = _ignore,
    block: tuple[int, int] | None = None,
) -> Iterator[Document]:
    """Yields the documents of a file, whatever its kind and size.

    Args:
        path: The file.
        options: How to read the corpus.
        on_skip: Called with every record that cannot be used; if the configuration is
            strict, damage raises instead.
        on_duplicate: Called with the id of every record that is not live.
        block: A byte range of an uncompressed text file, from `plain.blocks`.

    Raises:
        InputError: The file cannot be opened, is damaged and the configuration is
            strict, or is a text without blank lines, unless that is allowed.
    """
    with streams.open_file(path) as stream:
        yield from read(stream, str(path), options, on_skip, on_duplicate, block)


def read(
    stream: BinaryIO,
    name: str,
    options: ReadOptions,
    on_skip: OnSkip,
    on_duplicate: OnDuplicate = _ignore,
    block: tuple[int, int] | None = None,
) -> Iterator[Document]:
    """Yields the documents of a stream, as `documents` does for a file.

    The bytes are compressed or not, as the name says, which also decides the kind.
    """
    config = options.config
    report = functools.partial(_report, config, on_skip)
    if is_text(name):
        unpacked = streams.decompressed(stream, name)
        allow = config.allow_single_document
        yield from plain.read(unpacked, name, block, allow, report)
        return
    entries = _entries(stream, name, config, report)
    yield from _live(entries, name, options.current, report, on_duplicate)


def xml_documents(stream: BinaryIO, name: str, on_skip: OnSkip) -> Iterator[Document]:
    """Yields the documents of uncompressed PubMed or JATS XML; see `documents`."""
    entries = _xml_entries(stream, name, "", CorpusConfig(), on_skip)
    yield from _live(entries, name, None, on_skip, _ignore)


def corpus(
    paths: Sequence[Path], options: ReadOptions, on_skip: OnSkip
) -> Iterator[Document]:
    """Yields the `documents` of many files, in order; InputError if there is none."""
    num_documents = 0
    for path in paths:
        for document in documents(path, options, on_skip):
            num_documents += 1
            yield document
    if not num_documents:
        raise no_documents(paths)


def no_documents(paths: Sequence[Path]) -> InputError:
    """Returns the error for a corpus without documents."""
    return InputError(f"{_named(paths)}: no document with text in {len(paths)} file(s)")


def few_documents(paths: Sequence[Path], found: str = "only one document") -> str:
    """Returns what is wrong with next-sentence data of so few documents."""
    hint = ", or put a blank line between documents" if any(map(is_text, paths)) else ""
    return (
        f"{_named(paths)}: {found}, so random next sentences are of the same document: "
        f"give more documents{hint}"
    )


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:3])) + (", ..." if len(paths) > 3 else "")


def find_current(
    paths: Sequence[Path], config: CorpusConfig, mapper: Map = map
) -> Current:
    """Returns the live records, a few bytes for each, of all XML files.

    Args:
        paths: Files in order of publication; text files are ignored.
        config: The user's configuration; if it is strict, damage raises.
        mapper: The `map` of a process pool indexes the files in parallel.
    """
    xml_paths = [path for path in paths if not is_text(path)]
    indexes = mapper(functools.partial(index_file, config=config), xml_paths)
    is_live = resolve(list(indexes))
    return dict(zip(map(str, xml_paths), is_live, strict=True))


def index_file(path: Path, config: CorpusConfig) -> np.ndarray:
    """Returns the `versions.index` of an XML file or archive."""
    # The second pass reports what is skipped.
    report = functools.partial(_report, config, _ignore)
    with streams.open_file(path) as stream:
        return index(_entries(stream, str(path), config, report))


def _report(config: CorpusConfig, on_skip: OnSkip, skipped: Skipped) -> None:
    if config.strict and skipped.is_damage:
        raise InputError(f"{skipped} (--strict)")
    on_skip(skipped)


def _live(
    entries: Iterable[Entry],
    name: str,
    current: Current | None,
    report: OnSkip,
    on_duplicate: OnDuplicate,
) -> Iterator[Document]:
    """Yields the documents of the entries that are live."""
    for ordinal, entry in enumerate(entries):
        if entry.read is None:
            continue
        if current is not None and not current[name][ordinal]:
            on_duplicate(entry.id)
            continue
        try:
            paragraphs = tuple(filter(None, entry.read()))
        except markup.UndefinedEntityError as error:
            report(Skipped(name, entry.position, str(error)))
            continue
        if paragraphs:
            yield Document(entry.id, paragraphs)
        else:
            report(Skipped(name, entry.position, "no text", is_damage=False))


def _entries(
    stream: BinaryIO, name: str, config: CorpusConfig, report: OnSkip
) -> Iterator[Entry]:
    """Yields the entries of an XML file or archive."""
    unpacked = streams.decompressed(stream, name)
    if _form(name) == "xml":
        yield from _xml_entries(unpacked, name, "", config, report)
        return
    place = "start of the archive"
    try:
        for member in archives.members(unpacked):
            place = f"member {member.name}"
            if member.stream is None:
                report(Skipped(name, place, member.problem))
                continue
            yield from _xml_entries(member.stream, name, member.name, config, report)
    except streams.UnreadableError as error:
        report(Skipped(name, f"after {place}", f"{error}; the rest is lost"))


def _xml_entries(
    stream: BinaryIO, name: str, member: str, config: CorpusConfig, report: OnSkip
) -> Iterator[Entry]:
    """Yields the entries of an XML stream, a file or a member of an archive."""
    before = f"member {member}, " if member else ""
    source = f"{name}:{member}" if member else name

    def lose(position: str, reason: str) -> None:
        report(Skipped(name, before + position, reason))

    for record in xml_records.records(stream, lose):
        if record.kind == "PubMed":
            found = pubmed.entries(record, source, config.other_abstracts)
        else:
            found = jats.entries(record, source)
        for entry in found:
            place = f"record {record.number} ({entry.id}), line {record.line}"
            yield entry._replace(position=before + place)
