# SPDX-License-Identifier: Apache-2.0
"""The first pass of a conversion: reads units of the input, spools their documents.

A unit is a file, or a block of an uncompressed text file that begins and ends at
the border of a document. What is later read from the spool does not depend on how the
corpus was cut into units.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from biobert_tf.common import files, remote_path, streams
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora import plain, reading
from biobert_tf.corpora.document import Skipped, sentences
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import spool
from biobert_tf.pretraining.data.documents import TokenizedDocuments, tokenize
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
        place: The file: a path or a URL.
        block: First byte and end (exclusive) of a text block; None: the whole file.
        num_bytes: Number of bytes to read.
        is_live: bool `[entries]`, the live records of an XML file; None: all of them.
    """

    number: int
    file_number: int
    place: str
    block: tuple[int, int] | None
    num_bytes: int
    is_live: np.ndarray | None = None


def find_units(
    sizes: Mapping[str, int], unit_bytes: int = 0, cuts_urls: bool = True
) -> list[Unit]:
    """Returns the units of a corpus, in order.

    `sizes` has the number of bytes of each file, a path or a URL. A unit of text has
    about `unit_bytes`; 0 chooses that by the size of the corpus. Beam does not cut what
    is at a URL.
    """
    by_size = min(sum(sizes.values()) // _UNITS_PER_CORPUS, _MAX_UNIT_BYTES)
    wanted = unit_bytes or by_size
    found: list[Unit] = []
    for file_number, (place, size) in enumerate(sizes.items()):
        is_cut = reading.is_text(place) and not streams.is_compressed(place)
        is_cut = is_cut and (cuts_urls or "://" not in place)
        for block in _blocks(place, wanted) if is_cut else [None]:
            num_bytes = size if block is None else block[1] - block[0]
            found.append(Unit(len(found), file_number, place, block, num_bytes))
    return found


def _blocks(place: str, wanted: int) -> Iterator[tuple[int, int]]:
    """Yields byte ranges of a text file, of about `wanted` bytes each.

    The first range does not depend on `wanted`, because documents in it are identified
    by their line numbers and later documents by their byte offsets.
    """
    path = remote_path.parse(place)
    first, *others = plain.blocks(path, _BLOCK_BYTES) or [(0, 0)]
    yield first
    start = first[1]
    for number, (_, end) in enumerate(others, 1):
        if end - start >= wanted or number == len(others):
            yield start, end
            start = end


@dataclasses.dataclass
class UnitResult:
    """What was read of a unit, and messages about the first few damaged records."""

    counts: CorpusCounts = dataclasses.field(default_factory=CorpusCounts)
    skips: list[str] = dataclasses.field(default_factory=list)


def documents(
    unit: Unit,
    path: Path,
    text: TextConfig,
    corpus: CorpusConfig,
    seed: int,
    result: UnitResult,
) -> Iterator[tuple[int, TokenizedDocuments]]:
    """Yields the key of each document of a unit that has pieces, and the document.

    `path` is the unit's file, or a copy of it. The seed is that of the documents'
    order. Everything that is read is added to `result`.

    Raises:
        InputError: The file cannot be read.
    """

    def skip(skipped: Skipped) -> None:
        result.counts += CorpusCounts(num_skipped={skipped.reason: 1})
        if skipped.is_damage and len(result.skips) < _MAX_SKIPS_SHOWN:
            result.skips.append(f"{unit.place}: {skipped.position}: {skipped.reason}")

    def drop(_: str) -> None:
        result.counts += CorpusCounts(num_duplicates=1)

    tokenizer = load_tokenizer(text)
    current = None if unit.is_live is None else {str(path): unit.is_live}
    options = reading.ReadOptions(corpus, current)
    for document in reading.documents(path, options, skip, drop, unit.block):
        found = tokenize([sentences(document)], tokenizer)
        if not found.num_documents:
            continue
        result.counts += CorpusCounts.of(found)
        # Without the directory, so that the keys stay if the corpus is moved.
        name = document.id.removeprefix(f"{path}:")
        yield spool.key_of(seed, unit.file_number, name), found


@dataclasses.dataclass(frozen=True)
class UnitReader:
    """Reads units; small, as it is sent to a worker with each unit.

    `directory` holds a directory per finished unit; `seed` orders the documents.
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
                path, result = remote_path.parse(unit.place), UnitResult()
                given = (unit, path, self.text, self.corpus, self.seed, result)
                spool.write(temporary, documents(*given))
                files.write_json(temporary / _COUNTS, dataclasses.asdict(result.counts))
        except OSError as error:
            raise InputError.at(
                error.filename or self.directory, None, f"{error.strerror}"
            ) from None
        return result


def of_vocabulary(
    values: Mapping[str, Any], given: Collection[str]
) -> dict[str, object]:
    """Returns the case of the vocabulary that a command line names, by its flag.

    Raises:
        InputError: The vocabulary cannot be read.
    """
    if values["vocab_file"] is None:
        return {}
    vocab = tokenization.load_vocab(values["vocab_file"])
    return {"do_lower_case": tokenization.is_lower_cased(vocab)}


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
