# SPDX-License-Identifier: Apache-2.0
"""`biobert annotate`: adds entities to documents.

    files -> documents -> entities of one model or several -> documents -> files

Documents are read, annotated and written one after the other; memory holds a few
thousand sentences at a time, whatever the number of documents.
"""

import collections
import dataclasses
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Final

from biobert_tf.checkpoints import hub
from biobert_tf.common.clock import Meter
from biobert_tf.common.errors import InputError
from biobert_tf.documents import fields, jobs, places
from biobert_tf.documents.document import Added
from biobert_tf.documents.jobs import Item, Job
from biobert_tf.ner import document_entities
from biobert_tf.ner.annotator import Annotator, Document
from biobert_tf.ner.settings import AnnotateConfig
from biobert_tf.training import precision

_LOG = logging.getLogger(__name__)

_MOST_SHOWN: Final = 5


@dataclasses.dataclass
class _Bad:
    """Reports documents that are left out, and counts them by the kind of reason.

    Of every file the first few are reported, and the number of the others at the end.
    """

    kinds: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    _files: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )

    def __call__(self, error: InputError) -> None:
        self.kinds[fields.kind(error)] += 1
        self._files[error.file] += 1
        if self._files[error.file] <= _MOST_SHOWN:
            _LOG.warning("left out: %s", error)

    def report_others(self) -> None:
        for name, number in self._files.items():
            if number > _MOST_SHOWN:
                _LOG.warning("left out: %s: %d more", name, number - _MOST_SHOWN)


def annotate(settings: AnnotateConfig) -> str:
    """Finds the entities of documents; returns a summary in one line, to print.

    Raises:
        InputError: A model cannot be used, there is nothing to read, or the output
            cannot be written. A document that cannot be read is reported and left out.
    """
    source, output = settings.input, settings.output
    if not settings.beam.is_local:
        # A path that is relative here means nothing to other machines.
        source, output = source.absolute(), output.absolute()
    plan = places.plan(source, output, settings.input_format, settings.output_format)
    bad = _Bad()
    models = [hub.opened(path).resolve() for path in settings.models]
    decisive: dict[str, object] = {
        # For a model of the Hub, the folder of its commit.
        "models": [*map(str, models)],
        "input_format": settings.input_format,
        "output_format": settings.output_format,
        "min_probability": settings.min_probability,
        "bad_mentions": settings.bad_mentions,
        "mixed_precision": precision.chosen(settings.device),
    }
    if any(settings.entity_types):  # Jobs that began before there were types go on.
        decisive["entity_types"] = settings.entity_types
    if settings.device.engine != "tensorflow":
        decisive["engine"] = settings.device.engine
    job = Job(plan, decisive, bad, settings.bad_mentions)
    if not job.todo:
        return f"all {len(plan.places)} files are annotated already, in {plan.folder}"
    try:
        if settings.beam.is_local:
            totals = _write(job, settings)
        else:
            from biobert_tf.ner import annotate_beam

            totals = annotate_beam.write(settings, models, plan, decisive, job, bad)
    finally:
        bad.report_others()
    return summary(totals, bad.kinds)


def summary(totals: jobs.Totals, left_out: collections.Counter[str]) -> str:
    """Returns a summary of what was written, and of what was left out, in one line."""
    written = totals.written
    by_type = ", ".join(f"{name} {n}" for name, n in sorted(written.mentions.items()))
    parts = [
        f"{written.documents} documents, {written.mentions.total()} entities"
        + (f" ({by_type})" if by_type else "")
    ]
    if totals.num_kept:
        parts.append(f"{totals.num_kept} files were there already")
    parts += [f"{number} x {note}" for note, number in sorted(written.notes.items())]
    if left_out:
        kinds = ", ".join(f"{n} x {kind}" for kind, n in sorted(left_out.items()))
        parts.append(f"{left_out.total()} left out, see above: {kinds}")
    return "; ".join(parts)


def _write(job: Job, settings: AnnotateConfig) -> jobs.Totals:
    """Annotates the documents of a job on this machine; returns what was written."""
    documents = job.documents()
    first = [*itertools.islice(documents, 1)]
    annotator = Annotator(())
    if first:  # A model takes seconds to load.
        annotator = Annotator.load(
            settings.models,
            settings.device,
            settings.predict_batch_size,
            settings.entity_types,
        )
    items = itertools.chain(first, documents)
    return job.write(_annotated(job, items, annotator, settings.min_probability))


def _annotated(
    job: Job, items: Iterable[Item], annotator: Annotator, min_probability: float
) -> Iterator[tuple[Item, Added]]:
    """Yields documents of a job with their entities; logs the progress."""
    waiting: collections.deque[Item] = collections.deque()
    numbers = {place: number for number, place in enumerate(job.todo, start=1)}

    def texts() -> Iterator[Document]:
        for item in items:
            waiting.append(item)
            yield document_entities.text_of(item.loaded)

    num_files = len(job.todo)
    with Meter("annotating", "documents") as meter:
        for number, found in enumerate(annotator.annotate(texts()), start=1):
            item = waiting.popleft()
            document = item.loaded.document
            yield item, document_entities.mentions(document, found, min_probability)
            note = f"file {numbers[item.place]} of {num_files}"
            meter.to(number, note if num_files > 1 else "")
