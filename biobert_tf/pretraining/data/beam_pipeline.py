# SPDX-License-Identifier: Apache-2.0
"""Converts a corpus on several machines, as pipelines of Apache Beam.

The records are those of `conversion.convert`, byte for byte: the same documents get
the same keys, and the same function writes the file of a range of keys. Only two
things differ: Beam's workers run the steps, and Beam's file systems read and write the
files. Three pipelines of `beam_steps` run one after the other:

    index   XML file -> its identifiers; the launcher then finds, from the identifiers
            of all files, which records are live (not for a corpus of plain text)
    read    file, or block of a text file -> documents -> token ids; documents are
            grouped by ranges of keys; each range becomes a sorted part of the spool
    write   number of a TFRecord file -> the file, from the parts that it needs

The pipelines exchange files only, in `<first output file>.beam-<random>/`:

    vocab.txt            the vocabulary, so that workers need no copy of their own
    index/00007          the identifiers of an XML file
    live/00007           which records of an XML file are live
    units/00007          the counts of a unit of the input
    parts/00007/         the documents of a range of keys
    files/00007          a TFRecord file, moved to its place at the very end
    entries/00007        the file's entry of the manifest
    error                the first error that was found in the input

Where it is not said otherwise, a file is a pickled Python object.
"""

import dataclasses
import functools
import logging
import os
import posixpath
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from biobert_tf.common import beam_storage
from biobert_tf.common.beam_runner import Runner
from biobert_tf.common.comma_lists import FileGlobs, files_of
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.pretraining.data import (
    beam_steps,
    manifest,
    outputs,
    shards,
    units,
)
from biobert_tf.pretraining.data.beam_steps import Job
from biobert_tf.pretraining.data.manifest import CorpusCounts, FileEntry, Manifest
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig

_LOG = logging.getLogger(__name__)

# Text files are cut into units of `_UNIT_BYTES`. A part of the spool holds the
# documents of about `_FILE_BYTES_PER_PART` of files: up to a few million tokens.
_UNIT_BYTES: Final = 2**24
_FILE_BYTES_PER_PART: Final = 2**22
_MAX_PARTS: Final = 2**13


def convert(config: CreatePretrainingDataConfig) -> Manifest:
    """Writes the masked sentence pairs of a corpus with a runner of Apache Beam.

    The result is that of `conversion.convert`, but files may also be URLs, such as
    `gs://bucket/pubmed*.xml.gz`, and all workers must be able to read the paths.

    Raises:
        InputError: The corpus, the vocabulary, the output or the options of the
            runner cannot be used, or Beam is not installed. Nothing is left behind.
    """
    text, conversion = config.text, config.conversion
    runner = Runner.of(conversion.runner, conversion.pipeline_options.words)
    shards.check(text, config.pairs)
    outputs.load_pieces(text)
    target = _Target.of(config.output_file.parts, conversion.num_shards)
    inputs = _expand(config.input_file)
    found = [(posixpath.basename(f.place), *f[1:]) for f in inputs]
    settings = manifest.settings_of(config, target.names, found)
    if (before := target.manifest_before(settings)) is not None:
        _LOG.info("%s: this corpus is converted already", target.manifest_place)
        return before
    num_parts = 1 + sum(file.num_bytes for file in inputs) // _FILE_BYTES_PER_PART
    work = f"{target.files[0]}.beam-{uuid.uuid4().hex[:8]}"
    num_parts = min(num_parts, _MAX_PARTS)
    job = Job(work, text, config.pairs, config.corpus, num_parts)
    try:
        assert text.vocab_file is not None
        beam_storage.put(text.vocab_file, job.vocab_place)
        counts = _read(runner, job, {f.place: f.num_bytes for f in inputs})
        paths = [Path(file.place) for file in inputs]
        problem = outputs.refusal(counts, paths, config.corpus)
        if problem:
            raise problem
        entries = _write(runner, job, target, counts.num_tokens)
        result = Manifest(settings=settings, corpus=counts, files=tuple(entries))
        target.publish(job, result)
    finally:
        beam_storage.delete(work)
    return result


