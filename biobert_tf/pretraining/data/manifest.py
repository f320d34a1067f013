# SPDX-License-Identifier: Apache-2.0
"""The record of a conversion: what went in, what came out, and whether it still holds.

A manifest stands beside the TFRecord files and is written last, so files without one
are not known to be whole.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.common.version import __version__
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.pretraining.data.shards import ShardCounts

SUFFIX: Final = ".manifest.json"
"""A manifest is named after the output that was asked for, and this."""

_READ_BYTES: Final = 2**22

Settings = dict[str, Any]
"""All that the records depend on, by flag or by name: JSON values."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A TFRecord file as it was written; see `shards.ShardCounts`.

    Attributes:
        file: Its name, without a directory.
        num_bytes: Its size.
        sha256: Hexadecimal digest of its bytes.
    """

    file: str
    num_records: int
    num_random_next: int
    num_masked: int
    num_tokens: int
    num_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, counts: ShardCounts, name: str = "") -> "FileEntry":
        """Returns the entry of a file that holds what `counts` says.

        Args:
            path: Where it is now.
            counts: What was written to it.
            name: What it will be called; default: as it is.
        """
        return cls(
            file=name or path.name,
            **dataclasses.asdict(counts),
            num_bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )

    def is_intact(self, path: Path) -> bool:
        """Tells whether the file at `path` is the one that was written."""
        return (
            path.is_file()
            and path.stat().st_size == self.num_bytes
            and sha256_of(path) == self.sha256
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusCounts:
    """What was read.

    Attributes:
        num_documents: Documents with at least one piece.
        num_sentences: Sentences with at least one piece.
        num_tokens: WordPieces.
        num_duplicates: Records left out because a later version replaces them or
            they were deleted.
        num_skipped: Records that could not be read, by reason.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_duplicates: int = 0
    num_skipped: dict[str, int] = dataclasses.field(default_factory=dict)

    def __add__(self, other: "CorpusCounts") -> "CorpusCounts":
        """Returns the counts of both."""
        skipped = dict(self.num_skipped)
        for reason, count in other.num_skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
        return CorpusCounts(
            num_documents=self.num_documents + other.num_documents,
            num_sentences=self.num_sentences + other.num_sentences,
            num_tokens=self.num_tokens + other.num_tokens,
            num_duplicates=self.num_duplicates + other.num_duplicates,
            num_skipped=skipped,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known of a finished conversion.

    Attributes:
        settings: What the records depend on; see `settings_of`.
        corpus: What was read.
        files: The TFRecord files, in order.
    """

    settings: Settings
    corpus: CorpusCounts
    files: tuple[FileEntry, ...]

    def save(self, path: Path) -> None:
        """Writes the manifest, with totals for people to read."""
        totals = {
            name: sum(getattr(entry, name) for entry in self.files)
            for name in ("num_records", "num_random_next", "num_masked", "num_tokens")
        }
        files.write_json(path, {**dataclasses.asdict(self), "totals": totals})

    def summary(self) -> str:
        """Returns what was read and written, in a few lines for people to read."""
        corpus, records = self.corpus, sum(file.num_records for file in self.files)
        skipped = sum(corpus.num_skipped.values())
        random_next = sum(file.num_random_next for file in self.files)
        return "\n".join(
            [
                f"read   {corpus.num_documents} documents, {corpus.num_sentences} "
                f"sentences, {corpus.num_tokens} WordPieces",
                f"       {corpus.num_duplicates} duplicates dropped, {skipped} skipped",
                f"wrote  {records} records, {random_next} with a random next sentence, "
                f"in {len(self.files)} files",
            ]
        )

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Reads a manifest.

        Raises:
            InputError: The file cannot be read or is not a manifest.
        """
        values = files.read_json(path)
        try:
            return cls(
                settings=dict(values["settings"]),
                corpus=CorpusCounts(**values["corpus"]),
                files=tuple(FileEntry(**entry) for entry in values["files"]),
            )
        except (KeyError, TypeError, ValueError):
            raise InputError.at(
                path, None, "is not a manifest of this program; delete it"
            ) from None


def settings_of(
    text: TextConfig,
    pairs: PairConfig,
    corpus: CorpusConfig,
    inputs: Sequence[Path],
    outputs: Mapping[str, Any],
) -> Settings:
    """Returns all that the records depend on; the vocabulary must be given.

    An input counts as the same if its name, its size and the time of its last change
    are: a directory may be moved, and terabytes need not be read to find out.

    Args:
        text: Vocabulary and length.
        pairs: How to pair and to mask.
        corpus: How to read.
        inputs: The files, in order.
        outputs: How the records are spread over files.
    """
    assert text.vocab_file is not None
    stats = [(path.name, path.stat()) for path in inputs]
    return {
        "version": __version__,
        "vocab_sha256": sha256_of(text.vocab_file),
        "do_lower_case": text.do_lower_case,
        "max_seq_length": text.max_seq_length,
        **dataclasses.asdict(pairs),
        **dataclasses.asdict(corpus),
        **outputs,
        "inputs": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
    }


def refuse_other(path: Path, before: Settings, now: Settings, what: str) -> None:
    """Refuses to mix two conversions in one place.

    Args:
        path: Where `before` was recorded.
        before: The settings recorded there.
        now: The settings of this conversion.
        what: What is in the way, and to be deleted.

    Raises:
        InputError: The settings differ; names all that do.
    """
    differences = [
        _difference(name, before.get(name), now.get(name))
        for name in sorted(set(before) | set(now))
        if before.get(name) != now.get(name)
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
    if name == "inputs" and before and now:
        return _input_difference(before, now)
    return f"{name} was {before}, is {now}"


def _input_difference(before: list[list[Any]], now: list[list[Any]]) -> str:
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
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while data := stream.read(_READ_BYTES):
                digest.update(data)
    except OSError as error:
        raise InputError.at(path, None, f"cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def find_manifest(tfrecords: Sequence[Path]) -> Manifest | None:
    """Returns the manifest of the conversion that wrote the first of `tfrecords`.

    None if there is no manifest beside it that names it. `settings` of the manifest
    then tells what a training on the files has to agree with.
    """
    first = tfrecords[0]
    for path in sorted(first.parent.glob(f"*{SUFFIX}")):
        try:
            manifest = Manifest.load(path)
        except InputError:
            # Other programs write manifests too.
            continue
        if first.name in {entry.file for entry in manifest.files}:
            return manifest
    return None
