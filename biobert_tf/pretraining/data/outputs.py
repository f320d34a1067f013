# SPDX-License-Identifier: Apache-2.0
"""The second pass of a conversion: writes TFRecord files from spooled documents.

A file holds the documents of a range of keys. It is written in portions, narrower
ranges of at most a few million tokens, so that memory does not depend on the size of
the file. Each portion is read together with its bank: the documents of as many of the
following portions as fit. Random next sentences come from the portion and its bank,
which together are the whole corpus if that fits.
"""

import dataclasses
import functools
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from biobert_tf.common import files, leftovers, remote_path
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora import reading
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import shards, spool
from biobert_tf.pretraining.data.documents import PieceTable, TokenizedDocuments
from biobert_tf.pretraining.data.manifest import CorpusCounts, FileEntry
from biobert_tf.pretraining.data.settings import PairConfig
from biobert_tf.pretraining.data.units import load_tokenizer

_LOG = logging.getLogger(__name__)

# Files of a small corpus are small, so that several workers finish at about the same
# time; those of a large corpus have a few hundred MB at the default dupe factor.
_FILES_PER_CORPUS: Final = 16
_MIN_TOKENS_PER_FILE: Final = 2**17
_MAX_TOKENS_PER_PORTION: Final = 2**21
_MAX_BANK_TOKENS: Final = 2**23
_COPIED_BYTES: Final = 2**20

_NUMBER: Final = re.compile(r"-\d{5}-of-\d{5}(?=(\.[^.]*)?$)")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the documents are distributed over the TFRecord files.

    The bank of a portion is the portions that follow it, and after the last the first.
    """

    paths: tuple[Path, ...]
    portions_per_file: int
    num_bank_portions: int

    @classmethod
    def of(
        cls, output_files: Sequence[Path], num_shards: int, num_tokens: int
    ) -> "Plan":
        """Returns the plan for a corpus of so many tokens.

        `output_files` are all files, or one name to number: `num_shards` times, or as
        often as the size of the corpus wants if that is 0. A single file has the
        portions of the files that the corpus wants: it is those files, joined.
        """
        paths, wanted = tuple(output_files), files_wanted(num_tokens)
        if len(paths) == 1:
            paths = numbered(paths[0], num_shards or wanted)
        num_files = len(paths) if len(paths) > 1 else wanted
        tokens_per_round = num_files * _MAX_TOKENS_PER_PORTION
        portions_per_file = max(1, -(-num_tokens // tokens_per_round))
        portions_per_file *= num_files // len(paths)
        num_portions = len(paths) * portions_per_file
        fitting = _MAX_BANK_TOKENS * num_portions // max(1, num_tokens)
        return cls(paths, portions_per_file, min(fitting, num_portions - 1))

    @property
    def num_portions(self) -> int:
        """Number of portions of all files."""
        return len(self.paths) * self.portions_per_file


def check_names(output_files: Sequence[object], num_shards: int) -> None:
    """Raises InputError if the names of the output files cannot all be meant."""
    if len(set(output_files)) < len(output_files):
        raise InputError("--output_file names a file twice")
    if len(output_files) > 1 and num_shards not in (0, 1, len(output_files)):
        raise InputError(
            f"--num_shards={num_shards} contradicts --output_file, which names "
            f"{len(output_files)} files"
        )


def refusal(
    counts: CorpusCounts, paths: Sequence[Path], corpus: CorpusConfig
) -> InputError | None:
    """Returns why a corpus has too few documents for sentence pairs; None if not.

    A single document, or documents so long that a portion and its bank often hold one
    only, are merely warned about if the user allows them.
    """
    if not counts.num_documents:
        return reading.no_documents(paths)
    mean = counts.num_tokens // counts.num_documents
    if counts.num_documents == 1:
        problem = reading.few_documents(paths)
    elif counts.num_tokens > _MAX_BANK_TOKENS and mean > _MAX_BANK_TOKENS // 8:
        found = f"documents of {mean} WordPieces on average"
        problem = reading.few_documents(paths, found)
    else:
        return None
    if not corpus.allow_single_document:
        return InputError(f"{problem}; --allow_single_document accepts that")
    _LOG.warning("%s", problem)
    return None


def files_wanted(num_tokens: int) -> int:
    """Returns how many files the size of a corpus wants."""
    by_size = min(
        max(-(-num_tokens // _FILES_PER_CORPUS), _MIN_TOKENS_PER_FILE),
        2 * _MAX_TOKENS_PER_PORTION,
    )
    return max(1, -(-num_tokens // by_size))


def numbered(output_file: Path, num_files: int) -> tuple[Path, ...]:
    """Returns `name-00000-of-00012.suffix` and so on; one file keeps its name."""
    if num_files == 1:
        return (output_file,)
    ends = (f"-{i:05d}-of-{num_files:05d}" for i in range(num_files))
    stem, suffix = output_file.stem, output_file.suffix
    return tuple(output_file.with_name(f"{stem}{end}{suffix}") for end in ends)


def _stem(name: str) -> str:
    """Returns a file's name without the `-00000-of-00012`."""
    return _NUMBER.sub("", name)


