# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the manifest of a conversion: its inputs, settings and outputs.

A manifest lies beside the TFRecord files and is written last, so files without one may
be incomplete.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.version import __version__
from biobert_tf.pretraining.data.documents import TokenizedDocuments
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig
from biobert_tf.pretraining.data.shards import ShardCounts

SUFFIX: Final = ".manifest.json"
"""A manifest's name is the name of the requested output file and this suffix."""

Settings = dict[str, Any]
"""All settings that the records depend on, JSON values by name."""

Input = tuple[str, int, int]
"""An input file: name without folder, bytes, nanoseconds of the last change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A TFRecord file as it was written; `file` is its name without a directory."""

    file: str
    num_records: int
    num_random_next: int
    num_masked: int
    num_tokens: int
    num_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, counts: ShardCounts) -> "FileEntry":
        """Returns the entry of a file."""
        return cls(
            file=path.name,
            **dataclasses.asdict(counts),
            num_bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )

    @property
    def counts(self) -> ShardCounts:
        """What was counted in the file."""
        fields = dataclasses.fields(ShardCounts)
        return ShardCounts(
            **{field.name: getattr(self, field.name) for field in fields}
        )

    def is_intact(self, path: Path) -> bool:
        """Returns whether the file at `path` is the one that was written."""
        return (
            path.is_file()
            and path.stat().st_size == self.num_bytes
            and sha256_of(path) == self.sha256
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusCounts:
    """Counts of what was read from a corpus.

    Documents and sentences count if they have a piece. A record that was deleted or
    replaced by a later version is a duplicate; a record that could not be read is
    skipped, and counted by reason.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_duplicates: int = 0
    num_skipped: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, documents: TokenizedDocuments) -> "CorpusCounts":
        """Returns the counts of documents that were read."""
        return cls(
            num_documents=documents.num_documents,
            num_sentences=documents.num_sentences,
            num_tokens=documents.num_tokens,
        )

    def __add__(self, other: "CorpusCounts") -> "CorpusCounts":
        """Returns the sums of both counts."""
        skipped = Counter(self.num_skipped) + Counter(other.num_skipped)
        return CorpusCounts(
            num_documents=self.num_documents + other.num_documents,
            num_sentences=self.num_sentences + other.num_sentences,
            num_tokens=self.num_tokens + other.num_tokens,
            num_duplicates=self.num_duplicates + other.num_duplicates,
            num_skipped=dict(skipped),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """The settings (see `settings_of`), the input and the files of a conversion."""

    settings: Settings
    corpus: CorpusCounts
    files: tuple[FileEntry, ...]

    def save(self, path: Path) -> None:
        """Writes the manifest, with totals for human readers."""
        totals = {
            name: sum(getattr(entry, name) for entry in self.files)
            for name in ("num_records", "num_random_next", "num_masked", "num_tokens")
        }
        files.write_json(path, {**dataclasses.asdict(self), "totals": totals})

    def summary(self) -> str:
        """Returns a summary of what was read and written, in a few lines."""
        corpus, records = self.corpus, sum(file.num_records for file in self.files)
        skipped = sum(corpus.num_skipped.values())
        random_next = sum(file.num_random_next for file in self.files)
        return (
            f"read   {corpus.num_documents} documents, {corpus.num_sentences} "
            f"sentences, {corpus.num_tokens} WordPieces\n"
            f"       {corpus.num_duplicates} duplicates dropped, {skipped} skipped\n"
            f"wrote  {records} records, {random_next} with a random next sentence, "
            f"in {len(self.files)} files"
        )

    @classmethod
    def load_same(cls, path: Path, settings: Settings) -> "Manifest":
        """Reads the manifest of a conversion; refuses that of another one."""
        found = cls.load(path)
        refuse_other(path, found.settings, settings, "it and its files")
        return found

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Reads a manifest.

        Raises:
            InputError: The file cannot be read or is not a manifest.
        """
        values = files.read_json(path)
        try:
            found = cls(
                settings=dict(values["settings"]),
                corpus=CorpusCounts(**values["corpus"]),
                files=tuple(FileEntry(**entry) for entry in values["files"]),
            )
            _require_types(found.corpus, *found.files)
            _require_known(found.settings)
            return found
        except (KeyError, TypeError, ValueError):
            raise InputError.at(
                path, None, "is not a manifest of this program; delete it"
            ) from None


def _require_types(*parts: Any) -> None:
    """Raises TypeError if a number or a name of a record is something else."""
    for part in parts:
        for field in dataclasses.fields(part):
            kind = field.type if isinstance(field.type, type) else dict
            if type(getattr(part, field.name)) is not kind:
                raise TypeError(field.name)


def _require_known(settings: Settings) -> None:
    """Raises TypeError if what every run compares is missing or something else."""
    for name, kind in (("vocab_sha256", str), ("do_lower_case", bool)):
        if not isinstance(settings.get(name), kind):
            raise TypeError(name)


def settings_of(
    config: CreatePretrainingDataConfig,
    output_names: Iterable[str],
    inputs: Iterable[Input],
) -> Settings:
    """Returns all settings that the records depend on.

    An input counts as unchanged if its name, size and time of last change are the same,
    so directories may be moved and terabytes need not be read.
    """
    text = config.text
    assert text.vocab_file is not None
    return {
        "version": __version__,
        "vocab_sha256": sha256_of(text.vocab_file),
        "do_lower_case": text.do_lower_case,
        "max_seq_length": text.max_seq_length,
        **dataclasses.asdict(config.pairs),
        **dataclasses.asdict(config.corpus),
        "output_file": ",".join(output_names),
        "num_shards": config.conversion.num_shards,
        "exact": config.conversion.exact,
        "inputs": [list(input_) for input_ in inputs],
    }


def differ(before: Settings, now: Settings) -> list[str]:
    """Returns the names of the settings in which two conversions differ, sorted."""
    names = sorted(set(before) | set(now))
    return [name for name in names if before.get(name) != now.get(name)]


def refuse_other(path: Path, before: Settings, now: Settings, what: str) -> None:
    """Refuses to mix two conversions; `path` records the settings `before`.

    `what` is what the user should delete.

    Raises:
        InputError: The settings differ; the message names every difference.
    """
    differences = [
        _difference(name, before.get(name), now.get(name))
        for name in differ(before, now)
    ]
    if differences:
        raise InputError.at(
            path,
            None,
            f"made with other settings: {'; '.join(differences)}; delete {what} or "
            "choose another --output_file",
        )


def _difference(name: str, before: Any, now: Any) -> str:
    if name == "vocab_sha256":
        return "the vocabulary has other contents"
    if name != "inputs" or not before or not now:
        return f"{name} was {before}, is {now}"
    old, new = [entry[0] for entry in before], [entry[0] for entry in now]
    if old == new:
        changed = [a[0] for a, b in zip(before, now, strict=True) if a != b]
        return f"changed since: {', '.join(changed)}"
    lost = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    return "input files differ" + "".join(
        f", {word} {', '.join(names)}"
        for word, names in (("without", lost), ("with", added))
        if names
    )


def sha256_of(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes.

    Raises:
        InputError: The file cannot be read.
    """
    with files.explained_reading(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_manifest(tfrecords: Sequence[Path]) -> Manifest | None:
    """Returns the manifest of the conversion that wrote the first of `tfrecords`.

    Returns None if no manifest in the same folder lists the file. A training on the
    files must agree with the manifest's `settings`.
    """
    first = tfrecords[0]
    for path in sorted(first.parent.glob(f"*{SUFFIX}")):
        try:
            manifest = Manifest.load(path)
        except InputError:
            # Another program's manifest.
            continue
        if first.name in {entry.file for entry in manifest.files}:
            return manifest
    return None
