# SPDX-License-Identifier: Apache-2.0
"""The first pass of a conversion: reads units of the input, spools their documents.

A unit is a file, or a block of an uncompressed text file that begins and ends at
the border of a document. What is later read from the spool does not depend on how the
corpus was cut into units.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import files, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora import plain, reading
from biobert_tf.corpora.document import Skipped, sentences
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import spool
from biobert_tf.pretraining.data.manifest import CorpusCounts
from biobert_tf.text import tokenization

# Small corpora are cut finely, so that several workers finish at about the same time;
# units of large corpora fill whole parts of the spool.
_UNITS_PER_CORPUS: Final = 32
_MAX_UNIT_BYTES: Final = 2**24
# Text files are cut at the same borders, however many blocks form a unit.
_BLOCK_BYTES: Final = 2**18

_COUNTS: Final = "counts.json"
_MAX_SKIPS_SHOWN: Final = 5


@dataclasses.dataclass(frozen=True)
class Unit:
    """A piece of the input that one worker reads at a time.

    Attributes:
        number: Number of the unit.
        file_number: Number of the file among the inputs.
        path: The file.
        block: First byte and end (exclusive) of a text block; None: the whole file.
        num_bytes: Number of bytes to read.
        current: The live records of an XML file; None: all of them.
    """

    number: int
    file_number: int
    path: Path
    block: tuple[int, int] | None
    num_bytes: int
    current: reading.Current | None = None


def find_units(paths: Sequence[Path], unit_bytes: int = 0) -> list[Unit]:
    """Returns the units of a corpus, in order.

    Args:
        paths: The files.
        unit_bytes: Target size of a unit of text; 0 chooses it by the size of the
            corpus.
    """
    sizes = [path.stat().st_size for path in paths]
    wanted = unit_bytes or min(sum(sizes) // _UNITS_PER_CORPUS, _MAX_UNIT_BYTES)
    found: list[Unit] = []
    for file_number, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        for block in _blocks(path, wanted) if _is_splittable(path) else [None]:
            num_bytes = size if block is None else block[1] - block[0]
            found.append(Unit(len(found), file_number, path, block, num_bytes))
    return found


def _is_splittable(path: Path) -> bool:
    return reading.is_text(path) and not streams.is_compressed(path.name)


def _blocks(path: Path, wanted: int) -> Iterator[tuple[int, int]]:
    """Yields byte ranges of a text file, of about `wanted` bytes each.

    The first range does not depend on `wanted`, because documents in it are identified
    by their line numbers and later documents by their byte offsets.
    """
    first, *others = plain.blocks(path, _BLOCK_BYTES) or [(0, 0)]
    yield first
    start = first[1]
    for number, (_, end) in enumerate(others, 1):
        if end - start >= wanted or number == len(others):
            yield start, end
            start = end


def with_current(
    units: Sequence[Unit],
    paths: Sequence[Path],
    config: CorpusConfig,
    mapper: reading.Map,
) -> list[Unit]:
    """Returns units that know which of their records are replaced by later ones.

    Args:
        units: Some units of the corpus.
        paths: All files of the corpus.
        config: How to read the files.
        mapper: `map`, or the `map` of a process pool.

    Raises:
        InputError: A file is damaged, and `config` asks for strict reading.
    """
    if all(reading.is_text(unit.path) for unit in units):
        return [*units]
    is_live = reading.find_current(paths, config, mapper).is_live
    # Only the unit's own file: all of PubMed's would be sent with every unit.
    return [
        unit
        if reading.is_text(unit.path)
        else dataclasses.replace(
            unit, current=reading.Current({str(unit.path): is_live[str(unit.path)]})
        )
        for unit in units
    ]


@dataclasses.dataclass(frozen=True)
class UnitResult:
    """The result of reading a unit.

    Attributes:
        counts: The counts of what was spooled and skipped.
        skips: Messages about the first few skipped records, for the log.
    """

    counts: CorpusCounts
    skips: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class UnitReader:
    """Reads units; small, as it is sent to a worker with each unit.

    Attributes:
        directory: The directory that holds a directory per finished unit.
        text: How text becomes WordPieces.
        corpus: How files are read.
        seed: Random seed of the documents' order.
    """

    directory: Path
    text: TextConfig
    corpus: CorpusConfig
    seed: int

    def place(self, unit: Unit) -> Path:
        """Returns the directory of a finished unit."""
        return self.directory / f"{unit.number:05d}"

    def counts(self, unit: Unit) -> CorpusCounts | None:
        """Returns the counts of a finished unit; None if it is not finished."""
        path = self.place(unit) / _COUNTS
        return CorpusCounts(**files.read_json(path)) if path.is_file() else None

    def parts(self, units: Sequence[Unit]) -> list[Path]:
        """Returns the parts of the spool of finished units, in the units' order."""
        return [part for u in units for part in spool.find_parts(self.place(u))]

    def read(self, unit: Unit) -> UnitResult:
        """Spools the documents of a unit: all or nothing.

        Raises:
            InputError: The file cannot be read, or the spool cannot be written.
        """
        try:
            with files.replacing(self.place(unit)) as temporary:
                temporary.mkdir()
                result = self._spool(unit, temporary)
                files.write_json(temporary / _COUNTS, dataclasses.asdict(result.counts))
        except OSError as error:
            raise InputError.at(
                error.filename or self.directory, None, f"{error.strerror}"
            ) from None
        return result

    def _spool(self, unit: Unit, directory: Path) -> UnitResult:
        writer = spool.SpoolWriter(directory, load_tokenizer(self.text))
        skipped: list[Skipped] = []
        duplicates: list[str] = []
        options = reading.ReadOptions(self.corpus, unit.current)
        for document in reading.documents(
            unit.path, options, skipped.append, duplicates.append, unit.block
        ):
            # Without the directory, so that the keys stay if the corpus is moved.
            name = document.id.removeprefix(f"{unit.path}:")
            key = spool.key_of(self.seed, unit.file_number, name)
            writer.add(key, sentences(document))
        writer.flush()
        reasons = collections.Counter(skip.reason for skip in skipped)
        counts = CorpusCounts(
            num_documents=writer.num_documents,
            num_sentences=writer.num_sentences,
            num_tokens=writer.num_tokens,
            num_duplicates=len(duplicates),
            num_skipped=dict(reasons),
        )
        shown = (f"{s.path}: {s.position}: {s.reason}" for s in skipped if s.is_damage)
        return UnitResult(counts, tuple(shown)[:_MAX_SKIPS_SHOWN])


@functools.lru_cache(maxsize=1)
def load_tokenizer(text: TextConfig) -> tokenization.FullTokenizer:
    """Returns the tokenizer; each worker loads it once.

    Raises:
        InputError: The vocabulary cannot be used, or its case is not the one of
            `text.do_lower_case`.
    """
    assert text.vocab_file is not None
    tokenizer = tokenization.FullTokenizer(text.vocab_file, text.do_lower_case)
    tokenization.check_case(tokenizer.vocab, text.do_lower_case, text.vocab_file)
    return tokenizer