def sweep(output_files: Sequence[Path]) -> None:
    """Deletes unfinished files of a killed process, with or without a number."""
    ours = {path.name for path in output_files}
    for folder in {path.parent for path in output_files}:
        for path in folder.glob("*"):
            name = leftovers.output_of(path.name)
            if name is not None and _stem(name) in ours:
                files.remove_tree(path)


def refuse_others(paths: Sequence[Path]) -> None:
    """Refuses to add files to those of an earlier conversion.

    Raises:
        InputError: There is a file that is numbered as `paths` are but is not one of
            them: a training that reads `name-*` would read it too.
    """
    ours = {path.name for path in paths}
    stems = {_stem(name) for name in ours}
    for folder in {path.parent for path in paths}:
        for path in folder.glob("*"):
            if _stem(path.name) in stems and path.name not in ours:
                raise InputError.at(
                    path, None, "belongs to an earlier conversion; delete it"
                )


@dataclasses.dataclass(frozen=True)
class FileWriter:
    """Writes TFRecord files; small, as it is sent to a worker with each file.

    `directory` holds a JSON note about each finished TFRecord file; `parts` are those
    of the spool.
    """

    directory: Path
    parts: tuple[Path, ...]
    plan: Plan
    text: TextConfig
    pairs: PairConfig

    def entry(self, number: int) -> FileEntry | None:
        """Returns the manifest entry of a finished file; None if it is not intact."""
        note = self._note(number)
        if not note.is_file():
            return None
        entry = FileEntry(**files.read_json(note))
        return entry if entry.is_intact(self.plan.paths[number]) else None

    def write(self, number: int) -> FileEntry:
        """Writes a file, all or nothing.

        Raises:
            InputError: The spool cannot be read, or the file cannot be written.
        """
        path, size = self.plan.paths[number], self.plan.portions_per_file
        counts = shards.ShardCounts()
        is_remote = remote_path.is_remote(path)
        # Where a killed process leaves it is swept.
        near = self.directory / path.name if is_remote else path
        try:
            with files.replacing(near) as temporary:
                with temporary.open("wb") as stream:
                    for portion in range(number * size, (number + 1) * size):
                        counts += self._write_portion(portion, stream)
                entry = FileEntry.of(temporary, counts)
            if is_remote:
                path.parent.mkdir(parents=True, exist_ok=True)
                files.move(near, path)
            self.note(number, entry)
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
            raise InputError.at(path, None, problem) from None
        return entry

    def join(self, path: Path, entries: Sequence[FileEntry]) -> FileEntry:
        """Writes all files, which are finished, as one; returns its manifest entry.

        Raises:
            InputError: The file cannot be written; the parts are still there.
        """
        total = sum(entry.num_bytes for entry in entries)
        counts = sum((entry.counts for entry in entries), start=shards.ShardCounts())
        with files.replacing(path) as temporary:
            with (
                temporary.open("wb") as stream,
                Meter("joining", "", total, is_bytes=True) as meter,
            ):
                for part, entry in zip(self.plan.paths, entries, strict=True):
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, stream, _COPIED_BYTES)
                    meter.add(entry.num_bytes)
            return FileEntry.of(temporary, counts)

    def note(self, number: int, entry: FileEntry) -> None:
        """Records that a file is finished."""
        files.write_json(self._note(number), dataclasses.asdict(entry))

    def _note(self, number: int) -> Path:
        return self.directory / f"{number:05d}.json"

    def _write_portion(self, portion: int, stream: BinaryIO) -> shards.ShardCounts:
        num_portions = self.plan.num_portions
        last = portion + 1 + self.plan.num_bank_portions
        ranges = [
            (portion, portion + 1),
            (portion + 1, min(last, num_portions)),
            (0, max(0, last - num_portions)),
        ]
        keys = [
            (a * spool.NUM_KEYS // num_portions, b * spool.NUM_KEYS // num_portions)
            for a, b in ranges
        ]
        own, *bank = spool.read(self.parts, keys)
        return shards.build_shard(
            TokenizedDocuments.concatenated([own, *bank]),
            own.num_documents,
            portion,
            self.text,
            self.pairs,
            load_pieces(self.text),
            stream,
        )


@functools.lru_cache(maxsize=1)
def load_pieces(text: TextConfig) -> PieceTable:
    """Returns what masking needs of the vocabulary; each worker loads it once.

    Raises:
        InputError: The vocabulary cannot be used, or its case is not the one of
            `text.do_lower_case`.
    """
    vocab = load_tokenizer(text).vocab
    try:
        return PieceTable.of(vocab)
    except InputError as error:
        raise InputError.at(str(text.vocab_file), None, f"{error}") from None
