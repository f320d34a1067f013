# SPDX-License-Identifier: Apache-2.0
"""The steps that `beam_pipeline`'s workers run: functions of a job and an element.

Nothing here needs Beam. See `beam_work` for what a step is.
"""

import atexit
import contextlib
import dataclasses
import functools
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from biobert_tf.common import beam_storage
from biobert_tf.common.beam_work import Work
from biobert_tf.common.settings import TextConfig
from biobert_tf.corpora import reading, versions
from biobert_tf.corpora.settings import CorpusConfig
from biobert_tf.pretraining.data import outputs, spool, units
from biobert_tf.pretraining.data.documents import TokenizedDocuments, tokenize
from biobert_tf.pretraining.data.settings import PairConfig


@dataclasses.dataclass(frozen=True)
class Job(Work):
    """The settings that every step gets.

    Workers find the vocabulary in the folder `work`. The spool has `num_parts` parts,
    equal ranges of keys.
    """

    text: TextConfig
    pairs: PairConfig
    corpus: CorpusConfig
    num_parts: int

    @property
    def vocab_place(self) -> str:
        """The place of the copy of the vocabulary."""
        return self.place("vocab.txt")


class Row(NamedTuple):
    """A document: its key in the spool, and its number `ordinal` in a unit.

    Unit and ordinal are its alone, so sorting restores one order.
    """

    key: int
    unit: int
    ordinal: int
    document: TokenizedDocuments


def index_file(job: Job, unit: units.Unit) -> Iterator[int]:
    """Stores the identifiers of an XML file; yields the file's number."""
    with beam_storage.local_copy(unit.place) as path:
        index = reading.index_file(path, job.corpus)
    beam_storage.put_object(index, job.place("index", unit.file_number))
    yield unit.file_number


def resolve(job: Job, xml_files: Sequence[units.Unit]) -> None:
    """Finds and stores which records of the indexed files are live."""
    indexes = [
        beam_storage.get_object(job.place("index", unit.file_number))
        for unit in xml_files
    ]
    for unit, is_live in zip(xml_files, versions.resolve(indexes), strict=True):
        beam_storage.put_object(is_live, job.place("live", unit.file_number))


def read_unit(job: Job, unit: units.Unit) -> Iterator[tuple[int, Row | None]]:
    """Tokenizes the documents of a unit, and stores the unit's counts.

    Yields:
        The part of the spool that a document belongs to, and the document. The
        first unit also yields None for every part, so that no part is missing.
    """
    if unit.number == 0:
        yield from zip(range(job.num_parts), itertools.repeat(None))
    if not reading.is_text(unit.place):
        is_live = beam_storage.get_object(job.place("live", unit.file_number))
        unit = dataclasses.replace(unit, is_live=is_live)
    result = units.UnitResult()
    with beam_storage.local_copy(unit.place) as path:
        given = (path, _text(job), job.corpus, job.pairs.random_seed, result)
        found = units.documents(unit, *given)
        for ordinal, (key, document) in enumerate(found):
            part = key * job.num_parts // spool.NUM_KEYS
            yield part, Row(key, unit.number, ordinal, document)
    beam_storage.put_object(result, job.place("units", unit.number))


def write_part(job: Job, part: tuple[int, Iterable[Row | None]]) -> Iterator[int]:
    """Stores the documents of a part of the spool in the order of their keys.

    Yields:
        The number of the part.
    """
    number, found = part
    rows = sorted(row for row in found if row is not None)
    nothing = tokenize([], units.load_tokenizer(_text(job)))
    documents = TokenizedDocuments.concatenated(
        [nothing, *(row.document for row in rows)]
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "part"
        spool.save(folder, np.array([row.key for row in rows], np.int64), documents)
        for path in folder.iterdir():
            beam_storage.put(path, job.place("parts", number, path.name))
    yield number


def write_file(
    job: Job, number: int, *, names: Sequence[str], num_shards: int, num_tokens: int
) -> Iterator[int]:
    """Stores a TFRecord file and its entry of the manifest; yields its number.

    `names` are the output files' without folders, as the user gave them; for
    `num_shards` and `num_tokens` see `outputs.Plan.of`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        plan = outputs.Plan.of([folder / n for n in names], num_shards, num_tokens)
        with contextlib.ExitStack() as stack:
            parts = [
                _local_part(job, part, folder, stack)
                for part in parts_needed(plan, number, job.num_parts)
            ]
            writer = outputs.FileWriter(
                folder / "notes", tuple(parts), plan, _text(job), job.pairs
            )
            entry = writer.write(number)
        beam_storage.put(plan.paths[number], job.place("files", number))
    beam_storage.put_object(entry, job.place("entries", number))
    yield number


def parts_needed(plan: outputs.Plan, number: int, num_parts: int) -> list[int]:
    """Returns the parts of the spool that hold a TFRecord file's portions and banks."""
    first = number * plan.portions_per_file
    last = first + min(
        plan.portions_per_file + plan.num_bank_portions, plan.num_portions
    )
    first_part = first * num_parts // plan.num_portions
    last_part = -(-last * num_parts // plan.num_portions)
    return sorted({part % num_parts for part in range(first_part, last_part)})


def _local_part(
    job: Job, number: int, scratch: Path, stack: contextlib.ExitStack
) -> Path:
    place = job.place("parts", number)
    if not beam_storage.is_remote(place):
        return Path(place)
    folder = scratch / "parts" / f"{number:05d}"
    folder.mkdir(parents=True)
    for file in beam_storage.find(f"{place}/*"):
        path = stack.enter_context(beam_storage.local_copy(file.place))
        path.rename(folder / path.name)
    return folder


@functools.lru_cache(maxsize=1)
def _text(job: Job) -> TextConfig:
    """Returns the text settings with a local copy of the vocabulary."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    path = stack.enter_context(beam_storage.local_copy(job.vocab_place))
    return dataclasses.replace(job.text, vocab_file=path)
