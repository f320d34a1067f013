# SPDX-License-Identifier: Apache-2.0
"""Annotates documents on several machines, as pipelines of Apache Beam.

The outputs are those of one machine, byte for byte: a shard holds the documents that
one machine predicts together, so batches hold the same sentences, and the same
`jobs.Job` reads and writes the files. Three pipelines run one after the other:

    read      unit: some files -> the sentences of their documents
    annotate  shard: documents, in one unit or several -> their entities
    write     unit, or all units if they become one file -> the outputs

The pipelines exchange files only, in a folder beside the output:

    texts/00007      the sentences of a unit's documents, one pickle each
    read/00007       what else is known of the unit: `_Read`
    found/00007      the entities of the documents of a shard
    written/00007    what was written of a unit: `_Wrote`
    error            the first error that no document has caused

A step is left out if its last file is there. So a lost worker costs the step that it
was at, and the same command goes on where it was interrupted or met an error.

Beam's `RunInference` does not serve: it forms batches by how fast they are, so that
probabilities differ in their last digits from run to run, and on Dask it loses
elements (findings/beam_run_inference_on_dask.sh).
"""

import collections
import dataclasses
import functools
import hashlib
import itertools
import logging
import pickle
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from biobert_tf.common import beam_storage, streams
from biobert_tf.common.beam_runner import Runner
from biobert_tf.common.beam_settings import BeamConfig
from biobert_tf.common.beam_work import Work
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.common.version import __version__
from biobert_tf.documents import jobs
from biobert_tf.documents.fields import OnBad
from biobert_tf.documents.places import Place, Plan
from biobert_tf.ner import annotator, document_entities
from biobert_tf.ner.annotator import Annotator, FoundEntity, RawSentence
from biobert_tf.ner.settings import AnnotateConfig

_LOG = logging.getLogger(__name__)

# A unit is as many files as have these bytes together, or one larger file.
_UNIT_BYTES: Final = 2**23
_loading: Final = threading.Lock()


@dataclasses.dataclass(frozen=True)
class _Work(Work):
    """What every step gets; paths are absolute, and each machine can reach them.

    `folder` and `decisive` are those of the `jobs.Job`.
    """

    settings: AnnotateConfig
    models: tuple[Path, ...]
    folder: Path | None
    decisive: Mapping[str, object]


class _Unit(NamedTuple):
    """Files that are read together."""

    number: int
    places: tuple[Place, ...]


class _Piece(NamedTuple):
    """Documents of a unit that are in one shard.

    The text of the first of them begins at the byte `start` of the unit's texts.
    """

    unit: int
    start: int
    num: int


class _Shard(NamedTuple):
    """Documents that are predicted together."""

    number: int
    pieces: tuple[_Piece, ...]


class _Entities(NamedTuple):
    """Where the entities of a unit's next documents are: so many of a shard."""

    shard: int
    skip: int
    num: int


class _Output(NamedTuple):
    """Units that are written together, and the entities of their documents."""

    number: int
    units: tuple[_Unit, ...]
    found: tuple[_Entities, ...]


class _Read(NamedTuple):
    """What a unit holds: each document's number of words, and where its text begins.

    Both are int64 `[documents]`. `errors` are those of the documents that cannot be
    read.
    """

    words: np.ndarray
    starts: np.ndarray
    unread: dict[Place, str]
    errors: list[InputError]


class _Wrote(NamedTuple):
    """What a step has written, and the errors of the documents that it left out."""

    totals: jobs.Totals
    errors: list[InputError]


def write(
    settings: AnnotateConfig,
    models: Sequence[Path],
    plan: Plan,
    decisive: Mapping[str, object],
    job: jobs.Job,
    bad: OnBad,
) -> jobs.Totals:
    """Annotates the files of a job that are to be written; returns what was written.

    Args:
        settings: The settings of the command.
        models: Absolute paths of the models' folders.
        plan: The plan of the job, with absolute paths.
        decisive: The settings that the job has got.
        job: The job.
        bad: Gets the errors of documents that are left out.

    Raises:
        InputError: The runner, a model or the output cannot be used, or there is
            nothing to write.
    """
    runner = Runner.of(settings.beam.runner, settings.beam.pipeline_options.words)
    units = list(_units(job.todo))
    known = [dataclasses.replace(settings, beam=BeamConfig()), models, units]
    known += [__version__, *(_changed(place.source) for place in job.todo)]
    name = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
    target = plan.folder or plan.places[0].target
    # Hidden: the folder of the output may be a part of the input.
    folder = str(target.with_name(f".{target.name}.beam-{name}"))
    work = _Work(folder, settings, tuple(models), plan.folder, decisive)
    try:
        Path(work.error_place).unlink(missing_ok=True)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}; choose another directory"
        raise InputError.at(target, None, problem) from None
    with job.telling_kept():
        totals = _run(runner, work, units, job, bad)
    beam_storage.delete(folder)
    return totals


def _changed(path: Path) -> tuple[int, int] | None:
    """Returns the size and time of a file that is there."""
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _units(places: Iterable[Place]) -> Iterator[_Unit]:
    held: list[Place] = []
    numbers, num_bytes = itertools.count(), 0
    for place in places:
        held.append(place)
        num_bytes += place.source.stat().st_size if place.source.exists() else 0
        if num_bytes >= _UNIT_BYTES:
            yield _Unit(next(numbers), tuple(held))
            held, num_bytes = [], 0
    if held:
        yield _Unit(next(numbers), tuple(held))