@dataclasses.dataclass(frozen=True)
class _Target:
    """The output files as the user named them, paths or URLs, and `--num_shards`."""

    files: tuple[str, ...]
    num_shards: int

    @classmethod
    def of(cls, files: Sequence[str], num_shards: int) -> "_Target":
        """Returns the target; raises InputError if the arguments contradict."""
        outputs.check_names(files, num_shards)
        places = [f if beam_storage.is_remote(f) else os.path.abspath(f) for f in files]
        return cls(tuple(places), num_shards)

    @property
    def names(self) -> list[str]:
        """The files without their folders."""
        return [*map(posixpath.basename, self.files)]

    @property
    def manifest_place(self) -> str:
        """The path or URL of the manifest."""
        return self.files[0] + manifest.SUFFIX

    def places(self, num_tokens: int) -> list[str]:
        """Returns the places of all files for a corpus of this size."""
        if len(self.files) > 1:
            return list(self.files)
        plan = outputs.Plan.of([Path(self.names[0])], self.num_shards, num_tokens)
        folder = posixpath.dirname(self.files[0])
        return [posixpath.join(folder, path.name) for path in plan.paths]

    def manifest_before(self, settings: manifest.Settings) -> Manifest | None:
        """Returns the manifest of the same conversion if all its files exist.

        The files' sizes are compared but not their contents, which may be terabytes.
        Raises `InputError` if the manifest there is of another conversion.
        """
        if not beam_storage.find(self.manifest_place):
            return None
        with beam_storage.local_copy(self.manifest_place) as path:
            before = Manifest.load_same(path, settings)
        places = self.places(before.corpus.num_tokens)
        found = [file.num_bytes for each in places for file in beam_storage.find(each)]
        return before if found == [entry.num_bytes for entry in before.files] else None

    def publish(self, job: Job, result: Manifest) -> None:
        """Moves the finished files to their places, then writes the manifest."""
        places = enumerate(self.places(result.corpus.num_tokens))
        beam_storage.move({job.place("files", i): place for i, place in places})
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "manifest.json"
            result.save(path)
            beam_storage.put(path, self.manifest_place)


def _expand(patterns: FileGlobs) -> list[beam_storage.FoundFile]:
    """Returns the files of globs, local or at URLs; see `FileGlobs.files`."""
    found: dict[beam_storage.FoundFile, None] = {}
    for pattern in patterns.named:
        places = [pattern]
        if not beam_storage.is_remote(pattern):
            places = [*map(os.path.abspath, files_of(pattern))]
        files = [file for place in places for file in beam_storage.find(place)]
        if not files:
            raise InputError(f"{pattern}: no file matches; check the URL")
        found |= dict.fromkeys(files)
    if not found:
        raise InputError(f"{patterns.text!r} names no file")
    return list(found)


def _read(runner: Runner, job: Job, sizes: Mapping[str, int]) -> CorpusCounts:
    """Writes the documents to the parts of the spool; returns their counts."""
    found = units.find_units(sizes, _UNIT_BYTES, False)
    xml_files = [unit for unit in found if not reading.is_text(unit.place)]
    if xml_files:
        _LOG.info("indexing %d files", len(xml_files))
        runner.run(job, xml_files, beam_steps.index_file)
        beam_steps.resolve(job, xml_files)
    _LOG.info("reading %d files in %d units", len(sizes), len(found))
    runner.run(job, found, beam_steps.read_unit, beam_steps.write_part)
    total = CorpusCounts()
    for unit in found:
        result = beam_storage.get_object(job.place("units", unit.number))
        total += result.counts
        for skip in result.skips:
            _LOG.warning("skipped: %s", skip)
    return total


def _write(
    runner: Runner, job: Job, target: _Target, num_tokens: int
) -> Iterator[FileEntry]:
    """Writes the TFRecord files to the folder of the job; yields their entries."""
    places = target.places(num_tokens)
    local = [Path(place) for place in places if not beam_storage.is_remote(place)]
    for path in local:
        path.parent.mkdir(parents=True, exist_ok=True)
    outputs.refuse_others(local)
    if len(places) == 1 and (most := outputs.files_wanted(num_tokens)) > 1:
        _LOG.warning("one worker writes one file; --num_shards=0 makes %d", most)
    _LOG.info("writing %d files of %d WordPieces", len(places), num_tokens)
    step = functools.partial(
        beam_steps.write_file,
        names=target.names,
        num_shards=target.num_shards,
        num_tokens=num_tokens,
    )
    runner.run(job, range(len(places)), step)
    for number in range(len(places)):
        yield beam_storage.get_object(job.place("entries", number))
