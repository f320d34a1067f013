# SPDX-License-Identifier: Apache-2.0
"""Converts a corpus to TFRecord files, in parallel, resumable, in constant memory.

There are two passes. The first reads units of the input and spools the token ids of
each document under a key: a hash of the seed and the document's origin. The second
writes the TFRecord files. Each file holds the documents of a range of keys. Random next
sentences come from the whole corpus or, where that is large, from the documents of the
ranges that follow, which are a random sample of the corpus.

The records depend on the inputs and the settings only, not on the number of workers,
the cut into units, or an interruption. Finished work is under its final name; anything
unfinished has a hidden name and is never read:

    <output_file>.work/plan.json        the settings, compared on a second start
    <output_file>.work/units/00007/     a finished unit of the first pass
    <output_file>.work/files/00007.json the manifest entry of a finished TFRecord file
    <output_file>.work/files/part-...   such a file, if all are joined to one at the end
    <output_file>.manifest.json         written last; then the work directory is deleted

If the first output file is in a store, the work directory is a local one, below TMPDIR.
TFRecord files are finished there and then copied.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from biobert_tf.common import files, remote_path, streams
from biobert_tf.common.errors import InputError
from biobert_tf.corpora import reading
from biobert_tf.pretraining.data import exact, manifest, outputs, shards, units, workers
from biobert_tf.pretraining.data.manifest import CorpusCounts, FileEntry, Manifest
from biobert_tf.pretraining.data.settings import CreatePretrainingDataConfig

_LOG = logging.getLogger(__name__)


def convert(config: CreatePretrainingDataConfig) -> Manifest:
    """Writes the masked sentence pairs of a corpus, or resumes after an interruption.

    If one output file is named and several are to be written, they are called
    `name-00000-of-00012.suffix` and so on. With a runner of Beam the work is done by
    `beam_pipeline.convert`.

    Returns:
        The manifest of what was written, which is also stored as
        `<first output file>.manifest.json`. If the manifest of the same conversion
        exists already and its files are intact, nothing is done.

    Raises:
        InputError: The corpus or the vocabulary cannot be used, the output cannot be
            written or belongs to another conversion, or a worker was killed.
    """
    conversion = config.conversion
    if not conversion.is_local:
        # Imported here, as it needs Apache Beam, which is optional.
        from biobert_tf.pretraining.data import beam_pipeline

        return beam_pipeline.convert(config)
    output_files = [
        remote_path.parse(name).expanduser() for name in config.output_file.parts
    ]
    for path in output_files:
        if path.is_dir():
            raise InputError.at(path, None, "is a directory; give the name of a file")
    outputs.check_names(output_files, conversion.num_shards)
    # PARITY(create_pretraining_data.py:416-417): not sorted, and repeated files twice.
    globs = config.input_file
    inputs = globs.files_as_found() if conversion.exact else globs.files()
    _check_settings(inputs, config)
    outputs.load_pieces(config.text)
    names = [path.name for path in output_files]
    stats = [(path.name, path.stat()) for path in inputs]
    found = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    settings = manifest.settings_of(config, names, found)
    job = _Job(config, inputs, output_files, settings)
    before = None
    if job.manifest_path.exists():
        before = Manifest.load_same(job.manifest_path, settings)
    if before is not None and job.is_intact(before):
        _LOG.info("%s: this corpus is converted already", job.manifest_path)
        shutil.rmtree(job.work_dir, ignore_errors=True)
        return before
    with job.owned_work_dir():
        if conversion.exact:
            result = job.run_exact()
        else:
            with job.pool() as executor:
                result = job.run(executor, before)
        result.save(job.manifest_path)
        shutil.rmtree(job.work_dir)
    return result


def _check_settings(
    inputs: Sequence[Path], config: CreatePretrainingDataConfig
) -> None:
    if not config.conversion.exact:
        shards.check(config.text, config.pairs)
        return
    if config.pairs.masking == "dynamic":
        raise InputError("--exact contradicts --masking=dynamic")
    for path in inputs:
        if not reading.is_text(path) or streams.is_compressed(path.name):
            raise InputError.at(
                path,
                None,
                "--exact reads plain text, as the original does; write it with "
                "`biobert corpus`",
            )


@dataclasses.dataclass(frozen=True)
class _Job:
    """One conversion: its settings, paths and steps."""

    config: CreatePretrainingDataConfig
    inputs: Sequence[Path]
    output_files: Sequence[Path]
    settings: manifest.Settings

    @property
    def manifest_path(self) -> Path:
        first = self.output_files[0]
        return first.with_name(f"{first.name}{manifest.SUFFIX}")

    @property
    def work_dir(self) -> Path:
        first = self.output_files[0]
        if not remote_path.is_remote(first):
            return first.with_name(f"{first.name}.work")
        # The spool is read in a thousand places, and a store cannot lock a folder.
        name = hashlib.sha256(str(first).encode("utf-8")).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"biobert-{os.getuid()}-{name}.work")

    @property
    def _files_dir(self) -> Path:
        """Notes of finished files; and the files, if they are parts of a single one."""
        return self.work_dir / "files"

    @property
    def _part(self) -> Path:
        """The name, to be numbered, of the parts of a single file."""
        return self._files_dir / "part.tfrecord"

    def is_intact(self, before: Manifest) -> bool:
        """Returns whether the files are those that the manifest lists."""
        paths = self._plan(before.corpus.num_tokens).paths
        pairs = zip(before.files, paths, strict=True)
        return all(entry.is_intact(path) for entry, path in pairs)

    @contextlib.contextmanager
    def owned_work_dir(self) -> Iterator[None]:
        """Creates the work directory, or takes over one of the same conversion.

        Raises:
            InputError: The directory cannot be written, is in use, or holds finished
                work of another conversion.
        """
        try:
            for name in ("units", "files"):
                (self.work_dir / name).mkdir(parents=True, exist_ok=True)
            lock = (self.work_dir / "lock").open("w")
        except OSError as error:
            problem = f"cannot be written: {error.strerror}; choose another directory"
            raise InputError.at(self.work_dir, None, problem) from None
        if remote_path.is_remote(self.manifest_path):
            _LOG.info("until the end the work is in %s; see TMPDIR", self.work_dir)
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                problem = "in use by another conversion to the same --output_file"
                raise InputError.at(self.work_dir, None, problem) from None
            self._adopt_work()
            try:
                yield
            except KeyboardInterrupt as error:
                error.args = (self._kept(),)
                raise
            finally:
                self._sweep()
                if not self._finished_work():
                    shutil.rmtree(self.work_dir, ignore_errors=True)

    def _adopt_work(self) -> None:
        plan = self.work_dir / "plan.json"
        if plan.exists() and self._finished_work():
            _LOG.info("%s: resuming", self.work_dir)
            before = files.read_json(plan)
            if manifest.differ(before, self.settings) == ["num_shards"]:
                # The units are of any number of files.
                shutil.rmtree(self._files_dir)
                self._files_dir.mkdir()
            else:
                manifest.refuse_other(plan, before, self.settings, str(self.work_dir))
        files.write_json(plan, self.settings)
        self._sweep()

    def _finished_work(self) -> list[Path]:
        units_dir, files_dir = self.work_dir / "units", self._files_dir
        return [*units_dir.glob("[0-9]*"), *files_dir.glob("*.json")]

    def _kept(self) -> str:
        """Returns what is left after Ctrl-C, for the user."""
        if done := len(self._finished_work()):
            parts = "part is" if done == 1 else "parts are"
            kept = f"{done} {parts} finished and kept in {self.work_dir}"
            return f"{kept}; the same command does the others"
        return "nothing is finished; the same command starts over"

    def _sweep(self) -> None:
        """Deletes unfinished work of this process or of one that was killed."""
        outputs.sweep([*self.output_files, self.manifest_path, self._part])
        for unit in self.work_dir.glob("units/.*"):
            shutil.rmtree(unit)

    def pool(self) -> contextlib.AbstractContextManager[workers.Executor]:
        """Returns who does the work: processes, or a thread where it must be here."""
        vocab_file = self.config.text.vocab_file
        assert vocab_file is not None
        paths = [*self.inputs, *self.output_files, vocab_file]
        if any(map(remote_path.is_of_this_process, paths)):
            return workers.thread()
        return workers.pool(self.config.conversion.num_workers)

    def run(self, executor: workers.Executor, before: Manifest | None) -> Manifest:
        """Does the unfinished work of both passes."""
        text, pairs = self.config.text, self.config.pairs
        reader = units.UnitReader(
            self.work_dir / "units", text, self.config.corpus, pairs.random_seed
        )
        sizes = {str(path): path.stat().st_size for path in self.inputs}
        corpus_units = units.find_units(sizes)
        counts = self._read(executor, reader, corpus_units)
        problem = outputs.refusal(counts, self.inputs, self.config.corpus)
        if problem:
            shutil.rmtree(self.work_dir)
            raise problem
        parts, plan = tuple(reader.parts(corpus_units)), self._plan(counts.num_tokens)
        outputs.refuse_others(plan.paths)
        # All processes write a single file: its parts, which are joined at the end.
        is_joined = len(plan.paths) == 1 < plan.portions_per_file
        split = outputs.Plan.of([self._part], 0, counts.num_tokens)
        used = split if is_joined else plan
        writer = outputs.FileWriter(self._files_dir, parts, used, text, pairs)
        if before is not None and not is_joined:
            for number, entry in enumerate(before.files):
                writer.note(number, entry)
        written = _write(executor, writer)
        if is_joined:
            written = [writer.join(plan.paths[0], written)]
        return Manifest(settings=self.settings, corpus=counts, files=tuple(written))

    def run_exact(self) -> Manifest:
        """Converts as the original does, in one pass."""
        text, paths = self.config.text, self._plan(0).paths
        tokenizer = units.load_tokenizer(text)
        documents = exact.read_documents(self.inputs, tokenizer)
        if documents.num_documents == 1:
            # The original draws from the same document without a word.
            _LOG.warning("%s", reading.few_documents(self.inputs))
        counts = exact.convert(
            documents, tokenizer.vocab, text, self.config.pairs, paths
        )
        return Manifest(
            settings=self.settings,
            corpus=CorpusCounts.of(documents),
            files=tuple(map(FileEntry.of, paths, counts)),
        )

    def _read(
        self,
        executor: workers.Executor,
        reader: units.UnitReader,
        corpus_units: Sequence[units.Unit],
    ) -> CorpusCounts:
        """Reads the unfinished units; returns the counts of all units."""
        known = [reader.counts(unit) for unit in corpus_units]
        pending = [u for u, c in zip(corpus_units, known, strict=True) if c is None]
        if not all(reading.is_text(unit.place) for unit in pending):
            corpus = self.config.corpus
            live = reading.find_current(self.inputs, corpus, executor.map)
            # Only of its own file: all of PubMed's would be sent with every unit.
            pending = [
                dataclasses.replace(u, is_live=live.get(u.place)) for u in pending
            ]
        total = sum(filter(None, known), CorpusCounts())
        sizes = [unit.num_bytes for unit in pending]
        for _, result in workers.run(executor, reader.read, pending, sizes, "reading"):
            total += result.counts
            for skip in result.skips:
                _LOG.warning("skipped: %s", skip)
        _LOG.info(
            "%d documents, %d sentences, %d WordPieces",
            total.num_documents,
            total.num_sentences,
            total.num_tokens,
        )
        return total

    def _plan(self, num_tokens: int) -> outputs.Plan:
        # The original writes the named files only: one name is one file.
        how = self.config.conversion
        num_shards = how.num_shards or int(how.exact)
        return outputs.Plan.of(self.output_files, num_shards, num_tokens)


def _write(executor: workers.Executor, writer: outputs.FileWriter) -> list[FileEntry]:
    """Writes the unfinished files; returns the manifest entries of all files."""
    numbers = range(len(writer.plan.paths))
    known = {number: writer.entry(number) for number in numbers}
    pending = [number for number, entry in known.items() if entry is None]
    if len(pending) < len(known):
        _LOG.info("%d files are finished already", len(known) - len(pending))
    sizes = [1] * len(pending)
    known |= workers.run(executor, writer.write, pending, sizes, "writing", "files")
    return [entry for entry in known.values() if entry is not None]