def _run(
    runner: Runner, work: _Work, units: Sequence[_Unit], job: jobs.Job, bad: OnBad
) -> jobs.Totals:
    _LOG.info("reading %d files in %d units", len(job.todo), len(units))
    runner.run(work, units, _read_unit)
    shards = list(_shards(work, units))
    job.is_empty = not shards
    parts: list[_Unit] = []  # the units of which something can be read
    errors: list[InputError] = []  # those of the other units
    for unit in units:
        found: _Read = beam_storage.get_object(work.place("read", unit.number))
        job.unread |= found.unread
        if len(found.unread) < len(unit.places):
            parts.append(unit)
        else:
            errors += found.errors
    # If all becomes one file, the step that writes it meets all errors.
    for error in errors if work.folder or not parts else ():
        bad(error)
    try:
        job.require_some()
    except InputError:
        beam_storage.delete(work.work)
        raise
    _LOG.info("annotating %d shards", len(shards))
    runner.run(work, shards, _annotate_shard)
    outputs = _outputs(work, parts if work.folder else units, shards)
    _LOG.info("writing")
    runner.run(work, outputs, _write_output)
    totals = jobs.Totals(num_kept=job.num_kept)
    for output in outputs:
        wrote: _Wrote = beam_storage.get_object(work.place("written", output.number))
        totals.written.add(wrote.totals.written)
        for error in wrote.errors:
            bad(error)
    return totals


def _shards(work: _Work, units: Sequence[_Unit]) -> Iterator[_Shard]:
    """Yields the runs of documents that one machine would predict together."""

    def documents() -> Iterator[tuple[_Piece, int]]:
        for unit in units:
            found: _Read = beam_storage.get_object(work.place("read", unit.number))
            for start, words in zip(found.starts, found.words, strict=True):
                yield _Piece(unit.number, int(start), 1), int(words)

    for number, run in enumerate(annotator.runs(documents(), lambda pair: pair[1])):
        by_unit = itertools.groupby((piece for piece, _ in run), lambda one: one.unit)
        groups = (list(group) for _, group in by_unit)
        yield _Shard(number, tuple(g[0]._replace(num=len(g)) for g in groups))


def _outputs(
    work: _Work, units: Sequence[_Unit], shards: Iterable[_Shard]
) -> list[_Output]:
    """Returns what to write: each unit in a folder, or all of them as one."""
    found = collections.defaultdict(list)
    for shard in shards:
        skip = 0
        for piece in shard.pieces:
            found[piece.unit].append(_Entities(shard.number, skip, piece.num))
            skip += piece.num
    groups = [(unit,) for unit in units] if work.folder else [tuple(units)]
    return [
        _Output(
            group[0].number, group, tuple(one for u in group for one in found[u.number])
        )
        for group in groups
    ]


# --- steps ----------------------------------------------------------------------------


def _read_unit(work: _Work, unit: _Unit) -> Iterator[int]:
    """Stores the sentences of a unit's documents; yields the unit's number."""
    target = work.place("read", unit.number)
    if not beam_storage.find(target):
        errors: list[InputError] = []
        job = _job(work, unit.places, errors)
        words: list[int] = []
        starts: list[int] = []
        with streams.writing(Path(work.place("texts", unit.number))) as stream:
            for item in job.documents():
                text = document_entities.text_of(item.loaded)
                sentences = annotator.sentences_of(text)
                words.append(annotator.num_words(sentences))
                starts.append(stream.tell())
                stream.write(pickle.dumps(sentences))
        read = _Read(np.array(words), np.array(starts), job.unread, errors)
        beam_storage.put_object(read, target)
    yield unit.number


def _annotate_shard(work: _Work, shard: _Shard) -> Iterator[int]:
    """Stores the entities of a shard's documents; yields the shard's number."""
    target = work.place("found", shard.number)
    if not beam_storage.find(target):
        documents: list[list[RawSentence]] = []
        for piece in shard.pieces:
            with streams.open_file(Path(work.place("texts", piece.unit))) as stream:
                stream.seek(piece.start)
                documents += (pickle.load(stream) for _ in range(piece.num))
        own = work.settings
        size, types = own.predict_batch_size, tuple(own.entity_types)
        with _loading:
            model = _annotator(work.models, own.device, size, types)
        beam_storage.put_object(model.annotate_run(documents), target)
    yield shard.number


def _write_output(work: _Work, output: _Output) -> Iterator[int]:
    """Writes the outputs of some units; yields the number of the first unit."""
    target = work.place("written", output.number)
    if not beam_storage.find(target):
        errors: list[InputError] = []
        places = [place for unit in output.units for place in unit.places]
        job = _job(work, places, errors)
        least = work.settings.min_probability
        found = _found(work, output)
        annotated = (
            (item, document_entities.mentions(item.loaded.document, one, least))
            for item, one in zip(job.documents(), found, strict=True)
        )
        totals = job.write(annotated)
        beam_storage.put_object(_Wrote(totals, errors), target)
    yield output.number


def _found(work: _Work, output: _Output) -> Iterator[list[FoundEntity]]:
    for part in output.found:
        entities = beam_storage.get_object(work.place("found", part.shard))
        yield from entities[part.skip : part.skip + part.num]


def _job(work: _Work, places: Sequence[Place], errors: list[InputError]) -> jobs.Job:
    """Returns the job of some places; `errors` gets those of its documents."""
    plan = Plan(tuple(places), work.folder)
    job = jobs.Job(plan, work.decisive, errors.append, work.settings.bad_mentions)
    # Also what a lost worker has written without saying so.
    job.todo = list(places)
    return job


@functools.lru_cache(maxsize=1)
def _annotator(
    models: Sequence[Path],
    device: DeviceConfig,
    batch_size: int,
    entity_types: Sequence[str],
) -> Annotator:
    """Returns the models, which a process loads once."""
    return Annotator.load(models, device, batch_size, entity_types)
